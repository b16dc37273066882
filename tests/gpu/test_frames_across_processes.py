# SPDX-License-Identifier: Apache-2.0
"""The program of docs/how-to/processes.md: GpuMats sent through torch.multiprocessing."""

import subprocess
import sys

import pages


def test_the_program_of_the_page(cuda_cv2, tmp_path):
    page = pages.ROOT / "docs" / "how-to" / "processes.md"
    (block,) = (block for block in pages.blocks_of(page) if block.language == "python")
    path = tmp_path / "program.py"
    path.write_text(block.text)
    command = [sys.executable, str(path)]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
