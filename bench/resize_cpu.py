# SPDX-License-Identifier: Apache-2.0
"""Resizing and colour on the CPU beside OpenCV, Pillow, NumPy and torch.

All methods of an operation make the same bytes, which is checked, and take turns in one process
with one number of threads: python bench/resize_cpu.py [--threads 1 2] [--only nv12] [--json FILE].
"""

import argparse
import json
import os
import pathlib
import platform
import sys

# torch's idle threads would spin on the cores that the next method needs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import cv2  # noqa: E402
import numpy as np
import PIL.Image
import torch
from harness.table import Table, show

import viewcast as vc
from viewcast.bench import loop

OURS = "viewcast"
SIZE, NARROW = (640, 640), (640, 360)
MEAN, STD = np.float32(vc.IMAGENET.mean), np.float32(vc.IMAGENET.std)
OPTIONS = {"layout": "NCHW", "normalize": vc.IMAGENET}


def random_frame(rows, cols):
    return np.random.default_rng(0).integers(0, 256, (rows, cols, 3), np.uint8)


def framed(frame, size=NARROW):
    """What cv2 makes of a letterboxed frame."""
    small = cv2.resize(frame, size)
    side = (SIZE[0] - size[1]) // 2
    return cv2.copyMakeBorder(small, side, side, 0, 0, cv2.BORDER_CONSTANT, value=(114, 114, 114))


def chain(frame, out, size=NARROW):
    return vc.to_tensor(framed(frame, size), out=out, **OPTIONS)


def usual(frame):
    """The lines that most programs have."""
    image = framed(frame).transpose(2, 0, 1)[None]
    return torch.from_numpy(np.ascontiguousarray(image)).float().div_(255).sub_(T_MEAN).div_(T_STD)


def usual_numpy(frame):
    image = framed(frame).astype(np.float32) / 255
    return np.ascontiguousarray(((image - MEAN) / STD).transpose(2, 0, 1)[None])


T_MEAN, T_STD = (torch.from_numpy(each).view(3, 1, 1) for each in (MEAN, STD))


def letterbox(rows, cols, name):
    frame, out = random_frame(rows, cols), torch.empty(1, 3, *SIZE)
    fit, other = vc.Letterbox(SIZE), torch.empty_like(out)
    yield (
        name,
        {
            OURS: lambda: vc.to_tensor(frame, resize=fit, out=out, **OPTIONS),
            "cv2.resize, copyMakeBorder, to_tensor(out=)": lambda: chain(frame, other),
            "~ cv2, torch": lambda: usual(frame),
            "~ cv2, NumPy": lambda: usual_numpy(frame),
        },
    )


