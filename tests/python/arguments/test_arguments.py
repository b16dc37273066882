# SPDX-License-Identifier: Apache-2.0
"""Each argument is read alike, and refused with the same message, by every function."""

import fractions
import gc
import inspect
import re
import sys
import types

import numpy as np
import pytest
import torch

import viewcast as vc

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
BATCH = np.stack([IMAGE, IMAGE])


def entered(*args, **options):
    with vc.use_stream(*args, **options) as stream:
        return stream


# The arguments that each function is called with; a test adds one keyword.
CALLS = {
    "as_gpumat": (vc.as_gpumat, (IMAGE,)),
    "as_gpumats": (vc.as_gpumats, (BATCH,)),
    "as_tensor": (vc.as_tensor, (IMAGE,)),
    "as_tensors": (vc.as_tensors, ([IMAGE],)),
    "as_cupy": (vc.as_cupy, (IMAGE,)),
    "as_numpy": (vc.as_numpy, (IMAGE,)),
    "view": (vc.view, (IMAGE,)),
    "to_tensor": (vc.to_tensor, (IMAGE,)),
    "to_cupy": (vc.to_cupy, ([IMAGE, IMAGE],)),
    "to_numpy": (vc.to_numpy, (BATCH,)),
    "to_gpumat": (vc.to_gpumat, (IMAGE,)),
    "from_pointer": (vc.from_pointer, (IMAGE.ctypes.data, IMAGE.shape, "uint8")),
    "stream": (vc.stream, (None,)),
    "use_stream": (entered, (None,)),
    "warmup": (vc.warmup, ()),
    "empty_gpumat": (vc.empty_gpumat, (4, 6, 0)),
    "collect": (vc.collect, ()),
    "set_num_threads": (vc.set_num_threads, ()),
}


def parameters(name):
    function = vc.use_stream if name == "use_stream" else CALLS[name][0]
    return inspect.signature(function).parameters


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value

    def __repr__(self):  # the name of a test has no address
        return f"Index({self.value})"


class Raising:
    def __index__(self):
        raise RuntimeError("asked")


BOOL = "is a {type}, needs True or False"
COPY = r"is a {type}, needs False \(never\), None \(where a view is impossible\) or True"
DEVICE = 'is a {type}, needs an int, "cpu", "cuda" or "cuda:N", or a torch or CuPy device'
TEXT = 'is {value!r}, needs "cpu", "cuda" or "cuda:N"'
NO_DEVICE = "there is no CUDA device {value}: this process sees 0"
STREAM = "is a {type}, needs an int handle, a torch.cuda.Stream, cupy.cuda.Stream"
UNCALLED = r"which makes or gives streams, needs a stream: call it, as in torch.cuda.Stream\(\)"
HANDLE = r"is {value}, needs a stream handle, 0 or 1 \(legacy default\)"
NUMBERS = "is or holds a {type}, needs numbers"
FINITE = "is or holds {value}, needs finite numbers"
DTYPE = "is a {type}, needs a torch, NumPy or CuPy dtype, or a name"


def broken_stream(handle):
    return type("Broken", (), {"__cuda_stream__": lambda self: (0, handle)})()


