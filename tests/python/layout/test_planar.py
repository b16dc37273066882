# SPDX-License-Identifier: Apache-2.0
"""Shapes that look planar: every function refuses them whatever their strides, and reads them
as from_layout= says."""

import numpy as np
import pytest
import torch
from crosses import cross
from hypothesis import given, settings
from hypothesis import strategies as st
from planar_images import (
    MAKE,
    MEMORY,
    TO,
    CudaArray,
    as_strided,
    each_batch,
    each_image,
    each_many,
    each_one,
    has_no_such_strides,
    interleaved,
    made,
    offers,
    packed,
    seen,
    with_copy_if_needed,
)

import viewcast as vc
from viewcast._viewcast import cuda_array_as_opencv_gpu_mat, pytorch_tensor_as_opencv_gpu_mat

pytestmark = pytest.mark.slow_paths


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
