# SPDX-License-Identifier: Apache-2.0
"""out= on a GPU: lists of views of one buffer, all or nothing, empty GpuMats, and torch's
version counter."""

import gc

import cupy
import cv2
import numpy as np
import pytest
import torch
from delay import LONG, delay, side_stream

import viewcast as vc
from viewcast import _viewcast

pytestmark = pytest.mark.skipif(
    not _viewcast._build()["kernels"], reason="this viewcast was built without kernels"
)

ERRORS = (vc.ViewError, TypeError, ValueError)
CANARY = 0xA5


def image(rows=40, cols=30, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, cols, 3), np.uint8)


def on_gpu(array):
    return torch.from_numpy(np.ascontiguousarray(array)).cuda()


def on_host(result):
    torch.cuda.synchronize()
    return vc.as_tensor(result).cpu().numpy()


# ------------------------------------------------------------ views of one buffer


@pytest.mark.parametrize("where", ["gpu", "host"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_mosaic(where, order):
    """Of the sources on a GPU, in a canvas there or in host memory."""
    tiles = [image(40, 30, seed) for seed in range(12)]
    canvas = torch.zeros(3, 3 * 40, 4 * 30)
    canvas = canvas.cuda() if where == "gpu" else canvas
    out = [
        canvas[:, 40 * r : 40 * r + 40, 30 * c : 30 * c + 30] for r in range(3) for c in range(4)
    ]
    vc.to_tensor(
        [on_gpu(tile) for tile in tiles][::order], layout="NCHW", scale=2, out=out[::order]
    )
    rows = [np.concatenate(tiles[4 * r : 4 * r + 4], axis=1) for r in range(3)]
    wanted = 2.0 * np.concatenate(rows).transpose(2, 0, 1)
    np.testing.assert_array_equal(on_host(canvas), wanted.astype(np.float32))


def test_channels_columns_and_rows():
    canvas = cupy.zeros((40, 30, 3), "uint8")
    gray = [cupy.full((40, 30), 10 * n, "uint8") for n in range(3)]
    vc.to_cupy(gray, out=[canvas[..., n] for n in (2, 0, 1)])
    assert canvas[0, 0].get().tolist() == [10, 20, 0]
    first, second = image(seed=1), image(seed=2)
    wide = torch.zeros(40, 60, 3, dtype=torch.uint8, device="cuda")
    vc.to_tensor([on_gpu(first), on_gpu(second)], out=[wide[:, 1::2], wide[:, ::2]])
    np.testing.assert_array_equal(on_host(wide)[:, 1::2], first)
    np.testing.assert_array_equal(on_host(wide)[:, ::2], second)


@pytest.mark.parametrize("seed", range(20))
def test_parts_of_a_canvas_and_nothing_beside_them(seed):
    rng = np.random.default_rng(seed)
    canvas = torch.full((64, 96, 3), CANARY, dtype=torch.uint8, device="cuda")
    rows = [0, *sorted(rng.choice(np.arange(1, 64), 3, replace=False)), 64]
    cols = [0, *sorted(rng.choice(np.arange(1, 96), 4, replace=False)), 96]
    boxes = [(slice(*rows[r : r + 2]), slice(*cols[c : c + 2])) for r in range(4) for c in range(5)]
    boxes = [boxes[i] for i in rng.permutation(20)[:13]]
    wanted, sources = on_host(canvas).copy(), []
    for n, (r, c) in enumerate(boxes):
        pixels = image(r.stop - r.start, c.stop - c.start, n)
        sources.append(on_gpu(pixels))
        wanted[r, c] = pixels
    vc.to_tensor(sources, out=[canvas[box] for box in boxes])
    np.testing.assert_array_equal(on_host(canvas), wanted)


# ------------------------------------------------------------------ all or nothing


def wrong_outs(out, sources):
    yield out[0]  # shared
    yield sources[1]
    yield torch.zeros(3, 41, 30, device="cuda")
    yield torch.zeros(3, 40, 30)  # on the host
    yield torch.zeros(3, 40, 30, device="cuda", requires_grad=True)
    yield torch.zeros(1, device="cuda").expand(3, 40, 30)
    yield torch.zeros(3, 40, 30, device="cuda", dtype=torch.float64)
    yield None
    with torch.inference_mode():
        made_there = torch.zeros(3, 40, 30, device="cuda")
    yield made_there


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("wrong", range(9))
@pytest.mark.parametrize("joined", [False, True])
def test_a_list_with_something_wrong(joined, wrong, index):
    sources = [on_gpu(image(seed=n)) for n in range(3)]
    canvas = torch.full((3, 3, 40, 30), 7.0, device="cuda")
    out = list(canvas) if joined else list(canvas[[0, 2, 1]].unbind())[::-1]
    kept = [part for n, part in enumerate(out) if n != index]
    last = list(wrong_outs(kept, sources))[wrong]
    out[index] = last
    with pytest.raises(ERRORS):
        vc.to_tensor(sources, layout="NCHW", dtype="float32", out=out)
    assert all((part == 7).all() for part in kept)


def test_downloads_are_all_or_nothing():
    sources = [on_gpu(image(seed=n)) for n in range(3)]
    out = [np.full((3, 40, 30), 7, np.float32) for _ in range(3)]
    frozen = out[2][:]
    frozen.flags.writeable = False
    larger = np.zeros((3, 41, 30), np.float32)
    expanded = np.lib.stride_tricks.as_strided(out[2], strides=(0, 120, 4))
    for last in (frozen, larger, out[0], expanded):
        with pytest.raises(ERRORS):
            vc.to_numpy(sources, layout="NCHW", out=[out[0], out[1], last])
    assert all((part == 7).all() for part in out)
    vc.to_numpy(sources, layout="NCHW", out=out)
    for n, part in enumerate(out):
        np.testing.assert_array_equal(part, image(seed=n).transpose(2, 0, 1))


def test_uploads_into_out():
    sources = [image(10 + n, 30, n) for n in range(3)]
    out = [torch.zeros(10 + n, 30, 3, device="cuda") for n in range(3)]
    vc.to_tensor(sources, scale=2, out=out)
    for source, part in zip(sources, out, strict=True):
        np.testing.assert_array_equal(on_host(part), 2.0 * source)


# ----------------------------------------------------------------- empty GpuMats


def test_empty_gpumats_are_created():
    mat = cv2.cuda.GpuMat()
    for seed in range(3):  # created once
        assert vc.to_gpumat(on_gpu(image(seed=seed)), out=mat) is mat
        np.testing.assert_array_equal(on_host(mat), image(seed=seed))
    uploaded = cv2.cuda.GpuMat()
    vc.to_gpumat(image(), out=uploaded, device=0)
    np.testing.assert_array_equal(on_host(uploaded), image())
    mats = [cv2.cuda.GpuMat() for _ in range(4)]
    sources = [on_gpu(image(20 + 5 * n, 30, n)) for n in range(4)]
    vc.to_gpumat(sources, out=mats, dtype="float32", scale=0.5)
    for n, each in enumerate(mats):
        np.testing.assert_array_equal(on_host(each), image(20 + 5 * n, 30, n) * np.float32(0.5))


def test_opencv_takes_what_was_created(cuda_cv2):
    mat = cv2.cuda.GpuMat()
    vc.to_gpumat(on_gpu(image()), out=mat)
    torch.cuda.synchronize()
    np.testing.assert_array_equal(mat.download(), image())
    resized = cuda_cv2.cuda.resize(mat, (15, 20))
    assert resized.size() == (15, 20)
    mat.release()
    assert mat.empty()
    vc.to_gpumat(on_gpu(image(5, 5)), out=mat)  # of another size, now that it is empty
    torch.cuda.synchronize()
    np.testing.assert_array_equal(mat.download(), image(5, 5))


def test_created_gpumats_release_their_memory(frees):
    before = torch.cuda.memory_allocated()
    for _ in range(3):
        mats = [cv2.cuda.GpuMat() for _ in range(4)]
        vc.to_gpumat([on_gpu(image(seed=n)) for n in range(4)], out=mats)
        kept = vc.as_tensor(mats[2])
        del mats
        gc.collect()
        vc.collect()
        np.testing.assert_array_equal(on_host(kept), image(seed=2))
        del kept
    torch.cuda.synchronize()
    gc.collect()
    vc.collect()
    assert torch.cuda.memory_allocated() <= before + 1024


# --------------------------------------------------------- torch's version counter


@pytest.mark.parametrize("function", [vc.to_tensor, vc.to_cupy, vc.to_gpumat])
def test_writes_raise_the_version_counter(function):
    ones = torch.ones(2, 2, 3, device="cuda")
    for out_of in (lambda x: x, lambda x: [x[:1], x[1:]], lambda x: x.detach()):
        x = torch.zeros(2, 2, 3, device="cuda")
        weights = torch.ones(2, 2, 3, device="cuda", requires_grad=True)
        total = (weights * x).sum()
        out = out_of(x)
        function([ones[:1], ones[1:]] if isinstance(out, list) else ones, out=out)
        assert x._version > 0
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            total.backward()
        assert (x == 1).all()


def test_streams_are_ordered_for_each_image_of_a_list():
    """torch's work on the outs before and after the call is ordered on its own stream."""
    stream = side_stream()
    sources = [on_gpu(image(seed=n)) for n in range(3)]
    canvas = torch.zeros(40, 100, 3, dtype=torch.uint8, device="cuda")
    out = [canvas[:, 33 * n : 33 * n + 30] for n in range(3)]
    torch.cuda.synchronize()
    with torch.cuda.stream(vc.stream(stream).torch):
        delay(stream, LONG)
        canvas.fill_(9)
        vc.to_tensor(sources, out=out)
        seen = canvas.clone()
    torch.cuda.synchronize()
    wanted = np.full((40, 100, 3), 9, np.uint8)
    for n in range(3):
        wanted[:, 33 * n : 33 * n + 30] = image(seed=n)
    np.testing.assert_array_equal(seen.cpu().numpy(), wanted)
