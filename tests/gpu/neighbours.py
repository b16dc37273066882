# SPDX-License-Identifier: Apache-2.0
"""Libraries without an adapter of their own, as the tests use them.

Each makes an image of its own (`make`), returns its address (`address`), imports a
viewcast.View as it imports any foreign memory (`take`), and copies pixels to NumPy
(`read`).

Libraries whose calls take a stream (`takes_streams`) copy an image on it (`copy`) into a
`buffer` of theirs. `exports_stream` says whether they tell a consumer of the buffer which
stream is current (`current`), so that the copy is waited for without producer_stream=.
"""

import contextlib
import importlib
import importlib.util
import os

import numpy as np
import torch


def is_installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


# JAX takes three quarters of the GPU otherwise.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


class Neighbour:
    takes_streams = False
    exports_stream = False
    keeps = True  # its images keep the memory alive that they are made of

    def current(self, stream):
        return contextlib.nullcontext()

    def exported(self, buffer):
        """The object of a buffer that viewcast imports."""
        return buffer


class Jax(Neighbour):
    """Its arrays are immutable, so a View of one is read-only. It imports packed memory only."""

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
        # JAX caches the NumPy array of an immutable array: read a new one.
        return np.asarray(array + array.dtype.type(0))


class Numba(Neighbour):
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

    takes_streams = True
    exports_stream = True

    def buffer(self, shape, stream):
        return self.cuda.device_array(shape, np.uint8, stream=self.stream(stream))

    def copy(self, buffer, image, stream):
        buffer.copy_to_device(image, stream=self.stream(stream))

    def stream(self, stream):
        return self.cuda.external_stream(stream.ptr)


class CudaCore(Neighbour):
    """StridedMemoryView describes memory for kernels, and is no array."""

    modules = ("cuda.core",)
    orders = False  # asked with stream_ptr=-1
    readonly = False
    strided = True

    def __init__(self):
        try:
            utils = importlib.import_module("cuda.core.utils")
            self.core = importlib.import_module("cuda.core")
        except ImportError:  # before 0.5
            utils = importlib.import_module("cuda.core.experimental.utils")
            self.core = importlib.import_module("cuda.core.experimental")
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

    takes_streams = True

    def buffer(self, shape, stream):
        return self.take(torch.empty(shape, dtype=torch.uint8, device="cuda"))

    def copy(self, buffer, image, stream):
        self.core.Device(0).set_current()
        size = int(np.prod(image.shape))  # bytes
        target, source = (self.core.Buffer.from_handle(each.ptr, size) for each in (buffer, image))
        target.copy_from(source, stream=self.core.Stream.from_handle(stream.ptr))


class CvCuda(Neighbour):
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
        if isinstance(view, self.cvcuda.Tensor):
            return view
        return self.cvcuda.as_tensor(view, self.cvcuda.TensorLayout.HWC)

    def read(self, tensor):
        buffer = tensor.cuda() if hasattr(tensor, "cuda") else tensor
        return torch.as_tensor(buffer, device="cuda").cpu().numpy()

    takes_streams = True

    def buffer(self, shape, stream):
        layout = self.cvcuda.TensorLayout.HWC
        return self.cvcuda.Tensor(shape, self.cvcuda.Type.U8, layout)

    def exported(self, buffer):
        return buffer.cuda()

    def copy(self, buffer, image, stream):
        target, source = map(self.take, (buffer, image))
        self.cvcuda.convertto_into(target, source, stream=self.cvcuda.as_stream(stream.ptr))


class Warp(Neighbour):
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

    takes_streams = True
    exports_stream = True

    def buffer(self, shape, stream):
        return self.warp.empty(shape, dtype=self.warp.uint8, device="cuda:0")

    def copy(self, buffer, image, stream):
        self.warp.copy(buffer, image, stream=self.stream(stream))

    def stream(self, stream):
        return self.warp.Stream("cuda:0", cuda_stream=stream.ptr)

    def current(self, stream):
        return self.warp.ScopedStream(self.stream(stream))


class NvImageCodec(Neighbour):
    modules = ("nvidia.nvimgcodec",)
    keeps = False
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
