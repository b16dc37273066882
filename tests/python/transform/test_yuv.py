# SPDX-License-Identifier: Apache-2.0
"""vc.yuv: the bytes of cv2.cvtColor, H.273's real values, everything else as of RGB images, frames
of PyAV, and what is refused."""

import gc
import weakref

import cv2
import numpy as np
import pytest
import torch
from yuv_reference import FORMATS, MATRICES, RANGES, planes_of, real_yuv, rgb_of

import viewcast as vc

CVT = {
    "nv12": cv2.COLOR_YUV2RGB_NV12,
    "nv21": cv2.COLOR_YUV2RGB_NV21,
    "i420": cv2.COLOR_YUV2RGB_I420,
    "yv12": cv2.COLOR_YUV2RGB_YV12,
}


@pytest.fixture
def rng():
    return np.random.default_rng(17)


@pytest.mark.parametrize("format", CVT)
@pytest.mark.parametrize("size", [(2, 2), (4, 66), (36, 34), (720, 1280)])
def test_one_array_gives_the_bytes_of_cvt_color(rng, format, size):
    array = rng.integers(0, 256, (size[0] * 3 // 2, size[1]), dtype=np.uint8)
    image = vc.yuv(array, format, matrix="bt601", range="limited")
    expected = cv2.cvtColor(array, CVT[format])
    assert (vc.to_numpy(image) == expected).all()
    assert (vc.to_numpy(image, reverse_channels=True) == expected[..., ::-1]).all()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 5), (17, 39), (32, 64), (33, 71)])
def test_planes_of_any_format(rng, format, depth, size):
    for matrix in MATRICES:
        for range in RANGES:
            planes = planes_of(rng, format, *size)
            image = vc.yuv(planes, format, matrix, range, depth=depth)
            expected = rgb_of(planes, format, matrix, range, depth)
            found = vc.to_numpy(image)
            assert found.dtype == expected.dtype
            assert (found == expected).all()


@pytest.mark.parametrize("format", ["nv12", "i420", "yuv444p", "p010"])
@pytest.mark.parametrize(
    "resize",
    [
        (20, 30),
        vc.Resize((9, 50), "nearest"),
        vc.Resize((16, 16), "area"),
        vc.Letterbox((24, 24)),
        vc.Letterbox((24, 40), "pillow-bilinear", pad=(1, 2, 3)),
        vc.CenterCrop((12, 12)),
    ],
    ids=str,
)
def test_a_yuv_image_is_resized_as_its_rgb_is(rng, format, resize):
    planes = planes_of(rng, format, 47, 61)
    image = vc.yuv(planes, format, "bt709", "limited")
    rgb = rgb_of(planes, format, "bt709", "limited")
    arguments = {"resize": resize, "layout": "CHW", "dtype": "float32", "normalize": "imagenet"}
    expected = vc.to_numpy(rgb, **arguments)
    assert (vc.to_numpy(image, **arguments) == expected).all()
    assert (vc.to_tensor(image, **arguments).numpy() == expected).all()
    boxes = [[0, 3, 5, 20, 31], [0, 0, 0, 1, 1], [0, 13.7, 11.2, 61, 47]]
    if not isinstance(resize, vc.CenterCrop):
        arguments.update(boxes=boxes, layout="NCHW")
        assert (vc.to_numpy(image, **arguments) == vc.to_numpy(rgb, **arguments)).all()


def test_lists_may_differ_in_size_matrix_and_range(rng):
    several = [
        ("bt601", "limited", (8, 10)),
        ("bt709", "full", (5, 7)),
        ("bt2020", "limited", (6, 31)),
    ]
    images, rgbs = [], []
    for matrix, range, size in several:
        planes = planes_of(rng, "nv12", *size)
        images.append(vc.yuv(planes, "nv12", matrix, range))
        rgbs.append(rgb_of(planes, "nv12", matrix, range))
    resized = {"resize": (11, 13), "layout": "NCHW"}
    assert (vc.to_numpy(images, **resized) == vc.to_numpy(rgbs, **resized)).all()
    outs = [np.empty(rgb.shape, np.float32) for rgb in rgbs]
    vc.to_numpy(images, out=outs)
    for out, rgb in zip(outs, rgbs, strict=True):
        assert (out == rgb).all()
    with pytest.raises(vc.LayoutError, match="one size|one shape"):
        vc.to_numpy(images)


