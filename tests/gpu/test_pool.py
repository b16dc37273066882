# SPDX-License-Identifier: Apache-2.0
"""OpenCV's GpuMats from the frameworks' pools: right pixels, counts that balance, and no
block that is reused before the work that used it is done, on any stream."""

import gc

import cupy
import cv2
import numpy as np
import pytest
import torch
from delay import delay, side_stream, trials
from pictures import pattern
from threads import at_once

import viewcast as vc

NAMES = ["torch", "cupy", "cuda"]
FRAME = (1080, 1920, 3)
LARGE = (4320, 7680, 3)  # larger than the blocks that a library splits
TRIALS = trials(1000)
NAIVE_TRIALS = trials(50)
VALUE, OTHER = 7, 99


@pytest.fixture(autouse=True)
def opencv_with_cuda(cuda_cv2):
    yield
    vc.use_pool(None)
    settle()
    vc.trim_pool()
    assert vc.statistics()["pool_live"] == 0


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def settle() -> None:
    """Releases the memory of views whose consumers are done."""
    gc.collect()
    torch.cuda.synchronize()
    vc.collect()


def upload(array) -> cv2.cuda.GpuMat:
    mat = cv2.cuda.GpuMat()
    mat.upload(array)
    return mat


def counters() -> dict[str, int]:
    return {key: value for key, value in vc.statistics().items() if key.startswith("pool_")}


def trimmed_free_memory() -> int:
    """Free bytes of the device after every pool was trimmed."""
    settle()
    vc.trim_pool()
    torch.cuda.empty_cache()
    cupy.get_default_memory_pool().free_all_blocks()
    torch.cuda.synchronize()
    return torch.cuda.mem_get_info()[0]


# ------------------------------------------------------------------------ pixels

OPERATIONS = {
    "upscaling resize": lambda mat: cv2.cuda.resize(mat, (300, 200)),  # binds a texture
    "downscaling resize": lambda mat: cv2.cuda.resize(mat, (40, 30)),
    "cubic resize": lambda mat: cv2.cuda.resize(mat, (300, 200), interpolation=cv2.INTER_CUBIC),
    "bitwise_not": lambda mat: cv2.cuda.bitwise_not(mat),
    "threshold": lambda mat: cv2.cuda.threshold(mat, 60, 200, cv2.THRESH_BINARY)[1],
    "transpose": lambda mat: cv2.cuda.transpose(mat),
    "pyrDown": lambda mat: cv2.cuda.pyrDown(mat),
    "warpAffine": lambda mat: cv2.cuda.warpAffine(
        mat, np.float32([[1, 0, 3], [0, 1, 5]]), (90, 70)
    ),
    "convertTo": lambda mat: mat.convertTo(cv2.CV_32F),
    "sum over rows": lambda mat: cv2.cuda.reduce(mat, 0, cv2.REDUCE_MAX),
    "clone": lambda mat: mat.clone(),
}


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_results_are_those_of_opencvs_allocator(name, operation, channels):
    array = pattern((64, 96, channels))
    try:
        own = OPERATIONS[operation](upload(array))
    except cv2.error as error:
        pytest.skip(f"this OpenCV does not do it: {error.err}")
    expected, step = own.download(), own.step
    vc.use_pool(name)
    for _ in range(3):
        mat = OPERATIONS[operation](upload(array))
        np.testing.assert_array_equal(mat.download(), expected)
        assert mat.step == step
    del mat
    assert vc.statistics()["pool_live"] == 0


@pytest.mark.parametrize("rows, cols", [(2, 2), (7, 5), (480, 641), (1080, 1920), (2160, 3840)])
@pytest.mark.parametrize("kind", [cv2.CV_8UC1, cv2.CV_8UC3, cv2.CV_32FC4])
def test_rows_are_pitched_as_opencv_pitches_them(name, rows, cols, kind):
    step = cv2.cuda.GpuMat(rows, cols, kind).step
    vc.use_pool(name)
    mat = cv2.cuda.GpuMat(rows, cols, kind)
    assert mat.step == step and mat.step % 512 == 0
    assert mat.cudaPtr() % 512 == 0
    one_row = cv2.cuda.GpuMat(1, cols, kind)
    assert one_row.isContinuous() and one_row.step == cols * one_row.elemSize()
    assert vc.view(mat).device == f"cuda:{torch.cuda.current_device()}"


# ------------------------------------------------------------------------ counts


