# SPDX-License-Identifier: Apache-2.0
"""Settings that act at once and that a `with` block can undo: use_stream(), use_pool()."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import types
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Generic, Literal, TypeVar

from viewcast import _viewcast
from viewcast.streams import Stream, stream

_Value = TypeVar("_Value")
_Undo = Callable[[], object]


class _Setting(Generic[_Value]):
    """The result of use_stream() and use_pool(), which have acted already.

    The end of the first `with` block restores the setting from before the call; the end of a
    later one, the setting from before that block. Without a block nothing is restored.
    """

    __slots__ = ("_act", "_undos", "_value")

    def __init__(self, value: _Value, act: Callable[[], _Undo], undos: Any) -> None:
        """act: makes the setting and returns a function that undoes it. undos: an empty
        namespace, or a threading.local() for a setting of the thread."""
        self._value = value
        self._act = act
        self._undos = undos
        undos.call = act()

    def __enter__(self) -> _Value:
        undo = self._act()
        undos = vars(self._undos)
        undos.setdefault("blocks", []).append(undos.pop("call", undo))
        return self._value

    def __exit__(self, *exception: object) -> None:
        self._undos.blocks.pop()()


def use_stream(source: Any, *, device: Any = None) -> AbstractContextManager[Stream]:
    """Make a stream current in torch and CuPy together, and viewcast's default.

    It acts at once, on the calling thread. Used as ``with use_stream(s) as stream:``, it
    restores at the end of the block what was there before, in all three.

    Only libraries that are already imported are touched. OpenCV has no current
    stream: pass ``stream.cv2`` to its functions; conversions from and to a GpuMat take
    this stream as OpenCV's. In host mode nothing is switched.

    source: a stream as :func:`stream` takes it. None is the legacy default stream, where
        every library begins.
    device: its device, as :func:`stream` takes it.

    >>> with vc.use_stream(None) as stream:
    ...     mat = vc.as_gpumat(np.zeros((720, 1280, 3), np.uint8))
    """
    current = stream(source, device=device)
    return _Setting(current, functools.partial(_make_current, current), threading.local())


def _make_current(current: Stream) -> _Undo:
    """Switches every library or, with an exception, none; returns a function that undoes it."""
    with contextlib.ExitStack() as undo:
        if not _viewcast.host_mode():
            _switch_torch(current, undo)
            _switch_cupy(current, undo)
        undo.callback(_viewcast._set_stream, _viewcast._set_stream(current))
        return undo.pop_all().close


def _switch_torch(current: Stream, undo: contextlib.ExitStack) -> None:
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        undo.enter_context(torch.cuda.stream(current.torch))


def _switch_cupy(current: Stream, undo: contextlib.ExitStack) -> None:
    """Calls use(): CuPy's own `with` would leave an entry in its stack of streams where the
    setting is never undone."""
    if "cupy" not in sys.modules:
        return
    cuda: Any = sys.modules["cupy"].cuda
    device, own = cuda.Device(), cuda.Device(current.device)
    undo.callback(device.use)
    own.use()
    undo.callback(cuda.get_current_stream(current.device).use)
    undo.callback(own.use)  # the first of the three: a default stream is of the current device
    current.cupy.use()


def use_pool(
    name: Literal["torch", "cupy", "cuda"] | None, *, streams: Iterable[Any] = ()
) -> AbstractContextManager[Literal["torch", "cupy", "cuda"] | None]:
    """Let OpenCV take the memory of new GpuMats (every cv2.cuda result) out of a pool.

    It acts at once, for the whole process. Used as ``with use_pool("torch"):``, it restores
    at the end of the block the pool that was there before, with its streams.

    GpuMats that are alive go back to where they came from. Memory that no GpuMat uses stays
    in the pool: see :func:`trim_pool`. Where the pool has none, OpenCV's own allocator is
    used. Keep GpuMats that a CUDA graph uses as long as the graph. In host mode all three
    pools take host memory. ABIError for an OpenCV built without CUDA.

    name: "torch" or "cupy", out of that library's caching pool; "cuda", out of
        viewcast's own over the CUDA driver; None gives OpenCV its own allocator back.
    streams: the non-blocking streams on which such GpuMats are used (torch's and
        CuPy's side streams, cv2.cuda.Stream(1)). Memory is reused in the order of the
        default stream, which blocking streams follow by themselves. Kept alive while
        GpuMats made meanwhile are; an int handle must stay valid as long.

    >>> with vc.use_pool(None):
    ...     vc.get_pool() is None
    True
    """
    streams = _tuple_of(streams)
    return _Setting(name, functools.partial(_set_pool, name, streams), types.SimpleNamespace())


def _tuple_of(streams: Iterable[Any]) -> Any:
    """A tuple, because an iterator can be read once only. The extension refuses an object that
    is not iterable."""
    return tuple(streams) if hasattr(type(streams), "__iter__") else streams


def _set_pool(name: str | None, streams: Any) -> _Undo:
    return functools.partial(_viewcast._restore_pool, _viewcast._use_pool(name, streams))