def test_results_of_every_library(rng):
    planes = planes_of(rng, "i420", 6, 8)
    expected = rgb_of(planes, "i420", "bt709", "limited")
    image = vc.yuv(tuple(torch.from_numpy(p.copy()) for p in planes), "i420", "bt709", "limited")
    assert (vc.to_tensor(image).numpy() == expected).all()
    assert (vc.to_tensor(image, layout="NHWC").numpy() == expected[None]).all()
    out = torch.empty(3, 6, 8)
    assert vc.to_tensor(image, layout="CHW", out=out) is out
    assert (out.numpy() == expected.transpose(2, 0, 1)).all()
    if vc.host_mode():
        mat = vc.to_gpumat(image, reverse_channels=True)
        assert (vc.as_numpy(mat) == expected[..., ::-1]).all()
        pitched = np.zeros((9, 20), np.uint8)[:, :8]
        pitched[:] = rng.integers(0, 256, pitched.shape)
        frame = vc.yuv(vc.as_gpumat(pitched), "nv12", "bt601", "limited")
        found = cv2.cvtColor(np.ascontiguousarray(pitched), cv2.COLOR_YUV2RGB_NV12)
        assert (vc.to_numpy(frame) == found).all()


def test_views_with_any_strides(rng):
    planes = [np.ascontiguousarray(p) for p in planes_of(rng, "i420", 9, 40)]
    turned = [p[::-1, ::-1] for p in planes]
    expected = rgb_of(turned, "i420", "bt2020", "full")
    assert (vc.to_numpy(vc.yuv(turned, "i420", "bt2020", "full")) == expected).all()
    wide = (planes[0], np.stack(planes[1:], -1).reshape(5, 40))  # (H / 2, W) of pairs
    expected = rgb_of(planes, "i420", "bt709", "limited")
    assert (vc.to_numpy(vc.yuv(wide, "nv12", "bt709", "limited")) == expected).all()


def test_an_empty_image():
    empty = vc.yuv(np.zeros((0, 8), np.uint8), "nv12", "bt601", "limited")
    assert vc.to_numpy(empty).shape == (0, 8, 3)
    with pytest.raises(vc.LayoutError, match="is empty"):
        vc.to_numpy(empty, resize=(4, 4))


# --- lifetimes


def test_the_image_holds_its_planes_and_the_result_does_not(rng):
    class Plane(np.ndarray):
        pass

    array = rng.integers(0, 256, (6, 4), dtype=np.uint8).view(Plane)
    gone = weakref.ref(array)
    image = vc.yuv(array, "nv12", "bt709", "limited")
    expected = vc.to_numpy(image)
    del array
    gc.collect()
    assert gone() is not None
    assert (vc.to_numpy(image) == expected).all()
    del image
    gc.collect()
    vc.collect()
    assert gone() is None


def test_owners_of_planes_are_released_after_an_error(rng):
    class Plane(np.ndarray):
        pass

    luma = rng.integers(0, 256, (4, 4), dtype=np.uint8).view(Plane)
    gone = weakref.ref(luma)
    image = vc.yuv((luma, np.zeros((9, 9, 2), np.uint8)), "nv12", "bt709", "limited")
    with pytest.raises(vc.LayoutError, match="plane U and V of format nv12"):
        vc.to_numpy(image)
    with pytest.raises(vc.LayoutError, match="image 1: "):
        vc.to_numpy(
            [vc.yuv((luma[:2, :2], luma[:1, :1], luma[:1, :1]), "i420", "bt709", "full"), image]
        )
    del luma, image
    gc.collect()
    vc.collect()
    assert gone() is None


# --- what is refused

ARRAY = np.zeros((12, 8), np.uint8)


