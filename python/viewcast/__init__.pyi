# SPDX-License-Identifier: Apache-2.0
# cv2, torch, cupy and numpy are optional: where one is not installed, type
# checkers read its types as unknown.
from collections.abc import Iterable
from typing import Any, Literal, SupportsIndex, TypeVar, final, overload

import cupy
import numpy
import torch
from cv2.cuda import GpuMat
from typing_extensions import Buffer, CapsuleType

from viewcast.colour import YUV as YUV
from viewcast.colour import to_yuv as to_yuv
from viewcast.colour import yuv as yuv
from viewcast.configuration import config as config
from viewcast.configuration import show_config as show_config
from viewcast.geometry import CenterCrop as CenterCrop
from viewcast.geometry import Letterbox as Letterbox
from viewcast.geometry import Placement as Placement
from viewcast.geometry import Resize as Resize
from viewcast.normalization import CLIP as CLIP
from viewcast.normalization import IMAGENET as IMAGENET
from viewcast.normalization import SYMMETRIC as SYMMETRIC
from viewcast.normalization import UNIT as UNIT
from viewcast.normalization import Normalization as Normalization
from viewcast.settings import use_pool as use_pool
from viewcast.settings import use_stream as use_stream
from viewcast.streams import Stream as Stream
from viewcast.streams import stream as stream

__version__: str

_Out = TypeVar("_Out")
_Image = Literal["HWC", "CHW", "HW", "hwc", "chw", "hw"]
_ResizeTo = tuple[int, int] | Resize | Letterbox | CenterCrop | None
_Layout = _Image | Literal["NHWC", "NCHW", "NHW", "nhwc", "nchw", "nhw"]

class ViewError(Exception): ...
class LayoutError(ViewError, ValueError): ...
class DTypeError(ViewError, TypeError): ...
class DeviceError(ViewError): ...
class ABIError(ViewError): ...
class CUDAError(ViewError): ...

