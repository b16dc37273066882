# SPDX-License-Identifier: Apache-2.0
"""vc.yuv of what decoders give: batches, frames of PyAV, torchcodec and PyNvVideoCodec, raw
surfaces of cv2.cudacodec. Frames of packages that are not here are made as these make them."""

import enum
import functools
import gc
import weakref
from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

import viewcast as vc

BT709 = {"matrix": "bt709", "range": "limited"}


@pytest.fixture
def rng():
    return np.random.default_rng(17)


def samples(rng, *shape, dtype="uint8"):
    return rng.integers(0, 256 if dtype == "uint8" else 65536, shape).astype(dtype)


# --- batches


@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("format", ["nv12", "i420", "yuv444p"])
def test_a_batch_is_a_list_of_its_images(rng, library, format):
    rows = 48 if format == "yuv444p" else 24
    stack = samples(rng, 5, rows, 32)
    each = [vc.yuv(array, format, **BT709) for array in stack]
    batch = vc.yuv(library(stack), format, **BT709)
    assert (batch.format, len(batch.planes)) == (format, 1)
    assert vc.to_numpy(batch).shape == (5, 16, 32, 3)
    for arguments in (
        {"layout": "NCHW", "dtype": "float32", "normalize": "imagenet"},
        {"layout": "NHWC", "resize": vc.Letterbox((12, 20))},
        {"layout": "NCHW", "resize": (4, 4), "boxes": [[4, 1, 2, 9, 12], [0, 0, 0, 32, 16]]},
    ):
        expected = vc.to_numpy(each, **arguments)
        assert (vc.to_numpy(batch, **arguments) == expected).all()
        assert (vc.to_tensor(batch, **arguments).numpy() == expected).all()
    out = np.zeros((5, 16, 32, 3), np.float32)
    assert vc.to_numpy(batch, out=out) is out
    assert (out == vc.to_numpy(each)).all()


def test_a_batch_of_planes(rng):
    luma, chroma = samples(rng, 3, 16, 40)[..., :32], samples(rng, 3, 8, 16, 2)
    found = vc.to_numpy(vc.yuv((luma, chroma), "nv12", **BT709))
    for image, y, uv in zip(found, luma, chroma, strict=True):
        assert (image == vc.to_numpy(vc.yuv((y, uv), "nv12", **BT709))).all()
    assert vc.to_numpy(vc.yuv((luma[0][..., None], chroma[0]), "nv12", **BT709)).ndim == 3


def test_batches_that_are_none(rng):
    stack = samples(rng, 2, 24, 32)
    for source in (stack[..., :3], stack[:, :, :4], (stack, stack[:1, :8, :16, None])):
        with pytest.raises(vc.LayoutError, match=r"\(N, H, W\) with W above 4"):
            vc.yuv(source, "nv12", **BT709)
    with pytest.raises(vc.LayoutError, match="image 0: .*a multiple of 3"):
        vc.to_numpy(vc.yuv(stack[:, :23], "nv12", **BT709))
    for source in (vc.view(stack), memoryview(stack)):
        with pytest.raises(vc.LayoutError, match="can't be taken by an index, needs an array of"):
            vc.yuv(source, "nv12", **BT709)
    batch = vc.yuv(stack, "nv12", **BT709)
    with pytest.raises(vc.LayoutError, match="image 1: it is a batch of 2 YUV images"):
        vc.to_numpy([vc.yuv(stack[0], "nv12", **BT709), batch])
    with pytest.raises(ValueError, match="the list is empty"):
        vc.to_numpy(vc.yuv(stack[:0], "nv12", **BT709))
    for function in (vc.as_numpy, vc.as_gpumat, vc.view):
        with pytest.raises(TypeError, match="no RGB pixels"):
            function(batch)


# --- frames of PyNvVideoCodec


Format = enum.Enum(
    "Pixel_Format", ["NV12", "YUV444", "P016", "YUV444_16Bit", "NV16", "P216", "RGB", "RGBP"]
)


