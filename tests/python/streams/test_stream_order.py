# SPDX-License-Identifier: Apache-2.0
"""The order of a producer's stream and its consumer's: which events are recorded, and what
waits for them. Against the simulated driver (tests/support/simulated_cuda.py)."""

import threading
import weakref

import cv2
import numpy
import pytest
from dlpack_structs import Producer
from simulated_cuda import (
    CUDA_MANAGED,
    GLOBAL_MODE,
    LEGACY,
    NO_ORDER,
    PER_THREAD,
    CudaArray,
    dlpack_producer,
    end,
    gpumat_header,
    new_array,
    raises,
    sim,
    simulated,
)

import viewcast as vc

pytestmark = pytest.mark.any_opencv


# --- streams by name


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
def test_use_stream_acts_on_its_own_thread():
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
    view = vc.view(mat)  # ready on the legacy stream, where nothing else is known
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


# --- consumers on the host


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
                with raises(vc.DeviceError, "a numpy.ndarray lies in host memory"):
                    vc.as_numpy(source, copy=copy, device=device)
    managed = sim.memory(kind=CUDA_MANAGED)  # is the host's too: a view
    assert vc.as_numpy(CudaArray(managed), copy=None).ctypes.data == managed.ctypes.data
    host = numpy.zeros((4, 6), "uint8")
    assert vc.as_numpy(host, copy=None) is host
    assert vc.as_numpy(vc.view(host), copy=None).ctypes.data == host.ctypes.data
    with raises(vc.DeviceError, "a numpy.ndarray lies in host memory"):
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


# --- batches and lists


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
def test_images_of_a_list_are_ordered_once_per_stream():
    """A torch without CUDA may refuse device memory: then nothing was kept."""
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    arrays = [new_array(stream) for stream in (a, b, a, c, b, a)]
    try:
        tensors = vc.as_tensors(arrays, stream=c)
    except (vc.ViewError, RuntimeError):
        return
    assert sim.work() == "record A@0, wait C@0, record B@0, wait C@0"
    del tensors


# --- two devices


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
