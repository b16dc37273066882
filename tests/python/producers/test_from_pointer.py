# SPDX-License-Identifier: Apache-2.0
"""from_pointer(): memory known only by its address, as TensorRT and C libraries have it."""

import ctypes
import gc
import weakref

import cv2
import numpy as np
import pytest
import torch
from dlpack_structs import name_of, new_capsule, rename
from images import CONVERT, pixels_at

import viewcast as vc

for_all_targets = pytest.mark.parametrize("convert", CONVERT.values(), ids=CONVERT)


class Owner:
    """An object for owner=."""


def frame(shape=(4, 6, 3), dtype=np.uint8):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def test_the_view_has_the_address_and_pixels():
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


def test_strides_are_bytes_and_may_be_pitched():
    pixels = frame((4, 8, 3))
    part = pixels[1:3, 2:5]
    view = vc.from_pointer(part.ctypes.data, part.shape, "uint8", strides=part.strides)
    mat = vc.as_gpumat(view)
    assert (mat.step, mat.size(), mat.cudaPtr()) == (24, (3, 2), part.ctypes.data)
    assert pixels_at(view.ptr, view.shape, view.strides, 1) == part.tobytes()


# --- capsules


def capsule_of(array, name=None):
    return new_capsule(array.ctypes.data, name)


@pytest.mark.parametrize("name", [None, b"", b"NvBufSurface", b"viewcast.test"])
@for_all_targets
def test_a_capsule_holds_an_address(convert, name):
    """pyds.get_nvds_buf_surface_gpu() returns a capsule without a name."""
    pixels = frame()
    image = convert(vc.from_pointer(capsule_of(pixels, name), pixels.shape, "uint8"))
    back = vc.as_numpy(image)
    assert back.ctypes.data == pixels.ctypes.data
    assert (back == pixels).all()


@pytest.mark.parametrize("with_owner", [False, True])
def test_a_capsule_is_kept_as_long_as_the_memory(with_owner):
    pixels, owner, ended = frame(), Owner(), []
    capsule = new_capsule(pixels.ctypes.data, None, lambda _: ended.append("capsule"))
    weakref.finalize(owner, ended.append, "owner")
    view = vc.from_pointer(
        capsule, pixels.shape, "uint8", **({"owner": owner} if with_owner else {})
    )
    array = vc.as_numpy(view)
    del capsule, view, owner
    gc.collect()
    assert ended == ([] if with_owner else ["owner"])
    del array
    gc.collect()
    vc.collect()
    assert sorted(ended) == ["capsule", "owner"]


def test_a_capsule_that_is_refused_is_not_kept():
    pixels, ended = frame(), []
    for arguments in [((4, 6, -3), "uint8"), ((4, 6), "float8"), ("46", "uint8")]:
        capsule = new_capsule(pixels.ctypes.data, None, lambda _: ended.append("capsule"))
        with pytest.raises((vc.ViewError, TypeError)):
            vc.from_pointer(capsule, *arguments)
        del capsule
    gc.collect()
    assert ended == ["capsule"] * 3


@pytest.mark.parametrize("versioned", [False, True])
def test_a_dlpack_capsule_holds_no_address(versioned):
    pixels = frame()
    version = {"max_version": (1, 0)} if versioned else {}
    capsule = pixels.__dlpack__(**version)
    with pytest.raises(TypeError, match=r"DLPack capsule.*vc\.view\(capsule\)"):
        vc.from_pointer(capsule, pixels.shape, "uint8")
    assert name_of(capsule).startswith(b"dltensor")  # and is not consumed
    rename(capsule, b"used_" + name_of(capsule))
    with pytest.raises(TypeError, match="DLPack capsule"):
        vc.from_pointer(capsule, pixels.shape, "uint8")
    rename(capsule, name_of(capsule).removeprefix(b"used_"))


# --- pitch


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3), (5, 6, 1), (2, 5, 6, 3)], ids=str)
@pytest.mark.parametrize("gap", [0, 4, 64])
def test_pitch_is_the_bytes_from_row_to_row(shape, gap, dtype):
    *images, rows, cols, channels = (*shape, 1) if len(shape) == 2 else shape
    size = np.dtype(dtype).itemsize
    pitch = cols * channels * size + gap
    count = images[0] if images else 1
    block = np.random.default_rng(0).integers(0, 256, (count * rows * pitch,), np.uint8)
    view = vc.from_pointer(block.ctypes.data, shape, dtype, pitch=pitch, owner=block)
    wanted = [pitch, channels * size, size]
    if images:
        wanted.insert(0, rows * pitch)
    assert view.strides == tuple(wanted[: len(shape)])
    flat = block.reshape(count, rows, pitch)[:, :, : cols * channels * size]
    assert np.asarray(view).tobytes() == flat.tobytes()
    if not images:
        mat = vc.as_gpumat(view)
        assert (mat.step, mat.cudaPtr()) == (pitch, block.ctypes.data)
    assert vc.to_numpy(view).tobytes() == flat.tobytes()


def test_pitch_may_be_an_index_of_any_kind_and_none():
    pixels = frame()
    for pitch in (np.int32(18), np.uint64(18), 18, None):
        view = vc.from_pointer(pixels.ctypes.data, pixels.shape, "uint8", pitch=pitch)
        assert view.strides == (18, 3, 1)