class Plane:
    """As CAIMemoryView of 2.2.4: shapes and strides are lists, strides count samples. The stream is
    0, or 2 where the decoder was given a stream of its own, which it is not."""

    def __init__(self, array, stream, address=None):
        self.array = array
        shape = array.shape if array.ndim == 3 else (*array.shape, 1)
        strides = [shape[1] * shape[2], shape[2], 1]
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": list(shape),
            "strides": strides,
            "typestr": f"|u{array.itemsize}",
            "data": (address or array.ctypes.data, False),
            "stream": stream,
            "gpuIdx": 0,
        }


class DecodedFrame:
    """As 2.2.4 makes them: __dlpack__ refuses the stream 0, and lets any other one wait for the
    event of the decoder's stream."""

    __module__ = "_PyNvVideoCodec"  # where its types say that they are
    dtype = "|u1"  # of P016 too

    def __init__(self, format, arrays, device=2, stream=2):
        self.format, self.arrays, self.device, self.stream = format, arrays, device, stream
        self.decoder_stream_event = 0x3F45D860 if device == 2 else 0
        self.waited = []  # streams that wait for the event
        self.joined = False

    def cuda(self):
        planes = [Plane(array, self.stream) for array in self.arrays]
        if self.format is Format.YUV444_16Bit:  # in one block, with addresses that count samples
            start, samples = self.block.ctypes.data, self.arrays[0].size
            planes = [
                Plane(array, self.stream, start + index * samples)
                for index, array in enumerate(self.arrays)
            ]
        if self.joined:
            (plane,) = [Plane(self.block, self.stream)]
            plane.__cuda_array_interface__["strides"][1] = 2
            return [plane]
        return planes

    @functools.cached_property
    def block(self):
        """All planes in one array."""
        rows = [array.reshape(-1, self.arrays[0].shape[1]) for array in self.arrays]
        return np.concatenate(rows)

    def nvcv_image(self):
        self.joined = True

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, *, stream=0, **options):
        if self.device == 1:
            return self.block.__dlpack__(**options)
        if stream == 0:
            raise RuntimeError("Invalid value for stream parameter. Passed value of 0")
        self.waited.append(stream)
        return object()


@pytest.mark.parametrize(
    ("format", "name", "dtype"),
    [(Format.NV12, "nv12", "uint8"), (Format.P016, "p016", "uint16")],
)
def test_frames_of_pynvvideocodec(rng, format, name, dtype):
    arrays = samples(rng, 16, 32, dtype=dtype), samples(rng, 8, 16, 2, dtype=dtype)
    expected = vc.to_numpy(vc.yuv(arrays, name, **BT709))
    frame = DecodedFrame(format, arrays)
    image = vc.yuv(frame, **BT709)
    assert (image.format, image.matrix, image.range) == (name, "bt709", "limited")
    assert (vc.to_numpy(image) == expected).all()
    assert (vc.to_numpy(vc.yuv(DecodedFrame(format, arrays, device=1), **BT709)) == expected).all()
    del frame
    gc.collect()
    assert (vc.to_numpy(image) == expected).all()  # the image holds the frame


@pytest.mark.parametrize(("named", "waits"), [(0, 1), (2, 2), (0x55D0, 0x55D0)])
def test_the_stream_that_a_frame_names_waits_for_the_decoders_event(rng, named, waits):
    """The decoder writes on a stream that it does not name. 0 is the legacy default stream."""
    arrays = samples(rng, 16, 32), samples(rng, 8, 16, 2)
    frame = DecodedFrame(Format.NV12, arrays, stream=named)
    image = vc.yuv(frame, **BT709)
    assert frame.waited == []
    for count in (1, 2):  # in each call, before the planes are read
        vc.to_numpy(image)
        assert frame.waited == [waits] * count


def test_frames_of_pynvvideocodec_without_an_event(rng):
    """Versions before 2.1 have none, and decode on the stream that they name."""
    arrays = samples(rng, 16, 32), samples(rng, 8, 16, 2)
    frame = DecodedFrame(Format.NV12, arrays)
    del frame.decoder_stream_event
    expected = vc.to_numpy(vc.yuv(arrays, "nv12", **BT709))
    assert (vc.to_numpy(vc.yuv(frame, **BT709)) == expected).all()
    assert frame.waited == []


