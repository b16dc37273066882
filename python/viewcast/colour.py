# SPDX-License-Identifier: Apache-2.0
"""Decoded video frames as they are: YUV in its planes, as an image that ``to_*`` take.

Nothing is guessed: the format, the matrix and the range are what a frame says of itself, or what
an argument says.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

from viewcast import _viewcast

if TYPE_CHECKING:
    from collections.abc import Callable

#: The names, in the order of vc_yuv_format, vc_matrix and vc_range in viewcast.h, from 1.
FORMATS = (
    *("nv12", "nv21", "i420", "yv12", "yuv422p", "yuv444p"),
    *("p010", "p016", "yuv420p10", "yuv422p10", "yuv444p10", "yuv444p10msb", "yuv444p16"),
)
MATRICES = ("bt601", "bt709", "bt2020")
RANGES = ("limited", "full")

#: Formats of two planes, in the second of which U and V alternate; and formats of uint16.
_PAIRS = frozenset(("nv12", "nv21", "p010", "p016"))
_WIDE = frozenset(FORMATS[FORMATS.index("p010") :])

#: Formats whose samples lie alike in memory: a frame that says one may be read as another.
_ALIKE = (
    *({"nv12", "nv21"}, {"i420", "yv12"}),
    *({"p010", "p016", "p012le"}, {"yuv444p10msb", "yuv444p16"}),
)


class _Argument(NamedTuple):
    """The names that an argument takes, what frames call it, and what they call these names:
    FFmpeg's words and the codes of H.273, as PyAV numbers them, and PyNvVideoCodec's words."""

    names: tuple[str, ...]
    called: str
    aliases: dict[Any, str]


#: In the order in which functions take them.
_ARGUMENTS = {
    "format": _Argument(
        FORMATS,
        "format",
        {f"{name}le": name for name in _WIDE}
        | {"yuv420p": "i420", "yuvj420p": "i420", "yuvj422p": "yuv422p"}
        | {"yuvj444p": "yuv444p", "yuv444": "yuv444p", "yuv444_16bit": "yuv444p16"},
    ),
    "matrix": _Argument(
        MATRICES,
        "colour space",
        {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
        | {"bt470bg": "bt601", "smpte170m": "bt601", "bt2020nc": "bt2020"},
    ),
    "range": _Argument(
        RANGES, "colour range", {1: "limited", 2: "full", "tv": "limited", "pc": "full"}
    ),
}

#: What frames say where they know nothing: FFmpeg's codes, and its words.
_UNKNOWN_MATRIX = 2
_UNKNOWN_RANGE = 0
_UNKNOWN_WORDS = ("unknown", "unspecified", "reserved")

#: Formats of 12 bits in the upper bits. In limited range their numbers are those of 16 bits.
_P016_IF_LIMITED = ("p012le",)


def _name(argument: str, value: Any) -> str:
    words = _ARGUMENTS[argument].names
    listed = ", ".join(f'"{word}"' for word in words)
    if not isinstance(value, str):
        raise TypeError(f"{argument} is {value!r}, needs {listed}")
    if value.lower() not in words:
        raise ValueError(f"{argument} is {value!r}, needs {listed}")
    return value.lower()


def _numbers(names: tuple[str, str, str]) -> tuple[int, int, int]:
    format, matrix, range = names
    return FORMATS.index(format) + 1, MATRICES.index(matrix) + 1, RANGES.index(range) + 1


@dataclass(frozen=True, eq=False, repr=False, init=False)
class YUV:
    """A YUV image, or a batch of them: what ``yuv`` returns, and ``to_*`` take.

    format, matrix, range, depth: as in ``yuv``.

    planes: the objects that hold the samples, and hold the frame that these are of.

    >>> image = vc.yuv(np.zeros((1080, 1280), np.uint8), "nv12", "bt709", "limited")
    >>> image.format, image.matrix, image.range, image.depth
    ('nv12', 'bt709', 'limited', 8)
    """

    format: str
    matrix: str
    range: str
    depth: int
    planes: tuple[Any, ...]

    def __init__(self, *_: Any, **__: Any) -> None:
        """Refuse: images are made by ``yuv``."""
        raise TypeError("a YUV is made by vc.yuv(source, format=, matrix=, range=)")

    def __repr__(self) -> str:
        """Return the fields, and the types of the planes."""
        kinds = ", ".join(type(plane).__name__ for plane in self.planes)
        return (
            f"<viewcast YUV format={self.format!r} matrix={self.matrix!r} range={self.range!r} "
            f"depth={self.depth} planes=({kinds})>"
        )


def _make(names: tuple[str, str, str], depth: int, planes: tuple[Any, ...]) -> YUV:
    """Return an image. Its _c is what the extension reads: numbers and planes, or the images of
    a batch."""
    image = YUV.__new__(YUV)
    each = _batch(planes)
    vars(image).update(
        format=names[0],
        matrix=names[1],
        range=names[2],
        depth=depth,
        planes=planes,
        _c=(*_numbers(names), depth, planes)
        if each is None
        else [_make(names, depth, one) for one in each],
    )
    return image


def _batch(planes: tuple[Any, ...]) -> list[tuple[Any, ...]] | None:
    """Return the planes of each image of a batch (N, H, W); None for one image."""
    shapes: list[Any] = [getattr(plane, "shape", None) for plane in planes]
    if not shapes or not all(isinstance(shape, tuple) for shape in shapes):
        return None
    if len(shapes[0]) != 3 or shapes[0][2] == 1:
        return None
    if shapes[0][2] <= 4 or any(shape[:1] != shapes[0][:1] for shape in shapes):
        found = " and ".join(str(tuple(shape)) for shape in shapes)
        raise _viewcast.LayoutError(
            f"the source has the shape {found}, needs (H, W) for each plane of an image, or "
            "(N, H, W) with W above 4 for each plane of a batch; pass a list of images otherwise"
        )
    try:
        return [tuple(plane[i] for plane in planes) for i in range(shapes[0][0])]
    except (TypeError, NotImplementedError) as error:  # a View, a memoryview
        raise _viewcast.LayoutError(
            "the source is a batch whose images can't be taken by an index, needs an array of "
            "NumPy, torch or CuPy; convert it first (vc.as_tensor(x), numpy.asarray(x))"
        ) from error


# --- frames of decoders

_CONVERT = 'convert it first (of PyAV: frame.reformat(format="yuv420p"), or "yuv420p10le")'


def _lie_alike(format: str, other: str) -> bool:
    return any(format in formats and other in formats for formats in _ALIKE)


@dataclass(frozen=True)
class _Frame:
    """A frame of a decoder: what it says of itself, None where it says nothing."""

    kind: str = "an array"
    format: Any = None
    matrix: Any = None
    range: Any = None

    def name(self, argument: str, given: Any) -> str:
        """Return what an argument says, else what the frame says. ValueError if neither does."""
        words, called, aliases = _ARGUMENTS[argument]
        if given is not None:
            return _name(argument, given)
        said = getattr(self, argument)
        if said in words:
            return said  # type: ignore[no-any-return]
        if said in aliases:
            return aliases[said]
        why = "does not say it"
        if said is not None:
            why = f"has the {called} {said!r}, which is none of them"
            if argument == "format":
                words = tuple(word for word in words if _lie_alike(word, said))
        listed = ", ".join(f'"{word}"' for word in words)
        advice = f"say {argument}=, one of {listed}" if words else _CONVERT
        raise ValueError(f"{argument} is missing: {self.kind} {why}; {advice}")

    def check_format(self, name: str) -> None:
        """Refuse a format whose samples are stored otherwise than those of the frame."""
        said = _ARGUMENTS["format"].aliases.get(self.format, self.format)
        if said is None or said == name or _lie_alike(said, name):
            return
        advice = "leave format out" if said in FORMATS else _CONVERT
        raise ValueError(
            f"format is {name!r} and {self.kind} has the format {self.format!r}, whose samples are "
            f"stored otherwise; {advice}"
        )

    def check_written(self, arguments: dict[str, str]) -> None:
        """Refuse to write what the frame would say wrongly of itself."""
        for argument, name in arguments.items():
            _, called, aliases = _ARGUMENTS[argument]
            said = getattr(self, argument)
            if said is not None and aliases.get(said, said) != name:
                raise ValueError(
                    f"out is a frame of the {called} {said!r} and {argument} is {name!r}, needs "
                    "the same (the frame's format, colorspace and color_range)"
                )


def _range_of(format: str, said: Any) -> Any:
    """Return the range of a frame: FFmpeg's yuvj formats are of full range, whatever it says."""
    return "full" if format.startswith("yuvj") else said


