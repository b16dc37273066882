# SPDX-License-Identifier: Apache-2.0
"""Wrong descriptions of images, given to every function: DLPack capsules made by hand, and
dictionaries of the CUDA Array Interface and of NumPy's, with wrong, huge, missing and changing
fields; and objects whose code runs while they are read. Each call raises an exception or
returns an image as described; a deleter runs once if its tensor was consumed, else never."""

import ctypes
import gc
import math

import numpy as np
from canaries import Block
from dlpack_structs import COPIED, READ_ONLY, name_of
from exercise import FUNCTIONS, READERS, REFUSALS, seen, settled
from managed_tensors import CODES, Export

import viewcast as vc

SMALL = 3 * 24 * 5 * 8  # bytes of the image that every description begins with
RANK = 4


class Hostile(Exception):
    """Raised by the Python code of a description."""


# ------------------------------------------------------------------ images


class Image:
    """A correct description, of which one or two fields are then made wrong."""

    def __init__(self, rng):
        self.rng = rng
        self.block = Block(SMALL + 256, np.random.default_rng(rng.getrandbits(64)))
        kind = rng.choice(["uint", "uint", "uint", "int", "float", "bool"])
        size = 1 if kind == "bool" else rng.choice([1, 1, 2, 4, 8])
        if kind == "float":
            size = max(size, 2)
        self.code, self.size = CODES[kind], size
        self.letter = {"uint": "u", "int": "i", "float": "f", "bool": "b"}[kind]
        self.shape = rng.choice([(5, 3), (6, 4, 3), (6, 2, 1), (2, 5, 4, 3), (4, 5, 4), (3, 8)])
        strides = [math.prod(self.shape[n + 1 :]) for n in range(len(self.shape))]
        self.strides = tuple(strides)  # in elements
        self.address = self.block.address + 64
        if kind == "bool":
            self.block.model &= 1
            self.block.upload()

    @property
    def bytes_strides(self):
        return tuple(stride * self.size for stride in self.strides)


def some_number(rng):
    power = rng.choice([7, 8, 15, 16, 31, 32, 33, 62, 63, 64, 65, 70])
    return rng.choice(
        [0, 1, 2, -1, -2, 3, 4, 5, 127, 511, 513, rng.randint(-9, 9)]
        + [rng.choice([-1, 1]) * (2**power + rng.randint(-2, 2))]
    )


def clip(value, bits, signed=True):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return max(low, min(high, value))


# ------------------------------------------------------------------ DLPack


class Described:
    """The fields of a managed tensor, as C code reads them."""

    def __init__(self, shape, strides, code, bits):
        self.shape, self.strides, self.code, self.bits = list(shape), list(strides), code, bits
        self.fields, self.name = {}, None


def corrupt_tensor(rng, image, versioned):
    said = Described(image.shape, image.strides, image.code, 8 * image.size)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        CORRUPTIONS[rng.choice(list(CORRUPTIONS))](rng, said, versioned)
    return said


def _shape(rng, said, _):
    said.shape[rng.randrange(len(said.shape))] = clip(some_number(rng), 64)


def _strides(rng, said, _):
    said.strides[rng.randrange(len(said.strides))] = clip(some_number(rng), 64)


def _rank(rng, said, _):
    said.fields["ndim"] = rng.choice([0, 1, 2, 3, 4, 5, 8, 9, -1, 2**31 - 1, -(2**31), 64])


def _dtype(rng, said, _):
    said.code = rng.choice([*range(19), 255])
    said.bits = rng.choice([0, 1, 2, 4, 6, 7, 8, 12, 16, 24, 32, 64, 128, 255])


def _lanes(rng, said, _):
    said.fields["lanes"] = rng.choice([0, 2, 3, 4, 65535])


def _device(rng, said, _):
    said.fields["device_type"] = rng.choice([*range(-1, 20), 2**31 - 1, -(2**31)])
    said.fields["device_id"] = clip(some_number(rng), 32)


def _null(rng, said, versioned):
    said.fields[rng.choice(["data", "shape", "strides", "deleter", "manager_ctx"])] = 0


def _offset(rng, said, _):
    said.fields["byte_offset"] = rng.choice([1, 2, 8, 64, 2**63, 2**64 - 1, 2**64 - 64])


