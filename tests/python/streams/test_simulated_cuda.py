# SPDX-License-Identifier: Apache-2.0
"""CUDA mode without a GPU: what viewcast asks of the driver, against a simulated
one (tests/c/simulated_cuda.c) whose device memory is ordinary memory.

The mode is decided once a process, so each test is a process of its own: this
file run as a program, with the simulated driver first on LD_LIBRARY_PATH, forks
one for each. CuPy is not imported there: it would call functions that the
simulation does not have.
"""

import ctypes
import gc
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import traceback
import weakref

import cv2
import numpy
import pytest
from dlpack_structs import CPU, CUDA, Producer, consume, managed_tensor, new_capsule
from threads import at_once

import viewcast as vc

pytestmark = pytest.mark.any_opencv

SOURCE = pathlib.Path(__file__).parents[2] / "c" / "simulated_cuda.c"
SUPPORT = pathlib.Path(__file__).parents[2] / "support"
CUDA_HOST, CUDA_MANAGED = 3, 13
LEGACY, PER_THREAD, NO_ORDER = 1, 2, -1
GLOBAL_MODE = 0
ILLEGAL_ADDRESS, CAPTURE_INVALIDATED = 700, 901

# ------------------------------------------------------------- tests as programs

bodies = {}


@pytest.fixture(autouse=True)
def host_mode_only():
    """Not needed here: whatever GPU there is, these tests do not see it."""


def build(folder):
    """Builds the simulated libcuda.so.1."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    if not shutil.which(compiler[0]):
        compiler = ["cc"]
    if not shutil.which(compiler[0]):
        pytest.skip("no C compiler to build the simulated CUDA driver with")
    if not SOURCE.exists():
        pytest.skip("tests/c/simulated_cuda.c is not here")
    options = ["-std=c11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread"]
    output = ["-Wl,-soname,libcuda.so.1", "-o", folder / "libcuda.so.1"]
    subprocess.run([*compiler, *options, SOURCE, *output], check=True)


@pytest.fixture(scope="session")
def run_program(tmp_path_factory):
    """Runs a test's function in a process: run_program(name, variables) gives its
    exit status and its output."""
    yield from serving(__file__, tmp_path_factory)


def serving(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated_cuda")
    build(folder)
    libraries = [str(folder), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    modules = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    server = subprocess.Popen(
        [sys.executable, program],
        env=dict(
            os.environ,
            LD_LIBRARY_PATH=os.pathsep.join(libraries),
            PYTHONPATH=os.pathsep.join(modules),
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(name, variables):
        print(json.dumps([name, variables]), file=server.stdin, flush=True)
        return json.loads(server.stdout.readline())

    with server:
        yield run


def simulated(devices=1, skip=None, **variables):
    """The decorated function runs in a process of its own, with so many devices.
    skip: a reason not to."""

    def decorate(body):
        name = body.__name__
        bodies[name] = body

        def test(run_program):
            if skip:
                pytest.skip(skip)
            all_variables = {"SIMULATED_CUDA_DEVICES": str(devices), **variables}
            status, output = run_program(name, all_variables)
            assert status == 0, output

        test.__name__ = name
        test.__doc__ = body.__doc__
        return test

    return decorate


def serve():
    """The program: a test to run on each line of its input. It decides no mode
    itself, and what it has imported need not be imported again."""
    for line in sys.stdin:
        name, variables = json.loads(line)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                os.environ.update(variables)
                sys.exit(run_body(name))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            output.seek(0)
            text = output.read().decode(errors="replace")
        print(json.dumps([status, text]), flush=True)


def run_body(name):
    try:
        main(name)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main(name):
    global sim
    sim = Simulation()
    if not name.startswith("test_bare"):
        vc.opencv_layout()
        vc.warmup()
        sim.work()
    bodies[name]()
    gc.collect()
    vc.collect()
    assert sim.library.sim_errors() == 0, sim.library.sim_last_error()
    assert (sim.library.sim_depth(), sim.library.sim_mode()) == (0, GLOBAL_MODE)


# --------------------------------------------------------------- the simulation


class Call(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("stream", ctypes.c_ssize_t),
        ("object", ctypes.c_size_t),
        ("device", ctypes.c_int),
        ("mode", ctypes.c_int),
        ("result", ctypes.c_int),
    ]


WORK = {
    b"cuEventCreate": "create",
    b"cuEventDestroy_v2": "destroy",
    b"cuEventRecord": "record",
    b"cuStreamWaitEvent": "wait",
    b"cuEventQuery": "query",
    b"cuStreamSynchronize": "synchronize",
    b"cuMemAlloc_v2": "allocate",
    b"cuMemAllocAsync": "allocate",
    b"cuMemFree_v2": "free",
    b"cuMemFreeAsync": "free",
    b"cuMemcpy2DAsync_v2": "copy",
    b"cuLaunchKernel": "launch",
}


class Simulation:
    """The control functions of the simulated driver."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        self.library.sim_stream_create.restype = ctypes.c_ssize_t
        self.library.sim_last_error.restype = ctypes.c_char_p
        self.streams = []
        self.arrays = []  # registered memory is never freed

    def stream(self, device=0, blocking=True):
        made = self.library.sim_stream_create(device, not blocking)
        self.streams.append(made)
        return made

    def memory(self, kind=CUDA, device=0, shape=(4, 6, 3), dtype="uint8"):
        array = numpy.zeros(shape, dtype)
        self.register(array.ctypes.data, array.nbytes, kind, device)
        self.arrays.append(array)
        return array

    def register(self, address, size, kind, device=0):
        self.library.sim_register(ctypes.c_void_p(address), ctypes.c_size_t(size), kind, device)

    def busy(self, stream, busy=True, device=0):
        self.library.sim_busy(ctypes.c_ssize_t(stream), device, busy)

    def begin_capture(self, stream):
        self.library.sim_begin_capture(ctypes.c_ssize_t(stream), GLOBAL_MODE)

    def end_capture(self, stream):
        """0 if nothing disturbed it."""
        return self.library.sim_end_capture(ctypes.c_ssize_t(stream))

    def fail(self, symbol, result, after=0):
        self.library.sim_fail(symbol.encode(), after, result)

    def work(self):
        """What was done on the device since the last time, as "record A@0, wait
        B@0": streams by letter in the order of their creation, and the device whose
        context was current."""
        calls, call = [], Call()
        while self.library.sim_log_read(len(calls), ctypes.byref(call)):
            calls.append(Call.from_buffer_copy(call))
        self.library.sim_log_clear()
        return ", ".join(self._text(call) for call in calls if call.name in WORK)

    def _text(self, call):
        name = f" {call.stream}" if call.stream else ""
        if call.stream in self.streams:
            name = " " + chr(ord("A") + self.streams.index(call.stream))
        return f"{WORK[call.name]}{name}@{call.device}"