TRUTH = [
    *[(value, TypeError, BOOL) for value in ("no", "", None, 0, 1, 1.0, [1, 2, 0], ())],
    *[(value, TypeError, BOOL) for value in (np.int64(1), np.array(True), torch.tensor(True))],
]
STREAMS = [
    *[(value, TypeError, STREAM) for value in (True, np.True_, 1.5, "1", b"1", [], object())],
    (torch.cuda.Stream, TypeError, UNCALLED),
    (torch.cuda.current_stream, TypeError, UNCALLED),
    (type("Stream", (), {"ptr": 5}), TypeError, UNCALLED),
    *[(value, ValueError, HANDLE) for value in (-2, 2**63, -(2**64), np.int64(-7))],
    (broken_stream(1.0), TypeError, "the handle of {name} is a float, needs an int"),
    (broken_stream(True), TypeError, "the handle of {name} is a bool, needs an int"),
    (broken_stream(-5), ValueError, "is -5, needs a stream handle"),
    (Raising(), RuntimeError, "asked"),
]
NUMBER = [
    *[(value, TypeError, NUMBERS) for value in (True, np.False_, "1", b"1", object(), 1j)],
    (torch.tensor(True), TypeError, NUMBERS.replace("{type}", "bool")),
    (np.complex64(2), TypeError, NUMBERS.replace("{type}", "complex")),
    (10**400, ValueError, "is or holds an int beyond float64, needs finite numbers"),
]
NOT_FINITE = [
    *[(value, ValueError, FINITE) for value in (float("nan"), float("inf"), float("-inf"))],
    (np.array(np.nan), ValueError, "is or holds nan, needs finite numbers"),
    (torch.tensor(float("inf")), ValueError, "is or holds inf, needs finite numbers"),
]
EACH = [
    *NUMBER,
    *NOT_FINITE,
    ((1, True, 2), TypeError, NUMBERS.replace("{type}", "bool")),
    (np.array([True, False, True]), TypeError, NUMBERS.replace("{type}", "bool")),
    ([1, 2, "3"], TypeError, NUMBERS.replace("{type}", "str")),
    ((1, float("nan"), 2), ValueError, "is or holds nan, needs finite numbers"),
    ((), ValueError, "is empty, needs a number or one per channel"),
    ("", TypeError, NUMBERS),
    (bytearray(b"123"), TypeError, NUMBERS),
    ({0.5: 1}, TypeError, NUMBERS),
    ([1.0] * 513, ValueError, "has more than 512 values"),
    ((1, 1), ValueError, "{name} has 2 values, needs 1 or one for each"),
]
ONE = [
    *NUMBER,
    ([1.0], TypeError, "is a list, needs one number"),
    ((), TypeError, "is a tuple, needs one number"),
    (np.ones(3), ValueError, "has 3 values, needs one number"),
]

SIZE = [
    *[(value, TypeError, "is a {type}, needs an int") for value in (True, 4.0, "4", None, [4])],
    *[(value, ValueError, "is {value}, needs 0 or more") for value in (-1, -(2**31), -(2**70))],
    *[(value, ValueError, "is {value}, needs at most 2147483647") for value in (2**31, 2**70)],
]

# argument: (value, class, words)
RESIZE = r"is {value!r}, needs \(height, width\), or a vc.Resize, vc.Letterbox or vc.CenterCrop"
WITHOUT_RESIZE = r"was given without resize=, needs the size of each crop; say resize=\(height"

# OpenCV's depths 0 to 7, which 4.x and 5.x number alike.
DEPTHS = {
    **{"8U": "uint8", "8S": "int8", "16U": "uint16", "16S": "int16"},
    **{"32S": "int32", "32F": "float32", "64F": "float64", "16F": "float16"},
}