def _version(rng, said, versioned):
    if versioned:
        said.fields["major"] = rng.choice([0, 1, 2, 2**32 - 1])
        said.fields["minor"] = rng.choice([0, 1, 3, 99, 2**32 - 1])


def _flags(rng, said, versioned):
    if versioned:
        said.fields["flags"] = rng.choice([READ_ONLY, COPIED, 3, 4, 2**64 - 1, 2**63])


def _name(rng, said, _):
    said.name = rng.choice(
        [b"used_dltensor", b"used_dltensor_versioned", b"", b"x" * 300, b"DLTENSOR", b"\xff\xfe"]
        + [b"dltensor_versioned_", None]
    )


CORRUPTIONS = {
    "shape": _shape,
    "strides": _strides,
    "rank": _rank,
    "dtype": _dtype,
    "lanes": _lanes,
    "device": _device,
    "null": _null,
    "offset": _offset,
    "version": _version,
    "flags": _flags,
    "name": _name,
}


def reads_inside(image, address, shape, strides, size):
    """True if the elements lie in the image's block."""
    if 0 in shape:
        return True
    ends = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    low = address + sum(min(end, 0) for end in ends)
    high = address + sum(max(end, 0) for end in ends) + size
    start = image.block.address
    return start <= low and high <= start + image.block.model.size


class Producer:
    """A DLPack producer that may report a wrong device, and run code."""

    def __init__(self, rng, export, device):
        self.rng, self.export, self.device = rng, export, device

    def __dlpack_device__(self):
        disturb(self.rng)
        return self.device

    def __dlpack__(self, **keywords):
        disturb(self.rng)
        if self.rng.random() < 0.05:
            raise TypeError("it takes no arguments")  # it is asked again
        if not hasattr(self, "capsule"):
            self.capsule = self.export.capsule(self.name)
        return self.capsule


def disturb(rng):
    """An action of a description's code while it is read."""
    what = rng.random()
    if what < 0.05:
        raise Hostile("no")
    if what < 0.1:
        vc.collect()
        gc.collect(0)
    elif what < 0.15:
        vc.as_tensor(vc.view(np.zeros((4, 4), np.uint8)))


def lied_device(rng):
    lies = [(1, 0)] * 8 + [(2, 0), (13, 0), (3, 0), (1, 7), (2, -1), (2, 2**31), (-1, 0)]
    lies += [None, (1,), [1, 0], "cpu", (1.0, 0.0), (2**70, 0), (None, None), ("1", 0), (True, 0)]
    return rng.choice(lies)