sim = None

UNSET = object()


class CudaArray:
    """A producer with the CUDA Array Interface. `stream` may be left out."""

    def __init__(self, array, stream=UNSET, version=3):
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "version": version,
        }
        if stream is not UNSET:
            self.__cuda_array_interface__["stream"] = stream


def new_array(stream=UNSET, **where):
    return CudaArray(sim.memory(**where), stream)


def dlpack_producer(kind=CUDA, device=0, **options):
    array = sim.memory(kind=kind, device=device)
    producer = Producer(array, device_type=kind, device_id=device, **options)
    producer.device = (kind, device)
    sim.arrays.append(producer)  # whose managed tensor it is
    return producer


def gpumat_header(device=0):
    array = sim.memory(device=device)
    return cv2.cuda.createGpuMatFromCudaMemory(4, 6, cv2.CV_8UC3, array.ctypes.data, 18)


class raises:
    """As pytest.raises, for parts of the message."""

    def __init__(self, kind, *parts):
        self.kind, self.parts = kind, parts

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        assert kind is not None, f"{self.kind.__name__} was not raised"
        if not issubclass(kind, self.kind):
            return False
        for part in self.parts:
            assert part in str(error), f"{part!r} is not in {str(error)!r}"
        return True


# ----------------------------------------------------------------------- the mode


@simulated(devices=2)
def test_bare_cuda_mode():
    assert not vc.host_mode()
    assert vc.mode_reason() == "CUDA: the driver lists 2 devices"


@simulated(devices=0)
def test_bare_no_devices():
    assert vc.host_mode()
    assert vc.mode_reason() == "host mode: the driver lists 0 devices"
    vc.warmup()
    mat = vc.as_gpumat(numpy.zeros((4, 6, 3), "uint8"), stream=77, producer_stream=78)
    assert mat.size() == (6, 4)
    assert sim.work() == ""


@simulated(devices=0, VIEWCAST_HOST_MODE="0")
def test_bare_host_mode_forbidden():
    with raises(vc.DeviceError, "the driver lists 0 devices", "VIEWCAST_HOST_MODE=0"):
        vc.host_mode()
    with raises(vc.DeviceError, "VIEWCAST_HOST_MODE=0"):
        vc.as_gpumat(numpy.zeros((4, 6, 3), "uint8"))
    sim.library.sim_set_devices(1)
    assert not vc.host_mode()


@simulated()
def test_bare_driver_error_is_retried():
    sim.fail("cuInit", 999)
    with raises(vc.CUDAError, "cuInit failed with CUDA error 999 (CUDA_ERROR_UNKNOWN)"):
        vc.host_mode()
    assert not vc.host_mode()


# ------------------------------------------------------------------------ devices


@simulated(devices=2)
def test_devices_of_memory():
    assert vc.view(new_array()).device == "cuda:0"
    assert vc.view(new_array(device=1)).device == "cuda:1"
    assert vc.view(new_array(kind=CUDA_MANAGED, device=1)).device == "cuda_managed:1"
    assert vc.view(new_array(kind=CUDA_HOST)).device == "cuda_host"
    assert vc.view(dlpack_producer(device=1)).device == "cuda:1"
    assert vc.view(gpumat_header(device=1)).device == "cuda:1"
    assert vc.view(numpy.zeros((4, 6), "uint8")).device == "cpu"
    assert vc.view(vc.as_gpumat(new_array(device=1))).device == "cuda:1"
    with raises(vc.DeviceError, "no CUDA memory"):
        vc.view(CudaArray(numpy.zeros((4, 6), "uint8")))
    sim.fail("cuPointerGetAttributes", ILLEGAL_ADDRESS)
    with raises(vc.CUDAError, "cuPointerGetAttributes failed with CUDA error 700"):
        vc.view(new_array())


@simulated()
def test_host_memory_is_refused():
    plain = numpy.zeros((4, 6, 3), "uint8")
    pinned = sim.memory(kind=CUDA_HOST)
    with raises(vc.DeviceError, "in host memory", "device memory"):
        vc.as_gpumat(plain)
    with raises(vc.DeviceError, "in pinned host memory"):
        vc.as_gpumat(pinned)
    with raises(vc.DeviceError, "in pinned host memory"):
        vc.as_gpumat(dlpack_producer(kind=CUDA_HOST))
    with raises(vc.DeviceError, "in host memory"):
        vc.as_gpumat(vc.view(plain))
    with raises(vc.DeviceError, "in host memory"):
        vc.as_gpumat(Producer(plain))
    with raises(vc.DeviceError, "CUDA device 0", "NumPy needs host memory"):
        vc.as_numpy(new_array())
    with raises(vc.DeviceError, "copy=None", "torch: .cpu()"):
        vc.as_numpy(new_array(), copy=False)
    with raises(AttributeError, "host memory"):
        _ = vc.view(plain).__cuda_array_interface__
    assert sim.work() == ""


@pytest.mark.all_libraries
@simulated()
def test_torch_host_memory_is_refused():
    import torch

    tensor = torch.zeros((4, 6, 3), dtype=torch.uint8)
    with raises(vc.DeviceError, "in host memory"):
        vc.as_gpumat(tensor)
    sim.register(tensor.data_ptr(), tensor.nbytes, CUDA_HOST)
    with raises(vc.DeviceError, "in pinned host memory"):
        vc.as_gpumat(tensor)


@pytest.mark.all_libraries
@simulated()
def test_torch_tensors():
    """A torch without CUDA may take device memory all the same, or refuse it."""
    import torch

    a, b = sim.stream(), sim.stream()
    array = new_array(a)
    producer = weakref.ref(array)
    try:
        tensor = vc.as_tensor(array, stream=b)
    except (vc.ViewError, RuntimeError):
        assert not torch.cuda.is_available()
        return
    assert sim.work() == "record A@0, wait B@0"
    mat = vc.as_gpumat(tensor, producer_stream=b)
    assert sim.work() == "record B@0, wait 1@0"
    sim.busy(b)
    del array, tensor, mat
    vc.collect()
    assert producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert producer() is None


