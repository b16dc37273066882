# SPDX-License-Identifier: Apache-2.0
"""`make test-python PYTHON=python3.14t`: the Python suite with another Python, in an
environment of its own under build/pythons. Arguments after the Python go to pytest.

OpenCV's wheels can't be imported by a free-threaded Python. There a stand-in replaces them
(tests/c/standin_cv2.cpp), once as OpenCV 4 with CUDA and once as 5 without, and the GIL
is kept off. Where TORCH or CUPY (requirements for `pip install`; empty for none) can't be
installed, the tests that need them are not collected, which pytest's header reports.
"""

import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parent.parent
PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def run(*words, **options):
    return subprocess.run([str(word) for word in words], cwd=ROOT, **options).returncode


def must(*words, **options):
    if code := run(*words, **options):
        sys.exit(code)


def say(text):
    print(f"\n==== {text}", flush=True)


def requirements(python):
    """The build requirements, and those of tools/requirements.txt without an OpenCV that can't
    be imported."""
    backend = [python, ROOT / "tools" / "build_backend.py"]
    build = subprocess.run(backend, capture_output=True, text=True, check=True).stdout.split("\n")
    lines = (ROOT / "tools" / "requirements.txt").read_text().splitlines()
    wanted = [line.partition("#")[0].strip() for line in [*build, *lines]]
    left_out = ("nvidia-", "opencv") if free_threaded() else ("nvidia-",)  # NVRTC: see build()
    return [line for line in wanted if line and not line.startswith(left_out)]


def prepare(python):
    must(python, *PIP, *requirements(python))
    for name, default in (("TORCH", "torch==2.13.0"), ("CUPY", "cupy-cuda13x==14.2.0")):
        words = shlex.split(os.environ.get(name, default))
        if words and run(python, *PIP, *words):
            print(f"{name}: {shlex.join(words)} can't be installed here", flush=True)


def build(python, folder):
    """Builds without GPU kernels, which do not depend on the Python."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    install = [python, *PIP, "--no-build-isolation", "--no-deps", "--force-reinstall"]
    env = dict(os.environ, PATH=path)
    options = ["-Dwerror=true", "-Dcuda=disabled"]
    settings = [f"-Csetup-args={option}" for option in options]
    must(*install, f"-Cbuild-dir={folder / 'meson'}", *settings, ".", env=env)
    must(*install, "./drop-in", env=env)


def suites(python, folder):
    """A title and the environment of each run of the suite."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    if not free_threaded():
        yield "OpenCV of tools/requirements.txt", dict(os.environ, PATH=path)
        return
    standin = folder / "standin"
    must(python, ROOT / "tools" / "standin_cv2.py", standin)
    env = dict(os.environ, PATH=path, PYTHONPATH=str(standin), PYTHON_GIL="0")
    yield "a stand-in for OpenCV 4 with CUDA", env
    yield "a stand-in for OpenCV 5 without CUDA", dict(env, STANDIN_CV2="stock5")


def free_threaded():
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def main(arguments):
    """Runs on the Python that is to be tested."""
    folder = ROOT / "build" / "pythons" / f"{sys.implementation.cache_tag}{sys.abiflags}"
    python = folder / "bin" / "python"
    if not python.exists():
        must(sys.executable, "-m", "venv", folder)
    say(f"Python {sys.version}")
    prepare(python)
    build(python, folder)
    failed = []
    for title, env in suites(python, folder):
        say(f"Python tests: {title}")
        if run(python, "-m", "pytest", "tests/python", *arguments, env=env):
            failed.append(title)
    say(f"FAILED with {' and '.join(failed)}" if failed else "passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
