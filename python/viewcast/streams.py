# SPDX-License-Identifier: Apache-2.0
"""A CUDA stream as an object of each library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viewcast import _viewcast
from viewcast._viewcast import DeviceError

if TYPE_CHECKING:
    from cupy.cuda import Stream as _CupyStream
    from cv2.cuda import Stream as Cv2Stream
    from torch.cuda import Stream as TorchStream

_LEGACY, _PER_THREAD, _NO_ORDER = 1, 2, -1

#: cv2.cuda.Stream objects by handle: OpenCV creates and destroys a real stream
#: at each wrapStream(), so each handle is wrapped once.
_wrapped_for_cv2: dict[int, Any] = {}


class Stream:
    """A CUDA stream that torch, CuPy and OpenCV can all use.

    Made by :func:`stream`. Keeps the stream object that it was made of alive; a
    stream that was given as an integer is its owner's to keep.

    >>> isinstance(vc.stream(), vc.Stream), vc.stream().handle
    (True, 1)
    """

    __slots__ = ("_device", "_handle", "_owner", "_views")

    _device: int
    _handle: int
    _owner: Any
    _views: dict[str, Any]  # each library's object of it, made when it is first asked for

    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise TypeError("a Stream is made by viewcast.stream(), of a stream or a handle")

    @classmethod
    def _around(cls, owner: Any, device: Any) -> Stream:
        handle = _viewcast._stream_handle(owner)
        if handle == _NO_ORDER:
            raise ValueError("-1 means 'no ordering' and is no stream")
        made = object.__new__(cls)
        made._owner = owner
        made._handle = handle
        named = _viewcast._stream_device(device)
        made._device = _device_of(owner) if named is None else named
        made._views = {}
        return made

    @property
    def handle(self) -> int:
        """The driver's handle; 1 and 2 are the default streams."""
        return self._handle

    @property
    def device(self) -> int:
        """Ordinal of the CUDA device."""
        return self._device

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, self._handle)

    @property
    def torch(self) -> TorchStream:
        """The stream as a ``torch.cuda.Stream``."""
        made: TorchStream = self._view("torch", self._make_torch)
        return made

    @property
    def cupy(self) -> _CupyStream:
        """The stream as a CuPy stream."""
        return self._view("cupy", self._make_cupy)

    @property
    def cv2(self) -> Cv2Stream:
        """The stream as a ``cv2.cuda.Stream``. DeviceError without a CUDA device."""
        made: Cv2Stream = self._view("cv2", self._make_cv2)
        return made

    def _view(self, library: str, make: Any) -> Any:
        if library not in self._views:
            self._views.setdefault(library, make())
        return self._views[library]

    def _make_torch(self) -> Any:
        import torch

        if isinstance(self._owner, torch.cuda.Stream):
            return self._owner
        if self._handle == _PER_THREAD:
            raise DeviceError("torch has no per-thread default stream; use a stream of its own")
        return torch_stream(self._handle, self._device)

    def _make_cupy(self) -> Any:
        import cupy

        if isinstance(self._owner, cupy.cuda.Stream):
            return self._owner
        return cupy_stream(self._handle, self._device, self._owner)

    def _make_cv2(self) -> Any:
        import cv2

        # Without a device, and in builds without CUDA, OpenCV aborts the process.
        if cv2.cuda.getCudaEnabledDeviceCount() <= 0:
            raise DeviceError(
                "OpenCV has no CUDA device here, so there is no cv2.cuda.Stream; "
                "install an OpenCV built with CUDA on a machine with a GPU"
            )
        if isinstance(self._owner, cv2.cuda.Stream):
            return self._owner
        if self._handle == _LEGACY:
            return cv2.cuda.Stream_Null()  # type: ignore[attr-defined]  # not in its stubs
        if self._handle not in _wrapped_for_cv2:
            _wrapped_for_cv2.setdefault(self._handle, cv2.cuda.wrapStream(self._handle))
        return _wrapped_for_cv2[self._handle]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return (self._handle, self._device) == (other._handle, other._device)

    def __hash__(self) -> int:
        return hash((self._handle, self._device))

    def __repr__(self) -> str:
        return f"<viewcast.Stream 0x{self._handle:x} of cuda:{self._device}>"


def torch_stream(handle: int, device: int) -> Any:
    """The stream as an object of torch."""
    import torch

    if handle == _LEGACY:
        return torch.cuda.default_stream(device)
    external: Any = torch.cuda.ExternalStream
    return external(handle, device=device)


class _Named:
    """The argument of CuPy 14's from_external(), which keeps it. A Stream in its place would keep
    itself alive."""

    __slots__ = ("_handle", "_owner")

    def __init__(self, handle: int, owner: Any) -> None:
        self._handle = handle
        self._owner = owner

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, self._handle)


def cupy_stream(handle: int, device: int, owner: Any = None) -> Any:
    """The stream as an object of CuPy, which keeps `owner` alive (from CuPy 14 on)."""
    import cupy

    if handle == _LEGACY:
        return cupy.cuda.Stream.null
    if handle == _PER_THREAD:
        return cupy.cuda.Stream.ptds
    if hasattr(cupy.cuda.Stream, "from_external"):
        return cupy.cuda.Stream.from_external(_Named(handle, owner))
    return cupy.cuda.ExternalStream(handle, device)


def _device_of(owner: Any) -> int:
    """The device that a stream object names; 0 for one that names none."""
    device = getattr(owner, "device_id", None)  # CuPy
    if device is None:
        device = getattr(getattr(owner, "device", None), "index", None)  # torch
    return device if isinstance(device, int) and device >= 0 else 0


def stream(source: Any = None, *, device: Any = None) -> Stream:
    """The same stream in each library.

    source: a torch, CuPy or cv2 stream, an object with ``__cuda_stream__``, or a
        handle (0 and 1: legacy default, 2: per-thread default). None is the
        legacy default stream.
    device: its device, as every ``device=`` takes it, where the source does not name one
        (None: 0).

    >>> stream = vc.stream()
    >>> tensor = vc.as_tensor(np.zeros((8, 8), np.uint8), stream=stream)
    """
    if isinstance(source, Stream):
        _viewcast._stream_device(device)
        return source
    return Stream._around(_LEGACY if source is None else source, device)
