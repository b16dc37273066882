# SPDX-License-Identifier: Apache-2.0
"""Many threads in every conversion at once: right pixels, exact counts, and first uses that
initialise once. With the GIL threads take turns; on a free-threaded Python they run in
parallel, and importing viewcast leaves the GIL off."""

import collections
import ctypes
import gc
import os
import queue
import subprocess
import sys
import textwrap
import threading
import weakref

import cv2
import numpy as np
import pytest
from dlpack_structs import Producer, consume, managed_tensor
from loaded_opencv import FREES, STANDIN
from threads import FREE_THREADED, THREADS, at_once

import viewcast as vc

try:
    import torch
except ImportError:
    torch = None
try:
    import cupy
except ImportError:
    cupy = None

TURNS = 60


class Memory(np.ndarray):
    """Bytes to which a weak reference may point."""


def new_image(seed, shape=(6, 5, 3)):
    count = int(np.prod(shape))
    memory = (np.arange(count, dtype=np.uint8) + np.uint8(seed % 251)).view(Memory)
    return memory.reshape(shape)


def from_numpy(array):
    return torch.from_numpy(np.asarray(array))


def over_host_memory(array):
    memory = cupy.cuda.UnownedMemory(array.ctypes.data, array.nbytes, array, 0)
    return cupy.ndarray(array.shape, array.dtype, cupy.cuda.MemoryPointer(memory, 0), array.strides)


class Buffer:
    """The buffer protocol and nothing else, behind a class of its own."""

    def __new__(cls, array):
        return memoryview(np.asarray(array))


class CudaArray:
    def __init__(self, array):
        self.array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "version": 3,
        }


class ByDlpack:
    """DLPack and nothing else."""

    def __init__(self, array):
        self.view = vc.view(array)

    def __dlpack__(self, **options):
        return self.view.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.view.__dlpack_device__()


SOURCES = {"numpy": lambda array: array, "view": vc.view, "gpumat": vc.as_gpumat}
SOURCES |= {"buffer": Buffer, "cuda array": CudaArray, "dlpack": ByDlpack}
TARGETS = {"numpy": vc.as_numpy, "view": vc.view, "gpumat": vc.as_gpumat}
if torch:
    SOURCES["torch"], TARGETS["torch"] = from_numpy, vc.as_tensor
if cupy:
    SOURCES["cupy"], TARGETS["cupy"] = over_host_memory, vc.as_cupy


def address_of(image):
    return vc.view(image).ptr


def balanced(counted):
    """True if all lends, shares and exports were released."""
    return all(
        counted.get(name) == counted.get(f"{name}_released")
        for name in ("lends", "shares", "exports")
    )


def run_program(text, **variables):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        env=dict(os.environ, **variables),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.splitlines()


# ------------------------------------------------------------------------ the GIL


@pytest.mark.skipif(not FREE_THREADED, reason="this Python has the GIL")
def test_importing_viewcast_leaves_the_gil_off():
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    program = "import sys, viewcast; print(sys._is_gil_enabled())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.skipif(not FREE_THREADED, reason="this Python has the GIL")
def test_the_gil_is_off_here():
    """With the GIL on, the tests below could not find data races."""
    assert not sys._is_gil_enabled()


# ------------------------------------------------------------------ every conversion


@pytest.mark.parametrize("source", SOURCES)
def test_each_thread_its_own_images(source, ledger):
    def work(index):
        kept = []
        for turn in range(TURNS):
            array = new_image(index * TURNS + turn)
            kept.append(weakref.ref(array.base))
            image = SOURCES[source](array)
            for convert in TARGETS.values():
                assert address_of(convert(image)) == array.ctypes.data
            assert bytes(vc.as_numpy(vc.view(image))) == array.tobytes()
            del image, array
        return kept

    kept = [reference for each in at_once(work) for reference in each]
    assert balanced(ledger(force=True))
    assert [reference() for reference in kept] == [None] * len(kept)


@pytest.mark.parametrize("source", SOURCES)
def test_one_image_for_all_threads(source, ledger):
    def convert_everywhere():
        array = new_image(1)
        image = SOURCES[source](array)

        def work(index):
            for _ in range(TURNS):
                for convert in TARGETS.values():
                    assert address_of(convert(image)) == array.ctypes.data

        at_once(work)
        return weakref.ref(array.base)

    memory = convert_everywhere()
    assert balanced(ledger(force=True))
    assert memory() is None


