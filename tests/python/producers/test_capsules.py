# SPDX-License-Identifier: Apache-2.0
"""DLPack capsules as arguments: each is consumed once, and its deleter runs once."""

import ctypes
import gc

import cv2
import numpy as np
import pytest
import torch
from dlpack_structs import COPIED, READ_ONLY, Producer, name_of, new_capsule, rename
from images import CONVERT, Image, make_torch, pixels, see
from threads import at_once

import viewcast as vc
from viewcast._viewcast import (
    cuda_array_as_opencv_gpu_mat,
    cupy_array_as_opencv_gpu_mat,
    pytorch_tensor_as_opencv_gpu_mat,
)

pytestmark = pytest.mark.slow_paths

TO = {
    "to_tensor": vc.to_tensor,
    "to_cupy": vc.to_cupy,
    "to_numpy": vc.to_numpy,
    "to_gpumat": vc.to_gpumat,
}
SAVANT = [
    cuda_array_as_opencv_gpu_mat,
    cupy_array_as_opencv_gpu_mat,
    pytorch_tensor_as_opencv_gpu_mat,
]
for_all_targets = pytest.mark.parametrize("target", CONVERT)
both_kinds = pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "plain"])


class Maker(Producer):
    """Makes capsules of an image and keeps their managed tensors until the deleters were
    called."""

    every = []

    def __init__(self, image, versioned=True, **fields):
        super().__init__(image.array, versioned, **fields)
        self.image = image
        self.every.append(self)

    def capsule(self, destructor=None):
        return new_capsule(ctypes.addressof(self.managed), self.name, destructor)


def settle():
    gc.collect()
    vc.collect(force=True)


def capsule_of(tensor, versioned):
    return tensor.__dlpack__(**({"max_version": (1, 0)} if versioned else {}))


# --- accepted


@both_kinds
@for_all_targets
def test_a_capsule_is_a_view_of_its_tensor(target, versioned):
    maker = Maker(Image((7, 5, 3), "float32", strides=(96, 12, 4)), versioned)
    capsule = maker.capsule()
    made = CONVERT[target](capsule)
    assert name_of(capsule) == b"used_" + maker.name
    assert see(target, made) == see("numpy", maker.image.array)
    assert pixels(target, made) == maker.image.array.tobytes()
    del capsule
    settle()
    assert maker.deleted == 0
    del made
    settle()
    assert maker.deleted == 1


@both_kinds
@pytest.mark.parametrize("function", TO)
def test_a_transform_consumes_a_capsule_and_releases_it(function, versioned):
    maker = Maker(Image((7, 5, 3)), versioned)
    made = TO[function](maker.capsule(), dtype="float32")
    settle()
    assert maker.deleted == 1
    assert (vc.as_numpy(made) == maker.image.array).all()


@both_kinds
def test_lists_of_capsules(versioned):
    makers = [Maker(Image((7, 5, 3), seed=seed), versioned) for seed in range(3)]
    wanted = np.stack([maker.image.array for maker in makers])
    batch = vc.to_tensor([maker.capsule() for maker in makers], layout="NCHW")
    assert (batch.permute(0, 2, 3, 1).numpy() == wanted).all()
    mixed = vc.to_numpy((makers[0].capsule(), wanted[1], torch.from_numpy(wanted[2])))
    assert (mixed == wanted).all()
    tensors = vc.as_tensors([maker.capsule() for maker in makers])
    settle()
    assert [maker.deleted for maker in makers] == [2, 1, 1]
    for tensor, maker in zip(tensors, makers, strict=True):
        assert tensor.data_ptr() == maker.image.address
    del tensors, tensor
    settle()
    assert [maker.deleted for maker in makers] == [3, 2, 2]


@both_kinds
def test_a_capsule_may_hold_a_batch(versioned):
    maker = Maker(Image((4, 7, 5, 3)), versioned)
    mats = vc.as_gpumats(maker.capsule())
    assert [mat.cudaPtr() for mat in mats] == [maker.image.address + 105 * n for n in range(4)]
    settle()
    assert maker.deleted == 0
    del mats
    settle()
    assert maker.deleted == 1
    assert vc.to_tensor(maker.capsule(), layout="NCHW").shape == (4, 3, 7, 5)


