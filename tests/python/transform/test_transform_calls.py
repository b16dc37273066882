# SPDX-License-Identifier: Apache-2.0
"""The arguments that to_tensor, to_cupy, to_numpy and to_gpumat take and refuse, and the
references that they keep."""

import gc
import inspect
import sys
import threading
import types
import weakref

import cv2
import numpy as np
import pytest
import torch
from images import HAS_LATER, Memory, memory
from threads import at_once

import viewcast as vc

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
FUNCTIONS = (vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat)
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)


def same(result, wanted):
    np.testing.assert_array_equal(vc.as_numpy(result), wanted)


# -------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        torch.float32,
        np.float32,
        np.dtype("float32"),
        np.dtype("<f4"),
        types.SimpleNamespace(dtype=torch.float32).dtype,
    ],
    ids=repr,
)
@each_function
def test_dtypes_of_any_library(function, dtype):
    for _ in range(2):  # the second is read from a cache
        result = function(IMAGE, dtype=dtype)
        assert vc.view(result).dtype == "float32"


@pytest.mark.parametrize(
    ("dtype", "name"), [(bool, "bool"), (int, "int64"), (float, "float64"), (torch.bool, "bool")]
)
def test_python_types_are_numpys(dtype, name):
    assert vc.view(vc.to_numpy(IMAGE, dtype=dtype)).dtype == name


@pytest.mark.parametrize(
    ("dtype", "error", "message"),
    [
        ("float8", vc.DTypeError, 'dtype is "float8", needs "bool"'),
        ("", vc.DTypeError, "dtype is"),
        (torch.complex64, vc.DTypeError, 'dtype is "complex64"'),
        (np.complex64, vc.DTypeError, "complex64"),
        (np.dtype(">f4"), vc.DTypeError, "endian|byte"),
        (object, vc.DTypeError, "."),
        (5, TypeError, 'an int: as one of OpenCV.s types it is cv2.CV_32F, needs .*"float32"'),
    ],
    ids=repr,
)
def test_objects_that_are_no_dtype_are_refused(dtype, error, message):
    with pytest.raises(error, match=message):
        vc.to_numpy(IMAGE, dtype=dtype)


STATISTICS = [
    (0.5, 0.25, 0.125),
    [0.5, 0.25, 0.125],
    np.array([0.5, 0.25, 0.125]),
    np.array([0.5, 0.25, 0.125], np.float32).reshape(3, 1, 1),
    torch.tensor([0.5, 0.25, 0.125]),
    torch.tensor([0.5, 0.25, 0.125]).view(1, 3, 1, 1),
    (np.float32(0.5), np.float64(0.25), torch.tensor(0.125)),
    memoryview(np.array([0.5, 0.25, 0.125])),
]


@pytest.mark.parametrize("values", STATISTICS, ids=lambda v: type(v).__name__)
def test_mean_and_std_of_any_kind(values):
    wanted = (IMAGE - np.array([0.5, 0.25, 0.125])) / np.array([0.5, 0.25, 0.125])
    same(vc.to_numpy(IMAGE, dtype="float32", mean=values, std=values), wanted)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.array(2.0), torch.tensor(2.0), [2]])
