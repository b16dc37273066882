# SPDX-License-Identifier: Apache-2.0
"""The shapes and strides that have a GpuMat, and the header that is written for them."""

import math

import cv2
import numpy as np
import pytest
from gpumat_header import CONTINUOUS, SUBMATRIX, fields, header
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from images import (
    EVERYWHERE,
    LIBRARIES,
    MAKE,
    Image,
    gpumat_type,
    make_cupy,
    make_torch,
    memory,
    packed_strides,
    pixels,
    see,
)

import viewcast as vc

pytestmark = pytest.mark.slow_paths

CHANNELS_MAX = vc._viewcast._opencv_layout()["channels_max"]
INT_MAX = 2**31 - 1

as_strided = np.lib.stride_tricks.as_strided
examples = settings(max_examples=400, deadline=None)


# --- a reference of the rules, written from their documentation alone


def alignment(channels, itemsize):
    """The alignment for OpenCV's kernels: of a vector of 2 or 4 elements, at most 16 bytes."""
    return min(itemsize * channels, 16) if channels in (2, 4) else itemsize


def is_image(array):
    """Interleaved, and aligned for OpenCV's kernels."""
    if array.ndim not in (2, 3):
        return False
    rows, cols, channels = (*array.shape, 1)[:3]
    row_stride, col_stride, channel_stride = (*array.strides, array.itemsize)[:3]
    if not 1 <= channels <= CHANNELS_MAX or max(rows, cols) > INT_MAX:
        return False
    if array.size == 0:
        return True
    pixel = channels * array.itemsize
    aligned = alignment(channels, array.itemsize)
    step = row_stride if rows > 1 else cols * pixel
    return (
        (channels == 1 or channel_stride == array.itemsize)
        and (cols == 1 or col_stride == pixel)
        and (rows == 1 or (row_stride >= cols * pixel and row_stride % array.itemsize == 0))
        and array.ctypes.data % aligned == 0
        and step % aligned == 0
    )


def opencvs_own(array):
    """The header that OpenCV writes over the same memory."""
    rows, cols, channels = (*array.shape, 1)[:3]
    step = array.strides[0] if rows > 1 else cols * channels * array.itemsize
    dtype = array.dtype.name
    return cv2.cuda.createGpuMatFromCudaMemory(
        rows, cols, gpumat_type(dtype, channels), array.ctypes.data, step
    )


def check(array):
    """Converts the array; the result must be right, or refused where the rules say so."""
    if not is_image(array):
        with pytest.raises(vc.LayoutError):
            vc.as_gpumat(array, from_layout="HWC")
        return
    mat = vc.as_gpumat(array, from_layout="HWC")
    if array.size == 0:
        assert mat.empty()
        assert mat.size() == (array.shape[1], array.shape[0])
        return
    assert fields(mat) == fields(opencvs_own(array))
    assert pixels("gpumat", mat) == array.tobytes()


# --- everything that NumPy can make


def index_of(length):
    if length == 0:
        return st.just(slice(None))
    start = st.integers(0, length - 1)
    part = st.builds(slice, start, st.integers(1, length), st.just(1))
    return st.one_of(st.just(slice(None)), part, part, st.slices(length), start)


@st.composite
def derived_arrays(draw):
    """Arrays made by slicing, stepping, flipping, transposing and broadcasting."""
    dtype = np.dtype(draw(st.sampled_from(EVERYWHERE)))
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, max_side=8))
    offset = draw(st.integers(0, 3)) * dtype.itemsize
    block = memory(math.prod(shape) * dtype.itemsize + offset)
    array = np.ndarray(shape, dtype, block, offset)
    for change in draw(st.lists(st.sampled_from("sssstbn"), max_size=3)):
        if change == "s":
            array = array[tuple(draw(index_of(length)) for length in array.shape)]
            array = np.asarray(array)
        elif change == "t":
            array = array.transpose(draw(st.permutations(range(array.ndim))))
        elif change == "b" and array.ndim < 3:
            length = draw(st.integers(1, 3))
            array = as_strided(array, (length, *array.shape), (0, *array.strides))
        elif change == "n" and array.ndim < 4:
            array = np.expand_dims(array, draw(st.integers(0, array.ndim)))
    return array


