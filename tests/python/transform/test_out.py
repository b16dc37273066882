# SPDX-License-Identifier: Apache-2.0
"""out=: lists of views of one buffer, compared with NumPy; outs that share memory; and calls
that write everything or nothing."""

import time

import numpy as np
import pytest
import torch

import viewcast as vc

CANARY = 0xA5
pytestmark = pytest.mark.any_opencv

IMAGE = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)


# ---------------------------------------------------------- lists of any views


def canvases(rng):
    """A buffer of known bytes, and a pitched array (C, H, W) or (H, W, C) in it."""
    dtype = rng.choice([np.uint8, np.uint16, np.float32])
    planar = bool(rng.integers(2))
    shape = (3, *rng.integers(4, 30, 2)) if planar else (*rng.integers(4, 30, 2), 3)
    pitch = int(rng.integers(0, 5)) * np.dtype(dtype).itemsize
    row = np.dtype(dtype).itemsize * (shape[2] if planar else shape[1] * 3) + pitch
    rows = shape[0] * shape[1] if planar else shape[0]
    buffer = np.full(row * rows + 16, CANARY, np.uint8)
    strides = (
        (row * shape[1], row, np.dtype(dtype).itemsize)
        if planar
        else (row, 3 * np.dtype(dtype).itemsize, np.dtype(dtype).itemsize)
    )
    return buffer, np.ndarray(shape, dtype, buffer, 0, strides), planar


def cut(rng, canvas, planar, wanted):
    """Disjoint parts: halves of halves, and every second row or column."""
    parts = [canvas]
    for _ in range(20 * wanted):
        if len(parts) == wanted:
            break
        at = int(rng.integers(len(parts)))
        axis = int(rng.integers(2)) + planar
        length = parts[at].shape[axis]
        if length < 2:
            continue
        part = np.moveaxis(parts[at], axis, 0)
        if rng.integers(3):
            half = int(rng.integers(1, length))
            pieces = part[:half], part[half:]
        else:
            pieces = part[::2], part[1::2]
        parts[at], other = (np.moveaxis(piece, 0, axis) for piece in pieces)
        parts.append(other)
    flips = [slice(None), slice(None, None, -1)]
    parts = [part[:, flips[rng.integers(2)], :] if planar else part[flips[rng.integers(2)]]
             for part in parts]  # fmt: skip
    return [parts[i] for i in rng.permutation(len(parts))]


