# SPDX-License-Identifier: Apache-2.0
"""What else resizes and normalises on a GPU, for resize_gpu.py.

A peer is a function of (frames, out) with a name, and a function that returns the bytes of its
result as (N, 3, h, w), of the resized images without pad: from these the differing bytes are
counted. A library that is not installed is named, with the reason, in place of its peers.
"""

import dataclasses
import time
from collections.abc import Callable

import torch
import torch._dynamo

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PAD = 114
MODES = {"linear": "bilinear", "pillow-bilinear": "bilinear", "pillow-bicubic": "bicubic"}

INTERP = {"area": "AREA", "pillow-bilinear": "LINEAR", "pillow-bicubic": "CUBIC"}
INTERP["pillow-lanczos"] = "LANCZOS"


@dataclasses.dataclass
class Peer:
    name: str
    call: Callable | None  # None: not possible here, and `name` says why
    to_bytes: Callable | None = None
    exact: Callable | None = None  # in place of `call` where bytes are counted: float32
    by_host_clock: bool = False  # it launches on a stream that is not torch's


def constants(shape=(3, 1, 1)):
    mean = torch.tensor(MEAN, device="cuda").view(shape)
    return mean, torch.tensor(STD, device="cuda").view(shape)


def rounded(pixels):
    return pixels.float().round().clamp(0, 255).to(torch.uint8)


def denormalised(planes):
    mean, std = constants()
    return rounded((planes.float() * std + mean) * 255)


def cut(placed):
    """The resized images within letterboxes."""
    rows = slice(placed.top, placed.top + placed.height)
    cols = slice(placed.left, placed.left + placed.width)
    return lambda planes: planes[:, :, rows, cols]


# --- torch


def torch_chain(case, placed, dtype):
    antialias = case.resize.interpolation.startswith("pillow")
    words = {"mode": MODES[case.resize.interpolation], "antialias": antialias}
    mean, std = constants()
    height, width = case.resize.size
    below, right = height - placed.top - placed.height, width - placed.left - placed.width
    sides = (placed.left, right, placed.top, below)

    def chain(frames):
        planes = frames.permute(0, 3, 1, 2).float()
        size = (placed.height, placed.width)
        small = torch.nn.functional.interpolate(planes, size, align_corners=False, **words)
        if any(sides):
            small = torch.nn.functional.pad(small, sides, value=PAD)
        return ((small / 255 - mean) / std).to(dtype)

    return chain


def torch_peers(case, placed):
    chain, shown = torch_chain(case, placed, case.dtype), cut(placed)
    in_float = torch_chain(case, placed, torch.float32)
    torch._dynamo.reset()  # else the limit of recompilations is reached
    compiled = torch.compile(chain, dynamic=False)

    def to_bytes(planes):
        return denormalised(shown(planes))

    def exact(frames, out):
        return in_float(frames)

    name = "torch, interpolate and normalise"
    yield Peer(name, lambda frames, out: chain(frames), to_bytes, exact)
    if case.count > 16:
        own = None if case.dtype == torch.float32 else exact
        yield Peer("torch.compile of that", lambda frames, out: compiled(frames), to_bytes, own)
    words = {"antialias": case.resize.interpolation.startswith("pillow")}
    words["mode"] = MODES[case.resize.interpolation]
    pixels = case.buffers()[0].permute(0, 3, 1, 2).float()
    for memory, numbers in (("NHWC", pixels), ("planes", pixels.contiguous())):

        def alone(frames, out, numbers=numbers):
            size = (placed.height, placed.width)
            return torch.nn.functional.interpolate(numbers, size, align_corners=False, **words)

        yield Peer(f"torch interpolate alone, {memory}", alone)


# --- CV-CUDA


