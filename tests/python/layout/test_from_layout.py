# SPDX-License-Identifier: Apache-2.0
"""from_layout= and layout= of one-channel images, batches and lists, and values that do not fit."""

import cv2
import numpy as np
import pytest
import torch
from images import memory
from planar_images import TO, each_library, packed, pitched, seen

import viewcast as vc

pytestmark = pytest.mark.slow_paths


# --- batches of one-channel images


MASKS = packed(3, 6, 9)


@each_library
def test_masks(make):
    masks = make(MASKS)
    for function in TO:
        np.testing.assert_array_equal(seen(function(masks, from_layout="NHW")), MASKS)
    for copy in (False, None, True):
        mats = vc.as_gpumats(masks, from_layout="nhw", copy=copy)
        np.testing.assert_array_equal(seen(mats), MASKS)
        at = [mat.cudaPtr() == each.ctypes.data for mat, each in zip(mats, MASKS, strict=True)]
        assert at == [copy is not True] * 3


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({}, (3, 6, 9)),
        ({"layout": "NHW"}, (3, 6, 9)),
        ({"keepdim": True}, (3, 6, 9, 1)),
        ({"layout": "NHWC"}, (3, 6, 9, 1)),
        ({"layout": "nchw"}, (3, 1, 6, 9)),
        ({"channels": 3}, (3, 6, 9, 3)),
        ({"channels": 4, "layout": "NCHW"}, (3, 4, 6, 9)),
        ({"dtype": "float32", "scale": 1 / 255}, (3, 6, 9)),
        ({"dtype": "float32", "mean": [2]}, (3, 6, 9)),
    ],
    ids=str,
)
def test_shapes_of_masks(words, wanted):
    values = MASKS.astype(float) * words.get("scale", 1) - words.get("mean", [0])[0]
    for function in TO[:3]:
        result = vc.as_numpy(function(MASKS, from_layout="NHW", **words))
        assert result.shape == wanted
        axis = 1 if wanted[-1] == 9 and len(wanted) == 4 else -1
        planes = values if len(wanted) == 3 else np.expand_dims(values, axis)
        if words.get("channels") != 4:
            np.testing.assert_allclose(result, np.broadcast_to(planes, wanted), rtol=1e-6)


def test_masks_that_are_flipped_and_pitched():
    for masks in (MASKS[:, ::-1], MASKS[:, :, 2:7], MASKS[::-1], MASKS[..., ::2]):
        for function in TO:
            np.testing.assert_array_equal(seen(function(masks, from_layout="NHW")), masks)
        np.testing.assert_array_equal(
            seen(vc.as_gpumats(masks, from_layout="NHW", copy=None)), masks
        )


def test_flow_is_read_as_from_layout_says():
    flow = packed(2, 6, 9)
    assert vc.to_numpy(flow, from_layout="CHW", layout="HWC").shape == (6, 9, 2)
    assert vc.to_numpy(flow, from_layout="NHW", layout="NHWC").shape == (2, 6, 9, 1)


@pytest.mark.parametrize("function", TO[:3], ids=lambda function: function.__name__)
def test_flat_results(function):
    gray, colour = packed(6, 9), packed(6, 9, 3)
    assert tuple(function(gray[..., None], layout="HW").shape) == (6, 9)
    assert tuple(function(gray, layout="hw").shape) == (6, 9)
    assert tuple(function(gray, layout="NHW").shape) == (1, 6, 9)
    assert tuple(function([gray, gray], layout="NHW").shape) == (2, 6, 9)
    assert tuple(function([gray, gray], from_layout="HW").shape) == (2, 6, 9)
    assert tuple(function([gray, gray]).shape) == (2, 6, 9, 1)
    assert tuple(function(colour[..., :2], channels=1, layout="HW").shape) == (6, 9)
    with pytest.raises(vc.LayoutError, match='"HW" and the result has 3 channels, needs one; say'):
        function(colour, layout="HW")
    with pytest.raises(vc.LayoutError, match='"HW" and the source is a batch of 2 .*"NHW"'):
        function([gray, gray], layout="HW")
    with pytest.raises(ValueError, match='"HW", which has no axis of channels, and keepdim=True'):
        function(gray, layout="HW", keepdim=True)


