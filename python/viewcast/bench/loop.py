# SPDX-License-Identifier: Apache-2.0
"""The one timing loop of every benchmark of this project.

A stopwatch is a function without arguments that times one batch and returns the
microseconds of one call. `interleave()` runs all of them in rounds, each once per round,
so that a load on the machine slows all of them; `summary()` returns the minimum (the cost),
the median (the usual cost) and the spread (how quiet the machine was). Compare only times of
one `interleave()`: absolute times depend on the machine, ratios within one process do not.

`calls` is the stopwatch of a statement; bench/harness/stopwatches.py of the project's
sources has those of threads, devices, and of the parts of a call.
"""

import statistics
import time
import timeit


def interleave(stopwatches, rounds, between=None, warm=1, step=None):
    """Returns for each stopwatch a list of its times, one per round.

    `warm` rounds are thrown away first. `between()` runs after each batch, outside of
    its time; `step()` too, to move a progress bar.
    """
    times = [[] for _ in stopwatches]
    for number in range(-warm, rounds):
        for stopwatch, column in zip(stopwatches, times, strict=True):
            microseconds = stopwatch()
            if number >= 0:
                column.append(microseconds)
            for function in (between, step):
                if function:
                    function()
    return times


def summary(times):
    return {
        "minimum": min(times),
        "median": statistics.median(times),
        "spread": max(times) - min(times),
        "rounds": list(times),
    }


def calls(statement, names, number, clock=time.perf_counter_ns):
    """A stopwatch of `number` calls of a statement; the end of its results is part of the time."""
    timer = timeit.Timer(statement, timer=clock, globals=names)
    return lambda: timer.timeit(number) / number / 1000
