# SPDX-License-Identifier: Apache-2.0
"""Millions of conversions in one process: the last must cost as much as the first, and no
memory may leak."""

import itertools
import pathlib
import re

import viewcast as vc
from viewcast.bench import loop
from viewcast.bench.conversions import CALL, Missing, load, prepare

from . import progress
from .table import Table

ROUNDS = 10  # of a tenth of all calls
RELEASED = {"lends": "lends_released", "shares": "shares_released", "exports": "exports_released"}


def resident():
    """KiB of host memory of this process."""
    text = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1])


def device_used():
    """KiB in use on the GPU, by this and other processes; None without one."""
    if vc.host_mode():
        return None
    try:
        torch = load("torch")
    except Missing:
        torch = None
    if torch is not None and torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
    else:
        free, total = load("cupy").cuda.runtime.memGetInfo()
    return (total - free) >> 10


def measure(setup):
    """Times the conversions in turns, a tenth of the calls of each at a time."""
    pairs = list(setup.each(prepare))
    number = max(1, round(setup.millions * 1e6 / ROUNDS))
    watches = [loop.calls(CALL, names, number) for _, names in pairs]
    before, memory, turns = vc.statistics(), [], itertools.count(1)

    def record():
        vc.collect()
        memory.append({"resident": resident(), "device": device_used()})

    def last_of_round():
        if next(turns) % len(watches) == 0:
            record()

    if not watches:
        return {"title": "Endurance: nothing to convert", "rows": []}
    with progress.bar("Endurance", len(watches) * ROUNDS) as step:
        times = loop.interleave(watches, ROUNDS, last_of_round, warm=0, step=step)
    rows = [
        {"conversion": conversion.name, "first": column[0], "last": column[-1], "rounds": column}
        for (conversion, _), column in zip(pairs, times, strict=True)
    ]
    title = f"{number * ROUNDS:,} conversions of each, µs per call"
    return {"title": title, "rows": rows, "memory": memory, "unreleased": unreleased(before)}


def unreleased(before):
    """The number of lends, shares and exports since then that were not released."""
    now = vc.statistics()
    change = {key: now[key] - before[key] for key in now}
    return {made: change[made] - change[released] for made, released in RELEASED.items()}


def table(result, machine):
    made = Table(result["title"], ["", "first tenth", "last tenth", "last÷first", "min", "max"])
    for row in result["rows"]:
        first, last, column = row["first"], row["last"], row["rounds"]
        numbers = [first, last, last / first, min(column), max(column)]
        made.rows.append([row["conversion"], *(f"{value:.3f}" for value in numbers)])
    if result["rows"]:
        made.notes += list(memory_notes(result))
    return made


def memory_notes(result):
    first, last = result["memory"][0], result["memory"][-1]
    for key, name in {"resident": "Resident memory", "device": "Device memory in use"}.items():
        if first[key] is not None:
            change = last[key] - first[key]
            yield f"{name} after the first and the last tenth: {change:+,} KiB"
    held = ", ".join(f"{count} {name}" for name, count in result["unreleased"].items())
    yield f"Not released at the end: {held}"
