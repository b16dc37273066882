# SPDX-License-Identifier: Apache-2.0
"""`make ci`: all that .ci/run checks, several stages at a time.

    python tools/ci.py [stages at a time]

The tests of `make test`, the sanitizers, a short fuzzing and the documentation. What
each stage writes is shown whole when it ends, and kept in build/logs.
"""

import os
import sys

import run_tests
import stages
from opencvs import opencvs
from stages import Stage

# Each stage is one process at a time, as far as it can be told so.
ALONE = {"MESON_TESTTHREADS": "1", "OMP_NUM_THREADS": "1"}
FUZZ_SECONDS = 20  # a target
# A run takes half an hour at most; one that hangs ends with a summary.
MOST_SECONDS = 60 * 60


def sanitizers():
    def sanitize(name, kind, needs=()):
        return Stage(name, [sys.executable, "tools/sanitize.py", kind], needs=needs)

    first = "ASan, UBSan, LSan: C and C++ tests"
    yield sanitize(first, "asan-c")
    yield sanitize("ASan: Python", "asan-python", (first,))
    if "cuda-5" in dict(opencvs()):
        yield sanitize("ASan: OpenCV with CUDA", "asan-cuda", (first,))
    yield sanitize("valgrind: C and C++ tests", "valgrind")


def all_stages():
    """The longest first, so that none is left over at the end."""
    tests = list(run_tests.stages())
    yield from sanitizers()
    yield tests[1]
    yield Stage("Fuzzing", [sys.executable, "tools/fuzz.py", str(FUZZ_SECONDS)])
    yield from tests[2:]
    yield tests[0]
    # Bounded: a documentation that hangs must not eat the run.
    yield Stage("Documentation", ["make", "--no-print-directory", "docs"], timeout=600)


def main():
    at_once = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    chosen = list(all_stages())
    if at_once > 1:
        for each in chosen:
            each.env = ALONE | (each.env or {})
    seconds = MOST_SECONDS if os.environ.get("CI") == "true" else float("inf")
    sys.exit(not stages.run(chosen, at_once, seconds))


if __name__ == "__main__":
    main()
