# SPDX-License-Identifier: Apache-2.0
"""How images are fitted into a size: what ``resize=`` takes, and where images then lie.

Sizes are (height, width) in pixels. For 8-bit images the pixels are those of the function that
an ``interpolation`` names, byte for byte: ``cv2.resize`` of OpenCV's x86-64 wheels, or
``PIL.Image.resize`` of each channel by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from typing import Any

from viewcast import _viewcast

#: The order is that of vc_interpolation in viewcast.h.
INTERPOLATIONS = (
    "linear",
    "nearest",
    "area",
    "pillow-box",
    "pillow-bilinear",
    "pillow-bicubic",
    "pillow-lanczos",
)

_LARGEST = 2**31 - 1

_COORDINATES = "(N, 4) boxes x0, y0, x1, y1 or (N, 2) points"
_BOXES = "(N, 4) for one image: x0, y0, x1, y1, or (N, 5) with the image's index first"


def _plain(value: Any) -> Any:
    """Return arrays and scalars of all libraries as Python's lists and numbers."""
    return value.tolist() if hasattr(type(value), "tolist") else value


def _items(value: Any) -> Sequence[Any] | None:
    """Return what a sequence or an array holds, in its order; None: it is neither."""
    if isinstance(value, (tuple, list)):
        return value
    value = _plain(value)
    if isinstance(value, (str, bytes, bytearray, Set, Mapping)):
        return None
    return list(value) if hasattr(type(value), "__iter__") else None


def _side(value: Any, name: str) -> int:
    side = value
    if type(value) is not int:
        plain = _plain(value)
        try:
            side = None if isinstance(plain, bool) else operator.index(plain)
        except TypeError:
            side = None
    if side is None:
        raise TypeError(f"{name} holds a {type(value).__name__}, needs whole numbers of pixels")
    if not 1 <= side <= _LARGEST:
        raise ValueError(f"{name} holds {side}, needs numbers of pixels from 1 to {_LARGEST}")
    return side


def _size(value: Any, name: str = "size", others: str = "") -> tuple[int, int]:
    sides = _items(value)
    if sides is None:
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        example = f"; ({value}, {value}) is a square" if whole else ""
        raise TypeError(f"{name} is {value!r}, needs (height, width){others}{example}")
    if len(sides) != 2:
        raise ValueError(f"{name} is {value!r}, needs two numbers: (height, width)")
    return _side(sides[0], name), _side(sides[1], name)


def _interpolation(value: Any) -> int:
    if isinstance(value, str) and value in INTERPOLATIONS:
        return INTERPOLATIONS.index(value)
    words = ", ".join(f'"{word}"' for word in INTERPOLATIONS)
    if isinstance(value, str):
        raise ValueError(f"interpolation is {value!r}, needs one of {words}")
    raise TypeError(
        f"interpolation is {value!r} ({type(value).__name__}): numbers mean different filters in "
        f'OpenCV and Pillow; write one of {words} (cv2.INTER_LINEAR is "linear", '
        'PIL.Image.BILINEAR is "pillow-bilinear")'
    )


def _number(value: Any) -> float:
    plain = _plain(value)
    kind = type(plain)
    if kind is not bool and (hasattr(kind, "__float__") or hasattr(kind, "__index__")):
        try:
            number = float(plain)
        except OverflowError:
            raise ValueError("pad holds an int beyond float64, needs numbers") from None
        if number == number:
            return number
    raise TypeError(f"pad holds {plain!r}, needs numbers")


def _pad(value: Any) -> float | tuple[float, ...] | None:
    if value is None:
        return None
    items = _items(value)
    if items is None:
        return _number(value)
    numbers = tuple(_number(each) for each in items)
    if 1 <= len(numbers) <= 4:
        return numbers
    raise ValueError(
        f"pad has {len(numbers)} values, needs one, or one for each of 1 to 4 channels"
    )


@dataclass(frozen=True)
class Placement:
    """Where a resized image lies in a result.

    height, width: the size to which the whole image was resized.

    top, left: where its first pixel lies in the result; negative where it was cut off.

    source_height, source_width: its size before.

    >>> placement = vc.Letterbox((640, 640)).placement((720, 1280))
    >>> placement.height, placement.width, placement.top, placement.left
    (360, 640, 140, 0)
    >>> placement.to_source([[0, 140, 640, 500]]).tolist()
    [[0.0, 0.0, 1280.0, 720.0]]
    """

    height: int
    width: int
    top: int
    left: int
    source_height: int
    source_width: int

    def to_result(self, coordinates: Any) -> Any:
        """Return coordinates of the result for those of the source.

        coordinates: (N, 4) boxes x0, y0, x1, y1, or (N, 2) points x, y: an array of NumPy, torch
        or CuPy, or nested sequences. They are edges: the whole image is 0, 0, source_width,
        source_height.

        The result is a new floating-point array of the same library and device with
        x * width / source_width + left, and y alike; of float32 for 16-bit floats, which do not
        hold these products. Nothing is clipped.
        """
        given, out = _coordinates(coordinates)
        out[:, 0::2] = given[:, 0::2] * self.width / self.source_width + self.left
        out[:, 1::2] = given[:, 1::2] * self.height / self.source_height + self.top
        return out

    def to_source(self, coordinates: Any) -> Any:
        """Return coordinates of the source for those of the result: the inverse of to_result."""
        given, out = _coordinates(coordinates)
        out[:, 0::2] = (given[:, 0::2] - self.left) * self.source_width / self.width
        out[:, 1::2] = (given[:, 1::2] - self.top) * self.source_height / self.height
        return out


