# SPDX-License-Identifier: Apache-2.0
"""What the build asks for, and does, on machines with and without compilers."""

import os
import subprocess
import sys

import pytest
from packages import ROOT

ASK = """
import sys
sys.path.insert(0, {tools!r})
import build_backend, find_nvcc
find_nvcc.is_on_machine = lambda: False
print(*build_backend.compiler_requirements({settings!r}))
print((build_backend.settled({settings!r}) or {{}}).get("setup-args"))
"""


@pytest.fixture
def machine(tmp_path):
    """Asks the build backend where gcc does what a script says."""

    def ask(gcc, settings=None):
        (tmp_path / "gcc").write_text(f"#!/bin/sh\n{gcc}\n")
        (tmp_path / "gcc").chmod(0o755)
        environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        environment.pop("NVCC_CCBIN", None)
        code = ASK.format(tools=str(ROOT / "tools"), settings=settings)
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        requirements, arguments = done.stdout.splitlines()
        return requirements.split(), arguments

    return ask


ONLY_C = 'case "$*" in *c++*) echo "no cc1plus" >&2; exit 1;; esac'


def test_nvcc_is_asked_for_where_there_is_none(machine):
    requirements, arguments = machine("exit 0")
    assert any(each.startswith("nvidia-cuda-nvcc==") for each in requirements)
    assert arguments == "None"


def test_with_a_c_compiler_alone_there_are_no_kernels(machine):
    assert machine(ONLY_C) == ([], "['-Dcuda=disabled']")


def test_kernels_that_are_asked_for_are_not_left_out(machine):
    requirements, arguments = machine(ONLY_C, {"setup-args": "-Dcuda=enabled"})
    assert requirements and arguments == "-Dcuda=enabled"


def test_kernels_can_be_turned_off(machine):
    requirements, arguments = machine("exit 0", {"setup-args": ["-Dcuda=disabled"]})
    assert not requirements and "-Dcuda=disabled" in arguments


def test_the_compiler_of_pip_s_environment_is_found(tmp_path):
    """Which is on the path of modules, and not of the Python that builds."""
    nvcc = tmp_path / "nvidia" / "cu13" / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.touch()
    code = "import find_nvcc; print(*find_nvcc.places_in_packages())"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tools'}{os.pathsep}{tmp_path}"}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert str(nvcc) in done.stdout.split()
