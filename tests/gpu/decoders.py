# SPDX-License-Identifier: Apache-2.0
"""Decoders that leave their frames in memory of the GPU, and clips for them.

Each is skipped, with the reason, where it is not installed or has no NVDEC."""

import contextlib
import ctypes
import importlib
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from neighbours import is_installed

import viewcast as vc
from viewcast.clip import draw

MATRICES = {"bt601": 6, "bt709": 1, "bt2020": 9}  # H.273's codes
RANGES = {"limited": 1, "full": 2}  # FFmpeg's


def load(name):
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"{name} does not work here: {str(error).splitlines()[0]}")


# --- clips


@dataclass(frozen=True)
class Clip:
    """What a clip holds: PyAV's encoder and format, and what the video states of its colours."""

    codec: str
    format: str
    matrix: str | None
    range: str | None
    size: tuple[int, int] = (360, 642)  # of rows that no surface has, which are cropped
    options: tuple = (("preset", "ultrafast"),)
    primaries: bool = True  # stated as well

    def write(self, path, count=12):
        av = pytest.importorskip("av", reason="PyAV makes the clips")
        if self.codec not in av.codecs_available:
            pytest.skip(f"this PyAV has no {self.codec}")
        with av.open(str(path), "w") as file:
            track = file.add_stream(self.codec, rate=25)
            track.height, track.width = self.size
            track.pix_fmt, track.options = self.format, dict(self.options)
            context = track.codec_context
            context.gop_size = 6
            if self.matrix:
                code = MATRICES[self.matrix]
                context.colorspace, context.color_range = code, RANGES[self.range]
            if self.matrix and self.primaries:
                context.color_primaries = code
                context.color_trc = 14 if self.matrix == "bt2020" else code
            for rgb in itertools.islice(draw(), count):
                file.mux(track.encode(self.frame(av, rgb)))
            file.mux(track.encode(None))
        return path

    def frame(self, av, rgb):
        height, width = self.size
        frame = av.VideoFrame(width, height, self.format)
        for index, plane in enumerate(frame.planes):  # any samples: no formula of ours
            wide = self.format.endswith("le")
            rows = np.ascontiguousarray(rgb[: plane.height, :, index % 3][:, : plane.width])
            shown = np.ndarray(
                rows.shape, "<u2" if wide else "u1", plane, 0, (plane.line_size, 1 + wide)
            )
            shown[...] = rows.astype(np.uint16) * 4 + index if wide else rows
        if self.matrix:
            frame.colorspace, frame.color_range = MATRICES[self.matrix], RANGES[self.range]
        return frame


H264, HEVC = "libx264", "libx265"
# PyNvVideoCodec's SimpleDecoder gives a wrong frame before an open group of pictures.
QUIET = (("preset", "ultrafast"), ("x265-params", "log-level=error:open-gop=0"))
CLIPS = {
    "bt709": Clip(H264, "yuv420p", "bt709", "limited"),
    "matrix and range alone": Clip(H264, "yuv420p", "bt709", "limited", primaries=False),
    "bt601": Clip(H264, "yuv420p", "bt601", "limited"),
    "full": Clip(H264, "yuvj420p", "bt709", "full"),
    "untagged": Clip(H264, "yuv420p", None, None),
    "10 bits": Clip(HEVC, "yuv420p10le", "bt2020", "limited", options=QUIET),
    "10 bits full": Clip(HEVC, "yuv420p10le", "bt709", "full", options=QUIET),
    "4:4:4": Clip(HEVC, "yuv444p", "bt709", "limited", (187, 331), QUIET),
    "4:4:4 of 10 bits": Clip(HEVC, "yuv444p10le", "bt709", "limited", options=QUIET),
}


# --- decoders


def decoded_on_the_cpu(path):
    av = pytest.importorskip("av", reason="PyAV decodes on the CPU")
    with av.open(str(path)) as file:
        return list(file.decode(video=0))


