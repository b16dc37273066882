# SPDX-License-Identifier: Apache-2.0
"""Streams that capture a graph: against the simulated driver
(tests/support/simulated_cuda.py)."""

import ctypes
import weakref

import numpy
import pytest
from simulated_cuda import LEGACY, converted, end, new_array, raises, sim, simulated

import viewcast as vc

pytestmark = pytest.mark.any_opencv


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
def test_nothing_goes_to_the_host_in_a_capture():
    """A copy that the graph keeps would be written to memory that is gone at the replay."""
    a = sim.stream()
    image = new_array(a)
    planes = [numpy.zeros((4, 6), "uint8"), numpy.zeros((2, 3, 2), "uint8")]
    yuv = {"matrix": "bt709", "range": "limited"}
    for convert in (
        lambda: vc.to_numpy(image),
        lambda: vc.to_numpy([image, image]),
        lambda: vc.to_numpy(image, layout="CHW", out=numpy.zeros((3, 4, 6), "float32")),
        lambda: vc.as_numpy(image, copy=None),
        lambda: vc.to_yuv(image, format="nv12", out=planes, **yuv),
    ):
        sim.work()
        sim.begin_capture(a)
        with raises(vc.CUDAError, "the host can't wait for a stream that is capturing"):
            convert()
        assert sim.end_capture(a) == 0
        assert sim.work() == ""


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
def test_a_release_during_a_capture_is_ordered_after_it():
    a, b = sim.stream(blocking=False), sim.stream(blocking=False)
    kept, producer = converted(ready_on=a, stream=b)
    sim.begin_capture(b)
    assert end(kept) == ""
    assert vc.collect() == 0
    assert producer() is not None
    assert sim.end_capture(b) == 0
    vc.collect()
    assert sim.work() == "record B@0, query@0"
    assert producer() is None


@simulated()
def test_a_release_does_not_disturb_another_streams_capture():
    """Events are queried while another stream captures."""
    a, b, c = (sim.stream(blocking=False) for _ in range(3))
    kept, producer = converted(ready_on=a, stream=b)
    sim.begin_capture(c)
    sim.busy(b)
    end(kept)
    assert producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert producer() is None
    assert sim.end_capture(c) == 0
