# SPDX-License-Identifier: Apache-2.0
"""The generators of tests/attack whose images can lie on a GPU, in a process of their own."""

import pytest
from launching import launch
from pictures import converts_yuv

from viewcast import _viewcast

SEED = 1


def test_random_transforms(tmp_path):
    if not _viewcast._build()["kernels"]:
        pytest.skip("this viewcast was built without kernels")
    print(launch("random_transforms", SEED, 600, tmp_path, device="cuda:0"))


def test_random_resizes(tmp_path):
    if not _viewcast._build()["kernels"]:
        pytest.skip("this viewcast was built without kernels")
    print(launch("random_resizes", SEED, 600, tmp_path, device="cuda:0"))


def test_random_yuvs(tmp_path):
    if not converts_yuv():
        pytest.skip("this viewcast converts YUV images in host memory only")
    print(launch("random_yuvs", SEED, 600, tmp_path, device="cuda:0"))


def test_exchanged_storage(frees, tmp_path):
    print(launch("exchanged_storage", SEED, 100, tmp_path, device="cuda:0"))
