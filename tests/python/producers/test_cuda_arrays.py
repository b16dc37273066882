# SPDX-License-Identifier: Apache-2.0
"""The CUDA Array Interface, over host memory in host mode."""

import collections
import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import CONVERT, EVERYWHERE, CudaArray, Image, refuses, sees

import viewcast as vc
from viewcast._viewcast import cuda_array_as_opencv_gpu_mat

pytestmark = pytest.mark.slow_paths

for_all_targets = pytest.mark.parametrize("target", CONVERT)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("strides", [{}, {"strides": None}, {"strides": KeyError}], ids=str)
@for_all_targets
def test_cuda_arrays_are_views(target, strides, version):
    image = Image((7, 5, 3), "float32")
    source = CudaArray(image, version=version, **strides)
    view = sees(source, image)
    assert view.strides == image.array.strides
    assert vc.view(CONVERT[target](source)).ptr == image.address


@pytest.mark.parametrize("order", ["", "=", "|", "<"])
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int16", "uint32", "int64", "float16", "float32", "float64"]
)
def test_typestrs_need_no_byte_order(dtype, order):
    """NumPy, CuPy and torch accept them."""
    image = Image((7, 5, 3), dtype)
    typestr = order + image.array.dtype.str[1:]
    assert np.dtype(typestr) == image.array.dtype
    sees(CudaArray(image, typestr=typestr), image)
    for convert in CONVERT.values():
        if convert is not vc.as_gpumat or dtype in EVERYWHERE:
            assert vc.view(convert(CudaArray(image, typestr=typestr))).ptr == image.address
    assert vc.to_numpy(CudaArray(image, typestr=typestr)).tobytes() == image.array.tobytes()


def test_cuda_arrays_may_have_lists_of_axes():
    image = Image((7, 5, 3), strides=(64, 3, 1))
    axes = {"shape": list(image.array.shape), "strides": list(image.array.strides)}
    sees(CudaArray(image, **axes), image)


def test_cuda_arrays_with_strides_are_views():
    image = Image((7, 5, 3), strides=(64, 3, 1))
    assert sees(CudaArray(image), image).strides == (64, 3, 1)


@pytest.mark.parametrize("readonly", [True, False])
def test_cuda_arrays_say_whether_they_are_read_only(readonly):
    image = Image((7, 5))
    assert vc.view(CudaArray(image, data=(image.address, readonly))).readonly is readonly


def test_cuda_arrays_are_kept_alive():
    image = Image((7, 5, 3))
    source = CudaArray(image)
    alive = weakref.ref(source)
    view = vc.view(source)
    del source
    assert alive() is not None
    del view
    assert alive() is None


@pytest.mark.parametrize("address", [0, None])
@pytest.mark.parametrize("shape", [(0, 5), (7, 0, 3)], ids=str)
def test_empty_cuda_arrays_may_have_no_address(shape, address):
    source = CudaArray(Image(shape), data=(address, False))
    assert vc.view(source).shape == shape
    assert vc.as_gpumat(source).empty()


def test_extra_keys_and_subclasses_of_dict_are_fine():
    image = Image((7, 5))
    source = CudaArray(image, descr=[("", "|u1")], mask=None, stream=None, colour="red")
    ordered = collections.OrderedDict(source.__cuda_array_interface__)
    source.__cuda_array_interface__ = ordered
    sees(source, image)


class Index:
    def __index__(self):
        return 7


