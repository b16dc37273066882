# SPDX-License-Identifier: Apache-2.0
"""Images of one value each, operations that keep the value, and checks of it."""

import dataclasses
import random
from typing import Any

import cupy
import cv2
import numpy as np
import torch

import viewcast as vc

SHAPES = [(4, 5, 3), (32, 48), (32, 48, 4), (1, 9, 3), (120, 160, 3)]
DTYPES = ["uint8", "int16", "float32"]
LEGACY = 1


@dataclasses.dataclass
class Image:
    """An image whose pixels all have `value`; operations write the same value again. `stream` is
    the stream that wrote it, if that is not its library's current one."""

    object: Any
    value: int
    stream: Any = None


class Host:
    """Images in host memory: conversions only."""

    TARGETS = (vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view)

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.done = dict.fromkeys(("images made", "images checked", "transforms"), 0)

    def count(self, name):
        self.done[name] = self.done.get(name, 0) + 1

    def make(self):
        shape, dtype = self.random.choice(SHAPES), self.random.choice(DTYPES)
        value = self.random.randrange(1, 100)
        self.count("images made")
        return Image(self.fill(shape, dtype, value), value)

    def fill(self, shape, dtype, value):
        array = np.full(shape, value, dtype)
        kind = self.random.randrange(3)
        return array if kind == 0 else torch.from_numpy(array) if kind == 1 else vc.view(array)

    def convert(self, image):
        """Raises an exception where the target refuses the image."""
        to = self.random.choice(self.TARGETS)
        made = to(image.object, producer_stream=image.stream)
        if made is image.object:
            return image
        # A View has no stream of its own: keep the image's.
        return Image(made, image.value, image.stream if to is vc.view else None)

    def use(self, image):
        """An operation of a library on the image; returns the image to go on with."""
        thing = image.object
        if isinstance(thing, cv2.cuda.GpuMat) and self.random.random() < 0.3:
            return Image(thing.rowRange(0, max(1, thing.size()[1] // 2)), image.value, image.stream)
        if isinstance(thing, vc.View) and self.random.random() < 0.1:
            return Image(torch.from_dlpack(thing), image.value)
        return image

    def check(self, image):
        """Compares every pixel with the value."""
        self.count("images checked")
        assert (self.pixels(image) == image.value).all(), f"pixels of {image} have changed"

    def pixels(self, image):
        return vc.as_numpy(image.object)

    def transform(self, image):
        """Checks the values as planar float32, in new memory."""
        layout = "CHW" if len(vc.view(image.object).shape) == 3 else "HWC"
        made = vc.to_tensor(
            image.object, layout=layout, dtype=torch.float32, producer_stream=image.stream
        )
        self.count("transforms")
        self.check(Image(made, image.value))

    def end(self):
        pass


class Gpu(Host):
    """Images on the GPU, with kernels of each library between the conversions, some of them on
    non-blocking streams."""

    TARGETS = (vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.view)

    def __init__(self, seed):
        super().__init__(seed)
        self.torch_stream = torch.cuda.Stream()
        self.cupy_stream = cupy.cuda.Stream(non_blocking=True)
        self.cv2_stream = cv2.cuda.Stream(1)  # cudaStreamNonBlocking

    def fill(self, shape, dtype, value):
        kind = self.random.randrange(3)
        if kind == 0:
            return torch.full(shape, value, dtype=getattr(torch, dtype), device="cuda")
        if kind == 1:
            return cupy.full(shape, value, dtype)
        mat = cv2.cuda.GpuMat()
        mat.upload(np.full(shape, value, dtype))
        return mat

    def use(self, image):
        if self.random.random() < 0.2:
            work = self.random.choice((self.by_torch, self.by_cupy, self.by_opencv))
            return work(image)
        return super().use(image)

    def view_on(self, image, stream):
        """A view for use on this stream, which waits for the stream that wrote the image. The
        view is of another class: converting to the image's own class returns the image."""
        written = LEGACY if image.stream is None else image.stream
        to = vc.view if isinstance(image.object, cv2.cuda.GpuMat) else vc.as_gpumat
        return to(image.object, producer_stream=written, stream=stream)

    def by_torch(self, image):
        seen = self.view_on(image, self.torch_stream)
        with torch.cuda.stream(self.torch_stream):
            vc.as_tensor(seen, producer_stream=self.torch_stream).add_(0)
        self.count("torch kernels")
        return image

    def by_cupy(self, image):
        seen = self.view_on(image, self.cupy_stream)
        with self.cupy_stream:
            array = vc.as_cupy(seen, producer_stream=self.cupy_stream)
            array += array.dtype.type(0)
        self.count("CuPy kernels")
        return image

    def by_opencv(self, image):
        seen, stream = self.view_on(image, self.cv2_stream), self.cv2_stream
        mat = vc.as_gpumat(seen, producer_stream=stream, stream=stream)
        # OpenCV's own kernel: NPP uses one stream for all threads of the process.
        larger = cv2.cuda.max(mat, mat, stream=stream)
        self.count("cv2.cuda kernels")
        return Image(larger, image.value, stream)

    def pixels(self, image):
        return vc.as_tensor(image.object, producer_stream=image.stream)

    def end(self):
        torch.cuda.synchronize()
