# SPDX-License-Identifier: Apache-2.0
"""Times resizing on a GPU beside a device-to-device copy and torch: python bench/resize_gpu.py

Each row has the time of one call, its share of the bandwidth of a copy, over the bytes that must
be moved (rows of the source that are read, and the result), and the bytes that differ from the
CPU."""

import statistics

import numpy as np
import torch
import torch.nn.functional as functional

import viewcast as vc

ROUNDS = 30


def microseconds(work) -> float:
    """The median of ROUNDS, each between two events, after three that warm up."""
    times = []
    for _ in range(ROUNDS + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1e3)
    return statistics.median(times[3:])


def bandwidth() -> float:
    """Bytes read and written per microsecond by a copy of 1 GiB."""
    source = torch.zeros(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() / microseconds(lambda: target.copy_(source))


def rows_read(height: int, new: int) -> int:
    """Rows of the source that INTER_LINEAR reads for `new` rows."""
    first = np.floor((np.arange(new) + 0.5) * height / new - 0.5).astype(int)
    return len(set(np.clip(first, 0, height - 1)) | set(np.clip(first + 1, 0, height - 1)))


def frames(count: int, height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, device="cuda")


def report(name: str, time: float, moved: float, speed: float, differ: float) -> None:
    share = 100 * moved / time / speed
    print(f"{name:58} {time:9.1f} us {share:6.1f} % of a copy {differ:8.4f} % differ")


def differing(found, wanted) -> float:
    return 100 * float((found.cpu() != wanted).float().mean())


def letterbox(speed: float) -> None:
    fit = vc.Letterbox((640, 640))
    for count, height, width in (
        (64, 1080, 1920),
        (16, 1080, 1920),
        (1, 1080, 1920),
        (64, 2160, 3840),
    ):
        images = frames(count, height, width)
        rows = rows_read(height, 360)
        for dtype in (torch.float16, torch.float32):
            out = torch.empty(count, 3, 640, 640, dtype=dtype, device="cuda")
            options = {"layout": "NCHW", "normalize": vc.IMAGENET, "resize": fit}

            def work(images=images, options=options, out=out):
                return vc.to_tensor(images, out=out, **options)

            moved = count * rows * width * 3 + out.numel() * out.itemsize
            time = microseconds(work)
            wanted = vc.to_tensor(images[:2].cpu(), dtype=dtype, **options)
            report(
                f"letterbox {count} x {height}p to 640 {dtype}",
                time,
                moved,
                speed,
                differing(out[:2], wanted),
            )


def boxes(speed: float) -> None:
    images = frames(4, 1080, 1920)
    rng = np.random.default_rng(0)
    for count in (64, 1000):
        width, height = rng.integers(20, 401, count), rng.integers(40, 381, count)
        x, y = rng.integers(0, 1920 - width), rng.integers(0, 1080 - height)
        rows = np.stack([rng.integers(0, 4, count), x, y, x + width, y + height], 1)
        there = torch.tensor(rows, dtype=torch.float32, device="cuda")
        out = torch.empty(count, 3, 256, 128, dtype=torch.float16, device="cuda")
        options = {"layout": "NCHW", "normalize": vc.IMAGENET, "resize": (256, 128)}

        def work(there=there, out=out, options=options):
            return vc.to_tensor(images, boxes=there, out=out, **options)

        time = microseconds(work)
        wanted = vc.to_tensor(images.cpu(), boxes=rows, dtype=torch.float16, **options)
        moved = float((width * height).sum()) * 3 + out.numel() * 2
        report(f"{count} boxes to 256 x 128 f16", time, moved, speed, differing(out, wanted))


def pillow(speed: float) -> None:
    images = frames(64, 1080, 1920)
    planar = images.permute(0, 3, 1, 2).contiguous()
    out = torch.empty(64, 3, 224, 224, device="cuda")
    for mode in ("bilinear", "bicubic"):
        options = {"layout": "NCHW", "normalize": vc.IMAGENET}
        options["resize"] = vc.Resize((224, 224), f"pillow-{mode}")

        def work(options=options):
            return vc.to_tensor(images, out=out, **options)

        time = microseconds(work)
        wanted = vc.to_tensor(images[:2].cpu(), dtype="float32", **options)
        moved = images.numel() + out.numel() * 4
        report(
            f"Pillow {mode} 64 x 1080p to 224 f32", time, moved, speed, differing(out[:2], wanted)
        )

        def peer(mode=mode):
            return functional.interpolate(planar.float(), (224, 224), mode=mode, antialias=True)

        print(f"{'  torch interpolate(antialias=True) alone':58} {microseconds(peer):9.1f} us")


def main() -> None:
    speed = bandwidth()
    print(f"{torch.cuda.get_device_name()}: a copy moves {speed / 1e3:.0f} GB/s")
    letterbox(speed)
    boxes(speed)
    pillow(speed)


if __name__ == "__main__":
    main()
