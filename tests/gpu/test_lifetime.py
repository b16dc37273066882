# SPDX-License-Identifier: Apache-2.0
"""No memory dies before its last view, and no view keeps it after its last use."""

import gc
import itertools

import cupy
import cv2
import numpy as np
import pytest
import torch
from pictures import pattern, pixels

import viewcast as vc

FRAME = (1080, 1920, 3)
TRIALS = 200


def used_by_torch() -> int:
    return torch.cuda.memory_allocated()


def used_by_cupy() -> int:
    return cupy.get_default_memory_pool().used_bytes()


def free_on_device() -> int:
    torch.cuda.synchronize()
    return torch.cuda.mem_get_info()[0]


def churn(shape) -> None:
    """Allocates memory of this size from both pools, and overwrites it."""
    for _ in range(3):
        torch.full(shape, 255, dtype=torch.uint8, device="cuda")
        cupy.full(shape, 254, dtype=cupy.uint8)


@pytest.mark.parametrize(
    "used, make",
    [
        (used_by_torch, lambda: torch.empty(FRAME, dtype=torch.uint8, device="cuda")),
        (used_by_cupy, lambda: cupy.empty(FRAME, dtype=cupy.uint8)),
    ],
    ids=["torch", "cupy"],
)
def test_a_thousand_frames_lent_to_opencv(used, make, ledger):
    before = used()
    for _ in range(1000):
        vc.as_gpumat(make())
        vc.collect()
    delta = ledger.balanced()
    assert delta["lends"] == delta["lends_released"] == 1000
    assert used() == before


@pytest.mark.parametrize("target", [vc.as_tensor, vc.as_cupy])
def test_a_thousand_frames_shared_from_opencv(target, cuda_cv2, ledger):
    image = pattern(FRAME)
    warm = cv2.cuda.GpuMat()
    warm.upload(image)
    target(warm)
    del warm
    ledger.settle()
    ledger.start = vc.statistics()
    before = free_on_device()
    for _ in range(1000):
        mat = cv2.cuda.GpuMat()
        mat.upload(image)
        target(mat)
    del mat
    assert ledger.balanced()["shares"] == 1000
    assert free_on_device() == before


@pytest.mark.parametrize(
    "make, churns",
    [
        (lambda array: torch.from_numpy(array).cuda(), churn),
        (cupy.asarray, churn),
    ],
    ids=["torch", "cupy"],
)
def test_a_gpumat_outlives_its_deleted_source(make, churns):
    shape = (64, 96, 3)
    wrong = 0
    for trial in range(TRIALS):
        array = pattern(shape, seed=trial)
        source = make(array)
        mat = vc.as_gpumat(source)
        del source
        gc.collect(0)
        churns(shape)
        wrong += not np.array_equal(pixels(mat), array)
    assert wrong == 0


@pytest.mark.parametrize("target", [vc.as_tensor, vc.as_cupy])
def test_a_view_outlives_its_deleted_gpumat(target, cuda_cv2):
    shape = (64, 96, 3)
    wrong = 0
    for trial in range(TRIALS):
        array = pattern(shape, seed=trial)
        mat = cv2.cuda.GpuMat()
        mat.upload(array)
        view = target(mat)
        del mat
        for _ in range(3):
            cv2.cuda.GpuMat().upload(np.full(shape, 255, np.uint8))
        churn(shape)
        wrong += not np.array_equal(pixels(view), array)
    assert wrong == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_whole_roi_and_copy_end_in_any_order(order, frees, ledger):
    before = used_by_torch()
    array = pattern((8, 10, 3))
    tensor = torch.from_numpy(array).cuda()
    mat = vc.as_gpumat(tensor)
    views = [tensor, mat, mat.rowRange(2, 6), cv2.cuda.GpuMat(mat)]
    del tensor, mat
    for index in order:
        for view in views:
            if view is not None:
                rows = pixels(view).shape[0]
                np.testing.assert_array_equal(pixels(view), array if rows == 8 else array[2:6])
        view = views[index] = None
    assert ledger.balanced()["lends"] == 1
    assert used_by_torch() == before


def test_a_chain_of_three_libraries_keeps_the_first(frees, ledger):
    array = pattern((8, 10, 3))
    before = used_by_cupy()
    last = vc.as_tensor(vc.as_gpumat(cupy.asarray(array)))
    churn((8, 10, 3))
    np.testing.assert_array_equal(pixels(last), array)
    del last
    ledger.balanced()
    assert used_by_cupy() == before


def test_uploading_another_size_leaves_the_source(cuda_cv2, ledger):
    array = pattern((8, 10, 3))
    tensor = torch.from_numpy(array).cuda()
    mat = vc.as_gpumat(tensor)
    mat.upload(pattern((16, 4, 3), seed=1))
    assert mat.cudaPtr() != tensor.data_ptr()
    np.testing.assert_array_equal(tensor.cpu().numpy(), array)
    assert ledger.delta()["lends_released"] == 1
    np.testing.assert_array_equal(mat.download(), pattern((16, 4, 3), seed=1))


