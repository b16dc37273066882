# SPDX-License-Identifier: Apache-2.0
"""vc.stream() and vc.use_stream(): one stream in every library."""

import cupy
import pytest
import torch
from delay import side_stream

import viewcast as vc


def test_the_same_handle_everywhere(cuda_cv2):
    for source in (torch.cuda.Stream(), side_stream(), cuda_cv2.cuda.Stream()):
        one = vc.stream(source)
        assert one.torch.cuda_stream == one.cupy.ptr == one.handle
        assert one.cv2.cudaPtr() == one.handle
        assert one.cv2 is one.cv2
        assert vc.stream(one) is one
        assert one.__cuda_stream__() == (0, one.handle)


def test_the_legacy_default_stream():
    one = vc.stream()
    assert one.handle == 1
    assert one.torch == torch.cuda.default_stream()
    assert one.cupy == cupy.cuda.Stream.null


def test_a_handle_is_wrapped_once_for_opencv(cuda_cv2):
    source = side_stream()
    assert vc.stream(source).cv2 is vc.stream(source.ptr).cv2


def test_cv2_without_a_device_is_a_device_error():
    import cv2

    if cv2.cuda.getCudaEnabledDeviceCount() > 0:
        pytest.skip("this OpenCV has a device")
    with pytest.raises(vc.DeviceError, match="built with CUDA"):
        _ = vc.stream(side_stream()).cv2


def test_use_stream_is_current_everywhere_and_our_default():
    source = side_stream()
    tensor = torch.zeros((64, 64, 3), dtype=torch.uint8, device="cuda")
    with vc.use_stream(source) as one:
        assert torch.cuda.current_stream().cuda_stream == source.ptr
        assert cupy.cuda.get_current_stream().ptr == source.ptr
        torch.cuda._sleep(400_000)
        tensor.fill_(9)
        mat = vc.as_gpumat(tensor)  # OpenCV's stream is this one: nothing to order
        view = vc.view(mat)
        assert view.__cuda_array_interface__["stream"] == one.handle
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert cupy.cuda.get_current_stream() == cupy.cuda.Stream.null
    copy = vc.as_tensor(mat, producer_stream=source).clone()
    assert int(copy.min()) == 9


def current():
    """torch's and CuPy's current device and streams, by handle."""
    numbers = range(torch.cuda.device_count())
    streams = [torch.cuda.current_stream(number).cuda_stream for number in numbers]
    cupys = [cupy.cuda.get_current_stream(number).ptr for number in numbers]
    return torch.cuda.current_device(), cupy.cuda.Device().id, streams, cupys


def test_use_stream_acts_at_once_and_with_puts_back():
    first, second = side_stream(), torch.cuda.Stream()
    start = current()
    setting = vc.use_stream(first)
    assert torch.cuda.current_stream().cuda_stream == first.ptr
    assert cupy.cuda.get_current_stream().ptr == first.ptr
    before = current()
    for _ in range(2):
        with vc.use_stream(second) as one:
            assert torch.cuda.current_stream() == second
            assert cupy.cuda.get_current_stream().ptr == one.handle
            with pytest.raises(RuntimeError), vc.use_stream(None):
                assert torch.cuda.current_stream() == torch.cuda.default_stream()
                raise RuntimeError
            assert torch.cuda.current_stream() == second
        assert current() == before
    with setting:
        assert current() == before
    assert current() == start


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_use_stream_of_another_device_and_back():
    start = current()
    other = torch.cuda.Stream(device=1)
    with vc.use_stream(other) as one:
        assert torch.cuda.current_device() == cupy.cuda.Device().id == one.device == 1
        assert cupy.cuda.get_current_stream().ptr == other.cuda_stream
        with vc.use_stream(None, device=0):
            assert torch.cuda.current_device() == cupy.cuda.Device().id == 0
        cupy.cuda.Device(0).use()
    assert current() == start


def test_the_owner_is_kept():
    import gc
    import weakref

    class Owner:
        def __init__(self, stream):
            self.stream = stream

        def __cuda_stream__(self):
            return (0, self.stream.ptr)

    owner = Owner(side_stream())
    alive = weakref.ref(owner)
    one = vc.stream(owner)
    del owner
    gc.collect()
    assert alive() is not None
    del one
    gc.collect()
    assert alive() is None
