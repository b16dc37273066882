# SPDX-License-Identifier: Apache-2.0
"""`make test`: the C tests once, the Python suite once per OpenCV.

Stock OpenCV 5.x (in the running environment) and 4.x always; builds with CUDA
where VIEWCAST_CUDA_CV2 names a folder that holds their wheels. Arguments go to
pytest.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = pathlib.Path(sys.prefix, "opencv")
REPORTS = ROOT / "build" / "reports"

STOCK_4 = "opencv-python-headless==4.14.0.94"
# The CUDA wheels are linked to NPP 13.
NPP = "nvidia-npp<14"

DESCRIBE = """
import cv2
cuda = "NVIDIA CUDA" in cv2.getBuildInformation()
print(f"OpenCV {cv2.__version__}, {'built with' if cuda else 'without'} CUDA")
"""


def say(text):
    print(f"\n==== {text}", flush=True)


def run(*command, env=None):
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, env=env, check=False).returncode


def outcome(code):
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return "passed" if code == 0 else f"FAILED (exit code {code})"


def install(name, *requirements):
    """A folder with these packages and nothing they depend on."""
    folder = FOLDERS / name
    stamp = folder / "installed.txt"
    wanted = "\n".join(requirements)
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--disable-pip-version-check", "--target", folder]
        subprocess.run([*pip, *requirements], check=True)
        stamp.write_text(wanted)
    return folder


def opencvs():
    """Pairs of a name and the folder that goes before all others."""
    yield "stock-5", None
    yield "stock-4", install("stock-4", STOCK_4)
    wheels = os.environ.get("VIEWCAST_CUDA_CV2")
    if not wheels:
        say("OpenCV with CUDA: skipped, VIEWCAST_CUDA_CV2 names no folder of wheels")
        return
    for major in "45":
        found = sorted(pathlib.Path(wheels).glob(f"opencv*-{major}.*.whl"))
        if not found:
            say(f"OpenCV {major} with CUDA: skipped, no such wheel in {wheels}")
            continue
        folder = install(f"cuda-{major}", str(found[-1].resolve()))
        # The wheels look for ../nvidia; 150 MB that both can share.
        link = folder / "nvidia"
        link.unlink(missing_ok=True)
        link.symlink_to(install("npp", NPP) / "nvidia")
        yield f"cuda-{major}", folder


def c_tests(env):
    build = ROOT / "build" / "c"
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    if not (build / "build.ninja").is_file():
        options = ["-Dpython=disabled", "-Dwerror=true"]
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

    for name, folder in opencvs():
        paths = [str(folder)] if folder else []
        paths += filter(None, [os.environ.get("PYTHONPATH")])
        suite = dict(env, PYTHONPATH=os.pathsep.join(paths))
        describe = [sys.executable, "-c", DESCRIBE]
        line = subprocess.run(describe, env=suite, text=True, stdout=subprocess.PIPE)
        title = line.stdout.strip() or f"{name}: cv2 cannot be imported"
        say(f"Python tests: {title}")
        report = REPORTS / f"{name}.xml"
        report.unlink(missing_ok=True)
        pytest = [sys.executable, "-m", "pytest", "tests/python"]
        pytest += [f"--junitxml={report}", f"-ojunit_suite_name={name}"]
        code = line.returncode or run(*pytest, *sys.argv[1:], env=suite)
        failed |= code != 0
        summary.append((title, f"{outcome(code)}: {counts(report)}"))

    say("Summary")
    width = max(len(title) for title, _ in summary)
    for title, result in summary:
        print(f"{title:<{width}}  {result}")
    sys.exit(failed)


main()