def test_a_frame_of_pynvvideocodec_after_nvcv_image(rng):
    """nvcv_image() makes one plane of them, whose strides are those of pairs."""
    arrays = samples(rng, 16, 32), samples(rng, 8, 16, 2)
    frame = DecodedFrame(Format.NV12, arrays)
    frame.nvcv_image()
    found = vc.to_numpy(vc.yuv(frame, **BT709))
    assert (found == vc.to_numpy(vc.yuv(arrays, "nv12", **BT709))).all()


@pytest.mark.parametrize(
    ("format", "name", "dtype"),
    [(Format.YUV444, "yuv444p", "uint8"), (Format.YUV444_16Bit, "yuv444p16", "uint16")],
)
def test_planes_of_4_4_4_of_pynvvideocodec(rng, format, name, dtype):
    arrays = [samples(rng, 6, 10, dtype=dtype) for _ in range(3)]
    found = vc.to_numpy(vc.yuv(DecodedFrame(format, arrays), **BT709))
    assert (found == vc.to_numpy(vc.yuv(arrays, name, **BT709))).all()


def test_what_frames_of_pynvvideocodec_do_not_say(rng):
    frame = DecodedFrame(Format.NV12, [samples(rng, 4, 8), samples(rng, 2, 4, 2)])
    for given, name in (({"range": "full"}, "matrix"), ({"matrix": "bt709"}, "range")):
        with pytest.raises(ValueError, match=f"{name} is missing: a frame of PyNvVideoCodec"):
            vc.yuv(frame, **given)
    for format in (Format.NV16, Format.P216, Format.RGB, Format.RGBP):
        with pytest.raises(
            ValueError, match="PyNvVideoCodec has the format '(nv16|p216|rgbp?)', which"
        ):
            vc.yuv(DecodedFrame(format, frame.arrays), **BT709)


def test_10_bits_of_full_range_are_p010_by_an_argument(rng):
    """NVDEC calls them P016. For limited range that is the same."""
    arrays = [samples(rng, 16, 32, dtype="uint16") & 0xFFC0]
    arrays.append(samples(rng, 8, 16, 2, dtype="uint16") & 0xFFC0)
    frame = DecodedFrame(Format.P016, arrays)
    found = vc.to_numpy(vc.yuv(frame, **BT709))
    assert (found == vc.to_numpy(vc.yuv(frame, "p010", **BT709))).all()
    full = {"matrix": "bt709", "range": "full"}
    found = vc.to_numpy(vc.yuv(frame, "p010", **full))
    assert (found == vc.to_numpy(vc.yuv(arrays, "p010", **full))).all()
    assert (found != vc.to_numpy(vc.yuv(frame, **full))).any()


# --- frames of torchcodec


class RawFrame:
    __module__ = "torchcodec.decoders._blocks._frame"

    storage_cuda = None

    def __init__(self, pixel_format, planes, space="bt709", range="tv"):
        self._said = pixel_format, planes, space, range

    pixel_format = property(lambda self: self._said[0])
    planes = property(lambda self: self._said[1])
    color_space = property(lambda self: self._said[2])
    color_range = property(lambda self: self._said[3])


def alternating(rng, dtype):
    """U and V of one memory, as torchcodec gives them."""
    pairs = torch.from_numpy(samples(rng, 8, 20, 2, dtype=dtype))[:, :16]
    return pairs.numpy(), pairs[..., 0], pairs[..., 1]


