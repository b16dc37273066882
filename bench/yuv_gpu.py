# SPDX-License-Identifier: Apache-2.0
"""YUV on a GPU beside a copy, and beside what else converts it.

As resize_gpu.py: the whole result is compared with the CPU's before anything is timed. Bytes are
all samples of the source, read once, and the result, written once; or those of RGB and of the
planes that are written. Peers that only convert are timed with the share of the bytes of their RGB
that differ from ours, which are cv2.cvtColor's for BT.601.
"""

import importlib
import importlib.util
import itertools
import tempfile

import torch
from resize_gpu import WORDS, Case, record
from resize_peers import Peer
from transform_gpu import random_bytes

import viewcast as vc
from viewcast.clip import sample_clip

FULL = (1080, 1920)
#: The usual formula in floating point: R, G and B of Y, U and V of BT.601, limited range.
MATRIX = ((1.164, 0.0, 1.596), (1.164, -0.392, -0.813), (1.164, 2.017, 0.0))


class Video:
    """Frames in one piece of memory, and the YUV images that read them."""

    def __init__(self, frames, words):
        self.frames, self.words = frames, words
        self.images = [vc.yuv(frame, **words) for frame in frames]

    def cpu(self):
        return Video(self.frames.cpu(), self.words)


def sample_size(words):
    return 2 if words["format"] == "p010" else 1


