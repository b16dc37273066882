# SPDX-License-Identifier: Apache-2.0
"""Decoded video frames as they are: YUV in its planes, as an image that ``to_*`` take.

Nothing is guessed: the format, the matrix and the range are what a frame says of itself, or what
an argument says.
"""

from __future__ import annotations

from typing import Any

from viewcast import _viewcast

#: The names, in the order of vc_yuv_format, vc_matrix and vc_range in viewcast.h, from 1.
FORMATS = (
    "nv12",
    "nv21",
    "i420",
    "yv12",
    "yuv422p",
    "yuv444p",
    "p010",
    "p016",
    "yuv420p10",
    "yuv422p10",
    "yuv444p10",
)
MATRICES = ("bt601", "bt709", "bt2020")
RANGES = ("limited", "full")

#: Formats of two planes, in the second of which U and V alternate; and formats of uint16.
_PAIRS = frozenset(("nv12", "nv21", "p010", "p016"))
_WIDE = frozenset(FORMATS[FORMATS.index("p010") :])

#: FFmpeg's names of pixel formats, where they differ.
_FFMPEG = {
    "yuv420p": "i420",
    "yuvj420p": "i420",
    "yuvj422p": "yuv422p",
    "yuvj444p": "yuv444p",
    "p010le": "p010",
    "p016le": "p016",
    "yuv420p10le": "yuv420p10",
    "yuv422p10le": "yuv422p10",
    "yuv444p10le": "yuv444p10",
}

#: Codes of H.273, as FFmpeg and PyAV number them. 2 is "unspecified" for a matrix, 0 for a range.
_MATRIX_CODES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
_RANGE_CODES = {1: "limited", 2: "full"}


