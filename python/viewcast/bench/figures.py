# SPDX-License-Identifier: Apache-2.0
"""What `python -m viewcast bench` does, once it is asked for."""

import json
import pathlib
import platform

import viewcast as vc

from ..terminal import check_output, fail, table, wrapped
from . import loop
from .images import Images, Missing, load
from .ways import CALL, CONVERSIONS, floor_of, prepare

LIBRARIES = {"OpenCV": "cv2", "PyTorch": "torch", "CuPy": "cupy", "NumPy": "numpy"}


def run(options):
    try:
        if options.json:
            check_output(options.json)
        machine = describe(options)
        introduce(machine)
        report = {"machine": machine, **measure(options.rounds, options.calls)}
        show(report)
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    except (OSError, vc.ViewError) as error:
        return fail("bench", error)
    return 0


def describe(options):
    machine = {"viewcast": vc.__version__, "Python": platform.python_version()}
    for name, module in LIBRARIES.items():
        try:
            machine[name] = load(module).__version__
        except Missing:
            machine[name] = None
    return machine | {"mode": vc.mode_reason(), "rounds": options.rounds, "calls": options.calls}


def introduce(machine):
    versions = ("viewcast", "Python", *LIBRARIES)
    for line in (
        ", ".join(f"{name} {machine[name] or 'missing'}" for name in versions),
        machine["mode"],
        f"ns a call, the fastest and the median of {machine['rounds']} rounds",
    ):
        print(*wrapped(line, indent="  ", first=""), sep="\n")
    print(flush=True)


def measure(rounds, calls):
    watches, rows, skipped = [], [], {}
    images = Images()
    for conversion in CONVERSIONS:
        try:
            names = prepare(conversion, images)
            floor = floor_of(conversion, images)
        except Missing as reason:
            skipped.setdefault(str(reason), []).append(conversion.name)
            continue
        rows.append({"conversion": conversion.name, "bare_call": floor and floor.name})
        watches.append(loop.calls(CALL, names, calls))
        if floor:
            watches.append(loop.calls(floor.statement, floor.names, calls))
    times = iter(loop.interleave(watches, rounds, vc.collect))
    for row in rows:
        row["ns"] = nanoseconds(next(times))
        row["bare_call_ns"] = nanoseconds(next(times)) if row["bare_call"] else None
    return {"conversions": rows, "skipped": skipped}


def nanoseconds(microseconds):
    made = loop.summary(microseconds)
    return {key: round(1000 * made[key], 1) for key in ("minimum", "median")}


def show(report):
    headings = ["conversion", "fastest", "median", "bare call", "fastest", "ratio"]
    print(*table(headings, list(map(cells, report["conversions"]))), sep="\n")
    for reason, names in report["skipped"].items():
        print(*wrapped(f"Skipped, {reason}: {', '.join(names)}", indent="  ", first=""), sep="\n")


def cells(row):
    own, bare = row["ns"], row["bare_call_ns"]
    made = [row["conversion"], f"{own['minimum']:.0f}", f"{own['median']:.0f}"]
    if bare is None:
        return [*made, "", "", ""]
    ratio = own["minimum"] / bare["minimum"]
    return [*made, row["bare_call"], f"{bare['minimum']:.0f}", f"{ratio:.2f}"]
