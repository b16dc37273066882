# SPDX-License-Identifier: Apache-2.0
"""Images that can only be copied: big-endian arrays, PIL images, and objects that NumPy
converts to arrays."""

import array
import ctypes
import weakref

import numpy as np
import pytest
import torch
from images import CONVERT, Image, pixels

import viewcast as vc

pytestmark = pytest.mark.slow_paths

PIL = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

TO = {
    "torch": vc.to_tensor,
    "cupy": vc.to_cupy,
    "numpy": vc.to_numpy,
    "gpumat": vc.to_gpumat,
}
for_all_copies = pytest.mark.parametrize("target", TO)
for_all_targets = pytest.mark.parametrize("target", CONVERT)
WIDE = ["int16", "uint16", "int32", "float16", "float32", "float64"]


def big_endian(dtype="float32", shape=(7, 5, 3)):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    return values, values.astype(np.dtype(dtype).newbyteorder(">"))


def same(target, made, values):
    return pixels(target, made) == np.ascontiguousarray(values).tobytes()


# --- big-endian arrays


@pytest.mark.parametrize("dtype", WIDE)
@for_all_copies
def test_big_endian_arrays_are_copied(target, dtype):
    values, swapped = big_endian(dtype)
    assert same(target, TO[target](swapped), values)
    if target != "numpy":
        assert same(target, CONVERT[target](swapped, copy=None), values)
    assert same(target, CONVERT[target](swapped, copy=True), values)
    assert swapped.dtype.byteorder == ">"


@pytest.mark.parametrize("dtype", ["int64", "uint32", "uint64"])
def test_other_big_endian_types(dtype):
    values, swapped = big_endian(dtype)
    assert same("numpy", vc.to_numpy(swapped), values)
    assert same("torch", vc.as_tensor(swapped, copy=None), values)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[::-1],
        lambda a: a[:, 1:4],
        lambda a: np.broadcast_to(a[:1], a.shape),
        lambda a: a.view(np.recarray),
        lambda a: np.ma.array(a),
        lambda a: np.require(a, requirements=["F"]),
    ],
)
@for_all_copies
def test_big_endian_arrays_of_any_layout(target, change):
    values, swapped = big_endian()
    assert same(target, TO[target](change(swapped)), change(values))


def test_big_endian_arrays_in_lists_and_batches():
    values, swapped = big_endian()
    batch = np.stack([values] * 3)
    for images in ([swapped, swapped, swapped], [values, swapped, torch.from_numpy(values)]):
        assert (vc.to_numpy(images) == batch).all()
        assert (vc.to_tensor(images, layout="NCHW").permute(0, 2, 3, 1).numpy() == batch).all()
        assert [same("gpumat", mat, values) for mat in vc.to_gpumat(images)] == [True] * 3
    assert (vc.to_numpy(batch.astype(">f4")) == batch).all()


def test_transforms_take_big_endian_arrays():
    values, swapped = big_endian("uint16")
    made = vc.to_tensor(swapped, layout="CHW", dtype="float32", scale=0.5)
    assert (made.permute(1, 2, 0).numpy() == values * np.float32(0.5)).all()
    assert vc.to_numpy(swapped).dtype == np.dtype("uint16")


def test_a_subclass_whose_astype_stays_big_endian_is_refused():
    class Stubborn(np.ndarray):
        def astype(self, *arguments, **keywords):
            return self

    class Strange(np.ndarray):
        def astype(self, *arguments, **keywords):
            return "abc"

    for kind, message in ((Stubborn, "big-endian"), (Strange, "can't be read")):
        with pytest.raises(vc.ViewError, match=message):
            vc.to_numpy(big_endian()[1].view(kind))


@pytest.mark.parametrize("target", [name for name in CONVERT if name != "numpy"])
def test_a_refused_view_of_a_big_endian_array_names_the_remedy(target):
    _, swapped = big_endian()
    message = r"big-endian.*copy=None.*to_numpy.*\.astype\('<f4'\)"
    for options in ({}, {"copy": False}) if target != "view" else ({},):
        with pytest.raises(vc.DTypeError, match=message):
            CONVERT[target](swapped, **options)


def test_a_big_endian_array_is_refused_as_out():
    values, swapped = big_endian()
    before = swapped.copy()
    with pytest.raises(vc.DTypeError, match="big-endian"):
        vc.to_numpy(values, out=swapped)
    with pytest.raises(vc.DTypeError, match="big-endian"):
        vc.to_numpy([values], out=[swapped])
    assert (swapped == before).all()