# ---------------------------------------------------------------- streams by name


def stream_forms(handle):
    """Every way to name a stream."""
    torch_like = type("TorchStream", (), {"cuda_stream": handle})()
    cupy_like = type("CupyStream", (), {"ptr": handle})()
    protocol = type("Stream", (), {"__cuda_stream__": lambda self: (0, handle)})()
    older = type("OldStream", (), {"__cuda_stream__": (0, handle)})()
    return handle, torch_like, cupy_like, protocol, older, vc.stream(handle)


@simulated()
def test_stream_forms():
    a, b = sim.stream(), sim.stream(blocking=False)
    array = new_array()
    for from_a, to_b in zip(stream_forms(a), stream_forms(b), strict=True):
        mat = vc.as_gpumat(array, stream=to_b, producer_stream=from_a)
        assert sim.work() == "record A@0, wait B@0"
        view = vc.view(array, stream=to_b, producer_stream=from_a)
        assert sim.work() == "record A@0, wait B@0"
        del mat, view
        vc.collect()
        sim.work()


@simulated()
def test_default_streams():
    a = sim.stream()
    array = new_array()
    kept = []

    def order(producer, consumer):
        kept.append(vc.as_gpumat(array, producer_stream=producer, stream=consumer))
        return sim.work()

    assert order(a, 0) == order(a, 1) == order(a, LEGACY) == "record A@0, wait 1@0"
    assert order(0, a) == order(1, a) == "record 1@0, wait A@0"
    assert order(a, PER_THREAD) == "record A@0, wait 2@0"
    assert order(PER_THREAD, 0) == "record 2@0, wait 1@0"
    assert order(a, None) == "record A@0, wait 1@0"  # OpenCV's is the legacy one
    assert order(0, 1) == order(1, 0) == order(a, a) == ""
    assert order(a, NO_ORDER) == order(NO_ORDER, a) == ""


@simulated()
def test_bad_streams():
    array = new_array()
    for bad in ("A", 1.5, object(), True, []):  # classes and functions: test_arguments.py
        with raises(TypeError, "stream is a", "int handle"):
            vc.as_gpumat(array, stream=bad)
        with raises(TypeError, "producer_stream is a"):
            vc.view(array, producer_stream=bad)
    with raises(ValueError, "stream is -2"):
        vc.as_gpumat(array, stream=-2)
    with raises(ValueError, "stream is 18446744073709551616, needs a stream handle"):
        vc.as_gpumat(array, stream=1 << 64)
    broken = type("Stream", (), {"__cuda_stream__": lambda self: 7})()
    with raises(TypeError, "(version, handle)"):
        vc.as_gpumat(array, stream=broken)
    assert sim.work() == ""


@simulated()
def test_use_stream():
    a, b = sim.stream(), sim.stream()
    array = new_array(stream=a)
    with vc.use_stream(b) as current:
        assert current.handle == b
        first = vc.as_gpumat(array)
        assert sim.work() == "record A@0, wait B@0"
        with vc.use_stream(a):
            second = vc.as_gpumat(array)
            assert sim.work() == ""
        third = vc.view(first)  # from OpenCV's current stream, and to be used there
        assert third.__cuda_array_interface__["stream"] == b
        fourth = vc.as_gpumat(array, stream=1)
        assert sim.work() == "record A@0, wait 1@0"
    fifth = vc.as_gpumat(array)
    assert sim.work() == "record A@0, wait 1@0"
    del first, second, third, fourth, fifth


@simulated()
def test_use_stream_is_a_threads_own():
    a, b = sim.stream(), sim.stream()
    array, done = new_array(stream=a), []

    def convert():
        done.append(vc.as_gpumat(array))
        assert sim.library.sim_depth() == 0 and sim.library.sim_mode() == GLOBAL_MODE
        done.append(sim.work())

    with vc.use_stream(b):
        thread = threading.Thread(target=convert)
        thread.start()
        thread.join()
    assert done[1] == "record A@0, wait 1@0"  # from a thread that had no context


@simulated()
def test_gpumat_headers():
    a, b = sim.stream(), sim.stream()
    mat = gpumat_header()
    view = vc.view(mat)  # written on the legacy stream, as far as anyone knows
    assert view.__cuda_array_interface__["stream"] == LEGACY
    view = vc.view(mat, producer_stream=a)
    assert view.__cuda_array_interface__["stream"] == a
    assert sim.work() == ""
    view = vc.view(mat, producer_stream=a, stream=b)
    assert view.__cuda_array_interface__["stream"] == b
    assert sim.work() == "record A@0, wait B@0"
    assert vc.as_gpumat(mat) is mat
    assert sim.work() == ""
    assert vc.as_gpumat(mat, producer_stream=a, stream=b) is mat
    assert sim.work().startswith("record A@0, wait B@0")


# --------------------------------------------------------- the CUDA Array Interface


@simulated()
def test_cuda_array_stream_in():
    a, b = sim.stream(), sim.stream()
    kept = []

    def order(stream, **options):
        kept.append(vc.as_gpumat(new_array(stream), stream=b, **options))
        return sim.work()

    assert order(UNSET) == order(None) == ""  # nothing to wait for
    assert order(LEGACY) == "record 1@0, wait B@0"
    assert order(0) == "record 1@0, wait B@0"  # either default stream: 1 waits for both
    assert order(PER_THREAD) == "record 2@0, wait B@0"
    assert order(a) == "record A@0, wait B@0"
    assert order(b) == ""
    assert order(b, producer_stream=a) == "record A@0, wait B@0"  # the caller knows better
    for bad in (-1, "1"):
        with raises(vc.ViewError, "None, 1, 2 or a stream handle"):
            order(bad)


@simulated()
def test_cuda_array_stream_out():
    a, b = sim.stream(), sim.stream()

    def stream_out(*arguments, **options):
        return vc.view(new_array(*arguments), **options).__cuda_array_interface__["stream"]

    assert stream_out() is None
    assert stream_out(a) == a
    assert stream_out(a, stream=b) == b
    assert stream_out(a, stream=0) == LEGACY
    assert stream_out(a, stream=-1) == a  # not ordered: it is ready where it was
    assert stream_out(producer_stream=b) == b
    assert vc.view(new_array(a)).__cuda_array_interface__["version"] == 3


