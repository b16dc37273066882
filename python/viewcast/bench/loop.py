# SPDX-License-Identifier: Apache-2.0
"""The one timing loop of every benchmark of this project.

A stopwatch is a function without arguments that times one batch and answers the
microseconds of one call. `interleave()` runs all of them in rounds, each once a round,
so that what slows the machine down for a while slows all of them; `summary()` gives the
minimum (what it costs), the median (what it costs usually) and the spread (how quiet
the machine was). What is compared must have run in one `interleave()`: absolute times
move with the machine, ratios within one process are what counts.

`calls` is the stopwatch of a statement; bench/harness/stopwatches.py of the project's
sources has those of threads, devices, and of the parts of a call.
"""

import statistics
import time
import timeit


def interleave(stopwatches, rounds, between=None, warm=1, step=None):
    """For each stopwatch a list of its numbers, one a round.

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
    """A statement `number` times; what it makes is dropped at once, in that time."""
    timer = timeit.Timer(statement, timer=clock, globals=names)
    return lambda: timer.timeit(number) / number / 1000
