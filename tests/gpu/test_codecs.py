# SPDX-License-Identifier: Apache-2.0
"""Results of decoders on a GPU: frames of PyNvVideoCodec, torchcodec and PyAV, images of
nvImageCodec."""

import gc
import struct

import numpy as np
import pytest
import torch
from decoders import (
    CLIPS,
    DECODERS,
    PyAV,
    PyNvVideoCodecOnAStream,
    decoded_on_the_cpu,
    images,
    load,
)
from delay import LONG, delay
from pictures import converts_yuv, pattern, pixels

import viewcast as vc
from viewcast.clip import sample_clip

BT709 = {"matrix": "bt709", "range": "limited"}


# --- frames of video, as YUV


@pytest.fixture(scope="module", params=DECODERS)
def decoder(request):
    return DECODERS[request.param]()


@pytest.fixture
def clips(tmp_path_factory, written={}):  # noqa: B006  (each is encoded once)
    if not converts_yuv():
        pytest.skip("this viewcast converts YUV images in host memory only")

    def path_of(name):
        if name not in written:
            folder = tmp_path_factory.mktemp("clips")
            written[name] = CLIPS[name].write(folder / "clip.mp4")
        return written[name]

    return path_of


def colours_of(clip):
    return {"matrix": clip.matrix, "range": clip.range} if clip.matrix else BT709


def check(image, expected, **arguments):
    found = vc.to_tensor([image], **arguments)
    assert found.is_cuda
    assert torch.equal(found.cpu(), vc.to_tensor([expected], device="cpu", **arguments))


@pytest.mark.parametrize("name", CLIPS)
def test_frames_give_the_pixels_of_their_planes_and_of_the_cpus_decoder(decoder, clips, name):
    """All decoders follow H.264 and HEVC, which leave no choice."""
    clip, path = CLIPS[name], clips(name)
    colours = colours_of(clip)
    if clip.format.startswith("yuv444p") and isinstance(decoder, PyAV):
        with pytest.raises(vc.DeviceError, match="'yuv444p.*', needs nv12, p010le or p016le"):
            next(images(decoder, path))
        return
    said = {} if decoder.says_colours and clip.matrix else colours
    others, count = decoded_on_the_cpu(path), 0
    for frame, other in zip(decoder.frames(path), others, strict=True):
        # NVDEC calls 10 bits P016, which full range must not be told.
        format = "p010" if name == "10 bits full" and not decoder.says_colours else None
        image = vc.yuv(frame, format, **said)
        assert (image.matrix, image.range) == tuple(colours.values())
        expected = vc.yuv(other, **colours)
        fit = vc.Letterbox((320, 320))
        check(image, expected, layout="NCHW", normalize="imagenet", dtype="float16", resize=fit)
        check(image, expected)
        count += 1
    assert count == len(others) == 12


def test_what_a_frame_does_not_say_is_missing(decoder, clips):
    """torchcodec's say BT.601 of limited range there, which the video does not."""
    frame = next(decoder.frames(clips("untagged")))
    with pytest.raises(ValueError, match=r"matrix is missing: (the|a) frame .*does not say it"):
        vc.yuv(frame)
    with pytest.raises(ValueError, match=r"range is missing: (the|a) frame .*does not say it"):
        vc.yuv(frame, matrix="bt601")


def test_frames_are_refused_as_views_of_rgb(decoder, clips):
    for image in images(decoder, clips("bt709"), **BT709):
        for function in (vc.as_tensor, vc.as_gpumat, vc.as_cupy, vc.view):
            with pytest.raises(TypeError, match="a YUV image has no RGB pixels in memory"):
                function(image)
        break


def test_frames_go_into_one_batch_and_out_of_boxes(decoder, clips):
    """Frames that own their memory; each is read before the next one is decoded otherwise."""
    path, boxes = clips("bt709"), [[0, 10, 20, 110, 90], [0, 0, 0, 642, 360]]
    others = [vc.yuv(frame) for frame in decoded_on_the_cpu(path)[:6]]
    expected = vc.to_tensor(others, layout="NCHW", resize=(64, 96), device="cpu")
    if decoder.owns:
        batch = vc.to_tensor(list(images(decoder, path))[:6], layout="NCHW", resize=(64, 96))
        assert torch.equal(batch.cpu(), expected)
    batch = torch.zeros(6, 3, 64, 96, dtype=torch.uint8, device="cuda")
    for index, image in enumerate(images(decoder, path, **BT709)):
        if index < 6:
            vc.to_tensor(image, layout="CHW", resize=(64, 96), out=batch[index])
            crops = vc.to_tensor(image, boxes=boxes, resize=(32, 32))
            torch.cuda.synchronize()
    assert torch.equal(batch.cpu(), expected)
    assert torch.equal(
        crops.cpu(), vc.to_tensor(others[5], boxes=boxes, resize=(32, 32), device="cpu")
    )


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


