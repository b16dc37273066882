# SPDX-License-Identifier: Apache-2.0
"""Objects of libraries without an adapter, by protocol: buffers, NumPy's dtypes, DLPack, the
exchange table and the CUDA Array Interface; and descriptions that are wrong."""

import array
import collections
import ctypes
import gc
import mmap
import os
import weakref

import cv2
import numpy as np
import pytest
import torch
from dlpack_structs import (
    COMPLEX,
    COPIED,
    CPU,
    CUDA,
    FLOAT,
    FROM_OBJECT,
    OPAQUE,
    OPENCL,
    READ_ONLY,
    ExchangeAPI,
    Producer,
    managed_tensor,
    name_of,
    new_capsule,
    rename,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from images import (
    CONVERT,
    EVERYWHERE,
    CudaArray,
    Image,
    make_cupy,
    make_torch,
    ml_dtypes,
    pixels_at,
)
from loaded_opencv import not_in_standin

import viewcast as vc
from viewcast._viewcast import cuda_array_as_opencv_gpu_mat

pytestmark = pytest.mark.slow_paths

TARGETS = list(CONVERT)
for_all_targets = pytest.mark.parametrize("target", TARGETS)

needs_tables = pytest.mark.skipif(
    os.environ.get("VIEWCAST_SLOW") == "1", reason="VIEWCAST_SLOW=1 uses no C exchange table"
)


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
    with pytest.raises(error, match=message) as caught:
        vc.view(producer)
    return caught.value


# --- objects that are no image


@for_all_targets
@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (None, "NoneType"),
        (3, "int"),
        (2.5, "float"),
        ("image.png", "str"),
        ([[1, 2], [3, 4]], "list"),
        (object(), "object"),
        (torch.Tensor, "TensorMeta"),
        (np.ndarray, "type"),
        (cv2.cuda.GpuMat, "type"),
        (vc.View, "type"),
        (np.uint8, "type"),
        (torch, "module"),
        (len, "builtin_function_or_method"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_objects_that_are_no_image_are_a_type_error_that_names_the_class(target, thing, name):
    with pytest.raises(TypeError, match=rf"{name} is no image: needs a torch.Tensor"):
        CONVERT[target](thing)


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


# --- DLPack


class Wrapping:
    """A producer that forwards to another one's __dlpack__()."""

    def __init__(self, inner):
        self.inner = inner

    def __dlpack_device__(self):
        return self.inner.__dlpack_device__()

    def __dlpack__(self, **keywords):
        return self.inner.__dlpack__(**keywords)


class BeforeVersions(Wrapping):
    """DLPack as it was before 1.0."""

    def __dlpack__(self, stream=None):
        return self.inner.__dlpack__()


@pytest.mark.parametrize("wrap", [Wrapping, BeforeVersions])
@pytest.mark.parametrize("inner", [lambda i: i.array, make_torch], ids=["numpy", "torch"])
def test_dlpack_producers_live_as_long_as_their_views(wrap, inner):
    image = Image((7, 5, 3))
    alive, wanted = weakref.ref(image.memory), image.array.tobytes()
    view = sees(wrap(inner(image)), image)
    del image
    assert pixels_of(view) == wanted
    del view
    vc.collect()
    assert alive() is None


@pytest.mark.parametrize("wrap", [Wrapping, BeforeVersions])
@for_all_targets
def test_dlpack_producers_are_converted_to_every_library(wrap, target):
    image = Image((7, 5, 3))
    result = CONVERT[target](wrap(image.array))
    assert vc.view(result).ptr == image.address


@pytest.mark.parametrize("versioned", [True, False])
def test_the_deleter_runs_once_after_the_last_view(versioned):
    image = Image((7, 5, 3))
    producer = Producer(image.array, versioned)
    view = sees(producer, image)
    mat, tensor = vc.as_gpumat(view), vc.as_tensor(view)
    del view, mat
    vc.collect(force=True)
    assert producer.deleted == 0
    del tensor
    vc.collect()
    assert producer.deleted == 1


def test_the_deleter_runs_once_for_a_view_of_nothing():
    producer = Producer(np.zeros((0, 5), np.uint8))
    assert vc.as_gpumat(producer).size() == (5, 0)
    assert producer.deleted == 1


@for_all_targets
def test_the_deleter_runs_once_after_a_refusal_by_the_target(target):
    producer = Producer(np.zeros((2, 3, 4, 5), np.uint8), flags=READ_ONLY)
    if target in ("numpy", "view"):
        CONVERT[target](producer)
    else:
        with pytest.raises(vc.ViewError):
            CONVERT[target](producer)
    assert producer.deleted == 1


def test_the_deleter_runs_without_an_exception_set():
    producer = Producer(Image((7, 5)).array)
    with pytest.raises(ZeroDivisionError):
        print(vc.view(producer), 1 / 0)
    vc.collect()
    assert producer.deleted == 1


@pytest.mark.parametrize("versioned", [True, False])
def test_a_tensor_without_a_deleter_is_a_view(versioned):
    image = Image((7, 5, 3))
    producer = Producer(image.array, versioned)
    producer.managed.deleter = type(producer.managed.deleter)()
    sees(producer, image)
    assert vc.as_gpumat(producer).cudaPtr() == image.address


def test_the_byte_offset_is_added():
    image = Image((7, 5, 3))
    view = vc.view(Producer(image.array[:4], byte_offset=45))
    assert view.ptr == image.address + 45
    assert pixels_of(view) == image.array[3:].tobytes()


def test_absent_strides_mean_packed():
    image = Image((7, 5, 3), "int16")
    producer = Producer(image.array)
    producer.managed.dl_tensor.strides = None
    assert sees(producer, image).strides == (30, 6, 2)


def test_the_read_only_flag_is_kept():
    view = vc.view(Producer(Image((7, 5)).array, flags=READ_ONLY))
    assert view.readonly
    with pytest.raises(vc.ViewError, match="read-only"):
        vc.as_tensor(view)


def test_copies_are_refused():
    producer = Producer(Image((7, 5)).array, flags=COPIED)
    refuses(producer, r"__dlpack__\(\) made a copy")
    assert producer.deleted == 1


def test_a_copied_flag_of_numpys_own_capsule_is_refused():
    made = Image((7, 5)).array

    class Copying(Wrapping):
        def __dlpack__(self, **keywords):
            capsule = super().__dlpack__(**keywords)
            managed_tensor(capsule).flags |= COPIED
            return capsule

    refuses(Copying(made), "made a copy")


def test_producers_are_asked_for_a_version_and_no_copy():
    producer = Producer(Image((7, 5)).array)
    vc.view(producer)
    assert producer.asked == [{"max_version": (1, 3), "copy": False}]


BROKEN = {
    "rank 0": ({"ndim": 0}, "rank 0", vc.LayoutError),
    "rank 5": ({"ndim": 5}, "rank 5", vc.LayoutError),
    "negative rank": ({"ndim": -1}, "rank -1", vc.LayoutError),
    "no data": ({"data": None}, "data is NULL", vc.ViewError),
    "no data, offset": ({"data": None, "byte_offset": 8}, "data is NULL", vc.ViewError),
    "offset out of memory": ({"byte_offset": 2**64 - 1}, "outside the address", vc.ViewError),
    "no shape": ({"shape": None}, "shape is NULL", vc.ViewError),
    "lanes": ({"lanes": 4}, "vector of 4 lanes", vc.DTypeError),
    "no lanes": ({"lanes": 0}, "vector of 0 lanes", vc.DTypeError),
    "complex": ({"code": COMPLEX, "bits": 64}, "complex", vc.DTypeError),
    "opaque": ({"code": OPAQUE, "bits": 64}, "opaque", vc.DTypeError),
    "8-bit float": ({"code": 10}, "8-bit float", vc.DTypeError),
    "4 bits": ({"bits": 4}, "of 4 bits.*smaller than a byte", vc.DTypeError),
    "128-bit float": ({"code": FLOAT, "bits": 128}, "float64", vc.DTypeError),
    "unknown code": ({"code": 99}, "unknown", vc.DTypeError),
    "OpenCL": ({"device_type": OPENCL}, "OpenCL", vc.DeviceError),
    "unknown device": ({"device_type": 99}, "unknown", vc.DeviceError),
    "negative device": (
        {"device_type": CUDA, "device_id": -1},
        "device id is -1",
        vc.DeviceError,
    ),
    "version 2": ({"major": 2}, "DLPack version 2.*needs 1", vc.ViewError),
    "version 0": ({"major": 0}, "DLPack version 0", vc.ViewError),
}


@pytest.mark.parametrize(("fields", "message", "error"), BROKEN.values(), ids=BROKEN)
def test_broken_managed_tensors_are_refused_and_not_consumed(fields, message, error):
    producer = Producer(Image((7, 5)).array, **fields)
    refuses(producer, message, error)
    assert producer.deleted == 0  # the capsule still owns it


@settings(deadline=None)
@given(
    shape=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=2),
    strides=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=2),
)
def test_no_shape_and_strides_overflow_silently(shape, strides):
    producer = Producer(Image((7, 5), "float64").array)
    producer.shape[:], producer.strides[:] = shape, strides
    ends = [0, 0]
    for length, stride in zip(shape, strides, strict=True):
        end = (length - 1) * stride * 8
        ends[end > 0] += end
    address = producer.array.ctypes.data
    fits = address + ends[0] >= 0 and address + ends[1] + 8 < 2**64
    counts = shape[0] * shape[1] * 8 < 2**63 and ends[1] - ends[0] + 8 < 2**63
    strides_fit = all(
        -(2**63) <= s * 8 < 2**63 for n, s in zip(shape, strides, strict=True) if n > 1
    )
    if min(shape) == 0 or (min(shape) > 0 and fits and counts and strides_fit):
        assert vc.view(producer).shape == tuple(shape)
    else:
        refuses(producer, "broken")


