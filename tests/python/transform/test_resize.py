# SPDX-License-Identifier: Apache-2.0
"""resize= and boxes=: the bytes of cv2.resize and of Pillow, and everything else as of images that
were resized before."""

import copy
import dataclasses
import os
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

import viewcast as vc

PIL_Image = pytest.importorskip("PIL.Image")

OPENCV = {"linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST, "area": cv2.INTER_AREA}
PILLOW = {
    "pillow-box": PIL_Image.Resampling.BOX,
    "pillow-bilinear": PIL_Image.Resampling.BILINEAR,
    "pillow-bicubic": PIL_Image.Resampling.BICUBIC,
    "pillow-lanczos": PIL_Image.Resampling.LANCZOS,
}
INTERPOLATIONS = [*OPENCV, *PILLOW]


def pillow(plane, size, interpolation):
    """One channel, the horizontal pass first: later versions of Pillow begin with the vertical one
    for some tall shapes, unless each pass is a call of its own."""
    image = PIL_Image.fromarray(np.ascontiguousarray(plane))
    image = image.resize((size[1], plane.shape[0]), PILLOW[interpolation])
    return np.asarray(image.resize((size[1], size[0]), PILLOW[interpolation]))


def resized(image, size, interpolation):
    """The reference: (H, W, C) of uint8."""
    if interpolation in OPENCV:
        source = np.ascontiguousarray(image)
        found = cv2.resize(source, size[::-1], interpolation=OPENCV[interpolation])
        return found.reshape(*size, image.shape[2])
    planes = [pillow(image[:, :, c], size, interpolation) for c in range(image.shape[2])]
    return np.stack(planes, axis=-1)


def letterboxed(image, size, interpolation, pad):
    """Ultralytics' LetterBox(auto=False), from its description: the ratio is the smaller one, new
    sides are rounded, what is left is halved, and 0.1 decides where a half goes."""
    (height, width), (rows, cols) = image.shape[:2], size
    ratio = min(rows / height, cols / width)
    new = max(1, round(height * ratio)), max(1, round(width * ratio))
    above, before = (rows - new[0]) / 2, (cols - new[1]) / 2
    top, left = round(above - 0.1), round(before - 0.1)
    out = np.empty((*size, image.shape[2]), np.uint8)
    out[:] = pad
    out[top : top + new[0], left : left + new[1]] = resized(image, new, interpolation)
    return out


def centre_cropped(image, size, edge, interpolation):
    """torchvision's Resize(edge) and CenterCrop(size) on PIL images."""
    height, width = image.shape[:2]
    short, long = min(height, width), max(height, width)
    new = (edge, int(edge * long / short)) if height <= width else (int(edge * long / short), edge)
    found = resized(image, new, interpolation)
    top, left = round((new[0] - size[0]) / 2.0), round((new[1] - size[1]) / 2.0)
    return found[top : top + size[0], left : left + size[1]]


def draw_side(rng):
    kinds = [1, rng.integers(1, 9), rng.integers(1, 50), 2 * rng.integers(1, 60)]
    return int((*kinds, 16 * rng.integers(1, 12), rng.integers(1, 200))[rng.integers(6)])


def draw_image(rng, channels=None, height=None, width=None):
    channels = channels or int(rng.integers(1, 5))
    shape = height or draw_side(rng), width or draw_side(rng), channels
    if rng.integers(2):
        return rng.integers(0, 256, shape, np.uint8)
    return (rng.integers(0, 2, shape) * 255).astype(np.uint8)


# --- the references


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_random_sizes(interpolation):
    rng = np.random.default_rng(INTERPOLATIONS.index(interpolation))
    for _ in range(150):
        image, size = draw_image(rng), (draw_side(rng), draw_side(rng))
        found = vc.to_numpy(image, resize=vc.Resize(size, interpolation))
        assert np.array_equal(found, resized(image, size, interpolation)), (image.shape, size)


SIZES = [
    ((1, 1), (7, 5)),
    ((7, 5), (1, 1)),
    ((1, 97), (1, 96)),
    ((97, 1), (96, 1)),
    ((1, 64), (31, 64)),
    ((64, 1), (64, 31)),
    ((101, 103), (89, 97)),
    ((64, 96), (32, 48)),
    ((63, 95), (31, 47)),
    ((64, 96), (128, 192)),
    ((60, 90), (20, 30)),
    ((60, 90), (20, 90)),
    ((60, 90), (60, 30)),
    ((60, 90), (61, 91)),
    ((8, 8), (8, 8)),
    ((2, 40000), (3, 33000)),
    ((40000, 2), (33000, 3)),
    ((33, 70001), (1, 2)),
    ((300, 2), (2, 3)),
    ((2000, 3), (5, 3)),
]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("source", "size"), SIZES)
def test_adversarial_sizes(interpolation, source, size):
    rng = np.random.default_rng(7)
    for channels in (1, 2, 3, 4):
        image = draw_image(rng, channels, *source)
        found = vc.to_numpy(image, resize=vc.Resize(size, interpolation))
        assert np.array_equal(found, resized(image, size, interpolation))


