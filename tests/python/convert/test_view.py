# SPDX-License-Identifier: Apache-2.0
"""View: its attributes, and its exports by each protocol."""

import ctypes
import gc
import hashlib
import struct
import weakref

import cupy
import cv2
import numpy as np
import pytest
import torch
from dlpack_structs import (
    BOOL,
    CPU,
    FLOAT,
    INT,
    READ_ONLY,
    UINT,
    consume,
    managed_tensor,
    name_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from images import MAKE, Image, make_cupy, make_gpumat, make_torch

import viewcast as vc

pytestmark = pytest.mark.slow_paths

BFLOAT = 4
CODES = {"i": INT, "u": UINT, "f": FLOAT, "b": BOOL}
DTYPES = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "l",
    "uint64": "L",
    "float16": "e",
    "float32": "f",
    "float64": "d",
}
IMAGES = {
    "packed": lambda: Image((7, 5, 3)),
    "pitched": lambda: Image((7, 5, 3), strides=(32, 3, 1)),
    "float": lambda: Image((7, 5), "float32"),
    "batch": lambda: Image((2, 7, 5, 3)),
    "planar": lambda: Image((3, 7, 5)),
}

each_image = pytest.mark.parametrize("make", IMAGES.values(), ids=IMAGES)


def read_only(shape=(6, 8)):
    return vc.view(memoryview(bytes(range(shape[0] * shape[1]))).cast("B", shape))


# --- attributes


@each_image
def test_attributes_are_those_of_the_image(make):
    image = make()
    view, array = vc.view(image.array), image.array
    assert view.ptr == image.address
    assert view.shape == array.shape
    assert view.strides == array.strides
    assert view.ndim == array.ndim
    assert view.dtype == array.dtype.name
    assert view.itemsize == array.itemsize
    assert view.nbytes == array.nbytes
    assert view.device == "cpu"
    assert view.readonly is False


def test_read_only_memory_gives_a_read_only_view():
    assert read_only().readonly is True


@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 3)], ids=str)
def test_an_empty_view_has_no_bytes(shape):
    assert vc.view(np.zeros(shape)).nbytes == 0


def test_repr_says_what_the_image_is_and_where():
    view = vc.view(Image((7, 5, 3)).array)
    address = f"0x{view.ptr:x}"
    assert repr(view) == (f"<viewcast.View (7, 5, 3) uint8 at {address} on cpu (host mode)>")
    assert repr(read_only()).endswith("on cpu (host mode), read-only>")


def test_views_are_made_by_view_alone():
    with pytest.raises(TypeError, match="cannot create 'viewcast.View' instances"):
        vc.View()
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Sub", (vc.View,), {})


@pytest.mark.parametrize("name", ["ptr", "shape", "readonly", "anything"])
def test_attributes_cannot_be_set(name):
    with pytest.raises(AttributeError):
        setattr(vc.view(b""), name, 1)


def test_a_view_of_a_view_is_that_view():
    view = vc.view(Image((7, 5)).array)
    assert vc.view(view) is view


# --- the CUDA Array Interface


@pytest.mark.parametrize("library", ["torch", "numpy", "cupy", "gpumat"])
def test_host_memory_has_no_cuda_array_interface(library):
    image = Image((7, 5, 3))
    view = vc.view(MAKE[library](image))
    assert not hasattr(view, "__cuda_array_interface__")
    with pytest.raises(AttributeError, match="host memory.*__dlpack__"):
        _ = view.__cuda_array_interface__


# --- DLPack


def test_the_dlpack_device_is_the_memorys():
    assert vc.view(Image((7, 5)).array).__dlpack_device__() == (CPU, 0)


VERSIONS = {
    None: b"dltensor",
    (0, 8): b"dltensor",
    (1, 0): b"dltensor_versioned",
    (1, 3): b"dltensor_versioned",
    (2, 0): b"dltensor_versioned",
}


@pytest.mark.parametrize(("version", "name"), VERSIONS.items(), ids=str)
def test_max_version_selects_the_kind_of_capsule(version, name):
    assert name_of(vc.view(bytearray(3)).__dlpack__(max_version=version)) == name


def test_versioned_capsules_have_a_version_and_no_flags():
    tensor = managed_tensor(vc.view(bytearray(3)).__dlpack__(max_version=(1, 0)))
    assert (tensor.major, tensor.flags) == (1, 0)
    assert tensor.minor <= 3