WRONG = {
    "keepdim": TRUTH,
    "reverse_channels": TRUTH,
    "readonly": TRUTH,
    "force": TRUTH,
    "copy": [
        *[(value, TypeError, COPY) for value in ("never", "", 0, 1, 0.0, [], np.int8(0))],
        (torch.tensor(False), TypeError, COPY),
    ],
    "device": [
        *[(value, TypeError, DEVICE) for value in (True, np.True_, 1.0, 0.0, b"cpu", [0], ())],
        *[(value, TypeError, DEVICE) for value in (object(), torch.device, np.array([0, 1]))],
        (torch.tensor(True), TypeError, DEVICE),
        *[(value, ValueError, TEXT) for value in ("", "gpu", "CUDA", "cuda:", "cuda:x", "0")],
        *[(value, ValueError, TEXT) for value in ("cuda:-1", "cuda: 1", "cuda:1 ", "cuda:+1")],
        *[(value, ValueError, TEXT) for value in ("cuda:0x1", "cuda:1.0", "cuda:1:1", "cuda:¹")],
        *[(value, ValueError, TEXT) for value in ("cpu:0", "cuda_host:0", "cuda_managed")],
        *[(value, ValueError, "device is 'c.*, needs") for value in ("cpu\0", "cuda:0\0")],
        ("\udc80", ValueError, "device is .*, needs"),
        (torch.device("meta"), ValueError, 'needs "cpu", "cuda" or "cuda:N"'),
        *[(value, vc.DeviceError, NO_DEVICE) for value in (-1, 2**31, 2**32, -(2**70), 2**64 + 1)],
        ("cuda:4294967296", vc.DeviceError, NO_DEVICE.format(value=2**32)),
        ("cuda:2147483648", vc.DeviceError, NO_DEVICE.format(value=2**31)),
        ("cuda_managed:99999999999999999999", vc.DeviceError, "no CUDA device 9+: this"),
        ("cuda:" + "9" * 5000, vc.DeviceError, "no CUDA device 9+: this"),
        (np.int64(2**32), vc.DeviceError, NO_DEVICE),
        (Index(2**32), vc.DeviceError, NO_DEVICE.format(value=2**32)),
        (Raising(), RuntimeError, "asked"),
    ],
    "stream": STREAMS,
    "producer_stream": STREAMS,
    "source": [case for case in STREAMS if case[0] is not None],
    "scale": [*ONE, *NOT_FINITE],
    "fill": [
        *ONE,
        (float("nan"), ValueError, "fill is nan, needs a number; leave fill out for opaque"),
        (np.float32("nan"), ValueError, "fill is nan"),
    ],
    "mean": EACH,
    "std": [
        *EACH,
        (0, ValueError, "is or holds 0, needs numbers other than 0"),
        ((1, 0.0, 1), ValueError, "is or holds 0, needs numbers other than 0"),
        (np.array([1, -0.0, 1]), ValueError, "is or holds -?0, needs numbers other than 0"),
    ],
    "channels": [
        *[(value, TypeError, "is a {type}, needs an int") for value in (True, 3.0, "3", [3])],
        (torch.tensor(True), TypeError, "is a {type}, needs an int"),
        (np.array([3, 3]), TypeError, "is a {type}, needs an int"),
        *[(value, ValueError, "is {value}, needs 1 or more") for value in (0, -3, -(2**40))],
        *[(value, ValueError, "is {value}, needs at most 2147483647") for value in (2**31, 2**40)],
    ],
    **dict.fromkeys(("rows", "cols", "type"), SIZE),
    "n": [
        *[(value, TypeError, "is a {type}, needs an int") for value in (True, np.True_, 4.0, "4")],
        *[(value, ValueError, "is {value}, needs 1 or more") for value in (0, -1, -(2**70))],
        *[(value, ValueError, "is {value}, needs at most 2147483647") for value in (2**31, 2**70)],
    ],
    "resize": [
        *[(value, TypeError, RESIZE) for value in (5, 5.0, True, "5", b"5", object())],
        ((1, 2, 3), ValueError, r"is \(1, 2, 3\), needs two numbers: \(height, width\)"),
        ([4], ValueError, r"is \[4\], needs two numbers"),
        ((0, 4), ValueError, "holds 0, needs numbers of pixels from 1"),
        ((-1, 4), ValueError, "holds -1, needs"),
        ((4, 2**31), ValueError, "holds 2147483648, needs"),
        ((4, 4.0), TypeError, "holds a float, needs whole numbers of pixels"),
        ((4, True), TypeError, "holds a bool, needs whole numbers"),
        ("hw", TypeError, RESIZE),
    ],
    "boxes": [(value, ValueError, WITHOUT_RESIZE) for value in (1, "x", object(), [[0, 0, 1, 1]])],
    "normalize": [
        *[(value, TypeError, "is a {type}, needs a viewcast.Norm") for value in (1, True, (1, 2))],
        (vc.Normalization, TypeError, "is a type, needs a viewcast.Norm"),
        ("resnet", ValueError, "is 'resnet', needs a viewcast.Normalization or one of .*imagenet"),
        ("", ValueError, "is '', needs"),
    ],
    "dtype": [
        *[(value, TypeError, DTYPE) for value in (True, 1.5, b"uint8", [], np.float32(1))],
        *[
            (
                number,
                TypeError,
                f'an int: as one of OpenCV.s types it is cv2.CV_{depth}, needs its name: "{name}"',
            )
            for number, (depth, name) in enumerate(DEPTHS.items())
        ],
        (8, TypeError, "is 8, an int, as OpenCV's types are, needs the name"),
        (21, TypeError, "is 21, an int, as OpenCV's types are, needs the name"),
        (-1, TypeError, "is -1, an int, as OpenCV's types are"),
        (2**80, TypeError, "an int, as OpenCV's types are"),
        ("complex64", vc.DTypeError, 'is "complex64", needs "bool", "int8"'),
        (np.complex64, vc.DTypeError, "complex64.*, needs"),
        (np.dtype("complex64"), vc.DTypeError, "complex64.*, needs"),
        (torch.complex64, vc.DTypeError, '"complex64", needs'),
        (torch.float8_e4m3fn, vc.DTypeError, '"float8_e4m3fn", needs'),
        (np.dtype(">f4"), vc.DTypeError, r"'>f4'.*in the machine's byte order"),
        (object, vc.DTypeError, "class 'object'"),
        (torch.Tensor, vc.DTypeError, "torch.Tensor"),
        ("", vc.DTypeError, 'is "", needs'),
        ("uint8\0", vc.DTypeError, "needs"),
        ("\udc80", vc.DTypeError, "needs"),
        ("Float32", vc.DTypeError, 'is "Float32", needs'),
    ],
    "owner": [
        (object(), ValueError, "owner= names what owns the memory of a GpuMat that does not")
    ],
}


