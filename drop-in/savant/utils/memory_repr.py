# SPDX-License-Identifier: Apache-2.0
"""OpenCV GpuMat and CuPy arrays as views of each other, by viewcast."""

from viewcast._viewcast import (
    cuda_array_as_opencv_gpu_mat,
    cupy_array_as_opencv_gpu_mat,
    opencv_gpu_mat_as_cupy_array,
)
from viewcast.savant import (
    NUMPY_TO_OPENCV_TYPE_MAP,
    OPENCV_TO_NUMPY_TYPE_MAP,
    OpenCVGpuMatCudaArrayInterface,
    library_getter,
)

__all__ = [
    "NUMPY_TO_OPENCV_TYPE_MAP",
    "OPENCV_TO_NUMPY_TYPE_MAP",
    "OpenCVGpuMatCudaArrayInterface",
    "cuda_array_as_opencv_gpu_mat",
    "cupy_array_as_opencv_gpu_mat",
    "opencv_gpu_mat_as_cupy_array",
]

# `cp` and `cv2`, which programs import from here too.
__getattr__ = library_getter(__name__)
