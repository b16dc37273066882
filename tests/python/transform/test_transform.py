# SPDX-License-Identifier: Apache-2.0
"""to_tensor, to_cupy, to_numpy and to_gpumat, bit by bit against transform_reference.py."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import transform_reference as reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import HAS_LATER, LATER, MAKE, Memory, memory, ml_dtypes, numpy_dtype
from loaded_opencv import not_in_standin

import viewcast as vc

pytestmark = pytest.mark.any_opencv

DTYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
)
LAYOUTS = ("HWC", "CHW", "NHWC", "NCHW")
CHANNELS = (
    *((1, 1), (3, 3), (2, 2), (4, 4), (5, 5), (7, 7), (64, 64)),
    *((4, 3), (3, 4), (2, 1), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4)),
)
TO = {"torch": vc.to_tensor, "cupy": vc.to_cupy, "numpy": vc.to_numpy, "gpumat": vc.to_gpumat}
MATS = "gpumat"


def holds(library, dtype):
    """Whether the library has the dtype, in the versions that are installed."""
    if library == MATS:
        return HAS_LATER or dtype not in LATER
    return dtype != "bfloat16" or library in ("torch", "view") or ml_dtypes is not None


# ---------------------------------------------------------------------- sources


def random_values(shape, dtype, seed):
    """Random bit patterns, and special values: zeros, infinities, NaN, limits and halves."""
    rng = np.random.default_rng(seed)
    raw = reference.raw_dtype(dtype)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    values = rng.bytes(int(np.prod(shape)) * raw.itemsize)
    array = np.frombuffer(values, raw).reshape(shape).copy()
    if reference.is_float(dtype):
        some = rng.random(shape) < 0.7
        ordinary = rng.normal(0, 200, shape).astype(np.float32)
        ordinary = np.where(rng.random(shape) < 0.3, np.rint(ordinary) / 2, ordinary)
        array[some] = reference.stored(ordinary, dtype)[some]
    return array


PITCHES = ("packed", "padded", "shifted", "stepped", "flipped", "turned")


def place(values, pitch, seed=0):
    """Puts the values into memory of that layout and pitch; returns (view, its whole memory)."""
    shape, size = values.shape, values.itemsize
    order = list(range(values.ndim))
    if pitch == "turned":  # the last two axes are swapped in memory
        order[-1], order[-2] = order[-2], order[-1]
    elements = {"stepped": 2, "padded": 1, "shifted": 1}.get(pitch, 1)
    strides = [0] * values.ndim
    stride = size * elements
    for n, axis in enumerate(reversed(order)):
        strides[axis] = stride
        stride *= shape[axis]
        if pitch in ("padded", "shifted") and n == values.ndim - (3 if values.ndim > 2 else 2) + 1:
            stride += 64  # from row to row
    offset = 64 if pitch == "shifted" else 0
    span = size + sum((n - 1) * abs(s) for n, s in zip(shape, strides, strict=True))
    base = memory(offset + span + 64, seed)
    start = offset
    if pitch == "flipped":
        start += (shape[0] - 1) * strides[0]
        strides[0] = -strides[0]
    view = np.ndarray(shape, values.dtype, base, start, strides)
    view[...] = values
    return view, base


def produce(library, view, base, dtype):
    image = SimpleNamespace(array=view, memory=base, dtype=dtype, address=view.ctypes.data)
    return MAKE[library](image)


def axes(values, layout):
    """(N, H, W, C) in another order, N dropped where the layout has none."""
    array = values.transpose(0, 3, 1, 2) if layout.endswith("CHW") else values
    return array if layout.startswith("N") else array[0]


def raw(result, dtype):
    """A result as NumPy, bfloat16 as uint16."""
    if isinstance(result, torch.Tensor):
        if dtype == "bfloat16":
            return result.view(torch.uint16).numpy()
        return result.numpy()
    if isinstance(result, (list, tuple)):
        return np.stack([raw(image, dtype) for image in result])
    view = vc.view(result)
    if dtype == "bfloat16" and ml_dtypes is None:
        tensor = vc.as_tensor(view)
        return tensor.view(torch.uint16).numpy()
    array = vc.as_numpy(view)
    return array.view(np.uint16) if dtype == "bfloat16" else array


def assert_same(result, wanted, dtype):
    result = raw(result, dtype)
    if dtype == "bool" and result.dtype == np.uint8:
        wanted = wanted.view(np.uint8)  # a GpuMat's
    assert result.shape == wanted.shape
    assert result.dtype == wanted.dtype
    different = reference.bits(np.ascontiguousarray(result)) != reference.bits(
        np.ascontiguousarray(wanted)
    )
    assert not different.any(), (
        f"{different.sum()} of {different.size} differ, the first at "
        f"{np.argwhere(different)[0]}: {result[different][0]}, needs {wanted[different][0]}"
    )


# --------------------------------------------------------------------- options


@st.composite
def coefficients(draw, channels, work_is_float):
    """scale, mean and std that stay finite."""
    if draw(st.integers(0, 3)) == 0:
        return {}
    number = st.one_of(
        st.sampled_from([0.0, 1.0, 1 / 255, 0.5, -1.0, 2.0, 255.0, 0.1]),
        st.floats(-1e4, 1e4, width=32 if work_is_float else 64),
    )
    divisor = number.filter(lambda value: abs(value) > 1e-3)

    def some(numbers):
        count = draw(st.sampled_from([None, 0, channels]))
        if count is None:
            return None
        return draw(numbers) if count == 0 else tuple(draw(numbers) for _ in range(count))

    asked = {"scale": draw(number), "mean": some(number), "std": some(divisor)}
    return {name: value for name, value in asked.items() if value is not None}


@st.composite
def cases(draw):
    source, target = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(DTYPES))
    given_channels, wanted_channels = draw(st.sampled_from(CHANNELS))
    from_layout, layout = draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from(LAYOUTS))
    count = draw(st.integers(1, 3)) if from_layout.startswith("N") else 1
    if count > 1 or from_layout.startswith("N"):
        layout = "N" + layout.removeprefix("N")
    rows = draw(st.sampled_from([1, 2, 3, 5, 8, 13, 31]))
    cols = draw(st.sampled_from([1, 2, 3, 7, 16, 33, 61]))
    wide = any(map(reference.is_wide, (source, target)))
    options = draw(coefficients(wanted_channels, not wide))
    if given_channels != wanted_channels:
        options["channels"] = wanted_channels
        added = None in reference.sources_of_channels(given_channels, wanted_channels, False)
        if added and draw(st.booleans()):
            options["fill"] = draw(st.sampled_from([0.0, 0.3, 1.0, 255.0, -7.0, 1e6, 2.5]))
    if draw(st.booleans()):
        options["reverse_channels"] = True
    return SimpleNamespace(
        source=source,
        target=target,
        from_layout=from_layout,
        layout=layout,
        shape=(count, rows, cols, given_channels),
        options=options,
        pitch=draw(st.sampled_from(PITCHES)),
        out_pitch=draw(st.sampled_from(PITCHES)),
        library=draw(st.sampled_from(["numpy", "torch", "cupy"])),
        target_library=draw(st.sampled_from(["numpy", "torch", "cupy"])),
        seed=draw(st.integers(0, 99)),
    )


def fits(library, dtype, pitch):
    return holds(library, dtype) and (library != "torch" or pitch != "flipped")


def source_of(case):
    """The reference's input, and the same values as a library's image."""
    values = random_values(case.shape, case.source, case.seed)
    view, base = place(axes(values, case.from_layout), case.pitch)
    library = case.library if fits(case.library, case.source, case.pitch) else "torch"
    if not fits(library, case.source, case.pitch):
        view, base = place(axes(values, case.from_layout), "packed")
    return values, produce(library, view, base, case.source)


many = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@given(cases())
@many
def test_every_pair_of_types_layouts_and_channels(case):
    values, image = source_of(case)
    wanted = reference.transform(values, case.source, case.target, **case.options)
    library = case.target_library if holds(case.target_library, case.target) else "torch"
    result = TO[library](
        image, layout=case.layout, from_layout=case.from_layout, dtype=case.target, **case.options
    )
    assert_same(result, axes(wanted, case.layout), case.target)


@given(cases())
@many
def test_out_of_any_layout_and_nothing_beside_it(case):
    values, image = source_of(case)
    wanted = axes(
        reference.transform(values, case.source, case.target, **case.options), case.layout
    )
    pitch = case.out_pitch
    library = case.target_library if fits(case.target_library, case.target, pitch) else "torch"
    if not fits(library, case.target, pitch):
        pitch = "packed"
    view, base = place(np.zeros_like(wanted), pitch, seed=case.seed)
    out = produce(library, view, base, case.target)
    before = bytes(base)
    call = TO[("torch", "numpy", "cupy")[case.seed % 3]]
    result = call(image, layout=case.layout, from_layout=case.from_layout, out=out, **case.options)
    assert result is out
    written = bytes(base)
    assert_same(out, wanted, case.target)
    view[...] = np.zeros_like(wanted)
    poisoned = np.frombuffer(before, np.uint8).copy()
    np.ndarray(view.shape, view.dtype, poisoned, view.ctypes.data - base.ctypes.data, view.strides)[
        ...
    ] = wanted
    assert poisoned.tobytes() == written


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_every_value_of_8_and_16_bits(source, target):
    """All values of a channel, with and without arithmetic."""
    size = reference.raw_dtype(source).itemsize
    if size > 2:
        values = random_values((1, 64, 64, 1), source, 3)
    elif source == "bool":
        values = np.array([False, True] * 8).reshape(1, 4, 4, 1)
    else:
        count = 1 << 8 * size
        values = np.arange(count).astype(f"uint{8 * size}").view(reference.raw_dtype(source))
        values = values.reshape(1, -1, 16, 1)
    library = "numpy" if holds("numpy", source) else "torch"
    view, base = place(values[0], "packed")
    image = produce(library, view, base, source)
    for options in ({}, {"scale": 1 / 255}, {"scale": 3, "mean": 100.5, "std": 0.7}):
        result = vc.to_tensor(image, from_layout="HWC", dtype=target, **options)
        wanted = reference.transform(values, source, target, **options)[0]
        assert_same(result, wanted, target)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("source", "target"), [("uint8", "float32"), ("uint8", "uint8"), ("float32", "float16")]
)
def test_large_images(source, target, layout):
    values = random_values((2, 479, 641, 3), source, 5)
    view, base = place(values, "packed")
    options = {"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)}
    if target == source:
        options = {}
    result = vc.to_tensor(
        produce("numpy", view, base, source),
        layout=layout,
        dtype=target,
        reverse_channels=True,
        **options,
    )
    wanted = reference.transform(values, source, target, reverse_channels=True, **options)
    assert_same(result, axes(wanted, layout), target)


# ------------------------------------------------------------ other libraries


PRECISION = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}  # bits of the fraction


def ulp(size, dtype):
    """Of a dtype, at numbers of that size."""
    return np.exp2(np.floor(np.log2(size)) - PRECISION[dtype])


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", [dtype for dtype in DTYPES if dtype != "bool"])
def test_results_are_close_to_extended_precision(source, target):
    """Within 2 ulp of the larger of |x·a| and |b|; integers are rounded as well."""
    shape, mean, std = (37, 29, 3), (0.485, 0.456, 0.406), (0.0229, 0.0224, 0.0225)
    if reference.is_float(source):
        numbers = np.random.default_rng(7).normal(0, 1, shape)
        values, scale = reference.stored(numbers, source), 1.0
    else:
        values = random_values(shape, source, 7)
        scale = 1.0 if source == "bool" else 1 / np.iinfo(source).max
    view, base = place(values, "packed")
    library = "numpy" if holds("numpy", source) else "torch"
    image = produce(library, view, base, source)
    result = raw(vc.to_tensor(image, dtype=target, scale=scale, mean=mean, std=std), target)
    x = reference.loaded(values, source).astype(np.longdouble)
    a, b = np.longdouble(scale) / np.array(std, np.longdouble), -np.array(mean) / np.longdouble(std)
    exact, size = x * a + b, np.maximum(np.abs(x * a), np.abs(b))
    if target in PRECISION:
        allowed = 2 * ulp(size, target)
        result = reference.loaded(result, target)
    else:
        wide = reference.is_wide(source) or reference.is_wide(target)
        allowed = 0.5 + 2 * ulp(size, "float64" if wide else "float32")
        exact = np.clip(exact, np.iinfo(target).min, np.iinfo(target).max)
    assert (np.abs(result.astype(np.longdouble) - exact) <= allowed).all()


def test_the_same_as_torch_eager():
    """to_tensor() replaces this chain of calls, which rounds four times."""
    values = torch.from_numpy(random_values((2, 33, 47, 3), "uint8", 1))
    chain = values.flip(3).permute(0, 3, 1, 2).contiguous().float().div(255)
    mean, std = torch.tensor(vc.IMAGENET.mean), torch.tensor(vc.IMAGENET.std)
    chain = chain.sub(mean.view(3, 1, 1)).div(std.view(3, 1, 1))
    result = vc.to_tensor(
        values, layout="NCHW", dtype=torch.float32, normalize=vc.IMAGENET, reverse_channels=True
    )
    assert result.is_contiguous()
    torch.testing.assert_close(result, chain, rtol=1e-6, atol=1e-6)


@not_in_standin
@pytest.mark.parametrize(
    "source", ["uint8", "int16", "uint16", "int8", "float32", "float64", "int32"]
)
@pytest.mark.parametrize(
    "target", ["uint8", "int8", "uint16", "int16", "int32", "float32", "float64"]
)
def test_the_same_as_opencv_saturates(source, target):
    """cv2.add of zeros with a dtype is saturate_cast, which is defined for values that an int
    holds; only those are compared."""
    values = random_values((1, 37, 29, 3), source, 8)[0]
    values = np.clip(np.nan_to_num(values), -2e9, 2e9).astype(source)
    depth = {
        "uint8": cv2.CV_8U,
        "int8": cv2.CV_8S,
        "uint16": cv2.CV_16U,
        "int16": cv2.CV_16S,
        "int32": cv2.CV_32S,
        "float32": cv2.CV_32F,
        "float64": cv2.CV_64F,
    }[target]
    wanted = cv2.add(values, np.zeros_like(values), dtype=depth)
    np.testing.assert_array_equal(vc.to_numpy(values, dtype=target), wanted)


@not_in_standin
def test_the_same_as_split_merge_and_convert_scale_abs():
    values = random_values((1, 41, 23, 3), "uint8", 2)[0]
    np.testing.assert_array_equal(vc.to_numpy(values, layout="CHW"), np.stack(cv2.split(values)))
    planar = np.stack(cv2.split(values))
    np.testing.assert_array_equal(
        vc.to_numpy(planar, from_layout="CHW", layout="HWC"), cv2.merge(list(planar))
    )
    np.testing.assert_array_equal(
        vc.to_numpy(values, dtype="uint8", scale=1.5, mean=-3),
        cv2.convertScaleAbs(values, alpha=1.5, beta=3),
    )
    for code, channels in ((cv2.COLOR_BGR2RGB, 3), (cv2.COLOR_BGR2BGRA, 4)):
        wanted = cv2.cvtColor(values, code)
        result = vc.to_numpy(values, channels=channels, reverse_channels=channels == 3)
        np.testing.assert_array_equal(result, wanted)
    grey = values[..., 0].copy()
    np.testing.assert_array_equal(
        vc.to_numpy(grey, channels=3), cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    )
    np.testing.assert_array_equal(
        vc.to_numpy(grey, channels=4), cv2.cvtColor(grey, cv2.COLOR_GRAY2BGRA)
    )


# ------------------------------------------------------------- GpuMats and lists

MAT_DTYPES = [d for d in DTYPES if d != "bool" and (HAS_LATER or d not in LATER)]


@pytest.mark.parametrize("dtype", MAT_DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_gpumats_on_both_sides(dtype, channels):
    values = random_values((1, 9, 11, channels), dtype, channels)
    planar, base = place(axes(values, "CHW"), "packed")
    library = "numpy" if holds("numpy", dtype) else "torch"
    mat = vc.to_gpumat(produce(library, planar, base, dtype), from_layout="CHW")
    assert mat.size() == (11, 9) and mat.channels() == channels
    flat = values[0, ..., 0] if channels == 1 else values[0]
    assert_same(mat, flat, dtype)
    back = vc.to_tensor(mat, layout="CHW")
    assert_same(back, axes(values, "CHW"), dtype)
    one = vc.to_tensor(mat, layout="NHWC", dtype="float32")
    assert_same(one, reference.transform(values, dtype, "float32"), "float32")


def test_bool_is_8u_in_a_gpumat():
    values = random_values((1, 5, 7, 3), "uint8", 0) // 128
    mat = vc.to_gpumat(values[0], dtype=bool)
    assert mat.depth() == cv2.CV_8U
    np.testing.assert_array_equal(vc.as_numpy(mat), values[0] != 0)


@pytest.mark.parametrize("shape", [(4, 10, 7, 3), (1, 10, 7, 3), (5, 1, 13, 1), (3, 6, 4, 4)])
@pytest.mark.parametrize("planar", [False, True])
def test_a_batch_gives_gpumats_over_one_block(shape, planar):
    values = random_values(shape, "uint8", 4)
    batch = np.ascontiguousarray(axes(values, "NCHW")) if planar else values
    mats = vc.to_gpumat(batch, from_layout="NCHW" if planar else "NHWC")
    assert [mat.size() for mat in mats] == [(shape[2], shape[1])] * shape[0]
    addresses = [mat.cudaPtr() for mat in mats]
    distances = {b - a for a, b in zip(addresses, addresses[1:], strict=False)}
    row = -(-shape[2] * shape[3] // 32) * 32
    assert len(distances) <= 1 and all(distance == shape[1] * row for distance in distances)
    assert all(address % 32 == 0 for address in addresses)
    for mat, image in zip(mats, values, strict=True):
        np.testing.assert_array_equal(vc.as_numpy(mat, keepdim=True), image)
    listed = vc.to_gpumat(list(values))
    for mat, image in zip(listed, values, strict=True):
        np.testing.assert_array_equal(vc.as_numpy(mat, keepdim=True), image)


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("cols", [1, 5, 32])
def test_rows_of_gpumats_are_where_textures_want_them(rows, cols):
    mat = vc.to_gpumat(np.zeros((rows, cols, 3), np.uint8))
    assert mat.cudaPtr() % 32 == 0
    assert rows == 1 or mat.step % 32 == 0
    assert mat.step >= 3 * cols and mat.step < 3 * cols + 32


@pytest.mark.parametrize("library", ["numpy", "torch", "cupy", "gpumat", "view"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_list_is_a_batch(library, layout):
    values = random_values((5, 12, 9, 3), "uint8", 6)
    kept = [
        place(image, pitch) for image, pitch in zip(values, ["packed", "padded"] * 3, strict=False)
    ]
    images = [produce(library, view, base, "uint8") for view, base in kept]
    options = {"scale": 1 / 255, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
    for sequence in (images, tuple(images)):
        result = vc.to_tensor(
            sequence, layout=layout, dtype=torch.float16, reverse_channels=True, **options
        )
        expected = reference.transform(values, "uint8", "float16", reverse_channels=True, **options)
        assert_same(result, axes(expected, layout), "float16")


def test_a_list_of_different_libraries():
    values = random_values((5, 6, 8, 3), "uint8", 9)
    kept = [place(image, "packed") for image in values]
    libraries = ["numpy", "torch", "cupy", "gpumat", "view"]
    images = [
        produce(library, view, base, "uint8")
        for library, (view, base) in zip(libraries, kept, strict=True)
    ]
    np.testing.assert_array_equal(vc.to_numpy(images), values)
    np.testing.assert_array_equal(vc.to_numpy(images[:1]), values[:1])


def test_lists_of_planar_images_and_of_batches_of_one():
    values = random_values((3, 3, 50, 60), "float32", 3)
    for images in (list(values), [image[None] for image in values]):
        for name in ("NCHW", "CHW") if images[0].ndim == 3 else ("NCHW",):
            assert_same(vc.to_numpy(images, from_layout=name), values, "float32")


@pytest.mark.parametrize("library", ["numpy", "torch", "gpumat"])
@pytest.mark.parametrize("where", ["one block", "apart", "tiles of a canvas", "uneven"])
def test_out_as_a_list(library, where):
    values = random_values((3, 3, 8, 10), "float32", 3)
    canvas = np.zeros((40, 40, 3), np.float32)
    outs = {
        "one block": lambda: list(np.zeros((3, 8, 10, 3), np.float32)),
        "apart": lambda: [np.zeros((8, 10, 3), np.float32) for _ in range(3)],
        "tiles of a canvas": lambda: [canvas[2:10, 10 * n : 10 * n + 10] for n in range(3)],
        "uneven": lambda: [canvas[n : n + 8, :10] for n in (0, 9, 30)],
    }[where]()
    images = outs
    if library == "torch":
        images = [torch.from_numpy(out) for out in outs]
    if library == "gpumat":
        images = [vc.as_gpumat(out) for out in outs]
    for source in (values, list(values)):
        for out in outs:
            out[...] = 0
        assert vc.to_gpumat(source, from_layout="NCHW", out=images) is images
        for out, image in zip(outs, values, strict=True):
            np.testing.assert_array_equal(out, image.transpose(1, 2, 0))
    if where in ("tiles of a canvas", "uneven"):
        for out in outs:
            out[...] = 0
        assert not canvas.any()


# ------------------------------------------------------------- shapes of results

SHAPES = [
    # source, from_layout, options, result
    ((5, 6), None, {}, (5, 6)),
    ((5, 6), None, {"keepdim": True}, (5, 6, 1)),
    ((5, 6), None, {"layout": "CHW"}, (1, 5, 6)),
    ((5, 6), None, {"layout": "NHWC"}, (1, 5, 6, 1)),
    ((5, 6), None, {"channels": 3}, (5, 6, 3)),
    ((5, 6), "CHW", {}, (1, 5, 6)),
    ((5, 6, 1), None, {}, (5, 6, 1)),
    ((5, 6, 1), None, {"layout": "HWC"}, (5, 6, 1)),
    ((5, 6, 2), None, {"channels": 1}, (5, 6, 1)),
    ((5, 6, 3), None, {}, (5, 6, 3)),
    ((5, 6, 3), None, {"layout": "NCHW"}, (1, 3, 5, 6)),
    ((3, 5, 6), "CHW", {}, (3, 5, 6)),
    ((3, 5, 6), "CHW", {"layout": "HWC"}, (5, 6, 3)),
    ((1, 5, 6), "CHW", {"layout": "HWC"}, (5, 6, 1)),
    ((2, 5, 6, 3), None, {}, (2, 5, 6, 3)),
    ((2, 5, 6, 1), None, {}, (2, 5, 6, 1)),
    ((2, 3, 5, 6), "NCHW", {}, (2, 3, 5, 6)),
    ((2, 3, 5, 6), "NCHW", {"layout": "NHWC"}, (2, 5, 6, 3)),
    ((0, 5, 3), None, {}, (0, 5, 3)),
    ((0, 5, 6, 3), None, {"layout": "NCHW"}, (0, 3, 5, 6)),
]


@pytest.mark.parametrize(("shape", "from_layout", "options", "wanted"), SHAPES)
@pytest.mark.parametrize("library", ["torch", "numpy", "cupy"])
def test_shapes(library, shape, from_layout, options, wanted):
    image = np.zeros(shape, np.float32)
    result = TO[library](image, from_layout=from_layout, **options)
    assert tuple(result.shape) == wanted


@pytest.mark.parametrize("keepdim", [False, True])
def test_a_gpumat_of_one_channel(keepdim):
    mat = vc.as_gpumat(np.zeros((5, 6), np.uint8))
    wanted = (5, 6, 1) if keepdim else (5, 6)
    assert vc.to_numpy(mat, keepdim=keepdim).shape == wanted
    assert vc.to_numpy(mat, layout="CHW", keepdim=keepdim).shape == (1, 5, 6)


def test_empty_gpumats():
    empty = cv2.cuda.GpuMat()
    assert vc.to_numpy(empty).size == 0
    made = vc.to_gpumat(np.zeros((0, 5, 3), np.uint8))
    assert made.empty() and made.size() == (5, 0)
    assert vc.to_gpumat(np.zeros((0, 4, 5, 3), np.uint8)) == []


def test_views_of_what_can_be_none_are_one_copy():
    """as_gpumat(copy=None) of layouts that no GpuMat has."""
    planar = np.ascontiguousarray(random_values((1, 20, 30, 3), "uint8", 1)[0].transpose(2, 0, 1))
    tensor = torch.from_numpy(planar)
    permuted = tensor.permute(1, 2, 0)
    with pytest.raises(vc.LayoutError, match="to_gpumat"):
        vc.as_gpumat(permuted)
    for copy in (None, True):
        mat = vc.as_gpumat(permuted, copy=copy)
        np.testing.assert_array_equal(vc.as_numpy(mat), planar.transpose(1, 2, 0))
        assert mat.cudaPtr() != tensor.data_ptr()
    with pytest.raises(vc.LayoutError, match='looks planar.*from_layout="CHW"'):
        vc.as_gpumat(tensor, copy=None)
    mat = vc.as_gpumat(tensor, from_layout="CHW", copy=None)
    np.testing.assert_array_equal(vc.as_numpy(mat), planar.transpose(1, 2, 0))
    flipped = np.flip(planar.transpose(1, 2, 0), 0)
    for target, copied in ((vc.as_tensor, True), (vc.as_gpumat, True), (vc.as_numpy, False)):
        view = target(flipped, copy=None)
        np.testing.assert_array_equal(vc.as_numpy(view), flipped)
        assert (vc.view(view).ptr != vc.view(flipped).ptr) == copied


def test_views_that_are_not_aligned_are_one_copy():
    raw_memory = np.zeros(4 * 6 * 4 * 4 + 4, np.uint8).view(Memory)
    start = 4 if raw_memory.ctypes.data % 16 == 0 else 0
    image = raw_memory[start : start + 4 * 6 * 4 * 4].view(np.float32).reshape(4, 6, 4)
    if image.ctypes.data % 16 == 0:
        image = np.ndarray((4, 6, 4), np.float32, raw_memory, 4)
    with pytest.raises(vc.LayoutError, match="to_gpumat"):
        vc.as_gpumat(image)
    image[...] = np.arange(96).reshape(4, 6, 4)
    np.testing.assert_array_equal(vc.as_numpy(vc.as_gpumat(image, copy=None)), image)


def test_one_axis_is_copied_too():
    line = np.arange(20, dtype=np.int16)
    for view in (line, line[::3], line[::-1]):
        np.testing.assert_array_equal(vc.as_numpy(view, copy=True), view)
        np.testing.assert_array_equal(vc.as_tensor(view, copy=True).numpy(), view)
    with pytest.raises(vc.LayoutError, match="rank 1"):
        vc.as_gpumat(line, copy=True)


def test_a_batch_is_no_gpumat():
    for copy in (None, True):
        with pytest.raises(vc.LayoutError, match="rank 4"):
            vc.as_gpumat(np.zeros((2, 4, 5, 3), np.uint8), copy=copy)


def test_dtypes_of_bfloat16():
    if ml_dtypes is None:
        with pytest.raises(vc.DTypeError, match="ml_dtypes"):
            vc.to_numpy(np.zeros((2, 3), np.float32), dtype="bfloat16")
    else:
        assert vc.to_numpy(np.zeros((2, 3)), dtype="bfloat16").dtype == numpy_dtype("bfloat16")
