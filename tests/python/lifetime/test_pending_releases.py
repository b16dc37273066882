# SPDX-License-Identifier: Apache-2.0
"""Pending releases: of deleters that ran without the GIL. A pending call, the next conversion
and vc.collect() drain them, and there are never more than images were alive at the last call."""

import ctypes
import gc
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from dlpack_structs import consume, managed_tensor
from images import CONVERT, Image
from loaded_opencv import FREES
from threads import FREE_THREADED

import viewcast as vc

libc = ctypes.CDLL(None)
libc.pthread_create.argtypes = [ctypes.c_void_p] * 4
libc.pthread_join.argtypes = [ctypes.c_ulong, ctypes.c_void_p]


def delete_on_a_foreign_thread(capsule):
    """Calls the deleter of an export as a consumer written in C does: on a thread
    without a Python thread state, and without the GIL."""
    tensor = managed_tensor(capsule)
    consume(capsule)
    deleter = ctypes.cast(tensor.deleter, ctypes.c_void_p)
    thread = ctypes.c_ulong()
    assert libc.pthread_create(ctypes.byref(thread), None, deleter, ctypes.addressof(tensor)) == 0
    assert libc.pthread_join(thread, None) == 0


def pending():
    return vc.statistics()["pending"]


def export(image):
    return vc.view(image.array).__dlpack__()


def while_the_main_thread_is_in_c(work):
    """Runs work() on a thread while the main thread is inside a C function, where it runs
    no pending calls. work() is repeated until it returns True."""
    done = (ctypes.c_char * 64)()  # a sem_t
    libc.sem_init(ctypes.byref(done), 0, 0)
    failures = []

    def run():
        try:
            while not work():
                pass
        except BaseException as error:
            failures.append(error)
        finally:
            libc.sem_post(ctypes.byref(done))

    thread = threading.Thread(target=run)
    thread.start()
    libc.sem_wait(ctypes.byref(done))  # without the GIL
    thread.join()
    if failures:
        raise failures[0]


def release_and_see(image):
    """Releases an export; True if the release is pending: the main thread runs no bytecode."""
    delete_on_a_foreign_thread(export(image))
    return pending() > 0


def test_a_pending_call_of_the_main_thread_drains(ledger):
    image = Image((7, 5))
    delete_on_a_foreign_thread(export(image))
    for _ in range(1000):  # bytecode, in which pending calls are run
        pass
    assert pending() == 0
    assert ledger() == {"exports": 1, "exports_released": 1}


@pytest.mark.parametrize("call", [*CONVERT, "collect", "__dlpack__"])
def test_the_next_conversion_drains(call):
    image, other = Image((7, 5, 3)), Image((4, 6, 3))
    view = vc.view(other.array)

    def work():
        if not release_and_see(image):
            return False
        calls = {"collect": vc.collect, "__dlpack__": view.__dlpack__}
        made = calls[call]() if call in calls else CONVERT[call](other.array)
        assert pending() == 0
        del made
        return True

    while_the_main_thread_is_in_c(work)


def test_releases_do_not_accumulate_where_no_pending_call_runs(ledger):
    """Each conversion drains the list before it makes a view, so the list holds at most the
    images that were alive at the last conversion."""
    view = vc.view(Image((7, 5)).array)
    most = []

    def work():
        if not release_and_see(Image((7, 5))):
            return False
        for _ in range(500):
            delete_on_a_foreign_thread(view.__dlpack__())
            most.append(pending())
        kept = [view.__dlpack__() for _ in range(50)]
        for capsule in kept:
            delete_on_a_foreign_thread(capsule)
        most.append(pending() - 50)
        return True

    while_the_main_thread_is_in_c(work)
    assert max(most) <= 1
    ledger()
    assert pending() == 0