def attack_dlpack(rng):
    image = Image(rng)
    versioned = rng.random() < 0.6
    said = corrupt_tensor(rng, image, versioned)
    export = Export(
        image.address, said.shape, said.strides, said.code, said.bits, versioned, said.fields
    )
    ndim = said.fields.get("ndim", len(said.shape))
    size = max(said.bits // 8, 1)
    inside = (
        0 < ndim <= RANK
        and said.fields.get("data", 1) != 0
        and reads_inside(
            image,
            image.address + said.fields.get("byte_offset", 0),
            said.shape[:ndim] + [0] * (ndim - len(said.shape)),
            [s * size for s in said.strides[:ndim]] + [0] * (ndim - len(said.strides)),
            size,
        )
        and ("strides" not in said.fields or math.prod(said.shape) * size <= SMALL)
    )
    wanted = wanted_of_tensor(image, said, export, ndim)
    producer = Producer(rng, export, lied_device(rng))
    producer.name = said.name
    producer.capsule = export.capsule(said.name)
    thing = producer.capsule if rng.random() < 0.4 else producer
    readonly = versioned and said.fields.get("flags", 0) & READ_ONLY
    outcome = call(rng, thing, inside, wanted, image, readonly)
    del thing
    check_deleter(export, producer, said)
    return f"{'capsule' if versioned else 'old capsule'} {outcome}"


def wanted_of_tensor(image, said, export, ndim):
    """(address, shape, strides) that a view must have; strides are None for tensors without."""
    if not 0 < ndim <= RANK:
        return None
    more = [0] * (ndim - len(said.shape))  # the rest of its memory
    strides = None
    if "strides" not in said.fields:
        strides = [s * max(said.bits // 8, 1) for s in said.strides[:ndim]] + more
    address = image.address + said.fields.get("byte_offset", 0)
    return address, tuple(said.shape[:ndim] + more), strides


def check_deleter(export, producer, said):
    settled()
    taken = name_of(producer.capsule) != export.given
    if taken:
        assert name_of(producer.capsule) == b"used_" + export.given
    wanted = int(taken and "deleter" not in said.fields)
    assert export.deleted == wanted, f"the deleter ran {export.deleted} times, not {wanted}"


# ------------------------------------------------------------------ interface dictionaries


class Index:
    """An integer whose __index__() runs code."""

    def __init__(self, rng, value, interface):
        self.rng, self.value, self.interface = rng, value, interface

    def __index__(self):
        if self.rng.random() < 0.3:
            self.interface.clear()
        disturb(self.rng)
        return self.value


class Dictionary(dict):
    """A dictionary whose lookups run code and give another value each time."""

    def __init__(self, rng, *arguments):
        super().__init__(*arguments)
        self.rng = rng

    def __getitem__(self, key):
        disturb(self.rng)
        if self.rng.random() < 0.2:
            self.pop(next(iter(self)), None)
        return super().__getitem__(key)

    def get(self, key, default=None):
        disturb(self.rng)
        return super().get(key, default)

    def keys(self):
        disturb(self.rng)
        return super().keys()


ADDRESSES = [0, None, -1, 2**64, 2**64 - 1, 2**70, "0", 1.5, True, b"", (), object()]
TYPESTRS = ["", "|", "<", "u1", "f4", "|u1", "<u1", ">u1", ">f4", "=f4", "<f3", "<f16", "<V4"]
TYPESTRS += [
    "|O8",
    "<U2",
    "<M8",
    "<c8",
    "|b1",
    "u1" * 9999,
    "\x00",
    "|u1\x00",
    "ü",
    None,
    5,
    b"|u1",
]
TYPESTRS += [("<f4",), "<t1", "|S3", "<u1000000000000000000000", "<f-4", " <f4", "\ud800"]
SHAPES = [None, (), 5, "55", [], [5, 3], (5.0, 3), ("5", 3), (True, 3), (None,), (5, (3,)), {5, 3}]
SHAPES += [(1,) * 5, (1,) * 5000, range(3), (np.int64(5), np.int32(3)), (np.uint8(5), 3)]
OTHERS = [None, 0, 1, 2, 3, 4, -1, 2**63, 2**70, "3", 1.5, (), [], object(), True]


def corrupt_dictionary(rng, image):
    interface = {
        "shape": image.shape,
        "typestr": ("|" if image.size == 1 else "<") + f"{image.letter}{image.size}",
        "data": (image.address, rng.random() < 0.2),
        "version": rng.choice([2, 3]),
        "strides": rng.choice([None, image.bytes_strides]),
    }
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        corrupt_one(rng, interface)
    if rng.random() < 0.15:
        interface = Dictionary(rng, interface)
    return interface


def corrupt_one(rng, interface):
    key = rng.choice(["shape", "strides", "typestr", "data", "version", "stream", "mask", "descr"])
    old = interface.get(key)
    if rng.random() < 0.1:
        interface.pop(key, None)
    elif key in ("shape", "strides") and isinstance(old, tuple) and rng.random() < 0.6:
        values = list(old)
        if values:
            n = rng.randrange(len(values))
            new = some_number(rng) if rng.random() < 0.7 else values[n]
            values[n] = Index(rng, new, interface) if rng.random() < 0.4 else new
        interface[key] = rng.choice([tuple, tuple, list])(values)
    elif key in ("shape", "strides"):
        interface[key] = rng.choice(SHAPES)
    elif key == "typestr":
        interface[key] = rng.choice(TYPESTRS)
    elif key == "data":
        address = old[0] if isinstance(old, tuple) and old else 0
        interface[key] = rng.choice(
            [None, address, (address,), [address, False], (address, None), (address, "x"), ()]
            + [(address, False, 1), (rng.choice(ADDRESSES), False), (address, Truth(rng))]
        )
    else:
        interface[key] = rng.choice(OTHERS)


class Truth:
    def __init__(self, rng):
        self.rng = rng

    def __bool__(self):
        disturb(self.rng)
        return self.rng.random() < 0.5


class Interfaced:
    """An object with an interface dictionary, as an attribute or as code."""

    def __init__(self, rng, name, interface):
        self._rng, self._interface = rng, interface
        if rng.random() < 0.5:
            setattr(self, name, interface)
        else:
            self._name = name

    def __getattr__(self, name):
        if name != self.__dict__.get("_name"):
            raise AttributeError(name)
        disturb(self._rng)
        return self._interface


NOT_DICTIONARIES = [None, 5, "x", [], (), [("shape", (5, 3))], object(), dict]


def attack_dictionary(rng, name):
    image = Image(rng)
    interface = corrupt_dictionary(rng, image)
    if rng.random() < 0.05:
        interface = rng.choice(NOT_DICTIONARIES)
    wanted = wanted_of_dictionary(interface)
    inside = wanted is not None and is_inside(image, interface, *wanted)
    readonly = is_read_only(interface)
    outcome = call(rng, Interfaced(rng, name, interface), inside, wanted, image, readonly)
    return f"{name.strip('_')} {outcome}"


def is_read_only(interface):
    data = dict.get(interface, "data") if isinstance(interface, dict) else None
    return isinstance(data, tuple) and len(data) > 1 and data[1] is True


def plain_number(value):
    return value.value if isinstance(value, Index) else value


def wanted_of_dictionary(interface):
    """(address, shape, strides or None) if they are numbers at all."""
    try:
        shape = tuple(int(plain_number(n)) for n in dict.__getitem__(interface, "shape"))
        strides = dict.get(interface, "strides")
        if strides is not None:
            strides = tuple(int(plain_number(n)) for n in strides)
        address = int(dict.__getitem__(interface, "data")[0] or 0)
    except (TypeError, KeyError, IndexError, ValueError):
        return None
    return address, shape, strides


def is_inside(image, interface, address, shape, strides):
    """True if the described memory is the image's: only then are pixels read."""
    size = image.size
    typestr = dict.get(interface, "typestr")
    if not isinstance(typestr, str) or not typestr.strip("<>|=").endswith(str(size)):
        return False
    if strides is None:
        strides = [size * math.prod(shape[n + 1 :]) for n in range(len(shape))]
    if len(strides) != len(shape) or any(n < 0 for n in shape):
        return False
    return reads_inside(image, address, shape, strides, size)


# ------------------------------------------------------------------ calls


def call(rng, thing, inside, wanted, image, readonly):
    """Calls a function with the object; one that reads pixels only if the memory is valid."""
    name = rng.choice([name for name in FUNCTIONS if inside or name not in READERS])
    try:
        result = FUNCTIONS[name](rng, thing)
    except REFUSALS as error:
        assert str(error), "an exception without a word"
        return "refused"
    except Hostile:
        return "refused"
    check_view(name, result, wanted)
    if readonly and name not in READERS:
        assert is_unwritable(result), f"{name} made read-only memory writable"
    image.block.check()
    return "read"


def is_unwritable(image):
    if isinstance(image, vc.View):
        return image.readonly
    return isinstance(image, np.ndarray) and not image.flags.writeable


def check_view(name, result, wanted):
    """A view's address, shape and strides are those of the description."""
    seen_now = seen(result)
    if seen_now is None or name in READERS:
        return
    address, shape, strides = seen_now
    if wanted is None or 0 in wanted[1]:  # axes beyond the description's have length 0
        assert 0 in shape, f"{name} made {shape} of an empty image, or of no description"
        return
    assert address % 2**64 == wanted[0], f"{name}: address {address:#x}, not {wanted[0]:#x}"
    squeezed = [n for n in shape if n != 1]
    assert squeezed == [n for n in wanted[1] if n != 1], f"{name}: shape {shape}, not {wanted[1]}"
    if wanted[2] is not None:
        walked = [s for n, s in zip(shape, strides, strict=True) if n > 1]
        other = [s for n, s in zip(wanted[1], wanted[2], strict=True) if n > 1]
        assert walked == other, f"{name}: strides {walked}, not {other}"


def case(rng, device):
    before = settled()
    what = rng.choice(["dlpack", "dlpack", "cuda", "cuda", "numpy"])
    if what == "dlpack":
        outcome = attack_dlpack(rng)
    else:
        names = {"cuda": "__cuda_array_interface__", "numpy": "__array_interface__"}
        outcome = attack_dictionary(rng, names[what])
    assert settled() == before, f"not all were released:{settled()}, {before} before"
    return outcome


assert ctypes.sizeof(ctypes.c_void_p) == 8
