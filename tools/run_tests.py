# SPDX-License-Identifier: Apache-2.0
"""`make test`: the C tests and those of packaging once, the Python suite once per OpenCV,
and the instructions that conversions take beside those on record.

Stock OpenCV 5.x (in the running environment) and 4.x always; builds with CUDA
where VIEWCAST_CUDA_CV2 names a folder that holds their wheels. Arguments go to
pytest.
"""

import os
import pathlib
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import count_instructions
from opencvs import environment, opencvs, say

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "reports"
NO_TESTS = 5  # pytest's exit code

DESCRIBE = """
import cv2
cuda = "NVIDIA CUDA" in cv2.getBuildInformation()
print(f"OpenCV {cv2.__version__}, {'built with' if cuda else 'without'} CUDA")
"""


def run(*command, env=None):
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, env=env, check=False).returncode


def outcome(code):
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return "passed" if code == 0 else f"FAILED (exit code {code})"


def c_tests(env):
    build = ROOT / "build" / "c"
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    if not (build / "build.ninja").is_file():
        # Kernels are tested as compiled for the host.
        options = ["-Dpython=disabled", "-Dcuda=disabled", "-Dwerror=true"]
        if code := run(*meson, "setup", build, *options, env=env):
            return code
    return run(*meson, "test", "-C", build, "--print-errorlogs", env=env)


def counts(report):
    if not report.is_file():
        return "no report"
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in ElementTree.parse(report).iter("testsuite"):
        for key in total:
            total[key] += int(suite.get(key, 0))
    bad = total["failures"] + total["errors"]
    good = total["tests"] - bad - total["skipped"]
    return f"{good} passed, {bad} failed, {total['skipped']} skipped"


# Files of tests/python that ask nothing of the OpenCV that is loaded: run with the first.
ONCE = "bench convert_command docs doctor errors_page examples hostile_producers instructions"
ONCE += " neighbours no_memory processes simulated_cuda torch transform transform_streams wrong_cv2"
# What takes another path under VIEWCAST_SLOW=1.
SLOW = "batches conversions copies holders layout lifetime paths producers savant_names view"


def files(words):
    return [f"tests/python/test_{word}.py" for word in words.split()]


def suites():
    """A name, OpenCV's folder and what pytest is told: each OpenCV, and the slow paths once."""
    for name, folder in opencvs():
        if name == "stock-5":
            yield name, folder, ["tests/python"]
            yield "stock-5-slow", folder, files(SLOW)
        else:
            yield name, folder, ["tests/python", *(f"--ignore={file}" for file in files(ONCE))]


def main():
    scripts = pathlib.Path(sys.executable).parent
    env = dict(os.environ, PATH=f"{scripts}{os.pathsep}{os.environ['PATH']}")
    REPORTS.mkdir(parents=True, exist_ok=True)
    failed = False
    summary = []

    say("C and C++ tests")
    code = c_tests(env)
    failed |= code != 0
    summary.append(("C and C++ tests", outcome(code)))

    for name, folder, what in suites():
        suite = environment(folder, env)
        if name.endswith("-slow"):
            suite["VIEWCAST_SLOW"] = "1"
        describe = [sys.executable, "-c", DESCRIBE]
        line = subprocess.run(describe, env=suite, text=True, stdout=subprocess.PIPE)
        title = line.stdout.strip() or f"{name}: cv2 cannot be imported"
        title += ", VIEWCAST_SLOW=1" if name.endswith("-slow") else ""
        say(f"Python tests: {title}")
        report = REPORTS / f"{name}.xml"
        report.unlink(missing_ok=True)
        pytest = [sys.executable, "-m", "pytest", *what]
        pytest += [f"--junitxml={report}", f"-ojunit_suite_name={name}"]
        code = line.returncode or run(*pytest, *sys.argv[1:], env=suite)
        failed |= code != 0
        summary.append((title, f"{outcome(code)}: {counts(report)}"))

    for title, good, line in count_instructions.check_all(env):
        failed |= good is False
        summary.append((title, line))
    say("Packaging: the library installed, the wheels, the source distribution")
    report = REPORTS / "packaging.xml"
    report.unlink(missing_ok=True)
    pytest = [sys.executable, "-m", "pytest", "tests/packaging"]
    code = run(*pytest, f"--junitxml={report}", *sys.argv[1:], env=env)
    # Arguments may choose tests of which this folder has none.
    code = 0 if code == NO_TESTS and sys.argv[1:] else code
    failed |= code != 0
    summary.append(("Packaging", f"{outcome(code)}: {counts(report)}"))

    say("Summary")
    width = max(len(title) for title, _ in summary)
    for title, result in summary:
        print(f"{title:<{width}}  {result}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
