# SPDX-License-Identifier: Apache-2.0
"""CUDA mode, devices and warming up, and what a forked process may still do: against the
simulated driver (tests/support/simulated_cuda.py)."""

import gc
import os
import weakref

import cv2
import numpy
import pytest
from dlpack_structs import Producer
from simulated_cuda import (
    CUDA_HOST,
    CUDA_MANAGED,
    ILLEGAL_ADDRESS,
    CudaArray,
    dlpack_producer,
    gpumat_header,
    new_array,
    raises,
    sim,
    simulated,
)

import viewcast as vc

pytestmark = pytest.mark.any_opencv


# --- the mode


@simulated(devices=2)
def test_bare_cuda_mode():
    assert not vc.host_mode()
    assert vc._viewcast._mode_reason() == "CUDA: the driver lists 2 devices"


@simulated(devices=0)
def test_bare_no_devices():
    assert vc.host_mode()
    assert vc._viewcast._mode_reason() == "host mode: the driver lists 0 devices"
    vc.warmup()
    mat = vc.as_gpumat(numpy.zeros((4, 6, 3), "uint8"), stream=77, producer_stream=78)
    assert mat.size() == (6, 4)
    assert sim.work() == ""


@simulated(devices=0, VIEWCAST_HOST_MODE="0")
def test_bare_host_mode_forbidden():
    with raises(vc.DeviceError, "the driver lists 0 devices", "VIEWCAST_HOST_MODE=0"):
        vc.host_mode()
    with raises(vc.DeviceError, "VIEWCAST_HOST_MODE=0"):
        vc.as_gpumat(numpy.zeros((4, 6, 3), "uint8"))
    sim.library.sim_set_devices(1)
    assert not vc.host_mode()


@simulated()
def test_bare_driver_error_is_retried():
    sim.fail("cuInit", 999)
    with raises(vc.CUDAError, "cuInit failed with CUDA error 999 (CUDA_ERROR_UNKNOWN)"):
        vc.host_mode()
    assert not vc.host_mode()


# --- devices


@simulated(devices=2)
def test_devices_of_memory():
    assert vc.view(new_array()).device == "cuda:0"
    assert vc.view(new_array(device=1)).device == "cuda:1"
    assert vc.view(new_array(kind=CUDA_MANAGED, device=1)).device == "cuda_managed:1"
    assert vc.view(new_array(kind=CUDA_HOST)).device == "cuda_host"
    assert vc.view(dlpack_producer(device=1)).device == "cuda:1"
    assert vc.view(gpumat_header(device=1)).device == "cuda:1"
    assert vc.view(numpy.zeros((4, 6), "uint8")).device == "cpu"
    assert vc.view(vc.as_gpumat(new_array(device=1))).device == "cuda:1"
    host = numpy.zeros((4, 6), "uint8")
    with raises(vc.DeviceError, f"address {hex(host.ctypes.data)}, which is no CUDA memory"):
        vc.view(CudaArray(host))
    sim.fail("cuPointerGetAttributes", ILLEGAL_ADDRESS)
    with raises(vc.CUDAError, "cuPointerGetAttributes failed with CUDA error 700"):
        vc.view(new_array())


@simulated()
def test_host_memory_is_refused():
    plain = numpy.zeros((4, 6, 3), "uint8")
    pinned = sim.memory(kind=CUDA_HOST)
    with raises(vc.DeviceError, "in host memory", "device memory"):
        vc.as_gpumat(plain)
    with raises(vc.DeviceError, "in pinned host memory"):
        vc.as_gpumat(pinned)
    with raises(vc.DeviceError, "in pinned host memory"):
        vc.as_gpumat(dlpack_producer(kind=CUDA_HOST))
    with raises(vc.DeviceError, "in host memory"):
        vc.as_gpumat(vc.view(plain))
    with raises(vc.DeviceError, "in host memory"):
        vc.as_gpumat(Producer(plain))
    with raises(vc.DeviceError, "CUDA device 0", "NumPy needs host memory"):
        vc.as_numpy(new_array())
    with raises(vc.DeviceError, "copy=None", "torch: .cpu()"):
        vc.as_numpy(new_array(), copy=False)
    with raises(AttributeError, "host memory"):
        _ = vc.view(plain).__cuda_array_interface__
    assert sim.work() == ""


@pytest.mark.all_libraries
@simulated()
def test_torch_host_memory_is_refused():
    import torch

    tensor = torch.zeros((4, 6, 3), dtype=torch.uint8)
    with raises(vc.DeviceError, "in host memory"):
        vc.as_gpumat(tensor)
    sim.register(tensor.data_ptr(), tensor.nbytes, CUDA_HOST)
    with raises(vc.DeviceError, "in pinned host memory"):
        vc.as_gpumat(tensor)


