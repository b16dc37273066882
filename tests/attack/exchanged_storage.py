# SPDX-License-Identifier: Apache-2.0
"""Random sequences of lending, sharing, slicing, dropping and writing, between which tensors
get other storage (t.data=, set_, swap_tensors, module.half()), on any thread, against a model
of which memory each object views. After each step every pixel is compared with the model, and
memory without a view must be freed; at the end lends, shares and exports are all released."""

import gc
import threading
import weakref

import cv2
import numpy as np
import torch
from canaries import elements_at, write_elements
from exercise import seen, settled

import viewcast as vc

CONVERT = {
    "torch": vc.as_tensor,
    "cupy": vc.as_cupy,
    "numpy": vc.as_numpy,
    "gpumat": vc.as_gpumat,
    "view": vc.view,
}
SHAPES = [(6, 8, 3), (5, 7), (12, 4, 2), (9, 9, 4), (3, 7, 5, 3), (40, 60, 3)]
DTYPES = [torch.uint8, torch.float32, torch.int16]
GONE_BY_ITSELF = vc._viewcast._opencv_layout()["counting"] != "counts up only"


class Memory(np.ndarray):
    """Bytes of a tensor, with support for weak references."""


class Storage:
    """The model of a tensor's storage: its bytes, and whether they must be alive."""

    def __init__(self, tensor, base=None):
        self.size = tensor.element_size()
        storage = tensor.untyped_storage()
        self.address = storage.data_ptr()
        self.bytes = np.empty(storage.nbytes(), np.uint8)
        everything = torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage)
        self.bytes[...] = everything.cpu().numpy()
        self.base = base  # a weak reference, or None where it can't be known


class Viewed:
    """An object of a program, and which elements of which storage it views."""

    def __init__(self, library, thing, storage, offset, shape, strides, dtype):
        self.library, self.thing, self.storage = library, thing, storage
        self.offset, self.shape, self.strides = offset, tuple(shape), tuple(strides)
        self.dtype = dtype  # torch's

    @property
    def itemsize(self):
        return self.dtype.itemsize

    def model(self):
        """The elements' values, as a view of the storage's model."""
        return np.ndarray(
            self.shape, f"u{self.itemsize}", self.storage.bytes, self.offset, self.strides
        )

    def take_place_of(self, other):
        """Views the other object's elements from now on."""
        self.storage, self.offset = other.storage, other.offset
        self.shape, self.strides, self.dtype = other.shape, other.strides, other.dtype

    def fits_gpumat(self):
        if len(self.shape) not in (2, 3):
            return False
        channels = self.shape[2] if len(self.shape) == 3 else 1
        size = self.itemsize
        wanted = (self.strides[0], size * channels, size)[: len(self.shape)]
        planar = len(self.shape) == 3 and self.shape[0] in (1, 3, 4) and self.shape[2] > 4
        vector = min(size * channels, 16) if channels in (2, 4) else size
        aligned = (self.storage.address + self.offset) % vector == self.strides[0] % vector == 0
        wide = self.strides[0] >= self.shape[1] * channels * size
        return self.strides == wanted and wide and not planar and aligned


def packed(shape):
    return [int(np.prod(shape[n + 1 :])) for n in range(len(shape))]


def alias(tensor, dtype, offset, shape, strides):
    """Another tensor of the same storage; offset and strides in elements. To torch it is not a
    view, because a view would keep the tensor that it was made of."""
    empty = torch.empty(0, dtype=dtype, device=tensor.device)
    return empty.set_(tensor.untyped_storage(), offset, shape, strides)