def test_masks_into_out():
    for wanted in ({}, {"layout": "NHW"}):
        out = np.zeros((3, 6, 9), np.float32)
        assert vc.to_numpy(MASKS, from_layout="NHW", out=out, **wanted) is out
        np.testing.assert_array_equal(out, MASKS)
        outs = [np.zeros((6, 9), np.float32) for _ in range(3)]
        vc.to_numpy(MASKS, from_layout="NHW", out=outs, **wanted)
        np.testing.assert_array_equal(np.stack(outs), MASKS)
    out = torch.zeros(3, 1, 6, 9)
    vc.to_tensor(MASKS, from_layout="NHW", layout="NCHW", out=out)
    np.testing.assert_array_equal(out[:, 0].numpy(), MASKS)
    out = np.zeros((3, 6, 9, 1), np.uint8)
    vc.to_numpy(MASKS, from_layout="NHW", out=out)
    np.testing.assert_array_equal(out[..., 0], MASKS)
    with pytest.raises(vc.LayoutError, match='layout is "NHW" and out has rank 4, needs 3'):
        vc.to_numpy(MASKS, from_layout="NHW", layout="NHW", out=out)
    with pytest.raises(vc.LayoutError, match='image 0 of out: layout is "NHW" and out has rank 3'):
        vc.to_numpy(MASKS, from_layout="NHW", layout="NHW", out=list(out))
    out = np.zeros((3, 6, 9), np.uint8)
    vc.to_numpy(list(MASKS), layout="NHW", out=out)
    np.testing.assert_array_equal(out, MASKS)
    mats = [vc.as_gpumat(np.zeros((6, 9), np.uint8)) for _ in range(3)]
    assert vc.to_gpumat(MASKS, from_layout="NHW", out=mats) is mats
    np.testing.assert_array_equal(seen(mats), MASKS)


# --- from_layout= that does not fit


@pytest.mark.parametrize(
    ("shape", "name", "message"),
    [
        ((5, 7, 3), "HW", r'"HW" and the image has rank 3, needs 2 \(H, W\); "HWC" and "CHW"'),
        ((5, 7), "NHW", r'"NHW" and the image has rank 2, needs 3 \(N, H, W\); "HW" is'),
        ((5, 7), "NHWC", r"rank 2, needs 4"),
        ((5, 7, 3), "NCHW", r'rank 3, needs 4 \(N, C, H, W\); .*"NHW" a batch'),
        ((2, 5, 7, 3), "NHW", r'rank 4, needs 3 \(N, H, W\); "NHWC" and "NCHW" are a batch'),
        ((2, 5, 7, 3), "CHW", r"rank 4, needs 2 or 3 \(C, H, W\)"),
        ((2, 5, 7, 3), "HW", r"rank 4, needs 2"),
    ],
    ids=str,
)
@pytest.mark.parametrize("function", TO, ids=lambda function: function.__name__)
def test_ranks_that_do_not_fit(function, shape, name, message):
    with pytest.raises(vc.LayoutError, match=message):
        function(packed(*shape), from_layout=name)


def test_layouts_with_n_are_for_batches():
    image = packed(5, 7, 3)
    for name in ("NHWC", "nchw", "NHW"):
        with pytest.raises(ValueError, match=f"'{name}' and .*one image, needs .*as_gpumats"):
            vc.as_gpumat(image, from_layout=name)
    for name in ("BANANA", "", "HW C", "HWCC", b"HWC", 3, ("H", "W"), np.array(["HWC"])):
        for function in (vc.as_gpumat, vc.as_gpumats, *TO):
            with pytest.raises(ValueError, match="from_layout is .*, needs "):
                function(image, from_layout=name)


def test_lists_in_layouts_that_do_not_fit():
    image, gray = packed(5, 7, 3), packed(5, 7)
    for function in (vc.as_gpumats, *TO):
        with pytest.raises(vc.LayoutError, match="^image 1: from_layout is .*rank 3, needs 2"):
            function([gray, image], from_layout="HW")
    with pytest.raises(vc.LayoutError, match="^image 1: the image has rank 4.*as_gpumats"):
        vc.as_gpumats([image, image[None]])
    for function in TO:
        with pytest.raises(vc.LayoutError, match="2 batches were given, needs one batch or a list"):
            function([MASKS, MASKS], from_layout="NHW")
        for name in ("HW", "NHW", "CHW", "NCHW"):
            np.testing.assert_array_equal(
                seen(function([gray, gray], from_layout=name)).reshape(2, 5, 7), [gray, gray]
            )


