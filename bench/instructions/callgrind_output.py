# SPDX-License-Identifier: Apache-2.0
"""Reads callgrind's output: instructions by object file."""

import collections
import re

TRIGGER = re.compile(r"desc: Trigger: Client Request: (.+)")
OBJECT = re.compile(r"(c?)ob=\((\d+)\)(?: (.+))?")  # c: of the called function
COST = re.compile(r"(?:[+-]?\d+|\*)(?: (?:[+-]?\d+|\*))* (\d+)$")


def read(lines, objects):
    """(name of the dump, instructions by object file) of one dump.

    `objects` maps numbers to names from earlier dumps of the run, because callgrind writes
    each name once. The costs of calls (the line after `calls=`) are skipped: the callee has
    them.
    """
    name, current, inclusive = None, None, False
    counts = collections.Counter()
    for line in lines:
        line = line.rstrip("\n")
        if match := TRIGGER.match(line):
            name = match[1]
        elif match := OBJECT.match(line):
            called, number, path = match.groups()
            if path:
                objects[number] = path
            current = current if called else objects[number]
        elif line.startswith("calls="):
            inclusive = True
        elif match := COST.match(line):
            if not inclusive:
                counts[current] += int(match[1])
            inclusive = False
    return name, counts


def read_all(paths):
    """{name of the dump: instructions by object file}, of the dumps of one run in order."""
    objects, found = {}, {}
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            name, counts = read(file, objects)
        if name:
            found[name] = counts
    return found
