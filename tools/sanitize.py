# SPDX-License-Identifier: Apache-2.0
"""The tests under sanitizers: `make test-asan`, `make test-valgrind`, `make test-tsan`.

    python tools/sanitize.py asan [arguments of pytest]
    python tools/sanitize.py asan-c|asan-python|asan-slow|asan-cuda|valgrind|tsan

asan: AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer over the C
tests and the Python suite (stock OpenCV 5; some files once more under VIEWCAST_SLOW=1,
and some with an OpenCV built with CUDA where VIEWCAST_CUDA_CV2 names a folder of wheels).
Its four parts run by themselves too; the first, asan-c, builds the package for the others.
valgrind and tsan (ThreadSanitizer): over the C tests.
"""

import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from opencvs import opencvs, say

ROOT = pathlib.Path(__file__).resolve().parent.parent
MESON = [sys.executable, "-m", "mesonbuild.mesonmain"]

# Leaks that LeakSanitizer reports at every exit, in modules that are not viewcast's, with the
# reason. A leak with a frame of viewcast on its stack is never ignored: a suppression by the
# interpreter's frame would hide it, because all calls come from there.
OTHERS = {
    "libpython": "CPython keeps some static types' members and objects in module cycles",
    "python3": "the same, where the interpreter is one file",
    "libavutil": "PyAV keeps packets of a video that is not read to its end",
    "input.abi3": "and the lists of its streams",
}
OURS = re.compile(r"_viewcast\.|libviewcast")

ASAN_OPTIONS = {
    "abort_on_error": 1,
    # LeakSanitizer guesses the places of thread-local variables from glibc 2.19's headers.
    # Where a block of them begins 16 bytes into a page, as one in a few hundred does, it
    # misreads the header and crashes at exit. Without the guess it finds them through
    # glibc's table of the blocks.
    "intercept_tls_get_addr": 0,
}

# Tests with the marker `exhaustive` would take too long under sanitizers.
CHOSEN = "not unsanitized and not exhaustive"
# Attacks are several times slower under sanitizers.
ALL = ["tests/python", "tests/attack", "--attack-count=150", "-m", CHOSEN]
# Under VIEWCAST_SLOW=1 other code converts, and reads tensors, through capsules.
SLOW = ["tests/python/convert", "tests/python/lifetime/test_storage.py"]
SLOW += ["-m", f"slow_paths and {CHOSEN}"]
# An OpenCV built with CUDA calls our allocator object.
WITH_CUDA_CV2 = [
    "tests/python/pool/test_pool.py",
    "tests/python/layout/test_gpumat_headers.py",
    "tests/python/lifetime/test_lifetime.py",
    "tests/python/lifetime/test_pending_releases.py",
    *("-m", CHOSEN),
]


def run(*command, env=None):
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, env=env, check=False).returncode


def configure(name, *options):
    build = ROOT / "build" / name
    # The tests compile the GPU kernels for the host.
    setup = [*MESON, "setup", build, "-Dwerror=true", "-Dcuda=disabled", *options]
    if not (build / "build.ninja").is_file() and run(*setup, env=tools_env()):
        sys.exit(f"build/{name} can't be configured")
    if run(*MESON, "compile", "-C", build, env=tools_env()):
        sys.exit(f"build/{name} can't be built")
    return build


def tools_env(**more):
    scripts = pathlib.Path(sys.executable).parent
    return dict(os.environ, PATH=f"{scripts}{os.pathsep}{os.environ['PATH']}", **more)


def library(name):
    found = subprocess.run(
        ["gcc", f"-print-file-name={name}"], text=True, stdout=subprocess.PIPE, check=True
    )
    return found.stdout.strip()


# --- AddressSanitizer


def blocks(text):
    """The leaks of a report: (bytes, objects, frames)."""
    pattern = r"leak of (\d+) byte\(s\) in (\d+) object\(s\) allocated from:\n((?: +#.*\n)*)"
    for size, count, frames in re.findall(pattern, text):
        yield int(size), int(count), frames.splitlines()


def module_of(frames):
    """The file of the first frame that is not the sanitizer's own."""
    for frame in frames:
        path = re.search(r"\[(.*)\]$", frame)
        if path and "libasan" not in path[1] and "libubsan" not in path[1]:
            return pathlib.Path(path[1]).name
    return "unknown"


def judge(folder):
    """Reads the reports; True if one has an error or leak of viewcast's. Reports of other
    programs that tests start, such as compilers, are not read."""
    bad, theirs = 0, collections.Counter()
    for report in sorted(folder.glob("*")):
        if not report.name.startswith(("report.python", "undefined")):
            continue
        text = report.read_text(errors="replace")
        leaks = list(blocks(text))
        if not leaks or "ERROR: AddressSanitizer" in text or "runtime error" in text:
            print(text)
            bad += 1
        for size, count, frames in leaks:
            module = module_of(frames)
            excused = module.startswith(tuple(OTHERS))
            if any(OURS.search(frame) for frame in frames) or not excused:
                print(f"{report.name}: leak of {size} bytes in {count} objects", *frames, sep="\n")
                bad += 1
            else:
                theirs[module] += size
    total = ", ".join(f"{name} {size}" for name, size in theirs.most_common())
    print(f"reports of viewcast's errors or leaks: {bad}; bytes that others leak at exit: {total}")
    return bad > 0


def joined(options):
    return ":".join(f"{key}={value}" for key, value in options.items())


