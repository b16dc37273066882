# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: every target of tests/fuzz for some seconds, under sanitizers.

    python tools/fuzz.py [seconds for each target]

With clang (CLANG names it) the targets are libFuzzer's, and new inputs are kept
in build/fuzz-corpus; else gcc builds them with a driver of our own.
"""

import os
import shutil
import subprocess
import sys
import time

from opencvs import say
from sanitize import MESON, ROOT, run, tools_env

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
TARGETS = sorted(folder.name for folder in CORPUS.iterdir())
RUNS_AT_A_TIME = 200_000


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
    if run(*MESON, "compile", "-C", folder, *targets, env=env):
        sys.exit(f"{folder} can't be built")
    return folder


def fuzz_with_libfuzzer(program, name, seconds):
    found = ROOT / "build" / "fuzz-corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", "-max_len=300", "-print_final_stats=1", "-verbosity=0"]
    options += ["-print_funcs=0"]
    artifacts = f"-artifact_prefix={found.parent}/crash-{name}-"
    return run(program, *options, artifacts, found, CORPUS / name)


def fuzz_with_driver(program, name, seconds):
    end = time.monotonic() + seconds
    seed = 0
    while time.monotonic() < end:
        seed += 1
        if code := run(program, f"-runs={RUNS_AT_A_TIME}", f"-seed={seed}", CORPUS / name):
            return code
    return 0


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    clang = find_clang()
    say(f"Fuzzing, {seconds} s a target, with {clang or 'gcc: no clang with libFuzzer is here'}")
    folder = build(clang)
    failed = False
    for name in TARGETS:
        say(f"fuzz_{name}")
        program = folder / "tests" / "fuzz" / f"fuzz_{name}"
        fuzz = fuzz_with_libfuzzer if clang else fuzz_with_driver
        failed |= fuzz(program, name, seconds) != 0
    sys.exit("fuzz: FAILED" if failed else 0)


if __name__ == "__main__":
    main()
