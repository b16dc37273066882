# SPDX-License-Identifier: Apache-2.0
"""A library that viewcast does not know: its adapter is one file, and no other is touched."""

import pathlib
import sys
import sysconfig

import pytest
from packages import ROOT, run, setup_options

TOY = pathlib.Path(__file__).parent / "toy.c"

LIBRARY = """
class Array:
    def __init__(self, pixels, shape):
        self.pixels, self.shape = pixels, shape
"""

PROGRAM = """
import gc
import cv2, numpy, toy, viewcast as vc
from viewcast import _viewcast

pixels = bytearray(range(24))
array = toy.Array(pixels, (2, 4, 3))
expected = numpy.arange(24, dtype=numpy.uint8).reshape(2, 4, 3)

# toy -> NumPy and GpuMat: the same memory.
seen = vc.as_numpy(array)
assert (seen == expected).all() and vc.view(array).ptr == seen.ctypes.data
mat = vc.as_gpumat(array)
assert isinstance(mat, cv2.cuda.GpuMat) and mat.size() == (4, 2) and mat.type() == cv2.CV_8UC3
assert mat.cudaPtr() == seen.ctypes.data

# NumPy and GpuMat -> toy, and back.
for image in (expected.copy(), mat):
    made = _viewcast.as_toy(image)
    assert type(made) is toy.Array and made.shape == (2, 4, 3)
    assert bytes(made.pixels) == bytes(pixels)
    again = vc.as_numpy(made)
    assert (again == expected).all() and again.ctypes.data == vc.view(image).ptr
assert _viewcast.as_toy(array) is array

# The facts of the adapter decide: rows that are not packed need a copy, and none is on a GPU.
try:
    _viewcast.as_toy(expected[:, :2], device="cuda")
except vc.DeviceError:
    pass
else:
    raise AssertionError("a toy lies in host memory")
copied = _viewcast.as_toy(expected[:, :2], copy=None)
assert bytes(copied.pixels) == expected[:, :2].tobytes() and isinstance(copied.pixels, bytearray)
planar = _viewcast.to_toy(mat, layout="CHW", reverse_channels=True)
assert planar.shape == (3, 2, 4)
assert bytes(planar.pixels) == expected[..., ::-1].transpose(2, 0, 1).tobytes()
written = toy.Array(bytearray(24), (2, 4, 3))
assert vc.to_numpy(mat, out=written) is written and written.pixels == pixels
try:
    vc.as_gpumat(toy.Array(bytearray(30), (3, 2, 5)))
except vc.LayoutError as error:
    assert "looks planar" in str(error), error
else:
    raise AssertionError("planes are no GpuMat")

# The memory lives as long as its last view.
del array, made, image
gc.collect(), vc.collect()
assert (seen == expected).all() and vc.as_numpy(mat).tobytes() == bytes(pixels)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """viewcast with the adapter, in a folder of its own."""
    folder = tmp_path_factory.mktemp("toy")
    meson = [sys.executable, "-m", "mesonbuild.mesonmain"]
    options = ["-Dcuda=disabled", "-Dtests=false", "-Dwerror=true", f"-Dadapters={TOY}"]
    options += [option for option in setup_options() if not option.startswith("-Dcuda=")]
    prefix = folder / "prefix"
    run(*meson, "setup", folder / "build", ROOT, f"--prefix={prefix}", *options)
    run(*meson, "install", "-C", folder / "build", "--tags", "python-runtime")
    (found,) = prefix.rglob("viewcast/__init__.py")
    (found.parent.parent / "toy.py").write_text(LIBRARY)
    return found.parent.parent


def test_a_new_library_is_one_file(package):
    paths = [package, sysconfig.get_path("purelib"), *sys.path]
    env = {"PYTHONPATH": ":".join(str(path) for path in paths if path)}
    run(sys.executable, "-c", PROGRAM, env=env)
