# SPDX-License-Identifier: Apache-2.0
"""Each conversion, other methods of the same conversion, and its floor."""

import viewcast as vc
from viewcast.bench import loop

from . import budgets, progress
from .methods import methods_of
from .table import Table

TITLE = "Conversions, µs per call"


def measure(setup):
    groups = [methods for _, methods in setup.each(methods_of)]
    methods = []
    for group, skipped in groups:
        methods += group
        for what, reason in skipped:
            setup.skip(what, reason)
    watches = [loop.calls(w.statement, w.names, setup.number(w.share)) for w in methods]
    with progress.bar("Conversions", len(watches) * (setup.rounds + 1)) as step:
        times = loop.interleave(watches, setup.rounds, vc.collect, step=step)
    rows = []
    for method, column in zip(methods, times, strict=True):
        row = {
            "conversion": method.conversion,
            "method": method.name,
            "kind": method.kind,
            "note": method.note,
        }
        rows.append(row | {"calls": setup.number(method.share)} | loop.summary(column))
    for name in dict.fromkeys(row["conversion"] for row in rows):
        budgets.judge([row for row in rows if row["conversion"] == name])
    return {"title": TITLE, "rows": rows}


def table(result, machine):
    headings = ["", "min", "median", "spread", "×floor", "×ours", "budget"]
    made = Table(result["title"], headings)
    before = None
    for row in result["rows"]:
        if row["conversion"] != before:
            made.rows += [None] if before else []
            made.rows.append([row["conversion"]] + [""] * 6)
            before = row["conversion"]
        numbers = [row[key] for key in ("minimum", "median", "spread", "floors", "owns")]
        made.rows.append(
            [f" {row['method']}", *map(number, numbers), budgets.describe(row["budget"])]
        )
    made.notes += [f"{row['method']}: {row['note']}" for row in first_noted(result["rows"])]
    judged = [row["budget"] for row in result["rows"] if row["budget"]]
    if judged:
        met = sum(budget["met"] for budget in judged)
        made.notes.append(f"{met} of {len(judged)} budgets met (of ×floor at most, ×ours at least)")
    if judged and machine["mode"] == "host":
        made.notes.append("Host memory: the budgets are those of a machine with a GPU.")
    return made


def number(value):
    return "" if value is None else f"{value:.2f}"


def first_noted(rows):
    """The first row of each method that has a note."""
    seen = {}
    for row in rows:
        if row["note"]:
            seen.setdefault(row["method"], row)
    return seen.values()
