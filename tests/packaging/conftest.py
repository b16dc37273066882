# SPDX-License-Identifier: Apache-2.0
"""What leaves this tree, tried as its users do: run once, by `make test`."""

import shutil
import sys

import pytest
from packages import ROOT, Environment, pip, run, setup_options


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
    """The drop-in's wheel; setuptools leaves nothing in the tree."""
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