@pytest.mark.parametrize(
    ("pixel_format", "name", "dtype"),
    [
        ("nv12", "nv12", "uint8"),
        ("nv21", "nv21", "uint8"),
        ("p010le", "p010", "uint16"),
        ("p016le", "p016", "uint16"),
    ],
)
def test_frames_of_torchcodec_with_chroma_that_alternates(rng, pixel_format, name, dtype):
    luma = torch.from_numpy(samples(rng, 16, 40, dtype=dtype))[:, :32]
    pairs, first, second = alternating(rng, dtype)
    planes = (luma, second, first) if name == "nv21" else (luma, first, second)
    image = vc.yuv(RawFrame(pixel_format, planes))
    assert (image.format, image.matrix, image.range) == (name, "bt709", "limited")
    expected = vc.to_numpy(vc.yuv((luma.numpy(), pairs), name, **BT709))
    assert (vc.to_numpy(image) == expected).all()
    apart = (luma, first.clone(), second.clone())
    with pytest.raises(vc.LayoutError, match="U and V are two planes and the format has one"):
        vc.to_numpy(vc.yuv(RawFrame(pixel_format, apart)))
    with pytest.raises(vc.LayoutError, match="U and V are two planes"):
        vc.to_numpy(vc.yuv(RawFrame(pixel_format, (luma, planes[2], planes[1]))))
    with pytest.raises(ValueError, match="whose samples are stored otherwise; leave format out"):
        vc.yuv(RawFrame(pixel_format, planes), "i420")


@pytest.mark.parametrize(
    ("pixel_format", "name", "half", "dtype"),
    [
        ("yuv420p", "i420", (8, 16), "uint8"),
        ("yuvj422p", "yuv422p", (16, 16), "uint8"),
        ("yuv444p10le", "yuv444p10", (16, 32), "uint16"),
        ("yuv444p16le", "yuv444p16", (16, 32), "uint16"),  # 10 bits on a GPU
    ],
)
def test_planar_frames_of_torchcodec(rng, pixel_format, name, half, dtype):
    planes = [samples(rng, *side, dtype=dtype) for side in ((16, 32), half, half)]
    if dtype == "uint16":
        planes = [plane >> 6 for plane in planes]
    image = vc.yuv(RawFrame(pixel_format, [torch.from_numpy(p) for p in planes], "bt2020nc", "pc"))
    assert (image.format, image.matrix, image.range) == (name, "bt2020", "full")
    assert (vc.to_numpy(image) == vc.to_numpy(vc.yuv(planes, name, "bt2020", "full"))).all()


def test_metadata_of_torchcodec(rng):
    planes = [torch.from_numpy(samples(rng, 4, 8)) for _ in range(3)]
    for space, name in (("smpte170m", "bt601"), ("bt470bg", "bt601"), ("bt709", "bt709")):
        assert vc.yuv(RawFrame("yuv444p", planes, space)).matrix == name
    for spread in ("unknown", "tv", "pc"):  # as with PyAV
        assert vc.yuv(RawFrame("yuvj444p", planes, "bt709", spread)).range == "full"
    for words, message in (
        (("yuv444p", planes, "unspecified"), "matrix is missing: the frame does not say it"),
        (("yuv444p", planes, "unknown"), "matrix is missing: the frame does not say it"),
        (("yuv444p", planes, "fcc"), "the frame has the colour space 'fcc', which is none"),
        (("yuv444p", planes, "bt709", "unknown"), "range is missing: the frame does not say it"),
        (("yuva420p", planes), "the frame has the format 'yuva420p', which is none"),
        (("p012le", planes, "bt709", "pc"), "the frame has the format 'p012le'"),
    ):
        with pytest.raises(ValueError, match=message):
            vc.yuv(RawFrame(*words))


