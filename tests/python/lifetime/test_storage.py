# SPDX-License-Identifier: Apache-2.0
"""A view owns its tensor's storage: it keeps its memory and pixels when the tensor gets other
storage, and does not keep the tensor from getting it. Tensors are read through torch's exchange
table and, where VIEWCAST_SLOW=1 hides that, through capsules."""

import copy
import gc
import math
import sys
import weakref

import numpy as np
import pytest
import torch
from dlpack_structs import Producer
from images import Image, make_torch, pixels
from loaded_opencv import COUNTS_UP
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import viewcast as vc
from viewcast import savant

pytestmark = pytest.mark.slow_paths

SHAPE = (6, 8, 3)


def gpumat(convert):
    return lambda tensor: [("gpumat", convert(tensor))]


def through_a_list(convert):
    def views(tensor):
        layout = {"from_layout": "NHW"} if tensor.ndim == 2 else {}
        return [("gpumat", mat) for mat in convert(tensor[None], **layout)]

    return views


VIEWS = {
    "gpumat": gpumat(vc.as_gpumat),
    "gpumat, with a stream": gpumat(lambda tensor: vc.as_gpumat(tensor, stream=-1)),
    "gpumats": through_a_list(vc.as_gpumats),
    "cupy": lambda tensor: [("cupy", vc.as_cupy(tensor))],
    "numpy": lambda tensor: [("numpy", vc.as_numpy(tensor))],
    "view": lambda tensor: [("view", vc.view(tensor))],
    "tensor of a view": lambda tensor: [("torch", vc.as_tensor(vc.view(tensor)))],
    "tensor of a gpumat": lambda tensor: [("torch", vc.as_tensors([vc.as_gpumat(tensor)])[0])],
    "torch.from_dlpack": lambda tensor: [("torch", torch.from_dlpack(vc.view(tensor)))],
    "memoryview": lambda tensor: [("numpy", np.asarray(memoryview(vc.view(tensor))))],
    "Savant's tensor": gpumat(savant.pytorch_tensor_as_opencv_gpu_mat),
    "Savant's CUDA array": gpumat(savant.cuda_array_as_opencv_gpu_mat),
}


WITHOUT_GPUMAT = {"cupy", "numpy", "view", "tensor of a view", "torch.from_dlpack", "memoryview"}


def each(views):
    """Views without a GpuMat do not depend on the OpenCV that is loaded."""
    marks = {name: [pytest.mark.any_opencv] for name in WITHOUT_GPUMAT}
    params = [pytest.param(views[name], id=name, marks=marks.get(name, ())) for name in views]
    return pytest.mark.parametrize("view", params)


for_all_views = each(VIEWS)
# Conversions of the tensor itself, not of a tensor that its own code makes.
DIRECT = {name: view for name, view in VIEWS.items() if name != "gpumats"}
for_all_direct_views = each(DIRECT)


# --- operations that give a tensor other storage


def other(tensor):
    return torch.full_like(tensor, 77)


def data(tensor):
    tensor.data = other(tensor)


def set_(tensor):
    tensor.set_(other(tensor))


def set_storage(tensor):
    tensor.set_(other(tensor).untyped_storage(), 0, tensor.shape, tensor.stride())


def swap_tensors(tensor):
    torch.utils.swap_tensors(tensor, other(tensor))


def swap_back_and_forth(tensor):
    others = [other(tensor), other(tensor)]
    for each in others:
        torch.utils.swap_tensors(tensor, each)


def reinit(tensor):
    """Another shape: a view has the old one."""
    tensor.data = torch.full((3, 2), 77, dtype=tensor.dtype)


def shrink_and_exchange(tensor):
    tensor.resize_(2, 2)
    tensor.data = torch.full((2, 2), 77, dtype=tensor.dtype)


EXCHANGES = {
    name: exchange
    for name, exchange in globals().copy().items()
    if exchange
    in (data, set_, set_storage, swap_tensors, swap_back_and_forth, reinit, shrink_and_exchange)
}
for_all_exchanges = pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)


def churn():
    """Allocates the memory that was freed last, and overwrites it."""
    return [torch.full(SHAPE, 99, dtype=torch.uint8) for _ in range(40)]


def owned(dtype="uint8"):
    """A tensor that alone holds its memory, a weak reference to that, and the bytes."""
    image = Image(SHAPE, dtype)
    return make_torch(image), weakref.ref(image.memory), image.array.tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@for_all_exchanges
@for_all_views
def test_a_view_stays_as_it_was(view, exchange, dtype, ledger):
    tensor, alive, before = owned(dtype)
    seen = view(tensor)
    exchange(tensor)
    gc.collect()
    vc.collect()
    litter = churn()
    assert (tensor == 77).all()
    assert alive() is not None
    assert [pixels(library, image) for library, image in seen] == [before]
    del seen
    counted = ledger(force=vc._viewcast._opencv_layout()["counting"] == COUNTS_UP)
    assert alive() is None
    for name in ("lends", "exports"):
        assert counted.get(name) == counted.get(f"{name}_released")
    del litter