@pytest.mark.parametrize("target", TARGETS)
def test_images_are_made_on_one_thread_and_dropped_on_another(target, ledger):
    """Each thread passes its images to the next, so the last reference may end on any."""
    queues = [queue.SimpleQueue() for _ in range(THREADS)]

    def work(index):
        kept = []
        for turn in range(TURNS):
            array = new_image(turn)
            kept.append(weakref.ref(array.base))
            queues[(index + 1) % THREADS].put((TARGETS[target](array), array.tobytes()))
            del array
            made, pixels = queues[index].get()
            assert bytes(vc.as_numpy(made)) == pixels
            del made
        return kept

    kept = [reference for each in at_once(work) for reference in each]
    assert balanced(ledger(force=True))
    assert [reference() for reference in kept] == [None] * len(kept)


def test_deleters_on_threads_without_a_python_thread_state(ledger):
    libc = ctypes.CDLL(None)
    libc.pthread_create.argtypes = [ctypes.c_void_p] * 4
    libc.pthread_join.argtypes = [ctypes.c_ulong, ctypes.c_void_p]

    def work(index):
        kept = []
        for turn in range(TURNS):
            array = new_image(turn)
            kept.append(weakref.ref(array.base))
            capsule = vc.view(array).__dlpack__()
            tensor = managed_tensor(capsule)
            consume(capsule)
            del array
            deleter = ctypes.cast(tensor.deleter, ctypes.c_void_p)
            thread = ctypes.c_ulong()
            address = ctypes.addressof(tensor)
            assert libc.pthread_create(ctypes.byref(thread), None, deleter, address) == 0
            assert libc.pthread_join(thread, None) == 0
        return kept

    kept = [reference for each in at_once(work) for reference in each]
    assert ledger()["exports_released"] == THREADS * TURNS
    assert [reference() for reference in kept] == [None] * len(kept)


def test_collecting_while_others_convert(ledger):
    def work(index):
        for turn in range(TURNS):
            if index < 2:
                vc.collect()
                gc.collect(0)
            else:
                made = [convert(new_image(turn)) for convert in TARGETS.values()]
                made.append(made)  # a cycle, which only the garbage collector ends
                del made

    at_once(work)
    assert balanced(ledger(force=True))


# ------------------------------------------------------------------------- the caches


def test_more_types_than_caches_hold(ledger):
    """Threads make and drop classes: a class must never get the cached adapter of another."""

    def work(index):
        for turn in range(TURNS):
            array = new_image(turn)
            kinds = [type(f"Array{index}", (Memory,), {}), type(f"Bare{index}", (ByDlpack,), {})]
            for image in (array.view(kinds[0]), kinds[1](array)):
                for convert in TARGETS.values():
                    assert address_of(convert(image)) == array.ctypes.data

    at_once(work)
    assert balanced(ledger(force=True))


CALLS = (
    {"layout": "CHW"},
    {"layout": "CHW", "dtype": "float32"},
    {"dtype": np.float32, "layout": "CHW"},
    {"dtype": np.dtype("float32"), "scale": 1 / 255},
    {"reverse_channels": True},
    {"layout": "CHW", "dtype": "float32", "mean": [1, 2, 3], "std": [1, 2, 4]},
    {"scale": 2, "dtype": np.int16, "reverse_channels": True, "keepdim": True},
    {"channels": 4, "fill": 9},
)


def test_keyword_caches_of_many_call_sites(ledger):
    """A call site's keywords are cached by the tuple of their names, which ** makes anew for
    each call."""
    image = new_image(7)
    wanted = [vc.to_numpy(image, **options) for options in CALLS]

    def work(index):
        for turn in range(TURNS):
            at = (index + turn) % len(CALLS)
            made = vc.to_numpy(image, **CALLS[at])
            assert made.dtype == wanted[at].dtype
            np.testing.assert_array_equal(made, wanted[at])
            constant = vc.to_numpy(image, layout="CHW", dtype="float32")
            np.testing.assert_array_equal(constant, wanted[1])

    at_once(work)
    assert balanced(ledger(force=True))


def test_lists_that_change_while_they_are_read(ledger):
    images = collections.deque(new_image(seed) for seed in range(6))
    batch = list(images)
    means = [0.0, 0.0, 0.0]
    stop = threading.Event()

    def change():
        while not stop.is_set():
            batch.pop()
            batch.insert(0, images[0])
            images.rotate()
            means.append(means.pop(0))

    changer = threading.Thread(target=change)
    changer.start()

    def work(index):
        for _ in range(TURNS):
            try:
                made = vc.to_numpy(batch, layout="NCHW", dtype="float32", mean=means)
            except (vc.ViewError, RuntimeError, ValueError) as error:  # a length in between
                assert "images" in str(error) or "values" in str(error) or "mean" in str(error)
            else:
                assert made.shape[1:] == (3, 6, 5)
            if torch:
                for tensor in vc.as_tensors(batch):
                    assert tensor.shape == (6, 5, 3)

    try:
        at_once(work, 4)
    finally:
        stop.set()
        changer.join()
    assert vc.to_numpy(batch, mean=means, dtype="float32").shape == (6, 6, 5, 3)
    assert balanced(ledger(force=True))


