# SPDX-License-Identifier: Apache-2.0
"""OpenCV's methods treat a header of lent memory as one of OpenCV's own.

Only methods of the header are called: in host mode all others end the process.
"""

import ctypes

import cv2
import pytest
from gpumat_header import count, fields, header
from images import CONVERT, HAS_LATER, Image, gpumat_type, make_gpumat, pixels
from loaded_opencv import COUNTS, COUNTS_UP, FREES, not_in_standin

import viewcast as vc

COUNTING = vc._viewcast._opencv_layout()["counting"]
frees = pytest.mark.skipif(
    COUNTING != FREES, reason="this OpenCV is built without CUDA and never frees"
)
counts_both_ways = pytest.mark.skipif(
    COUNTING == COUNTS_UP, reason="stock OpenCV 4 never counts down"
)
FROM_GPUMAT = [target for target in CONVERT if target != "gpumat"]

# Ways to get another header over the same memory.
DERIVED = {
    "copy": lambda mat: cv2.cuda.GpuMat(mat),
    "rowRange": lambda mat: mat.rowRange(2, 5),
    "rowRange of a pair": lambda mat: mat.rowRange((1, 2)),
    "colRange": lambda mat: mat.colRange(2, 5),
    "row": lambda mat: mat.row(3),
    "col": lambda mat: mat.col(3),
    "rectangle": lambda mat: cv2.cuda.GpuMat(mat, (1, 2, 5, 4)),
    "two ranges": lambda mat: cv2.cuda.GpuMat(mat, (1, 4), (2, 6)),
    "ROI of an ROI": lambda mat: mat.rowRange(2, 8).colRange(1, 5).row(2),
    "channels to columns": lambda mat: mat.reshape(1),
    "reshape of rows": lambda mat: mat.reshape(0, 5),
}
if hasattr(cv2.cuda.GpuMat, "adjustROI"):  # OpenCV's stand-in has none
    DERIVED["adjustROI"] = lambda mat: cv2.cuda.GpuMat(mat, (3, 3, 2, 2)).adjustROI(1, 2, 1, 9)


def lent(shape=(10, 12, 3), dtype="uint8", strides=None):
    image = Image(shape, dtype, strides)
    return vc.as_gpumat(image.array, from_layout="HWC"), image


def address(mat):
    return header(mat).data or 0


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_headers_derived_from_a_lent_one_are_as_from_opencvs_own(derive):
    mat, image = lent()
    own = make_gpumat(image)
    derived = derive(mat)
    assert fields(derived) == fields(derive(own))
    assert header(derived).refcount == header(mat).refcount
    assert header(derived).allocator == header(mat).allocator


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_derived_headers_are_counted(derive, counting):
    mat, _ = lent()
    alone = count(mat)
    derived = derive(mat)
    assert count(mat) > alone
    del derived
    if counting == COUNTS_UP:
        assert count(mat) > alone
    else:
        assert count(mat) == alone


@pytest.mark.parametrize("target", FROM_GPUMAT)
@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_derived_headers_are_converted(derive, target):
    mat, image = lent()
    derived = derive(mat)
    wanted = pixels("gpumat", derive(make_gpumat(image)))
    assert pixels(target, CONVERT[target](derived)) == wanted


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((10, 12), None), ((10, 12, 3), (64, 3, 1)), ((1, 12, 3), None), ((10, 1, 4), None)],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_methods_return_the_same_for_a_lent_header_and_for_opencvs_own(shape, strides, dtype):
    if strides and dtype == "float32":
        strides = tuple(4 * stride for stride in strides)
    mat, image = lent(shape, dtype, strides)
    own = make_gpumat(image)
    for method in (
        *("size", "type", "depth", "channels", "elemSize", "elemSize1"),
        *("step1", "isContinuous", "empty", "cudaPtr"),
    ):
        assert getattr(mat, method)() == getattr(own, method)()
    assert mat.step == own.step