@pytest.mark.parametrize(
    ("dtype", "name"), [(">c8", "complex64"), (">f4,>f4", "structured"), (">M8[s]", "datetime64")]
)
def test_other_refusals_come_first(dtype, name):
    for call in (vc.to_numpy, vc.to_tensor, vc.view, lambda x: vc.as_tensor(x, copy=True)):
        with pytest.raises(vc.DTypeError, match=name):
            call(np.zeros((4, 6), dtype))


def test_swapping_fills_no_cache():
    """NumPy's native dtypes are read as before, after any number of swapped ones."""
    for _ in range(100):
        vc.to_numpy(np.zeros((2, 2), np.dtype("f4").newbyteorder(">")))
    assert vc.view(np.zeros((2, 2), np.float32)).dtype == "float32"


@for_all_copies
def test_buffers_of_another_byte_order(target):
    values, swapped = big_endian()
    assert same(target, TO[target](memoryview(swapped)), values)
    assert same(target, CONVERT[target](memoryview(swapped), copy=None), values)
    with pytest.raises(vc.DTypeError, match="element format"):
        CONVERT[target](memoryview(swapped))
    numbers = ((ctypes.c_uint16.__ctype_be__ * 5) * 7)()
    for n in range(35):
        numbers[n // 5][n % 5] = n
    wanted = np.arange(35, dtype=np.uint16).reshape(7, 5)
    assert same(target, TO[target](numbers), wanted)


def test_buffers_that_numpy_refuses_too():
    with pytest.raises(vc.DTypeError, match="complex64"):
        vc.to_numpy(memoryview(np.zeros((2, 2), np.complex64)))
    with pytest.raises((vc.ViewError, TypeError)):
        vc.to_numpy(array.array("w" if "w" in array.typecodes else "u", "abc"))


# --- PIL


MODES = {"L": "uint8", "RGB": "uint8", "RGBA": "uint8", "CMYK": "uint8", "1": "bool"}
MODES |= {"I": "int32", "F": "float32", "I;16": "uint16", "LA": "uint8", "YCbCr": "uint8"}


def picture(mode="RGB", size=(5, 7)):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return PIL.fromarray(noise).convert("L" if mode == "I;16" else "RGB").convert(mode)


@pytest.mark.parametrize("mode", MODES)
@for_all_copies
def test_pil_images_are_copied(target, mode):
    image = picture(mode)
    wanted = np.array(image)
    if target == "gpumat" and mode == "1":
        wanted = wanted.view(np.uint8)
    assert wanted.dtype == MODES[mode] or mode == "1"
    for made in (
        TO[target](image),
        CONVERT[target](image, copy=None),
        CONVERT[target](image, copy=True),
    ):
        assert same(target, made, wanted)


@for_all_targets
def test_a_pil_image_is_no_view(target):
    for image in (picture(), picture("P")):
        message = r"Image is no image that can be viewed.*numpy\.array\(img\).*copy=None"
        with pytest.raises(TypeError, match=message):
            CONVERT[target](image)
        if target != "view":
            with pytest.raises(TypeError, match=message):
                CONVERT[target](image, copy=False)


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_palette_images_are_refused(mode):
    image = picture("P").convert(mode)
    calls = [*TO.values(), lambda x: vc.as_tensor(x, copy=None), lambda x: vc.to_numpy([x])]
    for call in calls:
        with pytest.raises(vc.ViewError, match=r'palette.*img\.convert\("RGB"\)'):
            call(image)
    assert vc.to_numpy(np.array(image)).dtype == np.uint8


def test_pil_images_from_a_file_in_lists_and_with_means(tmp_path):
    path = tmp_path / "picture.png"
    picture(size=(40, 30)).save(path)
    wanted = np.array(PIL.open(path)).transpose(2, 0, 1)
    images = [PIL.open(path) for _ in range(2)]  # of a subclass
    batch = vc.to_tensor([*images, np.array(images[0])], layout="NCHW", dtype="float32", scale=0.5)
    assert (batch.numpy() == np.stack([wanted] * 3) * np.float32(0.5)).all()
    assert vc.to_tensor(images[0], layout="CHW").shape == (3, 30, 40)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(vc.ViewError, match=r"numpy\.asarray\(\) makes no array of this") as caught:
        vc.to_tensor(PIL.open(path))
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (40, 3), (40, 4), (3, 3)], ids=str)
def test_pil_images_are_never_planar(size):
    image = picture(size=size)
    assert vc.to_numpy(image).shape == (size[1], size[0], 3)
    assert vc.as_gpumat(image, copy=None).size() == size
    assert vc.to_numpy(image.convert("L")).shape == (size[1], size[0])
    assert vc.to_numpy([image, image]).shape == (2, size[1], size[0], 3)