@final
class View(Buffer):
    """An image in memory: where it is, how it is laid out, and its owner.

    DLPack consumers take it, CUDA Array Interface consumers too where it is
    device memory, and buffer consumers where it is host memory.
    """

    @property
    def ptr(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]:
        """In bytes."""
    @property
    def ndim(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def dtype(self) -> str:
        """As "uint8", "bfloat16"."""
    @property
    def device(self) -> str:
        """As "cuda:0", "cpu"."""
    @property
    def readonly(self) -> bool: ...
    @property
    def nbytes(self) -> int:
        """Of the pixels, gaps between rows not counted."""
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> CapsuleType: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

# `image` is a torch.Tensor, cupy.ndarray, numpy.ndarray, cv2.cuda.GpuMat, View,
# or any object with DLPack, the CUDA Array Interface or the buffer protocol, or a
# DLPack capsule, which is taken once. Where no view is asked for (to_*, copy=None,
# copy=True) also a PIL image, a big-endian array, or what NumPy makes an array of.
# `owner` is what keeps the memory of a GpuMat alive that does not own it;
# an error for memory that is owned.
# A stream is a torch.cuda.Stream, cupy.cuda.Stream, cv2.cuda.Stream, an object
# with __cuda_stream__, or a handle; -1 is for no ordering, None for the current
# stream of the library (OpenCV: the legacy default stream).
# `copy` is the Array API's: False never, None where a view is impossible, True always.
# `device` is an ordinal, "cpu", "cuda" (device 0), "cuda:1", a torch or CuPy device, or
# what View.device says.
# `from_layout` says how the axes of the source are read, `layout` names the result's.

def as_gpumat(
    image: Any,
    *,
    from_layout: _Image | None = None,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> GpuMat: ...
def as_gpumats(
    images: Any,
    *,
    from_layout: _Layout | None = None,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> list[GpuMat]: ...
def as_tensor(
    image: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> torch.Tensor: ...
def as_tensors(
    images: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> list[torch.Tensor]: ...
def as_cupy(
    image: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> cupy.ndarray: ...
def as_numpy(
    image: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> numpy.ndarray[Any, numpy.dtype[Any]]: ...
def view(
    image: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> View: ...

# Where pixels must move: one pass over them, in memory of its own or in `out`.
# y = (x * scale - mean[c]) / std[c], c being the result's channel; see
# docs/transforms.md. `image` may be a batch or a list, which gives a batch, of
# to_gpumat a list. `dtype` is a name or any library's dtype.

@overload
def to_tensor(
    image: Any,
    *,
    layout: _Layout | None = None,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: None = None,
    device: Any = None,
    keepdim: bool = False,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> torch.Tensor: ...
@overload
def to_tensor(
    image: Any,
    *,
    layout: _Layout | None = None,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: _Out,
    device: Any = None,
    keepdim: bool = False,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> _Out: ...
@overload
def to_cupy(
    image: Any,
    *,
    layout: _Layout | None = None,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: None = None,
    device: Any = None,
    keepdim: bool = False,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> cupy.ndarray: ...
@overload
def to_cupy(
    image: Any,
    *,
    layout: _Layout | None = None,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: _Out,
    device: Any = None,
    keepdim: bool = False,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> _Out: ...
@overload
def to_numpy(
    image: Any,
    *,
    layout: _Layout | None = None,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: None = None,
    device: Any = None,
    keepdim: bool = False,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> numpy.ndarray[Any, numpy.dtype[Any]]: ...
@overload
def to_numpy(
    image: Any,
    *,
    layout: _Layout | None = None,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: _Out,
    device: Any = None,
    keepdim: bool = False,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> _Out: ...
@overload
def to_gpumat(
    image: list[Any] | tuple[Any, ...],
    *,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: None = None,
    device: Any = None,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> list[GpuMat]: ...
@overload
def to_gpumat(
    image: Any,
    *,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: None = None,
    device: Any = None,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> GpuMat | list[GpuMat]: ...
@overload
def to_gpumat(
    image: Any,
    *,
    from_layout: _Layout | None = None,
    dtype: Any = None,
    scale: float = 1,
    mean: Any = None,
    std: Any = None,
    normalize: Normalization | str | None = None,
    reverse_channels: bool = False,
    channels: int | None = None,
    fill: float | None = None,
    resize: _ResizeTo = None,
    boxes: Any = None,
    out: _Out,
    device: Any = None,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> _Out: ...
def from_pointer(
    ptr: SupportsIndex | CapsuleType,
    shape: Iterable[SupportsIndex],
    dtype: Any,
    *,
    strides: Iterable[SupportsIndex] | None = None,
    pitch: SupportsIndex | None = None,
    device: Any = None,
    owner: object = None,
    readonly: bool = False,
    producer_stream: Any = None,
) -> View:
    """A View of memory that is known by its address alone.

    `ptr` is an int or a capsule that holds a pointer, which is kept alive too.
    `strides` are in bytes; `pitch` is the bytes from row to row. `device` is checked
    against what the driver knows of the address. `owner` is kept alive as long as
    anything looks at the memory.
    """

def collect(*, force: bool = False) -> int:
    """Runs the pending releases; returns how many.

    `force`: also of memory lent to copies of GpuMats that a stock OpenCV 4 has
    forgotten; the caller promises that no GpuMat looks at it any more.
    """

def get_pool() -> Literal["torch", "cupy", "cuda"] | None:
    """The name of the pool that use_pool() set; None for OpenCV's own allocator."""

def empty_gpumat(rows: int, cols: int, type: int, *, stream: Any = None) -> GpuMat:
    """A GpuMat from the pool in use (else "cuda"), in a stream's order."""

def trim_pool() -> int:
    """Gives memory that no GpuMat uses back; returns bytes."""

def set_num_threads(n: SupportsIndex | None) -> None:
    """Sets the number of threads that a transform of host memory uses at most.

    None: one for each core that the process may run on.
    """

def get_num_threads() -> int:
    """The number of threads that a transform of host memory uses at most."""

def warmup(device: Any = None) -> None:
    """Makes what graph capture must find made: call it before the capture."""

def host_mode() -> bool:
    """True where, for lack of a GPU, GpuMats are headers over host memory."""

def statistics() -> dict[str, int]:
    """Counters of lends, shares and exports, of their releases, and of pools."""
