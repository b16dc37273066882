# SPDX-License-Identifier: Apache-2.0
"""`make test-versions`: tests other versions of OpenCV, Python, NumPy and CuPy.

    python tools/versions.py [--write] [4.8 4.9 ... savant oldest newest]

A minor version of OpenCV is installed for the running Python, the newest
opencv-python-headless of it in a folder of its own. A named environment has a Python of its
own (tools/environments.py); it is skipped where there is no such Python.

Each runs the tests that depend on the OpenCV that is loaded: those of libraries that it lacks are
skipped, and the emulated one is slow and runs one file and `viewcast doctor`. --write puts the
tables into docs/compatibility.md, between the comments there, if all have passed.
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
# They are built against NumPy 1, and can't be imported with NumPy 2, nor CuPy 14 with NumPy 1.
OLD = {"4.8": ["numpy==1.26.4"], "4.9": ["numpy==1.26.4"]}

ASK = """
import importlib, json, platform, cv2, numpy
import viewcast as vc

def version(name):
    try:
        return importlib.import_module(name).__version__
    except ImportError:
        return "-"

layout = vc.config()["libraries"]["opencv"]["layout"]
print(json.dumps([platform.python_version(), version("torch"), version("cupy"), cv2.__version__,
                  numpy.__version__, layout["channels_max"], layout["counting"]]))
"""

HEADER = ["OpenCV", "NumPy", "channels at most", "its counter", "tests passed"]
ENVIRONMENT_HEADER = ["environment", "Python", "PyTorch", "CuPy", *HEADER]
SUITE = ["convert", "pool"]
SUITE += [f"layout/test_{name}.py" for name in ("gpumat_headers", "layout", "numpy_lends")]
SUITE += [f"lifetime/test_{name}.py" for name in ("holders", "lifetime", "pending_releases")]
SUITE += [f"producers/test_{name}.py" for name in ("buffers", "cuda_arrays", "dlpack", "producers")]
SUITE += [f"savant/test_savant_{name}.py" for name in ("names", "layout", "patch")]
# Folders, in which tests of a library that is not installed are not collected.
FOLDERS = ["convert", "layout", "pool", "producers", "savant"]
# Savant's modules need CuPy.
WITHOUT_CUPY = FOLDERS[:-1]
# Needs NumPy alone and starts no process.
EMULATED = ["layout/test_numpy_lends.py"]
ROOT = pathlib.Path(__file__).resolve().parent.parent


def check(minor):
    """The row of a minor version of OpenCV; None if it failed."""
    folder = install(f"minor-{minor}", f"opencv-python-headless=={minor}.*", *OLD.get(minor, []))
    suite = WITHOUT_CUPY if minor in OLD else SUITE
    row = examine([sys.executable], environment(folder, os.environ), suite)
    return row and row[3:]


def check_environment(name):
    """The row of an environment; None if it failed."""
    python, env = environments.make(name)
    wanted = environments.ENVIRONMENTS[name]
    row = examine(python, env, EMULATED if wanted.emulated else FOLDERS)
    doctor = [*python, "-m", "viewcast", "doctor"]
    if wanted.emulated and subprocess.run(doctor, env=env).returncode != 0:
        row = None
    return row and [wanted.title, *row]


def examine(python, env, suite):
    """The versions of this Python's libraries and the number of tests that passed; None if one
    failed."""
    passed = run_suite(python, env, suite)
    asked = subprocess.run([*python, "-c", ASK], env=env, text=True, stdout=subprocess.PIPE)
    return [*json.loads(asked.stdout), passed] if passed else None


def run_suite(python, env, paths):
    """The number of tests that passed; 0 if one failed."""
    files = [f"tests/python/{path}" for path in paths]
    command = [*python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", *files]
    command += ["-m", "not any_opencv and not exhaustive"]
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE)
    print(done.stdout, flush=True)
    passed = re.search(r"(\d+) passed", done.stdout)
    return int(passed[1]) if passed and done.returncode == 0 else 0


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--write", action="store_true", help="tables into docs/compatibility.md")
    everything = [*MINORS, *environments.ENVIRONMENTS]
    parser.add_argument("versions", nargs="*", default=everything, metavar="VERSION")
    wanted = parser.parse_args()
    tables, failed, skipped = {"OpenCV": [], "environments": []}, [], []
    for version in wanted.versions:
        try:
            if version in environments.ENVIRONMENTS:
                say(f"{environments.ENVIRONMENTS[version].title} environment")
                kind, row = "environments", check_environment(version)
            else:
                say(f"OpenCV {version}")
                kind, row = "OpenCV", check(version)
        except environments.Missing as missing:
            skipped.append(f"{version}: {missing}")
            continue
        if row:
            tables[kind].append(row)
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
