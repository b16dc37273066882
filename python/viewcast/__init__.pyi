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

class ViewError(Exception):
    """An image can't be shown as asked. Base of viewcast's exceptions.

    >>> issubclass(vc.LayoutError, vc.ViewError) and issubclass(vc.CUDAError, vc.ViewError)
    True
    """

class LayoutError(ViewError, ValueError):
    """Shape, strides or alignment do not fit. Also a ValueError.

    >>> try:
    ...     vc.as_gpumat(np.zeros((3, 720, 1280), np.uint8))
    ... except vc.LayoutError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    the image's shape (3, 720, 1280) looks planar (CHW): ...
    """

class DTypeError(ViewError, TypeError):
    """The element type has no counterpart. Also a TypeError.

    >>> try:
    ...     vc.as_gpumat(np.zeros((720, 1280), np.complex64))
    ... except vc.DTypeError as error:
    ...     print(type(error).__name__)
    DTypeError
    """

class DeviceError(ViewError):
    """The memory is on another kind of device than needed.

    >>> try:
    ...     vc.to_tensor(np.zeros((8, 8), np.uint8), device=0)
    ... except vc.ViewError as error:
    ...     print(type(error).__name__)
    DeviceError
    """

class ABIError(ViewError):
    """The loaded OpenCV is not laid out as viewcast knows it, or is built without CUDA where
    CUDA is needed.

    >>> issubclass(vc.ABIError, vc.ViewError)
    True
    """

class CUDAError(ViewError):
    """The CUDA driver reported an error.

    >>> issubclass(vc.CUDAError, vc.ViewError)
    True
    """

@final
class View(Buffer):
    """An image in memory: address, shape, strides, dtype and device, with a strong reference
    to what owns it. Every consumer of DLPack, of the CUDA Array Interface or (host memory) of
    buffers takes it. Made by viewcast.view() and viewcast.from_pointer().

    >>> view = vc.view(np.zeros((720, 1280, 3), np.uint8))
    >>> view.shape, view.nbytes
    ((720, 1280, 3), 2764800)
    >>> torch.from_dlpack(view).shape
    torch.Size([720, 1280, 3])
    """

    @property
    def ptr(self) -> int:
        """Address of the first element."""
    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, in elements."""
    @property
    def strides(self) -> tuple[int, ...]:
        """Distances along the axes, in bytes."""
    @property
    def ndim(self) -> int:
        """Number of axes."""
    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
    @property
    def dtype(self) -> str:
        """Name of the element type, as "uint8", "bfloat16"."""
    @property
    def device(self) -> str:
        """Where the memory is: "cpu", "cuda:0", "cuda_host" (pinned) or "cuda_managed:0"."""
    @property
    def readonly(self) -> bool:
        """True if the producer forbids writing."""
    @property
    def nbytes(self) -> int:
        """Bytes of all elements, gaps between rows not counted."""
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3 of the interface; AttributeError for host memory."""
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> CapsuleType:
        """A DLPack capsule that keeps this View alive; versioned if max_version >= (1, 0)."""
    def __dlpack_device__(self) -> tuple[int, int]:
        """(DLPack device type, device id)."""

# `image` is a torch.Tensor, cupy.ndarray, numpy.ndarray, cv2.cuda.GpuMat, View,
# or any object with DLPack, the CUDA Array Interface or the buffer protocol, or a
# DLPack capsule, which is taken once. Where no view is asked for (to_*, copy=None,
# copy=True) also a PIL image, a big-endian array, or what NumPy makes an array of.

