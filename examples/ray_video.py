# SPDX-License-Identifier: Apache-2.0
"""A folder of videos through Ray Data: decoded, letterboxed, a model, boxes on the frames.

    python examples/ray_video.py [FOLDER] [--address auto] [--frames N] [--output FILE]
                                 [--picture FILE]

Tasks on CPUs decode the videos; their frames stay YUV, half the bytes of RGB in the object
store. Each actor of the model has a GPU of its own, where the cluster has some. One call,
vc.to_tensor, makes a batch of its frames, which may differ in size: colours, letterbox,
values and layout in one pass. The boxes that the model finds go back to the coordinates of the
frames, and into a file of JSON lines. Frames are read as BT.709 of limited range, which the drawn
clips have; where videos differ, pass on what each of them states (frame.colorspace).

Without --address a Ray of its own runs on this machine. On a cluster, FOLDER and these packages
are on every node. Without FOLDER, two clips are drawn.
"""

import argparse
import collections
import itertools
import json
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, TypeAlias

import av
import cv2
import numpy as np
import ray
import torch
from PIL import Image

import viewcast as vc
from viewcast.clip import read_frames, sample_clip
from viewcast.demo import check_picture
from viewcast.terminal import positive, run_program

Pixels: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Columns: TypeAlias = dict[str, Any]  # of a block, or of one row

FIT = vc.Letterbox((288, 512))
AT_ONCE = 16  # frames in a block that is decoded, and in a batch of the model
BOX = ("x0", "y0", "x1", "y1")
PICTURES = 4
VIDEOS = {".mp4", ".mkv", ".mov", ".avi", ".webm"}


def decode(videos: Columns) -> Iterator[Columns]:
    """Blocks of frames (H * 3 / 2, W): the planes Y, U and V as they were decoded."""
    for path, most in zip(videos["path"], videos["most"], strict=True):
        with av.open(str(path)) as container:
            frames = itertools.islice(container.decode(video=0), int(most))
            numbers = itertools.count()
            while block := list(itertools.islice(frames, AT_ONCE)):
                yield {
                    "video": np.array([str(path)] * len(block)),
                    "frame": np.array([next(numbers) for _ in block]),
                    "planes": np.stack([each.to_ndarray(format="yuv420p") for each in block]),
                }


class Model(torch.nn.Module):
    """Red and yellow things. Its weights are written down, not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.warm = torch.nn.Conv2d(3, 1, 1, bias=False)
        self.join = torch.nn.AvgPool2d(5, stride=1, padding=2)
        with torch.no_grad():
            self.warm.weight.copy_(torch.tensor([1.0, -0.5, -0.5]).view(1, 3, 1, 1))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) of 0 to 1, to masks (N, H, W) of bool."""
        found: torch.Tensor = self.join(self.warm(batch))[:, 0] > 0.25
        return found


class Detector:
    """What an actor keeps: the model."""

    def __init__(self) -> None:
        self.device = "cpu" if vc.host_mode() else "cuda"
        self.dtype = torch.float32 if vc.host_mode() else torch.float16
        self.model = Model().to(self.device, self.dtype).eval()

    def __call__(self, batch: Columns) -> Columns:
        """A row for each box, in the coordinates of its frame."""
        planes = [torch.tensor(each, device=self.device) for each in batch["planes"]]
        images = [vc.yuv(each, "i420", matrix="bt709", range="limited") for each in planes]
        inputs = vc.to_tensor(images, layout="NCHW", dtype=self.dtype, scale=1 / 255, resize=FIT)
        with torch.inference_mode():
            masks = self.model(inputs).byte().cpu().numpy()
        rows, boxes = [], []
        for row, (mask, given) in enumerate(zip(masks, planes, strict=True)):
            height, width = given.shape[0] * 2 // 3, given.shape[1]
            found = FIT.placement((height, width)).to_source(boxes_of(mask))
            boxes.append(found)
            rows += [row] * len(found)
        named = dict(zip(BOX, np.concatenate(boxes).T, strict=True))
        return {"video": batch["video"][rows], "frame": batch["frame"][rows], **named}


def boxes_of(mask: Pixels) -> Pixels:
    """The boxes around the spots of a mask, in its pixels: (N, 4)."""
    _, _, found, _ = cv2.connectedComponentsWithStats(mask)
    boxes = [[x, y, x + w, y + h] for x, y, w, h, area in found[1:].tolist() if area > 60]
    return np.array(boxes, dtype=float).reshape(-1, 4)


def detect(videos: list[str], most: int) -> Any:
    """The dataset of boxes; nothing runs before it is read."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    items = ray.data.from_items(
        [{"path": path, "most": most} for path in videos], override_num_blocks=len(videos)
    )
    return items.map_batches(decode, batch_size=1).map_batches(
        Detector,
        batch_size=AT_ONCE,
        num_gpus=1 if gpus else 0,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, gpus)),
    )


def draw(rows: list[Columns], path: str) -> None:
    """The first frame of some videos with its boxes."""
    first = collections.defaultdict(list)
    for row in rows:
        if row["frame"] == 0:
            first[row["video"]].append([round(row[side]) for side in BOX])
    pictures = []
    for video in sorted(first)[:PICTURES]:
        (frame,) = read_frames(video, 1)
        frame = np.ascontiguousarray(frame)
        for x0, y0, x1, y1 in first[video]:
            cv2.rectangle(frame, (x0, y0), (x1, y1), (0, 220, 255), 3)
        pictures.append(vc.to_numpy(frame, resize=FIT))
    if pictures:
        Image.fromarray(np.hstack(pictures)).save(path)


def drawn_clips() -> str:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="videos-"))
    for count in (25, 40):
        (folder / f"{count}-frames.mp4").write_bytes(sample_clip(count).getvalue())
    return str(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", nargs="?", help="default: clips that are drawn here")
    parser.add_argument("--address", default="local", help="of a Ray cluster: auto, or HOST:PORT")
    parser.add_argument("--frames", type=positive, default=100, metavar="N", help="of each video")
    parser.add_argument("--output", default="boxes.jsonl", metavar="FILE")
    parser.add_argument("--picture", metavar="FILE")
    options = parser.parse_args()
    if options.picture:
        check_picture(options.picture)
    folder = pathlib.Path(options.folder or drawn_clips()).resolve()
    videos = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in VIDEOS)
    if not videos:
        parser.error(f"{folder} holds no {', '.join(sorted(VIDEOS))}")
    ray.init(options.address, log_to_driver=False, logging_level="warning")
    ray.data.DataContext.get_current().enable_progress_bars = False
    with open(options.output, "w") as output:
        rows = list(detect(videos, options.frames).iter_rows())
        rows.sort(key=lambda row: (row["video"], row["frame"], row["x0"]))
        output.writelines(json.dumps(row) + "\n" for row in rows)
    if options.picture:
        draw(rows, options.picture)
    counts = collections.Counter(row["video"] for row in rows)
    print(f"{len(videos)} videos, {len(rows)} boxes: {options.output}")
    for video in videos:
        print(f"  {pathlib.Path(video).name}: {counts[video]} boxes")
    return 0


if __name__ == "__main__":
    sys.exit(run_program("ray_video", main))
