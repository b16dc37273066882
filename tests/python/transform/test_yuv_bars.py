# SPDX-License-Identifier: Apache-2.0
"""Colour bars that PyAV's encoders make, with each matrix and range: the decoded frame says both,
and vc.yuv gives what swscale's accurate conversion gives, within 1.

Each bar is flat, so that chroma has one value in it wherever it is sited: where bars meet,
swscale interpolates the chroma of 4:2:0, and vc.yuv replicates it as cv2.cvtColor does. These
columns are left out there, and compared in 4:4:4."""

import numpy as np
import pytest

import viewcast as vc

av = pytest.importorskip("av")

#: swscale's flags: POINT, FULL_CHR_H_INT, FULL_CHR_H_INP, ACCURATE_RND and BITEXACT.
ACCURATE = 0x10 | 0x2000 | 0x4000 | 0x40000 | 0x80000
MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
RANGES = {1: "limited", 2: "full"}
LOSSLESS = {
    "ffv1": {},
    "libx264": {"qp": "0"},
    # Of a video that is shorter than its B-frames reach, x265 gives decoding times out of nowhere.
    "libx265": {"x265-params": "lossless=1:log-level=0:bframes=0"},
}
WIDTH = 16  # of a bar


def bars():
    """White, yellow, cyan, green, magenta, red, blue, black, and as much again at 3 / 4."""
    colours = np.array([[x, y, z] for y in (255, 0) for x in (255, 0) for z in (255, 0)], np.uint8)
    colours = np.concatenate([colours, colours // 4 * 3])
    return np.repeat(colours, WIDTH, 0)[None].repeat(32, 0)


def encoded(path, codec, format, matrix, range):
    """The bars as the codec's first frame."""
    rgb = av.VideoFrame.from_ndarray(bars(), format="rgb24")
    frame = rgb.reformat(
        format=format,
        dst_colorspace=matrix,
        dst_color_range=range,
        src_color_range=2,
        interpolation=ACCURATE,
    )
    frame.colorspace, frame.color_range = matrix, range
    with av.open(str(path), "w") as out:
        track = out.add_stream(codec, rate=25, options=LOSSLESS[codec])
        track.width, track.height, track.pix_fmt = rgb.width, rgb.height, format
        track.codec_context.colorspace = matrix
        track.codec_context.color_range = range
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    with av.open(str(path)) as file:
        return next(file.decode(video=0))


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("range", RANGES)
@pytest.mark.parametrize(
    ("codec", "format"),
    [
        ("ffv1", "yuv444p"),
        ("libx264", "yuv444p"),
        ("libx264", "yuv420p"),
        ("libx264", "yuv422p"),
        ("libx264", "yuv420p10le"),
        ("libx265", "yuv420p10le"),
    ],
)
def test_colour_bars_come_back_as_by_swscale(tmp_path, codec, format, matrix, range):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    frame = encoded(tmp_path / "bars.mkv", codec, format, matrix, range)
    assert frame.format.name in (format, format.replace("yuv", "yuvj"))
    image = vc.yuv(frame)
    assert (image.matrix, image.range) == (MATRICES[matrix], RANGES[range])
    swscale = frame.reformat(
        format="rgb24",
        src_colorspace=matrix,
        src_color_range=range,
        dst_color_range=2,
        interpolation=ACCURATE,
    ).to_ndarray()
    found = vc.to_numpy(image).astype(int)
    inside = np.arange(found.shape[1]) % WIDTH
    flat = slice(None) if "444" in format else (inside >= 2) & (inside < WIDTH - 2)
    assert abs(found - bars())[:, flat].max() <= 2  # what 8 bits of YUV lose
    assert abs(found - swscale)[:, flat].max() <= 1
