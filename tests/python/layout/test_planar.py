# SPDX-License-Identifier: Apache-2.0
"""Shapes that look planar: every function refuses them whatever their strides, and reads them
as from_layout= says."""

import re

import cupy
import cv2
import numpy as np
import pytest
import torch
from crosses import cross
from dlpack_structs import Producer
from hypothesis import given, settings
from hypothesis import strategies as st
from images import memory

import viewcast as vc
from viewcast._viewcast import cuda_array_as_opencv_gpu_mat, pytorch_tensor_as_opencv_gpu_mat

pytestmark = pytest.mark.slow_paths

as_strided = np.lib.stride_tricks.as_strided


# --- arrays of a planar shape, in every kind of memory


def packed(*shape, seed=0, dtype="uint8"):
    count = int(np.prod(shape))
    block = memory(count * np.dtype(dtype).itemsize, seed)
    return np.ndarray(shape, np.uint8, block).astype(dtype)


def channels_last(*shape):
    """(C, H, W) over interleaved memory, like torchvision's and torchcodec's tensors."""
    order = [*shape[:-3], shape[-2], shape[-1], shape[-3]]
    return np.moveaxis(packed(*order), -1, -3)


def pitched(*shape):
    return packed(*shape[:-1], shape[-1] + 9)[..., : shape[-1]]


def cropped(*shape):
    rows, cols = shape[-2:]
    return packed(*shape[:-2], rows + 4, cols + 8)[..., 1 : rows + 1, 3 : cols + 3]


def repeated(*shape):
    """Broadcast along the rows."""
    whole = packed(*shape)
    return as_strided(whole, shape, [*whole.strides[:-2], 0, whole.strides[-1]])


def columns_last(*shape):
    return packed(*shape[:-2], shape[-1], shape[-2]).swapaxes(-1, -2)


MEMORY = {
    "packed": packed,
    "channels last": channels_last,
    "pitched": pitched,
    "cropped": cropped,
    "every other column": lambda *shape: packed(*shape[:-1], 2 * shape[-1])[..., ::2],
    "some of more channels": lambda *shape: packed(*shape[:-3], 9, *shape[-2:])[
        ..., : shape[-3], :, :
    ],
    "broadcast": repeated,
    "transposed": columns_last,
    "rows flipped": lambda *shape: packed(*shape)[..., ::-1, :],
    "columns flipped": lambda *shape: packed(*shape)[..., ::-1],
    "channels flipped": lambda *shape: packed(*shape)[..., ::-1, :, :],
    "cropped channels last": lambda *shape: channels_last(*shape[:-1], 3 * shape[-1])[
        ..., 2 : 2 + shape[-1]
    ],
}
FLIPPED = {"rows flipped", "columns flipped", "channels flipped"}

kept = []  # producers, whose memory a view may still need


def keep(made):
    kept.append(made)
    return made


class CudaArray:
    def __init__(self, array):
        self.array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "strides": array.strides,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "version": 3,
        }


def make_cupy(array):
    source = cupy.cuda.UnownedMemory(array.ctypes.data, array.nbytes, array, 0)
    pointer = cupy.cuda.MemoryPointer(source, 0)
    return cupy.ndarray(array.shape, array.dtype, pointer, array.strides)


MAKE = {
    "numpy": lambda array: array,
    "torch": torch.from_numpy,
    "cupy": make_cupy,
    "view": vc.view,
    "view of a tensor": lambda array: vc.view(torch.from_numpy(array)),
    "dlpack": lambda array: keep(Producer(array)),
    "unversioned dlpack": lambda array: keep(Producer(array, versioned=False)),
    "buffer": memoryview,
    "cuda array": CudaArray,
}
each_library = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def made(make, lay_out, *shape):
    """An image for viewcast, and a NumPy array of its values."""
    array = lay_out(*shape)
    assert array.shape == shape
    return make(array), array


def has_no_such_strides(kind, library, call=None):
    """torch has no negative strides."""
    return library in ("torch", "view of a tensor") and kind in FLIPPED


TO = (vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat)
COPY = ({}, {"copy": None}, {"copy": True})
ONE = [(vc.as_gpumat, options) for options in COPY] + [(function, {}) for function in TO]
MANY = [(vc.as_gpumats, options) for options in COPY] + [(function, {}) for function in TO]


