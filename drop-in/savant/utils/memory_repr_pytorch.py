# SPDX-License-Identifier: Apache-2.0
"""OpenCV GpuMat and PyTorch tensors as views of each other, by viewcast."""

from viewcast._viewcast import (
    cuda_array_as_opencv_gpu_mat,
    opencv_gpu_mat_as_pytorch_tensor,
    pytorch_tensor_as_opencv_gpu_mat,
)
from viewcast.savant import OpenCVGpuMatCudaArrayInterface, library_getter

__all__ = [
    "OpenCVGpuMatCudaArrayInterface",
    "cuda_array_as_opencv_gpu_mat",
    "opencv_gpu_mat_as_pytorch_tensor",
    "pytorch_tensor_as_opencv_gpu_mat",
]

# `cv2` and `torch`, which programs import from here too.
__getattr__ = library_getter(__name__)
