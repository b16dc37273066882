# SPDX-License-Identifier: Apache-2.0
"""Objects that are no image, and the order in which protocols are tried."""

import cv2
import numpy as np
import pytest
import torch
from dlpack_structs import CPU, Producer, Wrapping
from images import CONVERT, CudaArray, Image, make_cupy, sees
from loaded_opencv import not_in_standin

import viewcast as vc

pytestmark = pytest.mark.slow_paths

for_all_targets = pytest.mark.parametrize("target", CONVERT)


# --- objects that are no image


@for_all_targets
@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (None, "NoneType"),
        (3, "int"),
        (2.5, "float"),
        ("image.png", "str"),
        ([[1, 2], [3, 4]], "list"),
        (object(), "object"),
        (torch.Tensor, "TensorMeta"),
        (np.ndarray, "type"),
        (cv2.cuda.GpuMat, "type"),
        (vc.View, "type"),
        (np.uint8, "type"),
        (torch, "module"),
        (len, "builtin_function_or_method"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_objects_that_are_no_image_are_a_type_error_that_names_the_class(target, thing, name):
    with pytest.raises(TypeError, match=rf"{name} is no image: needs a torch.Tensor"):
        CONVERT[target](thing)


# --- the order of the protocols


def test_dlpack_comes_before_the_cuda_array_interface_and_that_before_buffers():
    first, second = Image((7, 5)), Image((4, 6))

    class Both(Wrapping):
        __cuda_array_interface__ = CudaArray(second).__cuda_array_interface__

    assert vc.view(Both(first.array)).ptr == first.address

    class Bytes(bytearray):
        __cuda_array_interface__ = CudaArray(second).__cuda_array_interface__

    assert vc.view(Bytes(b"123")).ptr == second.address


@not_in_standin
def test_opencvs_own_dlpack_is_not_used():
    """OpenCV 5's __dlpack__ is wrong about strides, devices and streams."""
    image = Image((7, 5, 3), strides=(64, 3, 1))
    mat = vc.as_gpumat(image.array)
    if not hasattr(mat, "__dlpack__"):
        pytest.skip("this OpenCV has no DLPack of its own (4.13 and later have)")
    assert vc.view(mat).strides == (64, 3, 1)


def test_cupy_arrays_are_read_by_their_attributes():
    """Their protocols call the driver, which is missing in host mode."""
    image = Image((7, 5, 3))
    sees(make_cupy(image), image)


def test_devices_are_those_of_the_capsule():
    assert vc.view(Producer(Image((7, 5)).array)).__dlpack_device__() == (CPU, 0)
