# SPDX-License-Identifier: Apache-2.0
"""Stream-ordered releases: memory that a view was used with on another stream than its
producer's is released once that stream has done its work. Against the simulated driver
(tests/support/simulated_cuda.py)."""

import ctypes
import gc
import weakref

import numpy
import pytest
from dlpack_structs import consume
from simulated_cuda import (
    ILLEGAL_ADDRESS,
    LEGACY,
    PER_THREAD,
    UNSET,
    CudaArray,
    converted,
    dlpack_producer,
    end,
    new_array,
    raises,
    sim,
    simulated,
)
from threads import at_once

import viewcast as vc

pytestmark = pytest.mark.any_opencv


@simulated()
def test_a_release_waits_for_the_consumers_stream():
    a, b = sim.stream(), sim.stream()
    for convert in (vc.as_gpumat, vc.view):
        for ready_on in (a, UNSET):  # UNSET: a producer that orders itself
            kept, producer = converted(convert, ready_on, stream=b)
            sim.busy(b)
            assert end(kept).startswith("record B@0, query@0")
            assert producer() is not None
            vc.collect()
            assert producer() is not None
            sim.busy(b, False)
            vc.collect()
            assert producer() is None
    assert sim.library.sim_events() == 16  # all are in the pool again


@simulated()
def test_a_later_conversion_drains_pending_releases():
    a, b = sim.stream(), sim.stream()
    kept, producer = converted(ready_on=a, stream=b)
    sim.busy(b)
    end(kept)
    sim.busy(b, False)
    assert producer() is not None
    vc.view(new_array())
    assert producer() is None


@simulated()
def test_many_pending_releases_need_few_queries():
    """A stream's work finishes in order: the first and the last event tell of all."""
    a, b = sim.stream(), sim.stream()
    both = [converted(vc.view, ready_on=a, stream=b) for _ in range(10)]
    views, producers = zip(*both, strict=True)
    sim.busy(b)
    for kept in views:
        kept.clear()
    work = sim.work().split(", ")
    assert work.count("record B@0") == 10  # an event each
    assert work.count("query@0") == 2  # for the first, and after the eighth
    assert all(producer() is not None for producer in producers)
    sim.busy(b, False)
    vc.view(new_array())
    assert sim.work() == "query@0, query@0"  # the first, the last
    assert not any(producer() for producer in producers)
    assert sim.library.sim_events() == 16


@simulated()
def test_the_first_releases_of_a_stream_end_before_the_last():
    """The consumer has done the first half of its work."""
    a, b = sim.stream(), sim.stream()
    both = [converted(vc.view, ready_on=a, stream=b) for _ in range(6)]
    views, producers = zip(*both, strict=True)
    for half in (views[:3], views[3:]):
        sim.busy(b, False)  # events recorded so far are done
        sim.busy(b)
        for kept in half:
            kept.clear()
    vc.collect()
    assert [producer() is None for producer in producers] == [True] * 3 + [False] * 3
    sim.busy(b, False)
    vc.collect()
    assert not any(producer() for producer in producers)


@simulated()
def test_releases_of_one_stream_do_not_wait_for_another():
    a, b, c = sim.stream(), sim.stream(), sim.stream()
    first, slow = converted(ready_on=a, stream=b)
    second, quick = converted(ready_on=a, stream=c)
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
def test_the_release_of_an_unknown_dlpack_producer_is_ordered():
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
def test_the_producers_own_stream_needs_no_ordered_release():
    a, b = sim.stream(), sim.stream()
    for options in (
        {"ready_on": b, "stream": b},  # the producer's own stream
        {"ready_on": 1, "stream": 0},
        {"ready_on": a, "stream": -1},  # the caller orders the streams
        {"ready_on": 1},
    ):
        sim.busy(b)
        kept, producer = converted(**options)
        assert end(kept) == ""
        assert producer() is None


@simulated()
def test_releases_on_default_streams_are_ordered():
    for consumer in (LEGACY, PER_THREAD):  # another thread has another per-thread stream
        kept, producer = converted(ready_on=sim.stream(), stream=consumer)
        sim.busy(LEGACY)
        assert end(kept).startswith("record 1@0, query@0")
        assert producer() is not None
        sim.busy(LEGACY, False)
        vc.collect()
        assert producer() is None


@simulated()
def test_a_pending_release_keeps_the_stream_object():
    class Stream:
        def __init__(self, handle):
            self.cuda_stream = handle

    b = sim.stream()
    stream = Stream(b)
    kept, producer = converted(ready_on=sim.stream(), stream=stream)
    stream = weakref.ref(stream)
    sim.busy(b)
    end(kept)
    assert stream() is not None and producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert stream() is None and producer() is None


@simulated()
def test_a_release_is_ordered_on_the_stream_of_use_stream():
    a, b = sim.stream(), sim.stream()
    with vc.use_stream(b):
        kept, producer = converted(ready_on=a)
    sim.busy(b)
    assert end(kept).startswith("record B@0, query@0")
    assert producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert producer() is None


@simulated()
def test_a_chain_of_views_waits_for_each_consumer():
    """Each view holds the one before: the memory is released after both consumers' work."""
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
    assert producer() is not None  # the view on C has ended, the one on B not
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
def test_the_release_of_a_dlpack_export_is_ordered():
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
def test_a_release_whose_event_cannot_be_recorded_waits_for_the_device():
    """The host waits for the device, then the memory is released."""
    b = sim.stream()
    kept, producer = converted(ready_on=sim.stream(), stream=b)
    sim.busy(b)
    sim.fail("cuEventRecord", ILLEGAL_ADDRESS)
    assert end(kept) == "record A@0, synchronize 1@0"
    assert producer() is None
    assert sim.library.sim_events() == 16


@simulated()
def test_a_release_while_the_driver_shuts_down_is_immediate():
    kept, producer = converted(ready_on=sim.stream(), stream=sim.stream())
    sim.library.sim_shut_down(1)
    end(kept)
    assert producer() is None
    sim.library.sim_shut_down(0)


@simulated()
def test_failed_conversions_release_the_owner():
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
def test_releases_from_many_threads():
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
        for array in sim.arrays:  # the simulation's table of memory is of a fixed size
            sim.library.sim_unregister(ctypes.c_void_p(array.ctypes.data))
    assert sim.library.sim_events() <= 16


@simulated()
def test_releases_from_many_threads_on_the_same_streams():
    """The queue of one stream grows on several threads while others drain it."""
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


@simulated(devices=2)
def test_a_release_on_another_device_is_ordered_there():
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