class Program:
    def __init__(self, rng, device):
        self.rng, self.device = rng, device
        self.numbers = np.random.default_rng(rng.getrandbits(64))
        self.objects, self.storages, self.done = [], [], []
        self.capsules = []  # and the storage that each holds
        self.libraries = [name for name in CONVERT if device == "cpu" or name != "numpy"]

    def pick(self, *libraries):
        found = [each for each in self.objects if not libraries or each.library in libraries]
        return self.rng.choice(found) if found else None

    def somewhere(self, function):
        """On this thread or another."""
        if self.rng.random() < 0.7:
            return function()
        results = []
        thread = threading.Thread(target=lambda: results.append(function()))
        thread.start()
        thread.join()
        (result,) = results
        return result

    # --- operations of a program

    def make(self):
        shape, dtype = self.rng.choice(SHAPES), self.rng.choice(DTYPES)
        count = int(np.prod(shape)) * dtype.itemsize
        noise = self.numbers.integers(0, 256, count).astype(np.uint8)
        base = None
        if self.device == "cpu":
            memory = Memory(count, np.uint8)
            memory[...] = noise
            tensor = torch.from_numpy(memory)
            base = weakref.ref(memory)
            del memory
        else:
            tensor = torch.from_numpy(noise).to(self.device)
        tensor = alias(tensor, dtype, 0, shape, packed(shape))
        self.adopt(tensor, Storage(tensor, base))

    def adopt(self, tensor, storage):
        self.storages.append(storage)
        size = tensor.element_size()
        offset = tensor.storage_offset() * size
        strides = [stride * size for stride in tensor.stride()]
        self.objects.append(
            Viewed("torch", tensor, storage, offset, tensor.shape, strides, tensor.dtype)
        )

    def convert(self):
        source = self.pick()
        target = self.rng.choice(self.libraries)
        if source is None or source.library == target:
            return
        if target == "gpumat" and not source.fits_gpumat():
            return
        thing = source.thing
        result = self.somewhere(lambda: CONVERT[target](thing))
        self.objects.append(Viewed(target, result, *self.what(source)))

    @staticmethod
    def what(looked):
        return looked.storage, looked.offset, looked.shape, looked.strides, looked.dtype

    def convert_all(self):
        source = self.pick("torch", "cupy", "view")
        if source is None or len(source.shape) != 4:
            return
        if source.strides[3] != source.itemsize:
            return
        if source.strides[2] != source.shape[3] * source.itemsize:
            return
        for n, mat in enumerate(vc.as_gpumats(source.thing)):
            offset = source.offset + n * source.strides[0]
            geometry = source.shape[1:], source.strides[1:], source.dtype
            self.objects.append(Viewed("gpumat", mat, source.storage, offset, *geometry))

    def several(self):
        found = [each for each in self.objects if each.library != "torch"]
        chosen = self.rng.sample(found, min(len(found), 3))
        if not chosen:
            return
        tensors = vc.as_tensors([each.thing for each in chosen])
        for source, tensor in zip(chosen, tensors, strict=True):
            self.objects.append(Viewed("torch", tensor, *self.what(source)))

    def slice(self):
        source = self.pick("torch", "cupy", "numpy", "gpumat")
        if source is None or min(source.shape[:2]) < 4:
            return
        top, left = self.rng.randint(0, 1), self.rng.randint(0, 1)
        rows, cols = source.shape[0] - self.rng.randint(1, 2), source.shape[1] - 1
        height, width = rows - top, cols - left
        offset = source.offset + top * source.strides[0] + left * source.strides[1]
        shape = (height, width, *source.shape[2:])
        if source.library == "gpumat":
            thing = cv2.cuda.GpuMat(source.thing, (left, top, width, height))
        elif source.library == "torch":
            first = source.thing.storage_offset() + (offset - source.offset) // source.itemsize
            thing = alias(source.thing, source.dtype, first, shape, source.thing.stride())
        else:
            thing = source.thing[top:rows, left:cols]
        self.objects.append(
            Viewed(
                source.library, thing, source.storage, offset, shape, source.strides, source.dtype
            )
        )

    def copy_header(self):
        source = self.pick("gpumat")
        if source is not None:
            self.objects.append(Viewed("gpumat", cv2.cuda.GpuMat(source.thing), *self.what(source)))

    def drop(self):
        if self.objects:
            looked = self.objects.pop(self.rng.randrange(len(self.objects)))
            self.somewhere(looked.__dict__.clear)

    def drop_many(self):
        for _ in range(self.rng.randint(2, 6)):
            self.drop()

    def write(self):
        """Writes through one object; all others over the same memory must show it."""
        looked = self.pick("torch", "numpy", "cupy")
        if looked is None:
            return
        noise = self.numbers.bytes(int(np.prod(looked.shape)) * looked.itemsize)
        bits = np.frombuffer(noise, f"u{looked.itemsize}").reshape(looked.shape)
        looked.model()[...] = bits
        address, shape, strides = seen(looked.thing)
        write_elements(address, shape, strides, bits, self.device)

    # --- operations that give a tensor other storage

    def two_tensors(self):
        tensors = [each for each in self.objects if each.library == "torch"]
        return self.rng.sample(tensors, 2) if len(tensors) > 1 else (None, None)

    def data(self):
        one, other = self.two_tensors()
        if one is not None:
            one.thing.data = other.thing
            one.take_place_of(other)

    def set(self):
        one, other = self.two_tensors()
        if one is not None and one.dtype == other.dtype:
            one.thing.set_(other.thing)
            one.take_place_of(other)

    def set_new(self):
        self.make()
        new = self.objects.pop()
        one = self.pick("torch")
        if one is not None:
            one.thing.data = new.thing
            one.take_place_of(new)

    def swap(self):
        one, other = self.two_tensors()
        if one is None or one.thing is other.thing:
            return
        torch.utils.swap_tensors(one.thing, other.thing)
        kept = Viewed("torch", None, *self.what(one))
        one.take_place_of(other)
        other.take_place_of(kept)

    def module(self):
        """A parameter over a tensor's storage, whose module takes another dtype."""
        looked = self.pick("torch")
        if looked is None or not looked.dtype.is_floating_point:
            return
        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(looked.thing, requires_grad=False)
        lent = self.rng.choice([name for name in self.libraries if name not in ("torch", "gpumat")])
        self.objects.append(Viewed(lent, CONVERT[lent](module.weight), *self.what(looked)))
        getattr(module, self.rng.choice(["half", "double", "bfloat16"]))()
        if module.weight.dtype == looked.dtype:  # nothing is done
            self.objects.append(Viewed("torch", module.weight, *self.what(looked)))
        else:
            self.adopt(module.weight, Storage(module.weight))

    def shrink(self):
        looked = self.pick("torch")
        if looked is None or looked.offset or len(looked.shape) != 3:
            return
        shape = (2, 2, looked.shape[2])
        if shape == looked.shape:
            return  # nothing is done, whatever the strides are
        looked.thing.resize_(shape)
        size = looked.itemsize
        looked.shape, looked.strides = shape, (2 * shape[2] * size, shape[2] * size, size)

    def turn(self):
        looked = self.pick("torch")
        if looked is not None:
            looked.thing.transpose_(0, 1)
            looked.shape = (looked.shape[1], looked.shape[0], *looked.shape[2:])
            looked.strides = (looked.strides[1], looked.strides[0], *looked.strides[2:])

    # --- exports and cycles

    def capsule(self):
        looked = self.pick("view")
        if looked is not None:
            version = self.rng.choice([None, (1, 0)])
            self.capsules.append((looked.thing.__dlpack__(max_version=version), looked.storage))

    def drop_capsule(self):
        if self.capsules:
            self.capsules.pop(self.rng.randrange(len(self.capsules)))

    def cycle(self):
        """A cycle, which only the garbage collector ends."""
        looked = self.pick()
        if looked is None:
            return
        view = looked.thing if looked.library == "view" else vc.view(looked.thing)
        holder = vc.from_pointer(looked.storage.address, (1, 1), "uint8", owner=[view])
        ring = [holder]
        ring.append(ring)

    def collect(self):
        gc.collect()
        vc.collect()

    # --- checks

    def check(self):
        litter = [
            torch.full((each.bytes.size,), 0xEE, dtype=torch.uint8, device=self.device)
            for each in self.storages
            for _ in "ab"
        ]
        for looked in self.objects:
            address, shape, strides = seen(looked.thing)
            found = elements_at(address, shape, strides, looked.itemsize, self.device)
            assert np.array_equal(found.reshape(looked.shape), looked.model()), (
                f"pixels of a {looked.library} of {looked.shape} are wrong"
            )
        del litter
        if GONE_BY_ITSELF:
            self.check_gone()

    def check_gone(self):
        gc.collect()
        vc.collect()
        needed = {id(each.storage) for each in self.objects}
        needed |= {id(storage) for _, storage in self.capsules}
        for storage in list(self.storages):
            if id(storage) in needed:
                continue
            if storage.base is not None:
                assert storage.base() is None, "memory that nobody looks at is kept"
            self.storages.remove(storage)

    def run(self):
        actions = [
            *[self.make] * 3,
            *[self.convert] * 8,
            *[self.drop] * 4,
            *[self.slice, self.write, self.data] * 2,
            *(self.convert_all, self.several, self.copy_header, self.drop_many, self.set),
            *(self.set_new, self.set_new, self.swap, self.swap, self.module, self.shrink),
            *(self.turn, self.capsule, self.drop_capsule, self.cycle, self.collect),
        ]
        self.make()
        for _ in range(self.rng.randint(5, 40)):
            action = self.rng.choice(actions)
            self.done.append(action.__name__)
            action()
            self.check()
        self.objects.clear()
        self.capsules.clear()
        gc.collect()
        vc.collect(force=True)
        self.check_gone()
        return len(self.done)

    def __str__(self):
        return " ".join(self.done)


def allocated(device):
    return 0 if device == "cpu" else torch.cuda.memory_allocated(device)


def case(rng, device):
    before, bytes_before = settled(), allocated(device)
    program = rng.call = Program(rng, device)
    program.run()
    assert settled() == before, f"not all were released:{settled()}, {before} before"
    kept = allocated(device) - bytes_before
    assert kept == 0, f"{kept} bytes of the GPU are kept"
    return "sequences"
