# SPDX-License-Identifier: Apache-2.0
"""Every library's image as every other's: the same address, shape, strides and pixels."""

import itertools

import cv2
import numpy as np
import pytest
from images import (
    CONVERT,
    DTYPES,
    EVERYWHERE,
    HAS_LATER,
    LATER,
    LIBRARIES,
    MAKE,
    Image,
    gpumat_type,
    ml_dtypes,
    pixels,
    see,
)

import viewcast as vc

pytestmark = pytest.mark.slow_paths

PAIRS = list(itertools.permutations(LIBRARIES, 2))
SHAPES = [
    (8, 6),
    (8, 6, 1),
    (8, 6, 2),
    (8, 6, 3),
    (8, 6, 4),
    (7, 5, 5),
    (1, 9, 3),
    (9, 1, 3),
    (1, 1),
    (1, 1, 1),
    (479, 641, 3),
]


def unsupported(dtype, *libraries):
    """True if one of the libraries, as installed, does not have the dtype."""
    if dtype in LATER and "gpumat" in libraries and not HAS_LATER:
        return True
    return dtype == "bfloat16" and ml_dtypes is None and {"numpy", "cupy"} & set(libraries)


def in_gpumat(seen):
    """Shape, strides and dtype in a GpuMat: one channel is no axis, bool is 8U."""
    dtype = "uint8" if seen.dtype == "bool" else seen.dtype
    flat = len(seen.shape) == 3 and seen.shape[2] == 1
    ndim = 2 if flat else len(seen.shape)
    return seen._replace(shape=seen.shape[:ndim], strides=seen.strides[:ndim], dtype=dtype)


def check(image, source_library, target_library):
    source = MAKE[source_library](image)
    result = CONVERT[target_library](source)
    wanted = see(source_library, source)
    if target_library == "gpumat":
        wanted = in_gpumat(wanted)
    assert wanted.address == image.address
    assert see(target_library, result) == wanted
    assert pixels(target_library, result) == image.array.tobytes()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_address_shape_strides_and_pixels_are_kept(source, target, shape):
    check(Image(shape), source, target)


@pytest.mark.parametrize(
    ("source", "target", "dtype"),
    [
        (source, target, dtype)
        for (source, target), dtype in itertools.product(PAIRS, DTYPES)
        if not unsupported(dtype, source)
    ],
)
def test_dtype_is_kept_or_refused(source, target, dtype):
    if unsupported(dtype, target):
        with pytest.raises(vc.DTypeError, match=dtype):
            CONVERT[target](MAKE[source](Image((6, 4, 2), dtype)))
    else:
        check(Image((6, 4, 2), dtype), source, target)


@pytest.mark.parametrize("target", ["numpy", "cupy"])
@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "bfloat16"])
def test_dtype_object_is_numpys_own(dtype, target):
    """np.longlong equals np.int64, but the scalars of its arrays are of another type."""
    result = CONVERT[target](MAKE["torch"](Image((6, 4), dtype)))
    assert result.dtype is np.dtype(dtype)


@pytest.mark.parametrize("library", ["torch", "numpy", "cupy", "view"])
def test_bool_is_8u_in_a_gpumat(library):
    mat = vc.as_gpumat(MAKE[library](Image((6, 4), "bool")))
    assert mat.type() == cv2.CV_8UC1
    assert vc.view(mat).dtype == "uint8"


@pytest.mark.skipif(not HAS_LATER, reason="OpenCV 4 has no depth for bool")
@pytest.mark.parametrize("target", ["torch", "numpy", "cupy", "view"])
def test_a_bool_gpumat_gives_bool(target):
    image = Image((6, 4, 3), "bool")
    mat = cv2.cuda.createGpuMatFromCudaMemory(6, 4, cv2.CV_BoolC(3), image.address, 12)
    seen = see(target, CONVERT[target](mat))
    assert (seen.address, seen.shape, seen.dtype) == (image.address, (6, 4, 3), "bool")


