# SPDX-License-Identifier: Apache-2.0
"""No call leaks, whether it succeeds or is refused: Python's allocated blocks are counted
over many calls."""

import gc
import sys

import numpy as np
import pytest
import torch
from dlpack_structs import Producer
from images import CONVERT, MAKE, CudaArray, Image, make_gpumat

import viewcast as vc

pytestmark = pytest.mark.unsanitized  # counts the blocks of Python's own allocator

TURNS = 200
FEW = TURNS // 2  # other libraries' free lists vary by fewer blocks; a leak is one block per call


def refused(error, call):
    def run():
        try:
            call()
        except error:
            return
        raise AssertionError("was not refused")

    return run


def make_calls():
    image = Image((7, 5, 3))
    array = image.array
    wide = np.zeros((4, 6, 600), np.uint8)
    mat = make_gpumat(image)
    view = vc.view(array)
    kept = []  # the memory of managed tensors

    def dlpack(**fields):
        kept.append(Producer(array, **fields))
        if len(kept) > 8:
            vc.collect(force=True)
            del kept[0]
        return vc.view(kept[-1])

    for source, make in MAKE.items():
        thing = make(image)
        for target, convert in CONVERT.items():
            yield f"{source} to {target}", lambda convert=convert, thing=thing: convert(thing)
    yield "copy", lambda: vc.as_numpy(array, copy=True)
    yield "streams", lambda: vc.as_gpumat(array, stream=1, producer_stream=2)
    yield "keepdim, owner", lambda: vc.as_tensor(mat, keepdim=True, owner=image)
    yield "CUDA array", lambda: vc.view(CudaArray(image))
    yield "capsule", lambda: view.__dlpack__()
    yield "versioned capsule", lambda: torch.from_dlpack(view)
    yield "buffer", lambda: bytes(memoryview(view).cast("B"))
    yield "attributes", lambda: (repr(view), view.shape, view.strides, view.device, view.nbytes)
    yield "statistics", vc.statistics
    yield "layout", vc._viewcast._opencv_layout
    yield "planar", refused(vc.LayoutError, lambda: vc.as_gpumat(wide))
    yield "strides", refused(vc.LayoutError, lambda: vc.as_gpumat(array[:, ::2]))
    yield "channels", refused(vc.LayoutError, lambda: vc.as_gpumat(wide, from_layout="HWC"))
    yield "complex", refused(vc.DTypeError, lambda: vc.view(np.zeros(3, "complex64")))
    yield "no image", refused(TypeError, lambda: vc.view(object()))
    yield "from_layout=", refused(ValueError, lambda: vc.as_gpumat(array, from_layout="NCHW"))
    yield "device=", refused(vc.DeviceError, lambda: vc.as_tensor(array, device=99))
    yield "stream=", refused(TypeError, lambda: vc.as_gpumat(array, stream="side"))
    yield "argument", refused(TypeError, lambda: vc.as_gpumat(array, colour=1))
    yield (
        "gradient",
        refused(vc.ViewError, lambda: vc.as_gpumat(torch.zeros(4, 5, 3, requires_grad=True))),
    )
    yield "lanes", refused(vc.DTypeError, lambda: dlpack(lanes=2))
    yield "version", refused(vc.ViewError, lambda: dlpack(major=2))
    yield "version 1", refused(vc.ViewError, lambda: vc.view(CudaArray(image, version=1)))
    yield "shape", refused(vc.ViewError, lambda: vc.view(CudaArray(image, shape=("7", "5"))))
    yield "typestr", refused(vc.DTypeError, lambda: vc.view(CudaArray(image, typestr="|V2")))


CALLS = dict(make_calls())


def blocks():
    gc.collect()
    gc.collect()  # without the GIL some objects are only freed by the next collection
    vc.collect(force=True)
    return sys.getallocatedblocks()


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_left(name, ledger):
    call = CALLS[name]
    for _ in range(20):
        call()  # caches
    left = []
    while len(left) < 6 and min(left, default=TURNS) >= FEW:
        before = blocks()
        for _ in range(TURNS):
            call()
        left.append(blocks() - before)
    assert min(left) < FEW, left  # a leak shows in each round
    counted = ledger(force=True)
    for counter in ("lends", "shares", "exports"):
        assert counted.get(counter) == counted.get(f"{counter}_released")


def test_this_test_sees_a_leak(ledger):
    leaked = []
    before = blocks()
    for _ in range(TURNS):
        leaked.append(vc.view(np.zeros((2, 2))))
    assert blocks() - before >= TURNS
