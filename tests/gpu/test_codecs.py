# SPDX-License-Identifier: Apache-2.0
"""Results of NVIDIA's decoders: frames of PyNvVideoCodec, images of nvImageCodec."""

import importlib
import struct

import numpy as np
import pytest
from neighbours import is_installed
from pictures import converts_yuv, pattern, pixels

import viewcast as vc
from viewcast.clip import sample_clip


def load(name):
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"{name} does not work here: {str(error).splitlines()[0]}")


# --- PyNvVideoCodec


@pytest.fixture(scope="module")
def video_codec():
    return load("PyNvVideoCodec")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    av = pytest.importorskip("av", reason="PyAV makes the sample clip")
    if "libx264" not in av.codecs_available:
        pytest.skip("this PyAV has no H.264 encoder, and NVDEC decodes no other clip of ours")
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    path.write_bytes(sample_clip().getvalue())
    return path


def decoder(codec, clip, colours):
    try:
        return codec.SimpleDecoder(str(clip), use_device_memory=True, output_color_type=colours)
    except RuntimeError as error:  # a GPU or a container without NVDEC
        pytest.skip(f"PyNvVideoCodec does not decode here: {str(error).splitlines()[0]}")


def test_frames_in_rgb_are_views(video_codec, clip):
    frames = decoder(video_codec, clip, video_codec.OutputColorType.RGB)
    frame = frames[0]
    mat = vc.as_gpumat(frame)
    tensor = vc.as_tensor(frame)
    assert (mat.size(), mat.channels()) == ((1280, 720), 3)
    assert tensor.data_ptr() == vc.as_cupy(frame).data.ptr == mat.cudaPtr()
    assert pixels(mat).std() > 1
    np.testing.assert_array_equal(pixels(mat), tensor.cpu().numpy())


def test_a_frame_in_nv12_is_one_plane(video_codec, clip):
    frames = decoder(video_codec, clip, video_codec.OutputColorType.NATIVE)  # its frames' memory
    frame = frames[0]
    mat = vc.as_gpumat(frame)
    assert (mat.size(), mat.channels()) == ((1280, 720 * 3 // 2), 1)
    luma, chroma = (vc.as_cupy(plane) for plane in frame.cuda())
    assert luma.data.ptr == mat.cudaPtr()
    assert luma.shape[:2] == (720, 1280) and chroma.size == 1280 * 360
    np.testing.assert_array_equal(luma.get().reshape(720, 1280), pixels(mat)[:720])


def test_frames_in_nv12_give_the_pixels_of_frames_of_pyav(video_codec, clip):
    """Both decoders follow H.264, which leaves no choice."""
    if not converts_yuv():
        pytest.skip("this viewcast converts YUV images in host memory only")
    av = pytest.importorskip("av")
    colours = {"matrix": "bt709", "range": "limited"}
    frames = decoder(video_codec, clip, video_codec.OutputColorType.NATIVE)
    with av.open(str(clip)) as file:
        for index, expected in zip(range(5), file.decode(video=0), strict=False):
            rgb = vc.to_tensor(vc.yuv(frames[index], **colours))
            assert rgb.is_cuda
            np.testing.assert_array_equal(
                rgb.cpu().numpy(), vc.to_numpy(vc.yuv(expected, **colours))
            )


# --- nvImageCodec


def bitmap(path, rgb):
    """An uncompressed picture, which every decoder reads without loss."""
    height, width, _ = rgb.shape
    rows = rgb[::-1, :, ::-1].tobytes()  # BGR, from the bottom; rows of whole words
    assert width * 3 % 4 == 0
    header = struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    path.write_bytes(header + rows)


def test_a_decoded_image_is_a_view(tmp_path, ledger):
    codec = load("nvidia.nvimgcodec")
    rgb = pattern((48, 64, 3))
    bitmap(tmp_path / "picture.bmp", rgb)
    image = codec.Decoder().read(str(tmp_path / "picture.bmp"))
    assert image is not None, "nvImageCodec decoded nothing"
    image = image.cuda()
    tensor = vc.as_tensor(image)
    assert tensor.data_ptr() == image.__cuda_array_interface__["data"][0]
    mat = vc.as_gpumat(image)
    del image
    np.testing.assert_array_equal(pixels(mat), rgb)
    np.testing.assert_array_equal(tensor.cpu().numpy(), rgb)
    del mat, tensor
    ledger.balanced()
