# SPDX-License-Identifier: Apache-2.0
"""`make coverage`: the branches of the C library that its C tests take.

At least 95 % of the branches in src, without src/python and the GPU kernels, must be taken; the
lines of the others are listed. Needs the compiler's gcov, and gcovr.
"""

import sys

from sanitize import MESON, ROOT, configure, run, tools_env

FOLDERS = ["core", "protocol", "gpumat", "cuda"]
FOLDERS += ["transform", "transform/colour", "transform/geometry"]
NEEDED = 95


def main():
    build = configure("coverage", "-Dpython=disabled", "-Db_coverage=true", "-Dbuildtype=debug")
    for old in build.rglob("*.gcda"):
        old.unlink()
    if code := run(*MESON, "test", "-C", build, "--print-errorlogs", env=tools_env()):
        sys.exit(code)
    gcovr = [sys.executable, "-m", "gcovr", "--root", ROOT, "--object-directory", build, build]
    for folder in FOLDERS:
        gcovr += ["--filter", rf"{ROOT}/src/{folder}/\w+\.[ch]$"]
    gcovr += ["--exclude-throw-branches", "--exclude-unreachable-branches"]
    gcovr += ["--txt", "--txt-metric", "branch", f"--fail-under-branch={NEEDED}"]
    sys.exit(run(*gcovr))


if __name__ == "__main__":
    main()
