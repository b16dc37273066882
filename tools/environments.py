# SPDX-License-Identifier: Apache-2.0
"""Environments of other Pythons with other versions of NumPy, OpenCV and CuPy, for
tools/versions.py. Each is a virtual environment in build/environments with viewcast, built
without GPU kernels, and the drop-in.

PyTorch is not installed: its wheels for x86-64 on PyPI bring CUDA, several gigabytes. Those of
old versions for aarch64 do not, so that the emulated environment has the oldest PyTorch.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

import aarch64
import make_wheels
from opencvs import say

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ROOT / "build" / "environments"
TOOLS = ["pip>=23.1", "meson", "ninja", "setuptools>=77", "pytest>=8", "hypothesis", "ml_dtypes"]


@dataclasses.dataclass
class Environment:
    """Versions of Python, the first one found is used, and what pip installs for it."""

    title: str
    pythons: list
    packages: list
    emulated: bool = False  # for aarch64, under qemu-user


ENVIRONMENTS = {
    # Savant 0.4 and later run on DeepStream 7.0's image. Stock OpenCV stands for theirs.
    "savant": Environment(
        "Savant's",
        ["3.10"],
        ["numpy==1.26.4", "opencv-python-headless==4.8.0.76", "cupy-cuda12x==13.6.0"],
    ),
    "oldest": Environment(
        "oldest",
        ["3.10"],
        ["numpy==1.24.4", "opencv-python-headless==4.8.0.74", "cupy-cuda12x==13.0.0"],
    ),
    "aarch64": Environment(
        "aarch64, emulated",
        ["3.11"],
        [
            "numpy==1.26.4",
            "opencv-python-headless==4.8.1.78",
            "cupy-cuda12x==13.6.0",
            "torch==2.1.0",
            "pytest>=8",
        ],
        emulated=True,
    ),
    "newest": Environment(
        "newest",
        ["3.14", "3.13", "3.12"],
        ["numpy", "opencv-python-headless", "cupy-cuda13x"],
    ),
}


class Missing(Exception):
    """There is no Python for an environment."""


def find_python(version):
    """The path of a python of this version on PATH or of pyenv; None without one."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    candidates += sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    ask = "import platform, ssl, venv; print(platform.python_version())"
    for path in filter(None, candidates):  # pyenv's shims may be of no active version
        done = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.startswith(f"{version}."):
            return str(path)
    return None


def make(name):
    """The words that start the Python of the environment, built anew where needed, and its
    variables. Raises Missing where there is no such Python."""
    wanted = ENVIRONMENTS[name]
    found = next(filter(None, map(find_python, wanted.pythons)), None)
    if not found:
        raise Missing(f"no Python {' or '.join(wanted.pythons)} on PATH or in pyenv")
    if wanted.emulated:
        return make_emulated(wanted, found, FOLDERS / name)
    folder = FOLDERS / name
    python = folder / "bin" / "python"
    if new(folder, [found, *TOOLS, *wanted.packages]):
        subprocess.run([found, "-m", "venv", folder], check=True)
        # pip first: Python 3.10 brings one that knows no -C.
        pip(python, "install", "--upgrade", TOOLS[0])
        pip(python, "install", *TOOLS, *wanted.packages, *build_requirements(python))
        (folder / "installed").touch()
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env["PATH"] = f"{python.parent}{os.pathsep}{env['PATH']}"
    build(python, env, folder)
    return [python], env


def make_emulated(wanted, interpreter, folder):
    """The same for aarch64: packages and the wheel of viewcast in a folder for PYTHONPATH."""
    python = aarch64.find_python(wanted.pythons[0])
    if not python:
        raise Missing(f"no emulator, or no Python {wanted.pythons[0]} for aarch64")
    words = ["install", *aarch64.PIP, "--target", folder]
    if new(folder, wanted.packages):
        pip(sys.executable, *words, *wanted.packages)
        (folder / "installed").touch()
    _, wheel = make_wheels.make(interpreter, "aarch64", ["-Dcuda=disabled", "-Dwerror=true"])
    pip(sys.executable, *words, "--no-deps", "--upgrade", wheel)
    return python, dict(os.environ, PYTHONPATH=str(folder))


def new(folder, words):
    """True where the folder of an environment has not all these; it is empty then."""
    stamp = folder / "wanted.txt"
    text = "\n".join(words)
    if stamp.is_file() and stamp.read_text() == text and (folder / "installed").exists():
        return False
    say(f"{folder.name}: installing {', '.join(words)}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stamp.write_text(text)
    return True


def pip(python, *words, **options):
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(command, cwd=ROOT, check=True, **options)


def build_requirements(python):
    """What a build without GPU kernels needs."""
    backend = [python, ROOT / "tools" / "build_backend.py", "package"]
    return subprocess.run(backend, capture_output=True, text=True, check=True).stdout.splitlines()


def build(python, env, folder):
    """Installs viewcast and the drop-in of this tree; a build that is up to date takes seconds."""
    words = ["install", "--no-build-isolation", "--no-deps", "--force-reinstall"]
    settings = [f"-Cbuild-dir={folder / 'meson'}", "-Csetup-args=-Dcuda=disabled"]
    pip(python, *words, *settings, "-Csetup-args=-Dwerror=true", ".", env=env)
    pip(python, *words, "./drop-in", env=env)
