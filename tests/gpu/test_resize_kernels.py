# SPDX-License-Identifier: Apache-2.0
"""The kernels that resize: bit by bit what the CPU writes, and one launch each.

Calls are random (test_resize.py has those of each feature). Names that say `small` are what
compute-sanitizer runs.
"""

import random
from functools import partial

import pytest
import torch
from one_launch import check_one_launch

import viewcast as vc
from viewcast import _viewcast
from viewcast.geometry import INTERPOLATIONS

pytestmark = pytest.mark.skipif(
    not _viewcast._build()["kernels"], reason="this viewcast was built without kernels"
)

CASES, PART = 4000, 100
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 32, 33, 61, 64, 97, 128, 131, 257, 509)
DTYPES = ("uint8",) * 6 + ("float16", "float32", "float64", "int16", "uint16", "int8", "int32")
RESULTS = ("uint8", "float16", "bfloat16", "float32", "float64", "int16")
CHANNELS = ((1, 1), (3, 3), (3, 3), (3, 3), (4, 4), (2, 2), (3, 4), (4, 3), (1, 3), (2, 1))


# ------------------------------------------------------------------ random calls


def random_image(rng, shape, dtype):
    """A tensor with random elements, a part of a larger one, so that rows have a pitch."""
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    whole = [*shape[:-1], shape[-1] + rng.choice((0, 0, 3))]
    whole[-2] += rng.choice((0, 0, 1, 5))
    values = torch.randint(0, 256, whole, generator=generator)
    if dtype.startswith("float"):
        values = (values - 100) / 7
    whole_image = values.to(getattr(torch, dtype))
    return whole_image[..., : shape[-2], : shape[-1]]


def on_gpu(image):
    """The same strides on the GPU: torch would pack them."""
    if isinstance(image, list):
        return [on_gpu(each) for each in image]
    base = image._base if image._base is not None else image
    return base.cuda().as_strided(image.shape, image.stride(), image.storage_offset())


def random_resize(rng, channels):
    size, interpolation = (rng.choice(LENGTHS), rng.choice(LENGTHS)), rng.choice(INTERPOLATIONS)
    if rng.random() < 0.3:
        interpolation = "linear"
    kind = rng.choice(("stretch", "letterbox", "letterbox", "crop"))
    if kind == "letterbox":
        pad = rng.choice((0, 114, tuple(range(10, 10 + channels))))
        return vc.Letterbox(size, interpolation, pad)
    if kind == "crop":
        shorter = rng.choice((None, max(size) + rng.randint(0, 9)))
        return vc.CenterCrop(size, shorter, interpolation)
    return vc.Resize(size, interpolation)


def random_words(rng, given, made):
    words = {"dtype": rng.choice(RESULTS), "layout": rng.choice(("NHWC", "NCHW"))}
    if rng.random() < 0.6:
        words |= {"scale": rng.choice((1 / 255, 0.5, 3.0)), "mean": [0.4], "std": [0.25]}
        if rng.random() < 0.5:
            words["mean"] = [0.4, -0.5, 0.6, 0.1][:made]
    if given != made:
        words["channels"] = made
    if given == made and given in (3, 4):
        words["reverse_channels"] = rng.random() < 0.5
    return words


def random_boxes(rng, sizes):
    """Boxes with pixels, of images of these sizes; some reach beyond their image."""
    rows = []
    for _ in range(rng.randint(1, 9)):
        image = rng.randrange(len(sizes))
        height, width = sizes[image]
        left, top = rng.randrange(width), rng.randrange(height)
        right, bottom = rng.randint(left + 1, width), rng.randint(top + 1, height)
        part = rng.choice((0.0, 0.25, 0.75))
        beyond = rng.choice((0, 0, 1000))
        rows.append((image, left + part, top + part, right + beyond, bottom + part))
    return torch.tensor(rows, dtype=getattr(torch, rng.choice(("float32", "float64", "int64"))))


def same_bytes(result, wanted):
    return torch.equal(result.cpu().contiguous().view(torch.uint8), wanted.view(torch.uint8))


def check(image, words, boxes=None):
    """With boxes: in GPU memory, and those of the host in the same call."""
    host = {"boxes": boxes} if boxes is not None else {}
    wanted = vc.to_tensor(image, **words, **host).contiguous()
    calls = [host] if boxes is None else [host, {"boxes": boxes.cuda()}]
    for more in calls:
        result = vc.to_tensor(on_gpu(image), **words, **more)
        assert result.shape == wanted.shape and result.dtype == wanted.dtype
        if not same_bytes(result, wanted):
            wrong = (result.cpu() != wanted).nonzero()
            where = "boxes in GPU memory" if more is not host else "no boxes in GPU memory"
            first = wrong[0].tolist() if len(wrong) else "NaN"
            pytest.fail(f"{len(wrong)} elements differ, the first at {first}; {where}: {words}")