def _name(value: Any, name: str, words: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{word}"' for word in words)
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, needs {listed}")
    if value.lower() not in words:
        raise ValueError(f"{name} is {value!r}, needs {listed}")
    return value.lower()


class YUV:
    """A YUV image: what ``yuv`` returns, and ``to_*`` take. It holds its planes.

    format, matrix, range, depth: as in ``yuv``.

    planes: the objects that hold the samples.
    """

    __slots__ = ("_c", "depth", "format", "matrix", "planes", "range")

    format: str
    matrix: str
    range: str
    depth: int
    planes: tuple[Any, ...]

    def __init__(self, *_: Any, **__: Any) -> None:
        """Refuse: images are made by ``yuv``."""
        raise TypeError("a YUV is made by vc.yuv(source, format=, matrix=, range=)")

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse: the fields belong together."""
        raise AttributeError(f"a YUV can't be changed ({name}); make another by vc.yuv()")

    __delattr__ = __setattr__  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the fields, and the types of the planes."""
        kinds = ", ".join(type(plane).__name__ for plane in self.planes)
        return (
            f"<viewcast YUV format={self.format!r} matrix={self.matrix!r} range={self.range!r} "
            f"depth={self.depth} planes=({kinds})>"
        )


def _make(format: str, matrix: str, range: str, depth: int, planes: tuple[Any, ...]) -> YUV:
    image = YUV.__new__(YUV)
    numbers = FORMATS.index(format), MATRICES.index(matrix), RANGES.index(range)
    fields = {
        "format": format,
        "matrix": matrix,
        "range": range,
        "depth": depth,
        "planes": planes,
        "_c": (*(number + 1 for number in numbers), depth, planes),
    }
    for name, value in fields.items():
        object.__setattr__(image, name, value)
    return image


# --- what frames say of themselves


class _Frame:
    """What was found: names or None, why a name is missing, and the planes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.format: str | None = None
        self.matrix: str | None = None
        self.range: str | None = None
        self.why = {name: f"{kind} does not say it" for name in ("format", "matrix", "range")}


def _is_of(source: Any, package: str) -> bool:
    """Return whether the type, or one of its bases, is of a package."""
    return any(each.__module__.partition(".")[0] == package for each in type(source).__mro__)


def _read_pyav(frame: Any) -> _Frame:
    out = _Frame("the frame")
    name = frame.format.name
    out.format = _FFMPEG.get(name, name)
    if out.format not in FORMATS:
        out.format = None
        out.why["format"] = f"the frame has the format {name!r}, which is none of them"
    code = int(frame.colorspace)
    out.matrix = _MATRIX_CODES.get(code)
    if code != 2:
        out.why["matrix"] = f"the frame has the colour space {code}, which is none of them"
    out.range = "full" if name.startswith("yuvj") else _RANGE_CODES.get(int(frame.color_range))
    return out


def _pyav_planes(frame: Any, format: str) -> tuple[Any, ...]:
    import numpy

    dtype = numpy.dtype("<u2" if format in _WIDE else "u1")
    pairs = format in _PAIRS
    planes = []
    for index, plane in enumerate(frame.planes):
        if plane.line_size < 0:
            raise ValueError(
                "the frame's rows go from bottom to top (a flipped frame), needs rows that go "
                "down; reformat it first (frame.reformat())"
            )
        samples = 2 if pairs and index else 1
        strides = (plane.line_size, samples * dtype.itemsize, dtype.itemsize)
        shape = (plane.height, plane.width, samples)
        axes = 2 if samples == 1 else 3
        planes.append(numpy.ndarray(shape[:axes], dtype, plane, 0, strides[:axes]))
    return tuple(planes)


def _read_nvidia(frame: Any) -> _Frame:
    out = _Frame("a frame of PyNvVideoCodec")
    name = str(frame.format).rpartition(".")[2].lower()
    out.format = name if name in ("nv12", "p010", "p016") else None
    if out.format is None:
        out.why["format"] = f"the frame has the format {name!r}, which is none of them"
    return out


def _needed(frame: _Frame, given: Any, name: str, words: tuple[str, ...]) -> str:
    if given is not None:
        return _name(given, name, words)
    found = getattr(frame, name)
    if found is not None:
        return found  # type: ignore[no-any-return]
    listed = ", ".join(f'"{word}"' for word in words)
    raise ValueError(f"{name} is missing: {frame.why[name]}; say {name}=, one of {listed}")


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
    """Return the planes of an image for an encoder: the inverse of ``yuv``, in host memory.

    image: uint8 RGB of any library, or BGR (all of OpenCV) with ``reverse_channels=True``.

    format, matrix, range: as in ``yuv``; all three must be said.

    from_layout: how the image's axes are read, "HWC" or "CHW"; None: (H, W, 3).

    out: memory to write to: a frame of PyAV, one array of all planes, or a tuple of planes with
    rows of any pitch. It is returned.

    Without out=, 4:2:0 gives one array (H * 3 / 2, W) of the image's library, and the other
    formats a tuple of planes. Odd sides of 4:2:0 need planes, as out=.

    stream, producer_stream, device: as in ``to_numpy``.

    8-bit BT.601 of limited range in 4:2:0 gives the bytes of
    ``cv2.cvtColor(image, COLOR_RGB2YUV_I420)``, whose chroma is that of the upper left pixel of
    each 2 x 2. All others are the real values of H.273's formula, rounded to nearest, with the
    chroma of the mean of the pixels, which is sited at their centre.
    """
    numbers = (
        FORMATS.index(_name(format, "format", FORMATS)) + 1,
        MATRICES.index(_name(matrix, "matrix", MATRICES)) + 1,
        RANGES.index(_name(range, "range", RANGES)) + 1,
    )
    written = out
    if _is_of(out, "av") and hasattr(out, "planes"):
        found = _read_pyav(out).format
        if found != format.lower():
            raise ValueError(
                f"out is a frame of the format {out.format.name!r} and format is {format!r}, needs "
                "the same"
            )
        written = _pyav_planes(out, found)
    made = _viewcast._to_yuv(
        image,
        *numbers,
        reverse_channels,
        from_layout,
        written,
        device,
        stream,
        producer_stream,
    )
    return made if out is None else out


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

    source: a frame of PyAV; an array of all planes, (H * 3 / 2, W) for 4:2:0, as cv2.cvtColor
    has them, of any library; or a tuple of its planes, with rows of any pitch: Y (H, W) and
    chroma (H / 2, W / 2), or (H / 2, W / 2, 2) where U and V alternate. Odd sides are rounded up
    (planes only).

    format: "nv12", "nv21", "i420" (FFmpeg's yuv420p), "yv12", "yuv422p", "yuv444p"; of 10 bits
    "p010" (in the upper bits), "yuv420p10", "yuv422p10", "yuv444p10"; of 16 bits "p016".

    matrix: "bt601" (codes 5 and 6 of H.273), "bt709" or "bt2020" (non-constant luminance).

    range: "limited" or "full".

    These three say what the source does not say of itself, or override it; what nobody says is an
    error.

    depth: 8 for RGB of uint8, 16 for RGB of uint16.

    With "bt601", "limited" and 8 bits the pixels are those of cv2.cvtColor, byte for byte. All
    others are the real values of H.273's formula, rounded to nearest.
    """
    if isinstance(source, YUV):
        raise TypeError(
            "the source is a YUV already; pass it to to_tensor(), to_numpy() or the others"
        )
    if isinstance(depth, bool) or not isinstance(depth, int) or depth not in (8, 16):
        raise ValueError(f"depth is {depth!r}, needs 8 or 16: the bits of R, G and B")
    is_pyav = _is_of(source, "av") and hasattr(source, "planes")
    is_nvidia = _is_of(source, "PyNvVideoCodec") and hasattr(source, "cuda")
    frame = (
        _read_pyav(source) if is_pyav else _read_nvidia(source) if is_nvidia else _Frame("an array")
    )
    named = _needed(frame, format, "format", FORMATS)
    chosen = (
        named,
        _needed(frame, matrix, "matrix", MATRICES),
        _needed(frame, range, "range", RANGES),
    )
    if is_pyav:
        planes = _pyav_planes(source, named)
    elif is_nvidia:
        planes = tuple(source.cuda())
    else:
        planes = _array_planes(source, named)
    return _make(*chosen, depth, planes)
