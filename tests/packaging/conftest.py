# SPDX-License-Identifier: Apache-2.0
"""Wheels, source distribution, C library and drop-in, installed and used as users do."""

import shutil
import sys

import pytest
from packages import ROOT, TOOLS, Environment, pip, run, setup_options


@pytest.fixture(scope="session")
def git_tree():
    if run("git", "-C", ROOT, "rev-parse", good=False).returncode:
        pytest.skip("meson makes a source distribution from a git checkout, which this is not")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    settings = [f"-Csetup-args={option}" for option in setup_options()]
    words = ["wheel", "--no-build-isolation", "--no-deps", *settings]
    pip(sys.executable, *words, "--wheel-dir", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def drop_in_wheel(tmp_path_factory):
    """The drop-in's wheel, built from a copy, as setuptools writes into its source folder."""
    source = tmp_path_factory.mktemp("source") / "drop-in"
    keep_out = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "drop-in", source, ignore=keep_out)
    folder = tmp_path_factory.mktemp("drop-in")
    words = ["wheel", "--no-build-isolation", "--no-deps"]
    pip(sys.executable, *words, "--wheel-dir", folder, source)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "venv")


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """The library as meson installs it, moved to another folder: nothing of it names the
    folder that it was installed to."""
    folder = tmp_path_factory.mktemp("library")
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    installed = folder / "installed"
    options = ["-Dpython=disabled", "-Dtests=false", "-Dlibdir=lib", f"--prefix={installed}"]
    options += ["-Dcmake_package=enabled"] if shutil.which("cmake", path=TOOLS["PATH"]) else []
    run(*meson, "setup", folder / "build", ROOT, *options, *setup_options(), env=TOOLS)
    run(*meson, "install", "-C", folder / "build", env=TOOLS)
    return installed.rename(folder / "moved here")


@pytest.fixture
def picture(tmp_path):
    """A PPM of 64 x 40 pixels, no two alike."""
    pixels = bytes(value for y in range(40) for x in range(64) for value in (x * 4, y * 6, x ^ y))
    path = tmp_path / "in.ppm"
    path.write_bytes(b"P6\n64 40\n255\n" + pixels)
    return path, pixels