CAPSULES = {
    "another name": (lambda: new_capsule(1, b"something"), "a capsule named something"),
    "None": (lambda: None, "an object of type NoneType"),
    "an array": (lambda: np.zeros(3), "an object of type numpy.ndarray"),
}


@pytest.mark.parametrize(("make", "message"), CAPSULES.values(), ids=CAPSULES)
def test_results_that_are_no_capsule_are_refused(make, message):
    class Wrong(Wrapping):
        def __dlpack__(self, **keywords):
            return make()

    refuses(Wrong(np.zeros(3)), rf"__dlpack__\(\) gave {message}, needs an unused capsule")


def test_a_used_capsule_is_refused():
    image = Image((7, 5))
    capsule = image.array.__dlpack__(max_version=(1, 0))

    class Once(Wrapping):
        def __dlpack__(self, **keywords):
            return capsule

    view = sees(Once(image.array), image)
    assert name_of(capsule) == b"used_dltensor_versioned"
    refuses(Once(image.array), "gave a capsule named used_dltensor_versioned")
    assert pixels_of(view) == image.array.tobytes()


def test_a_capsule_under_the_wrong_name_is_not_read():
    """The capsule's name says which structure it holds."""
    capsule = Image((7, 5)).array.__dlpack__(max_version=(1, 0))
    rename(capsule, b"dltensor_2")

    class Renamed(Wrapping):
        def __dlpack__(self, **keywords):
            return capsule

    refuses(Renamed(np.zeros(3)), "gave a capsule named dltensor_2")
    rename(capsule, b"dltensor_versioned")


