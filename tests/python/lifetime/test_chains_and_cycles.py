# SPDX-License-Identifier: Apache-2.0
"""Chains of views of views end without recursion, however long; and the garbage collector
finds cycles of a view and the object whose memory it views."""

import gc
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest
import torch
from dlpack_structs import Wrapping
from images import CudaArray, Image

import viewcast as vc

# --- chains

MANY = 200_000


def over_cuda_array(array):
    """A producer with a __cuda_array_interface__, which a view keeps alive."""
    producer = CudaArray(Image((1, 1)), data=(array.ctypes.data, False))
    producer.image = array
    return producer


LINKS = {
    "asarray of a view": lambda x: np.asarray(vc.view(x)),
    "as_numpy of a view": lambda x: vc.as_numpy(vc.view(x)),
    "memoryview": lambda x: memoryview(vc.view(x)),
    "owner": lambda x: vc.from_pointer(ADDRESS, (1, 1), "uint8", owner=x),
    "owner in a list": lambda x: vc.from_pointer(ADDRESS, (1, 1), "uint8", owner=[x]),
    "NumPy's managed tensor": lambda x: np.asarray(vc.view(Wrapping(x))),
    "a Hold": lambda x: vc.as_numpy(vc.as_cupy(Wrapping(x))),
    "CuPy": lambda x: vc.as_numpy(vc.as_cupy(x)),
    "CUDA array": lambda x: np.asarray(vc.view(over_cuda_array(x))),
    "GpuMat": lambda x: vc.as_numpy(vc.as_gpumat(x)),
    "torch": lambda x: vc.as_tensor(x).numpy(),
    "mixed": lambda x: np.asarray(vc.view(vc.as_cupy(Wrapping(vc.as_numpy(vc.as_tensor(x)))))),
}
MEMORY = np.zeros((1, 1), np.uint8)
ADDRESS = MEMORY.ctypes.data
SLOW_ONES = ("CUDA array", "a Hold", "CuPy", "mixed", "GpuMat", "torch")
for_all_links = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "GpuMat" else pytest.mark.any_opencv)
        for name in LINKS
    ],
)


def chain(name, length):
    """Makes a chain; returns a list whose clearing ends it, and a weak reference to its source."""
    first = np.zeros((1, 1), np.uint8).view(type("Memory", (np.ndarray,), {}))
    x, alive = first, weakref.ref(first)
    del first
    for _ in range(length):
        x = LINKS[name](x)
    return [x], alive