def named(calls):
    return {
        f"{function.__name__} {options or ''}".strip(): (function, options)
        for function, options in calls
    }


each_one = pytest.mark.parametrize("call", named(ONE).values(), ids=named(ONE))
each_many = pytest.mark.parametrize("call", named(MANY).values(), ids=named(MANY))
each_image = cross(has_no_such_strides, lay_out=MEMORY, make=MAKE, call=named(ONE))
each_batch = cross(has_no_such_strides, lay_out=MEMORY, make=MAKE, call=named(MANY))


def seen(result):
    """A result's values; of a list of GpuMats as one array."""
    if isinstance(result, list):
        return np.stack([seen(each) for each in result])
    return vc.as_numpy(result)


def interleaved(function, array):
    """The values of the function's result for planar values that are declared planar."""
    is_mat = function in (vc.as_gpumat, vc.as_gpumats, vc.to_gpumat)
    if not is_mat:
        return array
    pixels = np.moveaxis(array, -3, -1)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def offers(message):
    """The values of from_layout= that the message offers."""
    return re.findall(r'from_layout="(\w+)"', message)


def with_copy_if_needed(call, *arguments, **options):
    """Makes the call; again with copy=None where the error says that a view is impossible."""
    try:
        return call(*arguments, **options)
    except vc.LayoutError as error:
        assert "copy=None" in str(error) and "planar (CHW):" not in str(error)
        assert options.pop("copy", False) is False
        return call(*arguments, copy=None, **options)


# --- refused without from_layout=, and read as it says


@each_image
def test_an_image_that_looks_planar(lay_out, make, call):
    function, options = call
    for shape in ((3, 5, 7), (4, 5, 8), (1, 6, 5)):
        image, array = made(make, lay_out, *shape)
        with pytest.raises(vc.LayoutError, match=r"looks planar \(CHW\)") as caught:
            function(image, **options)
        assert str(shape) in str(caught.value)
        assert set(offers(str(caught.value))) >= {"CHW", "HWC"}
        result = with_copy_if_needed(function, image, from_layout="CHW", **options)
        np.testing.assert_array_equal(seen(result), interleaved(function, array))
        if function in TO:
            result = with_copy_if_needed(function, image, from_layout="hwc", **options)
            np.testing.assert_array_equal(seen(result), array)


@each_batch
def test_a_batch_that_looks_planar(lay_out, make, call):
    function, options = call
    for shape in ((2, 3, 5, 7), (1, 4, 5, 6), (3, 1, 6, 5)):
        batch, array = made(make, lay_out, *shape)
        with pytest.raises(vc.LayoutError, match=r"looks planar \(NCHW\)") as caught:
            function(batch, **options)
        assert set(offers(str(caught.value))) == {"NCHW", "NHWC"}
        result = with_copy_if_needed(function, batch, from_layout="NCHW", **options)
        np.testing.assert_array_equal(seen(result), interleaved(function, array))


@each_batch
def test_a_list_with_an_image_that_looks_planar(lay_out, make, call):
    function, options = call
    image, array = made(make, lay_out, 3, 5, 7)
    good = np.zeros((5, 7, 3), np.uint8)
    for images in ([good, good, image], (good, good, image)):
        with pytest.raises(vc.LayoutError, match=r"^image 2: .*looks planar \(CHW\)") as caught:
            function(images, **options)
        assert set(offers(str(caught.value))) == {"CHW", "HWC"}
    for name in ("CHW", "nchw"):  # the list is the N
        result = with_copy_if_needed(function, [image, image], from_layout=name, **options)
        np.testing.assert_array_equal(seen(result), interleaved(function, np.stack([array, array])))


@cross(has_no_such_strides, lay_out=MEMORY, make=MAKE)
def test_axes_are_kept_by_functions_that_have_no_layout(lay_out, make):
    for shape in ((3, 5, 7), (2, 3, 5, 7)):
        image, array = made(make, lay_out, *shape)
        for function in (vc.as_numpy, vc.as_cupy, vc.view):
            np.testing.assert_array_equal(vc.as_numpy(function(image)), array)
        tensor = vc.as_tensor(image, copy=None if min(array.strides) < 0 else False)
        np.testing.assert_array_equal(tensor.numpy(), array)
        for function in (vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view):
            with pytest.raises(TypeError, match="unexpected keyword argument 'from_layout'"):
                function(image, from_layout="CHW")


