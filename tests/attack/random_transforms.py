# SPDX-License-Identifier: Apache-2.0
"""Random calls of to_tensor, to_cupy, to_numpy and to_gpumat: every dtype, layout and place in
memory; batches, lists and mosaics, as sources and as `out=`; and calls that must be refused.
Either the result is right to the bit and no other byte has changed, or one of the documented
exceptions was raised and no byte has changed."""

import cupy
import cv2
import numpy as np
import torch
from canaries import Place, bits_of, gpumat_type, ml_dtypes
from formulas import (
    DTYPES,
    FLOATS,
    INTEGERS,
    ITEMSIZE,
    adds_alpha,
    are_whole,
    can_become,
    coefficients,
    transform,
    working_type,
)
from placing import alone, interleaved, share

import viewcast as vc

TO = {"torch": vc.to_tensor, "cupy": vc.to_cupy, "numpy": vc.to_numpy, "gpumat": vc.to_gpumat}
CLASSES = {
    "torch": torch.Tensor,
    "cupy": cupy.ndarray,
    "numpy": np.ndarray,
    "gpumat": cv2.cuda.GpuMat,
    "view": vc.View,
}
LIBRARIES = tuple(CLASSES)
# Sources that are of no library's class.
OTHERS = ("capsule", "memoryview", "interface", "swapped")
REFUSALS = (vc.ViewError, ValueError, TypeError)
PRESETS = {"unit": vc.UNIT, "symmetric": vc.SYMMETRIC, "imagenet": vc.IMAGENET, "clip": vc.CLIP}
BECOME = {c: [t for t in (1, 2, 3, 4) if can_become(c, t)] for c in (1, 2, 3, 4)}


def holds(library, dtype):
    """Whether the library that is installed has the dtype."""
    if library == "gpumat":
        return gpumat_type(dtype, 1) is not None
    if dtype == "bfloat16":
        return library in ("torch", "view", "capsule") or (
            ml_dtypes is not None and library not in OTHERS
        )
    return True


def shape_in(layout, n, h, w, c):
    return tuple({"N": n, "H": h, "W": w, "C": c}[axis] for axis in layout)


def as_nhwc(bits, layout):
    """An image's elements in the order (N, H, W, C)."""
    for axis in "NHWC":
        if axis not in layout:
            bits, layout = bits[None], axis + layout
    return bits.transpose([layout.index(axis) for axis in "NHWC"])


def looks_planar(shape):
    return len(shape) > 2 and shape[-3] in (1, 3, 4) and shape[-1] > 4


