# SPDX-License-Identifier: Apache-2.0
"""Resizing on a GPU beside a copy, and beside what else can do the same.

Before anything is timed, each case's whole result is compared with the CPU's: bit by bit, and
a difference ends the run. Times are the GPU's (events around a call that is enqueued behind a
delay), over buffers that rotate and are larger than the caches. Bytes are the source rows (or
the boxes) that a case touches, read once, and its result, written once; the share is that of
the bandwidth of a device-to-device copy in the same run. Beside each peer's time stands the
share of the bytes of its images, rounded and without normalising, that differ from OpenCV's or
Pillow's, which are ours, and the largest difference. Peers that launch on a stream of their own
are timed by the host's clock, until their result is there.
"""

import argparse
import importlib.metadata
import json
import math
import pathlib
import statistics
import sys
import time

import cupy
import torch
from resize_peers import cut, peers_of_boxes, peers_of_frames, time_by_host
from transform_gpu import copy_bandwidth, random_bytes, seconds_a_call, time_on_gpu

import viewcast as vc

ROTATED = 512 * 2**20  # bytes, several times the L2
WORDS = {"from_layout": "NHWC", "layout": "NCHW", "normalize": vc.IMAGENET}


def touched_rows(height, placed):
    """Rows of the source that a linear resize reads: those whose weight is not 0."""
    rows = set()
    for row in range(placed):
        at = (row + 0.5) * height / placed - 0.5
        first = math.floor(at)
        rows.add(max(first, 0))
        if round((at - first) * 2048) > 0:
            rows.add(min(first + 1, height - 1))
    return len(rows)


class Case:
    """Frames that are resized whole. `budget` is the least share of a copy, or None."""

    def __init__(self, count, size, resize, dtype, budget=None):
        self.count, self.size, self.resize, self.dtype = count, size, resize, dtype
        self.budget = budget
        kind = type(resize).__name__.lower()
        square = f"{resize.size[0]}² {str(dtype)[6:]}"
        self.name = f"{kind} {resize.interpolation} {count} x {size[0]}p -> {square}"

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

    def bytes_made(self, frames):
        """(N, 3, h, w): what OpenCV or Pillow makes of the frames."""
        words = {"from_layout": "NHWC", "layout": "NCHW", "resize": self.resize}
        return cut(self.resize.placement(self.size))(vc.to_tensor(frames, **words))

    def peers(self):
        return peers_of_frames(self)


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

    def bytes_made(self, frames):
        words = {"from_layout": "NHWC", "layout": "NCHW", "resize": self.resize}
        return vc.to_tensor(frames, boxes=self.on_gpu, **words)

    def peers(self):
        return peers_of_boxes(self)


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
        Case(64, full, vc.Resize((224, 224), "area"), torch.float32, 0.50),
        Case(64, full, vc.Letterbox((640, 640), "area"), torch.float32),
        Case(64, full, vc.Letterbox((512, 512)), torch.float32),
    ]


def check(case, sets):
    """Elements of the result that differ from the CPU's."""
    frames, out = sets[0]
    case.viewcast(frames, out)
    wanted = case.on_cpu(frames, out)
    return int((out.cpu().view(torch.uint8) != wanted.contiguous().view(torch.uint8)).sum())


def difference(peer, case, frames, out):
    """The share of the bytes that differ, and the largest difference."""
    call = peer.exact or peer.call
    found, wanted = peer.to_bytes(call(frames, out)), case.bytes_made(frames)
    away = (found.short() - wanted.short()).abs()
    return float((away > 0).float().mean()), int(away.max())


def measure_peer(peer, case, sets, rounds):
    row = {"case": case.name, "way": peer.name}
    try:
        if peer.call is None:
            raise ImportError("not installed")
        if peer.to_bytes:
            row["differ"], row["largest"] = difference(peer, case, *sets[0])
        timer = time_by_host if peer.by_host_clock else time_on_gpu
        times = timer(peer.call, sets, rounds)
    except Exception as error:  # of any library: the others are still measured
        row["failed"] = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
    else:
        row["minimum_ms"], row["median_ms"] = min(times), statistics.median(times)
    return row