class Decoder:
    """frames(path) yields frames in memory of the GPU, before the next one is decoded.

    says_colours: whether frames state matrix and range. owns: whether a frame owns its memory.
    """

    says_colours = owns = True

    @contextlib.contextmanager
    def skipped_without_nvdec(self, *errors):
        try:
            yield
        except errors as error:
            pytest.skip(f"{type(self).__name__} does not decode here: {error}")


class PyNvVideoCodec(Decoder):
    """SimpleDecoder: one surface of its own, on the legacy default stream."""

    says_colours = owns = False

    def __init__(self):
        self.codec = load("PyNvVideoCodec")

    def open(self, path, **options):
        with self.skipped_without_nvdec(RuntimeError):
            decoder = self.codec.SimpleDecoder(str(path), use_device_memory=True, **options)
            decoder[0]
        return decoder

    def frames(self, path):
        decoder = self.open(path)
        for index in range(len(decoder)):
            yield decoder[index]


class PyNvVideoCodecOnAStream(PyNvVideoCodec):
    """CreateDecoder on a stream of the caller, which its frames do not name."""

    def __init__(self, stream=None):
        super().__init__()
        self.stream = stream or torch.cuda.Stream()

    def context(self):
        torch.zeros(1, device="cuda")
        context = ctypes.c_void_p()
        ctypes.CDLL("libcuda.so.1").cuCtxGetCurrent(ctypes.byref(context))
        return context.value

    def frames(self, path, before=lambda: None):
        demuxer = self.codec.CreateDemuxer(str(path))
        with self.skipped_without_nvdec(RuntimeError):
            decoder = self.codec.CreateDecoder(
                gpuid=0,
                codec=demuxer.GetNvCodecId(),
                cudacontext=self.context(),
                cudastream=self.stream.cuda_stream,
                usedevicememory=True,
            )
        for packet in demuxer:
            before()
            yield from decoder.Decode(packet)


class TorchCodec(Decoder):
    def __init__(self):
        decoders = load("torchcodec.decoders")
        if not hasattr(decoders, "Demuxer"):
            pytest.skip("this torchcodec has no raw frames, needs 0.17")
        self.Demuxer = decoders.Demuxer

    def frames(self, path):
        with self.skipped_without_nvdec(RuntimeError):
            demuxer = self.Demuxer(str(path))
            decoder = demuxer.streams[0].make_decoder(device="cuda")
        for packet in demuxer:
            yield from decoder.decode(packet)
        yield from decoder.drain()


class PyAV(Decoder):
    """In torch's context: FFmpeg refuses a primary one that another library has made."""

    options = {"primary_ctx": "0", "current_ctx": "1"}  # noqa: RUF012

    def __init__(self):
        self.av = load("av")
        try:
            self.HWAccel = importlib.import_module("av.codec.hwaccel").HWAccel
            self.av.video.plane.VideoPlane.__dlpack__  # noqa: B018
        except (ImportError, AttributeError):
            pytest.skip("this PyAV does not give frames of a GPU by DLPack")

    def frames(self, path):
        torch.zeros(1, device="cuda")
        with self.skipped_without_nvdec(OSError, self.av.error.FFmpegError):
            hardware = self.HWAccel(
                "cuda",
                device="0",
                allow_software_fallback=False,
                options=self.options,
                is_hw_owned=True,
            )
            file = self.av.open(str(path), hwaccel=hardware)
        with file:
            yield from file.decode(video=0)


class PyAVInItsOwnContext(PyAV):
    """Its legacy default stream is not torch's, and its kernels take turns with torch's."""

    options = {"primary_ctx": "0"}  # noqa: RUF012


DECODERS = {
    "PyNvVideoCodec": PyNvVideoCodec,
    "PyNvVideoCodec on a stream": PyNvVideoCodecOnAStream,
    "torchcodec": TorchCodec,
    "PyAV": PyAV,
    "PyAV in its own context": PyAVInItsOwnContext,
}


def images(decoder, path, **colours):
    """Each frame as an image, with colours where the frame does not state them."""
    for frame in decoder.frames(path):
        yield vc.yuv(frame, **({} if decoder.says_colours else colours))
