# SPDX-License-Identifier: Apache-2.0
"""Every conversion: viewcast's way, other ways of doing the same, and the floor, which
is the least that making the result in Python can cost."""

from dataclasses import dataclass, field

import viewcast as vc
from viewcast import savant

from . import peers
from .images import Missing, load, said

OWN, PEER, FLOOR = "own", "peer", "floor"

CALL = "f(x)"  # the function and the image, without a loop or lambda of ours around


@dataclass
class Way:
    conversion: str
    name: str
    kind: str
    names: dict
    statement: str = CALL
    share: float = 1  # of the calls that others get
    note: str = ""


@dataclass
class Conversion:
    name: str
    slug: str
    source: str  # names of Images
    target: str
    convert: str  # of viewcast
    savant: str = ""  # of viewcast.savant
    needs: tuple = field(default_factory=tuple)  # modules


CONVERSIONS = (
    Conversion(
        "torch → GpuMat",
        "torch-gpumat",
        "torch",
        "gpumat",
        "as_gpumat",
        "pytorch_tensor_as_opencv_gpu_mat",
        ("cv2",),
    ),
    Conversion(
        "GpuMat → torch",
        "gpumat-torch",
        "gpumat",
        "torch",
        "as_tensor",
        "opencv_gpu_mat_as_pytorch_tensor",
        ("torch",),
    ),
    Conversion(
        "CuPy → GpuMat",
        "cupy-gpumat",
        "cupy",
        "gpumat",
        "as_gpumat",
        "cupy_array_as_opencv_gpu_mat",
        ("cv2",),
    ),
    Conversion(
        "GpuMat → CuPy",
        "gpumat-cupy",
        "gpumat",
        "cupy",
        "as_cupy",
        "opencv_gpu_mat_as_cupy_array",
        ("cupy",),
    ),
    Conversion("CuPy → torch", "cupy-torch", "cupy", "torch", "as_tensor", needs=("torch",)),
    Conversion("torch → CuPy", "torch-cupy", "torch", "cupy", "as_cupy", needs=("cupy",)),
    Conversion(
        "DLPack → GpuMat", "dlpack-gpumat", "producer", "gpumat", "as_gpumat", needs=("cv2",)
    ),
    Conversion("torch → View", "torch-view", "torch", "view", "view"),
    Conversion("CuPy → View", "cupy-view", "cupy", "view", "view"),
)


def chosen(slugs):
    return [each for each in CONVERSIONS if not slugs or each.slug in slugs]


def prepare(conversion, images):
    """The names of viewcast's own statement, whose image this machine can make."""
    for name in conversion.needs:
        load(name)
    # torch without CUDA, say, cannot take an image of the GPU.
    if conversion.target in ("torch", "cupy"):
        images[conversion.target]
    return {"f": getattr(vc, conversion.convert), "x": images[conversion.source]}


def ways_of(conversion, images):
    """All ways of one conversion, and pairs of a way that cannot go here and why."""
    names = prepare(conversion, images)
    ways = [Way(conversion.name, "viewcast", OWN, names)]
    if conversion.savant:
        function = getattr(savant, conversion.savant)
        own_name = {"f": function, "x": names["x"]}
        ways.append(Way(conversion.name, "viewcast, Savant's name", "savant", own_name))
    skipped = []
    for name, make in peers.of(conversion, images):
        try:
            way = Way(conversion.name, name, PEER, **make())
            exec(way.statement, way.names)
        except Missing as reason:
            skipped.append((f"{conversion.name}, {name}", str(reason)))
        except Exception as error:  # not ours: it raises what it likes
            why = f"not possible with these versions: {said(error)}"
            skipped.append((f"{conversion.name}, {name}", why))
        else:
            ways.append(way)
    floor = floor_of(conversion, images)
    return ways + ([floor] if floor else []), skipped


# ---------------------------------------------------------------------- floors


def floor_of(conversion, images):
    """Called as barely as Python can: nothing of ours is around it."""
    name, target = conversion.name, conversion.target
    if conversion.source == "producer":
        return producer_floor(name, images["producer"])
    if target == "gpumat":
        return Way(name, "floor: GpuMat()", FLOOR, {"f": load("cv2").cuda.GpuMat}, "f()")
    if target == "torch":
        names = {"f": load("torch").Tensor.detach, "x": images["torch"]}
        return Way(name, "floor: detach()", FLOOR, names)
    if target == "cupy":
        array = images["cupy"]
        names = {"f": load("cupy").ndarray, "shape": array.shape, "dtype": array.dtype}
        names |= {"pointer": array.data, "strides": array.strides}
        call = "f(shape, dtype, pointer, strides)"
        return Way(name, "floor: cupy.ndarray()", FLOOR, names, call)
    return None


def producer_floor(name, producer):
    names = {"f": load("cv2").cuda.GpuMat, "x": producer, "version": (1, 3)}
    stream = "" if vc.host_mode() else "stream=1, "
    call = f"x.__dlpack__({stream}max_version=version, copy=False); f()"
    return Way(name, "floor: __dlpack__, GpuMat", FLOOR, names, call)