WRONG_CUDA_ARRAYS = {
    "version 1": ({"version": 1}, "version 1, needs 2 or 3", vc.ViewError),
    "version 4": ({"version": 4}, "version 4, needs 2 or 3", vc.ViewError),
    "version missing": ({"version": KeyError}, '"version" as an integer', vc.ViewError),
    "version a string": ({"version": "3"}, '"version" as an integer', vc.ViewError),
    "version huge": ({"version": 2**70}, '"version" as an integer', vc.ViewError),
    "mask": ({"mask": np.ones(3)}, "mask", vc.ViewError),
    "shape missing": ({"shape": KeyError}, '"shape" as a tuple', vc.ViewError),
    "shape None": ({"shape": None}, '"shape" as a tuple', vc.ViewError),
    "shape a list of strings": ({"shape": ["7", "5"]}, '"shape" as a tuple', vc.ViewError),
    "shape a set": ({"shape": {7, 5}}, '"shape" as a tuple', vc.ViewError),
    "shape of strings": ({"shape": ("7", "5")}, '"shape" as a tuple', vc.ViewError),
    "shape of floats": ({"shape": (7.0, 5.0)}, '"shape" as a tuple', vc.ViewError),
    "shape huge": ({"shape": (2**70, 5)}, '"shape" as a tuple', vc.ViewError),
    "shape negative": ({"shape": (-7, 5)}, "axis 0 is -7 long", vc.ViewError),
    "shape empty": ({"shape": (), "strides": None}, "rank 0", vc.LayoutError),
    "rank 5": ({"shape": (1,) * 5, "strides": None}, "5 axes", vc.LayoutError),
    "strides a string": ({"strides": "51"}, '"strides" as a tuple', vc.ViewError),
    "strides too few": ({"strides": (5,)}, '"strides" as one integer an axis', vc.ViewError),
    "strides too many": (
        {"strides": (35, 5, 1)},
        '"strides" as one integer an axis',
        vc.ViewError,
    ),
    "strides overflow": ({"strides": (2**62, 1)}, "broken", vc.ViewError),
    "typestr missing": ({"typestr": KeyError}, '"typestr" as a string', vc.ViewError),
    "typestr bytes": ({"typestr": b"|u1"}, '"typestr" as a string', vc.ViewError),
    "typestr empty": ({"typestr": ""}, "typestr is ''", vc.DTypeError),
    "typestr long": ({"typestr": "<f4<f4<f4"}, "no single bool", vc.DTypeError),
    "typestr unknown": ({"typestr": "<f3"}, "typestr is '<f3'", vc.DTypeError),
    "typestr in standard order": ({"typestr": "@f4"}, "typestr is '@f4'", vc.DTypeError),
    "big-endian": ({"typestr": ">f4"}, "big-endian", vc.DTypeError),
    "structured": ({"typestr": "|V8"}, "structured", vc.DTypeError),
    "complex": ({"typestr": "<c8"}, "pairs of real numbers", vc.DTypeError),
    "object": ({"typestr": "|O"}, "typestr is '|O'", vc.DTypeError),
    "bit field": ({"typestr": "|t1"}, "bit fields", vc.DTypeError),
    "surrogate": ({"typestr": "\udcff"}, '"typestr" as a string', vc.ViewError),
    "data missing": ({"data": KeyError}, '"data" as a tuple', vc.ViewError),
    "data an integer": ({"data": 4096}, '"data" as a tuple', vc.ViewError),
    "data too short": ({"data": (4096,)}, '"data" as a tuple', vc.ViewError),
    "data a list": ({"data": [4096, False]}, '"data" as a tuple', vc.ViewError),
    "address a string": ({"data": ("4096", False)}, '"data" as a tuple', vc.ViewError),
    "address negative": ({"data": (-1, False)}, '"data" as a tuple', vc.ViewError),
    "address huge": ({"data": (2**64, False)}, '"data" as a tuple', vc.ViewError),
    "address 0": ({"data": (0, False)}, "data is NULL", vc.ViewError),
    "address None": ({"data": (None, False)}, "data is NULL", vc.ViewError),
    "stream -1": ({"stream": -1}, '"stream" as None', vc.ViewError),
    "stream a string": ({"stream": "1"}, '"stream" as None', vc.ViewError),
    "address at the end": ({"data": (2**64 - 9, False)}, "outside the address", vc.ViewError),
}


@pytest.mark.parametrize(
    ("changes", "message", "error"), WRONG_CUDA_ARRAYS.values(), ids=WRONG_CUDA_ARRAYS
)
def test_wrong_cuda_arrays_are_refused_and_not_kept(changes, message, error):
    producer = CudaArray(Image((7, 5)), **changes)
    alive = weakref.ref(producer)
    for convert in (vc.view, cuda_array_as_opencv_gpu_mat):
        with pytest.raises(error, match=message):
            convert(producer)
    del producer
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("interface", [None, [], "x", 3, ()], ids=repr)
def test_a_cuda_array_interface_that_is_no_dict_is_refused(interface):
    producer = CudaArray(Image((7, 5)))
    producer.__cuda_array_interface__ = interface
    refuses(producer, "__cuda_array_interface__ is a .*, needs a dict")


def test_an_exception_of_the_interface_is_chained():
    class Raising:
        @property
        def __cuda_array_interface__(self):
            raise RuntimeError("freed")

    caught = refuses(Raising(), "Raising can't be read as an image")
    assert str(caught.__cause__) == "freed"


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.binary(max_size=6),
    st.tuples(),
    st.lists(st.integers(), max_size=5).map(tuple),
    st.tuples(st.integers(), st.booleans()),
    st.just(np.int64(3)),
    st.just(Index()),
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["shape", "strides", "typestr", "version", "mask", "stream"]), JUNK
    )
)
def test_any_dictionary_is_an_image_or_an_exception(changes):
    """`data` is not changed: an address cannot be verified."""
    image = Image((7, 5))
    try:
        view = vc.view(CudaArray(image, **changes))
    except vc.ViewError:
        return
    assert view.ptr == image.address
