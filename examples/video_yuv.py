# SPDX-License-Identifier: Apache-2.0
"""A video into the input of a model from the decoder's own planes: no RGB frame is made first.

    python examples/video_yuv.py [--video FILE] [--frames N] [--matrix NAME] [--range NAME]
                                 [--output FILE]

Frames are YUV: NV12 where NVIDIA's decoder writes them (PyNvVideoCodec, where it is installed and
there is a GPU), planar where FFmpeg does (PyAV, on the CPU). vc.yuv takes them as they are, with
the matrix and the range that the video states, and one call, vc.to_tensor, makes of a list of them
a batch (N, C, H, W): RGB, letterboxed, normalised.

The picture shows a frame so converted, the same frame by swscale, which PyAV calls for
frame.to_ndarray("rgb24"), and 32 times the difference of both. swscale's default is quick and
rounds coarsely; its accurate conversion differs where colours meet, for it moves chroma to where
it is sited. Where the video does not state its colours, say them: --matrix bt709 --range limited.
"""

import argparse
import importlib
import itertools
import pathlib
import sys
import tempfile
from typing import Any

import av
import numpy as np
import torch
from PIL import Image

import viewcast as vc
from viewcast.clip import sample_clip
from viewcast.demo import check_picture
from viewcast.terminal import positive, run_program

FIT = vc.Letterbox((288, 512))
# swscale's flags: POINT, FULL_CHR_H_INT, FULL_CHR_H_INP, ACCURATE_RND and BITEXACT.
ACCURATE = 0x10 | 0x2000 | 0x4000 | 0x40000 | 0x80000


def decoded_by_pyav(path: str, count: int) -> list[Any]:
    try:
        with av.open(path) as file:
            if not file.streams.video:
                raise OSError(f"{path} holds no video")
            return list(itertools.islice(file.decode(video=0), count))
    except av.error.FFmpegError as error:
        raise OSError(f"{path} cannot be read: {error.strerror}") from error


def decoder_on_the_gpu(path: str) -> Any:
    """PyNvVideoCodec's decoder; None where it is not installed, or decodes nothing."""
    if vc.host_mode() or not torch.cuda.is_available():
        return None
    try:
        codec = importlib.import_module("PyNvVideoCodec")
        return codec.SimpleDecoder(path, use_device_memory=True)
    except (ImportError, OSError, RuntimeError) as error:
        print(f"without NVDEC: {str(error).splitlines()[0]}")
        return None


def batch_of(images: list[vc.YUV]) -> torch.Tensor:
    return vc.to_tensor(images, layout="NCHW", dtype="float16", normalize="imagenet", resize=FIT)


def swscale(frame: av.VideoFrame, image: vc.YUV, **options: Any) -> np.ndarray[Any, Any]:
    """RGB by swscale, with the matrix and the range that vc.yuv was told."""
    matrix, spread = {"bt709": 1, "bt601": 5, "bt2020": 9}[image.matrix], image.range == "full"
    made = frame.reformat(
        format="rgb24",
        src_colorspace=matrix,
        src_color_range=1 + spread,
        dst_color_range=2,
        **options,
    )
    return made.to_ndarray()


def compare(frame: av.VideoFrame, image: vc.YUV, output: str) -> None:
    ours = vc.to_numpy(image)
    exact, usual = swscale(frame, image, interpolation=ACCURATE), swscale(frame, image)
    for name, other in (("default", usual), ("accurate", exact)):
        apart = abs(ours.astype(int) - other)
        print(
            f"swscale's {name} conversion: {(apart > 0).mean():.1%} of the bytes differ, "
            f"by {apart.mean():.2f} on average"
        )
    difference = np.minimum(abs(ours.astype(int) - usual) * 32, 255).astype(np.uint8)
    columns = [vc.to_numpy(each, resize=FIT) for each in (ours, usual, difference)]
    Image.fromarray(np.hstack(columns)).save(output)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--video", metavar="FILE", help="default: a drawn clip")
    parser.add_argument("--frames", type=positive, default=16, metavar="N", help="at most")
    parser.add_argument(
        "--matrix", choices=["bt601", "bt709", "bt2020"], help="default: what the video states"
    )
    parser.add_argument("--range", choices=["limited", "full"], help="the same")
    parser.add_argument("--output", default="video-yuv.png", metavar="FILE")
    options = parser.parse_args()
    check_picture(options.output)
    said = {"matrix": options.matrix, "range": options.range}
    if not options.video:
        said = {"matrix": "bt709", "range": "limited"}
    with tempfile.TemporaryDirectory() as folder:
        path = options.video or str(pathlib.Path(folder) / "clip.mp4")
        if not options.video:
            pathlib.Path(path).write_bytes(sample_clip(options.frames).getvalue())
        frames = decoded_by_pyav(path, options.frames)
        if not frames:
            raise OSError(f"{path} has no frames")
        try:
            images = [vc.yuv(frame, **said) for frame in frames]
        except ValueError as error:
            parser.error(str(error))
        batch = batch_of(images)
        print(f"{len(images)} frames of {images[0].format}, {images[0].matrix}, {images[0].range}")
        print(f"batch {tuple(batch.shape)} {batch.dtype} on {batch.device}")

        decoder = decoder_on_the_gpu(path)
        if decoder:  # The memory of its frames is its own, and lasts until the next batch.
            surfaces = decoder.get_batch_frames(min(len(frames), len(decoder)))
            # They say neither matrix nor range.
            colours: dict[str, Any] = {"matrix": images[0].matrix, "range": images[0].range}
            other = batch_of([vc.yuv(surface, **colours) for surface in surfaces])
            same = torch.equal(other.cpu(), batch[: len(surfaces)])
            print(f"batch {tuple(other.shape)} {other.dtype} on {other.device}, the same: {same}")
    middle = len(frames) // 2
    compare(frames[middle], images[middle], options.output)
    print(f"picture: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(run_program("video_yuv", main))
