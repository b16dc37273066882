# SPDX-License-Identifier: Apache-2.0
"""copy= and device= in host mode: a copy where it is asked for, and never otherwise."""

import numpy as np
import pytest

import viewcast as vc

pytestmark = pytest.mark.slow_paths

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("cv2", reason="OpenCV is not installed")

ARRAY = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
SOURCES = {
    "numpy": lambda: ARRAY.copy(),
    "torch": lambda: torch.from_numpy(ARRAY.copy()),
    "gpumat": lambda: vc.as_gpumat(ARRAY.copy()),
    "pitched": lambda: np.repeat(ARRAY, 2, axis=1)[:, :6].copy()[:, :6],
}
TARGETS = {"as_numpy": vc.as_numpy, "as_tensor": vc.as_tensor, "as_gpumat": vc.as_gpumat}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", TARGETS)
def test_copy_true_makes_a_copy(source, target):
    image = SOURCES[source]()
    before = np.array(vc.as_numpy(image))
    copy = TARGETS[target](image, copy=True)
    assert vc.view(copy).ptr != vc.view(image).ptr
    np.testing.assert_array_equal(vc.as_numpy(copy), before)
    vc.as_numpy(copy)[...] = 255
    np.testing.assert_array_equal(vc.as_numpy(image), before)


@pytest.mark.parametrize("copy", [False, None])
@pytest.mark.parametrize("target", TARGETS)
def test_copy_false_and_none_are_views_where_a_view_is_possible(target, copy):
    image = ARRAY.copy()
    assert vc.view(TARGETS[target](image, copy=copy)).ptr == image.ctypes.data
    assert vc.view(TARGETS[target](image, copy=copy, device="cpu")).ptr == image.ctypes.data


def test_a_pitched_image_is_copied_row_by_row():
    base = np.arange(8 * 10 * 3, dtype=np.uint8).reshape(8, 10, 3)
    copy = vc.as_gpumat(base[1:7, 2:9], copy=True)
    assert copy.step == 32  # rows of 21 bytes, pitched
    np.testing.assert_array_equal(vc.as_numpy(copy), base[1:7, 2:9])


def test_read_only_memory_may_be_copied():
    image = ARRAY.copy()
    image.flags.writeable = False
    with pytest.raises(vc.ViewError, match="read-only"):
        vc.as_tensor(image)
    for copy in (True, None):
        assert torch.equal(vc.as_tensor(image, copy=copy), torch.from_numpy(ARRAY))
    assert vc.as_numpy(image, copy=None).ctypes.data == image.ctypes.data


def test_empty_images_are_copied():
    assert vc.as_tensor(np.zeros((0, 5, 3), np.uint8), copy=True).shape == (0, 5, 3)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", 0, "cuda:7", 7, -1])
@pytest.mark.skipif(not vc.host_mode(), reason="this machine has a CUDA device")
def test_a_missing_device_is_refused(device):
    for copy in (False, None, True):
        with pytest.raises(vc.DeviceError, match="no CUDA device"):
            vc.as_tensor(ARRAY, device=device, copy=copy)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0 ", 1.5])
def test_objects_that_are_no_device_are_refused(device):
    with pytest.raises((ValueError, TypeError), match="device"):
        vc.as_numpy(ARRAY, device=device)


def test_view_takes_no_copy():
    with pytest.raises(TypeError, match="copy"):
        vc.view(ARRAY, copy=True)
