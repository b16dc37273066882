# SPDX-License-Identifier: Apache-2.0
"""Streams of every library, a delay on any of them, and how often a race is tried."""

import contextlib
import os

import cupy
import torch

import viewcast as vc

CYCLES = 800_000  # about 0.4 ms at 1.98 GHz: longer than a conversion
LONG = 10_000_000  # 5 ms: longer than any pause of the host, so that naive reads are stale


def trials(number: int) -> int:
    """`number`, but at most VIEWCAST_TRIALS, which a checker sets that slows down each trial."""
    return min(number, int(os.environ.get("VIEWCAST_TRIALS", number)))


def delay(stream, cycles: int = CYCLES) -> None:
    """Occupies a stream, so that what is enqueued next is in flight for a while."""
    with torch.cuda.stream(vc.stream(stream).torch):
        torch.cuda._sleep(cycles)


@contextlib.contextmanager
def current(library: str, stream):
    """Makes a stream current in one library only."""
    if library == "torch":
        with torch.cuda.stream(vc.stream(stream).torch):
            yield
    elif library == "cupy":
        with vc.stream(stream).cupy:
            yield
    else:
        yield


# torch gets these as bare handles. The caller must keep such a stream as long as anything
# that was made on it: here, for the whole run.
_kept = []


def side_stream():
    """A non-blocking stream: the null stream neither waits for it nor is waited for."""
    _kept.append(cupy.cuda.Stream(non_blocking=True))
    return _kept[-1]
