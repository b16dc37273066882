# SPDX-License-Identifier: Apache-2.0
"""Frames of decoders in CUDA mode, against the simulated driver (tests/support/simulated_cuda.py):
what is waited for before pixels are read, and what is held until they are."""

import numpy
import pytest
from dlpack_structs import Producer
from simulated_cuda import CUDA_HOST, CudaArray, sim, simulated

import viewcast as vc

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