@pytest.mark.skipif(HAS_LATER, reason="OpenCV 5 has depths for all dtypes")
@pytest.mark.parametrize(
    ("dtype", "instead"),
    [
        ("bfloat16", "int16"),
        ("uint32", "int32"),
        ("int64", "float64"),
        ("uint64", "float64"),
    ],
)
def test_dtype_without_a_depth_is_refused_with_a_reinterpretation(dtype, instead):
    with pytest.raises(vc.DTypeError, match=f"{dtype}.*reinterpret.* as {instead}"):
        vc.as_gpumat(MAKE["torch"](Image((6, 4), dtype)))


@pytest.mark.skipif(ml_dtypes is not None, reason="ml_dtypes gives NumPy a bfloat16")
@pytest.mark.parametrize("target", ["numpy", "cupy"])
def test_bfloat16_without_ml_dtypes_names_the_package(target):
    with pytest.raises(vc.DTypeError, match="pip install ml_dtypes"):
        CONVERT[target](MAKE["torch"](Image((6, 4), "bfloat16")))


@pytest.mark.parametrize("dtype", EVERYWHERE)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_gpumat_type_is_that_of_its_depth_and_channels(dtype, channels):
    mat = vc.as_gpumat(MAKE["torch"](Image((6, 4, channels), dtype)))
    assert mat.type() == gpumat_type(dtype, channels)


@pytest.mark.parametrize("target", ["torch", "numpy", "cupy", "view"])
@pytest.mark.parametrize("lent", [False, True], ids=["unowned", "lent"])
def test_keepdim_gives_a_one_channel_gpumat_its_axis(target, lent):
    image = Image((6, 4, 1))
    mat = vc.as_gpumat(image.array) if lent else MAKE["gpumat"](image)
    assert see(target, CONVERT[target](mat)).shape == (6, 4)
    seen = see(target, CONVERT[target](mat, keepdim=True))
    assert (seen.address, seen.shape) == (image.address, (6, 4, 1))


@pytest.mark.parametrize("target", ["torch", "numpy", "cupy", "view"])
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 1), (6, 4, 3)], ids=str)
def test_keepdim_changes_nothing_elsewhere(target, shape):
    source = MAKE["view"](Image(shape))
    assert see(target, CONVERT[target](source, keepdim=True)).shape == shape


@pytest.mark.parametrize("chain", list(itertools.permutations(LIBRARIES, 3)), ids="-".join)
@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3)], ids=str)
def test_chains_of_three_libraries_keep_the_address(chain, shape):
    image = Image(shape)
    result = MAKE[chain[0]](image)
    for library in chain[1:]:
        result = CONVERT[library](result)
    seen = see(chain[-1], result)
    assert (seen.address, seen.shape) == (image.address, shape)
    assert pixels(chain[-1], result) == image.array.tobytes()


@pytest.mark.parametrize("source", LIBRARIES)
def test_a_write_is_seen_in_all_views(source):
    image = Image((7, 5, 3))
    made = MAKE[source](image)
    views = {target: CONVERT[target](made) for target in LIBRARIES}
    views["numpy"][2, 3, 1] ^= 255
    views["torch"][4, 1] = 7
    image.array[6] = 9
    for library, view in views.items():
        assert pixels(library, view) == image.array.tobytes()


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_image_of_the_wanted_library_is_returned_as_it_is(library):
    made = MAKE[library](Image((7, 5, 3)))
    assert CONVERT[library](made) is made


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_image_may_be_given_by_name(library):
    made = MAKE["torch"](Image((7, 5, 3)))
    assert see(library, CONVERT[library](image=made)).address == made.data_ptr()


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((), {}, "missing required argument 'image'"),
        ((b"", b""), {}, "takes 1 positional argument but 2 were given"),
        ((b"",), {"image": b""}, "multiple values for argument 'image'"),
        ((b"",), {"colour": 1}, "unexpected keyword argument 'colour'"),
    ],
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_wrong_arguments_are_type_errors(library, arguments, keywords, message):
    with pytest.raises(TypeError, match=message):
        CONVERT[library](*arguments, **keywords)
