# SPDX-License-Identifier: Apache-2.0
"""`make coverage`: the branches of the C library that its C tests take.

At least 95 % of the branches in src, without src/python, must be taken; the others are
listed. Needs the compiler's gcov, and gcovr.
"""

import json
import sys

from opencvs import say
from sanitize import MESON, ROOT, configure, run, tools_env

FOLDERS = ["core", "protocol", "gpumat", "cuda", "transform"]
NEEDED = 95


def missed(report):
    """Yields a line of text for each source line with branches that were not taken."""
    for file in json.loads(report.read_text())["files"]:
        source = (ROOT / file["file"]).read_text().splitlines()
        for line in file["lines"]:
            branches = line.get("branches", [])
            count = sum(branch["count"] == 0 for branch in branches)
            if count or line["count"] == 0:
                number = line["line_number"]
                text = source[number - 1].strip()
                yield f"{file['file']}:{number}: {count} of {len(branches)}: {text}"


def main():
    build = configure("coverage", "-Dpython=disabled", "-Db_coverage=true", "-Dbuildtype=debug")
    for old in build.rglob("*.gcda"):
        old.unlink()
    if code := run(*MESON, "test", "-C", build, "--print-errorlogs", env=tools_env()):
        sys.exit(code)
    say("Branches and lines that no C test takes")
    report = build / "coverage.json"
    gcovr = [sys.executable, "-m", "gcovr", "--root", ROOT, "--object-directory", build, build]
    for folder in FOLDERS:
        gcovr += ["--filter", rf"{ROOT}/src/{folder}/\w+\.[ch]$"]  # without GPU kernels
    gcovr += ["--exclude-throw-branches", "--exclude-unreachable-branches"]
    code = run(*gcovr, "--json", report, "--txt-summary", f"--fail-under-branch={NEEDED}")
    print(*missed(report), sep="\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