@pytest.mark.parametrize("seed", range(150))
def test_lists_of_parts_of_one_canvas(seed):
    rng = np.random.default_rng(seed)
    buffer, canvas, planar = canvases(rng)
    parts = cut(rng, canvas, planar, int(rng.integers(2, 60)))
    if rng.integers(2):  # some parts are not written
        parts = parts[: max(1, len(parts) // 2)]
    images, wanted = [], buffer.copy()
    seen = np.ndarray(canvas.shape, canvas.dtype, wanted, 0, canvas.strides)
    for part in parts:
        height, width = part.shape[planar : 2 + planar]
        images.append(rng.integers(0, 256, (height, width, 3), np.uint8))
        offset = part.__array_interface__["data"][0] - buffer.__array_interface__["data"][0]
        target = np.ndarray(part.shape, part.dtype, wanted, offset, part.strides)
        target[...] = images[-1].transpose(2, 0, 1) if planar else images[-1]
    layout = "CHW" if planar else "HWC"
    out = list(parts)
    assert vc.to_numpy(images, layout=f"N{layout}", out=out) is out
    np.testing.assert_array_equal(buffer, wanted)
    del seen


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_outs_that_lie_side_by_side(count, reverse):
    canvas = np.zeros((3, 40, 30 * count), np.float32)
    out = [canvas[:, :, 30 * i : 30 * i + 30] for i in range(count)]
    images = [IMAGE + i for i in range(count)]
    if reverse:
        out, images = out[::-1], images[::-1]
    vc.to_numpy(images, layout="NCHW", dtype="float32", out=out)
    for image, part in zip(images, out, strict=True):
        np.testing.assert_array_equal(part, image.transpose(2, 0, 1))


def test_single_channels_and_alternate_columns():
    canvas = np.zeros((40, 60, 3), np.uint8)
    gray = [np.full((40, 60), 10 * n, np.uint8) for n in range(3)]
    vc.to_numpy(gray, out=[canvas[..., n] for n in (2, 0, 1)])
    np.testing.assert_array_equal(canvas[0, 0], [10, 20, 0])
    vc.to_numpy([IMAGE, IMAGE + 1], out=[canvas[:, 1::2], canvas[:, ::2]])
    np.testing.assert_array_equal(canvas[:, 1::2], IMAGE)
    np.testing.assert_array_equal(canvas[:, ::2], IMAGE + 1)


def test_sources_beside_the_outs():
    """Sources that are crops of the buffer that is written, at other places of it."""
    canvas = np.arange(8 * 60 * 3, dtype=np.uint8).reshape(8, 60, 3)
    wanted = canvas.copy()
    wanted[:, 30:] = canvas[:, :30]
    sources = [canvas[:, 10 * i : 10 * i + 10] for i in range(3)]
    vc.to_numpy(sources, out=[canvas[:, 30 + 10 * i : 40 + 10 * i] for i in range(3)])
    np.testing.assert_array_equal(canvas, wanted)


def parts_of(buffer, rng):
    """Draws any view of the buffer."""
    itemsize = int(rng.choice([1, 2, 4]))
    shape = [int(n) for n in rng.integers(1, 5, 3)]
    strides = [int(n) for n in rng.integers(-40, 41, 3)]
    low = sum(min(0, s * (n - 1)) for n, s in zip(shape, strides, strict=True))
    high = sum(max(0, s * (n - 1)) for n, s in zip(shape, strides, strict=True)) + itemsize
    offset = int(rng.integers(-low, buffer.size - high + 1))
    return np.ndarray(shape, f"u{itemsize}", buffer, offset, strides)


def shares(views):
    """The reference: compares the addresses of all bytes of all elements."""
    seen = set()
    for view in views:
        start = view.__array_interface__["data"][0]
        for index in np.ndindex(view.shape):
            at = start + sum(i * s for i, s in zip(index, view.strides, strict=True))
            for byte in range(at, at + view.itemsize):
                if byte in seen:
                    return True
                seen.add(byte)
    return False


@pytest.mark.parametrize("seed", range(300))
def test_any_views(seed):
    rng = np.random.default_rng(seed)
    buffer = np.full(1500, CANARY, np.uint8)
    views = [parts_of(buffer, rng) for _ in range(int(rng.integers(1, 4)))]
    images = [rng.integers(0, 256, view.shape, np.uint8) for view in views]
    before = buffer.copy()
    if shares(views):
        with pytest.raises(vc.ViewError, match="share memory|elements overlap"):
            vc.to_numpy(images, out=views)
        np.testing.assert_array_equal(buffer, before)
        return
    vc.to_numpy(images, out=views)
    for image, view in zip(images, views, strict=True):
        np.testing.assert_array_equal(view, image)
        view.view(np.ndarray)[...] = np.frombuffer(bytes([CANARY] * view.itemsize), view.dtype)
    np.testing.assert_array_equal(buffer, before)


# ----------------------------------------------------------------- all or nothing

NAMES = {"HWC": lambda shape: shape, "CHW": lambda shape: (shape[2], *shape[:2])}


def canvas_of(count, layout, distance):
    """`count` images of known bytes in one buffer, at equal or different distances."""
    size = 4 * 6 * 3 * 4
    gaps = [96 * i * (i if distance == "any" else 1) for i in range(count)]
    buffer = np.full(count * size + gaps[-1] + 64, CANARY, np.uint8)
    shape = NAMES[layout]((4, 6, 3))
    return buffer, [
        np.ndarray(shape, np.float32, buffer, size * i + gap) for i, gap in enumerate(gaps)
    ]


def read_only(out, index):
    out[index] = out[index][:]
    out[index].flags.writeable = False


def larger(out, index):
    out[index] = np.zeros(tuple(n + 1 for n in out[index].shape), np.float32)


def of_rank_1(out, index):
    out[index] = out[index].reshape(-1)


def of_another_dtype(out, index):
    out[index] = out[index].view(np.int32)


def of_two_channels(out, index):
    planar = out[index].shape[0] == 3
    out[index] = out[index][:2] if planar else out[index][..., :2]


def expanded(out, index):
    out[index] = np.lib.stride_tricks.as_strided(out[index], strides=(0, 4, 8))


def shared(out, index):
    out[index] = out[index - 1]


def in_part(out, index):
    other = out[index - 1]
    out[index] = np.ndarray(other.shape, other.dtype, other.base, other.nbytes // 2 + 4 * index)


def no_image(out, index):
    out[index] = object()


def none(out, index):
    out[index] = None


def requiring_grad(out, index):
    out[index] = torch.zeros(out[index].shape, requires_grad=True)


def made_in_inference_mode(out, index):
    with torch.inference_mode():
        out[index] = torch.zeros(out[index].shape)


WRONG_OUTS = [
    read_only,
    larger,
    of_rank_1,
    of_another_dtype,
    of_two_channels,
    expanded,
    shared,
    in_part,
    no_image,
    none,
    requiring_grad,
    made_in_inference_mode,
]
ERRORS = (vc.ViewError, TypeError, ValueError)


@pytest.mark.parametrize("distance", ["one", "any"])
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("wrong", WRONG_OUTS, ids=lambda f: f.__name__)
def test_an_out_that_is_wrong(wrong, index, layout, distance):
    buffer, out = canvas_of(4, layout, distance)
    wrong(out, index)
    before = buffer.copy()
    with pytest.raises(ERRORS):
        vc.to_numpy([IMAGE[:4, :6]] * 4, layout=f"N{layout}", dtype="float32", scale=2, out=out)
    np.testing.assert_array_equal(buffer, before)


WRONG_SOURCES = {
    "larger": lambda: IMAGE[:5, :6],
    "of five channels": lambda: np.zeros((4, 6, 5), np.uint8),
    "of rank 1": lambda: IMAGE[0, 0],
    "no image": object,
    "a GpuMat": lambda: vc.as_gpumat(IMAGE[:5, :6].copy()),
    "requiring grad": lambda: torch.zeros(4, 6, 3, requires_grad=True),
}


@pytest.mark.parametrize("distance", ["one", "any"])
@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("wrong", WRONG_SOURCES)
def test_a_source_that_is_wrong(wrong, index, distance):
    buffer, out = canvas_of(3, "CHW", distance)
    images = [IMAGE[:4, :6]] * 3
    images[index] = WRONG_SOURCES[wrong]()
    with pytest.raises(ERRORS):
        vc.to_numpy(images, layout="NCHW", out=out)
    assert (buffer == CANARY).all()


@pytest.mark.parametrize("index", range(3))
def test_a_source_that_is_an_out(index):
    buffer, out = canvas_of(3, "HWC", "any")
    images = [IMAGE[:4, :6]] * 3
    images[2 - index] = out[index]
    with pytest.raises(vc.ViewError, match=f"image {index} of out shares memory with source"):
        vc.to_numpy(images, out=out)
    assert (buffer == CANARY).all()


@pytest.mark.parametrize("distance", ["one", "any"])
@pytest.mark.parametrize(
    "options",
    [
        {"mean": [1, 2]},
        {"std": [1, 0, 1]},
        {"scale": 1e300},
        {"mean": float("inf")},
        {"channels": 4},
        {"dtype": "uint8"},
        {"layout": "NHWC"},
        {"device": "cuda:0"},
    ],
    ids=repr,
)
def test_numbers_that_are_wrong(options, distance):
    buffer, out = canvas_of(3, "CHW", distance)
    with pytest.raises(ERRORS):
        vc.to_numpy([IMAGE[:4, :6]] * 3, **{"layout": "NCHW", **options}, out=out)
    assert (buffer == CANARY).all()


def test_coefficients_that_one_dtype_takes_and_another_does_not():
    """1e300 is finite in double, and not in float."""
    out = [np.full((4, 6, 3), 7, dtype) for dtype in (np.float64, np.float64, np.float32)]
    with pytest.raises(ERRORS):
        vc.to_numpy([IMAGE[:4, :6]] * 3, scale=1e300, out=out)
    assert all((image == 7).all() for image in out)


@pytest.mark.parametrize("count", [2, 4])
def test_lists_of_other_lengths(count):
    buffer, out = canvas_of(3, "HWC", "any")
    with pytest.raises(vc.LayoutError, match="out is a list of 3"):
        vc.to_numpy([IMAGE[:4, :6]] * count, out=out)
    assert (buffer == CANARY).all()


@pytest.mark.parametrize("distance", ["one", "any"])
def test_sources_of_other_dtypes_and_sizes(distance):
    """Whether images lie at equal distances must not change what is allowed."""
    buffer, out = canvas_of(3, "HWC", distance)
    images = [IMAGE[:4, :6], IMAGE[:4, :6].astype(np.int16), torch.ones(4, 6, 3)]
    vc.to_numpy(images, out=out)
    for image, part in zip(images, out, strict=True):
        np.testing.assert_array_equal(part, np.asarray(image))
    parts = [out[0][:3, :5], out[1], out[2][1:]]
    vc.to_numpy([IMAGE[:3, :5], IMAGE[4:8, :6], IMAGE[:3, :6]], scale=2, out=parts)
    np.testing.assert_array_equal(parts[2], 2.0 * IMAGE[:3, :6])


@pytest.mark.parametrize("where", range(3))
def test_empty_images_of_a_list(where):
    out = [np.zeros((4, 6, 3), np.float32), np.zeros((2, 3, 3), np.float32)]
    out.insert(where, np.zeros((0, 6, 3), np.float32))
    images = [IMAGE[: part.shape[0], : part.shape[1]] for part in out]
    vc.to_numpy(images, out=out)
    for image, part in zip(images, out, strict=True):
        np.testing.assert_array_equal(part, image)


# ------------------------------------------------------------------------- time


def best_time(call, runs=7):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("kind", ["apart", "tiles", "channels"])
def test_long_lists_cost_no_more_for_each_image(kind):
    """Compared with the time of single calls; a list once took thirty times as long."""
    count = 4000
    canvas = np.zeros((count // 40 * 8, 40 * 8, 3), np.uint8)
    out = [canvas[i // 40 * 8 :, i % 40 * 8 :][:8, :8] for i in range(count)]
    if kind == "apart":
        out = [np.zeros((8, 8, 3), np.uint8) for _ in range(count)]
    if kind == "channels":
        out = [part[..., i] for part in out[: count // 3] for i in range(3)]
    images = [IMAGE[:8, :8] if out[0].ndim == 3 else IMAGE[:8, :8, 0]] * len(out)

    def one_by_one():
        for image, part in zip(images, out, strict=True):
            vc.to_numpy(image, out=part)

    assert best_time(lambda: vc.to_numpy(images, out=out)) < 4 * best_time(one_by_one)


def test_long_lists_of_boxes_cost_no_more_for_each_box():
    """A box that is written by itself is checked against the image that it names, not against all:
    a list once took a hundred times as long."""
    count = 1500
    images = [IMAGE[:8, :8]] * count
    boxes = np.array([[i, 1, 1, 7, 7] for i in range(count)])
    out = [np.zeros((4, 5, 3), np.uint8)[:, :4] for _ in range(count)]

    def one_by_one():
        for image, box, part in zip(images, boxes[:, 1:], out, strict=True):
            vc.to_numpy(image, boxes=box[None], resize=(4, 4), out=[part])

    together = best_time(lambda: vc.to_numpy(images, boxes=boxes, resize=(4, 4), out=out), 3)
    assert together < 4 * best_time(one_by_one, 3)