@pytest.mark.parametrize("error", [ValueError, BufferError, RuntimeError, AttributeError])
def test_an_exception_of_dlpack_is_chained(error):
    class Raising(Wrapping):
        def __dlpack__(self, **keywords):
            raise error("not today")

    caught = refuses(Raising(np.zeros(3)), r"Raising's __dlpack__\(\) does not give its memory")
    assert type(caught.__cause__) is error
    assert "not today" in str(caught.__cause__)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ImportError])
def test_exceptions_that_are_not_the_producers_pass_unchanged(error):
    class Raising(Wrapping):
        def __dlpack__(self, **keywords):
            raise error("stop")

    with pytest.raises(error, match="stop"):
        vc.view(Raising(np.zeros(3)))


def test_a_type_error_of_dlpack_is_retried_without_keywords_and_chained():
    class Raising(Wrapping):
        asked = []

        def __dlpack__(self, **keywords):
            self.asked.append(set(keywords))
            raise TypeError("none of these")

    caught = refuses(Raising(np.zeros(3)), "does not give its memory")
    assert Raising.asked == [{"max_version", "copy"}, set()]
    assert isinstance(caught.__cause__, TypeError)


@pytest.mark.parametrize(
    "device",
    [None, 1, (1,), (1, 0, 0), ("cpu", 0), (-1, 0), [1, 0], (2**70, 0), (1.5, 0)],
    ids=str,
)
def test_a_wrong_dlpack_device_is_refused(device):
    producer = Producer(Image((7, 5)).array)
    producer.device = device
    refuses(producer, "no usable __dlpack_device__")
    assert producer.asked == []


