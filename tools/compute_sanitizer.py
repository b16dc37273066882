# SPDX-License-Identifier: Apache-2.0
"""Runs tests/gpu under NVIDIA's compute-sanitizer: one process per file, several at once.

    python tools/compute_sanitizer.py [--tools memcheck racecheck initcheck] [--at-once 6]
                                      [--seconds 540] [files of tests]

Findings are: every access of any kernel outside of its memory, because it may have got a
wrong view; races and reads of uninitialised memory in viewcast's kernels; and every failed
call of the driver with a frame of viewcast on its stack, except those in EXPECTED. Findings
of other libraries' calls are only counted. Needs a viewcast that this Python imports, and
compute-sanitizer; tools/sanitize_gpu.sh provides both.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import stages
from stages import ROOT, Stage

LOGS = ROOT / "build" / "compute-sanitizer"
TESTS = ROOT / "tests" / "gpu"
OWN_KERNELS = ["--kernel-name", "kns=vc_"]
# Races are searched for in viewcast's kernels only, and both with small images, as it takes long.
# Memory that another kernel wrote would count as uninitialised if that were left out.
SMALL = "small or test_same_bytes_as_on_the_host or test_boxes"
TOOLS = {
    # Without the tests of naive use, which has races, and a capture in which torch allocates,
    # which needs its pool.
    "memcheck": ([], ["-k", "not naive and not test_in_a_capture"]),
    "racecheck": (OWN_KERNELS, ["-k", SMALL]),
    "initcheck": ([], ["-k", SMALL]),
}
SOME_FAILED = 1  # pytest's exit code
# In place of 1,000 trials of a race test: each makes the same accesses in another order.
TRIALS = "20"
KERNEL_TESTS = [
    TESTS / f"test_{name}.py" for name in ("transform", "resize", "resize_kernels", "yuv")
]
# The longest first; files that run no GPU kernel are skipped.
FIRST = ["order", "reuse", "pool", "lifetime", "transform", "to_functions", "devices"]
WITHOUT = ["docs"]
# These test the pools of libraries. Elsewhere pools are off, so that each image has an
# allocation of its own and accesses behind it are found.
WITH_POOLS = ["pool", "reuse", "order", "capture", "lifetime"]
OURS = re.compile(r"_viewcast\.|libviewcast|kernels/[a-z]+\.cuh?|\bvc_[a-z0-9_]+\(")
# (call, error): why it is an expected result.
EXPECTED = {
    ("cuStreamIsCapturing", "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"): (
        "viewcast asks whether the default stream may be used during a capture: it may not"
    ),
    ("cuStreamGetCaptureInfo", "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"): "the same",
    ("cuCtxGetDevice", "CUDA_ERROR_INVALID_CONTEXT"): "a thread that has no current device",
    ("cuDeviceGetAttribute", "CUDA_ERROR_INVALID_DEVICE"): "a test names a GPU that is not there",
    ("cuEventQuery", "CUDA_ERROR_NOT_READY"): "work that is not done yet",
    ("cuStreamQuery", "CUDA_ERROR_NOT_READY"): "the same",
    ("cuMemAlloc", "CUDA_ERROR_OUT_OF_MEMORY"): "pools are asked for more than there is",
    ("cudaMalloc", "cudaErrorMemoryAllocation"): "the same, by torch, CuPy and OpenCV",
    ("cudaGetLastError", "cudaErrorMemoryAllocation"): "which then clears the error",
}
# Messages about processes that did not use a GPU, or whose tests failed.
OF_PROCESSES = ("Target application", "Error: process", "Error: No attachable", "Error: Target")
# First lines of messages that are no findings.
SILENT = ("COMPUTE-SANITIZER", "ERROR SUMMARY", "RACECHECK SUMMARY", "LEAK SUMMARY")


# --- compute-sanitizer's output


def records(text):
    """The findings, each a list of its first line and the lines that belong to it."""
    found = []
    for line in text.splitlines():
        part = line.removeprefix("=========").rstrip()
        if not line.startswith("=========") or not part.strip():
            continue
        if part.startswith("  ") and found:
            found[-1].append(part.strip())
        else:
            found.append([part.strip()])
    return [record for record in found if not record[0].startswith(SILENT)]


def call_and_error(head):
    """("cuY", "CUDA_ERROR_X") of "Program hit CUDA_ERROR_X (error 1) due to "..." on CUDA API
    call to cuY."."""
    match = re.match(r"Program hit (\S+) .* on CUDA API call to (\w+)", head)
    return (match[2], match[1]) if match else None