def _read_pyav(frame: Any) -> _Frame:
    name = (getattr(frame, "sw_format", None) or frame.format).name
    matrix, range = int(frame.colorspace), int(frame.color_range)
    return _Frame(
        "the frame",
        name,
        None if matrix == _UNKNOWN_MATRIX else matrix,
        _range_of(name, None if range == _UNKNOWN_RANGE else range),
    )


class _HostPlane:
    """A plane of a frame of PyAV, as NumPy reads it. It holds the plane, and by its DLPack (PyAV
    18) the memory: make_writable() gives the frame other memory."""

    def __init__(self, plane: Any, shape: tuple[int, ...], dtype: Any) -> None:
        last = (2 * dtype.itemsize,) * (len(shape) > 2)
        try:
            self._held = plane, plane.__dlpack__()
        except (AttributeError, NotImplementedError, TypeError, ValueError):
            self._held = plane, None
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "strides": (plane.line_size, *last, dtype.itemsize),  # flipped frames: negative
            "data": (plane.buffer_ptr, False),
        }


def _pyav_planes(frame: Any, format: str) -> tuple[Any, ...]:
    import numpy

    if frame.format.name == "cuda":
        return _pyav_planes_on_gpu(frame)
    if getattr(frame, "sw_format", None):
        raise ValueError(
            f"the frame is in memory of {frame.format.name!r}, needs memory of the host or of "
            "CUDA; bring it to the host first (frame.reformat(format=frame.sw_format.name))"
        )
    dtype = numpy.dtype("<u2" if format in _WIDE else "u1")
    return tuple(
        numpy.asarray(
            _HostPlane(
                plane,
                (plane.height, plane.width, *((2,) if index and format in _PAIRS else ())),
                dtype,
            )
        )
        for index, plane in enumerate(frame.planes)
    )