def test_many_foreign_threads_at_once(ledger):
    images = [Image((7, 5)) for _ in range(64)]
    capsules = [export(image) for image in images]
    threads = []
    for capsule in capsules:
        tensor = managed_tensor(capsule)
        consume(capsule)
        deleter = ctypes.cast(tensor.deleter, ctypes.c_void_p)
        thread = ctypes.c_ulong()
        libc.pthread_create(ctypes.byref(thread), None, deleter, ctypes.addressof(tensor))
        threads.append(thread)
        np.zeros(10)
    for thread in threads:
        libc.pthread_join(thread, None)
    assert ledger() == {"exports": 64, "exports_released": 64}


# --- destructors that convert again


class ConvertingAgain(np.ndarray):
    """Converts itself, and the GpuMat that it was lent to, in its own destructor."""

    def __del__(self):
        if self.base is None or not hasattr(self, "action"):
            return
        action, self.action = self.action, None
        if action:
            action()


def test_a_source_that_converts_its_gpumat_again_while_it_dies(ledger, counting):
    seen = []
    array = np.zeros(60, np.uint8).view(ConvertingAgain)
    image = array.reshape(4, 5, 3)
    mats = [vc.as_gpumat(image)]
    region = mats[0].rowRange(0, 2) if counting == FREES else None

    def again():
        """The memory is still valid: the object that is being destroyed owns it."""
        for convert in CONVERT.values():
            seen.append(vc.view(convert(np.zeros((4, 5, 3), np.uint8))).shape)
        for mat in mats:
            vc.as_tensor(mat)  # empty by now, or another lend
        vc.collect()

    image.action = again
    del array, image
    mats[0].release()
    del region
    gc.collect()
    vc.collect()
    mats.clear()
    counted = ledger(force=True)
    assert seen == [(4, 5, 3)] * len(CONVERT)
    assert counted["lends"] == counted["lends_released"]
    assert counted.get("exports") == counted.get("exports_released")


def test_a_release_that_lends_its_own_memory_again(ledger, counting):
    """Each release lends the memory to the next GpuMat, until the owner stops."""
    turns = []

    class Holder:
        def __init__(self, tensor):
            self.tensor = tensor

        __dlpack__ = property(lambda self: self.tensor.__dlpack__)
        __dlpack_device__ = property(lambda self: self.tensor.__dlpack_device__)

        def __del__(self):
            turns.append(self.tensor.data_ptr())
            if len(turns) < 5:
                vc.as_gpumat(Holder(self.tensor))

    tensor = torch.zeros(4, 5, 3)
    vc.as_gpumat(Holder(tensor))
    for _ in range(8):
        gc.collect()
        vc.collect(force=True)
    assert turns == [tensor.data_ptr()] * 5
    counted = ledger(force=True)
    assert counted["lends"] == counted["lends_released"] == 5


# Without a line of bytecode, so that no pending call can run between the two.
DROP_AND_SEE = """
import collections, functools, operator, threading
import numpy as np, torch
import viewcast as vc

array = vc.as_cupy(np.zeros((4, 6, 3), np.uint8))
vc.as_tensor(array)
for _ in range(1000):
    pass
drop = functools.partial(collections.deque, map(vc.as_tensor, [array]), maxlen=0)
waits = threading.Event()
if {threads}:
    threading.Thread(target=waits.wait).start()
_, statistics = map(operator.call, [drop, vc.statistics])
waits.set()
print(statistics["pending"])
"""


@pytest.mark.parametrize("threads, expected", [(False, "1" if FREE_THREADED else "0"), (True, "1")])
def test_a_tensors_release_is_immediate_where_no_other_thread_can_hold_the_gil(threads, expected):
    """torch deletes a tensor without the GIL. Where there is one Python thread, the deleter
    takes the GIL, which cannot block, and releases the array at once. Beside other threads
    the release is pending, as it is on a free-threaded Python."""
    code = DROP_AND_SEE.format(threads=threads)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stderr, done.stdout.strip()) == ("", expected)