def measure(case, copied, rounds, alone):
    moved = case.bytes_moved()
    sets = [case.buffers() for _ in range(max(2, min(32, math.ceil(ROTATED / moved))))]
    wrong = check(case, sets)
    times = time_on_gpu(case.viewcast, sets, rounds)
    row = {"case": case.name, "way": "viewcast", "bytes": moved, "budget": case.budget}
    row["minimum_ms"], row["median_ms"] = min(times), statistics.median(times)
    row["share"] = moved / (row["median_ms"] / 1000) / copied
    row["bytes_wrong"] = wrong
    yield row
    for peer in () if alone else case.peers():
        yield measure_peer(peer, case, sets, rounds)
        torch.cuda.empty_cache()


def show(row):
    head = f"{row['case']:<46} {row['way']:<32}"
    if "failed" in row:
        print(head, row["failed"], flush=True)
        return
    note = ""
    if "bytes_wrong" in row:
        note = f"{100 * row['share']:5.1f} % of a copy, {row['bytes_wrong']} bytes wrong"
        if row["budget"]:
            note += f", budget {100 * row['budget']:.0f} %"
    elif "differ" in row:
        note = f"{100 * row['differ']:7.3f} % differ, by up to {row['largest']}"
    print(f"{head} {row['minimum_ms']:9.4f} {row['median_ms']:9.4f} ms  {note}", flush=True)


def peer_calls(frame, out):
    """Whole calls of peers for one 1080p frame, which wait for nothing."""
    case = Case(1, (1080, 1920), vc.Letterbox((640, 640)), torch.float16)
    for peer in case.peers():
        if peer.call and peer.to_bytes and "compile" not in peer.name:
            yield peer.name, lambda peer=peer: peer.call(frame, out)


def measure_calls(rounds, alone, calls=1000):
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
    if not alone:
        ways |= dict(peer_calls(frame, out))
    rows = []
    for name, call in ways.items():
        row = {"way": name}
        try:
            for key, wait_each in (("enqueued", False), ("waited", True)):
                times = [seconds_a_call(call, calls, wait_each) * 1e6 for _ in range(rounds)]
                row[key] = {"minimum": min(times), "median": statistics.median(times)}
        except Exception as error:  # of a peer
            print(name, type(error).__name__, str(error).splitlines()[0][:100])
        else:
            rows.append(row)
    return rows


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def record(doc, make_cases, measure_calls=None):
    """Measures cases as the options say, prints a table and writes the report."""
    parser = argparse.ArgumentParser(description=doc)
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
    machine |= {name: version_of(name) for name in ("torchvision", "cvcuda-cu13", "kornia-rs")}
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"{'case':<46} {'way':<32} {'minimum':>9} {'median':>9}")
    rows = []
    for case in make_cases():
        if options.only not in case.name:
            continue
        for row in measure(case, copied, options.rounds, options.alone):
            rows.append(row)
            show(row)
    report = {"machine": machine, "cases": rows}
    if measure_calls:
        report["calls"] = measure_calls(max(5, options.rounds // 3), options.alone)
        show_calls(report["calls"])
    print(f"{time.perf_counter() - start:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    wrong = sum(row.get("bytes_wrong", 0) for row in rows)
    sys.exit(f"{wrong} bytes differ from the CPU's" if wrong else 0)


def show_calls(rows):
    print("\none 1080p frame, µs a whole call: enqueued one after another; waited for each")
    for row in rows:
        times = [f"{row[key][what]:8.2f}" for key in ("enqueued", "waited") for what in row[key]]
        print(f"{row['way']:<34}", *times, " (minimum, median)")


if __name__ == "__main__":
    record(__doc__, make_cases, measure_calls)