@pytest.mark.parametrize("convert", SAVANT)
def test_savants_names_take_capsules(convert):
    maker = Maker(Image((7, 5, 3)))
    mat = convert(maker.capsule())
    assert type(mat) is cv2.cuda.GpuMat and mat.cudaPtr() == maker.image.address
    del mat
    settle()
    assert maker.deleted == 1


@both_kinds
@for_all_targets
def test_capsules_of_libraries(target, versioned):
    for library in ("torch", "numpy"):
        image = Image((7, 5, 3))
        source = make_torch(image) if library == "torch" else image.array
        made = CONVERT[target](capsule_of(source, versioned))
        del source
        gc.collect()
        assert vc.view(made).ptr == image.address
        assert pixels(target, made) == image.array.tobytes()
    view = vc.view(make_torch(image))
    assert vc.view(CONVERT[target](capsule_of(view, versioned))).ptr == image.address


def test_a_capsule_keeps_its_memory_alive():
    capsule = torch.full((64, 64, 3), 7, dtype=torch.uint8).__dlpack__()
    mat = vc.as_gpumat(capsule)
    del capsule
    settle()
    others = [torch.zeros(64, 64, 3, dtype=torch.uint8) for _ in range(50)]
    assert (vc.as_numpy(mat) == 7).all()
    assert len(others) == 50


@pytest.mark.parametrize("copy", [None, True])
@pytest.mark.parametrize("target", ["torch", "numpy", "gpumat", "cupy"])
def test_copies_of_a_capsule(target, copy):
    maker = Maker(Image((7, 5, 3)))
    made = CONVERT[target](maker.capsule(), copy=copy)
    assert pixels(target, made) == maker.image.array.tobytes()
    assert (vc.view(made).ptr == maker.image.address) == (copy is None)
    settle()
    assert maker.deleted == (1 if copy else 0)


def test_a_read_only_tensor():
    maker = Maker(Image((7, 5, 3)), flags=READ_ONLY)
    view = vc.view(maker.capsule())
    assert view.readonly and not vc.as_numpy(view).flags.writeable
    with pytest.raises(vc.ViewError, match="read-only"):
        vc.as_tensor(maker.capsule())
    assert vc.as_tensor(maker.capsule(), copy=None).shape == (7, 5, 3)
    assert vc.to_tensor(maker.capsule()).shape == (7, 5, 3)
    del view
    settle()
    assert maker.deleted == 4


def test_a_capsule_with_the_copied_flag_is_accepted():
    maker = Maker(Image((7, 5, 3)), flags=COPIED)
    assert vc.view(maker.capsule()).ptr == maker.image.address
    with pytest.raises(vc.ViewError, match="made a copy"):
        vc.view(maker)  # of a producer a view was asked for, not a copy
    assert (vc.to_numpy(maker) == maker.image.array).all()
    assert (vc.as_numpy(maker, copy=None) == maker.image.array).all()
    assert [asked["copy"] for asked in maker.asked] == [False, None, None]
    settle()
    assert maker.deleted == 4


def test_a_tensor_without_a_deleter():
    maker = Maker(Image((7, 5, 3)))
    maker.managed.deleter = type(maker.managed.deleter)()
    capsule = maker.capsule()
    assert vc.view(capsule).ptr == maker.image.address
    settle()
    with pytest.raises(vc.ViewError, match="used already"):
        vc.view(capsule)


# --- refused


@both_kinds
@pytest.mark.parametrize("function", [*CONVERT, *TO])
def test_a_used_capsule_is_refused(function, versioned):
    convert = (CONVERT | TO)[function]
    maker = Maker(Image((7, 5, 3)), versioned)
    capsule = maker.capsule()
    first = vc.view(capsule)
    for _ in range(3):
        message = rf'used already \(it is named "used_{maker.name.decode()}"\).*once.*__dlpack__'
        with pytest.raises(vc.ViewError, match=message):
            convert(capsule)
    assert first.ptr == maker.image.address
    del first
    settle()
    assert maker.deleted == 1


def test_a_capsule_that_another_consumer_used():
    tensor = torch.zeros(7, 5, dtype=torch.uint8)
    capsule = tensor.__dlpack__()
    torch.utils.dlpack.from_dlpack(capsule)
    with pytest.raises(vc.ViewError, match="used already"):
        vc.view(capsule)
    capsule = tensor.__dlpack__()
    vc.view(capsule)
    with pytest.raises(RuntimeError):  # other consumers refuse it after viewcast
        torch.utils.dlpack.from_dlpack(capsule)