@pytest.mark.parametrize("version", [None, (1, 0)], ids=str)
@each_image
def test_capsules_describe_the_image(make, version):
    image = make()
    view, array = vc.view(image.array), image.array
    tensor = managed_tensor(view.__dlpack__(max_version=version)).dl_tensor
    assert (tensor.data + tensor.byte_offset, tensor.ndim) == (view.ptr, view.ndim)
    assert (tensor.device_type, tensor.device_id) == (CPU, 0)
    assert tensor.code == CODES[array.dtype.kind]
    assert (tensor.bits, tensor.lanes) == (8 * array.itemsize, 1)
    assert tuple(tensor.shape[: array.ndim]) == array.shape
    strides = tuple(stride // array.itemsize for stride in array.strides)
    assert tuple(tensor.strides[: array.ndim]) == strides


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
def test_capsules_name_the_dtype(dtype):
    image = Image((4, 5), dtype)
    tensor = managed_tensor(vc.view(make_torch(image)).__dlpack__()).dl_tensor
    code = BFLOAT if dtype == "bfloat16" else CODES[np.dtype(dtype).kind]
    assert (tensor.code, tensor.bits) == (code, 8 * image.array.itemsize)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 3)], ids=str)
def test_capsules_of_empty_views_have_no_address(shape):
    tensor = managed_tensor(vc.view(np.zeros(shape)).__dlpack__()).dl_tensor
    assert tensor.data is None
    assert tuple(tensor.shape[: len(shape)]) == shape


def test_a_stride_that_is_no_multiple_of_the_itemsize_cannot_be_exported():
    view = vc.view(Image((4, 5), "float32", strides=(22, 4)).array)
    with pytest.raises(vc.LayoutError, match="axis 0 has stride 22"):
        view.__dlpack__()


@pytest.mark.parametrize("version", [None, (1, 0)], ids=str)
def test_the_deleter_of_an_unused_capsule_runs_once(version, ledger):
    image = Image((7, 5))
    alive = weakref.ref(image.memory)
    capsule = vc.view(image.array).__dlpack__(max_version=version)
    del image
    assert ledger() == {"exports": 1}
    assert alive() is not None
    del capsule
    assert ledger() == {"exports": 1, "exports_released": 1}
    assert alive() is None


@pytest.mark.parametrize("version", [None, (1, 0)], ids=str)
def test_a_used_capsule_leaves_the_deleter_to_its_consumer(version, ledger):
    image = Image((7, 5))
    alive = weakref.ref(image.memory)
    capsule = vc.view(image.array).__dlpack__(max_version=version)
    delete = consume(capsule)
    del image, capsule
    assert ledger() == {"exports": 1}
    assert alive() is not None
    delete()
    assert ledger() == {"exports": 1, "exports_released": 1}
    assert alive() is None


def test_each_call_makes_a_capsule_of_its_own(ledger):
    view = vc.view(Image((7, 5)).array)
    capsules = [view.__dlpack__() for _ in range(5)]
    del capsules
    assert ledger() == {"exports": 5, "exports_released": 5}


def test_read_only_memory_is_exported_with_its_flag_alone():
    view = read_only()
    tensor = managed_tensor(view.__dlpack__(max_version=(1, 0)))
    assert tensor.flags == READ_ONLY
    for version in (None, (0, 8)):
        with pytest.raises(BufferError, match=r"read-only.*max_version=\(1, 0\)"):
            view.__dlpack__(max_version=version)


@pytest.mark.parametrize("keywords", [{"copy": True}, {"copy": 1}])
def test_a_view_does_not_copy(keywords):
    with pytest.raises(BufferError, match="does not copy"):
        vc.view(bytearray(3)).__dlpack__(**keywords)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"copy": None},
        {"copy": False},
        {"stream": None},
        {"stream": -1},
        {"dl_device": None},
        {"dl_device": (CPU, 0)},
        {"max_version": (1, 0), "stream": None, "dl_device": (CPU, 0), "copy": False},
    ],
    ids=str,
)
def test_arguments_that_ask_for_a_view_are_accepted(keywords, ledger):
    view = vc.view(bytearray(3))
    assert name_of(view.__dlpack__(**keywords)).startswith(b"dltensor")
    assert ledger() == {"exports": 1, "exports_released": 1}


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"dl_device": (2, 0)}, BufferError),
        ({"dl_device": (CPU, 1)}, BufferError),
        ({"dl_device": (CPU,)}, TypeError),
        ({"dl_device": "cpu"}, TypeError),
        ({"stream": 0}, BufferError),
        ({"stream": 1}, BufferError),
        ({"stream": 2}, BufferError),
        ({"stream": 140000}, BufferError),
        ({"stream": "x"}, TypeError),
        ({"stream": 2**70}, OverflowError),
        ({"max_version": (1,)}, TypeError),
        ({"max_version": 1}, TypeError),
        ({"max_version": ("1", "0")}, TypeError),
        ({"max_version": (2**70, 0)}, OverflowError),
        ({"colour": 1}, TypeError),
    ],
    ids=str,
)
def test_arguments_that_ask_for_a_copy_or_another_device_are_refused(keywords, error, ledger):
    with pytest.raises(error):
        vc.view(bytearray(3)).__dlpack__(**keywords)
    assert ledger() == {}


