# SPDX-License-Identifier: Apache-2.0
"""Every conversion on device memory: same address, same pixels."""

import cupy
import cv2
import numpy as np
import pytest
import torch
from pictures import address, pattern, pixels

import viewcast as vc

SHAPES = [(1, 1), (10, 20), (7, 5, 1), (10, 20, 3), (9, 4, 4), (1, 13, 3), (13, 1, 3)]
MAKERS = {
    "torch": lambda array: torch.from_numpy(array).cuda(),
    "cupy": cupy.asarray,
    "gpumat": lambda array: vc.as_gpumat(torch.from_numpy(array).cuda(), from_layout="HWC"),
}
TARGETS = {"torch": vc.as_tensor, "cupy": vc.as_cupy, "gpumat": vc.as_gpumat}


def squeezed(array):
    """The shape of an array made of a one-channel GpuMat."""
    return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("source", MAKERS)
@pytest.mark.parametrize("target", TARGETS)
def test_same_address_and_pixels(source, target, shape):
    array = pattern(shape)
    image = MAKERS[source](array)
    if target == "gpumat" and source != "gpumat":
        view = vc.as_gpumat(image, from_layout="HWC")
    else:
        view = TARGETS[target](image)
    assert address(view) == address(image)
    np.testing.assert_array_equal(squeezed(pixels(view)), squeezed(array))
    assert vc.view(view).device == "cuda:0"


@pytest.mark.parametrize(
    "dtype",
    ["uint8", "int8", "uint16", "int16", "int32", "float32", "float64", "float16"],
)
def test_dtypes(dtype):
    array = pattern((6, 8, 2), dtype)
    tensor = torch.from_numpy(array).cuda()
    mat = vc.as_gpumat(tensor)
    for view in (vc.as_cupy(mat), vc.as_tensor(vc.as_cupy(mat)), vc.as_cupy(tensor)):
        assert address(view) == tensor.data_ptr()
        np.testing.assert_array_equal(pixels(view), array)
        assert pixels(view).dtype == array.dtype


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2), (2, 1, 0)])
def test_torch_and_cupy_in_any_layout(axes):
    tensor = torch.from_numpy(pattern((6, 8, 3))).cuda().permute(*axes)
    array = vc.as_cupy(tensor)
    back = vc.as_tensor(array)
    assert array.shape == tuple(tensor.shape) == tuple(back.shape)
    assert array.strides == tensor.stride() == back.stride()
    assert torch.equal(back, tensor)


def test_pitched_rows_and_rois_are_views():
    tensor = torch.from_numpy(pattern((12, 16, 4))).cuda()
    part = tensor[2:9, 3:11]
    mat = vc.as_gpumat(part)
    assert mat.cudaPtr() == part.data_ptr()
    assert mat.step == tensor.stride(0)
    assert torch.equal(vc.as_tensor(mat.rowRange(1, 4)), part[1:4])
    roi = cv2.cuda.GpuMat(mat, (2, 1, 3, 4))
    np.testing.assert_array_equal(vc.as_cupy(roi).get(), part[1:5, 2:5].cpu().numpy())


def test_a_cpu_tensor_is_refused_by_its_device():
    with pytest.raises(vc.DeviceError, match="host"):
        vc.as_gpumat(torch.zeros((4, 6, 3), dtype=torch.uint8))
    with pytest.raises(vc.DeviceError, match="host"):
        vc.as_cupy(torch.zeros((4, 6, 3), dtype=torch.uint8))
    with pytest.raises(vc.DeviceError, match="pinned"):
        vc.as_gpumat(torch.zeros((4, 6, 3), dtype=torch.uint8).pin_memory())


def test_device_memory_is_no_numpy_array():
    with pytest.raises(vc.DeviceError, match="cpu"):
        vc.as_numpy(torch.zeros((4, 6, 3), device="cuda"))


def test_misaligned_pixels_are_refused():
    flat = torch.zeros(4 * 6 * 4 + 1, dtype=torch.uint8, device="cuda")[1:]
    with pytest.raises(vc.LayoutError, match="aligned"):
        vc.as_gpumat(flat.view(4, 6, 4))


def test_permuted_is_refused_as_savant_says_it():
    from savant.utils.memory_repr_pytorch import pytorch_tensor_as_opencv_gpu_mat

    tensor = torch.zeros((3, 10, 20), device="cuda").permute(1, 2, 0)
    with pytest.raises(AssertionError, match="Array must be in C-contiguous layout."):
        pytorch_tensor_as_opencv_gpu_mat(tensor)


def test_a_view_is_imported_by_every_consumer():
    mat = vc.as_gpumat(torch.from_numpy(pattern((5, 7, 3))).cuda())
    view = vc.view(mat)
    assert cupy.asarray(view).data.ptr == mat.cudaPtr()
    assert torch.as_tensor(view, device="cuda").data_ptr() == mat.cudaPtr()
    assert torch.from_dlpack(view).data_ptr() == mat.cudaPtr()
    assert cupy.from_dlpack(view).data.ptr == mat.cudaPtr()


def test_bool_becomes_8u_and_back_by_name():
    tensor = torch.tensor([[True, False, True]], device="cuda")
    mat = vc.as_gpumat(tensor)
    assert mat.type() == cv2.CV_8UC1
    np.testing.assert_array_equal(pixels(mat), [[1, 0, 1]])
