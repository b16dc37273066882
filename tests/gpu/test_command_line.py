# SPDX-License-Identifier: Apache-2.0
"""The demo, the doctor and the figures of bench on a GPU."""

import re
import subprocess
import sys

import pytest


def run(*arguments, **options):
    command = [sys.executable, "-m", "viewcast", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_the_demo(tmp_path):
    pytest.importorskip("av", reason="PyAV draws and reads the clip")
    pytest.importorskip("PIL", reason="Pillow writes the picture")
    done = run("demo", "--frames", 4, "--output", tmp_path / "demo.png")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "On the GPU: " in done.stdout
    assert re.search(r"torch -> GpuMat +4 +yes +yes", done.stdout)
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_library_for_the_gpu_the_demo_is_in_host_mode(tmp_path):
    pytest.importorskip("av", reason="PyAV draws and reads the clip")
    pytest.importorskip("PIL", reason="Pillow writes the picture")
    code = "import sys; sys.modules.update(torch=None, cupy=None)\n"
    code += "from viewcast.__main__ import main; sys.exit(main())"
    words = ["demo", "--frames", "4", "--output", str(tmp_path / "demo.png")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Host mode" in done.stdout


def test_the_doctor_is_ready():
    done = run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GPU 0: " in done.stdout


def test_the_figures_of_bench():
    done = run("bench", "--rounds", 2, "--calls", 50)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^torch -> GpuMat +\d+ +\d+ +GpuMat\(\) +\d+ +[\d.]+$", done.stdout, re.M)
