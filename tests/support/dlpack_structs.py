# SPDX-License-Identifier: Apache-2.0
"""DLPack's structures and capsules, for producers and consumers that tests make."""

import ctypes

CPU, CUDA, OPENCL = 1, 2, 4
INT, UINT, FLOAT, OPAQUE, COMPLEX, BOOL = 0, 1, 2, 3, 5, 6
READ_ONLY, COPIED = 1, 2


DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def structures(address, axes, deleter):
    """DLTensor, DLManagedTensor and DLManagedTensorVersioned, whose pointers have these types."""

    class Tensor(ctypes.Structure):
        _fields_ = [
            ("data", address),
            ("device_type", ctypes.c_int32),
            ("device_id", ctypes.c_int32),
            ("ndim", ctypes.c_int32),
            ("code", ctypes.c_uint8),
            ("bits", ctypes.c_uint8),
            ("lanes", ctypes.c_uint16),
            ("shape", axes),
            ("strides", axes),
            ("byte_offset", ctypes.c_uint64),
        ]

    class Managed(ctypes.Structure):
        _fields_ = [("dl_tensor", Tensor), ("manager_ctx", address), ("deleter", deleter)]

    class Versioned(ctypes.Structure):
        _fields_ = [
            ("major", ctypes.c_uint32),
            ("minor", ctypes.c_uint32),
            ("manager_ctx", address),
            ("deleter", deleter),
            ("flags", ctypes.c_uint64),
            ("dl_tensor", Tensor),
        ]

    return Tensor, Managed, Versioned


DLTensor, DLManagedTensor, DLManagedTensorVersioned = structures(
    ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64), DELETER
)


class ExchangeAPI(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("prev_api", ctypes.c_void_p),
        ("managed_tensor_allocator", ctypes.c_void_p),
        ("managed_tensor_from_py_object_no_sync", ctypes.c_void_p),
        ("managed_tensor_to_py_object_no_sync", ctypes.c_void_p),
        ("dltensor_from_py_object_no_sync", ctypes.c_void_p),
        ("current_work_stream", ctypes.c_void_p),
    ]


FROM_OBJECT = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)

_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_api.PyCapsule_GetName.restype = ctypes.c_char_p
_api.PyCapsule_GetName.argtypes = [ctypes.py_object]
_api.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
_names = []  # capsules keep pointers to their names
DESTRUCTOR = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_destructors = []


def new_capsule(pointer, name, destructor=None):
    """A capsule. Its end calls destructor(address of the capsule)."""
    _names.append(name)
    if destructor is None:
        return _api.PyCapsule_New(pointer, name, None)
    _destructors.append(DESTRUCTOR(destructor))
    return _api.PyCapsule_New(pointer, name, _destructors[-1])


def name_of(capsule):
    return _api.PyCapsule_GetName(capsule)


def rename(capsule, name):
    _names.append(name)
    _api.PyCapsule_SetName(capsule, name)


def managed_tensor(capsule):
    """The managed tensor in a capsule that is not consumed; valid as long as the capsule."""
    name = name_of(capsule)
    kind = {b"dltensor": DLManagedTensor, b"dltensor_versioned": DLManagedTensorVersioned}
    tensor = kind[name].from_address(_api.PyCapsule_GetPointer(capsule, name))
    tensor.capsule = capsule
    return tensor


def consume(capsule):
    """Consumes the capsule; returns a function that calls the deleter."""
    tensor = managed_tensor(capsule)
    rename(capsule, b"used_" + name_of(capsule))
    return lambda: tensor.deleter(ctypes.addressof(tensor))


class Producer:
    """A DLPack producer each of whose fields a test may set. `deleted` counts the calls of
    the deleter."""

    def __init__(self, array, versioned=True, **fields):
        kinds = {"i": INT, "u": UINT, "f": FLOAT, "b": BOOL, "c": COMPLEX}
        self.array = array
        self.deleted = 0
        self.asked = []
        self.device = (CPU, 0)
        ndim = array.ndim
        self.shape = (ctypes.c_int64 * ndim)(*array.shape)
        strides = (stride // array.itemsize for stride in array.strides)
        self.strides = (ctypes.c_int64 * ndim)(*strides)
        self.managed = (DLManagedTensorVersioned if versioned else DLManagedTensor)()
        self.managed.deleter = DELETER(self._delete)
        if versioned:
            self.managed.major, self.managed.minor = 1, 1
        tensor = self.managed.dl_tensor
        tensor.data, tensor.ndim = array.ctypes.data, ndim
        tensor.device_type, tensor.device_id = self.device
        tensor.code, tensor.bits = kinds[array.dtype.kind], 8 * array.itemsize
        tensor.lanes = 1
        tensor.shape, tensor.strides = self.shape, self.strides
        for name, value in fields.items():
            setattr(tensor if hasattr(tensor, name) else self.managed, name, value)
        self.name = b"dltensor_versioned" if versioned else b"dltensor"

    def _delete(self, _):
        self.deleted += 1

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **keywords):
        self.asked.append(keywords)
        return new_capsule(ctypes.addressof(self.managed), self.name)


class Wrapping:
    """A producer that forwards to another one's __dlpack__()."""

    def __init__(self, inner):
        self.inner = inner

    def __dlpack_device__(self):
        return self.inner.__dlpack_device__()

    def __dlpack__(self, **keywords):
        return self.inner.__dlpack__(**keywords)
