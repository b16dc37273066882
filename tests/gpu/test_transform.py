# SPDX-License-Identifier: Apache-2.0
"""Transforms on a GPU write the same bits as on the CPU, which has an independent reference
of its own (tests/python/transform/test_transform.py).

Each case writes into a part of poisoned memory, and all of that memory is compared.
compute-sanitizer runs the tests with `small` in their names.
"""

import os
import random
import subprocess
import sys

import cupy
import cv2
import numpy as np
import pytest
import torch
from delay import CYCLES, current, delay, side_stream

import viewcast as vc

DTYPES = {
    "uint8": torch.uint8,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
    "bool": torch.bool,
    "int8": torch.int8,
    "int16": torch.int16,
    "uint16": torch.uint16,
    "int32": torch.int32,
    "uint32": torch.uint32,
    "int64": torch.int64,
    "uint64": torch.uint64,
}
COMMON = list(DTYPES)[:4]
CHANNELS = (
    *((1, 1), (3, 3), (3, 3), (4, 4), (2, 2), (5, 5), (17, 17)),
    *((3, 4), (4, 3), (1, 3), (1, 4), (2, 1), (1, 2), (2, 4), (2, 3)),
)
LENGTHS = (1, 2, 3, 5, 7, 8, 13, 16, 31, 32, 33, 61, 64, 97, 128, 131, 256, 509)
CASES, PART = 6000, 150


# ------------------------------------------------------------- images anywhere