@pytest.mark.parametrize("primaries", ["unknown", "unspecified", "reserved"])
def test_torchcodec_on_a_gpu_says_colours_that_it_did_not_read(rng, primaries):
    """It says smpte170m and tv where the video describes no colours to NVDEC: files without tags,
    and VP9 with them. On the CPU it says that they are unknown."""
    planes = [torch.from_numpy(samples(rng, 4, 8)) for _ in range(3)]
    frame = RawFrame("yuv444p", planes, "smpte170m", "tv")
    frame.storage_cuda, frame.color_primaries = planes[0], primaries
    with pytest.raises(ValueError, match="matrix is missing: the frame does not say it"):
        vc.yuv(frame, range="limited")
    with pytest.raises(ValueError, match="range is missing: the frame does not say it"):
        vc.yuv(frame, matrix="bt709")
    assert vc.yuv(frame, **BT709).matrix == "bt709"
    stated = RawFrame("yuv444p", planes, "smpte170m", "tv")
    stated.storage_cuda, stated.color_primaries = planes[0], "smpte170m"
    assert (vc.yuv(stated).matrix, vc.yuv(stated).range) == ("bt601", "limited")
    for word, name in (("tv", "limited"), ("pc", "full")):  # the video states a matrix alone
        stated = RawFrame("yuv444p", planes, "bt709", word)
        stated.storage_cuda, stated.color_primaries = planes[0], primaries
        assert (vc.yuv(stated).matrix, vc.yuv(stated).range) == ("bt709", name)
    full = RawFrame("yuv444p", planes, "smpte170m", "pc")
    full.storage_cuda, full.color_primaries = planes[0], primaries
    assert vc.yuv(full, matrix="bt709").range == "full"


def test_12_bits_in_the_upper_bits_are_p016_in_limited_range(rng):
    luma = torch.from_numpy(samples(rng, 16, 32, dtype="uint16") & 0xFFF0)
    pairs, first, second = alternating(rng, "uint16")
    pairs &= 0xFFF0
    frame = RawFrame("p012le", (luma, first, second))
    assert vc.yuv(frame).format == "p016"
    expected = vc.to_numpy(vc.yuv((luma.numpy(), pairs), "p016", **BT709))
    assert (vc.to_numpy(vc.yuv(frame)) == expected).all()
    with pytest.raises(ValueError, match="the frame has the format 'p012le', which is none"):
        vc.yuv(frame, range="full")
    assert vc.yuv(frame, "p016", range="full").format == "p016"


def test_a_clip_read_by_torchcodec(tmp_path):
    pytest.importorskip("av", reason="PyAV makes the sample clip")
    try:
        decoders = pytest.importorskip("torchcodec.decoders")
        Demuxer = decoders.Demuxer
    except (RuntimeError, OSError, AttributeError) as error:  # without FFmpeg, or before 0.17
        pytest.skip(f"torchcodec has no raw frames here: {str(error).splitlines()[0]}")
    from viewcast.clip import sample_clip

    path = tmp_path / "clip.mp4"
    path.write_bytes(sample_clip(3).getvalue())
    try:
        demuxer = Demuxer(str(path))
    except RuntimeError as error:
        pytest.skip(f"torchcodec does not read here: {str(error).splitlines()[0]}")
    decoder = demuxer.streams[0].make_decoder()
    frames = [frame for packet in demuxer for frame in decoder.decode(packet)] + decoder.drain()
    import av

    with av.open(str(path)) as file:
        for frame, other in zip(frames, file.decode(video=0), strict=True):
            image = vc.yuv(frame, **BT709)
            assert (vc.to_numpy(image) == vc.to_numpy(vc.yuv(other, **BT709))).all()


def test_planes_that_are_missing(rng):
    planes = [torch.from_numpy(samples(rng, *shape)) for shape in ((4, 8), (2, 4))]
    with pytest.raises(ValueError, match="has 2 planes and its format 3, needs as many"):
        vc.to_numpy(vc.yuv(RawFrame("yuv420p", planes)))


# --- frames of PyAV


def test_p016_of_pyav(rng):
    av = pytest.importorskip("av")
    frame = av.VideoFrame(32, 16, "p016le")
    for plane in frame.planes:
        plane.update(samples(rng, plane.buffer_size).tobytes())
    frame.colorspace, frame.color_range = 9, 2
    image = vc.yuv(frame)
    assert (image.format, image.matrix, image.range) == ("p016", "bt2020", "full")
    luma, chroma = image.planes
    assert (luma.dtype, luma.shape, chroma.shape) == (np.uint16, (16, 32), (8, 16, 2))


