# SPDX-License-Identifier: Apache-2.0
"""Producers whose code changes or drops objects, or converts others, while they are read, and
classes that imitate another library's. The other files of this folder have wrong descriptions."""

import ctypes
import gc
import subprocess
import sys
import textwrap

import cupy
import cv2
import numpy as np
import pytest
import torch
from dlpack_structs import CUDA, new_capsule
from dlpack_structs import Producer as MortalProducer
from hypothesis import given, settings
from hypothesis import strategies as st
from images import CONVERT, CudaArray, Image, pixels_of

import viewcast as vc

pytestmark = pytest.mark.any_opencv


class Producer(MortalProducer):
    """A DLPack producer that is never freed, so that its deleter may be called at any time."""

    every = []

    def __init__(self, *arguments, **fields):
        super().__init__(*arguments, **fields)
        self.every.append((self, self.managed, self.shape, self.strides))


for_all_targets = pytest.mark.parametrize("target", list(CONVERT))


# --- a dictionary that changes while it is read


class Index:
    """An integer whose __index__() runs an action first."""

    def __init__(self, value, action):
        self.value, self.action = value, action

    def __index__(self):
        self.action()
        gc.collect()
        self.litter = [(object(),) * n for n in range(8) for _ in range(40)]  # takes its memory
        return self.value


@pytest.mark.parametrize("key", ["shape", "strides", "version"])
def test_a_dictionary_that_is_emptied_while_it_is_read(key):
    """The values read at the start count. A borrowed reference to the tuple crashes under ASan."""
    image = Image((7, 5))
    producer = CudaArray(image)
    interface = producer.__cuda_array_interface__
    interface["typestr"] = "".join(["|", "u1"])  # not a constant, which would stay alive
    if key == "version":
        interface[key] = Index(3, interface.clear)
    else:
        first, second = interface[key]
        interface[key] = (Index(first, interface.clear), second)
    view = vc.view(producer)
    assert interface == {}
    assert (view.ptr, view.shape, pixels_of(view)) == (
        image.address,
        (7, 5),
        image.array.tobytes(),
    )


def test_a_number_that_raises_is_chained():
    def fail():
        raise ZeroDivisionError("in __index__")

    image = Image((7, 5))
    with pytest.raises(vc.ViewError, match='"shape"') as caught:
        vc.view(CudaArray(image, shape=(Index(7, fail), 5)))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


# --- objects that are dropped, or convert others, in their __dlpack__()


class Vanishing(Producer):
    """Drops all of its references once it has made its capsule."""

    kept = []

    def _delete(self, _):
        Vanishing.gone += 1

    gone = 0

    def __dlpack__(self, **keywords):
        capsule = super().__dlpack__(**keywords)
        self.kept.append(dict(self.__dict__))  # the memory itself stays valid
        self.__dict__.clear()
        return capsule


@for_all_targets
def test_an_object_that_drops_its_references_in_dlpack(target):
    image = Image((7, 5, 3))
    view = vc.view(CONVERT[target](Vanishing(image.array)))
    assert (view.ptr, pixels_of(view)) == (image.address, image.array.tobytes())


@for_all_targets
def test_a_producer_that_converts_in_dlpack(target, ledger):
    image = Image((7, 5, 3))

    class Busy(Producer):
        def __dlpack_device__(self):
            vc.as_tensor(vc.view(image.array))
            vc.collect()
            return super().__dlpack_device__()

        def __dlpack__(self, **keywords):
            for convert in CONVERT.values():
                convert(image.array)
            vc.collect()
            return super().__dlpack__(**keywords)

    producer = Busy(image.array)
    result = CONVERT[target](producer)
    assert vc.view(result).ptr == image.address
    del result
    counted = ledger(force=True)
    assert counted.get("lends") == counted.get("lends_released")
    assert counted.get("exports") == counted.get("exports_released")
    assert producer.deleted == 1


@for_all_targets
def test_a_deleter_that_raises_or_converts(target, ledger):
    """A deleter runs inside collect(), a conversion or a pending call."""
    image = Image((7, 5, 3))
    calls = []

    class Last(Producer):
        def _delete(self, pointer):
            super()._delete(pointer)
            calls.append(vc.view(vc.as_tensor(image.array)).ptr)
            vc.collect()

    producer = Last(image.array)
    CONVERT[target](producer)
    ledger(force=True)
    assert producer.deleted == 1
    assert calls == [image.address]


def test_methods_that_replace_themselves():
    image, other = Image((7, 5)), Image((4, 6))

    class Turning(Producer):
        def __dlpack_device__(self):
            self.__class__ = Producer
            return 1, 0

    producer = Turning(image.array)
    view = vc.view(producer)
    assert view.ptr == image.address
    producer.__class__ = Turning
    producer.managed.dl_tensor.data = other.address  # the view is independent of the methods
    assert view.ptr == image.address