@for_all_links
def test_a_long_chain_ends_without_recursion(name):
    kept, alive = chain(name, MANY // 10 if name in SLOW_ONES else MANY)
    assert alive() is not None
    kept.clear()
    vc.collect(force=True)
    gc.collect()
    assert alive() is None


@for_all_links
def test_a_long_chain_ends_on_a_thread_with_a_small_stack(name):
    kept, alive = chain(name, 20_000)
    before = threading.stack_size(256 * 1024)
    thread = threading.Thread(target=kept.clear)
    thread.start()
    threading.stack_size(before)
    thread.join()
    vc.collect(force=True)
    assert alive() is None


def test_every_link_ends_in_order():
    """The links of the chain end after the outermost view, from the outside in."""
    ended = []

    class Link:
        def __init__(self, number, before):
            self.number, self.before = number, before

        def __del__(self):
            ended.append(self.number)

    view = None
    for number in range(1000):
        view = vc.from_pointer(ADDRESS, (1, 1), "uint8", owner=Link(number, view))
    del view
    assert sorted(ended) == list(range(1000))


def test_an_exception_in_flight_survives_the_end_of_a_chain():
    def fail():
        kept, alive = chain("asarray of a view", 5_000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_chains_that_end_on_eight_threads_at_once():
    chains = [chain(name, 3_000) for name in LINKS for _ in range(2)]
    threads = [threading.Thread(target=kept.clear) for kept, _ in chains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vc.collect(force=True)
    gc.collect()
    assert [alive() for _, alive in chains] == [None] * len(chains)


# --- cycles


class Array(np.ndarray):
    """An object with attributes."""


def array_that_shows_itself():
    array = np.zeros((4, 4), np.uint8).view(Array)
    array.shown = vc.view(array)
    return array


def array_with_a_memoryview():
    array = np.zeros((4, 4), np.uint8).view(Array)
    array.shown = memoryview(vc.view(array))
    return array


def array_with_both():
    array = array_that_shows_itself()
    array.buffer = memoryview(array.shown)
    array.part = array.buffer[1:]
    return array


def array_with_a_cupy_array():
    array = np.zeros((4, 4), np.uint8).view(Array)
    array.shown = vc.as_cupy(array)
    return array


def array_with_a_cupy_array_of_a_view():
    array = np.zeros((4, 4), np.uint8).view(Array)
    array.shown = vc.as_cupy(vc.view(array))
    return array


class Owner:
    def __init__(self, wrap=lambda owner: owner):
        self.memory = np.zeros((4, 4), np.uint8)
        self.shown = vc.from_pointer(self.memory.ctypes.data, (4, 4), "uint8", owner=wrap(self))


class Producer:
    """A producer of the CUDA Array Interface with attributes."""

    def __init__(self):
        self.memory = Image((4, 4))
        self.__cuda_array_interface__ = CudaArray(self.memory).__cuda_array_interface__
        self.shown = vc.view(self)


class Finalised(Owner):
    """Reads its pixels in its finalizer."""

    seen = []

    def __del__(self):
        self.seen.append((self.shown.shape, np.asarray(self.shown).sum()))


def two_that_show_each_other():
    first, second = (np.zeros((4, 4), np.uint8).view(Array) for _ in range(2))
    first.shown, second.shown = vc.view(second), vc.view(first)
    return first


def tensor_that_shows_itself():
    """No cycle: the view owns the storage, not the tensor."""
    tensor = torch.zeros(4, 4)
    tensor.shown = vc.view(tensor)
    return tensor


CYCLES = {
    "array": array_that_shows_itself,
    "memoryview": array_with_a_memoryview,
    "view and memoryviews": array_with_both,
    "cupy": array_with_a_cupy_array,
    "cupy of a view": array_with_a_cupy_array_of_a_view,
    "owner": Owner,
    "owner in a tuple": lambda: Owner(lambda owner: (owner, 1)),
    "owner in a list": lambda: Owner(lambda owner: [owner]),
    "bound method": lambda: Owner(lambda owner: owner.__init__),
    "CUDA array": Producer,
    "finaliser": Finalised,
    "two": two_that_show_each_other,
    "tensor": tensor_that_shows_itself,
}
for_all_cycles = pytest.mark.parametrize("make", CYCLES.values(), ids=CYCLES)


@for_all_cycles
def test_a_cycle_is_collected(make, ledger):
    alive = weakref.ref(make())
    gc.collect()
    assert alive() is None
    assert ledger() == {}


@for_all_cycles
def test_a_cycle_with_a_reference_from_outside_is_not_collected(make):
    """Referred to through the view alone."""
    made = make()
    shown, alive = made.shown, weakref.ref(made)
    is_cycle = not isinstance(made, torch.Tensor)
    del made
    gc.collect()
    assert (alive() is not None) is is_cycle
    pixels = vc.as_numpy(shown)
    assert pixels.shape == (4, 4)
    del shown, pixels
    gc.collect()
    assert alive() is None


def test_a_cycle_that_an_array_views_is_not_collected():
    """The collector does not traverse NumPy's arrays: theirs are references from outside."""
    made = array_that_shows_itself()
    alive = weakref.ref(made)
    seen = np.asarray(made.shown)
    del made
    gc.collect()
    assert alive() is not None
    assert seen.sum() == 0
    seen[:] = 1
    del seen
    gc.collect()
    assert alive() is None


def test_a_cycle_with_an_export_is_not_collected():
    made = array_that_shows_itself()
    alive = weakref.ref(made)
    tensor = torch.from_dlpack(made.shown)
    del made
    gc.collect()
    assert alive() is not None
    assert tensor.sum() == 0
    del tensor
    vc.collect()
    gc.collect()
    assert alive() is None


def test_a_finalizer_sees_its_pixels():
    Finalised.seen.clear()
    Finalised()
    gc.collect()
    assert Finalised.seen == [((4, 4), 0)]


def test_a_view_refers_to_its_owner():
    owner = Image((4, 4)).array
    assert gc.get_referents(vc.from_pointer(ADDRESS, (1, 1), "uint8", owner=owner))[0][0] is owner
    tensor = torch.zeros(4, 4)
    assert gc.get_referents(vc.view(tensor)) == [tensor.untyped_storage()]
    assert gc.is_tracked(vc.view(tensor))


def test_a_view_of_memory_that_python_does_not_own_refers_to_nothing():
    assert gc.get_referents(vc.view(Wrapping(np.zeros((4, 4), np.uint8)))) == []


def test_collecting_while_views_are_made_and_end():
    """The collector runs as often as it can, on other threads too."""
    gc_before = gc.get_threshold()
    gc.set_threshold(1)
    try:

        def work():
            for _ in range(300):
                made = array_with_both()
                assert np.asarray(made.shown).sum() == 0
                vc.as_gpumat(made.shown)
                del made

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*gc_before)
    gc.collect()
    vc.collect(force=True)


ENDING = """
import numpy as np, viewcast as vc
class Array(np.ndarray): pass
kept = np.zeros((4, 4), np.uint8).view(Array)
kept.shown = vc.view(kept)
x = np.zeros((4, 4), np.uint8)
for _ in range(100_000):
    x = np.asarray(vc.view(x))
"""


def test_the_interpreter_ends_with_chains_and_cycles():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ENDING)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
