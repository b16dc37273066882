# SPDX-License-Identifier: Apache-2.0
"""out=: lists of views of one buffer against NumPy, and what shares memory."""

import time

import numpy as np
import pytest

import viewcast as vc

CANARY = 0xA5
IMAGE = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)


# ---------------------------------------------------------- lists of any views


def canvases(rng):
    """A buffer full of canaries, and an array (C, H, W) or (H, W, C) in it, pitched."""
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
    """Parts that share nothing: halves of halves, and every second row or column."""
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
    if rng.integers(2):  # some of it stays as it is
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
def test_side_by_side(count, reverse):
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
    """Crops of the canvas that is written, elsewhere in it."""
    canvas = np.arange(8 * 60 * 3, dtype=np.uint8).reshape(8, 60, 3)
    wanted = canvas.copy()
    wanted[:, 30:] = canvas[:, :30]
    sources = [canvas[:, 10 * i : 10 * i + 10] for i in range(3)]
    vc.to_numpy(sources, out=[canvas[:, 30 + 10 * i : 40 + 10 * i] for i in range(3)])
    np.testing.assert_array_equal(canvas, wanted)


def parts_of(buffer, rng):
    """Any view of it."""
    itemsize = int(rng.choice([1, 2, 4]))
    shape = [int(n) for n in rng.integers(1, 5, 3)]
    strides = [int(n) for n in rng.integers(-40, 41, 3)]
    low = sum(min(0, s * (n - 1)) for n, s in zip(shape, strides, strict=True))
    high = sum(max(0, s * (n - 1)) for n, s in zip(shape, strides, strict=True)) + itemsize
    offset = int(rng.integers(-low, buffer.size - high + 1))
    return np.ndarray(shape, f"u{itemsize}", buffer, offset, strides)


def shares(views):
    """By each byte of each element."""
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


# ------------------------------------------------------------------- its cost


def best_time(call, runs=7):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("kind", ["apart", "tiles", "channels"])
def test_long_lists_cost_no_more_for_each_image(kind):
    """Than calls one by one do: once it was thirty times as much."""
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
