# SPDX-License-Identifier: Apache-2.0
"""Times a video file to normalised batches, through RGB and from the decoder's planes, on the CPU
or, with --gpu, with the decoders of a GPU that are installed:

    python bench/yuv_video.py [--video FILE] [--frames N] [--rounds N] [--threads N] [--json FILE]
                              [--gpu]

Each row decodes the file, makes batches of 16 frames, letterboxed to 640 x 640, float32, and drops
them: frames a second of the best round and of the median one, and the least processor time of a
frame besides decoding, in milliseconds, which other programs on the machine change less. All rows
run in turn, in one process. Without FILE it is the clip that `viewcast demo` draws, as H.264.
Decoders of a GPU are opened before the clock starts (yuv_video_gpu.py)."""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import av
import cv2
import numpy as np
import torch

import viewcast as vc
from viewcast.clip import sample_clip

SIDE, BATCH = 640, 16
FIT = vc.Letterbox((SIDE, SIDE))
OPTIONS: dict[str, Any] = {"layout": "NCHW", "normalize": vc.IMAGENET, "resize": FIT}
MEAN = torch.tensor(vc.IMAGENET.mean).view(3, 1, 1)
STD = torch.tensor(vc.IMAGENET.std).view(3, 1, 1)


def in_batches(frames: Iterator[Any], count: int) -> Iterator[list[Any]]:
    """Lists of BATCH frames, the last one of fewer, of `count` frames at most."""
    left = itertools.islice(frames, count)
    while batch := list(itertools.islice(left, BATCH)):
        yield batch


def batches(path: str, count: int) -> Iterator[list[av.VideoFrame]]:
    with av.open(path) as file:
        track = file.streams.video[0]
        track.thread_count = 1
        yield from in_batches(file.decode(track), count)


def framed(rgb: np.ndarray) -> torch.Tensor:
    at = FIT.placement(rgb.shape[:2])
    below, after = SIDE - at.height - at.top, SIDE - at.width - at.left
    small = cv2.resize(rgb, (at.width, at.height))
    padded = cv2.copyMakeBorder(
        small, at.top, below, at.left, after, cv2.BORDER_CONSTANT, value=(114, 114, 114)
    )
    planar = torch.from_numpy(padded).permute(2, 0, 1).contiguous().float()
    return planar.div_(255).sub_(MEAN).div_(STD)


def rgb_of(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24")


def usual(frames: list[av.VideoFrame], _: dict[str, Any]) -> torch.Tensor:
    return torch.stack([framed(rgb_of(frame)) for frame in frames])


def from_rgb(frames: list[av.VideoFrame], _: dict[str, Any]) -> torch.Tensor:
    return vc.to_tensor([rgb_of(frame) for frame in frames], out=OUT[: len(frames)], **OPTIONS)


def from_yuv(frames: list[av.VideoFrame], colours: dict[str, Any]) -> torch.Tensor:
    images = [vc.yuv(frame, **colours) for frame in frames]
    return vc.to_tensor(images, out=OUT[: len(frames)], **OPTIONS)


def nothing(frames: list[Any], _: dict[str, Any]) -> None:
    pass


OUT = torch.empty(BATCH, 3, SIDE, SIDE)
#: What gives lists of frames of a file, and what is done with each.
Way = tuple[Callable[[str, int], Iterator[list[Any]]], Callable[[list[Any], dict[str, Any]], Any]]
ROWS: dict[str, Way] = {
    "decoding alone": (batches, nothing),
    'to_ndarray("rgb24"), cv2.resize, copyMakeBorder, torch': (batches, usual),
    'to_ndarray("rgb24"), one to_tensor(resize=) a batch': (batches, from_rgb),
    "vc.yuv(frame), one to_tensor(resize=) a batch": (batches, from_yuv),
}


def colours_of(path: str) -> dict[str, Any]:
    """What the file says of its colours; BT.601 and limited range, as swscale takes them, where it
    says nothing."""
    with av.open(path) as file:
        frame = next(file.decode(video=0))
    known = {"matrix": frame.colorspace != 2, "range": frame.color_range != 0}
    taken = {"matrix": "bt601", "range": "limited"}
    return {name: None if known[name] else value for name, value in taken.items()}


def measure(path: str, count: int, rounds: int, ways: dict[str, Way]) -> list[dict[str, Any]]:
    """Prints a row for each way, and returns them."""
    colours = colours_of(path)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    done = 0
    for number in range(rounds + 1):  # the first one does not count
        for name, (decode, work) in ways.items():
            decoded = decode(path, count)
            done, start, used = 0, time.perf_counter(), time.process_time()
            for frames in decoded:
                work(frames, colours)
                done += len(frames)
            if number:
                times[name].append((time.perf_counter() - start, time.process_time() - used))
    print(f"{done} frames, {rounds} rounds; frames/s best and median; CPU ms besides decoding")
    rows, decoding = [], 0.0
    for name, each in times.items():
        walls, used = [wall for wall, _ in each], min(used for _, used in each)
        if ways[name][1] is nothing:  # of this row, and of those that follow
            decoding = used
        beside = 1e3 * (used - decoding) / done
        fastest, median = done / min(walls), done / statistics.median(walls)
        print(f"  {name:56} {fastest:7.1f} {median:7.1f} {beside:7.2f}")
        rows.append({"way": name, "best": fastest, "median": median, "cpu_ms": beside})
    return rows


def compare(path: str, count: int) -> None:
    frames, colours = next(batches(path, count)), colours_of(path)
    rgb, yuv = from_rgb(frames, colours).clone(), from_yuv(frames, colours)
    scale = 255 * STD.max()
    print(f"  swscale's default RGB and ours: at most {(rgb - yuv).abs().max() * scale:.1f} of 255")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--video", metavar="FILE")
    parser.add_argument("--frames", type=int, default=125)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="of each library, after decoding")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--gpu", action="store_true", help="decode and convert on a GPU")
    options = parser.parse_args()
    vc.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    torch.set_num_threads(options.threads)
    machine = (
        f"viewcast {vc.__version__}, PyAV {av.__version__}, "
        f"OpenCV {cv2.__version__}, torch {torch.__version__}, {options.threads} threads, "
        f"load average {os.getloadavg()[0]:.1f}"
    )
    print(machine)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "clip.mp4"
        if not options.video:
            path.write_bytes(sample_clip(options.frames).getvalue())
        video = options.video or str(path)
        if options.gpu:
            from yuv_video_gpu import ways_on_the_gpu

            rows = measure(video, options.frames, options.rounds, ways_on_the_gpu())
        else:
            rows = measure(video, options.frames, options.rounds, ROWS)
            compare(video, options.frames)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "methods": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
