# SPDX-License-Identifier: Apache-2.0
"""The order of streams between viewcast and libraries without an adapter of their own.

Each test first runs without ordering (stream -1). Where the result is never stale then, the
library synchronises by itself, and the test is skipped.
"""

import numpy as np
import pytest
import torch
from delay import CYCLES, LONG, delay, side_stream, trials
from neighbours import Jax

import viewcast as vc

SHAPE = (48, 64, 3)
TRIALS = trials(100)
NAIVE = 10


def count(trial, trials, **how):
    return sum(trial(value, **how) for value in range(1, trials + 1))


def never_stale(trial):
    if count(trial, NAIVE, ordered=False, cycles=LONG) == 0:
        pytest.skip("never stale without ordering: the library synchronises by itself")
    assert count(trial, TRIALS, ordered=True, cycles=CYCLES) == 0


@pytest.fixture
def library(neighbour):
    if not neighbour.takes_streams:
        pytest.skip("its calls take no stream")
    return neighbour


def test_a_consumers_work_waits_for_the_producer(library):
    """The library copies, on its stream, a tensor that is in flight on torch's stream."""
    ours, theirs = side_stream(), side_stream()
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    buffer = library.buffer(SHAPE, theirs)

    def trial(value, ordered, cycles):
        torch.cuda.synchronize()
        delay(ours, cycles)
        with torch.cuda.stream(vc.stream(ours).torch):
            tensor.fill_(value)
            view = vc.view(tensor, stream=theirs if ordered else -1)
        library.copy(buffer, library.take(view), theirs)
        torch.cuda.synchronize()
        return int((library.read(library.exported(buffer)) != value).any())

    never_stale(trial)


def written_by_them(library, stream):
    """A function that writes a value into a buffer of the library, on a stream, after a delay."""
    buffer = library.buffer(SHAPE, stream)
    sources = {}

    def write(value, cycles):
        if value not in sources:
            sources[value] = library.make(np.full(SHAPE, value, np.uint8))
        torch.cuda.synchronize()
        delay(stream, cycles)
        library.copy(buffer, sources[value], stream)
        return library.exported(buffer)

    return write


@pytest.mark.parametrize(
    "convert",
    [
        lambda image, stream: vc.as_tensor(image, producer_stream=stream).cpu().numpy(),
        lambda image, stream: vc.as_cupy(image, producer_stream=stream).get(),
    ],
    ids=["torch", "cupy"],
)
def test_our_copies_wait_for_the_librarys_work(library, convert):
    theirs = side_stream()
    write = written_by_them(library, theirs)

    def trial(value, ordered, cycles):
        image = write(value, cycles)
        return int((convert(image, theirs if ordered else -1) != value).any())

    never_stale(trial)


def test_the_stream_that_the_library_exports_is_waited_for(library):
    if not library.exports_stream:
        pytest.skip("leaves the order of streams to its user")
    theirs = side_stream()
    write = written_by_them(library, theirs)

    def trial(value, ordered, cycles):
        image = write(value, cycles)
        if not ordered:
            return int((vc.as_tensor(image, producer_stream=-1).cpu().numpy() != value).any())
        with library.current(theirs):
            return int((vc.as_tensor(image).cpu().numpy() != value).any())

    never_stale(trial)


def test_memory_is_not_reused_before_the_library_has_read_it(library):
    """A tensor ends before the library's copy of it has run: torch reuses its block, on its own
    stream, only after that."""
    theirs = side_stream()
    buffer = library.buffer(SHAPE, theirs)

    def trial(value, ordered, cycles):
        torch.cuda.synchronize()
        tensor = torch.full(SHAPE, value, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
        view = vc.view(tensor, stream=theirs if ordered else -1)
        image = library.take(view)
        delay(theirs, cycles)
        library.copy(buffer, image, theirs)
        del view, image, tensor
        others = [torch.full(SHAPE, 255, dtype=torch.uint8, device="cuda") for _ in range(8)]
        torch.cuda.synchronize()
        del others
        return int((library.read(library.exported(buffer)) != value).any())

    never_stale(trial)


@pytest.mark.parametrize("neighbour", ["JAX"], indirect=True)
def test_work_of_jax_in_flight_is_waited_for(neighbour):
    """JAX exports no stream. is_ready() tells whether an array was still in flight."""
    assert isinstance(neighbour, Jax)
    jax, jnp = neighbour.jax, neighbour.jax.numpy

    @jax.jit
    def slow(matrix, value):
        matrix = jax.lax.fori_loop(0, 100, lambda _, m: m @ m / 2048, matrix)
        late = jnp.where(matrix[0, 0] == 0.5, 1, 0).astype(jnp.uint8)
        return jnp.full(SHAPE, value, jnp.uint8) + late

    matrix = jnp.ones((2048, 2048), jnp.float32)
    slow(matrix, 0).block_until_ready()
    stale = in_flight = 0
    for value in range(1, 21):
        array = slow(matrix, value)
        tensor = vc.as_tensor(array, copy=None)
        in_flight += not array.is_ready()
        stale += int((tensor.cpu() != value).any())
    assert stale == 0
    assert in_flight, "each array was ready before it was exported"
