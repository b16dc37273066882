# SPDX-License-Identifier: Apache-2.0
"""No memory dies before its last view; no view keeps memory after its last use."""

import functools
import gc
import itertools
import json
import operator
import os
import resource
import subprocess
import sys
import threading
import weakref

import cupy
import cv2
import numpy as np
import pytest
import torch
from images import CONVERT, MAKE, Image, make_gpumat, pixels
from loaded_opencv import COUNTS_UP, FREES
from threads import at_once

import viewcast as vc

pytestmark = pytest.mark.slow_paths

COUNTING = vc._viewcast._opencv_layout()["counting"]
SOURCES = ["torch", "cupy", "numpy", "view"]  # what can own memory without a GPU
TARGETS = SOURCES


@pytest.fixture
def all_of(counting):
    """The counts of `repeat` lends, shares and exports after all were released; shares are
    counted only where OpenCV decrements its counter."""

    def expected(repeat, lends=1, shares=0, exports=0):
        if counting == COUNTS_UP:
            shares = 0
        counts = {"lends": lends, "shares": shares, "exports": exports}
        counts |= {f"{name}_released": count for name, count in counts.items()}
        return {name: count * repeat for name, count in counts.items() if count}

    return expected


def exports(target):
    """torch takes images as DLPack exports."""
    return int(target == "torch")


def owned(library, shape=(6, 8, 3), seed=0):
    """An image that alone keeps its memory, a weak reference to the memory, and
    its bytes."""
    image = Image(shape, seed=seed)
    return MAKE[library](image), weakref.ref(image.memory), image.array.tobytes()


# --- every order of deletion


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_memory_lives_as_long_as_any_view_in_every_order(source, target, ledger, all_of, counting):
    """A source, a GpuMat lent it, an ROI and a copy of that, and an array that
    views the ROI."""
    names = ["source", "mat", "roi", "copy", "array"]
    orders = list(itertools.permutations(names))
    for seed, order in enumerate(orders):
        image = Image((6, 8, 3), seed=seed)
        alive = weakref.ref(image.memory)
        whole, part = image.array.tobytes(), image.array[1:4, 2:7].tobytes()
        made = {"source": MAKE[source](image)}
        del image
        made["mat"] = vc.as_gpumat(made["source"])
        made["roi"] = cv2.cuda.GpuMat(made["mat"], (2, 1, 5, 3))
        made["copy"] = cv2.cuda.GpuMat(made["mat"])
        made["array"] = CONVERT[target](made["roi"])
        libraries = dict.fromkeys(names, "gpumat") | {"source": source, "array": target}
        for name in order:
            assert alive() is not None
            for left, view in made.items():
                wanted = part if left in ("roi", "array") else whole
                assert pixels(libraries[left], view) == wanted
            del made[name], view
        # Stock OpenCV 4 does not report the end of copies.
        vc.collect(force=counting == COUNTS_UP)
        assert alive() is None
    assert ledger() == all_of(len(orders), shares=1, exports=exports(target))


@pytest.mark.parametrize("source", SOURCES)
def test_a_lend_that_was_never_copied_ends_without_force(source, ledger, all_of):
    made, alive, _ = owned(source)
    mat = vc.as_gpumat(made)
    del made
    assert ledger() == {"lends": 1}
    assert alive() is not None
    del mat
    assert ledger() == all_of(1)
    assert alive() is None


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mat_first", [True, False])
def test_a_lend_seen_as_an_array_ends_with_the_last_of_them(target, mat_first, ledger, all_of):
    made, alive, wanted = owned("numpy")
    mat = vc.as_gpumat(made)
    array = CONVERT[target](mat)
    del made
    if mat_first:
        del mat
        vc.collect()
        assert pixels(target, array) == wanted
        del array
    else:
        del array
        vc.collect()
        assert pixels("gpumat", mat) == wanted
        del mat
    assert ledger() == all_of(1, shares=1, exports=exports(target))
    assert alive() is None


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_arrays_and_views_keep_each_other(source, target):
    made, alive, wanted = owned(source)
    view = CONVERT[target](made)
    del made
    vc.collect()
    assert pixels(target, view) == wanted
    del view
    vc.collect()
    assert alive() is None


