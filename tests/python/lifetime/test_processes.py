# SPDX-License-Identifier: Apache-2.0
"""fork, daemon threads at exit, and subinterpreters. test_lifetime.py has the other ways for
an interpreter to end;
streams/test_cuda_mode.py has fork where there is a GPU."""

import os
import subprocess
import sys
import textwrap

import dlpack_structs
import pytest

# Unsanitized: the exit codes that are expected are not those of a sanitized process.
pytestmark = [pytest.mark.any_opencv, pytest.mark.unsanitized]

# Python 3.12 warns of a fork beside other threads, such as OpenBLAS's.
QUIET = ["-W", "ignore::DeprecationWarning"]


def run(program, *arguments):
    command = [sys.executable, *QUIET, "-c", textwrap.dedent(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))


def runs_quietly(program, *arguments):
    done = run(program, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# --- fork

FORK = """
import gc, os, threading
import cv2, numpy as np, torch
import viewcast as vc

def convert():
    array = np.zeros((4, 5, 3), np.uint8)
    mat = vc.as_gpumat(array)
    return [vc.as_tensor(mat), vc.as_cupy(mat), vc.as_numpy(mat), vc.view(mat)]

def check():
    kept = convert()
    del kept
    gc.collect()
    vc.collect(force=True)
    now = vc.statistics()
    assert now["lends"] == now["lends_released"], now
    assert now["exports"] == now["exports_released"], now
    assert now["shares"] == now["shares_released"], now

stop = threading.Event()

def busy():
    while not stop.is_set():
        convert()

threads = [threading.Thread(target=busy) for _ in range(2)]
kept = convert()
for thread in threads:
    thread.start()
children = []
for _ in range(20):
    child = os.fork()  # while others convert
    if child == 0:
        # What the other threads held when they were cut off is nobody's here.
        try:
            del kept
            for _ in range(5):
                convert()
                vc.collect()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    children.append(child)
statuses = [os.waitpid(child, 0)[1] for child in children]
stop.set()
for thread in threads:
    thread.join()
assert statuses == [0] * len(children), statuses
del kept
check()
print("right")
"""


@pytest.mark.all_libraries
def test_children_that_are_forked_while_threads_convert():
    assert runs_quietly(FORK) == "right\n"


@pytest.mark.all_libraries
def test_multiprocessing_by_fork():
    program = """
    import multiprocessing
    import numpy as np, torch
    import viewcast as vc

    def work(number):
        array = np.full((4, 5, 3), number, np.uint8)
        return int(vc.as_numpy(vc.as_gpumat(vc.as_tensor(array)))[3, 4, 2])

    work(0)
    torch.set_num_threads(1)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(work, range(100)) == list(range(100))
    print("right")
    """
    assert runs_quietly(program) == "right\n"


# --- daemon threads at the end of the interpreter

DAEMONS = """
import sys, threading, time
import cupy, cv2, numpy as np, torch
import viewcast as vc

kind = sys.argv[1]
array = np.zeros((4, 5, 3), np.uint8)
mat = vc.as_gpumat(array)
kinds = {
    "views": lambda: vc.as_numpy(vc.view(array)),
    "tensors": lambda: vc.as_tensor(mat),
    "cupy": lambda: vc.as_cupy(mat),
    "exports": lambda: vc.view(array).__dlpack__(),
    "collect": lambda: vc.collect(),
    "gpumats": lambda: vc.as_gpumat(array),
    "cv2 alone": lambda: cv2.cuda.GpuMat(4, 5, 0) if cv2.cuda.getCudaEnabledDeviceCount() > 0
    else cv2.cuda.createGpuMatFromCudaMemory(4, 5, cv2.CV_8UC3, array.ctypes.data, 15),
    "torch alone": lambda: torch.from_numpy(array).detach(),
}

def forever():
    while True:
        kinds[kind]()

for _ in range(4):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.2)
"""


@pytest.mark.all_libraries
@pytest.mark.parametrize("kind", ["views", "cupy", "exports", "collect"])
def test_daemon_threads_that_convert_at_exit(kind):
    assert runs_quietly(DAEMONS, kind) == ""


@pytest.mark.all_libraries
@pytest.mark.parametrize("kind", ["gpumats", "cv2 alone", "tensors", "torch alone"])
def test_daemon_threads_inside_cv2_or_torch_at_exit(kind):
    """cv2 and torch release the GIL within their calls. Python ends a daemon thread that
    takes the GIL again during finalisation, in the middle of C++ code, which then aborts
    the process, with or without viewcast. No other ending is accepted."""
    done = run(DAEMONS, kind)
    if done.returncode == 0:
        assert done.stderr == ""
    else:
        assert done.returncode == -6, done.stderr
        assert "terminate called" in done.stderr or "FATAL" in done.stderr


def test_the_interpreter_ends_while_foreign_threads_call_deleters():
    """C threads call deleters until the process ends."""
    program = """
    import ctypes, sys
    sys.path.insert(0, sys.argv[1])
    import numpy as np
    import viewcast as vc
    from dlpack_structs import consume, managed_tensor
    libc = ctypes.CDLL(None)
    libc.pthread_create.argtypes = [ctypes.c_void_p] * 4
    array = np.zeros((7, 5), np.uint8)
    capsules = [vc.view(array).__dlpack__() for _ in range(2000)]
    for capsule in capsules:
        tensor = managed_tensor(capsule)
        consume(capsule)
        deleter = ctypes.cast(tensor.deleter, ctypes.c_void_p)
        thread = ctypes.c_ulong()
        libc.pthread_create(ctypes.byref(thread), None, deleter, ctypes.addressof(tensor))
        libc.pthread_detach(thread)
    """
    assert runs_quietly(program, os.path.dirname(dlpack_structs.__file__)) == ""


# --- subinterpreters


def test_subinterpreters_are_refused_and_the_main_one_goes_on():
    program = """
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    import viewcast as vc
    import numpy as np
    script = '''
    try:
        import viewcast
        print("imported")
    except ImportError as error:
        print(error)
    '''
    import textwrap
    for _ in range(3):
        other = interpreters.create()
        interpreters.run_string(other, textwrap.dedent(script))
        interpreters.destroy(other)
    print(vc.as_numpy(vc.as_gpumat(np.full((2, 2), 7, np.uint8)))[1, 1])
    """
    lines = runs_quietly(program).splitlines()
    assert lines[-1] == "7"
    assert len(lines) == 4
    for line in lines[:-1]:
        assert "main interpreter only" in line or "does not support loading" in line
