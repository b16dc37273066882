# SPDX-License-Identifier: Apache-2.0
"""The six conversions beside other ways of doing the same, and beside the floor:
the least that making the result in Python can cost.

All ways run in one process, in rounds: each round times each way once, so that
what slows the machine down for a while slows all of them. Absolute times move
with the machine; the ratios are what counts. Results are dropped at once, and
that is part of the time.
"""

import argparse
import json
import pathlib
import platform
import statistics
import sys
import timeit

import cupy
import cv2
import torch
from rich.console import Console
from rich.table import Table

import viewcast as vc
from viewcast import savant

SHAPE = (1080, 1920, 3)


def make_images(host):
    """One image a library, and what keeps the memory of the host ones."""
    if host:
        tensor = torch.zeros(SHAPE, dtype=torch.uint8)
        memory = cupy.cuda.UnownedMemory(tensor.data_ptr(), tensor.nbytes, tensor, device_id=0)
        pointer = cupy.cuda.MemoryPointer(memory, 0)
        array = cupy.ndarray(SHAPE, cupy.uint8, pointer)
    else:
        tensor = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
        array = cupy.zeros(SHAPE, cupy.uint8)
    return tensor, array, vc.as_gpumat(tensor)


def make_ways(host, tensor, array, mat):
    """(conversion, way, function, argument)."""
    pointer, strides = array.data, array.strides

    def header(_):
        return cv2.cuda.GpuMat()

    def wrap(_):
        return cupy.ndarray(SHAPE, cupy.uint8, pointer, strides)

    detach = torch.Tensor.detach
    own, name, floor = "viewcast", "viewcast, Savant's name", "floor: "
    ways = {
        "torch → GpuMat": [
            (own, vc.as_gpumat, tensor),
            (name, savant.pytorch_tensor_as_opencv_gpu_mat, tensor),
            (floor + "GpuMat()", header, None),
        ],
        "GpuMat → torch": [
            (own, vc.as_tensor, mat),
            (name, savant.opencv_gpu_mat_as_pytorch_tensor, mat),
            (floor + "detach()", detach, tensor),
        ],
        "CuPy → GpuMat": [
            (own, vc.as_gpumat, array),
            (name, savant.cupy_array_as_opencv_gpu_mat, array),
            (floor + "GpuMat()", header, None),
        ],
        "GpuMat → CuPy": [
            (own, vc.as_cupy, mat),
            (name, savant.opencv_gpu_mat_as_cupy_array, mat),
            (floor + "cupy.ndarray()", wrap, None),
        ],
        "CuPy → torch": [
            (own, vc.as_tensor, array),
            (floor + "detach()", detach, tensor),
        ],
        "torch → CuPy": [
            (own, vc.as_cupy, tensor),
            (floor + "cupy.ndarray()", wrap, None),
        ],
    }
    if not host:
        import savant_way as peer

        # OpenCV's never gives back what it took: here that leaks handles of one
        # and the same tensor.
        opencv_dlpack = getattr(cv2.cuda.GpuMat, "from_dlpack", None)
        theirs = {
            "torch → GpuMat": [
                ("Savant's way", peer.gpumat_from, tensor),
                ("OpenCV's DLPack", opencv_dlpack, tensor),
            ],
            "GpuMat → torch": [
                ("Savant's way", peer.tensor_from_gpumat, mat),
                ("OpenCV's DLPack", torch.from_dlpack, mat),
            ],
            "CuPy → GpuMat": [
                ("Savant's way", peer.gpumat_from, array),
                ("OpenCV's DLPack", opencv_dlpack, array),
            ],
            "GpuMat → CuPy": [
                ("Savant's way", peer.cupy_from_gpumat, mat),
                ("OpenCV's DLPack", cupy.from_dlpack, mat),
            ],
            "CuPy → torch": [
                ("Savant's way: as_tensor", peer.tensor_from_cupy, array),
                ("torch.from_dlpack", torch.from_dlpack, array),
            ],
            "torch → CuPy": [
                ("Savant's way: asarray", peer.cupy_from_tensor, tensor),
                ("cupy.from_dlpack", cupy.from_dlpack, tensor),
            ],
        }
        for conversion, others in theirs.items():
            ways[conversion][-1:-1] = others
    return [(conversion, *way) for conversion, some in ways.items() for way in some]