ANSWERS = [None, (), (1,), (1, 0, 0), [1, 0], "cpu", (None, None), ("1", "0"), 1.5, (1.0, 0.0)]


@pytest.mark.parametrize(
    "device",
    [*ANSWERS, (2**70, 0), (2, 2**70), (2**32 + 2, 0), (1, 2**40), (-1, 0), (1, -(2**40))],
    ids=repr,
)
def test_devices_that_are_wrong_are_refused(device):
    producer = Producer(Image((7, 5)).array)
    producer.device = device
    with pytest.raises(vc.ViewError, match="no usable __dlpack_device__"):
        vc.view(producer)
    assert (producer.asked, producer.deleted) == ([], 0)


@for_all_targets
@pytest.mark.parametrize("device", [(CUDA, 0), (CUDA, -5), (CUDA, 99999), (13, 7)], ids=repr)
def test_a_device_that_is_not_there_leaves_no_exception_behind(target, device):
    """The library's error, where it was asked for its current stream there, is cleared."""
    producer = Producer(Image((7, 5, 3)).array)
    producer.device = device  # the capsule's device counts, which is the CPU
    assert vc.view(CONVERT[target](producer)).device == "cpu"


@pytest.mark.parametrize(
    "answer",
    [None, 0, "capsule", b"", object(), [], Exception],
    ids=lambda answer: type(answer).__name__,
)
def test_results_of_dlpack_that_are_no_capsule_are_refused(answer):
    class Wrong(Producer):
        def __dlpack__(self, **keywords):
            return answer

    with pytest.raises(vc.ViewError, match="needs an unused capsule"):
        vc.view(Wrong(Image((7, 5)).array))


def test_a_capsule_is_used_once_by_two_views():
    image = Image((7, 5))
    producer = Producer(image.array)
    capsule = new_capsule(ctypes.addressof(producer.managed), producer.name)

    class Same(Producer):
        def __dlpack__(self, **keywords):
            return capsule

    first = vc.view(Same(image.array))
    for _ in range(3):
        with pytest.raises(vc.ViewError, match="used_dltensor"):
            vc.view(Same(image.array))
    del first
    vc.collect()
    assert producer.deleted == 1


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "ndim": st.integers(-3, 6),
        "code": st.integers(0, 20),
        "bits": st.sampled_from([0, 1, 4, 7, 8, 16, 32, 64, 128, 255]),
        "lanes": st.sampled_from([0, 1, 2, 65535]),
        "device_type": st.integers(-2, 20),
        "device_id": st.integers(-2, 3),
        "byte_offset": st.sampled_from([0, 1, 8, 2**63, 2**64 - 1]),
        "strides": st.none(),
        "major": st.integers(0, 3),
        "flags": st.integers(0, 7),
    },
)


@settings(max_examples=400, deadline=None)
@given(FIELDS, st.booleans(), st.sampled_from(["view", "torch", "numpy", "gpumat"]))
def test_any_managed_tensor_is_an_image_or_an_exception(fields, versioned, target):
    """A ViewError or a view; the deleter runs once if the tensor was consumed, else never."""
    image = Image((7, 5, 3), "float32")
    kept = {"major", "flags"} if versioned else set()
    allowed = {
        name: value for name, value in fields.items() if name not in {"major", "flags"} - kept
    }
    if allowed.get("ndim", 3) > 3:
        allowed.pop("ndim")  # more axes than the arrays have: reading them would be out of bounds
    producer = Producer(image.array, versioned, **allowed)
    try:
        result = CONVERT[target](producer)
    except (vc.ViewError, TypeError) as error:
        assert str(error)
        del error
        gc.collect()
        vc.collect(force=True)
        # Consumed and then refused by the target: released.
        assert producer.deleted in (0, 1)
        return
    del result
    gc.collect()
    vc.collect(force=True)
    assert producer.deleted == 1


# --- classes and modules that imitate a library's

