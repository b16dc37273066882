# SPDX-License-Identifier: Apache-2.0
"""Frames of a video from OpenCV into a torch model, its masks back, and boxes onto the frames.

    python examples/detector_input.py [--video FILE] [--frames N] [--output FILE]

Each frame becomes a GpuMat. One call, vc.to_tensor, makes of a list of them what a detector
wants: letterboxed to one size with the pixels of cv2.resize, a batch (N, C, H, W), RGB, half
precision on a GPU, normalised. A small convolutional network finds what stands out; one call,
vc.to_gpumat, makes GpuMats of its masks, and the boxes around their spots go back onto the
frames. The chain of OpenCV and torch calls that the first call replaces runs beside it:
both results are compared, and on a GPU the fastest of 15 runs of each is printed.

Without a GPU the GpuMats lie over host memory. PyAV reads the video and Pillow writes the
picture, for OpenCVs built with CUDA often have neither; frames may come in a NumPy file too,
(N, H, W, 3), RGB:

    python examples/detector_input.py --video frames.npy
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from PIL import Image

import viewcast as vc
from viewcast.clip import read_frames, sample_clip
from viewcast.demo import check_picture
from viewcast.terminal import positive, run_program

Pixels: TypeAlias = np.ndarray[Any, np.dtype[Any]]

WIDTH, HEIGHT = 512, 288
FIT = vc.Letterbox((HEIGHT, WIDTH))
ROUNDS = 15
PICTURES = 4


class Gpu:
    name = "torch on cuda:0"
    device, dtype = "cuda:0", torch.float16

    def load(self, frame: Pixels) -> cv2.cuda.GpuMat:
        return vc.as_gpumat(frame, copy=None, device=0)

    def wait(self) -> None:
        torch.cuda.synchronize()


class Host:
    name = "no GPU: torch on the CPU"
    device, dtype = "cpu", torch.float32

    def load(self, frame: Pixels) -> cv2.cuda.GpuMat:
        return vc.as_gpumat(frame)

    def wait(self) -> None:
        pass


Machine: TypeAlias = Gpu | Host


def find_machine() -> Machine:
    if vc.host_mode():
        return Host()
    if not torch.cuda.is_available():
        raise SystemExit(
            "there is a GPU, but this torch is built without CUDA or can't use it; with "
            "CUDA_VISIBLE_DEVICES= in the environment all runs on the CPU"
        )
    return Gpu()


def frames_of(video: str | None, count: int) -> Iterator[Pixels]:
    """(H, W, 3), RGB."""
    if video and video.endswith(".npy"):
        return iter(np.load(video, mmap_mode="r")[:count])
    return read_frames(video or sample_clip(), count)


# ------------------------------------------------------------------- the model


def gaussian(size: int, sigma: float) -> torch.Tensor:
    x = torch.arange(size, dtype=torch.float32) - size // 2
    line = torch.exp(-(x**2) / (2 * sigma**2))
    plane = line[:, None] * line[None, :]
    return plane / plane.sum()


class Salience(torch.nn.Module):
    """What stands out from its surroundings, in brightness or in colour.

    Three convolutions with weights that are written down, not trained: opponent
    colours, their difference from what is around (centre - surround), and a blur
    that joins what lies close together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.opponent = torch.nn.Conv2d(3, 3, 1, bias=False)
        self.surround = torch.nn.Conv2d(
            3, 3, 31, padding="same", padding_mode="reflect", groups=3, bias=False
        )
        self.join = torch.nn.Conv2d(3, 1, 9, padding="same", padding_mode="reflect", bias=False)
        red, green, blue = torch.tensor(vc.IMAGENET.std)  # back to plain RGB
        weights = [[red, green, blue], [red, -green, 0.0], [red / 2, green / 2, -blue]]
        around = gaussian(31, 2.0) - gaussian(31, 9.0)
        with torch.no_grad():
            self.opponent.weight.copy_(torch.tensor(weights).view(3, 3, 1, 1))
            self.surround.weight.copy_(around.expand(3, 1, 31, 31))
            self.join.weight.copy_(gaussian(9, 2.5).expand(1, 3, 9, 9))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W), normalised, to masks (N, 1, H, W) of 0 … 1."""
        found = self.join(self.surround(self.opponent(batch)).abs()).float()
        mean = found.mean(dim=(2, 3), keepdim=True)
        spread = found.std(dim=(2, 3), keepdim=True)
        return torch.sigmoid(4 * (found - mean) / spread - 4)


# ----------------------------------------------------------- the two ways of it


def in_one_call(mats: list[cv2.cuda.GpuMat], machine: Machine) -> torch.Tensor:
    return vc.to_tensor(
        mats,
        layout="NCHW",
        dtype=machine.dtype,
        normalize=vc.IMAGENET,
        reverse_channels=True,  # OpenCV's BGR to RGB
        resize=FIT,
    )


def in_a_chain(frames: list[Pixels], machine: Machine) -> torch.Tensor:
    mean = torch.tensor(vc.IMAGENET.mean).view(3, 1, 1)
    std = torch.tensor(vc.IMAGENET.std).view(3, 1, 1)
    images = []
    for frame in frames:
        at = FIT.placement((frame.shape[0], frame.shape[1]))
        small = cv2.resize(frame, (at.width, at.height))
        below, after = HEIGHT - at.height - at.top, WIDTH - at.width - at.left
        framed = cv2.copyMakeBorder(
            small, at.top, below, at.left, after, cv2.BORDER_CONSTANT, value=(114, 114, 114)
        )
        image = torch.from_numpy(framed[:, :, ::-1].copy()).permute(2, 0, 1).float()
        images.append((image / 255 - mean) / std)
    return torch.stack(images).to(machine.device, machine.dtype)


def milliseconds(
    mats: list[cv2.cuda.GpuMat], frames: list[Pixels], machine: Machine
) -> list[float]:
    """The fastest run of each way. They take turns, and the first runs do not count."""
    ways: list[Callable[[], torch.Tensor]] = [
        lambda: in_one_call(mats, machine),
        lambda: in_a_chain(frames, machine),
    ]
    times: list[list[float]] = [[] for _ in ways]
    for number in range(-2, ROUNDS):
        for way, measured in zip(ways, times, strict=True):
            machine.wait()
            begin = time.perf_counter()
            way()
            machine.wait()
            if number >= 0:
                measured.append(time.perf_counter() - begin)
    return [1000 * min(measured) for measured in times]


# ------------------------------------------------------------ boxes on the frames


def spots_of(mask: Pixels) -> Pixels:
    """The boxes x0, y0, x1, y1 around the compact spots of a mask, in its pixels: (N, 4)."""
    _, _, found, _ = cv2.connectedComponentsWithStats((mask > 160).astype(np.uint8))
    boxes = [
        [x, y, x + width, y + height]
        for x, y, width, height, area in found[1:].tolist()  # the first is the background
        if area > 150 and max(width, height) < 2 * min(width, height)
    ]
    return np.array(boxes, dtype=float).reshape(-1, 4)


def mark(frame: Pixels, mask: Pixels) -> Pixels:
    """The frame with these boxes, which go back from where the model saw them."""
    placement = FIT.placement((frame.shape[0], frame.shape[1]))
    marked = frame.copy()
    for x0, y0, x1, y1 in placement.to_source(spots_of(mask)).round().astype(int).tolist():
        cv2.rectangle(marked, (x0, y0), (x1, y1), (0, 220, 255), 3)
    return marked


# ------------------------------------------------------------------ the picture


def picture(frames: Sequence[Pixels], masks: Sequence[cv2.cuda.GpuMat]) -> Pixels:
    """Frames above, what was found below: the rest of them is dark and grey."""
    columns = []
    for frame, mat in zip(frames, masks, strict=True):
        mask = vc.to_numpy(mat)
        image = vc.to_numpy(frame, resize=FIT)
        share = mask.astype(np.float32)[..., None] / 255
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        found = image * share + grey * (1 - share) * 0.35
        marked = vc.to_numpy(mark(frame, mask), resize=FIT)
        columns.append(np.vstack([marked, found.astype(np.uint8)]))
    return np.hstack(columns)


def spread(count: int) -> list[int]:
    return sorted({round(n * (count - 1) / (PICTURES - 1)) for n in range(PICTURES)})


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--video", metavar="FILE", help="or a .npy; default: a drawn clip")
    parser.add_argument("--frames", type=positive, default=16, metavar="N", help="at most")
    parser.add_argument("--output", default="detector-input.png", metavar="FILE")
    options = parser.parse_args()
    check_picture(options.output)
    machine = find_machine()
    model = Salience().to(machine.device, machine.dtype).eval()
    frames = [
        cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in frames_of(options.video, options.frames)
    ]
    if not frames:
        raise OSError(f"{options.video} has no frames")
    mats = [machine.load(frame) for frame in frames]
    batch = in_one_call(mats, machine)
    difference = (batch.float() - in_a_chain(frames, machine).float()).abs().max().item()
    print(f"{len(mats)} frames, {machine.name}")
    print(f"batch {tuple(batch.shape)} {batch.dtype}, largest difference {difference:.1e}")

    with torch.inference_mode():
        masks = model(batch)
    mask_mats = vc.to_gpumat(masks, from_layout="NCHW", dtype="uint8", scale=255)
    kept = spread(len(mats))
    image = picture([frames[n] for n in kept], [mask_mats[n] for n in kept])
    Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).save(options.output)
    print(f"masks: {masks.mean().item():.1%} of the pixels stand out; picture: {options.output}")

    if machine.device != "cpu":  # a CPU's other work decides what torch's threads take there
        one, chain = milliseconds(mats, frames, machine)
        print(
            f"fastest of {ROUNDS}: one call {one:.2f} ms, the chain {chain:.2f} ms, "
            f"{chain / one:.1f} times"
        )
    return 0 if difference < (5e-3 if machine.dtype == torch.float16 else 1e-5) else 1


if __name__ == "__main__":
    sys.exit(run_program("detector_input", main))
