# SPDX-License-Identifier: Apache-2.0
"""`make docs-images`: the pictures beside this file, by running what draws them."""

import pathlib
import subprocess
import sys
import sysconfig

import chart
import hub
import numpy as np
import steps
import torch
from PIL import Image

from viewcast.clip import read_frames, sample_clip

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = ROOT / "examples"
BUILD = ROOT / "build" / "docs"
MOST = 100_000  # bytes of a picture
QUALITY = 75


def run(*words):
    subprocess.run([str(word) for word in words], check=True)


def library():
    """Flags that compile and link with the C library, installed into build/docs."""
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    folder, prefix = BUILD / "library", BUILD / "prefix"
    if not (folder / "build.ninja").is_file():
        options = ["-Dpython=disabled", "-Dtests=false", "-Dlibdir=lib", f"--prefix={prefix}"]
        run(*meson, "setup", folder, ROOT, *options)
    run(*meson, "install", "-C", folder, "--quiet")
    return [f"-I{prefix}/include", f"-L{prefix}/lib", "-lviewcast", f"-Wl,-rpath,{prefix}/lib"]


def sample(path):
    """A frame of the sample clip as a PPM of 640 x 360."""
    *_, frame = read_frames(sample_clip(), 61)
    Image.fromarray(np.ascontiguousarray(frame)).resize((640, 360)).save(path)


def programs(flags):
    """What the C and the C++ program make of the sample."""
    picture, cut = BUILD / "sample.ppm", BUILD / "out.ppm"
    sample(picture)
    import tvm_ffi

    dlpack = ["-isystem", pathlib.Path(tvm_ffi.__file__).parent / "include"]
    run("cc", "-std=c11", *dlpack, EXAMPLES / "c_crop.c", "-o", BUILD / "c_crop", *flags)
    run(BUILD / "c_crop", picture, cut)
    beside("c_crop.jpg", Image.open(picture), Image.open(cut))

    torch_root = pathlib.Path(torch.__file__).parent
    words = ["-std=c++20", "-isystem", torch_root / "include"]
    words += ["-isystem", sysconfig.get_paths()["include"]]
    # The class GpuMat alone, in place of OpenCV's headers.
    words += ["-I", ROOT / "tests" / "c" / "opencv_standin"]
    link = [f"-L{torch_root}/lib", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{torch_root}/lib"]
    run("c++", *words, EXAMPLES / "cpp_torch.cpp", "-o", BUILD / "cpp_torch", *flags, *link)
    run(BUILD / "cpp_torch", picture, cut)
    Image.open(cut).save(HERE / "cpp_torch.jpg", quality=QUALITY)


def beside(name, *pictures, gap=12):
    height = max(each.height for each in pictures)
    width = sum(each.width + gap for each in pictures) - gap
    sheet = Image.new("RGB", (width, height), "white")
    x = 0
    for each in pictures:
        sheet.paste(each, (x, (height - each.height) // 2))
        x += each.width + gap
    sheet.save(HERE / name, quality=QUALITY)


def scaled(name, path):
    picture = Image.open(path)
    picture.thumbnail((1200, 1200))
    picture.save(HERE / name, quality=QUALITY)


def main():
    BUILD.mkdir(parents=True, exist_ok=True)
    hub.main()
    chart.main()
    steps.main()
    for name in ("mask_overlay", "side_by_side"):
        run(sys.executable, EXAMPLES / f"{name}.py", "--output", HERE / f"{name}.jpg")
    for name in ("detector_input", "video_yuv"):
        run(sys.executable, EXAMPLES / f"{name}.py", "--output", BUILD / f"{name}.png")
        scaled(f"{name}.jpg", BUILD / f"{name}.png")
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run(sys.executable, *words, EXAMPLES / "multi_gpu.py", "--output", HERE / "multi_gpu.jpg")
    programs(library())
    pictures = HERE.glob("*.jpg")
    too_large = [each.name for each in pictures if each.stat().st_size > MOST]
    return f"larger than {MOST} bytes: {', '.join(too_large)}" if too_large else 0


if __name__ == "__main__":
    sys.exit(main())
