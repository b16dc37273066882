# SPDX-License-Identifier: Apache-2.0
"""Times resizing on the CPU beside OpenCV and Pillow: python bench/resize_cpu.py [THREADS ...]

Each row has the least and the median time of one call, in milliseconds."""

import statistics
import sys
import time

import cv2
import numpy as np
import PIL.Image
import torch

import viewcast as vc

ROUNDS = 100


def report(name: str, work) -> None:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    print(f"  {name:56} {min(times):8.3f} {statistics.median(times):8.3f}")


def compare(threads: int, frame: np.ndarray) -> None:
    vc.set_num_threads(threads)
    cv2.setNumThreads(threads)
    print(f"{threads} threads")
    out = torch.empty(1, 3, 640, 640)
    options = {"layout": "NCHW", "normalize": vc.IMAGENET, "out": out}
    fit = vc.Letterbox((640, 640))
    report("letterbox 1080p to 640 f32", lambda: vc.to_tensor(frame, resize=fit, **options))

    def chain():
        small = cv2.resize(frame, (640, 360))
        framed = cv2.copyMakeBorder(
            small, 140, 140, 0, 0, cv2.BORDER_CONSTANT, value=(114, 114, 114)
        )
        return vc.to_tensor(framed, **options)

    report("  cv2.resize + copyMakeBorder + to_tensor(out=)", chain)
    image = PIL.Image.fromarray(frame)
    for mode in ("bilinear", "bicubic"):
        resize = vc.Resize((224, 224), f"pillow-{mode}")
        report(
            f"Pillow {mode} 1080p to 224", lambda resize=resize: vc.to_numpy(frame, resize=resize)
        )
        which = getattr(PIL.Image.Resampling, mode.upper())
        report("  Pillow", lambda which=which: image.resize((224, 224), which))
    for size in ((224, 224), (360, 640)):
        resize = vc.Resize(size, "area")
        report(f"area 1080p to {size}", lambda resize=resize: vc.to_numpy(frame, resize=resize))
        report(
            "  cv2.resize",
            lambda size=size: cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA),
        )


def main() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    for threads in map(int, sys.argv[1:] or ("1", "2")):
        compare(threads, frame)


if __name__ == "__main__":
    main()
