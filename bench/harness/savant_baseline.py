# SPDX-License-Identifier: Apache-2.0
"""The six conversions as Savant's helpers do them, written anew from their description.

To GpuMat: read `__cuda_array_interface__`, check rank, type and strides, and
make a header with OpenCV's Python API. From GpuMat: an object with
`__cuda_array_interface__`, given to torch or CuPy. As in Savant, nothing
keeps the memory alive.
"""

import cupy
import cv2
import torch

TYPESTR_BY_DEPTH = {
    cv2.CV_8U: "|u1",
    cv2.CV_8S: "|i1",
    cv2.CV_16U: "<u2",
    cv2.CV_16S: "<i2",
    cv2.CV_32S: "<i4",
    cv2.CV_32F: "<f4",
    cv2.CV_64F: "<f8",
}
DEPTH_BY_TYPESTR = {typestr: depth for depth, typestr in TYPESTR_BY_DEPTH.items()}
# CV_MAKETYPE of the OpenCV that is loaded: 8 in 4.x, 32 in 5.x. (Savant's own
# knows 4.x alone, and makes wrong types on 5.x.)
CHANNEL_STEP = cv2.CV_8UC2 - cv2.CV_8UC1


class GpuMatInterface:
    def __init__(self, mat):
        width, height = mat.size()
        typestr = TYPESTR_BY_DEPTH[mat.depth()]
        channels = mat.channels()
        if channels > 1:
            shape = (height, width, channels)
            strides = (mat.step, mat.elemSize(), mat.elemSize1())
        else:
            shape = (height, width)
            strides = (mat.step, mat.elemSize())
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": typestr,
            "descr": [("", typestr)],
            "data": (mat.cudaPtr(), False),
            "strides": strides,
        }


def gpumat_from(array):
    shape = array.__cuda_array_interface__["shape"]
    assert len(shape) in (2, 3), "Array must have 2 or 3 dimensions."
    depth = DEPTH_BY_TYPESTR[array.__cuda_array_interface__["typestr"]]
    strides = array.__cuda_array_interface__["strides"]
    assert strides is None, "Array must be in C-contiguous layout."
    channels = shape[2] if len(shape) == 3 else 1
    return cv2.cuda.createGpuMatFromCudaMemory(
        shape[1::-1],
        depth + (channels - 1) * CHANNEL_STEP,
        array.__cuda_array_interface__["data"][0],
    )


def tensor_from_gpumat(mat):
    return torch.as_tensor(GpuMatInterface(mat), device="cuda")


def cupy_from_gpumat(mat):
    return cupy.asarray(GpuMatInterface(mat))


def tensor_from_cupy(array):
    return torch.as_tensor(array, device="cuda")


def cupy_from_tensor(tensor):
    return cupy.asarray(tensor)
