# SPDX-License-Identifier: Apache-2.0
"""Normalisation: fractions need a floating dtype, and presets are for uint8 sources only."""

import ast
import copy
import dataclasses
import pickle
import re

import numpy as np
import pytest
import torch
from pages import ROOT

import viewcast as vc

FUNCTIONS = (vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat)
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
INTEGERS = ("uint8", "int8", "uint16", "int16", "int32", "bool")
PRESETS = {"unit": vc.UNIT, "symmetric": vc.SYMMETRIC, "imagenet": vc.IMAGENET, "clip": vc.CLIP}


def image(dtype="uint8", shape=(4, 6, 3)):
    return (np.arange(np.prod(shape)).reshape(shape) % 2).astype(dtype)


# ---------------------------------------------------------- fractions in integers

FRACTIONS = [
    {"scale": 1 / 255},
    {"scale": 0.5},
    {"scale": 2.5},
    {"mean": 0.5},
    {"mean": (0, 0, 0.25)},
    {"std": 2},
    {"std": (1, 1, 0.3)},
    {"scale": 4, "std": (2, 4, 8)},
    {"mean": 3, "std": 2},
    {"normalize": vc.Normalization(1 / 2)},
    {"normalize": vc.Normalization(std=(2, 4, 8))},
]
WHOLE = [
    {},
    {"scale": 1},
    {"scale": 255},
    {"scale": -1, "mean": -255},
    {"mean": (1, 2, 3)},
    {"std": 0.5},
    {"scale": 4, "mean": (4, 2, 0), "std": (2, 1, -1)},
    {"normalize": vc.Normalization(3, 2, 1)},
    {"normalize": vc.Normalization()},
]


@pytest.mark.parametrize("options", FRACTIONS, ids=repr)
@each_function
def test_fractions_need_a_dtype(function, options):
    for source in INTEGERS:
        for given in (image(source), [image(source)] * 2, image(source, (2, 4, 6, 3))):
            with pytest.raises(ValueError, match=f"would be {source} .*dtype=") as caught:
                function(given, **options)
            assert type(caught.value) is ValueError
    for source in ("uint8", "int16"):
        for target in (source, "float32"):
            assert vc.view(function(image(source), dtype=target, **options)).dtype == target
        out = np.full((4, 6, 3), 7, "int16")
        assert function(image(source), out=out, **options) is out


@pytest.mark.parametrize("layout", ["CHW", "NCHW", "NHWC"])
def test_fractions_need_a_dtype_in_every_layout(layout):
    with pytest.raises(ValueError, match="would be uint8"):
        vc.to_numpy(image(), layout=layout, scale=1 / 255)


@pytest.mark.parametrize("options", WHOLE, ids=repr)
@each_function
def test_whole_factors_need_nothing(function, options):
    for source in INTEGERS:
        result = vc.as_numpy(function(image(source), **options))
        assert vc.view(result).dtype in (source, "uint8")  # a GpuMat has no bool in OpenCV 4


@pytest.mark.parametrize("source", ["float16", "float32", "float64"])
def test_floats_keep_their_dtype(source):
    for options in (*FRACTIONS, *WHOLE):
        assert vc.to_numpy(image(source), **options).dtype == source
    floats = torch.zeros(4, 6, 3, dtype=torch.bfloat16)
    assert vc.to_tensor(floats, scale=1 / 255).dtype == torch.bfloat16


def test_the_message_names_the_channel_and_its_factors():
    with pytest.raises(ValueError, match=r"0\.5 and -1\.5 in channel 1\)"):
        vc.to_numpy(image(), mean=(0, 3, 1), std=(1, 2, 1))


def test_one_channel_of_wrong_counts_is_the_counts_error():
    with pytest.raises(ValueError, match="mean has 2 values, needs 1 or one for each"):
        vc.to_numpy(image(), mean=(1, 2), std=(1, 1, 1))


# ------------------------------------------------------- Normalization's field source


@pytest.mark.parametrize("name", PRESETS)
@each_function
def test_presets_are_for_uint8(function, name):
    for normalize in (PRESETS[name], name, name.upper(), name.title()):
        result = vc.as_numpy(function(image(), dtype="float32", normalize=normalize))
        preset = PRESETS[name]
        wanted = (image() * preset.scale - np.array(preset.mean)) / np.array(preset.std)
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-5)
        for source in ("uint16", "int8", "bool", "float16", "float32", "float64", "int64"):
            for given in (image(source), [image(source)] * 2):
                with pytest.raises(ValueError, match=f"made for uint8 .* is {source}, needs"):
                    function(given, dtype="float32", normalize=normalize)
            out = np.full((4, 6, 3), 7, np.float32)
            with pytest.raises(ValueError, match="made for uint8"):
                function(image(source), out=out, normalize=normalize)
            assert (out == 7).all()


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("uint16", 'scale=1/65535, source="uint16"'),
        ("int16", 'scale=1/32767, source="int16"'),
        ("uint64", 'scale=1/18446744073709551615, source="uint64"'),
        ("float32", 'scale=1, source="float32"'),
        ("bool", 'scale=1, source="bool"'),
    ],
)
def test_the_message_says_which_normalization_to_make(source, advice):
    with pytest.raises(ValueError) as caught:
        vc.to_numpy(image(source), dtype="float32", normalize="imagenet")
    assert advice in str(caught.value)
    assert "dataclasses.replace(it, source=None)" in str(caught.value)