@for_all_exchanges
@for_all_views
def test_the_view_alone_keeps_the_memory(view, exchange, ledger):
    """Also after the tensor has ended."""
    tensor, alive, before = owned()
    seen = view(tensor)
    exchange(tensor)
    del tensor
    gc.collect()
    vc.collect()
    assert alive() is not None
    assert [pixels(library, image) for library, image in seen] == [before]
    del seen
    ledger(force=True)
    assert alive() is None


@for_all_views
def test_storage_that_another_tensor_uses_too(view, ledger):
    """The other tensor keeps the storage after the view has ended."""
    tensor, alive, before = owned()
    part = tensor[1:]
    seen = view(tensor)
    data(tensor)
    del seen
    ledger(force=True)
    assert alive() is not None
    assert part.numpy().tobytes() == before[24:]
    del part
    gc.collect()
    assert alive() is None


@for_all_views
def test_a_slice_holds_the_whole_storage(view, ledger):
    image = Image((2, *SHAPE))
    alive, before = weakref.ref(image.memory), image.array[1].tobytes()
    batch = make_torch(image)
    del image
    tensor = batch[1]
    seen = view(tensor)
    data(tensor)
    batch.set_()
    gc.collect()
    litter = churn()
    assert [pixels(library, image) for library, image in seen] == [before]
    del seen, litter
    ledger(force=True)
    assert alive() is None


@for_all_views
def test_lending_holds_one_reference_to_the_storage(view, ledger):
    tensor = torch.zeros(SHAPE, dtype=torch.uint8)
    storage = tensor.untyped_storage()
    before, tensors = sys.getrefcount(storage), sys.getrefcount(tensor)
    seen = [view(tensor) for _ in range(10)]
    assert sys.getrefcount(storage) - before >= 1
    assert sys.getrefcount(tensor) == tensors
    del seen
    ledger(force=True)
    assert sys.getrefcount(storage) == before


# --- modules


def half(layer):
    layer.half()


def double(layer):
    layer.double()


def to_dtype(layer):
    layer.to(torch.bfloat16)


def apply(layer):
    layer._apply(lambda tensor: tensor.clone())


def load_assign(layer):
    layer.load_state_dict(copy.deepcopy(layer.state_dict()), assign=True)


def load_in_place(layer):
    layer.load_state_dict({"weight": layer.weight.clone()})  # keeps the memory


def replace(layer):
    layer.weight = torch.nn.Parameter(torch.zeros_like(layer.weight), requires_grad=False)


def to_empty(layer):
    layer.to_empty(device="cpu")


def optimise(layer):
    """As optimisers that keep their parameters in one flat buffer do."""
    flat = torch.cat([parameter.data.flatten() for parameter in layer.parameters()])
    layer.weight.data = flat[: layer.weight.numel()].view_as(layer.weight)


MODULE_EXCHANGES = [half, double, to_dtype, apply, load_assign, replace, to_empty, optimise]


@pytest.mark.parametrize("swapping", [False, True], ids=["data", "swap_tensors"])
@pytest.mark.parametrize("exchange", MODULE_EXCHANGES)
@for_all_views
def test_a_modules_weights_are_exchanged_under_a_view(view, exchange, swapping):
    layer = torch.nn.Linear(24, 18, bias=False).requires_grad_(False)
    layer.weight.data = layer.weight.data.view(18, 24)
    before = layer.weight.numpy().tobytes()
    seen = view(layer.weight)
    torch.__future__.set_swap_module_params_on_conversion(swapping)
    try:
        exchange(layer)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    gc.collect()
    litter = [torch.full((18, 24), 99.0) for _ in range(40)]
    assert [pixels(library, image) for library, image in seen] == [before]
    del litter


def test_a_view_sees_weights_that_are_loaded_in_place():
    layer = torch.nn.Linear(8, 6, bias=False).requires_grad_(False)
    seen = vc.as_numpy(layer.weight)
    layer.load_state_dict({"weight": torch.full((6, 8), 3.0)})
    assert (seen == 3).all()


@for_all_views
def test_large_weights_are_exchanged_under_a_view(view):
    """Freed memory of this size is unmapped, so a dangling view would crash."""
    layer = torch.nn.Linear(1200, 1200, bias=False).requires_grad_(False)
    before = layer.weight.numpy().tobytes()
    seen = view(layer.weight)
    layer.half()
    assert [pixels(library, image) for library, image in seen] == [before]


# --- sources and destinations of transforms, exchanged while they are read


