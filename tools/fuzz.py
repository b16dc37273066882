# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: runs every target of tests/fuzz for some seconds, under sanitizers.

    python tools/fuzz.py [seconds for each target]

With clang (CLANG names it) the targets are built with libFuzzer, and new inputs are kept
in build/fuzz-corpus; else gcc builds them with the driver tests/fuzz/driver.c.
"""

import os
import re
import shutil
import subprocess
import sys
import time

from opencvs import say
from sanitize import MESON, ROOT, run, tools_env

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
TARGETS = sorted(folder.name for folder in CORPUS.iterdir())
RUNS_AT_A_TIME = 200_000
# The numbers of inputs in the output of libFuzzer and of driver.c.
INPUTS = re.compile(r"number_of_executed_units: (\d+)|corpus, (\d+) mutations")


def find_clang():
    clang = shutil.which(os.environ.get("CLANG", "clang"))
    if not clang:
        return None
    program = "int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }"
    command = [clang, "-fsanitize=fuzzer,address", "-x", "c", "-", "-o", os.devnull]
    linked = subprocess.run(command, input=program, text=True, capture_output=True)
    return clang if linked.returncode == 0 else None


def build(clang):
    folder = ROOT / "build" / ("fuzz-clang" if clang else "fuzz-gcc")
    env = tools_env(CC=clang or "gcc")
    flags = "-fno-sanitize-recover=all -fno-omit-frame-pointer"
    if clang:
        flags += " -fsanitize=fuzzer-no-link"
    if not (folder / "build.ninja").is_file():
        options = [f"-Dfuzz={str(bool(clang)).lower()}", "-Dpython=disabled", f"-Dc_args={flags}"]
        options += ["-Dcuda=disabled", "-Db_sanitize=address,undefined", "-Db_lundef=false"]
        if run(*MESON, "setup", folder, *options, env=env):
            sys.exit(f"{folder} can't be configured")
    targets = [f"tests/fuzz/fuzz_{name}" for name in TARGETS]
    # Not `meson compile`: it knows the targets of the last configuration only.
    if run("ninja", "-C", folder, *targets, env=env):
        sys.exit(f"{folder} can't be built")
    return folder


def fuzz_with_libfuzzer(program, name, seconds):
    found = ROOT / "build" / "fuzz-corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", "-max_len=300", "-print_final_stats=1", "-verbosity=0"]
    options += ["-print_funcs=0"]
    artifacts = f"-artifact_prefix={found.parent}/crash-{name}-"
    return watch(program, *options, artifacts, found, CORPUS / name)


def watch(*command):
    """Runs a target and shows its output; returns the exit code and the number of inputs."""
    words = [str(word) for word in command]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(words, cwd=ROOT, text=True, errors="replace", check=False, **both)
    print(done.stdout, end="", flush=True)
    return done.returncode, sum(int(a or b) for a, b in INPUTS.findall(done.stdout))


def fuzz_with_driver(program, name, seconds):
    end = time.monotonic() + seconds
    code = seed = total = 0
    while code == 0 and time.monotonic() < end:
        seed += 1
        code, inputs = watch(program, f"-runs={RUNS_AT_A_TIME}", f"-seed={seed}", CORPUS / name)
        total += inputs
    return code, total


def name_of(clang):
    return f"libFuzzer ({clang})" if clang else "a driver of our own: there is no libFuzzer here"


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    clang = find_clang()
    say(f"Fuzzing, {seconds} s a target, with {name_of(clang)}")
    folder = build(clang)
    crashed, total = [], 0
    for name in TARGETS:
        say(f"fuzz_{name}")
        program = folder / "tests" / "fuzz" / f"fuzz_{name}"
        fuzz = fuzz_with_libfuzzer if clang else fuzz_with_driver
        code, inputs = fuzz(program, name, seconds)
        total += inputs
        if code:
            crashed.append(name)
    say("Fuzzing")
    if crashed:
        sys.exit(f"FAILED: {', '.join(crashed)}")
    print(f"{len(TARGETS)} targets, {total:,} inputs, no crash, by {name_of(clang)}")


if __name__ == "__main__":
    main()
