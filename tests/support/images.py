# SPDX-License-Identifier: Apache-2.0
"""An image in host memory that the test owns, as every library's image."""

import ctypes
import math
from typing import NamedTuple

import cupy
import cv2
import numpy as np
import pytest

import viewcast as vc

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None
try:
    import torch
except ImportError:
    torch = None  # a test that makes a tensor is skipped

CONVERT = {
    "torch": vc.as_tensor,
    "cupy": vc.as_cupy,
    "numpy": vc.as_numpy,
    "gpumat": vc.as_gpumat,
    "view": vc.view,
}
LIBRARIES = tuple(CONVERT)

# viewcast's names of dtypes, and cv2's of depths. (cv2 has no constant CV_16BF, only the
# function CV_16BFC(channels).)
DEPTHS = {
    "uint8": "CV_8U",
    "int8": "CV_8S",
    "uint16": "CV_16U",
    "int16": "CV_16S",
    "int32": "CV_32S",
    "float32": "CV_32F",
    "float64": "CV_64F",
    "float16": "CV_16F",
    "bfloat16": "CV_16BF",
    "bool": "CV_Bool",
    "uint64": "CV_64U",
    "int64": "CV_64S",
    "uint32": "CV_32U",
}
DTYPES = tuple(DEPTHS)
LATER = ("bfloat16", "uint64", "int64", "uint32")  # without bool, which is 8U in a GpuMat
EVERYWHERE = tuple(name for name in DTYPES if name not in LATER)
HAS_LATER = hasattr(cv2, "CV_16BFC")  # OpenCV 5


class Memory(np.ndarray):
    """Bytes that a test owns, with support for weak references."""


def memory(nbytes, seed=0):
    """Random bytes at an address that is a multiple of 64."""
    block = bytearray(np.random.default_rng(seed).bytes(nbytes + 64))
    start = -ctypes.addressof(ctypes.c_char.from_buffer(block)) % 64
    return Memory(nbytes, np.uint8, block, start)


def numpy_dtype(name):
    """The dtype of that name; bfloat16 is ml_dtypes'."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def packed_strides(shape, itemsize):
    return tuple(itemsize * math.prod(shape[n + 1 :]) for n in range(len(shape)))


class Image:
    """Pixels in host memory, with `array` over them; bfloat16 as uint16."""

    def __init__(self, shape, dtype="uint8", strides=None, offset=0, seed=0):
        raw = np.dtype("uint16" if dtype == "bfloat16" else dtype)
        if strides is None:
            strides = packed_strides(shape, raw.itemsize)
        span = raw.itemsize + sum(
            max(length - 1, 0) * stride for length, stride in zip(shape, strides, strict=True)
        )
        self.dtype = dtype
        self.memory = memory(offset + span, seed)
        if dtype == "bool":
            self.memory &= 1
        self.array = np.ndarray(shape, raw, self.memory, offset, strides)

    @property
    def address(self):
        return self.array.ctypes.data


def gpumat_type(dtype, channels):
    """OpenCV's type number; bool is 8U."""
    name = DEPTHS["uint8" if dtype == "bool" else dtype]
    return getattr(cv2, f"{name}C")(channels)


def make_torch(image):
    if torch is None:
        pytest.skip("PyTorch is not installed")
    tensor = torch.from_numpy(image.array)
    return tensor.view(torch.bfloat16) if image.dtype == "bfloat16" else tensor


def make_cupy(image):
    source = cupy.cuda.UnownedMemory(image.memory.ctypes.data, image.memory.nbytes, image.memory, 0)
    pointer = cupy.cuda.MemoryPointer(source, image.address - image.memory.ctypes.data)
    array = image.array
    return cupy.ndarray(array.shape, numpy_dtype(image.dtype), pointer, array.strides)


def make_numpy(image):
    return image.array.view(numpy_dtype(image.dtype))


