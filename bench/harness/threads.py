# SPDX-License-Identifier: Apache-2.0
"""Several threads that convert at once, each an image of its own: the time of a call on each
thread, and the rate of all of them."""

import viewcast as vc
from viewcast.bench import loop
from viewcast.bench.conversions import CALL, prepare

from . import progress, stopwatches
from .sources import Images
from .table import Table

TITLE = "Threads at once, an image each"


def measure(setup):
    sets = [Images() for _ in range(max(setup.threads) - 1)]
    pairs = [
        (conversion, [names, *(prepare(conversion, images) for images in sets)])
        for conversion, names in setup.each(prepare)
    ]
    number = setup.number(0.25)
    rows = [
        {"conversion": conversion.name, "threads": count}
        for conversion, _ in pairs
        for count in setup.threads
    ]
    watches = [
        stopwatches.threads(CALL, names[:count], number)
        for _, names in pairs
        for count in setup.threads
    ]
    with progress.bar("Threads", len(watches) * (setup.rounds + 1)) as step:
        times = loop.interleave(watches, setup.rounds, vc.collect, step=step)
    for row, column in zip(rows, times, strict=True):
        row |= loop.summary(column)
        row["rate"] = row["threads"] / row["minimum"]
        row["median_rate"] = row["threads"] / row["median"]
    return {"title": TITLE, "rows": rows}


def table(result, machine):
    headings = ["", "threads", "µs per call, each", "median", "million/s, all", "median"]
    made = Table(result["title"], headings)
    before = None
    for row in result["rows"]:
        first = row["conversion"] != before
        made.rows += [None] if before and first else []
        before = row["conversion"]
        numbers = [row[key] for key in ("minimum", "median", "rate", "median_rate")]
        cells = [str(row["threads"]), *(f"{value:.2f}" for value in numbers)]
        made.rows.append([before if first else "", *cells])
    gil = "with" if machine["gil"] else "without"
    made.notes.append(f"Python {machine['python']} {gil} the global interpreter lock")
    return made
