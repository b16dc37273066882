# SPDX-License-Identifier: Apache-2.0
"""Stream-ordered releases: a pool does not reuse memory while a consumer still reads it.

Each trial lets a consumer read a view behind a delay, drops every reference, and allocates
the same block again at once, with other contents. A naive view (made with stream=-1, so
that its consumer is unknown) is read wrongly, which shows that the tests find the race.
"""

import cupy
import pytest
import torch
from delay import CYCLES, LONG, current, delay, side_stream, trials

import viewcast as vc

TRIALS = trials(1000)
NAIVE_TRIALS = trials(50)
SHAPE = (256, 256, 4)
VALUE, OTHER = 7, 99


def make(library: str, stream):
    with current(library, stream):
        if library == "torch":
            return torch.full(SHAPE, VALUE, dtype=torch.uint8, device="cuda")
        return cupy.full(SHAPE, VALUE, cupy.uint8)


def reuse(library: str, stream) -> None:
    """Allocates the pool's next blocks of this size, and overwrites them on their stream."""
    with current(library, stream):
        if library == "torch":
            blocks = [torch.full(SHAPE, OTHER, dtype=torch.uint8, device="cuda") for _ in range(3)]
        else:
            blocks = [cupy.full(SHAPE, OTHER, cupy.uint8) for _ in range(3)]
    del blocks


def read_late(view, consumer, out, cycles: int) -> None:
    """Enqueues a delayed copy on the consumer's stream, whatever the library."""
    delay(consumer, cycles)
    with torch.cuda.stream(vc.stream(consumer).torch):
        out.copy_(torch.as_tensor(vc.view(view, stream=-1), device="cuda"))


CHAINS = {
    "to OpenCV": [vc.as_gpumat],
    "to the other": [None],
    "through OpenCV to the other": [vc.as_gpumat, None],
    "through the other to OpenCV": [None, vc.as_gpumat],
    "to the other, to the first and to OpenCV": [None, "first", vc.as_gpumat],
    "a View of a GpuMat": [vc.as_gpumat, vc.view],
}


def follow(image, library: str, chain, **streams):
    """The last view of a chain; only its conversion gets the consumer's stream."""
    other = {"torch": vc.as_cupy, "cupy": vc.as_tensor}[library]
    first = {"torch": vc.as_tensor, "cupy": vc.as_cupy}[library]
    for index, step in enumerate(chain):
        convert = {None: other, "first": first}.get(step, step)
        image = convert(image, **(streams if index == len(chain) - 1 else {}))
    return image


def count_wrong(library, chain, allocation, converted_on, consumer, trials, naive) -> int:
    out = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    wrong = 0
    for _ in range(trials):
        image = make(library, allocation)
        torch.cuda.synchronize()
        with current("torch", converted_on), current("cupy", converted_on):
            view = follow(image, library, chain, stream=-1 if naive else consumer)
        read_late(view, consumer, out, LONG if naive else CYCLES)
        del image, view
        vc.collect()
        reuse(library, allocation)
        torch.cuda.synchronize()
        wrong += int(out.min()) != VALUE or int(out.max()) != VALUE
    return wrong


@pytest.mark.parametrize("allocated", ["same stream", "other stream"])
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_memory_is_not_reused_before_its_consumer_has_read_it(library, chain, allocated):
    converted_on = side_stream()
    allocation = converted_on if allocated == "same stream" else side_stream()
    wrong = count_wrong(
        library, CHAINS[chain], allocation, converted_on, side_stream(), TRIALS, False
    )
    assert wrong == 0


@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_a_naive_view_is_read_wrongly(library):
    converted_on = side_stream()
    setting = library, [vc.as_gpumat], converted_on, converted_on, side_stream()
    count_wrong(*setting, 1, True)  # compiles and loads kernels, which takes longer than LONG
    assert count_wrong(*setting, NAIVE_TRIALS, True) == NAIVE_TRIALS


def test_stream_objects_live_until_the_release():
    """The caller's stream is dropped before the memory is released."""
    for _ in range(100):
        consumer = cupy.cuda.Stream(non_blocking=True)  # nobody else keeps it
        array = cupy.full(SHAPE, VALUE, cupy.uint8)
        mat = vc.as_gpumat(array, stream=consumer)
        tensor = torch.full(SHAPE, VALUE, dtype=torch.uint8, device="cuda")
        other = vc.as_cupy(tensor, stream=consumer)
        delay(consumer)
        del consumer, array, tensor, mat, other
        vc.collect()
    torch.cuda.synchronize()
    cupy.get_default_memory_pool().free_all_blocks()
    torch.cuda.empty_cache()
