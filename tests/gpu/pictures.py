# SPDX-License-Identifier: Apache-2.0
"""Pictures with known pixels, and their addresses, in each library."""

import cupy
import numpy as np
import torch

import viewcast as vc


def pattern(shape, dtype="uint8", seed=0):
    """Random bytes as an array of a dtype whose every value is finite."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 120, size=shape).astype(dtype)


def address(image) -> int:
    if isinstance(image, torch.Tensor):
        return image.data_ptr()
    if isinstance(image, cupy.ndarray):
        return image.data.ptr
    return image.cudaPtr()


def pixels(image):
    """The pixels as NumPy has them, read by another library where OpenCV can't."""
    if isinstance(image, torch.Tensor):
        return image.cpu().numpy()
    if isinstance(image, cupy.ndarray):
        return image.get()
    return vc.as_tensor(image).cpu().numpy()


def converts_yuv() -> bool:
    """Whether this viewcast converts YUV images in memory of a GPU."""
    surface = torch.zeros(6, 4, dtype=torch.uint8, device="cuda")
    try:
        vc.to_tensor(vc.yuv(surface, "nv12", matrix="bt709", range="full"))
    except vc.DeviceError:
        return False
    return True