class Place:
    """The same bytes in memory of the host and of the GPU, and the place of an image in it."""

    def __init__(self, rng, shape, layout, dtype, plain=False):
        self.dtype, self.size = dtype, DTYPES[dtype].itemsize
        self.shape = shape  # in the layout's order
        self.strides, self.offset, elements = self.lay(rng, layout, plain)
        generator = torch.Generator().manual_seed(rng.getrandbits(40))
        count = (elements * self.size + 7) // 8 * 8
        self.host = torch.randint(0, 256, (count,), dtype=torch.uint8, generator=generator)
        self.make_numbers(rng, generator)
        self.gpu = self.host.cuda()

    def lay(self, rng, layout, plain):
        """Draws strides in elements, the first element, and the number of elements."""
        step = 2 if not plain and rng.random() < 0.1 else 1
        gaps = [0, 0, 0, 0]
        if not plain and rng.random() < 0.6:
            row = 1 if layout == "NCHW" else 2  # in order from the innermost axis
            gaps[row] = rng.choice([1, 2, 3, 5, 16, 64 // self.size, 512 // self.size])
            gaps[3] = rng.choice([0, 0, 1, 7, 32])
        strides = [0, 0, 0, 0]
        for n, axis in enumerate((3, 2, 1, 0)):
            step += gaps[n]
            strides[axis] = step
            step *= self.shape[axis]
        offset = 64 if plain else 64 + rng.choice([0, 0, 0, 1, 2, 3, 4, 5, 8, 13])
        return strides, offset, offset + step + 64

    def make_numbers(self, rng, generator):
        """Replaces half of floating memory by numbers in the range of pixels."""
        if self.dtype not in ("float32", "float64", "float16", "bfloat16"):
            return
        view = self.host.view(DTYPES[self.dtype])
        numbers = torch.randn(view.shape, generator=generator) * rng.choice([1.0, 100.0, 30000.0])
        halves = torch.randint(0, 2, view.shape, generator=generator).bool()
        some = torch.rand(view.shape, generator=generator) < 0.8
        numbers = torch.where(halves, torch.round(numbers) / 2, numbers).to(view.dtype)
        view.copy_(torch.where(some, numbers, view))

    def image(self, memory):
        whole = memory.view(DTYPES[self.dtype])
        return whole.as_strided(self.shape, self.strides, self.offset)


def shape_of(layout, images, rows, cols, channels):
    if layout == "NCHW":
        return (images, channels, rows, cols)
    return (images, rows, cols, channels)


def draw_words(rng, source_channels, channels):
    words = {"reverse_channels": rng.random() < 0.5}
    adds_alpha = source_channels in (1, 3) and channels in (2, 4)
    if adds_alpha and rng.random() < 0.7:
        words["fill"] = rng.choice([0, 1, 7.5, 128, 300])
    if rng.random() < 0.4:
        return words
    words["scale"] = rng.choice([1 / 255, 1.0, 2.0, 255.0, 0.1])
    count = rng.choice([1, channels])
    words["mean"] = [rng.uniform(-2, 2) for _ in range(count)]
    if rng.random() < 0.7:
        words["std"] = [rng.uniform(0.1, 3) for _ in range(rng.choice([1, channels]))]
    return words


def draw_dtype(rng):
    return rng.choice(COMMON if rng.random() < 0.6 else list(DTYPES))


def compare(source, target, words, sources=None):
    """Writes on both sides and compares all of the target's memory."""
    gpu = [each.image(each.gpu)[0] for each in sources] if sources else source.image(source.gpu)
    host = [each.image(each.host)[0] for each in sources] if sources else source.image(source.host)
    out_gpu, out_host = target.image(target.gpu), target.image(target.host)
    assert vc.to_tensor(gpu, out=out_gpu, **words) is out_gpu
    vc.to_tensor(host, out=out_host, **words)
    written = target.gpu.cpu()
    if torch.equal(written, target.host):
        return
    different = (written != target.host).nonzero().flatten()
    place = int(different[0]) // target.size - target.offset
    pytest.fail(
        f"{len(different)} bytes differ, the first in element {place} of {target.dtype} "
        f"{target.shape} {target.strides}, from {source.dtype} {source.shape} "
        f"{source.strides} at {source.offset}: {words}"
    )


def try_one(rng, plain=False, largest=20_000):
    channels = rng.choice(CHANNELS)
    while True:
        images, rows, cols = rng.randint(1, 3), rng.choice(LENGTHS), rng.choice(LENGTHS)
        if images * rows * cols * channels[1] <= largest:
            break
    layouts = rng.choice(("NHWC", "NCHW")), rng.choice(("NHWC", "NCHW"))
    dtype = draw_dtype(rng)
    is_list = rng.random() < 0.3
    given = shape_of(layouts[0], 1 if is_list else images, rows, cols, channels[0])
    sources = [Place(rng, given, layouts[0], dtype, plain) for _ in range(images if is_list else 1)]
    wanted = shape_of(layouts[1], images, rows, cols, channels[1])
    to = dtype if rng.random() < 0.3 else draw_dtype(rng)
    target = Place(rng, wanted, layouts[1], to, plain)
    words = draw_words(rng, *channels)
    words["from_layout"] = layouts[0][1:] if is_list else layouts[0]
    words["layout"] = layouts[1]
    compare(sources[0], target, words, sources if is_list else None)


@pytest.mark.parametrize("part", range(CASES // PART))
def test_what_the_cpu_writes(part):
    rng = random.Random(1000 + part)
    for _ in range(PART):
        try_one(rng)


def test_small_cases_of_every_kind():
    rng = random.Random(7)
    for _ in range(60):
        try_one(rng, largest=2000)


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_every_pair_of_dtypes(source, to):
    """All 65,536 patterns of the small types, random ones of the others."""
    rng = random.Random(3)
    for layouts in (("NHWC", "NCHW"), ("NCHW", "NHWC"), ("NCHW", "NCHW")):
        given = Place(rng, shape_of(layouts[0], 1, 257, 256, 3), layouts[0], source, plain=True)
        if given.size == 2:
            every = torch.arange(65536, dtype=torch.int32).to(torch.uint16)
            given.host.view(torch.uint16)[64 : 64 + 65536] = every
            given.gpu = given.host.cuda()
        for words in ({}, {"scale": 1 / 255, "mean": [0.4, -0.5, 0.6], "std": [0.2, 0.3, -0.4]}):
            target = Place(rng, shape_of(layouts[1], 1, 257, 256, 3), layouts[1], to, plain=True)
            compare(given, target, {"from_layout": layouts[0], "layout": layouts[1], **words})


@pytest.mark.parametrize(
    "cut", ["rows backwards", "columns backwards", "channels backwards", "odd"]
)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_flipped_and_sliced_small(dtype, cut):
    """Images with negative strides, which CuPy has and torch has not."""
    values = np.random.default_rng(5).integers(0, 256, (2, 37, 41, 3)).astype(dtype)
    cuts = {
        "rows backwards": np.s_[:, ::-1],
        "columns backwards": np.s_[:, :, ::-1],
        "channels backwards": np.s_[..., ::-1],
        "odd": np.s_[::-1, 1::2, 2:-1:3],
    }
    host, gpu = values[cuts[cut]], cupy.asarray(values)[cuts[cut]]
    for to in ("uint8", "float16", "float32"):
        for layout in ("NCHW", "NHWC"):
            wanted = vc.to_numpy(host, layout=layout, dtype=to, scale=0.5, from_layout="NHWC")
            result = vc.to_cupy(gpu, layout=layout, dtype=to, scale=0.5, from_layout="NHWC")
            assert np.array_equal(result.get().view(np.uint8), wanted.view(np.uint8))


# -------------------------------------------------------------------- large ones


def needs(gigabytes):
    free, _ = torch.cuda.mem_get_info()
    if free < gigabytes * 2**30:
        pytest.skip(f"needs {gigabytes} GB of GPU memory, {free / 2**30:.0f} are free")


@pytest.fixture
def empty_cache_afterwards():
    yield
    torch.cuda.empty_cache()


def random_bytes(count):
    """Random bytes, without torch.randint, which would need eight times the memory."""
    block = torch.randint(0, 256, (65_537,), dtype=torch.uint8, device="cuda")
    return block.repeat(count // block.numel() + 1)[:count]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16])
def test_more_than_2_31_elements(dtype, empty_cache_afterwards):
    """Channels of different values at every place: 65,537 is no multiple of a row."""
    needs(16)
    rows = cols = 30_000
    source = random_bytes(rows * cols * 3).view(1, rows, cols, 3)
    result = vc.to_tensor(source, from_layout="NHWC", layout="NCHW", dtype=dtype)
    assert result.shape == (1, 3, rows, cols)
    for start in range(0, rows, 1000):
        part = slice(start, start + 1000)
        assert torch.equal(result[0, :, part], source[0, part].permute(2, 0, 1).to(dtype))


def test_more_than_2_31_elements_back(empty_cache_afterwards):
    needs(16)
    rows = cols = 30_000
    source = random_bytes(rows * cols * 3).view(1, 3, rows, cols)
    result = vc.to_tensor(source, from_layout="NCHW", layout="NHWC", reverse_channels=True)
    for start in range(0, rows, 1000):
        part = slice(start, start + 1000)
        assert torch.equal(result[0, part], source[0, :, part].permute(1, 2, 0).flip(2))


@pytest.mark.parametrize("dtype", [torch.int16, torch.float32])
def test_more_than_2_31_pixels(dtype, empty_cache_afterwards):
    """More pixels than the fast kernels can count, also as one joined row."""
    needs(16)
    source = random_bytes(50_000 * 50_001).view(50_000, 50_001)
    result = vc.to_tensor(source, layout="HWC", dtype=dtype).view(source.shape)
    for start in range(0, 50_000, 2000):
        part = slice(start, start + 2000)
        assert torch.equal(result[part], source[part].to(dtype))


# ------------------------------------------------------------------------- lists


def pitched_mats(count, rows, cols, seed=0):
    """GpuMats with gaps between their rows, in memory of their own, and the pixels."""
    pitch = (cols * 3 + 511) // 512 * 512
    generator = torch.Generator(device="cuda").manual_seed(seed)
    memory = torch.randint(
        0, 256, (count, rows, pitch), dtype=torch.uint8, device="cuda", generator=generator
    )
    pixels = memory[:, :, : cols * 3].unflatten(2, (cols, 3))
    return [vc.as_gpumat(image) for image in pixels], pixels


@pytest.mark.parametrize("count", [1, 2, 32, 448, 449, 5000])
def test_a_list_of_pitched_gpumats(count):
    mats, pixels = pitched_mats(count, 37, 53)
    result = vc.to_tensor(mats, layout="NCHW", dtype=torch.float16)
    assert torch.equal(result, pixels.permute(0, 3, 1, 2).to(torch.float16))


@pytest.mark.parametrize("count", [5, 112, 113, 700])
def test_a_list_of_different_pitches(count):
    _, pixels = pitched_mats(count, 21, 34)
    mats = [vc.as_gpumat(image if n % 2 else image.contiguous()) for n, image in enumerate(pixels)]
    result = vc.to_tensor(mats, layout="NCHW", dtype=torch.float32, reverse_channels=True)
    assert torch.equal(result, pixels.permute(0, 3, 1, 2).flip(1).to(torch.float32))


def test_gpumats_of_opencv_itself(cuda_cv2):
    frames = np.random.default_rng(1).integers(0, 256, (8, 270, 481, 3), np.uint8)
    mats = []
    for frame in frames:
        mat = cv2.cuda.GpuMat()
        mat.upload(frame)
        mats.append(mat)
    words = {"layout": "NCHW", "dtype": "float16", "scale": 1 / 255, "mean": [0.5], "std": [0.25]}
    wanted = vc.to_numpy(frames, from_layout="NHWC", **words)
    result = vc.to_tensor(mats, **words)
    assert np.array_equal(result.cpu().numpy().view(np.uint16), wanted.view(np.uint16))


# -------------------------------------------------------- what OpenCV computes


@pytest.fixture
def mat(cuda_cv2):
    out = cuda_cv2.cuda.GpuMat()
    out.upload(np.random.default_rng(2).integers(0, 256, (123, 457, 3), np.uint8))
    return out


def test_as_opencv_converts(mat):
    """Numbers that every order of operations gives exactly."""
    stream = cv2.cuda.Stream_Null()
    floats = mat.convertTo(cv2.CV_32F, 0.5, 3.0, stream)
    ours = vc.to_tensor(mat, layout="HWC", dtype=torch.float32, scale=0.5, mean=[-3.0])
    assert torch.equal(ours, vc.as_tensor(floats))
    # Halves round to even; what lies outside is saturated.
    bytes_ = floats.convertTo(cv2.CV_8U, 3.0, -100.0, stream)
    ours = vc.to_tensor(floats, layout="HWC", dtype=torch.uint8, scale=3.0, mean=[100.0])
    assert torch.equal(ours, vc.as_tensor(bytes_))
    shorts = floats.convertTo(cv2.CV_16S, -700.0, 0.5, stream)
    ours = vc.to_tensor(floats, layout="HWC", dtype=torch.int16, scale=-700.0, mean=[-0.5])
    assert torch.equal(ours, vc.as_tensor(shorts))


def test_as_opencv_splits_and_merges(mat):
    planes = vc.to_tensor(mat, layout="CHW")
    for ours, theirs in zip(planes, cv2.cuda.split(mat), strict=True):
        assert torch.equal(ours, vc.as_tensor(theirs))
    merged = cv2.cuda.merge(cv2.cuda.split(mat), cv2.cuda.GpuMat(123, 457, cv2.CV_8UC3))
    assert torch.equal(vc.as_tensor(vc.to_gpumat(planes, from_layout="CHW")), vc.as_tensor(merged))


# ----------------------------------------------------------- streams and graphs


@pytest.mark.parametrize("consumer_is", ["default stream", "side stream"])
@pytest.mark.parametrize("kind", ["torch", "gpumat", "list"])
def test_never_before_it_is_written(kind, consumer_is):
    producer = side_stream()
    consumer = side_stream() if consumer_is == "side stream" else 1
    tensor = torch.zeros((48, 64, 3), dtype=torch.uint8, device="cuda")
    image = {"torch": tensor, "gpumat": vc.as_gpumat(tensor), "list": [vc.as_gpumat(tensor)] * 3}[
        kind
    ]
    torch.cuda.synchronize()
    stale = 0
    for trial in range(300):
        value = trial % 250 + 1
        delay(producer, CYCLES)
        with torch.cuda.stream(vc.stream(producer).torch):
            tensor.fill_(value)
        with current("torch", producer):
            planes = vc.to_tensor(
                image,
                layout="NCHW" if kind == "list" else "CHW",
                dtype=torch.float32,
                stream=consumer,
                producer_stream=producer,
            )
        torch.cuda.synchronize()
        stale += {float(planes.min()), float(planes.max())} != {float(value)}
    assert stale == 0


def test_in_a_capture():
    mats, pixels = pitched_mats(40, 33, 47)
    batch = torch.zeros((40, 3, 33, 47), dtype=torch.float16, device="cuda")
    single = torch.zeros((3, 33, 47), dtype=torch.float32, device="cuda")
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        stream = torch.cuda.current_stream()
        words = {"stream": stream, "producer_stream": stream}
        vc.to_tensor(mats, layout="NCHW", out=batch, **words)
        vc.to_tensor(mats[3], layout="CHW", out=single, **words)
        fresh = vc.to_tensor(mats[5], layout="CHW", dtype=torch.float16, **words)
    for seed in range(5):
        pixels.copy_(torch.full_like(pixels, seed * 40) + pixels % 7)
        graph.replay()
        torch.cuda.synchronize()
        planes = pixels.permute(0, 3, 1, 2)
        assert torch.equal(batch, planes.half())
        assert torch.equal(single, planes[3].float())
        assert torch.equal(fresh, planes[5].half())


def test_a_list_too_long_for_a_capture():
    mats, pixels = pitched_mats(500, 5, 7)
    out = torch.zeros((500, 3, 5, 7), dtype=torch.uint8, device="cuda")
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        stream = torch.cuda.current_stream()
        words = {"layout": "NCHW", "stream": stream, "producer_stream": stream}
        with pytest.raises(vc.CUDAError, match="capture up to 448 images"):
            vc.to_tensor(mats, out=out, **words)
        vc.to_tensor(mats[:448], out=out[:448], **words)
        vc.to_tensor(mats[448:], out=out[448:], **words)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(out, pixels.permute(0, 3, 1, 2))


def test_the_default_stream_beside_a_capture():
    tensor = torch.zeros((8, 8, 3), dtype=torch.uint8, device="cuda")
    out = torch.zeros((3, 8, 8), dtype=torch.uint8, device="cuda")
    blocking = cupy.cuda.Stream()
    torch.cuda.synchronize()
    blocking.begin_capture(0)
    try:
        with pytest.raises(vc.CUDAError, match="stream="):
            vc.to_tensor(tensor, layout="CHW", out=out, stream=1, producer_stream=1)
        with current("torch", blocking):
            vc.to_tensor(tensor, layout="CHW", out=out, stream=blocking, producer_stream=blocking)
    finally:
        graph = blocking.end_capture()
    graph.launch(blocking)
    blocking.synchronize()


FIRST_USE = """
import torch
import viewcast as vc

vc.warmup(0)
tensor = torch.arange(48, dtype=torch.uint8, device="cuda").view(4, 4, 3)
out = torch.zeros((3, 4, 4), device="cuda")
graph = torch.cuda.CUDAGraph()
torch.cuda.synchronize()
with torch.cuda.graph(graph):
    vc.to_tensor(tensor, layout="CHW", out=out)
graph.replay()
torch.cuda.synchronize()
assert torch.equal(out, tensor.permute(2, 0, 1).float())
"""


def test_kernels_may_be_loaded_in_a_capture():
    """Runs in a process that has not loaded any kernel."""
    run = subprocess.run(
        [sys.executable, "-c", FIRST_USE], capture_output=True, text=True, env=dict(os.environ)
    )
    assert run.returncode == 0, run.stderr