def decoder_of(codec, clip, colours):
    try:
        return codec.SimpleDecoder(str(clip), use_device_memory=True, output_color_type=colours)
    except RuntimeError as error:  # a GPU or a container without NVDEC
        pytest.skip(f"PyNvVideoCodec does not decode here: {str(error).splitlines()[0]}")


def test_frames_in_rgb_are_views(video_codec, clip):
    frames = decoder_of(video_codec, clip, video_codec.OutputColorType.RGB)
    frame = frames[0]
    mat = vc.as_gpumat(frame)
    tensor = vc.as_tensor(frame)
    assert (mat.size(), mat.channels()) == ((1280, 720), 3)
    assert tensor.data_ptr() == vc.as_cupy(frame).data.ptr == mat.cudaPtr()
    assert pixels(mat).std() > 1
    np.testing.assert_array_equal(pixels(mat), tensor.cpu().numpy())


def test_a_frame_in_nv12_is_one_plane(video_codec, clip):
    frames = decoder_of(video_codec, clip, video_codec.OutputColorType.NATIVE)  # its frames' memory
    frame = frames[0]
    mat = vc.as_gpumat(frame)
    assert (mat.size(), mat.channels()) == ((1280, 720 * 3 // 2), 1)
    luma, chroma = (vc.as_cupy(plane) for plane in frame.cuda())
    assert luma.data.ptr == mat.cudaPtr()
    assert luma.shape[:2] == (720, 1280) and chroma.size == 1280 * 360
    np.testing.assert_array_equal(luma.get().reshape(720, 1280), pixels(mat)[:720])


def reads(frame):
    return int(vc.to_tensor(vc.yuv(frame, **BT709)).sum(dtype=torch.int64))


def test_frames_are_read_after_a_stream_that_they_do_not_name(clips):
    """Planes name stream 2, whatever stream the decoder was given. The frame has its event."""
    decoder, path = PyNvVideoCodecOnAStream(), clips("bt709")
    expected = []
    for frame in decoder.frames(path):
        torch.cuda.synchronize()
        expected.append(reads(frame))
    assert len(set(expected)) > 6
    found = []
    for frame in decoder.frames(path, before=lambda: delay(decoder.stream, LONG)):
        found.append(reads(frame))
        torch.cuda.synchronize()
    assert found == expected
    whole = []
    for frame in decoder.frames(path, before=lambda: delay(decoder.stream, LONG)):
        image = vc.yuv(vc.as_tensor(frame), "nv12", **BT709)
        whole.append(int(vc.to_tensor(image).sum(dtype=torch.int64)))
        torch.cuda.synchronize()
    assert whole == expected
    naive = []
    for frame in decoder.frames(path, before=lambda: delay(decoder.stream, LONG)):
        naive.append(reads_naively(frame))
        torch.cuda.synchronize()
    assert naive != expected


def reads_naively(frame):
    """As any library reads the planes that a frame describes."""
    luma, chroma = (vc.as_cupy(plane) for plane in frame.cuda())
    image = vc.yuv((luma[..., 0], chroma), "nv12", **BT709)
    return int(vc.to_tensor(image).sum(dtype=torch.int64))


def test_a_frame_whose_decoder_has_ended_is_an_error(video_codec, clips):
    """PyNvVideoCodec frees its surfaces with the decoder, though a frame is held."""
    frames = decoder_of(video_codec, clips("bt709"), video_codec.OutputColorType.NATIVE)
    image = vc.yuv(frames[3], **BT709)
    vc.to_tensor(image)
    torch.cuda.synchronize()
    del frames
    gc.collect()
    with pytest.raises(vc.DeviceError, match="was freed.*keep the decoder until the frame was"):
        vc.to_tensor(image)


def test_a_frame_after_nvcv_image(video_codec, clips):
    frames = decoder_of(video_codec, clips("bt709"), video_codec.OutputColorType.NATIVE)
    frame = frames[2]
    expected = reads(frame)
    with pytest.warns(DeprecationWarning):
        frame.nvcv_image()
    assert len(frame.cuda()) == 1
    assert reads(frame) == expected


@pytest.mark.parametrize("name", ["bt709", "10 bits", "4:4:4", "4:4:4 of 10 bits"])
def test_frames_in_host_memory(video_codec, clips, name):
    path, colours = clips(name), colours_of(CLIPS[name])
    frames = video_codec.SimpleDecoder(str(path), use_device_memory=False)
    for index, other in enumerate(decoded_on_the_cpu(path)[:3]):
        found = vc.to_numpy(vc.yuv(frames[index], **colours))
        np.testing.assert_array_equal(found, vc.to_numpy(vc.yuv(other)))


@pytest.mark.parametrize("colours", ["RGB", "RGBP"])
def test_frames_in_rgb_are_no_yuv(video_codec, clips, colours):
    kind = getattr(video_codec.OutputColorType, colours)
    frames = decoder_of(video_codec, clips("bt709"), kind)
    with pytest.raises(ValueError, match=f"has the format '{colours.lower()}', which is none"):
        vc.yuv(frames[0], **BT709)


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
