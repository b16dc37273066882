# SPDX-License-Identifier: Apache-2.0
"""A table in plain text of at most 80 columns, or in Markdown."""

from dataclasses import dataclass, field

WIDTH = 80


@dataclass
class Table:
    title: str
    headings: list
    rows: list = field(default_factory=list)  # of strings; None between groups
    notes: list = field(default_factory=list)

    def plain(self):
        """The first column is shortened where a line would be too long."""
        cells = [self.headings] + [row for row in self.rows if row is not None]
        widths = [max(len(row[n]) for row in cells) for n in range(len(self.headings))]
        others = sum(widths[1:]) + 2 * (len(widths) - 1)
        widths[0] = min(widths[0], max(12, WIDTH - others))
        lines = [self.title, "-" * len(self.title)]
        lines += [line_of(row, widths) for row in [self.headings, *self.rows]]
        return "\n".join(lines + self.notes) + "\n"

    def markdown(self):
        """For the documentation. A row with only a name is the head of a group."""
        lines = [f"**{self.title}**", "", cells_of(self.headings)]
        lines.append(cells_of(["---", *["--:"] * (len(self.headings) - 1)]))
        for row in filter(None, self.rows):
            group = not any(row[1:])
            lines.append(cells_of([f"**{row[0]}**" if group else row[0].strip(), *row[1:]]))
        return "\n".join([*lines, "", *self.notes]) + "\n"


def line_of(row, widths):
    if row is None:
        return ""
    first = shorten(row[0], widths[0]).ljust(widths[0])
    rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([first, *rest]).rstrip()


def cells_of(row):
    return f"| {' | '.join(row)} |"


def shorten(text, width):
    return text if len(text) <= width else text[: width - 1] + "…"


def show(table):
    print(table.plain(), flush=True)
