# SPDX-License-Identifier: Apache-2.0
"""Budgets of conversions, as ratios to the floor and to other methods in the same process."""

from typing import NamedTuple


class Budget(NamedTuple):
    floor: float  # at most so many times the floor
    peer: float | None  # the most common method takes at least so many times as long
    name: str | None = None  # the name of that method


BUDGETS = {
    "torch -> GpuMat": Budget(2.2, 20, "Savant's helpers"),
    "GpuMat -> torch": Budget(1.35, 6, "Savant's helpers"),
    "CuPy -> GpuMat": Budget(2.2, 10, "Savant's helpers"),
    "GpuMat -> CuPy": Budget(0.5, 3, "Savant's helpers"),
    "CuPy -> torch": Budget(1.7, 4.5, "torch.as_tensor"),
    "torch -> CuPy": Budget(0.5, 4, "cupy.asarray"),
    "DLPack -> GpuMat": Budget(1.5, None),
}


def judge(rows):
    """Adds to each row of one conversion its ratios, and the budget if it has one."""
    floor = next((row for row in rows if row["kind"] == "floor"), None)
    own = next((row for row in rows if row["kind"] == "own"), None)
    for row in rows:
        row["floors"] = row["minimum"] / floor["minimum"] if floor else None
        row["owns"] = row["minimum"] / own["minimum"] if own else None
        row["budget"] = budget_of(row)
    return rows


def budget_of(row):
    budget = BUDGETS.get(row["conversion"])
    if budget and row["kind"] == "own" and row["floors"] is not None:
        return verdict("≤", budget.floor, row["floors"], row["floors"] <= budget.floor)
    if budget and row["method"] == budget.name and row["owns"] is not None:
        return verdict("≥", budget.peer, row["owns"], row["owns"] >= budget.peer)
    return None


def verdict(sign, limit, value, met):
    return {"sign": sign, "limit": limit, "value": value, "met": met}


def describe(budget):
    if budget is None:
        return ""
    return f"{budget['sign']} {budget['limit']:g} {'met' if budget['met'] else 'NOT met'}"
