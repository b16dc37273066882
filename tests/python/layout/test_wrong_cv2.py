# SPDX-License-Identifier: Apache-2.0
"""A cv2 with another layout of its objects: ABIError at the first use, and no byte of them is
written. tests/c/simulated_cv2.c differs from OpenCV in what each case names."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

import pytest
from threads import FREE_THREADED

pytestmark = [pytest.mark.any_opencv, pytest.mark.unsanitized]

SOURCE = pathlib.Path(__file__).parents[2] / "c" / "simulated_cv2.c"

# Case: a part of the message. Differences that are found before anything is written ...
UNTOUCHED = {
    "packing": "packed in an unknown way",
    "no constants": "no CV_8UC1",
    "no cuda": "no cuda.GpuMat",
    "no GpuMat": "no cuda.GpuMat",
    "another size": "another size",
    "no pointer": "does not hold a pointer",
    "a pointer to nowhere": "can't be read",
    "a crooked pointer": "does not hold a pointer",
    "a constructor that raises": r"GpuMat\(\) fails",
    "an empty mat with rows": "field rows",
    "no headers over memory": "refuses a plain header",
    "magic": "field flags",
    "no continuous bit": "field flags",
    "rows and cols": "field rows",
    "step and data": "field step",
    "step in pixels": "field step",
    "data elsewhere": "field data",
    "data and refcount": "field data",
    "a counter already": "field refcount",
    "datastart and dataend": "field datastart",
    "dataend of the last row": "field dataend",
    "a field more": "field flags",
    "an allocator each": "one default allocator",
}
# ... those that are found by writing to headers whose layout was verified ...
TRIED = {
    "reads elsewhere": "not what OpenCV reads",
    "copies do not count": "does not count up",
    "counts down": "does not count up",
    "another depth": "depth constant",
    "cuda: never frees": "allocator's free",
    "cuda: free in slot 2": "allocator's free",
    "cuda: forgets its allocator": "allocator's free",
    "cuda: never allocates": "call the allocator",
    "cuda: allocate in slot 1": "call the allocator",
    "cuda: starts at 2": "call the allocator",
}
RIGHT = {"nothing": "counts both ways", "up": "counts up only", "cuda": "and frees"}
# ... and those that are looked for only where there is a GIL.
if FREE_THREADED:
    TRIED["up"] = "free-threaded"
    del RIGHT["up"]

PROGRAM = """
import numpy, cv2, viewcast as vc
from viewcast import _viewcast
array = numpy.zeros((4, 5, 3), numpy.uint8)
for _ in range(2):
    try:
        mat = vc.as_gpumat(array)
    except vc.ABIError as error:
        print(error)
    else:
        layout = vc._viewcast._opencv_layout()
        print(layout["counting"], mat.channels(), mat.cudaPtr() == array.ctypes.data)
        assert vc.as_numpy(mat).ctypes.data == array.ctypes.data
        # Its pointer is no std::shared_ptr of libstdc++: no object is made in its place.
        assert _viewcast._paths()["GpuMat made"] == "by its class"
        del mat
        vc.collect(force=True)
        now = vc.statistics()
        assert now["lends"] == now["lends_released"], now
print(cv2.cuda.written() if hasattr(cv2, "cuda") else 0)
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    compiler = compiler if shutil.which(compiler[0]) else ["cc"]
    if not shutil.which(compiler[0]):
        pytest.skip("no C compiler to build the simulated cv2 with")
    if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("Python.h is not here to build the simulated cv2 with")
    made = tmp_path_factory.mktemp("simulated_cv2")
    options = ["-std=c11", "-O1", "-g", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}"]
    subprocess.run([*compiler, *options, SOURCE, "-o", made / "cv2.so"], check=True)
    return made


def run(folder, case):
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=dict(os.environ, PYTHONPATH=path, SIMULATED_CV2=case),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *lines, written = done.stdout.splitlines()
    return lines, int(written)


@pytest.mark.parametrize("case", RIGHT)
def test_the_simulation_itself_is_right(folder, case):
    lines, _ = run(folder, case)
    assert len(lines) == 2
    for line in lines:
        assert RIGHT[case] in line
        assert line.endswith("3 True")


@pytest.mark.parametrize("case", [*UNTOUCHED, *TRIED])
def test_a_cv2_that_differs_is_refused(folder, case):
    lines, written = run(folder, case)
    assert len(lines) == 2  # the second call raises the same error
    for line in lines:
        assert re.search((UNTOUCHED | TRIED)[case], line), line
    if case in UNTOUCHED:
        assert written == 0
