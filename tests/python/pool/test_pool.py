# SPDX-License-Identifier: Apache-2.0
"""OpenCV's GpuMats from a pool, on an OpenCV built with CUDA. In host mode each pool is host
memory: the tests check who allocates and frees, and when."""

import contextlib
import gc
import os
import re
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
from default_allocator import default_allocator, set_default_allocator
from gpumat_header import count, header
from loaded_opencv import FREES
from threads import at_once

import viewcast as vc

NAMES = ["torch", "cupy", "cuda"]


@pytest.fixture(autouse=True)
def opencv_with_cuda(counting, request):
    if request.function is test_opencv_without_cuda:
        yield
        return
    if counting != FREES:
        pytest.skip(f"this OpenCV is built without CUDA ({counting}): it allocates no GpuMat")
    yield
    vc.use_pool(None)
    gc.collect()
    vc.collect()
    vc.trim_pool()
    assert vc.statistics()["pool_live"] == vc.statistics()["pool_blocks"] == 0


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def change(call):
    """By how much a call changed the counters of pools."""
    before = vc.statistics()
    call()
    after = vc.statistics()
    keys = ("pool_blocks", "pool_hits", "pool_misses", "pool_live")
    return {key: after[key] - before[key] for key in keys if after[key] != before[key]}


def in_a_process(code, *, env=()):
    result = subprocess.run(
        [sys.executable, "-c", "import cv2, viewcast as vc\n" + code],
        env={**os.environ, **dict(env)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


# --------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    "rows, cols, kind, step",
    [
        (1080, 1920, cv2.CV_8UC3, 6144),
        (2, 2, cv2.CV_8UC1, 512),
        (1, 700, cv2.CV_8UC3, 2100),
        (700, 1, cv2.CV_32FC4, 16),
        (4, 129, cv2.CV_32FC1, 1024),
    ],
)
def test_rows_are_pitched_as_opencv_pitches_them(name, rows, cols, kind, step):
    vc.use_pool(name)
    mat = cv2.cuda.GpuMat(rows, cols, kind)
    found = header(mat)
    assert mat.step == step
    assert mat.type() == kind and mat.size() == (cols, rows)
    assert mat.isContinuous() == (step == cols * mat.elemSize())
    assert found.data % 256 == 0 and found.data == found.datastart
    assert found.dataend - found.data == (rows - 1) * step + cols * mat.elemSize()
    assert found.allocator == default_allocator()
    assert count(mat) == 1


def test_pixels_of_a_pooled_gpumat_stay(name):
    vc.use_pool(name)
    mats = [cv2.cuda.GpuMat(100, 100, cv2.CV_8UC3) for _ in range(10)]
    for value, mat in enumerate(mats):
        vc.as_numpy(mat)[:] = value
    for value, mat in enumerate(mats):
        assert (vc.as_numpy(mat) == value).all()


def test_blocks_are_reused(name):
    vc.use_pool(name)

    def thousand():
        for _ in range(1000):
            cv2.cuda.GpuMat(1080, 1920, cv2.CV_8UC3)

    assert change(thousand) == {"pool_misses": 1, "pool_hits": 999, "pool_blocks": 1}
    vc.use_pool(None)
    assert vc.trim_pool() >= 6144 * 1080
    assert vc.trim_pool() == 0


def test_views_keep_the_block(name):
    vc.use_pool(name)
    mat = cv2.cuda.GpuMat(64, 64, cv2.CV_8UC3)
    views = [vc.as_numpy(mat), vc.as_tensor(mat), vc.view(mat), mat.rowRange(2, 5)]
    views[0][:] = 7
    address = mat.cudaPtr()
    del mat
    for _ in range(3):
        other = cv2.cuda.GpuMat(64, 64, cv2.CV_8UC3)
        assert other.cudaPtr() != address
        vc.as_numpy(other)[:] = 9
        del other
    assert (vc.as_numpy(views[2]) == 7).all() and (views[1] == 7).all()
    assert vc.statistics()["pool_live"] == 1
    while views:
        assert vc.statistics()["pool_live"] == 1
        views.pop()
        gc.collect()
        vc.collect()
    assert vc.statistics()["pool_live"] == 0


def test_create_and_release(name):
    vc.use_pool(name)
    mat = cv2.cuda.GpuMat(64, 64, cv2.CV_8UC3)
    mat.create(64, 64, cv2.CV_8UC3)
    assert change(lambda: mat.create(8, 9, cv2.CV_32FC1)) == {
        "pool_misses": 1,
        "pool_blocks": 1,
    }
    other = cv2.cuda.GpuMat(mat)
    mat.release()
    assert mat.empty() and count(other) == 1
    other.release()
    mat.create(8, 9, cv2.CV_32FC1)
    assert mat.step == 512


def test_a_lent_gpumat_creates_from_the_pool(name):
    array = np.zeros((8, 8, 3), np.uint8)
    mat = vc.as_gpumat(array)
    vc.use_pool(name)
    mat.create(16, 16, cv2.CV_8UC1)
    assert header(mat).allocator == default_allocator()
    assert vc.statistics()["pool_live"] == 1


# ---------------------------------------------------------------------- switching


def test_none_restores_opencvs_own_allocator(name):
    before = default_allocator()
    assert vc.get_pool() is None
    vc.use_pool(name)
    assert vc.get_pool() == name
    assert default_allocator() != before
    vc.use_pool(name)
    vc.use_pool(None)
    assert vc.get_pool() is None
    assert default_allocator() == before
    vc.use_pool(None)
    assert default_allocator() == before


def test_gpumats_outlive_the_switch():
    mats = []
    for number, name in enumerate([*NAMES, *NAMES]):
        vc.use_pool(name)
        mats.append(cv2.cuda.GpuMat(64, 64, cv2.CV_8UC1))
        vc.as_numpy(mats[-1])[:] = number
    vc.use_pool(None)
    for number, mat in enumerate(mats):
        assert (vc.as_numpy(mat) == number).all()
    addresses = [mat.cudaPtr() for mat in mats]
    del mat
    mats.clear()
    for number, name in enumerate(NAMES):  # each was freed by the allocator that made it
        vc.use_pool(name)
        address = cv2.cuda.GpuMat(64, 64, cv2.CV_8UC1).cudaPtr()
        assert address in (addresses[number], addresses[number + 3])


def test_a_hundred_switches_leak_nothing():
    before = default_allocator()
    for _ in range(100):
        for name in [*NAMES, None]:
            vc.use_pool(name)
            if name:
                cv2.cuda.GpuMat(64, 64, cv2.CV_8UC1)
    assert default_allocator() == before
    assert vc.statistics()["pool_blocks"] == 3


def test_another_librarys_default_allocator_stays():
    own = default_allocator()
    vc.use_pool("cuda")
    set_default_allocator(own)
    vc.use_pool(None)
    assert default_allocator() == own
    vc.use_pool("cuda")
    vc.use_pool(None)
    assert default_allocator() == own


def test_the_layout_is_verified_before_the_default_changes():
    code = """
import ctypes
def allocator():
    head = ctypes.c_void_p.from_address(id(mat) + object.__basicsize__).value
    return ctypes.c_void_p.from_address(head + 56).value
mat = cv2.cuda.GpuMat()
own = allocator()
vc.use_pool("cuda")
kept = cv2.cuda.GpuMat(4, 4, 0)
vc.use_pool(None)
assert vc._viewcast._opencv_layout()["has_allocator"]
mat = cv2.cuda.GpuMat()
assert allocator() == own
vc.as_numpy(kept)[:] = 1  # ours is known as ours, not as OpenCV's or another's
"""
    in_a_process(code)


# -------------------------------------------------------------------- empty_gpumat


def test_empty_gpumat_changes_no_default():
    before = default_allocator()
    mat = vc.empty_gpumat(48, 64, cv2.CV_8UC3)
    assert (mat.size(), mat.type(), mat.step) == ((64, 48), cv2.CV_8UC3, 512)
    assert default_allocator() == before and vc.get_pool() is None
    vc.as_numpy(mat)[:] = 3
    assert count(mat) == 1
    assert vc.statistics()["pool_live"] == 1


def test_empty_gpumat_comes_from_the_pool_in_use(name):
    vc.use_pool(name)
    address = cv2.cuda.GpuMat(48, 64, cv2.CV_8UC3).cudaPtr()
    assert vc.empty_gpumat(48, 64, cv2.CV_8UC3).cudaPtr() == address


def test_empty_gpumat_is_what_opencv_makes():
    vc.use_pool("cuda")
    for rows, cols, kind in [(1, 5, cv2.CV_32FC2), (5, 1, cv2.CV_8UC1), (3, 4, cv2.CV_16SC1)]:
        ours, theirs = vc.empty_gpumat(rows, cols, kind), cv2.cuda.GpuMat(rows, cols, kind)
        for field in ("flags", "rows", "cols", "step", "allocator"):
            assert getattr(header(ours), field) == getattr(header(theirs), field)
        assert header(ours).dataend - header(ours).data == (
            header(theirs).dataend - header(theirs).data
        )


@pytest.mark.parametrize("rows, cols", [(0, 64), (64, 0), (0, 0)])
def test_empty_gpumat_of_nothing(rows, cols):
    mat = vc.empty_gpumat(rows, cols, cv2.CV_8UC3)
    assert mat.empty() and mat.type() == cv2.CV_8UC3
    assert vc.as_numpy(mat).shape == (rows, cols, 3)


@pytest.mark.parametrize("stream", [None, 0, 1, 2, -1, "object"])
def test_empty_gpumat_takes_any_stream(stream):
    class Stream:
        def __cuda_stream__(self):
            return (0, 0x1000)

    mat = vc.empty_gpumat(4, 4, 0, stream=Stream() if stream == "object" else stream)
    assert mat.size() == (4, 4)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ((-1, 4, 0), ValueError, "rows is -1, needs 0 or more"),
        ((4, -1, 0), ValueError, "cols is -1, needs 0 or more"),
        ((4, 4, -1), ValueError, "type is -1, needs 0 or more"),
        ((4, 4, 4096), ValueError, "type is 4096"),
        ((4, 4, 2**31), ValueError, "type"),
        ((2**70, 4, 0), ValueError, "rows"),
        ((4.5, 4, 0), TypeError, "float"),
        (("4", 4, 0), TypeError, "str"),
        ((4, 4), TypeError, "type"),
        ((4, 4, 0, None), TypeError, "positional"),
        ((2**31 - 1, 2**31 - 1, cv2.CV_32FC4), MemoryError, "gives none"),
    ],
)
def test_empty_gpumat_refuses_wrong_sizes_and_types(arguments, error, words):
    with pytest.raises(error, match=re.escape(words)):
        vc.empty_gpumat(*arguments)