def test_a_missing_dlpack_device_is_refused():
    class Deviceless:
        def __dlpack__(self, **keywords):
            raise AssertionError("asked")

    refuses(Deviceless(), "no usable __dlpack_device__")


def test_an_attribute_that_raises_is_chained():
    class Raising:
        @property
        def __dlpack__(self):
            raise RuntimeError("no such luck")

    caught = refuses(Raising(), "Raising can't be read as an image")
    assert isinstance(caught.__cause__, RuntimeError)


# --- the exchange table


@FROM_OBJECT
def give(producer, out):
    ctypes.c_void_p.from_address(out).value = ctypes.addressof(producer.managed)
    return 0


@FROM_OBJECT
def fail(producer, out):
    return -1


def with_table(managed=give, major=1, previous=None):
    """A Producer class whose instances are read through a DLPack exchange table of C functions.
    The function that describes an object without a reference to its memory must not be called."""
    table = ExchangeAPI(major=major, minor=1)
    table.prev_api = ctypes.addressof(previous) if previous else None
    table.managed_tensor_from_py_object_no_sync = ctypes.cast(managed, ctypes.c_void_p)
    table.dltensor_from_py_object_no_sync = ctypes.cast(fail, ctypes.c_void_p)
    capsule = new_capsule(ctypes.addressof(table), b"dlpack_exchange_api")
    names = {"__dlpack_c_exchange_api__": capsule, "table": table, "before": previous}
    return type("Tabled", (Producer,), names)


@needs_tables
def test_a_table_gives_managed_tensors_that_are_deleted_once():
    image = Image((7, 5, 3))
    producer = with_table()(image.array)
    view = sees(producer, image)
    assert (producer.asked, producer.deleted) == ([], 0)
    del view
    assert producer.deleted == 1


@needs_tables
def test_an_object_with_a_table_may_get_other_memory():
    """The view owns the managed tensor and its memory, not the object."""
    image, other = Image((7, 5, 3)), Image((7, 5, 3), seed=1)
    producer = with_table()(image.array)
    view = sees(producer, image)
    first, producer.managed = producer.managed, with_table()(other.array).managed
    gc.collect()
    assert (view.ptr, producer.deleted) == (image.address, 0)
    del view
    assert producer.deleted == 1
    del first


@needs_tables
def test_read_only_memory_of_a_table_stays_read_only():
    producer = with_table()(Image((7, 5, 3)).array, flags=1)
    assert vc.view(producer).readonly
    with pytest.raises(vc.ViewError, match="read-only"):
        vc.as_gpumat(producer)


@needs_tables
def test_a_copy_of_a_table_is_no_view():
    producer = with_table()(Image((7, 5, 3)).array, flags=2)
    refuses(producer, "made a copy")
    assert producer.deleted == 1


@needs_tables
def test_a_managed_tensor_of_a_table_is_deleted_once_if_it_is_refused():
    producer = with_table()(Image((7, 5)).array, lanes=4)
    refuses(producer, "vector of 4 lanes", vc.DTypeError)
    assert producer.deleted == 1


