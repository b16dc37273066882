# SPDX-License-Identifier: Apache-2.0
"""Advice in error messages: the C library's messages advise C calls; the extension replaces
them by Python's."""

import pathlib
import re

import numpy as np
import pytest
import torch

import viewcast as vc

SOURCES = pathlib.Path(__file__).resolve().parents[3] / "src"


def planar():
    return np.zeros((3, 4, 6), np.uint8).transpose(1, 2, 0)


def read_only():
    array = np.zeros((4, 6, 3), np.uint8)
    array.flags.writeable = False
    return array


def unaligned_rows():
    """Rows 13 bytes apart, of elements of 4."""
    return np.lib.stride_tricks.as_strided(np.zeros(16, np.float32), (2, 3), (13, 4))


def overlapping():
    array = np.zeros((4, 6, 3), np.uint8)
    return vc.to_numpy(array[:3], out=array[1:])


CASES = {
    "flipped": (lambda: vc.as_gpumat(np.zeros((4, 6, 3), np.uint8)[::-1]), r"vc\.to_gpumat\("),
    "planar": (lambda: vc.as_gpumat(planar()), r"vc\.to_gpumat\("),
    "read-only": (lambda: vc.as_gpumat(read_only()), "copy=None"),
    "overlapping": (overlapping, "no out="),
    "complex": (lambda: vc.view(torch.zeros(4, 6, dtype=torch.complex64)), "torch.view_as_real"),
    "float8": (
        lambda: vc.view(torch.zeros(4, 6, dtype=torch.float8_e4m3fn)),
        r"\.view\(torch\.uint8\)",
    ),
    "dates": (lambda: vc.view(np.zeros((4, 6), "datetime64[s]")), r"\.view\('int64'\)"),
    "strides": (lambda: vc.view(unaligned_rows()).__dlpack__(), r"torch: \.contiguous\(\)"),
    "old DLPack": (lambda: vc.view(read_only()).__dlpack__(), r"max_version=\(1, 0\)"),
}


@pytest.mark.parametrize("name", CASES)
def test_messages_speak_python(name):
    call, needed = CASES[name]
    with pytest.raises((vc.ViewError, BufferError), match=needed) as caught:
        call()
    message = str(caught.value)
    assert not re.search(r"\bvc_\w|VC_", message), message


def test_all_advice_is_given_in_python():
    given = (SOURCES / "python" / "errors.c").read_text()
    names = re.findall(r"^  X\((\w+),", (SOURCES / "internal.h").read_text(), re.MULTILINE)
    assert len(names) > 15
    assert [name for name in names if f"[VC_ADVICE_{name}] =" not in given] == []