def test_positional_arguments_are_refused():
    with pytest.raises(TypeError, match="positional"):
        vc.view(bytearray(3)).__dlpack__(None)


CONSUMERS = {
    "numpy.from_dlpack": (np.from_dlpack, lambda array: array.ctypes.data),
    "torch.from_dlpack": (torch.from_dlpack, lambda tensor: tensor.data_ptr()),
    "numpy.asarray": (np.asarray, lambda array: array.ctypes.data),
    "torch.as_tensor": (torch.as_tensor, lambda tensor: tensor.data_ptr()),
}


@pytest.mark.parametrize(("consume", "address"), CONSUMERS.values(), ids=CONSUMERS)
@each_image
def test_other_consumers_see_the_same_memory_and_keep_it(consume, address, make):
    image = make()
    alive, wanted = weakref.ref(image.memory), image.array.tobytes()
    start = image.address
    seen = consume(vc.view(image.array))
    del image
    gc.collect()
    assert address(seen) == start
    assert np.asarray(seen).tobytes() == wanted
    del seen
    vc.collect()
    assert alive() is None


def test_numpy_keeps_read_only_views_read_only():
    array = np.from_dlpack(read_only())
    assert not array.flags.writeable
    assert not np.asarray(read_only()).flags.writeable


# --- the buffer protocol


@pytest.mark.parametrize(("dtype", "letter"), DTYPES.items())
def test_buffers_have_the_format_of_the_dtype(dtype, letter):
    view = vc.view(Image((4, 5), dtype).array)
    memory = memoryview(view)
    assert memory.format == letter
    assert memory.itemsize == struct.calcsize(letter) == view.itemsize
    assert np.asarray(view).dtype is np.dtype(dtype)


@each_image
def test_memoryviews_show_the_image(make):
    image = make()
    memory = memoryview(vc.view(image.array))
    assert memory.shape == image.array.shape
    assert memory.strides == image.array.strides
    assert memory.nbytes == image.array.nbytes
    assert memory.tobytes() == image.array.tobytes()
    assert memory.readonly is False


def test_a_memoryview_keeps_the_memory():
    image = Image((7, 5))
    alive, wanted = weakref.ref(image.memory), image.array.tobytes()
    memory = memoryview(vc.view(image.array))
    del image
    assert memory.tobytes() == wanted
    memory.release()
    assert alive() is None


def test_a_write_through_a_memoryview_is_seen():
    image = Image((7, 5))
    memoryview(vc.view(image.array))[3, 2] = 77
    assert image.array[3, 2] == 77


def test_bfloat16_has_no_buffer():
    with pytest.raises(BufferError, match="bfloat16 has no buffer format"):
        memoryview(vc.view(make_torch(Image((4, 5), "bfloat16"))))


def test_a_buffer_of_a_gpumat_in_host_mode():
    image = Image((7, 5, 3))
    memory = memoryview(vc.view(make_gpumat(image)))
    assert memory.tobytes() == image.array.tobytes()


@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 3)], ids=str)
def test_buffers_of_empty_views(shape):
    memory = memoryview(vc.view(np.zeros(shape, np.uint8)))
    assert (memory.shape, memory.nbytes) == (shape, 0)


SIMPLE, WRITABLE, FORMAT, ND, STRIDES = 0, 1, 4, 8, 0x18
C, F, ANY, INDIRECT = 0x38, 0x58, 0x98, 0x118


class Py_buffer(ctypes.Structure):
    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


def get_buffer(view, flags):
    """PyObject_GetBuffer; the caller releases it."""
    buffer = Py_buffer()
    get = ctypes.pythonapi.PyObject_GetBuffer
    get.argtypes = [ctypes.py_object, ctypes.POINTER(Py_buffer), ctypes.c_int]
    get(view, buffer, flags)
    return buffer


def release(buffer):
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))


