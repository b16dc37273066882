# SPDX-License-Identifier: Apache-2.0
"""Resizing on a GPU beside a copy, and beside what else can do the same.

Before anything is timed, each case's whole result is compared with the CPU's: bit by bit, and
a difference ends the run. Times are the GPU's (events around a call that is enqueued behind a
delay), over buffers that rotate and are larger than the caches. Bytes are the source rows (or
the boxes) that a case touches, read once, and its result, written once; the share is that of
the bandwidth of a device-to-device copy in the same run. Peers are timed with the elements of
their results that differ from OpenCV's or Pillow's values, which are ours.
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
import time

import cupy
import torch
from transform_gpu import copy_bandwidth, random_bytes, seconds_a_call, time_on_gpu

import viewcast as vc

ROTATED = 512 * 2**20  # bytes, several times the L2
WORDS = {"from_layout": "NHWC", "layout": "NCHW", "normalize": vc.IMAGENET}


def touched_rows(height, placed):
    """Rows of the source that a linear resize reads."""
    rows = set()
    for row in range(placed):
        first = math.floor((row + 0.5) * height / placed - 0.5)
        rows |= {max(first, 0), min(first + 1, height - 1)}
    return len(rows)


class Case:
    """Frames that are resized whole. `budget` is the least share of a copy, or None."""

    def __init__(self, count, size, resize, dtype, budget=None):
        self.count, self.size, self.resize, self.dtype = count, size, resize, dtype
        self.budget = budget
        kind = type(resize).__name__.lower()
        self.name = f"{kind} {resize.interpolation} {count} x {size[0]}p -> {str(dtype)[6:]}"

    def bytes_moved(self):
        height, width = self.size
        placed = self.resize.placement(self.size)
        rows = height
        if self.resize.interpolation == "linear":
            rows = touched_rows(height, placed.height)
        out = self.resize.size[0] * self.resize.size[1] * 3 * self.dtype.itemsize
        return self.count * (rows * width * 3 + out)

    def buffers(self):
        frames = random_bytes(self.count, *self.size, 3)
        out = torch.empty((self.count, 3, *self.resize.size), dtype=self.dtype, device="cuda")
        return frames, out

    def viewcast(self, frames, out):
        return vc.to_tensor(frames, out=out, resize=self.resize, **WORDS)

    def on_cpu(self, frames, out):
        return vc.to_tensor(frames.cpu(), dtype=self.dtype, resize=self.resize, **WORDS)

    def peers(self):
        mode = {"linear": "bilinear", "pillow-bilinear": "bilinear", "pillow-bicubic": "bicubic"}
        antialias = self.resize.interpolation.startswith("pillow")
        placed = self.resize.placement(self.size)
        words = {"mode": mode[self.resize.interpolation], "antialias": antialias}

        def interpolate(frames, out):
            planes = frames.permute(0, 3, 1, 2).float()
            size = (placed.height, placed.width)
            return torch.nn.functional.interpolate(planes, size, align_corners=False, **words)

        pixels = random_bytes(self.count, *self.size, 3).permute(0, 3, 1, 2).float()
        planes = pixels.contiguous()

        def alone(numbers):
            size = (placed.height, placed.width)
            return lambda frames, out: torch.nn.functional.interpolate(
                numbers, size, align_corners=False, **words
            )

        yield "torch float + interpolate", interpolate
        yield "torch interpolate, NHWC", alone(pixels)
        yield "torch interpolate, planes", alone(planes)


class Boxes:
    """Boxes in GPU memory, 20 to 400 pixels wide and 40 to 380 high."""

    def __init__(self, count, frames, dtype, budget=None):
        self.count, self.frames, self.dtype, self.budget = count, frames, dtype, budget
        self.resize = vc.Resize((256, 128))
        self.name = f"{count} boxes of {frames} x 1080p -> 256 x 128 {str(dtype)[6:]}"
        generator = torch.Generator().manual_seed(1)
        width = torch.randint(20, 401, (count,), generator=generator)
        height = torch.randint(40, 381, (count,), generator=generator)
        left = (torch.rand(count, generator=generator) * (1920 - width)).long()
        top = (torch.rand(count, generator=generator) * (1080 - height)).long()
        image = torch.randint(0, frames, (count,), generator=generator)
        self.area = int((width * height).sum()) * 3
        self.boxes = torch.stack([image, left, top, left + width, top + height], 1).float()
        self.on_gpu = self.boxes.cuda()

    def bytes_moved(self):
        return self.area + self.count * 256 * 128 * 3 * self.dtype.itemsize

    def buffers(self):
        frames = random_bytes(self.frames, 1080, 1920, 3)
        return frames, torch.empty((self.count, 3, 256, 128), dtype=self.dtype, device="cuda")

    def viewcast(self, frames, out):
        return vc.to_tensor(frames, out=out, boxes=self.on_gpu, resize=self.resize, **WORDS)

    def on_cpu(self, frames, out):
        words = WORDS | {"boxes": self.boxes, "resize": self.resize, "dtype": self.dtype}
        return vc.to_tensor(frames.cpu(), **words)

    def peers(self):
        try:
            import torchvision.ops
        except ImportError:
            return
        planes = random_bytes(self.frames, 1080, 1920, 3).permute(0, 3, 1, 2).float().contiguous()

        def roi_align(frames, out):
            return torchvision.ops.roi_align(planes, self.on_gpu, (256, 128), 1.0, 1, True)

        yield "torchvision roi_align alone", roi_align


def make_cases():
    letterbox = vc.Letterbox((640, 640))
    full, large = (1080, 1920), (2160, 3840)
    bilinear = vc.Resize((224, 224), "pillow-bilinear")
    bicubic = vc.Resize((224, 224), "pillow-bicubic")
    return [
        Case(64, full, letterbox, torch.float16, 0.85),
        Case(64, full, letterbox, torch.float32, 0.90),
        Case(64, large, letterbox, torch.float16, 0.90),
        Case(64, large, letterbox, torch.float32),
        Case(16, full, letterbox, torch.float16),
        Case(1, full, letterbox, torch.float16),
        Boxes(1000, 4, torch.float16, 0.55),
        Boxes(64, 4, torch.float16),
        Case(64, full, bilinear, torch.float32),
        Case(64, full, bicubic, torch.float32),
        Case(64, full, vc.Resize((224, 224), "pillow-lanczos"), torch.float32),
        Case(64, full, vc.Resize((224, 224), "area"), torch.float32),
    ]


def check(case, sets):
    """Elements of the result that differ from the CPU's."""
    frames, out = sets[0]
    case.viewcast(frames, out)
    wanted = case.on_cpu(frames, out)
    return int((out.cpu().view(torch.uint8) != wanted.contiguous().view(torch.uint8)).sum())