def test_empty_gpumat_refuses_objects_that_are_no_stream():
    with pytest.raises(TypeError, match="stream is a str"):
        vc.empty_gpumat(4, 4, 0, stream="stream")


# ----------------------------------------------------------------------- arguments


@pytest.mark.parametrize("wrong", ["opencv", "", b"torch", 1, True, object()])
def test_unknown_pools_are_refused(wrong):
    with pytest.raises(ValueError, match='needs "torch", "cupy", "cuda" or None'):
        vc.use_pool(wrong)
    assert vc.get_pool() is None


@pytest.mark.parametrize("wrong", [1, object()])
def test_streams_need_a_sequence(wrong):
    with pytest.raises(TypeError, match="needs a sequence of streams"):
        vc.use_pool("cuda", streams=wrong)
    assert vc.get_pool() is None


def test_streams_are_read():
    vc.use_pool("cuda", streams=(0, 1, 2, None))
    vc.use_pool("cuda", streams=iter([-1]))
    with pytest.raises(TypeError, match="streams is a str"):
        vc.use_pool("torch", streams=["x"])
    with pytest.raises(ValueError, match="streams is -2"):
        vc.use_pool("torch", streams=[-2])
    assert vc.get_pool() == "cuda"


def test_an_error_of_an_iterator_passes():
    def streams():
        yield 0
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        vc.use_pool("cuda", streams=streams())


