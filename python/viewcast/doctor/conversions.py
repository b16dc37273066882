# SPDX-License-Identifier: Apache-2.0
"""Every conversion, tried on a small image: a view at the same address, or the reason why not."""

import viewcast as vc

from ..terminal import load

CONVERT = {
    "gpumat": vc.as_gpumat,
    "torch": vc.as_tensor,
    "cupy": vc.as_cupy,
    "numpy": vc.as_numpy,
}
SHAPE = (4, 6, 3)


def describe(machine, libraries):
    """{"torch": {"gpumat": "view", "numpy": "no: ..."}, ...} for what is installed."""
    start = first_image(machine, libraries)
    if start is None:
        return {}
    found = {name: libraries["opencv" if name == "gpumat" else name] for name in CONVERT}
    there = [name for name, each in found.items() if each["version"] and not each["problem"]]
    result = {}
    for source in there:
        image, problem = attempt(source, host_image() if source == "numpy" else start)
        result[source] = {
            target: problem or path(image, target, machine["mode"])
            for target in there
            if target != source
        }
    return result


def first_image(machine, libraries):
    """An image in the memory that this machine's conversions use; None where there is none."""
    if machine["mode"] == "CUDA":
        if libraries["torch"].get("usable"):
            return load("torch")[0].zeros(SHAPE, dtype=load("torch")[0].uint8, device="cuda")
        if libraries["cupy"].get("usable"):
            return load("cupy")[0].zeros(SHAPE, dtype="uint8")
    elif machine["mode"] == "host" and libraries["numpy"]["version"]:
        return host_image()
    return None


def host_image():
    return load("numpy")[0].zeros(SHAPE, dtype="uint8")


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
