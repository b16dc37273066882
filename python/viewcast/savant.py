# SPDX-License-Identifier: Apache-2.0
"""The functions of Savant's memory helpers, by viewcast.

`patch()` puts these names into an installed Savant. Where there is none, the
distribution viewcast-savant brings the same names as
`savant.utils.memory_repr` and `savant.utils.memory_repr_pytorch`.

Where Savant's helpers raise an AssertionError, these raise a `SavantLayoutError` or
`SavantDTypeError`, which is viewcast's LayoutError or DTypeError and an AssertionError too.

Imports neither cv2, torch nor cupy.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

from . import ABIError, view
from ._viewcast import (
    SavantDTypeError,
    SavantLayoutError,
    cuda_array_as_opencv_gpu_mat,
    cupy_array_as_opencv_gpu_mat,
    opencv_gpu_mat_as_cupy_array,
    opencv_gpu_mat_as_pytorch_tensor,
    pytorch_tensor_as_opencv_gpu_mat,
)

__all__ = [
    "NUMPY_TO_OPENCV_TYPE_MAP",
    "OPENCV_TO_NUMPY_TYPE_MAP",
    "OpenCVGpuMatCudaArrayInterface",
    "SavantDTypeError",
    "SavantLayoutError",
    "cuda_array_as_opencv_gpu_mat",
    "cupy_array_as_opencv_gpu_mat",
    "opencv_gpu_mat_as_cupy_array",
    "opencv_gpu_mat_as_pytorch_tensor",
    "patch",
    "pytorch_tensor_as_opencv_gpu_mat",
    "unpatch",
]

# By depth number: CV_8U, 8S, 16U, 16S, 32S, 32F, 64F, 16F. These eight are the
# same in OpenCV 4 and 5.
OPENCV_TO_NUMPY_TYPE_MAP = {
    0: "|u1",
    1: "|i1",
    2: "<u2",
    3: "<i2",
    4: "<i4",
    5: "<f4",
    6: "<f8",
    7: "<f2",
}
NUMPY_TO_OPENCV_TYPE_MAP = {typestr: depth for depth, typestr in OPENCV_TO_NUMPY_TYPE_MAP.items()}


class OpenCVGpuMatCudaArrayInterface:
    """A GpuMat as an object with `__cuda_array_interface__`, version 3.

    Keeps the GpuMat's memory alive. A one-channel GpuMat has shape (H, W).
    """

    def __init__(self, gpu_mat: Any) -> None:
        self._view = view(gpu_mat)
        typestr = OPENCV_TO_NUMPY_TYPE_MAP.get(gpu_mat.depth())
        if typestr is None:
            raise SavantDTypeError(
                f"{self._view.dtype} (OpenCV depth {gpu_mat.depth()}) is not one of "
                "Savant's types; use viewcast.as_tensor or viewcast.as_cupy"
            )
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": tuple(self._view.shape),
            "typestr": typestr,
            "descr": [("", typestr)],
            "data": (self._view.ptr, False),
            "strides": tuple(self._view.strides),
        }


_NAMES = {
    "savant.utils.memory_repr": (
        "NUMPY_TO_OPENCV_TYPE_MAP",
        "OPENCV_TO_NUMPY_TYPE_MAP",
        "OpenCVGpuMatCudaArrayInterface",
        "cuda_array_as_opencv_gpu_mat",
        "cupy_array_as_opencv_gpu_mat",
        "opencv_gpu_mat_as_cupy_array",
    ),
    "savant.utils.memory_repr_pytorch": (
        "OpenCVGpuMatCudaArrayInterface",
        "cuda_array_as_opencv_gpu_mat",
        "opencv_gpu_mat_as_pytorch_tensor",
        "pytorch_tensor_as_opencv_gpu_mat",
    ),
}

# The libraries that Savant's modules have as names of their own.
_LIBRARIES = {
    "savant.utils.memory_repr": {"cp": "cupy", "cv2": "cv2"},
    "savant.utils.memory_repr_pytorch": {"cv2": "cv2", "torch": "torch"},
}


def library_getter(path: str) -> Callable[[str], Any]:
    """`__getattr__` of a module that stands for one of Savant's two: imports its
    libraries (`cv2`, `torch`, `cp`) at their first use."""

    def get(name: str) -> Any:
        if name not in _LIBRARIES[path]:
            raise AttributeError(f"module {path!r} has no attribute {name!r}")
        return importlib.import_module(_LIBRARIES[path][name])

    return get


# The changes that patch() made, for unpatch().
_replaced: list[tuple[object, object]] = []  # Savant's object, ours
_added: list[tuple[types.ModuleType, str]] = []  # names that its module did not have
_placed: list[str] = []  # modules of ours in sys.modules


def patch() -> None:
    """Puts viewcast's functions into the installed Savant.

    Replaces the names in `savant.utils.memory_repr` and
    `savant.utils.memory_repr_pytorch`, and the references to Savant's own that
    modules imported so far hold. A module of the two that cannot be imported
    (without CuPy, for example) is provided. Does nothing where viewcast-savant is
    installed, or a second time. ABIError where Savant's modules can't be
    imported because the cv2 that is installed has no cv2.cuda.GpuMat.
    """
    if "savant" not in sys.modules and importlib.util.find_spec("savant") is None:
        raise ModuleNotFoundError(
            "there is no Savant to patch: install it, or, to have its memory helpers "
            "without it, viewcast-savant",
            name="savant",
        )
    package = importlib.import_module("savant.utils")
    modules = {path: _import(path) for path in _NAMES}
    replaced: list[tuple[object, object]] = []
    for path, names in _NAMES.items():
        module = modules[path] or _place(path, package)
        for name in names:
            ours = globals()[name]
            if not hasattr(module, name):
                setattr(module, name, ours)
                _added.append((module, name))
            elif getattr(module, name) is not ours:
                replaced.append((getattr(module, name), ours))
    _rebind(replaced)
    _replaced.extend(replaced)


def _import(path: str) -> types.ModuleType | None:
    """Savant's module; None where a library that it imports is missing."""
    try:
        return importlib.import_module(path)
    except ImportError:
        return None
    except AttributeError as error:
        cv2 = sys.modules.get("cv2")
        if cv2 is None or hasattr(getattr(cv2, "cuda", None), "GpuMat"):
            raise
        raise ABIError(
            f"{path} can't be imported: this cv2 ({getattr(cv2, '__file__', None)}) has no "
            "cuda.GpuMat, which Savant needs; install opencv-python-headless 4.8 or later "
            "(headers only), or an OpenCV built with CUDA"
        ) from error


def _place(path: str, package: types.ModuleType) -> types.ModuleType:
    module = types.ModuleType(path, "Provided by viewcast.savant.patch().")
    module.__getattr__ = library_getter(path)  # type: ignore[assignment, method-assign]
    sys.modules[path] = module
    setattr(package, path.rpartition(".")[2], module)
    _placed.append(path)
    return module


def unpatch() -> None:
    """Puts back what patch() replaced, also in modules imported since."""
    _rebind([(ours, theirs) for theirs, ours in _replaced])
    for module, name in _added:
        delattr(module, name)
    for path in _placed:
        package, _, leaf = path.rpartition(".")
        sys.modules.pop(path, None)
        vars(sys.modules[package]).pop(leaf, None)
    _replaced.clear()
    _added.clear()
    _placed.clear()


def _rebind(pairs: list[tuple[object, object]]) -> None:
    """Replaces the first of each pair by the second in all modules except viewcast's."""
    new_by_id = {id(old): new for old, new in pairs}
    for path, module in list(sys.modules.items()):
        if not isinstance(module, types.ModuleType) or path.split(".")[0] == "viewcast":
            continue
        names = vars(module)
        for name, value in list(names.items()):
            if id(value) in new_by_id:
                names[name] = new_by_id[id(value)]
