# SPDX-License-Identifier: Apache-2.0
"""cv2.cuda.GpuMatND, both ways."""

import ctypes
import gc
import threading
import weakref

import cv2
import numpy as np
import pytest
import torch
from images import CONVERT, DTYPES, HAS_LATER, LATER, Image, make_numpy, make_torch, pixels_at

import viewcast as vc

if not hasattr(cv2.cuda.GpuMatND, "from_dlpack"):
    pytest.skip("this OpenCV makes no GpuMatND from Python", allow_module_level=True)

for_all_targets = pytest.mark.parametrize("convert", CONVERT.values(), ids=CONVERT)


def sees(view, image, shape=None):
    assert (view.ptr, view.shape) == (image.address, shape or image.array.shape)
    assert view.dtype == image.dtype
    assert pixels_at(view.ptr, view.shape, view.strides, view.itemsize) == image.array.tobytes()


def lend(shape, dtype="uint8", strides=None, keepdim=False):
    image = Image(shape, dtype, strides)
    return image, vc.as_gpumatnd(make_torch(image), keepdim=keepdim)


SHAPES = [(4, 6), (4, 6, 3), (4, 6, 1), (4, 6, 4), (1, 1, 3), (2, 4, 6, 3), (3, 4, 6, 1), (1, 6)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_there_and_back_is_the_same_memory(shape):
    image, mat = lend(shape)
    assert type(mat) is cv2.cuda.GpuMatND
    one = shape[-1] == 1 and len(shape) > 2
    sees(vc.view(mat), image, shape[:-1] if one else shape)
    sees(vc.view(mat, keepdim=True), image, shape if len(shape) > 2 else (*shape, 1))


@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6), (2, 3, 4, 6), (2, 2, 2, 2)], ids=str)
def test_with_keepdim_every_axis_is_a_size(shape):
    image, mat = lend(shape, keepdim=True)
    sees(vc.view(mat), image)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_gpumat_s(dtype):
    if dtype in LATER and not HAS_LATER:
        with pytest.raises(vc.DTypeError):
            lend((4, 6, 3), dtype)
        return
    image, mat = lend((4, 6, 3), dtype)
    image.dtype = "uint8" if dtype == "bool" else dtype
    sees(vc.view(mat), image)


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((4, 6, 3), (32, 3, 1)), ((2, 4, 6, 3), (200, 32, 3, 1)), ((2, 4, 6, 3), (72, 18, 3, 1))],
    ids=str,
)
def test_gaps_between_rows_and_images_are_views(shape, strides):
    image, mat = lend(shape, strides=strides)
    sees(vc.view(mat), image)
    assert vc.view(mat).strides == strides


@for_all_targets
def test_every_conversion_takes_one(convert):
    image, mat = lend((4, 6, 3))
    sees(vc.view(convert(mat)), image)


def test_the_memory_lives_as_long_as_what_looks_at_it():
    image = Image((2, 4, 6, 3))
    alive = weakref.ref(image.memory)
    mat = vc.as_gpumatnd(torch.from_numpy(image.array))
    tensor = vc.as_tensor(mat)
    expected = image.array.tobytes()
    del image, mat
    gc.collect()
    vc.collect()
    assert alive() is not None
    assert tensor.numpy().tobytes() == expected
    del tensor
    gc.collect()
    vc.collect()
    assert alive() is None


def test_it_may_end_on_another_thread(ledger):
    mats = [vc.as_gpumatnd(np.zeros((4, 6, 3), np.uint8)) for _ in range(50)]
    thread = threading.Thread(target=mats.clear)
    thread.start()
    thread.join()
    assert ledger() == {"exports": 50, "exports_released": 50}


def test_nothing_is_lost_over_many(ledger):
    pixels = np.zeros((4, 6, 3), np.uint8)
    for _ in range(2000):
        vc.as_gpumatnd(vc.as_numpy(vc.as_gpumatnd(pixels)))
    assert ledger() == {"exports": 4000, "exports_released": 4000}


# --- headers that OpenCV itself makes


@pytest.mark.parametrize("shape", [(4, 6, 3), (2, 4, 6), (5, 7, 600)], ids=str)
def test_opencv_s_own_broken_headers_are_refused(shape):
    pixels = np.zeros((*shape[:-1], shape[-1] * 8), np.uint8)[..., : shape[-1]]
    tensor = cv2_capsule(pixels)
    mat = cv2.cuda.GpuMatND.from_dlpack(tensor)
    with pytest.raises(vc.LayoutError, match=r"as those of GpuMatND\.from_dlpack"):
        vc.view(mat)


def test_opencv_s_own_headers_of_one_channel_are_right():
    pixels = np.arange(20, dtype=np.uint8).reshape(4, 5, 1)
    view = vc.view(cv2.cuda.GpuMatND.from_dlpack(cv2_capsule(pixels)))
    assert (view.ptr, view.shape, view.strides) == (pixels.ctypes.data, (4, 5, 1), (5, 1, 1))


def test_an_object_without_anything_in_it():
    with pytest.raises(vc.ViewError, match="makes no C.. object"):
        vc.view(cv2.cuda.GpuMatND())


# --- what can't be one


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros(6, np.uint8), vc.LayoutError, "rank"),
        (np.zeros((0, 6, 3), np.uint8), vc.LayoutError, "empty"),
        (np.zeros((4, 6, 600), np.uint8), vc.LayoutError, "channels"),
        (np.zeros((3, 4, 6), np.uint8).transpose(1, 2, 0), vc.LayoutError, "axis"),
        (np.broadcast_to(np.zeros((4, 6, 3), np.uint8), (2, 4, 6, 3)).copy()[::-1], None, None),
        (np.zeros((4, 6, 3), np.complex64), vc.DTypeError, "typestr"),
    ],
    ids=["rank 1", "empty", "channels", "planar", "backwards", "complex"],
)
def test_what_is_refused_says_why(array, error, message):
    with pytest.raises(error or vc.LayoutError, match=message or "axis 0 has stride -72"):
        vc.as_gpumatnd(array)


def test_read_only_images_are_refused():
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels.flags.writeable = False
    with pytest.raises(vc.ViewError, match="read-only"):
        vc.as_gpumatnd(pixels)


def test_overlapping_images_are_refused():
    tensor = torch.zeros((1, 4, 6, 3), dtype=torch.uint8).expand(2, 4, 6, 3)
    with pytest.raises(vc.LayoutError, match="axis 0 has stride 0 bytes, needs 72 or more"):
        vc.as_gpumatnd(tensor)


def test_misaligned_images_are_refused():
    image = Image((2, 4, 6, 4), strides=(98, 24, 4, 1))
    with pytest.raises(vc.LayoutError, match="multiple"):
        vc.as_gpumatnd(make_numpy(image))


# --- DLPack as OpenCV takes it: a capsule of CUDA memory, host memory in truth


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("dtype", ctypes.c_uint8 * 4),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("offset", ctypes.c_uint64),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    ]


kept = []


def cv2_capsule(pixels):
    axes = ctypes.c_int64 * 4
    shape, strides = axes(*pixels.shape, 1), axes(*pixels.strides, 1)
    tensor = Tensor(
        pixels.ctypes.data,
        (2, 0),
        pixels.ndim,
        (1, 8, 1, 0),
        ctypes.addressof(shape),
        ctypes.addressof(strides),
    )
    kept.append((pixels, shape, strides, tensor))
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.addressof(tensor), b"dltensor", None)