def as_gpumat(
    image: Any,
    *,
    from_layout: _Image | None = None,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> GpuMat:
    """A cv2.cuda.GpuMat that views the image: no pixel moves.

    image: (H, W) or (H, W, C), interleaved, rows packed or pitched; of any
    library. It lives until the last GpuMat that views it is gone.
    from_layout: how the image's axes are read, "HWC", "CHW" or "HW"; None: (H, W) or
    (H, W, C), and a shape that looks planar is refused. Channels-last memory is a view
    as "CHW" too; planes need copy=None.
    owner: an object to keep alive with a GpuMat that does not own its memory; an error for
    images that do.
    copy: False never moves a pixel; None copies once where a view is impossible; True
    always gives memory of its own.
    device: where the result is to be: an ordinal, "cpu", "cuda" (device 0), "cuda:1", a torch
    or CuPy device, or what View.device says; None: where the image is.
    stream: where the result will be used; None: its library's current stream (OpenCV: the
    legacy default stream). A torch, CuPy or cv2 stream, a handle, or -1 for no ordering.
    producer_stream: where the image was written; None: its library's current stream.

    Raises LayoutError, DTypeError, DeviceError, ABIError, CUDAError (all
    ViewError), or TypeError for what is no image.

    >>> tensor = torch.zeros((720, 1280, 3), dtype=torch.uint8)
    >>> mat = vc.as_gpumat(tensor)
    >>> mat.size(), mat.cudaPtr() == tensor.data_ptr()
    ((1280, 720), True)
    """

def as_gpumats(
    images: Any,
    *,
    from_layout: _Layout | None = None,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> list[GpuMat]:
    """A list of cv2.cuda.GpuMats, each of which views one of the images: no pixel moves.

    images: a batch (N, H, W, C) of any library, which lives until the last GpuMat is
    gone, or a list of images, each as in as_gpumat(). Streams are looked up and ordered
    once. An exception names the image's index.
    from_layout: how the axes are read: "NHWC", "NCHW", or "NHW" of a batch (N, H, W) of
    one-channel images; of a list "HWC", "CHW" or "HW". None: as they are, and a shape
    that looks planar is refused.
    owner, copy, device, stream, producer_stream: as in as_gpumat().

    >>> mats = vc.as_gpumats(torch.zeros((4, 720, 1280, 3), dtype=torch.uint8))
    >>> len(mats), mats[0].size()
    (4, (1280, 720))
    """

def as_tensor(
    image: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> torch.Tensor:
    """A torch.Tensor that views the image, in any layout: no pixel moves.

    image: an image of any library; (H, W, C) gives (H, W, C), with strides in elements.
    keepdim: a one-channel GpuMat as (H, W, 1) instead of (H, W).
    owner, copy, device, stream, producer_stream: as in as_gpumat().

    >>> frame = np.zeros((720, 1280, 3), np.uint8)
    >>> tensor = vc.as_tensor(frame)
    >>> tuple(tensor.shape), tensor.data_ptr() == frame.ctypes.data
    ((720, 1280, 3), True)
    """

def as_tensors(
    images: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> list[torch.Tensor]:
    """A list of torch.Tensors, each of which views one of the images: no pixel moves.

    images: a list of images, each as in as_tensor(), or a batch (four axes) of any
    library. Streams are looked up and ordered once. An exception names the image's
    index.
    keepdim: a one-channel GpuMat as (H, W, 1) instead of (H, W).
    owner, copy, device, stream, producer_stream: as in as_gpumat().

    >>> mats = [vc.as_gpumat(np.zeros((720, 1280, 3), np.uint8)) for _ in range(2)]
    >>> [tuple(tensor.shape) for tensor in vc.as_tensors(mats)]
    [(720, 1280, 3), (720, 1280, 3)]
    """

def as_cupy(
    image: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> cupy.ndarray:
    """A cupy.ndarray that views the image, in any layout: no pixel moves.

    image: an image of any library; (H, W, C) gives (H, W, C), with strides in bytes.
    keepdim: a one-channel GpuMat as (H, W, 1) instead of (H, W).
    owner, copy, device, stream, producer_stream: as in as_gpumat().

    >>> mat = vc.as_gpumat(np.zeros((720, 1280, 3), np.uint8))
    >>> vc.as_cupy(mat).shape
    (720, 1280, 3)
    """

def as_numpy(
    image: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    copy: bool | None = False,
    device: Any = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> numpy.ndarray[Any, numpy.dtype[Any]]:
    """A numpy.ndarray that views the image, in any layout: no pixel moves.

    image: an image of any library. Memory of a GPU needs copy=None or copy=True, and the
    host waits for it; read-only memory gives a read-only array.
    keepdim: a one-channel GpuMat as (H, W, 1) instead of (H, W).
    owner, copy, device, stream, producer_stream: as in as_gpumat().

    >>> array = vc.as_numpy(torch.zeros((720, 1280, 3), dtype=torch.uint8))
    >>> array.shape, array.flags.owndata
    ((720, 1280, 3), False)
    """

def view(
    image: Any,
    *,
    keepdim: bool = False,
    owner: object = None,
    stream: Any = None,
    producer_stream: Any = None,
) -> View:
    """A viewcast.View of the image, for consumers of DLPack, of the CUDA Array Interface or of
    buffers: no pixel moves.

    image: an image of any library.
    keepdim: a one-channel GpuMat as (H, W, 1) instead of (H, W).
    owner, stream, producer_stream: as in as_gpumat().

    >>> view = vc.view(np.zeros((720, 1280, 3), np.uint8))
    >>> view.shape, view.strides, view.dtype, view.device
    ((720, 1280, 3), (3840, 3, 1), 'uint8', 'cpu')
    >>> np.from_dlpack(view).shape
    (720, 1280, 3)
    """

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
) -> torch.Tensor:
    """A torch.Tensor of its own with the image's pixels: resized, laid out, converted and
    scaled in one pass; on a GPU in one kernel launch, for a batch or list too.

    image: an image of any library, a YUV image, a batch (four axes), or a list of images of
    one type and, without resize=, one size, which gives a batch.
    layout: of the result, "HWC", "CHW", "NHWC", "NCHW", or "HW" and "NHW" for one
    channel without an axis; None: the source's. One image with an N is a batch of 1.
    from_layout: how the source's axes are read, by the same names; None: (H, W), (H, W, C)
    or (N, H, W, C), and a shape that looks planar is refused. Of a list it is said of each
    image ("CHW").
    dtype: of the result: a name or any library's dtype; None: the source's, or out's. It is
    needed where integers are scaled by fractions.
    scale, mean, std: y = (x * scale - mean[c]) / std[c], c being the result's channel;
    numbers, or one number per channel. Rounded to nearest even and saturated for integers.
    normalize: a Normalization (IMAGENET, CLIP, UNIT, SYMMETRIC) or its name ("imagenet") in
    place of these three; an error for an image of another dtype than it is made for.
    reverse_channels: BGR <-> RGB; alpha stays the last.
    channels: of the result: alpha (the last of 2 or 4) is dropped or added with `fill`
    (None: opaque), one colour is spread to three. fill where none is added is an error.
    resize: (height, width) in pixels, or a Resize, Letterbox or CenterCrop: each image is
    resized before its values are changed. 8-bit pixels are those of cv2.resize or of
    PIL.Image.resize, byte for byte. Images of a list may then have different sizes.
    boxes: (N, 4) of one image: x0, y0, x1, y1 in pixels, or (N, 5) with the image's index
    first, of any numbers, on the host or where the images are: each is cropped and resized to
    an image of a batch, which needs resize=. A box without a pixel is an error; in memory of a
    GPU its image is pad, or 0.
    out: memory to write to, an array, GpuMat or list of images of any library; it is
    returned. Empty GpuMats are created. Everything is checked before anything is written;
    for torch it is an in-place change of the tensor.
    device: where the result is to be (None: where the image is). An image in host memory is
    uploaded as it is, and needs device= where the result can only be on a GPU. A result in
    host memory is waited for.
    keepdim: one channel as (H, W, 1) also where the source has no such axis.
    owner: an object to keep alive with a GpuMat that does not own its memory; an error for
    images that do.
    stream: where the result will be used, and where the work runs; None: the current
    stream of its library. The host does not wait for a GPU.
    producer_stream: where the image was written; None: its library's current stream.

    Raises LayoutError, DTypeError, DeviceError, CUDAError (all ViewError), or ValueError
    and TypeError for arguments that make no sense.

    >>> frames = [np.zeros((720, 1280, 3), np.uint8), np.zeros((480, 640, 3), np.uint8)]
    >>> batch = vc.to_tensor(frames, layout="NCHW", dtype=torch.float32, normalize=vc.IMAGENET,
    ...                      reverse_channels=True, resize=vc.Letterbox((640, 640)))
    >>> tuple(batch.shape), batch.dtype
    ((2, 3, 640, 640), torch.float32)
    """

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
) -> cupy.ndarray:
    """A cupy.ndarray of its own with the image's pixels: resized, laid out, converted and scaled
    in one pass. Where there is a GPU, an image in host memory needs device= or out=; in host
    mode the array lies in host memory.

    image, and all keywords, and the exceptions: as in to_tensor().

    >>> out = np.empty((1, 3, 224, 224), np.float32)
    >>> result = vc.to_cupy(np.zeros((720, 1280, 3), np.uint8), layout="NCHW", scale=1 / 255,
    ...                     resize=(224, 224), out=out)
    >>> result is out
    True
    """

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
) -> numpy.ndarray[Any, numpy.dtype[Any]]:
    """A numpy.ndarray of its own with the image's pixels: resized, laid out, converted and scaled
    in one pass. The host waits for an image of a GPU.

    image, and all keywords, and the exceptions: as in to_tensor().

    >>> frame = np.zeros((720, 1280, 3), np.uint8)
    >>> vc.to_numpy(frame, boxes=[[0, 0, 100, 50], [10, 20, 300, 400]], resize=(64, 64)).shape
    (2, 64, 64, 3)
    """

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
) -> list[GpuMat]:
    """A cv2.cuda.GpuMat of its own with the image's pixels: resized, interleaved, converted and
    scaled in one pass. A batch or a list gives a list of them over one block of memory.

    image, and all keywords, and the exceptions: as in to_tensor().

    >>> chw = torch.zeros((3, 720, 1280), dtype=torch.float32)
    >>> mat = vc.to_gpumat(chw, from_layout="CHW", dtype="uint8", scale=255)
    >>> mat.size(), mat.channels(), mat.depth() == cv2.CV_8U
    ((1280, 720), 3, True)
    """

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
    """A viewcast.View of memory that is known by its address alone.

    ptr: address of the first element, or a capsule that holds it (of any name, as
    DeepStream's pyds gives them), which is kept alive too.
    shape: 1 to 4 axes, in elements.
    dtype: a name ("uint8") or a dtype of torch, NumPy or CuPy.
    strides: in bytes; None: packed.
    pitch: bytes from row to row of (H, W), (H, W, C) or (N, H, W, C), in place of strides.
    device: checked against what the driver knows of the address; None: as the driver says.
    owner: an object that is kept alive as long as anything looks at the memory; None: the
    caller keeps the memory alive.
    readonly: True refuses writable views.
    producer_stream: where the memory was written; None: the legacy default stream.

    >>> memory = np.zeros((4, 512), np.uint8)
    >>> view = vc.from_pointer(memory.ctypes.data, (4, 100, 3), "uint8", pitch=512, owner=memory)
    >>> vc.as_numpy(view).strides
    (512, 3, 1)
    """

def collect(*, force: bool = False) -> int:
    """Run the pending releases now, and return how many owners were released.

    OpenCV and DLPack consumers give memory back from any thread; such memory is released soon
    after by the main thread, at the next conversion, or by this call.

    force: on an OpenCV that never counts down (4.x without CUDA), also release images whose
    GpuMat was copied. No GpuMat may look at them any more.

    >>> vc.collect() >= 0
    True
    """

def get_pool() -> Literal["torch", "cupy", "cuda"] | None:
    """The name of the pool that use_pool() set; None for OpenCV's own allocator.

    >>> vc.get_pool() is None
    True
    """

def empty_gpumat(rows: int, cols: int, type: int, *, stream: Any = None) -> GpuMat:
    """A cv2.cuda.GpuMat whose memory comes from the pool in use (else "cuda").

    rows, cols: at least 0, in pixels. Rows lie on a pitch of 512 bytes. The pixels are not
    initialised. OpenCV's default allocator is not changed.
    type: OpenCV's, as cv2.CV_8UC3.
    stream: a stream on which it will be used, blocking or not: its memory is taken
    and goes back in that stream's order. It is on that stream's device, else on
    the current one.

    MemoryError where the pool has no memory; ValueError for negative sizes and
    unknown types; ABIError for an OpenCV built without CUDA.

    >>> mat = vc.empty_gpumat(720, 1280, cv2.CV_8UC3)  # doctest: +SKIP
    """

def trim_pool() -> int:
    """Give memory that no GpuMat uses back to torch, CuPy and the driver, and return its bytes.

    Memory that torch and CuPy keep in caches of their own is theirs to free
    (torch.cuda.empty_cache(), cupy.get_default_memory_pool().free_all_blocks()).

    >>> vc.trim_pool()
    0
    """

def set_num_threads(n: SupportsIndex | None) -> None:
    """Set the number of threads that a transform of host memory uses at most.

    Small images use fewer. The number is the process's; it begins as VIEWCAST_THREADS in the
    environment says.

    n: 1 or more; None: one for each core that the process may run on.

    >>> vc.set_num_threads(2)
    >>> vc.get_num_threads()
    2
    >>> vc.set_num_threads(None)
    """

def get_num_threads() -> int:
    """The number of threads that a transform of host memory uses at most.

    >>> vc.get_num_threads() >= 1
    True
    """

def warmup(device: Any = None) -> None:
    """Create a device's context and pooled events now, so that a later conversion inside a CUDA
    graph capture creates nothing. Does nothing in host mode, and for "cpu".

    device: an ordinal, "cuda:1" or a device object; None: device 0.

    >>> vc.warmup()
    """

def host_mode() -> bool:
    """True where this process has no CUDA device and GpuMats lie over host memory.

    >>> device = "cpu" if vc.host_mode() else "cuda"
    """

def statistics() -> dict[str, int]:
    """Counts of lends, shares, exports and their releases since the import, and of the blocks of
    memory pools (pool_hits, pool_misses), with how many there are now.

    >>> before = vc.statistics()["lends"]
    >>> mat = vc.as_gpumat(np.zeros((4, 4, 3), np.uint8))
    >>> vc.statistics()["lends"] - before
    1
    """
