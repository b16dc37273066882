# SPDX-License-Identifier: Apache-2.0
"""`viewcast convert`: pictures, videos and arrays into each other."""

import subprocess
import sys

import numpy as np
import pytest

from viewcast.__main__ import main
from viewcast.demo import sample_clip

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

IMAGENET = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder of its own; the error that it printed, or None."""
    monkeypatch.chdir(tmp_path)

    def convert(*arguments):
        monkeypatch.setattr(sys, "argv", ["viewcast", "convert", *map(str, arguments)])
        code = main()
        printed = capsys.readouterr()
        assert code == (2 if printed.err else 0)
        return printed.err.removeprefix("viewcast convert: ").strip() or None

    return convert


@pytest.fixture
def pixels(tmp_path):
    """What in.png in the test's folder holds."""
    array = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "in.png")
    return array


def test_a_picture_as_it_is(run, pixels):
    assert run("in.png", "out.npy") is None
    assert (np.load("out.npy") == pixels).all()


@pytest.mark.parametrize(
    ("layout", "axes"),
    [("HWC", (0, 1, 2)), ("CHW", (2, 0, 1)), ("NHWC", (0, 1, 2)), ("NCHW", (2, 0, 1))],
)
def test_layouts(run, pixels, layout, axes):
    assert run("in.png", "out.npz", "--layout", layout) is None
    expected = pixels.transpose(axes)
    if layout[0] == "N":
        expected = expected[None]
    found = np.load("out.npz")["images"]
    assert found.shape == expected.shape
    assert (found == expected).all()


def test_as_a_model_wants_it(run, pixels):
    arguments = ("--layout", "NCHW", "--dtype", "float16", "--normalize", "imagenet")
    assert run("in.png", "out.npy", *arguments) is None
    mean, deviation = IMAGENET
    expected = ((pixels / 255 - mean) / deviation).transpose(2, 0, 1)[None]
    found = np.load("out.npy")
    assert found.dtype == np.float16
    assert np.abs(found - expected).max() < 2e-3


def test_numbers_of_one_s_own(run, pixels):
    assert run("in.png", "out.npy", "--scale", 0.5, "--mean", "1,2,3", "--std", 4, "--bgr") is None
    found = np.load("out.npy")
    assert found.dtype == np.float32
    assert np.allclose(found, (pixels[..., ::-1] * 0.5 - [1, 2, 3]) / 4)


def test_alpha_comes_and_goes(run, pixels):
    assert run("in.png", "four.png", "--channels", 4) is None
    four = np.asarray(Image.open("four.png"))
    assert (four[..., :3] == pixels).all() and (four[..., 3] == 255).all()
    assert run("four.png", "three.npy", "--channels", 3) is None
    assert (np.load("three.npy") == pixels).all()


def test_there_and_back_through_a_planar_file(run, pixels):
    assert run("in.png", "planar.npy", "--layout", "CHW") is None
    assert np.load("planar.npy").shape == (3, 40, 60)
    assert run("planar.npy", "out.png", "--from-layout", "CHW") is None
    assert (np.asarray(Image.open("out.png")) == pixels).all()


def test_grey_palette_and_turned_pictures(run, tmp_path):
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    image = Image.fromarray(np.dstack([grey, grey + 50, grey + 100]))
    image.quantize(24).save(tmp_path / "palette.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the right
    image.save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert run("grey.png", "out.npy") is None
    assert (np.load("out.npy") == grey).all()
    assert run("palette.png", "out.npy") is None
    assert np.load("out.npy").shape == (4, 6, 3)
    assert run("turned.png", "out.npy") is None
    assert (np.load("out.npy") == np.rot90(np.asarray(image), -1)).all()


# --- videos


@pytest.fixture
def clip():
    pytest.importorskip("av", reason="PyAV is not installed")
    return sample_clip() or pytest.skip("there is no sample clip")


def decoded(clip, count):
    import av

    with av.open(str(clip)) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="rgb24") for _ in range(count)]


@pytest.mark.parametrize(
    ("frames", "numbers"),
    [("0:3", [0, 1, 2]), ("2", [2]), ("1:6:2", [1, 3, 5]), (":2", [0, 1]), (None, [0])],
    ids=str,
)
def test_frames_of_a_video(run, clip, frames, numbers):
    chosen = [] if frames is None else ["--frames", frames]
    assert run(clip, "out.npy", "--layout", "NCHW", *chosen) is None
    expected = np.stack([decoded(clip, 6)[number] for number in numbers]).transpose(0, 3, 1, 2)
    assert (np.load("out.npy") == expected).all()


def test_frames_into_pictures(run, clip, tmp_path):
    assert run(clip, "frame-%02d.png", "--frames", "0:2") is None
    for number, frame in enumerate(decoded(clip, 2)):
        assert (np.asarray(Image.open(tmp_path / f"frame-{number:02}.png")) == frame).all()


def test_several_frames_need_a_number_in_the_name(run, clip):
    assert "frame-%03d.png" in run(clip, "frame.png", "--frames", "0:2")
    assert "needs one number" in run(clip, "%d-%d.png", "--frames", "0:2")
    assert "has no such frames" in run(clip, "out.npy", "--frames", "100000:")


# --- what can't be done


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing.png", "out.npy"), "there is no file nothing.png"),
        (("text.txt", "out.npy"), "is no picture and no video"),
        (("in.png", "out.png", "--layout", "CHW"), "a picture is HWC, not CHW"),
        (("in.png", "out.png", "--normalize", "unit"), "a picture holds uint8, not float32"),
        (("in.png", "out.npy", "--normalize", "unit", "--scale", "2"), "has its own scale"),
        (("in.png", "out.npy", "--dtype", "float8"), 'dtype is "float8"'),
        (("in.png", "out.npy", "--dtype", "bfloat16"), "have no bfloat16"),
        (("in.png", "out.npy", "--mean", "1,2"), "mean"),
        (("in.png", "out.npy", "--from-layout", "CHW"), "--from-layout is for .npy files"),
        (("in.png", "out.npy", "--device", "cuda:0"), "there is no CUDA device 0"),
        (("in.png", "out.nothing"), "unknown file extension"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_is_refused_says_why(run, pixels, tmp_path, arguments, message):
    (tmp_path / "text.txt").write_text("This is no picture.")
    assert message in run(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [("--frames", "x"), ("--frames", "0:1:0"), ("--mean", "a"), ("--layout", "WHC"), ("--std", "")],
    ids=" ".join,
)
def test_arguments_that_make_no_sense_are_a_usage_error(run, pixels, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run("in.png", "out.npy", *arguments)
    assert caught.value.code == 2
    assert "error: argument" in capsys.readouterr().err


@pytest.mark.parametrize("command", [(), ("doctor",), ("demo",), ("convert",), ("bench",)], ids=str)
def test_help_fits_80_columns(command):
    done = subprocess.run(
        [sys.executable, "-m", "viewcast", *command, "--help"],
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith("usage: python -m viewcast")
    assert max(map(len, done.stdout.splitlines())) <= 80
