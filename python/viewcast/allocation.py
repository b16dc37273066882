# SPDX-License-Identifier: Apache-2.0
"""New memory on a GPU where another device or stream than the current one must be current."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from viewcast import _viewcast
from viewcast.streams import cupy_stream, torch_stream


def empty(target: str, shape: tuple[int, ...], dtype: str, device: int, stream: int) -> Any:
    """An uninitialised array of `target`, an adapter's name.

    device: CUDA ordinal. stream: the handle of the stream that the memory belongs to, as if
    it were the library's current one.
    """
    return _MAKERS[target](shape, dtype, device, stream)


def block(nbytes: int, device: int, stream: int) -> Any:
    """Bytes out of the caching pool that this process uses: an array of torch or CuPy, or a
    GpuMat of one row out of viewcast's own pool."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return _torch((nbytes,), "uint8", device, stream)
    if "cupy" in sys.modules:
        return _cupy((nbytes,), "uint8", device, stream)
    return _pooled(nbytes, device, stream)


def _torch(shape: tuple[int, ...], dtype: str, device: int, stream: int) -> Any:
    import torch

    with torch.cuda.stream(torch_stream(stream, device)):
        return torch.empty(shape, dtype=getattr(torch, dtype), device=f"cuda:{device}")


def _cupy(shape: tuple[int, ...], dtype: str, device: int, stream: int) -> Any:
    import cupy

    with contextlib.ExitStack() as stack:
        stack.enter_context(cupy.cuda.Device(device))
        stack.enter_context(cupy_stream(stream, device))
        return cupy.empty(shape, _numpy_dtype(dtype))


def _numpy_dtype(name: str) -> Any:
    import numpy

    if name == "bfloat16":
        import ml_dtypes

        return numpy.dtype(ml_dtypes.bfloat16)
    return numpy.dtype(name)


def _pooled(nbytes: int, device: int, stream: int) -> Any:
    """A GpuMat of one row. Its columns are counted in 32 bits, so its pixels have 16 bytes."""
    import cv2

    before = cv2.cuda.getDevice()
    cv2.cuda.setDevice(device)
    try:
        return _viewcast.empty_gpumat(1, -(-nbytes // 16), cv2.CV_64FC2, stream=stream)
    finally:
        cv2.cuda.setDevice(before)


_MAKERS = {"torch.Tensor": _torch, "cupy.ndarray": _cupy}
