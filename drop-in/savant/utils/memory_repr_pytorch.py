# SPDX-License-Identifier: Apache-2.0
"""OpenCV GpuMat and PyTorch tensors as views of each other, by viewcast."""

from viewcast._viewcast import (
    opencv_gpu_mat_as_pytorch_tensor,
    pytorch_tensor_as_opencv_gpu_mat,
)

__all__ = ["opencv_gpu_mat_as_pytorch_tensor", "pytorch_tensor_as_opencv_gpu_mat"]