def test_a_normalization_with_a_source_takes_that_dtype():
    deep = dataclasses.replace(vc.IMAGENET, scale=1 / 65535, source="uint16")
    pixels = image("uint16") * 65535
    result = vc.to_numpy(pixels, dtype="float64", normalize=deep)
    wanted = (pixels / 65535 - np.array(vc.IMAGENET.mean)) / np.array(vc.IMAGENET.std)
    np.testing.assert_allclose(result, wanted, rtol=1e-12)
    with pytest.raises(ValueError, match="made for uint16 pixels .* is uint8"):
        vc.to_numpy(image(), dtype="float32", normalize=deep)
    for source in ("uint8", "uint16", "float32"):
        free = vc.Normalization(1, 0.5, 0.25)
        assert free.source is None
        result = vc.to_numpy(image(source), dtype="float32", normalize=free)
        np.testing.assert_array_equal(result, (image("float32") - 0.5) / 0.25)
    anything = dataclasses.replace(vc.UNIT, source=None)
    assert vc.to_numpy(image("float32"), normalize=anything).max() == np.float32(1 / 255)


@pytest.mark.parametrize("source", ["float32", torch.float32, np.float32, np.dtype("f4"), "float"])
def test_a_source_is_any_dtype(source):
    made = vc.Normalization(2, source=source)
    assert made.source == "float32" and made == vc.Normalization(2, source="float32")
    assert hash(made) == hash(vc.Normalization(2, source="float32"))
    assert made != vc.Normalization(2)
    assert vc.to_numpy(image("float32"), normalize=made).max() == 2


def test_normalizations_are_immutable_values():
    for known in (*PRESETS.values(), vc.Normalization()):
        again = pickle.loads(pickle.dumps(known))
        assert again == known and hash(again) == hash(known)
        with pytest.raises(AttributeError):
            known.source = "float32"
    assert all(known.source == "uint8" for known in PRESETS.values())
    assert vc.Normalization(1, np.float32(2), np.array([3, 4])) == vc.Normalization(1, 2, (3, 4))


def test_copies_of_a_normalization_work():
    for known in (vc.IMAGENET, vc.Normalization(2, (1, 2, 3), 4)):
        wanted = vc.to_numpy(image(), dtype="float64", normalize=known)
        copies = (copy.copy(known), copy.deepcopy(known), pickle.loads(pickle.dumps(known)))
        for each in (*copies, dataclasses.replace(known)):
            result = vc.to_numpy(image(), dtype="float64", normalize=each)
            np.testing.assert_array_equal(result, wanted)
        assert dataclasses.asdict(known).keys() == {"scale", "mean", "std", "source"}


@pytest.mark.parametrize(
    "packed",
    [
        None,
        (),
        (1.0, b"", b"", -1),
        (1.0, bytes(8), bytes(12), -1),
        (1.0, bytes(8), bytes(8 * 513), -1),
        (1.0, bytes(8), bytes(8), 99),
        ("1", bytes(8), bytes(8), -1),
        (1.0, 1.0, 1.0, -1),
    ],
)
def test_a_normalization_that_was_changed_is_refused(packed):
    broken = vc.Normalization(2)
    object.__setattr__(broken, "_c", packed)
    with pytest.raises(TypeError):
        vc.to_numpy(image(), dtype="float32", normalize=broken)


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"scale": float("nan")}, ValueError, "scale is or holds nan, needs finite numbers"),
        ({"scale": (1, 2)}, TypeError, "scale is a tuple, needs one number"),
        ({"scale": None}, TypeError, "scale is or holds a NoneType, needs numbers"),
        ({"scale": True}, TypeError, "scale is or holds a bool, needs numbers"),
        ({"mean": "0.5"}, TypeError, "mean is or holds a str, needs numbers"),
        ({"mean": None}, TypeError, "mean is or holds a NoneType"),
        ({"mean": (0, float("inf"))}, ValueError, "mean is or holds inf"),
        ({"std": 0}, ValueError, "std is or holds 0, needs numbers other than 0"),
        ({"std": (1, 0, 1)}, ValueError, "std is or holds 0, needs numbers other than 0"),
        ({"std": ()}, ValueError, "std is empty"),
        ({"source": "uint9"}, TypeError, 'source is "uint9", needs "bool", "int8"'),
        ({"source": 5}, TypeError, "source is 5, an int"),
        ({"source": True}, TypeError, "source is a bool"),
    ],
    ids=str,
)
def test_fields_are_checked_when_it_is_made(fields, error, words):
    with pytest.raises(error, match=words):
        vc.Normalization(**fields)


# ------------------------------------------- the project's own programs and pages


def calls_that_normalise():
    """(file, call) of every to_* with the statistics of RGB images, in programs and pages."""
    paths = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    paths += [*ROOT.glob("examples/*.py"), *ROOT.glob("python/viewcast/**/*.py")]
    for path in paths:
        text = path.read_text()
        blocks = re.findall(r"```python\n(.*?)```", text, re.S) if path.suffix == ".md" else [text]
        for node in (node for block in blocks for node in ast.walk(ast.parse(block))):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).startswith("vc.to_"):
                continue
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if "normalize" in options or "0.485" in options.get("mean", ""):
                yield path.relative_to(ROOT), ast.unparse(node), options


def test_our_own_programs_reverse_the_channels_of_gpumats():
    """Pixels of a GpuMat are BGR. The calls whose pixels are not are listed here."""
    found = list(calls_that_normalise())
    assert len(found) >= 4
    # White images, whose order does not matter; PIL images, frames of PyAV and YUV images, which
    # are RGB.
    rgb = {"README.md", "docs/tutorial.md", "docs/how-to/video.md"}
    rgb |= {"docs/transforms.md", "docs/interoperability.md", "examples/video_yuv.py"}
    for path, call, options in found:
        assert options.get("reverse_channels") == "True" or str(path) in rgb, f"{path}: {call}"
