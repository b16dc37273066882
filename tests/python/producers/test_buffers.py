# SPDX-License-Identifier: Apache-2.0
"""The buffer protocol and NumPy's arrays: dtypes, subclasses and masks."""

import array
import ctypes
import mmap

import cv2
import numpy as np
import pytest
from images import CONVERT, ml_dtypes, pixels_of, refuses
from loaded_opencv import not_in_standin

import viewcast as vc

pytestmark = pytest.mark.slow_paths

for_all_targets = pytest.mark.parametrize("target", CONVERT)


# --- buffers


def mapped():
    pages = mmap.mmap(-1, 4096)
    pages[:24] = bytes(range(24))
    return pages


BUFFERS = {
    "bytearray": (lambda: bytearray(range(24)), (24,), "uint8"),
    "bytes": (lambda: bytes(range(24)), (24,), "uint8"),
    "memoryview": (lambda: memoryview(bytearray(24)).cast("B", (4, 6)), (4, 6), "uint8"),
    "memoryview, 3 axes": (
        lambda: memoryview(bytearray(24)).cast("B", (2, 4, 3)),
        (2, 4, 3),
        "uint8",
    ),
    "memoryview of floats": (
        lambda: memoryview(bytearray(96)).cast("f", (4, 6)),
        (4, 6),
        "float32",
    ),
    "stepped memoryview": (lambda: memoryview(bytearray(48))[::2], (24,), "uint8"),
    "mmap": (mapped, (4096,), "uint8"),
    "array of doubles": (lambda: array.array("d", range(6)), (6,), "float64"),
    "array of longs": (lambda: array.array("l", range(6)), (6,), "int64"),
    "ctypes": (lambda: ((ctypes.c_uint8 * 3) * 6 * 4)(), (4, 6, 3), "uint8"),
    "ctypes floats": (lambda: (ctypes.c_float * 6 * 4)(), (4, 6), "float32"),
    "ctypes bools": (lambda: (ctypes.c_bool * 6 * 4)(), (4, 6), "bool"),
    "ctypes int64": (lambda: (ctypes.c_int64 * 6 * 4)(), (4, 6), "int64"),
}


@pytest.mark.parametrize(("make", "shape", "dtype"), BUFFERS.values(), ids=BUFFERS)
def test_buffers_are_views(make, shape, dtype):
    source = make()
    view = vc.view(source)
    assert (view.shape, view.dtype) == (shape, dtype)
    assert view.readonly is isinstance(source, bytes)
    assert pixels_of(view) == memoryview(source).tobytes()


LETTERS = {
    **{"?": "bool", "b": "int8", "h": "int16", "i": "int32", "l": "int64", "q": "int64"},
    **{"n": "int64", "B": "uint8", "H": "uint16", "I": "uint32", "L": "uint64", "Q": "uint64"},
    **{"N": "uint64", "f": "float32", "d": "float64"},
}


@pytest.mark.parametrize(("letter", "dtype"), LETTERS.items())
def test_each_format_letter_is_its_dtype(letter, dtype):
    assert vc.view(memoryview(bytes(64)).cast(letter)).dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "letter"), [("float16", "e"), *((LETTERS[each], each) for each in "?bhilBHILfd")]
)
def test_a_view_exports_the_format_letter_of_its_dtype(dtype, letter):
    assert memoryview(vc.view(np.zeros((4, 6), dtype))).format == letter


@pytest.mark.parametrize(
    "make", [BUFFERS[name][0] for name in ("memoryview", "ctypes", "ctypes floats")]
)
def test_buffers_with_rows_become_gpumats(make):
    source = make()
    mat = vc.as_gpumat(source)
    address = ctypes.addressof(ctypes.c_char.from_buffer(source))
    assert mat.cudaPtr() == address


def test_a_buffer_is_exported_as_long_as_it_is_viewed():
    source = bytearray(24)
    view = vc.view(source)
    with pytest.raises(BufferError, match="re-sized"):
        source.extend(b"more")
    del view
    source.extend(b"more")


@pytest.mark.parametrize(
    "source",
    [
        memoryview(bytearray(24)).cast("c"),
        (ctypes.c_char * 24)(),
        (ctypes.c_void_p * 4)(),
        (ctypes.c_uint16.__ctype_be__ * 4)(),
        np.zeros(4, "S3").data,
        np.zeros(4, "i4,f4").data,
        np.zeros(4, ">f4").data,
        np.zeros(4, "F").data,
        np.zeros(4, "g").data,
        array.array("u", "image"),
    ],
    ids=["c", "char", "pointer", "big", "bytes", "struct", ">f4", "complex", "long double", "u"],
)
def test_buffers_of_other_elements_are_dtype_errors(source):
    refuses(source, "element format is .*convert it first", vc.DTypeError)


def test_a_buffer_with_too_many_axes():
    refuses(memoryview(bytearray(32)).cast("B", (2,) * 5), "5 axes", vc.LayoutError)


def test_a_released_memoryview_is_refused():
    memory = memoryview(bytearray(24))
    memory.release()
    error = refuses(memory, "memoryview does not give its buffer")
    assert isinstance(error.__cause__, ValueError)


# --- NumPy's dtypes