def test_a_thousand_frames(name):
    mat = upload(pattern(FRAME))
    vc.use_pool(name)
    before = counters()
    for _ in range(1000):
        cv2.cuda.resize(mat, (1280, 720))
    after = counters()
    assert after["pool_misses"] - before["pool_misses"] <= 2
    assert after["pool_hits"] - before["pool_hits"] >= 998
    assert after["pool_live"] == before["pool_live"]


def test_memory_is_allocated_by_the_library(name):
    used = {
        "torch": torch.cuda.memory_allocated,
        "cupy": cupy.get_default_memory_pool().used_bytes,
        "cuda": lambda: 0,
    }[name]
    before = used()
    vc.use_pool(name)
    mat = cv2.cuda.GpuMat(*FRAME[:2], cv2.CV_8UC3)
    if name != "cuda":
        assert used() - before >= 1080 * 6144
    mat.release()
    vc.trim_pool()
    assert used() == before


def test_all_memory_is_released(name):
    def fill_and_empty():
        vc.use_pool(name)
        mats = [cv2.cuda.GpuMat(*FRAME[:2], cv2.CV_8UC3) for _ in range(50)]
        views = [vc.as_tensor(mat) for mat in mats] + [vc.as_cupy(mat) for mat in mats]
        assert vc.statistics()["pool_live"] == 50
        used = torch.cuda.mem_get_info()[0]
        del mats, views
        vc.use_pool(None)
        return used

    start = trimmed_free_memory()
    assert fill_and_empty() < start
    before = trimmed_free_memory()  # without what drivers and libraries keep from then on
    fill_and_empty()
    assert trimmed_free_memory() == before
    assert vc.statistics()["pool_blocks"] == vc.statistics()["pool_bytes"] == 0


def test_views_outlive_gpumats(name):
    vc.use_pool(name)
    array = pattern(FRAME)
    wrong = 0
    for _ in range(100):
        mat = upload(array)
        tensor, other = vc.as_tensor(mat), vc.as_cupy(mat)
        del mat
        cv2.cuda.GpuMat(*FRAME[:2], cv2.CV_8UC3).setTo((OTHER,) * 4)
        wrong += not np.array_equal(tensor.cpu().numpy(), array)
        wrong += not np.array_equal(other.get(), array)
        del tensor, other
    assert wrong == 0


def test_gpumats_outlive_the_switch():
    arrays = [pattern((64, 96, 3), seed=seed) for seed in range(8)]
    mats = []
    for array, name in zip(arrays, [*NAMES, None, *NAMES, None], strict=True):
        vc.use_pool(name)
        mats.append(upload(array))
    vc.use_pool(None)
    vc.trim_pool()
    for array, mat in zip(arrays, mats, strict=True):
        np.testing.assert_array_equal(mat.download(), array)
    assert vc.statistics()["pool_live"] == 6
    vc.use_pool("cuda")
    del mat
    mats.clear()
    assert vc.statistics()["pool_live"] == 0


def test_threads(name):
    vc.use_pool(name)
    wrong = []

    def work(number):
        array = pattern((100 + number, 200, 3), seed=number)
        stream = cv2.cuda.Stream()
        for _ in range(trials(200)):
            mat = cv2.cuda.GpuMat()
            mat.upload(array, stream)
            result = cv2.cuda.bitwise_not(mat, stream=stream)
            stream.waitForCompletion()
            if not np.array_equal(result.download(), 255 - array):
                wrong.append(number)

    at_once(work, 8)
    assert not wrong


# ----------------------------------------------------------------- out of memory


@pytest.fixture(params=["torch", "cupy"])
def capped(request):
    """A pool whose library has no memory left."""
    vc.use_pool(request.param)
    vc.trim_pool()
    if request.param == "torch":
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1e-6)
        yield request.param
        torch.cuda.set_per_process_memory_fraction(1.0)
    else:
        pool = cupy.get_default_memory_pool()
        pool.free_all_blocks()
        pool.set_limit(size=pool.total_bytes() + 512)
        yield request.param
        pool.set_limit(size=0)


def test_opencvs_allocator_serves_what_the_pool_cannot(capped):
    before = counters()
    array = pattern(LARGE)
    mat = upload(array)
    assert counters() == before
    np.testing.assert_array_equal(mat.download(), array)
    tensor = vc.as_tensor(mat)
    del mat
    np.testing.assert_array_equal(tensor.cpu().numpy(), array)
    with pytest.raises(MemoryError, match="gives none"):
        vc.empty_gpumat(*LARGE[:2], cv2.CV_8UC3)


