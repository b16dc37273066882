# SPDX-License-Identifier: Apache-2.0
"""One image a library, in the memory that this machine has, and what is missing."""

import ctypes
import importlib
import math

import viewcast as vc

SHAPE = (1080, 1920, 3)
INSTALL = {
    "torch": "pip install torch",
    "cupy": "pip install cupy-cuda13x",
    "cv2": "pip install opencv-python-headless",
}


class Missing(Exception):
    """Why a library cannot take part."""


def said(error):
    """The beginning of what it says."""
    line = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {line if len(line) < 120 else line[:119] + '…'}"


def load(name):
    try:
        return importlib.import_module(name)
    except Exception as error:  # a broken installation raises what it likes
        hint = INSTALL.get(name)
        lacking = isinstance(error, ModuleNotFoundError) and error.name == name
        if lacking and hint:
            raise Missing(f"{name} is not installed: {hint}") from error
        raise Missing(f"{name} cannot be imported: {said(error)}") from error


class Producer:
    """Of DLPack and of nothing else, and a cheap one: a View's memory behind two methods
    in Python. Tables of C functions and other protocols are not offered."""

    __slots__ = ("view",)

    def __init__(self, image):
        self.view = vc.view(image)

    def __dlpack__(self, **options):
        return self.view.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.view.__dlpack_device__()


class Images:
    """Of one shape, each made when it is first asked for; Missing where it cannot be."""

    def __init__(self, shape=SHAPE):
        self.host = vc.host_mode()
        self.shape = shape
        self.made = {}

    def __getitem__(self, name):
        if name not in self.made:
            try:
                self.made[name] = getattr(self, f"make_{name}")()
            except Missing as reason:
                self.made[name] = reason
        image = self.made[name]
        if isinstance(image, Missing):
            raise image
        return image

    def make_torch(self):
        torch = load("torch")
        if not self.host and not torch.cuda.is_available():
            raise Missing("there is a GPU, but this torch cannot use it: install a CUDA build")
        device = "cpu" if self.host else "cuda"
        return torch.zeros(self.shape, dtype=torch.uint8, device=device)

    def make_cupy(self):
        cupy = load("cupy")
        if self.host:
            return self.cupy_over_host_memory(cupy)
        if not cupy.is_available():
            raise Missing("there is a GPU, but this CuPy cannot use it: install a CUDA build")
        return cupy.zeros(self.shape, cupy.uint8)

    def cupy_over_host_memory(self, cupy):
        """CuPy's operations need a GPU; its arrays do not."""
        size = max(1, math.prod(self.shape))
        block = (ctypes.c_uint8 * size)()
        memory = cupy.cuda.UnownedMemory(ctypes.addressof(block), size, block, 0)
        return cupy.ndarray(self.shape, cupy.uint8, cupy.cuda.MemoryPointer(memory, 0))

    def any_array(self):
        try:
            return self["torch"]
        except Missing as no_torch:
            try:
                return self["cupy"]
            except Missing as no_cupy:
                raise Missing(f"{no_torch}; {no_cupy}") from None

    def make_gpumat(self):
        load("cv2")
        return vc.as_gpumat(self.any_array())

    def make_dlpack(self):
        return Producer(self.any_array())

    def make_view(self):
        return vc.view(self.any_array())
