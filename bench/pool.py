# SPDX-License-Identifier: Apache-2.0
"""cv2.cuda.resize of a 1080p frame: into a new GpuMat, whose memory comes from OpenCV's
own allocator or from a pool, and into an existing one.

All methods run in one process, in rounds: each round times each method once, so that what
slows the machine down for a while slows all of them. A time is that of a batch of calls
and the wait for the GPU at its end, divided by the number of calls. The floor is the same
call into an existing GpuMat; speed-ups are over OpenCV's own allocator. Results are dropped
at once, as part of the time.
"""

import argparse
import functools
import json
import pathlib
import sys

import cv2
import numpy as np
from harness import machine, progress, stopwatches
from harness.table import Table, show

import viewcast as vc
from viewcast.bench import loop

OWN, EXISTING = "OpenCV's allocator", "existing GpuMat"
POOLS = ("torch", "cupy", "cuda")
FLOORS, FASTER = 1.5, 8  # the budget of a resize from a pool


def available_pools():
    """The pools whose library is installed."""
    for name in POOLS:
        try:
            vc.use_pool(name)
        except (ImportError, vc.ViewError) as error:
            print(f"{name}: not possible ({error})")
        else:
            yield name
    vc.use_pool(None)


def make_methods(names, size):
    """(operation, stream, method, pool, streams to name, call, stream to wait for)."""
    source = cv2.cuda.GpuMat()
    source.upload(np.zeros((1080, 1920, 3), np.uint8))
    existing = cv2.cuda.resize(source, size)
    rows, cols, kind = size[1], size[0], source.type()
    null, side = cv2.cuda.Stream_Null(), cv2.cuda.Stream(1)
    streams = [("null", null, ()), ("blocking", cv2.cuda.Stream(), ())]
    streams.append(("non-blocking, named", side, (side,)))
    methods = []

    def add(operation, stream, named, method, pool, call):
        methods.append((operation, stream[0], method, pool, named, call, stream[1]))

    for title, stream, named in streams:

        def into_existing(stream=stream):
            cv2.cuda.resize(source, size, dst=existing, stream=stream)

        def into_new(stream=stream):
            cv2.cuda.resize(source, size, stream=stream)

        def into_empty(stream=stream):
            mat = vc.empty_gpumat(rows, cols, kind, stream=stream)
            cv2.cuda.resize(source, size, dst=mat, stream=stream)

        at = (title, stream)
        add("resize", at, (), EXISTING, None, into_existing)
        add("resize", at, (), OWN, None, into_new)
        for name in names:
            add("resize", at, named, f'use_pool("{name}")', name, into_new)
        add("resize", at, (), "empty_gpumat()", None, into_empty)

    def make_header():
        cv2.cuda.GpuMat()

    def make_frame():
        cv2.cuda.GpuMat(1080, 1920, kind)

    add("1080p GpuMat", ("", null), (), "GpuMat(), no memory", None, make_header)
    add("1080p GpuMat", ("", null), (), OWN, None, make_frame)
    for name in names:
        add("1080p GpuMat", ("", null), (), f'use_pool("{name}")', name, make_frame)
    return methods


def stopwatch(method, number):
    *_, pool, named, call, stream = method
    use_pool = functools.partial(vc.use_pool, pool, streams=named)
    return stopwatches.batches(call, number, stream.waitForCompletion, before=use_pool)


def measure(methods, rounds, number):
    watches = [stopwatch(method, number) for method in methods]
    with progress.bar("Pools", len(methods) * (rounds + 1)) as step:
        times = loop.interleave(watches, rounds, step=step)
    vc.use_pool(None)
    vc.trim_pool()
    return times


def summarise(methods, times):
    rows = []
    for (operation, stream, method, *_), column in zip(methods, times, strict=True):
        row = {"operation": operation, "stream": stream, "method": method} | loop.summary(column)
        group = [r for r in rows if (r["operation"], r["stream"]) == (operation, stream)] or [row]
        own = next((r for r in group if r["method"] == OWN), None)
        row["floors"] = row["minimum"] / group[0]["minimum"]
        row["faster"] = own["minimum"] / row["minimum"] if own else None
        row["budget"] = budget_of(row)
        rows.append(row)
    return rows


def budget_of(row):
    """True if a resize from a pool meets its budgets: against an existing GpuMat and against
    OpenCV's allocator. None for other rows."""
    if row["operation"] != "resize" or row["method"] in (OWN, EXISTING):
        return None
    return row["floors"] <= FLOORS and row["faster"] >= FASTER


def table(rows, title):
    made = Table(title, ["", "minimum", "median", "×floor", "×faster", "budget"])
    before = None
    for row in rows:
        group = ", ".join(filter(None, (row["operation"], row["stream"])))
        if group != before:
            made.rows += [None] if before else []
            made.rows.append([group] + [""] * 5)
            before = group
        numbers = [f"{row[key]:.2f}" for key in ("minimum", "median", "floors")]
        numbers.append(f"{row['faster']:.1f}" if row["faster"] else "")
        numbers.append({None: "", True: "met", False: "NOT met"}[row["budget"]])
        made.rows.append([f" {row['method']}", *numbers])
    made.notes.append(f"budget: at most {FLOORS} × floor, at least {FASTER} × faster")
    return made


def parse_size(text):
    width, _, height = text.partition("x")
    return int(width), int(height)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--size", type=parse_size, default=(1280, 720), metavar="WIDTHxHEIGHT")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()

    if vc.host_mode() or cv2.cuda.getCudaEnabledDeviceCount() <= 0:
        print(
            "nothing to measure: this computes on a GPU, with an OpenCV built with CUDA; here: "
            f"{vc.config()['machine']['reason']}, OpenCV {cv2.__version__}"
        )
        return 0
    described = machine.describe()
    print(*machine.lines(described), "", sep="\n")
    methods = make_methods(list(available_pools()), options.size)
    rows = summarise(methods, measure(methods, options.rounds, options.calls))
    width, height = options.size
    title = (
        f"µs per call, 1080p to {width} x {height}, {options.rounds} rounds of {options.calls:,}"
    )
    show(table(rows, title))
    if options.json:
        report = {"machine": described, "title": title, "methods": rows}
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
