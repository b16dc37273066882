# SPDX-License-Identifier: Apache-2.0
"""Prints the path of the NVRTC library that compiles the kernels (for meson.build), or
why there is none.

    find_nvrtc.py ARCHITECTURE...

Looked for in NVIDIA's Python packages, where the Python that runs this looks for modules,
then in CUDA_HOME, CUDA_PATH and /usr/local/cuda. Of those that know all architectures the
oldest is taken: what it compiles runs on the oldest drivers.
"""

import ctypes
import os
import pathlib
import sys
import sysconfig


def places_in_packages():
    """Where the wheels of each major version have put it; pip builds in an environment
    that is on the path of modules alone. The first is a folder that `make` fills: what the
    kernels need is not to be what torch or CuPy find."""
    own = [f"{sys.prefix}/nvrtc", *(sysconfig.get_path(name) for name in ("purelib", "platlib"))]
    for name in dict.fromkeys([*own, *sys.path]):
        yield from pathlib.Path(name, "nvidia").glob("*/lib/libnvrtc.so.*")


def places_on_machine():
    for folder in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        for name in ("lib64", "lib") if folder else ():
            yield pathlib.Path(folder, name, "libnvrtc.so")


def examine(place):
    """Its version as (major, minor), and the architectures that it knows, as numbers."""
    library = ctypes.CDLL(str(place))
    major, minor, count = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    library.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    known = (ctypes.c_int * count.value)()
    library.nvrtcGetSupportedArchs(known)
    return (major.value, minor.value), set(known)


def find(places, wanted):
    """The path, and None; or None, and what is wrong with those that were found."""
    usable, problems = [], []
    for place in places:
        if not place.exists():
            continue
        try:
            version, known = examine(place)
        except (OSError, AttributeError) as error:
            problems.append(f"{place} can't be used: {error}")
            continue
        if missing := sorted(wanted - known):
            names = ", ".join(f"sm_{each}" for each in missing)
            problems.append(f"{place} is {version[0]}.{version[1]} and does not know {names}")
        else:
            usable.append((version, place))
    if usable:
        return min(usable, key=lambda each: each[0])[1], None
    return None, "; ".join(problems) or "NVRTC is not installed"


def main():
    wanted = {int(each) for each in sys.argv[1:]}
    path, problem = find([*places_in_packages(), *places_on_machine()], wanted)
    if problem:
        sys.exit(problem)
    print(path)


if __name__ == "__main__":
    main()
