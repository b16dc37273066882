# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast bench`: the cost of each conversion.

The benchmarks of the project itself are in bench/ of its sources; `loop` and `conversions` here
are theirs too.
"""

import json
import pathlib

import viewcast as vc

from ..terminal import check_output, fail, positive, print_wrapped, table, versions
from . import loop
from .conversions import CALL, CONVERSIONS, Images, Missing, floor_of, prepare


def add_command(commands):
    parser = commands.add_parser(
        "bench",
        help="time every conversion",
        description="Times every conversion that this machine can run, beside a bare call, "
        "in which the library itself makes an object of the same kind without a conversion. "
        "All of them take turns in one process.",
        epilog="Times depend on the machine and on other programs that run on it. The fastest "
        "round is the cost of a call; ratios are of fastest rounds. Exit code 1: no conversion "
        "can run here.",
    )
    whole = {"type": positive, "metavar": "N"}
    parser.add_argument("--rounds", default=25, help="default: %(default)s", **whole)
    parser.add_argument("--calls", default=5_000, help="per round; default: %(default)s", **whole)
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.set_defaults(run=run)


def run(options):
    try:
        if options.json:
            check_output(options.json)
        machine = versions() | {"mode": vc.config()["machine"]["reason"]}
        print_wrapped(", ".join(f"{name} {machine[name] or 'missing'}" for name in versions()))
        print_wrapped(machine["mode"])
        print(f"ns per call, the fastest and the median of {options.rounds} rounds\n", flush=True)
        report = {"machine": machine, "rounds": options.rounds, "calls": options.calls}
        report |= measure(options.rounds, options.calls)
        headings = ["conversion", "fastest", "median", "bare call", "fastest", "ratio"]
        if rows := list(map(cells, report["conversions"])):
            print(*table(headings, rows), sep="\n")
        for reason, names in report["skipped"].items():
            print_wrapped(f"Skipped, {reason}: {', '.join(names)}")
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    except (OSError, vc.ViewError) as error:
        return fail("bench", error)
    return 0 if rows else 1


def measure(rounds, calls):
    watches, rows, skipped = [], [], {}
    images = Images()
    for conversion in CONVERSIONS:
        try:
            names, bare = prepare(conversion, images), floor_of(conversion, images)
        except Missing as reason:
            skipped.setdefault(str(reason), []).append(conversion.name)
            continue
        rows.append({"conversion": conversion.name, "bare_call": bare.name})
        watches.append(loop.calls(CALL, names, calls))
        watches.append(loop.calls(bare.statement, bare.names, calls))
    times = iter(loop.interleave(watches, rounds, vc.collect))
    for row in rows:
        for key in ("ns", "bare_call_ns"):
            found = loop.summary(next(times))
            row[key] = {name: round(1000 * found[name], 1) for name in ("minimum", "median")}
    return {"conversions": rows, "skipped": skipped}


def cells(row):
    own, bare = row["ns"], row["bare_call_ns"]
    numbers = [f"{each:.0f}" for each in (own["minimum"], own["median"], bare["minimum"])]
    ratio = f"{own['minimum'] / bare['minimum']:.2f}"
    return [row["conversion"], *numbers[:2], row["bare_call"], numbers[2], ratio]
