# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks, one after the other, and writes NAME.json and NAME.txt of each, and all of
their tables into tables.md, in a folder. resize_gpu.py, yuv_gpu.py and yuv_video.py --gpu are run
by themselves.

    python bench/all.py --output FOLDER

It takes less than five minutes, and needs no matplotlib (plot later: `python
bench/conversions.py --from-json FOLDER/conversions.json --plot FILE`). Where one benchmark
fails, the others still run.
"""

import argparse
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
HARNESS = ["conversions.py"]

# Names and arguments of the benchmarks, the most important first; --json FILE is added. A
# script that is missing is reported and skipped.
RUNS = {
    "conversions": [*HARNESS, "--only", "conversions", "--only", "release", "--only", "sizes"],
    "where": ["where.py"],
    "ordering": ["ordering.py"],
    "pool": ["pool.py"],
    "transform_gpu": ["transform_gpu.py"],
    "transform_cpu": ["transform_cpu.py"],
    "resize_cpu": ["resize_cpu.py"],
    "yuv_video": ["yuv_video.py"],
    "threads": [*HARNESS, "--only", "threads", "--rounds", "7"],
    "long": [*HARNESS, "--only", "long", "--long", "10"],
}
# Arguments for --quick, which shows that everything runs.
QUICK = {
    "conversions": ["--rounds", "2", "--calls", "200"],
    "where": ["--rounds", "2", "--calls", "100"],
    "ordering": ["--rounds", "2", "--calls", "100"],
    "pool": ["--rounds", "2", "--calls", "20"],
    "resize_cpu": ["--rounds", "2", "--only", "letterbox"],
    "yuv_video": ["--rounds", "2", "--frames", "16"],
    "threads": ["--rounds", "2", "--calls", "400"],
    "long": ["--long", "0.01"],
}


def command(name, output, quick):
    """The command of a benchmark; None where the script is missing."""
    words = list(RUNS[name])
    if words[0].endswith(".py"):
        script = HERE / words[0]
        if not script.is_file():
            return None
        words[0] = str(script)
    words += QUICK.get(name, []) if quick else []
    return [sys.executable, *words, "--json", str(output / f"{name}.json")]


def run(words, text, limit):
    """Writes the output to `text` and prints it. Returns "passed", or the failure."""
    try:
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired as late:
        printed = late.stdout or b""
        text.write_bytes(printed if isinstance(printed, bytes) else printed.encode())
        return f"STOPPED after {limit:.0f} s"
    text.write_text(done.stdout)
    print(done.stdout, flush=True)
    return "passed" if done.returncode == 0 else f"FAILED (exit code {done.returncode})"


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--only", action="append", choices=RUNS, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="to show that everything runs")
    parser.add_argument(
        "--seconds", type=float, default=290, metavar="S", help="for all benchmarks"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    end, summary = time.monotonic() + options.seconds, []
    for name in options.only or RUNS:
        words = command(name, options.output, options.quick)
        left = end - time.monotonic()
        begin = time.monotonic()
        if words is None:
            result = f"skipped: there is no {RUNS[name][0]}"
        elif left <= 0:
            result = f"NOT RUN: the {options.seconds:.0f} s are over"
        else:
            print(f"==== {name}", flush=True)
            result = run(words, options.output / f"{name}.txt", left)
        summary.append(f"{name:<14} {time.monotonic() - begin:5.0f} s  {result}")
        print(summary[-1], flush=True)
    text = "\n".join(summary) + "\n"
    with open(options.output / "tables.md", "w") as file:
        tables = [sys.executable, HERE / "tables.py", options.output]
        if subprocess.run(tables, stdout=file).returncode:
            text += "tables.md FAILED\n"
    (options.output / "summary.txt").write_text(text)
    print(f"==== Summary\n{text}", end="")
    return int(any(word in text for word in ("FAILED", "STOPPED", "NOT RUN")))


if __name__ == "__main__":
    sys.exit(main())