def test_opencv_without_cuda(counting):
    if counting == FREES:
        pytest.skip("this OpenCV is built with CUDA")
    assert vc.get_pool() is None
    vc.use_pool(None)
    for call in (lambda: vc.use_pool("torch"), lambda: vc.empty_gpumat(4, 4, 0)):
        with pytest.raises(vc.ABIError, match="built with CUDA"):
            call()
    assert vc.get_pool() is None and vc.trim_pool() == 0


# -------------------------------------------------------------- threads, fork, exit


def test_many_threads(name):
    vc.use_pool(name)
    wrong = []

    def work(value):
        random = np.random.default_rng(value)
        mats = [None] * 4
        for _ in range(300):
            index = random.integers(4)
            if mats[index] is not None and not (vc.as_numpy(mats[index]) == value).all():
                wrong.append(value)
            rows, cols = (int(n) for n in random.integers(1, 60, 2))
            mats[index] = cv2.cuda.GpuMat(rows, cols, cv2.CV_8UC3)
            vc.as_numpy(mats[index])[:] = value
            if random.integers(50) == 0:
                vc.trim_pool()

    at_once(work, 6)
    assert not wrong


@pytest.fixture
def slowly(monkeypatch):
    """OpenCV releases the GIL where its allocator is set; here long enough for another thread to
    take it each time."""
    set_it = cv2.cuda.GpuMat.setDefaultAllocator

    def set_and_wait(allocator):
        set_it(allocator)
        time.sleep(0.0005)

    monkeypatch.setattr(cv2.cuda.GpuMat, "setDefaultAllocator", staticmethod(set_and_wait))


