# SPDX-License-Identifier: Apache-2.0
"""to_tensor, to_cupy, to_numpy and to_gpumat on a GPU: the same bits as on the
host, in order with every stream, whatever is dropped or reused meanwhile."""

import gc

import cupy
import numpy as np
import pytest
import torch
from delay import LONG, current, delay, side_stream, trials

import viewcast as vc
from viewcast import _viewcast

pytestmark = pytest.mark.skipif(
    not _viewcast._build()["kernels"], reason="this viewcast was built without kernels"
)

SHAPE = (37, 53, 3)
DTYPES = ["uint8", "int16", "float16", "float32", "float64", "int32"]
LAYOUTS = ["HWC", "CHW", "NHWC", "NCHW"]
TO = {"torch": vc.to_tensor, "cupy": vc.to_cupy, "numpy": vc.to_numpy, "gpumat": vc.to_gpumat}
MAKE = {
    "torch": lambda array: torch.from_numpy(array).cuda(),
    "cupy": cupy.asarray,
    "gpumat": lambda array: vc.as_gpumat(torch.from_numpy(array).cuda(), from_layout="HWC"),
    "view": lambda array: vc.view(torch.from_numpy(array).cuda()),
}
OPTIONS = {"scale": 1 / 255, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}


def pixels(dtype="uint8", shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.normal(0, 200, shape).astype(dtype)
    return rng.integers(0, 255, shape).astype(dtype)


def on_host(image):
    if isinstance(image, list):
        return np.stack([on_host(each) for each in image])
    torch.cuda.synchronize()
    return vc.as_tensor(image).cpu().numpy()


def assert_same(result, wanted):
    result = on_host(result)
    assert result.shape == wanted.shape and result.dtype == wanted.dtype
    np.testing.assert_array_equal(
        result.view(f"u{result.itemsize}"), np.ascontiguousarray(wanted).view(f"u{result.itemsize}")
    )


# ----------------------------------------------------------------- the same bits


@pytest.mark.parametrize("target", ["torch", "cupy", "numpy"])
@pytest.mark.parametrize("source", MAKE)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_library(source, target, layout):
    array = pixels()
    options = {"layout": layout, "dtype": "float32", "reverse_channels": True, **OPTIONS}
    wanted = vc.to_numpy(array, **options)
    result = TO[target](MAKE[source](array), **options)
    if target == "numpy":
        np.testing.assert_array_equal(result, wanted)
    else:
        assert_same(result, wanted)


@pytest.mark.parametrize("to_dtype", DTYPES)
@pytest.mark.parametrize("from_dtype", DTYPES)
def test_every_dtype(from_dtype, to_dtype):
    array = pixels(from_dtype)
    for options in ({}, OPTIONS, {"scale": 3.7, "mean": 100}):
        wanted = vc.to_numpy(array, layout="CHW", dtype=to_dtype, **options)
        result = vc.to_tensor(MAKE["torch"](array), layout="CHW", dtype=to_dtype, **options)
        assert_same(result, wanted)


@pytest.mark.parametrize("source", MAKE)
def test_lists_and_back(source):
    arrays = [pixels(seed=n) for n in range(70)]  # more addresses than one table holds
    images = [MAKE[source](array) for array in arrays]
    batch = vc.to_tensor(images, layout="NCHW", dtype=torch.float16, **OPTIONS)
    assert_same(batch, vc.to_numpy(arrays, layout="NCHW", dtype="float16", **OPTIONS))
    mats = vc.to_gpumat(batch, from_layout="NCHW", dtype="uint8", scale=255)
    assert_same(
        mats, vc.to_numpy(batch.cpu(), from_layout="NCHW", layout="NHWC", dtype="uint8", scale=255)
    )
    assert mats[0].step % 32 == 0
    first = mats[0]
    del mats, batch, images
    gc.collect()
    vc.collect()
    torch.empty(1 << 26, dtype=torch.uint8, device="cuda").fill_(7)
    assert on_host(first).shape == SHAPE


def test_opencv_works_on_the_result(cuda_cv2):
    planar = pixels(shape=(3, 41, 67))
    mat = vc.to_gpumat(MAKE["torch"](planar), from_layout="CHW")
    np.testing.assert_array_equal(mat.download(), planar.transpose(1, 2, 0))
    grown = cuda_cv2.cuda.resize(mat, (134, 82))  # through a texture, which needs a pitch
    assert grown.size() == (134, 82)
    uploaded = cuda_cv2.cuda.GpuMat()
    uploaded.upload(np.ascontiguousarray(planar.transpose(1, 2, 0)))  # pitched by OpenCV
    assert_same(vc.to_tensor(uploaded, layout="CHW"), planar)
    made = vc.as_gpumat(MAKE["torch"](planar).permute(1, 2, 0), copy=None)
    np.testing.assert_array_equal(made.download(), planar.transpose(1, 2, 0))


# ---------------------------------------------------------------------- devices


@pytest.mark.parametrize("target", ["torch", "cupy", "gpumat"])
@pytest.mark.parametrize("how", ["packed", "pitched", "permuted", "flipped", "pinned"])
def test_uploads(target, how):
    array = pixels()
    image = {
        "packed": lambda: array,
        "pitched": lambda: np.concatenate([array, array], axis=1)[:, :53],
        "permuted": lambda: np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0),
        "flipped": lambda: np.ascontiguousarray(array[::-1])[::-1],
        "pinned": lambda: torch.from_numpy(array).pin_memory(),
    }[how]()
    for options in ({}, {"dtype": "float32", **OPTIONS}):
        result = TO[target](image, device=0, **options)
        assert_same(result, vc.to_numpy(array, **options))
    results = TO[target]([image] * 3, device=0, dtype="float32")
    assert_same(results, vc.to_numpy([array] * 3, dtype="float32"))


