# SPDX-License-Identifier: Apache-2.0
"""A Savant of a few files, laid out as the real one: its helpers import CuPy, cv2 and torch,
its other modules and a user's function import them. Each test runs in a process of its own. The
tests need CuPy and OpenCV only, as Savant's helpers for CuPy do."""

import os
import subprocess
import sys
import textwrap

import cupy  # noqa: F401  (its tests are not collected without CuPy)
import pytest

FILES = {
    "savant/utils/memory_repr.py": """
        import cupy as cp
        import cv2
        import numpy as np

        def opencv_gpu_mat_as_cupy_array(gpu_mat: cv2.cuda.GpuMat) -> cp.ndarray:
            raise NotImplementedError("Savant's")

        def cupy_array_as_opencv_gpu_mat(arr: cp.ndarray) -> cv2.cuda.GpuMat:
            raise NotImplementedError("Savant's")
        """,
    "savant/utils/memory_repr_pytorch.py": """
        import torch
        from savant.utils.memory_repr import OpenCVGpuMatCudaArrayInterface
        """,
    "savant/deepstream/meta/frame.py": "class NvDsFrameMeta: ...",
    "savant/deepstream/opencv_utils.py": """
        import cv2

        def gpu_mat(array):
            rows, cols, channels = array.shape
            return cv2.cuda.createGpuMatFromCudaMemory(
                rows, cols, cv2.CV_8UC(channels), array.data.ptr, array.strides[0]
            )
        """,
    "module/overlay.py": """
        from savant.deepstream.meta.frame import NvDsFrameMeta
        from savant.deepstream.opencv_utils import gpu_mat
        from savant.utils.memory_repr import (
            cupy_array_as_opencv_gpu_mat, opencv_gpu_mat_as_cupy_array
        )

        def round_trip(array):
            frame = gpu_mat(array)
            seen = opencv_gpu_mat_as_cupy_array(frame)
            assert seen.data.ptr == array.data.ptr == frame.cudaPtr()
            assert (seen.shape, seen.strides) == (array.shape, array.strides)
            mat = cupy_array_as_opencv_gpu_mat(seen)
            assert (mat.cudaPtr(), mat.step) == (frame.cudaPtr(), frame.step)
            return mat
        """,
}
PROGRAM = """
import importlib.util
import numpy as np, cupy as cp, viewcast.savant

def load():
    # As Savant loads a pipeline's functions: a file by its path.
    spec = importlib.util.spec_from_file_location("module.overlay", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["module.overlay"] = module
    return module

memory = np.arange(7 * 64, dtype=np.uint8)
source = cp.cuda.UnownedMemory(memory.ctypes.data, memory.nbytes, memory, 0)
array = cp.ndarray((7, 10, 4), cp.uint8, cp.cuda.MemoryPointer(source, 0), (64, 4, 1))
"""
PATCHED = {
    "before the import": "viewcast.savant.patch(); load().round_trip(array)",
    "after the import": "user = load(); viewcast.savant.patch(); user.round_trip(array)",
}


@pytest.fixture(params=["with __init__.py", "namespace packages"])
def tree(request, tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    if request.param == "with __init__.py":
        for folder in ("", "/utils", "/deepstream", "/deepstream/meta"):
            (tmp_path / f"savant{folder}" / "__init__.py").touch()
    return tmp_path


def run(tree, program):
    start = f"import sys\nPATH = {str(tree / 'module' / 'overlay.py')!r}\n{PROGRAM}"
    paths = [str(tree), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    command = [sys.executable, "-c", f"{start}{program}"]
    return subprocess.run(command, cwd=tree, env=env, text=True, capture_output=True)


@pytest.mark.parametrize("when", PATCHED)
def test_a_users_function_converts_after_patch(tree, when):
    done = run(tree, PATCHED[when])
    assert (done.returncode, done.stderr) == (0, "")


def test_without_patch_the_helpers_are_savants(tree):
    done = run(tree, "load().round_trip(array)")
    assert "NotImplementedError: Savant's" in done.stderr


def test_unpatch_restores_savants(tree):
    program = "user = load(); viewcast.savant.patch(); viewcast.savant.unpatch()\n"
    done = run(tree, f"{program}user.round_trip(array)")
    assert "NotImplementedError: Savant's" in done.stderr
