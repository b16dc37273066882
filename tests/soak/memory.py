# SPDX-License-Identifier: Apache-2.0
"""How much memory this process holds: others may use the same GPU, so that what is free
there says nothing."""

import ctypes
import os

import cupy
import torch

import viewcast as vc


def resident():
    """Bytes of the process in host memory."""
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
    """What NVML says of this process on GPU 0: its contexts and all that lies in them.
    Nothing where NVML is missing, or counts processes by numbers of another namespace."""

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
    """Figures of memory, by name. Those of `EXACT` must come back to the very byte, the
    others stay within their slack."""

    EXACT = ("torch", "cupy", "pools")
    SLACK = {"host": 8 << 20, "process on the GPU": 32 << 20}
    SLACK_GPU = {"host": 24 << 20, "process on the GPU": 32 << 20}  # the driver's own

    def __init__(self, gpu):
        self.gpu = gpu
        self.driver = Driver() if gpu else None

    def read(self):
        """Call it when nothing is alive any more."""
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
        """What has grown, in words."""
        slack = self.SLACK_GPU if self.gpu else self.SLACK
        for name in now.keys() & before.keys():
            grown = now[name] - before[name]
            allowed = 0 if name in self.EXACT else slack[name]
            if grown > allowed:
                yield f"{name}: {grown:+,} bytes, {allowed:,} are allowed"
