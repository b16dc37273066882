# SPDX-License-Identifier: Apache-2.0
"""Every conversion, tried on a small image: the same address, or why not."""

import viewcast as vc

from .libraries import load

CONVERT = {
    "torch": vc.as_tensor,
    "cupy": vc.as_cupy,
    "numpy": vc.as_numpy,
    "gpumat": vc.as_gpumat,
}
SHAPE = (4, 6, 3)


def describe(machine, libraries):
    """{"torch": {"gpumat": "view", "numpy": "no: ..."}, ...} for what is installed."""
    start = first_image(machine, libraries)
    if start is None:
        return {}
    there = ["gpumat" if name == "opencv" else name for name in usable(libraries)]
    result = {}
    for source in there:
        image, problem = image_of(source, start)
        others = [target for target in there if target != source]
        result[source] = {
            target: problem or path(image, target, machine["mode"]) for target in others
        }
    return result


def usable(libraries):
    names = ("opencv", "torch", "cupy", "numpy")
    return [name for name in names if libraries[name]["version"] and not libraries[name]["problem"]]


def first_image(machine, libraries):
    """Where the memory of this machine's images comes from."""
    if machine["mode"] == "CUDA":
        if libraries["torch"].get("usable"):
            return load("torch")[0].zeros(SHAPE, dtype=load("torch")[0].uint8, device="cuda")
        if libraries["cupy"].get("usable"):
            return load("cupy")[0].zeros(SHAPE, dtype="uint8")
        return None
    if machine["mode"] == "host" and libraries["numpy"]["version"]:
        return load("numpy")[0].zeros(SHAPE, dtype="uint8")
    return None


def image_of(source, start):
    """NumPy has host memory alone."""
    host = load("numpy")[0].zeros(SHAPE, dtype="uint8") if source == "numpy" else start
    return attempt(source, host)


def attempt(target, image):
    try:
        return CONVERT[target](image), None
    except (vc.ViewError, ImportError, RuntimeError) as error:
        return None, f"no: {error}"


def path(image, target, mode):
    converted, problem = attempt(target, image)
    if not problem:
        return "view" if vc.view(converted).ptr == vc.view(image).ptr else "NOT the same memory"
    if mode == "CUDA" and target == "numpy":
        return "no: device memory"
    if mode == "CUDA" and vc.view(image).device == "cpu":
        return "no: host memory (copy=None, device=0 copies it)"
    return problem
