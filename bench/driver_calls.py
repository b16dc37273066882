# SPDX-License-Identifier: Apache-2.0
"""The C loops of driver_calls.c, between_calls.c and torch_table.c, compiled for this
machine."""

import ctypes
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


class NotBuilt(Exception):
    """The C loops cannot be compiled; its text is the reason."""


def build(source, *arguments):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotBuilt("there is no C compiler")
    path = pathlib.Path(tempfile.mkdtemp(), source).with_suffix(".so")
    command = [compiler, "-O2", "-shared", "-fPIC", *arguments, HERE / source, "-o", path, "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotBuilt(f"{source} does not compile: {done.stderr.strip()}")
    return path


@functools.cache
def library():
    return ctypes.CDLL(str(build("driver_calls.c")))


def dlpack_include():
    """The folder above dlpack/dlpack.h."""
    finder = [sys.executable, HERE.parent / "tools" / "find_dlpack.py"]
    found = os.environ.get("VIEWCAST_DLPACK_INCLUDE")
    if not found:
        found = subprocess.run(finder, capture_output=True, text=True).stdout.strip()
    if not found:
        raise NotBuilt("DLPack's header was not found: set VIEWCAST_DLPACK_INCLUDE")
    return found


@functools.cache
def torch_table():
    """The library, loaded so that calls keep the GIL."""
    return ctypes.PyDLL(str(build("torch_table.c", "-isystem", dlpack_include())))


def exchange_api(tensor_type):
    """The address of torch's exchange table; NotBuilt for a torch without one."""
    capsule = getattr(tensor_type, "__dlpack_c_exchange_api__", None)
    if capsule is None:
        raise NotBuilt("this torch has no C exchange table: 2.10 and later have")
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get(capsule, b"dlpack_exchange_api")


def driver_stopwatch(name, first, second, number):
    """A stopwatch of one iteration of a loop in driver_calls.c, in µs."""
    return stopwatch(getattr(library(), name), [ctypes.c_size_t] * 2, (first, second), number)


@functools.cache
def between():
    """The library, loaded so that calls keep the GIL."""
    return ctypes.PyDLL(str(build("between_calls.c")))


def between_stopwatch(call, producer, consumer, number):
    """A stopwatch of a call of a Python function and, if the streams differ, of an event record
    and wait after it, in µs."""
    types = [ctypes.py_object, ctypes.c_size_t, ctypes.c_size_t]
    return stopwatch(between().call_and_order, types, (call, producer, consumer), number)


def torch_stopwatch(name, tensor, number):
    """A stopwatch of one iteration of a loop in torch_table.c, in µs."""
    types = [ctypes.c_void_p, ctypes.py_object]
    api = exchange_api(type(tensor))
    return stopwatch(getattr(torch_table(), name), types, (api, tensor), number)


def stopwatch(function, types, arguments, number):
    function.restype, function.argtypes = ctypes.c_double, [*types, ctypes.c_int]

    def run():
        nanoseconds = function(*arguments, number)
        if nanoseconds < 0:
            raise RuntimeError(f"{function.__name__}: a call of the library failed")
        return nanoseconds / 1000

    return run
