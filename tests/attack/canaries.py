# SPDX-License-Identifier: Apache-2.0
"""Memory in which each byte is known, on the host or on a GPU, and images of every library
in it. The bytes between and around the elements of an image are canaries."""

import ctypes

import cupy
import cv2
import numpy as np
import torch
from exercise import seen
from formulas import ITEMSIZE

import viewcast as vc

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

DEPTHS = {
    "uint8": "8U",
    "int8": "8S",
    "uint16": "16U",
    "int16": "16S",
    "int32": "32S",
    "float32": "32F",
    "float64": "64F",
    "float16": "16F",
    "bfloat16": "16BF",
    "uint64": "64U",
    "int64": "64S",
    "uint32": "32U",
}


def numpy_dtype(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def gpumat_type(dtype, channels):
    """OpenCV's number; None where the loaded OpenCV has no such depth."""
    make = getattr(cv2, f"CV_{DEPTHS.get(dtype, 'none')}C", None)
    return make(channels) if make else None


class Block:
    """Memory of random bytes, and a `model` of what they must be: a test writes into the model
    what a call should have written, then calls check()."""

    def __init__(self, nbytes, numbers, device="cpu"):
        self.model = np.frombuffer(numbers.bytes(nbytes), np.uint8).copy()
        self.device = device
        self.tensor = torch.from_numpy(self.model.copy()).to(device)

    @property
    def address(self):
        return self.tensor.data_ptr()

    def upload(self):
        """Copies the model into the memory."""
        self.tensor.copy_(torch.from_numpy(self.model))

    def check(self):
        bytes_now = self.tensor.cpu().numpy()
        wrong = np.flatnonzero(bytes_now != self.model)
        assert wrong.size == 0, (
            f"{wrong.size} of {self.model.size} bytes are not what they must be, "
            f"the first at {wrong[0]}"
        )


class Interfaced:
    """An object with __array_interface__ and no other protocol."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = array.__array_interface__


class Place:
    """The place of an image in a block: a byte offset, lengths, and strides in bytes."""

    def __init__(self, block, dtype, offset, shape, strides):
        self.block, self.dtype = block, dtype
        self.offset, self.shape, self.strides = offset, tuple(shape), tuple(strides)

    def __repr__(self):
        return f"{self.dtype} {self.shape} strides {self.strides} at {self.offset}"

    @property
    def bits(self):
        """The model's elements, as unsigned integers that may be written to."""
        return np.ndarray(
            self.shape, f"u{ITEMSIZE[self.dtype]}", self.block.model, self.offset, self.strides
        )

    @property
    def address(self):
        return self.block.address + self.offset

    @property
    def is_aligned(self):
        size = ITEMSIZE[self.dtype]
        return self.address % size == 0 and all(
            stride % size == 0
            for length, stride in zip(self.shape, self.strides, strict=True)
            if length > 1
        )

    def fits(self, library):
        """True if the library can describe an image at this place."""
        walked = [s for n, s in zip(self.shape, self.strides, strict=True) if n > 1]
        if library in ("torch", "capsule"):
            whole = all(s % ITEMSIZE[self.dtype] == 0 for s in self.strides)
            return whole and self.is_aligned and min(self.strides, default=0) >= 0
        if library in ("numpy", "memoryview", "interface", "swapped"):
            return self.block.device == "cpu"
        if library == "gpumat":
            return self.fits_gpumat()
        if library == "view":  # from_pointer refuses more than libraries do
            return self.is_aligned or not walked
        return True

    def fits_gpumat(self):
        size, shape, strides = ITEMSIZE[self.dtype], self.shape, self.strides
        channels = shape[2] if len(shape) == 3 else 1
        if len(shape) not in (2, 3) or 0 in shape or channels > 128:
            return False
        wanted = (strides[0], size * channels, size)[: len(shape)]
        packed = strides == wanted and strides[0] >= shape[1] * channels * size
        vector = min(size * channels, 16) if channels in (2, 4) else size
        aligned = self.address % vector == 0 and strides[0] % vector == 0
        return packed and aligned and gpumat_type(self.dtype, channels) is not None

    def make(self, library, readonly=False):
        return getattr(self, f"_{library}")(readonly)

    def _torch(self, _):
        size = ITEMSIZE[self.dtype]
        empty = torch.empty(0, dtype=getattr(torch, self.dtype), device=self.block.device)
        strides = [stride // size for stride in self.strides]
        storage = self.block.tensor.untyped_storage()
        return empty.set_(storage, self.offset // size, self.shape, strides)

    def _numpy(self, readonly):
        memory = self.block.tensor.numpy()
        array = np.ndarray(self.shape, numpy_dtype(self.dtype), memory, self.offset, self.strides)
        array.flags.writeable = not readonly
        return array

    def _memoryview(self, readonly):
        return memoryview(self._numpy(readonly))

    def _swapped(self, readonly):
        """Of the other byte order."""
        array = self._numpy(readonly)
        return array.view(array.dtype.newbyteorder())

    def _interface(self, readonly):
        return Interfaced(self._numpy(readonly))

    def _capsule(self, _):
        return self._torch(_).__dlpack__()

    def _cupy(self, _):
        memory = cupy.cuda.UnownedMemory(
            self.block.address,
            self.block.model.nbytes,
            self.block,
            self.block.tensor.device.index or 0,
        )
        pointer = cupy.cuda.MemoryPointer(memory, self.offset)
        return cupy.ndarray(self.shape, numpy_dtype(self.dtype), pointer, self.strides)

    def _view(self, readonly):
        return vc.from_pointer(
            self.address,
            self.shape,
            self.dtype,
            strides=self.strides,
            owner=self.block,
            readonly=readonly,
            device=None if self.block.device == "cpu" else self.block.device,
        )

    def _gpumat(self, _):
        channels = self.shape[2] if len(self.shape) == 3 else 1
        return cv2.cuda.createGpuMatFromCudaMemory(
            *self.shape[:2], gpumat_type(self.dtype, channels), self.address, self.strides[0]
        )


# ------------------------------------------------------------------ elements by address


def over(address, shape, strides, itemsize, device):
    """The elements as unsigned integers: of NumPy on the host, of CuPy on a GPU."""
    ends = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    low = sum(min(end, 0) for end in ends)
    size = sum(max(end, 0) for end in ends) - low + itemsize
    dtype = f"u{itemsize}"
    if device == "cpu":
        block = (ctypes.c_ubyte * size).from_address(address + low)
        return np.ndarray(shape, dtype, block, -low, strides)
    memory = cupy.cuda.UnownedMemory(address + low, size, None, torch.device(device).index or 0)
    return cupy.ndarray(shape, dtype, cupy.cuda.MemoryPointer(memory, -low), strides)


def elements_at(address, shape, strides, itemsize, device="cpu"):
    if 0 in shape:
        return np.empty(shape, f"u{itemsize}")
    found = over(address, shape, strides, itemsize, device)
    if device != "cpu":
        torch.cuda.synchronize()
        found = found.get()
    return found.copy()


def write_elements(address, shape, strides, bits, device="cpu"):
    image = over(address, shape, strides, bits.itemsize, device)
    if device == "cpu":
        image[...] = bits
    else:
        image[...] = cupy.asarray(bits)
        torch.cuda.synchronize()


def bits_of(image, device="cpu"):
    """A result's elements as unsigned integers."""
    address, shape, strides = seen(image)
    is_mat = isinstance(image, cv2.cuda.GpuMat)
    itemsize = image.elemSize1() if is_mat else image.dtype.itemsize
    return elements_at(address, shape, strides, itemsize, device)
