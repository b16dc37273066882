# SPDX-License-Identifier: Apache-2.0
"""The examples run as their first lines say, without a GPU."""

import pathlib
import subprocess
import sys

import cv2
import numpy
import pytest
from loaded_opencv import not_in_standin

import viewcast as vc
from viewcast.clip import read_frames, sample_clip

pytestmark = [pytest.mark.all_libraries, pytest.mark.any_opencv, pytest.mark.unsanitized]

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"


@not_in_standin
@pytest.mark.skipif(not vc.host_mode(), reason="a GPU is there: tests/gpu runs it on NCCL")
@pytest.mark.parametrize("ranks", [1, 2])
def test_multi_gpu_on_gloo(ranks, tmp_path):
    pytest.importorskip("av", reason="PyAV reads the video")
    pytest.importorskip("torch", reason="torch.distributed gathers the results")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={ranks}",
        str(EXAMPLES / "multi_gpu.py"),
        "--frames=12",
        f"--output={tmp_path / 'ranks.png'}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{ranks} ranks on cpu, backend gloo" in done.stdout
    assert "12 frames" in done.stdout
    image = pytest.importorskip("PIL.Image").open(tmp_path / "ranks.png")
    width, bar = 1200 // 4, 24 * 1200 / 2048
    assert image.size == (1200, round(ranks * (288 + 24) * 1200 / 2048))
    pixels = numpy.asarray(image).astype(int)
    for x in range(0, 1200, width):
        frame = pixels[: int(288 * 1200 / 2048), x : x + width]
        colour = pixels[int(288 * 1200 / 2048 + bar / 2), x + width // 2]
        assert frame.std() > 10
        assert abs(frame.mean(axis=(0, 1)) - colour).max() < 6


@not_in_standin
@pytest.mark.skipif(not vc.host_mode(), reason="a GPU is there: the example uses it")
@pytest.mark.parametrize("video", ["the clip", "a NumPy file"])
def test_detector_input(tmp_path, video):
    pytest.importorskip("av", reason="PyAV reads the video")
    pytest.importorskip("torch", reason="the model is torch's")
    pytest.importorskip("PIL", reason="Pillow writes the picture")
    picture = tmp_path / "masks.png"
    command = [
        sys.executable,
        str(EXAMPLES / "detector_input.py"),
        "--frames=5",
        f"--output={picture}",
    ]
    if video == "a NumPy file":
        frames = tmp_path / "frames.npy"
        numpy.save(frames, numpy.stack(list(read_frames(sample_clip(), 7))))
        command += [f"--video={frames}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 frames, no GPU: torch on the CPU" in done.stdout
    assert "batch (5, 3, 288, 512) torch.float32" in done.stdout
    image = cv2.imread(str(picture))
    assert image.shape == (2 * 288, 4 * 512, 3)
    above, below = image[:288].astype(int), image[288:].astype(int)
    kept = (abs(above - below).max(axis=2) < 24).mean()
    assert 0.02 < kept < 0.6  # the mask covers a part of each frame


@pytest.mark.skipif(not vc.host_mode(), reason="a GPU is there: the example uses it")
def test_video_yuv(tmp_path):
    pytest.importorskip("torch", reason="the batch is torch's")
    picture, said = draw("video_yuv.py", tmp_path)
    assert picture.shape == (288, 3 * 512, 3)
    ours, swscale, difference = (picture[:, 512 * n : 512 * (n + 1)] for n in range(3))
    assert abs(ours - swscale).max() <= 4  # the default conversion is coarse
    assert difference.max() > 0
    assert "16 frames of i420, bt709, limited" in said
    assert "batch (16, 3, 288, 512) torch.float16 on cpu" in said
    assert said.count("of the bytes differ") == 2


def test_video_yuv_needs_the_colours_of_the_video(tmp_path):
    av = pytest.importorskip("av", reason="PyAV reads the video")
    pytest.importorskip("torch", reason="the batch is torch's")
    pytest.importorskip("PIL", reason="Pillow writes the picture")
    path = tmp_path / "unstated.avi"
    with av.open(str(path), "w") as out:
        track = out.add_stream("mpeg4", rate=25)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        out.mux(track.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(track.encode(None))
    command = [sys.executable, str(EXAMPLES / "video_yuv.py"), f"--video={path}"]
    command.append(f"--output={tmp_path / 'x.png'}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "matrix is missing: the frame does not say it" in done.stderr
    command += ["--matrix=bt601", "--range=limited"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def draw(name, tmp_path):
    """Runs an example that writes a picture; the picture and what it said."""
    pytest.importorskip("av", reason="PyAV reads the video")
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the picture")
    path = tmp_path / "out.png"
    command = [sys.executable, str(EXAMPLES / name), "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return numpy.asarray(image.open(path)).astype(int), done.stdout


def test_mask_overlay_paints_the_mask_and_nothing_else(tmp_path):
    picture, said = draw("mask_overlay.py", tmp_path)
    width = picture.shape[1] // 2
    before, after = picture[:, :width], picture[:, -width:]
    changed = (abs(before - after).max(axis=2) > 40).mean()
    painted, _, total, *_ = said.split()
    # The picture is scaled down, which blurs the edges of the mask.
    assert 0.1 < changed < 0.9
    assert abs(changed - int(painted) / int(total)) < 0.1
    sky = slice(0, 60), slice(-60, -10)
    assert abs(before[sky] - after[sky]).max() <= 2


def test_side_by_side_fills_four_places(tmp_path):
    picture, said = draw("side_by_side.py", tmp_path)
    assert said.startswith("4 frames")
    gap, height, width = 8, 225, 400
    assert picture.shape == (2 * height + 3 * gap, 2 * width + 3 * gap, 3)
    places = [
        picture[y : y + height, x : x + width]
        for y in (gap, 2 * gap + height)
        for x in (gap, 2 * gap + width)
    ]
    assert all(place.std() > 30 for place in places)
    assert all((a != b).any() for a, b in zip(places, places[1:], strict=False))
    edges = [picture[:gap], picture[-gap:], picture[height + gap : height + 2 * gap]]
    assert all((edge == 32).all() for edge in edges), "written beyond a region"


@pytest.mark.parametrize("name", ["mask_overlay", "side_by_side", "detector_input", "video_yuv"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output=/nowhere/x.png"], "/nowhere/x.png cannot be written: No such file"),
        (["--output=x.txt"], "x.txt is no name of a picture"),
        (["--video=/nowhere/x.mp4"], "/nowhere/x.mp4 cannot be read: No such file"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_unreadable_and_unwritable_files_are_an_error_in_one_line(name, arguments, said, tmp_path):
    pytest.importorskip("av", reason="PyAV reads the video")
    pytest.importorskip("PIL", reason="Pillow writes the picture")
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: {said}") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "argument", "said"),
    [
        ("detector_input", "--frames=0", "argument --frames: '0' is not a whole number from 1 up"),
        ("video_yuv", "--frames=-1", "argument --frames: '-1' is not a whole number from 1 up"),
        ("side_by_side", "--every=0", "argument --every: '0' is not a whole number from 1 up"),
        ("side_by_side", "--every=500", "the clip is too short for --every 500"),
        ("mask_overlay", "--frame=-1", "argument --frame: '-1' is not a whole number from 1 up"),
        ("mask_overlay", "--frame=126", "the clip has 125 frames"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(name, argument, said, tmp_path):
    pytest.importorskip("av", reason="PyAV reads the video")
    pytest.importorskip("torch", reason="the examples import it")
    pytest.importorskip("PIL", reason="Pillow writes the picture")
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), argument]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(f"{name}.py: error: {said}\n")
    assert not list(tmp_path.iterdir())
