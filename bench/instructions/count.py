# SPDX-License-Identifier: Apache-2.0
"""Runs the workload under callgrind."""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from . import callgrind_output

HERE = pathlib.Path(__file__).resolve().parent
PASSED_ON = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
# Names of libraries by the beginning of the object file's name.
OBJECTS = {
    "viewcast": ("_viewcast",),
    "Python": ("libpython", "python"),
    "torch": ("libtorch", "libc10"),
    "CuPy": ("core.", "memory.", "internal.", "_dtype.", "_memory_range.", "stream.", "_carray."),
    "NumPy": ("_multiarray_umath",),
    "OpenCV": ("cv2", "libopencv"),
    "libc": ("libc.", "libc-", "ld-linux", "libstdc++", "libgcc", "libm."),
}


class Skip(Exception):
    """Nothing can be counted; its text is the reason."""


def requests_library(folder):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Skip("there is no C compiler for the requests to valgrind")
    library = pathlib.Path(folder, "requests.so")
    command = [compiler, "-O2", "-shared", "-fPIC", HERE / "requests.c", "-o", library]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Skip(f"valgrind's headers are not usable: {done.stderr.strip()}")
    return library


def count(environment):
    """{"versions", "counts": {slug: {"own", "total", "objects"}}} with this environment's
    libraries: instructions of one call. Raises Skip."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Skip("valgrind is not installed (Debian, Ubuntu: apt-get install valgrind)")
    fixed = {key: environment[key] for key in PASSED_ON if key in environment}
    # Hashes, threads and memory must not vary; host mode also where there is a GPU.
    fixed |= {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryDirectory() as folder:
        dumps, described = pathlib.Path(folder, "dump"), pathlib.Path(folder, "run.json")
        command = [valgrind, "--quiet", "--tool=callgrind", "--instr-atstart=no"]
        command += [f"--callgrind-out-file={dumps}", sys.executable, HERE / "workload.py"]
        subprocess.run([*command, requests_library(folder), described], env=fixed, check=True)
        run = json.loads(described.read_text())
        parts = [path for path in dumps.parent.glob("dump.*")]
        parts.sort(key=lambda path: int(path.suffix[1:]))
        found = callgrind_output.read_all(parts)
    versions = versions_of(run["machine"]) | {"valgrind": valgrind_version(valgrind)}
    counts = per_call(found, run["calls"])
    return {"versions": versions, "counts": counts, "skipped": run["skipped"]}


def valgrind_version(valgrind):
    done = subprocess.run([valgrind, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().removeprefix("valgrind-")


def versions_of(machine):
    keys = ("python", "opencv", "opencv_cuda", "torch", "cupy", "numpy", "compiler")
    return {key: machine[key] for key in keys} | {"machine": os.uname().machine}


def per_call(found, calls):
    """The counts of one call: those of 2n calls minus those of n calls, divided by n."""
    counts = {}
    for slug in dict.fromkeys(name.split()[0] for name in found):
        difference = collections.Counter(found[f"{slug} twice"])
        difference.subtract(found[f"{slug} once"])
        objects = collections.Counter()
        for path, instructions in difference.items():
            objects[whose(pathlib.Path(path).name)] += instructions
        counts[slug] = {
            "own": rounded(objects["viewcast"] / calls),
            "total": rounded(objects.total() / calls),
            "objects": {key: rounded(value / calls) for key, value in sorted(objects.items())},
        }
    return counts


def rounded(number):
    return round(number, 1)


def whose(file_name):
    for name, beginnings in OBJECTS.items():
        if file_name.startswith(beginnings):
            return name
    return "other"
