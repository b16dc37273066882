# SPDX-License-Identifier: Apache-2.0
"""Every conversion, and its floor: the least that making the result in Python can cost."""

from dataclasses import dataclass

import viewcast as vc

from .images import load

CALL = "f(x)"  # the function and the image, without a loop or lambda of ours around


@dataclass(frozen=True)
class Conversion:
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
    Conversion("DLPack -> GpuMat", "dlpack", "gpumat", "as_gpumat", "cv2"),
    Conversion("torch -> View", "torch", "view", "view"),
    Conversion("CuPy -> View", "cupy", "view", "view"),
)


def prepare(conversion, images):
    """The names of viewcast's own statement, whose image this machine can make."""
    if conversion.needs:
        load(conversion.needs)
    # torch without CUDA, say, cannot take an image of the GPU.
    if conversion.target in ("torch", "cupy"):
        images[conversion.target]
    return {"f": getattr(vc, conversion.convert), "x": images[conversion.source]}


@dataclass
class Floor:
    name: str
    names: dict
    statement: str


def floor_of(conversion, images):
    """Called as barely as Python can: nothing of ours is around it. None for a View."""
    if conversion.source == "dlpack":
        names = {"f": load("cv2").cuda.GpuMat, "x": images["dlpack"], "version": (1, 3)}
        stream = "" if vc.host_mode() else "stream=1, "
        call = f"x.__dlpack__({stream}max_version=version, copy=False); f()"
        return Floor("__dlpack__, GpuMat", names, call)
    if conversion.target == "gpumat":
        return Floor("GpuMat()", {"f": load("cv2").cuda.GpuMat}, "f()")
    if conversion.target == "torch":
        return Floor("detach()", {"f": load("torch").Tensor.detach, "x": images["torch"]}, CALL)
    if conversion.target == "cupy":
        array = images["cupy"]
        names = {"f": load("cupy").ndarray, "shape": array.shape, "dtype": array.dtype}
        names |= {"pointer": array.data, "strides": array.strides}
        return Floor("cupy.ndarray()", names, "f(shape, dtype, pointer, strides)")
    return None
