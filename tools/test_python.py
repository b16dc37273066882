# SPDX-License-Identifier: Apache-2.0
"""`make test-python PYTHON=python3.14t`: the Python suite with another Python, in an
environment of its own under build/pythons. Arguments go to pytest.

OpenCV's wheels can't be imported by a free-threaded Python. There a stand-in replaces them
(tests/c/standin_cv2.cpp), once as OpenCV 4 with CUDA and once as 5 without, and the GIL
is kept off. Where TORCH or CUPY (requirements for `pip install`; empty for none) can't be
installed, the tests that need them are not collected, which pytest's header reports.
"""

import os
import shlex
import subprocess
import sys
import sysconfig

import standin_cv2
from environments import ROOT, build, build_requirements, pip
from opencvs import say

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
LIBRARIES = {"TORCH": "torch==2.13.0", "CUPY": "cupy-cuda13x==14.2.0"}


def prepare(python):
    """Installs the tools and libraries, without an OpenCV that can't be imported."""
    lines = (ROOT / "tools" / "requirements.txt").read_text().splitlines()
    wanted = filter(None, (line.partition("#")[0].strip() for line in lines))
    left_out = "opencv" if FREE_THREADED else ()
    wanted = [line for line in wanted if not line.startswith(left_out)]
    pip(python, "install", *build_requirements(python), *wanted)
    for name, default in LIBRARIES.items():
        words = shlex.split(os.environ.get(name, default))
        if not words:
            continue
        try:
            pip(python, "install", *words)
        except subprocess.CalledProcessError:
            print(f"{name}: {shlex.join(words)} can't be installed here", flush=True)


def suites(folder, env):
    """A title and the environment of each run of the suite."""
    if not FREE_THREADED:
        yield "OpenCV of tools/requirements.txt", env
        return
    standin_cv2.main(folder / "standin")
    env = env | {"PYTHONPATH": str(folder / "standin"), "PYTHON_GIL": "0"}
    yield "a stand-in for OpenCV 4 with CUDA", env
    yield "a stand-in for OpenCV 5 without CUDA", env | {"STANDIN_CV2": "stock5"}


def main(arguments):
    """Runs on the Python that is to be tested."""
    folder = ROOT / "build" / "pythons" / f"{sys.implementation.cache_tag}{sys.abiflags}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    say(f"Python {sys.version}")
    env = dict(os.environ, PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    prepare(python)
    build(python, env, folder)
    failed = []
    for title, variables in suites(folder, env):
        say(f"Python tests: {title}")
        command = [python, "-m", "pytest", "tests/python", *arguments]
        if subprocess.run(command, cwd=ROOT, env=variables).returncode:
            failed.append(title)
    say(f"FAILED with {' and '.join(failed)}" if failed else "passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
