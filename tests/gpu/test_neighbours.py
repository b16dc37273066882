# SPDX-License-Identifier: Apache-2.0
"""Device memory of libraries without an adapter of their own, as producers and consumers."""

import importlib

import cupy
import cv2
import numpy as np
import pytest
import torch
from delay import delay, side_stream, trials
from neighbours import is_installed
from pictures import pattern, pixels

import viewcast as vc

SHAPE = (48, 64, 3)
TRIALS = trials(100)


# --- their memory, seen by viewcast


def test_a_librarys_memory_is_a_view(neighbour):
    array = pattern(SHAPE)
    theirs = neighbour.make(array)
    view = vc.view(theirs)
    assert (view.ptr, view.shape, view.dtype) == (neighbour.address(theirs), SHAPE, "uint8")
    assert (view.device, view.readonly) == ("cuda:0", neighbour.readonly)
    seen = torch.as_tensor(cupy.asarray(view)) if neighbour.readonly else vc.as_tensor(view)
    np.testing.assert_array_equal(seen.cpu().numpy(), array)


@pytest.mark.parametrize(
    "convert", [vc.as_gpumat, vc.as_tensor, vc.as_cupy], ids=lambda convert: convert.__name__
)
def test_a_librarys_memory_is_converted_to_every_target(neighbour, convert):
    array = pattern(SHAPE)
    theirs = neighbour.make(array)
    if neighbour.readonly:
        with pytest.raises(vc.ViewError, match="read-only"):
            convert(theirs)
    image = convert(theirs, copy=None)
    same = vc.view(image).ptr == neighbour.address(theirs)
    assert same is not neighbour.readonly
    np.testing.assert_array_equal(pixels(image), array)


def test_a_librarys_memory_lives_as_long_as_its_views(neighbour):
    if not neighbour.keeps:
        pytest.skip("does not keep what it looks at; what it decodes: test_codecs.py")
    array = pattern(SHAPE)
    theirs = neighbour.make(array)
    image = vc.view(theirs)
    del theirs
    others = [neighbour.make(np.full(SHAPE, 255, np.uint8)) for _ in range(8)]
    np.testing.assert_array_equal(torch.as_tensor(cupy.asarray(image)).cpu().numpy(), array)
    del others


# --- a GpuMat's memory, seen by them


def test_a_library_imports_a_gpumat(neighbour, ledger):
    array = pattern(SHAPE)
    tensor = torch.from_numpy(array).cuda()
    mat = vc.as_gpumat(tensor)
    theirs = neighbour.take(vc.view(mat))
    np.testing.assert_array_equal(neighbour.read(theirs), array)
    torch.bitwise_not(tensor, out=tensor)
    torch.cuda.synchronize()
    np.testing.assert_array_equal(neighbour.read(theirs), 255 - array)


def test_a_gpumats_memory_lives_as_long_as_the_librarys_array(neighbour):
    array = pattern(SHAPE)
    theirs = neighbour.take(vc.view(vc.as_gpumat(torch.from_numpy(array).cuda())))
    vc.collect()
    others = [torch.full(SHAPE, 255, dtype=torch.uint8, device="cuda") for _ in range(8)]
    np.testing.assert_array_equal(neighbour.read(theirs), array)
    del others


def test_pitched_rows(neighbour):
    array = pattern(SHAPE)
    whole = torch.from_numpy(array).cuda()
    part = cv2.cuda.GpuMat(vc.as_gpumat(whole), (8, 4, 32, 16))
    if not neighbour.strided:
        with pytest.raises(Exception, match="strid"):
            neighbour.take(vc.view(part))
        part = vc.as_gpumat(part, copy=True)
    theirs = neighbour.take(vc.view(part))
    np.testing.assert_array_equal(neighbour.read(theirs), array[4:20, 8:40])


def test_a_library_waits_for_work_in_flight(neighbour):
    if not neighbour.orders:
        pytest.skip("leaves the order of streams to its user")
    stream = side_stream()
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    stale = 0
    for trial in range(1, TRIALS + 1):
        delay(stream)
        with torch.cuda.stream(vc.stream(stream).torch):
            tensor.fill_(trial)
            view = vc.view(tensor)
        stale += int((neighbour.read(neighbour.take(view)) != trial).any())
    assert stale == 0


# --- memory that is known by its address, as TensorRT's


def test_a_pointer_is_a_view():
    tensor = torch.from_numpy(pattern(SHAPE)).cuda()
    view = vc.from_pointer(tensor.data_ptr(), SHAPE, torch.uint8, owner=tensor)
    assert view.device == "cuda:0"
    expected = tensor.cpu().numpy()
    mat = vc.as_gpumat(view)
    assert mat.cudaPtr() == tensor.data_ptr()
    del tensor, view
    others = [torch.full(SHAPE, 255, dtype=torch.uint8, device="cuda") for _ in range(8)]
    np.testing.assert_array_equal(pixels(mat), expected)
    del others


def test_a_pointer_s_device_is_checked():
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    host = np.zeros(SHAPE, np.uint8)
    with pytest.raises(vc.DeviceError, match="is memory of CUDA device 0"):
        vc.from_pointer(tensor.data_ptr(), SHAPE, "uint8", device="cpu")
    with pytest.raises(vc.DeviceError, match="is host memory, not memory of CUDA device 0"):
        vc.from_pointer(host.ctypes.data, SHAPE, "uint8", device=0)
    assert vc.from_pointer(tensor.data_ptr(), SHAPE, "uint8", device="cuda").device == "cuda:0"


def test_a_pointer_s_stream_is_waited_for():
    stream = side_stream()
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    stale = 0
    for trial in range(1, TRIALS + 1):
        delay(stream)
        with torch.cuda.stream(vc.stream(stream).torch):
            tensor.fill_(trial)
        view = vc.from_pointer(
            tensor.data_ptr(), SHAPE, "uint8", owner=tensor, producer_stream=stream
        )
        stale += int((vc.as_cupy(view).get() != trial).any())
    assert stale == 0


def test_a_buffer_of_cuda_core_by_its_address():
    if not is_installed("cuda.core"):
        pytest.skip("cuda.core is not installed")
    core = importlib.import_module("cuda.core")
    if not hasattr(core, "Device"):
        core = importlib.import_module("cuda.core.experimental")
    device = core.Device(0)
    device.set_current()
    buffer = device.allocate(48 * 64 * 3, stream=device.default_stream)
    view = vc.from_pointer(int(buffer.handle), SHAPE, "uint8", owner=buffer)
    array = vc.as_cupy(view)
    array.fill(7)
    assert int(vc.as_tensor(vc.as_gpumat(view)).sum()) == 7 * 48 * 64 * 3
    del array, view, buffer
    torch.cuda.synchronize()
    vc.collect()
