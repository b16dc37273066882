# SPDX-License-Identifier: Apache-2.0
"""Settings act at once, and `with` puts back what was there: use_stream(), use_pool(),
set_num_threads()."""

import copy
import gc
import sys
import threading
import types
import weakref

import cv2
import numpy as np
import pytest
from default_allocator import default_allocator, set_default_allocator
from loaded_opencv import FREES
from threads import at_once

import viewcast as vc
from viewcast import _viewcast


def in_use():
    """The handle of the calling thread's stream; None for none."""
    stream = _viewcast._set_stream(None)
    _viewcast._set_stream(stream)
    return stream and stream.handle


@pytest.fixture(autouse=True)
def nothing_set():
    yield
    _viewcast._set_stream(None)
    vc.set_num_threads(None)


# ------------------------------------------------------------------------- use_stream


def test_a_stream_is_in_use_at_once_and_stays():
    vc.use_stream(8)
    gc.collect()
    assert in_use() == 8
    vc.use_stream(9, device=0)
    assert in_use() == 9
    vc.use_stream(None)
    assert in_use() == 1


def test_with_puts_the_stream_back():
    vc.use_stream(8)
    with vc.use_stream(9) as stream:
        assert isinstance(stream, vc.Stream) and stream.handle == in_use() == 9
        with vc.use_stream(stream) as same:
            assert same is stream
        assert in_use() == 9
        with vc.use_stream(10):
            assert in_use() == 10
        assert in_use() == 9
    assert in_use() == 8


def test_an_exception_puts_the_stream_back():
    with pytest.raises(RuntimeError, match="mine"), vc.use_stream(9):
        raise RuntimeError("mine")
    assert in_use() is None


def test_a_with_later_on_puts_back_what_was_there_before_the_call():
    setting = vc.use_stream(9)
    assert in_use() == 9
    with setting:
        assert in_use() == 9
    assert in_use() is None


def test_a_setting_is_used_twice_and_within_itself():
    setting = vc.use_stream(9)
    with setting, setting:
        assert in_use() == 9
    assert in_use() is None
    vc.use_stream(8)
    for _ in range(2):
        with setting as stream:
            assert in_use() == stream.handle == 9
            with vc.use_stream(10), setting:
                assert in_use() == 9
            assert in_use() == 9
        assert in_use() == 8


def test_a_stream_is_the_threads_own():
    setting = vc.use_stream(9)

    def work(index):
        assert in_use() is None
        with setting:
            assert in_use() == 9
            with vc.use_stream(100 + index):
                assert in_use() == 100 + index
            assert in_use() == 9
        assert in_use() is None
        vc.use_stream(200 + index)
        return in_use()

    assert at_once(work, 4) == [200, 201, 202, 203]
    with setting:
        pass
    assert in_use() is None


class Named:
    def __cuda_stream__(self):
        return (0, 0x1000)


def kept_by(use):
    """Whether a stream object that nothing else refers to lives on after use(stream)."""
    stream = Named()
    alive = weakref.ref(stream)
    use(stream)
    del stream
    gc.collect()
    return alive() is not None


def test_a_stream_in_use_is_kept_and_no_longer():
    assert kept_by(vc.use_stream)
    assert in_use() == 0x1000
    vc.use_stream(9)
    gc.collect()
    assert not any(isinstance(each, Named) for each in gc.get_objects())


def test_the_stream_of_a_thread_that_ended_is_dropped():
    def use(stream):
        thread = threading.Thread(target=vc.use_stream, args=(stream,))
        thread.start()
        thread.join()

    assert not kept_by(use)


def test_the_same_stream_set_again_stays_in_use():
    stream = vc.stream(Named())
    for _ in range(3):
        vc.use_stream(stream)
        assert in_use() == 0x1000


def test_what_is_no_stream_changes_nothing():
    vc.use_stream(8)
    for wrong, error in (("s", TypeError), (-2, ValueError), (-1, ValueError), (True, TypeError)):
        with pytest.raises(error):
            vc.use_stream(wrong)
    with pytest.raises(ValueError, match="needs a CUDA device"):
        vc.use_stream(9, device="cpu")
    assert in_use() == 8


# ------------------------------------------- use_stream with other libraries on a GPU


