# SPDX-License-Identifier: Apache-2.0
"""The OpenCVs that the suite runs with, each in a folder for the beginning of PYTHONPATH."""

import os
import pathlib
import shutil
import subprocess
import sys

FOLDERS = pathlib.Path(sys.prefix, "opencv")
STOCK_4 = "opencv-python-headless==4.14.0.94"
# The CUDA wheels are linked to NPP 13.
NPP = "nvidia-npp<14"
# The OpenCVs with which instructions are counted: the stock build, and one that frees memory
# when its reference count is 0, as on a GPU.
COUNTED = ("stock-5", "cuda-4")


def say(text):
    print(f"\n==== {text}", flush=True)


def install(name, *requirements):
    """A folder with these packages, without their dependencies."""
    folder = FOLDERS / name
    stamp = folder / "installed.txt"
    wanted = "\n".join(requirements)
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--disable-pip-version-check", "--target", folder]
        subprocess.run([*pip, *requirements], check=True)
        stamp.write_text(wanted)
    return folder


def opencvs():
    """Pairs of a name and a folder; the folder is None for the OpenCV of this environment."""
    yield "stock-5", None
    yield "stock-4", install("stock-4", STOCK_4)
    wheels = os.environ.get("VIEWCAST_CUDA_CV2")
    if not wheels:
        say("OpenCV with CUDA: skipped, VIEWCAST_CUDA_CV2 names no folder of wheels")
        return
    for major in "45":
        found = sorted(pathlib.Path(wheels).glob(f"opencv*-{major}.*.whl"))
        if not found:
            say(f"OpenCV {major} with CUDA: skipped, no such wheel in {wheels}")
            continue
        folder = install(f"cuda-{major}", str(found[-1].resolve()))
        # The wheels load NPP from ../nvidia: 150 MB, which both share.
        link = folder / "nvidia"
        link.unlink(missing_ok=True)
        link.symlink_to(install("npp", NPP) / "nvidia")
        yield f"cuda-{major}", folder


def environment(folder, base):
    """The variables `base` with the folder at the beginning of PYTHONPATH."""
    paths = [str(folder)] if folder else []
    paths += filter(None, [base.get("PYTHONPATH")])
    return dict(base, PYTHONPATH=os.pathsep.join(paths))
