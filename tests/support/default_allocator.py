# SPDX-License-Identifier: Apache-2.0
"""OpenCV's default allocator of GpuMats, read and set without viewcast."""

import ctypes

import cv2
from gpumat_header import header


def default_allocator():
    return header(cv2.cuda.GpuMat()).allocator


def set_default_allocator(address):
    """As another library would: an allocator object of its own, here OpenCV's."""
    theirs = cv2.cuda.GpuMat.Allocator.__new__(cv2.cuda.GpuMat.Allocator)
    ctypes.c_void_p.from_address(id(theirs) + object.__basicsize__).value = address
    cv2.cuda.GpuMat.setDefaultAllocator(theirs)