# ------------------------------------------------------------------------- DLPack


@simulated()
def test_dlpack_producer_is_given_the_consumers_stream():
    b = sim.stream()

    def asked(convert, **options):
        producer = dlpack_producer()
        kept = convert(producer, **options)
        assert sim.work() == ""  # the producer sees to the order
        del kept
        vc.collect()
        sim.work()
        (keywords,) = producer.asked
        return keywords["stream"]

    assert asked(vc.as_gpumat) == asked(vc.as_gpumat, stream=0) == LEGACY
    assert asked(vc.as_gpumat, stream=b) == asked(vc.view, stream=b) == b
    assert asked(vc.as_gpumat, stream=PER_THREAD) == PER_THREAD
    assert asked(vc.as_gpumat, stream=-1) == -1
    assert asked(vc.view) == LEGACY
    with vc.use_stream(b):
        assert asked(vc.as_gpumat) == b


@simulated()
def test_dlpack_producer_stream():
    a, b = sim.stream(), sim.stream()
    producer = dlpack_producer()
    mat = vc.as_gpumat(producer, producer_stream=a, stream=b)
    assert producer.asked[0]["stream"] == b
    assert sim.work() == "record A@0, wait B@0"
    del mat


@simulated()
def test_dlpack_producer_of_before_version_1():
    b = sim.stream()
    producer = dlpack_producer(versioned=False)
    asked = []

    def dlpack(stream=None):  # knows no max_version
        asked.append(stream)
        return Producer.__dlpack__(producer)

    producer.__dlpack__ = dlpack
    vc.as_gpumat(producer, stream=b)
    assert asked == [b]


@simulated()
def test_host_producers_are_given_no_stream():
    for producer in (dlpack_producer(kind=CUDA_HOST), Producer(numpy.zeros((4, 6), "uint8"))):
        vc.view(producer)
        assert producer.asked[0].get("stream") is None
        assert sim.work() == ""


def bare_capsule(producer):
    return new_capsule(ctypes.addressof(producer.managed), producer.name)


@simulated()
def test_a_bare_capsule_is_ready_on_the_legacy_stream_or_the_one_that_is_named():
    a, b = sim.stream(), sim.stream()

    def order(**options):
        producer = dlpack_producer()
        kept = vc.as_gpumat(bare_capsule(producer), **options)
        enqueued = sim.work()
        assert (producer.asked, producer.deleted) == ([], 0)
        del kept
        vc.collect()
        sim.work()
        return enqueued

    assert order() == order(stream=-1) == ""
    assert order(stream=b) == "record 1@0, wait B@0"
    assert order(stream=b, producer_stream=a) == "record A@0, wait B@0"
    assert order(stream=b, producer_stream=b) == order(stream=b, producer_stream=-1) == ""
    with vc.use_stream(b):
        assert order() == "record 1@0, wait B@0"
    view = vc.view(bare_capsule(dlpack_producer()))
    assert view.__cuda_array_interface__["stream"] == LEGACY
    view = vc.view(bare_capsule(dlpack_producer()), producer_stream=a)
    assert view.__cuda_array_interface__["stream"] == a


@simulated()
def test_the_tensor_of_a_bare_capsule_ends_after_its_consumer():
    """Its memory's own stream is not known: no consumer's is taken for it."""
    b = sim.stream()
    for options in ({}, {"stream": b}, {"stream": b, "producer_stream": b}):
        producer = dlpack_producer()
        mat = vc.as_gpumat(bare_capsule(producer), **options)
        sim.work()
        stream = options.get("stream", LEGACY)
        sim.busy(stream)
        del mat
        vc.collect()
        assert sim.work().startswith(f"record {'A' if stream == b else 1}@0")
        assert producer.deleted == 0
        sim.busy(stream, False)
        vc.collect()
        assert producer.deleted == 1
        sim.work()


@simulated()
def test_bare_capsules_and_the_host():
    a = sim.stream()
    vc.as_numpy(bare_capsule(dlpack_producer(kind=CUDA_MANAGED)))
    assert sim.work() == "synchronize 1@0"
    vc.as_numpy(bare_capsule(dlpack_producer(kind=CUDA_MANAGED)), producer_stream=a)
    assert sim.work() == "synchronize A@0"
    for producer in (dlpack_producer(kind=CUDA_HOST), Producer(numpy.zeros((4, 6), "uint8"))):
        vc.view(bare_capsule(producer))
        assert sim.work() == ""
        sim.arrays.append(producer)
    made = vc.as_numpy(bare_capsule(dlpack_producer()), copy=None)
    assert made.shape == (4, 6, 3)
    assert "synchronize 1@0" in sim.work()
    with raises(vc.DeviceError, "copy=None"):
        vc.as_numpy(bare_capsule(dlpack_producer()))
    nowhere = dlpack_producer(device=3)
    for convert in (vc.view, vc.as_gpumats, vc.to_gpumat, lambda x: vc.to_numpy([x])):
        with raises(vc.DeviceError, "CUDA device 3; this process sees 1"):
            convert(bare_capsule(nowhere))
    assert nowhere.deleted == 4


def export(view, **keywords):
    """Exports a View, and gives what is enqueued, and how to end the export."""
    capsule = view.__dlpack__(**keywords)
    return sim.work(), consume(capsule)


@simulated()
def test_view_exports():
    a, b = sim.stream(), sim.stream()
    view = vc.view(new_array(a))
    ends = []
    for stream, needed in (
        (None, "record A@0, wait 1@0"),  # None is the legacy stream
        (1, "record A@0, wait 1@0"),
        (2, "record A@0, wait 2@0"),
        (b, "record A@0, wait B@0"),
        (a, ""),
        (-1, ""),
    ):
        done, end = export(view, stream=stream)
        assert done == needed, stream
        ends.append(end)
    for stream in (0, -2):
        with raises(ValueError, "no stream in DLPack"):
            view.__dlpack__(stream=stream)
    assert sim.work() == ""
    for end in ends:
        end()


@simulated()
def test_view_export_of_what_is_ready():
    view = vc.view(new_array())  # no stream: ready at once
    done, end = export(view, stream=sim.stream())
    assert done == ""
    end()
    assert view.__dlpack_device__() == (CUDA, 0)