TAKEN = [
    (name, argument)
    for name in CALLS
    for argument in parameters(name)
    if argument in WRONG and (name, argument) != ("from_pointer", "owner")  # takes any object
]


def call(name, argument, value):
    function, args = CALLS[name]
    position = list(parameters(name)).index(argument)
    if position < len(args):
        return function(*args[:position], value, *args[position + 1 :])
    return function(*args, **{argument: value})


def pattern(words, argument, value):
    kind = rf"(numpy\.)?{type(value).__name__}"
    words = words.replace("{type}", kind).replace("{name}", argument)
    words = words.replace("{value!r}", re.escape(repr(value)))
    return words.replace("{value}", re.escape(f"{value}"))


def held(value):
    """The reference count of an argument's value, which is made for the test."""
    return None if isinstance(value, (int, type, types.NoneType)) else sys.getrefcount(value)


@pytest.mark.skipif(not vc.host_mode(), reason="this machine has CUDA devices")
@pytest.mark.parametrize(("name", "argument"), TAKEN)
def test_wrong_arguments(name, argument):
    gc.collect()
    vc.collect()  # what other tests left
    before = vc.statistics(), sys.getrefcount(IMAGE)
    for value, error, words in WRONG[argument]:
        holders = held(value)
        for _ in range(3):
            with pytest.raises(error, match=pattern(words, argument, value)) as caught:
                call(name, argument, value)
            assert issubclass(error, vc.ViewError) or not isinstance(caught.value, vc.ViewError)
            assert argument in str(caught.value) or error in (vc.DeviceError, RuntimeError)
            del caught
        assert held(value) == holders
    vc.collect()
    after = vc.statistics()
    assert sys.getrefcount(IMAGE) == before[1]
    for live, released in (("lends", "lends_released"), ("exports", "exports_released")):
        assert after[live] - after[released] == before[0][live] - before[0][released]


def test_wrong_streams_of_a_pool():
    for value, error, words in STREAMS:
        with pytest.raises(error, match=pattern(words, "streams", value)):
            vc.use_pool("cuda", streams=[0, value])
    for value in (True, 1.5, object()):
        with pytest.raises(TypeError, match=f"streams is a {type(value).__name__}, needs a seq"):
            vc.use_pool(None, streams=value)
    assert vc.get_pool() is None


def test_every_argument_is_in_the_table():
    """A new argument is added to the table, or to the list of this test."""
    elsewhere = {"image", "batch", "images", "layout", "from_layout", "out", "ptr", "shape"}
    elsewhere |= {"strides", "pitch", "owner"}
    for name in CALLS:
        assert set(parameters(name)) <= set(WRONG) | elsewhere


@pytest.mark.parametrize("function", [vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat])
def test_nothing_is_written_where_an_argument_is_wrong(function):
    out = np.full_like(IMAGE, 7)
    for argument, wrong in WRONG.items():
        for value, error, _ in wrong:
            options = {argument: value, "out": out}
            if argument in inspect.signature(function).parameters:
                with pytest.raises(error):
                    function(IMAGE, **options)
    assert (out == 7).all()


# ------------------------------------------------------------------ right values


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_, np.bool_(1)], ids=repr)
def test_bools_are_pythons_and_numpys(value):
    mat = vc.as_gpumat(IMAGE[..., 0].copy())
    for function in (vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view, vc.to_numpy):
        assert len(function(mat, keepdim=value).shape) == 2 + bool(value)
    assert vc.as_tensors([mat], keepdim=value)[0].ndim == 2 + bool(value)
    wanted = IMAGE[..., ::-1] if value else IMAGE
    np.testing.assert_array_equal(vc.to_numpy(IMAGE, reverse_channels=value), wanted)
    assert (vc.as_numpy(IMAGE, copy=value).ctypes.data != IMAGE.ctypes.data) == bool(value)
    pointer = CALLS["from_pointer"][1]
    assert vc.from_pointer(*pointer, readonly=value).readonly == bool(value)
    vc.collect(force=False)


