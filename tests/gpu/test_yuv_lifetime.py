# SPDX-License-Identifier: Apache-2.0
"""Frames of decoders on a GPU: planes are read after the stream that writes each, a surface may be
written anew in the order of the call's stream, and memory lives until it was read. The decoders
that are installed show the same.

Each trial writes a new value behind a delay on the decoder's stream. A naive call (stream=-1)
reads too early, which shows that the tests find the race.
"""

import gc
import queue
import threading

import cupy
import pytest
import torch
from decoders import CLIPS, DECODERS, PyNvVideoCodecOnAStream, images
from delay import CYCLES, LONG, delay, side_stream, trials
from dlpack_structs import CUDA, Producer
from pictures import converts_yuv

import viewcast as vc

TRIALS = trials(200)
NAIVE_TRIALS = trials(20)
HEIGHT, WIDTH = 64, 96
FULL = {"matrix": "bt709", "range": "full"}  # with grey chroma R = G = B = Y
GREY = 128


@pytest.fixture(autouse=True)
def needs_kernels():
    if not converts_yuv():
        pytest.skip("this viewcast converts YUV images in host memory only")


class Plane:
    """Memory of a decoder: the CUDA Array Interface with the stream that it was written on."""

    def __init__(self, tensor, stream):
        self.tensor = tensor
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": tuple(tensor.shape),
            "strides": tuple(tensor.stride()),
            "typestr": "|u1",
            "data": (tensor.data_ptr(), False),
            "stream": stream,
        }