@simulated()
def test_view_export_of_host_memory():
    view = vc.view(numpy.zeros((4, 6), "uint8"))
    assert view.__dlpack_device__() == (CPU, 0)
    for stream in (None, -1):
        done, end = export(view, stream=stream)
        assert done == ""
        end()
    with raises(BufferError, "host memory has no stream"):
        view.__dlpack__(stream=1)


@simulated()
def test_view_export_fails():
    view = vc.view(new_array(sim.stream()))
    for symbol in ("cuEventRecord", "cuStreamWaitEvent"):
        sim.fail(symbol, ILLEGAL_ADDRESS)
        with raises(vc.CUDAError, symbol, "CUDA_ERROR_ILLEGAL_ADDRESS"):
            view.__dlpack__(stream=sim.stream())
    capsule = view.__dlpack__(stream=1, max_version=(1, 0))
    assert managed_tensor(capsule).dl_tensor.device_type == CUDA


# ------------------------------------------------------------- consumers on the host


@simulated()
def test_numpy_copies_from_the_gpu_where_it_may():
    """The target is host memory: copy=None needs no device="cpu"."""
    pixels = sim.memory()
    pixels[:] = numpy.arange(pixels.size, dtype="uint8").reshape(pixels.shape)
    sources = [
        CudaArray(pixels),
        vc.as_gpumat(CudaArray(pixels)),
        vc.view(CudaArray(pixels)),
        cv2.cuda.createGpuMatFromCudaMemory(4, 6, cv2.CV_8UC3, pixels.ctypes.data, 18),
    ]
    for source in sources:
        for options in ({"copy": None}, {"copy": None, "device": "cpu"}, {"copy": True}):
            made = vc.as_numpy(source, **options)
            assert (made == pixels).all() and made.ctypes.data != pixels.ctypes.data
        assert (vc.to_numpy(source) == pixels).all()
        with raises(vc.DeviceError, "copy=None"):
            vc.as_numpy(source)
        with raises(vc.DeviceError, "copy=None"):
            vc.as_numpy(source, device="cpu")
        for copy in (False, None, True):
            for device in (0, "cuda", "cuda:0"):
                with raises(vc.DeviceError, "a NumPy array lies in host memory"):
                    vc.as_numpy(source, copy=copy, device=device)
    managed = sim.memory(kind=CUDA_MANAGED)  # is the host's too: a view
    assert vc.as_numpy(CudaArray(managed), copy=None).ctypes.data == managed.ctypes.data
    host = numpy.zeros((4, 6), "uint8")
    assert vc.as_numpy(host, copy=None) is host
    assert vc.as_numpy(vc.view(host), copy=None).ctypes.data == host.ctypes.data
    with raises(vc.DeviceError, "a NumPy array lies in host memory"):
        vc.as_numpy(host, copy=None, device=0)


@simulated()
def test_a_copy_to_the_host_waits_for_the_producer():
    a, b = sim.stream(), sim.stream()
    pixels = sim.memory()
    vc.as_numpy(CudaArray(pixels, a), copy=None)
    assert "synchronize A@0" in sim.work()
    vc.as_numpy(CudaArray(pixels, a), copy=None, producer_stream=b)
    assert "synchronize B@0" in sim.work()


@simulated()
def test_savants_names_take_empty_gpumats_on_a_gpu():
    from viewcast._viewcast import opencv_gpu_mat_as_pytorch_tensor

    for mat, shape in [(cv2.cuda.GpuMat(), (0, 0)), (cv2.cuda.GpuMat(0, 20, cv2.CV_8UC3), None)]:
        made = vc.view(mat)
        assert 0 in made.shape and (shape is None or made.shape == shape)
        try:
            tensor = opencv_gpu_mat_as_pytorch_tensor(mat)
        except (ImportError, vc.ViewError) as error:  # no torch, or one without CUDA
            assert "torch" in str(error)
        else:
            assert tuple(tensor.shape) == made.shape


@simulated()
def test_host_consumers_wait():
    a, b = sim.stream(), sim.stream()
    managed = {"kind": CUDA_MANAGED}
    assert vc.as_numpy(new_array(a, **managed)).shape == (4, 6, 3)
    assert sim.work() == "synchronize A@0"
    vc.as_numpy(new_array(a, **managed), producer_stream=b)
    assert sim.work() == "synchronize B@0"
    vc.as_numpy(new_array(None, **managed))
    assert sim.work() == ""
    producer = dlpack_producer(kind=CUDA_MANAGED)
    vc.as_numpy(producer)
    assert producer.asked[0]["stream"] == LEGACY
    assert sim.work() == "synchronize 1@0"
    vc.as_numpy(vc.view(new_array(a, **managed)))
    assert sim.work() == "synchronize A@0"
    vc.as_numpy(Producer(numpy.zeros((4, 6), "uint8")))
    assert sim.work() == ""
    sim.begin_capture(a)
    with raises(vc.CUDAError, "the host can't wait for a stream that is capturing"):
        vc.as_numpy(new_array(a, **managed))
    assert sim.work() == ""
    assert sim.end_capture(a) == 0


# ------------------------------------------------------------------- the way back


def hand_over(convert=vc.as_gpumat, ready_on=UNSET, **options):
    """A view, and a weak reference to the producer that it keeps alive."""
    array = new_array(ready_on)
    view = convert(array, **options)
    sim.work()
    return [view], weakref.ref(array)


def end(kept):
    """Ends the view; what was enqueued meanwhile."""
    kept.clear()
    gc.collect()
    vc.collect()
    return sim.work()


@simulated()
def test_way_back_waits_for_the_consumer():
    a, b = sim.stream(), sim.stream()
    for convert in (vc.as_gpumat, vc.view):
        for ready_on in (a, UNSET):  # UNSET: a producer that orders itself
            kept, producer = hand_over(convert, ready_on, stream=b)
            sim.busy(b)
            assert end(kept).startswith("record B@0, query@0")
            assert producer() is not None
            vc.collect()
            assert producer() is not None
            sim.busy(b, False)
            vc.collect()
            assert producer() is None
    assert sim.library.sim_events() == 16  # all are the pool's again


@simulated()
def test_way_back_is_looked_at_by_later_conversions():
    a, b = sim.stream(), sim.stream()
    kept, producer = hand_over(ready_on=a, stream=b)
    sim.busy(b)
    end(kept)
    sim.busy(b, False)
    assert producer() is not None
    vc.view(new_array())
    assert producer() is None