def nv12(rows, cols, name, matrix="bt601"):
    planes = np.random.default_rng(0).integers(0, 256, (rows * 3 // 2, cols), np.uint8)
    out, other, fit = torch.empty(1, 3, *SIZE), torch.empty(1, 3, *SIZE), vc.Letterbox(SIZE)
    image = vc.yuv(planes, "nv12", matrix, "limited")
    rgb = np.empty((rows, cols, 3), np.uint8)

    def whole():
        return chain(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12, rgb), other)

    methods = {OURS: lambda: vc.to_tensor(image, resize=fit, out=out, **OPTIONS)}
    peer = "cv2.cvtColor, resize, copyMakeBorder, to_tensor(out=)"
    methods[peer if matrix == "bt601" else f"~ {peer}, BT.601"] = whole
    yield name, methods


def to_rgb(rows, cols):
    planes = np.random.default_rng(0).integers(0, 256, (rows * 3 // 2, cols), np.uint8)
    rgb, other = np.empty((rows, cols, 3), np.uint8), np.empty((rows, cols, 3), np.uint8)
    for matrix, span in (("bt601", "limited"), ("bt709", "limited"), ("bt709", "full")):
        image = vc.yuv(planes, "nv12", matrix, span)
        same = "" if matrix == "bt601" else "~ "
        yield (
            f"NV12 of {matrix}, {span}, to RGB",
            {
                OURS: lambda image=image: vc.to_numpy(image, out=rgb),
                f"{same}cv2.cvtColor{', BT.601' if same else ''}": lambda: cv2.cvtColor(
                    planes, cv2.COLOR_YUV2RGB_NV12, other
                ),
            },
        )
    deep = np.random.default_rng(0).integers(0, 1024, planes.shape, np.uint16)
    for format, source in (("p010", deep << 6), ("p016", deep << 6), ("yuv420p10", deep)):
        if format == "yuv420p10":
            split = rows * cols
            flat = source.reshape(-1)
            source = (
                flat[:split].reshape(rows, cols),
                *flat[split:].reshape(2, rows // 2, cols // 2),
            )
        for depth, memory in ((8, rgb), (16, np.empty((rows, cols, 3), np.uint16))):
            image = vc.yuv(source, format, "bt2020", "limited", depth=depth)
            yield (
                f"{format} to {depth}-bit RGB",
                {OURS: lambda image=image, memory=memory: vc.to_numpy(image, out=memory)},
            )


def to_yuv(rows, cols):
    rgb = random_frame(rows, cols)
    out, other = (np.empty((rows * 3 // 2, cols), np.uint8) for _ in range(2))
    for matrix, span in (("bt601", "limited"), ("bt709", "limited"), ("bt709", "full")):
        same = "" if matrix == "bt601" else "~ "
        yield (
            f"RGB to I420 of {matrix}, {span}",
            {
                OURS: lambda matrix=matrix, span=span: vc.to_yuv(
                    rgb, format="i420", matrix=matrix, range=span, out=out
                ),
                f"{same}cv2.cvtColor{', BT.601' if same else ''}": lambda: cv2.cvtColor(
                    rgb, cv2.COLOR_RGB2YUV_I420, other
                ),
            },
        )
    deep = np.empty((rows * 3 // 2, cols), np.uint16)
    for format in ("nv12", "p010", "p016"):
        to = out if format == "nv12" else deep
        yield (
            f"RGB to {format} of bt2020, limited",
            {
                OURS: lambda format=format, to=to: vc.to_yuv(
                    rgb, format=format, matrix="bt2020", range="limited", out=to
                )
            },
        )


def pillow(rows, cols):
    frame = random_frame(rows, cols)
    image = PIL.Image.fromarray(frame)
    for mode in ("bilinear", "bicubic", "lanczos"):
        resize = vc.Resize((224, 224), f"pillow-{mode}")
        which = getattr(PIL.Image.Resampling, mode.upper())
        yield (
            f"Pillow {mode} to 224 × 224",
            {
                OURS: lambda resize=resize: vc.to_numpy(frame, resize=resize),
                "Pillow": lambda which=which: np.asarray(image.resize((224, 224), which)),
            },
        )


def opencv(rows, cols):
    frame = random_frame(rows, cols)
    kinds = {"linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST, "area": cv2.INTER_AREA}
    for size in ((224, 224), (416, 416), (360, 640)):
        for kind, flag in kinds.items():
            resize = vc.Resize(size, kind)
            yield (
                f"{kind} to {size[0]} × {size[1]}",
                {
                    OURS: lambda resize=resize: vc.to_numpy(frame, resize=resize),
                    "cv2.resize": lambda size=size, flag=flag: cv2.resize(
                        frame, size[::-1], interpolation=flag
                    ),
                },
            )


def operations():
    yield from letterbox(1080, 1920, "letterbox 1080p → 640², f32")
    yield from letterbox(900, 1600, "letterbox 900p → 640², f32")
    yield from letterbox(720, 1280, "letterbox 720p → 640², f32")
    yield from nv12(1080, 1920, "NV12 1080p → letterbox 640², f32")
    yield from nv12(900, 1600, "NV12 900p → letterbox 640², f32")
    yield from nv12(720, 1280, "NV12 720p → letterbox 640², f32")
    yield from nv12(1080, 1920, "NV12 of BT.709 1080p → letterbox 640², f32", "bt709")
    for group in (pillow, opencv, to_rgb, to_yuv):
        for name, methods in group(1080, 1920):
            yield f"1080p: {name}", methods


def check(name, methods):
    """Checks that the methods whose names do not begin with ~ make the same bytes."""
    first, *others = (
        np.asarray(m()).copy() for key, m in methods.items() if not key.startswith("~")
    )
    for other in others:
        # Pillow 12.2 and later have another order of passes for some sizes.
        assert np.mean(first != other) < (0.01 if "Pillow" in methods else 1e-9), name


def last(method):
    """Times the last of four calls, so that the memory of other methods has left the caches."""
    watch = loop.calls("method()", {"method": method}, 1)
    return lambda: (watch(), watch(), watch(), watch())[-1]


def measure(threads, rounds, only):
    """Yields a row of loop.summary() for each method."""
    vc.set_num_threads(threads)
    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    for name, methods in operations():
        if only and only.lower() not in name.lower():
            continue
        check(name, methods)
        times = loop.interleave([last(method) for method in methods.values()], rounds, warm=2)
        for method, column in zip(methods, times, strict=True):
            row = {"operation": name, "method": method.removeprefix("~ "), "threads": threads}
            yield row | loop.summary(column)


def table(rows, title):
    made = Table(title, ["", "minimum", "median", "× viewcast", "of medians"])
    before = ours = None
    for row in rows:
        if row["operation"] != before:
            made.rows += [None] if before else []
            made.rows.append([row["operation"], "", "", "", ""])
            before, ours = row["operation"], row
        numbers = [f"{row[key] / 1000:.3f}" for key in ("minimum", "median")]
        ratios = [f"{row[key] / ours[key]:.2f}" for key in ("minimum", "median")]
        made.rows.append([f" {row['method']}", *numbers, *ratios])
    return made


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", metavar="WORDS", help="operations whose names have these words")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    machine = {
        "viewcast": vc.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    report = []
    for threads in options.threads:
        rows = list(measure(threads, options.rounds, options.only))
        if not rows:
            sys.exit(f"no operation's name has the words {options.only!r}")
        show(table(rows, f"ms, threads: {threads}, {options.rounds} rounds"))
        report += rows
    if options.json:
        text = json.dumps({"machine": machine, "methods": report}, indent=1) + "\n"
        options.json.write_text(text)


if __name__ == "__main__":
    main()
