# SPDX-License-Identifier: Apache-2.0
"""DLPack's managed tensors, made by hand field by field, and capsules of them."""

import ctypes

from dlpack_structs import CPU, DELETER, new_capsule, structures

CODES = {"int": 0, "uint": 1, "float": 2, "bfloat": 4, "complex": 5, "bool": 6}
MOST_AXES = 8


# Pointers are integers, so that any value can be written.
_, Managed, ManagedVersioned = structures(ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)


class Export:
    """A managed tensor in memory of its own, and the capsule around it. The deleter overwrites
    that memory, so that a read after it finds wrong values."""

    every = []  # kept, as C code may call their deleters until the process ends

    def __init__(self, address, shape, strides, code, bits, versioned, fields):
        kind = ManagedVersioned if versioned else Managed
        self.managed = kind()
        self.shape = (ctypes.c_int64 * MOST_AXES)(*shape)
        self.strides = (ctypes.c_int64 * MOST_AXES)(*strides)
        self.deleted = 0
        self._deleter = DELETER(self._delete)
        self.managed.deleter = ctypes.cast(self._deleter, ctypes.c_void_p).value
        if versioned:
            self.managed.major, self.managed.minor = 1, 1
        tensor = self.managed.dl_tensor
        tensor.data, tensor.ndim = address, len(shape)
        tensor.device_type = CPU
        tensor.code, tensor.bits, tensor.lanes = code, bits, 1
        tensor.shape = ctypes.addressof(self.shape)
        tensor.strides = ctypes.addressof(self.strides)
        for name, value in fields.items():
            setattr(tensor if hasattr(tensor, name) else self.managed, name, value)
        self.name = b"dltensor_versioned" if versioned else b"dltensor"
        self.every.append(self)

    def _delete(self, _):
        self.deleted += 1
        for block in (self.shape, self.strides, self.managed):
            ctypes.memset(ctypes.addressof(block), 0xDD, ctypes.sizeof(block))

    @property
    def pointer(self):
        return ctypes.addressof(self.managed)

    def capsule(self, name=None):
        self.given = name or self.name
        return new_capsule(self.pointer, self.given)
