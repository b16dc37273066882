# SPDX-License-Identifier: Apache-2.0
"""Tensors: read and made through torch's exchange table or, under VIEWCAST_SLOW=1, through
capsules."""

import os
import sys

import numpy as np
import pytest
import torch
from images import CONVERT, Image, make_torch, pixels, see
from torch._subclasses import FakeTensorMode

import viewcast as vc

pytestmark = [pytest.mark.any_opencv, pytest.mark.slow_paths]

SLOW = os.environ.get("VIEWCAST_SLOW") == "1"
TARGETS = ["gpumat", "cupy", "numpy", "view"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]

for_all_targets = pytest.mark.parametrize("target", TARGETS)


def ones(dtype="float32", shape=(6, 8)):
    return torch.ones(shape, dtype=getattr(torch, dtype))


def convert(target, tensor):
    return CONVERT[target](tensor)


def refuses(target, tensor, message, error=vc.ViewError):
    with pytest.raises(error, match=message):
        convert(target, tensor)


def test_the_exchange_table_is_used_unless_hidden():
    """Only the capsules' path calls torch.utils.dlpack.from_dlpack(), a Python function."""
    called = set()
    view = vc.view(ones())
    sys.setprofile(lambda frame, event, argument: called.add(frame.f_code.co_name))
    tensor = vc.as_tensor(view)
    sys.setprofile(None)
    assert ("from_dlpack" in called) is SLOW
    assert tensor.data_ptr() == view.ptr


# --- tensors whose memory does not hold their values


@pytest.mark.parametrize("dtype", FLOATS)
@for_all_targets
def test_a_tensor_that_requires_grad_is_refused(target, dtype):
    tensor = ones(dtype).requires_grad_()
    refuses(target, tensor, r"requires grad.*autograd.*tensor.detach\(\)")
    with torch.no_grad():
        refuses(target, tensor, r"tensor.detach\(\)")
    with torch.inference_mode():
        refuses(target, tensor, r"tensor.detach\(\)")


@for_all_targets
def test_the_result_of_a_computation_that_requires_grad_is_refused(target):
    refuses(target, ones().requires_grad_() * 2, r"tensor.detach\(\)")


@for_all_targets
def test_a_parameter_is_refused_unless_it_needs_no_grad(target):
    refuses(target, torch.nn.Parameter(ones()), r"tensor.detach\(\)")
    frozen = torch.nn.Parameter(ones("float16"), requires_grad=False)
    assert see(target, convert(target, frozen)).address == frozen.data_ptr()


@for_all_targets
def test_detached_tensors_are_views(target):
    tensor = ones("float16").requires_grad_().detach()
    assert see(target, convert(target, tensor)).address == tensor.data_ptr()


@pytest.mark.parametrize("dtype", FLOATS)
@for_all_targets
def test_the_negative_bit_is_refused(target, dtype):
    tensor = torch._neg_view(ones(dtype))
    refuses(target, tensor, r"negative bit.*tensor.resolve_neg\(\)")


@for_all_targets
def test_the_negative_bit_of_an_imaginary_part_is_refused(target):
    tensor = torch.zeros(6, 8, dtype=torch.complex64).conj().imag
    assert tensor.is_neg()
    refuses(target, tensor, r"tensor.resolve_neg\(\)")


def test_a_resolved_negative_is_a_view():
    tensor = torch._neg_view(ones()).resolve_neg()
    assert vc.as_numpy(tensor).sum() == -48


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@for_all_targets
def test_the_conjugate_bit_is_refused(target, dtype):
    refuses(target, ones(dtype).conj(), r"conjugate bit.*tensor.resolve_conj\(\)")


@pytest.mark.filterwarnings("ignore:ComplexHalf:UserWarning")
@pytest.mark.parametrize("dtype", ["complex32", "complex64", "complex128"])
@for_all_targets
def test_complex_is_a_dtype_error(target, dtype):
    tensor = torch.zeros(6, 8, dtype=getattr(torch, dtype))
    refuses(target, tensor, "complex.*view_as_real", vc.DTypeError)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"])
