# SPDX-License-Identifier: Apache-2.0
"""Libraries without an adapter of their own, on the CPU: as producers and as consumers, through
DLPack and other protocols. Tests that need a GPU are in tests/gpu."""

import ctypes
import gc
import weakref

import cv2
import numpy as np
import pytest
from images import CONVERT, Memory, memory, pixels_at
from loaded_opencv import not_in_standin

import viewcast as vc

pytestmark = pytest.mark.any_opencv

WRITABLE = ("torch", "cupy", "gpumat")


def frame(shape=(4, 6, 3), dtype=np.uint8):
    """Random pixels at an address that is a multiple of 64, in memory with weak references."""
    array = memory(int(np.prod(shape)) * np.dtype(dtype).itemsize).view(dtype)
    return array.reshape(shape)


def memory_of(array):
    while not (isinstance(array, Memory) and isinstance(array.base, bytearray)):
        if array.base is None:
            return array
        array = array.base
    return array


def gone(alive):
    gc.collect()
    vc.collect()
    return alive() is None


def sees(view, address, pixels):
    assert (view.ptr, view.shape) == (address, pixels.shape)
    assert pixels_at(view.ptr, view.shape, view.strides, view.itemsize) == pixels.tobytes()


# --- JAX


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax", reason="JAX is not installed")


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "bfloat16", "bool"])
def test_jax_arrays_are_read_only_views(jax, dtype):
    array = jax.numpy.arange(72).reshape(4, 6, 3).astype(dtype)
    view = vc.view(array)
    assert (view.dtype, view.readonly) == (dtype, True)
    raw = np.asarray(array)
    sees(view, array.unsafe_buffer_pointer(), raw)
    assert not vc.as_numpy(jax.numpy.zeros((4, 6))).flags.writeable


@pytest.mark.parametrize("target", WRITABLE)
def test_nothing_writes_to_a_jax_array(jax, target):
    array = jax.numpy.zeros((4, 6, 3), "uint8")
    with pytest.raises(vc.ViewError, match="read-only"):
        CONVERT[target](array)


@pytest.mark.parametrize("target", ["torch", "numpy", "gpumat"])
def test_a_copy_of_a_jax_array_is_writable(jax, target):
    array = jax.numpy.arange(72, dtype="uint8").reshape(4, 6, 3)
    image = CONVERT[target](array, copy=True)
    pixels = vc.as_numpy(image)
    assert (pixels == np.asarray(array)).all()
    pixels[:] = 0
    assert int(array.sum()) == 72 * 71 // 2


def test_gpumats_become_jax_arrays_and_live_as_long(jax):
    pixels = frame()
    alive = weakref.ref(memory_of(pixels))
    address, expected = pixels.ctypes.data, pixels.tobytes()
    mat = vc.as_gpumat(pixels)
    del pixels
    array = jax.dlpack.from_dlpack(vc.view(mat))
    assert array.unsafe_buffer_pointer() == address
    assert np.asarray(array).tobytes() == expected
    del mat, array
    assert gone(alive)


def test_jax_refuses_pitched_rows(jax):
    part = vc.view(frame((8, 8, 3))[2:5, 1:4])
    with pytest.raises(Exception, match="trivial .compact. striding"):
        jax.dlpack.from_dlpack(part)
    packed = vc.as_numpy(part, copy=True)
    assert (np.asarray(jax.dlpack.from_dlpack(vc.view(packed))) == packed).all()


class LooksLikeJax:
    """Describes itself as JAX's arrays do, without the flag for read-only memory."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


LooksLikeJax.__module__ = "jaxlib._jax"


def test_arrays_of_jax_s_modules_are_read_only():
    pixels = frame()
    assert vc.view(LooksLikeJax(pixels)).readonly
    assert not vc.view(pixels).readonly
    with pytest.raises(vc.ViewError, match="read-only"):
        vc.as_tensor(LooksLikeJax(pixels))


# --- cuda.core


@pytest.fixture(scope="module")
def strided_memory_view():
    utils = pytest.importorskip("cuda.core.utils", reason="cuda.core is not installed")
    return utils.StridedMemoryView


def test_cuda_core_views_are_views(strided_memory_view):
    pixels = frame((4, 8, 3))[1:, 2:5]
    theirs = strided_memory_view.from_dlpack(vc.view(pixels), stream_ptr=-1)
    assert (theirs.ptr, theirs.shape) == (pixels.ctypes.data, pixels.shape)
    assert not theirs.is_device_accessible
    sees(vc.view(theirs), pixels.ctypes.data, pixels)


def test_a_gpumat_through_cuda_core_keeps_its_memory(strided_memory_view):
    pixels = frame()
    alive = weakref.ref(memory_of(pixels))
    address, expected = pixels.ctypes.data, pixels.tobytes()
    theirs = strided_memory_view.from_dlpack(vc.view(vc.as_gpumat(pixels)), stream_ptr=-1)
    del pixels
    mat = vc.as_gpumat(theirs)
    del theirs
    assert mat.cudaPtr() == address
    assert ctypes.string_at(address, len(expected)) == expected
    del mat
    gc.collect()
    vc.collect(force=True)
    assert alive() is None


# --- Warp


@pytest.fixture(scope="module")
def warp():
    warp = pytest.importorskip("warp", reason="NVIDIA Warp is not installed")
    warp.config.quiet = True
    warp.init()
    return warp


@pytest.mark.parametrize("target", CONVERT)
def test_warp_arrays_are_images_of_every_library(warp, target):
    array = warp.array(np.arange(72, dtype=np.uint8).reshape(4, 6, 3), device="cpu")
    image = CONVERT[target](array)
    sees(vc.view(image), array.ptr, array.numpy())


def test_warp_vectors_are_channels(warp):
    array = warp.zeros((4, 6), dtype=warp.vec3, device="cpu")
    view = vc.view(array)
    assert (view.ptr, view.shape, view.dtype) == (array.ptr, (4, 6, 3), "float32")


def test_rois_of_gpumats_become_warp_arrays(warp):
    pixels = frame((8, 8, 3))
    alive = weakref.ref(memory_of(pixels))
    part = cv2.cuda.GpuMat(vc.as_gpumat(pixels), (1, 2, 3, 4))
    array = warp.from_dlpack(vc.view(part))
    assert (array.shape, array.strides) == ((4, 3, 3), (24, 3, 1))
    assert array.ptr == pixels[2:, 1:].ctypes.data
    assert (array.numpy() == pixels[2:6, 1:4]).all()
    del part, array, pixels
    gc.collect()
    vc.collect(force=True)
    assert alive() is None


# --- Numba on the CPU takes the array; numba.cuda needs a GPU


def test_numba_compiles_for_the_array_of_a_gpumat():
    numba = pytest.importorskip("numba", reason="Numba is not installed")
    pixels = frame()
    expected = 255 - pixels

    @numba.njit
    def invert(image):
        for index in np.ndindex(image.shape):
            image[index] = 255 - image[index]

    invert(vc.as_numpy(vc.as_gpumat(pixels)))
    assert (pixels == expected).all()


# --- cv2.UMat


@not_in_standin
@pytest.mark.parametrize("target", CONVERT)
def test_umats_are_refused_with_the_remedy(target):
    umat = cv2.UMat(np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(vc.ViewError, match=r"OpenCL memory.*umat\.get\(\)"):
        CONVERT[target](umat)
    assert vc.view(umat.get()).shape == (4, 6, 3)
