# SPDX-License-Identifier: Apache-2.0
"""out= with empty GpuMats: the call creates them, as OpenCV creates a dst."""

import gc

import cv2
import numpy as np
import pytest
import torch

import viewcast as vc

IMAGE = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)
ERRORS = (vc.ViewError, TypeError, ValueError)


def pixels(mat):
    return vc.as_numpy(mat)


def test_an_empty_gpumat_is_created(ledger):
    mat = cv2.cuda.GpuMat()
    assert vc.to_gpumat(IMAGE, out=mat) is mat
    assert (mat.size(), mat.channels(), mat.depth()) == ((30, 40), 3, cv2.CV_8U)
    np.testing.assert_array_equal(pixels(mat), IMAGE)
    where = mat.cudaPtr()
    vc.to_gpumat(IMAGE + 1, out=mat)  # and then it has memory
    assert mat.cudaPtr() == where
    np.testing.assert_array_equal(pixels(mat), IMAGE + 1)
    del mat
    assert ledger(force=True)["lends"] == ledger(force=True)["lends_released"] == 1


@pytest.mark.parametrize("function", [vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat])
def test_a_created_gpumat_equals_a_new_result(function):
    chw = torch.from_numpy(np.ascontiguousarray(IMAGE.transpose(2, 0, 1)))
    options = {"dtype": "float32", "normalize": vc.IMAGENET, "reverse_channels": True}
    mat = cv2.cuda.GpuMat()
    assert function(chw, from_layout="CHW", out=mat, **options) is mat
    wanted = vc.to_gpumat(chw, from_layout="CHW", **options)
    assert (mat.size(), mat.type(), mat.step) == (wanted.size(), wanted.type(), wanted.step)
    np.testing.assert_array_equal(pixels(mat), pixels(wanted))
    gray = cv2.cuda.GpuMat()
    vc.to_gpumat(IMAGE[..., 0], out=gray, channels=3)
    np.testing.assert_array_equal(pixels(gray), np.repeat(IMAGE[..., :1], 3, axis=2))


def test_a_list_of_empty_gpumats():
    mats = [cv2.cuda.GpuMat() for _ in range(5)]
    assert vc.to_gpumat([IMAGE + i for i in range(5)], out=mats) is mats
    for i, mat in enumerate(mats):
        np.testing.assert_array_equal(pixels(mat), IMAGE + i)
    batch = np.stack([IMAGE, IMAGE + 1])
    pair = (cv2.cuda.GpuMat(), cv2.cuda.GpuMat())
    vc.to_gpumat(batch, out=pair, dtype="int16")
    np.testing.assert_array_equal(pixels(pair[1]), IMAGE + 1)


def test_a_list_of_empty_and_existing_gpumats_of_several_sizes():
    images = [IMAGE[:10], IMAGE[:, :7], IMAGE, IMAGE[:3, :3]]
    out = [
        cv2.cuda.GpuMat(),
        np.zeros((40, 7, 3), np.uint8),
        cv2.cuda.GpuMat(),
        vc.as_gpumat(np.zeros((3, 3, 3), np.uint8)),
    ]
    vc.to_gpumat(images, out=out)
    for image, one in zip(images, out, strict=True):
        np.testing.assert_array_equal(pixels(one), image)


def test_created_gpumats_of_a_list_live_independently(counting):
    mats = [cv2.cuda.GpuMat() for _ in range(3)]
    vc.to_gpumat([IMAGE, IMAGE + 1, IMAGE + 2], out=mats)
    seen = pixels(mats[1])
    del mats
    gc.collect()
    vc.collect()
    np.testing.assert_array_equal(seen, IMAGE + 1)


def test_an_empty_image_creates_an_empty_gpumat():
    mat = cv2.cuda.GpuMat()
    vc.to_gpumat(IMAGE[:0], out=mat)
    assert mat.empty() and mat.size() == (30, 0) and mat.channels() == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images, out: out.__setitem__(2, out[0]), "in the list before"),
        (lambda images, out: images.__setitem__(1, object()), "is no image"),
        (lambda images, out: out.__setitem__(1, np.zeros((2, 2, 3), np.uint8)), "size"),
        (lambda images, out: images.pop(), "list of 3"),
        (lambda images, out: images.__setitem__(2, np.zeros((4, 4, 5), np.uint8)), "channel"),
        (lambda images, out: images.__setitem__(2, np.zeros((4, 4, 700), np.uint8)), "channel"),
    ],
)
def test_nothing_is_created_by_a_call_that_fails(change, message, ledger):
    images, out = [IMAGE, IMAGE, IMAGE], [cv2.cuda.GpuMat() for _ in range(3)]
    mats = list(out)
    change(images, out)
    channels = {"channels": 3} if len(images) == 3 else {}
    with pytest.raises(ERRORS, match=message):
        vc.to_gpumat(images, out=out, **channels)
    assert all(mat.empty() for mat in mats)
    assert ledger(force=True).get("lends", 0) == 0


@pytest.mark.parametrize("resize", [(12, 9), vc.Letterbox((12, 9), pad=3), vc.CenterCrop((12, 9))])
def test_a_list_of_several_dtypes_and_channels_is_resized(resize):
    """Each GpuMat is what a call with its image alone gives."""
    images = [IMAGE, IMAGE[..., 0].astype(np.float32), IMAGE[:20, :, :1].astype(np.uint16)]
    for options in ({}, {"channels": 3}, {"dtype": "float16"}):
        mats = [cv2.cuda.GpuMat() for _ in images]
        vc.to_gpumat(images, out=mats, resize=resize, **options)
        for mat, image in zip(mats, images, strict=True):
            wanted = vc.to_gpumat(image, resize=resize, **options)
            assert (mat.size(), mat.type()) == (wanted.size(), wanted.type())
            np.testing.assert_array_equal(pixels(mat), pixels(wanted))


def test_one_gpumat_for_a_batch():
    mat = cv2.cuda.GpuMat()
    with pytest.raises(vc.LayoutError, match="there are 2 images, needs a list"):
        vc.to_gpumat(np.stack([IMAGE, IMAGE]), out=mat)
    assert mat.empty()
    vc.to_gpumat(IMAGE[None], out=mat)
    np.testing.assert_array_equal(pixels(mat), IMAGE)


def test_a_gpumat_of_another_size_stays_as_it_is():
    """OpenCV would create it anew, and views of it would keep the old memory."""
    mat = vc.to_gpumat(IMAGE)
    seen = pixels(mat)
    for image in (IMAGE[:5], IMAGE[:, :5]):
        with pytest.raises(vc.LayoutError, match="40 rows and 30 columns|needs the same size"):
            vc.to_gpumat(image, out=mat)
        with pytest.raises(vc.LayoutError, match="image 0 of out: .*needs the same size"):
            vc.to_gpumat([image, image], out=[mat, cv2.cuda.GpuMat()])
    np.testing.assert_array_equal(seen, IMAGE)
    assert mat.size() == (30, 40)


def test_fractions_need_a_dtype_here_too():
    mat = cv2.cuda.GpuMat()
    with pytest.raises(ValueError, match="dtype"):
        vc.to_gpumat(IMAGE, normalize=vc.IMAGENET, out=mat)
    assert mat.empty()