def try_one(rng, largest=600_000):
    given, made = rng.choice(CHANNELS)
    dtype = rng.choice(DTYPES)
    words = random_words(rng, given, made)
    words["resize"] = random_resize(rng, given)
    count, is_list = rng.randint(1, 3), rng.random() < 0.4
    planar = rng.random() < 0.25
    while True:
        sizes = [(rng.choice(LENGTHS), rng.choice(LENGTHS)) for _ in range(count)]
        if sum(rows * cols for rows, cols in sizes) * given <= largest:
            break
    if not is_list:
        sizes = sizes[:1] * count
    shapes = [(given, *size) if planar else (*size, given) for size in sizes]
    words["from_layout"] = ("CHW" if planar else "HWC") if is_list else "NCHW" if planar else "NHWC"
    if is_list:
        image = [random_image(rng, shape, dtype) for shape in shapes]
    else:
        image = random_image(rng, (count, *shapes[0]), dtype)
    boxes = random_boxes(rng, sizes) if rng.random() < 0.4 else None
    if boxes is not None and isinstance(words["resize"], vc.CenterCrop):
        words["resize"] = vc.CenterCrop(words["resize"].size, None, words["resize"].interpolation)
    check(image, words, boxes)


@pytest.mark.parametrize("part", range(CASES // PART))
def test_what_the_cpu_writes(part):
    rng = random.Random(5000 + part)
    for _ in range(PART):
        try_one(rng)


def test_small_cases_of_every_kind():
    rng = random.Random(11)
    for _ in range(80):
        try_one(rng, largest=6000)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [(640, 640), (224, 224), (1, 1), (1500, 31), (1079, 1921)])
def test_a_frame_of_video(interpolation, size):
    rng = random.Random(1)
    frames = random_image(rng, (2, 1080, 1920, 3), "uint8")
    for dtype in ("float16", "float32"):
        words = {"from_layout": "NHWC", "layout": "NCHW", "dtype": dtype, "normalize": vc.IMAGENET}
        check(frames, words | {"resize": vc.Letterbox(size, interpolation)})


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_source_that_is_wider_than_16_bits(interpolation):
    image = random_image(random.Random(2), (3, 40_003, 3), "uint8")
    words = {"layout": "HWC", "from_layout": "HWC", "resize": vc.Resize((2, 1000), interpolation)}
    check(image, words)


def test_many_images_of_different_sizes():
    """As many as go with a launch, and one more, whose table is uploaded first."""
    rng = random.Random(3)
    images = [
        random_image(rng, (rng.randint(1, 90), rng.randint(1, 90), 3), "uint8") for _ in range(300)
    ]
    for count in (47, 48, 49, 300):
        check(images[:count], {"resize": vc.Letterbox((33, 41)), "layout": "NCHW"})


def test_many_boxes():
    rng = random.Random(4)
    frames = random_image(rng, (4, 270, 480, 3), "uint8")
    rows = []
    for _ in range(1000):
        left, top = rng.randrange(440), rng.randrange(230)
        rows.append(
            (rng.randrange(4), left, top, left + rng.randint(1, 40), top + rng.randint(1, 40))
        )
    boxes = torch.tensor(rows, dtype=torch.float32)
    words = {"from_layout": "NHWC", "layout": "NCHW", "dtype": "float16", "scale": 1 / 255}
    for interpolation in ("linear", "area", "pillow-bilinear"):
        check(frames, words | {"resize": vc.Resize((64, 32), interpolation)}, boxes)


# ------------------------------------------------------- one launch, and no waiting


def calls_of_one_launch():
    frames = torch.randint(0, 256, (4, 108, 192, 3), dtype=torch.uint8, device="cuda")
    sizes = [(50, 60), (70, 31), (9, 200)]
    images = [frames[0, :rows, :cols] for rows, cols in sizes]
    boxes = torch.tensor([[1, 3, 4, 50, 60], [3, 0, 0, 9, 9.5], [0, 5, 5, 5, 5]], device="cuda")
    batch = {"from_layout": "NHWC", "layout": "NCHW"}
    for interpolation in INTERPOLATIONS:
        resize = vc.Letterbox((64, 48), interpolation)
        yield frames, batch | {"resize": resize}, (4, 3, 64, 48)
        yield images, {"layout": "NCHW", "resize": resize}, (3, 3, 64, 48)
        yield frames, batch | {"resize": resize, "boxes": boxes}, (3, 3, 64, 48)
        yield frames, batch | {"resize": resize, "boxes": boxes.cpu()[:2]}, (2, 3, 64, 48)


@pytest.mark.parametrize("dtype", [torch.float16, torch.uint8])
def test_one_launch_and_nothing_else(dtype):
    for image, words, shape in calls_of_one_launch():
        out = torch.zeros(shape, dtype=dtype, device="cuda")
        check_one_launch(partial(vc.to_tensor, image, **words), out)
