# SPDX-License-Identifier: Apache-2.0
"""Draws the chart of docs/performance.md from the page's own table: conversions-light.svg and
conversions-dark.svg beside this file."""

import pathlib
import re

from hub import THEMES, Drawing

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "performance.md"
TITLE = "Microseconds per conversion: viewcast, DLPack of the libraries, Savant's helpers"
WIDTH, LEFT, RIGHT, TOP = 620, 152, 62, 74
BAR, GROUP = 18, 70
# (the legend's words, the column of the table, the colour)
SERIES = [
    ("viewcast", 1, "accent"),
    ("DLPack of the libraries", 4, "line"),
    ("Savant's helpers", 2, "faint"),
]


def rows():
    """The table under the heading "Conversions": (name, value of each series)."""
    section = PAGE.read_text(encoding="utf-8").split("\n## Conversions\n")[1]
    table = section.split("\n|---")[1].split("\n\n")[0].splitlines()[1:]
    for line in table:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        yield cells[0], [float(re.search(r"[\d.]+", cells[at])[0]) for _, at, _ in SERIES]


def bar(out, y, width, value, colour):
    out.add(
        f'<rect x="{LEFT}" y="{y}" width="{max(width, 2):.1f}" height="{BAR - 2}" rx="2" '
        f'fill="{out.colours[colour]}"/>'
    )
    bold = 700 if colour == "accent" else 400
    out.text(LEFT + max(width, 2) + 6, y + BAR - 4, f"{value:.2f}", 15, weight=bold, anchor="start")


def draw(colours):
    table = list(rows())
    out = Drawing(colours, WIDTH, TOP + GROUP * len(table) + 8, TITLE)
    x = LEFT
    for name, _, colour in SERIES:
        out.add(
            f'<rect x="{x}" y="14" width="14" height="14" rx="2" fill="{out.colours[colour]}"/>'
        )
        out.text(x + 21, 27, name, 15, anchor="start")
        x += 21 + 8 * len(name) + 16
    out.text(LEFT, 54, "microseconds per call, less is better", 15, "faint", anchor="start")
    scale = (WIDTH - LEFT - RIGHT) / max(max(values) for _, values in table)
    for index, (name, values) in enumerate(table):
        y = TOP + index * GROUP
        out.text(LEFT - 12, y + 32, name, 16, anchor="end")
        for place, (value, (_, _, colour)) in enumerate(zip(values, SERIES, strict=True)):
            bar(out, y + place * BAR, value * scale, value, colour)
    return out.svg()


def drawings():
    """The text of each file."""
    return {f"conversions-{name}.svg": draw(colours) for name, colours in THEMES.items()}


def main():
    for name, text in drawings().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