@pytest.mark.parametrize("source", MAKE)
@pytest.mark.parametrize("options", [{}, {"layout": "CHW", "dtype": "float32", **OPTIONS}], ids=str)
def test_downloads(source, options):
    array = pixels()
    wanted = vc.to_numpy(array, **options)
    np.testing.assert_array_equal(vc.to_numpy(MAKE[source](array), **options), wanted)
    result = vc.to_tensor(MAKE[source](array), device="cpu", **options)
    np.testing.assert_array_equal(result.numpy(), wanted)
    padded = np.zeros((*wanted.shape[:-1], wanted.shape[-1] * 2), wanted.dtype)
    out = padded[..., ::2]
    assert vc.to_tensor(MAKE[source](array), out=out, **options) is out
    np.testing.assert_array_equal(out, wanted)
    assert not padded[..., 1::2].any()


def test_a_gpu_result_of_host_images_needs_device():
    for function in (vc.to_gpumat, vc.to_cupy):
        with pytest.raises(vc.DeviceError, match="host memory.*device=0"):
            function(pixels())
    with pytest.raises(vc.DeviceError, match="image 1 is in cuda:0 and image 0 in host memory"):
        vc.to_tensor([pixels(), MAKE["torch"](pixels())])


# ---------------------------------------------------------------------- streams


@pytest.mark.parametrize("consumer", ["torch", "cupy", "gpumat"])
@pytest.mark.parametrize("producer", ["torch", "cupy", "gpumat"])
def test_work_in_flight(producer, consumer):
    """Sources are written behind a delay on one stream and used on another; sources and results
    are dropped at once, and their memory is reused."""
    wrong = 0
    for value in range(1, trials(40) + 1):
        first, second = side_stream(), side_stream()
        tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
        image = {"torch": lambda t: t, "cupy": vc.as_cupy, "gpumat": vc.as_gpumat}[producer](tensor)
        torch.cuda.synchronize()
        delay(first)
        with torch.cuda.stream(vc.stream(first).torch):
            tensor.fill_(value)
        named = {"producer_stream": first} if producer != "torch" else {}
        with current(producer, first):
            result = TO[consumer](image, dtype="float32", scale=2, stream=second, **named)
        with torch.cuda.stream(vc.stream(second).torch):
            seen = vc.as_tensor(result, stream=second, producer_stream=second).sum()
        del image, tensor, result
        gc.collect()
        torch.zeros(SHAPE, dtype=torch.uint8, device="cuda").fill_(200)
        second_done = vc.stream(second).torch
        second_done.synchronize()
        wrong += int(seen.item()) != 2 * value * np.prod(SHAPE)
    assert wrong == 0


def test_sources_that_are_dropped_are_not_overwritten():
    """Their pool reuses the memory on its own stream while the transform reads it."""
    for value in range(1, 21):
        stream = side_stream()
        tensors = [torch.full(SHAPE, value, dtype=torch.uint8, device="cuda") for _ in range(4)]
        torch.cuda.synchronize()
        delay(stream, LONG)
        result = vc.to_tensor(tensors, layout="NCHW", stream=stream)
        del tensors
        for _ in range(8):
            torch.full(SHAPE, 255, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
        assert bool((result == value).all())


def test_results_that_are_dropped_do_not_write_into_others():
    for _ in range(20):
        stream = side_stream()
        source = torch.full(SHAPE, 9, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
        delay(stream, LONG)
        for function in (vc.to_tensor, vc.to_cupy, vc.to_gpumat):
            function(source, dtype="float32", stream=stream)  # dropped at once
        gc.collect()
        vc.collect()
        others = [torch.zeros(SHAPE, dtype=torch.float32, device="cuda") for _ in range(8)]
        more = [cupy.zeros(SHAPE, cupy.float32) for _ in range(8)]
        torch.cuda.synchronize()
        assert not any(bool(other.any()) for other in others)
        assert not any(bool(other.any()) for other in more)


def test_out_is_written_after_its_reader():
    for value in range(1, 21):
        reader, writer = side_stream(), side_stream()
        out = torch.full(SHAPE, 1.0, device="cuda")
        source = torch.full(SHAPE, value, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
        with torch.cuda.stream(vc.stream(reader).torch):
            torch.cuda._sleep(LONG)
            before = out.clone()
            assert vc.to_tensor(source, out=out, stream=writer, producer_stream=reader) is out
        torch.cuda.synchronize()
        assert bool((before == 1).all()) and bool((out == value).all())


def test_graph_capture():
    vc.warmup()
    source = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    out = torch.zeros((1, 3, *SHAPE[:2]), device="cuda")
    vc.to_tensor(source, layout="NCHW", out=out, scale=2)  # loads the kernel
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        vc.to_tensor(source, layout="NCHW", out=out, scale=2)
    for value in (3, 7):
        source.fill_(value)
        graph.replay()
        torch.cuda.synchronize()
        assert bool((out == 2 * value).all())


def test_transforms_leak_nothing(ledger):
    stream = side_stream()
    for _ in range(200):
        mats = vc.to_gpumat([MAKE["torch"](pixels())] * 3, stream=stream)
        vc.to_tensor(mats, layout="NCHW", dtype=torch.float16)
        del mats
    torch.cuda.synchronize()
    ledger.settle()
    ledger.balanced()
