# SPDX-License-Identifier: Apache-2.0
"""cv2.cuda.GpuMatND is refused, with createGpuMatHeader() as the alternative."""

import cv2
import numpy as np
import pytest
from dlpack_structs import CUDA, Producer
from images import CONVERT

import viewcast as vc
from viewcast import savant

MESSAGE = r"GpuMatND is no image: needs a cv2\.cuda\.GpuMat: .* createGpuMatHeader\(\) in C\+\+"

for_all_targets = pytest.mark.parametrize("convert", CONVERT.values(), ids=CONVERT)


@pytest.fixture
def made():
    """GpuMatND() made in Python, which has no C++ object."""
    return cv2.cuda.GpuMatND()


@pytest.fixture
def filled():
    if not hasattr(cv2.cuda.GpuMatND, "from_dlpack"):
        pytest.skip("this OpenCV makes no GpuMatND from Python")
    # OpenCV reads the third size whatever the rank is.
    producer = Producer(np.zeros((4, 6, 1), np.uint8), versioned=False, device_type=CUDA)
    yield cv2.cuda.GpuMatND.from_dlpack(producer.__dlpack__())


@for_all_targets
def test_every_view_of_one_is_refused(convert, made):
    with pytest.raises(vc.ViewError, match=MESSAGE):
        convert(made)


@for_all_targets
def test_every_view_of_one_with_a_c_object_is_refused(convert, filled):
    with pytest.raises(vc.ViewError, match=MESSAGE):
        convert(filled)


@pytest.mark.parametrize("name", ["to_tensor", "to_cupy", "to_numpy", "to_gpumat"])
def test_transforms_refuse_it_alone_and_in_a_list(name, made):
    transform = getattr(vc, name)
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(vc.ViewError, match=MESSAGE):
        transform(made)
    with pytest.raises(vc.ViewError, match=MESSAGE):
        transform([image, made])
    with pytest.raises((vc.ViewError, TypeError)):
        transform(image, out=made)


def test_batches_and_lists_of_views_refuse_it(made):
    with pytest.raises(vc.ViewError, match=MESSAGE):
        vc.as_gpumats(made)
    with pytest.raises(vc.ViewError, match=f"image 1: .*{MESSAGE}|image 1.*{MESSAGE}"):
        vc.as_tensors([np.zeros((2, 2, 3), np.uint8), made])


@pytest.mark.parametrize(
    "name",
    [
        "cuda_array_as_opencv_gpu_mat",
        "cupy_array_as_opencv_gpu_mat",
        "pytorch_tensor_as_opencv_gpu_mat",
        "opencv_gpu_mat_as_cupy_array",
        "opencv_gpu_mat_as_pytorch_tensor",
    ],
)
def test_savant_s_names_refuse_it_as_they_refuse_what_is_no_image(name, made):
    with pytest.raises(TypeError, match=MESSAGE):
        getattr(savant, name)(made)
