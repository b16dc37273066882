# SPDX-License-Identifier: Apache-2.0
"""A project with copies of Savant's two files moves to viewcast.savant by the lines of
docs/how-to/own-helper.md. Each test runs in a process of its own."""

import os
import re
import subprocess
import sys
import textwrap

import pages
import pytest

pytestmark = [pytest.mark.all_libraries, pytest.mark.unsanitized]

COPIES = {
    "my_project/memory_repr.py": """
        import cupy as cp
        import cv2

        def opencv_gpu_mat_as_cupy_array(gpu_mat: cv2.cuda.GpuMat) -> cp.ndarray:
            raise NotImplementedError("a copy")

        def cupy_array_as_opencv_gpu_mat(arr: cp.ndarray) -> cv2.cuda.GpuMat:
            raise NotImplementedError("a copy")

        class OpenCVGpuMatCudaArrayInterface:
            pass

        def cuda_array_as_opencv_gpu_mat(arr):
            raise NotImplementedError("a copy")
        """,
    "my_project/memory_repr_pytorch.py": """
        import torch
        from my_project.memory_repr import (
            OpenCVGpuMatCudaArrayInterface, cuda_array_as_opencv_gpu_mat
        )

        def opencv_gpu_mat_as_pytorch_tensor(gpu_mat) -> torch.Tensor:
            raise NotImplementedError("a copy")

        def pytorch_tensor_as_opencv_gpu_mat(tensor: torch.Tensor):
            raise NotImplementedError("a copy")
        """,
}
USER = """
import torch

from my_project.memory_repr import cupy_array_as_opencv_gpu_mat, opencv_gpu_mat_as_cupy_array
from my_project.memory_repr_pytorch import (
    opencv_gpu_mat_as_pytorch_tensor, pytorch_tensor_as_opencv_gpu_mat
)

def convert():
    tensor = torch.arange(7 * 5 * 4, dtype=torch.uint8).reshape(7, 5, 4)
    pointer = tensor.data_ptr()
    mat = pytorch_tensor_as_opencv_gpu_mat(tensor)
    array = opencv_gpu_mat_as_cupy_array(mat)
    del tensor
    again = opencv_gpu_mat_as_pytorch_tensor(cupy_array_as_opencv_gpu_mat(array))
    del mat, array
    assert again.data_ptr() == pointer
    assert again.flatten().tolist() == list(range(7 * 5 * 4))
    try:
        pytorch_tensor_as_opencv_gpu_mat(torch.zeros(3, dtype=torch.uint8))
    except AssertionError as error:
        assert str(error).startswith("Array must have 2 or 3 dimensions."), error
    else:
        raise SystemExit("one dimension was taken")
"""


def run(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    command = [sys.executable, "-c", "import my_project.user; my_project.user.convert()"]
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join([str(folder), *filter(None, [env.get("PYTHONPATH")])])
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    return done.returncode, done.stderr


def line_of_the_page():
    page = pages.ROOT / "docs" / "how-to" / "own-helper.md"
    (block,) = (block for block in pages.blocks_of(page) if "import *" in block.text)
    return block.text


def test_the_copies_are_what_the_project_uses(tmp_path):
    code, said = run(tmp_path, COPIES | {"my_project/user.py": USER})
    assert code != 0 and "NotImplementedError: a copy" in said


def test_each_file_becomes_one_line(tmp_path):
    shims = dict.fromkeys(COPIES, line_of_the_page())
    assert run(tmp_path, shims | {"my_project/user.py": USER}) == (0, "")


def test_the_imports_change_and_the_files_are_gone(tmp_path):
    changed, count = re.subn(
        r"from my_project\.memory_repr\w* import", "from viewcast.savant import", USER
    )
    assert count == 2
    assert run(tmp_path, {"my_project/user.py": changed}) == (0, "")
