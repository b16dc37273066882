# SPDX-License-Identifier: Apache-2.0
"""from_layout= on a GPU: a view where the memory allows, else one copy."""

import cupy
import numpy as np
import pytest
import torch

import viewcast as vc


def pattern(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).cuda()


def same(mat, tensor):
    assert torch.equal(vc.as_tensor(mat), tensor)


@pytest.mark.parametrize("make", [lambda tensor: tensor, cupy.asarray, vc.view])
def test_channels_last_memory_is_a_view(make):
    pixels = pattern(37, 61, 3)
    planes = pixels.permute(2, 0, 1)
    for options in ({}, {"copy": None}):
        mat = vc.as_gpumat(make(planes), from_layout="CHW", **options)
        assert mat.cudaPtr() == pixels.data_ptr()
        same(mat, pixels)
    with pytest.raises(vc.LayoutError, match="looks planar"):
        vc.as_gpumat(make(planes))
    with pytest.raises(vc.LayoutError, match="looks planar"):
        vc.to_tensor(make(planes), layout="CHW", dtype="float32")


@pytest.mark.parametrize("make", [lambda tensor: tensor, cupy.asarray, vc.view])
def test_planes_are_one_copy(make):
    planes = pattern(3, 37, 61)[:, 2:30, 5:50]
    wanted = planes.permute(1, 2, 0)
    with pytest.raises(vc.LayoutError, match="copy=None"):
        vc.as_gpumat(make(planes), from_layout="CHW")
    for copy in (None, True):
        same(vc.as_gpumat(make(planes), from_layout="CHW", copy=copy), wanted)
    same(vc.to_gpumat(make(planes), from_layout="chw"), wanted)
    assert torch.equal(vc.to_tensor(make(planes), from_layout="CHW", layout="HWC"), wanted)


@pytest.mark.parametrize("copy", [None, True])
def test_batches_of_planes_in_order_of_a_stream(copy):
    stream = torch.cuda.Stream()
    batch = torch.zeros(8, 3, 256, 256, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    for value in range(1, 6):
        with torch.cuda.stream(stream):
            torch.cuda._sleep(2_000_000)
            batch.fill_(value)
            mats = vc.as_gpumats(batch, from_layout="NCHW", copy=copy)
        mats += vc.as_gpumats(list(batch), from_layout="CHW", copy=copy, producer_stream=stream)
        for mat in mats:
            assert (vc.as_tensor(mat) == value).all()
        torch.cuda.synchronize()


def test_views_of_batches_and_masks():
    batch = pattern(4, 37, 61, 3)
    masks = pattern(5, 37, 61)
    for source, name in ((batch, None), (masks, "NHW"), (batch.permute(0, 3, 1, 2), "NCHW")):
        mats = vc.as_gpumats(source, from_layout=name)
        assert [mat.cudaPtr() for mat in mats] == [each.data_ptr() for each in source]
    for source in (batch, cupy.asarray(batch), vc.view(batch)):
        tensors = vc.as_tensors(source)
        assert [each.data_ptr() for each in tensors] == [each.data_ptr() for each in batch]
        assert all(map(torch.equal, tensors, batch))
    copies = vc.as_tensors(batch, copy=True)
    assert all(map(torch.equal, copies, batch))
    assert not {each.data_ptr() for each in copies} & {each.data_ptr() for each in batch}
    for mat, mask in zip(vc.to_gpumat(masks, from_layout="NHW"), masks, strict=True):
        same(mat, mask)
    result = vc.to_cupy(masks, from_layout="NHW", dtype="float32", scale=0.5)
    assert torch.equal(vc.as_tensor(result), masks * 0.5)


def test_a_batch_on_the_host_goes_up_once_and_a_batch_on_the_gpu_down():
    host = np.random.default_rng(0).integers(0, 256, (3, 37, 61, 3), np.uint8)
    for function in (vc.as_gpumats, vc.as_tensors):
        with pytest.raises(vc.DeviceError):
            function(host, device=0)
        for each, wanted in zip(function(host, device=0, copy=None), host, strict=True):
            np.testing.assert_array_equal(vc.as_tensor(each).cpu().numpy(), wanted)
    down = vc.as_tensors(torch.from_numpy(host).cuda(), device="cpu", copy=None)
    assert [each.device.type for each in down] == ["cpu"] * 3
    np.testing.assert_array_equal(np.stack([each.numpy() for each in down]), host)