@pytest.mark.parametrize("shape", [(3, 0, 7), (4, 0, 5), (1, 0, 6), (3, 0, 5)], ids=str)
@each_one
def test_empty_images_that_look_planar(call, shape):
    function, options = call
    array = np.zeros(shape, np.float32)
    for image in (array, torch.from_numpy(array), [array] if function in TO else array):
        with pytest.raises(vc.LayoutError, match="looks planar"):
            function(image, **options)
    rows, cols = shape[1:]
    result = function(array, from_layout="CHW", **options)
    if function in (vc.as_gpumat, vc.to_gpumat):
        assert (result.size(), result.channels()) == ((cols, rows), shape[0])
    else:
        assert tuple(result.shape) == shape


@each_one
def test_shapes_that_do_not_look_planar(call):
    function, options = call
    for shape in ((2, 5, 7), (5, 5, 7), (3, 5, 4), (1, 5, 3), (4, 5, 1), (6, 3, 5), (0, 5, 7)):
        array = packed(*shape)
        wanted = (
            array[..., 0] if shape[2] == 1 and function in (vc.as_gpumat, vc.to_gpumat) else array
        )
        np.testing.assert_array_equal(seen(function(array, **options)), wanted)
        if 0 not in shape and function in TO:
            many = seen(function([array, array], **options))
            np.testing.assert_array_equal(many, np.stack([wanted, wanted]))


def reads_as_planar(shape):
    """A reference of the rule, from its documentation alone."""
    return len(shape) in (3, 4) and shape[-3] in (1, 3, 4) and shape[-1] > 4


@st.composite
def strided_arrays(draw):
    rank = draw(st.integers(3, 4))
    shape = [draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 9])) for _ in range(rank)]
    order = draw(st.permutations(range(rank)))
    whole = packed(*(shape[axis] + draw(st.integers(0, 2)) for axis in order))
    array = whole.transpose(np.argsort(order))
    array = array[tuple(slice(0, length) for length in shape)]
    for axis in range(rank):
        change = draw(st.sampled_from(["", "", "flip", "broadcast"]))
        if change == "flip":
            array = np.flip(array, axis)
        elif change == "broadcast" and array.size:
            strides = [0 if n == axis else stride for n, stride in enumerate(array.strides)]
            array = as_strided(array, array.shape, strides)
    return array


@settings(max_examples=400, deadline=None)
@given(strided_arrays(), st.sampled_from(TO), st.sampled_from(["C", "no C"]))
def test_the_rule_depends_on_the_shape_alone(array, function, said):
    if 0 in array.shape[-3:]:
        return  # images without pixels or channels have tests of their own
    layout = ("N" if array.ndim == 4 else "") + ("CHW" if said == "C" else "HWC")
    if reads_as_planar(array.shape):
        with pytest.raises(vc.LayoutError, match="looks planar"):
            function(array)
    elif function is not vc.to_gpumat:
        np.testing.assert_array_equal(seen(function(array)), array)
    result = function(array, from_layout=layout)
    if function is vc.to_gpumat:
        if said == "C":
            array = np.moveaxis(array, -3, -1)
        array = array[..., 0] if array.shape[-1] == 1 else array
        if len(array) == 0:
            assert result == []
            return
    np.testing.assert_array_equal(seen(result), array)


# --- as_gpumat(from_layout="CHW"): a view where the memory allows


def test_channels_last_memory_is_a_view():
    image = torch.zeros(60, 100, 3, dtype=torch.uint8).permute(2, 0, 1)
    mat = vc.as_gpumat(image, from_layout="CHW")
    assert (mat.cudaPtr(), mat.size(), mat.channels()) == (image.data_ptr(), (100, 60), 3)
    part = image[:, 10:20, 5:50]
    mat = vc.as_gpumat(part, from_layout="CHW", copy=None)
    assert (mat.cudaPtr(), mat.size(), mat.step) == (part.data_ptr(), (45, 10), 300)
    gray = torch.zeros(1, 60, 100)
    mat = vc.as_gpumat(gray, from_layout="CHW")
    assert (mat.cudaPtr(), mat.size(), mat.channels()) == (gray.data_ptr(), (100, 60), 1)
    batch = torch.zeros(2, 60, 100, 3).permute(0, 3, 1, 2)
    mats = vc.as_gpumats(batch, from_layout="NCHW")
    assert [mat.cudaPtr() for mat in mats] == [each.data_ptr() for each in batch]


