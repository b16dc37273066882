# SPDX-License-Identifier: Apache-2.0
"""The parts of a conversion's time, each measured separately.

The cost of Python and the libraries (an empty call, their objects, torch's exchange table,
the driver) is timed in C loops or as bare calls. viewcast's parts are differences of public
calls that differ in that part only. All measurements take turns in one process. The second
table compares the sum of the parts with the conversion itself; the rest is in no part.
"""

import argparse
import json
import pathlib
import sys

from driver_calls import NotBuilt, driver_stopwatch, torch_stopwatch
from harness import machine, progress, stopwatches
from harness.methods import said
from harness.sources import Images
from harness.table import Table, show

import viewcast as vc
from viewcast.bench import loop
from viewcast.bench.conversions import Missing, load

IMPORTS = {"torch": "torch", "cupy": "CuPy", "gpumat": "GpuMat", "dlpack": "DLPack"}
EXPORTS = {"gpumat": "as_gpumat", "torch": "as_tensor", "cupy": "as_cupy"}
CONVERSIONS = (
    ("torch", "gpumat"),
    ("gpumat", "torch"),
    ("cupy", "gpumat"),
    ("gpumat", "cupy"),
    ("cupy", "torch"),
    ("torch", "cupy"),
    ("dlpack", "gpumat"),
)


class Parts:
    """Stopwatches by name, and skipped measurements with the reason."""

    def __init__(self, number):
        self.number = number
        self.images = Images()
        self.watches, self.skipped = {}, []

    def add(self, name, make):
        try:
            watch = make()
            watch()
        except Exception as error:  # an error of one library; the other parts are still measured
            known = isinstance(error, (Missing, NotBuilt, vc.ViewError))
            why = str(error) if known else said(error)
            self.skipped.append({"what": name, "why": why})
        else:
            self.watches[name] = watch

    def call(self, name, statement, **images):
        """`images` maps names in the statement to names of Images, or to objects."""

        def make():
            names = {
                key: self.images[value] if isinstance(value, str) else value
                for key, value in images.items()
            }
            return loop.calls(statement, names, self.number)

        self.add(name, make)


def add_python(parts):
    parts.call("an empty C function, one argument", "f(x)", f=callable, x=0)
    parts.call("viewcast.host_mode(), no work", "f()", f=vc.host_mode)


def add_objects(parts):
    """The time in which a library makes and ends its own object."""
    parts.add("GpuMat()", lambda: loop.calls("f()", {"f": load("cv2").cuda.GpuMat}, parts.number))
    parts.add(
        "Tensor.detach()",
        lambda: loop.calls(
            "f(x)", {"f": load("torch").Tensor.detach, "x": parts.images["torch"]}, parts.number
        ),
    )

    def cupy_array():
        array = parts.images["cupy"]
        names = {"f": load("cupy").ndarray, "x": array, "s": array.shape, "d": array.dtype}
        names |= {"p": array.data, "t": array.strides}
        return loop.calls("f(s, d, p, t)", names, parts.number)

    parts.add("cupy.ndarray()", cupy_array)
    for attribute in ("shape", "strides", "dtype", "data.ptr"):
        parts.call(f"cupy: array.{attribute}", f"x.{attribute}", x="cupy")


def add_torch(parts):
    for name, what in {
        "see": "torch's table: see a tensor",
        "own": "torch's table: own it, let go",
        "make": "torch's table: make a tensor, end it",
        "make_pending": "the same, its end with a pending call",
        "make_with_gil": "the same, its end takes the GIL",
        "stream": "torch's table: current stream",
    }.items():
        parts.add(
            what, lambda name=name: torch_stopwatch(name, parts.images["torch"], parts.number)
        )


def add_driver(parts):
    if vc.host_mode():
        parts.skipped.append(
            {"what": "calls of the driver", "why": vc.config()["machine"]["reason"]}
        )
        return
    try:
        side = load("cupy").cuda.Stream(non_blocking=True)
    except Missing as reason:
        parts.skipped.append({"what": "calls of the driver", "why": str(reason)})
        return
    parts.side = side  # must live as long as its handle is used
    pointer, legacy = parts.images["cupy"].data.ptr, 1
    for what, name, first, second in (
        ("cuPointerGetAttributes, one", "pointer_attributes", pointer, 1),
        ("cuPointerGetAttributes, three", "pointer_attributes", pointer, 3),
        ("cuCtxGetCurrent", "current_context", 0, 0),
        ("cuThreadExchangeStreamCaptureMode", "exchange_mode", 0, 0),
        ("cuStreamIsCapturing, legacy", "is_capturing", legacy, 0),
        ("cuStreamIsCapturing, another", "is_capturing", side.ptr, 0),
        ("cuEventRecord, legacy", "record", legacy, 0),
        ("cuEventRecord, another", "record", side.ptr, 0),
        ("cuStreamWaitEvent", "wait_for", legacy, side.ptr),
        ("cuEventQuery, done", "query", side.ptr, 0),
        ("cuStreamQuery, legacy, idle", "stream_query", legacy, 0),
        ("cuStreamQuery, another, idle", "stream_query", side.ptr, 0),
    ):
        parts.add(what, lambda n=name, a=first, b=second: driver_stopwatch(n, a, b, parts.number))