@for_all_targets
def test_8_bit_floats_are_dtype_errors(target, dtype):
    tensor = ones("uint8").view(getattr(torch, dtype))
    refuses(target, tensor, r"8-bit float.*\.view\(torch.uint8\)", vc.DTypeError)


def is_exported(name):
    try:
        torch.utils.dlpack.to_dlpack(torch.zeros(1, dtype=torch.uint8).view(getattr(torch, name)))
    except (BufferError, RuntimeError):
        return False
    return True


NOT_EXPORTED = [name for name in ("bool", "bits8", "bits1x8") if not is_exported(name)]


@pytest.mark.parametrize("name", NOT_EXPORTED)
@for_all_targets
def test_dtypes_that_torch_does_not_export_are_dtype_errors(target, name):
    """bool in PyTorch 2.1; in later ones, those that have no arithmetic."""
    dtype = getattr(torch, name)
    tensor = torch.zeros(6, 8, dtype=torch.uint8).view(dtype)
    message = (
        rf"dtype is {dtype}, which this version of PyTorch does not export.*view\(torch.uint8\)"
    )
    refuses(target, tensor, message, vc.DTypeError)
    refuses(target, tensor.as_subclass(Subclass), message, vc.DTypeError)
    assert see(target, convert(target, tensor.view(torch.uint8))).address == tensor.data_ptr()


# --- tensors without memory of their own