def test_nothing_is_guessed():
    with pytest.raises(
        ValueError, match="format is missing: an array does not say it; say format="
    ):
        vc.yuv(ARRAY)
    with pytest.raises(ValueError, match='matrix is missing.*say matrix=, one of "bt601", "bt709"'):
        vc.yuv(ARRAY, "nv12", range="full")
    with pytest.raises(ValueError, match='range is missing.*say range=, one of "limited", "full"'):
        vc.yuv(ARRAY, "nv12", "bt601")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"format": "rgb24"}, ValueError, "format is 'rgb24', needs \"nv12\""),
        ({"format": 1}, TypeError, "format is 1, needs"),
        ({"matrix": "bt470"}, ValueError, "matrix is 'bt470', needs \"bt601\""),
        ({"matrix": 5}, TypeError, "matrix is 5"),
        ({"range": "tv"}, ValueError, 'range is \'tv\', needs "limited", "full"'),
        ({"range": True}, TypeError, "range is True"),
        ({"depth": 10}, ValueError, "depth is 10, needs 8 or 16"),
        ({"depth": True}, ValueError, "depth is True"),
        ({"depth": 16.0}, ValueError, "depth is 16.0"),
        ({"source": (ARRAY, ARRAY, ARRAY)}, ValueError, "there are 3 planes, needs 2 for nv12"),
        ({"source": ()}, ValueError, "there are 0 planes"),
    ],
)
def test_arguments_of_yuv(change, error, message):
    arguments = {"source": ARRAY, "format": "nv12", "matrix": "bt709", "range": "limited"}
    with pytest.raises(error, match=message):
        vc.yuv(**{**arguments, **change})


def test_depth_is_any_integer():
    for depth in (16, np.int64(16), np.uint8(16)):
        image = vc.yuv(ARRAY, "nv12", "bt709", "limited", depth=depth)
        assert type(image.depth) is int
        assert vc.to_numpy(image).dtype == np.uint16


@pytest.mark.parametrize(
    ("source", "format", "error", "message"),
    [
        (ARRAY[:, :7], "nv12", vc.LayoutError, "needs an even width; pass its planes"),
        (ARRAY[:11], "nv12", vc.LayoutError, "a multiple of 3"),
        (ARRAY[:, :6], "i420", vc.LayoutError, "has gaps between its rows"),
        (ARRAY[:11], "yuv422p", vc.LayoutError, "as many rows for chroma"),
        (ARRAY[None, None], "nv12", vc.LayoutError, "wrong rank"),
        (
            ARRAY.astype("u2"),
            "nv12",
            vc.DTypeError,
            "plane Y of format nv12 is uint16, needs uint8",
        ),
        (ARRAY, "p010", vc.DTypeError, "needs uint16"),
        ((ARRAY, ARRAY[:6, :4]), "nv12", vc.LayoutError, r"needs the shape \(6, 4, 2\)"),
        ((ARRAY, ARRAY[:6, :4], ARRAY[:6, :3]), "i420", vc.LayoutError, r"plane V .*\(6, 4\)"),
        ((ARRAY, ARRAY[:6, :4], ARRAY[:5, :4]), "yv12", vc.LayoutError, "plane U of format yv12"),
        ((ARRAY[None, None], ARRAY), "nv12", vc.LayoutError, r"Y .* rank 4, .*: \(H, W\) or"),
        ((ARRAY, object()), "nv12", TypeError, "^plane 1: object is no image"),
        (object(), "nv12", TypeError, "^object is no image"),
    ],
)
def test_planes_that_do_not_fit(source, format, error, message):
    out = np.full((8, 8, 3), 7, np.uint8)
    with pytest.raises(error, match=message):
        vc.to_numpy(vc.yuv(source, format, "bt709", "limited"), out=out)
    assert (out == 7).all()


IMAGE = vc.yuv(ARRAY, "nv12", "bt709", "limited")


@pytest.mark.parametrize("function", [vc.as_tensor, vc.as_numpy, vc.as_gpumat, vc.view])
def test_views_refuse_it(function):
    with pytest.raises(TypeError, match="no RGB pixels in memory that can be viewed.*to_tensor"):
        function(IMAGE)
    if function is not vc.view:
        with pytest.raises(TypeError, match="no RGB pixels"):
            function(IMAGE, copy=None)