@pytest.mark.parametrize("target", TARGETS)
def test_a_view_that_ends_before_its_source_leaves_it_alone(target):
    made, alive, wanted = owned("torch")
    view = CONVERT[target](made)
    del view
    vc.collect()
    assert alive() is not None
    assert pixels("torch", made) == wanted


def test_a_chain_of_many_views_keeps_the_first(ledger):
    image, alive, wanted = owned("numpy")
    for library in ["gpumat", "torch", "cupy", "gpumat", "view", "gpumat", "torch"] * 20:
        image = CONVERT[library](image)
        vc.collect()
    assert pixels("torch", image) == wanted
    assert alive() is not None
    del image
    counted = ledger()
    assert alive() is None
    assert counted["lends"] == counted["lends_released"] == 60


# --- what keeps an unowned GpuMat's memory


@pytest.mark.parametrize("target", TARGETS)
def test_owner_is_kept_with_an_unowned_gpumat(target):
    image = Image((6, 8, 3))
    alive, wanted = weakref.ref(image.memory), image.array.tobytes()
    array = CONVERT[target](make_gpumat(image), owner=image.memory)
    del image
    vc.collect()
    assert pixels(target, array) == wanted
    del array
    vc.collect()
    assert alive() is None


def test_a_gpumat_with_an_owner_is_another_gpumat(ledger):
    image = Image((6, 8, 3))
    alive, wanted = weakref.ref(image.memory), image.array.tobytes()
    mat = make_gpumat(image)
    owned_mat = vc.as_gpumat(mat, owner=image.memory)
    (first,) = vc.as_gpumats([mat], owner=image.memory)
    assert owned_mat is not mat and vc.view(owned_mat).ptr == vc.view(mat).ptr
    assert first is not mat and vc.as_gpumat(mat) is mat
    del image, mat, first
    vc.collect()
    assert pixels("gpumat", owned_mat) == wanted
    assert alive() is not None
    del owned_mat
    ledger()
    assert alive() is None


def test_an_owner_is_only_for_the_images_of_a_list_that_own_nothing():
    image, tensor = Image((6, 8, 3)), vc.as_tensor(owned("numpy")[0])
    first, second = vc.as_tensors([make_gpumat(image), tensor], owner=image.memory)
    assert second is tensor and first.data_ptr() == image.array.ctypes.data
    with pytest.raises(ValueError, match="keeps its memory itself; leave owner out"):
        vc.as_gpumat(tensor, owner=image.memory)


@pytest.mark.parametrize("owner", [{}, {"owner": None}], ids=["not given", "None"])
@pytest.mark.parametrize("target", TARGETS)
def test_an_unowned_gpumat_is_kept_itself(target, owner):
    image = Image((6, 8, 3))
    mat = make_gpumat(image)
    before = sys.getrefcount(mat)
    array = CONVERT[target](mat, **owner)
    assert sys.getrefcount(mat) == before + 1
    del array
    vc.collect()
    assert sys.getrefcount(mat) == before


@pytest.mark.parametrize("target", [*TARGETS, "gpumat"])
def test_an_owner_of_a_gpumat_that_owns_its_memory_is_refused(target):
    made, _, _ = owned("numpy")
    owner, alive, _ = owned("numpy")
    with pytest.raises(ValueError, match="GpuMat keeps its memory itself; leave owner out"):
        CONVERT[target](vc.as_gpumat(made), owner=owner)
    del owner
    assert alive() is None


# --- refusals keep nothing


@pytest.mark.parametrize("source", SOURCES)
def test_a_refused_image_is_not_kept(source, ledger):
    image = Image((6, 8, 3))
    alive = weakref.ref(image.memory)
    made = MAKE["numpy"](image)[:, ::2]
    made = made if source == "numpy" else CONVERT[source](made)
    del image
    with pytest.raises(vc.LayoutError):
        vc.as_gpumat(made)
    del made
    ledger()
    assert alive() is None