IMPOSTORS = """
import sys, types
import numpy as np
{setup}
import viewcast as vc
array = np.zeros((7, 5, 3), np.uint8)
for convert in (vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view):
    for image in (thing, array):
        try:
            print(convert.__name__, type(convert(image)).__name__)
        except (vc.ViewError, TypeError, ImportError, AttributeError, RuntimeError) as error:
            print(convert.__name__, type(error).__name__, error)
vc.collect(force=True)
print("alive")
"""
SETUPS = {
    "a fake torch": """
fake = types.ModuleType("torch")
class Tensor: shape = (7, 5)
fake.Tensor = Tensor
sys.modules["torch"] = fake
thing = Tensor()
""",
    "a fake torch with an exchange table of rubbish": """
import ctypes
fake = types.ModuleType("torch")
new = ctypes.pythonapi.PyCapsule_New
new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
class Tensor:
    __dlpack_c_exchange_api__ = new(1, b"another name", None)
fake.Tensor = Tensor
sys.modules["torch"] = fake
thing = Tensor()
""",
    "a fake cupy": """
fake = types.ModuleType("cupy")
class ndarray: pass
fake.ndarray = ndarray
sys.modules["cupy"] = fake
thing = ndarray()
""",
    "a fake cv2": """
fake = types.ModuleType("cv2")
fake.cuda = types.ModuleType("cv2.cuda")
class GpuMat:
    __slots__ = ("a", "b")
fake.cuda.GpuMat = GpuMat
fake.__version__ = "4.99"
sys.modules["cv2"], sys.modules["cv2.cuda"] = fake, fake.cuda
thing = GpuMat()
""",
    "modules that are None": """
sys.modules["torch"] = sys.modules["cupy"] = sys.modules["cv2"] = None
thing = object()
""",
    "modules that are no modules": """
class Anything:
    def __getattr__(self, name): raise RuntimeError("no " + name)
sys.modules["torch"] = sys.modules["cupy"] = sys.modules["cv2"] = Anything()
thing = object()
""",
}


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_a_module_that_imitates_a_library_is_refused(setup):
    program = textwrap.dedent(IMPOSTORS).format(setup=setup)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("alive\n")
    assert "as_numpy ndarray" in done.stdout  # conversions without that library work


def impostor(name, **attributes):
    return type(name, (), {"__module__": name.rpartition(".")[0], **attributes})()


@for_all_targets
@pytest.mark.parametrize(
    "name", ["cv2.cuda.GpuMat", "torch.Tensor", "cupy.ndarray", "numpy.ndarray", "viewcast.View"]
)
def test_the_name_of_a_librarys_class_makes_no_image(target, name):
    for thing in (impostor(name), impostor(name, __slots__=("a", "b"))):
        with pytest.raises(TypeError, match="is no image"):
            CONVERT[target](thing)


def test_a_class_that_is_named_like_a_cv2_stream():
    """Its first field is no pointer of OpenCV's, and is not dereferenced."""

    fields = {"__slots__": ("a", "b"), "cudaPtr": lambda self: 17}
    Stream = type("cv2.cuda.Stream", (), fields)
    stream = Stream.__new__(Stream)
    array = np.zeros((7, 5, 3), np.uint8)
    with pytest.raises((ValueError, TypeError)):
        vc.as_gpumat(array, stream=stream)
    stream.a = object()
    assert vc.as_gpumat(array, stream=stream).size() == (5, 7)


def test_subclasses_are_read_as_their_library_reads_them():
    class Tensor(torch.Tensor):
        pass

    class Array(cupy.ndarray):
        pass

    tensor = torch.zeros(7, 5, 3, dtype=torch.uint8).as_subclass(Tensor)
    assert vc.view(tensor).ptr == tensor.data_ptr()
    image = Image((7, 5, 3))
    memory = cupy.cuda.UnownedMemory(image.address, image.memory.nbytes, image, 0)
    array = Array((7, 5, 3), np.uint8, cupy.cuda.MemoryPointer(memory, 0))
    assert vc.view(array).ptr == image.address


BEYOND = {
    "shape": (2**20, 2**20, 3),
    "strides": (2**20, 2**10, 1),
    "shape of more axes": (7, 5, 3, 2),
    "dtype": np.dtype("float64"),
}


@pytest.mark.parametrize("said", BEYOND)
@for_all_targets
def test_a_cupy_subclass_is_read_by_cupys_own_properties(target, said):
    image = Image((7, 5, 3))
    memory = cupy.cuda.UnownedMemory(image.address, image.memory.nbytes, image, 0)
    answer = property(lambda array: BEYOND[said])
    Array = type("Array", (cupy.ndarray,), {said.split()[0]: answer})
    array = Array((7, 5, 3), np.uint8, cupy.cuda.MemoryPointer(memory, 0))
    result = CONVERT[target](array)
    if target == "cupy":
        assert result is array
        return
    view = vc.view(result)
    assert (view.dtype, tuple(view.shape)) == ("uint8", (7, 5, 3))
    assert pixels_of(view) == image.array.tobytes()


