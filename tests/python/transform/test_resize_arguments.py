# SPDX-License-Identifier: Apache-2.0
"""How resize=, boxes= and coordinates are read: kinds of numbers and arrays, and those refused."""

import collections
import decimal
import fractions
import sys
import threading

import numpy as np
import pytest
import torch

import viewcast as vc

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
BOX = [1, 2, 10, 12]
CROP = vc.to_numpy(IMAGE[2:12, 1:10], resize=(4, 4))[None]

# --- sizes


@pytest.mark.parametrize(
    "size", [{640, 480}, {640: 1, 480: 2}, bytearray(b"ab"), frozenset({4, 5})]
)
def test_sizes_without_an_order(size):
    for make in (vc.Resize, vc.Letterbox, vc.CenterCrop, vc.Resize((4, 5)).placement):
        with pytest.raises(TypeError, match=r"size is .*, needs \(height, width\)"):
            make(size)
    with pytest.raises(TypeError, match=r"resize is .*, needs \(height, width\), or a vc.Resize"):
        vc.to_numpy(IMAGE, resize=size)


@pytest.mark.parametrize("size", [5, np.int64(5), True, np.array(5), torch.tensor(5)])
def test_sizes_that_are_one_number(size):
    example = r"; \(5, 5\) is a square" if isinstance(size, (int, np.integer)) else "vc.CenterCrop"
    example = "vc.CenterCrop$" if size is True else example
    with pytest.raises(TypeError, match=rf"resize is .*, needs \(height, width\), or.*{example}"):
        vc.to_numpy(IMAGE, resize=size)


def test_classes_are_no_sizes():
    for kind in (np.ndarray, torch.Tensor, vc.Resize):
        with pytest.raises(TypeError, match=r"size is <class .*, needs \(height, width\)"):
            vc.Resize(kind)
        with pytest.raises(TypeError, match="pad holds <class .*, needs numbers"):
            vc.Letterbox((4, 5), pad=kind)


@pytest.mark.parametrize("side", [torch.tensor(True), torch.tensor(4.0), np.array([4]), "4"])
def test_sides_that_are_no_whole_numbers(side):
    with pytest.raises(TypeError, match="size holds a .*, needs whole numbers of pixels"):
        vc.Resize((side, 4))


# --- pads


ONE_PAD = [5, np.float16(5), np.array(5), torch.tensor(5), torch.tensor(5.0, requires_grad=True)]


@pytest.mark.parametrize("pad", [*ONE_PAD, decimal.Decimal(5), fractions.Fraction(5)])
def test_kinds_of_one_pad(pad):
    made = vc.Letterbox((8, 8), pad=pad)
    assert type(made.pad) is float and made == vc.Letterbox((8, 8), pad=5)
    assert vc.Letterbox((8, 8), pad=(pad, 6, 7)).pad == (5.0, 6.0, 7.0)
    assert vc.to_numpy(IMAGE, resize=made)[0, 0].tolist() == [5, 5, 5]


@pytest.mark.parametrize("convert", [list, np.array, torch.tensor, collections.deque, np.uint8])
def test_kinds_of_pads(convert):
    made = vc.Letterbox((8, 8), pad=convert([1, 2, 3]))
    assert made == vc.Letterbox((8, 8), pad=(1, 2, 3)) and hash(made)
    assert vc.to_numpy(IMAGE, resize=made)[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "pad", [{1, 2, 3}, {1: 2}, bytearray(3), np.True_, [torch.tensor(True)], 1j]
)
def test_pads_that_are_no_numbers(pad):
    with pytest.raises(TypeError, match="pad holds .*, needs numbers"):
        vc.Letterbox((8, 8), pad=pad)


def test_pads_beyond_float64():
    for pad in (10**400, (1, 2, 10**400)):
        with pytest.raises(ValueError, match="pad holds an int beyond float64"):
            vc.Letterbox((8, 8), pad=pad)


# --- boxes