def test_an_allocation_that_no_allocator_can_serve(name):
    """OpenCV's own exception propagates, and the pool goes on working."""
    vc.use_pool(name)
    with pytest.raises((cv2.error, SystemError)):
        cv2.cuda.GpuMat(2**31 - 1, 2**16, cv2.CV_8UC1)  # 128 TiB
    array = pattern((64, 96, 3))
    np.testing.assert_array_equal(upload(array).download(), array)


# ----------------------------------------------------------------------- streams


def legacy():
    return cv2.cuda.Stream_Null()


def blocking():
    return cv2.cuda.Stream()


def non_blocking():
    return vc.stream(side_stream()).cv2


def race(first, then, trials, *, reuse=None) -> int:
    """A GpuMat is read late on one stream and dropped; its memory is reused and overwritten on
    another. Returns how often the reader saw the other's pixels."""
    out = cv2.cuda.GpuMat(256, 256, cv2.CV_8UC4)
    wrong = 0
    for _ in range(trials):
        mat = cv2.cuda.GpuMat(256, 256, cv2.CV_8UC4)
        mat.setTo((VALUE,) * 4)
        torch.cuda.synchronize()
        delay(first)
        mat.copyTo(first, out)
        address = mat.cudaPtr()
        if reuse is None:
            del mat
            mat = cv2.cuda.GpuMat(256, 256, cv2.CV_8UC4)
            assert mat.cudaPtr() == address
        mat.setTo((OTHER,) * 4, then)
        torch.cuda.synchronize()
        pixels = out.download()
        wrong += bool((pixels != VALUE).any())
    return wrong


PAIRS = {
    "null to null": (legacy, legacy),
    "null to blocking": (legacy, blocking),
    "blocking to null": (blocking, legacy),
    "blocking to another": (blocking, blocking),
}
NAMED_PAIRS = {
    "null to non-blocking": (legacy, non_blocking),
    "non-blocking to null": (non_blocking, legacy),
    "blocking to non-blocking": (blocking, non_blocking),
    "non-blocking to blocking": (non_blocking, blocking),
    "non-blocking to another": (non_blocking, non_blocking),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_blocks_wait_for_the_default_and_blocking_streams(name, pair):
    first, then = (make() for make in PAIRS[pair])
    vc.use_pool(name)
    assert race(first, then, TRIALS) == 0


@pytest.mark.parametrize("pair", NAMED_PAIRS)
def test_blocks_wait_for_named_streams(name, pair):
    first, then = (make() for make in NAMED_PAIRS[pair])
    vc.use_pool(name, streams=[first, then])
    assert race(first, then, TRIALS) == 0


@pytest.mark.parametrize("pair", NAMED_PAIRS)
def test_streams_that_are_not_named_race(pair):
    """Without streams=, blocks are not ordered: shows that the tests find the race."""
    first, then = (make() for make in NAMED_PAIRS[pair])
    vc.use_pool("cuda")
    assert race(first, then, NAIVE_TRIALS) > 0


def test_two_blocking_streams_race_without_a_pool_between():
    """The same memory used on two streams, without a new allocation, is not ordered."""
    assert race(blocking(), blocking(), NAIVE_TRIALS, reuse=True) > 0


def test_empty_gpumat_is_ordered_for_its_stream():
    """Allocated and freed on a stream that use_pool() does not know."""
    stream = non_blocking()
    out = cv2.cuda.GpuMat(256, 256, cv2.CV_8UC4)
    other = non_blocking()
    wrong = 0
    for _ in range(TRIALS):
        mat = vc.empty_gpumat(256, 256, cv2.CV_8UC4, stream=stream)
        mat.setTo((VALUE,) * 4, stream)
        delay(stream)
        mat.copyTo(stream, out)
        address = mat.cudaPtr()
        del mat
        mat = vc.empty_gpumat(256, 256, cv2.CV_8UC4, stream=other)
        assert mat.cudaPtr() == address
        mat.setTo((OTHER,) * 4, other)
        del mat
        torch.cuda.synchronize()
        wrong += bool((out.download() != VALUE).any())
    assert wrong == 0


@pytest.mark.parametrize("view", [vc.as_tensor, vc.as_cupy])
def test_blocks_wait_for_the_consumers_of_views(name, view):
    """The last reference to a block is a view on another library's side stream."""
    vc.use_pool(name)
    side = torch.cuda.Stream()
    out = torch.zeros((256, 256, 4), dtype=torch.uint8, device="cuda")
    wrong = 0
    for _ in range(TRIALS):
        mat = cv2.cuda.GpuMat(256, 256, cv2.CV_8UC4)
        mat.setTo((VALUE,) * 4)
        seen = view(mat, stream=side)
        del mat
        delay(side)
        with torch.cuda.stream(side):
            out.copy_(torch.as_tensor(vc.view(seen, stream=-1), device="cuda"))
        del seen
        vc.collect()
        for _ in range(3):
            cv2.cuda.GpuMat(256, 256, cv2.CV_8UC4).setTo((OTHER,) * 4)
        torch.cuda.synchronize()
        wrong += bool((out != VALUE).any())
    assert wrong == 0


def test_streams_are_kept_as_long_as_they_are_needed(name):
    vc.use_pool(name, streams=[cupy.cuda.Stream(non_blocking=True) for _ in range(4)])
    mats = [cv2.cuda.GpuMat(64, 64, cv2.CV_8UC1) for _ in range(10)]
    vc.use_pool(name)  # these streams are named no more, but the GpuMats' still
    gc.collect()
    mats.clear()
    mats = [cv2.cuda.GpuMat(64, 64, cv2.CV_8UC1) for _ in range(10)]
    mat = vc.empty_gpumat(64, 64, cv2.CV_8UC1, stream=cupy.cuda.Stream(non_blocking=True))
    gc.collect()
    del mat, mats
    settle()


# ----------------------------------------------------------------------- capture


def test_a_blocking_capture_is_not_broken(name):
    """cudaMalloc would invalidate the capture, and so would an event on the null stream."""
    array = cupy.zeros((64, 64, 3), cupy.uint8)
    array += 0  # compiles
    vc.use_pool(name)
    kept = cv2.cuda.GpuMat(64, 64, cv2.CV_8UC3)
    stream = cupy.cuda.Stream(non_blocking=False)
    torch.cuda.synchronize()
    with stream:
        stream.begin_capture()
        try:
            inside = cv2.cuda.GpuMat(64, 64, cv2.CV_8UC3)
            del inside, kept
            vc.trim_pool()
            array += 1
        finally:
            graph = stream.end_capture()
    graph.launch(stream)
    torch.cuda.synchronize()
    assert int(array.max()) == 1
    picture = pattern((64, 64, 3))
    np.testing.assert_array_equal(upload(picture).download(), picture)


def test_opencv_inside_a_torch_graph(name):
    """Results of captured cv2.cuda calls come from the pool and live with the graph."""
    picture = pattern((64, 96, 3))
    source = torch.from_numpy(picture).cuda()
    vc.use_pool(name)
    mat = vc.as_gpumat(source)
    side = torch.cuda.Stream()
    stream = vc.stream(side).cv2
    cv2.cuda.bitwise_not(mat, stream=stream)  # loads the kernel
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph, stream=side):
        result = cv2.cuda.bitwise_not(mat, stream=stream)
    result.setTo((0, 0, 0, 0))
    torch.cuda.synchronize()
    graph.replay()
    torch.cuda.synchronize()
    np.testing.assert_array_equal(result.download(), 255 - picture)
    del graph


