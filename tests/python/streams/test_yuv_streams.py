# SPDX-License-Identifier: Apache-2.0
"""Frames of decoders in CUDA mode, against the simulated driver (tests/support/simulated_cuda.py):
what is waited for before pixels are read, and what is held until they are."""

import gc
import weakref

import numpy
import pytest
from dlpack_structs import Producer
from simulated_cuda import CUDA_HOST, ILLEGAL_ADDRESS, CudaArray, raises, sim, simulated

import viewcast as vc
from viewcast import _viewcast

pytestmark = pytest.mark.any_opencv

BT709 = {"matrix": "bt709", "range": "limited"}


def picture(*shapes):
    """Planes of grey, and their RGB."""
    planes = [numpy.full(shape, 128, "u1") for shape in shapes]
    return vc.to_numpy(vc.yuv(planes, "nv12", **BT709))


def producer(shape):
    """Pinned memory, given by DLPack."""
    array = sim.memory(CUDA_HOST, shape=shape)
    array[...] = 128
    made = Producer(array, device_type=CUDA_HOST)
    made.device = (CUDA_HOST, 0)
    sim.arrays.append(made)
    return made


SHAPES = ((4, 6), (2, 3, 2))


@simulated()
def test_the_host_reads_pinned_frames_after_the_stream_that_writes_them():
    a = sim.stream()
    planes = [producer(shape) for shape in SHAPES]
    image = vc.yuv(planes, "nv12", **BT709)
    sim.work()
    assert (vc.to_numpy(image, producer_stream=a) == picture(*SHAPES)).all()
    assert sim.work() == "synchronize A@-1, synchronize A@-1"  # pinned memory is no device's
    assert [plane.deleted for plane in planes] == [1, 1]
    vc.to_numpy([image, image], producer_stream=a)
    assert set(sim.work().split(", ")) == {"synchronize A@-1"}
    vc.to_numpy(image)  # who writes it is not known
    assert [plane.deleted for plane in planes] == [4, 4]


@simulated()
def test_each_plane_is_read_after_the_stream_that_it_names():
    a, b = sim.stream(), sim.stream()
    planes = []
    for shape, stream in zip(SHAPES, (a, b), strict=True):
        array = sim.memory(CUDA_HOST, shape=shape)
        array[...] = 128
        planes.append(CudaArray(array, stream))
    image = vc.yuv(planes, "nv12", **BT709)
    assert (vc.to_numpy(image) == picture(*SHAPES)).all()
    assert sim.work() == "synchronize A@-1, synchronize B@-1"


@simulated()
def test_pinned_planes_are_written_after_the_stream_that_uses_them():
    """An encoder's surface, which a GPU may still read."""
    a = sim.stream()
    planes = []
    for shape in SHAPES:
        planes.append(CudaArray(sim.memory(CUDA_HOST, shape=shape), a))
    vc.to_yuv(numpy.full((4, 6, 3), 255, "u1"), format="nv12", out=planes, **BT709)
    assert set(sim.work().split(", ")) == {"synchronize A@-1"}
    assert (sim.arrays[-2] == 235).all()
    assert (sim.arrays[-1] == 128).all()


# --- on a GPU

NO_KERNELS = None if _viewcast._build()["kernels"] else "this package was built without kernels"


def frame_on_gpu(*streams):
    """A frame whose planes were written on streams of their own, and its planes."""
    planes = [
        CudaArray(sim.memory(shape=shape), stream)
        for shape, stream in zip(SHAPES, streams, strict=True)
    ]
    return vc.yuv(planes, "nv12", **BT709), planes


def batch_on_gpu(stream, count=1):
    return CudaArray(sim.memory(shape=(count, 3, 4, 6), dtype="float32"), stream)


@simulated(skip=NO_KERNELS)
def test_the_kernel_waits_for_the_stream_of_each_plane_once():
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    images = [frame_on_gpu(a, b)[0], frame_on_gpu(b, a)[0], frame_on_gpu(c, c)[0]]
    sim.work()
    sim.busy(c)
    vc.to_tensor(images, layout="NCHW", out=batch_on_gpu(c, 3), stream=c)
    work = sim.work().split(", ")
    sim.busy(c, False)
    assert work[:4] == ["record A@0", "wait C@0", "record B@0", "wait C@0"]
    assert work.count("launch C@0") == 1
    assert work[-2:] == ["record C@0", "query@0"]  # one event for all planes


@simulated(skip=NO_KERNELS)
def test_on_the_decoders_stream_nothing_is_waited_for():
    a = sim.stream()
    image, _ = frame_on_gpu(a, a)
    sim.work()
    vc.to_tensor(image, layout="CHW", out=CudaArray(sim.memory(shape=(3, 4, 6)), a), stream=a)
    assert sim.work() == "launch A@0"


@simulated(skip=NO_KERNELS)
def test_producer_stream_is_waited_for_in_place_of_what_planes_name():
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    image, _ = frame_on_gpu(a, None)
    sim.work()
    vc.to_tensor([image], layout="NCHW", out=batch_on_gpu(c), stream=c, producer_stream=b)
    assert sim.work().startswith("record B@0, wait C@0, launch C@0")


@simulated(skip=NO_KERNELS)
def test_planes_live_until_the_stream_has_read_them():
    a, c = sim.stream(), sim.stream()
    image, planes = frame_on_gpu(a, a)
    ends = [weakref.ref(plane) for plane in planes]
    sim.busy(c)
    vc.to_tensor([image], layout="NCHW", out=batch_on_gpu(c), stream=c)
    del image, planes
    gc.collect()
    vc.collect()
    assert all(end() is not None for end in ends)
    sim.busy(c, False)
    vc.collect()
    assert all(end() is None for end in ends)


@simulated(skip=NO_KERNELS)
def test_planes_of_a_failed_launch_are_released():
    a = sim.stream()
    image, planes = frame_on_gpu(a, a)
    ends = [weakref.ref(plane) for plane in planes]
    sim.fail("cuLaunchKernel", ILLEGAL_ADDRESS)
    with raises(vc.CUDAError, "700"):
        vc.to_tensor([image], layout="NCHW", out=batch_on_gpu(a), stream=a)
    sim.fail("cuLaunchKernel", 0)
    del image, planes
    gc.collect()
    vc.collect()
    assert all(end() is None for end in ends)


@simulated(skip=NO_KERNELS)
def test_places_that_to_yuv_does_not_write_to():
    a = sim.stream()
    words = {"format": "nv12", **BT709}
    rgb = CudaArray(sim.memory(shape=(4, 6, 3)), a)
    with raises(vc.DeviceError, "(any producer) is in memory of a GPU", "as out=", "as_tensor()"):
        vc.to_yuv(rgb, **words)
    with raises(vc.DeviceError, "device= asks for the host", "to_yuv", "host memory as out="):
        vc.to_yuv(vc.as_gpumat(rgb), device="cpu", **words)
    assert sim.work().count("launch") == 0


@simulated(skip=NO_KERNELS)
def test_an_encoders_planes_are_written_after_the_stream_that_reads_them():
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    _, planes = frame_on_gpu(a, b)
    rgb = CudaArray(sim.memory(shape=(4, 6, 3)), c)
    sim.work()
    vc.to_yuv(rgb, format="nv12", out=planes, stream=c, **BT709)
    work = sim.work().split(", ")
    assert work[:4] == ["record A@0", "wait C@0", "record B@0", "wait C@0"]
    assert work.count("launch C@0") == 1