class FakeStream:
    """As CuPy's: a default stream (0) is of the device that is current."""

    def __init__(self, cuda, handle, device):
        self.cuda, self.ptr, self.device = cuda, handle, device

    def use(self):
        device = self.cuda.device if self.ptr == 0 else self.device
        assert device == self.cuda.device, "CuPy wants the stream's device to be current"
        self.cuda.streams[device] = self
        if self.ptr == self.cuda.refused:
            raise RuntimeError("CuPy's own")


class FakeCuda:
    """What use_stream() calls of cupy.cuda."""

    def __init__(self):
        cuda, self.device, self.streams, self.refused = self, 0, {}, None

        class Stream:
            null = FakeStream(cuda, 0, -1)

            @staticmethod
            def from_external(named):
                return FakeStream(cuda, named.__cuda_stream__()[1], cuda.device)

        class Device:
            def __init__(self, number=None):
                self.id = cuda.device if number is None else number

            def use(self):
                cuda.device = self.id

        self.Stream, self.Device = Stream, Device

    def get_current_stream(self, device):
        return self.streams.get(device, self.Stream.null)

    def state(self):
        streams = {device: each.ptr for device, each in self.streams.items() if each.ptr}
        return self.device, streams


class FakeTorchCuda:
    """What use_stream() calls of torch.cuda; `log` has the streams, and None at each end."""

    def __init__(self):
        self.log, self.Stream = [], type("Stream", (), {})

    def is_available(self):
        return True

    def ExternalStream(self, handle, device):  # noqa: N802, torch's name
        return handle, device

    def stream(self, stream):
        log = self.log

        class StreamContext:
            def __enter__(self):
                log.append(stream)

            def __exit__(self, *_):
                log.append(None)

        return StreamContext()


@pytest.fixture
def torch_cuda(monkeypatch):
    fake = FakeTorchCuda()
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=fake))
    return fake


@pytest.fixture
def cuda(monkeypatch, torch_cuda):
    """A machine with GPUs, as far as use_stream() goes."""
    fake = FakeCuda()
    monkeypatch.setattr(_viewcast, "host_mode", lambda: False)
    monkeypatch.setattr(_viewcast, "_stream_device", lambda device: device)
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(cuda=fake))
    return fake


def test_a_stream_of_another_device_in_every_library(cuda, torch_cuda):
    vc.use_stream(8)
    before = cuda.state()
    assert before == (0, {0: 8}) and torch_cuda.log == [(8, 0)]
    with vc.use_stream(9, device=1):
        assert cuda.state() == (1, {0: 8, 1: 9})
        with vc.use_stream(10, device=0):
            assert cuda.state() == (0, {0: 10, 1: 9})
        assert cuda.state() == (1, {0: 8, 1: 9})
        cuda.Device(0).use()  # by the block itself
    assert cuda.state() == before
    begun = [(9, 1), (9, 1), (10, 0), (10, 0)]  # by the call, and again by `with`
    assert torch_cuda.log == [(8, 0), *begun, None, None]


def test_where_a_library_refuses_a_stream_all_stay_as_they_were(cuda, torch_cuda):
    vc.use_stream(8)
    cuda.refused = 9
    with pytest.raises(RuntimeError, match="CuPy's own"):
        vc.use_stream(9, device=1)
    assert in_use() == 8 and torch_cuda.log == [(8, 0), (9, 1), None]
    assert cuda.state() == (0, {0: 8})


# --------------------------------------------------------------------------- Stream


@pytest.mark.parametrize("arguments", [(), (5,), (5, 0), (None,)])
def test_a_stream_is_made_by_the_function(arguments):
    with pytest.raises(TypeError, match=r"made by viewcast.stream\(\)"):
        vc.Stream(*arguments)
    assert isinstance(vc.stream(5), vc.Stream)
    assert copy.copy(vc.stream(5)) == vc.stream(5)


# ------------------------------------------------------------------------- use_pool


needs_cuda_opencv = pytest.mark.skipif(
    _viewcast._opencv_layout()["counting"] != FREES, reason="this OpenCV allocates no GpuMat"
)


@pytest.fixture
def pools():
    yield
    vc.use_pool(None)
    gc.collect()
    vc.collect()
    vc.trim_pool()


