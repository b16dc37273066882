# SPDX-License-Identifier: Apache-2.0
"""A mask that torch computes, painted into OpenCV's frame.

    python examples/mask_overlay.py [--video FILE] [--frame N] [--output FILE]

torch sees the GpuMat's memory, finds the plants in the picture (a model would do better)
and paints them. Nothing is copied back, for the GpuMat is what was painted on. The
picture shows the frame before and after.
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

PAINT = (190, 60, 255)


def gpumat_of(frame: np.ndarray) -> cv2.cuda.GpuMat:
    """Uploaded by OpenCV if it can, else by torch; in host mode, the frame itself."""
    if vc.host_mode():
        return vc.as_gpumat(frame)
    if cv2.cuda.getCudaEnabledDeviceCount() > 0:
        mat = cv2.cuda.GpuMat()
        mat.upload(frame)
        return mat
    return vc.as_gpumat(torch.from_numpy(frame).to("cuda"))


def plants(pixels: torch.Tensor) -> torch.Tensor:
    """True where green outweighs blue, small specks left out."""
    green = (pixels[..., 1].float() - pixels[..., 2].float())[None, None]
    blurred = torch.nn.functional.avg_pool2d(green, 15, stride=1, padding=7)
    return blurred[0, 0] > 24


def paint(mat: cv2.cuda.GpuMat, mask: torch.Tensor) -> None:
    """Half colour, half picture, where the mask says so, in the GpuMat's memory."""
    pixels = vc.as_tensor(mat)
    colour = torch.tensor(PAINT, dtype=torch.uint8, device=pixels.device)
    painted = pixels // 2 + colour // 2
    torch.where(mask[..., None], painted, pixels, out=pixels)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--video", metavar="FILE", help="default: a drawn clip")
    parser.add_argument(
        "--frame", type=positive, default=61, metavar="N", help="the one to paint on, from 1"
    )
    parser.add_argument("--output", default="mask_overlay.jpg", metavar="FILE")
    options = parser.parse_args()
    check_picture(options.output)
    frames = list(read_frames(options.video or sample_clip(), options.frame))
    if len(frames) < options.frame:
        parser.error(f"{options.video or 'the clip'} has {len(frames)} frames")
    frame = frames[-1]

    mat = gpumat_of(frame.copy())
    mask = plants(vc.as_tensor(mat))
    paint(mat, mask)

    painted = vc.as_tensor(mat).cpu().numpy()
    both = Image.fromarray(np.hstack([frame, painted]))
    both.thumbnail((1200, 1200))
    both.save(options.output, quality=75)
    print(f"{int(mask.sum())} of {mask.numel()} pixels painted: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(run_program("mask_overlay", main))
