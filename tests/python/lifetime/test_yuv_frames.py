# SPDX-License-Identifier: Apache-2.0
"""Frames of decoders: memory that DLPack gives is released once for each conversion, on whatever
thread; a surface may be written anew as soon as a call on the host has returned."""

import gc
import queue
import threading
import weakref
from fractions import Fraction

import numpy as np
import pytest
import torch
from dlpack_structs import Producer
from threads import THREADS, at_once

import viewcast as vc

BT709 = {"matrix": "bt709", "range": "limited"}
RESIZED = {"resize": vc.Letterbox((24, 24)), "layout": "NCHW", "dtype": "float32"}


@pytest.fixture
def rng():
    return np.random.default_rng(17)


def planes_of(rng, height=16, width=32):
    luma = rng.integers(0, 256, (height, width), dtype=np.uint8)
    return luma, rng.integers(0, 256, (height // 2, width // 2, 2), dtype=np.uint8)


class Frame:
    """Planes that know how often their memory was given and given back."""

    def __init__(self, rng):
        self.arrays = planes_of(rng)
        self.planes = tuple(Producer(array) for array in self.arrays)
        self.image = vc.yuv(self.planes, "nv12", **BT709)
        self.expected = vc.to_numpy(vc.yuv(self.arrays, "nv12", **BT709))

    def counts(self):
        gc.collect()
        vc.collect()
        return [(len(plane.asked), plane.deleted) for plane in self.planes]


def test_each_call_releases_each_plane_once(rng):
    frame = Frame(rng)
    assert frame.counts() == [(0, 0)] * 2
    for count in range(1, 4):
        assert (vc.to_numpy(frame.image) == frame.expected).all()
        assert frame.counts() == [(count, count)] * 2
    vc.to_tensor([frame.image] * 5, **RESIZED)
    assert frame.counts() == [(8, 8)] * 2


def test_calls_that_fail_release_each_plane_once(rng):
    frame = Frame(rng)
    short = vc.yuv((frame.planes[0], Producer(frame.arrays[1][:4])), "nv12", **BT709)
    for images in ([short], [frame.image, short], [frame.image, frame.arrays[0]]):
        with pytest.raises((vc.LayoutError, TypeError)):
            vc.to_numpy(images, **RESIZED)
    with pytest.raises(vc.ViewError):
        vc.to_numpy(frame.image, out=np.zeros((3, 3, 3), np.uint8))
    (asked, deleted), other = frame.counts()
    assert asked == deleted > 0
    assert other[0] == other[1] > 0


def test_frames_end_on_another_thread(rng):
    """The thread that decodes gives frames to one that converts them, and drops its own."""
    waiting, results = queue.Queue(), []

    def convert():
        while (image := waiting.get()) is not None:
            results.append(vc.to_numpy(image, **RESIZED))
            del image

    consumer = threading.Thread(target=convert)
    consumer.start()
    planes, ends, expected = [], [], []
    for _ in range(50):
        frame = Frame(rng)
        planes += frame.planes
        ends.append(weakref.ref(frame.image))
        expected.append(vc.to_numpy(frame.expected, **RESIZED))
        waiting.put(frame.image)
        del frame
    waiting.put(None)
    consumer.join()
    gc.collect()
    vc.collect()
    assert [end() for end in ends] == [None] * 50
    assert [(len(plane.asked), plane.deleted) for plane in planes] == [(1, 1)] * 100
    assert all((a == b).all() for a, b in zip(results, expected, strict=True))


def test_one_frame_on_many_threads(rng):
    frame = Frame(rng)

    def convert(_):
        return all((vc.to_numpy(frame.image) == frame.expected).all() for _ in range(20))

    assert all(at_once(convert))
    assert frame.counts() == [(20 * THREADS, 20 * THREADS)] * 2


def test_planes_that_are_written_are_released_once(rng):
    rgb = rng.integers(0, 256, (16, 32, 3), dtype=np.uint8)
    frame, source = Frame(rng), Producer(rgb)
    for count in range(1, 4):
        assert vc.to_yuv(source, format="nv12", out=frame.planes, **BT709) is frame.planes
        assert frame.counts() == [(count, count)] * 2
        assert (len(source.asked), source.deleted) == (count, count)
    made = vc.to_yuv(rgb, format="nv12", **BT709)
    assert (np.concatenate([frame.arrays[0], frame.arrays[1].reshape(8, 32)]) == made).all()


def two_frames(av, rng):
    """Two frames of PyAV over one memory, as a decoder and its caller have them."""
    frame = av.VideoFrame(640, 480, "yuv420p")
    for plane in frame.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, dtype=np.uint8).tobytes())
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=640, height=480, format="yuv420p", time_base=Fraction(1, 25))
    sink = graph.add("buffersink")
    source.link_to(sink)
    graph.configure()
    graph.push(frame)
    return frame, graph.pull()


def test_an_image_holds_memory_that_its_frame_gave_up(rng):
    """make_writable() gives a frame other memory, if another frame has it too."""
    av = pytest.importorskip("av")
    if int(av.__version__.partition(".")[0]) < 18:
        pytest.skip("planes of this PyAV have no DLPack that holds their memory")
    first, frame = two_frames(av, rng)
    image = vc.yuv(frame, **BT709)
    expected = vc.to_numpy(image)
    frame.make_writable()
    assert frame.planes[0].buffer_ptr != image.planes[0].ctypes.data
    del first
    gc.collect()
    others = [av.VideoFrame(640, 480, "yuv420p") for _ in range(8)]
    for other in (frame, *others):
        for plane in other.planes:
            plane.update(bytes([7]) * plane.buffer_size)
    assert (vc.to_numpy(image) == expected).all()


@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_a_surface_may_be_written_as_soon_as_the_call_returned(rng, library):
    """A decoder that has one surface. Each frame's result is its own, also on several threads."""
    surface = np.empty((24, 32), np.uint8)
    image = vc.yuv(library(surface), "nv12", **BT709)
    results, expected = [], []
    for _ in range(30):
        decoded = rng.integers(0, 256, surface.shape, dtype=np.uint8)
        surface[...] = decoded
        results.append(vc.to_numpy(image))
        expected.append(vc.to_numpy(vc.yuv(decoded, "nv12", **BT709)))
        surface[...] = 255
    assert all((a == b).all() for a, b in zip(results, expected, strict=True))


def test_a_batch_holds_its_memory_until_its_last_image_ends(rng):
    class Stack(np.ndarray):
        pass

    stack = rng.integers(0, 256, (4, 24, 32), dtype=np.uint8).view(Stack)
    gone = weakref.ref(stack)
    batch = vc.yuv(stack, "nv12", **BT709)
    del stack
    gc.collect()
    assert vc.to_numpy(batch).shape == (4, 16, 32, 3)
    assert gone() is not None
    del batch
    gc.collect()
    vc.collect()
    assert gone() is None
