# SPDX-License-Identifier: Apache-2.0
"""GPUs and driver, as the driver itself reports them: no other library is needed."""

import ctypes

import viewcast as vc
from viewcast import _viewcast

MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


def describe():
    """The mode with its reason, the driver's versions and the GPUs."""
    try:
        mode, reason = ("host" if vc.host_mode() else "CUDA"), _viewcast._mode_reason()
    except vc.ViewError as error:
        mode, reason = "none", str(error)
    return {"mode": mode, "reason": reason, **(driver() if mode == "CUDA" else NO_DRIVER)}


NO_DRIVER: dict[str, object] = {"driver_cuda": None, "driver": None, "gpus": []}


def driver():
    cuda = ctypes.CDLL("libcuda.so.1")
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    return {
        "driver_cuda": f"{version.value // 1000}.{version.value % 1000 // 10}",
        "driver": driver_release(),
        "gpus": [gpu(cuda, number) for number in range(count.value)],
    }


def driver_release():
    """As "580.159"; None where the kernel module does not say."""
    try:
        with open("/proc/driver/nvidia/version") as file:
            words = file.readline().split()
    except OSError:
        return None
    return next((word for word in words if word[0].isdigit() and "." in word), None)


def gpu(cuda, number):
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(128)
    major, minor = ctypes.c_int(), ctypes.c_int()
    cuda.cuDeviceGet(ctypes.byref(device), number)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), MINOR, device)
    return {
        "name": name.value.decode(errors="replace"),
        "capability": f"{major.value}.{minor.value}",
        "memory_gib": round(memory.value / 2**30, 1),
        "kernels": _viewcast._kernel_image(number) or None,
    }