def measure(case, copied, rounds, alone):
    moved = case.bytes_moved()
    sets = [case.buffers() for _ in range(max(2, min(32, math.ceil(ROTATED / moved))))]
    wrong = check(case, sets)
    ways = [("viewcast", case.viewcast)]
    if not alone and case.resize.interpolation in ("linear", "pillow-bilinear", "pillow-bicubic"):
        ways += case.peers()
    for name, call in ways:
        row = {"case": case.name, "way": name, "bytes": moved, "budget": case.budget}
        try:
            times = time_on_gpu(call, sets, rounds)
        except Exception as error:  # of any library: the others are still measured
            row["failed"] = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
        else:
            row["minimum_ms"], row["median_ms"] = min(times), statistics.median(times)
            row["share"] = moved / (row["median_ms"] / 1000) / copied
        if name == "viewcast":
            row["bytes_wrong"] = wrong
        yield row
    torch.cuda.empty_cache()


def show(row):
    head = f"{row['case']:<44} {row['way']:<26}"
    if "failed" in row:
        print(head, row["failed"], flush=True)
        return
    note = ""
    if "bytes_wrong" in row:
        note = f"  {row['bytes_wrong']} bytes wrong"
        if row["budget"]:
            note += f", budget {100 * row['budget']:.0f} %"
    share = f"{100 * row['share']:5.1f} % of a copy" if row["way"] == "viewcast" else ""
    print(f"{head} {row['minimum_ms']:9.4f} {row['median_ms']:9.4f} ms {share}{note}", flush=True)


def measure_calls(rounds, calls=1000):
    """µs of a whole Python call for one 1080p frame, enqueue until done."""
    letterbox, size = vc.Letterbox((640, 640)), (1, 1080, 1920, 3)
    frame, out = random_bytes(*size), torch.empty((1, 3, 640, 640), device="cuda").half()
    small, few = random_bytes(1, 1, 1, 3), torch.empty((1, 3, 1, 1), device="cuda").half()
    mat = vc.as_gpumat(frame[0])
    nothing = cupy.RawKernel('extern "C" __global__ void nothing() {}', "nothing")
    one = {"layout": "CHW", "normalize": vc.IMAGENET, "resize": letterbox}
    ways = {
        "kernel that does nothing (CuPy)": lambda: nothing((1,), (1,), ()),
        "to_tensor of one pixel, out=": lambda: vc.to_tensor(small, out=few, **WORDS),
        "letterbox of a tensor, out=": lambda: vc.to_tensor(
            frame, out=out, resize=letterbox, **WORDS
        ),
        "letterbox of a GpuMat, out=": lambda: vc.to_tensor(mat, out=out[0], **one),
    }
    rows = []
    for name, call in ways.items():
        row = {"way": name}
        for key, wait_each in (("enqueued", False), ("waited", True)):
            times = [seconds_a_call(call, calls, wait_each) * 1e6 for _ in range(rounds)]
            row[key] = {"minimum": min(times), "median": statistics.median(times)}
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="", help="cases that contain this")
    parser.add_argument("--alone", action="store_true", help="viewcast, and no other way")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    if vc.host_mode():
        sys.exit(f"this benchmark computes on a GPU; here: {vc.config()['machine']['reason']}")
    start = time.perf_counter()
    copied = copy_bandwidth(options.rounds)
    machine = {"gpu": torch.cuda.get_device_name(), "copy_gb_s": copied / 1e9}
    machine |= {"viewcast": vc.__version__, "torch": torch.__version__}
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"{'case':<44} {'way':<26} {'minimum':>9} {'median':>9}")
    rows = []
    for case in make_cases():
        if options.only not in case.name:
            continue
        for row in measure(case, copied, options.rounds, options.alone):
            rows.append(row)
            show(row)
    calls = measure_calls(max(5, options.rounds // 3))
    print("\none 1080p frame, µs a whole call: enqueued one after another; waited for each")
    for row in calls:
        times = [f"{row[key][what]:8.2f}" for key in ("enqueued", "waited") for what in row[key]]
        print(f"{row['way']:<34}", *times, " (minimum, median)")
    print(f"{time.perf_counter() - start:.0f} s")
    if options.json:
        report = {"machine": machine, "cases": rows, "calls": calls}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    wrong = sum(row.get("bytes_wrong", 0) for row in rows)
    sys.exit(f"{wrong} bytes differ from the CPU's" if wrong else 0)


if __name__ == "__main__":
    main()