class Call:
    """One random call. `must` is why it has to be refused; `may` why it can be refused."""

    def __init__(self, rng, device="cpu"):
        self.rng, self.device = rng, device
        self.numbers = np.random.default_rng(rng.getrandbits(64))
        self.must, self.may = [], []
        self.options = {}
        self.libraries = [name for name in LIBRARIES if device == "cpu" or name != "numpy"]
        self.draw_source()
        self.draw_values()
        self.draw_result()

    # --- the source

    def draw_source(self):
        rng = self.rng
        self.kind = rng.choice(["one", "one", "one", "batch", "list", "list"])
        self.n = {"one": 1, "batch": rng.randint(1, 4), "list": rng.randint(1, 5)}[self.kind]
        size = rng.random()
        if size < 0.01:  # enough for several threads
            self.h, self.w = rng.randint(300, 400), rng.randint(400, 600)
        elif size < 0.05:
            self.h, self.w = rng.randint(60, 160), rng.randint(60, 160)
        else:
            self.h, self.w = rng.randint(1, 24), rng.randint(1, 40)
        if rng.random() < 0.02:
            self.h = 0
        self.c = rng.choice([1, 1, 2, 3, 3, 3, 3, 4, 4, 5, 7, rng.randint(1, 40)])
        self.dtype = rng.choice(DTYPES)
        if self.h > 200:
            self.n, self.c, self.dtype = min(self.n, 2), min(self.c, 4), "uint8"
        names = ["HWC", "HWC", "CHW"] + (["HW"] if self.c == 1 else [])
        self.layout = rng.choice(names)
        if self.kind == "batch":
            self.layout = "N" + self.layout
        self.place_source()
        self.say_layout()

    def pick_library(self, shape):
        rng = self.rng
        names = self.libraries
        if rng.random() < 0.1:
            names = OTHERS if self.device == "cpu" else ("capsule",)
        names = [name for name in names if holds(name, self.dtype)]
        if self.kind == "batch" or self.layout == "CHW" or self.dtype == "bool":
            names = [name for name in names if name != "gpumat"]
        return rng.choice(names or ["torch"])

    def place_source(self):
        rng = self.rng
        count = self.n if self.kind == "list" else 1
        shape = shape_in(self.layout, self.n, self.h, self.w, self.c)
        self.sources, self.images, self.origins = [], [], []
        if count > 1 and rng.random() < 0.2:  # in one block
            self.sources = interleaved(rng, self.numbers, shape, [self.dtype] * count, self.device)
        for n in range(count):
            library = self.pick_library(shape)
            if len(self.sources) <= n:
                self.sources.append(
                    alone(rng, self.numbers, shape, self.dtype, library, self.device)
                )
            elif not self.sources[n].fits(library):
                library = "torch" if self.sources[n].fits("torch") else "cupy"
            self.origins.append(library)
        for place in self.sources:
            self.fill_with_values(place)
        for place in self.sources:
            place.block.upload()
        readonly = rng.random() < 0.1
        self.images = [
            place.make(library, readonly)
            for place, library in zip(self.sources, self.origins, strict=True)
        ]
        if any(not place.is_aligned for place in self.sources):
            self.may.append("elements that are not aligned")

    def fill_with_values(self, place):
        """Fills the source with random bits, or with values of images."""
        bits, dtype = place.bits, place.dtype
        if dtype == "bool":
            bits[...] = self.numbers.integers(0, 2, bits.shape)
        elif dtype in INTEGERS:
            if ITEMSIZE[dtype] > 1 and self.rng.random() < 0.5:
                bits[...] = self.numbers.integers(0, 300, bits.shape)
        elif self.rng.random() < 0.8:
            scale = self.rng.choice([1, 1, 100, 300, 70000])
            values = self.numbers.normal(0, scale, bits.shape).astype("float32")
            if self.rng.random() < 0.3:
                values = np.rint(values) / 2  # halves
            bits[...] = float_bits(values, dtype)

    def say_layout(self):
        """Adds from_layout=, where it is needed and sometimes where it is not."""
        shape = self.sources[0].shape
        arrays = [name for name in self.origins if name != "gpumat"]
        plain = self.layout in ("HW", "HWC", "NHWC")
        planar = looks_planar(shape) and arrays
        if self.layout == "HW" and "gpumat" in self.origins:
            return  # "HW" and "HWC" are both true of it
        if not plain or planar or self.rng.random() < 0.4:
            name = self.layout
            if self.kind == "list" and self.rng.random() < 0.3:
                name = "N" + name
            if not plain or self.rng.random() < 0.95:
                self.options["from_layout"] = self.spelt(name)
            elif planar:
                self.must.append("an array that looks planar")

    def spelt(self, name):
        return self.rng.choice([name, name, name.lower()])

    # --- values and channels

    def draw_values(self):
        rng = self.rng
        choices = BECOME.get(self.c, [self.c])
        self.channels = rng.choice([self.c, self.c, *choices])
        if rng.random() < 0.02:
            self.channels = rng.choice([1, 2, 3, 4, 5, 9])
        if not can_become(self.c, self.channels):
            self.must.append(f"{self.c} channels can't become {self.channels}")
        self.target = rng.choice([self.dtype, self.dtype, *DTYPES])
        self.values = {}
        self.draw_scaling()
        if rng.random() < 0.4:
            self.values["reverse"] = self.options["reverse_channels"] = True
        elif rng.random() < 0.1:
            self.options["reverse_channels"] = False
        if adds_alpha(self.c, self.channels) and rng.random() < 0.5:
            self.values["fill"] = rng.choice([0, 1, 0.5, 7, 2.5, 255, -3, 1000])
            self.options["fill"] = self.values["fill"]
        elif rng.random() < 0.01 and not adds_alpha(self.c, self.channels):
            self.options["fill"] = 7
            self.must.append("a fill and no added alpha")

    def draw_scaling(self):
        rng = self.rng
        kind = rng.choice(["none", "none", "some", "some", "whole", "preset"])
        if kind == "preset":
            return self.draw_preset()
        if kind == "none":
            return None
        number = self.whole if kind == "whole" else self.number
        if rng.random() < 0.7:
            self.values["scale"] = number()
        if rng.random() < 0.5:
            self.values["mean"] = self.one_or_each(number)
        if rng.random() < 0.4:
            self.values["std"] = self.one_or_each(
                (lambda: rng.choice([1, 1, -1])) if kind == "whole" else self.divisor
            )
        self.options |= self.values
        return None

    def draw_preset(self):
        preset = PRESETS[self.rng.choice(list(PRESETS))]
        self.options["normalize"] = preset
        self.values |= {"scale": preset.scale, "mean": preset.mean, "std": preset.std}
        wanted = len(preset.mean) if isinstance(preset.mean, tuple) else self.channels
        if wanted not in (1, self.channels):
            self.must.append(f"{wanted} means for {self.channels} channels")
        if self.dtype != "uint8":
            self.must.append("a normalisation of 8-bit sources")

    def number(self):
        rng = self.rng
        return rng.choice([1 / 255, 0.5, 255, 0.1, -1.5, rng.uniform(-300, 300), 1, 0, 2e-7])

    def divisor(self):
        value = self.number()
        if value == 0 and self.rng.random() < 0.9:
            return 0.25
        return value

    def whole(self):
        return self.rng.choice([0, 1, 2, 255, -1, 128])

    def one_or_each(self, number):
        rng = self.rng
        if rng.random() < 0.4:
            return number()
        count = self.channels
        if rng.random() < 0.02:
            count = rng.choice([2, 3, 4, 5])
            if count != self.channels:
                self.must.append(f"{count} numbers for {self.channels} channels")
        values = [number() for _ in range(count)]
        return rng.choice([tuple, list, np.array])(values)

    # --- the result

    def draw_result(self):
        rng = self.rng
        self.library = rng.choice(["torch", "cupy", "numpy", "gpumat"])
        self.into = rng.choice(["new", "new", "new", "one", "list", "mosaic"])
        batch = self.kind != "one"
        names = ["NHWC", "NCHW"] if batch else ["HWC", "CHW", "NHWC", "NCHW"]
        if self.channels == 1:
            names += ["NHW"] if batch else ["HW", "NHW"]
        elif rng.random() < 0.02:
            names = ["NHW"] if batch else ["HW", "NHW"]
        self.to = rng.choice([None, *names])
        if batch and rng.random() < 0.02:
            self.to = rng.choice(["HWC", "CHW", "HW"])
        if self.to and self.library == "gpumat":
            self.to = None
        if self.to in ("HW", "NHW") and self.channels != 1:
            self.into = "new"  # an out of one channel would make the result have one
            self.must.append("more than one channel without an axis of them")
        if batch and self.to in ("HWC", "CHW", "HW"):
            if self.into in ("list", "mosaic"):
                self.to = "N" + self.to
            else:
                reasons = self.may if self.n == 1 and self.into == "one" else self.must
                reasons.append("a batch in a layout of one image")
        if self.library == "numpy" and self.device != "cpu":
            self.into = "new"
        if self.into == "new":
            self.draw_new()
        else:
            self.draw_out()
        if self.to:
            self.options["layout"] = self.spelt(self.to)
        if self.channels != self.c or rng.random() < 0.1:
            self.options["channels"] = self.channels
        self.check_numbers()

    def draw_new(self):
        rng = self.rng
        if self.library == "gpumat" and self.target == "bool":
            pass  # 8U
        elif not holds(self.library, self.target):
            self.must.append(f"{self.library} has no {self.target}")
        if self.target != self.dtype or rng.random() < 0.6:
            self.options["dtype"] = self.dtype_argument()
        elif self.has_fractions():
            self.must.append("fractions in an integer type that nobody named")
        if rng.random() < 0.2 and self.library not in ("gpumat",):
            self.options["keepdim"] = True
            if self.to in ("HW", "NHW"):
                self.must.append("an axis that is kept and is not there")
        self.layout_of_result()

    def has_fractions(self):
        if self.dtype in FLOATS:
            return False
        try:
            whole = are_whole(
                float(self.values.get("scale", 1)),
                self.listed("mean"),
                self.listed("std"),
                self.channels,
            )
        except (ZeroDivisionError, ValueError):
            return False  # refused for that
        if not whole and self.dtype == "bool":
            self.may.append("fractions of a bool")
            return False
        return not whole

    def dtype_argument(self):
        name = self.target
        ways = [name]
        if name != "bfloat16":
            ways += [np.dtype(name), getattr(np, "bool_" if name == "bool" else name)]
        ways.append(getattr(torch, name))
        return self.rng.choice(ways)

    def layout_of_result(self):
        """Sets self.wanted, the layout that the result must have."""
        batch = self.kind != "one"
        base = self.layout.removeprefix("N")
        if self.library == "gpumat" and base == "CHW":
            base = "HWC"  # a GpuMat always is
        name = self.to or ("N" + base if batch else base)
        if name == "HWC" or not self.to:
            name = name.removesuffix("C") if self.is_flat() else name
            name = name if self.is_flat() or "C" in name else name + "C"
        self.wanted = name

    def is_flat(self):
        """True where the result has no axis of channels: no layout= was given, or "HWC"."""
        if self.channels != 1 or self.options.get("keepdim", False):
            return False
        if self.kind == "one":
            return self.layout == "HW" or (self.origins[0] == "gpumat" and self.c == 1)
        said = self.kind == "batch" or "from_layout" in self.options
        return self.layout in ("HW", "NHW") and said and self.library != "gpumat"

    def draw_out(self):
        """Draws out=: one array, a list, or a list of parts of one block."""
        rng = self.rng
        self.layout_of_result()
        if self.wanted in ("HW", "NHW") and not self.to and rng.random() < 0.3:
            self.wanted += "C"
        count = 1 if self.into == "one" else self.n
        if rng.random() < 0.03:
            count, self.into = self.n + 1, "list"
            self.must.append("too many images in out")
        each = self.wanted
        if self.into != "one":
            each = each.removeprefix("N")
            if self.kind == "one" and self.wanted.startswith("N"):
                self.to = self.wanted
        shape = shape_in(each, self.n, self.h, self.w, self.channels)
        dtypes = [self.target] * count
        shape = self.damage_out(each, shape, dtypes)
        self.place_out(shape, dtypes, each)
        if rng.random() < 0.2:
            self.options["dtype"] = self.target
            if any(dtype != self.target for dtype in dtypes):
                self.must.append("another dtype than out has")

    def damage_out(self, each, shape, dtypes):
        rng = self.rng
        if rng.random() < 0.04:
            shape = list(shape)
            shape[each.index(rng.choice("HW"))] += rng.choice([1, 2])
            self.must.append("out is larger")
        if len(dtypes) > 1 and rng.random() < 0.03:
            dtypes[-1] = rng.choice([name for name in DTYPES if name != dtypes[0]])
            self.may.append("dtypes of out differ")
        return tuple(shape)

    def place_out(self, shape, dtypes, each):
        rng = self.rng
        self.outs, self.objects = [], []
        same_size = len({ITEMSIZE[dtype] for dtype in dtypes}) == 1
        if self.into == "mosaic" and same_size:
            self.outs = interleaved(
                rng, self.numbers, shape, dtypes, self.device, flips=rng.random() < 0.2
            )
        else:
            for dtype in dtypes:
                library = self.library_of_out(shape, dtype, each)
                self.outs.append(
                    alone(rng, self.numbers, shape, dtype, library, self.device, is_out=True)
                )
        if rng.random() < 0.06 and "swapped" not in self.origins:  # they are copied first
            self.move_onto_source()
        elif rng.random() < 0.03:
            self.overlap_outs()
        if share(self.outs, self.sources):
            self.must.append("out shares elements")
        for place in self.outs:
            place.block.upload()
        self.make_outs(each)

    def library_of_out(self, shape, dtype, each):
        names = [name for name in self.libraries if holds(name, dtype)]
        if each not in ("HW", "HWC") or dtype == "bool":
            names = [name for name in names if name != "gpumat"]
        return self.rng.choice(names)

    def move_onto_source(self):
        """Moves the first out into the first source's block, at a random place."""
        block, out = self.sources[0].block, self.outs[0]
        if block.model.size < out.block.model.size:
            return
        shift = self.rng.randint(0, block.model.size - out.block.model.size)
        shift -= shift % ITEMSIZE[out.dtype]
        self.outs[0] = Place(block, out.dtype, out.offset + shift, out.shape, out.strides)

    def overlap_outs(self):
        out = self.outs[-1]
        strides = list(out.strides)
        strides[self.rng.randrange(len(strides))] = 0
        self.outs[-1] = Place(out.block, out.dtype, out.offset, out.shape, strides)

    def make_outs(self, each):
        rng = self.rng
        self.versions = []
        for n, place in enumerate(self.outs):
            names = [
                name for name in self.libraries if place.fits(name) and holds(name, place.dtype)
            ]
            if each not in ("HW", "HWC") or place.dtype == "bool":
                names = [name for name in names if name != "gpumat"]
            readonly = rng.random() < 0.02
            library = rng.choice(names)
            if readonly and library in ("numpy", "view"):
                self.must.append(f"out {n} is read-only")
            self.objects.append(place.make(library, readonly))
            if library == "gpumat" and place.shape[0] == 0:
                self.may.append("an empty GpuMat as out")
            if not place.is_aligned:
                self.may.append("elements of out that are not aligned")
        self.options["out"] = self.objects[0] if self.into == "one" else self.objects
        if self.into != "one" and rng.random() < 0.3:
            self.options["out"] = tuple(self.objects)

    def listed(self, name):
        values = self.values.get(name)
        return values.tolist() if isinstance(values, np.ndarray) else values

    def check_numbers(self):
        try:
            pairs = coefficients(
                float(self.values.get("scale", 1)),
                self.listed("mean"),
                self.listed("std"),
                self.channels,
                working_type(self.dtype, self.target),
            )
        except ValueError:  # as many numbers as there are channels: refused above
            return
        if pairs is None:
            self.must.append("a coefficient that is not finite")

    # --- the call, and checks of its result

    @property
    def image(self):
        if self.kind != "list":
            return self.images[0]
        return self.images if self.rng.random() < 0.7 else tuple(self.images)

    def expected(self, first=0, last=None, target=None):
        """The expected elements of a range of images, as (N, H, W, C)."""
        source = np.concatenate(
            [
                as_nhwc(place.bits.byteswap() if origin == "swapped" else place.bits, self.layout)
                for place, origin in zip(self.sources, self.origins, strict=True)
            ]
        )
        values = {key: self.listed(key) for key in self.values}
        return transform(
            source[first:last], self.dtype, target or self.target, channels=self.channels, **values
        )

    def run(self):
        """Makes the call and checks it; returns "right" or "refused"."""
        before = [image._version for image in self.torch_outs()]
        try:
            result = TO[self.library](self.image, **self.options)
        except REFUSALS as error:
            self.check_memory()
            assert self.must or self.may, f"refused without need: {error!r}"
            assert str(error), "an exception without a word"
            return "refused"
        assert not self.must, f"not refused, though there is/are {self.must}"
        if "out" in self.options:
            assert result is self.options["out"]
            self.check_out(before)
        else:
            self.check_new(result, self.expected())
        self.check_memory()
        return "right"

    def torch_outs(self):
        return [each for each in getattr(self, "objects", ()) if isinstance(each, torch.Tensor)]

    def check_out(self, before):
        layout = self.wanted if self.into == "one" else self.wanted.removeprefix("N")
        for n, place in enumerate(self.outs):
            first, last = (0, None) if self.into == "one" else (n, n + 1)
            as_nhwc(place.bits, layout)[...] = self.expected(first, last, place.dtype)
        for image, version in zip(self.torch_outs(), before, strict=True):
            assert image._version > version, "autograd does not know that out was written to"

    def check_new(self, result, wanted):
        if self.library == "gpumat":
            if self.kind == "one":
                result = [result]
            assert isinstance(result, list) and len(result) == self.n
            parts = [wanted[n] for n in range(self.n)]
        else:
            layout = self.wanted
            assert type(result) is CLASSES[self.library]
            shape = shape_in(layout, self.n, self.h, self.w, self.channels)
            assert tuple(result.shape) == shape, f"shape {tuple(result.shape)}, not {shape}"
            result, parts = [result], [wanted]
        for image, part in zip(result, parts, strict=True):
            assert isinstance(image, CLASSES[self.library])
            self.check_dtype(image)
            bits = bits_of(image, "cpu" if self.library == "numpy" else self.device)
            if self.library != "gpumat":
                bits = as_nhwc(bits, layout)
            different = np.argwhere(bits.reshape(part.shape) != part)
            assert not different.size, (
                f"{len(different)} of {part.size} elements are wrong, the first at "
                f"{different[0]} of (N, H, W, C)"
            )

    def check_dtype(self, image):
        name = "uint8" if self.library == "gpumat" and self.target == "bool" else self.target
        if self.library == "gpumat":
            assert image.type() == gpumat_type(name, self.channels)
        else:
            assert str(image.dtype).removeprefix("torch.") == name

    def check_memory(self):
        """Compares all memory with the model."""
        for block in {place.block for place in [*self.sources, *getattr(self, "outs", ())]}:
            block.check()

    def __str__(self):
        options = {
            key: [str(place) for place in self.outs] if key == "out" else value
            for key, value in self.options.items()
        }
        return (
            f"{TO[self.library].__name__}({self.kind} of {self.sources} "
            f"from {self.origins}, {options})"
            f"; must be refused: {self.must}; may be: {self.may}"
        )


def float_bits(values, dtype):
    """float32 as the bits of another float dtype; the rounding does not matter."""
    if dtype == "bfloat16":
        return (values.view(np.uint32) >> 16).astype(np.uint16)
    with np.errstate(over="ignore"):
        return values.astype(dtype).view(f"u{ITEMSIZE[dtype]}")


def case(rng, device="cpu"):
    call = Call(rng, device)
    rng.call = call  # shown on a failure
    return call.run()
