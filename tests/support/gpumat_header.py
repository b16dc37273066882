# SPDX-License-Identifier: Apache-2.0
"""The C++ header inside a cv2.cuda.GpuMat, read with ctypes."""

import ctypes

CONTINUOUS = 1 << 14
SUBMATRIX = 1 << 15


class Header(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_int32),
        ("rows", ctypes.c_int32),
        ("cols", ctypes.c_int32),
        ("step", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("refcount", ctypes.c_void_p),
        ("datastart", ctypes.c_void_p),
        ("dataend", ctypes.c_void_p),
        ("allocator", ctypes.c_void_p),
    ]


def header(mat):
    """The header itself, not a copy; valid as long as `mat`."""
    pointer = ctypes.c_void_p.from_address(id(mat) + object.__basicsize__)
    return Header.from_address(pointer.value)


def fields(mat):
    """The fields that describe the pixels, without those of ownership."""
    found = header(mat)
    names = ("flags", "rows", "cols", "step", "data", "datastart", "dataend")
    return {name: getattr(found, name) for name in names}


def count(mat):
    """The reference count to which `refcount` points."""
    return ctypes.c_int32.from_address(header(mat).refcount).value