@needs_tables
def test_a_table_that_fails_is_an_error():
    producer = with_table(managed=fail)(Image((7, 5)).array)
    refuses(producer, "Tabled can't be described through DLPack")
    assert producer.asked == []


@needs_tables
def test_an_older_table_of_a_chain_is_found():
    image = Image((7, 5, 3))
    older = with_table().table
    producer = with_table(managed=fail, major=2, previous=older)(image.array)
    sees(producer, image)
    assert producer.asked == []


def test_a_table_of_an_unknown_version_is_ignored():
    image = Image((7, 5, 3))
    producer = with_table(managed=fail, major=2)(image.array)
    sees(producer, image)
    assert len(producer.asked) == 1


@pytest.mark.parametrize(
    "table", [None, 3, "x", new_capsule(1, b"other")], ids=lambda table: type(table).__name__
)
def test_a_wrong_table_is_ignored(table):
    image = Image((7, 5, 3))
    pretender = type("Pretender", (Wrapping,), {"__dlpack_c_exchange_api__": table})
    sees(pretender(image.array), image)


@needs_tables
@pytest.mark.skipif(
    not hasattr(torch.Tensor, "__dlpack_c_exchange_api__"),
    reason="torch has a table since 2.10",
)
def test_another_class_with_torchs_table_is_refused():
    table = torch.Tensor.__dlpack_c_exchange_api__
    pretender = type("Pretender", (), {"__dlpack_c_exchange_api__": table})
    caught = refuses(pretender(), "Pretender can't be described through DLPack")
    assert isinstance(caught.__cause__, RuntimeError)


# --- the CUDA Array Interface, over host memory in host mode


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("strides", [{}, {"strides": None}, {"strides": KeyError}], ids=str)
@for_all_targets
def test_cuda_arrays_are_views(target, strides, version):
    image = Image((7, 5, 3), "float32")
    source = CudaArray(image, version=version, **strides)
    view = sees(source, image)
    assert view.strides == image.array.strides
    assert vc.view(CONVERT[target](source)).ptr == image.address


@pytest.mark.parametrize("order", ["", "=", "|", "<"])
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int16", "uint32", "int64", "float16", "float32", "float64"]
)
def test_typestrs_need_no_byte_order(dtype, order):
    """NumPy, CuPy and torch accept them."""
    image = Image((7, 5, 3), dtype)
    typestr = order + image.array.dtype.str[1:]
    assert np.dtype(typestr) == image.array.dtype
    sees(CudaArray(image, typestr=typestr), image)
    for convert in CONVERT.values():
        if convert is not vc.as_gpumat or dtype in EVERYWHERE:
            assert vc.view(convert(CudaArray(image, typestr=typestr))).ptr == image.address
    assert vc.to_numpy(CudaArray(image, typestr=typestr)).tobytes() == image.array.tobytes()


def test_cuda_arrays_may_have_lists_of_axes():
    image = Image((7, 5, 3), strides=(64, 3, 1))
    axes = {"shape": list(image.array.shape), "strides": list(image.array.strides)}
    sees(CudaArray(image, **axes), image)


def test_cuda_arrays_with_strides_are_views():
    image = Image((7, 5, 3), strides=(64, 3, 1))
    assert sees(CudaArray(image), image).strides == (64, 3, 1)


@pytest.mark.parametrize("readonly", [True, False])
def test_cuda_arrays_say_whether_they_are_read_only(readonly):
    image = Image((7, 5))
    assert vc.view(CudaArray(image, data=(image.address, readonly))).readonly is readonly


def test_cuda_arrays_are_kept_alive():
    image = Image((7, 5, 3))
    source = CudaArray(image)
    alive = weakref.ref(source)
    view = vc.view(source)
    del source
    assert alive() is not None
    del view
    assert alive() is None


