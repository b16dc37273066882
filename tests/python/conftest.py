# SPDX-License-Identifier: Apache-2.0
import gc

import cupy
import cv2
import numpy
import pytest
import torch

import viewcast as vc

HOST_MODE_ONLY = (
    "these tests lie GpuMats over host memory; where there is a GPU, run them with "
    "CUDA_VISIBLE_DEVICES= (empty)"
)


def pytest_report_header():
    mode = "host mode" if vc.host_mode() else "CUDA"
    return [
        f"viewcast {vc.__version__}, {mode} ({vc.mode_reason()})",
        f"OpenCV {cv2.__version__} from {cv2.__file__}: {vc.opencv_layout()}",
        f"torch {torch.__version__}, CuPy {cupy.__version__}, NumPy {numpy.__version__}",
    ]


def pytest_collection_finish():
    gc.freeze()  # what the imports made: gc.collect() need not look through it


@pytest.fixture(autouse=True)
def host_mode_only():
    if not vc.host_mode():
        pytest.skip(HOST_MODE_ONLY)


@pytest.fixture(scope="session")
def counting():
    """What the loaded OpenCV does with its counter."""
    return vc.opencv_layout()["counting"]


@pytest.fixture
def ledger():
    """Call it for what was counted since the test began, exactly; zeros are left
    out. `force` as in collect()."""
    gc.collect()
    vc.collect(force=True)  # nothing of an earlier test is looked at any more
    before = vc.statistics()

    def counted(force=False):
        gc.collect()
        vc.collect(force=force)
        now = vc.statistics()
        return {key: now[key] - before[key] for key in now if now[key] != before[key]}

    return counted