@simulated()
def test_way_back_of_many_is_asked_for_once():
    """What is done on a stream, so is all before it: two questions for any number."""
    a, b = sim.stream(), sim.stream()
    both = [hand_over(vc.view, ready_on=a, stream=b) for _ in range(10)]
    views, producers = zip(*both, strict=True)
    sim.busy(b)
    for kept in views:
        kept.clear()
    work = sim.work().split(", ")
    assert work.count("record B@0") == 10  # each has its mark
    assert work.count("query@0") == 2  # for the first, and after the eighth
    assert all(producer() is not None for producer in producers)
    sim.busy(b, False)
    vc.view(new_array())
    assert sim.work() == "query@0, query@0"  # the first, the last
    assert not any(producer() for producer in producers)
    assert sim.library.sim_events() == 16


@simulated()
def test_way_back_of_some_of_many():
    """The consumer has done the first half: that half goes back."""
    a, b = sim.stream(), sim.stream()
    both = [hand_over(vc.view, ready_on=a, stream=b) for _ in range(6)]
    views, producers = zip(*both, strict=True)
    for half in (views[:3], views[3:]):
        sim.busy(b, False)  # what is marked so far is done
        sim.busy(b)
        for kept in half:
            kept.clear()
    vc.collect()
    assert [producer() is None for producer in producers] == [True] * 3 + [False] * 3
    sim.busy(b, False)
    vc.collect()
    assert not any(producer() for producer in producers)


@simulated()
def test_way_back_of_one_stream_does_not_wait_for_another():
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    first, slow = hand_over(ready_on=a, stream=b)
    second, quick = hand_over(ready_on=a, stream=c)
    sim.busy(b)
    sim.busy(c)
    end(first)
    end(second)
    sim.busy(c, False)
    vc.view(new_array())
    assert slow() is not None and quick() is None
    sim.busy(b, False)
    vc.view(new_array())
    assert slow() is None


@simulated()
def test_way_back_of_an_unknown_dlpack_producer():
    b = sim.stream()
    for convert in (vc.as_gpumat, vc.view):
        producer = dlpack_producer()
        kept = [convert(producer, stream=b)]
        sim.work()
        sim.busy(b)
        assert end(kept).startswith("record A@0, query@0")
        assert producer.deleted == 0
        sim.busy(b, False)
        vc.collect()
        assert producer.deleted == 1


@simulated()
def test_nothing_on_the_way_back():
    a, b = sim.stream(), sim.stream()
    for options in (
        {"ready_on": b, "stream": b},  # the producer's own stream
        {"ready_on": 1, "stream": 0},
        {"ready_on": a, "stream": -1},  # the caller sees to it
        {"ready_on": 1},
    ):
        sim.busy(b)
        kept, producer = hand_over(**options)
        assert end(kept) == ""
        assert producer() is None


@simulated()
def test_way_back_of_default_streams():
    for consumer in (LEGACY, PER_THREAD):  # another thread has another per-thread stream
        kept, producer = hand_over(ready_on=sim.stream(), stream=consumer)
        sim.busy(LEGACY)
        assert end(kept).startswith("record 1@0, query@0")
        assert producer() is not None
        sim.busy(LEGACY, False)
        vc.collect()
        assert producer() is None


@simulated()
def test_way_back_keeps_the_streams_object():
    class Stream:
        def __init__(self, handle):
            self.cuda_stream = handle

    b = sim.stream()
    stream = Stream(b)
    kept, producer = hand_over(ready_on=sim.stream(), stream=stream)
    stream = weakref.ref(stream)
    sim.busy(b)
    end(kept)
    assert stream() is not None and producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert stream() is None and producer() is None


@simulated()
def test_way_back_keeps_the_stream_of_use_stream():
    a, b = sim.stream(), sim.stream()
    with vc.use_stream(b):
        kept, producer = hand_over(ready_on=a)
    sim.busy(b)
    assert end(kept).startswith("record B@0, query@0")
    assert producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert producer() is None


@simulated()
def test_way_back_of_a_chain():
    """Each hop holds the one before: the memory waits for both consumers."""
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    array = new_array(a)
    producer = weakref.ref(array)
    view = vc.view(array, stream=b)
    mat = vc.as_gpumat(view, stream=c)
    assert sim.work() == "record A@0, wait B@0, record B@0, wait C@0"
    sim.busy(b)
    sim.busy(c)
    del array, view, mat
    vc.collect()
    assert producer() is not None
    sim.busy(c, False)
    vc.collect()
    assert producer() is not None  # the first hop has ended only now
    sim.busy(b, False)
    vc.collect()
    assert producer() is None


@simulated()
def test_ordered_release_of_a_cycle():
    """The collector takes nothing apart that a consumer is at work on: what the producer
    refers to, an array that is no container, lives until then."""
    a, b = sim.stream(), sim.stream()
    for ready_on in (a, UNSET):
        for busy in (False, True):
            array = new_array(ready_on)
            array.shown, array.memory = vc.view(array, stream=b), numpy.zeros(4)
            memory = weakref.ref(array.memory)
            sim.busy(b, busy)
            del array
            gc.collect()
            assert (memory() is not None) == busy
            sim.busy(b, False)
            vc.collect()
            gc.collect()
            assert memory() is None


@simulated()
def test_ordered_release_of_a_cycle_through_the_stream():
    class Stream:
        def __init__(self, handle):
            self.cuda_stream = handle

    stream = Stream(sim.stream())
    stream.shown = vc.view(new_array(sim.stream()), stream=stream)
    stream = weakref.ref(stream)
    gc.collect()
    assert stream() is None


@simulated()
def test_way_back_of_a_dlpack_export():
    a, b = sim.stream(), sim.stream()
    array = new_array(a)
    producer = weakref.ref(array)
    delete = consume(vc.view(array).__dlpack__(stream=b))
    sim.work()
    sim.busy(b)
    del array
    delete()
    vc.collect()
    assert sim.work().startswith("record B@0, query@0")
    assert producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert producer() is None


@simulated()
def test_way_back_where_the_stream_cannot_be_marked():
    """The host waits for the device, and then gives the memory back."""
    b = sim.stream()
    kept, producer = hand_over(ready_on=sim.stream(), stream=b)
    sim.busy(b)
    sim.fail("cuEventRecord", ILLEGAL_ADDRESS)
    assert end(kept) == "record A@0, synchronize 1@0"
    assert producer() is None
    assert sim.library.sim_events() == 16


