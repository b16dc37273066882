# SPDX-License-Identifier: Apache-2.0
"""The cost of a conversion by the size of the picture, which must not matter."""

import viewcast as vc
from viewcast.bench import loop
from viewcast.bench.conversions import CALL, prepare

from . import progress
from .sources import Images
from .table import Table

TITLE = "Conversions by size of the picture, µs per call, minimum"
SIZES = ((64, 64), (720, 1280), (1080, 1920), (2160, 3840), (4320, 7680))


def measure(setup):
    images = [Images((*size, 3)) for size in SIZES]
    number = setup.number(0.25)

    def watches_of(conversion, _):
        return [loop.calls(CALL, prepare(conversion, each), number) for each in images]

    pairs = list(setup.each(watches_of))
    watches = [watch for _, some in pairs for watch in some]
    with progress.bar("Sizes", len(watches) * (setup.rounds + 1)) as step:
        times = iter(loop.interleave(watches, setup.rounds, vc.collect, step=step))
    rows = []
    for conversion, _ in pairs:
        minima = [min(next(times)) for _ in SIZES]
        row = {"conversion": conversion.name, "minima": minima}
        rows.append(row | {"largest": max(minima) / min(minima)})
    return {"title": TITLE, "sizes": [list(size) for size in SIZES], "rows": rows}


def table(result, machine):
    headings = [f"{width}×{height}" for height, width in result["sizes"]]
    made = Table(result["title"], ["", *headings, "max÷min"])
    for row in result["rows"]:
        numbers = [*row["minima"], row["largest"]]
        made.rows.append([row["conversion"], *(f"{value:.2f}" for value in numbers)])
    return made
