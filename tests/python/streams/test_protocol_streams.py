# SPDX-License-Identifier: Apache-2.0
"""Streams in the CUDA Array Interface and in DLPack, as a consumer and as a producer: against
the simulated driver (tests/support/simulated_cuda.py)."""

import ctypes

import numpy
import pytest
from dlpack_structs import CPU, CUDA, Producer, consume, managed_tensor, new_capsule
from simulated_cuda import (
    CUDA_HOST,
    CUDA_MANAGED,
    ILLEGAL_ADDRESS,
    LEGACY,
    PER_THREAD,
    UNSET,
    dlpack_producer,
    new_array,
    raises,
    sim,
    simulated,
)

import viewcast as vc

pytestmark = pytest.mark.any_opencv


# --- the CUDA Array Interface


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


# --- DLPack


@simulated()
def test_dlpack_producer_is_given_the_consumers_stream():
    b = sim.stream()

    def asked(convert, **options):
        producer = dlpack_producer()
        kept = convert(producer, **options)
        assert sim.work() == ""  # the producer orders its stream itself
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


@simulated(devices=2)
def test_memory_of_another_context_is_ready_on_the_legacy_stream_of_that_one():
    """A decoder has a context of its own (FFmpeg's): here that of device 1."""
    b = sim.stream()
    vc.warmup(1)
    producer = dlpack_producer()
    sim.library.sim_set_context(ctypes.c_void_p(producer.array.ctypes.data), 1)
    sim.work()
    view = vc.view(bare_capsule(producer))
    assert sim.work() == "create@1, record 1@1, wait 1@0, destroy@-1"
    mat = vc.as_gpumat(view, stream=b)
    assert sim.work() == "record 1@0, wait A@0"
    del view, mat
    vc.collect()
    assert producer.deleted == 1
    for call in ("cuCtxPushCurrent_v2", "cuEventCreate", "cuEventRecord", "cuStreamWaitEvent"):
        failing = dlpack_producer()
        sim.library.sim_set_context(ctypes.c_void_p(failing.array.ctypes.data), 1)
        sim.fail(call, ILLEGAL_ADDRESS)
        with raises(vc.CUDAError, "CUDA error 700"):
            vc.view(bare_capsule(failing))
        vc.collect()
        assert failing.deleted == 1


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
        with raises(vc.DeviceError, "says that it is on cuda:3 and this process sees 1"):
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


@simulated(devices=2)
def test_two_devices_dlpack():
    view = vc.view(new_array(sim.stream(1), device=1))
    assert view.__dlpack_device__() == (CUDA, 1)
    capsule = view.__dlpack__(stream=1, max_version=(1, 0))
    assert managed_tensor(capsule).dl_tensor.device_id == 1
    assert sim.work() == "create@1, record A@1, wait 1@1"
