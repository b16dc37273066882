# SPDX-License-Identifier: Apache-2.0
"""Tensors and arrays of classes whose Python code changes the object whenever one of its
attributes is read: other shapes, storage and dtypes, and references that are dropped. The
result is one state that the object had, in live memory, or an exception."""

import contextlib
import ctypes
import gc

import cupy
import cv2
import numpy as np
import torch
from exercise import FUNCTIONS, REFUSALS, seen, settled

import viewcast as vc

NAMES = [
    *("requires_grad", "shape", "dtype", "device", "is_cuda", "layout", "grad_fn", "ndim"),
    *("is_sparse", "is_quantized", "is_nested", "data", "itemsize", "nbytes", "is_inference"),
    *("is_neg", "is_conj", "untyped_storage", "storage", "data_ptr", "stride", "size", "dim"),
    *("element_size", "storage_offset", "numel", "tolist", "numpy", "detach", "contiguous"),
    *("__dlpack__", "__dlpack_device__", "__array__", "__array_interface__", "__len__"),
    *("__cuda_array_interface__", "_version", "is_contiguous", "strides", "ctypes", "flags"),
    *("base", "copy", "astype", "reshape", "view", "cpu", "clone", "__class__", "__dict__"),
]
WRITTEN = 111  # the value of no state
SHAPES = [(6, 5, 3), (12, 10, 3), (7, 9), (40, 30), (2, 6, 5, 3), (3, 2), (64, 64, 4), (1, 1, 1)]
TORCH_DTYPES = [torch.uint8, torch.float32, torch.float16, torch.int16]


# Exceptions of libraries that refuse a change.
REFUSED_CHANGES = (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError)


class Hostile(Exception):
    pass


class State:
    """The object's description at one time, and its storage."""

    def __init__(self, storage, address, shape, strides, dtype):
        self.storage, self.address = storage, address
        self.shape, self.strides, self.dtype = shape, strides, dtype

    def __repr__(self):
        return f"{self.dtype} {self.shape} strides {self.strides} at {self.address:#x}"


class Storage:
    """Memory in which all elements have one value, and the values that it has had."""

    def __init__(self, keeper, base):
        self.keeper, self.base = keeper, base  # base() returns its present address
        self.began = base()
        self.values = set()

    def is_there(self):
        """False once its memory was freed in place."""
        return self.base() == self.began


class Shifting:
    """An object that changes, the record of its states, and the times of its changes."""

    def __init__(self, rng):
        self.rng = rng
        self.states, self.storages = [], []
        self.active, self.left = False, rng.choice([1, 1, 2, 3, 8])
        self.quiet = rng.choice([0, 0, 1, 2, 3, 5])  # the number of reads without a change
        self.after = rng.random() < 0.5
        self.container = []
        self.next_value = 1
        self.raises = False
        self.done = []

    def value(self):
        self.next_value += 1
        return self.next_value % 100

    def storage_of(self, keeper, base):
        for storage in self.storages:
            if storage.base() == base() and storage.is_there():
                return storage
        self.storages.append(Storage(keeper, base))
        return self.storages[-1]

    def touched(self, thing, name):
        """Called where an attribute of the object is read."""
        if not self.active or self.left <= 0:
            return
        if self.quiet:
            self.quiet -= 1
            return
        self.active = False
        self.left -= 1
        try:
            self.change(thing, name)
        finally:
            self.active = True

    def change(self, thing, name):
        action = self.rng.choice(self.actions())
        self.done.append(f"{action.__name__.strip('_')} at {name}")
        with contextlib.suppress(*REFUSED_CHANGES):
            action(thing)
        self.record(thing)

    # --- changes of every library's objects

    def drop(self, _):
        self.container.clear()
        gc.collect(0)

    def replace(self, _):
        self.container[:] = [self.container[0] if self.rng.random() < 0.5 else None] * 2

    def convert(self, thing):
        vc.view(vc.as_numpy(np.ones((4, 4), np.uint8)))
        vc.collect()

    def fail(self, _):
        self.raises = True
        raise Hostile("no")