def suite(title, site, arguments, logs, variables):
    """Runs pytest with the sanitized extension. Errors abort; leaks are judged from reports."""
    say(f"Python tests under ASan: {title}")
    options = ASAN_OPTIONS | {
        "detect_leaks": 1,
        "exitcode": 0,  # leaks don't change it: they are judged from the reports
        "malloc_context_size": 30,
        "allocator_may_return_null": 1,  # tests request more memory than exists
        "stack_trace_format": '"    #%n %p in %f %s:%l [%m]"',
        "log_path": logs / "report",
        "log_exe_name": 1,
    }
    path = [*filter(None, [variables.pop("PYTHONPATH", "")]), str(site), str(ROOT / "drop-in")]
    env = tools_env(
        LD_PRELOAD=" ".join(library(f"{name}.so") for name in ("libasan", "libubsan", "libstdc++")),
        ASAN_OPTIONS=joined(options),
        UBSAN_OPTIONS=f"print_stacktrace=1:log_path={logs / 'undefined'}",
        PYTHONMALLOC="malloc",  # every object is its own allocation
        PYTHONPATH=os.pathsep.join(path),
        OMP_NUM_THREADS="1",
        VIEWCAST_SANITIZED="1",
        **variables,
    )
    # Started without a shell, which would be sanitized too.
    return run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, env=env)


def put_together(build):
    """Makes a folder with the package as in the wheel, with the sanitized extension."""
    site = build / "site"
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "viewcast", site / "viewcast")
    for extension in (build / "src" / "python").glob("_viewcast.*.so"):
        shutil.copy(extension, site / "viewcast")


def cuda_opencv():
    """The folder of an OpenCV 5 built with CUDA, or None without a wheel."""
    return dict(opencvs()).get("cuda-5")


def asan_c():
    """Builds the library and the extension, and runs the C tests."""
    build = configure(
        "asan",
        "-Dpython=enabled",
        "-Db_sanitize=address,undefined",
        "-Db_lundef=false",
        "-Dc_args=-fno-omit-frame-pointer -fno-sanitize-recover=all",
        # vptr: objects of the standard library with virtual tables of viewcast's have no RTTI.
        "-Dcpp_args=-fno-omit-frame-pointer -fno-sanitize-recover=all -fno-sanitize=vptr",
    )
    put_together(build)
    say("C tests under ASan, UBSan and LSan")
    test = [*MESON, "test", "-C", build, "--print-errorlogs", "--timeout-multiplier", "3"]
    return run(*test, env=tools_env(ASAN_OPTIONS=joined(ASAN_OPTIONS))) != 0


def asan_suite(name, title, arguments, **variables):
    """Runs pytest once, with variables of the environment, and judges the reports."""
    build = ROOT / "build" / "asan"
    logs = build / "reports" / name
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    failed = suite(title, build / "site", arguments, logs, variables) != 0
    return judge(logs) or failed


def asan_python(arguments=()):
    return asan_suite("python", "stock OpenCV 5", arguments or ALL)


def asan_slow():
    return asan_suite("slow", "stock OpenCV 5, VIEWCAST_SLOW=1", SLOW, VIEWCAST_SLOW="1")


def asan_cuda():
    folder = cuda_opencv()
    if folder is None:
        return False
    return asan_suite("cuda", "OpenCV with CUDA", WITH_CUDA_CV2, PYTHONPATH=str(folder))


def asan(arguments):
    failed = asan_c()
    if arguments:
        return asan_python(arguments) or failed
    for part in (asan_python, asan_slow, asan_cuda):
        failed |= part()
    return failed


# --- valgrind and ThreadSanitizer

# 5 minutes each; they run under ASan.
TOO_SLOW_FOR_VALGRIND = {"test_transform", "test_transform_huge"}
# Tests of all values take every eleventh.
THIN = {"VIEWCAST_TEST_THIN": "11"}


def valgrind():
    if not shutil.which("valgrind"):
        print("SKIPPED: valgrind is not installed (apt-get install valgrind)")
        sys.exit(0)
    build = configure("valgrind", "-Dpython=disabled")
    kinds = "definite,indirect,possible"
    wrapper = (
        f"valgrind -q --trace-children=yes --leak-check=full --show-leak-kinds={kinds} "
        f"--errors-for-leak-kinds={kinds} --error-exitcode=9 "
        f"--suppressions={ROOT}/tests/c/valgrind.supp"
    )
    say("C tests under valgrind")
    test = [*MESON, "test", "-C", build, "--timeout-multiplier", "20"]
    listed = subprocess.run([*test, "--list"], cwd=ROOT, text=True, stdout=subprocess.PIPE).stdout
    # "viewcast:test_core_view", "examples - viewcast:example cpp_lend"
    names = [line.rpartition(":")[2] for line in listed.splitlines() if ":" in line]
    names = [name for name in names if name not in TOO_SLOW_FOR_VALGRIND]
    return run(*test, "--print-errorlogs", f"--wrap={wrapper}", *names, env=tools_env(**THIN)) != 0


def tsan():
    build = configure("tsan", "-Dpython=disabled", "-Db_sanitize=thread", "-Db_lundef=false")
    say("C tests under ThreadSanitizer")
    test = [*MESON, "test", "-C", build, "--print-errorlogs", "--timeout-multiplier", "5"]
    return run(*test, env=tools_env(TSAN_OPTIONS="halt_on_error=1:die_after_fork=0", **THIN)) != 0


KINDS = {
    "asan-c": asan_c,
    "asan-python": asan_python,
    "asan-slow": asan_slow,
    "asan-cuda": asan_cuda,
    "valgrind": valgrind,
    "tsan": tsan,
}


def main():
    kind, arguments = sys.argv[1], sys.argv[2:]
    failed = asan(arguments) if kind == "asan" else KINDS[kind]()
    if failed:
        sys.exit(f"{kind}: FAILED")
    print(f"{kind}: clean")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
