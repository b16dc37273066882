# SPDX-License-Identifier: Apache-2.0
"""The memory that this process holds. The free memory of a GPU says nothing, as other processes
may use the same GPU."""

import ctypes
import os

import cupy
import torch

import viewcast as vc


def resident():
    """Bytes of host memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Process(ctypes.Structure):
    """nvmlProcessInfo_t"""

    _fields_ = [
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    ]


class Driver:
    """Bytes that NVML reports for this process on GPU 0: its contexts and their memory. None where
    NVML is missing, or knows the process by a number of another namespace."""

    NOT_AVAILABLE = 2**64 - 1
    MOST = 1024  # processes

    def __init__(self):
        self.library = self.handle = None
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return
        handle = ctypes.c_void_p()
        bus = cupy.cuda.runtime.deviceGetPCIBusId(0).encode()
        if library.nvmlInit_v2() == 0 and (
            library.nvmlDeviceGetHandleByPciBusId_v2(bus, ctypes.byref(handle)) == 0
        ):
            self.library, self.handle = library, handle

    def used(self):
        """Bytes, or None."""
        if self.handle is None:
            return None
        count, found = ctypes.c_uint(self.MOST), (Process * self.MOST)()
        ask = self.library.nvmlDeviceGetComputeRunningProcesses_v3
        if ask(self.handle, ctypes.byref(count), found) != 0:
            return None
        mine = [each.used for each in found[: count.value] if each.pid == os.getpid()]
        return mine[0] if mine and mine[0] != self.NOT_AVAILABLE else None


class Books:
    """Figures of memory, by name. Those in `EXACT` must return to the same number of bytes, the
    others stay within their slack."""

    EXACT = ("torch", "cupy", "pools")
    SLACK = {"host": 8 << 20, "process on the GPU": 32 << 20}
    SLACK_GPU = {"host": 24 << 20, "process on the GPU": 32 << 20}  # the driver's own

    def __init__(self, gpu):
        self.gpu = gpu
        self.driver = Driver() if gpu else None

    def read(self):
        """Reads all figures; to be called while no image is alive."""
        figures = {"host": resident()}
        if not self.gpu:
            return figures
        vc.trim_pool()
        torch.cuda.empty_cache()
        cupy.get_default_memory_pool().free_all_blocks()
        figures["torch"] = torch.cuda.memory_allocated()
        figures["cupy"] = cupy.get_default_memory_pool().used_bytes()
        figures["pools"] = vc.statistics()["pool_live"]
        process = self.driver.used()
        if process is not None:
            figures["process on the GPU"] = process
        return figures

    def faults(self, before, now):
        """One line for each figure that has grown."""
        slack = self.SLACK_GPU if self.gpu else self.SLACK
        for name in now.keys() & before.keys():
            grown = now[name] - before[name]
            allowed = 0 if name in self.EXACT else slack[name]
            if grown > allowed:
                yield f"{name}: {grown:+,} bytes, {allowed:,} are allowed"
