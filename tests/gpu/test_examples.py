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
    path = tmp_path / "out.png"
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    low, high = image.open(path).convert("L").getextrema()
    assert high - low > 100


def test_detector_input(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the picture")
    numpy = pytest.importorskip("numpy")
    # A bright square that moves over noise: no video need be read.
    frames = numpy.random.default_rng(0).integers(0, 60, (4, 360, 640, 3), numpy.uint8)
    for n, frame in enumerate(frames):
        frame[100:200, 100 + 40 * n : 200 + 40 * n] = 250
    numpy.save(tmp_path / "frames.npy", frames)
    path = tmp_path / "out.png"
    command = [sys.executable, str(EXAMPLES / "detector_input.py")]
    command += ["--video", str(tmp_path / "frames.npy"), "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 frames, torch on cuda:0" in done.stdout
    assert "batch (4, 3, 288, 512) torch.float16" in done.stdout
    picture = numpy.asarray(image.open(path)).astype(int)
    assert picture.shape == (2 * 288, 4 * 512, 3)
    for n in range(4):
        below = picture[288:, 512 * n : 512 * (n + 1)]
        edge = below[80:160, 80 + 32 * n : 160 + 32 * n]
        assert edge.mean() > 2 * below[200:].mean()


def test_video_yuv(tmp_path):
    pytest.importorskip("av", reason="PyAV reads the video")
    pytest.importorskip("PIL", reason="Pillow writes the picture")
    command = [sys.executable, str(EXAMPLES / "video_yuv.py")]
    command += ["--output", str(tmp_path / "out.png"), "--frames", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "batch (5, 3, 288, 512) torch.float16 on cpu" in done.stdout
    if "on cuda:0" in done.stdout:  # PyNvVideoCodec is installed, and decodes here
        assert "on cuda:0, the same: True" in done.stdout
