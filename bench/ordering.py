# SPDX-License-Identifier: Apache-2.0
"""The cost of ordering streams, compared with an event record and wait.

Each conversion is timed without any ordering (stream=-1), with producer and consumer on
the same stream, and with streams that differ: the consumer given as a handle, and as a
stream object. The floor is a record and wait in C code after each unordered
conversion. A loop of records and waits alone, which keeps the driver's code in the caches,
takes less and is printed too. The end of the view is timed as well: where streams differ,
its release is stream-ordered.
"""

import argparse
import json
import pathlib
import sys

from driver_calls import between_stopwatch, driver_stopwatch
from harness import machine, progress, stopwatches
from harness.sources import Images
from harness.table import Table, show

import viewcast as vc
from viewcast.bench import loop
from viewcast.bench.conversions import CONVERSIONS, load, prepare

BUDGET = 1.3  # × the floor, added where streams differ
# The consumer's stream. The handle is read before, as reading the attribute is not timed.
PARTS = ("made", "ended")
STREAMS = {"none": "-1", "same": "1", "differ": "handle", "object": "side"}


def settle():
    load("torch").cuda.synchronize()
    vc.collect()


def measure(rounds, number):
    side = load("cupy").cuda.Stream(non_blocking=True)
    images = Images()
    watches = [driver_stopwatch("record_and_wait", 1, side.ptr, number)]
    for conversion in CONVERSIONS:
        names = prepare(conversion, images) | {"side": side, "handle": side.ptr}
        calls = [f"f(x, stream={stream})" for stream in STREAMS.values()]
        watches += [stopwatches.makes(call, names, number) for call in calls]
        watches += [stopwatches.ends(call, names, number, vc.collect) for call in calls]
        unordered = eval(f"lambda: {calls[0]}", names)
        watches += [between_stopwatch(unordered, 1, to, number) for to in (1, side.ptr)]
    vc.warmup(0)
    with progress.bar("Ordering", len(watches) * (rounds + 1)) as step:
        times = iter(loop.interleave(watches, rounds, settle, step=step))
    result = {"floor": loop.summary(next(times)), "rows": []}
    for conversion in CONVERSIONS:
        row = {"conversion": conversion.name}
        for part in PARTS:
            row[part] = {name: loop.summary(next(times)) for name in STREAMS}
        row["floor"] = {name: loop.summary(next(times)) for name in ("without", "with")}
        result["rows"].append(judged(row))
    return result


def judged(row):
    floor = row["floor"]["with"]["minimum"] - row["floor"]["without"]["minimum"]
    made = {name: row["made"][name]["minimum"] for name in STREAMS}
    row["same_over_none"] = made["same"] / made["none"]
    row["floor"]["between"] = floor
    row["added_over_floor"] = (made["differ"] - made["same"]) / floor
    row["met"] = row["added_over_floor"] <= BUDGET
    return row


def table(result):
    floor = result["floor"]
    made = Table("Keeping streams in order, ns per call, minimum", [""])
    made.headings += ["none", "same", "÷none", "differ", "floor", "added", "object"]
    made.headings += ["end: same", "differ"]
    for row in result["rows"]:
        ns = {part: {n: row[part][n]["minimum"] * 1000 for n in STREAMS} for part in PARTS}
        cells = [ns["made"]["none"], ns["made"]["same"], None, ns["made"]["differ"]]
        cells += [row["floor"]["between"] * 1000, None]
        cells += [ns["made"]["object"], ns["ended"]["same"], ns["ended"]["differ"]]
        cells = ["" if cell is None else f"{cell:.0f}" for cell in cells]
        cells[2] = f"{row['same_over_none']:.2f}"
        cells[5] = f"{row['added_over_floor']:.2f} {'met' if row['met'] else 'NOT'}"
        made.rows.append([row["conversion"], *cells])
    made.notes.append(
        "floor: an event record + wait after each conversion; alone in a loop "
        f"{floor['minimum'] * 1000:.0f} ns (median {floor['median'] * 1000:.0f})"
    )
    made.notes.append(f"added: by streams that differ, in floors; the budget is {BUDGET} at most")
    return made


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    if vc.host_mode():
        print(f"nothing to measure: {vc.config()['machine']['reason']}")
        return 0
    result = {"machine": machine.describe()} | measure(options.rounds, options.calls)
    print(*machine.lines(result["machine"]), "", sep="\n")
    show(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
