# SPDX-License-Identifier: Apache-2.0
"""The conversions that are timed, their images, and the bare calls to compare them with."""

import ctypes
import math
from typing import NamedTuple

import viewcast as vc

from .. import terminal

SHAPE = (1080, 1920, 3)
INSTALL = {
    "torch": "pip install torch",
    "cupy": "pip install cupy-cuda13x",
    "cv2": "pip install opencv-python-headless",
}
CALL = "f(x)"  # the function and the image, without a lambda around


class Missing(Exception):
    """Why a library cannot take part."""


def load(name):
    module, problem = terminal.load(name)
    if problem == "not installed":
        raise Missing(f"{name} is not installed: {INSTALL.get(name, f'pip install {name}')}")
    if problem:
        raise Missing(f"{name} {problem}")
    return module


class Images:
    """One image of each library, of one shape, in memory of the GPU or the host. Each is made at
    its first use; Missing where it cannot be made."""

    def __init__(self, shape=SHAPE):
        self.host, self.shape, self.made = vc.host_mode(), shape, {}

    def __getitem__(self, name):
        if name not in self.made:
            try:
                self.made[name] = getattr(self, f"make_{name}")()
            except Missing as reason:
                self.made[name] = reason
        if isinstance(self.made[name], Missing):
            raise self.made[name]
        return self.made[name]

    def make_torch(self):
        torch = load("torch")
        if not self.host and not torch.cuda.is_available():
            raise Missing("there is a GPU, but this torch cannot use it: install a CUDA build")
        return torch.zeros(self.shape, dtype=torch.uint8, device="cpu" if self.host else "cuda")

    def make_cupy(self):
        cupy = load("cupy")
        if not self.host and not cupy.is_available():
            raise Missing("there is a GPU, but this CuPy cannot use it: install a CUDA build")
        if not self.host:
            return cupy.zeros(self.shape, cupy.uint8)
        # CuPy's operations need a GPU; its arrays do not.
        block = (ctypes.c_uint8 * max(1, math.prod(self.shape)))()
        memory = cupy.cuda.UnownedMemory(ctypes.addressof(block), len(block), block, 0)
        return cupy.ndarray(self.shape, cupy.uint8, cupy.cuda.MemoryPointer(memory, 0))

    def make_gpumat(self):
        load("cv2")
        return vc.as_gpumat(self.any_array())

    def any_array(self):
        try:
            return self["torch"]
        except Missing as no_torch:
            try:
                return self["cupy"]
            except Missing as no_cupy:
                raise Missing(f"{no_torch}; {no_cupy}") from None


class Conversion(NamedTuple):
    name: str
    source: str  # names of Images
    target: str
    convert: str  # of viewcast
    needs: str = ""  # a module

    @property
    def slug(self):
        return f"{self.source}-{self.target}"


CONVERSIONS = (
    Conversion("torch -> GpuMat", "torch", "gpumat", "as_gpumat", "cv2"),
    Conversion("GpuMat -> torch", "gpumat", "torch", "as_tensor", "torch"),
    Conversion("CuPy -> GpuMat", "cupy", "gpumat", "as_gpumat", "cv2"),
    Conversion("GpuMat -> CuPy", "gpumat", "cupy", "as_cupy", "cupy"),
    Conversion("CuPy -> torch", "cupy", "torch", "as_tensor", "torch"),
    Conversion("torch -> CuPy", "torch", "cupy", "as_cupy", "cupy"),
)


def prepare(conversion, images):
    """The names of the statement that times viewcast's conversion; Missing where it can't run."""
    if conversion.needs:
        load(conversion.needs)
    # torch without CUDA, for example, cannot take an image of the GPU.
    if conversion.target in ("torch", "cupy"):
        images[conversion.target]
    return {"f": getattr(vc, conversion.convert), "x": images[conversion.source]}


class Floor(NamedTuple):
    name: str
    names: dict
    statement: str


def floor_of(conversion, images):
    """The bare call: the library makes an object of the target's kind, in the shortest way."""
    if conversion.target == "gpumat":
        return Floor("GpuMat()", {"f": load("cv2").cuda.GpuMat}, "f()")
    if conversion.target == "torch":
        return Floor("detach()", {"f": load("torch").Tensor.detach, "x": images["torch"]}, CALL)
    array = images["cupy"]
    names = {"f": load("cupy").ndarray, "shape": array.shape, "dtype": array.dtype}
    names |= {"pointer": array.data, "strides": array.strides}
    return Floor("cupy.ndarray()", names, "f(shape, dtype, pointer, strides)")