@settings(deadline=None)
@given(
    base=st.sampled_from([SIMPLE, ND, STRIDES, C, F, ANY, INDIRECT]),
    extra=st.sampled_from([0, WRITABLE, FORMAT, WRITABLE | FORMAT]),
    image=st.sampled_from(["packed", "pitched", "vector"]),
    readonly=st.booleans(),
)
def test_all_buffer_requests_are_met_or_refused(base, extra, image, readonly):
    shape = (24,) if image == "vector" else (4, 6)
    pitched = image == "pitched"
    array = Image(shape, strides=(8, 1) if pitched else None).array
    array.flags.writeable = not readonly
    view, flags = vc.view(array), base | extra
    refused = (
        base == SIMPLE  # without the shape
        or (readonly and flags & WRITABLE)
        or (pitched and base not in (STRIDES, INDIRECT))
        or (base == F and len(shape) > 1)
    )
    if refused:
        with pytest.raises(BufferError):
            get_buffer(view, flags)
        return
    buffer = get_buffer(view, flags)
    assert (buffer.buf, buffer.len, buffer.itemsize) == (view.ptr, 24, 1)
    assert (buffer.readonly, buffer.suboffsets) == (readonly, None)
    assert buffer.format == (b"B" if flags & FORMAT else None)
    assert buffer.ndim == len(shape)
    assert tuple(buffer.shape[: buffer.ndim]) == view.shape
    assert bool(buffer.strides) == (base != ND)
    if buffer.strides:
        assert tuple(buffer.strides[: buffer.ndim]) == view.strides
    release(buffer)


# --- consumers that ask for bytes without a shape


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int16"])
@pytest.mark.parametrize("shape", [(2, 3), (4, 6, 3), (1, 1), (24,), (2, 4, 6, 3)], ids=str)
@pytest.mark.parametrize("ask", [torch.asarray, torch.frombuffer, np.frombuffer, b"".__add__])
def test_buffers_are_refused_to_consumers_that_ignore_the_shape(ask, shape, dtype):
    view = vc.view(Image(shape, dtype).array)
    keywords = {"dtype": torch.float32} if ask is torch.frombuffer else {}
    with pytest.raises((RuntimeError, ValueError, BufferError, TypeError)):
        ask(view, **keywords)


def test_torch_asks_for_the_shape():
    image = Image((4, 6, 3), "float32")
    view = vc.view(image.array)
    for ask in (torch.as_tensor, torch.from_dlpack, vc.as_tensor):
        tensor = ask(view)
        assert (tuple(tensor.shape), tensor.dtype) == ((4, 6, 3), torch.float32)
        assert tensor.numpy().tobytes() == image.array.tobytes()
    assert tuple(torch.asarray(np.asarray(view)).shape) == (4, 6, 3)


@pytest.mark.parametrize("flags", [SIMPLE, WRITABLE, FORMAT, WRITABLE | FORMAT])
def test_the_refusal_names_memoryview(flags):
    with pytest.raises(BufferError, match=r"torch.asarray.*viewcast.as_tensor.*memoryview\(view\)"):
        get_buffer(vc.view(np.zeros((4, 6), np.uint8)), flags)


def test_bytes_are_read_through_a_memoryview():
    image = Image((4, 6, 3))
    view = vc.view(image.array)
    assert bytes(view) == bytes(memoryview(view)) == image.array.tobytes()
    digest = hashlib.sha256(memoryview(view)).digest()
    assert digest == hashlib.sha256(image.array.tobytes()).digest()


# --- read-only images


def read_only_array():
    array = np.zeros((6, 8), np.uint8)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "make",
    [
        lambda: memoryview(bytes(48)).cast("B", (6, 8)),
        read_only_array,
        lambda: vc.view(read_only_array()),
    ],
    ids=["bytes", "numpy", "view"],
)
@pytest.mark.parametrize("convert", [vc.as_gpumat, vc.as_tensor, vc.as_cupy])
def test_read_only_images_are_refused_by_writable_targets(make, convert, ledger):
    with pytest.raises(vc.ViewError, match="read-only.*copy"):
        convert(make())
    assert ledger() == {}


@pytest.mark.parametrize("make", [read_only, read_only_array], ids=["view", "numpy"])
def test_read_only_images_give_read_only_numpy_arrays(make):
    array = vc.as_numpy(make())
    assert not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1


def test_empty_read_only_images_are_accepted():
    array = np.zeros((0, 8), np.uint8)
    array.flags.writeable = False
    assert vc.as_gpumat(array).size() == (8, 0)


def test_classes_of_results():
    image = Image((7, 5, 3))
    made = make_cupy(image)
    assert type(vc.as_gpumat(made)) is cv2.cuda.GpuMat
    assert type(vc.as_tensor(made)) is torch.Tensor
    assert type(vc.as_numpy(made)) is np.ndarray
    assert type(vc.as_cupy(image.array)) is cupy.ndarray
    assert type(vc.view(made)) is vc.View
