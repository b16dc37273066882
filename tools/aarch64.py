# SPDX-License-Identifier: Apache-2.0
"""`make test-aarch64`: the C library and its tests for aarch64, under emulation.

Zig's C compiler (PyPI's ziglang) cross-compiles them with warnings as errors; qemu-user runs
them with the C library of libc6-arm64-cross. The tests are those that need neither a GPU nor a
C++ compiler: layouts, protocols, and all transforms with the row kernels for NEON, each compared
with the reference in plain C.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "aarch64"
# An old version of the C library, so that any later one of SYSROOT runs the tests.
TARGET = "aarch64-linux-gnu.2.28"
SYSROOT = pathlib.Path(os.environ.get("AARCH64_SYSROOT", "/usr/aarch64-linux-gnu"))
CORE = ["dtype", "error", "image", "lock", "overlap", "owner", "view"]
PROTOCOL = ["test_protocol_cuda_array_interface", "test_protocol_dlpack"]
TRANSFORM = ["test_resize", "test_transform", "test_transform_plan", "test_yuv"]


def run(*words, **options):
    subprocess.run([str(word) for word in words], check=True, **options)


def cross_file(emulator):
    """Meson's description of the compiler and of the machine."""
    zig = [sys.executable, "-m", "ziglang"]
    path = BUILD.with_suffix(".ini")
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"[binaries]\nc = {[*zig, 'cc', '-target', TARGET]!r}\nar = {[*zig, 'ar']!r}\n"
        f"exe_wrapper = {[emulator, '-L', str(SYSROOT)]!r}\n"
        "[host_machine]\nsystem = 'linux'\ncpu_family = 'aarch64'\ncpu = 'aarch64'\n"
        "endian = 'little'\n"
    )
    return path


def missing():
    """Why the tests cannot run here; None if they can."""
    if not (shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")):
        return "no qemu-aarch64: apt-get install qemu-user-static"
    if not (SYSROOT / "lib" / "ld-linux-aarch64.so.1").exists():
        return f"no C library in {SYSROOT}: apt-get install libc6-arm64-cross"
    return None


def main():
    argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0]).parse_args()
    if why := missing():
        print(f"SKIPPED {why}")
        return
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    env = dict(os.environ, PATH=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    options = ["-Dpython=disabled", "-Dcuda=disabled", "-Dcmake_package=disabled", "-Dwerror=true"]
    # Zig's compiler would make every undefined behaviour a trap in a build for debugging.
    options += [f"--cross-file={cross_file(emulator)}", "--buildtype=release"]
    if not (BUILD / "build.ninja").is_file():
        run(*meson, "setup", BUILD, ROOT, *options, env=env)
    names = [*(f"test_core_{name}" for name in CORE), *PROTOCOL, *TRANSFORM]
    run(*meson, "compile", "-C", BUILD, *names, env=env)
    # Emulation is slow, so the time of each test is ten times its own.
    test = [*meson, "test", "-C", BUILD, "--no-rebuild", "--print-errorlogs", "-t", "10"]
    run(*test, *names, env=dict(env, VIEWCAST_TEST_THIN="11"))


if __name__ == "__main__":
    main()