@not_in_standin
def test_adjust_roi_finds_the_whole_lent_image_and_no_more():
    """It works with datastart, dataend and step, as locateROI does."""
    mat, image = lent(strides=(64, 3, 1))
    roi = cv2.cuda.GpuMat(mat, (3, 2, 4, 5))
    roi.locateROI((0, 0), (0, 0))
    roi.adjustROI(100, 100, 100, 100)
    assert (address(roi), roi.size()) == (image.address, (12, 10))
    assert pixels("gpumat", roi) == image.array.tobytes()


@not_in_standin
def test_update_continuity_flag_changes_nothing():
    for strides in (None, (64, 3, 1)):
        mat, _ = lent(strides=strides)
        before = fields(mat)
        mat.updateContinuityFlag()
        assert fields(mat) == before


# --- release, create, swap


def test_release_of_a_lent_gpumat(counting, ledger):
    mat, image = lent()
    mat.release()
    if counting == COUNTS_UP:  # release() is an empty function in stock OpenCV 4
        assert address(mat) == image.address
        assert ledger() == {"lends": 1}
        return
    assert mat.empty()
    assert address(mat) == 0
    assert mat.size() == ((12, 10) if counting == COUNTS else (0, 0))
    assert ledger() == {"lends": 1, "lends_released": 1}


@counts_both_ways
def test_a_second_release_does_nothing(ledger):
    mat, _ = lent()
    mat.release()
    mat.release()
    assert ledger() == {"lends": 1, "lends_released": 1}


@counts_both_ways
def test_release_of_one_header_leaves_the_others(ledger):
    mat, image = lent()
    roi = mat.rowRange(2, 5)
    mat.release()
    assert pixels("gpumat", roi) == image.array[2:5].tobytes()
    assert ledger() == {"lends": 1}
    roi.release()
    assert ledger() == {"lends": 1, "lends_released": 1}


@counts_both_ways
@pytest.mark.parametrize("target", FROM_GPUMAT)
def test_a_released_gpumat_gives_an_empty_array(target):
    mat, _ = lent()
    mat.release()
    assert 0 in CONVERT[target](mat).shape


@frees
def test_create_of_the_same_size_and_type_does_nothing(ledger):
    mat, image = lent()
    mat.create(10, 12, cv2.CV_8UC3)
    assert address(mat) == image.address
    assert ledger() == {"lends": 1}


@not_in_standin  # it finds memory
@frees
@pytest.mark.parametrize(("rows", "cols", "kind"), [(5, 6, cv2.CV_8UC3), (10, 12, cv2.CV_32FC1)])
def test_create_of_another_size_releases_the_source_once(rows, cols, kind, ledger):
    """OpenCV then calls our allocator, which returns false, and its own, which finds no
    GPU here."""
    mat, image = lent()
    before = image.array.tobytes()
    with pytest.raises(cv2.error, match="allocate"):
        mat.create(rows, cols, kind)
    assert address(mat) == 0
    assert header(mat).refcount is None
    assert header(mat).allocator == header(cv2.cuda.GpuMat()).allocator
    assert ledger() == {"lends": 1, "lends_released": 1}
    assert image.array.tobytes() == before


@pytest.mark.skipif(COUNTING == FREES, reason="OpenCV built with CUDA can create")
def test_create_without_cuda_raises_and_changes_nothing(ledger):
    mat, image = lent()
    with pytest.raises(cv2.error, match="without CUDA"):
        mat.create(5, 6, cv2.CV_8UC1)
    assert pixels("gpumat", mat) == image.array.tobytes()
    assert ledger() == {"lends": 1}


@counts_both_ways
def test_swap_takes_the_others_memory_and_leaves_the_others_header(ledger):
    """The Python binding swaps with a copy of the other header."""
    mat, _ = lent()
    other, image = lent((4, 5))
    mat.swap(other)
    assert fields(mat) == fields(other)
    assert header(mat).refcount == header(other).refcount
    assert ledger() == {"lends": 2, "lends_released": 1}
    del other
    assert pixels("gpumat", mat) == image.array.tobytes()
    del mat
    assert ledger() == {"lends": 2, "lends_released": 2}


