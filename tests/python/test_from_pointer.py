# SPDX-License-Identifier: Apache-2.0
"""Memory that is known by its address alone, as TensorRT and C libraries give it."""

import ctypes
import gc
import weakref

import cv2
import numpy as np
import pytest
import torch
from images import CONVERT, pixels_at

import viewcast as vc

for_all_targets = pytest.mark.parametrize("convert", CONVERT.values(), ids=CONVERT)


class Owner:
    """Something to keep alive."""


def frame(shape=(4, 6, 3), dtype=np.uint8):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def test_it_is_the_memory_at_that_address():
    pixels = frame()
    view = vc.from_pointer(pixels.ctypes.data, (4, 6, 3), "uint8")
    assert (view.ptr, view.shape, view.strides) == (pixels.ctypes.data, (4, 6, 3), (18, 3, 1))
    assert (view.dtype, view.device, view.readonly) == ("uint8", "cpu", False)
    np.asarray(view)[1, 2, 0] = 200
    assert pixels[1, 2, 0] == 200


@for_all_targets
def test_every_conversion_takes_it(convert):
    pixels = frame()
    image = convert(vc.from_pointer(pixels.ctypes.data, pixels.shape, "uint8", owner=pixels))
    back = vc.as_numpy(image)
    assert back.ctypes.data == pixels.ctypes.data
    assert (back == pixels).all()


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("bfloat16", "bfloat16"),
        ("bool", "bool"),
        (np.float32, "float32"),
        (np.dtype("int16"), "int16"),
        (torch.float16, "float16"),
        (torch.bfloat16, "bfloat16"),
    ],
    ids=str,
)
def test_dtypes_of_every_library(dtype, name):
    memory = bytearray(64)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert vc.from_pointer(address, (2, 4), dtype).dtype == name


def test_strides_are_bytes_and_may_leave_gaps():
    pixels = frame((4, 8, 3))
    part = pixels[1:3, 2:5]
    view = vc.from_pointer(part.ctypes.data, part.shape, "uint8", strides=part.strides)
    mat = vc.as_gpumat(view)
    assert (mat.step, mat.size(), mat.cudaPtr()) == (24, (3, 2), part.ctypes.data)
    assert pixels_at(view.ptr, view.shape, view.strides, 1) == part.tobytes()


def test_lists_and_numpy_integers_are_axes_too():
    pixels = frame()
    view = vc.from_pointer(np.uint64(pixels.ctypes.data), [np.int32(4), 6, 3], "uint8")
    assert view.shape == (4, 6, 3)


@for_all_targets
def test_the_owner_lives_as_long_as_what_looks_at_it(convert):
    pixels, owner = frame(), Owner()
    alive = weakref.ref(owner)
    image = convert(vc.from_pointer(pixels.ctypes.data, pixels.shape, "uint8", owner=owner))
    del owner
    gc.collect()
    assert alive() is not None
    del image
    gc.collect()
    vc.collect()
    assert alive() is None


def test_a_read_only_pointer_gives_no_writable_view():
    pixels = frame()
    view = vc.from_pointer(pixels.ctypes.data, pixels.shape, "uint8", readonly=True)
    assert view.readonly and not vc.as_numpy(view).flags.writeable
    with pytest.raises(vc.ViewError, match="read-only"):
        vc.as_gpumat(view)


def test_null_is_an_empty_image_and_nothing_else():
    assert vc.from_pointer(0, (0, 6, 3), "uint8").nbytes == 0
    with pytest.raises(vc.ViewError, match="NULL"):
        vc.from_pointer(0, (4, 6, 3), "uint8")


@pytest.mark.parametrize("pointer", ["0x10", 1.5, None, ctypes.c_void_p(16), b"", (16,)], ids=str)
def test_what_is_no_address_is_a_type_error(pointer):
    with pytest.raises(TypeError, match=r"needs an address as an int"):
        vc.from_pointer(pointer, (2, 2), "uint8")


@pytest.mark.parametrize("pointer", [-1, 1 << 64])
def test_an_address_has_64_bits(pointer):
    with pytest.raises(ValueError, match="needs an address of 64 bits"):
        vc.from_pointer(pointer, (2, 2), "uint8")


@pytest.mark.parametrize("axes", [4, "46", (4, 6.0), (4, "6"), None], ids=str)
def test_what_are_no_axes_is_a_type_error(axes):
    with pytest.raises(TypeError, match="shape is .*, needs a tuple of integers"):
        vc.from_pointer(16, axes, "uint8")
    if axes is not None:
        with pytest.raises(TypeError, match="strides is .*, needs a tuple of integers"):
            vc.from_pointer(16, (4, 6), "uint8", strides=axes)


@pytest.mark.parametrize(
    ("shape", "strides", "message"),
    [
        ((), None, "rank 0"),
        ((1, 2, 3, 4, 5), None, "5 axes"),
        ((4, 6), (6,), "strides have 1 values and shape has 2"),
        ((-4, 6), None, "-4"),
        ((1 << 62, 1 << 62), None, "64 bits can count"),
        ((1 << 40, 4), (1 << 40, 1), "overflow"),
    ],
    ids=str,
)
def test_axes_that_make_no_sense(shape, strides, message):
    with pytest.raises(vc.ViewError, match=message):
        vc.from_pointer(16, shape, "uint8", strides=strides)


@pytest.mark.parametrize("dtype", ["float8", "complex64", "U8"])
def test_unknown_dtypes_are_refused(dtype):
    with pytest.raises(vc.DTypeError, match="needs"):
        vc.from_pointer(16, (2, 2), dtype)


def test_a_device_that_is_not_there():
    with pytest.raises(vc.DeviceError, match="there is no CUDA device 0"):
        vc.from_pointer(16, (2, 2), "uint8", device="cuda:0")
    assert vc.from_pointer(frame().ctypes.data, (2, 2), "uint8", device="cpu").device == "cpu"


def test_keywords_only_after_the_first_three():
    with pytest.raises(TypeError, match="takes 3 positional arguments but 4"):
        vc.from_pointer(16, (2, 2), "uint8", (2, 1))
    with pytest.raises(TypeError, match="missing required argument 'dtype'"):
        vc.from_pointer(16, (2, 2))


def test_a_gpumat_s_own_address_comes_back():
    """The round that a wrapper around OpenCV's raw pointers makes."""
    pixels = frame()
    mat = vc.as_gpumat(pixels)
    view = vc.from_pointer(
        mat.cudaPtr(), (4, 6, 3), "uint8", strides=(mat.step, mat.elemSize(), 1), owner=mat
    )
    again = vc.as_gpumat(view)
    assert isinstance(again, cv2.cuda.GpuMat)
    assert again.cudaPtr() == pixels.ctypes.data
