# SPDX-License-Identifier: Apache-2.0
"""A view owns a tensor's storage: the tensor gets other storage while a consumer on another
stream still reads the view, and torch reuses the old block as soon as it is released."""

import gc
import weakref

import cupy
import pytest
import torch
from delay import current, delay, side_stream, trials

import viewcast as vc

pytestmark = pytest.mark.slow_paths

TRIALS = trials(50)
SHAPE = (256, 256, 4)
VALUE, OTHER = 7, 99


def other(dtype=torch.uint8):
    return torch.full(SHAPE, OTHER, dtype=dtype, device="cuda")


def data(tensor):
    tensor.data = other()


def set_(tensor):
    tensor.set_(other())


def swap_tensors(tensor):
    torch.utils.swap_tensors(tensor, other())


def smaller(tensor):
    tensor.data = torch.full((2, 2), OTHER, dtype=torch.uint8, device="cuda")


EXCHANGES = [data, set_, swap_tensors, smaller]
VIEWS = {
    "gpumat": vc.as_gpumat,
    "gpumats": lambda tensor, **streams: vc.as_gpumats(tensor[None], **streams)[0],
    "cupy": vc.as_cupy,
    "view": vc.view,
    "gpumat, then cupy": lambda tensor, **streams: vc.as_cupy(vc.as_gpumat(tensor), **streams),
    "cupy, then torch": lambda tensor, **streams: vc.as_tensor(vc.as_cupy(tensor), **streams),
}


def reuse(stream):
    """Allocates torch's next blocks of this size, and overwrites them on their stream."""
    with current("torch", stream):
        blocks = [other() for _ in range(4)]
    del blocks


def result_of_reading():
    out = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    return out


def read(view, stream, out):
    with torch.cuda.stream(vc.stream(stream).torch):
        out.copy_(torch.as_tensor(vc.view(view, stream=-1), device="cuda"))


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_has_its_pixels_after_the_exchange(view, exchange):
    """On one stream: a late read has the pixels that were lent."""
    stream = side_stream()
    out = result_of_reading()
    wrong = 0
    for _ in range(TRIALS):
        with current("torch", stream):
            tensor = torch.full(SHAPE, VALUE, dtype=torch.uint8, device="cuda")
            seen = view(tensor, stream=stream)
            exchange(tensor)
        reuse(stream)
        read(seen, stream, out)
        torch.cuda.synchronize()
        wrong += int(out.min()) != VALUE or int(out.max()) != VALUE
        wrong += int(tensor.min()) != OTHER
        del seen
        vc.collect()
    assert wrong == 0


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_the_memory_is_not_reused_before_its_consumer_has_read_it(view, exchange):
    """The view ends behind a delay on a stream of its own, after the exchange."""
    producer, consumer = side_stream(), side_stream()
    out = result_of_reading()
    wrong = 0
    for _ in range(TRIALS):
        with current("torch", producer):
            tensor = torch.full(SHAPE, VALUE, dtype=torch.uint8, device="cuda")
            seen = view(tensor, stream=consumer)
            exchange(tensor)
        delay(consumer)
        read(seen, consumer, out)
        del seen, tensor
        vc.collect()
        reuse(producer)
        torch.cuda.synchronize()
        wrong += int(out.min()) != VALUE or int(out.max()) != VALUE
    vc.collect()
    assert wrong == 0


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_module_converts_its_weights_under_a_view(view):
    wrong = 0
    for _ in range(TRIALS):
        layer = torch.nn.Linear(512, 512, bias=False, device="cuda").requires_grad_(False)
        layer.weight.fill_(VALUE)
        seen = view(layer.weight.view(512, 128, 4))
        layer.half()
        litter = [torch.full((512, 512), float(OTHER), device="cuda") for _ in range(4)]
        shown = torch.as_tensor(vc.view(seen), device="cuda")
        torch.cuda.synchronize()
        wrong += float(shown.min()) != VALUE or float(shown.max()) != VALUE
        del seen, shown, litter
        vc.collect()
    assert wrong == 0


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_the_memory_is_released_once(view, exchange):
    gc.collect()
    vc.collect(force=True)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    stream = side_stream()
    for _ in range(TRIALS):
        tensor = torch.full(SHAPE, VALUE, dtype=torch.uint8, device="cuda")
        storage = weakref.ref(tensor.untyped_storage())
        seen = [view(tensor), view(tensor, stream=stream)]
        exchange(tensor)
        assert storage() is not None
        del seen, tensor
    torch.cuda.synchronize()
    gc.collect()
    vc.collect(force=True)
    assert storage() is None
    assert torch.cuda.memory_allocated() == before


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_source_and_a_destination_that_are_exchanged_at_once(exchange):
    """Both storages are held until the transform has run behind a delay."""
    wrong = 0
    stream, allocation = side_stream(), side_stream()
    for _ in range(TRIALS):
        with current("torch", allocation):
            source = torch.full(SHAPE, VALUE, dtype=torch.uint8, device="cuda")
            out = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
            kept = torch.empty(0, dtype=torch.uint8, device="cuda")
            kept.set_(out.untyped_storage(), 0, out.shape, out.stride())
        torch.cuda.synchronize()
        delay(stream)
        vc.to_tensor(source, out=out, reverse_channels=True, stream=stream)
        exchange(source)
        exchange(out)
        reuse(allocation)
        torch.cuda.synchronize()
        wrong += int(kept.min()) != VALUE or int(kept.max()) != VALUE
        vc.collect()
    assert wrong == 0


# --- cycles


class Frame:
    """An owner of CuPy's memory, ready on a stream, with a view of itself."""

    def __init__(self, ready_on, show, **streams):
        with ready_on:
            self.memory = cupy.full(SHAPE, VALUE, cupy.uint8)
        interface = dict(self.memory.__cuda_array_interface__)
        self.__cuda_array_interface__ = interface | {"stream": ready_on.ptr}
        self.shown = show(self, **streams)


@pytest.mark.parametrize("show", [vc.view, vc.as_cupy])
def test_a_cycle_is_collected(show):
    pool = cupy.get_default_memory_pool()
    gc.collect()
    vc.collect(force=True)
    before = pool.used_bytes()
    ready_on, consumer = side_stream(), side_stream()
    for _ in range(TRIALS):
        frame = Frame(ready_on, show, stream=consumer)
        alive = weakref.ref(frame)
        del frame
    torch.cuda.synchronize()
    gc.collect()
    vc.collect()
    gc.collect()
    assert alive() is None
    assert pool.used_bytes() == before


@pytest.mark.parametrize("show", [vc.view, vc.as_cupy])
def test_a_cycle_is_not_collected_while_its_consumer_runs(show):
    ready_on, consumer = side_stream(), side_stream()
    out = result_of_reading()
    wrong = 0
    for _ in range(TRIALS):
        frame = Frame(ready_on, show, stream=consumer)
        delay(consumer)
        read(frame.shown, consumer, out)
        del frame
        gc.collect()
        with ready_on:
            blocks = [cupy.full(SHAPE, OTHER, cupy.uint8) for _ in range(4)]
        torch.cuda.synchronize()
        wrong += int(out.min()) != VALUE or int(out.max()) != VALUE
        del blocks
        vc.collect()
    gc.collect()
    vc.collect()
    assert wrong == 0
