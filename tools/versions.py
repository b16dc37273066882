# SPDX-License-Identifier: Apache-2.0
"""`make test-versions`: tests other versions of OpenCV, Python, NumPy and CuPy.

    python tools/versions.py [--write] [4.8 4.9 ... savant oldest newest]

A minor version of OpenCV is installed for the running Python, the newest
opencv-python-headless of it in a folder of its own. A named environment has a Python of its
own (tools/environments.py); it is skipped where there is no such Python.

Each lends memory to its GpuMats in every way that a header allows, then runs the tests of the
suite that a stock OpenCV is asked in (CuPy 14 needs NumPy 2: not under OpenCV 4.8 and 4.9 in the
running Python). --write puts the tables into docs/compatibility.md, between the comments there, if
all have passed.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

import environments
from compatibility import table, write
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

VERSIONS = """
import importlib, importlib.util, platform
print(platform.python_version())
for name in ("torch", "cupy"):
    print(importlib.import_module(name).__version__ if importlib.util.find_spec(name) else "-")
"""

CHECKED = ["channels at most", "its counter", "dtypes", "lends made and ended", "tests passed"]
HEADER = ["OpenCV", "NumPy", *CHECKED]
ENVIRONMENT_HEADER = ["environment", "Python", "PyTorch", "CuPy", "OpenCV", "NumPy", *CHECKED]
SUITE = ["convert", "layout/test_gpumat_headers.py", "layout/test_layout.py", "pool"]
SUITE += [f"lifetime/test_{name}.py" for name in ("holders", "lifetime", "pending_releases")]
SUITE += [f"producers/test_{name}.py" for name in ("buffers", "cuda_arrays", "dlpack", "producers")]
SUITE += [f"savant/test_savant_{name}.py" for name in ("names", "layout", "patch")]
# Folders, in which tests of a library that is not installed are not collected.
FOLDERS = ["convert", "layout", "pool", "producers", "savant"]
ROOT = pathlib.Path(__file__).resolve().parent.parent


def check(minor):
    """The row of a minor version of OpenCV; None if it failed."""
    folder = install(f"minor-{minor}", f"opencv-python-headless=={minor}.*", *OLD.get(minor, []))
    env = environment(folder, os.environ)
    row = lend([sys.executable], env)
    if row and minor in OLD:
        return [*row, "-"]
    passed = row and run_suite([sys.executable], env, SUITE)
    return [*row, passed] if passed else None


def check_environment(name):
    """The row of an environment, None if it failed, and why it was skipped if so."""
    python, env, skipped = environments.make(name)
    if skipped:
        return None, skipped
    row = lend(python, env)
    if environments.ENVIRONMENTS[name].emulated:  # slow, and the suite starts processes
        doctor = subprocess.run([*python, "-m", "viewcast", "doctor"], env=env)
        passed = row and doctor.returncode == 0 and "doctor"
    else:
        passed = row and run_suite(python, env, FOLDERS)
    if not passed:
        return None, None
    asked = subprocess.run([*python, "-c", VERSIONS], env=env, text=True, stdout=subprocess.PIPE)
    title = environments.ENVIRONMENTS[name].title
    return [title, *asked.stdout.split(), *row, passed], None


def lend(python, env):
    done = subprocess.run([*python, "-c", CHECK], env=env, text=True, capture_output=True)
    if done.returncode != 0:
        print(done.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def run_suite(python, env, paths):
    """The number of tests that passed; 0 if one failed."""
    files = [f"tests/python/{path}" for path in paths]
    command = [*python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", *files]
    command += ["-m", "not any_opencv and not exhaustive"]
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE)
    print(done.stdout, flush=True)
    passed = re.search(r"(\d+) passed", done.stdout.splitlines()[-1])
    return int(passed[1]) if passed and done.returncode == 0 else 0


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--write", action="store_true", help="tables into docs/compatibility.md")
    everything = [*MINORS, *environments.ENVIRONMENTS]
    parser.add_argument("versions", nargs="*", default=everything, metavar="VERSION")
    wanted = parser.parse_args()
    tables, failed, skipped = {"OpenCV": [], "environments": []}, [], []
    for version in wanted.versions:
        if version in environments.ENVIRONMENTS:
            say(f"{environments.ENVIRONMENTS[version].title} environment")
            kind, (row, why) = "environments", check_environment(version)
        else:
            say(f"OpenCV {version}")
            kind, row, why = "OpenCV", check(version), None
        if row:
            tables[kind].append(row)
        elif why:
            skipped.append(f"{version}: {why}")
        else:
            failed.append(version)
    report(tables, failed, skipped, wanted.write)


def report(tables, failed, skipped, wanted):
    """Prints the tables, and writes them if that is wanted and nothing has failed."""
    for kind, header in (("OpenCV", HEADER), ("environments", ENVIRONMENT_HEADER)):
        if tables[kind]:
            say(f"{kind} (stock wheels, host mode)")
            print(table(header, tables[kind]), end="")
            if wanted and not failed:
                write(kind, table(header, tables[kind]))
    if failed:
        sys.exit(f"FAILED: {', '.join(failed)}")
    if skipped:
        print(f"SKIPPED {'; '.join(skipped)}")


if __name__ == "__main__":
    main()
