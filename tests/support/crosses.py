# SPDX-License-Identifier: Apache-2.0
"""Tests of every combination of several arguments, of which a part is enough for most runs."""

import itertools

import pytest


def cross(impossible=lambda *names: False, **axes):
    """Parametrizes a test by all combinations of the axes, each a dictionary of named values;
    without those of whose names impossible() is true.

    Combinations are unmarked until every pair of values of two axes is in one of them. The
    others have the marker `exhaustive`: they run with one OpenCV, and not under sanitizers."""
    numbered = [list(enumerate(axis)) for axis in axes.values()]
    grid = itertools.product(*numbered)
    grid = [at for at in grid if not impossible(*(name for _, name in at))]

    def diagonal(at):  # combinations of one diagonal have most pairs
        *others, last = (number for number, _ in at)
        return (last - sum(others)) % len(numbered[-1])

    covered, exhaustive = set(), set()
    for at in sorted(grid, key=diagonal):
        pairs = set(itertools.combinations(enumerate(at), 2))
        if pairs <= covered:
            exhaustive.add(at)
        covered |= pairs

    def param(at):
        names = [name for _, name in at]
        values = [axis[name] for axis, name in zip(axes.values(), names, strict=True)]
        marks = [pytest.mark.exhaustive] if at in exhaustive else []
        return pytest.param(*values, id="-".join(map(str, names)), marks=marks)

    return pytest.mark.parametrize(list(axes), list(map(param, grid)))