@pytest.mark.parametrize("target", TARGETS)
def test_a_gpumat_that_is_refused_is_not_kept(target, ledger):
    image = Image((4, 5), "float32", strides=(22, 4))
    mat = cv2.cuda.createGpuMatFromCudaMemory(4, 5, cv2.CV_32FC1, image.address, 2)
    before = sys.getrefcount(mat)
    with pytest.raises(vc.ViewError):
        CONVERT[target](mat)
    assert sys.getrefcount(mat) == before
    assert ledger() == {}


# --- frames in a loop


def resident():
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def frame(library, value, shape=(480, 640, 3)):
    if library == "torch":
        return torch.full(shape, value, dtype=torch.uint8)
    array = np.full(shape, value, np.uint8)
    if library == "cupy":
        memory = cupy.cuda.UnownedMemory(array.ctypes.data, array.nbytes, array, 0)
        pointer = cupy.cuda.MemoryPointer(memory, 0)
        return cupy.ndarray(shape, np.uint8, pointer)
    return vc.view(array) if library == "view" else array


FRAMES = 1000
MUCH = 450 * 2**20  # of the 920 MB that all frames would take


@pytest.mark.parametrize("source", SOURCES)
def test_a_thousand_frames_lent_and_dropped(source, ledger, all_of):
    vc.as_gpumat(frame(source, 0))
    start = resident()
    for number in range(FRAMES):
        mat = vc.as_gpumat(frame(source, number % 256))
        assert mat.size() == (640, 480)
        del mat
    assert resident() - start < MUCH
    assert ledger() == all_of(FRAMES + 1)


@pytest.mark.parametrize("target", TARGETS)
def test_a_thousand_gpumats_seen_and_dropped(target, ledger, all_of):
    CONVERT[target](vc.as_gpumat(frame("numpy", 0)))
    start = resident()
    for number in range(FRAMES):
        array = CONVERT[target](vc.as_gpumat(frame("numpy", number % 256)))
        assert tuple(array.shape) == (480, 640, 3)
        del array
    assert resident() - start < MUCH
    assert ledger() == all_of(FRAMES + 1, shares=1, exports=exports(target))


