# SPDX-License-Identifier: Apache-2.0
"""Random calls with resize= and boxes=: sources anywhere in memory, lists of several sizes, boxes
that are right, clipped, empty, reversed, NaN or of no image, and out=. Either the result has the
bytes of OpenCV and Pillow, put together here, and no other byte has changed, or one of the
documented exceptions was raised and no byte has changed."""

import random

import cv2
import numpy as np
import PIL.Image
import torch
from canaries import bits_of
from placing import alone

import viewcast as vc

REFUSALS = (vc.ViewError, ValueError, TypeError)
LIBRARIES = ("torch", "cupy", "numpy", "gpumat", "view")
OPENCV = {"linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST, "area": cv2.INTER_AREA}
PILLOW = {
    f"pillow-{name}": getattr(PIL.Image.Resampling, name.upper())
    for name in ("box", "bilinear", "bicubic", "lanczos")
}
MOST = 1 << 20  # pixels of an image that the reference resizes


def reference(image, size, word):
    if word in OPENCV:
        made = cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=OPENCV[word])
        return made.reshape(*size, image.shape[2])
    planes = []
    for c in range(image.shape[2]):
        plane = PIL.Image.fromarray(np.ascontiguousarray(image[:, :, c]))
        plane = plane.resize((size[1], image.shape[0]), PILLOW[word])
        planes.append(np.asarray(plane.resize(size[::-1], PILLOW[word])))
    return np.stack(planes, axis=-1)


