# SPDX-License-Identifier: Apache-2.0
"""Memory of NumPy's arrays, lent to the GpuMats of the loaded OpenCV. These tests need no PyTorch
and no CuPy, and start no process: they run with every version of OpenCV, and under emulation."""

import gc
import weakref

import cv2
import numpy as np
import pytest

import viewcast as vc

SHAPES = [(7, 5), (7, 5, 3), (1, 9, 4), (64, 48, 2)]
EVERYWHERE = ["uint8", "int8", "uint16", "int16", "int32", "float32", "float64", "float16"]
LATER = ["uint32", "int64", "uint64"]  # from OpenCV 5 on
HAS_LATER = hasattr(cv2, "CV_16BFC")


class Memory(np.ndarray):
    """An array that can be referred to weakly."""


def new_array(shape, dtype="uint8"):
    return np.arange(np.prod(shape)).astype(dtype).reshape(shape).view(Memory)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", EVERYWHERE + LATER * HAS_LATER)
def test_header_and_pixels(dtype, shape):
    array = new_array(shape, dtype)
    mat = vc.as_gpumat(array)
    assert (mat.cudaPtr(), mat.size()) == (array.ctypes.data, shape[1::-1])
    assert mat.channels() == (shape[2] if len(shape) == 3 else 1)
    back = vc.as_numpy(mat)
    assert (back.dtype, back.shape) == (array.dtype, shape) and (back == array).all()


def test_slices_and_regions():
    array = new_array((7, 9, 3))
    mat = vc.as_gpumat(array[1:6, 2:7])
    assert (vc.as_numpy(mat) == array[1:6, 2:7]).all()
    assert vc.view(mat.rowRange(1, 3)).ptr == array[2:, 2:].ctypes.data


def test_memory_lives_as_long_as_the_last_gpumat():
    array = new_array((7, 5, 3))
    alive, mat = weakref.ref(array), vc.as_gpumat(array)
    del array
    region = mat.rowRange(0, 2)
    del mat
    gc.collect()
    vc.collect()
    assert alive() is not None
    del region
    gc.collect()
    vc.collect(force=True)  # where OpenCV never counts down
    assert alive() is None


def test_each_lend_is_released_once(ledger):
    for _ in range(20000):
        vc.as_numpy(vc.as_gpumat(np.zeros((4, 5, 3), np.uint8)))
    counts = ledger(force=True)
    assert counts["lends"] == 20000
    for kind in ("lends", "shares", "exports"):
        assert counts.get(kind) == counts.get(f"{kind}_released")
