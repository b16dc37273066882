# SPDX-License-Identifier: Apache-2.0
"""The stages of `make test` and `make ci`, whose output is kept in build/logs.

    python tools/ci.py test [arguments of pytest]   `make test`, one stage after the other
    python tools/ci.py all [stages at a time]       `make ci`, .ci/run

test: the C tests, the Python suite once per OpenCV, and the tests of tools and packages.
Stock OpenCV 5.x (in the running environment) and 4.x always; builds with CUDA where
VIEWCAST_CUDA_CV2 names a folder that holds their wheels. all: these, the sanitizers, a
short fuzzing, Savant's environment, the count of instructions and the documentation.
"""

import os
import subprocess
import sys

import stages
from opencvs import COUNTED, environment, opencvs
from stages import Stage

PYTEST = [sys.executable, "-m", "pytest"]
NO_TESTS = 5  # pytest's exit code
# Each stage uses one processor, as far as its programs can be told.
ALONE = {"MESON_TESTTHREADS": "1", "OMP_NUM_THREADS": "1"}
FUZZ_SECONDS = 20  # for each target
# A run takes half an hour at most; a run that hangs ends with a summary.
MOST_SECONDS = 60 * 60

DESCRIBE = """
import cv2
cuda = "NVIDIA CUDA" in cv2.getBuildInformation()
print(f"OpenCV {cv2.__version__} {'with' if cuda else 'without'} CUDA")
"""


def make(title, target, **options):
    return Stage(title, ["make", "--no-print-directory", target], **options)


def tests(title, words, arguments, env=None):
    # Arguments may select tests of which this stage has none.
    accepted = (0, NO_TESTS) if arguments else (0,)
    return Stage(title, [*PYTEST, *words, *arguments], env or {}, accepted=accepted)


def describe(env):
    command = [sys.executable, "-c", DESCRIBE]
    done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE, check=False)
    return done.stdout.strip() or "a cv2 that cannot be imported"


def suites(arguments):
    """The Python suite: all of it with the first OpenCV, its slow paths once more, and with
    the other OpenCVs what depends on the one that is loaded."""
    for name, folder in opencvs():
        env = environment(folder, os.environ)
        title, path = f"Python, {describe(env)}", {"PYTHONPATH": env.get("PYTHONPATH", "")}
        if name == "stock-5":
            yield tests(title, ["tests/python"], arguments, path)
            title, path = f"{title}, VIEWCAST_SLOW=1", path | {"VIEWCAST_SLOW": "1"}
            chosen = "slow_paths and not exhaustive"
        else:
            chosen = "not any_opencv and not exhaustive"
        yield tests(title, ["tests/python", "-m", chosen], arguments, path)


def savant():
    command = [sys.executable, "tools/versions.py", "savant"]
    return Stage("Savant's environment, Python 3.10", command)


def others(arguments):
    yield make("C and C++ tests", "test-c")
    for title in ("Attack", "Tools", "Packaging"):
        yield tests(title, [f"tests/{title.lower()}"], arguments)


def sanitizers():
    def sanitize(name, kind, needs=()):
        return Stage(name, [sys.executable, "tools/sanitize.py", kind], needs=needs)

    first = "ASan, UBSan, LSan: C and C++ tests"
    yield sanitize(first, "asan-c")
    yield sanitize("ASan: Python", "asan-python", (first,))
    yield sanitize("ASan: Python, VIEWCAST_SLOW=1", "asan-slow", (first,))
    if "cuda-5" in dict(opencvs()):
        yield sanitize("ASan: OpenCV with CUDA", "asan-cuda", (first,))
    yield sanitize("valgrind: C and C++ tests", "valgrind")


def instructions():
    for name, _ in opencvs():
        if name in COUNTED:
            command = [sys.executable, "bench/count_instructions.py", name]
            yield Stage(f"Instructions, {name}", command)


def everything():
    """All stages, the longest first, so that no long one runs alone at the end."""
    first, *rest = suites(())
    yield from sanitizers()
    yield first
    yield Stage("Fuzzing", [sys.executable, "tools/fuzz.py", str(FUZZ_SECONDS)])
    yield from rest
    yield from others(())
    yield savant()
    yield from instructions()
    # A build of the documentation that hangs must not use the time of the whole run.
    yield make("Documentation", "docs", timeout=600)


def main():
    kind, *arguments = sys.argv[1:]
    if kind == "test":
        return not stages.run([*others(arguments), *suites(arguments)])
    at_once = int(arguments[0]) if arguments else 2
    chosen = list(everything())
    for each in chosen if at_once > 1 else ():
        each.env = ALONE | each.env
    seconds = MOST_SECONDS if os.environ.get("CI") == "true" else float("inf")
    return not stages.run(chosen, at_once, seconds)


if __name__ == "__main__":
    sys.exit(main())
