# SPDX-License-Identifier: Apache-2.0
"""Random calls of vc.yuv and vc.to_yuv: planes of any library anywhere in memory, of any format,
matrix, range and odd sides, alone and in lists, resized and not; sometimes with a plane that does
not fit. Either every byte is that of cv2.cvtColor or of H.273's formula (yuv_reference.py) and no
other byte has changed, or one of the documented exceptions was raised and no byte has changed."""

import random

import numpy as np
import torch
from canaries import bits_of
from placing import alone
from yuv_reference import FORMATS, MATRICES, RANGES, rgb_of, yuv_of

import viewcast as vc

REFUSALS = (vc.ViewError, ValueError, TypeError)
LIBRARIES = ("torch", "cupy", "numpy", "gpumat", "view")


class Planes:
    """The planes of one image, each in a block of its own."""

    def __init__(self, call, format, is_out=False):
        rng = call.rng
        self.format, self.places, self.objects = format, [], []
        across, down, bits, unused, pairs, _ = FORMATS[format]
        self.size = call.side(), call.side()
        half = -(-self.size[0] // down), -(-self.size[1] // across)
        shapes = [self.size, (*half, 2)] if pairs else [self.size, half, half]
        dtype = "uint8" if bits == 8 else "uint16"
        if rng.random() < 0.05:
            self.spoil(call, shapes)
        names = [name for name in LIBRARIES if call.device == "cpu" or name != "numpy"]
        for shape in shapes:
            library = rng.choice(names)
            place = alone(rng, call.numbers, shape, dtype, library, call.device, is_out)
            if not (place.fits(library) and place.is_aligned):
                library = next(n for n in names if n not in ("torch", "gpumat"))
                call.may.append("a plane at an odd address")
            samples = call.numbers.integers(0, 1 << bits, shape) << unused
            place.bits[...] = samples.astype(dtype)
            place.block.upload()
            self.places.append(place)
            self.objects.append(place.make(library))

    def spoil(self, call, shapes):
        index = call.rng.randrange(1, len(shapes))
        rows, *rest = shapes[index]
        shapes[index] = (rows + call.rng.choice([-1, 1]), *rest)
        call.must.append("a plane of another shape")

    @property
    def bits(self):
        return [place.bits for place in self.places]

    def check(self):
        for place in self.places:
            place.block.check()


class Call:
    def __init__(self, rng, device):
        self.rng, self.device = rng, device
        self.numbers = np.random.default_rng(rng.getrandbits(63))
        self.must, self.may = [], []  # reasons for a refusal
        self.format = rng.choice(list(FORMATS))
        self.colours = rng.choice(MATRICES), rng.choice(RANGES)
        self.writes = rng.random() < 0.4

    def side(self):
        return self.rng.choice([1, 2, 3, 7, 16, 33, 64, self.rng.randint(2, 120)])

    # --- YUV to RGB

    def read(self):
        rng = self.rng
        count = rng.choice([1, 1, 2, 3])
        self.sources = [Planes(self, self.format) for _ in range(count)]
        depth = rng.choice([8, 8, 16])
        images = [vc.yuv(each.objects, self.format, *self.colours, depth) for each in self.sources]
        options = {
            "layout": rng.choice(["NHWC", "NCHW"]),
            "dtype": rng.choice(["uint8", "float32", "float16"]),
            "reverse_channels": rng.random() < 0.5,
        }
        if count > 1 or rng.random() < 0.5:
            word = rng.choice(["linear", "nearest", "area", "pillow-bilinear"])
            resized = (self.side(), self.side())
            options["resize"] = rng.choice(
                [vc.Resize(resized, word), vc.Letterbox(resized, word, pad=rng.randint(0, 255))]
            )
        wanted = None
        if not self.must:
            rgbs = [rgb_of(each.bits, self.format, *self.colours, depth) for each in self.sources]
            wanted = vc.to_numpy(rgbs if count > 1 else rgbs[0], **options)
        self.told = f"{self.format} {self.colours} {depth} {options} of {self.sources[0].places}"
        try:
            image = images if count > 1 or rng.random() < 0.5 else images[0]
            result = rng.choice([vc.to_tensor, vc.to_numpy])(image, **options)
        except REFUSALS as error:
            assert self.must or self.may, f"refused without need: {error!r}"
            return "refused"
        assert not self.must, f"not refused, though there is {self.must}"
        on_gpu = isinstance(result, torch.Tensor) and result.is_cuda
        found = bits_of(result, self.device if on_gpu else "cpu")
        assert found.tobytes() == wanted.tobytes(), "other bytes"
        return "read"

    # --- RGB to YUV

    def write(self):
        rng = self.rng
        out = Planes(self, self.format, is_out=True)
        self.sources = [out]
        library = rng.choice(["torch", "numpy", "view"])
        shape = (*out.size, 3)
        source = alone(rng, self.numbers, shape, "uint8", library, self.device)
        if not source.fits(library):
            library = "view"
        source.block.upload()
        reverse = rng.random() < 0.5
        rgb = source.bits[..., ::-1] if reverse else source.bits
        self.told = f"to {self.format} {self.colours} {source} {out.places}"
        arguments = dict(zip(("matrix", "range"), self.colours, strict=True))
        try:
            vc.to_yuv(
                source.make(library),
                format=self.format,
                reverse_channels=reverse,
                out=tuple(out.objects),
                **arguments,
            )
        except REFUSALS as error:
            assert self.must or self.may, f"refused without need: {error!r}"
            source.block.check()
            return "refused"
        assert not self.must, f"not refused, though there is {self.must}"
        self.expect(out, rgb)
        source.block.check()
        return "written"

    def expect(self, out, rgb):
        """Writes into the models of the planes what their memory must be now."""
        _, _, _, unused, pairs, swapped = FORMATS[self.format]
        y, u, v = (
            each << unused for each in yuv_of(np.ascontiguousarray(rgb), self.format, *self.colours)
        )
        chroma = [v, u] if swapped else [u, v]
        wanted = [y, np.stack(chroma, -1)] if pairs else [y, *chroma]
        for bits, samples in zip(out.bits, wanted, strict=True):
            bits[...] = samples

    def run(self):
        outcome = self.write() if self.writes else self.read()
        for each in self.sources:
            each.check()
        return outcome

    def __str__(self):
        return getattr(self, "told", self.format)


def case(rng: random.Random, device="cpu"):
    call = Call(rng, device)
    rng.call = call  # shown on a failure
    return call.run()
