# SPDX-License-Identifier: Apache-2.0
"""Environments of other Pythons with other versions of NumPy, OpenCV and CuPy, for
tools/versions.py. Each is a virtual environment in build/environments with viewcast, built
without GPU kernels, and the drop-in.

PyTorch is not installed: its wheels on PyPI bring CUDA, several gigabytes.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess

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
    "newest": Environment(
        "newest",
        ["3.14", "3.13", "3.12"],
        ["numpy", "opencv-python-headless", "cupy-cuda13x"],
    ),
}


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
    """The Python of the environment, built anew where needed; a string that says why not if there
    is no such Python, with None."""
    wanted = ENVIRONMENTS[name]
    found = next(filter(None, map(find_python, wanted.pythons)), None)
    if not found:
        return None, f"no Python {' or '.join(wanted.pythons)} on PATH or in pyenv"
    folder = FOLDERS / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    text = "\n".join([found, *TOOLS, *wanted.packages])
    if not stamp.is_file() or stamp.read_text() != text:
        shutil.rmtree(folder, ignore_errors=True)
        say(f"{wanted.title} environment: installing {', '.join(wanted.packages)}")
        subprocess.run([found, "-m", "venv", folder], check=True)
        # pip first: Python 3.10 brings one that knows no -C.
        pip(python, "install", "--upgrade", TOOLS[0])
        backend = [python, ROOT / "tools" / "build_backend.py", "package"]
        asked = subprocess.run(backend, capture_output=True, text=True, check=True)
        pip(python, "install", *TOOLS, *wanted.packages, *asked.stdout.split("\n")[:-1])
        stamp.write_text(text)
    build(python, folder)
    return python, None


def pip(python, *words, **options):
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(command, cwd=ROOT, check=True, **options)


def build(python, folder):
    """Installs viewcast and the drop-in of this tree; a build that is up to date takes seconds."""
    env = dict(os.environ, PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    words = ["install", "--no-build-isolation", "--no-deps", "--force-reinstall"]
    settings = [f"-Cbuild-dir={folder / 'meson'}", "-Csetup-args=-Dcuda=disabled"]
    pip(python, *words, *settings, "-Csetup-args=-Dwerror=true", ".", env=env)
    pip(python, *words, "./drop-in", env=env)
