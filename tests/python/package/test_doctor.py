# SPDX-License-Identifier: Apache-2.0
"""`viewcast doctor`: its report on this machine, and on simulated ones."""

import copy
import json
import os
import pathlib
import platform
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from loaded_opencv import COUNTS_UP, not_in_standin

import viewcast as vc
from viewcast.doctor import advice, show

pytestmark = pytest.mark.any_opencv

FAST = {"avx2", "fma", "f16c"}
HAS_CUDA = "NVIDIA CUDA" in cv2.getBuildInformation()
# Runs the command in a process where some modules can't be imported.
WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
sys.argv = ["viewcast", *{arguments!r}]
from viewcast.__main__ import main
sys.exit(main())
"""


def doctor(*arguments, missing=(), **environment):
    code = WITHOUT.format(missing=missing, arguments=("doctor", *arguments))
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        check=False,
    )


def report(missing=(), **environment):
    done = doctor("--json", missing=missing, **environment)
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["ready"] else 1)
    return found


@pytest.fixture(scope="module")
def here():
    return report()


def test_the_report_describes_this_machine(here):
    assert here["viewcast"]["version"] == vc.__version__
    assert here["viewcast"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert here["machine"]["mode"] == "host"
    assert here["machine"]["reason"] == vc._viewcast._mode_reason()
    assert here["machine"]["gpus"] == []


def test_the_report_describes_this_processor(here):
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    by_machine = {"aarch64": "neon", "x86_64": "avx2" if flags >= FAST else "scalar"}
    assert here["viewcast"]["simd"] == by_machine.get(platform.machine(), "scalar")


def test_the_report_describes_this_opencv(here):
    opencv = here["libraries"]["opencv"]
    assert opencv["version"] == cv2.__version__
    assert (opencv["has_cuda"], opencv["devices"]) == (HAS_CUDA, 0)
    assert opencv["layout"] == vc._viewcast._opencv_layout()
    assert opencv["problem"] is None


def test_the_report_describes_the_other_libraries(here):
    libraries = here["libraries"]
    assert libraries["torch"]["version"] == torch.__version__
    assert libraries["torch"]["exchange_table"] is True
    assert libraries["torch"]["usable"] is False
    assert libraries["numpy"]["version"] == np.__version__
    assert libraries["cupy"]["usable"] is False


def test_every_conversion_was_tried(here):
    names = {"gpumat", "torch", "cupy", "numpy"}
    views = {name: dict.fromkeys(names - {name}, "view") for name in names}
    assert here["conversions"] == views
    assert here["ready"] is True


def test_the_report_names_the_fast_paths_in_use(here):
    assert here["slow"] is False
    assert here["paths"]["torch"] == "exchange table"
    assert set(here["paths"]) == {"GpuMat made", "torch", "CuPy read", "CuPy made"}


def test_the_report_says_why_a_slower_path_is_used(here):
    counts_up = vc._viewcast._opencv_layout()["counting"] == COUNTS_UP
    assert here["reasons"] == (
        {"GpuMat made": "this OpenCV never counts down"} if counts_up else {}
    )
    slow = report(VIEWCAST_SLOW="1")
    assert slow["reasons"] == dict.fromkeys(slow["paths"], "VIEWCAST_SLOW=1 asks for it")
    assert "CuPy read by its attributes, which is slower" in " ".join(
        doctor(VIEWCAST_SLOW="1").stdout.split()
    )


def test_an_opencv_that_never_counts_down_is_mentioned(here):
    counts_up = vc._viewcast._opencv_layout()["counting"] == COUNTS_UP
    assert any("never counts down" in item["what"] for item in here["advice"]) is counts_up


def remedies(found):
    return {item["do"] for item in found["advice"]}


def test_without_opencv():
    found = report(missing=["cv2"])
    assert found["libraries"]["opencv"] == {"version": None, "problem": "not installed"}
    assert found["ready"] is False
    assert "pip install opencv-python-headless" in remedies(found)
    assert found["conversions"]["torch"] == {"cupy": "view", "numpy": "view"}


def test_without_torch():
    found = report(missing=["torch"])
    assert found["ready"] is True
    assert "pip install torch" in remedies(found)
    assert "torch" not in found["conversions"]["gpumat"]


def test_without_torch_and_cupy():
    """NumPy is enough in host mode: the demo and the first steps need no more."""
    found = report(missing=["torch", "cupy"])
    assert found["ready"] is True
    assert found["conversions"]["gpumat"] == {"numpy": "view"}
    assert {"pip install torch", "pip install cupy-cuda13x"} <= remedies(found)


def test_without_anything():
    found = report(missing=["cv2", "torch", "cupy", "numpy"])
    assert found["ready"] is False
    assert found["conversions"] == {}


def test_without_host_mode():
    """The GPU is missing then: no conversion is tried."""
    found = report(VIEWCAST_HOST_MODE="0")
    assert (found["machine"]["mode"], found["ready"]) == ("none", False)
    assert "VIEWCAST_HOST_MODE" in found["machine"]["reason"]
    assert found["viewcast"]["environment"]["VIEWCAST_HOST_MODE"] == "0"


def test_a_broken_library_is_told_from_a_missing_one(tmp_path):
    (tmp_path / "cupy.py").write_text("import a_module_that_is_not_there")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    problem = report(PYTHONPATH=path)["libraries"]["cupy"]["problem"]
    assert problem == "can't be imported: No module named 'a_module_that_is_not_there'"


@pytest.mark.parametrize("missing", [(), ("cv2",), ("torch", "cupy", "numpy")], ids=str)
def test_the_text_fits_80_columns_and_is_plain(missing):
    done = doctor(missing=missing)
    assert done.returncode == (1 if missing else 0)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\033" not in done.stdout
    assert lines[-1].startswith("!!  Not ready" if missing else "ok  Ready, in host mode")
    assert not done.stderr


# --- reports as examine() would make them on other machines


@pytest.fixture
def on_a_gpu(here):
    """A report from a GPU machine, before ready and advice."""
    found = copy.deepcopy(here)
    found["machine"] = {
        "mode": "CUDA",
        "reason": "CUDA: 1 device",
        "driver": "580.95",
        "driver_cuda": "13.0",
        "gpus": [
            {"name": "A GPU", "capability": "9.0", "memory_gib": 139.7, "kernels": "sm_90"},
            {"name": "Another", "capability": "11.0", "memory_gib": 8, "kernels": "compute_90"},
            {"name": "An old one", "capability": "6.1", "memory_gib": 4, "kernels": None},
        ],
    }
    found["viewcast"].update(kernels=["sm_90", "compute_90"], compiler="12.9.86")
    found["libraries"]["opencv"].update(has_cuda=True, devices=1)
    for name in ("torch", "cupy"):
        found["libraries"][name]["usable"] = True
    return found


def advised(found):
    return [what for what, _ in advice.what_to_do(found)]


def test_a_stock_opencv_on_a_gpu_is_ready_but_computes_nothing(on_a_gpu):
    on_a_gpu["libraries"]["opencv"]["has_cuda"] = False
    assert advice.ready(on_a_gpu)
    assert any("cv2.cuda computes nothing" in what for what in advised(on_a_gpu))


def test_libraries_without_cuda_on_a_gpu_are_not_ready(on_a_gpu):
    for name in ("torch", "cupy"):
        on_a_gpu["libraries"][name]["usable"] = False
    on_a_gpu["conversions"] = {}
    assert not advice.ready(on_a_gpu)
    assert advised(on_a_gpu)[0] == "Neither PyTorch nor CuPy can use the GPU"


def test_a_gpu_needs_torch_or_cupy(on_a_gpu):
    for name in ("torch", "cupy"):
        on_a_gpu["libraries"][name] = {"version": None, "problem": "not installed"}
    on_a_gpu["conversions"] = {"gpumat": {"numpy": "view"}}
    assert not advice.ready(on_a_gpu)
    assert advised(on_a_gpu)[0] == "There is neither PyTorch nor CuPy"


@not_in_standin
def test_an_opencv_that_hides_another_is_no_problem(here):
    """Two folders, of which Python imports the first; this environment may be such a one."""
    assert len(here["libraries"]["opencv"]["packages"]) == 1


def test_two_opencvs_in_one_folder_are_mentioned(on_a_gpu):
    on_a_gpu["libraries"]["opencv"]["packages"] = ["opencv-python", "opencv-contrib-python"]
    assert any("opencv-python and opencv-contrib-python" in what for what in advised(on_a_gpu))


def test_the_gpu_is_shown(on_a_gpu, capsys):
    on_a_gpu["advice"] = []
    show.report(on_a_gpu)
    text = capsys.readouterr().out
    assert "GPU 0: A GPU, 139.7 GiB, capability 9.0" in text
    assert "Driver 580.95 for CUDA 13.0" in text
    assert "Transforms on GPU 0: kernels sm_90 (machine code)" in text
    assert "Transforms on GPU 1: kernels compute_90 (PTX, which the driver compiles)" in text
    assert "!!  Transforms on GPU 2: there are no kernels for it" in text
    assert "Kernels by NVRTC 12.9.86 for sm_90, compute_90" in text
    assert text.endswith("ok  Ready.\n")
