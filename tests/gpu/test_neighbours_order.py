# SPDX-License-Identifier: Apache-2.0
"""The order of streams between viewcast and libraries without an adapter of their own.

Each pair is first tried with -1, no ordering: where that is never stale, the library
waits by itself, and the test has nothing to show.
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
        pytest.skip("never stale without ordering: it waits by itself")
    assert count(trial, TRIALS, ordered=True, cycles=CYCLES) == 0


@pytest.fixture
def chooser(neighbour):
    if not neighbour.chooses:
        pytest.skip("its work runs on streams that its user does not choose, or it has none")
    return neighbour


def test_their_work_waits_for_ours(chooser):
    """A tensor in flight on torch's stream, copied by them on theirs."""
    ours, theirs = side_stream(), side_stream()
    tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    room = chooser.room(SHAPE, theirs)

    def trial(value, ordered, cycles):
        torch.cuda.synchronize()
        delay(ours, cycles)
        with torch.cuda.stream(vc.stream(ours).torch):
            tensor.fill_(value)
            view = vc.view(tensor, stream=theirs if ordered else -1)
        chooser.copy(room, chooser.take(view), theirs)
        torch.cuda.synchronize()
        return int((chooser.read(chooser.hand(room)) != value).any())

    never_stale(trial)


def written_by_them(chooser, stream):
    """A room that they write with a value on a stream, after a delay."""
    room = chooser.room(SHAPE, stream)
    sources = {}

    def write(value, cycles):
        if value not in sources:
            sources[value] = chooser.make(np.full(SHAPE, value, np.uint8))
        torch.cuda.synchronize()
        delay(stream, cycles)
        chooser.copy(room, sources[value], stream)
        return chooser.hand(room)

    return write


@pytest.mark.parametrize(
    "convert",
    [
        lambda image, stream: vc.as_tensor(image, producer_stream=stream).cpu().numpy(),
        lambda image, stream: vc.as_cupy(image, producer_stream=stream).get(),
    ],
    ids=["torch", "cupy"],
)
def test_our_work_waits_for_theirs(chooser, convert):
    theirs = side_stream()
    write = written_by_them(chooser, theirs)

    def trial(value, ordered, cycles):
        image = write(value, cycles)
        return int((convert(image, theirs if ordered else -1) != value).any())

    never_stale(trial)


def test_what_they_know_of_the_stream_is_enough(chooser):
    if not chooser.knows:
        pytest.skip("leaves the order of streams to its user")
    theirs = side_stream()
    write = written_by_them(chooser, theirs)

    def trial(value, ordered, cycles):
        image = write(value, cycles)
        if not ordered:
            return int((vc.as_tensor(image, producer_stream=-1).cpu().numpy() != value).any())
        with chooser.current(theirs):
            return int((vc.as_tensor(image).cpu().numpy() != value).any())

    never_stale(trial)


def test_memory_that_they_read_is_not_reused_before(chooser):
    """A tensor that ends while their copy of it is still to come: its block is handed
    out again, on torch's own stream, only after that."""
    theirs = side_stream()
    room = chooser.room(SHAPE, theirs)

    def trial(value, ordered, cycles):
        torch.cuda.synchronize()
        tensor = torch.full(SHAPE, value, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
        view = vc.view(tensor, stream=theirs if ordered else -1)
        image = chooser.take(view)
        delay(theirs, cycles)
        chooser.copy(room, image, theirs)
        del view, image, tensor
        others = [torch.full(SHAPE, 255, dtype=torch.uint8, device="cuda") for _ in range(8)]
        torch.cuda.synchronize()
        del others
        return int((chooser.read(chooser.hand(room)) != value).any())

    never_stale(trial)


@pytest.mark.parametrize("neighbour", ["JAX"], indirect=True)
def test_jax_s_work_in_flight_is_waited_for(neighbour):
    """JAX keeps its streams to itself, and says what is ready."""
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
    assert in_flight, "each was ready before it was handed over"