@pytest.mark.parametrize("source", SOURCES)
def test_a_thousand_frames_alive_at_once(source, ledger, all_of):
    mats = [vc.as_gpumat(frame(source, n % 256, (4, 5, 3))) for n in range(FRAMES)]
    for number, mat in enumerate(mats):
        assert set(pixels("gpumat", mat)) == {number % 256}
    assert ledger() == {"lends": FRAMES}
    del mats[::2], mat
    assert ledger() == {"lends": FRAMES, "lends_released": FRAMES // 2}
    mats.clear()
    assert ledger() == all_of(FRAMES)


# --- right pixels while new allocations churn


TRIALS = 200


@pytest.mark.parametrize("source", SOURCES)
def test_a_gpumat_whose_array_was_deleted_holds_right_pixels(source):
    wrong = 0
    for trial in range(TRIALS):
        made = frame(source, trial, (48, 64, 3))
        mat = vc.as_gpumat(made)
        del made
        churn = [frame(source, 255 - trial, (48, 64, 3)) for _ in range(4)]
        wrong += set(pixels("gpumat", mat)) != {trial}
        del churn
    assert wrong == 0


@pytest.mark.parametrize("target", TARGETS)
def test_an_array_whose_gpumat_was_deleted_holds_right_pixels(target):
    wrong = 0
    for trial in range(TRIALS):
        mat = vc.as_gpumat(frame("numpy", trial, (48, 64, 3)))
        array = CONVERT[target](mat)
        del mat
        vc.collect()
        churn = [frame("numpy", 255 - trial, (48, 64, 3)) for _ in range(4)]
        wrong += set(pixels(target, array)) != {trial}
        del churn
    assert wrong == 0


# --- who releases, and when


def without_bytecode(*functions):
    """Calls the functions in turn from C, so that no pending call runs in between."""
    return list(map(operator.call, functions))


reports_the_end = pytest.mark.skipif(
    COUNTING != FREES, reason="stock OpenCV does not report the end of a lend"
)


def is_over(alive):
    """True once the memory was released: a loop gives the interpreter time for pending calls."""
    return any(alive() is None for _ in range(100))


@reports_the_end
def test_a_pending_call_releases_memory():
    made, alive, _ = owned("numpy")
    mat = vc.as_gpumat(made)
    del made, mat
    assert is_over(alive)


@reports_the_end
def test_a_pending_call_releases_memory_that_another_thread_dropped():
    made, alive, _ = owned("numpy")
    mats = [vc.as_gpumat(made)]
    del made
    thread = threading.Thread(target=mats.clear)
    thread.start()
    thread.join()
    assert is_over(alive)


@reports_the_end
@pytest.mark.parametrize("convert", CONVERT.values(), ids=CONVERT)
def test_the_next_conversion_releases_memory(convert):
    made, alive, _ = owned("numpy")
    held = [vc.as_gpumat(made)]
    array = np.zeros((4, 5), np.uint8)
    del made
    without_bytecode(held.clear, functools.partial(convert, array))
    assert alive() is None


@reports_the_end
@pytest.mark.parametrize("target", TARGETS)
def test_the_next_conversion_releases_the_memory_of_an_array(target):
    made, alive, _ = owned("numpy")
    held = [CONVERT[target](vc.as_gpumat(made))]
    del made
    without_bytecode(held.clear, functools.partial(vc.view, b""))
    assert alive() is None


@pytest.mark.parametrize("keep", [0, 100])
def test_ended_lends_do_not_accumulate(keep, ledger):
    """Lends that stock OpenCV 4 does not report are swept each time their number has doubled."""
    kept = [vc.as_gpumat(np.zeros((4, 5), np.uint8)) for _ in range(keep)]
    start = vc.statistics()["lends_released"]
    for _ in range(1000):
        vc.as_gpumat(np.zeros((4, 5), np.uint8))
    left = 1000 - (vc.statistics()["lends_released"] - start)
    assert left <= 2 * keep + 17
    assert ledger() == {"lends": 1000 + keep, "lends_released": 1000}
    assert len(kept) == keep


def test_collect_tells_how_many_it_released(ledger):
    mats = [vc.as_gpumat(np.zeros((4, 5), np.uint8)) for _ in range(5)]
    assert without_bytecode(mats.clear, vc.collect) == [None, 5]
    assert ledger() == {"lends": 5, "lends_released": 5}


def test_collect_with_nothing_to_do(ledger):
    ledger()
    assert vc.collect() == 0
    assert vc.collect(force=True) == 0


def test_a_release_may_convert_and_collect(ledger):
    """The finalizer of an owner runs inside collect()."""
    seen = []

    def finalize():
        mat = vc.as_gpumat(np.zeros((4, 5), np.uint8))
        vc.collect()
        seen.append(mat.size())

    for _ in range(50):
        image = Image((6, 8, 3))
        weakref.finalize(image.memory, finalize)
        mat = vc.as_gpumat(image.array)
        del image, mat
    counted = ledger()
    assert seen == [(5, 4)] * 50
    assert counted == {"lends": 100, "lends_released": 100}


def test_an_owner_in_a_cycle_with_its_gpumat_leaks_no_more_than_the_cycle():
    class Holder:
        pass

    image = Image((6, 8, 3))
    alive = weakref.ref(image.memory)
    holder = Holder()
    holder.array = vc.as_numpy(make_gpumat(image), owner=image.memory)
    holder.me = holder
    del image, holder
    gc.collect()
    vc.collect()
    assert alive() is None


# --- streams


@pytest.mark.skipif(not hasattr(cupy.cuda.Stream, "from_external"), reason="CuPy before 14")
def test_a_stream_of_cupy_keeps_its_owner_and_nothing_keeps_it():
    class Owner:
        def __cuda_stream__(self):
            return (0, 4096)

    owner = Owner()
    alive = weakref.ref(owner)
    stream = vc.stream(owner).cupy
    del owner
    assert stream.ptr == 4096
    assert alive() is not None
    gc.disable()  # at once, without the garbage collector
    try:
        del stream
        assert alive() is None
    finally:
        gc.enable()


# --- threads


@pytest.mark.parametrize("target", [*TARGETS, "gpumat"])
def test_views_dropped_by_other_threads_are_counted_once(target, ledger, all_of):
    per_thread = [
        [CONVERT[target](vc.as_gpumat(frame("numpy", 1, (4, 5, 3)))) for _ in range(50)]
        for _ in range(8)
    ]
    at_once(lambda number: per_thread[number].clear())
    assert ledger() == all_of(400, shares=int(target != "gpumat"), exports=exports(target))


@pytest.mark.parametrize("source", SOURCES)
def test_threads_convert_at_the_same_time(source, ledger):
    def work(number):
        for value in range(100):
            mat = vc.as_gpumat(frame(source, (number + value) % 256, (4, 5, 3)))
            for target in TARGETS:
                array = CONVERT[target](mat)
                assert set(pixels(target, array)) == {(number + value) % 256}
                del array

    at_once(work)
    counted = ledger()
    assert counted["lends"] == counted["lends_released"] == 800
    assert counted["exports"] == counted["exports_released"]
    assert counted.get("shares") == counted.get("shares_released")
    assert "pending" not in counted


# --- the end of the interpreter


# Runs in a process of its own, which forks a child for each entry of ENDINGS after the
# imports, as these take most of the time.
ENDINGS_SCRIPT = """
import atexit, builtins, gc, json, os, sys, tempfile, threading, weakref
import cupy, cv2, numpy, torch
import viewcast as vc

def gpumat():
    return vc.as_gpumat(numpy.zeros((4, 5, 3), numpy.uint8))

def everything():
    images = [numpy.zeros((4, 5, 3), numpy.uint8), torch.zeros(4, 5, 3), gpumat()]
    images += [vc.as_cupy(images[0]), cv2.cuda.GpuMat(gpumat(), (1, 1, 2, 2))]
    converters = vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view
    images += [convert(image) for image in images for convert in converters]
    return [*images, vc.view(bytearray(60)).__dlpack__()]

gc.freeze()  # the end of a child need not look through what was imported
children = {}
for name, ending in json.loads(sys.argv[1]).items():
    log = tempfile.TemporaryFile()
    child = os.fork()
    if child == 0:
        os.dup2(log.fileno(), 2)
        exec(ending)
        break
    children[name] = child, log
else:
    ended = {}
    for name, (child, log) in children.items():
        status = os.waitpid(child, 0)[1]
        log.seek(0)
        ended[name] = [status, log.read().decode()]
    print(json.dumps(ended))
"""
# Python 3.12 warns of a fork beside other threads, such as OpenBLAS's.
QUIET = ["-W", "ignore::DeprecationWarning"]
ENDINGS = {
    "globals": "kept = everything()",
    "builtins": "builtins.kept = everything()",
    "cycle": "kept = everything(); kept.append(kept)",
    "attributes of modules": "vc.kept = cv2.kept = torch.kept = everything()",
    "just dropped": "everything()",
    "at exit": "atexit.register(everything)",
    "dropped at exit": "kept = everything(); atexit.register(kept.clear)",
    "finalizer": "kept = everything(); weakref.finalize(kept[0], everything)",
    "thread-local": "local = threading.local(); local.kept = everything()",
    "other thread": """
kept = []
thread = threading.Thread(target=lambda: kept.extend(everything()))
thread.start()
thread.join()
""",
    "exception": "kept = everything(); raise SystemExit(0)",
    "child": """
kept = everything()
child = os.fork()
if child == 0:
    kept.clear()
    vc.collect()
else:
    assert os.waitpid(child, 0)[1] == 0
kept = everything()
""",
}


@pytest.mark.unsanitized  # starts many processes
@pytest.mark.parametrize("slow", ["", "1"], ids=["exchange table", "capsules"])
def test_the_interpreter_ends_quietly_with_views_alive(slow):
    done = subprocess.run(
        [sys.executable, *QUIET, "-c", ENDINGS_SCRIPT, json.dumps(ENDINGS)],
        env=dict(os.environ, VIEWCAST_SLOW=slow),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {name: [0, ""] for name in ENDINGS}