@simulated()
def test_way_back_while_the_driver_goes():
    kept, producer = hand_over(ready_on=sim.stream(), stream=sim.stream())
    sim.library.sim_shut_down(1)
    end(kept)
    assert producer() is None
    sim.library.sim_shut_down(0)


@simulated()
def test_failed_conversions_give_the_owner_back():
    a, b = sim.stream(), sim.stream()
    array = new_array(a)
    producer = weakref.ref(array)
    for symbol in ("cuStreamIsCapturing", "cuEventRecord", "cuStreamWaitEvent"):
        sim.fail(symbol, ILLEGAL_ADDRESS)
        with raises(vc.CUDAError, symbol.removesuffix("_v2"), "CUDA error 700"):
            vc.as_gpumat(array, stream=b)
    planar = CudaArray(sim.memory(shape=(3, 40, 60)), a)
    with raises(vc.LayoutError, "planar"):
        vc.as_gpumat(planar, stream=b)
    del array
    assert producer() is None
    assert sim.library.sim_events() == 16


@simulated()
def test_way_back_from_many_threads():
    streams = [sim.stream() for _ in range(4)]
    ready, producers = sim.stream(), []

    def work(stream):
        for _ in range(50):
            array = new_array(ready, shape=(2, 2))
            producers.append(weakref.ref(array))
            mat = vc.as_gpumat(array, stream=stream)
            del array, mat

    for busy in (True, False):
        for stream in streams:
            sim.busy(stream, busy)
        at_once(lambda index: work(streams[index]), len(streams))
        vc.collect()
        alive = sum(producer() is not None for producer in producers)
        assert alive == (200 if busy else 0)
        for array in sim.arrays:  # the simulation has room for so many
            sim.library.sim_unregister(ctypes.c_void_p(array.ctypes.data))
    assert sim.library.sim_events() <= 16


@simulated()
def test_way_back_from_many_threads_to_the_same_streams():
    """A lane of one stream is joined by all of them, while others shorten it."""
    streams = [sim.stream(), sim.stream()]
    ready, producers, sources = sim.stream(), [], [sim.memory(shape=(2, 2)) for _ in range(6)]

    def work(source):
        for turn in range(100):
            array = CudaArray(source, ready)
            producers.append(weakref.ref(array))
            view = vc.view(array, stream=streams[turn % 2])
            del array, view
            if turn % 7 == 0:
                sim.busy(streams[turn % 2], turn % 3 == 0)
                vc.collect()

    at_once(lambda index: work(sources[index]), len(sources))
    for stream in streams:
        sim.busy(stream, False)
    vc.collect()
    assert [producer() for producer in producers] == [None] * 600
    assert sim.library.sim_events() <= 16


# ---------------------------------------------------------------------- batches


@simulated()
def test_a_batch_is_ordered_once():
    a, b = sim.stream(), sim.stream()
    batch = new_array(a, shape=(5, 4, 6, 3))
    producer = weakref.ref(batch)
    mats = vc.as_gpumats(batch, stream=b)
    assert sim.work() == "record A@0, wait B@0"
    sim.busy(b)
    del batch, mats[1:]
    vc.collect()
    assert sim.work() == ""  # an image is left
    mats.clear()
    vc.collect()
    assert sim.work().startswith("record B@0, query@0")
    assert producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert producer() is None


@simulated()
def test_a_list_of_gpumats_is_ordered_once_for_each_stream():
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    arrays = [new_array(stream) for stream in (a, b, a, c, b, a)]
    producers = [weakref.ref(array) for array in arrays]
    mats = vc.as_gpumats(arrays, stream=c)
    assert sim.work() == "record A@0, wait C@0, record B@0, wait C@0"
    del arrays
    mats.clear()
    vc.collect()
    assert [producer() for producer in producers] == [None] * 6


@simulated()
def test_a_refused_batch_or_list_orders_nothing_and_keeps_nothing():
    a, b = sim.stream(), sim.stream()
    batch = CudaArray(sim.memory(shape=(2, 3, 40, 60)), a)
    producer = weakref.ref(batch)
    with raises(vc.LayoutError, "looks planar (NCHW)"):
        vc.as_gpumats(batch, stream=b)
    with raises(vc.LayoutError, "image 0: ", "copy=None"):
        vc.as_gpumats(batch, stream=b, from_layout="NCHW")
    sim.work()
    for call in (vc.as_gpumats, vc.as_tensors):
        with raises(vc.LayoutError, "rank 3, needs 4"):
            call(CudaArray(sim.memory(shape=(6, 5, 3)), a), stream=b)
    assert sim.work() == ""
    del batch
    vc.collect()
    assert producer() is None


@pytest.mark.all_libraries
@simulated()
def test_many_images_are_ordered_once_a_stream():
    """A torch without CUDA may refuse device memory: then nothing was kept."""
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    arrays = [new_array(stream) for stream in (a, b, a, c, b, a)]
    try:
        tensors = vc.as_tensors(arrays, stream=c)
    except (vc.ViewError, RuntimeError):
        return
    assert sim.work() == "record A@0, wait C@0, record B@0, wait C@0"
    del tensors


# ------------------------------------------------------------------- graph captures


@simulated()
def test_one_side_captures():
    a, b = sim.stream(blocking=False), sim.stream(blocking=False)
    array = new_array(a)
    producer = weakref.ref(array)
    sim.begin_capture(b)
    for convert in (vc.as_gpumat, vc.view):
        with raises(vc.CUDAError, "the consumer's stream is capturing", "producer_stream="):
            convert(array, stream=b)
        with raises(vc.CUDAError, "the producer's stream is capturing", "stream="):
            convert(array, producer_stream=b, stream=a)
    with raises(vc.CUDAError, "is not part of that capture"):
        vc.view(array).__dlpack__(stream=b)
    assert sim.work() == ""
    assert sim.end_capture(b) == 0
    del array
    assert producer() is None


@simulated()
def test_both_sides_capture():
    a, b = sim.stream(), sim.stream()
    array = new_array(a)
    sim.begin_capture(a)
    sim.library.sim_join_capture(ctypes.c_ssize_t(b), ctypes.c_ssize_t(a))
    mat = vc.as_gpumat(array, stream=b)
    assert sim.work() == "record A@0, wait B@0"  # of the events of warmup()
    same = vc.as_gpumat(array, stream=a)
    assert sim.work() == ""
    assert sim.end_capture(a) == 0
    del mat, same


