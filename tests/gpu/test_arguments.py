# SPDX-License-Identifier: Apache-2.0
"""Arguments whose meaning needs a GPU; tests/python has the others."""

import cupy
import numpy as np
import pytest
import torch

import viewcast as vc

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
NAMES = [0, np.int64(0), "cuda", "cuda:0", "cuda_managed:0"]
OBJECTS = [torch.device("cuda"), torch.device("cuda", 0), cupy.cuda.Device(0)]
TO = (vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat)


@pytest.mark.parametrize("device", [*NAMES, *OBJECTS], ids=lambda device: f"{device}")
def test_a_device_is_the_same_in_every_function(device):
    for function in (vc.to_tensor, vc.to_cupy, vc.to_gpumat):
        assert vc.view(function(IMAGE, device=device)).device == "cuda:0"
    for function in (vc.as_tensor, vc.as_cupy, vc.as_gpumat):
        assert vc.view(function(IMAGE, copy=None, device=device)).device == "cuda:0"
    tensor = torch.zeros(IMAGE.shape, dtype=torch.uint8, device="cuda:0")
    view = vc.from_pointer(tensor.data_ptr(), IMAGE.shape, "uint8", device=device, owner=tensor)
    assert vc.view(vc.as_tensor(tensor, device=view.device)).ptr == tensor.data_ptr()
    assert vc.stream(cupy.cuda.Stream(), device=device).device == 0
    vc.warmup(device=device)


def test_pinned_memory_is_the_hosts():
    pinned = torch.zeros(IMAGE.shape, dtype=torch.uint8).pin_memory()
    device = vc.view(pinned).device
    np.testing.assert_array_equal(vc.to_numpy(pinned, device=device), 0 * IMAGE)
    tensor = torch.from_numpy(IMAGE).cuda()
    copy = vc.as_tensor(tensor, copy=None, device=device)
    assert copy.device.type == "cpu" and torch.equal(copy, torch.from_numpy(IMAGE))


@pytest.mark.parametrize("device", [2**32, "cuda:4294967296", -1, 2**31, torch.cuda.device_count()])
def test_a_missing_device_is_refused(device):
    for function in (vc.as_tensor, vc.to_cupy):
        with pytest.raises(vc.DeviceError, match="there is no CUDA device"):
            function(IMAGE, device=device)
    with pytest.raises(vc.DeviceError, match="there is no CUDA device"):
        vc.stream(5, device=device)
    with pytest.raises(vc.DeviceError, match="no CUDA device"):
        vc.warmup(device)


def test_a_bool_is_no_device():
    for device in (True, np.True_, torch.tensor(True), torch.tensor(True, device="cuda"), 0.0):
        with pytest.raises(TypeError, match="device is a .*, needs an int"):
            vc.to_tensor(IMAGE, device=device)


@pytest.mark.parametrize("function", TO, ids=lambda function: function.__name__)
def test_values_that_are_refused_on_a_gpu(function):
    image = torch.from_numpy(IMAGE).cuda()
    out = torch.full((4, 6, 3), 7.0, device="cuda")
    for options, words in (
        ({"fill": 7}, "no alpha channel is added"),
        ({"scale": 1 / 255}, "would be uint8"),
        ({"mean": 0.5}, "would be uint8"),
        ({"normalize": "imagenet"}, "would be uint8"),
        ({"fill": 7, "out": out}, "no alpha channel is added"),
    ):
        with pytest.raises(ValueError, match=words):
            function(image, **options)
    for source in (image.float(), image.to(torch.int16)):
        with pytest.raises(ValueError, match="made for uint8"):
            function(source, normalize="imagenet", dtype="float32")
    assert bool((out == 7).all())


def test_numbers_may_be_on_a_gpu():
    image = torch.from_numpy(IMAGE).cuda()
    mean = torch.tensor([0.5, 0.25, 0.125], device="cuda")
    result = vc.to_tensor(image, dtype="float32", mean=mean, std=cupy.asarray([1.0, 2.0, 4.0]))
    wanted = (image.float() - mean) / torch.tensor([1.0, 2.0, 4.0], device="cuda")
    assert torch.allclose(result, wanted)


@pytest.mark.parametrize(
    "stream",
    [torch.cuda.Stream, torch.cuda.current_stream, cupy.cuda.Stream],
    ids=lambda stream: stream.__name__,
)
def test_a_class_is_no_stream(stream):
    image = torch.from_numpy(IMAGE).cuda()
    for function in (vc.as_gpumat, vc.as_cupy, vc.to_tensor):
        with pytest.raises(TypeError, match="makes or gives streams, needs a stream: call it"):
            function(image, stream=stream)
        function(image, stream=torch.cuda.current_stream(), producer_stream=cupy.cuda.Stream.null)