@pytest.mark.parametrize(
    "format", ["yuv420p12le", "yuv420p10be", "nv16", "gray", "gbrp", "yuva420p"]
)
def test_other_formats_of_pyav(format):
    av = pytest.importorskip("av")
    with pytest.raises(ValueError, match=f"format is missing: the frame has the format '{format}'"):
        vc.yuv(av.VideoFrame(32, 16, format), **BT709)


@pytest.mark.parametrize(
    ("format", "others"),
    [
        ("nv12", ("i420", "p010", "yuv444p")),
        ("yuv420p", ("nv12", "yuv420p10")),
        ("yuv422p10le", ("yuv422p", "yuv444p10", "p016")),
        ("p010le", ("nv12", "yuv420p10")),
        ("gray", ("nv12", "i420", "yuv444p")),
        ("rgb24", ("nv12",)),
        ("gbrp", ("yuv444p",)),
        ("yuva420p", ("i420",)),
        ("yuv420p10be", ("yuv420p10",)),
        ("yuv420p12le", ("yuv420p10", "i420")),
        ("p016be", ("p016",)),
    ],
)
def test_a_frame_is_read_by_no_format_that_stores_samples_otherwise(format, others):
    av = pytest.importorskip("av")
    frame = av.VideoFrame(32, 24, format)
    for other in others:
        with pytest.raises(ValueError, match=f"format is '{other}' and the frame has the format"):
            vc.yuv(frame, other, **BT709)


@pytest.mark.parametrize(
    ("format", "name", "other"),
    [
        ("nv12", "nv12", "nv21"),
        ("yuv420p", "i420", "yv12"),
        ("p010le", "p010", "p016"),
        ("p016le", "p016", "p010"),
    ],
)
def test_a_frame_is_read_by_a_format_that_stores_samples_alike(rng, format, name, other):
    av = pytest.importorskip("av")
    frame = av.VideoFrame(32, 24, format)
    for plane in frame.planes:
        plane.update(samples(rng, plane.buffer_size).tobytes())
    planes = vc.yuv(frame, **BT709).planes
    for each in (name, other):
        found = vc.to_numpy(vc.yuv(frame, each, **BT709))
        assert (found == vc.to_numpy(vc.yuv(planes, each, **BT709))).all()


def test_12_bits_are_read_by_the_format_that_stores_them_alike():
    av = pytest.importorskip("av")
    frame = av.VideoFrame(32, 24, "p012le")
    with pytest.raises(ValueError, match='none of them; say format=, one of "p010", "p016"$'):
        vc.yuv(frame, matrix="bt709", range="full")
    assert vc.to_numpy(vc.yuv(frame, "p016", **BT709)).shape == (24, 32, 3)
    with pytest.raises(
        ValueError, match=r"none of them; convert .*reformat\(format=.yuv420p.\), or"
    ):
        vc.yuv(av.VideoFrame(32, 24, "yuv420p12le"), **BT709)


@pytest.mark.parametrize("format", ["yuv420p", "nv12", "yuv444p10le"])
def test_a_frame_whose_rows_go_up(rng, format):
    """The vflip filter gives negative line sizes."""
    av = pytest.importorskip("av")
    frame = av.VideoFrame(33, 21, format)
    for plane in frame.planes:
        plane.update(samples(rng, plane.buffer_size, dtype="uint8").tobytes())
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=33, height=21, format=format, time_base=Fraction(1, 25))
    flip, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flip)
    flip.link_to(sink)
    graph.configure()
    graph.push(frame)
    flipped = graph.pull()
    if flipped.planes[0].line_size > 0:
        pytest.skip("this FFmpeg turns the rows")
    image = vc.yuv(frame, **BT709)
    turned = vc.yuv([plane[::-1].copy() for plane in image.planes], image.format, **BT709)
    found = vc.to_numpy(vc.yuv(flipped, **BT709))
    assert (found == vc.to_numpy(turned)).all()
    flipped.make_writable()
    vc.to_yuv(found, format=image.format, out=flipped, **BT709)
    made = [np.empty_like(plane) for plane in image.planes]
    vc.to_yuv(found, format=image.format, out=made, **BT709)
    assert (
        vc.to_numpy(vc.yuv(flipped, **BT709)) == vc.to_numpy(vc.yuv(made, image.format, **BT709))
    ).all()


