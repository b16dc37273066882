# SPDX-License-Identifier: Apache-2.0
"""Error messages: MESSAGES is a table of calls and the sentences that their errors contain.
Messages that every function gives are tested in loops over the functions."""

import collections
import io
import pathlib
import re
import types

import cv2
import numpy as np
import pytest
import torch

import viewcast as vc

pytestmark = pytest.mark.any_opencv

AS = [vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view]
TO = [vc.to_gpumat, vc.to_tensor, vc.to_cupy, vc.to_numpy]
GRAY = np.zeros((4, 6), np.uint8)


def name_of(function):
    return function.__name__


# --- objects that are no image, in every function


class Frame:
    """A frame like PyAV's."""

    def to_ndarray(self, format=None): ...


class Decoded:
    """An array like decord's and MXNet's."""

    def asnumpy(self): ...


class Eager:
    def numpy(self): ...


class Holder:
    """A frame like torchcodec's."""

    data = torch.zeros(2, 2)


class Path:
    def __fspath__(self):
        return "frame.png"


class Capture:
    """A reader of frames like cv2.VideoCapture."""

    def read(self): ...
    def retrieve(self): ...


class Table:
    """A table like pandas' DataFrame."""

    def keys(self): ...
    def __getitem__(self, key): ...
    def __array__(self, dtype=None, copy=None):
        return np.array([["text", object()]], object)


class Unknown: ...


READ = r"read the file first \(cv2\.imread\(path\)"
MANY = r"as_tensors\(list\) and as_gpumats\(list\) give views, to_tensor\(list\), to_gpumat\(list\)"
NOT_IMAGES = {
    "None": (None, "cv2.imread gives None for a file that it cannot read"),
    "str": ("frame.png", READ),
    "pathlib": (pathlib.Path("frame.png"), READ),
    "fspath": (Path(), READ),
    "dict": ({"image": GRAY}, r"pass one of them \(x\[key\]\)"),
    "mapping": (collections.UserDict(image=GRAY), r"pass one of them \(x\[key\]\)"),
    "frame": (Frame(), r"x\.to_ndarray\(\)"),
    "asnumpy": (Decoded(), r"x\.asnumpy\(\)"),
    "numpy": (Eager(), r"x\.numpy\(\)"),
    "data": (Holder(), r"x\.data"),
    "capture": (Capture(), r"ok, frame = x\.read\(\)"),
    "file": (io.StringIO("x"), "it is an open file: read it first"),
    "bytes file": (io.BytesIO(b"x"), r"cv2\.imdecode\("),
    "int": (4096, r"from_pointer\(address, shape, dtype\)"),
    "bool": (True, "needs a torch.Tensor"),
    "float": (0.5, "needs a torch.Tensor"),
    "complex": (1j, "needs a torch.Tensor"),
    "module": (cv2, "it is a module"),
    "torch": (torch, "it is a module"),
    "class": (torch.Tensor, "it is a class: pass an instance of it"),
    "array class": (np.ndarray, "it is a class"),
    "dtype class": (np.float32, "it is a class"),
    "generator": ((image for image in [GRAY]), r"make a list of it \(list\(x\)\)"),
    "set": ({1, 2}, r"make a list of it \(list\(x\)\)"),
    "function": (len, "it is a function: pass what it returns"),
    "method": (torch.zeros(2, 2).cpu, "it is a function: pass what it returns"),
    "lambda": (lambda: GRAY, "it is a function: pass what it returns"),
    "namespace": (types.SimpleNamespace(), "needs a torch.Tensor"),
    "object": (Unknown(), "needs a torch.Tensor"),
    "ellipsis": (..., "needs a torch.Tensor"),
}
for_all_things = pytest.mark.parametrize(("thing", "sentence"), NOT_IMAGES.values(), ids=NOT_IMAGES)


def check_no_image(call, thing, sentence, prefix=""):
    with pytest.raises(TypeError) as caught:
        call(thing)
    said = str(caught.value)
    name = type(thing).__name__
    assert re.match(rf"{prefix}(\w+\.)*{re.escape(name)} is no image: needs a torch\.Tensor", said)
    assert re.search(sentence, said), said
    assert caught.value.__cause__ is None or prefix


@for_all_things
@pytest.mark.parametrize("call", [*AS, *TO], ids=name_of)
def test_the_message_for_no_image_names_the_remedy(call, thing, sentence):
    check_no_image(call, thing, sentence)


@for_all_things
@pytest.mark.parametrize("call", [*TO, vc.as_tensors, vc.as_gpumats], ids=name_of)
def test_the_message_for_no_image_in_a_list_has_its_index(call, thing, sentence):
    for index, make in ((0, lambda x: [x, GRAY]), (1, lambda x: (GRAY, x))):
        check_no_image(lambda x, make=make: call(make(x)), thing, sentence, f"image {index}: ")


