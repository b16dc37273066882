# SPDX-License-Identifier: Apache-2.0
"""Calls that are interrupted: by Ctrl-C, by an exception that another thread sends, by failing
allocations (each of Python's, or all of the process's beyond a limit). Lends, shares and
exports are released, no memory is kept, `out=` holds one whole result, and the next call
works."""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import threading
import time
import traceback
import weakref

import cupy
import numpy as np
import torch
from dlpack_structs import Wrapping
from exercise import settled

import viewcast as vc

try:
    import _testcapi
except ImportError:
    _testcapi = None

SANITIZED = os.environ.get("VIEWCAST_SANITIZED") == "1"
SHAPE = (24, 18, 3)


class Memory(np.ndarray):
    """An image with support for weak references."""


class Interface:
    """A producer whose description is made by Python code."""

    def __init__(self, array):
        self.array = array

    @property
    def __cuda_array_interface__(self):
        array = self.array
        return {
            "shape": tuple(Number(n) for n in array.shape),
            "strides": tuple(Number(n) for n in array.strides),
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "version": 3,
        }


class Number:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


def over_host(array):
    memory = cupy.cuda.UnownedMemory(array.ctypes.data, array.nbytes, array, 0)
    return cupy.ndarray(array.shape, array.dtype, cupy.cuda.MemoryPointer(memory, 0))


SOURCES = {
    "numpy": lambda array: array,
    "torch": torch.from_numpy,
    "cupy": over_host,
    "gpumat": lambda array: vc.as_gpumat(array),
    "view": lambda array: vc.view(array),
    "interface": Interface,
    "exporter": Wrapping,
    "subclass": lambda array: torch.from_numpy(array).as_subclass(Subclass),
}


class Subclass(torch.Tensor):
    pass


class World:
    """Images, random operations over them, and checks of the result."""

    def __init__(self, rng, plain=False):
        """`plain`: only sources whose own code hardly allocates."""
        self.rng = rng
        self.arrays, self.value = [], 0
        self.references = []
        names = ["numpy", "gpumat", "view"] if plain else list(SOURCES)
        self.sources = [self.source(rng.choice(names)) for _ in range(rng.randint(1, 12))]
        self.out = np.zeros((len(self.sources), SHAPE[2], *SHAPE[:2]), np.float32)
        self.outs = [np.zeros(SHAPE, np.uint8) for _ in self.sources]
        self.options = {"layout": "NCHW", "dtype": "float32", "scale": 1.0}
        self.name = rng.choice(list(PLAIN if plain else OPERATIONS))
        self.operate = getattr(self, self.name)

    def source(self, name):
        array = Memory(SHAPE, np.uint8)
        array[...] = 0
        self.arrays.append(array)
        self.references.append(weakref.ref(array))
        return SOURCES[name](array)

    def paint(self):
        """Writes another value into all sources."""
        self.value = (self.value + 1) % 250
        for array in self.arrays:
            array[...] = self.value

    # --- operations

    def views(self):
        for source in self.sources:
            for convert in (vc.view, vc.as_numpy, vc.as_tensor, vc.as_cupy, vc.as_gpumat):
                convert(source)

    def few_views(self):
        for source in self.sources[:3]:
            vc.as_numpy(vc.as_gpumat(vc.view(source)))

    def chain(self):
        image = self.sources[0]
        for _ in range(6):
            image = vc.as_numpy(vc.as_gpumat(vc.as_tensor(vc.view(image))))
            image = vc.as_cupy(image)

    def lists(self):
        vc.as_tensors(self.sources)
        vc.to_numpy(self.sources, **self.options)

    def copies(self):
        for source in self.sources[:3]:
            vc.as_numpy(source, copy=True)
            vc.as_gpumat(source, copy=True)

    def into_out(self):
        self.paint()
        vc.to_numpy(self.sources, out=self.out, layout="NCHW")

    def into_list(self):
        self.paint()
        vc.to_numpy(self.sources, out=self.outs, layout="NHWC")

    def gpumats(self):
        vc.to_gpumat(self.sources)

    def batches(self):
        batch = vc.to_tensor(self.sources, layout="NHWC")
        vc.as_tensors(vc.as_gpumats(batch))

    def capsules(self):
        view = vc.view(self.sources[0])
        torch.from_dlpack(view)
        np.from_dlpack(view)
        view.__dlpack__()

    def refusals(self):
        for bad in (self.arrays[0][:, ::2], None, 5, [self.sources[0], None]):
            with contextlib.suppress(vc.ViewError, TypeError, ValueError):
                vc.as_gpumat(bad)

    # --- checks

    def check(self):
        for part in (self.out, *self.outs):
            values = np.unique(part)
            assert len(values) == 1, f"out holds parts of several results: {values}"

    def end(self):
        references = self.references
        self.__dict__.clear()
        settled()
        kept = sum(each() is not None for each in references)
        assert not kept, f"{kept} of {len(references)} images are kept"