HOST = ["cpu", "cuda_host", torch.device("cpu"), torch.device("cpu", 0), torch.zeros(1).device]


@pytest.mark.parametrize("device", [None, *HOST, vc.view(IMAGE).device], ids=repr)
def test_devices_that_are_the_host(device):
    if isinstance(device, torch.device) and device.index is not None:
        device = device.type
    for function in (vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.as_numpy):
        assert vc.view(function(IMAGE, device=device)).ptr == IMAGE.ctypes.data
        np.testing.assert_array_equal(vc.as_numpy(function(IMAGE, device=device, copy=True)), IMAGE)
    for function in (vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat):
        np.testing.assert_array_equal(vc.as_numpy(function(IMAGE, device=device)), IMAGE)
    assert vc.from_pointer(*CALLS["from_pointer"][1], device=device).device == "cpu"
    vc.warmup(device)
    vc.warmup(device=device)


@pytest.mark.skipif(not vc.host_mode(), reason="this machine has CUDA devices")
@pytest.mark.parametrize(
    ("device", "ordinal"),
    [
        (3, 3),
        (np.int64(3), 3),
        (np.uint8(0), 0),
        (Index(2), 2),
        ("cuda", 0),
        ("cuda:12", 12),
        ("cuda_managed:1", 1),
        (torch.device("cuda"), 0),
        (torch.device("cuda", 2), 2),
        (torch.device("cuda:2"), 2),
        (2**31 - 1, 2**31 - 1),
    ],
    ids=repr,
)
def test_devices_are_told_apart(device, ordinal):
    """A stream has a device in host mode too; conversions name the device that is missing."""
    assert vc.stream(5, device=device).device == ordinal
    for name in ("as_tensor", "to_numpy", "from_pointer"):
        with pytest.raises(vc.DeviceError, match=f"no CUDA device {ordinal}: this process sees 0"):
            call(name, "device", device)


def test_a_cupy_device_is_its_ordinal():
    cupy = pytest.importorskip("cupy")
    assert vc.stream(5, device=cupy.cuda.Device(3)).device == 3


def test_a_stream_has_no_host_device():
    for device in ("cpu", torch.device("cpu"), "cuda_host"):
        for source in (5, vc.stream(5)):
            with pytest.raises(ValueError, match="device is .*, needs a CUDA device"):
                vc.stream(source, device=device)


@pytest.mark.parametrize("handle", [0, 1, 2, -1, 2**63 - 1, np.int64(5), np.uint64(7), Index(5)])
def test_handles_of_streams_are_integers(handle):
    for name in set(CALLS) - {"empty_gpumat"}:  # these need an OpenCV with CUDA
        for argument in ("stream", "producer_stream"):
            if argument in parameters(name):
                call(name, argument, handle)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("half", "float16"), ("float", "float32"), ("double", "float64"), (torch.half, "float16")],
)
def test_names_of_dtypes(dtype, name):
    assert vc.view(vc.to_numpy(IMAGE, dtype=dtype)).dtype == name
    floats = np.zeros((2, 2))
    assert vc.from_pointer(floats.ctypes.data, (2, 2), dtype).dtype == name


@pytest.mark.parametrize("channels", [4, np.int64(4), Index(4)], ids=repr)
@pytest.mark.parametrize(
    "fill", [9, 9.0, np.uint8(9), np.array(9), fractions.Fraction(9)], ids=repr
)
def test_integers_and_numbers_of_any_kind(channels, fill):
    result = vc.to_numpy(IMAGE, channels=channels, fill=fill)
    assert (result[..., 3] == 9).all()


# ----------------------------------------------------------------- fill= and owner=


@pytest.mark.parametrize("function", [vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat])
@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((4, 6, 3), None),
        ((4, 6, 3), 3),
        ((4, 6, 4), None),
        ((4, 6, 4), 3),
        ((4, 6, 2), 4),  # its own alpha
        ((4, 6), None),
        ((4, 6), 3),
        ((0, 6, 3), None),
        ((5, 6, 7), None),
    ],
)
def test_a_fill_without_an_added_alpha_is_refused(function, shape, channels):
    image = np.zeros(shape, np.uint8)
    for fill in (7, 0, 255.0, float("inf")):
        with pytest.raises(ValueError, match="no alpha channel is added") as caught:
            function(image, channels=channels, fill=fill)
        assert type(caught.value) is ValueError
    out = np.full((4, 6, 3), 5, np.uint8)
    with pytest.raises(
        ValueError, match=r"fill is 7 and no alpha .*\(channels: 3, of the result 3\)"
    ):
        function(IMAGE, out=out, fill=7)
    assert (out == 5).all()