def test_threads_that_all_set_the_pool(slowly):
    """Each thread must read back the allocator that it has set; reading another thread's raised
    a false ABIError."""
    names, before = [*NAMES, None, None], default_allocator()

    def work(index):
        for round in range(100):
            vc.use_pool(names[(index + round) % len(names)])
            assert vc.get_pool() in names

    at_once(work, 8)
    for name in NAMES:  # the last of them left a usable pool
        vc.use_pool(name)
        assert change(lambda: cv2.cuda.GpuMat(9, 9, cv2.CV_8UC1))
    vc.use_pool(None)
    assert default_allocator() == before


def test_threads_that_set_the_pool_and_allocate(slowly):
    names = [*NAMES, None]

    def work(index):
        for round in range(100):
            if index % 2:
                vc.use_pool(names[(index + round) % 4])
            mat = cv2.cuda.GpuMat(8, 8, cv2.CV_8UC1) if vc.get_pool() else vc.empty_gpumat(8, 8, 0)
            if not mat.empty():  # OpenCV's own allocator has no GPU here
                vc.as_numpy(mat)[:] = index
                assert (vc.as_numpy(mat) == index).all()

    vc.use_pool("cuda")
    at_once(lambda index: ignoring_opencv(work, index), 8)


def ignoring_opencv(work, *arguments):
    """Without a GPU, OpenCV's own allocator raises where it is called between two pools."""
    with contextlib.suppress(cv2.error, SystemError):
        work(*arguments)


def test_a_pool_is_set_while_streams_are_read():
    """Reading streams= runs Python code, which may call use_pool() again."""

    def streams():
        vc.use_pool("cupy")
        assert vc.get_pool() == "cupy"
        yield 1

    vc.use_pool("torch", streams=streams())
    assert vc.get_pool() == "torch"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_fork_while_a_thread_sets_the_pool(slowly):
    done = []

    def work():
        while not done:
            vc.use_pool("cuda")
            vc.use_pool(None)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                vc.use_pool("cuda")  # a lock that was held at the fork would block here
                os._exit(vc.get_pool() != "cuda")
            assert os.waitpid(child, 0)[1] == 0
    finally:
        done.append(True)
        thread.join()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_fork(name):
    vc.use_pool(name)
    mat = cv2.cuda.GpuMat(8, 8, cv2.CV_8UC1)
    child = os.fork()
    if child == 0:
        vc.as_numpy(mat)[:] = 1
        cv2.cuda.GpuMat(9, 9, cv2.CV_8UC1)
        vc.use_pool(None)
        os._exit(vc.trim_pool() == 0)
    assert os.waitpid(child, 0)[1] == 0


def test_exit_with_a_pool_in_use(name):
    code = f"""
vc.use_pool({name!r})
mats = [cv2.cuda.GpuMat(64, 64, 0) for _ in range(10)]
views = [vc.as_numpy(mat) for mat in mats[:5]]
del mats[5:]
class Late:
    def __del__(self):
        print("late", self.mat.empty())
late = Late()
late.mat = cv2.cuda.GpuMat(64, 64, 0)
late.self = late
print("end")
"""
    assert in_a_process(code).startswith("end")


def test_exit_while_threads_allocate(name):
    code = f"""
import threading
vc.use_pool({name!r})
stop = False
def work():
    size = 0
    while not stop:
        size = size % 500 + 1
        cv2.cuda.GpuMat(size, 70, 0)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
stop = True
"""
    in_a_process(code)


def test_no_pool_after_exit_began():
    code = """
import atexit
def late():
    try:
        vc.use_pool("torch")
    except vc.ViewError as error:
        print(error)
atexit.register(late)
vc.use_pool("torch")
vc.use_pool(None)
"""
    # Callbacks run last in, first out: ours was registered after `late`.
    assert "closed" in in_a_process(code)
