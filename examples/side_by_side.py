# SPDX-License-Identifier: Apache-2.0
"""Four frames of a video in one picture, each written straight into its place.

    python examples/side_by_side.py [--video FILE] [--every N] [--output FILE]

The picture is one torch tensor. Its quarters are regions of one GpuMat over it: with
an OpenCV built with CUDA, cv2.cuda.resize writes its results there, else torch does.
No frame is made first and copied in afterwards.
"""

import argparse
import sys

import cv2
import numpy as np
import torch
from PIL import Image

import viewcast as vc
from viewcast.clip import read_frames, sample_clip
from viewcast.demo import check_picture
from viewcast.terminal import positive, run_program

WIDTH, HEIGHT, GAP = 400, 225, 8


def canvas() -> torch.Tensor:
    shape = (2 * HEIGHT + 3 * GAP, 2 * WIDTH + 3 * GAP, 3)
    device = "cpu" if vc.host_mode() else "cuda"
    return torch.full(shape, 32, dtype=torch.uint8, device=device)


def quarters(mat: cv2.cuda.GpuMat) -> list[cv2.cuda.GpuMat]:
    """Regions of the GpuMat: headers over a part of its memory."""
    return [
        cv2.cuda.GpuMat(mat, (GAP + x * (WIDTH + GAP), GAP + y * (HEIGHT + GAP), WIDTH, HEIGHT))
        for y in range(2)
        for x in range(2)
    ]


def put_by_opencv(frame: np.ndarray, place: cv2.cuda.GpuMat) -> None:
    mat = cv2.cuda.GpuMat()
    mat.upload(frame)
    shrink = cv2.cuda.resize  # type: ignore[attr-defined]  # not in its stubs
    shrink(mat, (WIDTH, HEIGHT), dst=place, interpolation=cv2.INTER_AREA)


def put_by_torch(frame: np.ndarray, place: cv2.cuda.GpuMat) -> None:
    target = vc.as_tensor(place)
    planar = torch.from_numpy(frame).to(target.device).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(planar, (HEIGHT, WIDTH), mode="area")
    target.copy_(small[0].permute(1, 2, 0).round())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--video", metavar="FILE", help="default: a drawn clip")
    parser.add_argument(
        "--every", type=positive, default=30, metavar="N", help="frames from one to the next"
    )
    parser.add_argument("--output", default="side_by_side.jpg", metavar="FILE")
    options = parser.parse_args()
    check_picture(options.output)
    decoded = list(read_frames(options.video or sample_clip(), 3 * options.every + 1))
    frames = decoded[:: options.every]
    if len(frames) < 4:
        parser.error(f"{options.video or 'the clip'} is too short for --every {options.every}")

    picture = canvas()
    with_cuda = not vc.host_mode() and cv2.cuda.getCudaEnabledDeviceCount() > 0
    put = put_by_opencv if with_cuda else put_by_torch
    for frame, place in zip(frames, quarters(vc.as_gpumat(picture)), strict=True):
        put(frame, place)

    Image.fromarray(picture.cpu().numpy()).save(options.output, quality=75)
    print(f"{len(frames)} frames, written by {put.__name__.split('_')[-1]}: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(run_program("side_by_side", main))