class Call:
    def __init__(self, rng, device):
        self.rng, self.device = rng, device
        self.numbers = np.random.default_rng(rng.getrandbits(63))
        self.must = []  # reasons for a refusal
        self.channels = rng.choice([1, 2, 3, 3, 3, 4])
        self.draw_sources()
        self.draw_resize()
        self.boxes = self.draw_boxes() if rng.random() < 0.4 else None
        self.layout = rng.choice(["NHWC", "NCHW"])
        self.dtype = rng.choice(["uint8", "uint8", "float32", "float16"])
        self.reverse = rng.random() < 0.5

    def draw_sources(self):
        rng, self.sources, self.images = self.rng, [], []
        names = [name for name in LIBRARIES if self.device == "cpu" or name != "numpy"]
        for _ in range(rng.choice([1, 1, 2, 3])):
            shape = (self.side(), self.side(), self.channels)
            library = rng.choice(names)
            place = alone(rng, self.numbers, shape, "uint8", library, self.device)
            if not place.fits(library):
                library = next(name for name in names if place.fits(name))
            place.block.upload()
            self.sources.append(place)
            self.images.append(place.make(library))

    def side(self):
        return self.rng.choice([1, 2, 3, 7, 16, 31, 64, self.rng.randint(1, 120)])

    def draw_resize(self):
        rng = self.rng
        self.size, self.word = (self.side(), self.side()), rng.choice([*OPENCV, *PILLOW])
        self.kind, self.edge, self.pad = rng.choice(["stretch", "letterbox", "crop"]), None, 0
        if self.kind == "stretch":
            self.resize = vc.Resize(self.size, self.word)
        elif self.kind == "letterbox":
            self.pad = tuple(rng.randint(0, 255) for _ in range(self.channels))
            self.resize = vc.Letterbox(self.size, self.word, self.pad)
        else:
            self.edge = rng.choice([None, max(self.size), self.side()])
            self.resize = vc.CenterCrop(self.size, self.edge, self.word)

    def draw_boxes(self):
        rng, rows = self.rng, []
        for _ in range(rng.randint(0, 4)):
            index = rng.randrange(len(self.sources))
            height, width = self.sources[index].shape[:2]
            x0, y0 = rng.uniform(0, width - 0.01), rng.uniform(0, height - 0.01)
            x1, y1 = int(x0) + 1 + rng.uniform(0, width), int(y0) + 1 + rng.uniform(0, height)
            row = [index, x0, y0, x1, y1]
            if rng.random() < 0.1:
                row[rng.randrange(5)] = rng.choice([-1e9, -1.5, 1e9, 2.0**62, float("nan")])
            if rng.random() < 0.05:
                row[1], row[3] = row[3], row[1]
            rows.append(row)
        return np.array(rows, dtype=rng.choice(["f4", "f8"])).reshape(-1, 5)

    def crops(self):
        arrays = [place.bits for place in self.sources]
        if self.boxes is None:
            return arrays
        crops = []
        for index, *row in self.boxes.tolist():
            if not (-1 < index < len(arrays)) or any(value != value for value in row):
                self.must.append("a box of no image, or with a NaN")
                continue
            image = arrays[int(index)]
            limits = [image.shape[1], image.shape[0]] * 2
            x0, y0, x1, y1 = (
                int(min(max(value, 0), limit)) for value, limit in zip(row, limits, strict=True)
            )
            if x0 >= x1 or y0 >= y1:
                self.must.append("a box without a pixel")
            crops.append(image[y0:y1, x0:x1])
        return crops

    def fitted(self, image):
        """The image as resize= makes it; None where the reference would take too long."""
        (rows, cols), (height, width) = self.size, image.shape[:2]
        if self.kind == "stretch":
            return reference(image, self.size, self.word)
        if self.kind == "letterbox":
            ratio = min(rows / height, cols / width)
            new = max(1, round(height * ratio)), max(1, round(width * ratio))
            out = np.empty((rows, cols, self.channels), np.uint8)
            out[:] = self.pad
            top, left = (rows - new[0]) // 2, (cols - new[1]) // 2
            out[top : top + new[0], left : left + new[1]] = reference(image, new, self.word)
            return out
        at = self.covering(height, width)
        if at[0] < rows or at[1] < cols:
            self.must.append("a crop that is larger than the image")
            return np.zeros((rows, cols, self.channels), np.uint8)
        if at[0] * at[1] > MOST:
            return None
        top, left = round((at[0] - rows) / 2), round((at[1] - cols) / 2)
        return reference(image, at, self.word)[top : top + rows, left : left + cols]

    def covering(self, height, width):
        rows, cols = self.size
        if self.edge is None:
            if rows * width >= cols * height:
                return rows, max(cols, rows * width // height)
            return max(rows, cols * height // width), cols
        if height <= width:
            return self.edge, self.edge * width // height
        return self.edge * height // width, self.edge

    def draw_out(self):
        """Tensors to write to, of one batch or each by itself; None: a new result."""
        count = len(self.sources) if self.boxes is None else len(self.boxes)
        if count == 0 or self.rng.random() < 0.7:
            return None
        shape = (*self.size, self.channels)
        if self.layout == "NCHW":
            shape = (self.channels, *self.size)
        options = {"dtype": getattr(torch, self.dtype), "device": self.device}
        if self.rng.random() < 0.5:
            return list(torch.full((count, *shape), 7, **options))
        return [torch.full((shape[0] + i, *shape[1:]), 7, **options)[i:] for i in range(count)]

    def run(self):
        crops = self.crops()
        fitted = [] if self.must else [self.fitted(crop) for crop in crops]
        if any(each is None for each in fitted):
            return "left out"
        options = {"layout": self.layout, "dtype": self.dtype, "reverse_channels": self.reverse}
        wanted = None
        if not self.must:
            stack = np.array(fitted, np.uint8).reshape(-1, *self.size, self.channels)
            wanted = vc.to_numpy(stack, **options)
        image = self.images if len(self.images) > 1 or self.rng.random() < 0.5 else self.images[0]
        options |= {"resize": self.resize}
        if self.boxes is not None:
            options["boxes"] = self.rng.choice([self.boxes, torch.from_numpy(self.boxes)])
        outs = options["out"] = self.draw_out()
        try:
            result = self.rng.choice([vc.to_tensor, vc.to_numpy])(image, **options)
        except REFUSALS as error:
            assert self.must, f"refused without need: {error!r}"
            assert not outs or all(bool((out == 7).all()) for out in outs), "written all the same"
            return self.checked("refused")
        assert not self.must, f"not refused, though there is {self.must}"
        if outs:
            result = torch.stack(outs)
        on_gpu = isinstance(result, torch.Tensor) and result.is_cuda
        found = bits_of(result, self.device if on_gpu else "cpu")
        assert found.tobytes() == wanted.view(f"u{wanted.itemsize}").tobytes(), "other bytes"
        return self.checked("right")

    def checked(self, outcome):
        for place in self.sources:
            place.block.check()
        return outcome

    def __str__(self):
        boxes = None if self.boxes is None else self.boxes.tolist()
        return f"{self.resize} of {self.sources}, boxes {boxes}, {self.layout}, {self.dtype}"


def case(rng: random.Random, device="cpu"):
    call = Call(rng, device)
    rng.call = call  # shown on a failure
    return call.run()