class Wrapper(torch.Tensor):
    """A tensor that wraps another one and has no storage of its own."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise NotImplementedError(func)


def quantized():
    return torch.quantize_per_tensor(ones(), 0.1, 0, torch.quint8)


def fake():
    with FakeTensorMode():
        return ones()


NONE_OF_ITS_OWN = "data is NULL.*wrapper tensors have no memory of their own; pass the tensor"
DENSE = r"layout is torch.{}, and a dense tensor is needed; use tensor.to_dense\(\)"
NESTED = r"it is nested.*tensor.unbind\(\), or torch.nested.to_padded_tensor"
QUANTISED = r"it is quantised.*tensor.dequantize\(\), or tensor.int_repr\(\)"
WITHOUT_MEMORY = {
    "fake": (fake, NONE_OF_ITS_OWN),
    "meta": (lambda: torch.ones(6, 8, device="meta"), "it is on the meta device"),
    "wrapper": (lambda: Wrapper(ones()), NONE_OF_ITS_OWN),
    "wrapper of integers": (lambda: Wrapper(ones("uint8")), NONE_OF_ITS_OWN),
    "zero": (lambda: torch._efficientzerotensor((6, 8)), NONE_OF_ITS_OWN),
    "sparse COO": (lambda: ones().to_sparse(), DENSE.format("sparse_coo")),
    "sparse CSR": (lambda: ones().to_sparse_csr(), DENSE.format("sparse_csr")),
    "sparse BSR": (lambda: ones().to_sparse_bsr((2, 2)), DENSE.format("sparse_bsr")),
    "MKL-DNN": (lambda: ones().to_mkldnn(), DENSE.format("_mkldnn")),
    "nested": (lambda: torch.nested.nested_tensor([ones()]), NESTED),
    "jagged": (lambda: torch.nested.nested_tensor([ones()], layout=torch.jagged), NESTED),
    "quantised": (quantized, QUANTISED),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns when they are made
@pytest.mark.parametrize(("make", "message"), WITHOUT_MEMORY.values(), ids=WITHOUT_MEMORY)
@for_all_targets
def test_tensors_without_plain_memory_are_refused(target, make, message):
    refuses(target, make(), message)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("make", "message"), WITHOUT_MEMORY.values(), ids=WITHOUT_MEMORY)
def test_transforms_refuse_tensors_without_plain_memory_with_the_same_message(make, message):
    into = np.zeros((6, 8), np.float32)
    for give in (
        lambda: vc.to_numpy(make()),
        lambda: vc.to_numpy([into, make()]),
        lambda: vc.to_numpy(into, out=make()),
    ):
        with pytest.raises(vc.ViewError, match=message):
            give()


@pytest.mark.parametrize(
    "transform", [torch.vmap, lambda f: torch.func.grad(f)], ids=["vmap", "grad"]
)
@for_all_targets
def test_tensors_inside_transforms_of_functions_are_refused(target, transform):
    def check(tensor):
        with pytest.raises(
            vc.ViewError, match="inside of torch.vmap or torch.func; convert outside|requires grad"
        ):
            convert(target, tensor)
        return tensor.sum()

    transform(check)(ones(shape=(2, 6, 8)))


def test_the_producers_exception_is_the_cause():
    with pytest.raises(vc.ViewError) as caught:
        vc.view(torch.ones(6, 8, device="meta"))
    assert "meta" in str(caught.value.__cause__)


# --- tensors with plain memory


class Subclass(torch.Tensor):
    pass


@for_all_targets
def test_subclasses_with_memory_are_views(target):
    tensor = ones("uint8", (6, 8, 3)).as_subclass(Subclass)
    assert see(target, convert(target, tensor)).address == tensor.data_ptr()


LAYOUTS = {
    "rows": lambda tensor: tensor[2:9],
    "every other row": lambda tensor: tensor[::2],
    "columns": lambda tensor: tensor[:, 3:11],
    "rectangle": lambda tensor: tensor[2:9, 3:11],
    "as_strided": lambda tensor: tensor.as_strided((5, 4, 3), (60, 3, 1), 7),
    "narrow": lambda tensor: tensor.narrow(1, 5, 6),
    "unsqueezed": lambda tensor: tensor[4, :, :1].unsqueeze(0),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@for_all_targets
def test_slices_are_views_with_their_offset_and_strides(target, dtype, layout):
    image = Image((12, 20, 3), dtype)
    tensor = layout(make_torch(image))
    if target == "gpumat" and tensor.stride(1) != tensor.shape[2]:
        refuses(target, tensor, "axis 1", vc.LayoutError)
        return
    result = convert(target, tensor)
    assert see(target, result).address == tensor.data_ptr()
    assert pixels(target, result) == tensor.numpy().tobytes()


@pytest.mark.parametrize("permuted", [True, False])
def test_channels_last_batches_of_one_are_images(permuted):
    """An NCHW tensor in channels_last memory, seen as HWC."""
    batch = torch.rand(1, 3, 6, 8)
    if permuted:
        batch = batch.contiguous(memory_format=torch.channels_last)
    tensor = batch[0].permute(1, 2, 0)
    if permuted:
        assert vc.as_gpumat(tensor).cudaPtr() == tensor.data_ptr()
    else:
        refuses("gpumat", tensor, r"axis 2 \(channels\)", vc.LayoutError)


@for_all_targets
def test_zero_dim_tensors_are_refused(target):
    refuses(target, torch.tensor(1.0), "rank 0", vc.LayoutError)


@for_all_targets
def test_inference_tensors_are_views(target):
    with torch.inference_mode():
        tensor = ones("float16")
    assert see(target, convert(target, tensor)).address == tensor.data_ptr()


# --- to torch


def test_a_tensor_of_a_view_has_no_history():
    tensor = vc.as_tensor(Image((6, 8, 3)).array)
    assert type(tensor) is torch.Tensor
    assert not tensor.requires_grad
    assert tensor.is_leaf
    assert tensor.device == torch.device("cpu")


def test_as_tensor_returns_a_tensor_that_requires_grad_itself():
    tensor = ones().requires_grad_()
    assert vc.as_tensor(tensor) is tensor


def test_torch_can_write_and_resize_tensors_of_views():
    image = Image((6, 8, 3))
    tensor = vc.as_tensor(image.array)
    tensor.fill_(7)
    assert (image.array == 7).all()
    grown = tensor.clone().resize_(12, 8, 3)
    assert grown.data_ptr() != image.address


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda array: array[::-1], "axis 0 has stride -24 bytes.*ascontiguousarray"),
        (lambda array: array[:, ::-1], "axis 1 has stride -3 bytes"),
    ],
)
def test_negative_strides_are_refused_as_a_tensor(make, message):
    with pytest.raises(vc.LayoutError, match=message):
        vc.as_tensor(make(Image((6, 8, 3)).array))


def test_read_only_memory_is_refused_as_a_tensor():
    with pytest.raises(vc.ViewError, match=r"read-only.*\.copy\(\)"):
        vc.as_tensor(memoryview(bytes(48)).cast("B", (6, 8)))
