# SPDX-License-Identifier: Apache-2.0
"""Fast paths and public calls: objects that viewcast makes in place equal those that the
libraries make, and VIEWCAST_SLOW=1 uses the libraries' public calls everywhere."""

import ast
import gc
import os
import subprocess
import sys
import weakref

import cupy
import cv2
import numpy
import pytest
import torch
from loaded_opencv import COUNTS_UP
from threads import at_once

import viewcast as vc
from viewcast import _viewcast

pytestmark = pytest.mark.slow_paths

USE_EVERYTHING = """
import torch, viewcast as vc
from viewcast import _viewcast
before = _viewcast._paths()
tensor = torch.arange(72, dtype=torch.uint8).reshape(4, 6, 3)
array = vc.as_cupy(tensor)
mat = vc.as_gpumat(array)
again = vc.as_tensor(vc.as_cupy(mat))
assert again.data_ptr() == tensor.data_ptr() and again.equal(tensor)
print([before, _viewcast._paths()])
"""


def paths_with(slow, program=USE_EVERYTHING):
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(os.environ, VIEWCAST_SLOW=slow),
        capture_output=True,
        text=True,
        check=True,
    )
    return ast.literal_eval(done.stdout)


def test_the_variable_changes_every_path(counting):
    before, fast = paths_with("")
    before_slow, slow = paths_with("1")
    unused = dict.fromkeys(("GpuMat made", "torch", "CuPy read", "CuPy made"))
    assert before == {"slow": False, **unused} and before_slow == {"slow": True, **unused}
    can_make = counting != COUNTS_UP
    assert fast["GpuMat made"] == ("in place" if can_make else "by its class")
    has_table = hasattr(torch.Tensor, "__dlpack_c_exchange_api__")
    assert fast["torch"] == ("exchange table" if has_table else "torch.utils.dlpack")
    assert (fast["CuPy read"], fast["CuPy made"]) == ("in place", "in place")
    assert slow == {
        "slow": True,
        "GpuMat made": "by its class",
        "torch": "torch.utils.dlpack",
        "CuPy read": "by its attributes",
        "CuPy made": "by its class",
    }


@pytest.mark.parametrize("value", ["0", "yes"])
def test_other_values_of_the_variable_are_ignored(value):
    program = "from viewcast import _viewcast; print(_viewcast._paths())"
    assert paths_with(value, program)["slow"] is False
    assert paths_with("1", program)["slow"] is True


# --- CuPy arrays made in place

MEMORY = numpy.zeros(1 << 16, "uint8")


def over(shape, strides, dtype):
    """A View of host memory with exactly these strides."""
    low = sum(min(0, s * (n - 1)) for s, n in zip(strides, shape, strict=True))
    array = numpy.ndarray(shape, dtype, MEMORY, -low, strides)
    return vc.view(array)


def theirs(view):
    """The array that CuPy makes of the same memory."""
    low = sum(min(0, s * (n - 1)) for s, n in zip(view.strides, view.shape, strict=True))
    size = max(1, MEMORY.nbytes)
    memory = cupy.cuda.UnownedMemory(view.ptr + low, size, MEMORY, device_id=0)
    pointer = cupy.cuda.MemoryPointer(memory, -low)
    return cupy.ndarray(view.shape, view.dtype, pointer, view.strides)


LAYOUTS = [
    ((5, 7, 3), (21, 3, 1), "uint8"),  # packed
    ((5, 7, 3), (64, 3, 1), "uint8"),  # pitched
    ((5, 7, 4), (128, 16, 4), "float32"),
    ((7, 5), (2, 14), "int16"),  # Fortran order
    ((7,), (8,), "float64"),
    ((1,), (4,), "int32"),
    ((1, 1, 1), (9, 9, 9), "uint8"),
    ((4, 1, 3), (3, 50, 1), "bool"),
    ((4, 1), (2, 30), "float16"),
    ((3, 4), (0, 1), "uint8"),  # a broadcast
    ((2, 3, 4, 5), (120, 40, 10, 2), "uint16"),
    ((2, 3, 4, 5), (2, 4, 12, 48), "int16"),
    ((4, 3), (-3, 1), "uint8"),  # backwards: by the public call
    ((4, 0, 3), (0, 3, 1), "uint8"),  # empty: by the public call
    ((2, 2, 2), (4, 4, 4), "int32"),  # overlapping
]
PLAIN = ("shape", "strides", "dtype", "size", "nbytes", "ndim", "itemsize")


@pytest.mark.parametrize(("shape", "strides", "dtype"), LAYOUTS, ids=str)
def test_arrays_equal_those_that_cupy_makes(shape, strides, dtype):
    view = over(shape, strides, dtype)
    ours, needed = vc.as_cupy(view), theirs(view)
    assert type(ours) is type(needed) is cupy.ndarray
    for name in PLAIN:
        assert getattr(ours, name) == getattr(needed, name), name
    for flag in ("c_contiguous", "f_contiguous", "owndata"):
        assert getattr(ours.flags, flag) == getattr(needed.flags, flag), flag
    assert ours.base is needed.base is None
    assert type(ours.data) is type(needed.data)
    assert type(ours.data.mem) is type(needed.data.mem)
    assert (ours.data.device_id, ours.data.mem.device_id) == (0, 0)
    if ours.size:
        assert ours.data.ptr == needed.data.ptr == view.ptr
        assert ours.data.mem.ptr <= ours.data.ptr
    public = vc.view(ours)  # read in place, or not
    assert (public.shape, public.strides, public.dtype) == (shape, view.strides, dtype)


