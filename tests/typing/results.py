# SPDX-License-Identifier: Apache-2.0
"""The types of viewcast's results. `make lint` runs mypy --strict over this file, which is
never executed."""

from typing import Any, Literal, assert_type

import cv2
import numpy
import torch

import viewcast as vc

tensor = torch.zeros((4, 6, 3), dtype=torch.uint8)
mat = vc.as_gpumat(tensor, from_layout="HWC")

assert_type(mat, cv2.cuda.GpuMat)
assert_type(vc.as_gpumat(mat, copy=None, device="cuda:0", stream=-1), cv2.cuda.GpuMat)
assert_type(vc.as_tensor(mat, keepdim=True, owner=tensor), torch.Tensor)
assert_type(vc.as_numpy(mat), numpy.ndarray[Any, numpy.dtype[Any]])
assert_type(vc.empty_gpumat(4, 6, cv2.CV_8UC3), cv2.cuda.GpuMat)

view = vc.from_pointer(mat.cudaPtr(), (4, 6, 3), torch.uint8, strides=[18, 3, 1], owner=mat)
assert_type(view, vc.View)
assert_type(vc.view(mat), vc.View)
assert_type(view.shape, tuple[int, ...])
assert_type(view.ptr, int)
memoryview(view)

with vc.use_stream(vc.stream(torch.cuda.current_stream())) as stream:
    assert_type(stream, vc.Stream)
    assert_type(stream.handle, int)
    assert_type(stream.torch, torch.cuda.Stream)
    assert_type(stream.cv2, cv2.cuda.Stream)

vc.warmup(0)
vc.use_stream(stream, device="cuda:0")
vc.use_pool("torch", streams=[stream])
with vc.use_pool("cuda"):
    assert_type(vc.get_pool(), Literal["torch", "cupy", "cuda"] | None)
vc.set_num_threads(2)
vc.set_num_threads(None)
assert_type(vc.get_num_threads(), int)
assert_type(vc.trim_pool(), int)
assert_type(vc.config(), dict[str, Any])
vc.show_config()
assert_type(vc.collect(force=True), int)
assert_type(vc.host_mode(), bool)
assert_type(vc.statistics(), dict[str, int])

try:
    vc.as_tensor(mat)
except vc.LayoutError as error:
    assert isinstance(error, ValueError) and isinstance(error, vc.ViewError)
