# SPDX-License-Identifier: Apache-2.0
"""The device is the memory's, whatever device is current; two GPUs where there are."""

import cupy
import numpy as np
import pytest
import torch
from delay import trials
from pictures import address, pattern, pixels

import viewcast as vc

DEVICES = range(min(torch.cuda.device_count(), 2)) if torch.cuda.is_available() else []
AS = {"torch": vc.as_tensor, "cupy": vc.as_cupy, "gpumat": vc.as_gpumat, "view": vc.view}


@pytest.fixture
def two_gpus():
    if torch.cuda.device_count() < 2:
        pytest.skip("this machine has one GPU, and the test needs two")


def make(library, device, array):
    tensor = torch.from_numpy(array).to(f"cuda:{device}")
    if library == "torch":
        return tensor
    if library == "cupy":
        with cupy.cuda.Device(device):
            return cupy.asarray(array)
    return vc.as_gpumat(tensor)


def current_devices():
    return torch.cuda.current_device(), cupy.cuda.runtime.getDevice()


@pytest.mark.parametrize("current", DEVICES)
@pytest.mark.parametrize("memory", DEVICES)
@pytest.mark.parametrize("target", AS)
@pytest.mark.parametrize("source", ["torch", "cupy", "gpumat"])
def test_right_device_same_address_current_unchanged(source, target, memory, current):
    array = pattern((9, 11, 3))
    with torch.cuda.device(current):
        before = current_devices()
        image = make(source, memory, array)
        view = AS[target](image)
        assert current_devices() == before
        assert vc.view(view).device == f"cuda:{memory}"
        assert vc.view(view).ptr == address(image)
        np.testing.assert_array_equal(pixels(vc.as_tensor(view)), array)
        if target == "torch":
            assert view.device.index == memory
        if target == "cupy":
            assert view.device.id == memory
        del image, view
        vc.collect()
        assert current_devices() == before


@pytest.mark.parametrize("current", DEVICES)
@pytest.mark.parametrize("memory", DEVICES)
def test_a_gpumat_of_opencvs_own(memory, current, cuda_cv2):
    """Allocated on one device, read while another is current, freed where it was."""
    array = pattern((9, 11, 3))
    with torch.cuda.device(memory):
        mat = cuda_cv2.cuda.GpuMat()
        mat.upload(array)
    with torch.cuda.device(current):
        tensor = vc.as_tensor(mat)
        assert tensor.device.index == memory
        np.testing.assert_array_equal(tensor.cpu().numpy(), array)
        del mat, tensor
        assert torch.cuda.current_device() == current


def test_streams_of_two_gpus_are_ordered(two_gpus):
    """A producer on GPU 1, a consumer stream of GPU 0."""
    tensor = torch.zeros((64, 64, 3), dtype=torch.uint8, device="cuda:1")
    side, consumer = torch.cuda.Stream(device=1), torch.cuda.Stream(device=0)
    stale = 0
    for trial in range(trials(200)):
        value = trial % 250 + 1
        with torch.cuda.stream(side):
            torch.cuda._sleep(400_000)
            tensor.fill_(value)
            view = vc.as_cupy(tensor, stream=consumer)
        with torch.cuda.stream(consumer):
            copy = torch.as_tensor(view, device="cuda:1").to("cuda:0", non_blocking=True)
        torch.cuda.synchronize(0)
        stale += int(copy.min()) != value or int(copy.max()) != value
    assert stale == 0


def test_managed_and_pinned_memory_are_told_apart():
    managed = cupy.ndarray((4, 6, 3), cupy.uint8, cupy.cuda.malloc_managed(72))
    managed.fill(7)
    view = vc.view(
        type(
            "Managed",
            (),
            {"__cuda_array_interface__": managed.__cuda_array_interface__, "keep": managed},
        )()
    )
    assert view.device.startswith("cuda_managed")
    assert vc.as_gpumat(view).cudaPtr() == managed.data.ptr
    assert (vc.as_numpy(view) == 7).all()
    pinned = torch.zeros((4, 6, 3), dtype=torch.uint8).pin_memory()
    for convert in (vc.as_gpumat, vc.as_cupy):
        with pytest.raises(vc.DeviceError, match="pinned host"):
            convert(pinned)
    assert vc.as_numpy(pinned).ctypes.data == pinned.data_ptr()


def test_a_cuda_array_that_lies_about_its_memory():
    array = np.zeros((4, 6, 3), np.uint8)
    liar = type(
        "Liar",
        (),
        {
            "__cuda_array_interface__": {
                "version": 3,
                "shape": array.shape,
                "typestr": "|u1",
                "strides": None,
                "data": (array.ctypes.data, False),
            }
        },
    )()
    with pytest.raises(vc.DeviceError, match="no CUDA memory"):
        vc.as_gpumat(liar)


# --- crossing devices, only where it is asked for


@pytest.mark.parametrize("target", ["torch", "cupy", "gpumat"])
@pytest.mark.parametrize("pitched", [False, True])
def test_host_memory_crosses_to_the_gpu_with_copy(target, pitched):
    array = pattern((9, 24, 3))[:, 4:15] if pitched else pattern((9, 11, 3))
    with pytest.raises(vc.DeviceError, match="copy=None"):
        AS[target](array, device="cuda:0")
    copy = AS[target](array, device="cuda:0", copy=None)
    assert vc.view(copy).device == "cuda:0"
    np.testing.assert_array_equal(pixels(copy), array)


@pytest.mark.parametrize("source", ["torch", "cupy", "gpumat"])
def test_device_memory_crosses_to_the_host_with_copy(source):
    array = pattern((9, 11, 3))
    image = make(source, 0, array)
    with pytest.raises(vc.DeviceError, match="copy=None"):
        vc.as_numpy(image, device="cpu")
    np.testing.assert_array_equal(vc.as_numpy(image, device="cpu", copy=None), array)
    np.testing.assert_array_equal(vc.as_tensor(image, device="cpu", copy=None).numpy(), array)


@pytest.mark.parametrize("target", ["torch", "cupy", "gpumat"])
@pytest.mark.parametrize("source", ["torch", "cupy", "gpumat"])
def test_between_two_gpus(source, target, two_gpus):
    array = pattern((9, 11, 3))
    image = make(source, 1, array)
    with pytest.raises(vc.DeviceError, match="cuda:1.*cuda:0"):
        AS[target](image, device=0)
    copy = AS[target](image, device=0, copy=None)
    assert vc.view(copy).device == "cuda:0"
    assert vc.view(AS[target](image, device=1, copy=None)).ptr == vc.view(image).ptr
    np.testing.assert_array_equal(pixels(copy), array)


def test_a_copy_is_ordered_on_both_sides():
    """The producer is in flight, and its memory is dropped and reused at once."""
    wrong = 0
    side = torch.cuda.Stream()
    for trial in range(trials(200)):
        value = trial % 250 + 1
        with torch.cuda.stream(side):
            tensor = torch.empty((256, 256, 3), dtype=torch.uint8, device="cuda")
            torch.cuda._sleep(400_000)
            tensor.fill_(value)
            copy = vc.as_cupy(tensor, copy=True)
            del tensor
            torch.full((256, 256, 3), 255, dtype=torch.uint8, device="cuda")
        wrong += int(copy.min()) != value or int(copy.max()) != value
    assert wrong == 0
