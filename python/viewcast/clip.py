# SPDX-License-Identifier: Apache-2.0
"""The frames of a video, and a sample clip that is drawn here: no file is needed."""

from __future__ import annotations

import importlib
import io
import itertools
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy import ndarray

FRAMES, RATE = 125, 25
WIDTH, HEIGHT = 1280, 720
RADIUS = 60
BT709, LIMITED = 1, 1  # H.273's code of the matrix, and FFmpeg's of the range
# Of each ball: the number of bounces in the clip, the phase at its start, and the colour.
BALLS = ((4, 0.0, (250, 70, 50)), (6, 2.1, (255, 200, 40)), (8, 3.6, (250, 250, 245)))


def read_frames(video: str | BinaryIO, count: int) -> Iterator[ndarray[Any, Any]]:
    """The first `count` frames as (H, W, 3), RGB. OSError for a file that is no video."""
    av: Any = importlib.import_module("av")
    try:
        with av.open(video) as container:
            if not container.streams.video:
                raise OSError(f"{video} holds no video")
            for frame in itertools.islice(container.decode(video=0), count):
                yield rgb_of(frame)
    except av.error.FFmpegError as error:
        raise OSError(f"{video} cannot be read: {error.strerror}") from error


def rgb_of(frame: Any) -> ndarray[Any, Any]:
    """The frame's planes as RGB; by swscale where it says no matrix or range, or is no YUV."""
    import viewcast as vc

    try:
        return vc.to_numpy(vc.yuv(frame))
    except ValueError:
        return frame.to_ndarray(format="rgb24")  # type: ignore[no-any-return]


def sample_clip(count: int = FRAMES) -> io.BytesIO:
    """An MP4 file of 1280 x 720, BT.709: bouncing balls above moving hills, for five seconds."""
    import viewcast as vc

    av: Any = importlib.import_module("av")
    file = io.BytesIO()
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with av.open(file, "w", format="mp4") as container:
        track = container.add_stream(codec, rate=RATE)
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        track.options = {"preset": "ultrafast"} if codec == "libx264" else {}
        track.bit_rate = 4_000_000
        context = track.codec_context
        context.colorspace, context.color_range = BT709, LIMITED
        for rgb in itertools.islice(draw(), count):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            frame.colorspace, frame.color_range = BT709, LIMITED
            vc.to_yuv(rgb, format="i420", matrix="bt709", range="limited", out=frame)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    file.seek(0)
    return file


def draw() -> Iterator[ndarray[Any, Any]]:
    """The frames of the sample clip."""
    import numpy as np

    scenery = draw_scenery()
    y, x = np.mgrid[-1 : 1 : 2j * RADIUS, -1 : 1 : 2j * RADIUS]
    inside = x * x + y * y < 1
    light = np.clip(1.2 - np.hypot(x + 0.4, y + 0.4) / 1.6, 0, 1)[..., None]
    for number in range(FRAMES):
        turn = 2 * np.pi * number / FRAMES
        shift = number * WIDTH // FRAMES
        frame = np.roll(scenery, -shift, axis=1)
        for turns, phase, colour in BALLS:
            left = int(WIDTH / 2 - RADIUS + 450 * np.cos(turn + phase))
            top = int(420 - 330 * abs(np.sin(turns * turn + phase)))
            place = frame[top : top + 2 * RADIUS, left : left + 2 * RADIUS]
            place[inside] = (light * colour)[inside]
        yield frame


def draw_scenery() -> ndarray[Any, Any]:
    """A sky above three rows of hills; its right edge continues at the left one."""
    import numpy as np

    y, x = np.mgrid[:HEIGHT, :WIDTH]
    angle = 2 * np.pi * x / WIDTH
    shade = (y / HEIGHT)[..., None]
    picture = np.array([90, 150, 230]) * (1 - shade) + np.array([235, 235, 225]) * shade
    for row, (waves, tall) in enumerate(((2, 60), (3, 45), (7, 25))):
        ridge = HEIGHT * (0.45 + 0.18 * row) + tall * np.sin(waves * angle + row)
        stripes = 12 * np.sin(23 * angle + (y - ridge) / 6)[..., None]
        grass = np.array([60, 110, 40]) + row * np.array([15, 30, 5]) + stripes
        picture = np.where((y > ridge)[..., None], grass, picture)
    return picture.astype(np.uint8)
