# SPDX-License-Identifier: Apache-2.0
"""New memory, made by the library that a copy is for."""

from __future__ import annotations

import sys
from typing import Any

from viewcast import _viewcast


def empty(target: str, shape: tuple[int, ...], dtype: str, device: int) -> Any:
    """An uninitialised image of `target`, an adapter's name.

    device: CUDA ordinal, or -1 for host memory.
    """
    return _MAKERS[target](shape, dtype, device)


def _torch(shape: tuple[int, ...], dtype: str, device: int) -> Any:
    import torch

    place = "cpu" if device < 0 else f"cuda:{device}"
    return torch.empty(shape, dtype=getattr(torch, dtype), device=place)


def _cupy(shape: tuple[int, ...], dtype: str, device: int) -> Any:
    import cupy

    if device < 0:
        raise _viewcast.DeviceError(
            "CuPy has no arrays in host memory; use as_numpy, or name a CUDA device"
        )
    with cupy.cuda.Device(device):
        return cupy.empty(shape, _numpy_dtype(dtype))


def _numpy(shape: tuple[int, ...], dtype: str, device: int) -> Any:
    import numpy

    return numpy.empty(shape, _numpy_dtype(dtype))


def _numpy_dtype(name: str) -> Any:
    import numpy

    if name == "bfloat16":
        import ml_dtypes

        return numpy.dtype(ml_dtypes.bfloat16)
    return numpy.dtype(name)


def _gpumat(shape: tuple[int, ...], dtype: str, device: int) -> Any:
    """Memory of torch or CuPy, whichever is in use; each has a caching pool."""
    if device < 0:
        return _viewcast.as_gpumat(_numpy(shape, dtype, device), layout="HWC")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return _viewcast.as_gpumat(_torch(shape, dtype, device), layout="HWC")
    return _viewcast.as_gpumat(_cupy(shape, dtype, device), layout="HWC")


_MAKERS = {
    "torch.Tensor": _torch,
    "cupy.ndarray": _cupy,
    "numpy.ndarray": _numpy,
    "cv2.cuda.GpuMat": _gpumat,
}
