# SPDX-License-Identifier: Apache-2.0
"""Every function that takes an image, behind one signature, and descriptions of results."""

import gc

import cupy
import cv2
import numpy as np
import torch

import viewcast as vc
from viewcast import savant

REFUSALS = (vc.ViewError, ValueError, TypeError)


def _options(rng):
    return {"copy": rng.choice([False, None, True])} if rng.random() < 0.3 else {}


def _list_of(function):
    return lambda rng, thing: function([thing] * rng.choice([1, 1, 2]))


FUNCTIONS = {
    "as_gpumat": lambda rng, thing: vc.as_gpumat(thing),
    "as_tensor": lambda rng, thing: vc.as_tensor(thing),
    "as_cupy": lambda rng, thing: vc.as_cupy(thing),
    "as_numpy": lambda rng, thing: vc.as_numpy(thing),
    "view": lambda rng, thing: vc.view(thing),
    "as_gpumats": lambda rng, thing: vc.as_gpumats(thing),
    "as_tensors": _list_of(vc.as_tensors),
    "cuda_array_as_opencv_gpu_mat": lambda rng, thing: savant.cuda_array_as_opencv_gpu_mat(thing),
    "as_gpumat, copied": lambda rng, thing: vc.as_gpumat(thing, copy=rng.choice([None, True])),
    "as_tensor, copied": lambda rng, thing: vc.as_tensor(thing, copy=rng.choice([None, True])),
    "as_numpy, copied": lambda rng, thing: vc.as_numpy(thing, copy=rng.choice([None, True])),
    "as_cupy, copied": lambda rng, thing: vc.as_cupy(thing, copy=rng.choice([None, True])),
    "to_tensor": lambda rng, thing: vc.to_tensor(thing, **_transform(rng)),
    "to_cupy": lambda rng, thing: vc.to_cupy(thing, **_transform(rng)),
    "to_numpy": lambda rng, thing: vc.to_numpy(thing, **_transform(rng)),
    "to_gpumat": lambda rng, thing: vc.to_gpumat(thing, dtype=rng.choice([None, "uint8"])),
    "to_numpy of a list": lambda rng, thing: vc.to_numpy([thing] * 2, **_transform(rng)),
}
# These read pixels.
READERS = {name for name in FUNCTIONS if name.startswith("to_") or "copied" in name}


def _transform(rng):
    options = {}
    if rng.random() < 0.5:
        options["dtype"] = rng.choice(["uint8", "float32", "int64"])
    if rng.random() < 0.5:
        options["from_layout"] = rng.choice(["HWC", "CHW", "NHWC", "NCHW"])
    return options


def seen(image):
    """(address, shape, strides in bytes) that the library reports; None for lists and others."""
    if isinstance(image, torch.Tensor):
        size = image.element_size()
        return image.data_ptr(), tuple(image.shape), tuple(s * size for s in image.stride())
    if isinstance(image, cupy.ndarray):
        return image.data.ptr, image.shape, image.strides
    if isinstance(image, np.ndarray):
        return image.ctypes.data, image.shape, image.strides
    if isinstance(image, vc.View):
        return image.ptr, image.shape, image.strides
    if isinstance(image, cv2.cuda.GpuMat):
        cols, rows = image.size()
        shape = (rows, cols, image.channels())
        return image.cudaPtr(), shape, (image.step, image.elemSize(), image.elemSize1())
    return None


def settled():
    """The counts of live lends, shares and exports, after pending releases were drained."""
    gc.collect()
    vc.collect(force=True)
    now = vc.statistics()
    return {key: now[key + "s"] - now[key + "s_released"] for key in ("lend", "share", "export")}
