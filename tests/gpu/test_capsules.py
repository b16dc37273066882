# SPDX-License-Identifier: Apache-2.0
"""DLPack capsules and pointers in capsules as arguments, of device memory."""

import ctypes

import cupy
import cv2
import numpy as np
import pytest
import torch
from delay import LONG, current, delay, side_stream, trials
from pictures import address, pattern, pixels

import viewcast as vc

TRIALS = trials(200)
SHAPE = (64, 64, 3)
AS = {"torch": vc.as_tensor, "cupy": vc.as_cupy, "gpumat": vc.as_gpumat, "view": vc.view}
TO = [vc.to_tensor, vc.to_cupy, vc.to_gpumat]

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def tensor_of(array):
    return torch.from_numpy(array).cuda()


def make(library, array):
    return tensor_of(array) if library == "torch" else cupy.asarray(array)


def capsule_of(image, versioned):
    return image.__dlpack__(**({"max_version": (1, 0)} if versioned else {}))


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("target", AS)
@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_a_capsule_is_a_view_and_keeps_its_memory(library, target, versioned):
    array = pattern((9, 11, 3))
    image = make(library, array)
    where = address(image)
    capsule = capsule_of(image, versioned)
    made = AS[target](capsule)
    assert (vc.view(made).ptr, vc.view(made).device) == (where, "cuda:0")
    del image, capsule
    vc.collect()
    torch.full((9, 11, 3), 255, dtype=torch.uint8, device="cuda")
    cupy.full((9, 11, 3), 255, cupy.uint8)
    np.testing.assert_array_equal(pixels(vc.as_tensor(made)), array)


@pytest.mark.skipif(not hasattr(cupy.ndarray, "toDlpack"), reason="this CuPy has no toDlpack()")
@pytest.mark.filterwarnings("ignore")
def test_cupys_todlpack():
    array = pattern((9, 11, 3))
    image = cupy.asarray(array)
    np.testing.assert_array_equal(pixels(vc.as_gpumat(image.toDlpack())), array)


@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_lists_and_batches_of_capsules(library):
    arrays = [pattern((9, 11, 3), seed=seed) for seed in range(3)]
    images = [make(library, array) for array in arrays]
    for convert in TO:
        made = convert([capsule_of(image, True) for image in images])
        if convert is not vc.to_gpumat:
            np.testing.assert_array_equal(pixels(made), np.stack(arrays))
        else:
            for mat, array in zip(made, arrays, strict=True):
                np.testing.assert_array_equal(pixels(mat), array)
    batch = make(library, np.stack(arrays))
    for mat, array in zip(vc.as_gpumats(capsule_of(batch, True)), arrays, strict=True):
        np.testing.assert_array_equal(pixels(mat), array)
    np.testing.assert_array_equal(vc.as_numpy(capsule_of(batch, True), copy=None), np.stack(arrays))


def test_a_used_capsule_is_refused():
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    capsule = tensor.__dlpack__()
    vc.as_gpumat(capsule)
    for convert in (*AS.values(), *TO, vc.to_numpy):
        with pytest.raises(vc.ViewError, match="used already"):
            convert(capsule)


def test_the_deleter_runs_once(ledger):
    """torch counts the bytes of live tensors."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    for _ in range(20):
        for convert in (*AS.values(), *TO, vc.to_numpy):
            made = convert(torch.zeros(SHAPE, dtype=torch.uint8, device="cuda").__dlpack__())
            del made
        with pytest.raises(vc.ViewError):
            vc.as_gpumat(torch.zeros(SHAPE, dtype=torch.complex64, device="cuda").__dlpack__())
    torch.cuda.synchronize()
    ledger.balanced()
    vc.collect(force=True)
    assert torch.cuda.memory_allocated() == before


# --- the order of streams


@pytest.mark.parametrize("named", [False, True])
def test_a_capsule_is_ordered_as_its_maker_asked(named):
    """__dlpack__() has ordered the capsule for the stream that it was given, which is the legacy
    default stream without stream=: viewcast waits for that one, or for producer_stream=."""
    producer, consumer = side_stream(), side_stream()
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    stale = 0
    for trial in range(TRIALS):
        value = trial % 250 + 1
        with current("torch", producer):
            delay(producer)
            tensor.fill_(value)
            # torch makes the stream that is given wait for its current one.
            capsule = tensor.__dlpack__(stream=producer.ptr if named else 1)
        view = vc.as_cupy(capsule, stream=consumer, producer_stream=producer if named else None)
        with consumer:
            copy = view.copy()
        torch.cuda.synchronize()
        stale += int(copy.min()) != value or int(copy.max()) != value
    assert stale == 0


def test_a_capsules_memory_outlives_its_consumer():
    """torch reuses the memory on the stream of its allocation, which is another one."""
    own, consumer = side_stream(), side_stream()
    out = torch.zeros((256, 256, 4), dtype=torch.uint8, device="cuda")
    wrong = 0
    for _ in range(TRIALS):
        with current("torch", own):
            tensor = torch.full((256, 256, 4), 7, dtype=torch.uint8, device="cuda")
            capsule = tensor.__dlpack__(stream=1)
        del tensor
        mat = vc.as_gpumat(capsule, stream=consumer)
        delay(consumer)
        with current("torch", consumer):
            out.copy_(torch.as_tensor(vc.view(mat, stream=-1), device="cuda"))
        del capsule, mat
        vc.collect()
        with current("torch", own):
            blocks = [
                torch.full((256, 256, 4), 99, dtype=torch.uint8, device="cuda") for _ in range(3)
            ]
        del blocks
        torch.cuda.synchronize()
        wrong += int(out.min()) != 7 or int(out.max()) != 7
    assert wrong == 0


# --- pointers


@pytest.mark.parametrize("target", AS)
def test_a_capsule_that_holds_an_address(target):
    """As DeepStream's: any name, device memory."""
    array = pattern((9, 11, 3))
    tensor = tensor_of(array)
    for name in (None, b"NvBufSurface"):
        capsule = new_capsule(tensor.data_ptr(), name, None)
        view = vc.from_pointer(capsule, tensor.shape, "uint8", owner=tensor)
        assert (view.ptr, view.device) == (tensor.data_ptr(), "cuda:0")
        np.testing.assert_array_equal(pixels(vc.as_tensor(AS[target](view))), array)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(9, 11), (9, 11, 3), (2, 9, 11, 3)], ids=str)