def _pyav_planes_on_gpu(frame: Any) -> tuple[Any, ...]:
    view: Any = _viewcast.view
    try:  # a capsule can be taken once, its View again and again
        return tuple(view(plane.__dlpack__()) for plane in frame.planes)
    except NotImplementedError as error:
        name = frame.sw_format.name
        raise _viewcast.DeviceError(
            f"PyAV does not export the planes of a frame in GPU memory whose format is {name!r}, "
            f'needs nv12, p010le or p016le; copy it to the host (frame.reformat(format="{name}"))'
        ) from error


def _read_torchcodec(frame: Any) -> _Frame:
    space, range = frame.color_space, frame.color_range
    on_gpu = getattr(frame, "storage_cuda", None) is not None
    if (
        on_gpu
        and space == "smpte170m"
        and getattr(frame, "color_primaries", None) in _UNKNOWN_WORDS
    ):
        # What torchcodec says where NVDEC reads no description of colours, and no range but "pc".
        space, range = "unknown", "unknown" if range == "tv" else range
    matrix, range = (None if word in _UNKNOWN_WORDS else word for word in (space, range))
    name = frame.pixel_format
    return _Frame("the frame", name, matrix, _range_of(name, range))


def _torchcodec_planes(frame: Any, format: str) -> tuple[Any, ...]:
    return tuple(frame.planes)  # U and V apart, also where they alternate in memory


def _read_nvidia(frame: Any) -> _Frame:
    return _Frame("a frame of PyNvVideoCodec", str(frame.format).rpartition(".")[2].lower())


class _Address:
    """A byte in memory of a GPU."""

    def __init__(self, address: int) -> None:
        described = {"version": 3, "shape": (1,), "typestr": "|u1", "data": (address, True)}
        self.__cuda_array_interface__ = described


class _Plane:
    """A plane of a frame of PyNvVideoCodec, which owns nothing: it holds the frame."""

    def __init__(self, plane: Any, frame: Any) -> None:
        self._frame = frame
        described = dict(plane.__cuda_array_interface__)
        strides = list(described["strides"])
        if described["shape"][-1] == 1:  # nvcv_image() leaves the strides of pairs
            strides[-2] = strides[-1]
        if described["typestr"].endswith("2") and strides[-1] == 1:
            strides = [2 * stride for stride in strides]  # were samples
        described["strides"] = strides
        self._described = described

    def move_behind(self, first: _Plane, index: int) -> None:
        """Moves plane `index` behind the `index` planes of the first one's size that it is said to
        lie in: where U and V of YUV444_16Bit begin, 2.2.4 counts their samples as bytes."""
        start = first._described["data"][0]
        end = start + index * first._described["shape"][0] * first._described["strides"][0]
        if start < self._described["data"][0] < end:
            self._described["data"] = (end, False)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self._described