@pytest.mark.parametrize(("channels", "wanted"), [(1, 2), (1, 4), (3, 4)])
def test_a_fill_of_an_added_alpha(channels, wanted):
    image = np.zeros((4, 6, channels), np.uint8)
    for fill, alpha in ((7, 7), (None, 255), (300, 255), (float("inf"), 255), (float("-inf"), 0)):
        result = vc.to_numpy(image, channels=wanted, fill=fill)
        assert (result[..., -1] == alpha).all() and not result[..., :-1].any()


def unowned():
    """A GpuMat over memory that OpenCV does not own."""
    import cv2

    if not vc.host_mode():
        pytest.skip("over host memory in host mode only")
    pixels = np.ones((4, 6), np.uint8)
    mat = cv2.cuda.createGpuMatFromCudaMemory(4, 6, cv2.CV_8UC1, pixels.ctypes.data, 6)
    return pixels, mat


AS_ARRAY = (vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view)
TO = (vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat)


@pytest.mark.parametrize("function", AS_ARRAY + TO, ids=lambda f: f.__name__)
def test_an_owner_of_memory_that_has_one_is_refused(function):
    owner = object()
    images = [torch.zeros(4, 6), np.zeros((4, 6)), bytearray(6), vc.view(IMAGE)]
    images += [vc.as_gpumat(IMAGE), vc.as_cupy(IMAGE), vc.from_pointer(*CALLS["from_pointer"][1])]
    for image in images:
        with pytest.raises(ValueError, match=f"{type(image).__name__} keeps its memory itself"):
            function(image, owner=owner)
        function(image if not isinstance(image, bytearray) else IMAGE, owner=None)
    vc.collect()
    assert sys.getrefcount(owner) == 2


@pytest.mark.parametrize("function", AS_ARRAY + TO, ids=lambda f: f.__name__)
def test_an_owner_of_unowned_memory(function):
    pixels, mat = unowned()
    owner = object()
    result = function(mat, owner=owner)
    assert (vc.as_numpy(result) == 1).all()
    if function in AS_ARRAY:
        assert sys.getrefcount(owner) == 3
    del result
    vc.collect()
    assert sys.getrefcount(owner) == 2
    if function in TO:  # one of a list is enough
        function([mat, vc.as_gpumat(pixels)], owner=owner)
        with pytest.raises(ValueError, match="list keeps its memory itself"):
            function([pixels, pixels], owner=owner)


def test_a_fill_for_one_image_of_a_list():
    """Images that go into separate results may differ: fill= needs one added alpha."""
    with_alpha, without = np.zeros((4, 6, 4), np.uint8), np.zeros((4, 6, 3), np.uint8)
    for images in ([with_alpha, without], [without, with_alpha]):
        outs = [np.full((4, 6, 4), 5, np.uint8) for _ in images]
        vc.to_numpy(images, out=outs, fill=7)
        assert [
            (out[..., 3] == (7 if image is without else 0)).all()
            for image, out in zip(images, outs, strict=True)
        ] == [True, True]
    outs = [np.full((4, 6, 4), 5, np.uint8) for _ in range(2)]
    with pytest.raises(ValueError, match="no alpha channel is added"):
        vc.to_numpy([with_alpha, with_alpha], out=outs, fill=7)
    assert all((out == 5).all() for out in outs)


def test_the_stream_of_dlpack_is_an_int():
    for wrong in (True, 1.5, "1", object(), torch.tensor(True)):
        with pytest.raises(TypeError, match="stream is a .*, needs an int in DLPack"):
            vc.view(IMAGE).__dlpack__(stream=wrong)


def test_owner_of_a_list_of_tensors():
    pixels, mat = unowned()
    owner = object()
    for images in ([mat, mat], [pixels, mat], iter([mat])):
        made = vc.as_tensors(images, owner=owner)
        assert sys.getrefcount(owner) > 2
        del made
    with pytest.raises(ValueError, match="list keeps its memory itself"):
        vc.as_tensors([pixels, pixels], owner=owner)
    vc.collect()
    assert sys.getrefcount(owner) == 2