def test_pitched_memory_by_its_pointer(shape, dtype):
    row = int(np.prod(shape[-2:] if len(shape) > 2 else shape[-1:])) * np.dtype(dtype).itemsize
    pitch = -(-row // 512) * 512
    rows = shape[0] * shape[1] if len(shape) == 4 else shape[0]
    block = cupy.zeros((rows, pitch), cupy.uint8)
    array = pattern(shape, dtype)
    block[:, :row] = cupy.asarray(array.view(np.uint8).reshape(rows, row))
    view = vc.from_pointer(block.data.ptr, shape, dtype, pitch=pitch, owner=block)
    np.testing.assert_array_equal(vc.to_numpy(view), array)
    np.testing.assert_array_equal(vc.as_cupy(view).get(), array)
    if len(shape) < 4:
        mat = vc.as_gpumat(view)
        assert (mat.step, mat.cudaPtr()) == (pitch, block.data.ptr)
        np.testing.assert_array_equal(pixels(mat), array)


def test_opencvs_own_pitch(cuda_cv2):
    array = pattern((9, 11, 3))
    mat = cuda_cv2.cuda.GpuMat()
    mat.upload(array)
    view = vc.from_pointer(mat.cudaPtr(), (9, 11, 3), "uint8", pitch=mat.step, owner=mat)
    np.testing.assert_array_equal(vc.to_numpy(view), array)


# --- to the host


SOURCES = {
    "torch": tensor_of,
    "cupy": cupy.asarray,
    "gpumat": lambda array: vc.as_gpumat(tensor_of(array)),
    "view": lambda array: vc.view(tensor_of(array)),
    "pitched": lambda array: tensor_of(np.concatenate([array, array], 1))[:, : array.shape[1]],
}


@pytest.mark.parametrize("source", SOURCES)
def test_as_numpy_copies_where_it_may(source):
    array = pattern((9, 11, 3))
    image = SOURCES[source](array)
    for options in ({"copy": None}, {"copy": True}, {"copy": None, "device": "cpu"}):
        np.testing.assert_array_equal(vc.as_numpy(image, **options), array)
    np.testing.assert_array_equal(vc.to_numpy(image), array)
    for options in ({}, {"copy": False}, {"device": "cpu"}):
        with pytest.raises(vc.DeviceError, match="copy=None"):
            vc.as_numpy(image, **options)
    for copy in (False, None, True):
        with pytest.raises(vc.DeviceError, match="a numpy.ndarray lies in host memory"):
            vc.as_numpy(image, device=0, copy=copy)


def test_a_copy_to_the_host_waits_for_its_producer():
    producer = side_stream()
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    for trial in range(trials(50)):
        value = trial % 250 + 1
        with current("torch", producer):
            delay(producer, LONG)
            tensor.fill_(value)
            made = vc.as_numpy(tensor, copy=None)
        assert (made == value).all()


# --- images that only a copy takes, to the GPU


@pytest.mark.parametrize("convert", [*TO, *(AS[name] for name in ("torch", "cupy", "gpumat"))])
def test_big_endian_arrays_and_pil_images_are_uploaded(convert):
    array = pattern((9, 11, 3), "float32")
    options = {"device": 0} | ({} if convert in TO else {"copy": None})
    np.testing.assert_array_equal(pixels(convert(array.astype(">f4"), **options)), array)
    image = pytest.importorskip("PIL.Image").fromarray(array.astype(np.uint8))
    np.testing.assert_array_equal(pixels(convert(image, **options)), array.astype(np.uint8))


# --- Savant's names


def test_savants_names_take_empty_images():
    from viewcast import savant

    for shape in ((0, 20, 3), (10, 0, 3), (0, 20)):
        for image in (torch.zeros(shape, device="cuda"), cupy.zeros(shape, cupy.float32)):
            mat = savant.cuda_array_as_opencv_gpu_mat(image)
            assert mat.empty() and mat.size() == (shape[1], shape[0])
            assert tuple(savant.opencv_gpu_mat_as_pytorch_tensor(mat).shape) == shape
            assert savant.opencv_gpu_mat_as_cupy_array(mat).shape == shape
    assert savant.opencv_gpu_mat_as_cupy_array(cv2.cuda.GpuMat()).shape == (0, 0)
    assert tuple(savant.opencv_gpu_mat_as_pytorch_tensor(cv2.cuda.GpuMat()).shape) == (0, 0)
