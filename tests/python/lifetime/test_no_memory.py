# SPDX-License-Identifier: Apache-2.0
"""Failing allocations: each of Python's allocations in a conversion fails in turn, until the
conversion passes. Each time it raises MemoryError, keeps nothing and leaves the counts right."""

import subprocess
import sys
import textwrap

import pytest

# Unsanitized: the failing allocator is put in front of Python's own.
pytestmark = [pytest.mark.any_opencv, pytest.mark.unsanitized]

pytest.importorskip("_testcapi", reason="this Python has no _testcapi.set_nomemory")

# Runs in a process of its own, because other libraries' caches may not survive a failing
# allocation. The sources and targets are those that call little code besides viewcast's:
# NumPy arrays, buffers, GpuMats and Views.
PROGRAM = """
import gc, sys
import _testcapi
import cv2, numpy as np
import viewcast as vc

array = np.zeros((7, 5, 3), np.uint8)
view = vc.view(array)
mat = vc.as_gpumat(array)
block = bytearray(60)

class Array:
    __cuda_array_interface__ = {
        "shape": (7, 5, 3), "typestr": "|u1", "data": (array.ctypes.data, False),
        "version": 3, "strides": (15, 3, 1)}

producer = Array()
address = array.ctypes.data
swapped = np.zeros((7, 5, 3), ">u2")
masked = np.ma.array(array, mask=True)

class Like:
    def __array__(self, dtype=None, copy=None):
        return array

like = Like()

def no_image():
    for thing in (None, "path", masked):
        try:
            vc.view(thing)
        except (TypeError, vc.ViewError):
            continue
        raise AssertionError(thing)

batch = np.zeros((3, 7, 5, 4), np.uint8)
masks = np.zeros((3, 7, 5), np.uint8)
images = [np.zeros((7, 5, 3), np.uint8) for _ in range(9)]  # more than are kept in place
planar = np.zeros((3, 7, 5), np.float32)
mats = vc.as_gpumats(batch)
cupy_array = vc.as_cupy(array)
mean = [1.0, 2.0, 3.0]
into = np.zeros((9, 3, 7, 5), np.float32)
canvas = np.zeros((21, 15, 3), np.uint8)
tiles = [canvas[7 * i : 7 * i + 7, 5 * j : 5 * j + 5] for i in range(3) for j in range(3)]

def refused():
    try:
        vc.as_gpumat(array[:, ::2])
    except vc.LayoutError:
        pass

def no_transform():
    try:
        vc.to_numpy(images, layout="CHW")
    except (vc.LayoutError, ValueError):
        pass

operations = {
    "view of an array": lambda: vc.view(array),
    "view of a buffer": lambda: vc.view(block),
    "view of a View": lambda: vc.view(view),
    "view of a GpuMat": lambda: vc.view(mat),
    "view of a CUDA array": lambda: vc.view(producer),
    "GpuMat of an array": lambda: vc.as_gpumat(array),
    "GpuMat of a View": lambda: vc.as_gpumat(view),
    "GpuMat of a CUDA array": lambda: vc.as_gpumat(producer),
    "array of a View": lambda: vc.as_numpy(view),
    "capsule": lambda: view.__dlpack__(),
    "versioned capsule": lambda: view.__dlpack__(max_version=(1, 0)),
    "attributes": lambda: (view.shape, view.strides, view.dtype, view.device, repr(view)),
    "buffer": lambda: memoryview(view),
    "view of a capsule": lambda: vc.view(view.__dlpack__(max_version=(1, 0))),
    "GpuMat of a capsule": lambda: vc.as_gpumat(view.__dlpack__()),
    "copy of a capsule": lambda: vc.to_numpy([view.__dlpack__(), array]),
    "copy of a big-endian array": lambda: vc.to_numpy(swapped),
    "copy of what becomes an array": lambda: vc.as_numpy(like, copy=None),
    "no image": no_image,
    "pitch": lambda: vc.from_pointer(address, (7, 5, 3), "uint8", pitch=15),
    "statistics": vc.statistics,
    "layout": vc._viewcast._opencv_layout,
    "refusal": refused,
    "stream": lambda: vc.as_gpumat(array, stream=1, producer_stream=2),
    "copy": lambda: vc.as_numpy(array, copy=True),
    "GpuMats of a batch": lambda: vc.as_gpumats(batch),
    "GpuMats of a list": lambda: vc.as_gpumats([array, view]),
    "copies of a batch": lambda: vc.as_gpumats(batch, copy=True),
    "masks": lambda: vc.to_numpy(masks, from_layout="NHW"),
    "views of a pointer": lambda: vc.from_pointer(
        address, (7, 5, 3), "uint8", strides=(15, 3, 1), owner=array),
    "view of a CuPy array": lambda: vc.view(cupy_array),
    "CuPy array of a GpuMat": lambda: vc.as_cupy(mat),
    "CuPy array of a View": lambda: vc.as_cupy(view),
    "planes": lambda: vc.to_numpy(array, layout="CHW"),
    "planes of a GpuMat": lambda: vc.to_numpy(mat, layout="CHW", dtype="float32", scale=0.5),
    "planes of a list": lambda: vc.to_numpy(
        images, layout="NCHW", dtype=np.float32, mean=mean, std=(1, 2, 4)),
    "planes of a list of GpuMats": lambda: vc.to_numpy(mats, layout="NCHW"),
    "normalised": lambda: vc.to_numpy(array, layout="CHW", dtype="float32", normalize=vc.IMAGENET),
    "into memory that is there": lambda: vc.to_numpy(
        images, layout="NCHW", dtype="float32", out=into),
    "into tiles": lambda: vc.to_numpy(images, out=tiles),
    "into empty GpuMats": lambda: vc.to_gpumat(images, out=[cv2.cuda.GpuMat() for _ in images]),
    "GpuMat of planes": lambda: vc.to_gpumat(planar, from_layout="CHW", dtype="uint8", scale=2),
    "GpuMats of planes": lambda: vc.to_gpumat(into, from_layout="NCHW", dtype="uint8"),
    "refused transform": no_transform,
}
for operation in operations.values():
    operation()  # imports and caches

def balance():
    gc.collect()
    vc.collect(force=True)
    now = vc.statistics()
    return [now[key + "s"] - now[key + "s_released"] for key in ("lend", "share", "export")]

def attempt(operation, start, stop):
    # A short function: Python itself needs memory to handle an exception far from a
    # function's beginning, and without it tries for ever.
    _testcapi.set_nomemory(start, stop)
    try:
        operation()
    except BaseException as raised:
        _testcapi.remove_mem_hooks()
        return type(raised)
    _testcapi.remove_mem_hooks()

before = balance()
faults = 0
for name, operation in operations.items():
    for start in range(2000):
        for stop in (start + 1, 0):  # this one alone; this one and all later ones
            error = attempt(operation, start, stop)
            faults += error is not None
            allowed = (MemoryError, vc.ViewError)
            assert error is None or issubclass(error, allowed), (name, start, error)
            assert balance() == before, (name, start)
        if error is None:
            break
    else:
        raise AssertionError(f"{name} never passed")
print(faults, "faults")
"""


@pytest.mark.all_libraries
def test_every_python_allocation_fails_in_turn():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[0]) > 500
