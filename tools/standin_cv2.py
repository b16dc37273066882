# SPDX-License-Identifier: Apache-2.0
"""Builds the stand-in for OpenCV's Python module (tests/c/standin_cv2.cpp), for the Python
that runs this program.

    python tools/standin_cv2.py FOLDER      writes FOLDER/cv2.so
"""

import pathlib
import subprocess
import sys
import sysconfig

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "c" / "standin_cv2.cpp"
OPTIONS = ["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-shared", "-fPIC"]


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    include = sysconfig.get_path("include")
    made = folder / "cv2.so"
    subprocess.run(["c++", *OPTIONS, f"-isystem{include}", SOURCE, "-o", made], check=True)
    return made


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