@st.composite
def strided_arrays(draw):
    """Images with pitched rows, and arrays of which one stride or the address is wrong."""
    dtype = np.dtype(draw(st.sampled_from(EVERYWHERE)))
    size = dtype.itemsize
    length = st.sampled_from([0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
    shape = draw(st.lists(length, min_size=2, max_size=3))
    strides = list(packed_strides(shape, size))
    strides[0] += draw(st.sampled_from([0, size, 2 * size, 16, 64]))
    offset = draw(st.sampled_from([0, 0, size, 2 * size]))
    broken = draw(st.sampled_from(["nothing", "nothing", "stride", "offset"]))
    if broken == "stride":
        wrong = [0, 1, -size, size, 3 * size, strides[0] + 1, -strides[0], 64]
        axis = draw(st.integers(0, len(shape) - 1))
        strides[axis] = draw(st.sampled_from(wrong))
    elif broken == "offset":
        offset += 1
    ends = [(n - 1) * s for n, s in zip(shape, strides, strict=True) if n > 1]
    offset -= sum(end for end in ends if end < 0)
    span = sum(end for end in ends if end > 0) + size
    return np.ndarray(shape, dtype, memory(offset + span), offset, strides)


@examples
@given(derived_arrays())
def test_derived_arrays_are_converted_right_or_refused(array):
    check(array)


@examples
@given(strided_arrays())
def test_any_strides_are_converted_right_or_refused(array):
    check(array)


@examples
@given(strided_arrays())
def test_views_keep_strides_and_pixels_whatever_they_are(array):
    view = vc.view(array)
    assert view.shape == array.shape
    assert view.dtype == array.dtype.name
    assert view.nbytes == array.nbytes
    back = vc.as_numpy(view)
    assert back.tobytes() == array.tobytes()
    if array.size:
        assert view.ptr == array.ctypes.data
        assert see("numpy", back) == see("numpy", array)


@examples
@given(derived_arrays())
def test_tensors_have_the_same_pixels_or_are_refused(array):
    strides = [s for n, s in zip(array.shape, array.strides, strict=True) if n > 1]
    possible = array.size == 0 or all(s >= 0 and s % array.itemsize == 0 for s in strides)
    if array.ndim == 0 or not possible:
        with pytest.raises(vc.LayoutError):
            vc.as_tensor(array)
    else:
        tensor = vc.as_tensor(array)
        assert tuple(tensor.shape) == array.shape
        assert tensor.numpy().tobytes() == array.tobytes()


@examples
@given(derived_arrays())
def test_cupy_arrays_have_the_same_address_and_strides(array):
    if array.ndim == 0:
        with pytest.raises(vc.LayoutError):
            vc.as_cupy(array)
        return
    result = vc.as_cupy(array)
    assert result.shape == array.shape
    if array.size:
        assert see("cupy", result) == see("numpy", array)


# --- images that are not packed


@pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "gpumat"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_row_pitched_images_are_views(library, dtype):
    image = Image((7, 5, 4), dtype, strides=None)
    size = image.array.itemsize
    image = Image((7, 5, 4), dtype, strides=(5 * 4 * size + 48, 4 * size, size))
    mat = vc.as_gpumat(MAKE[library](image))
    assert mat.step == 5 * 4 * size + 48
    assert not header(mat).flags & (CONTINUOUS | SUBMATRIX)
    assert pixels("gpumat", mat) == image.array.tobytes()


@pytest.mark.parametrize("library", ["torch", "numpy", "cupy", "view"])
def test_row_and_column_slices_are_views(library):
    whole = Image((10, 20, 3))
    part = whole.array[2:7, 4:15]
    mat = vc.as_gpumat(MAKE[library](whole))
    roi = cv2.cuda.GpuMat(mat, (4, 2, 11, 5))
    sliced = {"numpy": part, "torch": make_torch(whole)[2:7, 4:15]}
    for source in (roi, sliced.get(library, part)):
        seen = see("gpumat", vc.as_gpumat(source))
        assert (seen.address, seen.shape) == (part.ctypes.data, part.shape)
        assert pixels("gpumat", vc.as_gpumat(source)) == part.tobytes()


@pytest.mark.parametrize("target", ["torch", "cupy", "numpy", "view"])
@pytest.mark.parametrize("shape", [(10, 20), (10, 20, 3)], ids=str)
def test_rois_of_gpumats_are_views(target, shape):
    image = Image(shape)
    roi = cv2.cuda.GpuMat(vc.as_gpumat(image.array), (4, 2, 11, 5))
    part = image.array[2:7, 4:15]
    convert = {"torch": vc.as_tensor, "cupy": vc.as_cupy, "numpy": vc.as_numpy}
    result = convert.get(target, vc.view)(roi)
    assert see(target, result) == see("numpy", part)
    assert pixels(target, result) == part.tobytes()


# --- axes of length 1


@pytest.mark.parametrize(
    ("shape", "strides"),
    [
        ((1, 5, 3), (0, 3, 1)),
        ((1, 5, 3), (-7, 3, 1)),
        ((1, 5, 3), (2**40, 3, 1)),
        ((4, 1, 3), (3, 0, 1)),
        ((4, 1, 3), (8, -9, 1)),
        ((4, 5, 1), (5, 1, 99)),
        ((4, 5, 1), (5, 1, -99)),
        ((1, 1, 1), (0, 0, 0)),
        ((1, 1, 3), (-1, -1, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [lambda i: i.array, make_cupy], ids=["numpy", "cupy"])
def test_strides_of_axes_of_length_1_do_not_matter(make, shape, strides):
    image = Image(shape, strides=strides)
    mat = vc.as_gpumat(make(image))
    assert fields(mat) == fields(opencvs_own(image.array))
    assert pixels("gpumat", mat) == image.array.tobytes()


@pytest.mark.parametrize("target", [vc.as_tensor, vc.as_numpy, vc.as_cupy, vc.view])
@pytest.mark.parametrize(("rows", "cols"), [(1, 9), (9, 1), (1, 1)])
def test_gpumats_of_one_row_or_column_give_arrays(target, rows, cols):
    image = Image((rows, cols, 3))
    mat = cv2.cuda.createGpuMatFromCudaMemory(rows, cols, cv2.CV_8UC3, image.address, cols * 3 + 64)
    assert tuple(target(mat).shape) == (rows, cols, 3)
    result = vc.as_numpy(mat)
    assert result.ctypes.data == image.address
    assert result[0].tobytes() == image.array[0].tobytes()


# --- alignment


def alignments():
    """Each alignment, met, and missed where that is possible."""
    for dtype in ("uint8", "uint16", "float32", "float64"):
        for channels in (1, 2, 3, 4, 5, 8):
            needed = alignment(channels, np.dtype(dtype).itemsize)
            yield dtype, channels, needed, True
            if needed > 1:
                yield dtype, channels, needed, False


ALIGNMENTS = list(alignments())


@pytest.mark.parametrize(("dtype", "channels", "needed", "aligned"), ALIGNMENTS)
def test_address_is_a_multiple_of_the_cuda_vector(dtype, channels, needed, aligned):
    offset = needed if aligned else needed // 2
    image = Image((6, 5, channels), dtype, offset=offset)
    if aligned:
        assert vc.as_gpumat(image.array).cudaPtr() == image.address
    else:
        with pytest.raises(vc.LayoutError, match=f"aligned to {needed} bytes"):
            vc.as_gpumat(image.array)


@pytest.mark.parametrize(("dtype", "channels", "needed", "aligned"), ALIGNMENTS)
def test_row_step_is_a_multiple_of_the_cuda_vector(dtype, channels, needed, aligned):
    size = np.dtype(dtype).itemsize
    row = -(-5 * channels * size // needed) * needed
    step = row + (needed if aligned else needed // 2)
    image = Image((6, 5, channels), dtype, (step, channels * size, size))
    if aligned:
        assert vc.as_gpumat(image.array).step == step
    else:
        with pytest.raises(vc.LayoutError, match=f"multiple of .*{needed}"):
            vc.as_gpumat(image.array)


def test_one_row_needs_no_aligned_stride():
    image = Image((1, 5, 4), strides=(23, 4, 1))
    assert vc.as_gpumat(image.array).step == 20


# --- ranks


@pytest.mark.parametrize("library", ["torch", "numpy", "cupy"])
@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 4, 5), (1, 2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("options", [{}, {"copy": None}, {"copy": True}], ids=str)
def test_gpumats_have_rank_2_or_3(library, shape, options):
    with pytest.raises(vc.LayoutError, match="rank|axes"):
        vc.as_gpumat(MAKE[library](Image(shape)), **options)


@pytest.mark.parametrize("library", ["torch", "numpy", "cupy"])
def test_batches_have_a_view(library):
    batch = MAKE[library](Image((2, 3, 4, 5)))
    assert vc.view(batch).shape == (2, 3, 4, 5)


@pytest.mark.parametrize("library", ["torch", "numpy", "cupy"])
@pytest.mark.parametrize("shape", [(), (1, 2, 3, 4, 5)], ids=str)
def test_views_have_rank_1_to_4(library, shape):
    with pytest.raises(vc.LayoutError, match=f"rank {len(shape)}|{len(shape)} axes"):
        vc.view(MAKE[library](Image(shape)))


# --- strides of no image


@pytest.mark.parametrize(
    "index",
    [np.s_[::-1], np.s_[:, ::-1], np.s_[:, :, ::-1], np.s_[:, ::2], np.s_[..., :2]],
    ids=["flipped", "mirrored", "reversed channels", "every other column", "2 of 3 channels"],
)
@pytest.mark.parametrize("library", ["numpy", "cupy"])
def test_flipped_and_strided_images_are_refused(library, index):
    array = MAKE[library](Image((6, 8, 3)))[index]
    with pytest.raises(vc.LayoutError, match="axis . .* has stride -?[0-9]+ bytes, needs"):
        vc.as_gpumat(array)


@pytest.mark.parametrize("index", [np.s_[::2], np.s_[1:], np.s_[:, 1:], np.s_[:, :1]], ids=str)
def test_every_other_row_is_a_view(index):
    array = Image((6, 8, 3)).array[index]
    assert pixels("gpumat", vc.as_gpumat(array)) == array.tobytes()


@pytest.mark.parametrize("step", [0, 7, 14])
def test_overlapping_rows_are_refused(step):
    array = as_strided(Image((6, 5, 3)).array, (6, 5, 3), (step, 3, 1))
    with pytest.raises(vc.LayoutError, match="overlap"):
        vc.as_gpumat(array)


def test_rows_that_are_not_aligned_to_their_elements_are_refused():
    image = Image((4, 5), "float32", strides=(22, 4))
    with pytest.raises(vc.LayoutError, match="multiple of the itemsize 4"):
        vc.as_gpumat(image.array)


# --- limits


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_channels_up_to_the_limit_of_the_loaded_opencv(library):
    mat = vc.as_gpumat(MAKE[library](Image((2, 3, CHANNELS_MAX))))
    assert mat.channels() == CHANNELS_MAX
    assert vc.view(mat).shape == (2, 3, CHANNELS_MAX)
    with pytest.raises(vc.LayoutError, match=f"{CHANNELS_MAX + 1}, needs 1 to {CHANNELS_MAX}"):
        vc.as_gpumat(MAKE[library](Image((2, 3, CHANNELS_MAX + 1))))


def test_the_limit_of_channels_is_opencvs():
    assert {4: 512, 5: 128}[int(cv2.__version__[0])] == CHANNELS_MAX


HUGE = [((INT_MAX, 1), (1, 1)), ((1, INT_MAX), (1, 1)), ((INT_MAX, 1), (16, 1))]


@pytest.mark.parametrize(("shape", "strides"), HUGE, ids=str)
def test_rows_and_cols_up_to_int_max(shape, strides):
    """Most of these pixels have no memory; none is accessed."""
    array = as_strided(memory(64), shape, strides)
    mat = vc.as_gpumat(array)
    assert mat.size() == shape[::-1]
    found = fields(mat)
    assert found == fields(opencvs_own(array))
    assert found["dataend"] - found["data"] == (shape[0] - 1) * strides[0] + shape[1]


@pytest.mark.parametrize(
    ("shape", "strides", "axis"),
    [
        ((INT_MAX + 1, 1), (1, 1), 0),
        ((INT_MAX + 1, 2), (0, 1), 0),
        ((2**40, 1, 1), (1, 1, 1), 0),
        ((1, INT_MAX + 1), (1, 1), 1),
        ((2, INT_MAX + 1), (2**32, 1), 1),
        ((1, 1, INT_MAX + 1), (1, 1, 1), 2),
        ((0, INT_MAX + 1), (1, 1), 1),
    ],
    ids=str,
)
def test_axes_longer_than_int_max_are_refused(shape, strides, axis):
    array = as_strided(memory(64), shape, strides)
    with pytest.raises(vc.LayoutError, match=f"axis {axis} .*{shape[axis]} long"):
        vc.as_gpumat(array, from_layout="HWC")


# --- empty images


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (0, 5, 3), (5, 0, 4)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("library", ["torch", "numpy", "cupy", "view"])
def test_an_empty_array_gives_an_empty_gpumat(library, shape, dtype, ledger):
    mat = vc.as_gpumat(MAKE[library](Image(shape, dtype)))
    found = header(mat)
    assert mat.empty()
    assert mat.size() == (shape[1], shape[0])
    assert mat.type() == gpumat_type(dtype, shape[2] if len(shape) == 3 else 1)
    assert (found.data, found.refcount, found.datastart, found.dataend) == (None,) * 4
    assert ledger() == {}


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (0, 5, 3), (5, 0, 4)], ids=str)
@pytest.mark.parametrize("target", [vc.as_tensor, vc.as_numpy, vc.as_cupy, vc.view])
def test_an_empty_gpumat_gives_an_empty_array_of_its_shape(target, shape):
    mat = vc.as_gpumat(Image(shape, "float32").array)
    result = target(mat)
    assert tuple(result.shape) == shape
    assert "float32" in str(result.dtype)


@pytest.mark.parametrize("target", [vc.as_tensor, vc.as_numpy, vc.as_cupy, vc.view])
def test_a_fresh_gpumat_gives_an_empty_array(target):
    assert tuple(target(cv2.cuda.GpuMat()).shape) == (0, 0)


@pytest.mark.parametrize("source", [name for name in LIBRARIES if name != "gpumat"])
@pytest.mark.parametrize("target", [vc.as_tensor, vc.as_numpy, vc.as_cupy, vc.view])
@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 4), (5, 4, 0), (0,)], ids=str)
def test_empty_arrays_become_each_other(source, target, shape):
    result = target(MAKE[source](Image(shape, "int16")))
    assert tuple(result.shape) == shape
    assert "int16" in str(result.dtype)


def test_an_empty_array_without_channels_has_no_gpumat():
    with pytest.raises(vc.LayoutError, match=r"axis 2 \(channels\) is 0 long"):
        vc.as_gpumat(Image((4, 5, 0)).array)


# --- GpuMats with unusual steps


def test_a_gpumat_whose_step_is_no_multiple_of_the_itemsize():
    image = Image((4, 5), "float32", strides=(22, 4))
    mat = cv2.cuda.createGpuMatFromCudaMemory(4, 5, cv2.CV_32FC1, image.address, 22)
    assert vc.view(mat).strides == (22, 4)
    assert vc.as_numpy(mat).tobytes() == image.array.tobytes()
    with pytest.raises(vc.LayoutError, match="stride 22 bytes.*multiple of 4"):
        vc.as_tensor(mat)


def test_a_gpumat_with_overlapping_rows_is_refused():
    image = Image((4, 5))
    mat = cv2.cuda.createGpuMatFromCudaMemory(4, 5, cv2.CV_8UC1, image.address, 2)
    with pytest.raises(vc.ViewError, match="step is 2 bytes, needs at least 5"):
        vc.view(mat)