class ShiftingTensor(Shifting):
    def __init__(self, rng, make_class):
        super().__init__(rng)
        self.kind = make_class(self, torch.Tensor)
        tensor = self.other(rng.choice(SHAPES), rng.choice(TORCH_DTYPES)).as_subclass(self.kind)
        self.record(tensor)
        self.object = tensor

    def other(self, shape, dtype):
        """Another tensor of one value, sometimes a slice of a larger one."""
        value = self.value()
        base = torch.full((shape[0] + self.rng.choice([0, 3]), *shape[1:]), value, dtype=dtype)
        storage = base.untyped_storage()
        self.storage_of(storage, storage.data_ptr).values.add(value)
        return base[: shape[0]]

    def record(self, tensor):
        active, self.active = self.active, False
        plain = torch.Tensor.detach(tensor).as_subclass(torch.Tensor)
        storage = plain.untyped_storage()
        if plain.numel() and storage.data_ptr():
            size = plain.element_size()
            strides = tuple(s * size for s in plain.stride())
            known = self.storage_of(storage, storage.data_ptr)
            self.states.append(
                State(known, plain.data_ptr(), tuple(plain.shape), strides, str(plain.dtype)[6:])
            )
        self.active = active

    def actions(self):
        return [
            *(self.shrink, self.grow, self.set, self.set, self.data, self.data, self.swap),
            *(self.turn, self.restride, self.grad, self.empty, self.class_, self.fill),
            *(self.drop, self.replace, self.convert, self.fail, self.replace_both),
        ]

    def plain(self, tensor):
        return torch.Tensor.detach(tensor).as_subclass(torch.Tensor)

    def shrink(self, tensor):
        self.resize(tensor, (2, 1, 3))

    def grow(self, tensor):
        self.resize(tensor, self.rng.choice([(50, 60, 3), (200, 100, 3), (90, 90)]))

    def resize(self, tensor, shape):
        with torch._C.DisableTorchFunctionSubclass():
            tensor.resize_(*shape)
            value = self.value()
            # All of the storage holds one value again.
            plain = self.plain(tensor)
            everything = torch.empty(0, dtype=plain.dtype).set_(plain.untyped_storage())
            everything.fill_(value)
            storage = plain.untyped_storage()
            self.storage_of(storage, storage.data_ptr).values.add(value)

    def fill(self, tensor):
        with torch._C.DisableTorchFunctionSubclass():
            plain = self.plain(tensor)
            value = self.value()
            torch.empty(0, dtype=plain.dtype).set_(plain.untyped_storage()).fill_(value)
            self.storage_of(plain.untyped_storage(), plain.untyped_storage().data_ptr).values.add(
                value
            )

    def set(self, tensor):
        with torch._C.DisableTorchFunctionSubclass():
            tensor.set_(self.other(self.rng.choice(SHAPES), tensor.dtype))

    def data(self, tensor):
        other = self.other(self.rng.choice(SHAPES), self.rng.choice(TORCH_DTYPES))
        with torch._C.DisableTorchFunctionSubclass():
            tensor.data = other

    def swap(self, tensor):
        other = self.other(self.rng.choice(SHAPES), self.rng.choice(TORCH_DTYPES))
        torch.utils.swap_tensors(tensor, other)

    def turn(self, tensor):
        with torch._C.DisableTorchFunctionSubclass():
            tensor.transpose_(0, 1)

    def restride(self, tensor):
        with torch._C.DisableTorchFunctionSubclass():
            tensor.as_strided_((2, 3), (4, 1))

    def grad(self, tensor):
        with torch._C.DisableTorchFunctionSubclass():
            tensor.requires_grad_(True)

    def empty(self, tensor):
        with torch._C.DisableTorchFunctionSubclass():
            self.plain(tensor).untyped_storage().resize_(0)

    def class_(self, tensor):
        tensor.__class__ = torch.Tensor

    def replace_both(self, tensor):
        self.container[:] = [self.other((6, 5, 3), torch.uint8)] * 2
        self.record(self.container[0])


