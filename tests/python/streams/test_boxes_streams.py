# SPDX-License-Identifier: Apache-2.0
"""boxes= in CUDA mode, against the simulated driver: what is waited for, and what is kept."""

import gc
import weakref
from unittest import mock

import numpy
import pytest
from simulated_cuda import LEGACY, CudaArray, raises, sim, simulated

import viewcast as vc
from viewcast import _viewcast, allocation

pytestmark = pytest.mark.any_opencv

NO_KERNELS = None if _viewcast._build()["kernels"] else "this package was built without kernels"


def image(stream=LEGACY, device=0):
    return CudaArray(sim.memory(shape=(20, 30, 3), device=device), stream)


def boxes(stream=LEGACY, device=0, count=2, values=4):
    array = sim.memory(shape=(count, values), dtype="float32", device=device)
    array[:, -4:] = [1, 2, 9, 8]
    return CudaArray(array, stream)


def out(count, stream, size=(4, 4)):
    return CudaArray(sim.memory(shape=(count, *size, 3)), stream)


@simulated(skip=NO_KERNELS)
def test_boxes_of_another_stream_are_waited_for_and_kept():
    a, b = sim.stream(), sim.stream()
    there = boxes(b)
    gone = weakref.ref(there)
    sim.busy(a)
    vc.to_tensor(image(a), boxes=there, resize=(4, 4), out=out(2, a), stream=a)
    assert sim.work().startswith("record B@0, wait A@0, launch A@0, record A@0")
    del there
    gc.collect()
    assert gone() is not None
    sim.busy(a, False)
    vc.collect()
    assert gone() is None


@simulated(skip=NO_KERNELS)
def test_boxes_of_the_same_stream_need_no_event():
    a = sim.stream()
    vc.to_tensor(image(a), boxes=boxes(a), resize=(4, 4), out=out(2, a), stream=a)
    assert sim.work() == "launch A@0"


@simulated(skip=NO_KERNELS)
def test_boxes_of_a_list_of_outs_are_waited_for_once():
    a, b = sim.stream(), sim.stream()
    outs = [CudaArray(sim.memory(shape=(4, 4, 3), dtype=dtype), a) for dtype in ("u1", "f4", "u1")]
    vc.to_tensor(image(a), boxes=boxes(b, count=3), resize=(4, 4), out=outs, stream=a)
    work = sim.work()
    assert work.startswith("record B@0, wait A@0, launch A@0, launch A@0, launch A@0")
    assert work.count("wait A@0") == 1


@simulated(2, skip=NO_KERNELS)
def test_boxes_of_another_device_are_refused():
    a = sim.stream()
    result = out(2, a)
    with raises(vc.DeviceError, "boxes are in memory of cuda:1 and the image in cuda:0"):
        vc.to_tensor(image(a), boxes=boxes(device=1), resize=(4, 4), out=result, stream=a)
    with raises(vc.DeviceError, "boxes are in memory of cuda:0", "host memory"):
        host = numpy.zeros((20, 30, 3), "uint8")
        vc.to_tensor(host, boxes=boxes(), resize=(4, 4), out=result, stream=a)
    assert "launch" not in sim.work()


@simulated(skip=NO_KERNELS)
def test_boxes_in_host_memory_are_read_before_the_call_returns():
    a = sim.stream()
    host = numpy.array([[1.0, 2, 9, 8], [0, 0, 3, 3]])
    sim.busy(a)
    vc.to_tensor(image(a), boxes=host, resize=(4, 4), out=out(2, a), stream=a)
    gone = weakref.ref(host)
    del host
    gc.collect()
    assert gone() is None
    assert "synchronize" not in sim.work()
    sim.busy(a, False)


@simulated(skip=NO_KERNELS)
def test_boxes_on_a_gpu_in_a_capture():
    a = sim.stream(blocking=False)
    sim.begin_capture(a)
    vc.to_tensor(image(a), boxes=boxes(a), resize=(4, 4), out=out(2, a), stream=a)
    assert sim.work() == "launch A@0"
    assert sim.end_capture(a) == 0


@simulated(skip=NO_KERNELS)
def test_a_result_in_host_memory_with_boxes_on_a_gpu():
    a, b = sim.stream(), sim.stream()
    block = CudaArray(sim.memory(shape=(4096,)), a)
    with mock.patch.object(allocation, "block", lambda *asked: block):
        found = vc.to_numpy(image(a), boxes=boxes(b), resize=(4, 4))
    assert found.shape == (2, 4, 4, 3)
    assert sim.work() == "record B@0, wait A@0, launch A@0, copy A@0, synchronize A@0"
