# SPDX-License-Identifier: Apache-2.0
"""cv2.cuda.resize of a 1080p frame: into a new GpuMat, whose memory comes from OpenCV's
own allocator or from a pool, and into an existing one.

All ways run in one process, in rounds: each round times each way once, so that what
slows the machine down for a while slows all of them. A time is that of a batch of calls
and of waiting for the GPU at its end, over the number of calls. The floor is the same
call into an existing GpuMat; what is faster is so than with OpenCV's own allocator.
Results are dropped at once, and that is part of the time.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

import viewcast as vc

OWN, EXISTING = "OpenCV's allocator", "existing GpuMat"
POOLS = ("torch", "cupy", "cuda")


def available_pools(console):
    """The pools whose library is here."""
    for name in POOLS:
        try:
            vc.use_pool(name)
        except (ImportError, vc.ViewError) as error:
            console.print(f"{name}: not possible ({error})")
        else:
            yield name
    vc.use_pool(None)


def make_ways(names, size):
    """(operation, stream, way, pool, streams to name, call, stream to wait for)."""
    source = cv2.cuda.GpuMat()
    source.upload(np.zeros((1080, 1920, 3), np.uint8))
    existing = cv2.cuda.resize(source, size)
    rows, cols, kind = size[1], size[0], source.type()
    null, side = cv2.cuda.Stream_Null(), cv2.cuda.Stream(1)
    streams = [("null", null, ()), ("blocking", cv2.cuda.Stream(), ())]
    streams.append(("non-blocking, named", side, (side,)))
    ways = []

    def add(operation, stream, named, way, pool, call):
        ways.append((operation, stream[0], way, pool, named, call, stream[1]))

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
    return ways


def time_batch(way, calls):
    """µs a call."""
    *_, pool, named, call, stream = way
    vc.use_pool(pool, streams=named)
    call()
    stream.waitForCompletion()
    start = time.perf_counter_ns()
    for _ in range(calls):
        call()
    stream.waitForCompletion()
    return (time.perf_counter_ns() - start) / calls / 1000


def measure(ways, rounds, calls):
    times = [[] for _ in ways]
    for way in ways:  # blocks, kernels and caches are there
        time_batch(way, min(calls, 100))
    for _ in range(rounds):
        for way, column in zip(ways, times, strict=True):
            column.append(time_batch(way, calls))
    vc.use_pool(None)
    vc.pool_trim()
    return times


def summarise(ways, times):
    rows = []
    for (operation, stream, way, *_), column in zip(ways, times, strict=True):
        row = {"operation": operation, "stream": stream, "way": way}
        row["minimum"] = min(column)
        row["median"] = statistics.median(column)
        group = [r for r in rows if (r["operation"], r["stream"]) == (operation, stream)] or [row]
        own = next((r for r in group if r["way"] == OWN), None)
        row["floors"] = row["minimum"] / group[0]["minimum"]
        row["faster"] = own["minimum"] / row["minimum"] if own else None
        rows.append(row)
    return rows


def show(console, rows, title):
    table = Table(title=title, title_justify="left")
    for name in ("operation", "stream", "way"):
        table.add_column(name)
    for name in ("minimum", "median", "× floor", "× faster"):
        table.add_column(name, justify="right")
    before = None
    for row in rows:
        group = (row["operation"], row["stream"])
        if before is not None and group != before:
            table.add_section()
        table.add_row(
            *(group if group != before else ("", "")),
            row["way"],
            f"{row['minimum']:.2f}",
            f"{row['median']:.2f}",
            f"{row['floors']:.2f}",
            f"{row['faster']:.1f}" if row["faster"] else "",
        )
        before = group
    console.print(table)


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

    console = Console(width=110, highlight=False)
    if vc.host_mode() or cv2.cuda.getCudaEnabledDeviceCount() <= 0:
        sys.exit(
            "this benchmark computes on a GPU, with an OpenCV built with CUDA; here: "
            f"{vc.mode_reason()}, OpenCV {cv2.__version__}"
        )
    machine = {"viewcast": vc.__version__, "opencv": cv2.__version__, "mode": vc.mode_reason()}
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    ways = make_ways(list(available_pools(console)), options.size)
    rows = summarise(ways, measure(ways, options.rounds, options.calls))
    width, height = options.size
    title = f"µs a call, 1080p to {width} x {height}, {options.rounds} rounds of {options.calls:,}"
    show(console, rows, title)
    if options.json:
        report = {"machine": machine, "title": title, "ways": rows}
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
