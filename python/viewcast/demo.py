# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast demo`: the frames of a video through every conversion."""

import ctypes
import itertools
import os
import pathlib

import viewcast as vc

from . import terminal
from .clip import read_frames, sample_clip
from .terminal import check_output, fail, positive, print_wrapped, table, versions

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
PICTURES = 4  # frames shown on the contact sheet
GREEN = (0, 200, 80)


def add_command(commands):
    parser = commands.add_parser(
        "demo",
        help="convert the frames of a video every way",
        description="Decodes a video, converts every frame by all conversions "
        "that this machine can run, checks addresses and pixels after each, and "
        "writes a picture of the results.",
        epilog="Exit code 0: all addresses and pixels are the same. 1: some are not. "
        "2: the demo could not be run.",
    )
    parser.add_argument(
        "--frames", type=positive, default=120, metavar="N", help="at most; default: %(default)s"
    )
    parser.add_argument(
        "--output", default="viewcast-demo.png", metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--video", metavar="FILE", help="default: a clip that the demo draws")
    parser.set_defaults(run=run)


def run(options):
    needed = {"av": "av", "PIL": "pillow", "numpy": "numpy", "cv2": "opencv-python-headless"}
    lacking = [package for name, package in needed.items() if load(name) is None]
    if lacking:
        return fail("demo", f"more packages are needed: pip install {' '.join(lacking)}")
    try:
        check_picture(options.output)
        results = show(options.video, options.frames, options.output)
    except (OSError, vc.ViewError) as error:
        return fail("demo", error)
    return 0 if all(all(same) for frames in results.values() for same in frames) else 1


def show(video, count, output):
    """Runs the demo and returns the results by conversion."""
    machine = find_machine()
    frames = read_frames(video or sample_clip(count), count)
    first = next(frames, None)
    if first is None:
        raise OSError(f"{video} has no frames")
    introduce(machine, video, first)
    results, kept = convert_all(machine, itertools.chain([first], frames), count)
    report(results)
    contact_sheet(machine, kept).save(output)
    print(f"Picture: {output}")
    return results


def check_picture(path: str) -> None:
    """OSError where Pillow cannot write a picture of this name."""
    from PIL import Image

    known = Image.registered_extensions()
    if known.get(pathlib.Path(path).suffix.lower()) not in Image.SAVE:
        raise OSError(f"{path} is no name of a picture that can be written; say NAME.png")
    check_output(path)


def load(name):
    """A module, or None where there is none."""
    return terminal.load(name)[0]


def find_machine():
    if load("torch") is None and load("cupy") is None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # nothing here could read a GPU's memory
    return HostMachine() if vc.host_mode() else CudaMachine()


# ------------------------------------------------------------------- machines


class HostMachine:
    """Without a GPU: every view, the GpuMat too, is of one NumPy array."""

    opencv_has_cuda = False

    def __init__(self):
        self.title = "Host mode, for lack of a CUDA device: all memory is the CPU's."
        self.missing = [name for name in ("torch", "CuPy") if load(name.lower()) is None]
        self.stops = ["NumPy", *walk("GpuMat", self.missing), "NumPy"]

    def upload(self, frame):
        return frame.copy()

    def pixels(self, place, image):
        """A copy of the image's pixels, read without viewcast."""
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


class CudaMachine:
    """With a GPU: device memory, uploaded by OpenCV built with CUDA, else by torch or CuPy."""

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
        """A copy of the image's pixels."""
        if place == "GpuMat":
            if self.opencv_has_cuda:
                return image.download()
            place = self.stops[0]
            image = CONVERT[place](image)
        return image.cpu().numpy() if place == "torch" else image.get()


def walk(start, missing):
    """The order of libraries that takes each conversion between them once and ends at `start`."""
    others = [
        place for place in ("GpuMat", "torch", "CuPy") if place != start and place not in missing
    ]
    if len(others) == 2:
        a, b = others
        return [start, a, b, start, b, a, start]
    return [start, *others, start] if others else [start]


def write(machine, mat, box):
    """Writes to a part of `mat` by several libraries; says what was done."""
    import cv2

    part = cv2.cuda.GpuMat(mat, box)
    if machine.opencv_has_cuda:
        cv2.cuda.bitwise_not(part, part)
        yield "OpenCV inverts an ROI of the GpuMat"
    if "torch" not in machine.missing:
        middle = vc.as_tensor(part)[box[3] // 4 : -box[3] // 4]
        load("torch").bitwise_not(middle, out=middle)
        yield "torch inverts the middle of the ROI"
    if machine.stops[0] == "NumPy":
        outline(vc.as_numpy(part), GREEN)
        yield "NumPy draws on the same ROI"
    elif "CuPy" not in machine.missing:
        outline(vc.as_cupy(part), load("cupy").asarray(GREEN, dtype="uint8"))
        yield "CuPy draws on the same ROI"


def outline(pixels, colour, width=6):
    pixels[:width] = pixels[-width:] = colour
    pixels[:, :width] = pixels[:, -width:] = colour


# ---------------------------------------------------------------- conversions


def convert_all(machine, frames, count):
    """Converts each frame along the machine's stops. Each conversion takes the result of the
    one before, and nothing else keeps the frame's memory alive.

    Returns {(source, target): for each frame, whether address and pixels were the same}, and
    some frames before and after."""
    steps = list(itertools.pairwise(machine.stops))
    results, kept = {step: [] for step in steps}, {}
    for number, frame in enumerate(frames):
        image = machine.upload(frame)
        for source, target in steps:
            address = ADDRESS[source](image)
            image = CONVERT[target](image)
            came_out = machine.pixels(target, image)
            same = ADDRESS[target](image) == address, bool((came_out == frame).all())
            results[source, target].append(same)
        if number % max(1, count // PICTURES) == 0 and len(kept) < PICTURES:
            kept[number] = frame, came_out
    return results, kept


def introduce(machine, video, frame):
    there = [f"{name} {version}" for name, version in versions().items() if version]
    print_wrapped(", ".join(there))
    print_wrapped(machine.title)
    for name in machine.missing:
        print_wrapped(f"Without {name}, which is not installed or has no CUDA.")
    height, width, _ = frame.shape
    print_wrapped(f"{pathlib.Path(video).name if video else 'A drawn clip'}, {width} x {height}")
    print(flush=True)


def report(results):
    rows = []
    for (source, target), frames in results.items():
        same = [verdict(sum(each), len(frames)) for each in zip(*frames, strict=True)]
        rows.append([f"{source} -> {target}", str(len(frames)), *same])
    print(*table(["conversion", "frames", "same address", "same pixels"], rows), sep="\n")
    vc.collect()
    counters = vc.statistics()
    print(f"Lent to GpuMats: {counters['lends']}, released: {counters['lends_released']}.")
    print(f"Taken from GpuMats: {counters['shares']}, given back: {counters['shares_released']}.")


def verdict(good, frames):
    return "yes" if good == frames else f"NO, {frames - good} times"


# -------------------------------------------------------------------- picture


def contact_sheet(machine, kept):
    """A picture of frames after all conversions, and below of one memory that several
    libraries write to, read by the library that allocated it."""
    came_out = [
        (f"frame {number} after all conversions", pixels) for number, (_, pixels) in kept.items()
    ]
    frame, _ = kept[0]
    height, width, _ = frame.shape
    box = (width // 4, height // 4, width // 2, height // 2)
    place, memory = machine.stops[0], machine.upload(frame)
    written = [(f"{place} memory: the decoded frame", machine.pixels(place, memory))]
    for what in write(machine, vc.as_gpumat(memory), box):
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