def test_made_arrays_can_be_used_like_any():
    source = numpy.arange(120, dtype="int16").reshape(4, 5, 6)
    array = vc.as_cupy(source)
    assert array[1:, ::2].strides == source[1:, ::2].strides
    assert array.T.shape == (6, 5, 4) and array.T.flags.f_contiguous
    assert array.reshape(20, 6).data.ptr == array.data.ptr
    assert array.view("uint8").shape == (4, 5, 12)
    assert array.view().base is array
    array.shape = (5, 24)
    assert array.strides == (48, 2)
    assert weakref.ref(array)() is array


def test_made_arrays_keep_and_release_their_source():
    class Source(numpy.ndarray):
        pass

    source = numpy.zeros((4, 6, 3), "uint8").view(Source)
    gone = weakref.ref(source)
    array = vc.as_cupy(source)
    part = array[1:]
    del source, array
    gc.collect()
    assert gone() is not None
    del part
    vc.collect()
    gc.collect()
    assert gone() is None


def array_of(kind, pointer_kind=cupy.cuda.MemoryPointer):
    memory = cupy.cuda.UnownedMemory(MEMORY.ctypes.data, 72, MEMORY, device_id=0)
    return kind((4, 6, 3), "uint8", pointer_kind(memory, 0))


def description(view):
    return view.ptr, view.shape, view.strides, view.dtype


AS_MADE = (MEMORY.ctypes.data, (4, 6, 3), (18, 3, 1), "uint8")


@pytest.mark.parametrize("name", ["shape", "strides", "dtype", "data"])
def test_subclasses_are_read_as_cupy_reads_them(name):
    """A subclass's Python code is not asked: it could change the array between two reads."""

    def answer(self):
        self.shape = (72, 1, 1)
        return {"shape": (9999,), "strides": (9999, 1, 1)}.get(name)

    kind = type("Renamed", (cupy.ndarray,), {name: property(answer)})
    assert description(vc.view(array_of(kind))) == AS_MADE


def test_a_pointer_of_a_subclass_is_read_as_cupy_reads_it():
    class Pointer(cupy.cuda.MemoryPointer):
        ptr = property(lambda self: 4096)
        device_id = property(lambda self: 77)

    assert description(vc.view(array_of(cupy.ndarray, Pointer))) == AS_MADE


# --- GpuMats made in place


def make(rows=4, cols=6):
    return vc.as_gpumat(numpy.arange(rows * cols * 3, dtype="uint8").reshape(rows, cols, 3))


def test_gpumats_equal_those_that_opencv_makes():
    mat, plain = make(), cv2.cuda.GpuMat()
    assert type(mat) is type(plain) is cv2.cuda.GpuMat
    assert sys.getsizeof(mat) == sys.getsizeof(plain)
    assert (mat.size(), mat.channels(), mat.step) == ((6, 4), 3, 18)
    assert not mat.empty() and make(0).empty()


def test_parts_outlive_the_object(counting):
    """A copied header does not depend on the object that it was copied from."""
    mat = make()
    part, address = mat.rowRange(1, 3), mat.cudaPtr()
    copies = [mat.rowRange(0, 4).colRange(0, 6) for _ in range(10)]
    del mat
    gc.collect()
    assert part.cudaPtr() == address + 18
    assert all(copy.cudaPtr() == address for copy in copies)
    assert vc.as_numpy(part).tolist() == numpy.arange(72).reshape(4, 6, 3)[1:3].tolist()


def references_left(make_one):
    """By how many the references to the class grow after a thousand objects were made and
    dropped: OpenCV's abi3 builds do not release theirs."""
    make_one()
    before = sys.getrefcount(cv2.cuda.GpuMat)
    mats = [make_one() for _ in range(1000)]
    del mats
    vc.collect()
    return (sys.getrefcount(cv2.cuda.GpuMat) - before + 50) // 1000


def test_the_class_is_referenced_as_by_opencvs_own_objects():
    assert references_left(make) == references_left(cv2.cuda.GpuMat)


@pytest.mark.unsanitized  # OpenCV's __init__ leaks what the object held before
def test_an_object_can_be_initialised_again(ledger):
    mat = make()
    mat.__init__()
    assert mat.empty()
    mat = vc.as_gpumat(numpy.zeros((4, 6, 3), "uint8"))
    assert mat.size() == (6, 4)


@pytest.mark.parametrize("count", [1, 4, 16])
def test_many_threads_make_and_drop(count):
    wrong = []
    images = [numpy.full((8, 8, 3), i, "uint8") for i in range(count)]

    def work(image):
        for _ in range(200):
            mat = vc.as_gpumat(image)
            array = vc.as_cupy(mat)
            tensor = vc.as_tensor(array)
            if int(tensor[7, 7, 2]) != image[0, 0, 0] or mat.size() != (8, 8):
                wrong.append(image[0, 0, 0])

    at_once(lambda index: work(images[index]), count)
    assert not wrong


def test_paths_lists_the_fast_paths_in_use():
    make(), vc.as_cupy(make()), vc.as_tensor(make())
    now = _viewcast._paths()
    assert now["slow"] is (os.environ.get("VIEWCAST_SLOW") == "1")
    assert None not in now.values()


REFUSE = """
import numpy, torch, torch.utils.dlpack, viewcast as vc

def refuse(capsule):
    raise RuntimeError("Unsupported code 6")

torch.utils.dlpack.from_dlpack = refuse
try:
    vc.as_tensor(numpy.zeros((4, 4), bool))
except vc.ViewError as error:
    print([str(error), repr(error.__cause__)])
"""


def test_an_image_that_torch_refuses_is_described():
    """As PyTorch 2.1 refuses bool."""
    message, cause = paths_with("1", REFUSE)
    assert message.startswith(
        "torch does not take this image, which is bool in host memory; vc.to_"
    )
    assert cause == "RuntimeError('Unsupported code 6')"