def test_one_number_is_for_all_channels(value):
    same(vc.to_numpy(IMAGE, dtype="float32", std=value), IMAGE / 2)
    if not isinstance(value, list):
        same(vc.to_numpy(IMAGE, dtype="float32", scale=value), IMAGE * 2.0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mean": ()}, ValueError, "mean is empty, needs a number or one per channel"),
        ({"mean": (1, 2)}, ValueError, "mean has 2 values, needs 1 or one for each"),
        ({"std": "abc"}, TypeError, "std is or holds a str, needs numbers"),
        ({"std": (1, None, 2)}, TypeError, "std is or holds a NoneType"),
        ({"std": object()}, TypeError, "std is or holds a object"),
        ({"mean": [0.0] * 513}, ValueError, "mean has more than 512 values"),
        ({"scale": "x"}, TypeError, "scale is or holds a str"),
        ({"scale": 10**400}, ValueError, "scale is or holds an int beyond float64"),
        ({"std": 0}, ValueError, "std is or holds 0, needs numbers other than 0"),
        ({"scale": float("nan")}, ValueError, "scale is or holds nan, needs finite"),
        ({"scale": 1e39, "dtype": "float32"}, ValueError, "within float32"),
        ({"fill": "x"}, TypeError, "fill is or holds a str"),
        ({"channels": 0}, ValueError, "channels is 0, needs 1 or more"),
        ({"channels": -3}, ValueError, "channels is -3"),
        ({"channels": 1.5}, TypeError, "."),
        ({"channels": 2}, vc.LayoutError, "3 channels can't become 2"),
        ({"from_layout": "BANANA"}, ValueError, "from_layout is 'BANANA', needs \"HWC\""),
        ({"from_layout": "HWCN"}, ValueError, "from_layout is 'HWCN'"),
        ({"from_layout": "HWC\0"}, ValueError, "from_layout is 'HWC"),
        ({"from_layout": "\ud800"}, ValueError, "from_layout is '"),
        ({"from_layout": b"HWC"}, ValueError, "from_layout is b'HWC'"),
        ({"from_layout": 3}, ValueError, "from_layout is 3"),
        ({"normalize": 3}, TypeError, "normalize is a int, needs a viewcast.Normal"),
        ({"normalize": vc.UNIT}, ValueError, "would be uint8 .*dtype="),
        ({"normalize": vc.UNIT, "scale": 2}, ValueError, "normalize= and scale= were both"),
        ({"normalize": vc.UNIT, "mean": 2}, ValueError, "normalize= and mean= were both"),
        ({"normalize": vc.UNIT, "std": 2}, ValueError, "normalize= and std= were both"),
        ({"device": "cuda:0"}, vc.DeviceError, "no CUDA device 0"),
        ({"device": "tpu"}, ValueError, "device is"),
        ({"stream": "x"}, TypeError, "stream is a str"),
        ({"producer_stream": -7}, ValueError, "producer_stream is -7"),
        ({"nothing": 1}, TypeError, "unexpected keyword argument 'nothing'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
@each_function
def test_impossible_arguments_are_refused(function, options, error, message):
    for _ in range(2):
        with pytest.raises(error, match=message):
            function(IMAGE, **options)


@each_function
def test_impossible_calls_are_refused(function):
    with pytest.raises(TypeError, match="missing required argument 'image'"):
        function()
    with pytest.raises(TypeError, match="takes 1 positional argument but 2"):
        function(IMAGE, "HWC")
    with pytest.raises(TypeError, match="multiple values for argument 'image'"):
        function(IMAGE, image=IMAGE)
    assert vc.view(function(image=IMAGE)).shape == IMAGE.shape


@pytest.mark.parametrize("function", FUNCTIONS[:3], ids=lambda f: f.__name__)
def test_layouts_of_results_are_read_as_those_of_sources(function):
    for wrong in ("BANANA", "", 3, b"HWC"):
        with pytest.raises(ValueError, match='layout is .*, needs "HWC", "CHW", "HW", "NHWC"'):
            function(IMAGE, layout=wrong)
    for name in ("CHW", "chw", np.str_("chw")):
        assert tuple(function(IMAGE, layout=name).shape) == (3, 4, 6)


def test_to_gpumat_has_no_layout_and_keepdim():
    for name in ("layout", "keepdim"):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            vc.to_gpumat(IMAGE, **{name: None})


@each_function
def test_signatures(function):
    """The signatures that help() and editors show are those that calls accept."""
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "image":
            continue
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        function(IMAGE, **{name: parameter.default})


def test_one_call_site_after_the_other():
    """Argument positions are cached by call site; call sites must not share them."""
    for n in range(200):
        names = ["scale", "mean", "std"]
        order = names[n % 3 :] + names[: n % 3]
        values = {"scale": 2.0, "mean": 4.0, "std": 8.0}
        call = {name: values[name] for name in order}
        same(vc.to_numpy(IMAGE, dtype="float64", **call), (IMAGE * 2.0 - 4) / 8)
        call = dict.fromkeys(order[:2], 2.0)
        wanted = IMAGE * call.get("scale", 1.0) - call.get("mean", 0)
        same(vc.to_numpy(IMAGE, dtype="float64", **call), wanted / call.get("std", 1.0))


# --------------------------------------------------------------- normalizations


def test_normalizations():
    values = IMAGE / 255
    for known in (vc.IMAGENET, vc.CLIP, vc.UNIT, vc.SYMMETRIC):
        wanted = (values - np.array(known.mean)) / np.array(known.std)
        result = vc.to_numpy(IMAGE, dtype="float64", normalize=known)
        np.testing.assert_allclose(result, wanted, rtol=1e-14, atol=1e-14)
    own = vc.Normalization(2, [1, 2, 3], np.array([4, 5, 6]))
    assert own == vc.Normalization(2.0, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert hash(own) == hash(vc.Normalization(2, (1, 2, 3), (4, 5, 6)))
    with pytest.raises(AttributeError):
        own.scale = 3
    assert vc.to_tensor(IMAGE, normalize=vc.UNIT, dtype=torch.float16).max() <= 1


# ---------------------------------------------------------------------- layouts

PLANAR = np.zeros((3, 20, 30), np.uint8)


@pytest.mark.parametrize("image", [PLANAR, PLANAR[:1], np.zeros((4, 20, 30)), PLANAR[None]])
@each_function
def test_shapes_that_look_planar_need_from_layout(function, image):
    n = "N" * (image.ndim - 3)
    message = rf'looks planar \({n}CHW\).*say from_layout="{n}CHW".*or from_layout="{n}HWC"'
    with pytest.raises(vc.LayoutError, match=message):
        function(image)
    for layout in (f"{n}CHW", f"{n}HWC"):
        result = function(image, from_layout=layout)
        if function is not vc.to_gpumat:
            assert tuple(result.shape) == image.shape


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (IMAGE, {"from_layout": "NHWC"}, 'from_layout is "NHWC" and the image has rank 3, needs 4'),
        (IMAGE[None], {"from_layout": "HWC"}, '"HWC" and the image has rank 4, needs 2 or 3'),
        (IMAGE[None], {"layout": "CHW"}, 'layout is "CHW" and the source is a batch of 1 .*"NCHW"'),
        ([IMAGE], {"layout": "HWC"}, 'layout is "HWC" and the source is a batch of 1 .*"NHWC"'),
        (np.zeros(5), {}, "rank 1, needs 2"),
        (np.zeros((2,) * 5), {}, "5 axes|rank 5"),
        (IMAGE, {"out": IMAGE[None].copy(), "layout": "HWC"}, '"HWC" and out has rank 4, needs 2'),
        (IMAGE, {"out": IMAGE.copy(), "layout": "NHWC"}, '"NHWC" and out has rank 3, needs 4'),
        (IMAGE, {"out": np.zeros(5, np.uint8)}, "out has rank 1"),
        (IMAGE, {"out": IMAGE[:3].copy()}, "H = 4, W = 6 and the destination .*H = 3, W = 6"),
        (IMAGE, {"out": IMAGE.copy(), "channels": 4}, "channels= asks for 4 and out has 3"),
        ([IMAGE] * 3, {"out": IMAGE[None].copy()}, "3 images go into a destination of 1"),
        ([IMAGE] * 3, {"out": [IMAGE.copy()]}, "out is a list of 1 and there are 3 images"),
        (IMAGE, {"out": [IMAGE[None].copy()]}, "image 0 of out: .*rank 4, needs 2 or 3 in a list"),
        (
            [IMAGE, IMAGE[:2]],
            {},
            r"image 1 .* shape \(2, 6, 3\) and image 0 \(4, 6, 3\), .*out=\[batch\[i, :h, :w\]",
        ),
        ([IMAGE, IMAGE[:2]], {"layout": "NCHW"}, r"image 1 .*out=\[batch\[i, :, :h, :w\]"),
        ([IMAGE, IMAGE[:2]], {"out": np.zeros((2, 4, 6, 3), np.uint8)}, "image 1 has the shape"),
        ([IMAGE, IMAGE[..., :1]], {}, r"image 1 has the shape \(4, 6, 1\) .*channels="),
        ([IMAGE, IMAGE[..., 0]], {}, r"image 1 has the shape \(4, 6\) .*channels="),
        ([IMAGE, IMAGE.astype("f4")], {}, "image 1 is float32 and image 0 uint8, .*dtype="),
        ([IMAGE[None].repeat(2, 0)] * 2, {}, "2 batches were given"),
    ],
    ids=str,
)
def test_layouts_that_do_not_fit(image, options, message):
    with pytest.raises(vc.LayoutError, match=message):
        vc.to_numpy(image, **options)


def test_gpumats_are_interleaved():
    mat = vc.as_gpumat(IMAGE.copy())
    with pytest.raises(vc.LayoutError, match="GpuMat, whose pixels are always interleaved"):
        vc.to_tensor(mat, from_layout="CHW")
    with pytest.raises(vc.LayoutError, match="out is a cv2.cuda.GpuMat, whose"):
        vc.to_tensor(IMAGE, layout="CHW", out=mat)
    chw = np.ascontiguousarray(IMAGE.transpose(2, 0, 1))
    vc.as_numpy(mat)[...] = 0
    assert vc.to_tensor(chw, from_layout="CHW", out=mat) is mat
    same(mat, IMAGE)
    if not HAS_LATER:
        with pytest.raises(vc.DTypeError, match="has no depth for dtype uint32"):
            vc.to_gpumat(IMAGE, dtype="uint32")
    with pytest.raises(vc.LayoutError, match="channels"):
        vc.to_gpumat(np.zeros((5, 5, 600), np.uint8))


@pytest.mark.parametrize(
    "bad", [None, 3, "x", IMAGE.tolist(), {}, np.ndarray, [IMAGE, None]], ids=str
)
@each_function
def test_objects_that_are_no_image_are_refused(function, bad):
    with pytest.raises((TypeError, vc.ViewError, ValueError)):
        function(bad)


def test_the_image_of_a_list_that_is_wrong_is_named():
    with pytest.raises(TypeError, match="^image 2: int is no image"):
        vc.to_tensor([IMAGE, IMAGE, 5])
    with pytest.raises(TypeError, match="^image 1 of out: int is no image"):
        vc.to_tensor([IMAGE, IMAGE], out=[IMAGE.copy(), 5])
    with pytest.raises(
        vc.LayoutError, match='^image 1: from_layout is "CHW" and the image has rank 4'
    ):
        vc.to_tensor([IMAGE, IMAGE[None]], from_layout="CHW")
    for empty in ([], ()):
        with pytest.raises(ValueError, match="the list is empty, needs at least one image"):
            vc.to_gpumat(empty)


# -------------------------------------------------------------------------- out=


def test_out_is_checked():
    with pytest.raises(vc.DTypeError, match="dtype= asks for float32 and out is uint8"):
        vc.to_numpy(IMAGE, dtype="float32", out=IMAGE.copy())
    frozen = IMAGE.copy()
    frozen.flags.writeable = False
    with pytest.raises(vc.ViewError, match="read-only"):
        vc.to_numpy(IMAGE, out=frozen)
    with pytest.raises(vc.ViewError, match="requires grad"):
        vc.to_tensor(IMAGE, out=torch.zeros(4, 6, 3, requires_grad=True))
    with pytest.raises(vc.LayoutError, match="its elements overlap"):
        vc.to_numpy(IMAGE, out=np.lib.stride_tricks.as_strided(IMAGE.copy(), (4, 6, 3), (2, 2, 1)))
    with pytest.raises(TypeError, match="is no image"):
        vc.to_numpy(IMAGE, out=5)
    with pytest.raises(ValueError, match="list is empty"):
        vc.to_numpy(IMAGE, out=[])


@pytest.mark.parametrize("shift", [0, 1, 100])
def test_an_out_that_shares_memory_with_its_source(shift):
    buffer = memory(4 * 6 * 3 + shift)
    source = np.ndarray((4, 6, 3), np.uint8, buffer)
    out = np.ndarray((4, 6, 3), np.uint8, buffer, shift)
    if shift == 100:
        buffer = memory(400)
        source = np.ndarray((4, 6, 3), np.uint8, buffer)
        out = np.ndarray((4, 6, 3), np.uint8, buffer, shift)
        assert vc.to_numpy(source, out=out) is out
        return
    for image in (source, [IMAGE, source]):
        target = out if image is source else [np.zeros_like(IMAGE), out]
        with pytest.raises(vc.ViewError, match="shares memory with source"):
            vc.to_numpy(image, out=target)


def test_outs_that_share_memory():
    buffer = np.zeros((10, 6, 3), np.uint8)
    with pytest.raises(vc.ViewError, match="images 0 and 1 of out share memory"):
        vc.to_numpy([IMAGE, IMAGE], out=[buffer[:4], buffer[2:6]])
    apart = [np.zeros_like(IMAGE), np.zeros_like(IMAGE)]
    with pytest.raises(vc.ViewError, match="shares memory with source 1"):
        vc.to_numpy([IMAGE, apart[0]], out=[apart[0], buffer[:4]])


def test_out_decides_the_dtype():
    out = np.zeros((3, 4, 6), np.float64)
    vc.to_tensor(IMAGE, layout="CHW", scale=0.5, out=out)
    np.testing.assert_array_equal(out, IMAGE.transpose(2, 0, 1) / 2)
    mat = vc.as_gpumat(np.zeros((4, 6), np.int16))
    assert vc.to_gpumat(IMAGE[..., 0], out=mat) is mat
    same(mat, IMAGE[..., 0])


# -------------------------------------------------------------------- references


@each_function
@pytest.mark.parametrize("source", ["array", "list", "gpumats"])
def test_sources_are_released(function, source, ledger):
    bases = [memory(72, n) for n in range(3)]
    images = [np.ndarray((4, 6, 3), np.uint8, base) for base in bases]
    if source == "gpumats":
        images = [vc.as_gpumat(image) for image in images]
    given = images[0] if source == "array" else images
    counts = [sys.getrefcount(image) for image in images]
    results = [function(given) for _ in range(50)]
    assert [sys.getrefcount(image) for image in images] == counts
    ends = [weakref.ref(base) for base in bases]
    del images, given, bases
    vc.collect(force=True)
    gc.collect()
    assert [end() for end in ends] == [None] * 3
    assert len(results) == 50
    del results
    assert ledger(force=True).get("lends") == ledger(force=True).get("lends_released")


def test_out_is_released(ledger):
    base = memory(72)
    out = np.ndarray((4, 6, 3), np.uint8, base)
    mat = vc.as_gpumat(out)
    before = sys.getrefcount(out), sys.getrefcount(mat)
    for _ in range(50):
        assert vc.to_tensor(IMAGE, out=out) is out
        assert vc.to_tensor([IMAGE], out=[mat])[0] is mat
        for bad in ({"layout": "CHW"}, {"dtype": "float32"}):
            with pytest.raises(vc.ViewError):
                vc.to_tensor(IMAGE, out=mat, **bad)
    assert (sys.getrefcount(out), sys.getrefcount(mat)) == before
    end = weakref.ref(base)
    del base, out, mat
    vc.collect(force=True)
    gc.collect()
    assert end() is None


def test_arguments_are_released():
    """A few dtypes and names of keywords are cached, and no other argument."""
    mean, std = (0.1, 0.2, 0.3), [1.0, 2.0, 3.0]
    before = sys.getrefcount(mean), sys.getrefcount(std)
    for _ in range(100):
        vc.to_numpy(IMAGE, dtype="float32", mean=mean, std=std)
        vc.to_numpy(IMAGE, **{"dtype": "float32", "mean": mean})
        with pytest.raises(ValueError):
            vc.to_numpy(IMAGE, dtype="float32", mean=mean, std=[1, 2])
    assert (sys.getrefcount(mean), sys.getrefcount(std)) == before


def test_gpumats_of_a_list_live_by_themselves(counting):
    """They share one block, which lives as long as the last of them."""
    mats = vc.to_gpumat([IMAGE + n for n in range(5)])
    kept = vc.as_numpy(mats[3])
    last = mats[4]
    del mats
    gc.collect()
    vc.collect()
    np.testing.assert_array_equal(kept, IMAGE + 3)
    same(last, IMAGE + 4)


def test_the_block_is_freed(ledger):
    for _ in range(20):
        mats = vc.to_gpumat([IMAGE] * 4)
        del mats[1:3]
        del mats
    counted = ledger(force=True)
    assert counted["lends"] == counted["lends_released"] == 80


def test_a_result_is_not_the_source():
    for function in FUNCTIONS:
        result = function(IMAGE)
        assert vc.view(result).ptr != IMAGE.ctypes.data
    same(vc.to_numpy(IMAGE.view(Memory)), IMAGE)


def test_a_list_that_changes_while_it_is_read():
    images = [IMAGE, None, IMAGE]

    class Shrinks:
        def __dlpack_device__(self):
            del images[1:]
            return (1, 0)

        def __dlpack__(self, **options):
            return torch.from_numpy(IMAGE.copy()).__dlpack__()

    images[1] = Shrinks()
    with pytest.raises(RuntimeError, match="became shorter"):
        vc.to_numpy(images)


def test_threads():
    """The GIL is released for large images; each thread gets its own results."""
    frames = [np.full((480, 640, 3), n, np.uint8) for n in range(8)]
    wrong = []

    def work(n):
        for _ in range(10):
            mat = vc.to_gpumat(frames[n])
            tensor = vc.to_tensor([mat, frames[n]], layout="NCHW", dtype=torch.float32, scale=2)
            if not bool((tensor == 2 * n).all()):
                wrong.append(n)

    at_once(work, 8)
    assert not wrong


def test_another_thread_runs_during_a_transform():
    """A transform into 300 MB releases the GIL."""
    source = np.broadcast_to(np.uint8(1), (5000, 5000, 3))
    ticks = []
    done = threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    ticks.clear()
    result = vc.to_numpy(source, dtype="float32")
    seen = len(ticks)
    done.set()
    thread.join()
    assert seen > 0 and result[-1, -1, -1] == 1


def test_unowned_gpumats_and_owner():
    base = memory(72)
    mat = cv2.cuda.createGpuMatFromCudaMemory(4, 6, cv2.CV_8UC3, base.ctypes.data, 18)
    same(vc.to_numpy(mat, owner=base), np.ndarray((4, 6, 3), np.uint8, base))
    end = weakref.ref(base)
    del base
    assert end() is None
