# SPDX-License-Identifier: Apache-2.0
"""What it costs to keep streams in order, beside an event record and wait.

Each conversion is timed three ways, in interleaved rounds of one process: without any
ordering (stream=-1), with producer and consumer on the same stream, and with streams
that differ. The floor is a record and wait made by C code after each unordered
conversion; the same in a loop of nothing else is printed too. Where streams differ, the
end of the view is timed too: its memory waits for the consumer.
"""

import argparse
import ctypes
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import viewcast as vc


def event_floor() -> ctypes.PyDLL:
    """The C loop, compiled for this machine."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.exit("bench/ordering.py needs a C compiler for its floor")
    library = pathlib.Path(tempfile.mkdtemp()) / "event_floor.so"
    source = pathlib.Path(__file__).with_name("event_floor.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", source, "-o", library, "-ldl"], check=True)
    floor = ctypes.PyDLL(str(library))
    floor.record_and_wait.restype = ctypes.c_double
    floor.record_and_wait.argtypes = [
        *(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int),
        *(ctypes.c_void_p, ctypes.c_int),
    ]
    return floor


def nanoseconds(call, calls: int) -> tuple[float, float]:
    """Of making one view, and of ending it."""
    views = [None] * calls
    start = time.perf_counter_ns()
    for index in range(calls):
        views[index] = call()
    made = time.perf_counter_ns()
    views.clear()
    vc.collect()
    return (made - start) / calls, (time.perf_counter_ns() - made) / calls


def ways(cupy, torch, side) -> dict[str, tuple]:
    """For each conversion: no ordering, the same stream, a stream that differs (its
    handle), and the same by its stream object."""
    tensor = torch.zeros((1080, 1920, 3), dtype=torch.uint8, device="cuda")
    array = cupy.zeros((1080, 1920, 3), cupy.uint8)
    mat = vc.as_gpumat(tensor)
    handle = side.ptr  # read once: its attribute is not what is timed
    images = {
        "torch → GpuMat": (vc.as_gpumat, tensor),
        "GpuMat → torch": (vc.as_tensor, mat),
        "CuPy → GpuMat": (vc.as_gpumat, array),
        "GpuMat → CuPy": (vc.as_cupy, mat),
        "CuPy → torch": (vc.as_tensor, array),
        "torch → CuPy": (vc.as_cupy, tensor),
    }
    return {
        name: (
            lambda c=convert, i=image: c(i, stream=-1),
            lambda c=convert, i=image: c(i, stream=1),
            lambda c=convert, i=image: c(i, stream=handle),
            lambda c=convert, i=image: c(i, stream=side),
        )
        for name, (convert, image) in images.items()
    }


def measure(rounds: int, calls: int) -> dict:
    import cupy
    import torch

    side = cupy.cuda.Stream(non_blocking=True)
    floor, every = event_floor(), ways(cupy, torch, side)
    times = {name: tuple({"made": [], "ended": []} for _ in ways) for name, ways in every.items()}
    floors, beside = [], {name: {"with": [], "without": []} for name in every}
    vc.warmup(0)
    for _ in range(rounds):
        floors.append(floor.record_and_wait(1, side.ptr, calls, None, 1))
        for name, each in every.items():
            for key, orders in (("with", 1), ("without", 0)):
                taken = floor.record_and_wait(1, side.ptr, calls, id(each[0]), orders)
                beside[name][key].append(taken)
            for slot, call in zip(times[name], each, strict=True):
                made, ended = nanoseconds(call, calls)
                slot["made"].append(made)
                slot["ended"].append(ended)
                torch.cuda.synchronize()
                vc.collect()
    return {"floor": floors, "floor_beside": beside, "conversions": times}


HEADINGS = ("conversion", "none", "same", "differ", "floor", "ratio", "object", "end", "differ")


def rows(result: dict):
    """Each conversion's nanoseconds, and how many times the floor is added."""
    for name, measured in result["conversions"].items():
        none, same, differ, named = (min(each["made"]) for each in measured)
        beside = result["floor_beside"][name]
        floor = min(beside["with"]) - min(beside["without"])
        ends = [min(each["ended"]) for each in measured]
        numbers = [f"{number:.0f}" for number in (none, same, differ, floor)]
        ratio = f"{(differ - same) / floor:.2f}"
        yield [name, *numbers, ratio, f"{named:.0f}", f"{ends[1]:.0f}", f"{ends[2]:.0f}"]


def report(result: dict) -> None:
    floors = result["floor"]
    print("ns a call, minimum. floor: an event record + wait after each conversion")
    print(f"(alone in a loop: {min(floors):.0f}, median {statistics.median(floors):.0f}).")
    print("ratio: (differ - same) / floor. object: differ, the stream given as an object.")
    print("end: of a view, on the same stream and on another.")
    print(f"{HEADINGS[0]:16}" + "".join(f"{heading:>8}" for heading in HEADINGS[1:]))
    for name, *columns in rows(result):
        print(f"{name:16}" + "".join(f"{column:>8}" for column in columns))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if vc.host_mode():
        print(f"nothing to measure: {vc.mode_reason()}")
        return 0
    result = measure(options.rounds, options.calls)
    report(result)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
