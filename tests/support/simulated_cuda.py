# SPDX-License-Identifier: Apache-2.0
"""Tests of CUDA mode without a GPU: against a simulated driver (tests/c/simulated_cuda.c),
whose device memory is ordinary memory.

viewcast decides its mode once per process, so a test is a function that @simulated() runs in
a process of its own. This file, run as a program with the simulated driver first on
LD_LIBRARY_PATH, forks one for each test. CuPy is not imported there: it would call functions
that the simulation does not have.
"""

import contextlib
import ctypes
import functools
import gc
import importlib.util
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import traceback
import weakref

import cv2
import numpy
import pytest
from dlpack_structs import CUDA, Producer

import viewcast as vc

SOURCE = pathlib.Path(__file__).parents[1] / "c" / "simulated_cuda.c"
CUDA_HOST, CUDA_MANAGED = 3, 13
LEGACY, PER_THREAD, NO_ORDER = 1, 2, -1
GLOBAL_MODE = 0
ILLEGAL_ADDRESS, CAPTURE_INVALIDATED = 700, 901

# --- tests as programs

bodies = {}  # the functions that @simulated() decorates, by file and name


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


@contextlib.contextmanager
def serving(folder):
    """Starts the program with the driver built into `folder`. Gives a function that runs
    (file, name, variables of the environment), and returns the exit status and the output."""
    build(folder)
    libraries = [str(folder), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    server = subprocess.Popen(
        [sys.executable, __file__],
        env=dict(os.environ, LD_LIBRARY_PATH=os.pathsep.join(libraries)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(file, name, variables):
        print(json.dumps([file, name, variables]), file=server.stdin, flush=True)
        return json.loads(server.stdout.readline())

    with server:
        yield run


def simulated(devices=1, skip=None, **variables):
    """The decorated function runs in a process of its own, with so many devices.
    skip: a reason not to."""

    def decorate(body):
        file, name = body.__code__.co_filename, body.__name__
        bodies[file, name] = body

        def test(run_program):
            if skip:
                pytest.skip(skip)
            all_variables = {"SIMULATED_CUDA_DEVICES": str(devices), **variables}
            status, output = run_program(file, name, all_variables)
            assert status == 0, output

        test.__name__ = name
        test.__doc__ = body.__doc__
        return test

    return decorate


@functools.cache
def load(file):
    """Imports a file of tests, once, under a name that no other module has."""
    name = pathlib.Path(file).stem
    spec = importlib.util.spec_from_file_location(name, file)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def serve():
    """The program: reads a line per test. Importing a file of tests decides no mode, so its
    imports are shared by the forked processes."""
    for line in sys.stdin:
        file, name, variables = json.loads(line)
        load(file)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                os.environ.update(variables)
                sys.exit(status_of(bodies[file, name]))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            output.seek(0)
            text = output.read().decode(errors="replace")
        print(json.dumps([status, text]), flush=True)


def status_of(body):
    try:
        run(body)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def run(body):
    if not body.__name__.startswith("test_bare"):
        vc._viewcast._opencv_layout()
        vc.warmup()
        sim.work()
    body()
    gc.collect()
    vc.collect()
    assert sim.library.sim_errors() == 0, sim.library.sim_last_error()
    assert (sim.library.sim_depth(), sim.library.sim_mode()) == (0, GLOBAL_MODE)


# --- the simulation


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
    """The simulated driver's own functions, in a process that runs a test."""

    def __init__(self):
        self.streams = []
        self.arrays = []  # registered memory is never freed

    @functools.cached_property
    def library(self):
        library = ctypes.CDLL("libcuda.so.1")
        library.sim_stream_create.restype = ctypes.c_ssize_t
        library.sim_last_error.restype = ctypes.c_char_p
        return library

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
        """Returns 0 if the capture was not invalidated."""
        return self.library.sim_end_capture(ctypes.c_ssize_t(stream))

    def fail(self, symbol, result, after=0):
        self.library.sim_fail(symbol.encode(), after, result)

    def work(self):
        """The driver calls since the last work(), as "record A@0, wait B@0": streams have letters
        in the order of their creation; behind @ is the device whose context was current."""
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


sim = Simulation()

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
    sim.arrays.append(producer)  # keeps its managed tensor
    return producer


def gpumat_header(device=0):
    array = sim.memory(device=device)
    return cv2.cuda.createGpuMatFromCudaMemory(4, 6, cv2.CV_8UC3, array.ctypes.data, 18)


class raises:
    """Like pytest.raises, but with several parts of the message."""

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


def converted(convert=vc.as_gpumat, ready_on=UNSET, **options):
    """A view in a list, and a weak reference to the producer that it keeps alive."""
    array = new_array(ready_on)
    view = convert(array, **options)
    sim.work()
    return [view], weakref.ref(array)


def end(kept):
    """Ends the view, and returns what was enqueued meanwhile."""
    kept.clear()
    gc.collect()
    vc.collect()
    return sim.work()


if __name__ == "__main__":
    import simulated_cuda  # the module that files of tests import

    simulated_cuda.serve()
