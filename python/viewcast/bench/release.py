# SPDX-License-Identifier: Apache-2.0
"""The end of a view alone: what it was made of is let go."""

import viewcast as vc

from . import loop, progress
from .table import Table
from .ways import floor_of, prepare

TITLE = "End of a view, µs"
FLOORS = {"gpumat": "GpuMat()", "torch": "detach()", "cupy": "cupy.ndarray()"}


def watches_of(conversion, images, number):
    """Of the view, and of an object of the same library that views nothing of ours."""
    names = prepare(conversion, images)
    yield loop.ends("f(x)", names, number, after=vc.collect)
    floor = floor_of(conversion, images)
    if floor and conversion.source != "producer":
        yield loop.ends(floor.statement, floor.names, number)


def measure(setup):
    number = setup.number(0.1)
    watches, rows = [], []
    for conversion, some in setup.each(lambda *of: list(watches_of(*of, number))):
        floor = FLOORS.get(conversion.target) if len(some) > 1 else None
        rows.append({"conversion": conversion.name, "floor": floor})
        watches += some
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
