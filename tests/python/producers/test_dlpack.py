# SPDX-License-Identifier: Apache-2.0
"""DLPack producers without an adapter: managed tensors, capsules and the exchange table."""

import ctypes
import gc
import os
import weakref

import numpy as np
import pytest
import torch
from dlpack_structs import (
    COMPLEX,
    COPIED,
    CUDA,
    FLOAT,
    FROM_OBJECT,
    OPAQUE,
    OPENCL,
    READ_ONLY,
    ExchangeAPI,
    Producer,
    Wrapping,
    managed_tensor,
    name_of,
    new_capsule,
    rename,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from images import CONVERT, Image, make_torch, pixels_of, refuses, sees

import viewcast as vc

pytestmark = pytest.mark.slow_paths

for_all_targets = pytest.mark.parametrize("target", CONVERT)

needs_tables = pytest.mark.skipif(
    os.environ.get("VIEWCAST_SLOW") == "1", reason="VIEWCAST_SLOW=1 uses no C exchange table"
)


# --- DLPack


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
