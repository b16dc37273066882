# SPDX-License-Identifier: Apache-2.0
"""examples/ray_video.py on a Ray of this machine, where `pip install "ray[data]"` was done.

It is none of the requirements of the tests, as it takes 600 MB.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys

import numpy
import pytest

import viewcast as vc
from viewcast.clip import read_frames, sample_clip

pytest.importorskip("ray", reason='Ray is not installed: pip install "ray[data]"')
av = pytest.importorskip("av", reason="PyAV reads the videos")
pytest.importorskip("torch", reason="the model is torch's")
pytestmark = [pytest.mark.all_libraries, pytest.mark.any_opencv, pytest.mark.unsanitized]

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "ray_video.py"
FRAMES = 20  # more than one block


def write_square(path):
    """A video of 320 x 400, in which a red square of 60 x 60 moves by 8 pixels a frame."""
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=25)
        track.width, track.height, track.pix_fmt = 320, 400, "yuv420p"
        track.bit_rate = 8_000_000
        for number in range(FRAMES):
            frame = numpy.full((400, 320, 3), 90, numpy.uint8)
            frame[200:260, 40 + 8 * number : 100 + 8 * number] = (250, 20, 20)
            container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(track.encode(None))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder of the output, and what was printed. The videos differ in size."""
    folder = tmp_path_factory.mktemp("ray")
    videos = folder / "videos"
    videos.mkdir()
    (videos / "balls.mp4").write_bytes(sample_clip(FRAMES).getvalue())
    write_square(videos / "square.mp4")
    (videos / "notes.txt").write_text("no video")
    command = [sys.executable, str(EXAMPLE), str(videos), f"--frames={FRAMES - 1}"]
    command += ["--output=boxes.jsonl", "--picture=boxes.png"]
    # Its workers import from where this process does.
    env = dict(os.environ, RAY_USAGE_STATS_ENABLED="0", CUDA_VISIBLE_DEVICES="")
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def boxes(ran):
    """{video: {frame: boxes}}"""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in (ran[0] / "boxes.jsonl").read_text().splitlines():
        row = json.loads(line)
        name = pathlib.Path(row["video"]).name
        found[name][row["frame"]].append([row[side] for side in ("x0", "y0", "x1", "y1")])
    return found


def test_each_video_is_counted(ran, boxes):
    counts = {name: sum(map(len, frames.values())) for name, frames in boxes.items()}
    for name, count in counts.items():
        assert f"  {name}: {count} boxes\n" in ran[1]
    assert f"2 videos, {sum(counts.values())} boxes" in ran[1]


def test_the_box_of_the_square_is_where_it_was_drawn(boxes):
    frames = boxes["square.mp4"]
    assert sorted(frames) == list(range(FRAMES - 1))
    # A pixel of the letterboxed frame is 400 / 288 of this one's, and the model blurs by two.
    for number, found in frames.items():
        wanted = [40 + 8 * number, 200, 100 + 8 * number, 260]
        assert len(found) == 1 and numpy.abs(numpy.subtract(found[0], wanted)).max() <= 5, number


def test_the_boxes_of_the_clip_hold_its_warm_balls(boxes):
    frames = boxes["balls.mp4"]
    clip = dict(enumerate(read_frames(sample_clip(FRAMES), FRAMES - 1)))
    assert sorted(frames) == sorted(clip)
    for number, found in frames.items():
        for x0, y0, x1, y1 in numpy.round(found).astype(int):
            middle = clip[number][(y0 + y1) // 2, (x0 + x1) // 2].astype(int)
            assert middle[0] > 200 and middle[0] - middle[2] > 80, (number, middle)
    assert all(len(found) == 2 for found in frames.values())


def test_the_picture_has_a_frame_of_each_video(ran):
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the picture")
    assert image.open(ran[0] / "boxes.png").size == (2 * 512, 288)


@pytest.mark.skipif(not vc.host_mode(), reason="needs no GPU, and one is there")
def test_a_folder_without_a_video_is_an_error(tmp_path):
    command = [sys.executable, str(EXAMPLE), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "holds no .avi, .mkv, .mov, .mp4, .webm" in done.stderr