# --- one image is no batch


@pytest.mark.parametrize(
    ("function", "one"), [(vc.as_gpumats, "as_gpumat"), (vc.as_tensors, "as_tensor")]
)
def test_one_image_is_no_batch(function, one):
    image = packed(36, 64, 3)
    for source in (image, torch.from_numpy(image), vc.view(image), image[..., 0]):
        with pytest.raises(vc.LayoutError, match=rf"rank [23], needs 4 .*{one}\(\) for one image"):
            function(source)
    with pytest.raises(vc.LayoutError, match=rf"a GpuMat is one image; .*{one}\(\)"):
        function(vc.as_gpumat(image))
    with pytest.raises(vc.LayoutError) as caught:
        function(image)
    assert "NHW" not in str(caught.value) and "list(x)" not in str(caught.value)
    with pytest.raises(vc.LayoutError, match=r'"NHW"|list\(x\)'):
        function(MASKS)


@pytest.mark.parametrize("name", ["HWC", "CHW", "NHWC", "NCHW", "HW"])
def test_one_image_is_no_batch_whatever_from_layout_says(name):
    with pytest.raises(vc.LayoutError, match="rank 3, needs 4"):
        vc.as_gpumats(packed(36, 64, 3), from_layout=name)


@each_library
def test_tensors_of_a_batch(make):
    for array in (packed(3, 4, 6, 3), packed(2, 3, 5, 9, dtype="float32"), pitched(2, 3, 5, 9)):
        tensors = vc.as_tensors(make(array))
        assert len(tensors) == len(array)
        for tensor, each in zip(tensors, array, strict=True):
            assert tensor.data_ptr() == each.ctypes.data
            np.testing.assert_array_equal(tensor.numpy(), each)
    assert vc.as_tensors(np.zeros((0, 4, 6, 3))) == []


def test_copies_of_batches_and_lists():
    batch = packed(3, 4, 6, 3)
    flipped = batch[:, ::-1]
    for function in (vc.as_gpumats, vc.as_tensors):
        with pytest.raises(vc.LayoutError, match="^image 0: .*axis 0"):
            function(flipped)
        for source in (flipped, list(flipped)):
            np.testing.assert_array_equal(seen(function(source, copy=None)), flipped)
            with pytest.raises(vc.LayoutError, match="^image 0: .*axis 0"):
                function(source, copy=False)
        for source in (batch, list(batch), tuple(batch)):
            for copy in (False, None, True):
                result = function(source, copy=copy)
                np.testing.assert_array_equal(seen(result), batch)
                same = [
                    vc.view(each).ptr == image.ctypes.data
                    for each, image in zip(result, batch, strict=True)
                ]
                assert same == [copy is not True] * 3
        frozen = batch.copy()
        frozen.flags.writeable = False
        for source in (frozen, list(frozen)):
            with pytest.raises(vc.ViewError, match="read-only"):
                function(source)
            np.testing.assert_array_equal(seen(function(source, copy=None)), frozen)


def test_a_batch_whose_second_image_is_not_aligned_is_copied():
    """The first image of four channels is aligned for OpenCV's kernels."""
    batch = np.ndarray((3, 4, 6, 4), np.uint8, memory(4096), 0, (130, 32, 4, 1))
    with pytest.raises(vc.LayoutError, match="^image 1: .*aligned to 4 bytes"):
        vc.as_gpumats(batch)
    np.testing.assert_array_equal(seen(vc.as_gpumats(batch, copy=None)), batch)


def test_arguments_of_batches():
    batch = packed(2, 4, 6, 3)
    for function in (vc.as_gpumats, vc.as_tensors):
        with pytest.raises(vc.DeviceError, match="no CUDA device 0"):
            function(batch, device=0, copy=None)
        assert len(function(batch, device="cpu")) == 2
    with pytest.raises(TypeError, match="unexpected keyword argument 'from_layout'"):
        vc.as_tensors(batch, from_layout="NHWC")
    mat = cv2.cuda.createGpuMatFromCudaMemory(4, 6, cv2.CV_8UC3, batch.ctypes.data, 18)
    assert vc.as_tensors([mat], owner=batch)[0].data_ptr() == batch.ctypes.data


def test_iterators_are_lists():
    images = [packed(4, 6, 3), packed(5, 7)]
    for function in (vc.as_gpumats, vc.as_tensors):
        found = function(image for image in images)
        assert [seen(each).shape for each in found] == [(4, 6, 3), (5, 7)]
        with pytest.raises(TypeError, match="is no image"):
            function(5)


