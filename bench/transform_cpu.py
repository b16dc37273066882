# SPDX-License-Identifier: Apache-2.0
"""Transforms on the CPU, compared with OpenCV, PyTorch and a copy.

One process for each number of threads, in which all methods take turns; OpenCV, PyTorch
and viewcast all use that number. The copy moves as many bytes as the transform reads and
writes, into existing memory, on as many threads: "of a copy" is its time divided by that
of a method. blobFromImages has one scale for all channels, so no std: the pass that
divides by it is a separate row; blobFromImagesWithParams has one for each channel.
Another OpenCV is measured by putting its folder on PYTHONPATH.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys

import cv2
import numpy as np
import torch
from harness.table import Table, show

import viewcast as vc
from viewcast.bench import loop

OURS = "viewcast"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def torch_normalise(image, mean, std):
    return ((image[..., [2, 1, 0]].permute(2, 0, 1).float() / 255 - mean) / std).contiguous()


def torch_half(image, mean, std):
    return torch_normalise(image, mean, std).half()


def compiled(function, *inputs):
    """(compiled function, None), or (None, the reason) where torch.compile fails."""
    try:
        fast = torch.compile(function)
        fast(*inputs)
    except Exception as error:
        return None, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return fast, None


def copy_of(nbytes):
    """Buffers for a copy whose reads and writes are `nbytes` in total."""
    source = torch.zeros(nbytes // 2, dtype=torch.uint8)
    return {"copied": torch.empty_like(source), "source": source}


def blob_params(size):
    params = cv2.dnn.Image2BlobParams()
    params.size, params.swapRB = size, True
    params.mean = (*(255 * value for value in MEAN), 0)
    params.scalefactor = (*(1 / (255 * value) for value in STD), 1)
    return params


def make_names(rows, cols):
    image = np.random.default_rng(0).integers(0, 256, (rows, cols, 3), np.uint8)
    planar = np.ascontiguousarray(image.transpose(2, 0, 1))
    names = {
        "vc": vc, "cv2": cv2, "np": np, "torch": torch, "image": image, "planar": planar,
        "planes": list(np.empty_like(planar)), "filled": list(planar),
        "interleaved": np.empty_like(image), "u8": np.empty_like(planar),
        "f32": np.empty(planar.shape, np.float32), "f16": np.empty(planar.shape, np.float16),
        "numbers": np.random.default_rng(1).random(planar.shape, np.float32),
        "timage": torch.from_numpy(image), "tplanar": torch.from_numpy(planar),
        "mean": torch.tensor(MEAN).view(3, 1, 1), "std": torch.tensor(STD).view(3, 1, 1),
        "nstd": np.array(STD, np.float32).reshape(1, 3, 1, 1), "size": (cols, rows),
        "mean255": tuple(255 * value for value in MEAN), "MEAN": MEAN, "STD": STD,
        "params": blob_params((cols, rows)),
        "blob": np.empty((1, *planar.shape), np.float32),
        "eager": torch_normalise, "eager_half": torch_half,
    }  # fmt: skip
    names["tnumbers"] = torch.from_numpy(names["numbers"])
    return names


BLOB = "cv2.dnn.blobFromImages([image], 1 / 255, size, mean255, swapRB=True, crop=False)"
BLOB_PARAMS = "cv2.dnn.blobFromImagesWithParams([image], {0}params)"
NORMALISED = (
    "vc.to_numpy(image, layout='CHW', dtype='{0}', scale=1 / 255, mean=MEAN, std=STD, "
    "reverse_channels=True, out={1})"
)

# Operation: bytes per pixel read and written, and (method, statement).
OPERATIONS = {
    "u8 HWC → f32 CHW, normalised": (3 + 12, [
        (OURS, NORMALISED.format("float32", "f32")),
        ("viewcast, a new array", NORMALISED.format("float32", "None")),
        ("blobFromImages, no std", BLOB),
        ("blobFromImages, then std", f"np.divide(x := {BLOB}, nstd, out=x)"),
        ("blobFromImagesWithParams", BLOB_PARAMS.format("")),
        ("the same, into a blob", BLOB_PARAMS.format("blob, ")),
        ("torch.compile", "fast(timage, mean, std)"),
        ("torch eager", "eager(timage, mean, std)"),
    ]),
    "u8 HWC → f16 CHW, normalised": (3 + 6, [
        (OURS, NORMALISED.format("float16", "f16")),
        ("torch eager", "eager_half(timage, mean, std)"),
    ]),
    "u8 HWC → CHW": (6, [
        (OURS, "vc.to_numpy(image, layout='CHW', out=u8)"),
        ("cv2.split, into planes", "cv2.split(image, planes)"),
        ("cv2.split", "cv2.split(image)"),
        ("torch eager", "timage.permute(2, 0, 1).contiguous()"),
    ]),
    "u8 CHW → HWC": (6, [
        (OURS, "vc.to_numpy(planar, from_layout='CHW', layout='HWC', out=interleaved)"),
        ("cv2.merge, into an image", "cv2.merge(filled, interleaved)"),
        ("torch eager", "tplanar.permute(1, 2, 0).contiguous()"),
    ]),
    "u8 HWC → HWC, channels reversed": (6, [
        (OURS, "vc.to_numpy(image, reverse_channels=True, out=interleaved)"),
        ("cv2.cvtColor, into an image", "cv2.cvtColor(image, cv2.COLOR_BGR2RGB, interleaved)"),
    ]),
    "f32 CHW → u8 HWC, × 255": (15, [
        (OURS, "vc.to_numpy(numbers, from_layout='CHW', layout='HWC', dtype='uint8', scale=255, "
               "out=interleaved)"),
        ("torch eager", "(tnumbers * 255).round().clamp(0, 255).byte().permute(1, 2, 0)"
                        ".contiguous()"),
    ]),
}  # fmt: skip


def last(watch):
    """Times the last of four calls. The first calls are affected by what the previous method left
    in the caches, which differs between methods that use the same memory and others."""
    return lambda: (watch(), watch(), watch(), watch())[-1]


def measure(threads, rounds, rows, cols):
    """Yields a row of loop.summary() for each operation and method, with so many threads."""
    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    names = make_names(rows, cols)
    names["fast"], why_not = compiled(torch_normalise, names["timage"], names["mean"], names["std"])
    if why_not:
        print(f"torch.compile: not possible ({why_not})", file=sys.stderr)
    check(names)
    labels, watches = [], []
    for operation, (pixel, methods) in OPERATIONS.items():
        for method, statement in methods:
            if method == "torch.compile" and why_not:
                continue
            labels.append((operation, method))
            watches.append(last(loop.calls(statement, names, 1)))
        labels.append((operation, "copy of as many bytes"))
        watch = loop.calls("copied.copy_(source)", copy_of(pixel * rows * cols), 1)
        watches.append(last(watch))
    measured = loop.interleave(watches, rounds, warm=2)
    for (operation, method), times in zip(labels, measured, strict=True):
        yield {"operation": operation, "method": method, "threads": threads, **loop.summary(times)}


def check(names):
    """Checks that all methods make the same picture."""
    ours = eval(NORMALISED.format("float32", "f32"), names)
    assert np.allclose(ours, eval(BLOB, names)[0] / names["nstd"][0], atol=1e-4)
    assert np.allclose(
        ours, names["eager"](names["timage"], names["mean"], names["std"]), atol=1e-4
    )
    assert np.allclose(ours, eval(BLOB_PARAMS.format("blob, "), names)[0], atol=1e-4)
    split = vc.to_numpy(names["image"], layout="CHW", out=names["u8"])
    assert np.array_equal(split, cv2.split(names["image"]))


def run_threads(threads, options):
    """Runs in a process of its own, because the number of threads is read at its start."""
    command = [sys.executable, __file__, "--inner", str(threads)]
    command += ["--rounds", str(options.rounds), "--size", "{}x{}".format(*options.size)]
    # torch's idle threads would spin on the cores that the next method needs.
    environment = {**os.environ, "VIEWCAST_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def table(rows, title):
    made = Table(title, ["", "minimum", "median", "× viewcast", "of a copy"])
    ours = {row["operation"]: row["minimum"] for row in rows if row["method"] == OURS}
    copies = {row["operation"]: row["minimum"] for row in rows if row["method"].startswith("copy")}
    before = None
    for row in rows:
        operation = row["operation"]
        if operation != before:
            made.rows += [None] if before else []
            made.rows.append([operation, "", "", "", ""])
            before = operation
        numbers = [f"{row[key] / 1000:.2f}" for key in ("minimum", "median")]
        ratio, share = row["minimum"] / ours[operation], copies[operation] / row["minimum"]
        made.rows.append([f" {row['method']}", *numbers, f"{ratio:.1f}", f"{share:.0%}"])
    return made


def parse_size(text):
    width, _, height = text.partition("x")
    return int(width), int(height)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", type=parse_size, default=(1920, 1080), metavar="WIDTHxHEIGHT")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--inner", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cols, rows = options.size
    if options.inner:
        print(json.dumps(list(measure(options.inner, options.rounds, rows, cols))))
        return

    machine = {
        "viewcast": vc.__version__,
        "opencv": cv2.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    report = []
    for threads in options.threads:
        measured = run_threads(threads, options)
        title = f"ms, {cols} x {rows}, threads: {threads}, {options.rounds} rounds"
        show(table(measured, title))
        report += measured
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine, "methods": report}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