def test_planes_are_a_copy_that_must_be_allowed():
    planes = torch.from_numpy(packed(3, 60, 100))
    for function, image, name in (
        (vc.as_gpumat, planes, "CHW"),
        (vc.as_gpumats, planes[None], "NCHW"),
        (vc.as_gpumats, [planes], "CHW"),
    ):
        with pytest.raises(vc.LayoutError, match="channels of a pixel are not adjacent.*copy=None"):
            function(image, from_layout=name)
        for copy in (None, True):
            result = function(image, from_layout=name, copy=copy)
            mat = result if function is vc.as_gpumat else result[0]
            np.testing.assert_array_equal(vc.as_numpy(mat), planes.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("name", ["HWC", "CHW", "hw"])
def test_one_channel_has_rank_2_in_every_layout(name):
    array = packed(6, 9)
    assert vc.as_gpumat(array, from_layout=name).cudaPtr() == array.ctypes.data
    wanted = (1, 6, 9) if name == "CHW" else (6, 9)  # "CHW" always has the axis
    assert vc.to_numpy(array, from_layout=name).shape == wanted


# --- GpuMats are never planar


def wide_mat(rows=3):
    """A GpuMat whose shape would be refused: 7 channels."""
    array = packed(rows, 5, 7)
    return vc.as_gpumat(array, from_layout="HWC"), array


@each_one
def test_a_gpumat_is_never_planar(call):
    function, options = call
    mat, array = wide_mat()
    for words in ({}, {"from_layout": "HWC"}):
        np.testing.assert_array_equal(seen(function(mat, **options, **words)), array)
    with pytest.raises(vc.LayoutError, match="a cv2.cuda.GpuMat, whose pixels are always interl"):
        function(mat, from_layout="CHW", **options)


@each_many
def test_gpumats_in_a_list_are_never_planar(call):
    function, options = call
    mat, array = wide_mat(1)
    np.testing.assert_array_equal(seen(function([mat, mat], **options)), np.stack([array, array]))
    with pytest.raises(vc.LayoutError, match="^image 0: .*GpuMat, whose pixels are always"):
        function([mat, mat], from_layout="CHW", **options)


@pytest.mark.parametrize("keepdim", [False, True])
def test_a_gpumat_of_one_channel_is_flat(keepdim):
    gray = packed(6, 9)
    mat = vc.as_gpumat(gray)
    for name in (None, "HW", "HWC", "hwc"):
        result = vc.to_numpy(mat, from_layout=name, keepdim=keepdim)
        np.testing.assert_array_equal(result, gray[..., None] if keepdim else gray)
    result = vc.to_numpy([mat, mat], from_layout="NHW", keepdim=keepdim)
    assert result.shape == ((2, 6, 9, 1) if keepdim else (2, 6, 9))
    colour, _ = wide_mat()
    for name in ("HW", "NHW", "NHWC", "NCHW"):
        with pytest.raises(vc.LayoutError, match=f'"{name}" and the image is a cv2.cuda.GpuMat'):
            vc.to_numpy(colour, from_layout=name)


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


# --- Savant's names take what Savant's take


@pytest.mark.parametrize(
    "convert", [cuda_array_as_opencv_gpu_mat, pytorch_tensor_as_opencv_gpu_mat]
)
def test_savants_names_refuse_what_savants_refuse(convert):
    make = torch.from_numpy if convert is pytorch_tensor_as_opencv_gpu_mat else CudaArray
    whole = packed(3, 10, 20)
    assert convert(make(whole)).channels() == 20
    for kind in ("channels last", "pitched", "cropped", "transposed", "some of more channels"):
        array = MEMORY[kind](3, 10, 20)
        if array.flags.c_contiguous:
            continue
        with pytest.raises(
            AssertionError, match=r"^Array must be in C-contiguous layout\. .*planar"
        ):
            convert(make(array))
    assert convert(make(np.zeros((3, 0, 20), np.uint8))).empty()