# --- lists of images that make no batch, and lists that do


@pytest.mark.parametrize("function", TO, ids=lambda function: function.__name__)
def test_one_channel_with_and_without_its_axis(function):
    gray = packed(3, 6, 9)
    mat = vc.as_gpumat(gray[0])
    for images in (
        [mat, gray[1][..., None], gray[2]],
        [gray[0][..., None], mat, gray[2][..., None]],
        [gray[0], gray[1][:, ::-1][..., None], mat],
    ):
        wanted = np.stack([vc.as_numpy(image).reshape(6, 9) for image in images])
        np.testing.assert_array_equal(seen(function(images)).reshape(3, 6, 9), wanted)
        if function is not vc.to_gpumat:
            for layout, shape in (("NHW", (3, 6, 9)), ("NCHW", (3, 1, 6, 9)), (None, (3, 6, 9, 1))):
                result = seen(function(images, layout=layout))
                np.testing.assert_array_equal(result, wanted.reshape(shape))
    planes = [gray[0], gray[1][None], mat]
    result = seen(function(planes, from_layout="CHW")).reshape(3, 6, 9)
    np.testing.assert_array_equal(result, [gray[0], gray[1], gray[0]])
    with pytest.raises(vc.LayoutError, match=r"image 1 has the shape \(6, 9\) .*channels="):
        function([packed(6, 9, 3), gray[0]])


def test_the_message_for_two_sizes_says_how_to_pad():
    images = [packed(6, 8, 3), packed(4, 9, 3)]
    sizes = [image.shape[:2] for image in images]
    with pytest.raises(
        vc.LayoutError, match=r"image 1 .*\(4, 9, 3\) and image 0 \(6, 8, 3\)"
    ) as told:
        vc.to_numpy(images, layout="NCHW")
    assert "out=[batch[i, :, :h, :w] for i, (h, w) in enumerate(sizes)]" in str(told.value)
    batch = np.zeros((2, 3, 6, 9), np.uint8)
    vc.to_numpy(images, layout="NCHW", out=[batch[i, :, :h, :w] for i, (h, w) in enumerate(sizes)])
    for image, padded in zip(images, batch, strict=True):
        h, w = image.shape[:2]
        np.testing.assert_array_equal(padded[:, :h, :w], image.transpose(2, 0, 1))
        assert padded.sum(dtype=int) == image.sum(dtype=int)
    with pytest.raises(vc.LayoutError, match=r"out=\[batch\[i, :h, :w\]"):
        vc.to_numpy(images)
    batch = np.zeros((2, 6, 9, 3), np.uint8)
    vc.to_numpy(images, out=[batch[i, :h, :w] for i, (h, w) in enumerate(sizes)])
    np.testing.assert_array_equal(batch[1, :4, :9], images[1])
    with pytest.raises(vc.LayoutError, match=r"\[vc.to_gpumat\(x\) for x in images\]"):
        vc.to_gpumat(images)
    planar = [np.ascontiguousarray(image.transpose(2, 0, 1)) for image in images]
    with pytest.raises(
        vc.LayoutError, match=r"\(3, 4, 9\) and image 0 \(3, 6, 8\).*batch\[i, :, :h"
    ):
        vc.to_numpy(planar, from_layout="CHW")


@pytest.mark.parametrize("channels", [1, 4])
def test_statistics_of_three_channels_for_gray_and_rgba(channels):
    image = packed(6, 8, channels)
    message = r"normalize=: mean has 3 values, .*result's \d channels; channels=3 "
    for source in (image, [image, image], vc.as_gpumat(image)):
        with pytest.raises(ValueError, match=message):
            vc.to_numpy(source, dtype="float32", normalize=vc.IMAGENET)
        result = vc.to_numpy(source, dtype="float32", normalize=vc.IMAGENET, channels=3)
        assert result.shape[-3:] == (6, 8, 3)
    with pytest.raises(ValueError, match=r"mean has 2 values.*from_layout="):
        vc.to_numpy(packed(6, 5, 7), dtype="float32", mean=(1, 2))
    with pytest.raises(ValueError, match=r"std has 3 values.*an out= of as many channels"):
        vc.to_numpy(image, std=(1, 2, 3), out=np.zeros((6, 8, channels), np.float32))
