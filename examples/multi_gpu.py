# SPDX-License-Identifier: Apache-2.0
"""A video spread over several GPUs, frames in OpenCV, results gathered by torch.

    torchrun --nproc-per-node 2 examples/multi_gpu.py [--video FILE] [--frames N]
                                                      [--output FILE] [--backend NAME]

Each rank takes every N-th frame of a real video into a GpuMat on its own GPU, works
on it with cv2.cuda, hands it to torch without a copy and measures it there. The
ranks then gather each frame's mean colour, and rank 0 sends one of its frames to
all: NCCL reads the memory that OpenCV allocated and writes into theirs. With --output,
rank 0 gathers some frames of each rank in the same way and writes a picture: a row for
each rank, and under each frame its mean colour.

The same code runs without GPUs (`--backend gloo` is then the default): frames lie in
host memory, cv2.resize takes the place of cv2.cuda.resize, and gloo that of NCCL.
"""

import argparse
import os
import sys
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as dist
from PIL import Image

import viewcast as vc
from viewcast.clip import read_frames, sample_clip
from viewcast.demo import check_picture
from viewcast.terminal import positive, run_program

WIDTH, HEIGHT = 512, 288  # rows of 1536 bytes: OpenCV's pitch leaves no gap
PICTURES = 4  # of each rank, in the picture
BAR = 24  # rows of the mean colour
cuda: Any = cv2.cuda  # stock OpenCV's stubs lack what only builds with CUDA have


class Gpu:
    """One rank's GPU: uploads, computes and passes images on, on one stream of its own."""

    def __init__(self, rank: int) -> None:
        self.device = torch.device("cuda", rank % torch.cuda.device_count())
        torch.cuda.set_device(self.device)
        cv2.cuda.setDevice(self.device.index)
        self.stream = vc.stream(torch.cuda.Stream())  # type: ignore[no-untyped-call]

    def measure(self, frame: np.ndarray) -> tuple[cv2.cuda.GpuMat, torch.Tensor]:
        with vc.use_stream(self.stream):
            mat = cv2.cuda.GpuMat()
            mat.upload(frame, self.stream.cv2)
            small: cv2.cuda.GpuMat = cuda.resize(mat, (WIDTH, HEIGHT), stream=self.stream.cv2)
            return small, mean_colour(vc.as_tensor(small))


class Host:
    """One rank without a GPU: a GpuMat header over the resized frame."""

    device = torch.device("cpu")

    def __init__(self, rank: int) -> None:
        pass

    def measure(self, frame: np.ndarray) -> tuple[cv2.cuda.GpuMat, torch.Tensor]:
        small = vc.as_gpumat(cv2.resize(frame, (WIDTH, HEIGHT)))
        return small, mean_colour(vc.as_tensor(small))


def mean_colour(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.float32).mean(dim=(0, 1))


def gather(results: torch.Tensor, world: int) -> torch.Tensor:
    """All ranks' rows (frame number, red, green, blue), in frame order."""
    longest = torch.tensor([len(results)], device=results.device)
    dist.all_reduce(longest, op=dist.ReduceOp.MAX)
    padded = torch.full((int(longest), 4), -1.0, device=results.device)
    padded[: len(results)] = results
    rows = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(rows, padded)
    joined = torch.cat(rows)
    joined = joined[joined[:, 0] >= 0]
    return joined[joined[:, 0].argsort()]


def share_a_frame(mat: cv2.cuda.GpuMat, rank: int) -> torch.Tensor:
    """Rank 0's frame to all ranks, straight from and into GpuMat memory."""
    tensor = vc.as_tensor(mat)
    assert tensor.is_contiguous() and tensor.data_ptr() == mat.cudaPtr()
    dist.broadcast(tensor, src=0)
    return tensor


def gather_frames(mats: list[cv2.cuda.GpuMat], rank: int, world: int) -> list[torch.Tensor]:
    """On rank 0 a tensor (ranks, height, width, 3) for each of the first frames."""
    columns = []
    for mat in mats:
        mine = vc.as_tensor(mat)
        theirs = [torch.empty_like(mine) for _ in range(world)] if rank == 0 else None
        dist.gather(mine, theirs)
        columns += [torch.stack(theirs)] if theirs else []
    return columns


def draw(columns: list[torch.Tensor], rows: torch.Tensor, world: int, path: str) -> None:
    """Each rank's frames from left to right, and below each its mean colour."""
    sheet = np.zeros((world, HEIGHT + BAR, len(columns), WIDTH, 3), np.uint8)
    for column, frames in enumerate(columns):
        colours = rows[column * world : (column + 1) * world, 1:]
        sheet[:, :HEIGHT, column] = frames.cpu().numpy()
        sheet[:, HEIGHT:, column] = colours.round().byte().cpu().numpy()[:, None, None]
    picture = Image.fromarray(sheet.reshape(world * (HEIGHT + BAR), len(columns) * WIDTH, 3))
    picture.thumbnail((1200, 1200))
    picture.save(path, quality=75)


def work(options: argparse.Namespace) -> int:
    rank, world = dist.get_rank(), dist.get_world_size()
    machine: Gpu | Host = (Host if vc.host_mode() else Gpu)(rank)
    rows, last = [], cv2.cuda.GpuMat()
    mats: list[cv2.cuda.GpuMat] = []
    whole = min(PICTURES, options.frames // world)  # frames that every rank has
    for number, frame in enumerate(read_frames(options.video or sample_clip(), options.frames)):
        if number % world == rank:
            last, colour = machine.measure(frame)
            mats += [last] if len(mats) < whole else []
            rows.append(torch.cat([torch.tensor([float(number)], device=machine.device), colour]))
    if isinstance(machine, Gpu):
        machine.stream.torch.synchronize()
    everything = gather(torch.stack(rows), world)
    shared = share_a_frame(last, rank)
    checksum = shared.to(torch.int64).sum()
    sums = [torch.empty_like(checksum) for _ in range(world)]
    dist.all_gather(sums, checksum)
    columns = gather_frames(mats, rank, world) if options.output else []
    if rank == 0:
        report(machine, world, everything, sums)
        if columns:
            draw(columns, everything, world, options.output)
    same = all(int(each) == int(sums[0]) for each in sums)
    return 0 if same and len(everything) == options.frames else 1


def report(machine: Gpu | Host, world: int, rows: torch.Tensor, sums: list[torch.Tensor]) -> None:
    print(f"{world} ranks on {machine.device.type}, backend {dist.get_backend()}")
    print(f"{len(rows)} frames, mean colour of the first and the last (R, G, B):")
    for row in (rows[0], rows[-1]):
        print(
            f"  frame {int(row[0]):4}: " + ", ".join(f"{value:6.2f}" for value in row[1:].tolist())
        )
    print(f"rank 0's GpuMat reached every rank: {[int(each) for each in sums]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--video", metavar="FILE", help="default: a drawn clip")
    parser.add_argument("--frames", type=positive, default=60, metavar="N")
    parser.add_argument("--output", metavar="FILE", help="a picture of what each rank had")
    parser.add_argument("--backend", choices=["nccl", "gloo"])
    options = parser.parse_args()
    if "RANK" not in os.environ:
        parser.error("start it with torchrun --nproc-per-node N examples/multi_gpu.py")
    if options.output:
        check_picture(options.output)
    dist.init_process_group(options.backend or ("gloo" if vc.host_mode() else "nccl"))
    try:
        return work(options)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(run_program("multi_gpu", main))