@for_all_targets
@pytest.mark.parametrize(
    ("dtype", "way_out"),
    [
        (">u2", r"big-endian.*\.astype"),
        (">f4", r"big-endian.*\.astype"),
        ("O", r"dtype is object \(typestr is '\|O'\)"),
        ("c8", "complex64.*pairs of real numbers"),
        ("c16", "complex128.*pairs of real numbers"),
        ("g", "float128.*convert to float64"),
        ("U3", r"dtype is str \(typestr is '<U3'\)"),
        ("S3", r"dtype is bytes \(typestr is '\|S3'\)"),
        ("M8[s]", "datetime64.*view\\('int64'\\)"),
        ("m8[s]", "timedelta64.*view\\('int64'\\)"),
        ("u1,u1", "select one field"),
        ("V4", "select one field"),
    ],
)
def test_other_numpy_dtypes_are_dtype_errors_with_a_remedy(target, dtype, way_out):
    if target == "numpy":  # an ndarray already is one
        made = np.zeros((4, 6), dtype)
        assert vc.as_numpy(made) is made
        return
    with pytest.raises(vc.DTypeError, match=way_out):
        CONVERT[target](np.zeros((4, 6), dtype))


@pytest.mark.parametrize("dtype", [">u1", "=u2", "<f4", "?", np.longlong, np.intc])
def test_other_spellings_of_known_dtypes_are_views(dtype):
    made = np.ones((4, 6), dtype)
    assert vc.view(made).dtype == made.dtype.name


def test_subclasses_of_ndarray_are_views():
    made = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert vc.view(made.view(np.recarray)).ptr == made.ctypes.data


@not_in_standin
def test_cv2_mats_are_views():
    made = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert vc.view(cv2.Mat(made)).ptr == made.ctypes.data


def test_a_memory_mapped_file_is_a_view(tmp_path):
    made = np.memmap(tmp_path / "frame", np.uint8, "w+", shape=(4, 6))
    made[2, 3] = 7
    assert vc.as_tensor(made)[2, 3] == 7
    read_only = np.memmap(tmp_path / "frame", np.uint8, "r", shape=(4, 6))
    assert vc.view(read_only).readonly


@pytest.mark.skipif(ml_dtypes is None, reason="ml_dtypes is not installed")
def test_bfloat16_of_ml_dtypes_is_a_view():
    made = np.ones((4, 6), ml_dtypes.bfloat16)
    view = vc.view(made)
    assert (view.ptr, view.dtype) == (made.ctypes.data, "bfloat16")
    assert vc.as_tensor(made).sum() == 24
    assert vc.as_numpy(vc.as_tensor(made)).dtype == made.dtype


# --- NumPy's masked arrays


def test_a_masked_array_is_refused():
    array = np.ma.masked_array(np.zeros((4, 6, 3), np.uint8), mask=np.zeros((4, 6, 3), bool))
    for convert in (vc.as_gpumat, vc.as_tensor, vc.view):
        with pytest.raises(vc.ViewError, match=r"mask.*filled"):
            convert(array)
    assert vc.view(array.data).shape == (4, 6, 3)
    assert vc.view(array.filled(0)).shape == (4, 6, 3)


@pytest.mark.parametrize("options", [{}, {"mask": np.ma.nomask}, {"mask": False}], ids=str)
@for_all_targets
def test_a_masked_array_without_a_mask_is_its_data(target, options):
    pixels = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    array = np.ma.masked_array(pixels, **options)
    if array.mask is not np.ma.nomask:  # mask=False makes a mask
        with pytest.raises(vc.ViewError, match="mask"):
            vc.view(array)
        array.mask = np.ma.nomask
        array = np.ma.masked_array(pixels)
    assert vc.view(CONVERT[target](array)).ptr == pixels.ctypes.data
    for made in (vc.to_numpy(array), vc.to_tensor([array, array], layout="NHWC")[1].numpy()):
        assert type(made) is np.ndarray and (made == pixels).all()


@pytest.mark.parametrize("mask", [True, np.zeros((4, 6, 3), bool), np.ones((4, 6, 3), bool)])
def test_every_function_refuses_a_mask(mask):
    array = np.ma.masked_array(np.zeros((4, 6, 3), np.uint8), mask=mask)
    calls = [vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.view, vc.to_numpy, vc.to_tensor]
    calls += [lambda x: vc.to_numpy([x]), lambda x: vc.as_tensors([x]), vc.to_gpumat]
    for convert in calls:
        with pytest.raises(vc.ViewError, match=r"mask.*filled"):
            convert(array)
    with pytest.raises(vc.ViewError, match=r"mask.*filled"):
        vc.to_numpy(array.data, out=array)
    with pytest.raises(vc.ViewError, match=r"mask.*filled"):
        vc.view(np.ma.masked)


def test_a_subclass_whose_mask_raises():
    class Array(np.ndarray):
        @property
        def mask(self):
            raise ZeroDivisionError

    with pytest.raises(vc.ViewError, match="does not tell its mask") as caught:
        vc.view(np.zeros((4, 6), np.uint8).view(Array))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_other_subclasses_of_ndarray_are_arrays():
    assert vc.view(np.zeros((4, 6), np.uint8).view(np.recarray)).shape == (4, 6)