def test_none_is_put_back_with_any_opencv():
    with vc.use_pool(None) as name:
        assert name is None and vc.get_pool() is None
    with pytest.raises(ValueError, match="the pool is 'x'"):
        vc.use_pool("x")
    assert vc.get_pool() is None


@needs_cuda_opencv
def test_with_puts_the_pool_back(pools):
    before = default_allocator()
    with vc.use_pool("cuda") as name:
        ours = default_allocator()
        assert (name, vc.get_pool()) == ("cuda", "cuda") and ours != before
        with vc.use_pool("torch"):
            assert vc.get_pool() == "torch"
            with vc.use_pool(None):
                assert vc.get_pool() is None and default_allocator() == before
            assert vc.get_pool() == "torch" and default_allocator() == ours
        assert vc.get_pool() == "cuda"
    assert vc.get_pool() is None and default_allocator() == before


@needs_cuda_opencv
def test_a_pool_stays_where_the_object_is_dropped(pools):
    vc.use_pool("cuda")
    gc.collect()
    assert vc.get_pool() == "cuda"
    with pytest.raises(RuntimeError), vc.use_pool("cupy"):
        raise RuntimeError
    assert vc.get_pool() == "cuda"


@needs_cuda_opencv
def test_a_pool_is_used_twice(pools):
    setting = vc.use_pool("cuda")
    vc.use_pool("torch")
    with setting:  # puts back what was there before the call
        assert vc.get_pool() == "cuda"
    assert vc.get_pool() is None
    vc.use_pool("torch")
    with setting:
        assert vc.get_pool() == "cuda"
    assert vc.get_pool() == "torch"


@needs_cuda_opencv
def test_the_streams_of_a_pool_are_put_back_with_it(pools):
    def use(stream):
        vc.use_pool("cuda", streams=iter([stream]))
        for _ in range(2):
            with vc.use_pool("cuda"):
                pass

    assert kept_by(use)
    vc.use_pool("cuda")
    gc.collect()
    vc.collect()
    assert not any(isinstance(each, Named) for each in gc.get_objects())


@needs_cuda_opencv
def test_streams_are_read_once(pools):
    with vc.use_pool("cuda", streams=iter([Named(), 9])):
        assert cv2.cuda.GpuMat(4, 4, 0).size() == (4, 4)


@needs_cuda_opencv
def test_an_allocator_that_somebody_set_meanwhile_is_put_back(pools):
    own = default_allocator()
    vc.use_pool("cuda")
    ours = default_allocator()
    set_default_allocator(own)
    with vc.use_pool("torch"):
        assert default_allocator() == ours
    assert (vc.get_pool(), default_allocator()) == ("cuda", own)
    with vc.use_pool(None):
        assert default_allocator() == own
    assert vc.get_pool() == "cuda"


@needs_cuda_opencv
def test_blocks_of_several_threads_at_once(pools):
    def work(index):
        for _ in range(20):
            with vc.use_pool(("cuda", "torch", "cupy", None)[index % 4]) as name:
                assert name in ("cuda", "torch", "cupy", None)

    before = default_allocator()
    at_once(work)
    vc.use_pool(None)
    assert default_allocator() == before


# --------------------------------------------------------------------- set_num_threads


def test_the_number_of_threads():
    cores = vc.get_num_threads()
    assert cores >= 1
    for number in (1, 3, 2**31 - 1, np.int64(2)):
        assert vc.set_num_threads(number) is None
        assert vc.get_num_threads() == number == vc.config()["viewcast"]["threads"]
    image = np.random.default_rng(1).integers(0, 256, (1024, 2048, 3), np.uint8)
    results = []
    for number in (1, 2**31 - 1):
        vc.set_num_threads(number)
        results.append(vc.to_numpy(image, layout="CHW"))
    assert (results[0] == results[1]).all() and (results[0] == image.transpose(2, 0, 1)).all()
    with pytest.raises(ValueError, match="n is 0, needs 1 or more"):
        vc.set_num_threads(0)
    assert vc.get_num_threads() == 2**31 - 1
    vc.set_num_threads(None)
    assert vc.get_num_threads() == cores
