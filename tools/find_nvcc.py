# SPDX-License-Identifier: Apache-2.0
"""Prints the path of an nvcc that can compile the kernels (for meson.build), or
why there is none.

Looked for in PATH, CUDA_HOME, CUDA_PATH and /usr/local/cuda, then in NVIDIA's
Python packages where the Python that runs this looks for modules.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile

# The first that knows every architecture of src/transform/kernels/meson.build.
OLDEST = (12, 8)


def version_of(nvcc):
    """(major, minor), or None where it does not run."""
    try:
        text = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return None
    found = re.search(r"release (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def places_on_machine():
    yield shutil.which("nvcc")
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if folder := os.environ.get(variable):
            yield os.path.join(folder, "bin", "nvcc")
    yield "/usr/local/cuda/bin/nvcc"


def places_in_packages():
    """Where the wheels of one major version have put it; pip builds in an environment
    that is on the path of modules alone."""
    own = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    for name in dict.fromkeys([*own, *sys.path]):
        yield from sorted(map(str, pathlib.Path(name, "nvidia").glob("cu*/bin/nvcc")), reverse=True)


def find(places, problems):
    for place in places:
        if not place or not os.path.exists(place):
            continue
        version = version_of(place)
        if version and version >= OLDEST:
            return place
        found = "does not run" if not version else "is {}.{}".format(*version)
        problems.append(f"{place} {found}, needs {OLDEST[0]}.{OLDEST[1]} or later")
    return None


def is_on_machine():
    return find(places_on_machine(), []) is not None


def compiles_cpp():
    """Whether the compiler that nvcc takes for the host's side knows C++."""
    command = [os.environ.get("NVCC_CCBIN") or "gcc", "-x", "c++", "-E", "-"]
    try:
        return subprocess.run(command, input=b"", capture_output=True).returncode == 0
    except OSError:
        return False


def compile_nothing(nvcc):
    """What is wrong with compiling, in the compiler's words; None: nothing."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "nothing.cu")
        source.write_text('extern "C" __global__ void nothing() {}\n')
        command = [nvcc, "-fatbin", "-arch=sm_90", "-o", f"{folder}/nothing", str(source)]
        run = subprocess.run(command, capture_output=True, text=True)
    return None if run.returncode == 0 else (run.stderr or run.stdout).strip()


def main():
    problems = []
    nvcc = find(places_on_machine(), problems) or find(places_in_packages(), problems)
    if not nvcc:
        sys.exit("; ".join(problems) or "there is no nvcc")
    if problem := compile_nothing(nvcc):
        sys.exit(f"{nvcc} compiles nothing here: {problem}")
    print(nvcc)


if __name__ == "__main__":
    main()