def test_the_memory_of_a_cupy_subclass_is_read_from_cupy():
    image, other = Image((7, 5, 3)), Image((1, 1))
    memory = cupy.cuda.UnownedMemory(image.address, image.memory.nbytes, image, 0)
    elsewhere = cupy.cuda.UnownedMemory(other.address, 1, other, 0)
    answer = property(lambda array: cupy.cuda.MemoryPointer(elsewhere, 0))
    Array = type("Array", (cupy.ndarray,), {"data": answer})
    array = Array((7, 5, 3), np.uint8, cupy.cuda.MemoryPointer(memory, 0))
    assert vc.view(array).ptr == image.address


def exchanging(array):
    """Gives the array other memory, to which an earlier description does not apply."""
    array.resize((1, 1), refcheck=False)


@for_all_targets
def test_a_numpy_subclass_is_described_after_its_code_has_run(target):
    class Array(np.ndarray):
        @property
        def mask(self):
            exchanging(self)
            raise AttributeError

        @property
        def dtype(self):
            exchanging(self)
            return np.dtype("uint8")

    array = Array((700, 500), np.uint8)  # its own memory
    np.ndarray.fill(array, 1)
    result = CONVERT[target](array)
    if target != "numpy":  # as_numpy() of an array is the array
        assert tuple(vc.view(result).shape) == (1, 1)
        assert pixels_of(vc.view(result)) == b"\x01"


@for_all_targets
def test_a_numpy_subclass_with_another_dtype_property_is_read_as_its_buffer(target):
    class Array(np.ndarray):
        dtype = property(lambda array: np.dtype("float64"))

    image = Image((7, 5, 3))
    array = image.array.view(Array)
    result = CONVERT[target](array)
    if target != "numpy":
        view = vc.view(result)
        assert (view.dtype, pixels_of(view)) == ("uint8", image.array.tobytes())


@for_all_targets
def test_a_numpy_subclass_that_claims_bfloat16_is_not_read_beyond_its_buffer(target):
    ml_dtypes = pytest.importorskip("ml_dtypes")

    class Array(np.ndarray):
        dtype = property(lambda array: np.dtype(ml_dtypes.bfloat16))

        def view(self, *arguments):
            return np.asarray(memoryview(self))

    array = np.ndarray.view(Image((7, 5, 3)).array, Array)
    if target == "numpy":
        assert CONVERT[target](array) is array
        return
    message = r"view\('uint16'\) of a Array of bfloat16 gives uint8, needs uint16"
    with pytest.raises(vc.DTypeError, match=message):
        CONVERT[target](array)


def test_a_class_whose_class_attribute_is_another():
    class Liar:
        __class__ = torch.Tensor

    class Gpu:
        __class__ = cv2.cuda.GpuMat

    for thing in (Liar(), Gpu()):
        for convert in CONVERT.values():
            with pytest.raises(TypeError, match="is no image"):
                convert(thing)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes have buffers from 3.12 on")
def test_a_class_whose_buffer_raises():
    class Raising:
        def __buffer__(self, flags):
            raise ZeroDivisionError

    with pytest.raises(vc.ViewError) as caught:
        vc.view(Raising())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_numpy_subclass_whose_view_method_returns_another_type():
    """bfloat16 is read as a uint16 array, which the subclass's view() makes."""
    ml_dtypes = pytest.importorskip("ml_dtypes")

    class Array(np.ndarray):
        def view(self, *arguments):
            return np.zeros((6, 5, 3), np.uint8)  # half of the bytes

    array = np.zeros((6, 5, 3), ml_dtypes.bfloat16)
    with pytest.raises(vc.DTypeError, match="gives uint8, needs uint16"):
        vc.view(np.ndarray.view(array, Array))


@pytest.mark.parametrize("transform", [vc.to_numpy, vc.to_tensor, vc.to_cupy, vc.to_gpumat])
@pytest.mark.parametrize("rows", [0, 5])
@pytest.mark.parametrize("listed", [False, True])
def test_a_transform_of_an_image_on_a_missing_device(transform, rows, listed):
    """It is refused before a library is asked for memory there, which would raise its own error."""
    producer = Producer(np.zeros((rows, 7, 3), np.uint8), device_type=CUDA)
    capsule = new_capsule(ctypes.addressof(producer.managed), producer.name)
    with pytest.raises(vc.DeviceError, match="says that it is on cuda:0 and this process sees 0"):
        transform([capsule] if listed else capsule)
    vc.collect()
    assert producer.deleted in (0, 1)


def test_an_out_on_a_missing_device():
    array = np.zeros((5, 7, 3), np.uint8)
    out = vc.view(Producer(array.copy(), device_type=CUDA))
    with pytest.raises(vc.DeviceError, match="of out says that it is on cuda:0"):
        vc.to_numpy(array, out=out)