OPERATIONS = (
    *("views", "few_views", "chain", "lists", "copies", "into_out", "into_list", "gpumats"),
    *("batches", "capsules", "refusals"),
)
PLAIN = ("few_views", "copies", "into_out", "into_list", "gpumats", "refusals")


# ------------------------------------------------------------------ interrupts


class Timer:
    """Raises KeyboardInterrupt once, some time after it is set, unless it was stopped."""

    def __init__(self):
        self.armed, self.where = False, None
        signal.signal(signal.SIGALRM, self.fire)

    def fire(self, number, frame):
        if self.armed:
            self.armed = False
            self.where = "".join(traceback.format_stack(frame)[-3:])
            raise KeyboardInterrupt

    def set(self, seconds):
        self.armed, self.where = True, None
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def stop(self):
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)


TIMER = Timer()
LONGEST = 20  # seconds until a case that swallows an interrupt is ended


def repeat(world):
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        world.operate()
    raise AssertionError(f"an interrupt was swallowed at {TIMER.where}")


def by_signal(world, rng):
    """Ctrl-C at a random time."""
    try:
        try:
            TIMER.set(rng.uniform(1e-6, 4e-3))
            repeat(world)
        finally:
            TIMER.stop()
    except KeyboardInterrupt:
        pass


def by_thread(world, rng):
    """An exception that another thread sends, into a thread that Python made."""
    ready = threading.Event()
    failures = []

    def work():
        try:
            ready.set()
            repeat(world)
        except KeyboardInterrupt:
            pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    time.sleep(rng.uniform(0, 4e-3))
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt)
    )
    thread.join()
    if failures:
        raise failures[0]


# ------------------------------------------------------------------ memory


def attempt(operate, start, stop):
    """A short function, as Python allocates when it handles exceptions far into a function."""
    _testcapi.set_nomemory(start, stop)
    try:
        operate()
    except (MemoryError, vc.ViewError):
        _testcapi.remove_mem_hooks()
        return
    except BaseException as error:
        _testcapi.remove_mem_hooks()
        # CPython 3.11's error where it can't allocate the frame of a Python function.
        if "error return without exception set" not in str(error):
            raise
    _testcapi.remove_mem_hooks()


def without_allocations(world, rng):
    """One of Python's allocations fails, or all from one on."""
    world.operate()  # imports and caches
    for _ in range(10):
        start = int(rng.expovariate(1 / 30))
        attempt(world.operate, start, rng.choice([0, start + 1, start + rng.randint(1, 9)]))


def within_limit(world, rng):
    """The process may allocate some more megabytes; the result needs many."""
    row = np.full((1, 1, 3), 7, np.uint8)
    large = np.broadcast_to(row, (6000, 5000, 3))
    calls = [
        lambda: vc.to_numpy(large, dtype="float32"),
        lambda: vc.to_tensor(large, layout="CHW", dtype="float32"),
        lambda: vc.to_gpumat(large, dtype="float64"),
        lambda: vc.to_cupy([large, large], layout="NCHW", dtype="float32"),
        lambda: vc.as_gpumat(large, copy=None),
        lambda: vc.as_tensor(large[::-1], copy=True),
    ]
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + rng.randint(1, 40 << 20), before[1]))
    try:
        rng.choice(calls)()
    except (MemoryError, vc.ViewError):
        pass
    except RuntimeError as error:  # of torch's allocator
        assert "allocate" in str(error)
    else:
        raise AssertionError("more memory was there than the limit allows")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def kinds():
    found = [by_signal, by_signal, by_thread]
    if not SANITIZED:
        found += [within_limit]
        found += [without_allocations] * 2 if _testcapi else []
    return found


def case(rng, device):
    before = settled()
    kind = rng.choice(kinds())
    world = World(rng, plain=kind is without_allocations)
    rng.call = f"{kind.__name__}: {world.name}"
    kind(world, rng)
    world.check()
    world.operate()  # the next call works
    world.check()
    world.end()
    gc.collect()
    assert settled() == before, f"not all came back: {settled()}, {before} before"
    return kind.__name__.replace("_", " ")