@pytest.mark.parametrize("convert", [vc.to_numpy, vc.as_tensors])
def test_a_capsule_twice_in_a_list(convert):
    maker = Maker(Image((7, 5, 3)))
    capsule = maker.capsule()
    with pytest.raises(vc.ViewError, match="image 1: .*used already"):
        convert([capsule, capsule])
    settle()
    assert maker.deleted == 1


UNREADABLE = {
    "complex": {"code": 5},
    "lanes": {"lanes": 3},
    "device": {"device_type": 7},
    "version": {"major": 2},
    "null": {"data": 0},
}


@pytest.mark.parametrize("fields", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("function", [*CONVERT, *TO])
def test_a_capsule_that_cannot_be_read_is_not_used(function, fields):
    maker = Maker(Image((7, 5, 3)), **fields)
    capsule = maker.capsule()
    with pytest.raises(vc.ViewError):
        (CONVERT | TO)[function](capsule)
    settle()
    assert (name_of(capsule), maker.deleted) == (maker.name, 0)


@pytest.mark.parametrize(
    ("convert", "strides"),
    [(vc.as_gpumat, (150, 10, 2)), (vc.as_tensor, (-15, 3, 1)), (SAVANT[0], (15, 1, 5))],
)
def test_a_capsule_whose_image_the_target_refuses_is_used_once(convert, strides):
    maker = Maker(Image((7, 5, 3), strides=tuple(map(abs, strides))))
    maker.strides[:] = strides
    capsule = maker.capsule()
    with pytest.raises(vc.ViewError):
        convert(capsule)
    settle()
    assert maker.deleted == 1
    with pytest.raises(vc.ViewError, match="used already"):
        convert(capsule)


def test_a_list_that_fails_runs_each_deleter_once():
    makers = [Maker(Image((7, 5, 3))) for _ in range(3)]
    for bad in (None, "a", np.zeros((3, 3, 3), np.uint8)):
        for convert in (vc.to_tensor, vc.to_gpumat):
            with pytest.raises((TypeError, vc.ViewError)):
                convert([*(maker.capsule() for maker in makers), bad])
    settle()
    assert [maker.deleted for maker in makers] == [6, 6, 6]


@pytest.mark.parametrize("name", [None, b"", b"dltensor_", b"dl", b"used_", b"viewcast"])
@pytest.mark.parametrize("function", [*CONVERT, *TO])
def test_a_capsule_of_another_name_is_no_image(function, name):
    capsule = new_capsule(4096, name)
    with pytest.raises(TypeError, match=r"PyCapsule is no image.*from_pointer\(capsule"):
        (CONVERT | TO)[function](capsule)
    with pytest.raises(TypeError, match="PyCapsule is no image"):
        vc.to_numpy([capsule])


def test_a_capsule_is_taken_by_one_of_many_threads():
    for _ in range(50):
        maker = Maker(Image((7, 5, 3)))
        capsule = maker.capsule()

        def take(_, capsule=capsule):
            try:
                return vc.view(capsule)
            except vc.ViewError as error:
                assert "used already" in str(error) or "unused capsule" in str(error)

        views = at_once(take)
        assert sum(view is not None for view in views) == 1
        del views
        settle()
        assert maker.deleted == 1


def test_a_capsule_that_is_renamed_can_be_taken_again():
    """Some consumers rename a capsule to return its tensor."""
    maker = Maker(Image((7, 5, 3)))
    capsule = maker.capsule()
    vc.view(capsule)
    rename(capsule, maker.name)
    vc.view(capsule)
    settle()
    assert maker.deleted == 2


def test_counts_are_even_after_every_kind_of_capsule(ledger):
    for _ in range(100):
        tensor = torch.zeros(7, 5, 3, dtype=torch.uint8)
        for convert in (*CONVERT.values(), *TO.values()):
            convert(tensor.__dlpack__())
    counted = ledger(force=True)
    assert counted.get("lends") == counted.get("lends_released")
    assert counted.get("exports") == counted.get("exports_released")
