# SPDX-License-Identifier: Apache-2.0
"""One image in memory as an OpenCV GpuMat, a PyTorch tensor or a CuPy array.

``as_gpumat``, ``as_tensor``, ``as_cupy`` and ``as_numpy`` make an object of another
library over the memory of an image, without a copy; ``view`` makes a ``View`` that every
consumer of DLPack, of the CUDA Array Interface or of buffers takes. The memory lives as
long as its last view. ``to_gpumat``, ``to_tensor``, ``to_cupy`` and ``to_numpy`` change
pixels: size, layout, dtype, values, channels and batch in one pass. ``yuv`` makes an image
for them of a decoder's planes, and ``to_yuv`` makes planes for an encoder.
"""

from viewcast._viewcast import (
    ABIError,
    CUDAError,
    DeviceError,
    DTypeError,
    LayoutError,
    View,
    ViewError,
    __version__,
    as_cupy,
    as_gpumat,
    as_gpumats,
    as_numpy,
    as_tensor,
    as_tensors,
    collect,
    empty_gpumat,
    from_pointer,
    get_num_threads,
    get_pool,
    host_mode,
    set_num_threads,
    statistics,
    to_cupy,
    to_gpumat,
    to_numpy,
    to_tensor,
    trim_pool,
    view,
    warmup,
)
from viewcast.colour import YUV, to_yuv, yuv
from viewcast.configuration import config, show_config
from viewcast.geometry import CenterCrop, Letterbox, Placement, Resize
from viewcast.normalization import CLIP, IMAGENET, SYMMETRIC, UNIT, Normalization
from viewcast.settings import use_pool, use_stream
from viewcast.streams import Stream, stream

__all__ = [
    "CLIP",
    "IMAGENET",
    "SYMMETRIC",
    "UNIT",
    "YUV",
    "ABIError",
    "CUDAError",
    "CenterCrop",
    "DTypeError",
    "DeviceError",
    "LayoutError",
    "Letterbox",
    "Normalization",
    "Placement",
    "Resize",
    "Stream",
    "View",
    "ViewError",
    "__version__",
    "as_cupy",
    "as_gpumat",
    "as_gpumats",
    "as_numpy",
    "as_tensor",
    "as_tensors",
    "collect",
    "config",
    "empty_gpumat",
    "from_pointer",
    "get_num_threads",
    "get_pool",
    "host_mode",
    "set_num_threads",
    "show_config",
    "statistics",
    "stream",
    "to_cupy",
    "to_gpumat",
    "to_numpy",
    "to_tensor",
    "to_yuv",
    "trim_pool",
    "use_pool",
    "use_stream",
    "view",
    "warmup",
    "yuv",
]