@pytest.mark.parametrize("interpolation", PILLOW)
def test_pillow_in_one_call(interpolation):
    """RGB and L, at a size where every version of Pillow begins with the horizontal pass."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (90, 160, 3), np.uint8)
    for source in (PIL_Image.fromarray(image), PIL_Image.fromarray(image[:, :, 0].copy())):
        expected = np.asarray(source.resize((56, 48), PILLOW[interpolation]))
        found = vc.to_numpy(source, resize=vc.Resize((48, 56), interpolation))
        assert np.array_equal(found, expected)


def test_a_size_is_linear():
    image = np.random.default_rng(0).integers(0, 256, (108, 192, 3), np.uint8)
    expected = cv2.resize(image, (50, 40))
    for size in ((40, 50), [40, 50], np.array([40, 50]), vc.Resize((40, 50))):
        assert np.array_equal(vc.to_numpy(image, resize=size), expected)
    assert np.array_equal(vc.to_numpy(image[:, :, 0], resize=(40, 50)), expected[:, :, 0])


# --- composition: as the same call of images that were resized before


def draw_source(rng, channels):
    """An image, packed, pitched, planar in memory or flipped."""
    image = draw_image(rng, channels)
    kind = rng.integers(5)
    if kind == 1:
        return np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    if kind == 2:
        larger = np.zeros((image.shape[0] + 2, image.shape[1] + 3, channels), np.uint8)
        larger[1:-1, 2:-1] = image
        return larger[1:-1, 2:-1]
    return image if kind < 3 else image[::-1] if kind == 3 else image[:, ::-1]


def draw_boxes(rng, images):
    """Rows (index, x0, y0, x1, y1) of whole numbers, each with a pixel inside."""
    rows = []
    for _ in range(int(rng.integers(1, 7))):
        index = int(rng.integers(len(images)))
        height, width = images[index].shape[:2]
        x0, y0 = int(rng.integers(width)), int(rng.integers(height))
        x1, y1 = int(rng.integers(x0 + 1, width + 1)), int(rng.integers(y0 + 1, height + 1))
        rows.append((index, x0, y0, x1, y1))
    return rows


def draw_options(rng, channels):
    options = {"reverse_channels": bool(rng.integers(2))}
    options["layout"] = ["NHWC", "NCHW"][rng.integers(2)]
    options["dtype"] = ["uint8", "float32", "float16", "uint16"][rng.integers(4)]
    if options["dtype"] != "uint16" and rng.integers(2):
        options["mean"] = [float(value) for value in rng.random(channels) * 9]
        options["std"] = [float(value) + 0.5 for value in rng.random(channels)]
    return options


def draw_resize(rng, channels):
    """What resize= is given, and the function of the reference."""
    interpolation = INTERPOLATIONS[rng.integers(len(INTERPOLATIONS))]
    size = draw_side(rng), draw_side(rng)
    kind = rng.integers(3)
    if kind == 0:
        return vc.Resize(size, interpolation), lambda x: resized(x, size, interpolation)
    if kind == 1:
        pad = tuple(float(value) for value in rng.integers(0, 256, channels))
        made = vc.Letterbox(size, interpolation, pad)
        return made, lambda x: letterboxed(x, size, interpolation, pad)
    edge = max(size)
    made = vc.CenterCrop(size, edge, interpolation)
    return made, lambda x: centre_cropped(x, size, edge, interpolation)


@pytest.mark.parametrize("seed", range(12))
def test_composition(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        channels = int(rng.integers(1, 5))
        images = [draw_source(rng, channels) for _ in range(int(rng.integers(1, 5)))]
        resize, reference = draw_resize(rng, channels)
        boxes = draw_boxes(rng, images) if rng.integers(3) == 0 else None
        crops = images
        if boxes:
            crops = [images[i][y0:y1, x0:x1] for i, x0, y0, x1, y1 in boxes]
        if isinstance(resize, vc.CenterCrop) and any(
            max(x.shape[:2]) > 40 * min(x.shape[:2]) for x in crops
        ):
            continue  # the reference would take long
        options = draw_options(rng, channels)
        expected = vc.to_numpy(np.stack([reference(x) for x in crops]), **options)
        if boxes:
            options["boxes"] = np.array(boxes, [np.float32, np.float64, np.int64][rng.integers(3)])
            if options["boxes"].dtype.kind == "f":
                fraction = rng.random((len(boxes), 4)) * 0.9
                options["boxes"][:, 1:] += fraction.astype(options["boxes"].dtype)
        found = vc.to_numpy(images, resize=resize, **options)
        assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes(), resize


def test_channels_are_changed_after_resizing():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (50, 70, 3), np.uint8)
    expected = vc.to_numpy(cv2.resize(image, (30, 20)), channels=4, fill=7, reverse_channels=True)
    options = {"channels": 4, "fill": 7, "reverse_channels": True}
    assert np.array_equal(vc.to_numpy(image, resize=(20, 30), **options), expected)
    gray = image[:, :, 0]
    found = vc.to_numpy(gray, resize=(20, 30), channels=3, layout="CHW")
    assert np.array_equal(found, np.stack([cv2.resize(gray, (30, 20))] * 3))


def test_libraries():
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (60, 80, 3), np.uint8)
    expected = cv2.resize(image, (40, 30))
    chw = np.ascontiguousarray(image.transpose(2, 0, 1))
    sources = [image, torch.from_numpy(image), PIL_Image.fromarray(image), vc.view(image)]
    sources.append(vc.as_gpumat(image) if vc.host_mode() else image)
    for source in sources:
        assert np.array_equal(vc.to_numpy(source, resize=(30, 40)), expected)
    assert np.array_equal(
        vc.to_numpy(chw, from_layout="CHW", layout="HWC", resize=(30, 40)), expected
    )
    found = vc.to_tensor(image, layout="NCHW", resize=(30, 40))
    assert np.array_equal(found[0].permute(1, 2, 0).numpy(), expected)
    if vc.host_mode():
        mat = vc.to_gpumat(image, resize=(30, 40))
        assert mat.size() == (40, 30) and np.array_equal(vc.as_numpy(mat), expected)


# --- out=


def test_out():
    rng = np.random.default_rng(3)
    images = [draw_image(rng, 3, 40, 50), draw_image(rng, 3, 31, 29)]
    expected = np.stack([cv2.resize(image, (16, 12)) for image in images])
    batch = np.zeros((2, 12, 16, 3), np.uint8)
    assert vc.to_numpy(images, resize=(12, 16), out=batch) is batch
    assert np.array_equal(batch, expected)
    apart = [np.zeros((12, 16, 3), np.uint8), np.zeros((14, 16, 3), np.uint8)[2:]]
    vc.to_numpy(images, resize=(12, 16), out=apart)
    assert all(np.array_equal(found, each) for found, each in zip(apart, expected, strict=True))
    tensor = torch.zeros(2, 3, 12, 16)
    vc.to_tensor(images, layout="NCHW", resize=(12, 16), out=tensor)
    assert np.array_equal(tensor.permute(0, 2, 3, 1).numpy(), expected)


def test_out_of_boxes():
    image = np.random.default_rng(4).integers(0, 256, (40, 50, 3), np.uint8)
    boxes = np.array([[1, 2, 30, 20], [5, 5, 9, 9], [0, 0, 50, 40]])
    expected = [cv2.resize(image[y0:y1, x0:x1], (8, 6)) for x0, y0, x1, y1 in boxes]
    outs = [np.zeros((6 + i, 8, 3), np.uint8)[i:] for i in range(3)]
    vc.to_numpy(image, boxes=boxes, resize=(6, 8), out=outs)
    assert all(np.array_equal(found, each) for found, each in zip(outs, expected, strict=True))
    if vc.host_mode():
        mats = vc.to_gpumat(image, boxes=boxes, resize=(6, 8))
        outs = [cv2.cuda.GpuMat(), cv2.cuda.GpuMat(), mats[2]]
        vc.to_gpumat(image, boxes=boxes, resize=(6, 8), out=outs)
        for found, each in zip([*mats, *outs], [*expected, *expected], strict=True):
            assert np.array_equal(vc.as_numpy(found), each)
    with pytest.raises(vc.LayoutError, match="out is a list of 2 and there are 3 images"):
        vc.to_numpy(image, boxes=boxes, resize=(6, 8), out=outs[:2])


# --- boxes=


def test_boxes_of_one_image():
    image = np.random.default_rng(5).integers(0, 256, (40, 50, 3), np.uint8)
    rows = [[1, 2, 30, 20], [5, 5, 9, 9]]
    expected = np.stack([cv2.resize(image[y0:y1, x0:x1], (8, 6)) for x0, y0, x1, y1 in rows])
    kinds = [np.array(rows, dtype) for dtype in ("u1", "i2", "u4", "i8", "f2", "f4", "f8")]
    kinds += [rows, [tuple(row) for row in rows], torch.tensor(rows), torch.tensor(rows).half()]
    kinds += [np.array(rows)[::-1][::-1], np.array(rows, "f4").T.copy().T]
    frozen = np.array(rows)
    frozen.flags.writeable = False
    for boxes in (*kinds, frozen):
        found = vc.to_numpy(image, boxes=boxes, resize=(6, 8))
        assert found.shape == (2, 6, 8, 3) and np.array_equal(found, expected)
    named = np.column_stack([[0, 0], rows])
    assert np.array_equal(vc.to_numpy(image[None], boxes=named, resize=(6, 8)), expected)
    assert np.array_equal(vc.to_numpy(image[None], boxes=rows, resize=(6, 8)), expected)
    chw = np.ascontiguousarray(image.transpose(2, 0, 1))
    assert np.array_equal(vc.to_numpy(chw, from_layout="CHW", boxes=rows, resize=(6, 8)), expected)
    gray = vc.to_numpy(image[:, :, 1], from_layout="HW", boxes=rows, resize=(6, 8))
    assert np.array_equal(gray, expected[:, :, :, 1:2])
    gray = vc.to_numpy(image[:, :, 1], boxes=rows, resize=(6, 8), layout="NHW")
    assert np.array_equal(gray, expected[:, :, :, 1])
    planar = vc.to_tensor(image, boxes=rows, resize=(6, 8), layout="NCHW")
    assert np.array_equal(planar.permute(0, 2, 3, 1).numpy(), expected)


def test_boxes_are_truncated_and_clipped():
    image = np.random.default_rng(6).integers(0, 256, (20, 30, 1), np.uint8)
    boxes = [[-0.9, -7, 4.99, 1e9], [3.7, 2.2, 29.99, 19.2], [-1e30, 0, 1e30, 20]]
    crops = [image[0:20, 0:4], image[2:19, 3:29], image]
    found = vc.to_numpy(image, boxes=boxes, resize=(5, 5))
    for each, crop in zip(found, crops, strict=True):
        assert np.array_equal(each, resized(crop, (5, 5), "linear"))


@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4)), np.zeros((0, 5)), torch.zeros(0, 5)])
def test_no_boxes(boxes):
    image = np.zeros((20, 30, 3), np.uint8)
    assert vc.to_numpy(image, boxes=boxes, resize=(4, 6)).shape == (0, 4, 6, 3)
    assert vc.to_tensor(image, boxes=boxes, resize=(4, 6), layout="NCHW").shape == (0, 3, 4, 6)
    if vc.host_mode():
        assert vc.to_gpumat(image, boxes=boxes, resize=(4, 6)) == []


WRONG_BOXES = [
    ([[1, 1, 1, 3]], r"box 0, \(1, 1, 1, 3\), is empty or reversed"),
    ([[0, 0, 4, 4], [4, 4, 1, 1]], r"box 1, \(4, 4, 1, 1\), is empty or reversed"),
    ([[1.2, 1, 1.9, 3]], "box 0, .* has no pixel in its image"),
    ([[30, 0, 40, 9]], r"has no pixel in its image \(H = 20, W = 30\)"),
    ([[float("nan"), 0, 4, 4]], "holds a NaN"),
    ([[0, 0, 4]], r"boxes have the shape \(1, 3\), needs \(N, 4\)"),
    ([0, 0, 4, 4], r"boxes have the shape \(4,\)"),
    ([[1, 0, 0, 4, 4]], "box 0 names image 1, needs 0 to 0"),
    ([[-1, 0, 0, 4, 4]], "box 0 names image -1"),
]


@pytest.mark.parametrize(("boxes", "words"), WRONG_BOXES)
def test_wrong_boxes(boxes, words):
    image, out = np.zeros((20, 30, 3), np.uint8), np.full((len(boxes), 4, 4, 3), 77, np.uint8)
    with pytest.raises(ValueError, match=words):
        vc.to_numpy(image, boxes=boxes, resize=(4, 4))
    with pytest.raises(ValueError, match=words):
        vc.to_numpy(image, boxes=boxes, resize=(4, 4), out=out)
    assert (out == 77).all()


def test_boxes_that_fit_nothing():
    image = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(ValueError, match="boxes= was given without resize="):
        vc.to_numpy(image, boxes=[[0, 0, 4, 4]])
    for images, count in (([image, image], 2), ([image], 1)):
        with pytest.raises(ValueError, match=rf"is a list of {count} images, needs \(N, 5\)"):
            vc.to_numpy(images, boxes=[[0, 0, 4, 4]], resize=(4, 4))
    with pytest.raises(ValueError, match=r"there are 2 images, needs \(N, 5\)"):
        vc.to_numpy(np.stack([image, image]), boxes=[[0, 0, 4, 4]], resize=(4, 4))
    with pytest.raises(vc.DTypeError, match="boxes are bool"):
        vc.to_numpy(image, boxes=np.zeros((1, 4), bool), resize=(4, 4))
    with pytest.raises(vc.LayoutError, match='layout is "HWC" and boxes make a batch'):
        vc.to_numpy(image, boxes=[[0, 0, 4, 4]], resize=(4, 4), layout="HWC")
    with pytest.raises(vc.ViewError, match="requires grad"):
        boxes = torch.zeros(1, 4, requires_grad=True)
        vc.to_numpy(image, boxes=boxes, resize=(4, 4))


# --- lists of different sizes, and other errors


def test_lists_of_different_sizes():
    images = [np.zeros((20, 30, 3), np.uint8), np.zeros((21, 30, 3), np.uint8)]
    with pytest.raises(vc.LayoutError, match=r"\(21, 30, 3\).*\(20, 30, 3\).*resize=.*out="):
        vc.to_numpy(images)
    assert vc.to_numpy(images, resize=(4, 4)).shape == (2, 4, 4, 3)
    images[1] = np.zeros((21, 30, 4), np.uint8)
    with pytest.raises(vc.LayoutError, match="needs one shape"):
        vc.to_numpy(images, resize=(4, 4))
    images[1] = np.zeros((21, 30, 3), np.uint16)
    with pytest.raises(vc.LayoutError, match="needs one dtype"):
        vc.to_numpy(images, resize=(4, 4))
    images[1] = np.zeros((0, 30, 3), np.uint8)
    with pytest.raises(vc.LayoutError, match=r"image 1 is empty \(H = 0, W = 30\)"):
        vc.to_numpy(images, resize=(4, 4))
    images[1] = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (2**31, 2, 3))
    for boxes in (None, [[1, 0, 0, 1, 1]]):
        with pytest.raises(vc.LayoutError, match="image 1 has H = 2147483648, W = 2 and can't be"):
            vc.to_numpy(images, resize=(4, 4), boxes=boxes)
    with pytest.raises(vc.LayoutError, match="5 channels can't be resized, needs 1 to 4"):
        vc.to_numpy(np.zeros((8, 8, 5), np.uint8), resize=(4, 4))


def test_pads():
    image = np.zeros((20, 30, 3), np.uint8)
    box = vc.Letterbox((8, 8))
    assert vc.to_numpy(image, resize=box)[0, 0].tolist() == [114] * 3
    with pytest.raises(ValueError, match="the pad of the Letterbox was left out and the image is"):
        vc.to_numpy(image.astype("f4"), resize=box)
    with pytest.raises(ValueError, match="pad has 2 values and the image 3 channels"):
        vc.to_numpy(image, resize=vc.Letterbox((8, 8), pad=(1, 2)))
    found = vc.to_numpy(image, resize=vc.Letterbox((8, 8), pad=(1, 2, 3)), reverse_channels=True)
    assert found[0, 0].tolist() == [3, 2, 1]
    found = vc.to_numpy(image.astype("f4"), resize=vc.Letterbox((8, 8), pad=0.5))
    assert found[0, 0].tolist() == [0.5] * 3
    # As pixels of the source are: rounded and saturated, then normalised.
    found = vc.to_numpy(image, resize=vc.Letterbox((8, 8), pad=300.7), dtype="float32", scale=2)
    assert found[0, 0].tolist() == [510] * 3


def test_crops_that_are_too_large():
    image = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(vc.LayoutError, match="H = 50, W = 50 is larger than the resized image"):
        vc.to_numpy(image, resize=vc.CenterCrop((50, 50), 40))
    assert vc.to_numpy(image, resize=vc.CenterCrop((50, 50))).shape == (50, 50, 3)


# --- other dtypes than uint8


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("dtype", "top", "within"), [("u2", 65535, 1), ("f4", 1, 1e-5)])
def test_other_dtypes(interpolation, dtype, top, within):
    rng = np.random.default_rng(8)
    for _ in range(30):
        size = int(rng.integers(1, 80)), int(rng.integers(1, 80))
        shape = int(rng.integers(1, 80)), int(rng.integers(1, 80)), 3
        image = (rng.random(shape) * top).astype(dtype)
        found = vc.to_numpy(image, resize=vc.Resize(size, interpolation))
        if interpolation in OPENCV:
            expected = resized(image, size, interpolation)
        elif dtype == "u2":
            continue
        else:
            planes = [PIL_Image.fromarray(image[:, :, c].copy()) for c in range(3)]
            planes = [p.resize((size[1], shape[0]), PILLOW[interpolation]) for p in planes]
            expected = np.stack([p.resize(size[::-1], PILLOW[interpolation]) for p in planes], -1)
        assert np.abs(found.astype(float) - expected.astype(float)).max() <= within


@pytest.mark.parametrize(("dtype", "top", "within"), [("u2", 65535, 1), ("f4", 1, 1e-6)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_linear_of_large_images(channels, dtype, top, within):
    """cv2 resizes two channels with coordinates in float, and others by IPP, in double; a build
    without IPP resizes these with coordinates in float too."""
    if channels != 2 and not cv2.ipp.useIPP():
        within = 8e-5 * top
    rng = np.random.default_rng(10)
    for _ in range(12):
        size = int(rng.integers(2, 900)), int(rng.integers(2, 900))
        shape = int(rng.integers(2, 900)), int(rng.integers(2, 900)), channels
        image = (rng.random(shape) * top).astype(dtype)
        expected = cv2.resize(image, size[::-1]).reshape(*size, channels)
        found = vc.to_numpy(image, resize=size)
        assert np.abs(found.astype(float) - expected.astype(float)).max() <= within


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u4", "i8", "u8", "f2", "f8"])
def test_rarer_dtypes(dtype):
    rng = np.random.default_rng(9)
    image = (rng.random((13, 17, 2)) * 100).astype(dtype)
    assert np.array_equal(vc.to_numpy(image, resize=(13, 17)), image)
    nearest = vc.to_numpy(image, resize=vc.Resize((26, 34), "nearest"))
    assert np.array_equal(nearest, image.repeat(2, 0).repeat(2, 1))
    exact = cv2.resize(image.astype("f8"), (40, 30))
    assert np.abs(vc.to_numpy(image, resize=(30, 40)).astype(float) - exact).max() <= 0.51


# --- the same bytes everywhere

DIGEST = """
import hashlib, numpy, viewcast
rng = numpy.random.default_rng(0)
digest = hashlib.sha256()
words = ("linear", "nearest", "area", "pillow-box", "pillow-bilinear", "pillow-bicubic",
         "pillow-lanczos")