class Exchanging(Producer):
    """Exchanges a tensor's memory while it is asked for its own."""

    def __init__(self, array, tensor, exchange):
        super().__init__(array)
        self.tensor, self.exchange = tensor, exchange

    def __dlpack__(self, **keywords):
        self.exchange(self.tensor)
        self.litter = churn()
        return super().__dlpack__(**keywords)


@for_all_exchanges
def test_a_source_of_a_list_is_read_as_it_was(exchange):
    tensor, alive, before = owned()
    hostile = Exchanging(Image(SHAPE, seed=1).array, tensor, exchange)
    result = vc.to_numpy([tensor, hostile])
    assert result[0].tobytes() == before
    gc.collect()
    assert alive() is None
    assert hostile.deleted == 1


@pytest.mark.parametrize("in_a_list", [False, True])
@for_all_exchanges
def test_a_destination_is_the_memory_that_was_given(exchange, in_a_list):
    tensor, alive, _ = owned()
    same = torch.empty(0, dtype=torch.uint8)
    same.set_(tensor.untyped_storage(), 0, tensor.shape, tensor.stride())
    hostile = Exchanging(Image(SHAPE, seed=1).array, tensor, exchange)
    out = [tensor] if in_a_list else tensor
    assert vc.to_numpy([hostile] if in_a_list else hostile, out=out) is out
    assert same.numpy().tobytes() == hostile.array.tobytes()
    assert (tensor == 77).all()
    del same
    gc.collect()
    assert alive() is None


# --- no Python code of a tensor runs while it is read, only torch's own


def exchanges_of(tensor):
    return {
        "data": lambda: setattr(tensor, "data", torch.full((3000, 3000, 3), 7.0)),
        "set_": lambda: tensor.set_(torch.full((2, 2), 7.0)),
        "resize_": lambda: tensor.resize_(2, 2, 2, 2, 2),
        "nothing": lambda: tensor.set_(),
    }


CHANGES = list(exchanges_of(None))


def tensor_of(cls, dtype="float32"):
    image = Image(SHAPE, dtype)
    if dtype == "float32":
        image.array[:] = np.arange(144).reshape(SHAPE)
    tensor = make_torch(image).clone().as_subclass(cls)  # torch's memory: it can be resized
    return tensor, image.array.tobytes()


def check(view, tensor, before):
    seen = view(tensor)
    litter = [torch.full(SHAPE, 99.0) for _ in range(40)]
    assert [pixels(library, image) for library, image in seen] == [before]
    del litter


@pytest.mark.parametrize("change", CHANGES)
@for_all_direct_views
def test_properties_of_a_subclass_are_not_asked(view, change):
    class Hostile(torch.Tensor):
        @property
        def requires_grad(self):
            with torch._C.DisableTorchFunctionSubclass():
                exchanges_of(self)[change]()
            return False

        def untyped_storage(self):
            return torch.zeros(1).untyped_storage()

        is_neg = is_conj = is_floating_point = is_complex = lambda self: self.requires_grad

    tensor, before = tensor_of(Hostile)
    check(view, tensor, before)
    assert tensor.as_subclass(torch.Tensor).shape == SHAPE