@for_all_things
def test_the_message_for_no_image_as_out(thing, sentence):
    if thing is None:
        return  # no out= at all
    for call in TO[1:]:
        check_no_image(lambda x, call=call: call(GRAY, out=x), thing, sentence, "out: ")


@pytest.mark.parametrize("call", AS, ids=name_of)
def test_a_list_where_one_image_is_needed(call):
    for many in ([GRAY, GRAY], (GRAY,), [], [[1, 2], [3, 4]]):
        with pytest.raises(TypeError, match=rf"is no image.*{MANY}.*numpy\.array\(list\)"):
            call(many)


@pytest.mark.parametrize("call", TO, ids=name_of)
def test_a_list_of_lists(call):
    for many in ([[GRAY]], [GRAY, (GRAY, GRAY)]):
        with pytest.raises(TypeError, match=rf"image {len(many) - 1}: .*is no image.*{MANY}"):
            call(many)
    with pytest.raises(TypeError, match=r"image 0: list is no image.*numpy\.array\(list\)"):
        call([[1, 2], [3, 4]])


@pytest.mark.parametrize("call", AS, ids=name_of)
def test_the_message_for_objects_that_numpy_converts(call):
    with pytest.raises(TypeError, match=r"Table is no image.*numpy\.asarray\(x\)"):
        call(Table())


@pytest.mark.parametrize("call", TO, ids=name_of)
def test_the_message_for_arrays_of_objects(call):
    with pytest.raises(vc.DTypeError, match="dtype is object"):
        call(Table())


def test_a_real_frame_of_pyav():
    av = pytest.importorskip("av", reason="PyAV is not installed")
    frame = av.VideoFrame(64, 48, "rgb24")
    for call in [*AS, *TO]:
        with pytest.raises(TypeError, match=r"VideoFrame is no image.*x\.to_ndarray\(\)"):
            call(frame)
    assert vc.to_tensor(frame.to_ndarray(), layout="CHW").shape == (3, 48, 64)


def test_a_real_capture():
    if hasattr(cv2, "VideoCapture"):
        check_no_image(vc.as_gpumat, cv2.VideoCapture(), r"ok, frame = x\.read\(\)")


def test_objects_whose_attributes_raise():
    class Raising:
        def __getattr__(self, name):
            raise ZeroDivisionError(name)

    for call in [*AS, *TO]:
        with pytest.raises((TypeError, vc.ViewError)) as caught:
            call(Raising())
        assert "Raising" in str(caught.value)


# --- element types by their names


TYPES = {
    "complex64": np.zeros((4, 6), np.complex64),
    "complex128": np.zeros((4, 6), np.complex128),
    "object": np.zeros((4, 6), object),
    "str": np.zeros((4, 6), "U3"),
    "bytes": np.zeros((4, 6), "S3"),
    "datetime64": np.zeros((4, 6), "M8[s]"),
    "timedelta64": np.zeros((4, 6), "m8[s]"),
    "structured": np.zeros((4, 6), "u1,u1"),
}


@pytest.mark.parametrize("dtype", TYPES)
def test_element_types_are_named(dtype):
    calls = [vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.view, *TO, lambda x: vc.to_numpy([x])]
    for call in calls:
        with pytest.raises(vc.DTypeError, match=f"dtype is (a )?{dtype}.*needs one of bool, int8"):
            call(TYPES[dtype])


def test_element_types_of_torch_are_named():
    for dtype in (torch.complex64, torch.complex128):
        name = str(dtype).removeprefix("torch.")
        for call in (vc.as_gpumat, vc.as_cupy, vc.view, *TO):
            with pytest.raises(vc.DTypeError, match=f"dtype is {name}"):
                call(torch.zeros(4, 6, dtype=dtype))


def test_element_types_of_other_packages_are_named():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    for call in (vc.as_gpumat, vc.view, *TO):
        with pytest.raises(vc.DTypeError, match="dtype is float8_e5m2"):
            call(np.zeros((4, 6), ml_dtypes.float8_e5m2))


# --- keywords of another function


MORE = {
    vc.as_gpumat: "to_gpumat",
    vc.as_gpumats: "to_gpumat",
    vc.as_tensor: "to_tensor",
    vc.as_tensors: "to_tensor",
    vc.as_cupy: "to_cupy",
    vc.as_numpy: "to_numpy",
    vc.view: "to_numpy",
}
KEYWORDS = ["dtype", "scale", "mean", "std", "normalize", "reverse_channels", "channels", "fill"]
KEYWORDS += ["out"]