def test_producers_of_every_kind_that_fail(ledger):
    """An exception reaches the thread whose producer raised it."""

    class Failing:
        def __init__(self, error):
            self.error = error

        def __dlpack_device__(self):
            raise self.error

        def __dlpack__(self, **options):
            raise self.error

    def work(index):
        for turn in range(TURNS):
            with pytest.raises(vc.ViewError) as raised:
                vc.view(Failing(KeyError(index, turn)))
            assert raised.value.__cause__.args == (index, turn)
            producer = Producer(new_image(turn))
            made = vc.view(producer)
            del made
            vc.collect()
            assert producer.deleted == 1

    at_once(work)
    assert balanced(ledger(force=True))


# ---------------------------------------------------------------------- the first use

FIRST = """
    import sys, threading
    import numpy as np, viewcast as vc
    threads, convert = 8, {convert}
    barrier, said = threading.Barrier(threads), []
    array = np.zeros((6, 5, 3), np.uint8)

    def work():
        barrier.wait()
        try:
            said.append(vc.view(convert(array)).ptr == array.ctypes.data)
        except BaseException as error:
            said.append(repr(error))

    started = [threading.Thread(target=work) for _ in range(threads)]
    for thread in started: thread.start()
    for thread in started: thread.join()
    from viewcast import _viewcast
    paths = _viewcast._paths()
    vc.collect(force=True)
    now = vc.statistics()
    print(said == [True] * threads or said, paths, now["lends"] - now["lends_released"])
"""
ALONE = """
    import numpy as np, viewcast as vc
    from viewcast import _viewcast
    vc.view({convert}(np.zeros((6, 5, 3), np.uint8)))
    print(_viewcast._paths())
"""


@pytest.mark.parametrize(
    "convert", ["vc.as_gpumat"] + ["vc.as_tensor"] * bool(torch) + ["vc.as_cupy"] * bool(cupy)
)
def test_the_first_use_on_many_threads(convert):
    (alone,) = run_program(ALONE.format(convert=convert))
    for _ in range(3 if FREE_THREADED else 1):
        assert run_program(FIRST.format(convert=convert)) == [f"True {alone} 0"]


# ---------------------------------------------------------------- pools and fork


def test_pools_change_while_others_allocate(counting):
    if counting != FREES:
        pytest.skip("this OpenCV allocates nothing")
    if not STANDIN and vc.host_mode():
        pytest.skip("without a GPU OpenCV's own allocator, which takes turns here, has no memory")
    before = vc.statistics()

    def work(index):
        for turn in range(TURNS):
            if index == 0:
                vc.use_pool("cuda" if turn % 2 else None)
                assert vc.get_pool() in ("cuda", None)
            elif index == 1:
                vc.trim_pool()
            else:
                mats = [cv2.cuda.GpuMat(8, 9, cv2.CV_8UC3), vc.empty_gpumat(8, 9, cv2.CV_8UC3)]
                for mat in mats:
                    assert vc.view(mat).shape == (8, 9, 3)

    try:
        at_once(work)
    finally:
        vc.use_pool(None)
    gc.collect()
    assert vc.statistics()["pool_live"] == before["pool_live"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")
def test_fork_while_others_convert():
    program = """
        import os, sys, threading, warnings
        import numpy as np, viewcast as vc
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads
        stop = threading.Event()
        # Import before forking: a child would deadlock on an import lock of its parent's thread.
        vc.as_gpumat(np.zeros((6, 5, 3), np.uint8))

        def work():
            while not stop.is_set():
                array = np.zeros((6, 5, 3), np.uint8)
                vc.view(vc.as_gpumat(array)), vc.to_numpy(array, layout="CHW")

        started = [threading.Thread(target=work) for _ in range(4)]
        for thread in started: thread.start()
        for _ in range(10):
            child = os.fork()
            if child == 0:
                array = np.zeros((6, 5, 3), np.uint8)
                same = vc.view(vc.as_gpumat(array)).ptr == array.ctypes.data
                os._exit(0 if same else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        stop.set()
        for thread in started: thread.join()
    """
    assert run_program(program) == ["0"] * 10