@simulated()
def test_default_streams_and_a_capture():
    a, b = sim.stream(), sim.stream(blocking=False)
    sim.begin_capture(a)  # blocking: the legacy stream can't be touched
    with raises(vc.CUDAError, "the default stream (consumer's side)", "stream="):
        vc.as_gpumat(new_array(b))
    with raises(vc.CUDAError, "the default stream (producer's side)", "producer_stream="):
        vc.as_gpumat(new_array(LEGACY), stream=b)
    assert sim.work() == ""
    mat = vc.as_gpumat(new_array(LEGACY))  # the same stream: nothing to order
    assert sim.work() == ""
    assert sim.end_capture(a) == 0
    del mat


@simulated()
def test_way_back_during_a_capture():
    a, b = sim.stream(blocking=False), sim.stream(blocking=False)
    kept, producer = hand_over(ready_on=a, stream=b)
    sim.begin_capture(b)
    assert end(kept) == ""
    assert vc.collect() == 0
    assert producer() is not None
    assert sim.end_capture(b) == 0
    vc.collect()
    assert sim.work() == "record B@0, query@0"
    assert producer() is None


@simulated()
def test_way_back_beside_a_capture():
    """Marks are asked for while another stream captures, and do not disturb it."""
    a, b, c = (sim.stream(blocking=False) for _ in range(3))
    kept, producer = hand_over(ready_on=a, stream=b)
    sim.begin_capture(c)
    sim.busy(b)
    end(kept)
    assert producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert producer() is None
    assert sim.end_capture(c) == 0


# -------------------------------------------------------------------- two devices


@simulated(devices=2)
def test_two_devices():
    a, b, c = sim.stream(0), sim.stream(1), sim.stream(1)
    vc.warmup(1)
    sim.library.sim_set_current(0)
    sim.work()
    kept = [vc.as_gpumat(new_array(b, device=1), stream=c)]
    assert sim.work() == "record B@1, wait C@1"
    kept.append(vc.as_gpumat(new_array(b, device=1)))
    assert sim.work() == "record B@1, wait 1@1"  # the default stream of the memory's device
    kept.append(vc.as_gpumat(new_array(b, device=1), stream=a))
    assert sim.work() == "create@1, record B@1, wait A@0, destroy@1"
    kept.append(vc.as_gpumat(new_array(a), stream=c))
    assert sim.work() == "create@0, record A@0, wait C@1, destroy@0"
    assert sim.library.sim_current() == 0
    end(kept)
    assert sim.library.sim_events() == 32


@simulated(devices=2)
def test_two_devices_way_back():
    a, b = sim.stream(0), sim.stream(1)
    array = new_array(a)
    producer = weakref.ref(array)
    kept = [vc.as_gpumat(array, stream=b)]
    del array
    sim.work()
    sim.busy(b, device=1)
    assert end(kept).startswith("create@1, record B@1, query@0")
    assert producer() is not None
    sim.busy(b, False, device=1)
    vc.collect()
    assert producer() is None
    assert sim.library.sim_events() == 16  # the first device's pool


@simulated(devices=2)
def test_two_devices_dlpack():
    view = vc.view(new_array(sim.stream(1), device=1))
    assert view.__dlpack_device__() == (CUDA, 1)
    capsule = view.__dlpack__(stream=1, max_version=(1, 0))
    assert managed_tensor(capsule).dl_tensor.device_id == 1
    assert sim.work() == "create@1, record A@1, wait 1@1"


# --------------------------------------------------------------------- warming up


@simulated()
def test_bare_warmup():
    assert sim.library.sim_events() == 0
    vc.warmup()
    assert sim.library.sim_events() == 16
    sim.work()
    vc.warmup(0)
    assert sim.work() == ""
    with raises(vc.DeviceError, "no CUDA device 1: this machine has 1"):
        vc.warmup(1)
    with raises(vc.DeviceError):
        vc.warmup(-1)
    device = type("Device", (), {"__str__": lambda self: "cuda:0"})()
    for same in ("cuda", "cuda:0", "cuda_managed:0", device, None, "cpu"):
        vc.warmup(same)
        vc.warmup(device=same)
    assert sim.work() == ""
    with raises(vc.DeviceError, "no CUDA device 4294967296: this process sees 1"):
        vc.warmup(1 << 32)
    with raises(ValueError, "device is '0', needs"):
        vc.warmup("0")
    with raises(TypeError, "device is a bool, needs an int"):
        vc.warmup(True)


@simulated()
def test_bare_warmup_fails():
    sim.fail("cuEventCreate", 2, after=3)
    with raises(vc.CUDAError, "cuEventCreate", "CUDA_ERROR_OUT_OF_MEMORY"):
        vc.warmup()
    vc.warmup()
    assert sim.library.sim_events() == 16


# --------------------------------------------------------------------------- fork


@pytest.mark.all_libraries
@simulated()
def test_fork_after_use():
    """A child converts host memory; for the rest it gets an error that says why, and
    the driver is not asked for anything."""
    source = new_array()
    held = [source, vc.as_gpumat(source), vc.view(source)]
    host = numpy.zeros((4, 6, 3), "uint8")
    pinned = sim.memory(kind=CUDA_HOST)
    before = vc.statistics()
    sim.work()
    child = os.fork()
    if child == 0:
        os._exit(run_child(held, host, pinned, before))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert vc.as_gpumat(source).size() == (6, 4)


def run_child(held, host, pinned, before):
    sim.library.sim_log_clear()
    for convert in (vc.as_numpy, vc.as_tensor, vc.view):
        assert vc.view(convert(host)).ptr == host.ctypes.data
        assert vc.view(convert(pinned)).ptr == pinned.ctypes.data
    for image in held:
        for convert in (vc.as_gpumat, vc.as_tensor, vc.as_cupy):
            if image is held[1] and convert is vc.as_gpumat:
                continue  # it is one already
            with raises(vc.CUDAError, "forked", "spawn"):
                convert(image)
    for call in (lambda: vc.as_gpumat(host), vc.host_mode, lambda: vc.as_cupy(host)):
        with raises(vc.CUDAError, "forked", "spawn"):
            call()
    del image
    held.clear()
    gc.collect()
    vc.collect()
    after = vc.statistics()
    assert after["lends_released"] == before["lends_released"] + 1
    assert sim.library.sim_log_length() == 0  # the driver was not called
    return 0


if __name__ == "__main__":
    serve()
