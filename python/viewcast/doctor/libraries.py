# SPDX-License-Identifier: Apache-2.0
"""What is installed. Only the four libraries that viewcast knows are imported."""

import importlib
import importlib.metadata
import os

import viewcast as vc

# Others, by the name of their distribution: looked up, never imported.
NEIGHBOURS = {
    "jax": "JAX",
    "numba-cuda": "Numba for CUDA",
    "cuda-core": "cuda.core",
    "cvcuda-cu13": "CV-CUDA",
    "cvcuda-cu12": "CV-CUDA",
    "warp-lang": "Warp",
    "pynvvideocodec": "PyNvVideoCodec",
    "nvidia-nvimgcodec-cu13": "nvImageCodec",
    "nvidia-nvimgcodec-cu12": "nvImageCodec",
    "tensorrt": "TensorRT",
    "viewcast-savant": "viewcast-savant (Savant's names)",
}


def load(name):
    """The module, and why there is none."""
    try:
        return importlib.import_module(name), None
    except ModuleNotFoundError as error:
        missing = error.name == name
        return None, "not installed" if missing else f"can't be imported: {error}"
    except Exception as error:  # whatever a broken installation raises
        return None, f"can't be imported: {type(error).__name__}: {error}"


def describe():
    return {
        "opencv": opencv(),
        "torch": torch(),
        "cupy": cupy(),
        "numpy": numpy(),
        "neighbours": neighbours(),
    }


def installed(module):
    """What every description begins with."""
    return {"version": module.__version__, "problem": None}


def opencv():
    cv2, problem = load("cv2")
    if cv2 is None:
        return {"version": None, "problem": problem}
    found = {**installed(cv2), "packages": opencv_packages(cv2)}
    if not hasattr(cv2, "cuda") or not hasattr(cv2.cuda, "GpuMat"):
        return {**found, "problem": "this cv2 has no cuda.GpuMat; OpenCV 4.8 and later have"}
    found["has_cuda"] = "NVIDIA CUDA" in cv2.getBuildInformation()
    found["devices"] = max(cv2.cuda.getCudaEnabledDeviceCount(), 0)
    try:
        found["layout"] = vc.opencv_layout()
    except vc.ViewError as error:
        found["problem"] = str(error)
    return found


def opencv_packages(cv2):
    """Whose files are in the folder of this cv2: more than one overwrite each other."""
    names = (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    )
    folder = os.path.realpath(os.path.dirname(cv2.__file__))
    return sorted(
        {
            name
            for each in importlib.metadata.distributions()
            if (name := (each.name or "").lower().replace("_", "-")) in names
            and os.path.realpath(str(each.locate_file("cv2"))) == folder
        }
    )


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def torch():
    module, problem = load("torch")
    if module is None:
        return {"version": None, "problem": problem}
    return {
        **installed(module),
        "cuda": module.version.cuda,
        "usable": module.cuda.is_available(),
        "exchange_table": hasattr(module.Tensor, "__dlpack_c_exchange_api__"),
    }


def cupy():
    module, problem = load("cupy")
    if module is None:
        return {"version": None, "problem": problem}
    try:
        usable = module.is_available()
    except Exception:  # a runtime that does not fit the driver
        usable = False
    return {**installed(module), "usable": usable}


def numpy():
    module, problem = load("numpy")
    if module is None:
        return {"version": None, "problem": problem}
    return {**installed(module), "bfloat16": load("ml_dtypes")[0] is not None}


def neighbours():
    return {title: found for name, title in NEIGHBOURS.items() if (found := version(name))}