def cvcuda_peers(case, placed):
    """The fused operator has one scale and one offset for all channels, and no pad: it does less.
    Those for area and for Pillow's filters only resize."""
    try:
        import cvcuda
    except ImportError as error:
        yield Peer(f"CV-CUDA: {error}", None)
        return
    size, interpolation = (placed.height, placed.width), case.resize.interpolation
    if interpolation == "linear":
        result = torch.empty((case.count, 3, *size), dtype=case.dtype, device="cuda")

        def fused(frames, out):
            given = cvcuda.as_tensor(frames, "NHWC")
            cvcuda.resize_crop_convert_reformat_into(
                cvcuda.as_tensor(result, "NCHW"),
                given,
                (placed.width, placed.height),
                cvcuda.Interp.LINEAR,
                (0, 0),
                scale=1 / 255,
            )
            return result

        yield Peer("CV-CUDA resize_crop_convert…", fused, lambda planes: rounded(planes * 255.0))
        return
    small = torch.empty((case.count, *size, 3), dtype=torch.uint8, device="cuda")
    operator, words = cvcuda.tvresize_into, {"antialias": True}
    if interpolation == "area":
        operator, words = cvcuda.resize_into, {}
    interp = getattr(cvcuda.Interp, INTERP[interpolation])

    def alone(frames, out):
        given = cvcuda.as_tensor(frames, "NHWC")
        operator(cvcuda.as_tensor(small, "NHWC"), given, interp, **words)
        return small

    name = f"CV-CUDA {operator.__name__.removesuffix('_into')} alone"
    yield Peer(name, alone, lambda pixels: pixels.permute(0, 3, 1, 2))


# --- kornia-rs


def kornia_peers(case, placed):
    """One call and one launch for each frame, on a stream of its own."""
    if case.resize.interpolation != "linear":
        return
    try:
        import kornia_rs

        stream = kornia_rs.cuda.Stream.default()
    except (ImportError, AttributeError) as error:
        yield Peer(f"kornia-rs: {error}", None)
        return
    words = {"mode": "letterbox", "format": "rgb", "sampling": "bilinear", "pad_value": PAD}
    words |= {"mean": MEAN, "std": STD, "stream": stream}
    (rows, cols), (height, width) = case.size, case.resize.size
    images = {}

    def images_of(frames):
        key = frames.data_ptr()
        if key not in images:
            images[key] = [kornia_rs.image.Image.from_dlpack(frame) for frame in frames]
        return images[key]

    def runner(f16):
        """Results are new ones: out= is for frames in host memory only."""
        preprocessor = kornia_rs.Preprocessor(f16=f16, **words)

        def run(frames, out):
            made = [preprocessor.run(x, cols, rows, height, width) for x in images_of(frames)]
            stream.synchronize()
            return made

        return run

    def to_bytes(results):
        planes = torch.cat([torch.from_dlpack(result) for result in results])
        return denormalised(cut(placed)(planes))

    call = runner(case.dtype == torch.float16)
    yield Peer("kornia-rs Preprocessor", call, to_bytes, runner(False), by_host_clock=True)


def peers_of_frames(case):
    placed = case.resize.placement(case.size)
    if case.resize.interpolation in MODES:
        yield from torch_peers(case, placed)
    yield from cvcuda_peers(case, placed)
    yield from kornia_peers(case, placed)


# --- boxes


def peers_of_boxes(case):
    mean, std = constants()
    rows = case.boxes.long().tolist()

    def loop(frames, out):
        planes = frames.permute(0, 3, 1, 2).float()
        for n, (image, left, top, right, bottom) in enumerate(rows):
            part = planes[image : image + 1, :, top:bottom, left:right]
            small = torch.nn.functional.interpolate(part, (256, 128), mode="bilinear")
            out[n] = ((small[0] / 255 - mean) / std).to(out.dtype)
        return out

    def in_float(call):
        return lambda frames, out: call(frames, torch.empty_like(out, dtype=torch.float32))

    yield Peer("torch, a loop over the boxes", loop, denormalised, in_float(loop))
    try:
        import torchvision.ops
    except ImportError as error:
        yield Peer(f"torchvision: {error}", None)
        return

    def roi_align(frames, out):
        planes = frames.permute(0, 3, 1, 2).float()
        small = torchvision.ops.roi_align(planes, case.on_gpu, (256, 128), 1.0, 1, True)
        return ((small / 255 - mean) / std).to(out.dtype)

    yield Peer("torchvision roi_align, normalised", roi_align, denormalised, in_float(roi_align))


# --- times that events on torch's stream do not show


def time_by_host(call, sets, rounds):
    """Milliseconds of each round, until the result is there."""
    for n in range(2):
        call(*sets[n % len(sets)])
    times = []
    for n in range(rounds):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call(*sets[n % len(sets)])
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1000)
    return times
