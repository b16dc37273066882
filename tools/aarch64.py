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
HOST_MACHINE = """[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""
BUILD_PYTHON = ROOT / "build" / "aarch64-python"
# What pip takes for it.
PIP = ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11"]
PIP += [f"--platform=manylinux{each}_aarch64" for each in ("2014", "_2_27", "_2_28")]
CORE = ["dtype", "error", "image", "lock", "overlap", "owner", "view"]
PROTOCOL = ["test_protocol_cuda_array_interface", "test_protocol_dlpack"]
TRANSFORM = ["test_resize", "test_transform", "test_transform_plan", "test_yuv"]


def run(*words, **options):
    subprocess.run([str(word) for word in words], check=True, **options)


def find_emulator():
    return shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")


def cross_file():
    """Meson's description of the compiler and of the machine."""
    zig = [sys.executable, "-m", "ziglang"]
    path = BUILD.with_suffix(".ini")
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"[binaries]\nc = {[*zig, 'cc', '-target', TARGET]!r}\nar = {[*zig, 'ar']!r}\n"
        f"exe_wrapper = {[find_emulator(), '-L', str(SYSROOT)]!r}\n{HOST_MACHINE}"
    )
    return path


def find_python(version):
    """The words that start Debian's Python for aarch64, which apt-get downloads into build/
    without a change of this system. None if it is of another minor version than this, or
    cannot be had: apt-get of another distribution has other packages."""
    python = BUILD_PYTHON / "usr" / "bin" / f"python{'.'.join(version.split('.')[:2])}"
    if not find_emulator():
        return None
    if not BUILD_PYTHON.exists():
        subprocess.run([ROOT / "tools" / "get_aarch64_python.sh", BUILD_PYTHON], check=False)
    return [find_emulator(), "-L", BUILD_PYTHON, python] if python.exists() else None


def missing():
    """Why the tests cannot run here; None if they can."""
    if not find_emulator():
        return "no qemu-aarch64: apt-get install qemu-user-static"
    if not (SYSROOT / "lib" / "ld-linux-aarch64.so.1").exists():
        return f"no C library in {SYSROOT}: apt-get install libc6-arm64-cross"
    return None


def main():
    argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0]).parse_args()
    if why := missing():
        print(f"SKIPPED {why}")
        return
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    env = dict(os.environ, PATH=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    options = ["-Dpython=disabled", "-Dcuda=disabled", "-Dcmake_package=disabled", "-Dwerror=true"]
    # Zig's compiler would make every undefined behaviour a trap in a build for debugging.
    options += [f"--cross-file={cross_file()}", "--buildtype=release"]
    if not (BUILD / "build.ninja").is_file():
        run(*meson, "setup", BUILD, ROOT, *options, env=env)
    names = [*(f"test_core_{name}" for name in CORE), *PROTOCOL, *TRANSFORM]
    run(*meson, "compile", "-C", BUILD, *names, env=env)
    # Emulation is slow, so the time of each test is ten times its own.
    test = [*meson, "test", "-C", BUILD, "--no-rebuild", "--print-errorlogs", "-t", "10"]
    run(*test, *names, env=dict(env, VIEWCAST_TEST_THIN="11"))


if __name__ == "__main__":
    main()