@pytest.mark.parametrize("address", [0, None])
@pytest.mark.parametrize("shape", [(0, 5), (7, 0, 3)], ids=str)
def test_empty_cuda_arrays_may_have_no_address(shape, address):
    source = CudaArray(Image(shape), data=(address, False))
    assert vc.view(source).shape == shape
    assert vc.as_gpumat(source).empty()


def test_extra_keys_and_subclasses_of_dict_are_fine():
    image = Image((7, 5))
    source = CudaArray(image, descr=[("", "|u1")], mask=None, stream=None, colour="red")
    ordered = collections.OrderedDict(source.__cuda_array_interface__)
    source.__cuda_array_interface__ = ordered
    sees(source, image)


class Index:
    def __index__(self):
        return 7


WRONG_CUDA_ARRAYS = {
    "version 1": ({"version": 1}, "version 1, needs 2 or 3", vc.ViewError),
    "version 4": ({"version": 4}, "version 4, needs 2 or 3", vc.ViewError),
    "version missing": ({"version": KeyError}, '"version" as an integer', vc.ViewError),
    "version a string": ({"version": "3"}, '"version" as an integer', vc.ViewError),
    "version huge": ({"version": 2**70}, '"version" as an integer', vc.ViewError),
    "mask": ({"mask": np.ones(3)}, "mask", vc.ViewError),
    "shape missing": ({"shape": KeyError}, '"shape" as a tuple', vc.ViewError),
    "shape None": ({"shape": None}, '"shape" as a tuple', vc.ViewError),
    "shape a list of strings": ({"shape": ["7", "5"]}, '"shape" as a tuple', vc.ViewError),
    "shape a set": ({"shape": {7, 5}}, '"shape" as a tuple', vc.ViewError),
    "shape of strings": ({"shape": ("7", "5")}, '"shape" as a tuple', vc.ViewError),
    "shape of floats": ({"shape": (7.0, 5.0)}, '"shape" as a tuple', vc.ViewError),
    "shape huge": ({"shape": (2**70, 5)}, '"shape" as a tuple', vc.ViewError),
    "shape negative": ({"shape": (-7, 5)}, "axis 0 is -7 long", vc.ViewError),
    "shape empty": ({"shape": (), "strides": None}, "rank 0", vc.LayoutError),
    "rank 5": ({"shape": (1,) * 5, "strides": None}, "5 axes", vc.LayoutError),
    "strides a string": ({"strides": "51"}, '"strides" as a tuple', vc.ViewError),
    "strides too few": ({"strides": (5,)}, '"strides" as one integer an axis', vc.ViewError),
    "strides too many": (
        {"strides": (35, 5, 1)},
        '"strides" as one integer an axis',
        vc.ViewError,
    ),
    "strides overflow": ({"strides": (2**62, 1)}, "broken", vc.ViewError),
    "typestr missing": ({"typestr": KeyError}, '"typestr" as a string', vc.ViewError),
    "typestr bytes": ({"typestr": b"|u1"}, '"typestr" as a string', vc.ViewError),
    "typestr empty": ({"typestr": ""}, "typestr is ''", vc.DTypeError),
    "typestr long": ({"typestr": "<f4<f4<f4"}, "no single bool", vc.DTypeError),
    "typestr unknown": ({"typestr": "<f3"}, "typestr is '<f3'", vc.DTypeError),
    "typestr in standard order": ({"typestr": "@f4"}, "typestr is '@f4'", vc.DTypeError),
    "big-endian": ({"typestr": ">f4"}, "big-endian", vc.DTypeError),
    "structured": ({"typestr": "|V8"}, "structured", vc.DTypeError),
    "complex": ({"typestr": "<c8"}, "pairs of real numbers", vc.DTypeError),
    "object": ({"typestr": "|O"}, "typestr is '|O'", vc.DTypeError),
    "bit field": ({"typestr": "|t1"}, "bit fields", vc.DTypeError),
    "surrogate": ({"typestr": "\udcff"}, '"typestr" as a string', vc.ViewError),
    "data missing": ({"data": KeyError}, '"data" as a tuple', vc.ViewError),
    "data an integer": ({"data": 4096}, '"data" as a tuple', vc.ViewError),
    "data too short": ({"data": (4096,)}, '"data" as a tuple', vc.ViewError),
    "data a list": ({"data": [4096, False]}, '"data" as a tuple', vc.ViewError),
    "address a string": ({"data": ("4096", False)}, '"data" as a tuple', vc.ViewError),
    "address negative": ({"data": (-1, False)}, '"data" as a tuple', vc.ViewError),
    "address huge": ({"data": (2**64, False)}, '"data" as a tuple', vc.ViewError),
    "address 0": ({"data": (0, False)}, "data is NULL", vc.ViewError),
    "address None": ({"data": (None, False)}, "data is NULL", vc.ViewError),
    "stream -1": ({"stream": -1}, '"stream" as None', vc.ViewError),
    "stream a string": ({"stream": "1"}, '"stream" as None', vc.ViewError),
    "address at the end": ({"data": (2**64 - 9, False)}, "outside the address", vc.ViewError),
}


