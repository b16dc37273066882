# SPDX-License-Identifier: Apache-2.0
"""The time of ending a view, in which its source is released."""

import viewcast as vc
from viewcast.bench import loop
from viewcast.bench.conversions import prepare

from . import progress, stopwatches
from .methods import floor_of
from .table import Table

TITLE = "End of a view, µs"


def watches_of(conversion, images, number):
    """Stopwatches of ending the view and of ending an ordinary object of the same library, and
    the name of that object."""
    names = prepare(conversion, images)
    own = stopwatches.ends("f(x)", names, number, after=vc.collect)
    floor = floor_of(conversion, images)
    if not floor or conversion.source == "dlpack":
        return own, None, None
    return own, stopwatches.ends(floor.statement, floor.names, number), floor.name


def measure(setup):
    number = setup.number(0.1)
    watches, rows = [], []
    for conversion, (own, beside, floor) in setup.each(lambda *of: watches_of(*of, number)):
        rows.append({"conversion": conversion.name, "floor": floor})
        watches += [own, beside] if beside else [own]
    with progress.bar("Releases", len(watches) * (setup.rounds + 1)) as step:
        times = iter(loop.interleave(watches, setup.rounds, vc.collect, step=step))
    for row in rows:
        row |= loop.summary(next(times))
        row["floor_minimum"] = min(next(times)) if row["floor"] else None
    return {"title": TITLE, "rows": rows}


def table(result, machine):
    made = Table(
        result["title"], ["", "min", "median", "spread", "floor", "×floor", "floor: end of"]
    )
    for row in result["rows"]:
        floor = row["floor_minimum"]
        beside = [f"{floor:.3f}", f"{row['minimum'] / floor:.2f}"] if floor else ["", ""]
        numbers = [f"{row[key]:.3f}" for key in ("minimum", "median", "spread")]
        made.rows.append([row["conversion"], *numbers, *beside, row["floor"] or ""])
    return made
