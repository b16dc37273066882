# SPDX-License-Identifier: Apache-2.0
"""The machine of the figures: hardware, and the versions of all software."""

import ctypes
import datetime
import os
import pathlib
import platform
import re
import sys
import textwrap

import viewcast as vc
from viewcast.bench.conversions import Missing, load


def describe():
    """A flat dictionary; None stands for missing parts."""
    versions = {"viewcast": vc.__version__, "python": platform.python_version()}
    for key, name in {"opencv": "cv2", "torch": "torch", "cupy": "cupy", "numpy": "numpy"}.items():
        module = found(name)
        versions[key] = module and module.__version__
    return {
        **versions,
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "opencv_cuda": opencv_cuda(),
        "torch_cuda": getattr(getattr(found("torch"), "version", None), "cuda", None),
        "compiler": compiler(),
        "mode": "host" if vc.host_mode() else "CUDA",
        "reason": vc.config()["machine"]["reason"],
        "gpu": gpu_name(),
        "driver": driver_version(),
        "driver_cuda": driver_cuda(),
        "cpu": cpu_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def found(name):
    try:
        return load(name)
    except Missing:
        return None


def opencv_cuda():
    cv2 = found("cv2")
    return None if cv2 is None else "NVIDIA CUDA" in cv2.getBuildInformation()


def compiler():
    """The compiler of the extension, as recorded in its binary."""
    from viewcast import _viewcast

    content = pathlib.Path(_viewcast.__file__).read_bytes()
    match = re.search(rb"(GCC: \([^)]*\) [\w.]+|[\w ]*clang version [\w.]+)", content)
    return match and match[1].decode()


def gpu_name():
    if vc.host_mode():
        return None
    torch, cupy = found("torch"), found("cupy")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    if cupy is not None and cupy.is_available():
        return cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return None


def driver_version():
    try:
        text = pathlib.Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    match = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return match and match[1]


def driver_cuda():
    """The newest CUDA that the driver knows."""
    try:
        version, cuda = ctypes.c_int(), ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    if cuda.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def cpu_name():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or None
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.processor() or None


def lines(machine):
    """The description as lines of at most 80 columns."""
    opencv = machine["opencv"] and f"{machine['opencv']} {built(machine['opencv_cuda'])}"
    versions = {
        "viewcast": machine["viewcast"],
        "Python": machine["python"] + ("" if machine["gil"] else " without the GIL"),
        "OpenCV": opencv,
        "torch": machine["torch"],
        "CuPy": machine["cupy"],
        "NumPy": machine["numpy"],
    }
    yield from wrapped(f"{name} {version or 'missing'}" for name, version in versions.items())
    hardware = [f"{machine['cpu']}, {machine['cpus']} CPUs"]
    if machine["gpu"]:
        driver = f"driver {machine['driver']} (CUDA {machine['driver_cuda']})"
        hardware = [machine["gpu"], driver, *hardware]
    yield from wrapped(hardware)
    yield from wrapped([machine["reason"]])


def built(cuda):
    return "with CUDA" if cuda else "without CUDA"


def wrapped(parts, width=80):
    return textwrap.wrap(", ".join(parts), width, break_on_hyphens=False)