def add_viewcast(parts):
    """Public calls, whose differences are viewcast's parts."""
    for source, library in IMPORTS.items():
        parts.call(f"view({library})", "f(x)", f=vc.view, x=source)
        parts.call(f"view({library}, stream=-1)", "f(x, stream=-1)", f=vc.view, x=source)
    parts.call("view(View): itself", "f(x)", f=vc.view, x="view")
    for target, function in EXPORTS.items():
        f = getattr(vc, function)
        parts.call(f"{function}(its own): itself", "f(x)", f=f, x=target)
        parts.call(f"{function}(View)", "f(x)", f=f, x="view")
        parts.call(f"{function}(View, stream=-1)", "f(x, stream=-1)", f=f, x="view")
        for end in ("x", "x, stream=-1"):
            label = f"end of {function}(View{end[1:]})"
            parts.add(label, lambda f=f, end=end: end_of(parts, f, end))
    for source, target in CONVERSIONS:
        f, name = getattr(vc, EXPORTS[target]), title(source, target)
        parts.call(name, "f(x)", f=f, x=source)
        parts.call(f"{name}, stream=-1", "f(x, stream=-1)", f=f, x=source)


def end_of(parts, function, arguments):
    names = {"f": function, "x": parts.images["view"]}
    return stopwatches.ends(f"f({arguments})", names, max(1, parts.number // 5), vc.collect)


def title(source, target):
    return f"{IMPORTS[source]} -> {IMPORTS[target]}"


def measure(rounds, number):
    parts = Parts(number)
    for add in (add_python, add_objects, add_torch, add_driver, add_viewcast):
        add(parts)
    watches = list(parts.watches.values())
    with progress.bar("Parts", len(watches) * (rounds + 1)) as step:
        times = loop.interleave(watches, rounds, vc.collect, step=step)
    found = {n: loop.summary(t) for n, t in zip(parts.watches, times, strict=True)}
    return {"parts": found, "skipped": parts.skipped, "sums": sums(found)}


def sums(found):
    """The parts of each conversion, in µs; None where one was not measured.

    view(x) and as_y(View) each include a call, its arguments and the look-up of the adapter,
    which a conversion has once. view() also makes a View, which a conversion does not: the
    rest contains that as a negative number.
    """
    minima = {name: times["minimum"] for name, times in found.items()}

    def part(*terms):
        if any(name not in minima for name, _ in terms):
            return None
        return sum(sign * minima[name] for name, sign in terms)

    rows = []
    for source, target in CONVERSIONS:
        name, view = title(source, target), f"view({IMPORTS[source]}, stream=-1)"
        function = EXPORTS[target]
        end = f"end of {function}(View, stream=-1)"
        itself = "view(View): itself"
        parts = {
            "call": part((itself, 1)),
            "import": part((view, 1), (itself, -1)),
            "export": part((f"{function}(View, stream=-1)", 1), (itself, -1), (end, -1)),
            "streams": part((name, 1), (f"{name}, stream=-1", -1)),
            "end": part((end, 1)),
        }
        whole = part((name, 1))
        known = [value for value in parts.values() if value is not None]
        complete = whole is not None and len(known) == len(parts)
        rest = whole - sum(known) if complete else None
        rows.append({"conversion": name, "whole": whole, **parts, "rest": rest})
    return rows


def tables(result):
    """The tables of a report that main() has written as JSON."""
    made = Table("Parts, ns", ["", "min", "median", "spread"])
    for name, times in result["parts"].items():
        numbers = [f"{times[key] * 1000:.0f}" for key in ("minimum", "median", "spread")]
        made.rows.append([name, *numbers])
    yield made
    keys = ("whole", "call", "import", "export", "streams", "end", "rest")
    made = Table("Conversions by their parts, ns", ["", *keys])
    for row in result["sums"]:
        numbers = ["" if row[key] is None else f"{row[key] * 1000:.0f}" for key in keys]
        made.rows.append([row["conversion"], *numbers])
    made.notes += [
        "call: arguments, adapter look-up; import: view() beyond that; export: from a",
        "View, with the library's object; streams: with both current streams looked up,",
        "less the same with stream=-1, whose reading is a keyword's; end: of the result;",
        "rest: the whole less the parts (a View is made in `import` and not in the whole)",
    ]
    yield made


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    described = machine.describe()
    print(*machine.lines(described), "", sep="\n")
    result = {"machine": described} | measure(options.rounds, options.calls)
    for table in tables(result):
        show(table)
    for entry in result["skipped"]:
        print(f"Skipped: {entry['what']}: {entry['why']}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
