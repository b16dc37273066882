# SPDX-License-Identifier: Apache-2.0
"""`make test-opencv-versions`: tests each minor version of OpenCV.

    python tools/opencv_versions.py [--write] [4.8 4.9 ...]

Installs the newest opencv-python-headless of each, in a folder of its own, lends
memory to its GpuMats in every way that a header allows, runs the tests of the suite that
a stock OpenCV is asked in (CuPy needs NumPy 2: not under 4.8 and 4.9), and prints a
table. --write puts
it into docs/compatibility.md, between its two comments there, if every version has passed.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

from opencvs import environment, install, say

MINORS = ["4.8", "4.9", "4.10", "4.11", "4.12", "4.13", "4.14", "5.0"]
# They are built against NumPy 1, and can't be imported with NumPy 2.
OLD = {"4.8": ["numpy==1.26.4"], "4.9": ["numpy==1.26.4"]}

CHECK = """
import gc, json, weakref
import numpy as np, cv2
import viewcast as vc

layout = vc.config()["libraries"]["opencv"]["layout"]
DEPTHS = "uint8 int8 uint16 int16 int32 float32 float64 float16 bool bfloat16 uint32 int64 uint64"
dtypes, images = [], 0

class Memory(np.ndarray):
    pass

def lend(shape, dtype):
    global images
    array = np.arange(np.prod(shape)).astype(dtype).reshape(shape).view(Memory)
    alive = weakref.ref(array)
    mat = vc.as_gpumat(array)
    images += 1
    assert (mat.cudaPtr(), mat.size()) == (array.ctypes.data, shape[1::-1]), shape
    assert mat.channels() == (shape[2] if len(shape) == 3 else 1)
    back = vc.as_numpy(mat)
    assert back.dtype == dtype and (back == array).all() and back.shape == shape
    return alive, mat, back

for name in DEPTHS.split():
    try:
        dtype = np.dtype(name)
    except TypeError:
        continue  # no bfloat16 without ml_dtypes
    try:
        for shape in [(7, 5), (7, 5, 3), (1, 9, 4), (64, 48, 2)]:
            if dtype == bool:  # 8U in a GpuMat
                vc.as_gpumat(np.zeros(shape, bool))
            else:
                lend(shape, dtype)
        dtypes.append(name)
    except vc.DTypeError:
        pass

# Slices and regions are views; a region keeps the memory.
array = np.arange(7 * 9 * 3, dtype=np.uint8).reshape(7, 9, 3)
mat = vc.as_gpumat(array[1:6, 2:7])
assert (vc.as_numpy(mat) == array[1:6, 2:7]).all()
region = mat.rowRange(1, 3)
assert vc.view(region).ptr == array[2:, 2:].ctypes.data
del mat, region, array

# The memory goes with the last GpuMat; where OpenCV never counts down, with force.
alive, mat, back = lend((7, 5, 3), np.dtype("uint8"))
del back
vc.collect()
assert alive() is not None
copy = mat.rowRange(0, 2)
del mat
gc.collect()
vc.collect()
assert alive() is not None
del copy
gc.collect()
vc.collect(force=True)
assert alive() is None

for _ in range(20000):
    vc.as_numpy(vc.as_gpumat(np.zeros((4, 5, 3), np.uint8)))
gc.collect()
vc.collect(force=True)
now = vc.statistics()
for key in ("lends", "shares", "exports"):
    assert now[key] == now[key + "_released"], now
print(json.dumps([cv2.__version__, np.__version__, layout["channels_max"], layout["counting"],
                  len(dtypes), now["lends"]]))
"""

HEADER = ["OpenCV", "NumPy", "channels at most", "its counter", "dtypes", "lends made and ended"]
HEADER += ["tests passed"]
SUITE = ["convert", "layout/test_gpumat_headers.py", "layout/test_layout.py", "pool"]
SUITE += [f"lifetime/test_{name}.py" for name in ("holders", "lifetime", "pending_releases")]
SUITE += [f"producers/test_{name}.py" for name in ("buffers", "cuda_arrays", "dlpack", "producers")]
SUITE += ["savant/test_savant_names.py"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
BEGIN = "<!-- begin: written by make record-opencv-versions -->\n"
END = "<!-- end -->\n"


def check(minor):
    folder = install(f"minor-{minor}", f"opencv-python-headless=={minor}.*", *OLD.get(minor, []))
    env = environment(folder, os.environ)
    done = subprocess.run([sys.executable, "-c", CHECK], env=env, text=True, capture_output=True)
    if done.returncode != 0:
        print(done.stderr)
        return None
    row = json.loads(done.stdout.splitlines()[-1])
    if minor in OLD:
        return [*row, "-"]
    passed = run_suite(env)
    return [*row, passed] if passed else None


def run_suite(env):
    """The number of tests that passed; 0 if one failed."""
    files = [f"tests/python/{path}" for path in SUITE]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", *files]
    command += ["-m", "not any_opencv"]
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE)
    print(done.stdout, flush=True)
    passed = re.search(r"(\d+) passed", done.stdout.splitlines()[-1])
    return int(passed[1]) if passed and done.returncode == 0 else 0


def table(rows):
    lines = [HEADER, ["---"] * len(HEADER), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def write(text):
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{BEGIN}{text}{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--write", action="store_true", help="the table into docs/compatibility.md")
    parser.add_argument("minors", nargs="*", default=MINORS)
    options = parser.parse_args()
    rows, failed = [], []
    for minor in options.minors:
        say(f"OpenCV {minor}")
        row = check(minor)
        rows.append(row or [minor, "", "", "FAILED", "", "", ""])
        if not row:
            failed.append(minor)
    say("Versions of OpenCV (stock wheels, host mode)")
    print(table(rows), end="")
    if failed:
        sys.exit(f"FAILED: {', '.join(failed)}")
    if options.write:
        write(table(rows))


if __name__ == "__main__":
    main()