def is_expected(call, error):
    return any(call.startswith(name) and error == what for name, what in EXPECTED)


def judge(record):
    """The origin of a finding: "ours", "expected" (ours too), or "others"."""
    head, lines = record[0], record[1:]
    failed_call = call_and_error(head)
    if failed_call is None:
        remarks = ("Warning", "WARNING", *OF_PROCESSES)
        return "others" if head.startswith(remarks) else "ours"
    if not any(OURS.search(line) for line in lines):
        return "others"
    return "expected" if is_expected(*failed_call) else "ours"


def kind(record):
    """The first line without parts that differ between findings of one kind."""
    return re.sub(r"0x[0-9a-f]+|\d{3,}", "N", record[0])


def read(folder):
    """All findings by origin, and the number of processes that ended properly."""
    found, ended = collections.defaultdict(list), 0
    for log in sorted(folder.glob("*.txt")):
        text = log.read_text(errors="replace")
        ended += " SUMMARY: " in text
        for record in records(text):
            found[judge(record)].append(record)
    return found, ended


# --- one file of tests


def environment(name):
    env = dict(os.environ, XLA_PYTHON_CLIENT_PREALLOCATE="false")
    env.setdefault("VIEWCAST_TRIALS", TRIALS)
    # By default it records Python's frames, never releases them and their variables, and takes
    # the GIL while it holds a lock of its own.
    env["SANITIZER_HOST_STACKTRACE_NATIVE"] = "1"
    if name not in WITH_POOLS:
        env["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"
    return env


def check(tool, file, arguments):
    """Returns exit code 0 where no finding is ours. Failed tests are shown only: some measure
    times or free memory, which the tool and other processes on the GPU change."""
    name = file.stem.removeprefix("test_")
    folder = LOGS / f"{tool}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    options, chosen = TOOLS[tool]
    command = ["compute-sanitizer", "--tool", tool, *options, "--target-processes", "all"]
    command += ["--print-limit", "1000", "--log-file", f"{folder}/%p.txt"]
    command += [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
    command += chosen + arguments
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, env=environment(name), check=False)
    found, ended = read(folder)
    for record in found["ours"][:20]:
        print("", *record, sep="\n  ")
    for judgement in ("ours", "expected", "others"):
        for what, count in collections.Counter(map(kind, found[judgement])).most_common(20):
            print(f"{judgement}: {count} x {what}")
    (folder / "findings.json").write_text(json.dumps(found, indent=1) + "\n")
    counts = {judgement: len(found[judgement]) for judgement in ("ours", "expected", "others")}
    tests = "passed" if done.returncode == 0 else f"ended with {done.returncode}"
    print(f"findings: {counts}; {ended} processes checked; pytest {tests}")
    return done.returncode not in (0, SOME_FAILED) or counts["ours"] > 0 or ended == 0


# --- all of them


def chosen_files(files):
    if files:
        return [pathlib.Path(file).resolve() for file in files]
    found = {path.stem.removeprefix("test_"): path for path in sorted(TESTS.glob("test_*.py"))}
    order = [name for name in FIRST if name in found]
    order += [name for name in found if name not in FIRST and name not in WITHOUT]
    return [found[name] for name in order]


def all_stages(options):
    for tool in options.tools:
        files = chosen_files(options.files)
        if tool != "memcheck" and not options.files:
            files = KERNEL_TESTS
        for file in files:
            command = [sys.executable, pathlib.Path(__file__).resolve(), "--one", tool, file]
            yield Stage(f"{tool}: {file.name}", command)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--tools", nargs="+", choices=list(TOOLS), default=list(TOOLS))
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument(
        "--seconds", type=float, default=540, help="all that is not done then fails"
    )
    parser.add_argument("--one", choices=list(TOOLS), help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*")
    options, arguments = parser.parse_known_args()
    if shutil.which("compute-sanitizer") is None:
        sys.exit("compute-sanitizer is not on PATH: it comes with the CUDA toolkit")
    if options.one:
        sys.exit(check(options.one, pathlib.Path(options.files[0]), arguments))
    sys.exit(not stages.run(all_stages(options), options.at_once, options.seconds))


if __name__ == "__main__":
    main()
