# SPDX-License-Identifier: Apache-2.0
"""Libraries without an adapter of their own, as the tests use them.

Each makes an image of its own (`make`), tells where it is (`address`), takes a
viewcast.View as it takes any foreign memory (`take`), and gives pixels to NumPy
(`read`).
"""

import importlib
import os

import numpy as np
import torch

# JAX takes three quarters of the GPU otherwise.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


class Jax:
    """Immutable: a View of it is read-only. Takes packed memory alone."""

    modules = ("jax",)
    orders = True
    readonly = True
    strided = False

    def __init__(self):
        self.jax = importlib.import_module("jax")
        if self.jax.default_backend() != "gpu":
            raise RuntimeError(f"JAX runs on {self.jax.default_backend()} here")

    def make(self, pixels):
        return self.jax.device_put(pixels).block_until_ready()

    def address(self, array):
        return array.unsafe_buffer_pointer()

    def take(self, view):
        return self.jax.dlpack.from_dlpack(view)

    def read(self, array):
        # An array of JAX keeps what it once showed to NumPy: it is immutable.
        return np.asarray(array + array.dtype.type(0))


class Numba:
    modules = ("numba.cuda",)
    orders = True
    readonly = False
    strided = True

    def __init__(self):
        self.cuda = importlib.import_module("numba.cuda")
        if not self.cuda.is_available():
            raise RuntimeError("numba.cuda finds no GPU")

    def make(self, pixels):
        return self.cuda.to_device(pixels)

    def address(self, array):
        return array.__cuda_array_interface__["data"][0]

    def take(self, view):
        return self.cuda.as_cuda_array(view)

    def read(self, array):
        return torch.as_tensor(array, device="cuda").cpu().numpy()


class CudaCore:
    """StridedMemoryView, which is no array: it names memory to kernels."""

    modules = ("cuda.core",)
    orders = False  # asked with stream_ptr=-1
    readonly = False
    strided = True

    def __init__(self):
        try:
            utils = importlib.import_module("cuda.core.utils")
        except ImportError:  # before 0.5
            utils = importlib.import_module("cuda.core.experimental.utils")
        self.kind = utils.StridedMemoryView

    def make(self, pixels):
        return self.take(torch.from_numpy(pixels).cuda())

    def address(self, view):
        return view.ptr

    def take(self, view):
        if hasattr(self.kind, "from_dlpack"):
            return self.kind.from_dlpack(view, stream_ptr=-1)
        return self.kind(view, stream_ptr=-1)

    def read(self, view):
        return torch.from_dlpack(view.exporting_obj).cpu().numpy()


class CvCuda:
    modules = ("cvcuda",)
    orders = False  # its operators take the stream
    readonly = False
    strided = True

    def __init__(self):
        self.cvcuda = importlib.import_module("cvcuda")

    def make(self, pixels):
        return self.take(torch.from_numpy(pixels).cuda()).cuda()

    def address(self, buffer):
        return buffer.__cuda_array_interface__["data"][0]

    def take(self, view):
        return self.cvcuda.as_tensor(view, self.cvcuda.TensorLayout.HWC)

    def read(self, tensor):
        return torch.as_tensor(tensor.cuda(), device="cuda").cpu().numpy()


class Warp:
    modules = ("warp",)
    orders = True
    readonly = False
    strided = True

    def __init__(self):
        self.warp = importlib.import_module("warp")
        self.warp.config.quiet = True
        self.warp.init()

    def make(self, pixels):
        return self.warp.array(pixels, device="cuda:0")

    def address(self, array):
        return array.ptr

    def take(self, view):
        return self.warp.from_dlpack(view)

    def read(self, array):
        return array.numpy()


class NvImageCodec:
    modules = ("nvidia.nvimgcodec",)
    orders = False
    readonly = False
    strided = True

    def __init__(self):
        self.codec = importlib.import_module("nvidia.nvimgcodec")

    def make(self, pixels):
        return self.take(torch.from_numpy(pixels).cuda())

    def address(self, image):
        return image.__cuda_array_interface__["data"][0]

    def take(self, view):
        return self.codec.as_image(view)

    def read(self, image):
        return torch.as_tensor(image, device="cuda").cpu().numpy()


NEIGHBOURS = {
    "JAX": Jax,
    "numba.cuda": Numba,
    "cuda.core": CudaCore,
    "CV-CUDA": CvCuda,
    "Warp": Warp,
    "nvImageCodec": NvImageCodec,
}