def video_of(count, size, words):
    samples = random_bytes(count, size[0] * 3 // 2, size[1] * sample_size(words))
    return Video(samples.view(torch.uint16) if sample_size(words) == 2 else samples, words)


def in_float(frames):
    """R, G and B as planes of numbers."""
    height = frames.shape[1] * 2 // 3
    luma = frames[:, :height].float() - 16
    chroma = frames[:, height:].unflatten(2, (-1, 2)).float() - 128
    chroma = chroma.repeat_interleave(2, 1).repeat_interleave(2, 2)
    samples = torch.stack((luma, chroma[..., 0], chroma[..., 1]), 1)
    matrix = torch.tensor(MATRIX, device=frames.device)
    return torch.einsum("cs,nshw->nchw", matrix, samples).round_().clamp_(0, 255)


class Frames(Case):
    """NV12 frames, in one piece of memory, that are resized whole."""

    def __init__(self, count, size, resize, dtype, budget=None, format="nv12", matrix="bt709"):
        super().__init__(count, size, resize, dtype, budget)
        self.words = {"format": format, "matrix": matrix, "range": "limited"}
        self.name = f"{format} {self.name}"

    def bytes_moved(self):
        height, width = self.size
        rows, columns = self.resize.size
        samples = height * width * 3 // 2 * sample_size(self.words)
        return self.count * (samples + rows * columns * 3 * self.dtype.itemsize)

    def buffers(self):
        out = torch.empty((self.count, 3, *self.resize.size), dtype=self.dtype, device="cuda")
        return video_of(self.count, self.size, self.words), out

    def viewcast(self, video, out):
        words = WORDS | {"from_layout": None, "resize": self.resize}
        return vc.to_tensor(video.images, out=out, **words)

    def on_cpu(self, video, out):
        words = WORDS | {"from_layout": None, "resize": self.resize, "dtype": self.dtype}
        return vc.to_tensor(video.cpu().images, **words)

    def peers(self):
        placed = self.resize.placement(self.size)

        def in_torch(video, out):
            planes = in_float(video.frames)
            small = torch.nn.functional.interpolate(
                planes, (placed.height, placed.width), mode="bilinear", align_corners=False
            )
            out.fill_(114 / 255)
            top, left = placed.top, placed.left
            out[:, :, top : top + placed.height, left : left + placed.width] = small / 255
            return out

        if self.words["format"] == "nv12":
            yield Peer("torch, all of it", in_torch)


class Convert:
    """Frames to RGB of uint8, or to normalised planes, nothing else."""

    budget = None

    def __init__(self, count, matrix, format="nv12", dtype=torch.uint8):
        self.count, self.matrix, self.dtype = count, matrix, dtype
        self.words = {"format": format, "matrix": matrix, "range": "limited"}
        self.resize = vc.Resize(FULL, "linear")
        result = "RGB uint8" if dtype == torch.uint8 else f"planes {str(dtype)[6:]}"
        self.name = f"{format} {matrix} {count} x 1080p -> {result}"

    def bytes_moved(self):
        samples = FULL[0] * FULL[1] * 3 // 2 * sample_size(self.words)
        return self.count * (samples + FULL[0] * FULL[1] * 3 * self.dtype.itemsize)

    def options(self):
        return {"layout": "NHWC"} if self.dtype == torch.uint8 else WORDS | {"from_layout": None}

    def buffers(self):
        shape = (*FULL, 3) if self.dtype == torch.uint8 else (3, *FULL)
        out = torch.empty((self.count, *shape), dtype=self.dtype, device="cuda")
        return video_of(self.count, FULL, self.words), out

    def viewcast(self, video, out):
        return vc.to_tensor(video.images, out=out, **self.options())

    def on_cpu(self, video, out):
        return vc.to_tensor(video.cpu().images, dtype=self.dtype, **self.options())

    def bytes_made(self, video):
        return vc.to_tensor(video.images, layout="NHWC")

    def peers(self):
        if self.words["format"] != "nv12" or self.dtype != torch.uint8:
            return
        if self.matrix == "bt601":

            def in_torch(video, out):
                return out.copy_(in_float(video.frames).movedim(1, 3))

            yield Peer("torch in float", in_torch, lambda pixels: pixels)
        try:
            import cvcuda
        except ImportError:
            yield Peer("CV-CUDA", None)
            return
        yield Peer("CV-CUDA cvtcolor", in_cvcuda(cvcuda, cvcuda.cvtcolor_into), same)
        spec = {"bt601": cvcuda.ColorSpec.BT601, "bt709": cvcuda.ColorSpec.BT709}[self.matrix]
        advanced = in_cvcuda(cvcuda, cvcuda.advcvtcolor_into, spec)
        yield Peer("CV-CUDA advcvtcolor", advanced, same)


def same(pixels):
    return pixels


def in_cvcuda(cvcuda, convert, *spec):
    """cvtcolor knows BT.601 of limited range alone; advcvtcolor is told the matrix, and takes full
    range."""

    def call(video, out):
        given = cvcuda.as_tensor(video.frames.unsqueeze(3), "NHWC")
        convert(cvcuda.as_tensor(out, "NHWC"), given, cvcuda.ColorConversion.YUV2RGB_NV12, *spec)
        return out

    return call


class Decoded:
    """Frames as torchcodec decodes them on the GPU, from the clip that `viewcast demo` draws."""

    budget = None
    count, size = 32, (720, 1280)

    def __init__(self):
        self.resize = vc.Resize(self.size, "linear")
        self.name = f"nv12 bt709 {self.count} decoded 720p -> RGB uint8"
        self.clip = tempfile.NamedTemporaryFile(suffix=".mp4")  # noqa: SIM115  (as long as this)
        self.clip.write(sample_clip(2 * self.count).getvalue())
        self.clip.flush()
        self.frames = self.decoded()

    def decoded(self):
        from torchcodec.decoders import Demuxer

        demuxer = Demuxer(self.clip.name)
        decoder = demuxer.streams[0].make_decoder(device="cuda")
        for packet in demuxer:
            yield from decoder.decode(packet)
        yield from decoder.drain()

    def bytes_moved(self):
        return self.count * self.size[0] * self.size[1] * 9 // 2

    def buffers(self):
        out = torch.empty((self.count, *self.size, 3), dtype=torch.uint8, device="cuda")
        frames = list(itertools.islice(self.frames, self.count))
        if len(frames) < self.count:
            self.frames = self.decoded()
            return self.buffers()
        return frames, out

    def viewcast(self, frames, out):
        return vc.to_tensor([vc.yuv(frame) for frame in frames], layout="NHWC", out=out)

    def on_cpu(self, frames, out):
        stacked = [
            (frame.planes[0].cpu(), torch.stack(frame.planes[1:], 2).cpu()) for frame in frames
        ]
        words = {"format": "nv12", "matrix": "bt709", "range": "limited"}
        return vc.to_tensor([vc.yuv(planes, **words) for planes in stacked], layout="NHWC")

    def bytes_made(self, frames):
        return vc.to_tensor([vc.yuv(frame) for frame in frames], layout="NHWC")

    def peers(self):
        from torchcodec.decoders import ColorConverter

        converter = ColorConverter(device="cuda")

        def convert(frames, out):
            for index, frame in enumerate(frames):
                out[index] = converter.convert(frame).data.permute(1, 2, 0)
            return out

        def convert_alone(frames, out):
            return [converter.convert(frame) for frame in frames]

        yield Peer("torchcodec, into one batch", convert, same)
        yield Peer("torchcodec, frame by frame", convert_alone, exact=convert, to_bytes=same)
        try:
            codec = importlib.import_module("PyNvVideoCodec")
            kind = codec.OutputColorType.RGB
            decoder = codec.SimpleDecoder(
                self.clip.name, use_device_memory=True, output_color_type=kind
            )
        except (ImportError, RuntimeError) as error:
            yield Peer(f"PyNvVideoCodec: {str(error).splitlines()[0][:60]}", None)
            return
        surfaces = decoder.get_batch_frames(self.count)
        shown = torch.stack([torch.from_dlpack(surface) for surface in surfaces])
        yield Peer("PyNvVideoCodec's RGB: a copy", lambda frames, out: out.copy_(shown), same)


class Write:
    """RGB of uint8 to NV12."""

    budget = None

    def __init__(self, matrix):
        self.matrix = matrix
        self.resize = vc.Resize(FULL, "linear")
        self.name = f"1 x 1080p RGB uint8 -> nv12 {matrix}"

    def bytes_moved(self):
        return FULL[0] * FULL[1] * 9 // 2

    def buffers(self):
        out = torch.empty((FULL[0] * 3 // 2, FULL[1]), dtype=torch.uint8, device="cuda")
        return random_bytes(*FULL, 3), out

    def viewcast(self, image, out):
        return vc.to_yuv(image, format="nv12", matrix=self.matrix, range="limited", out=out)

    def on_cpu(self, image, out):
        return vc.to_yuv(image.cpu(), format="nv12", matrix=self.matrix, range="limited")

    def peers(self):
        return ()


def make_cases():
    letterbox = vc.Letterbox((640, 640))
    decoders = all(map(importlib.util.find_spec, ("torchcodec", "av")))
    return [
        *([Decoded()] if decoders else []),
        Frames(64, FULL, letterbox, torch.float16, 0.75),
        Frames(64, FULL, letterbox, torch.float16, 0.75, matrix="bt601"),
        Frames(64, FULL, letterbox, torch.float32),
        Frames(64, FULL, letterbox, torch.float16, format="i420"),
        Frames(64, FULL, letterbox, torch.float16, format="p010"),
        Frames(64, (720, 1280), letterbox, torch.float16),
        Frames(64, (2160, 3840), letterbox, torch.float16),
        Frames(64, FULL, vc.Letterbox((608, 608)), torch.float16),
        Frames(1, FULL, letterbox, torch.float16),
        Frames(64, FULL, vc.Resize((224, 224), "pillow-bilinear"), torch.float32),
        Frames(64, FULL, vc.Resize((224, 224), "pillow-bicubic"), torch.float32),
        Frames(64, FULL, vc.Resize((224, 224), "pillow-bilinear"), torch.float32, format="p010"),
        Convert(32, "bt601"),
        Convert(32, "bt709"),
        Convert(32, "bt709", "i420"),
        Convert(32, "bt709", "p010"),
        Convert(32, "bt709", dtype=torch.float16),
        Convert(32, "bt709", dtype=torch.float32),
        Write("bt601"),
        Write("bt709"),
    ]


if __name__ == "__main__":
    record(__doc__, make_cases)