def only_possible(console, ways):
    """The ways that this machine's versions can go at all."""
    possible = []
    for conversion, way, function, image in ways:
        try:
            function(image)
        except Exception as error:
            if way.startswith(("viewcast", "floor")):
                raise
            reason = str(error).partition("\n")[0]
            console.print(f"{conversion}, {way}: not possible ({reason})")
        else:
            possible.append((conversion, way, function, image))
    return possible


def measure(ways, rounds, calls):
    """µs of each call, a list of one a round for each way."""
    timers = [timeit.Timer("f(x)", globals={"f": f, "x": x}) for _, _, f, x in ways]
    times = [[] for _ in ways]
    for timer in timers:
        timer.timeit(min(calls, 1000))
    for _ in range(rounds):
        for timer, column in zip(timers, times, strict=True):
            column.append(timer.timeit(calls) / calls * 1e6)
            vc.collect()
    return times


def summarise(ways, times):
    rows = []
    for (conversion, way, _, _), column in zip(ways, times, strict=True):
        row = {"conversion": conversion, "way": way, "minimum": min(column)}
        row["median"] = statistics.median(column)
        row["spread"] = max(column) - min(column)
        own = next((r for r in rows if r["conversion"] == conversion), row)
        row["ratio"] = row["minimum"] / own["minimum"]
        rows.append(row)
    return rows


def describe_machine(host):
    machine = {
        "viewcast": vc.__version__,
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "torch": torch.__version__,
        "cupy": cupy.__version__,
        "mode": "host",
    }
    if not host:
        machine["mode"] = torch.cuda.get_device_name()
        machine["cuda_driver"] = cupy.cuda.runtime.driverGetVersion()
        machine["opencv_cuda_devices"] = cv2.cuda.getCudaEnabledDeviceCount()
    return machine


def show(console, rows, title):
    table = Table(title=title, title_justify="left")
    table.add_column("conversion")
    table.add_column("way")
    for name in ("minimum", "median", "spread", "× viewcast"):
        table.add_column(name, justify="right")
    for number, row in enumerate(rows):
        first = number == 0 or rows[number - 1]["conversion"] != row["conversion"]
        if first and number:
            table.add_section()
        table.add_row(
            row["conversion"] if first else "",
            row["way"],
            *(f"{row[name]:.2f}" for name in ("minimum", "median", "spread", "ratio")),
        )
    console.print(table)


def draw(rows, machine, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    labels = [f"{row['conversion']}: {row['way']}" for row in rows]
    own = [row["way"].startswith("viewcast") for row in rows]
    figure, axes = pyplot.subplots(figsize=(9, 0.3 * len(rows) + 1.2))
    axes.barh(
        labels,
        [row["minimum"] for row in rows],
        color=["tab:green" if mine else "tab:gray" for mine in own],
    )
    axes.invert_yaxis()
    axes.set_xlabel(f"µs a call, minimum ({machine['mode']})")
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--chart", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()

    console = Console(width=100, highlight=False)
    host = vc.host_mode()
    if not host and not (torch.cuda.is_available() and cupy.is_available()):
        sys.exit("there is a GPU, but torch or CuPy cannot use it: install CUDA builds")
    machine = describe_machine(host)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    if host:
        console.print(
            "No GPU: only viewcast and the floors run, on host memory. The other ways "
            "need device memory, and these times say nothing about it."
        )
    ways = only_possible(console, make_ways(host, *make_images(host)))
    rows = summarise(ways, measure(ways, options.rounds, options.calls))
    title = f"µs a call, {options.rounds} rounds of {options.calls:,}"
    show(console, rows, title)
    if options.json:
        report = {"machine": machine, "title": title, "ways": rows}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.chart:
        draw(rows, machine, options.chart)


main()