@pytest.mark.all_libraries
@simulated()
def test_torch_tensors():
    """A torch without CUDA may take device memory all the same, or refuse it."""
    import torch

    a, b = sim.stream(), sim.stream()
    array = new_array(a)
    producer = weakref.ref(array)
    try:
        tensor = vc.as_tensor(array, stream=b)
    except (vc.ViewError, RuntimeError):
        assert not torch.cuda.is_available()
        return
    assert sim.work() == "record A@0, wait B@0"
    mat = vc.as_gpumat(tensor, producer_stream=b)
    assert sim.work() == "record B@0, wait 1@0"
    sim.busy(b)
    del array, tensor, mat
    vc.collect()
    assert producer() is not None
    sim.busy(b, False)
    vc.collect()
    assert producer() is None


@simulated()
def test_savants_names_take_empty_gpumats_on_a_gpu():
    from viewcast._viewcast import opencv_gpu_mat_as_pytorch_tensor

    for mat, shape in [(cv2.cuda.GpuMat(), (0, 0)), (cv2.cuda.GpuMat(0, 20, cv2.CV_8UC3), None)]:
        made = vc.view(mat)
        assert 0 in made.shape and (shape is None or made.shape == shape)
        try:
            tensor = opencv_gpu_mat_as_pytorch_tensor(mat)
        except (ImportError, vc.ViewError) as error:  # no torch, or one without CUDA
            assert "torch" in str(error)
        else:
            assert tuple(tensor.shape) == made.shape


# --- warming up


@simulated()
def test_bare_warmup():
    assert sim.library.sim_events() == 0
    vc.warmup()
    assert sim.library.sim_events() == 16
    sim.work()
    vc.warmup(0)
    assert sim.work() == ""
    with raises(vc.DeviceError, "no CUDA device 1: this machine has 1"):
        vc.warmup(1)
    with raises(vc.DeviceError):
        vc.warmup(-1)
    device = type("Device", (), {"__str__": lambda self: "cuda:0"})()
    for same in ("cuda", "cuda:0", "cuda_managed:0", device, None, "cpu"):
        vc.warmup(same)
        vc.warmup(device=same)
    assert sim.work() == ""
    with raises(vc.DeviceError, "no CUDA device 4294967296: this process sees 1"):
        vc.warmup(1 << 32)
    with raises(ValueError, "device is '0', needs"):
        vc.warmup("0")
    with raises(TypeError, "device is a bool, needs an int"):
        vc.warmup(True)


@simulated()
def test_bare_warmup_fails():
    sim.fail("cuEventCreate", 2, after=3)
    with raises(vc.CUDAError, "cuEventCreate", "CUDA_ERROR_OUT_OF_MEMORY"):
        vc.warmup()
    vc.warmup()
    assert sim.library.sim_events() == 16


# --- fork


@pytest.mark.all_libraries
@simulated()
def test_fork_after_use():
    """A child converts host memory; for the rest it gets an error that says why, and
    the driver is not asked for anything."""
    source = new_array()
    held = [source, vc.as_gpumat(source), vc.view(source)]
    host = numpy.zeros((4, 6, 3), "uint8")
    pinned = sim.memory(kind=CUDA_HOST)
    before = vc.statistics()
    sim.work()
    child = os.fork()
    if child == 0:
        os._exit(run_child(held, host, pinned, before))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert vc.as_gpumat(source).size() == (6, 4)


def run_child(held, host, pinned, before):
    sim.library.sim_log_clear()
    for convert in (vc.as_numpy, vc.as_tensor, vc.view):
        assert vc.view(convert(host)).ptr == host.ctypes.data
        assert vc.view(convert(pinned)).ptr == pinned.ctypes.data
    for image in held:
        for convert in (vc.as_gpumat, vc.as_tensor, vc.as_cupy):
            if image is held[1] and convert is vc.as_gpumat:
                continue  # it is one already
            with raises(vc.CUDAError, "forked", "spawn"):
                convert(image)
    for call in (lambda: vc.as_gpumat(host), vc.host_mode, lambda: vc.as_cupy(host)):
        with raises(vc.CUDAError, "forked", "spawn"):
            call()
    del image
    held.clear()
    gc.collect()
    vc.collect()
    after = vc.statistics()
    assert after["lends_released"] == before["lends_released"] + 1
    assert sim.library.sim_log_length() == 0  # the driver was not called
    return 0
