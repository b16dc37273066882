# SPDX-License-Identifier: Apache-2.0
"""The libraries that are installed. Only the four that viewcast knows are imported."""

import contextlib
import importlib.metadata
import os

import viewcast as vc
from viewcast import _viewcast

from ..terminal import load

# Others, by the name of their distribution: looked up, never imported.
NEIGHBOURS = "jax numba-cuda cuda-core cvcuda-cu13 cvcuda-cu12 warp-lang pynvvideocodec"
NEIGHBOURS += " nvidia-nvimgcodec-cu13 nvidia-nvimgcodec-cu12 tensorrt viewcast-savant"


def describe():
    modules = {"opencv": "cv2", "torch": "torch", "cupy": "cupy", "numpy": "numpy"}
    more = {"opencv": opencv, "torch": torch, "cupy": cupy, "numpy": numpy}
    found = {}
    for name, module_name in modules.items():
        module, problem = load(module_name)
        found[name] = {"version": module and module.__version__, "problem": problem}
        if module is not None:
            found[name] |= more[name](module)
    return found | {"neighbours": neighbours()}


def opencv(cv2):
    found = {"packages": opencv_packages(cv2)}
    if not hasattr(cv2, "cuda") or not hasattr(cv2.cuda, "GpuMat"):
        return found | {"problem": "this cv2 has no cuda.GpuMat; OpenCV 4.8 and later have"}
    found["has_cuda"] = "NVIDIA CUDA" in cv2.getBuildInformation()
    found["devices"] = max(cv2.cuda.getCudaEnabledDeviceCount(), 0)
    try:
        found["layout"] = _viewcast._opencv_layout()
    except vc.ViewError as error:
        found["problem"] = str(error)
    return found


def opencv_packages(cv2):
    """The distributions whose files are in the folder of this cv2; several overwrite each other."""
    folder = os.path.realpath(os.path.dirname(cv2.__file__))
    kinds = ("opencv-python", "opencv-contrib-python")
    names = (*kinds, *(f"{kind}-headless" for kind in kinds))
    return sorted(
        {
            name
            for each in importlib.metadata.distributions()
            if (name := (each.name or "").lower().replace("_", "-")) in names
            and os.path.realpath(str(each.locate_file("cv2"))) == folder
        }
    )


def torch(module):
    return {
        "cuda": module.version.cuda,
        "usable": module.cuda.is_available(),
        "exchange_table": hasattr(module.Tensor, "__dlpack_c_exchange_api__"),
    }


def cupy(module):
    try:
        return {"usable": module.is_available()}
    except Exception:  # a runtime that does not fit the driver
        return {"usable": False}


def numpy(module):
    return {"bfloat16": load("ml_dtypes")[0] is not None}


def neighbours():
    found = {}
    for name in NEIGHBOURS.split():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