def test_it_is_a_source_only():
    for call in (
        lambda: vc.as_tensors([IMAGE]),
        lambda: vc.as_gpumats([IMAGE]),
        lambda: vc.to_numpy(np.zeros((8, 8, 3), np.uint8), out=IMAGE),
        lambda: vc.to_numpy(np.zeros((8, 8, 3), np.uint8), boxes=IMAGE, resize=(2, 2)),
        lambda: vc.yuv(IMAGE),
        lambda: vc.to_numpy(vc.yuv((IMAGE, ARRAY), "nv12", "bt709", "full")),
        lambda: vc.YUV(),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(AttributeError, match="cannot assign to field 'matrix'"):
        IMAGE.matrix = "bt601"


def test_lists_hold_one_kind():
    rgb = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(TypeError, match="image 1: it is no YUV image and image 0 is one"):
        vc.to_numpy([IMAGE, rgb])
    with pytest.raises(TypeError, match="image 1: it is a YUV image and image 0 is none"):
        vc.to_numpy([rgb, IMAGE])
    other = vc.yuv(ARRAY, "nv21", "bt709", "limited")
    with pytest.raises(vc.LayoutError, match="source 1 has format nv21 and source 0 has nv12"):
        vc.to_numpy([IMAGE, other])


def test_layouts_and_memory_that_do_not_fit():
    with pytest.raises(vc.LayoutError, match='from_layout is "CHW" and the source is a YUV image'):
        vc.to_numpy(IMAGE, from_layout="CHW")
    assert vc.to_numpy(IMAGE, from_layout="HWC").shape == (8, 8, 3)
    memory = np.zeros(12 * 8 + 192, np.uint8)
    frame = vc.yuv(memory[:96].reshape(12, 8), "nv12", "bt709", "limited")
    before = memory.copy()
    for first in (40, 90):  # in luma, in chroma
        with pytest.raises(vc.ViewError, match="shares memory with source 0"):
            vc.to_numpy(frame, out=memory[first : first + 192].reshape(8, 8, 3))
    assert (memory == before).all()
    outs = [np.zeros((8, 8, 3), np.uint8), memory[90 : 90 + 8 * 8 * 3].reshape(8, 8, 3)]
    with pytest.raises(vc.ViewError, match="shares memory with source 0"):
        vc.to_numpy([frame, IMAGE], out=outs)
    assert (memory == before).all()
    with pytest.raises(ValueError, match="pad of the Letterbox was left out"):
        vc.to_numpy(vc.yuv(ARRAY, "nv12", "bt709", "full", depth=16), resize=vc.Letterbox((4, 4)))


# --- PyAV


def pyav_frame(rng, format, width, height, matrix=1, range=1):
    av = pytest.importorskip("av")
    try:
        frame = av.VideoFrame(width, height, format)
    except ValueError:
        pytest.skip(f"this FFmpeg has no {format}, needs version 8")
    for plane in frame.planes:
        data = rng.integers(0, 256, plane.buffer_size, dtype=np.uint8)
        if format in ("p010le", "yuv444p10msble"):
            data[::2] &= 0xC0
        elif "10" in format:
            data[1::2] &= 3
        plane.update(data.tobytes())
    frame.colorspace, frame.color_range = matrix, range
    return frame


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("nv12", "nv12"),
        ("nv21", "nv21"),
        ("yuv420p", "i420"),
        ("yuv422p", "yuv422p"),
        ("yuv444p", "yuv444p"),
        ("p010le", "p010"),
        ("yuv420p10le", "yuv420p10"),
        ("yuv422p10le", "yuv422p10"),
        ("yuv444p10le", "yuv444p10"),
        ("yuv444p10msble", "yuv444p10msb"),
        ("yuv444p16le", "yuv444p16"),
    ],
)
def test_frames_of_pyav(rng, format, name):
    frame = pyav_frame(rng, format, 37, 21)
    image = vc.yuv(frame)
    assert (image.format, image.matrix, image.range) == (name, "bt709", "limited")
    planes = []
    across, down, bits, _, pairs, _ = FORMATS[name]
    for index, plane in enumerate(frame.planes):
        wide = 1 if bits == 8 else 2
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        count = 2 if pairs and index else 1
        shape = (21, 37) if index == 0 else (-(-21 // down), -(-37 // across))
        rows = rows[: shape[0], : shape[1] * count * wide].copy().view(f"u{wide}")
        planes.append(rows.reshape(*shape, 2) if count == 2 else rows)
    assert (vc.to_numpy(image) == rgb_of(planes, name, "bt709", "limited")).all()


def test_metadata_of_pyav(rng):
    frame = pyav_frame(rng, "yuv420p", 8, 6, matrix=2, range=0)
    with pytest.raises(ValueError, match="matrix is missing: the frame does not say it"):
        vc.yuv(frame)
    with pytest.raises(ValueError, match="range is missing: the frame does not say it"):
        vc.yuv(frame, matrix="bt709")
    image = vc.yuv(frame, matrix="bt709", range="full")
    assert (image.matrix, image.range) == ("bt709", "full")
    for code, name in ((1, "bt709"), (5, "bt601"), (6, "bt601"), (9, "bt2020")):
        assert vc.yuv(pyav_frame(rng, "nv12", 8, 6, code, 2)).matrix == name
    with pytest.raises(ValueError, match="the frame has the colour space 4, which is none of them"):
        vc.yuv(pyav_frame(rng, "nv12", 8, 6, 4, 2))
    with pytest.raises(ValueError, match="the frame has the format 'rgb24'"):
        vc.yuv(pyav_frame(rng, "rgb24", 8, 6))
    assert vc.yuv(pyav_frame(rng, "yuvj420p", 8, 6, 5, 0)).range == "full"


def test_a_frame_of_pyav_lives_in_its_image(rng):
    frame = pyav_frame(rng, "yuv420p", 64, 48)
    image = vc.yuv(frame)
    expected = vc.to_numpy(image)
    del frame
    gc.collect()
    others = [pyav_frame(rng, "yuv420p", 64, 48) for _ in range(8)]
    assert (vc.to_numpy(image) == expected).all()
    del others


# --- to_yuv

TO_CVT = {"i420": cv2.COLOR_RGB2YUV_I420, "yv12": cv2.COLOR_RGB2YUV_YV12}


def as_planes(made, format):
    """Planes in the order of the format, of what to_yuv returns."""
    if isinstance(made, tuple):
        return [np.asarray(plane) for plane in made]
    array = np.asarray(made)
    height, width = array.shape[0] * 2 // 3, array.shape[1]
    if FORMATS[format][4]:
        return [array[:height], array[height:].reshape(height // 2, width // 2, 2)]
    chroma = array[height:].reshape(2, height // 2, width // 2)
    return [array[:height], chroma[0], chroma[1]]


@pytest.mark.parametrize("size", [(2, 2), (4, 66), (720, 1280)])
def test_to_yuv_gives_the_bytes_of_cvt_color(rng, size):
    rgb = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    arguments = {"matrix": "bt601", "range": "limited"}
    for format, code in TO_CVT.items():
        expected = cv2.cvtColor(rgb, code)
        assert (vc.to_yuv(rgb, format=format, **arguments) == expected).all()
        bgr = np.ascontiguousarray(rgb[..., ::-1])
        found = vc.to_yuv(bgr, format=format, reverse_channels=True, **arguments)
        assert (found == expected).all()
    planar = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    for format, first in (("nv12", 0), ("nv21", 1)):
        pairs = as_planes(vc.to_yuv(rgb, format=format, **arguments), format)
        y, u, v = as_planes(planar, "i420")
        assert (pairs[0] == y).all()
        assert (pairs[1][..., first] == u).all()
        assert (pairs[1][..., 1 - first] == v).all()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 2), (5, 3), (18, 40), (3, 1101)])
def test_to_yuv_of_any_format(rng, format, size):
    across, down, bits, unused, pairs, swapped = FORMATS[format]
    rgb = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    rgb[0, 0] = rng.integers(0, 2, 3) * 255
    for matrix in MATRICES:
        for range in RANGES:
            if (bits, down, matrix, range) == (8, 2, "bt601", "limited"):
                continue
            out = planes_of(rng, format, *size)
            made = vc.to_yuv(rgb, format=format, matrix=matrix, range=range, out=out)
            assert made is out
            y, u, v = real_yuv(rgb, bits, matrix, range, (down, across))
            if swapped:
                u, v = v, u
            assert (out[0] >> unused == y).all()
            chroma = (out[1][..., 0], out[1][..., 1]) if pairs else out[1:]
            assert (chroma[0] >> unused == u).all()
            assert (chroma[1] >> unused == v).all()
            if size[0] % 2 == 0 and size[1] % 2 == 0:
                fresh = vc.to_yuv(rgb, format=format, matrix=matrix, range=range)
                assert isinstance(fresh, tuple) == (down == 1)
                for a, b in zip(as_planes(fresh, format), out, strict=True):
                    assert (a == b).all()


def test_to_yuv_takes_images_of_every_library(rng):
    rgb = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    arguments = {"format": "nv12", "matrix": "bt709", "range": "limited"}
    expected = vc.to_yuv(rgb, **arguments)
    assert type(expected) is np.ndarray
    tensor = torch.from_numpy(rgb)
    found = vc.to_yuv(tensor, **arguments)
    assert isinstance(found, torch.Tensor)
    assert (found.numpy() == expected).all()
    chw = tensor.permute(2, 0, 1).contiguous()
    assert (vc.to_yuv(chw, from_layout="CHW", **arguments).numpy() == expected).all()
    out = torch.zeros(9, 8, dtype=torch.uint8)
    version = out._version
    assert vc.to_yuv(rgb, out=out, **arguments) is out
    assert out._version > version
    assert (out.numpy() == expected).all()
    assert (
        vc.to_yuv(rgb[::-1, ::-1], **arguments) == vc.to_yuv(rgb[::-1, ::-1].copy(), **arguments)
    ).all()
    if vc.host_mode():
        mat = vc.to_yuv(vc.as_gpumat(rgb), **arguments)
        assert type(mat) is cv2.cuda.GpuMat
        assert (vc.as_numpy(mat) == expected).all()


@pytest.mark.parametrize("format", FORMATS)
def test_to_yuv_of_gpumats_of_any_width(rng, format):
    """Rows of a new GpuMat are aligned, but not where those of U and V must follow each other."""
    if not vc.host_mode():
        pytest.skip("GpuMats are on a GPU")
    arguments = {"format": format, "matrix": "bt709", "range": "limited"}
    for size in ((2, 2), (6, 8), (6, 30), (4, 64), (10, 66)):
        rgb = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        expected = vc.to_yuv(rgb, **arguments)
        made = vc.to_yuv(vc.as_gpumat(rgb), **arguments)
        assert (
            vc.to_numpy(vc.yuv(made, **arguments)) == vc.to_numpy(vc.yuv(expected, **arguments))
        ).all()
        pairs = zip(made, expected, strict=True) if isinstance(made, tuple) else [(made, expected)]
        for mat, array in pairs:
            assert type(mat) is cv2.cuda.GpuMat
            assert (vc.as_numpy(mat) == array).all()


def test_there_and_back(rng):
    rgb = np.repeat(np.repeat(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), 2, 0), 2, 1)
    for matrix in MATRICES:
        arguments = {"format": "p016", "matrix": matrix, "range": "full"}
        assert (vc.to_numpy(vc.yuv(vc.to_yuv(rgb, **arguments), **arguments)) == rgb).all()


def test_to_yuv_into_a_frame_of_pyav(rng):
    frame = pyav_frame(rng, "yuv420p", 38, 21)
    rgb = rng.integers(0, 256, (21, 38, 3), dtype=np.uint8)
    arguments = {"matrix": "bt709", "range": "limited"}
    assert vc.to_yuv(rgb, format="i420", out=frame, **arguments) is frame
    out = planes_of(rng, "i420", 21, 38)
    vc.to_yuv(rgb, format="i420", out=out, **arguments)
    for plane, expected in zip(frame.planes, out, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        assert (rows[: expected.shape[0], : expected.shape[1]] == expected).all()
    with pytest.raises(
        ValueError, match="out is a frame of the format 'yuv420p' and format is 'nv12'"
    ):
        vc.to_yuv(rgb, format="nv12", out=frame, **arguments)


def test_to_yuv_writes_what_the_frame_says_of_itself(rng):
    rgb = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    arguments = {"format": "i420", "matrix": "bt709", "range": "limited"}
    for matrix, range in ((1, 1), (2, 0), (1, 0), (2, 1)):
        frame = pyav_frame(rng, "yuv420p", 8, 6, matrix, range)
        assert vc.to_yuv(rgb, out=frame, **arguments) is frame
    for matrix, range, message in (
        (5, 1, "the colour space 5 and matrix is 'bt709', needs the same"),
        (0, 1, "the colour space 0 and matrix is 'bt709'"),
        (1, 2, "the colour range 2 and range is 'limited', needs the same"),
    ):
        frame = pyav_frame(rng, "yuv420p", 8, 6, matrix, range)
        before = [bytes(plane) for plane in frame.planes]
        with pytest.raises(ValueError, match=f"out is a frame of {message}"):
            vc.to_yuv(rgb, out=frame, **arguments)
        assert [bytes(plane) for plane in frame.planes] == before
    frame = pyav_frame(rng, "yuvj420p", 8, 6, 2, 0)
    with pytest.raises(ValueError, match="the colour range 'full' and range is 'limited'"):
        vc.to_yuv(rgb, out=frame, **arguments)
    assert vc.to_yuv(rgb, out=frame, **{**arguments, "range": "full"}) is frame


def test_a_decoder_reads_frames_that_are_made_writable_first():
    """out= a frame that a decoder refers to changes the frames after it. PyAV's make_writable()
    parts them."""
    av = pytest.importorskip("av")
    from viewcast.clip import sample_clip

    said = {"matrix": "bt709", "range": "limited"}
    found = []
    for writes in (False, True):
        found.append([])
        with av.open(sample_clip(4)) as file:
            file.streams.video[0].thread_type = "NONE"
            for frame in file.decode(video=0):
                found[-1].append(vc.to_numpy(vc.yuv(frame, **said)))
                if writes:
                    frame.make_writable()
                    vc.to_yuv(np.zeros_like(found[-1][-1]), format="i420", out=frame, **said)
                    assert (vc.to_numpy(vc.yuv(frame, **said)) == 0).all()
    assert all((a == b).all() for a, b in zip(*found, strict=True))


RGB = np.zeros((4, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"format": "rgb24"}, ValueError, "format is 'rgb24', needs"),
        ({"matrix": None}, TypeError, "matrix is None, needs"),
        ({"range": "tv"}, ValueError, "range is 'tv'"),
        ({"reverse_channels": 1}, TypeError, "reverse_channels"),
        ({"from_layout": "NHWC"}, ValueError, "takes one image, .*; call it for each of a batch$"),
        ({"out": IMAGE}, TypeError, "out is a YUV, needs the memory that it is of"),
        ({"from_layout": "CHW"}, vc.LayoutError, "channels"),
        ({"image": RGB[None]}, vc.LayoutError, "four axes"),
        ({"image": [RGB]}, TypeError, "takes one image"),
        ({"image": RGB[..., :1]}, vc.LayoutError, "1 channels"),
        ({"image": RGB[..., 0]}, vc.LayoutError, "1 channels, needs R, G and B"),
        ({"image": np.zeros((4, 6, 4), np.uint8)}, vc.LayoutError, "4 channels"),
        ({"image": RGB.astype("f4")}, vc.DTypeError, "needs uint8"),
        ({"image": IMAGE}, TypeError, "no RGB pixels"),
        ({"image": RGB[:3]}, vc.LayoutError, "needs even sides; pass planes as out="),
        ({"out": (RGB[..., 0],)}, vc.LayoutError, "out is a list of 1, needs the 2 planes"),
        ({"out": np.zeros((6, 5), np.uint8)}, vc.LayoutError, "even width"),
        ({"out": cv2.cuda.GpuMat()}, vc.LayoutError, "out is an empty cv2.cuda.GpuMat, needs mem"),
        ({"out": np.zeros((6, 8), np.uint8)}, vc.LayoutError, "needs the same size"),
        ({"out": np.zeros((6, 6), np.uint16)}, vc.DTypeError, "plane Y of format nv12 is uint16"),
        (
            {"out": np.zeros((6, 6), np.uint8)[:, ::-1][::-1].view() * 0 == 1},
            vc.DTypeError,
            "is bool",
        ),
        ({"device": 0}, vc.DeviceError, "host memory only|no such|no CUDA"),
    ],
)
def test_what_to_yuv_refuses(change, error, message):
    if "device" in change and vc.host_mode():
        pytest.skip("device=0 is the host in host mode")
    arguments = {"image": RGB, "format": "nv12", "matrix": "bt709", "range": "limited"}
    with pytest.raises(error, match=message):
        vc.to_yuv(**{**arguments, **change})


def test_to_yuv_writes_all_or_nothing():
    arguments = {"format": "i420", "matrix": "bt709", "range": "limited"}
    memory = np.full(200, 7, np.uint8)
    image, luma = memory[:72].reshape(4, 6, 3), np.full((4, 6), 7, np.uint8)
    half = np.full((2, 3), 7, np.uint8)
    frozen = half.copy()
    frozen.flags.writeable = False
    for planes, message in (
        ((luma, half, frozen), "plane 2 is read-only|read-only"),
        ((luma, half, half), "planes 1 and 2 share memory"),
        ((luma, half, memory[60:66].reshape(2, 3)), "plane 2 shares memory with the image"),
        ((luma, half, np.full((3, 3), 7, np.uint8)), r"plane V .* needs the shape \(2, 3\)"),
    ):
        with pytest.raises(vc.ViewError, match=message):
            vc.to_yuv(image, out=planes, **arguments)
        assert (luma == 7).all()
        assert (half == 7).all()