class ArrayLike:
    """What pandas' frames are: an object that NumPy can make an array of."""

    def __array__(self, dtype=None, copy=None):
        return np.array([BOX], dtype or np.int64)


KINDS = [
    [torch.tensor(BOX)],
    [[torch.tensor(float(value)) for value in BOX]],
    [[decimal.Decimal(value) for value in BOX]],
    np.array([BOX], ">f4"),
    np.array([BOX], ">i2"),
    memoryview(np.array([BOX], np.float32)),
    vc.view(np.array([BOX], np.float32)),
    ArrayLike(),
]


@pytest.mark.parametrize("boxes", KINDS, ids=range(len(KINDS)))
def test_kinds_of_boxes(boxes):
    assert np.array_equal(vc.to_numpy(IMAGE, boxes=boxes, resize=(4, 4)), CROP)


@pytest.mark.parametrize(
    "boxes", ["path.npy", 5, True, {1: 2}, {1, 2}, range(4), iter([BOX]), collections.deque([BOX])]
)
def test_objects_that_are_no_boxes(boxes):
    with pytest.raises(TypeError, match="boxes are of the type .*, needs an array .* or a list"):
        vc.to_numpy(IMAGE, boxes=boxes, resize=(4, 4))


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[False, False, True, True]], "boxes are bool"),
        ([[str(value) for value in BOX]], "boxes: dtype is str"),
        ([[1j, 2, 3, 4]], "boxes: dtype is complex128"),
        (np.array([BOX], "c8"), "boxes: dtype is complex64"),
        (np.array([BOX], object), "boxes: dtype is object"),
        (torch.zeros(1, 4) + 0j, "boxes: dtype is complex64"),
    ],
)
def test_dtypes_that_are_no_boxes(boxes, words):
    with pytest.raises(vc.DTypeError, match=words):
        vc.to_numpy(IMAGE, boxes=boxes, resize=(4, 4))


@pytest.mark.parametrize(
    ("boxes", "error"),
    [
        ([BOX, BOX[:3]], ValueError),
        ([[0, 0, 10**400, 4]], ValueError),
        ([torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)], TypeError),
        ([[1, 2, {}, 4]], TypeError),
        ([[1, 2, None, 4]], TypeError),
    ],
)
def test_lists_that_are_no_boxes(boxes, error):
    needs = r"needs \(N, 4\) for one image: x0, y0, x1, y1, or \(N, 5\)"
    with pytest.raises(error, match=rf"boxes can't be read as numbers \(.*\), {needs}"):
        vc.to_numpy(IMAGE, boxes=boxes, resize=(4, 4))


def test_a_box_of_no_image():
    with pytest.raises(ValueError, match="box 0 names image 0 and there is none"):
        vc.to_numpy(np.zeros((0, 20, 30, 3), np.uint8), boxes=[[0, *BOX]], resize=(4, 4))


# --- coordinates

PLACEMENT = vc.Letterbox((640, 640)).placement((1080, 1920))
ON_RESULT, ON_SOURCE = [[0, 140, 640, 500], [600, 300, 639, 499]], [[0, 0, 1920, 1080]]
EXACT = [*ON_SOURCE, [1800, 480, 1917, 1077]]


def test_coordinates_of_16_bits():
    """600 * 1920 is beyond float16."""
    halves = (np.array(ON_RESULT, "f2"), np.array(ON_RESULT, ">f2"), torch.tensor(ON_RESULT).half())
    for half in halves:
        found = PLACEMENT.to_source(half)
        assert type(found) is type(half) and "float32" in str(found.dtype)
        assert found.tolist() == EXACT
    rough = PLACEMENT.to_source(torch.tensor(ON_RESULT).bfloat16())
    assert rough.dtype == torch.float32 and rough.tolist()[0] == EXACT[0]
    back = PLACEMENT.to_result(np.array(ON_SOURCE, "f2"))
    assert back.dtype == np.float32 and back.tolist() == [[0, 140, 640, 500]]