def _array(value: Any, name: str, needs: str) -> Any:
    """Return nested sequences as an array of NumPy."""
    import numpy

    try:
        array = numpy.asarray(value)
        if array.dtype.kind != "O":
            return array
        # astype() would make a NaN of None.
        return numpy.array([float(each) for each in array.flat]).reshape(array.shape)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        kind = ValueError if isinstance(error, (ValueError, OverflowError)) else TypeError
        raise kind(f"{name} can't be read as numbers ({error}), needs {needs}") from error


def _floating(value: Any) -> Any:
    """Return numbers in floating point of at least 32 bits; in 16, 600 * 1920 is infinite."""
    dtype: Any = getattr(value, "dtype", None)
    if hasattr(value, "is_floating_point"):  # of torch
        if not value.is_complex():
            return value if value.is_floating_point() and dtype.itemsize > 2 else value.float()
    elif getattr(dtype, "kind", None) in ("b", "i", "u", "f"):
        if dtype.kind != "f":
            return value.astype("f8")
        return value if dtype.itemsize > 2 else value.astype("f4")
    raise TypeError(
        f"coordinates are a {type(value).__name__} of {dtype}, needs real numbers in an array of "
        "NumPy, torch or CuPy, or in nested lists"
    )


def _coordinates(value: Any) -> tuple[Any, Any]:
    """Return the coordinates in floating point, and a second array of them to write to."""
    if not hasattr(value, "shape"):
        value = _array(value, "coordinates", _COORDINATES)
        value = value.reshape(0, 4) if value.shape == (0,) else value  # no boxes
    shape = tuple(value.shape)
    if len(shape) != 2 or shape[1] not in (2, 4):
        raise ValueError(f"coordinates have the shape {shape}, needs {_COORDINATES}")
    value = _floating(value)
    return value, value * 1.0


class _Fit:
    """The base of what resize= takes. `_c` is what the extension reads: the fit, the
    interpolation, height, width and the shorter edge as numbers of viewcast.h, and the pad."""

    _c: tuple[int, int, int, int, int, tuple[float, ...] | None]

    def _prepare(self, fit: int, shorter: int, pad: float | tuple[float, ...] | None) -> None:
        size = _size(self.size)  # type: ignore[attr-defined]
        interpolation = _interpolation(self.interpolation)  # type: ignore[attr-defined]
        values = pad if pad is None or isinstance(pad, tuple) else (pad,)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "_c", (fit, interpolation, *size, shorter, values))

    def placement(self, source_size: tuple[int, int]) -> Placement:
        """Return where an image of ``source_size``, (height, width), lies in the result."""
        height, width = _size(source_size, "source_size")
        return Placement(*_viewcast._placement(self, height, width), height, width)


@dataclass(frozen=True)
class Resize(_Fit):
    """An image stretched to ``size``. ``resize=(height, width)`` is short for ``Resize(size)``.

    size: (height, width) of the result.

    interpolation: "linear", "nearest" or "area", as cv2.resize has them; "pillow-bilinear",
    "pillow-bicubic", "pillow-lanczos" or "pillow-box", as PIL.Image.resize does.

    >>> frame = np.zeros((720, 1280, 3), np.uint8)
    >>> vc.to_numpy(frame, resize=vc.Resize((224, 224), interpolation="pillow-bicubic")).shape
    (224, 224, 3)
    """

    size: tuple[int, int]
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        """Check the fields, and form what the extension reads."""
        self._prepare(0, 0, None)


@dataclass(frozen=True)
class Letterbox(_Fit):
    """An image as large as ``size`` allows with its aspect, centred, with a pad around it: placed
    as Ultralytics' LetterBox(auto=False) places it.

    size, interpolation: as of Resize.

    pad: what is around the image, in the image's units and channel order (before values and
    channels are changed): one number, or one for each of its channels. None is 114 for uint8
    images; for others it must be said.

    >>> frame = np.full((720, 1280, 3), 200, np.uint8)
    >>> boxed = vc.to_numpy(frame, resize=vc.Letterbox((640, 640)))
    >>> boxed.shape, boxed[0, 0].tolist(), boxed[320, 320].tolist()
    ((640, 640, 3), [114, 114, 114], [200, 200, 200])
    """

    size: tuple[int, int]
    interpolation: str = "linear"
    pad: float | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check the fields, and form what the extension reads."""
        object.__setattr__(self, "pad", _pad(self.pad))
        self._prepare(1, 0, self.pad)


@dataclass(frozen=True)
class CenterCrop(_Fit):
    """The middle of a resized image, as torchvision's Resize(resize) and CenterCrop(size) cut it
    out of PIL images.

    size: (height, width) of the crop.

    resize: the length of the shorter edge before the crop. None: the smallest size of the image's
    aspect that covers ``size``.

    interpolation: as of Resize.

    >>> frame = np.zeros((720, 1280, 3), np.uint8)
    >>> vc.to_numpy(frame, resize=vc.CenterCrop((224, 224), resize=256)).shape
    (224, 224, 3)
    """

    size: tuple[int, int]
    resize: int | None = None
    interpolation: str = "pillow-bilinear"

    def __post_init__(self) -> None:
        """Check the fields, and form what the extension reads."""
        if self.resize is not None:
            object.__setattr__(self, "resize", _side(self.resize, "resize"))
        self._prepare(2, self.resize or 0, None)


def _read(value: Any) -> _Fit:
    """Return what resize= means: one of the three, or a size to stretch to."""
    if isinstance(value, _Fit):
        return value
    others = ", or a vc.Resize, vc.Letterbox or vc.CenterCrop"
    return _stretch(_size(value, "resize", others))


_stretch = lru_cache(maxsize=64)(Resize)


def _boxes(value: Any) -> Any:
    """Return a list of boxes as an array; no boxes have five values each."""
    array = _array(value, "boxes", _BOXES)
    return array.reshape(0, 5) if array.shape == (0,) else array
