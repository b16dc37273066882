# SPDX-License-Identifier: Apache-2.0
"""Helpers of the tests of packages: building, installing and running."""

import os
import pathlib
import re
import subprocess
import sys

import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Where the tools are that were installed for the running Python: ninja, CMake.
TOOLS = {"PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(*words, cwd=None, env=None, good=True):
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=dict(os.environ, **(env or {})),
        capture_output=True,
        text=True,
        check=False,
    )
    if good:
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def version():
    """The version in meson.build."""
    return re.search(r"^  version: '([\d.]+)'", (ROOT / "meson.build").read_text(), re.M)[1]


def setup_options():
    """Options without GPU kernels, so that no CUDA compiler is looked for or downloaded."""
    options = (ROOT / "meson.options").read_text()
    return ["-Dcuda=disabled"] if re.search(r"^\s*'cuda',$", options, re.M) else []


def pip(python, *words, **more):
    return run(python, "-m", "pip", "--disable-pip-version-check", *words, **more)


class Environment:
    """A bare virtual environment."""

    def __init__(self, folder):
        run(sys.executable, "-m", "venv", "--without-pip", folder)
        self.python = folder / "bin" / "python"

    def install(self, *wheels):
        self.pip("install", "--no-index", "--no-deps", *wheels)

    def uninstall(self, *names):
        self.pip("uninstall", "--yes", *names)

    def pip(self, *words):
        """Runs the running Python's pip on this environment, which needs none of its own."""
        pip(sys.executable, "--python", self.python, *words)

    def run(self, code, good=True):
        """Runs code outside of the tree, whose folders could be imported as packages."""
        words = [self.python, "-I", "-c", code]
        return run(*words, cwd=self.python.parent, good=good)


def metadata_of_drop_in():
    return tomllib.loads((ROOT / "drop-in" / "pyproject.toml").read_text())["project"]
