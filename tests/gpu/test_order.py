# SPDX-License-Identifier: Apache-2.0
"""The order of streams: a consumer never reads an image before it is written.

Each trial writes a new value behind a delay on the producer's stream, converts the image,
and reads it at once on the consumer's stream. A naive conversion (stream=-1) is read too
early each time, which shows that the tests find the race.
"""

import cupy
import cv2
import pytest
import torch
from delay import CYCLES, LONG, current, delay, side_stream, trials

import viewcast as vc

TRIALS = trials(1000)
NAIVE_TRIALS = trials(50)
SHAPE = (64, 64, 3)
LIBRARIES = ["torch", "cupy", "gpumat"]
PAIRS = [(a, b) for a in LIBRARIES for b in LIBRARIES if a != b]
AS = {"torch": vc.as_tensor, "cupy": vc.as_cupy, "gpumat": vc.as_gpumat}


class Picture:
    """An image that one library writes on a stream of its own."""

    def __init__(self, library: str) -> None:
        self.library = library
        self.stream = side_stream()
        self.tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
        self.image = {
            "torch": lambda: self.tensor,
            "cupy": lambda: cupy.zeros(SHAPE, cupy.uint8),
            "gpumat": lambda: vc.as_gpumat(self.tensor),
        }[library]()

    def write_late(self, value: int, cycles: int = CYCLES) -> None:
        delay(self.stream, cycles)
        with current(self.library, self.stream):
            if self.library == "torch":
                self.image.fill_(value)
            elif self.library == "cupy":
                self.image.fill(value)
            else:  # written where cv2.cuda functions with stream= would write
                with torch.cuda.stream(vc.stream(self.stream).torch):
                    self.tensor.fill_(value)

    @property
    def producer_stream(self):
        """OpenCV has no current stream: its users give it as producer_stream=."""
        return self.stream if self.library == "gpumat" else None


def copied(library: str, view, stream):
    """A copy made on the consumer's stream, read after all is done."""
    if library == "gpumat":
        view = torch.as_tensor(vc.view(view, stream=-1), device="cuda")
        library = "torch"
    with current(library, stream):
        return view.clone() if library == "torch" else view.copy()


def seen(copy) -> set[int]:
    torch.cuda.synchronize()
    flat = copy.flatten() if isinstance(copy, torch.Tensor) else torch.as_tensor(copy).flatten()
    return {int(flat.min()), int(flat.max())}


@pytest.mark.parametrize("consumer_is", ["default stream", "side stream"])
@pytest.mark.parametrize("producer, consumer", PAIRS)
def test_never_stale(producer, consumer, consumer_is):
    picture = Picture(producer)
    stream = 1 if consumer_is == "default stream" else side_stream()
    named = stream if consumer == "gpumat" else None
    stale = 0
    for trial in range(TRIALS):
        value = trial % 250 + 1
        picture.write_late(value)
        with current(producer, picture.stream), current(consumer, stream):
            view = AS[consumer](
                picture.image, stream=named, producer_stream=picture.producer_stream
            )
        stale += seen(copied(consumer, view, stream)) != {value}
    assert stale == 0


@pytest.mark.parametrize("producer, consumer", PAIRS)
def test_a_naive_conversion_is_stale(producer, consumer):
    picture = Picture(producer)
    stale = 0
    picture.write_late(0)  # this and the next line compile kernels, which takes longer than LONG
    seen(copied(consumer, AS[consumer](picture.image, stream=-1), 1))
    for trial in range(NAIVE_TRIALS):
        value = trial % 250 + 1
        picture.write_late(value, LONG)
        with current(producer, picture.stream):
            view = AS[consumer](picture.image, stream=-1)
        stale += seen(copied(consumer, view, 1)) != {value}
    assert stale == NAIVE_TRIALS


@pytest.mark.parametrize("flags", [0, 1], ids=["blocking", "non-blocking"])
def test_a_picture_on_an_opencv_stream_reaches_torch(flags, cuda_cv2):
    """cv2.cuda's own kernels on a cv2 stream, where the other tests let torch write."""
    stream = cv2.cuda.Stream(flags) if flags else cv2.cuda.Stream()
    mat = cv2.cuda.GpuMat(64, 64, cv2.CV_8UC1)
    stale = 0
    for trial in range(TRIALS):
        value = trial % 250 + 1
        delay(stream)
        mat.setTo((value,), stream)
        with torch.cuda.stream(torch.cuda.Stream()):
            tensor = vc.as_tensor(mat, producer_stream=stream)
            copy = tensor.clone()
        stale += seen(copy) != {value}
    assert stale == 0


def test_download_waits_for_a_torch_stream(cuda_cv2):
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    side = torch.cuda.Stream()
    stale = 0
    for trial in range(TRIALS):
        value = trial % 250 + 1
        with torch.cuda.stream(side):
            torch.cuda._sleep(400_000)
            tensor.fill_(value)
            mat = vc.as_gpumat(tensor)
        stale += set(mat.download().flat) != {value}
    assert stale == 0


def test_numpy_waits_for_pinned_memory():
    pinned = torch.zeros(SHAPE, dtype=torch.uint8).pin_memory()
    source = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    side = torch.cuda.Stream()
    stale = 0
    for trial in range(TRIALS):
        value = trial % 250 + 1
        with torch.cuda.stream(side):
            torch.cuda._sleep(400_000)
            source.fill_(value)
            pinned.copy_(source, non_blocking=True)
            array = vc.as_numpy(pinned)
        stale += array.min() != value or array.max() != value
    assert stale == 0


def test_dlpack_and_cuda_array_consumers_are_in_order():
    """Exports of a View: the consumer gives its stream, or waits for the View's."""
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    side, consumer = torch.cuda.Stream(), side_stream()
    stale = 0
    for trial in range(TRIALS):
        value = trial % 250 + 1
        with torch.cuda.stream(side):
            torch.cuda._sleep(400_000)
            tensor.fill_(value)
            view = vc.view(tensor)
        with consumer:
            copies = [cupy.from_dlpack(view).copy(), cupy.asarray(view).copy()]
        stale += any(seen(copy) != {value} for copy in copies)
    assert stale == 0


def test_nothing_blocks_the_host():
    """Conversions return before the producer's work is done, except those to the host."""
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    side = torch.cuda.Stream()
    vc.warmup(0)
    done = torch.cuda.Event()
    with torch.cuda.stream(side):
        torch.cuda._sleep(200_000_000)
        tensor.fill_(7)
        views = [vc.as_gpumat(tensor), vc.as_cupy(tensor), vc.view(tensor)]
        views += [vc.as_tensor(views[0]), vc.as_cupy(views[0]), vc.as_tensor(views[1])]
        done.record()
    assert not done.query()
    torch.cuda.synchronize()


def test_bad_streams_are_refused():
    tensor = torch.zeros(SHAPE, device="cuda")
    for bad in ["0", 1.0, object(), -2]:
        with pytest.raises((TypeError, ValueError), match="stream"):
            vc.as_gpumat(tensor, stream=bad)
    with pytest.raises(ValueError, match="__new__"):
        vc.as_gpumat(tensor, stream=cv2.cuda.Stream.__new__(cv2.cuda.Stream))
    with pytest.raises(ValueError, match="stream 0"):
        vc.view(tensor).__dlpack__(stream=0)