def test_uploading_the_same_size_writes_the_source(cuda_cv2):
    tensor = torch.from_numpy(pattern((8, 10, 3))).cuda()
    mat = vc.as_gpumat(tensor)
    mat.upload(pattern((8, 10, 3), seed=1))
    np.testing.assert_array_equal(tensor.cpu().numpy(), pattern((8, 10, 3), seed=1))


def test_create_of_another_size_releases_once(cuda_cv2, ledger):
    mat = vc.as_gpumat(torch.zeros((8, 10, 3), dtype=torch.uint8, device="cuda"))
    mat.create(4, 5, cv2.CV_32FC1)
    mat.create(6, 5, cv2.CV_32FC1)
    mat.release()
    mat.create(4, 5, cv2.CV_8UC1)
    del mat
    assert ledger.balanced()["lends"] == 1


def test_dst_of_the_same_size_writes_the_source(cuda_cv2):
    source = cv2.cuda.GpuMat()
    source.upload(pattern((16, 20, 3)))
    tensor = torch.zeros((8, 10, 3), dtype=torch.uint8, device="cuda")
    lent = vc.as_gpumat(tensor)
    cv2.cuda.resize(source, (10, 8), dst=lent)
    expected = cv2.cuda.resize(source, (10, 8)).download()
    np.testing.assert_array_equal(tensor.cpu().numpy(), expected)


def test_dst_of_another_size_leaves_the_source(cuda_cv2, ledger):
    source = cv2.cuda.GpuMat()
    source.upload(pattern((16, 20, 3)))
    array = pattern((8, 11, 3))
    tensor = torch.from_numpy(array).cuda()
    lent = vc.as_gpumat(tensor)
    result = cv2.cuda.resize(source, (10, 8), dst=lent)
    assert result.cudaPtr() != tensor.data_ptr()
    assert lent.cudaPtr() == tensor.data_ptr()
    np.testing.assert_array_equal(tensor.cpu().numpy(), array)
    del lent
    assert ledger.balanced()["lends"] == 1


def test_header_methods_on_a_lent_gpumat(cuda_cv2, ledger):
    array = pattern((8, 10, 3))
    tensor = torch.from_numpy(array).cuda()
    mat = vc.as_gpumat(tensor)
    np.testing.assert_array_equal(mat.clone().download(), array)
    np.testing.assert_array_equal(mat.rowRange(2, 5).download(), array[2:5])
    np.testing.assert_array_equal(mat.colRange(3, 7).download(), array[:, 3:7])
    np.testing.assert_array_equal(mat.reshape(1).download(), array.reshape(8, 30))
    mat.swap(cv2.cuda.GpuMat())  # the binding swaps with a copy, which then ends
    assert mat.empty()
    assert ledger.delta()["lends_released"] == 1
    np.testing.assert_array_equal(tensor.cpu().numpy(), array)


def test_resize_of_a_lent_gpumat(cuda_cv2):
    array = pattern((64, 96, 3))
    lent = cv2.cuda.resize(vc.as_gpumat(torch.from_numpy(array).cuda()), (48, 32))
    own = cv2.cuda.GpuMat()
    own.upload(array)
    np.testing.assert_array_equal(lent.download(), cv2.cuda.resize(own, (48, 32)).download())


@pytest.mark.parametrize("target", [vc.as_tensor, vc.as_cupy])
def test_shared_memory_survives_release_and_upload(target, cuda_cv2):
    array = pattern((64, 96, 3))
    mat = cv2.cuda.GpuMat()
    mat.upload(array)
    view = target(mat)
    mat.release()
    mat.upload(pattern((64, 96, 3), seed=1))
    churn((64, 96, 3))
    np.testing.assert_array_equal(pixels(view), array)


def test_a_roi_of_owned_memory_is_shared(cuda_cv2):
    array = pattern((64, 96, 3))
    mat = cv2.cuda.GpuMat()
    mat.upload(array)
    view = vc.as_tensor(cv2.cuda.GpuMat(mat, (5, 7, 20, 30)))
    del mat
    churn((64, 96, 3))
    np.testing.assert_array_equal(view.cpu().numpy(), array[7:37, 5:25])


def test_a_pending_call_releases_without_collect(frees):
    """Without collect(): the main thread's pending call frees the frame."""
    before = used_by_torch()
    mat = vc.as_gpumat(torch.empty(FRAME, dtype=torch.uint8, device="cuda"))
    assert used_by_torch() > before
    del mat
    for _ in range(1000):  # the interpreter looks for pending calls as it runs
        if used_by_torch() == before:
            break
    assert used_by_torch() == before
