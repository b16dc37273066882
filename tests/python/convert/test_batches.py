# SPDX-License-Identifier: Apache-2.0
"""as_gpumats and as_tensors: many images in one call."""

import gc
import weakref

import cupy
import cv2
import numpy
import pytest
import torch
from dlpack_structs import Producer

import viewcast as vc

pytestmark = pytest.mark.slow_paths


def batch_of(*shape, dtype="uint8"):
    size = int(numpy.prod(shape))
    return (numpy.arange(size) % 251).astype(dtype).reshape(shape)


def as_cupy(array):
    memory = cupy.cuda.UnownedMemory(array.ctypes.data, array.nbytes, array, device_id=0)
    pointer = cupy.cuda.MemoryPointer(memory, 0)
    return cupy.ndarray(array.shape, array.dtype, pointer, array.strides)


producers = []


def kept_producer(array):
    """A DLPack producer whose memory lives until its deleter was called."""
    producers.append(Producer(array))
    return producers[-1]


MAKE = {
    "numpy": lambda array: array,
    "torch": torch.from_numpy,
    "cupy": as_cupy,
    "view": vc.view,
    "dlpack": kept_producer,
}


@pytest.mark.parametrize("library", MAKE)
@pytest.mark.parametrize("shape", [(3, 4, 6, 3), (1, 5, 7, 4), (4, 5, 7)], ids=str)
def test_each_image_is_seen(library, shape):
    array = batch_of(*shape)
    mats = vc.as_gpumats(MAKE[library](array), from_layout="NHW" if len(shape) == 3 else None)
    assert type(mats) is list and len(mats) == shape[0]
    for index, mat in enumerate(mats):
        assert type(mat) is cv2.cuda.GpuMat
        assert mat.cudaPtr() == array[index].ctypes.data
        assert vc.as_numpy(mat).tolist() == array[index].tolist()


def test_pitched_and_sliced_batches():
    array = batch_of(6, 8, 10, 3)[1::2, 2:7, 3:9]
    for image, mat in zip(array, vc.as_gpumats(array), strict=True):
        assert mat.step == 30
        assert vc.as_numpy(mat).tolist() == image.tolist()
    backwards = batch_of(3, 4, 6, 3)[::-1]  # the axis N may have any stride
    assert vc.as_numpy(vc.as_gpumats(backwards)[0]).tolist() == backwards[0].tolist()


def test_batches_without_images_or_pixels():
    assert vc.as_gpumats(batch_of(0, 4, 6, 3)) == []
    mats = vc.as_gpumats(batch_of(2, 0, 6, 3))
    assert [mat.empty() for mat in mats] == [True, True]


def test_the_batch_lives_until_its_last_image(counting, ledger):
    class Source(numpy.ndarray):
        pass

    array = batch_of(4, 4, 6, 3).view(Source)
    gone = weakref.ref(array)
    mats = vc.as_gpumats(array)
    del array
    while len(mats) > 1:
        mats.pop(0)
        gc.collect()
        vc.collect()
        assert gone() is not None
    part = mats.pop().rowRange(1, 3)
    vc.collect()
    assert gone() is not None
    del part
    vc.collect(force=True)
    gc.collect()
    assert gone() is None
    counted = ledger()
    assert counted["lends"] == counted["lends_released"] == 4


def test_refused_batches_name_the_remedy():
    with pytest.raises(vc.LayoutError, match=r"rank 2, needs 4 .*as_gpumat\(\)"):
        vc.as_gpumats(batch_of(4, 6))
    with pytest.raises(vc.LayoutError, match="a GpuMat is one image"):
        vc.as_gpumats(vc.as_gpumat(batch_of(4, 6)))
    with pytest.raises(vc.LayoutError, match=r"looks planar \(NCHW\)"):
        vc.as_gpumats(batch_of(2, 3, 40, 60))
    assert len(vc.as_gpumats(batch_of(2, 3, 4, 60), from_layout="NHWC")) == 2
    with pytest.raises(TypeError, match="is no image"):
        vc.as_gpumats(7)
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        vc.as_gpumats(batch_of(2, 4, 6, 3), 1)


def test_an_image_that_fails_is_named_and_nothing_is_kept(ledger):
    """The second image of four channels is not aligned for OpenCV's kernels."""
    memory = numpy.zeros(4096, "uint8")
    base = -memory.ctypes.data % 16
    batch = numpy.ndarray((3, 4, 6, 4), "uint8", memory, base, (130, 32, 4, 1))
    gone = weakref.ref(batch)
    with pytest.raises(vc.LayoutError, match="image 1: .*aligned to 4 bytes"):
        vc.as_gpumats(batch)
    del batch
    counted = ledger(force=True)
    assert gone() is None
    assert counted.get("lends", 0) == counted.get("lends_released", 0) == 1


def test_tensors_of_any_images():
    arrays = [batch_of(4, 6, 3), batch_of(5, 7), batch_of(3, 3, 4, dtype="float32")]
    images = [vc.as_gpumat(arrays[0]), arrays[1], as_cupy(arrays[2])]
    tensors = vc.as_tensors(images)
    for array, tensor in zip(arrays, tensors, strict=True):
        assert tensor.data_ptr() == array.ctypes.data
        assert tensor.numpy().tolist() == array.tolist()
    assert [t.shape for t in vc.as_tensors(iter(images))] == [t.shape for t in tensors]
    one = vc.as_gpumat(batch_of(4, 6))
    assert vc.as_tensors([one])[0].shape == (4, 6)
    assert vc.as_tensors((one,), keepdim=True)[0].shape == (4, 6, 1)
    assert vc.as_tensors([]) == []
    tensor = torch.zeros(4, 6)
    assert vc.as_tensors([tensor])[0] is tensor


def test_gpumats_become_tensors_and_gpumats_again():
    batch = batch_of(3, 4, 6, 3)
    for index, tensor in enumerate(vc.as_tensors(vc.as_gpumats(batch))):
        assert tensor.data_ptr() == batch[index].ctypes.data


def test_an_element_that_is_no_image_is_named():
    good = batch_of(4, 6)
    with pytest.raises(TypeError, match="image 1: .*is no image"):
        vc.as_tensors([good, 7])
    backwards = good[::-1]
    with pytest.raises(vc.LayoutError, match="image 2: .*axis 0"):
        vc.as_tensors([good, good, backwards])
    with pytest.raises(TypeError, match="int is no image"):
        vc.as_tensors(5)
    with pytest.raises(TypeError, match="missing required argument"):
        vc.as_tensors()


def test_a_list_that_changes_while_it_is_read():
    class Growing:
        def __init__(self, images):
            self.images, self.array = images, batch_of(4, 6)

        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, **options):
            self.images.clear()
            return self.array.__dlpack__(**options)

    images = []
    images += [Growing(images), Growing(images)]
    assert len(vc.as_tensors(images)) == 1
    assert images == []


def test_torch_batches_are_checked_once():
    batch = torch.from_numpy(batch_of(2, 4, 6, 3, dtype="float32")).requires_grad_()
    with pytest.raises(vc.ViewError, match="requires grad"):
        vc.as_gpumats(batch)
    assert vc.as_numpy(vc.as_gpumats(batch.detach())[1]).tolist() == batch[1].tolist()
