# SPDX-License-Identifier: Apache-2.0
"""Arrays of planar and other shapes in every kind of memory, and the functions that convert
them."""

import re

import cupy
import numpy as np
import pytest
import torch
from crosses import cross
from dlpack_structs import Producer
from images import memory

import viewcast as vc

as_strided = np.lib.stride_tricks.as_strided


def packed(*shape, seed=0, dtype="uint8"):
    count = int(np.prod(shape))
    block = memory(count * np.dtype(dtype).itemsize, seed)
    return np.ndarray(shape, np.uint8, block).astype(dtype)


def channels_last(*shape):
    """(C, H, W) over interleaved memory, like torchvision's and torchcodec's tensors."""
    order = [*shape[:-3], shape[-2], shape[-1], shape[-3]]
    return np.moveaxis(packed(*order), -1, -3)


def pitched(*shape):
    return packed(*shape[:-1], shape[-1] + 9)[..., : shape[-1]]


def cropped(*shape):
    rows, cols = shape[-2:]
    return packed(*shape[:-2], rows + 4, cols + 8)[..., 1 : rows + 1, 3 : cols + 3]


def repeated(*shape):
    """Broadcast along the rows."""
    whole = packed(*shape)
    return as_strided(whole, shape, [*whole.strides[:-2], 0, whole.strides[-1]])


def columns_last(*shape):
    return packed(*shape[:-2], shape[-1], shape[-2]).swapaxes(-1, -2)


MEMORY = {
    "packed": packed,
    "channels last": channels_last,
    "pitched": pitched,
    "cropped": cropped,
    "every other column": lambda *shape: packed(*shape[:-1], 2 * shape[-1])[..., ::2],
    "some of more channels": lambda *shape: packed(*shape[:-3], 9, *shape[-2:])[
        ..., : shape[-3], :, :
    ],
    "broadcast": repeated,
    "transposed": columns_last,
    "rows flipped": lambda *shape: packed(*shape)[..., ::-1, :],
    "columns flipped": lambda *shape: packed(*shape)[..., ::-1],
    "channels flipped": lambda *shape: packed(*shape)[..., ::-1, :, :],
    "cropped channels last": lambda *shape: channels_last(*shape[:-1], 3 * shape[-1])[
        ..., 2 : 2 + shape[-1]
    ],
}
FLIPPED = {"rows flipped", "columns flipped", "channels flipped"}

kept = []  # producers, whose memory a view may still need


def keep(made):
    kept.append(made)
    return made


class CudaArray:
    def __init__(self, array):
        self.array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "strides": array.strides,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "version": 3,
        }


def make_cupy(array):
    source = cupy.cuda.UnownedMemory(array.ctypes.data, array.nbytes, array, 0)
    pointer = cupy.cuda.MemoryPointer(source, 0)
    return cupy.ndarray(array.shape, array.dtype, pointer, array.strides)


MAKE = {
    "numpy": lambda array: array,
    "torch": torch.from_numpy,
    "cupy": make_cupy,
    "view": vc.view,
    "view of a tensor": lambda array: vc.view(torch.from_numpy(array)),
    "dlpack": lambda array: keep(Producer(array)),
    "unversioned dlpack": lambda array: keep(Producer(array, versioned=False)),
    "buffer": memoryview,
    "cuda array": CudaArray,
}
each_library = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def made(make, lay_out, *shape):
    """An image for viewcast, and a NumPy array of its values."""
    array = lay_out(*shape)
    assert array.shape == shape
    return make(array), array


def has_no_such_strides(kind, library, call=None):
    """torch has no negative strides."""
    return library in ("torch", "view of a tensor") and kind in FLIPPED


TO = (vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat)
COPY = ({}, {"copy": None}, {"copy": True})
ONE = [(vc.as_gpumat, options) for options in COPY] + [(function, {}) for function in TO]
MANY = [(vc.as_gpumats, options) for options in COPY] + [(function, {}) for function in TO]


def named(calls):
    return {
        f"{function.__name__} {options or ''}".strip(): (function, options)
        for function, options in calls
    }


each_one = pytest.mark.parametrize("call", named(ONE).values(), ids=named(ONE))
each_many = pytest.mark.parametrize("call", named(MANY).values(), ids=named(MANY))
each_image = cross(has_no_such_strides, lay_out=MEMORY, make=MAKE, call=named(ONE))
each_batch = cross(has_no_such_strides, lay_out=MEMORY, make=MAKE, call=named(MANY))


def seen(result):
    """A result's values; of a list of GpuMats as one array."""
    if isinstance(result, list):
        return np.stack([seen(each) for each in result])
    return vc.as_numpy(result)


def interleaved(function, array):
    """The values of the function's result for planar values that are declared planar."""
    is_mat = function in (vc.as_gpumat, vc.as_gpumats, vc.to_gpumat)
    if not is_mat:
        return array
    pixels = np.moveaxis(array, -3, -1)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def offers(message):
    """The values of from_layout= that the message offers."""
    return re.findall(r'from_layout="(\w+)"', message)


def with_copy_if_needed(call, *arguments, **options):
    """Makes the call; again with copy=None where the error says that a view is impossible."""
    try:
        return call(*arguments, **options)
    except vc.LayoutError as error:
        assert "copy=None" in str(error) and "planar (CHW):" not in str(error)
        assert options.pop("copy", False) is False
        return call(*arguments, copy=None, **options)