@counts_both_ways
def test_swap_with_an_empty_gpumat_releases(ledger):
    mat, _ = lent()
    mat.swap(cv2.cuda.GpuMat())
    assert mat.empty()
    assert ledger() == {"lends": 1, "lends_released": 1}


@pytest.mark.skipif(COUNTING != COUNTS_UP, reason="only stock OpenCV 4 never counts down")
def test_lends_that_stock_opencv_4_copied_end_by_force(ledger):
    mat, _ = lent()
    roi = mat.rowRange(2, 5)
    del mat, roi
    assert ledger() == {"lends": 1}
    assert ledger(force=True) == {"lends": 1, "lends_released": 1}


# --- GpuMats that are not lent


@pytest.mark.parametrize("target", FROM_GPUMAT)
def test_a_gpumat_without_an_object_is_refused(target):
    mat = cv2.cuda.GpuMat.__new__(cv2.cuda.GpuMat)
    with pytest.raises(vc.ViewError, match="__new__ alone"):
        CONVERT[target](mat)


@pytest.mark.parametrize("target", CONVERT)
def test_umats_are_refused_with_the_remedy(target):
    with pytest.raises(vc.ViewError, match=r"umat.get\(\)"):
        CONVERT[target](cv2.UMat())


class Foreign:
    """A GpuMat whose header has a reference count of the test's; restored at the end."""

    def __init__(self, start, allocator):
        self.image = Image((10, 12, 3))
        self.mat = make_gpumat(self.image)
        self.counter = ctypes.c_int32(start)
        self.header = header(self.mat)
        self.before = self.header.allocator
        self.header.refcount = ctypes.addressof(self.counter)
        self.header.allocator = allocator

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.header.refcount = None
        self.header.allocator = self.before


@pytest.mark.parametrize("target", FROM_GPUMAT)
def test_memory_of_another_allocator_is_refused(target):
    somewhere = ctypes.create_string_buffer(64)
    with Foreign(1, ctypes.addressof(somewhere)) as foreign:
        with pytest.raises(vc.LayoutError, match=r"another allocator.*clone\(\)"):
            CONVERT[target](foreign.mat)
        assert foreign.counter.value == 1


@frees
@pytest.mark.parametrize("target", FROM_GPUMAT)
def test_memory_of_opencvs_allocator_is_counted_up_and_down(target, ledger):
    with Foreign(5, header(cv2.cuda.GpuMat()).allocator) as foreign:
        view = CONVERT[target](foreign.mat)
        assert foreign.counter.value == 6
        assert pixels(target, view) == foreign.image.array.tobytes()
        del view
        counted = ledger()
        assert foreign.counter.value == 5
    assert (counted["shares"], counted["shares_released"]) == (1, 1)


@frees
@pytest.mark.parametrize("target", FROM_GPUMAT)
def test_memory_that_is_being_released_is_refused(target):
    with Foreign(0, header(cv2.cuda.GpuMat()).allocator) as foreign:
        with pytest.raises(vc.ViewError, match="being released"):
            CONVERT[target](foreign.mat)
        assert foreign.counter.value == 0


@pytest.mark.parametrize(
    ("field", "value"), [("flags", 0), ("rows", -3), ("cols", -3), ("step", 2**63)]
)
def test_a_damaged_header_is_refused(field, value):
    image = Image((10, 12, 3))
    mat = make_gpumat(image)
    setattr(header(mat), field, value)
    with pytest.raises(vc.ViewError):
        vc.view(mat)


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_type_numbers_are_read_with_the_loaded_opencvs_packing(channels):
    image = Image((4, 5, channels), "int16")
    mat = make_gpumat(image)
    assert mat.type() == gpumat_type("int16", channels)
    view = vc.view(mat, keepdim=True)
    assert (view.shape, view.dtype) == ((4, 5, channels), "int16")


@pytest.mark.skipif(not HAS_LATER, reason="all depth numbers of OpenCV 4 are known")
def test_an_unknown_depth_is_a_dtype_error():
    mat = make_gpumat(Image((4, 5)))
    header(mat).flags |= 31
    with pytest.raises(vc.DTypeError, match="depth number 31"):
        vc.view(mat)