def make_gpumat(image):
    """A GpuMat that does not own its memory: the test keeps the image."""
    rows, cols, *channels = image.array.shape
    return cv2.cuda.createGpuMatFromCudaMemory(
        rows,
        cols,
        gpumat_type(image.dtype, *channels or [1]),
        image.address,
        image.array.strides[0],
    )


def make_view(image):
    return vc.view(make_torch(image) if torch else make_cupy(image))


MAKE = {
    "torch": make_torch,
    "cupy": make_cupy,
    "numpy": make_numpy,
    "gpumat": make_gpumat,
    "view": make_view,
}


class CudaArray:
    """A producer of the CUDA Array Interface with changes to its dictionary; the value KeyError
    removes a key."""

    def __init__(self, image, **changes):
        self.image = image
        interface = {
            "shape": image.array.shape,
            "typestr": image.array.dtype.str,
            "data": (image.address, False),
            "version": 3,
            "strides": image.array.strides,
        }
        self.__cuda_array_interface__ = {
            key: value for key, value in (interface | changes).items() if value is not KeyError
        }


class Seen(NamedTuple):
    """A library's description of an image. The strides of axes of length 1 are None."""

    address: int
    shape: tuple
    strides: tuple
    dtype: str


def walked(shape, strides):
    return tuple(s if n > 1 else None for n, s in zip(shape, strides, strict=True))


def see_torch(tensor):
    size = tensor.element_size()
    strides = (stride * size for stride in tensor.stride())
    name = str(tensor.dtype).removeprefix("torch.")
    return tensor.data_ptr(), tuple(tensor.shape), tuple(strides), name


def see_cupy(array):
    return array.data.ptr, array.shape, array.strides, array.dtype.name


def see_numpy(array):
    return array.ctypes.data, array.shape, array.strides, array.dtype.name


def see_gpumat(mat):
    cols, rows = mat.size()
    depths = {
        getattr(cv2, f"{name}C")(1): dtype
        for dtype, name in DEPTHS.items()
        if hasattr(cv2, f"{name}C")
    }
    shape = (rows, cols, mat.channels())
    strides = (mat.step, mat.elemSize(), mat.elemSize1())
    ndim = 2 if mat.channels() == 1 else 3
    return mat.cudaPtr(), shape[:ndim], strides[:ndim], depths[mat.depth()]


def see_view(view):
    return view.ptr, view.shape, view.strides, view.dtype


SEE = {
    "torch": see_torch,
    "cupy": see_cupy,
    "numpy": see_numpy,
    "gpumat": see_gpumat,
    "view": see_view,
}


def see(library, image):
    address, shape, strides, dtype = SEE[library](image)
    return Seen(address, shape, walked(shape, strides), dtype)


def pixels_at(address, shape, strides, itemsize):
    """Bytes of an image, read from its memory."""
    if 0 in shape:
        return b""
    span = itemsize + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    block = (ctypes.c_ubyte * span).from_address(address)
    return np.ndarray(shape, f"V{itemsize}", block, 0, strides).tobytes()


def pixels(library, image):
    """Bytes of an image, read by its library where that works without a GPU, else from memory."""
    if library == "torch":
        size = image.element_size()
        return image.view(getattr(torch, f"uint{8 * size}")).numpy().tobytes()
    if library == "numpy":
        return image.tobytes()
    address, shape, strides, dtype = SEE[library](image)
    itemsize = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
    return pixels_at(address, shape, strides, itemsize)


def pixels_of(view):
    return pixels_at(view.ptr, view.shape, view.strides, view.itemsize)


def sees(producer, image):
    """Checks address, shape, strides and dtype of the view."""
    view = vc.view(producer)
    assert (view.ptr, view.shape) == (image.address, image.array.shape)
    assert view.dtype == image.dtype
    assert pixels_of(view) == image.array.tobytes()
    return view


def refuses(producer, message, error=vc.ViewError):
    """Checks that view() raises the error; returns the exception."""
    with pytest.raises(error, match=message) as caught:
        vc.view(producer)
    return caught.value