# ----------------------------------------------------------------------- devices


@pytest.fixture
def two_gpus():
    if torch.cuda.device_count() < 2:
        pytest.skip("this machine has one GPU, and the test needs two")
    yield
    cv2.cuda.setDevice(0)
    torch.cuda.set_device(0)


def test_blocks_are_of_the_current_device(name, two_gpus):
    vc.use_pool(name)
    array = pattern((64, 96, 3))
    mats = {}
    for device in (0, 1):
        with torch.cuda.device(device):
            mats[device] = upload(array)
            assert vc.view(mats[device]).device == f"cuda:{device}"
            assert torch.cuda.current_device() == cupy.cuda.runtime.getDevice() == device
    addresses = {device: mat.cudaPtr() for device, mat in mats.items()}
    for device in (0, 1):  # each is freed while the other device is current
        with torch.cuda.device(1 - device):
            np.testing.assert_array_equal(vc.as_tensor(mats[device]).cpu().numpy(), array)
            settle()
            mats.pop(device).release()
            assert torch.cuda.current_device() == 1 - device
    for device in (0, 1):
        with torch.cuda.device(device):
            assert cv2.cuda.GpuMat(64, 96, cv2.CV_8UC3).cudaPtr() == addresses[device]


def test_empty_gpumat_is_on_its_streams_device(two_gpus):
    with torch.cuda.device(1):
        stream = torch.cuda.Stream()
    mat = vc.empty_gpumat(64, 96, cv2.CV_8UC3, stream=stream)
    assert vc.view(mat).device == "cuda:1"
    assert torch.cuda.current_device() == 0
    del mat
    assert vc.view(vc.empty_gpumat(64, 96, cv2.CV_8UC3)).device == "cuda:0"