def test_a_frame_of_another_accelerator_is_refused():
    frame = HardwareFrame()
    frame.format = SimpleNamespace(name="vaapi")
    with pytest.raises(
        ValueError, match="in memory of 'vaapi', needs memory of the host or of CUDA"
    ):
        vc.yuv(frame)
    with pytest.raises(ValueError, match="in memory of 'vaapi'"):
        vc.to_yuv(np.zeros((4, 4, 3), np.uint8), format="nv12", out=frame, **BT709)


class HardwarePlane:
    """As PyAV's, of a frame in memory of a GPU: __dlpack__ takes no stream, and no version."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, *, stream=None):
        if stream is not None:
            raise NotImplementedError("CUDA stream synchronization is not supported.")
        return self.array.__dlpack__()


class HardwareFrame:
    __module__ = "av.video.frame"
    colorspace, color_range = 1, 1
    format, sw_format = SimpleNamespace(name="cuda"), SimpleNamespace(name="nv12")

    def __init__(self, *arrays):
        self.planes = tuple(HardwarePlane(array) for array in arrays)


def test_hardware_frames_of_pyav(rng):
    arrays = samples(rng, 16, 40)[:, :32], samples(rng, 8, 16, 2)
    image = vc.yuv(HardwareFrame(*arrays))
    assert (image.format, image.matrix, image.range) == ("nv12", "bt709", "limited")
    expected = vc.to_numpy(vc.yuv(arrays, "nv12", **BT709))
    assert (vc.to_numpy(image) == expected).all()
    assert (vc.to_numpy(image) == expected).all()  # read anew


def test_hardware_frames_whose_planes_pyav_does_not_export(rng):
    class Refused:
        def __dlpack__(self, *, stream=None):
            raise NotImplementedError("unsupported sw_format for DLPack export")

    frame = HardwareFrame()
    frame.sw_format, frame.planes = SimpleNamespace(name="yuv444p"), (Refused(),) * 3
    with pytest.raises(vc.DeviceError, match=r"'yuv444p', needs nv12.*reformat\(format=\"yuv444p"):
        vc.yuv(frame)


# --- raw surfaces of cv2.cudacodec


@pytest.mark.parametrize(("format", "dtype"), [("nv12", "uint8"), ("p016", "uint16")])
def test_raw_surfaces_of_cudacodec(rng, format, dtype):
    """A GpuMat (H * 3 / 2, W) of one channel, with a pitch."""
    wide = samples(rng, 24, 64, dtype=dtype)
    surface = vc.as_gpumat(wide[:, :32])
    assert surface.type() == (cv2.CV_8UC1 if dtype == "uint8" else cv2.CV_16UC1)
    assert surface.step > 32 * surface.elemSize()
    found = vc.to_numpy(vc.yuv(surface, format, **BT709))
    assert found.shape == (16, 32, 3)
    packed = np.ascontiguousarray(wide[:, :32])
    assert (found == vc.to_numpy(vc.yuv(packed, format, **BT709))).all()
    found = vc.to_numpy([vc.yuv(surface, format, **BT709)] * 2, resize=(8, 8))
    assert found.shape == (2, 8, 8, 3)


# --- lifetimes


def test_the_image_holds_the_frame_and_the_result_does_not(rng):
    frame = DecodedFrame(Format.NV12, [samples(rng, 4, 8), samples(rng, 2, 4, 2)])
    gone = weakref.ref(frame)
    image = vc.yuv(frame, **BT709)
    del frame
    result = vc.to_numpy([image, image])
    gc.collect()
    assert gone() is not None
    del image
    gc.collect()
    vc.collect()
    assert gone() is None
    assert result.shape == (2, 4, 8, 3)