@pytest.mark.parametrize("change", CHANGES)
@for_all_direct_views
def test_torch_function_of_a_subclass_is_not_called(view, change):
    calls = []

    class Hostile(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            calls.append(function)
            with torch._C.DisableTorchFunctionSubclass():
                exchanges_of(args[0])[change]()
            return super().__torch_function__(function, types, args, kwargs or {})

    tensor, before = tensor_of(Hostile)
    calls.clear()
    check(view, tensor, before)
    assert calls == []


@for_all_direct_views
def test_attributes_of_an_object_are_not_asked(view):
    tensor, before = tensor_of(torch.Tensor)
    tensor.untyped_storage = lambda: torch.zeros(1).untyped_storage()
    tensor.is_neg = tensor.is_conj = lambda: True
    check(view, tensor, before)


@pytest.mark.parametrize(
    "cls", [torch.Tensor, torch.nn.Parameter, type("Sub", (torch.Tensor,), {})]
)
@pytest.mark.parametrize("change", CHANGES)
@for_all_direct_views
def test_a_torch_function_mode_is_not_asked(view, change, cls):
    tensor, before = tensor_of(torch.Tensor)
    tensor = (
        cls(tensor, requires_grad=False) if cls is torch.nn.Parameter else tensor.as_subclass(cls)
    )

    class Mode(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            with torch._C.DisableTorchFunction():
                if "storage" in str(function) or "grad" in str(function) or "is_" in str(function):
                    exchanges_of(tensor)[change]()
                return function(*args, **(kwargs or {}))

    with Mode():
        seen = view(tensor)
    litter = [torch.full(SHAPE, 99.0) for _ in range(40)]
    assert [pixels(library, image) for library, image in seen] == [before]
    del litter


@for_all_direct_views
def test_a_tensor_is_read_under_a_default_device(view):
    tensor, before = tensor_of(torch.Tensor)
    with torch.device("meta"):  # a torch function mode
        seen = view(tensor)
    assert [pixels(library, image) for library, image in seen] == [before]


def test_a_function_mode_is_restored_after_a_tensor_was_read():
    class Sub(torch.Tensor):
        pass

    for tensor in (torch.zeros(4, 5).as_subclass(Sub), torch.zeros(2, 2, 2, 2, 2).as_subclass(Sub)):
        with torch.device("meta"):
            try:
                vc.view(tensor)
            except vc.ViewError as error:
                assert "rank 5" in str(error) or "5" in str(error)
            assert torch.zeros(1).is_meta
        assert not torch.zeros(1).is_meta
        assert type(tensor + 1) is Sub


class Told(torch.Tensor):
    """Answers questions for its sizes and strides with Python code."""

    sizes, strides, action = SHAPE, (24, 3, 1), staticmethod(lambda tensor: None)

    @staticmethod
    def __new__(cls, inner):
        policy = {"dispatch_sizes_strides_policy": "sizes"}
        return torch.Tensor._make_subclass(cls, inner, **policy)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        answers = {
            "size": cls.sizes,
            "stride": cls.strides,
            "numel": math.prod(cls.sizes),
            "dim": len(cls.sizes),
            "storage_offset": 0,
            "is_contiguous": True,
        }
        name = func.overloadpacket.__name__.removeprefix("sym_")
        if name not in answers:
            return NotImplemented
        cls.action(args[0])
        return answers[name]


def told(**attributes):
    return type("Told", (Told,), attributes)(torch.arange(144.0).view(SHAPE))


def test_a_tensor_that_answers_truthfully_is_a_view():
    assert vc.view(told()).shape == SHAPE


@pytest.mark.parametrize(
    ("sizes", "strides"),
    [
        (SHAPE, (2400, 3, 1)),
        (SHAPE, (24, 3, 2)),
        (SHAPE, (2**40, 2**20, 1)),
        ((7, 8, 3), (24, 3, 1)),
        ((3000, 3000, 3), (9000, 3, 1)),
    ],
    ids=str,
)
@for_all_direct_views
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(view, sizes, strides):
    with pytest.raises(vc.ViewError, match="reach beyond its storage of 576 bytes"):
        view(told(sizes=sizes, strides=strides))


@pytest.mark.parametrize("change", CHANGES)
@for_all_direct_views
def test_a_tensor_that_is_exchanged_while_it_is_described(view, change):
    """The view has the storage from before the exchange, or an exception is raised."""
    done = []

    def action(tensor):
        if done:
            done.pop()
            with torch._C._DisableTorchDispatch():
                exchanges_of(tensor)[change]()

    tensor = told(action=staticmethod(action))
    before = np.arange(144, dtype=np.float32).tobytes()
    done.append(True)
    try:
        seen = view(tensor)
    except vc.ViewError:
        return
    litter = [torch.full(SHAPE, 99.0) for _ in range(40)]
    shown = [pixels(library, image) for library, image in seen]
    assert shown == [before]
    del litter


@pytest.mark.parametrize("change", CHANGES)
@for_all_direct_views
def test_a_dispatch_mode_that_exchanges_the_tensor(view, change):
    """Reading through a capsule dispatches, because torch's to_dlpack() makes views."""
    tensor, before = tensor_of(torch.Tensor)
    tensor = tensor[:, 1:4]
    before = tensor.numpy().tobytes()
    done = [True]

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            with torch._C._DisableTorchDispatch():
                if done:
                    done.pop()
                    exchanges_of(tensor)[change]()
                return func(*args, **(kwargs or {}))

    try:
        with Mode():
            seen = view(tensor)
    except vc.ViewError:
        return
    litter = [torch.full((6, 8, 3), 99.0) for _ in range(40)]
    shown = [pixels(library, image) for library, image in seen]
    assert shown in ([before], [torch.full((2, 2), 7.0).numpy().tobytes()])
    del litter


# --- many exchanges


@for_all_views
def test_a_thousand_exchanges(view, ledger):
    tensor = torch.zeros(SHAPE, dtype=torch.uint8)
    kept = []
    for number in range(1000):
        tensor.data = torch.full(SHAPE, number % 251, dtype=torch.uint8)
        kept.append((number % 251, view(tensor)))
        if len(kept) > 20:
            del kept[::2]
    for value, seen in kept:
        assert all(set(pixels(library, image)) == {value} for library, image in seen)
    storage = weakref.ref(tensor.untyped_storage())
    kept.clear()
    del seen, tensor
    ledger(force=True)
    assert storage() is None