class ShiftingArray(Shifting):
    def __init__(self, rng, make_class):
        super().__init__(rng)
        self.kind = make_class(self, np.ndarray)
        value = self.value()
        array = np.ndarray.__new__(self.kind, rng.choice(SHAPES), rng.choice(["u1", "f4", "i2"]))
        np.ndarray.fill(array, value)
        self.object = array
        self.record(array)
        self.states[-1].storage.values.add(value)

    def record(self, array):
        plain = np.ndarray.__array__(array).view(np.ndarray)
        if plain.size:
            keeper = plain.base if plain.base is not None else plain
            address = plain.__array_interface__["data"][0]
            # An array that is resized in place has another address then.
            storage = self.storage_of(keeper, lambda: keeper.__array_interface__["data"][0])
            self.states.append(
                State(storage, address, plain.shape, plain.strides, plain.dtype.name)
            )

    def actions(self):
        return [
            *(self.reshape, self.turn, self.restride, self.retype, self.fill),
            *(self.drop, self.replace, self.convert, self.fail, self.class_),
        ]

    def reshape(self, array):
        np.ndarray.shape.__set__(array, (np.ndarray.size.__get__(array) // 2, 2))

    def turn(self, array):
        np.ndarray.shape.__set__(array, (1, np.ndarray.size.__get__(array), 1))

    def restride(self, array):
        np.ndarray.strides.__set__(array, (0,) * np.ndarray.ndim.__get__(array))

    def retype(self, array):
        np.ndarray.dtype.__set__(array, np.dtype("V1"))

    def fill(self, array):
        value = self.value()
        np.ndarray.fill(array, value)
        self.states[-1].storage.values.add(value)

    def class_(self, array):
        array.__class__ = np.ndarray


class ShiftingCuPy(Shifting):
    """CuPy arrays over host memory: for host mode only."""

    def __init__(self, rng, make_class):
        super().__init__(rng)
        self.kind = make_class(self, cupy.ndarray)
        value = self.value()
        host = np.full(rng.choice(SHAPES), value, rng.choice(["u1", "f4", "i2"]))
        memory = cupy.cuda.UnownedMemory(host.ctypes.data, host.nbytes, host, 0)
        self.object = self.kind(host.shape, host.dtype, cupy.cuda.MemoryPointer(memory, 0))
        base = host.ctypes.data
        self.storages.append(Storage(host, lambda: base))
        self.storages[0].values.add(value)
        self.record(self.object)

    def record(self, array):
        get = object.__getattribute__
        if get(array, "size"):
            self.states.append(
                State(
                    self.storages[0],
                    get(array, "data").ptr,
                    get(array, "shape"),
                    get(array, "strides"),
                    get(array, "dtype").name,
                )
            )

    def actions(self):
        return [self.reshape, self.drop, self.replace, self.convert, self.fail]

    def reshape(self, array):
        cupy.ndarray.shape.__set__(array, (1, object.__getattribute__(array, "size")))


# ------------------------------------------------------------------ classes


def with_getattribute(shifting, base):
    """A class that changes with every attribute that is read."""

    def __getattribute__(self, name):
        if not shifting.after:
            shifting.touched(self, name)
        try:
            return base.__getattribute__(self, name)
        finally:
            if shifting.after:
                shifting.touched(self, name)

    return type("Shifting", (base,), {"__getattribute__": __getattribute__})


def with_properties(shifting, base):
    """A class some of whose attributes are properties that change it."""

    def attribute(name):
        def get(self):
            if not shifting.after:
                shifting.touched(self, name)
            value = getattr(super(kind, self), name)
            if shifting.after:
                shifting.touched(self, name)
            return value

        return property(get)

    names = [name for name in NAMES if hasattr(base, name) and name not in ("__class__",)]
    chosen = shifting.rng.sample(names, min(len(names), shifting.rng.choice([1, 2, 40])))
    kind = type("Shifting", (base,), {name: attribute(name) for name in chosen})
    return kind


def with_torch_function(shifting, base):
    """A class that changes with every function of torch that is called with it."""

    def __torch_function__(cls, function, types, args=(), kwargs=None):
        found = [each for each in args if isinstance(each, cls)]
        if found and not shifting.after:
            shifting.touched(found[0], getattr(function, "__name__", "?"))
        result = torch.Tensor.__torch_function__.__func__(cls, function, types, args, kwargs or {})
        if found and shifting.after:
            shifting.touched(found[0], getattr(function, "__name__", "?"))
        return result

    return type("Shifting", (base,), {"__torch_function__": classmethod(__torch_function__)})


# ------------------------------------------------------------------ checks


def litter():
    """Allocates the memory that was freed last, and overwrites it."""
    sizes = [90, 360, 1080, 1200, 4800, 16384, 65536, 18000, 9000, 60000]
    return [np.full(size, 0xEE, np.uint8) for size in sizes for _ in range(8)]


def contents(address, shape, strides, dtype):
    """The distinct values of an image, read by its address."""
    size = np.dtype(dtype).itemsize
    span = size + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    block = (ctypes.c_ubyte * span).from_address(address)
    return set(np.ndarray(shape, dtype, block, 0, strides).reshape(-1).tolist())


def dtype_of(image):
    if isinstance(image, cv2.cuda.GpuMat):
        image = vc.view(image)
    return str(image.dtype).removeprefix("torch.")


def walked(shape, strides):
    return [(n, s) for n, s in zip(shape, strides, strict=True) if n > 1]


class Result:
    """Checks a result's description against `states`, of which it must be one."""

    def __init__(self, image, shifting):
        self.image = image
        self.address, self.shape, self.strides = seen(image)
        self.dtype = dtype_of(image)
        there = [state for state in shifting.states if state.storage.is_there()]
        self.states = [state for state in there if self.address == state.address]
        self.all = there
        self.values = {value for state in there for value in state.storage.values}

    def check(self, is_view, is_list):
        """`is_list`: the images were read one after the other, each in its own state."""
        if 0 in self.shape:
            return
        if is_view and self.states:
            mine = walked(self.shape, self.strides)
            fits = [s for s in self.states if walked(s.shape, s.strides) == mine]
            assert fits, f"{self.shape} strides {self.strides} was never, but {self.states}"
            same = [s for s in fits if s.dtype == self.dtype]
            assert same, f"{self.dtype} was never, but {fits}"
        values = contents(self.address, self.shape, self.strides, self.dtype)
        assert values <= self.values, f"holds {values}, and only {self.values} were there"
        assert is_list or len(values) == 1, f"holds {values}, parts of several states"


def each_image(result):
    return result if isinstance(result, list) else [result]


KINDS = [
    (ShiftingTensor, with_getattribute),
    (ShiftingTensor, with_properties),
    (ShiftingTensor, with_torch_function),
    (ShiftingArray, with_getattribute),
    (ShiftingArray, with_properties),
    (ShiftingCuPy, with_getattribute),
    (ShiftingCuPy, with_properties),
]


def call_with(rng, shifting):
    """Draws a function of one image, or of a list with the object in it."""
    name = rng.choice(list(FUNCTIONS))
    shifting.container = [shifting.object, shifting.object]
    if rng.random() < 0.3:
        name = rng.choice(["as_tensors of its list", "to_numpy of its list"])
        thing = shifting.container
        del shifting.object
        functions = {
            "as_tensors of its list": lambda: vc.as_tensors(thing),
            "to_numpy of its list": lambda: vc.to_numpy(thing, dtype="int64"),
        }
        return name, functions[name]
    return name, lambda: FUNCTIONS[name](rng, shifting.object)


def write_into(shifting):
    """The object as out=: all of one state is written, or nothing."""
    shape = shifting.states[0].shape
    source = np.full(shape, WRITTEN, np.uint8)
    layout = {2: "HW", 3: "HWC", 4: "NHWC"}[len(shape)]
    try:
        vc.to_numpy(source, from_layout=layout, out=shifting.object)
    except (*REFUSALS, Hostile, RuntimeError):
        return False
    finally:
        shifting.active = False
    return True


def check_written(shifting, done):
    there = [s for s in shifting.states if s.storage.is_there() and "void" not in s.dtype]
    values = [contents(s.address, s.shape, s.strides, s.dtype) for s in there]
    if done:
        assert {WRITTEN} in values or not there, f"written to no state, they hold {values}"
    else:
        assert not any(WRITTEN in each for each in values), f"half written: {values}"


def read(rng, shifting, name, call):
    """Calls a function; returns its result, which alone holds the memory then, or None."""
    try:
        result = call()
    except (*REFUSALS, Hostile, RuntimeError) as error:
        rng.call = f"{name}: {shifting.done}; {error!r}"
        return None
    finally:
        shifting.active = False
    rng.call = f"{name}: {shifting.done}, states {shifting.states}"
    found = [Result(image, shifting) for image in each_image(result)]
    for each in found:
        each.all.clear()
    return found


def attack(rng):
    shifting, make_class = rng.choice(KINDS)
    label = shifting.__name__.removeprefix("Shifting")
    shifting = shifting(rng, make_class)
    rng.call = "out="
    if rng.random() < 0.15:
        shifting.active = True
        done = write_into(shifting)
        check_written(shifting, done)
        return f"{label} {'written' if done else 'refused'}"
    name, call = call_with(rng, shifting)
    shifting.active = True
    found = read(rng, shifting, name, call)
    if found is None:
        return f"{label} refused"
    outcome = "changed" if shifting.done else "unchanged"
    is_view = name.startswith(("as_", "view", "cuda_array")) and "copied" not in name
    is_view = is_view and not name.startswith("as_gpumats")
    shifting.__dict__.clear()
    del call, shifting
    gc.collect()
    kept = litter()
    for each in found:
        for state in each.states:
            state.storage = None
        each.check(is_view, "list" in name)
    del kept
    return f"{label} {outcome}"


def case(rng, device):
    before = settled()
    outcome = attack(rng)
    assert settled() == before, f"not all were released:{settled()}, {before} before"
    return outcome