def test_pitch_of_an_empty_image():
    assert vc.from_pointer(0, (0, 6, 3), "uint8", pitch=64).shape == (0, 6, 3)
    assert vc.from_pointer(0, (4, 0), "float32", pitch=8).shape == (4, 0)


@pytest.mark.parametrize(
    ("shape", "dtype", "pitch", "message"),
    [
        ((4, 6, 3), "uint8", 17, "pitch is 17 bytes and a row of axis 0 has 18"),
        ((4, 6), "float32", 23, "a row of axis 0 has 24"),
        ((4, 6), "float32", 26, "a multiple of the itemsize 4"),
        ((4, 6), "uint8", 0, "pitch is 0 bytes"),
        ((4, 6), "uint8", -64, "pitch is -64 bytes"),
        ((3, 480, 640), "uint8", 640, "say strides="),
        ((2, 3, 480, 640), "uint8", 640, "a row of axis 1 has 307200"),
        ((24,), "uint8", 32, "pitch= needs rows"),
        ((4, 6), "uint8", 2**62, "overflow|broken"),
        ((2, 4, 6, 1), "uint8", 2**62, "64 bits can count"),
    ],
    ids=str,
)
def test_a_pitch_that_does_not_fit_the_shape(shape, dtype, pitch, message):
    with pytest.raises(vc.ViewError, match=message):
        vc.from_pointer(4096, shape, dtype, pitch=pitch)


@pytest.mark.parametrize("pitch", [18.0, "18", True, (18,), b"18"], ids=repr)
def test_a_pitch_that_is_no_index_is_a_type_error(pitch):
    with pytest.raises(TypeError, match="needs the bytes from row to row as an int"):
        vc.from_pointer(4096, (4, 6, 3), "uint8", pitch=pitch)


def test_a_pitch_has_64_bits():
    with pytest.raises(ValueError, match="needs a number of 64 bits"):
        vc.from_pointer(4096, (4, 6, 3), "uint8", pitch=2**64)


def test_pitch_and_strides_exclude_each_other():
    with pytest.raises(ValueError, match="strides= and pitch= were given"):
        vc.from_pointer(4096, (4, 6, 3), "uint8", strides=(18, 3, 1), pitch=18)
    view = vc.from_pointer(4096, (4, 6, 3), "uint8", strides=None, pitch=20)
    assert view.strides == (20, 3, 1)


def test_lists_and_numpy_integers_are_axes_too():
    pixels = frame()
    view = vc.from_pointer(np.uint64(pixels.ctypes.data), [np.int32(4), 6, 3], "uint8")
    assert view.shape == (4, 6, 3)


@for_all_targets
def test_the_owner_lives_as_long_as_the_views(convert):
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


@pytest.mark.parametrize(
    "pointer", ["0x10", 1.5, None, True, ctypes.c_void_p(16), b"", (16,)], ids=str
)
def test_an_address_that_is_no_index_is_a_type_error(pointer):
    with pytest.raises(TypeError, match=r"needs an address as an int"):
        vc.from_pointer(pointer, (2, 2), "uint8")


@pytest.mark.parametrize("pointer", [-1, 1 << 64])
def test_an_address_has_64_bits(pointer):
    with pytest.raises(ValueError, match="needs an address of 64 bits"):
        vc.from_pointer(pointer, (2, 2), "uint8")


@pytest.mark.parametrize("axes", [4, "46", (4, 6.0), (4, "6"), None], ids=str)
def test_a_shape_that_is_no_sequence_of_ints_is_a_type_error(axes):
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
def test_impossible_shapes_and_strides_are_refused(shape, strides, message):
    with pytest.raises(vc.ViewError, match=message):
        vc.from_pointer(16, shape, "uint8", strides=strides)


@pytest.mark.parametrize("dtype", ["float8", "complex64", "U8"])
def test_unknown_dtypes_are_refused(dtype):
    with pytest.raises(vc.DTypeError, match="needs"):
        vc.from_pointer(16, (2, 2), dtype)


def test_a_missing_device_is_refused():
    with pytest.raises(vc.DeviceError, match="there is no CUDA device 0"):
        vc.from_pointer(16, (2, 2), "uint8", device="cuda:0")
    assert vc.from_pointer(frame().ctypes.data, (2, 2), "uint8", device="cpu").device == "cpu"


def test_arguments_after_the_third_are_keyword_only():
    with pytest.raises(TypeError, match="takes 3 positional arguments but 4"):
        vc.from_pointer(16, (2, 2), "uint8", (2, 1))
    with pytest.raises(TypeError, match="missing required argument 'dtype'"):
        vc.from_pointer(16, (2, 2))


def test_a_gpumat_by_its_address_has_the_same_memory():
    """Wrappers around OpenCV's raw pointers convert a GpuMat to its address and back."""
    pixels = frame()
    mat = vc.as_gpumat(pixels)
    view = vc.from_pointer(
        mat.cudaPtr(), (4, 6, 3), "uint8", strides=(mat.step, mat.elemSize(), 1), owner=mat
    )
    again = vc.as_gpumat(view)
    assert isinstance(again, cv2.cuda.GpuMat)
    assert again.cudaPtr() == pixels.ctypes.data