def test_integers_where_torch_computes_in_half():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        found = PLACEMENT.to_source(torch.tensor(ON_RESULT))
    finally:
        torch.set_default_dtype(before)
    assert found.dtype == torch.float32 and found.tolist() == EXACT


def test_no_coordinates():
    for nothing in ([], (), np.zeros((0, 4)), np.zeros((0, 2)), torch.zeros(0, 4)):
        for found in (PLACEMENT.to_source(nothing), PLACEMENT.to_result(nothing)):
            assert found.shape == getattr(nothing, "shape", (0, 4))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array(ON_SOURCE, "c8"), "coordinates are a ndarray of complex64"),
        (torch.tensor(ON_SOURCE) + 0j, "coordinates are a Tensor of torch.complex64"),
        (np.array(ON_SOURCE, object), "coordinates are a ndarray of object"),
        ([["1", "2", "3", "4"]], "coordinates are a ndarray of <U1"),
        (vc.view(np.array(ON_SOURCE)), "coordinates are a View of int64"),
        ({}, "coordinates can't be read as numbers"),
        ([[1, None]], "coordinates can't be read as numbers"),
    ],
)
def test_objects_that_are_no_coordinates(value, words):
    for method in (PLACEMENT.to_source, PLACEMENT.to_result):
        with pytest.raises(TypeError, match=words):
            method(value)


# --- out=


def test_objects_that_are_no_out():
    for out, words in (("a.npy", "out: str is no image"), ({}, "out: dict is no image")):
        with pytest.raises(TypeError, match=words):
            vc.to_numpy(IMAGE, out=out, resize=(4, 4))
    with pytest.raises(vc.DTypeError, match="out: dtype is complex128"):
        vc.to_numpy(IMAGE, out=np.zeros((4, 4, 3), complex), resize=(4, 4))
    with pytest.raises(ValueError, match="out: the list is empty"):
        vc.to_numpy(IMAGE, boxes=[], out=[], resize=(4, 4))


def test_out_over_the_boxes():
    memory = np.zeros(200, np.uint8)
    boxes = memory[:8].reshape(2, 4)
    boxes[:] = [BOX, [5, 5, 20, 20]]
    before = memory.copy()
    for out in (memory[:96].reshape(2, 4, 4, 3), [memory[4:52].reshape(4, 4, 3), CROP[0]]):
        with pytest.raises(vc.ViewError, match="shares memory with the boxes"):
            vc.to_numpy(IMAGE, boxes=boxes, out=out, resize=(4, 4))
        assert np.array_equal(memory, before)


def test_images_of_out_that_are_written_one_by_one_over_the_boxes():
    """The second box lies in the first image: it would be read after that was written."""
    memory = np.zeros(400, np.uint8)
    boxes = np.lib.stride_tricks.as_strided(memory[300:], (2, 4), (-280, 1))
    boxes[:] = [BOX, [5, 5, 20, 20]]
    before = memory.copy()
    outs = [memory[:48].reshape(4, 4, 3), memory[100:172].reshape(4, 6, 3)[:, :4]]
    with pytest.raises(vc.ViewError, match="image 0 of out shares memory with the boxes"):
        vc.to_numpy(IMAGE, boxes=boxes, out=outs, resize=(4, 4))
    assert np.array_equal(memory, before)
    apart = vc.to_numpy(IMAGE, boxes=boxes.copy(), out=outs, resize=(4, 4))
    assert apart is outs and np.array_equal(outs[0], CROP[0])


def test_the_pad_of_images_of_several_dtypes():
    """Each image goes into an array of its own, and may have its own dtype."""
    images, resize = [IMAGE, IMAGE.astype(np.float32)], vc.Letterbox((8, 8))
    for order in (images, images[::-1]):
        outs = [np.full((8, 8, 3), 77, image.dtype) for image in order]
        with pytest.raises(
            ValueError, match="pad of the Letterbox was left out and the image is f"
        ):
            vc.to_numpy(order, out=outs, resize=resize)
        assert all((out == 77).all() for out in outs)
        vc.to_numpy(order, out=outs, resize=vc.Letterbox((8, 8), pad=5))
        assert all(out[0, 0].tolist() == [5, 5, 5] for out in outs)


