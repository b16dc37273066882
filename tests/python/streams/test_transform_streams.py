# SPDX-License-Identifier: Apache-2.0
"""Transforms in CUDA mode, against the simulated driver (tests/support/simulated_cuda.py):
which stream works, what it waits for, what is held until it is done. What needs
our own kernels is skipped where the package was built without."""

import gc
import weakref
from unittest import mock

import cv2
import numpy
import pytest
from dlpack_structs import CUDA
from simulated_cuda import (
    CUDA_HOST,
    ILLEGAL_ADDRESS,
    LEGACY,
    UNSET,
    CudaArray,
    dlpack_producer,
    new_array,
    raises,
    sim,
    simulated,
)

import viewcast as vc
from viewcast import _viewcast, allocation

pytestmark = pytest.mark.any_opencv

NO_KERNELS = None if _viewcast._build()["kernels"] else "this package was built without kernels"


def filled(seed=0, **where):
    """A CUDA array with pixels, and the memory behind it."""
    array = sim.memory(**where)
    array[...] = numpy.random.default_rng(seed).integers(0, 255, array.shape)
    return array


def on_gpu(array, stream=UNSET):
    return CudaArray(array, stream)


class Blocks:
    """Stands in for the pools, none of which is there: remembers who asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, nbytes, device, stream):
        self.asked.append((nbytes, device, stream))
        self.last = sim.memory(shape=(nbytes,), device=device)
        return on_gpu(self.last)


def blocks():
    return mock.patch.object(allocation, "block", Blocks())


# --- copied as it is


@simulated()
def test_a_copy_to_the_host_needs_no_block():
    a = sim.stream()
    array = filled()
    with blocks() as pool:
        for layout in (None, "HWC"):
            result = vc.to_numpy(on_gpu(array, a), layout=layout)
            assert sim.work() == "copy A@0, synchronize A@0"
            numpy.testing.assert_array_equal(result, array)
    assert pool.asked == []


@simulated()
def test_a_copy_to_the_host_fits_a_pitched_out():
    array = filled()
    padded = numpy.zeros((4, 9, 3), "uint8")
    out = padded[:, :6]
    assert vc.to_numpy(on_gpu(array), out=out) is out
    numpy.testing.assert_array_equal(out, array)
    assert not padded[:, 6:].any()


@simulated()
def test_a_copy_to_the_host_is_ordered_on_the_stream_that_is_named():
    a, b = sim.stream(), sim.stream()
    vc.to_numpy(on_gpu(filled(), a), stream=b)
    assert sim.work() == "record A@0, wait B@0, copy B@0, synchronize B@0"
    vc.to_numpy(on_gpu(filled(), a), producer_stream=b)
    assert sim.work() == "copy B@0, synchronize B@0"


@simulated()
def test_a_copy_to_the_gpu_goes_into_out_without_a_block():
    a = sim.stream()
    out = sim.memory()
    image = numpy.arange(72, dtype="uint8").reshape(4, 6, 3)
    target = on_gpu(out, a)
    sim.busy(1)
    with blocks() as pool:
        assert vc.to_tensor(image, out=target) is target
    assert sim.work() == "record A@0, wait 1@0, copy 1@0, record 1@0, query@0"
    sim.busy(1, False)
    numpy.testing.assert_array_equal(out, image)
    assert pool.asked == []


@simulated()
def test_out_is_ordered_as_sources_are():
    a, b = sim.stream(), sim.stream()
    source, out = filled(), sim.memory()
    vc.to_tensor(on_gpu(source, a), out=on_gpu(out, a), stream=b)
    work = sim.work()
    assert work.startswith("record A@0, wait B@0, ")
    assert "copy B@0" in work
    numpy.testing.assert_array_equal(out, source)
    vc.to_tensor(on_gpu(source, b), out=on_gpu(out, b), stream=b)
    assert sim.work() == "copy B@0"


@simulated()
def test_stream_minus_one_orders_nothing():
    a = sim.stream()
    source, out = filled(), sim.memory()
    vc.to_tensor(on_gpu(source, a), out=on_gpu(out, a), stream=-1)
    assert not [each for each in sim.work().split(", ") if "wait" in each]


@simulated()
def test_sources_are_held_until_the_stream_has_read_them():
    a, b = sim.stream(), sim.stream()
    source, out = on_gpu(filled(), a), on_gpu(sim.memory(), b)
    end = weakref.ref(source)
    sim.busy(b)
    vc.to_tensor(source, out=out, stream=b)
    del source
    gc.collect()
    vc.collect()
    assert end() is not None
    sim.busy(b, False)
    vc.collect()
    assert end() is None


@simulated(devices=2)
def test_a_copy_between_devices():
    source, out = filled(device=1), sim.memory(device=0)
    vc.to_tensor(on_gpu(source), out=on_gpu(out))
    numpy.testing.assert_array_equal(out, source)
    work = sim.work()
    assert "copy 1@0" in work
    with raises(
        vc.DeviceError,
        "image 1 is in cuda:0 and image 0 in cuda:1, needs images of one device",
    ):
        vc.to_numpy([on_gpu(source), on_gpu(out)])
    with raises(vc.DeviceError, "device= asks for cuda:0 and out is in cuda:1"):
        vc.to_tensor(on_gpu(out), out=on_gpu(source), device=0)


@pytest.mark.all_libraries
@simulated()
def test_host_images_need_a_device_for_a_gpu_result():
    image = numpy.zeros((4, 6, 3), "uint8")
    for function in (vc.to_gpumat, vc.to_cupy):
        with raises(vc.DeviceError, "the image is in host memory", "device=0", "to_numpy"):
            function(image)
        with raises(vc.DeviceError, "device= asks for the host", function.__name__, "to_numpy"):
            function(on_gpu(filled()), device="cpu")
    with raises(vc.DeviceError, "a numpy.ndarray lies in host memory"):
        vc.to_numpy(image, device=0)
    with raises(vc.DeviceError, "image 1 is in cuda:0 and image 0 in host memory"):
        vc.to_numpy([image, new_array()])
    assert vc.to_tensor(image).device.type == "cpu"
    assert vc.to_tensor(on_gpu(filled()), device="cpu").device.type == "cpu"


@simulated()
def test_pinned_sources_are_waited_for():
    a = sim.stream()
    pinned = sim.memory(kind=CUDA_HOST)
    sim.work()
    with vc.use_stream(a):
        pass
    vc.to_numpy(vc.view(CudaArray(pinned)), producer_stream=a, scale=2)
    assert sim.work() == "synchronize A@-1"  # pinned memory is no device's


# --- all or nothing


def shapes(*rows):
    """Shapes of images that differ, so that each is written by itself."""
    return [(n, 6, 3) for n in rows]


@simulated(skip=None if NO_KERNELS else "this package has kernels")
def test_a_list_is_not_begun_that_needs_kernels_later():
    """The first image is only copied, which needs none."""
    sources = [on_gpu(filled(n, shape=shape)) for n, shape in enumerate(shapes(4, 5))]
    first, second = sim.memory(), sim.memory(shape=(5, 6, 3), dtype="float32")
    sim.work()
    with raises(vc.CUDAError, "image 1: ", "built without GPU kernels"):
        vc.to_tensor(sources, out=[on_gpu(first), on_gpu(second)])
    assert "copy" not in sim.work()
    assert not first.any()
    host = [numpy.zeros((4, 6, 3), "uint8"), numpy.zeros((5, 6, 3), "float32")]
    with blocks(), raises(vc.CUDAError, "built without GPU kernels"):
        vc.to_numpy(sources, out=host)
    assert not host[0].any()


@simulated(devices=2)
def test_a_list_is_not_begun_with_something_wrong_later():
    images = [filled(n, shape=shape) for n, shape in enumerate(shapes(4, 5, 6))]
    sources = [on_gpu(image) for image in images]
    out = [sim.memory(shape=shape) for shape in shapes(4, 5, 6)]

    def wrong_outs(last):
        yield vc.DeviceError, "images of one device", last.copy()
        yield vc.DeviceError, "images of one device", on_gpu(sim.memory(shape=(6, 6, 3), device=1))
        yield vc.ViewError, "images 0 and 2 of out share memory", on_gpu(out[0])
        yield vc.ViewError, "image 2 of out shares memory with source 2", sources[2]
        frozen = on_gpu(last)
        frozen.__cuda_array_interface__["data"] = (last.ctypes.data, True)
        yield vc.ViewError, "image 2 of out: out is read-only", frozen
        yield vc.ViewError, "", on_gpu(sim.memory(shape=(7, 6, 3)))
        yield TypeError, "image 2 of out", None

    for error, message, last in wrong_outs(out[2]):
        sim.work()
        with raises(error, message):
            vc.to_tensor(sources, out=[on_gpu(out[0]), on_gpu(out[1]), last])
        assert "copy" not in sim.work()
    assert not any(part.any() for part in out)
    with raises(vc.DeviceError, "cuda:0"):
        vc.to_tensor(
            [*sources[:2], on_gpu(filled(device=1, shape=(6, 6, 3)))], out=[on_gpu(o) for o in out]
        )
    vc.to_tensor(sources, out=[on_gpu(part) for part in out])
    for image, part in zip(images, out, strict=True):
        numpy.testing.assert_array_equal(image, part)


@simulated()
def test_a_driver_error_says_which_images_of_the_list_are_written():
    images = [filled(n, shape=shape) for n, shape in enumerate(shapes(4, 5, 6))]
    sources = [on_gpu(image) for image in images]
    for on_host in (False, True):
        out = [numpy.zeros(image.shape, "uint8") for image in images]
        if not on_host:
            out = [sim.memory(shape=image.shape) for image in images]
        given = out if on_host else [on_gpu(part) for part in out]
        sim.fail("cuMemcpy2DAsync_v2", ILLEGAL_ADDRESS, after=1)
        with raises(
            vc.CUDAError,
            "image 1 of out: cuMemcpy2DAsync failed with CUDA error 700",
            "the images before it are written, those after it are not",
        ):
            vc.to_tensor(sources, out=given)
        numpy.testing.assert_array_equal(out[0], images[0])
        assert not out[1].any() and not out[2].any()


@simulated()
def test_an_empty_gpumat_is_created_on_the_gpu():
    a = sim.stream()
    image, mat = filled(), cv2.cuda.GpuMat()
    with blocks() as pool:
        assert vc.to_gpumat(on_gpu(image, a), out=mat, stream=a) is mat
    assert pool.asked == [(4 * 32, 0, a)]
    assert "copy A@0" in sim.work()
    assert mat.cudaPtr() == pool.last.ctypes.data
    numpy.testing.assert_array_equal(pool.last.reshape(4, 32)[:, :18].reshape(4, 6, 3), image)
    other = cv2.cuda.GpuMat()
    sim.fail("cuMemcpy2DAsync_v2", ILLEGAL_ADDRESS)
    with blocks(), raises(vc.CUDAError, "error 700"):
        vc.to_gpumat(on_gpu(image, a), out=other, stream=a)
    assert other.empty()
    with raises(vc.DeviceError, "the image is in host memory", "device=0"):
        vc.to_gpumat(image.copy(), out=other)


# --- by kernels


@simulated(skip=NO_KERNELS)
def test_each_stream_is_waited_for_once():
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    images = [on_gpu(filled(n), stream) for n, stream in enumerate([a, b, a, c, b, c, a])]
    out = on_gpu(sim.memory(shape=(7, 3, 4, 6), dtype="float32"), c)
    sim.busy(c)
    vc.to_tensor(images, layout="NCHW", out=out, stream=c)
    work = sim.work().split(", ")
    sim.busy(c, False)
    assert work[:5] == ["record A@0", "wait C@0", "record B@0", "wait C@0", "launch C@0"]
    assert work[5:] == ["record C@0", "query@0"]  # one event for all sources


@simulated(skip=NO_KERNELS)
def test_a_list_of_several_sizes_is_resized_into_a_list_by_one_launch():
    images = [on_gpu(sim.memory(shape=(4 + n, 6, 3)), LEGACY) for n in range(3)]
    batch = sim.memory(shape=(3, 5, 7, 3), dtype="float32")
    outs = [on_gpu(image, LEGACY) for image in batch]
    assert vc.to_tensor(images, resize=(5, 7), out=outs) is outs
    boxes = numpy.array([[2, 0, 0, 3, 3], [0, 0, 0, 2, 2], [1, 1, 1, 4, 4]])
    vc.to_tensor(images, boxes=boxes, resize=(5, 7), out=outs)
    assert sim.work().count("launch") == 2


@simulated(skip=NO_KERNELS)
def test_an_upload_takes_one_block_of_bytes():
    a = sim.stream()
    images = [numpy.full((4, 6, 3), n, "uint8") for n in range(5)]
    out = on_gpu(sim.memory(shape=(5, 3, 4, 6), dtype="float32"), a)
    with blocks() as pool:
        vc.to_tensor(images, layout="NCHW", out=out, stream=a)
    assert pool.asked == [(5 * 128, 0, a)]  # bytes, not floats
    assert sim.work().startswith(", ".join(["copy A@0"] * 5 + ["launch A@0"]))


@simulated(skip=NO_KERNELS)
def test_flipped_and_strided_images_are_packed_for_the_upload():
    image = numpy.arange(4 * 12 * 3, dtype="uint8").reshape(4, 12, 3)[::-1, ::2]
    out = on_gpu(sim.memory(shape=(3, 4, 6), dtype="float32"))
    with blocks() as pool:
        vc.to_tensor(image, layout="CHW", out=out)
    assert pool.asked == [(128, 0, LEGACY)]
    numpy.testing.assert_array_equal(pool.last[:72].reshape(4, 6, 3), image)


@simulated(skip=NO_KERNELS)
def test_a_transform_to_the_host_uses_a_block():
    a = sim.stream()
    with blocks() as pool:
        result = vc.to_numpy(on_gpu(filled(), a), layout="CHW", dtype="float32")
    assert result.shape == (3, 4, 6)
    assert pool.asked == [(320, 0, a)]  # 4 * 72 bytes, in multiples of 64
    assert sim.work() == "launch A@0, copy A@0, synchronize A@0"


@simulated(skip=NO_KERNELS)
def test_a_transform_in_a_capture():
    a, b = sim.stream(blocking=False), sim.stream(blocking=False)
    source, out = filled(), sim.memory(shape=(3, 4, 6))
    sim.begin_capture(a)
    vc.to_tensor(on_gpu(source, a), layout="CHW", out=on_gpu(out, a), stream=a)
    assert "launch A@0" in sim.work()
    with raises(vc.CUDAError, "is capturing a graph"):
        vc.to_tensor(on_gpu(source, b), layout="CHW", out=on_gpu(out, a), stream=a)
    assert sim.end_capture(a) == 0


@simulated()
def test_dlpack_producers_are_given_the_stream_and_need_no_event():
    a = sim.stream()
    producer = dlpack_producer(kind=CUDA)
    out = on_gpu(sim.memory(), a)
    vc.to_tensor(producer, out=out, stream=a)
    assert "wait" not in sim.work()
    assert producer.asked[-1]["stream"] == a
