# SPDX-License-Identifier: Apache-2.0
"""`make test`: the C tests and those of packaging once, the Python suite once per OpenCV,
and the instructions that conversions take beside those on record.

Stock OpenCV 5.x (in the running environment) and 4.x always; builds with CUDA
where VIEWCAST_CUDA_CV2 names a folder that holds their wheels. Arguments go to
pytest.
"""

import os
import subprocess
import sys

from count_instructions import COUNTED
from opencvs import environment, opencvs
from stages import Stage, run

PYTEST = [sys.executable, "-m", "pytest"]
NO_TESTS = 5  # pytest's exit code

DESCRIBE = """
import cv2
cuda = "NVIDIA CUDA" in cv2.getBuildInformation()
print(f"OpenCV {cv2.__version__} {'with' if cuda else 'without'} CUDA")
"""

# Files of tests/python that ask nothing of the OpenCV that is loaded: run with the first.
ONCE = "command_line docs doctor examples hostile_producers neighbours no_memory processes"
ONCE += " simulated_cuda torch transform transform_streams wrong_cv2"
# What takes another path under VIEWCAST_SLOW=1.
SLOW = "array_likes batches capsules conversions copies holders layout lifetime paths planar"
SLOW += " producers savant_names view"


def files(words):
    return [f"tests/python/test_{word}.py" for word in words.split()]


def describe(env):
    command = [sys.executable, "-c", DESCRIBE]
    done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE, check=False)
    return done.stdout.strip() or "a cv2 that cannot be imported"


def of_one_opencv(name, folder, arguments):
    """The suite with this OpenCV; with the first all of it, and the slow paths."""
    env = environment(folder, os.environ)
    title = f"Python, {describe(env)}"
    env = {"PYTHONPATH": env.get("PYTHONPATH", "")}
    if name != "stock-5":
        rest = [f"--ignore={file}" for file in files(ONCE)]
        return [Stage(title, [*PYTEST, "tests/python", *rest, *arguments], env)]
    slow = [*PYTEST, *files(SLOW), *arguments]
    return [
        Stage(title, [*PYTEST, "tests/python", *arguments], env),
        Stage(f"{title}, VIEWCAST_SLOW=1", slow, env | {"VIEWCAST_SLOW": "1"}),
    ]


def stages(arguments=()):
    found = list(opencvs())
    yield Stage("C and C++ tests", [sys.executable, "tools/c_tests.py"])
    for name, folder in found:
        yield from of_one_opencv(name, folder, arguments)
    for name, _ in found:
        if name in COUNTED:
            command = [sys.executable, "tools/count_instructions.py", name]
            yield Stage(f"Instructions, {name}", command)
    # Arguments may choose tests of which this folder has none.
    accepted = (0, NO_TESTS) if arguments else (0,)
    for title, folder in (("Tools", "tests/tools"), ("Packaging", "tests/packaging")):
        yield Stage(title, [*PYTEST, folder, *arguments], accepted=accepted)


if __name__ == "__main__":
    sys.exit(not run(list(stages(sys.argv[1:]))))