for dtype in ("u1", "f4", "u2"):
    for _ in range(40):
        shape = (*rng.integers(1, 150, 2), rng.integers(1, 5))
        image = rng.integers(0, 256, shape).astype(dtype)
        size = tuple(int(side) for side in rng.integers(1, 150, 2))
        for word in words:
            made = viewcast.to_numpy(image, resize=viewcast.Resize(size, word))
            digest.update(made.tobytes())
print(digest.hexdigest())
"""


def test_plain_code_and_threads_give_the_same_bytes():
    digests = set()
    for variables in ({}, {"VIEWCAST_SIMD": "scalar"}, {"VIEWCAST_THREADS": "1"}):
        done = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_large_images_in_several_threads():
    rng = np.random.default_rng(10)
    images = [rng.integers(0, 256, (1080 + i, 1920, 3), np.uint8) for i in range(3)]
    resize = vc.Letterbox((640, 640))
    before = vc.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            vc.set_num_threads(threads)
            results.append(vc.to_numpy(images, layout="NCHW", dtype="float32", resize=resize))
    finally:
        vc.set_num_threads(before)
    expected = [letterboxed(image, (640, 640), "linear", 114) for image in images]
    assert np.array_equal(results[0], np.stack(expected).transpose(0, 3, 1, 2))
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


# --- the objects


def test_objects():
    letterbox = vc.Letterbox((640, 640), pad=114)
    assert letterbox == vc.Letterbox([640, np.int64(640)], pad=(114,)[0])
    assert hash(letterbox) == hash(vc.Letterbox((640, 640), pad=114.0))
    assert letterbox != vc.Letterbox((640, 640)) != vc.Resize((640, 640))
    assert "Letterbox(size=(640, 640)" in repr(letterbox)
    crop = vc.CenterCrop((224, 224), 256)
    assert (crop.resize, crop.interpolation) == (256, "pillow-bilinear")
    for made in (letterbox, crop, vc.Resize((3, 4), "area")):
        for other in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
            assert other == made and other.placement((5, 6)) == made.placement((5, 6))
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.size = (1, 2)
    assert dataclasses.replace(crop, resize=224).placement((224, 300)).left == -38


WRONG_OBJECTS = [
    (lambda: vc.Resize(640), TypeError, r"size is 640, needs \(height, width\); \(640, 640\)"),
    (lambda: vc.Resize("640"), TypeError, r"size is '640', needs \(height, width\)"),
    (lambda: vc.Resize((1, 2, 3)), ValueError, r"size is \(1, 2, 3\), needs two numbers"),
    (lambda: vc.Resize((0, 2)), ValueError, "size holds 0, needs numbers of pixels from 1"),
    (lambda: vc.Resize((2**31, 2)), ValueError, "size holds 2147483648"),
    (lambda: vc.Resize((1.0, 2)), TypeError, "size holds a float"),
    (lambda: vc.Resize((True, 2)), TypeError, "size holds a bool"),
    (lambda: vc.Resize((np.True_, 2)), TypeError, "size holds a bool"),
    (lambda: vc.Resize((2, 2), cv2.INTER_LINEAR), TypeError, 'interpolation is 1.*"linear"'),
    (lambda: vc.Resize((2, 2), PIL_Image.BILINEAR), TypeError, '"pillow-bilinear"'),
    (lambda: vc.Resize((2, 2), "cubic"), ValueError, "interpolation is 'cubic', needs one of"),
    (lambda: vc.Resize((2, 2), None), TypeError, "interpolation is None"),
    (lambda: vc.Letterbox((2, 2), pad="grey"), TypeError, "pad holds 'grey', needs numbers"),
    (lambda: vc.Letterbox((2, 2), pad=float("nan")), TypeError, "pad holds nan"),
    (lambda: vc.Letterbox((2, 2), pad=True), TypeError, "pad holds True"),
    (lambda: vc.Letterbox((2, 2), pad=()), ValueError, "pad has 0 values"),
    (lambda: vc.Letterbox((2, 2), pad=(1,) * 5), ValueError, "pad has 5 values"),
    (lambda: vc.CenterCrop((2, 2), 0), ValueError, "resize holds 0"),
    (lambda: vc.CenterCrop((2, 2), (3, 3)), TypeError, "resize holds a tuple"),
]


@pytest.mark.parametrize(("make", "error", "words"), WRONG_OBJECTS)
def test_wrong_objects(make, error, words):
    with pytest.raises(error, match=words):
        make()


# --- placements


def test_placements():
    found = vc.Letterbox((640, 640)).placement((1080, 1920))
    assert found == vc.Placement(360, 640, 140, 0, source_height=1080, source_width=1920)
    found = vc.CenterCrop((224, 224), 256).placement((1080, 1920))
    assert (found.height, found.width, found.top, found.left) == (256, 455, -16, -116)
    assert vc.Resize((3, 4)).placement((30, 20)) == vc.Placement(3, 4, 0, 0, 30, 20)
    with pytest.raises(vc.LayoutError, match="larger than the resized image"):
        vc.CenterCrop((224, 224), 100).placement((100, 100))
    with pytest.raises(ValueError, match="source_size holds 0"):
        vc.Resize((3, 4)).placement((0, 4))


@pytest.mark.parametrize(
    "convert",
    [np.array, lambda x: np.array(x, "i4"), torch.tensor, lambda x: torch.tensor(x).double()],
)
def test_coordinates(convert):
    placement = vc.Letterbox((640, 640)).placement((1080, 1920))
    boxes = convert([[0, 0, 1920, 1080], [3, 6, 9, 12], [-30, 0, 4000, 9]])
    found = placement.to_result(boxes)
    assert type(found) is type(boxes)
    assert found.tolist()[:2] == [[0, 140, 640, 500], [1, 142, 3, 144]]
    back = placement.to_source(found)
    assert np.allclose(np.asarray(back), np.asarray(boxes), rtol=0, atol=1e-3)
    points = placement.to_result(boxes[:, :2])
    assert points.tolist() == [row[:2] for row in found.tolist()]
    assert boxes.tolist()[1] == [3, 6, 9, 12]  # as it was


def test_coordinates_in_lists():
    placement = vc.Resize((10, 20)).placement((20, 20))
    assert placement.to_result([[2, 4, 6, 8]]).tolist() == [[2, 2, 6, 4]]
    for wrong in ([1, 2, 3, 4], np.zeros((2, 3)), np.zeros((1, 2, 4))):
        with pytest.raises(ValueError, match=r"coordinates have the shape .* needs \(N, 4\)"):
            placement.to_source(wrong)
