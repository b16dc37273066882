# SPDX-License-Identifier: Apache-2.0
"""examples/multi_gpu.py on GPUs: one rank each, gathered with NCCL."""

import pathlib
import subprocess
import sys

import pytest
import torch

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("ranks", [1, 2])
def test_multi_gpu_on_nccl(ranks, cuda_cv2):
    pytest.importorskip("av", reason="PyAV reads the video")
    if torch.cuda.device_count() < ranks:
        pytest.skip(f"this machine has {torch.cuda.device_count()} GPU, and the test needs {ranks}")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={ranks}",
        str(EXAMPLES / "multi_gpu.py"),
        "--frames=24",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{ranks} ranks on cuda, backend nccl" in done.stdout
    assert "24 frames" in done.stdout
    print(done.stdout)
