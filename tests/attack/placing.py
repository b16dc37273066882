# SPDX-License-Identifier: Apache-2.0
"""Random places for images: any order and strides of axes in memory, with bytes in between."""

import math

import numpy as np
from canaries import Block, Place
from formulas import ITEMSIZE

MARGIN = 64  # bytes before and after what is used


def lay_out(rng, lengths, itemsize, *, odd, flips, broadcasts):
    """Draws strides in bytes; returns them, and the lowest and highest byte that they reach from
    the first element. `odd` allows strides that are no multiple of the itemsize."""
    order = list(range(len(lengths)))
    kind = rng.choice(["packed", "packed", "pitched", "pitched", "loose", "turned"])
    if kind == "turned":
        rng.shuffle(order)
    strides = [0] * len(lengths)
    step = itemsize
    for axis in reversed(order):
        if kind in ("loose", "turned") and rng.random() < 0.3:
            step += itemsize * rng.choice([1, 2, 5, 64])
        if odd and rng.random() < 0.2:
            step += rng.randrange(itemsize)
        strides[axis] = step
        step *= max(lengths[axis], 1)
        is_row = axis == order[-2] if len(order) < 3 else axis == order[-3]
        if kind == "pitched" and is_row:
            strides[axis] += itemsize * rng.choice([1, 3, 16, 61])
            step = strides[axis] * max(lengths[axis], 1)
    if broadcasts and rng.random() < 0.1:
        strides[rng.randrange(len(strides))] = 0
    if flips and rng.random() < 0.25:
        axis = rng.randrange(len(strides))
        strides[axis] = -strides[axis]
    return strides, *reach(lengths, strides, itemsize)


def reach(lengths, strides, itemsize):
    if 0 in lengths:
        return 0, 0
    ends = [(n - 1) * s for n, s in zip(lengths, strides, strict=True)]
    return sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends) + itemsize


def can_flip(library):
    return library not in ("torch", "gpumat", "capsule")


def alone(rng, numbers, shape, dtype, library, device="cpu", is_out=False):
    """A place in a block of its own that the library can describe."""
    size = ITEMSIZE[dtype]
    misaligned = library in ("numpy", "cupy") and rng.random() < 0.06
    for attempt in range(20):
        free = attempt < 19
        strides, low, high = lay_out(
            rng,
            shape,
            size,
            odd=misaligned and free,
            flips=can_flip(library) and free,
            broadcasts=not is_out,
        )
        offset = MARGIN - low
        offset += (-offset) % 16 + rng.choice([0, 0, 0, size, 5 * size])
        if misaligned:
            offset += rng.randrange(1, size + 1)
        block = Block(offset + high + MARGIN, numbers, device)
        place = Place(block, dtype, offset, shape, strides)
        if place.fits(library):
            return place
    strides = packed(shape, size)
    offset = MARGIN
    block = Block(offset + size * math.prod(shape) + MARGIN, numbers, device)
    return Place(block, dtype, offset, shape, strides)


def packed(shape, size):
    return [size * math.prod(shape[n + 1 :]) for n in range(len(shape))]


def interleaved(rng, numbers, shape, dtypes, device="cpu", flips=False):
    """Places of one shape in one block that share no byte: tiles of a canvas, alternate
    rows or columns, planes. The dtypes are of one size."""
    size = ITEMSIZE[dtypes[0]]
    count = len(dtypes)
    axis = rng.randrange(len(shape) + 1)
    lengths = [*shape[:axis], count + rng.choice([0, 0, 1]), *shape[axis:]]
    strides, low, high = lay_out(rng, lengths, size, odd=False, flips=flips, broadcasts=False)
    offset = MARGIN - low
    offset += (-offset) % 16
    block = Block(offset + high + MARGIN, numbers, device)
    own = [*strides[:axis], *strides[axis + 1 :]]
    if 0 in shape:
        return [Place(block, dtype, offset, shape, packed(shape, size)) for dtype in dtypes]
    indices = rng.sample(range(lengths[axis]), count)
    return [
        Place(block, dtype, offset + index * strides[axis], shape, own)
        for dtype, index in zip(dtypes, indices, strict=True)
    ]


def covered(place):
    """For each byte of the block how many elements of the image hold it."""
    size = ITEMSIZE[place.dtype]
    counts = np.zeros(place.block.model.size, np.int64)
    if 0 in place.shape:
        return counts
    offsets = np.full((1,), place.offset)
    for length, stride in zip(place.shape, place.strides, strict=True):
        offsets = (offsets[:, None] + np.arange(length) * stride).reshape(-1)
    for byte in range(size):
        np.add.at(counts, offsets + byte, 1)
    return counts


def share(places, others=()):
    """True if an element of one of `places` shares memory with another element of them, or
    of `others`."""
    for block in {place.block for place in places}:
        counts = sum(covered(place) for place in places if place.block is block)
        if counts.max(initial=0) > 1:
            return True
        for other in others:
            if other.block is block and (counts * covered(other)).any():
                return True
    return False