class _FirstPlane(_Plane):
    """Orders the frame. Its planes name a default stream also where the decoder was given a stream
    of its own, so that the named stream is made to wait for the frame's event: __dlpack__ does
    that, and nothing else does."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if getattr(self._frame, "decoder_stream_event", None):
            try:  # __dlpack__ ends the process where the decoder is gone
                _viewcast.view(_Address(self._described["data"][0]))
            except _viewcast.DeviceError as error:
                raise _viewcast.DeviceError(
                    "the memory of the frame was freed, which PyNvVideoCodec does when its "
                    "decoder ends; keep the decoder until the frame was read"
                ) from error
            self._frame.__dlpack__(stream=self._described["stream"] or 1)
        return self._described


def _nvidia_planes(frame: Any, format: str) -> tuple[Any, ...]:
    if frame.__dlpack_device__()[0] == 1:  # in host memory: one array of all planes
        return (frame,)
    first, *others = frame.cuda()
    planes = (_FirstPlane(first, frame), *(_Plane(plane, frame) for plane in others))
    for index, plane in enumerate(planes):
        plane.move_behind(planes[0], index)
    return planes


def _array_planes(source: Any, format: str) -> tuple[Any, ...]:
    if not isinstance(source, (list, tuple)):
        return (source,)
    count = 2 if format in _PAIRS else 3
    if len(source) != count:
        raise ValueError(
            f"there are {len(source)} planes, needs {count} for {format} (or one array with the "
            "rows of all planes)"
        )
    return tuple(source)


#: Packages of decoders, an attribute that only their frames have, and who reads these.
_DECODERS = (
    ("av", "colorspace", _read_pyav, _pyav_planes),
    ("torchcodec", "pixel_format", _read_torchcodec, _torchcodec_planes),
    ("PyNvVideoCodec", "cuda", _read_nvidia, _nvidia_planes),
)


def _readers(source: Any) -> tuple[Callable[[Any], _Frame], Callable[[Any, str], tuple[Any, ...]]]:
    """Return what reads the metadata of a source, and what reads its planes."""
    kind = type(source)
    packages = {str(each.__module__).partition(".")[0].lstrip("_") for each in kind.__mro__}
    for package, attribute, read, planes_of in _DECODERS:
        if package in packages and hasattr(kind, attribute):
            return read, planes_of
    return (lambda _: _Frame()), _array_planes


def yuv(
    source: Any,
    format: str | None = None,
    matrix: str | None = None,
    range: str | None = None,
    depth: int = 8,
) -> YUV:
    """Return a YUV image that ``to_tensor``, ``to_cupy``, ``to_numpy`` and ``to_gpumat`` take.

    To them it is an RGB image of uint8, which they make in the same pass in which they resize,
    convert and lay out pixels: alone, in a list, with ``boxes=``. ``as_*`` refuse it: there is no
    RGB to view.

    source: one of

    - a frame of a decoder: PyAV's VideoFrame, torchcodec's RawFrame, PyNvVideoCodec's frame;
    - an array of all planes of any library, as cv2.cvtColor has them: (H * 3 / 2, W) for 4:2:0,
      (2 H, W) for 4:2:2, (3 H, W) for 4:4:4; also a GpuMat, such as a raw surface of
      cv2.cudacodec;
    - a tuple of planes with rows of any pitch: Y (H, W) and chroma (H / 2, W / 2, 2) where U and
      V alternate, else two of (H / 2, W / 2). Odd sides are rounded up (planes only);
    - a batch: an array, or planes, with an axis N before these, of a library whose arrays can be
      indexed. It is read as a list of its N images is.

    format: "nv12", "nv21", "i420" (FFmpeg's yuv420p), "yv12", "yuv422p", "yuv444p"; of 10 bits
    "p010" (in the upper bits), "yuv420p10", "yuv422p10", "yuv444p10", and in the upper bits
    "yuv444p10msb"; of 16 bits "p016", "yuv444p16".

    matrix: "bt601" (codes 5 and 6 of H.273), "bt709" or "bt2020" (non-constant luminance).

    range: "limited" or "full".

    depth: 8 for RGB of uint8, 16 for RGB of uint16.

    Format, matrix and range say what the source does not say of itself, or override it; what
    nobody says is a ValueError that names the argument. A frame's format is overridden only by one
    that stores samples alike: "nv21" for nv12, "yv12" for i420, "p010" and "p016" for each other,
    and so "yuv444p10msb" and "yuv444p16".

    PyNvVideoCodec's frames say their format alone, and call 10 bits P016, which is the same for
    limited range; for full range say "p010". Their memory is the decoder's: keep the decoder until
    a call has read them.

    The image holds the frame and its planes, and reads them anew in each call. A decoder that
    writes its next frame into the same memory must wait until the call has read it: on the host
    that is when the call returns, on a GPU when the call's stream has done what was on it then.

    With "bt601", "limited" and 8 bits the pixels are those of cv2.cvtColor, byte for byte. All
    others are the real values of H.273's formula, rounded to nearest. Chroma is replicated.

    >>> nv12 = np.full((1080, 1280), 128, np.uint8)  # of 720 rows
    >>> image = vc.yuv(nv12, "nv12", matrix="bt709", range="limited")
    >>> vc.to_numpy(image).shape, vc.to_numpy(image)[0, 0].tolist()
    ((720, 1280, 3), [130, 130, 130])
    """
    if isinstance(source, YUV):
        raise TypeError(
            "the source is a YUV already; pass it to to_tensor(), to_numpy() or the others"
        )
    if isinstance(depth, bool) or not isinstance(depth, Integral) or depth not in (8, 16):
        raise ValueError(f"depth is {depth!r}, needs 8 or 16: the bits of R, G and B")
    read, planes_of = _readers(source)
    frame = read(source)
    if format is None and frame.format in _P016_IF_LIMITED:
        format = "p016" if frame.name("range", range) == "limited" else None
    names = (
        frame.name("format", format),
        frame.name("matrix", matrix),
        frame.name("range", range),
    )
    frame.check_format(names[0])
    return _make(names, int(depth), planes_of(source, names[0]))


def to_yuv(
    image: Any,
    *,
    format: str,
    matrix: str,
    range: str,
    reverse_channels: bool = False,
    from_layout: str | None = None,
    out: Any = None,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> Any:
    """Return the planes of an image for an encoder: the inverse of ``yuv``.

    image: uint8 RGB of any library, or BGR (all of OpenCV) with ``reverse_channels=True``.

    format, matrix, range: as in ``yuv``; all three must be said.

    from_layout: how the image's axes are read, "HWC" or "CHW"; None: (H, W, 3).

    out: memory to write to: a frame of PyAV, one array of all planes, or a tuple of planes with
    rows of any pitch. It is returned. It may not share memory with the image. What a frame says
    of itself must be what is written. A decoder may read a frame that it made for later ones:
    call frame.make_writable() before out=frame.

    device: where the result is to be (None: where the image is, or out=).

    stream, producer_stream: as in ``to_tensor``. On a GPU the planes are written by one kernel.

    Without out=, 4:2:0 gives one array (H * 3 / 2, W) of the image's library, and the other
    formats a tuple of planes, uint8 or uint16 (more than 8 bits). Odd sides of 4:2:0 need planes,
    as out=.

    Whatever does not fit is a ViewError, ValueError or TypeError before the first byte is
    written.

    8-bit BT.601 of limited range in 4:2:0 gives the bytes of
    ``cv2.cvtColor(image, COLOR_RGB2YUV_I420)``, whose chroma is that of the upper left pixel of
    each 2 x 2. All others are the real values of H.273's formula, rounded to nearest, with the
    chroma of the mean of the pixels, which is sited at their centre.

    >>> rgb = np.full((720, 1280, 3), 130, np.uint8)
    >>> nv12 = vc.to_yuv(rgb, format="nv12", matrix="bt709", range="limited")
    >>> nv12.shape, int(nv12[0, 0]), int(nv12[-1, 0])
    ((1080, 1280), 128, 128)
    """
    names = _name("format", format), _name("matrix", matrix), _name("range", range)
    written = out
    read, planes_of = _readers(out)
    if isinstance(out, YUV):
        raise TypeError("out is a YUV, needs the memory that it is of: its frame, or out.planes")
    if planes_of is _pyav_planes:
        read(out).check_written(dict(zip(_ARGUMENTS, names, strict=True)))
        written = _pyav_planes(out, names[0])
    made = _viewcast._to_yuv(
        image,
        *_numbers(names),
        reverse_channels,
        from_layout,
        written,
        device,
        stream,
        producer_stream,
    )
    return made if out is None else out