class Decoder:
    """One NV12 surface, which each frame is written to behind a delay, on a stream of its own."""

    def __init__(self, named=True):
        self.stream = side_stream()
        self.surface = torch.full((HEIGHT * 3 // 2, WIDTH), GREY, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
        chroma = self.surface[HEIGHT:].view(HEIGHT // 2, WIDTH // 2, 2)
        planes = self.surface[:HEIGHT], chroma
        if named:
            planes = tuple(Plane(plane, self.stream.ptr) for plane in planes)
        self.image = vc.yuv(planes, "nv12", **FULL)

    def decode(self, luma, cycles=CYCLES):
        delay(self.stream, cycles)
        with torch.cuda.stream(vc.stream(self.stream).torch):
            self.surface[:HEIGHT].fill_(luma)


def values(tensor):
    torch.cuda.synchronize()
    return sorted(tensor.unique().tolist())


# --- a frame written on the decoder's stream


@pytest.mark.parametrize("resize", [None, vc.Letterbox((32, 48))], ids=["as it is", "resized"])
def test_a_frame_is_read_after_the_stream_that_its_planes_name(resize):
    decoder = Decoder()
    for trial in range(TRIALS):
        decoder.decode(trial % 251)
        batch = vc.to_tensor([decoder.image], layout="NCHW", resize=resize)
        assert values(batch) == [trial % 251]


def test_a_frame_is_read_after_producer_stream():
    decoder = Decoder(named=False)
    for trial in range(TRIALS):
        decoder.decode(trial % 251)
        rgb = vc.to_tensor(decoder.image, producer_stream=decoder.stream)
        assert values(rgb) == [trial % 251]


def test_without_an_order_it_is_read_too_early():
    decoder, stale = Decoder(named=False), 0
    for trial in range(NAIVE_TRIALS):
        decoder.decode(1 + trial % 2, LONG)
        stale += values(vc.to_tensor(decoder.image, stream=-1)) != [1 + trial % 2]
    assert stale > 0


def test_planes_of_two_streams_are_both_waited_for():
    """Luma and chroma are written on streams of their own, in turn the later one."""
    streams = side_stream(), side_stream()
    luma = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8, device="cuda")
    chroma = torch.zeros(HEIGHT // 2, WIDTH // 2, 2, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    planes = [Plane(luma, streams[0].ptr), Plane(chroma, streams[1].ptr)]
    image = vc.yuv(planes, "nv12", **FULL)
    for trial in range(TRIALS):
        for index, (plane, value) in enumerate(((luma, trial % 251), (chroma, GREY))):
            delay(streams[index], CYCLES if index == trial % 2 else 1)
            with torch.cuda.stream(vc.stream(streams[index]).torch):
                plane.fill_(value)
        assert values(vc.to_tensor(image)) == [trial % 251]
        chroma.zero_()
        torch.cuda.synchronize()


def test_the_host_waits_for_the_decoder():
    decoder = Decoder()
    for trial in range(trials(30)):
        decoder.decode(trial % 251)
        assert (vc.to_numpy(decoder.image) == trial % 251).all()


# --- a decoder that writes into the same surface again


def test_the_next_frame_is_decoded_after_the_call_on_the_decoders_stream():
    decoder = Decoder()
    out = torch.empty(TRIALS, HEIGHT, WIDTH, 3, dtype=torch.uint8, device="cuda")
    for trial in range(TRIALS):
        decoder.decode(trial % 251, 1000)
        vc.to_tensor(decoder.image, out=out[trial], stream=decoder.stream)
    torch.cuda.synchronize()
    for trial in range(TRIALS):
        assert (out[trial] == trial % 251).all()


def test_the_decoders_stream_may_wait_for_the_calls():
    decoder, results = Decoder(), []
    for trial in range(TRIALS):
        decoder.decode(trial % 251, 1000)
        results.append(vc.to_tensor(decoder.image))
        vc.stream(decoder.stream).torch.wait_stream(torch.cuda.current_stream())
    torch.cuda.synchronize()
    assert [result.unique().tolist() for result in results] == [
        [trial % 251] for trial in range(TRIALS)
    ]


# --- memory lives until it was read


def test_planes_of_torch_live_until_the_call_has_read_them():
    """The caching allocator gives a block to the stream that it was allocated on at once."""
    reader = torch.cuda.Stream()
    for trial in range(TRIALS):
        value = trial % 251
        surface = torch.full((HEIGHT * 3 // 2, WIDTH), GREY, dtype=torch.uint8, device="cuda")
        surface[:HEIGHT].fill_(value)
        delay(reader)
        image = vc.yuv(surface, "nv12", **FULL)
        result = vc.to_tensor(image, stream=reader)
        del image, surface
        for _ in range(3):  # would reuse the block
            torch.full((HEIGHT * 3 // 2, WIDTH), 255, dtype=torch.uint8, device="cuda")
        assert values(result) == [value]


def test_planes_of_cupy_live_until_the_call_has_read_them():
    for trial in range(TRIALS):
        value = trial % 251
        surface = cupy.full((HEIGHT * 3 // 2, WIDTH), GREY, cupy.uint8)
        surface[:HEIGHT] = value
        stream = side_stream()
        delay(stream)
        image = vc.yuv(surface, "nv12", **FULL)
        result = vc.to_cupy(image, stream=stream)
        del image, surface
        for _ in range(3):
            cupy.full((HEIGHT * 3 // 2, WIDTH), 255, cupy.uint8)
        cupy.cuda.Device().synchronize()
        assert bool((result == value).all())


class Described:
    """What Producer reads of an array, with an address on the GPU."""

    def __init__(self, array):
        self.shape, self.strides, self.ndim = array.shape, array.strides, array.ndim
        self.dtype, self.itemsize = array.dtype, array.itemsize
        self.ctypes = type("Address", (), {"data": array.data.ptr})


def frame_of_dlpack(value):
    """Planes in memory of the GPU whose deleters are counted."""
    tensors = (
        torch.full((HEIGHT, WIDTH), value, dtype=torch.uint8, device="cuda"),
        torch.full((HEIGHT // 2, WIDTH // 2, 2), GREY, dtype=torch.uint8, device="cuda"),
    )
    producers = []
    for tensor in tensors:
        producer = Producer(Described(cupy.from_dlpack(tensor)), device_type=CUDA)
        producer.device, producer.tensor = (CUDA, 0), tensor
        producers.append(producer)
    return vc.yuv(producers, "nv12", **FULL), producers


def test_a_frame_of_dlpack_is_released_once_on_another_thread():
    frames, all_producers, results = queue.Queue(), [], []

    def convert():
        while (image := frames.get()) is not None:
            results.append(vc.to_tensor(image))
            del image

    worker = threading.Thread(target=convert)
    worker.start()
    for trial in range(50):
        image, producers = frame_of_dlpack(trial)
        torch.cuda.synchronize()
        all_producers += producers
        frames.put(image)
        del image, producers
    frames.put(None)
    worker.join()
    torch.cuda.synchronize()
    gc.collect()
    vc.collect()
    assert [(len(each.asked), each.deleted) for each in all_producers] == [(1, 1)] * 100
    assert [result.unique().tolist() for result in results] == [[trial] for trial in range(50)]


def test_a_list_of_frames_holds_them_until_it_was_read(ledger):
    stream = side_stream()
    images, producers = [], []
    for value in range(8):
        image, made = frame_of_dlpack(value)
        images.append(image)
        producers += made
    torch.cuda.synchronize()
    delay(stream, LONG)
    batch = vc.to_tensor(images, layout="NCHW", stream=stream)
    del images, image
    gc.collect()
    vc.collect()
    torch.cuda.synchronize()
    assert [values(each) for each in batch] == [[value] for value in range(8)]
    vc.collect()
    assert [each.deleted for each in producers] == [1] * 16
    del batch
    ledger.balanced()


# --- the decoders that are installed


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return CLIPS["bt709"].write(tmp_path_factory.mktemp("clip") / "clip.mp4", count=60)


@pytest.fixture(params=DECODERS)
def decoder(request):
    return DECODERS[request.param]()


COLOURS = {"matrix": "bt709", "range": "limited"}


def totals(results):
    torch.cuda.synchronize()
    return [int(result.sum(dtype=torch.int64)) for result in results]


@pytest.fixture
def expected(decoder, video):
    """A total of each frame, which is read in peace."""
    found = []
    for image in images(decoder, video, **COLOURS):
        torch.cuda.synchronize()
        found += totals([vc.to_tensor(image)])
    assert len(set(found)) > 30
    return found


def test_frames_are_read_after_a_decoder_whose_work_is_late(decoder, video, expected):
    """Kernels of another context wait for the time slice that the busy stream is in."""
    busy, results = side_stream(), []
    for image in images(decoder, video, **COLOURS):
        results.append(vc.to_tensor(image))
        if not decoder.owns:
            torch.cuda.current_stream().synchronize()
        delay(busy, LONG)
    assert totals(results) == expected


def test_frames_of_decoders_live_until_a_call_on_another_stream_has_read_them(
    decoder, video, expected
):
    """The frame is dropped at once, and its memory is free for the next one when it was read."""
    if not decoder.owns:
        pytest.skip("the decoder writes into few surfaces, and waits for nobody")
    reader, results = side_stream(), []
    for image in images(decoder, video, **COLOURS):
        delay(reader)
        results.append(vc.to_tensor(image, stream=reader))
        del image
    assert totals(results) == expected


def test_surfaces_of_decoders_are_written_after_a_call_on_their_stream(video):
    decoder = PyNvVideoCodecOnAStream()
    in_peace = []
    for image in images(decoder, video, **COLOURS):
        torch.cuda.synchronize()
        in_peace += totals([vc.to_tensor(image)])
    results = []
    for image in images(decoder, video, **COLOURS):
        delay(decoder.stream, CYCLES)
        results.append(vc.to_tensor(image, stream=decoder.stream))
    assert totals(results) == in_peace


def test_frames_of_decoders_are_released_on_another_thread(decoder, video, expected, ledger):
    frames, results = queue.Queue(maxsize=2), []

    def convert():
        while (image := frames.get()) is not None:
            result = vc.to_tensor(image)
            torch.cuda.current_stream().synchronize()
            results.append(result)
            del image
            frames.task_done()

    worker = threading.Thread(target=convert)
    worker.start()
    for image in images(decoder, video, **COLOURS):
        frames.put(image)
        del image
        if not decoder.owns:
            frames.join()
    frames.put(None)
    worker.join()
    assert totals(results) == expected
    results.clear()
    ledger.balanced()