def outs_apart(count):
    """Arrays that no batch holds, so that each is written by itself."""
    return [np.full((4, 4 + i, 3), 77, np.uint8)[:, :4] for i in range(count)]


@pytest.mark.parametrize("outs", [None, outs_apart(3)], ids=["batch", "list"])
@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        ([IMAGE, IMAGE, IMAGE[:0]], {"resize": (4, 4)}, "^image 2 is empty"),
        ([IMAGE, IMAGE[:3], IMAGE], {"resize": vc.CenterCrop((4, 4), 3)}, "^image 0: a centre"),
        (IMAGE, {"boxes": [BOX, BOX, [5, 5, 1, 1]], "resize": (4, 4)}, r"^box 2, \(5, 5, 1, 1\)"),
        (
            [IMAGE],
            {"boxes": [[0, *BOX]] * 2 + [[7, *BOX]], "resize": (4, 4)},
            "^box 2 names image 7",
        ),
        (IMAGE, {"boxes": [BOX] * 3, "resize": vc.CenterCrop((4, 4), 3)}, "^box 0: a centre"),
    ],
)
def test_what_cannot_be_resized_is_named_by_its_place(images, options, words, outs):
    """In the list or among the boxes, also where each image is written by itself."""
    for out in outs or []:
        out[:] = 77
    with pytest.raises(ValueError, match=words):
        vc.to_numpy(images, out=outs, **options)
    assert all((out == 77).all() for out in outs or [])


FOUR = [IMAGE[i:, : 30 - i] for i in range(4)]
NV12 = [np.random.default_rng(i).integers(0, 256, (18, 12), np.uint8) for i in range(4)]


@pytest.mark.parametrize(
    "images",
    [
        FOUR,
        np.stack([image[:17, :27] for image in FOUR]),
        [vc.yuv(frame, "nv12", "bt709", "limited") for frame in NV12],
        vc.yuv(np.stack(NV12), "nv12", "bt709", "full"),
        [vc.to_gpumat(image) for image in FOUR],
    ],
    ids=["list", "batch", "yuv", "yuv-batch", "gpumats"],
)
def test_boxes_that_are_written_one_by_one(images):
    """Each names its image by an index of any number, which is truncated, in any memory."""
    boxes = np.array([[3, 0, 0, 5, 5], [0, 1.5, 1, 8, 9], [3.7, 2, 2, 9, 9], [-0.5, 0, 0, 3, 3]])
    for given in (boxes, boxes[::-1], np.asfortranarray(boxes), torch.tensor(boxes).half()):
        together = vc.to_numpy(images, boxes=given, resize=vc.Letterbox((4, 4)))
        outs = vc.to_numpy(images, boxes=given, resize=vc.Letterbox((4, 4)), out=outs_apart(4))
        assert np.array_equal(np.stack(outs), together)


# --- threads


@pytest.mark.parametrize("resize", [vc.Resize((32, 32), "pillow-lanczos"), vc.Letterbox((32, 32))])
def test_another_thread_runs_while_a_large_image_becomes_a_small_one(resize):
    """The interpreter does not ask for the GIL: only the call can have released it."""
    image = np.broadcast_to(np.uint8(1), (2000, 2000, 3))
    start, ran = threading.Lock(), []

    def wait():
        start.acquire()
        ran.append(1)

    interval = sys.getswitchinterval()
    start.acquire()
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        sys.setswitchinterval(20)
        start.release()
        for _ in range(100):
            vc.to_numpy(image, resize=resize)
            if ran:
                break
        seen = bool(ran)
    finally:
        sys.setswitchinterval(interval)
    thread.join()
    assert seen
