# SPDX-License-Identifier: Apache-2.0
"""The five functions behind Savant's names: they accept all that Savant's accept."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from gpumat_header import header
from images import CudaArray, Image, make_cupy, make_gpumat, make_torch, pixels, see
from loaded_opencv import COUNTS_UP

import viewcast as vc
from viewcast._viewcast import (
    cuda_array_as_opencv_gpu_mat,
    cupy_array_as_opencv_gpu_mat,
    opencv_gpu_mat_as_cupy_array,
    opencv_gpu_mat_as_pytorch_tensor,
    pytorch_tensor_as_opencv_gpu_mat,
)
from viewcast.savant import (
    NUMPY_TO_OPENCV_TYPE_MAP,
    OpenCVGpuMatCudaArrayInterface,
    SavantDTypeError,
    SavantLayoutError,
)

pytestmark = pytest.mark.slow_paths

# Savant's own texts, which callers may match.
CONTIGUOUS = r"^Array must be in C-contiguous layout\."
DIMENSIONS = r"^Array must have 2 or 3 dimensions\."
TYPES = "Array must be of one of the following types "

# To a GpuMat: the function, what it is named for, and its keyword.
TO = {
    "torch": (pytorch_tensor_as_opencv_gpu_mat, make_torch, "tensor"),
    "cupy": (cupy_array_as_opencv_gpu_mat, make_cupy, "arr"),
    "cuda": (cuda_array_as_opencv_gpu_mat, CudaArray, "arr"),
}
FROM = {
    "torch": opencv_gpu_mat_as_pytorch_tensor,
    "cupy": opencv_gpu_mat_as_cupy_array,
}
each_to = pytest.mark.parametrize(("convert", "make", "keyword"), TO.values(), ids=TO)
each_from = pytest.mark.parametrize(("library", "convert"), FROM.items(), ids=FROM)


def permuted(make, image):
    """An array (H, W, C) over planar memory."""
    if make is make_torch:
        return make(image).permute(1, 2, 0)
    if make is make_cupy:
        return make(image).transpose(1, 2, 0)
    planes = image.array.transpose(1, 2, 0)
    return CudaArray(image, shape=planes.shape, strides=planes.strides)


# --- to a GpuMat


@pytest.mark.parametrize("shape", [(10, 20), (10, 20, 3), (10, 20, 4), (1, 1, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@each_to
def test_packed_images_are_viewed(convert, make, keyword, shape, dtype):
    image = Image(shape, dtype)
    mat = convert(make(image))
    assert type(mat) is cv2.cuda.GpuMat
    assert see("gpumat", mat) == see("gpumat", make_gpumat(image))
    assert pixels("gpumat", mat) == image.array.tobytes()


@each_to
def test_the_argument_has_savants_name(convert, make, keyword):
    image = Image((10, 20, 3))
    assert convert(**{keyword: make(image)}).cudaPtr() == image.address
    with pytest.raises(TypeError, match="unexpected keyword argument 'image'"):
        convert(image=make(image))
    with pytest.raises(TypeError, match=f"missing required argument '{keyword}'"):
        convert()


@each_to
def test_a_last_axis_of_length_1_is_one_channel(convert, make, keyword):
    image = Image((10, 20, 1))
    mat = convert(make(image))
    assert (mat.size(), mat.channels()) == ((20, 10), 1)
    assert tuple(opencv_gpu_mat_as_pytorch_tensor(mat).shape) == (10, 20)
    assert opencv_gpu_mat_as_cupy_array(mat).shape == (10, 20)


@each_to
def test_a_packed_planar_image_is_read_as_interleaved(convert, make, keyword):
    image = Image((3, 10, 20))
    mat = convert(make(image))
    assert (mat.size(), mat.channels()) == ((10, 3), 20)
    assert mat.cudaPtr() == image.address


@each_to
def test_row_pitched_images_are_viewed(convert, make, keyword):
    image = Image((10, 20, 3), strides=(96, 3, 1))
    mat = convert(make(image))
    assert (mat.cudaPtr(), mat.step) == (image.address, 96)
    assert pixels("gpumat", mat) == image.array.tobytes()


@each_to
def test_a_permuted_image_is_an_assertion_error_as_savants(convert, make, keyword):
    made = permuted(make, Image((3, 10, 20)))
    with pytest.raises(AssertionError, match=CONTIGUOUS) as caught:
        convert(made)
    assert type(caught.value) is SavantLayoutError
    assert "axis 2 (channels) has stride 200 bytes, needs 1" in str(caught.value)
    assert "vc.to_gpumat() with the same arguments" in str(caught.value)


@pytest.mark.parametrize("strides", [(60, 6, 1), (60, 3, 2), (59, 3, 1), (0, 3, 1)], ids=str)
@each_to
def test_images_that_are_not_interleaved_are_refused(convert, make, keyword, strides):
    image = Image((4, 20, 3), strides=strides)
    with pytest.raises(vc.LayoutError, match=CONTIGUOUS):
        convert(make(image))


@pytest.mark.parametrize("shape", [(), (10,), (1, 3, 10, 20), (1, 1, 3, 10, 20)], ids=str)
@each_to
def test_the_rank_is_2_or_3(convert, make, keyword, shape):
    source = make(Image(shape))
    with pytest.raises(AssertionError, match=DIMENSIONS) as caught:
        convert(source)
    assert type(caught.value) is SavantLayoutError


@pytest.mark.parametrize("shape", [(0, 20, 3), (10, 0, 3), (0, 0), (0, 20), (0, 0, 4)], ids=str)
@each_to
def test_empty_images_are_empty_gpumats(convert, make, keyword, shape, ledger):
    """Rows, columns and type are the array's, as with Savant's functions."""
    mat = convert(make(Image(shape, "float32")))
    channels = shape[2] if len(shape) == 3 else 1
    assert (mat.size(), mat.type()) == ((shape[1], shape[0]), cv2.CV_32FC(channels))
    assert mat.empty() and mat.cudaPtr() == 0
    for from_gpumat in FROM.values():
        assert tuple(from_gpumat(mat).shape) == (shape if channels > 1 else shape[:2])
    assert ledger(force=True).get("lends", 0) == 0  # without memory there is no owner to keep


@each_to
def test_an_image_without_channels_is_refused(convert, make, keyword):
    with pytest.raises(vc.LayoutError, match=r"axis 2 \(channels\) is 0 long"):
        convert(make(Image((10, 20, 0))))


@each_to
def test_misaligned_images_are_refused(convert, make, keyword):
    with pytest.raises(vc.LayoutError, match="aligned to 4 bytes"):
        convert(make(Image((10, 20, 4), offset=1)))


@each_to
def test_too_many_channels_are_refused(convert, make, keyword):
    limit = vc._viewcast._opencv_layout()["channels_max"]
    assert convert(make(Image((2, 3, limit)))).channels() == limit
    with pytest.raises(vc.LayoutError, match=f"needs 1 to {limit}"):
        convert(make(Image((2, 3, limit + 1))))


@each_to
def test_complex_is_a_dtype_error(convert, make, keyword):
    source = torch.zeros(10, 20, dtype=torch.complex64)
    with pytest.raises(AssertionError, match="complex") as caught:
        convert(source)
    assert type(caught.value) is SavantDTypeError
    assert str(caught.value).startswith(f"{TYPES}{list(NUMPY_TO_OPENCV_TYPE_MAP)}. ")


@pytest.mark.skipif(
    vc._viewcast._opencv_layout()["channel_shift"] == 5, reason="OpenCV 5 has this depth"
)
@each_to
def test_a_depth_that_opencv_lacks_is_a_dtype_error(convert, make, keyword):
    with pytest.raises(SavantDTypeError, match="has no depth for dtype") as caught:
        convert(make(Image((4, 6), "int64")))
    assert str(caught.value).startswith(TYPES)


def test_viewcasts_own_names_raise_no_assertion_errors():
    for image in (Image((4, 20, 3), strides=(60, 6, 1)), Image((1, 3, 10, 20))):
        with pytest.raises(ValueError) as caught:
            vc.as_gpumat(make_torch(image))
        assert type(caught.value) is vc.LayoutError
    with pytest.raises(TypeError) as caught:
        vc.as_gpumat(torch.zeros(10, 20, dtype=torch.complex64))
    assert type(caught.value) is vc.DTypeError


@pytest.mark.parametrize("typestr", ["<c8", "|O", ">f4", "|V6", "f3"])
def test_refused_typestrs_have_savants_text(typestr):
    with pytest.raises(SavantDTypeError) as caught:
        cuda_array_as_opencv_gpu_mat(CudaArray(Image((10, 20)), typestr=typestr))
    assert str(caught.value).startswith(f"{TYPES}{list(NUMPY_TO_OPENCV_TYPE_MAP)}. ")
    assert typestr in str(caught.value)


@pytest.mark.parametrize("typestr", ["u1", "|u1", "=u1", ">u1"])
def test_typestrs_need_no_byte_order(typestr):
    image = Image((10, 20, 3))
    mat = cuda_array_as_opencv_gpu_mat(CudaArray(image, typestr=typestr))
    assert see("gpumat", mat) == see("gpumat", make_gpumat(image))


def test_savants_errors_keep_their_cause_and_are_pickled():
    broken = type("Broken", (), {"__cuda_array_interface__": {"shape": (2, 2)}})()
    with pytest.raises(vc.ViewError) as caught:
        cuda_array_as_opencv_gpu_mat(broken)
    assert not isinstance(caught.value, AssertionError)
    with pytest.raises(SavantLayoutError) as caught:
        pytorch_tensor_as_opencv_gpu_mat(torch.zeros(1, 2, 3, 4))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.args) == (SavantLayoutError, caught.value.args)


def test_a_tensor_that_requires_grad_is_refused():
    with pytest.raises(vc.ViewError, match=r"tensor.detach\(\)"):
        pytorch_tensor_as_opencv_gpu_mat(torch.zeros(10, 20, 3, requires_grad=True))


def test_a_read_only_image_is_refused():
    with pytest.raises(vc.ViewError, match="read-only"):
        cuda_array_as_opencv_gpu_mat(memoryview(bytes(200)).cast("B", (10, 20)))


@pytest.mark.parametrize(
    "thing", [None, 3, "x", [1], torch.Tensor, cv2.cuda.GpuMat()], ids=lambda t: type(t).__name__
)
@each_to
def test_objects_that_are_no_array_are_a_type_error(convert, make, keyword, thing):
    with pytest.raises(TypeError, match=f"{type(thing).__name__} is no image"):
        convert(thing)


@pytest.mark.parametrize("to", TO)
@pytest.mark.parametrize("source", TO)
def test_each_name_takes_all_arrays(to, source):
    image = Image((10, 20, 3))
    assert TO[to][0](TO[source][1](image)).cudaPtr() == image.address


@each_to
def test_the_array_is_kept_as_long_as_the_gpumat(convert, make, keyword, ledger):
    made = make(Image((10, 20, 3)))
    wanted = pixels("gpumat", convert(made))
    mat = convert(made)
    del made
    assert pixels("gpumat", mat) == wanted
    del mat
    assert ledger() == {"lends": 2, "lends_released": 2}


@each_to
def test_a_refused_array_is_not_kept(convert, make, keyword, ledger):
    with pytest.raises(vc.LayoutError):
        convert(permuted(make, Image((3, 10, 20))))
    assert ledger() == {}


# --- from a GpuMat


@pytest.mark.parametrize("shape", [(10, 20), (10, 20, 3), (1, 1, 4)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
@pytest.mark.parametrize("lent", [True, False])
@each_from
def test_gpumats_are_viewed(library, convert, lent, dtype, shape):
    image = Image(shape, dtype)
    mat = vc.as_gpumat(image.array) if lent else make_gpumat(image)
    result = convert(mat)
    assert see(library, result) == see("gpumat", mat)
    assert pixels(library, result) == image.array.tobytes()
    assert see(library, convert(gpu_mat=mat)).address == image.address


@each_from
def test_rois_and_pitched_gpumats_are_viewed(library, convert):
    image = Image((10, 20, 3), strides=(96, 3, 1))
    roi = cv2.cuda.GpuMat(make_gpumat(image), (4, 2, 11, 5))
    part = image.array[2:7, 4:15]
    assert see(library, convert(roi)) == see("numpy", part)
    assert pixels(library, convert(roi)) == part.tobytes()


def released():
    mat = vc.as_gpumat(np.zeros((10, 20, 3), np.uint8))
    mat.release()
    return mat


@each_from
def test_an_empty_gpumat_is_an_empty_array(library, convert):
    empty = vc.as_gpumat(np.zeros((0, 20, 3), np.float32))
    for mat, shape, dtype in [
        (cv2.cuda.GpuMat(), (0, 0), "uint8"),
        (empty, (0, 20, 3), "float32"),
        (vc.as_gpumat(np.zeros((7, 0), np.int16)), (7, 0), "int16"),
    ]:
        seen = see(library, convert(mat))
        assert (seen.shape, seen.dtype) == (shape, dtype)
        assert OpenCVGpuMatCudaArrayInterface(mat).__cuda_array_interface__["shape"] == shape


@each_from
def test_a_released_gpumat_is_an_empty_array(library, convert, counting):
    if counting == COUNTS_UP:
        pytest.skip("release() of stock OpenCV 4 does nothing")
    assert 0 in see(library, convert(released())).shape


@each_from
def test_a_gpumat_without_an_object_is_refused(library, convert):
    with pytest.raises(vc.ViewError, match="__new__ alone"):
        convert(cv2.cuda.GpuMat.__new__(cv2.cuda.GpuMat))


@pytest.mark.parametrize(
    "thing",
    [None, 3, np.zeros((10, 20)), torch.zeros(10, 20), cv2.UMat(), cv2.cuda.GpuMatND()],
    ids=lambda thing: type(thing).__name__,
)
@each_from
def test_objects_that_are_no_gpumat_are_a_type_error(library, convert, thing):
    message = f"{type(thing).__name__} is no image: needs a cv2.cuda.GpuMat"
    with pytest.raises(TypeError, match=message):
        convert(thing)


@each_from
def test_the_argument_of_conversions_from_a_gpumat_has_savants_name(library, convert):
    with pytest.raises(TypeError, match="missing required argument 'gpu_mat'"):
        convert()


# --- the documented samples, over host memory


def test_sample_tensor_to_gpumat():
    tensor = torch.randint(0, 256, (10, 20, 3), dtype=torch.uint8)
    mat = pytorch_tensor_as_opencv_gpu_mat(tensor)
    assert (mat.size(), mat.type()) == ((20, 10), cv2.CV_8UC3)
    assert pixels("gpumat", mat) == tensor.numpy().tobytes()


def test_sample_planar_tensor_to_gpumat():
    tensor = torch.randint(0, 256, (3, 10, 20), dtype=torch.uint8)
    packed = tensor.permute(1, 2, 0).contiguous()
    mat = pytorch_tensor_as_opencv_gpu_mat(packed)
    assert (mat.size(), mat.type()) == ((20, 10), cv2.CV_8UC3)
    assert pixels("gpumat", mat) == packed.numpy().tobytes()


def test_sample_gpumat_to_arrays():
    image = Image((10, 20, 3))
    mat = make_gpumat(image)
    tensor = opencv_gpu_mat_as_pytorch_tensor(mat)
    array = opencv_gpu_mat_as_cupy_array(mat)
    assert tuple(tensor.shape) == array.shape == (10, 20, 3)
    assert tensor.data_ptr() == array.data.ptr == mat.cudaPtr()


def test_a_round_trip_has_the_same_memory():
    image = Image((10, 20, 3))
    mat = cupy_array_as_opencv_gpu_mat(make_cupy(image))
    again = pytorch_tensor_as_opencv_gpu_mat(opencv_gpu_mat_as_pytorch_tensor(mat))
    assert header(again).data == header(mat).data == image.address