@pytest.mark.parametrize(
    "call", [*TO.values(), lambda x, **layout: vc.as_gpumat(x, copy=None, **layout)]
)
def test_a_pil_image_refuses_planar_layouts(call):
    for size in ((40, 3), (3, 3)):
        assert vc.view(call(picture(size=size), from_layout="HWC")).shape == (*size[::-1], 3)
        with pytest.raises(
            vc.LayoutError, match=r"PIL\.Image\.Image, whose pixels are always inter"
        ):
            call(picture(size=size), from_layout="CHW")


def test_a_pil_image_is_refused_as_out():
    image = picture()
    with pytest.raises(TypeError, match="no image"):
        vc.to_numpy(np.zeros((7, 5, 3), np.uint8), out=image)


# --- objects that become arrays


class Interface:
    """An object with __array_interface__."""

    def __init__(self, values):
        self.values = values

    @property
    def __array_interface__(self):
        return self.values.__array_interface__


class Struct:
    def __init__(self, values):
        self.values = values

    @property
    def __array_struct__(self):
        return self.values.__array_struct__


class Method:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values.copy()


LIKE = {"__array_interface__": Interface, "__array_struct__": Struct, "__array__": Method}
for_all_kinds = pytest.mark.parametrize("kind", LIKE)


@pytest.mark.parametrize("order", ["<", ">"])
@for_all_kinds
@for_all_copies
def test_objects_that_numpy_converts_are_copied(target, kind, order):
    values = np.arange(105, dtype="float32").reshape(7, 5, 3)
    thing = LIKE[kind](values.astype(order + "f4"))
    for made in (
        TO[target](thing),
        CONVERT[target](thing, copy=None),
        CONVERT[target](thing, copy=True),
    ):
        assert same(target, made, values)
    assert (vc.to_numpy([thing, values]) == np.stack([values] * 2)).all()


@for_all_kinds
@for_all_targets
def test_objects_that_numpy_converts_have_no_view(target, kind):
    thing = LIKE[kind](np.zeros((7, 5, 3), np.uint8))
    name = type(thing).__name__
    with pytest.raises(TypeError, match=rf"{name} is no image.*numpy\.asarray\(x\).*copy=None"):
        CONVERT[target](thing)


@for_all_kinds
def test_the_array_that_numpy_makes_is_released(kind):
    thing = LIKE[kind](Image((7, 5, 3)).array)
    alive = weakref.ref(thing)
    made = vc.as_numpy(thing, copy=None)
    wanted = thing.values.tobytes()
    vc.to_tensor(thing)
    del thing
    assert made.tobytes() == wanted
    del made
    vc.collect(force=True)
    assert alive() is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (np.zeros((2, 2), object), "object"),
        (np.zeros((2, 2), "c8"), "complex64"),
        (np.array([["a", "b"]]), "str"),
        (5, "makes no array"),
        (None, "makes no array"),
    ],
    ids=repr,
)
def test_objects_whose_array_is_no_image_are_refused(answer, error):
    class Odd:
        def __array__(self, dtype=None, copy=None):
            return answer

    for call in (vc.to_numpy, vc.to_tensor, lambda x: vc.as_tensor(x, copy=None)):
        with pytest.raises(vc.ViewError, match=error):
            call(Odd())


def test_an_exception_of_array_is_chained():
    class Raising:
        def __array__(self, dtype=None, copy=None):
            raise ZeroDivisionError

    with pytest.raises(vc.ViewError) as caught:
        vc.to_numpy(Raising())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(vc.ViewError, match="image 1"):
        vc.to_numpy([np.zeros((2, 2)), Raising()])


def test_dlpack_comes_before_array():
    image = Image((7, 5, 3))

    class Both:
        def __array__(self, dtype=None, copy=None):
            raise AssertionError("not asked")

        def __dlpack__(self, **keywords):
            return image.array.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return 1, 0

    assert vc.as_tensor(Both(), copy=None).data_ptr() == image.address
    assert (vc.to_numpy(Both()) == image.array).all()
