# SPDX-License-Identifier: Apache-2.0
"""The ways of yuv_video.py that decode on a GPU: with PyNvVideoCodec and torchcodec, where they
are installed, to RGB that they make and that torch resizes, and from the planes of NVDEC."""

import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import torch
from yuv_video import BATCH, FIT, MEAN, OPTIONS, SIDE, STD, Way, in_batches, nothing

import viewcast as vc


def surfaces(colours: str) -> Callable[[str, int], Iterator[list[Any]]]:
    """Frames of PyNvVideoCodec, which writes the next batch into the same memory."""
    codec = importlib.import_module("PyNvVideoCodec")
    kind = getattr(codec.OutputColorType, colours)

    def decode(path: str, count: int) -> Iterator[list[Any]]:
        decoder = codec.SimpleDecoder(path, use_device_memory=True, output_color_type=kind)
        return batches_of(decoder, min(count, len(decoder)))

    def batches_of(decoder: Any, count: int) -> Iterator[list[Any]]:
        for first in range(0, count, BATCH):
            yield decoder.get_batch_frames(min(BATCH, count - first))
            torch.cuda.synchronize()

    return decode


def decoded_to_rgb(path: str, count: int) -> Iterator[list[Any]]:
    """Tensors (3, H, W) of torchcodec."""
    decoder = importlib.import_module("torchcodec.decoders").VideoDecoder(path, device="cuda")

    def batches_of() -> Iterator[list[Any]]:
        length = min(count, len(decoder))
        for first in range(0, length, BATCH):
            yield list(decoder.get_frames_in_range(first, min(first + BATCH, length)).data)
        torch.cuda.synchronize()

    return batches_of()


def raw_frames(path: str, count: int) -> Iterator[list[Any]]:
    """Raw frames of torchcodec, which own their memory."""
    demuxer = importlib.import_module("torchcodec.decoders").Demuxer(path)
    decoder = demuxer.streams[0].make_decoder(device="cuda")

    def frames_of() -> Iterator[Any]:
        for packet in demuxer:
            yield from decoder.decode(packet)
        yield from decoder.drain()

    def batches_of() -> Iterator[list[Any]]:
        yield from in_batches(frames_of(), count)
        torch.cuda.synchronize()

    return batches_of()


def usual(frames: list[Any], _: dict[str, Any]) -> torch.Tensor:
    """RGB through torch: float, resized, padded, normalised."""
    images = [torch.from_dlpack(frame) for frame in frames]
    if images[0].shape[2] == 3:
        images = [image.permute(2, 0, 1) for image in images]
    at = FIT.placement(tuple(images[0].shape[1:]))
    planes = torch.stack(images).float()
    small = torch.nn.functional.interpolate(
        planes, (at.height, at.width), mode="bilinear", align_corners=False
    )
    below, after = SIDE - at.height - at.top, SIDE - at.width - at.left
    padded = torch.nn.functional.pad(small, (at.left, after, at.top, below), value=114)
    return padded.div_(255).sub_(MEAN.cuda()).div_(STD.cuda())


def from_rgb(frames: list[Any], _: dict[str, Any]) -> torch.Tensor:
    images = [torch.from_dlpack(frame) for frame in frames]
    layout = "HWC" if images[0].shape[2] == 3 else "CHW"
    return vc.to_tensor(images, from_layout=layout, out=out_of(frames), **OPTIONS)


def from_surfaces(frames: list[Any], colours: dict[str, Any]) -> torch.Tensor:
    """PyNvVideoCodec's frames say their format alone."""
    said = {"matrix": colours["matrix"] or "bt709", "range": colours["range"] or "limited"}
    images = [vc.yuv(frame, **said) for frame in frames]
    return vc.to_tensor(images, out=out_of(frames), **OPTIONS)


def from_raw_frames(frames: list[Any], colours: dict[str, Any]) -> torch.Tensor:
    images = [vc.yuv(frame, **colours) for frame in frames]
    return vc.to_tensor(images, out=out_of(frames), **OPTIONS)


@functools.cache
def out() -> torch.Tensor:
    return torch.empty(BATCH, 3, SIDE, SIDE, device="cuda")


def out_of(frames: list[Any]) -> torch.Tensor:
    return out()[: len(frames)]


def ways_on_the_gpu() -> dict[str, Way]:
    ways: dict[str, Way] = {}
    if importlib.util.find_spec("torchcodec"):  # first, for FFmpeg's libraries
        importlib.import_module("torchcodec.decoders")
    if importlib.util.find_spec("PyNvVideoCodec"):
        native, rgb = surfaces("NATIVE"), surfaces("RGB")
        ways["PyNvVideoCodec, NV12: decoding alone"] = native, nothing
        ways["PyNvVideoCodec, its RGB: decoding alone"] = rgb, nothing
        ways["PyNvVideoCodec, its RGB, torch"] = rgb, usual
        ways["PyNvVideoCodec, its RGB, one to_tensor(resize=)"] = rgb, from_rgb
        ways["PyNvVideoCodec, NV12: vc.yuv(frame), one to_tensor"] = native, from_surfaces
    if importlib.util.find_spec("torchcodec"):
        ways["torchcodec, raw frames: decoding alone"] = raw_frames, nothing
        ways["torchcodec, its RGB, torch"] = decoded_to_rgb, usual
        ways["torchcodec, its RGB, one to_tensor(resize=)"] = decoded_to_rgb, from_rgb
        ways["torchcodec, raw frames: vc.yuv(frame), one to_tensor"] = raw_frames, from_raw_frames
    return ways