@pytest.mark.parametrize(
    ("changes", "message", "error"), WRONG_CUDA_ARRAYS.values(), ids=WRONG_CUDA_ARRAYS
)
def test_wrong_cuda_arrays_are_refused_and_not_kept(changes, message, error):
    producer = CudaArray(Image((7, 5)), **changes)
    alive = weakref.ref(producer)
    for convert in (vc.view, cuda_array_as_opencv_gpu_mat):
        with pytest.raises(error, match=message):
            convert(producer)
    del producer
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("interface", [None, [], "x", 3, ()], ids=repr)
def test_a_cuda_array_interface_that_is_no_dict_is_refused(interface):
    producer = CudaArray(Image((7, 5)))
    producer.__cuda_array_interface__ = interface
    refuses(producer, "__cuda_array_interface__ is a .*, needs a dict")


def test_an_exception_of_the_interface_is_chained():
    class Raising:
        @property
        def __cuda_array_interface__(self):
            raise RuntimeError("freed")

    caught = refuses(Raising(), "Raising can't be read as an image")
    assert str(caught.__cause__) == "freed"


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.binary(max_size=6),
    st.tuples(),
    st.lists(st.integers(), max_size=5).map(tuple),
    st.tuples(st.integers(), st.booleans()),
    st.just(np.int64(3)),
    st.just(Index()),
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["shape", "strides", "typestr", "version", "mask", "stream"]), JUNK
    )
)
def test_any_dictionary_is_an_image_or_an_exception(changes):
    """`data` is not changed: an address cannot be verified."""
    image = Image((7, 5))
    try:
        view = vc.view(CudaArray(image, **changes))
    except vc.ViewError:
        return
    assert view.ptr == image.address


# --- the order of the protocols


def test_dlpack_comes_before_the_cuda_array_interface_and_that_before_buffers():
    first, second = Image((7, 5)), Image((4, 6))

    class Both(Wrapping):
        __cuda_array_interface__ = CudaArray(second).__cuda_array_interface__

    assert vc.view(Both(first.array)).ptr == first.address

    class Bytes(bytearray):
        __cuda_array_interface__ = CudaArray(second).__cuda_array_interface__

    assert vc.view(Bytes(b"123")).ptr == second.address


@not_in_standin
def test_opencvs_own_dlpack_is_not_used():
    """OpenCV 5's __dlpack__ is wrong about strides, devices and streams."""
    image = Image((7, 5, 3), strides=(64, 3, 1))
    mat = vc.as_gpumat(image.array)
    if not hasattr(mat, "__dlpack__"):
        pytest.skip("this OpenCV has no DLPack of its own (4.13 and later have)")
    assert vc.view(mat).strides == (64, 3, 1)


def test_cupy_arrays_are_read_by_their_attributes():
    """Their protocols call the driver, which is missing in host mode."""
    image = Image((7, 5, 3))
    sees(make_cupy(image), image)


def test_devices_are_those_of_the_capsule():
    assert vc.view(Producer(Image((7, 5)).array)).__dlpack_device__() == (CPU, 0)


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
