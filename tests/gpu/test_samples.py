# SPDX-License-Identifier: Apache-2.0
"""The documented samples of Savant's helpers, as written (imports completed)."""

import cupy as cp
import cv2
import numpy as np
import torch
from savant.utils.memory_repr import (
    cupy_array_as_opencv_gpu_mat,
    opencv_gpu_mat_as_cupy_array,
)
from savant.utils.memory_repr_pytorch import (
    opencv_gpu_mat_as_pytorch_tensor,
    pytorch_tensor_as_opencv_gpu_mat,
)


def test_pytorch_hwc_to_opencv(cuda_cv2):
    tensor = torch.randint(0, 255, size=(10, 20, 3), dtype=torch.uint8, device="cuda")
    gpu_mat = pytorch_tensor_as_opencv_gpu_mat(tensor)
    assert gpu_mat.cudaPtr() == tensor.data_ptr()
    assert gpu_mat.size() == (20, 10)
    np.testing.assert_array_equal(gpu_mat.download(), tensor.cpu().numpy())


def test_pytorch_chw_to_opencv(cuda_cv2):
    tensor = torch.randint(0, 255, size=(3, 10, 20), dtype=torch.uint8, device="cuda")
    tensor_hwc = tensor.permute(1, 2, 0)
    if not tensor_hwc.is_contiguous():
        tensor_hwc = tensor_hwc.contiguous()
    gpu_mat = pytorch_tensor_as_opencv_gpu_mat(tensor_hwc)
    assert gpu_mat.cudaPtr() == tensor_hwc.data_ptr()
    np.testing.assert_array_equal(gpu_mat.download(), tensor.cpu().numpy().transpose(1, 2, 0))


def test_cupy_hwc_to_opencv(cuda_cv2):
    array = cp.random.randint(0, 255, (10, 20, 3)).astype(cp.uint8)
    gpu_mat = cupy_array_as_opencv_gpu_mat(array)
    assert gpu_mat.cudaPtr() == array.data.ptr
    np.testing.assert_array_equal(gpu_mat.download(), array.get())


def test_cupy_chw_to_opencv(cuda_cv2):
    array = cp.random.randint(0, 255, (3, 10, 20)).astype(cp.uint8)
    array_hwc = cp.ascontiguousarray(array.transpose((1, 2, 0)))
    gpu_mat = cupy_array_as_opencv_gpu_mat(array_hwc)
    assert gpu_mat.cudaPtr() == array_hwc.data.ptr
    np.testing.assert_array_equal(gpu_mat.download(), array.get().transpose(1, 2, 0))


def test_opencv_to_pytorch(cuda_cv2):
    image = np.random.randint(0, 255, (10, 20, 3), np.uint8)
    gpu_mat = cv2.cuda_GpuMat()
    gpu_mat.upload(image)
    tensor = opencv_gpu_mat_as_pytorch_tensor(gpu_mat)
    assert tensor.data_ptr() == gpu_mat.cudaPtr()
    assert tensor.shape == (10, 20, 3)
    np.testing.assert_array_equal(tensor.cpu().numpy(), image)


def test_opencv_to_cupy(cuda_cv2):
    image = np.random.randint(0, 255, (10, 20, 3), np.uint8)
    gpu_mat = cv2.cuda_GpuMat()
    gpu_mat.upload(image)
    array = opencv_gpu_mat_as_cupy_array(gpu_mat)
    assert array.data.ptr == gpu_mat.cudaPtr()
    assert array.shape == (10, 20, 3)
    np.testing.assert_array_equal(array.get(), image)


def test_cupy_to_pytorch():
    array = cp.random.randint(0, 255, (3, 10, 20)).astype(cp.uint8)
    tensor = torch.as_tensor(array, device="cuda")
    assert tensor.data_ptr() == array.data.ptr
    np.testing.assert_array_equal(tensor.cpu().numpy(), array.get())


def test_pytorch_to_cupy():
    tensor = torch.randint(0, 255, size=(3, 10, 20), dtype=torch.uint8, device="cuda")
    array = cp.asarray(tensor)
    assert tensor.data_ptr() == array.data.ptr
    np.testing.assert_array_equal(tensor.cpu().numpy(), array.get())