@pytest.mark.parametrize("call", MORE, ids=name_of)
@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_of_the_transform_names_it(call, keyword):
    message = rf"{call.__name__}\(\) got an unexpected keyword argument '{keyword}'.*{MORE[call]}\("
    with pytest.raises(TypeError, match=message):
        call(GRAY, **{keyword: None})


@pytest.mark.parametrize("call", [vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view], ids=name_of)
def test_the_keyword_layout_names_the_transform(call):
    with pytest.raises(TypeError, match=rf"'layout'.*{MORE[call]}\("):
        call(GRAY, layout="CHW")


@pytest.mark.parametrize("call", [*MORE, *TO], ids=name_of)
def test_keywords_that_no_function_takes(call):
    with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'colour'$"):
        call(GRAY, colour="red")


# --- the table: name, call, class, sentence

MESSAGES = [
    (
        "masked",
        lambda: vc.to_numpy(np.ma.array(GRAY, mask=True)),
        vc.ViewError,
        r"has a mask, which a view would not see; fill it first \(\.filled\(value\)\)",
    ),
    (
        "big-endian",
        lambda: vc.as_tensor(GRAY.astype(">u2")),
        vc.DTypeError,
        r"big-endian.*copy=None.*\.astype\('<u2'\)",
    ),
    (
        "used capsule",
        lambda: [vc.view(capsule) for capsule in [GRAY.__dlpack__()] * 2],
        vc.ViewError,
        "the DLPack capsule was used already",
    ),
    (
        "pitch and strides",
        lambda: vc.from_pointer(64, (2, 2), "uint8", strides=(2, 1), pitch=2),
        ValueError,
        "strides= and pitch= were given, needs one of them",
    ),
    (
        "bytes of a file",
        lambda: vc.to_tensor(b"\x89PNG"),
        vc.LayoutError,
        r"rank 1.*cv2\.imdecode",
    ),
    (
        "bytes of a file, as a GpuMat",
        lambda: vc.as_gpumat(bytearray(b"\x89PNG")),
        vc.LayoutError,
        r"rank 1.*cv2\.imdecode",
    ),
    (
        "fractions into integers",
        lambda: vc.to_tensor(GRAY, scale=1 / 255),
        ValueError,
        r"gives fractions .*0\.00392157 and 0 in channel 0\), and the result would be uint8 as the "
        r'source is; say which type it is to be: dtype="float32", or dtype="uint8" to round',
    ),
    (
        "a normalization of 8 bits",
        lambda: vc.to_cupy(GRAY.astype(np.uint16), normalize="unit", dtype="float32"),
        ValueError,
        r"made for uint8 pixels \(its source\) and the image is uint16, needs one made for the "
        "image: "
        r'dataclasses\.replace\(it, scale=1/65535, source="uint16"\) for values up to 65535',
    ),
    (
        "statistics of three channels for four",
        lambda: vc.to_numpy(np.zeros((5, 6, 4), np.uint8), normalize="clip", dtype="float32"),
        ValueError,
        "normalize=: mean has 3 values, needs 1 or one for each of the result's 4 channels; "
        "channels=3 drops alpha",
    ),
    (
        "a number of OpenCV's types",
        lambda: vc.to_numpy(GRAY, dtype=cv2.CV_32F),
        TypeError,
        r"dtype is 5, an int: as one of OpenCV.s types it is cv2\.CV_32F, needs its name: "
        '"float32"',
    ),
    (
        "a class of streams",
        lambda: vc.as_gpumat(GRAY, stream=torch.cuda.Stream),
        TypeError,
        r"stream is <class .*Stream'>, which makes or gives streams, needs a stream: call it, "
        r"as in torch\.cuda\.Stream\(\)",
    ),
    (
        "a word for copy=",
        lambda: vc.as_tensor(GRAY, copy="never"),
        TypeError,
        r"copy is a str, needs False \(never\), None \(where a view is impossible\) or True "
        r"\(always\)",
    ),
    (
        "a bool for device=",
        lambda: vc.to_tensor(GRAY, device=True),
        TypeError,
        'device is a bool, needs an int, "cpu", "cuda" or "cuda:N", or a torch or CuPy device',
    ),
    (
        "an owner of what has one",
        lambda: vc.as_cupy(GRAY, owner=object()),
        ValueError,
        r"owner= names what owns the memory of a GpuMat that does not .* leave owner out",
    ),
    (
        "a fill without an added alpha",
        lambda: vc.to_gpumat(GRAY, fill=7),
        ValueError,
        r"fill is 7 and no alpha channel is added \(channels: 1, of the result 1\): leave fill "
        "out, or ask for "
        r"an alpha channel \(channels=4, or 2\)",
    ),
]


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [row[1:] for row in MESSAGES],
    ids=[row[0] for row in MESSAGES],
)
def test_messages(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
