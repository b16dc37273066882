# SPDX-License-Identifier: Apache-2.0
"""vc.yuv() and vc.to_yuv() of planes in GPU memory: the bytes of the host, whose results
tests/python compares with H.273's formula and cv2.cvtColor; one launch, nothing waited for, each
plane ordered after the stream that writes it. Names that say `small` are what compute-sanitizer
runs."""

import gc
import random
import weakref
from functools import partial

import cupy
import cv2
import numpy as np
import pytest
import torch
from delay import LONG, side_stream, trials
from one_launch import check_one_launch

import viewcast as vc
from viewcast import _viewcast, colour

pytestmark = pytest.mark.skipif(
    not _viewcast._build()["kernels"], reason="this viewcast was built without kernels"
)

FORMATS, MATRICES, RANGES = colour.FORMATS, colour.MATRICES, colour.RANGES
INTERPOLATIONS = [
    *("linear", "nearest", "area"),
    *("pillow-box", "pillow-bilinear", "pillow-bicubic", "pillow-lanczos"),
]
PAIRS = ("nv12", "nv21", "p010", "p016")
OF_10_BITS = ("yuv420p10", "yuv422p10", "yuv444p10")
TYPES = ("uint8", "float16", "float32", "bfloat16", "uint16", "int32")


def plane_shapes(format, height, width):
    columns = 1 if "444" in format else 2
    rows = 1 if "444" in format or "422" in format else 2
    chroma = (height + rows - 1) // rows, (width + columns - 1) // columns
    return [(height, width), *([(*chroma, 2)] if format in PAIRS else [chroma, chroma])]


def samples_of(format):
    """The dtype of a format's samples, and how many values they have."""
    if FORMATS.index(format) < FORMATS.index("p010"):
        return torch.uint8, 256
    return torch.uint16, 1024 if format in OF_10_BITS else 65536


def random_planes(rng, format, height, width):
    """Tensors on the host, some of which are parts of larger ones, so that rows have a pitch."""
    dtype, count = samples_of(format)
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    planes = []
    for shape in plane_shapes(format, height, width):
        gap = rng.choice((0, 0, 3, 16))
        whole = (shape[0], shape[1] + gap, *shape[2:])
        values = torch.randint(0, count, whole, generator=generator)
        planes.append(values.to(dtype)[:, : shape[1]])
    return planes


def on_gpu(plane):
    """The same strides."""
    size = sum((n - 1) * step for n, step in zip(plane.shape, plane.stride(), strict=True)) + 1
    memory = torch.empty(size, dtype=plane.dtype, device="cuda")
    there = torch.as_strided(memory, plane.shape, plane.stride())
    there.view(torch.uint8 if plane.itemsize == 1 else torch.int16).copy_(
        plane.view(torch.uint8 if plane.itemsize == 1 else torch.int16)
    )
    return there


def both(rng, format, size, depth=8):
    """A YUV image on the host, and on the GPU."""
    planes = random_planes(rng, format, *size)
    words = {"format": format, "matrix": rng.choice(MATRICES), "range": rng.choice(RANGES)}
    host = vc.yuv(tuple(planes), depth=depth, **words)
    return host, vc.yuv(tuple(map(on_gpu, planes)), depth=depth, **words)


def random_words(rng, depth):
    words = {"layout": rng.choice(("NHWC", "NCHW")), "dtype": rng.choice(TYPES)}
    words["reverse_channels"] = rng.random() < 0.5
    if words["dtype"] != "int32" and rng.random() < 0.5:
        words["mean"] = [rng.random() * 9 for _ in range(3)]
        words["std"] = [rng.random() + 0.5 for _ in range(3)]
    return words


def random_resize(rng):
    size, interpolation = (rng.randint(1, 90), rng.randint(1, 90)), rng.choice(INTERPOLATIONS)
    if rng.random() < 0.4:
        interpolation = "linear"
    if rng.random() < 0.5:
        return vc.Resize(size, interpolation)
    return vc.Letterbox(size, interpolation, tuple(rng.randint(0, 255) for _ in range(3)))


def random_boxes(rng, sizes):
    rows = []
    for _ in range(rng.randint(1, 5)):
        index = rng.randrange(len(sizes))
        height, width = sizes[index]
        x0, y0 = rng.random() * (width - 1), rng.random() * (height - 1)
        rows.append((index, x0, y0, x0 + 1 + rng.random() * width, y0 + 1 + rng.random() * height))
    return torch.tensor(rows, dtype=torch.float32)


def bits(tensor):
    return tensor.cpu().contiguous().view(torch.uint8)


def check(host, there, words, boxes=None):
    calls = [{}] if boxes is None else [{"boxes": boxes}, {"boxes": boxes.cuda()}]
    wanted = vc.to_tensor(host, **words, **calls[0]).contiguous()
    for more in calls:
        found = vc.to_tensor(there, **words, **more)
        assert found.is_cuda and found.shape == wanted.shape and found.dtype == wanted.dtype
        if not torch.equal(bits(found), bits(wanted)):
            wrong = (bits(found) != bits(wanted)).sum()
            pytest.fail(f"{wrong} of {wanted.nbytes} bytes differ: {words}, {host}")


def try_one(rng, format, largest=150):
    depth = 16 if rng.random() < 0.2 else 8
    count, words = rng.randint(1, 4), random_words(rng, depth)
    resizes = rng.random() < 0.7
    size, sizes, host, there = None, [], [], []
    for _ in range(count):
        if resizes or size is None:
            size = rng.randint(1, largest), rng.randint(1, largest)
        one, other = both(rng, format, size, depth)
        sizes.append(size)
        host.append(one)
        there.append(other)
    boxes = None
    if resizes:
        words["resize"] = random_resize(rng)
        boxes = random_boxes(rng, sizes) if rng.random() < 0.4 else None
    check(host, there, words, boxes)


# --------------------------------------------------------------------------- reading


@pytest.mark.parametrize("format", FORMATS)
def test_bytes_of_the_host(format):
    rng = random.Random(FORMATS.index(format))
    for _ in range(trials(120)):
        try_one(rng, format)


def test_small_images_of_every_format():
    rng = random.Random(7)
    for _ in range(3):
        for format in FORMATS:
            try_one(rng, format, largest=40)


#: Sizes, and those to which they are resized: many rows of the source at once, few of them, and
#: none, where a tile's columns or weights need too much shared memory.
PILLOW_SIZES = [
    *(((90, 280), (18, 33)), ((49, 64), (47, 32)), ((61, 701), (17, 32)), ((25, 9), (25, 8))),
    *(((7, 5000), (3, 32)), ((40, 1500), (2, 2)), ((2, 3), (33, 65)), ((1, 1), (5, 40))),
]


def test_small_images_by_pillows_filters():
    rng = random.Random(9)
    for index in range(4 * len(PILLOW_SIZES)):
        size, to = PILLOW_SIZES[index % len(PILLOW_SIZES)]
        size = size[0] + rng.randint(0, 2), size[1] + rng.randint(0, 2)
        host, there = both(rng, rng.choice(FORMATS), size)
        kind, interpolation = rng.choice((vc.Resize, vc.Letterbox)), rng.choice(INTERPOLATIONS[3:])
        words = {"layout": rng.choice(("NCHW", "NHWC")), "dtype": rng.choice(("uint8", "float32"))}
        words["resize"] = kind(to, interpolation)
        check([host], [there], words, random_boxes(rng, [size]) if index % 3 == 0 else None)


@pytest.mark.parametrize("format", FORMATS)
def test_images_that_are_not_resized(format):
    """Of every type that a kernel writes in words, in widths of whole words and others, of several
    tiles, alone and as a list of parts of larger planes."""
    rng = random.Random(100 + FORMATS.index(format))
    for width in (1, 8, 96, 128, 131, 256, 300, 514):
        images = [both(rng, format, (rng.randint(1, 70), width)) for _ in range(2)]
        for dtype in TYPES[:4]:
            words = {"layout": rng.choice(("HWC", "CHW")), "dtype": dtype}
            words["reverse_channels"] = rng.random() < 0.5
            if dtype != "uint8":
                words |= {"mean": [1.5, 20, 3], "std": [9, 8.25, 7]}
            for host, there in images:
                check(host, there, words)
    dtype, count = samples_of(format)
    shapes = [(3, *shape) for shape in plane_shapes(format, 34, 272)]
    planes = [torch.randint(0, count, shape).to(dtype) for shape in shapes]
    words = {"format": format, "matrix": "bt709", "range": "limited"}
    host = [vc.yuv(image, **words) for image in zip(*planes, strict=True)]
    planes = [plane.cuda() for plane in planes]
    there = [vc.yuv(image, **words) for image in zip(*planes, strict=True)]
    for dtype in TYPES[:4]:
        check(host, there, {"layout": "NHWC", "dtype": dtype})
        check(host, there, {"layout": "NCHW", "dtype": dtype})


def test_small_crops_that_are_not_resized():
    """They begin at a sample of chroma, or between two."""
    rng = random.Random(8)
    host, there = both(rng, "nv12", (40, 60))
    for left in range(4):
        box = torch.tensor([[left, left // 2, left + 33, left // 2 + 20]], dtype=torch.float32)
        words = {"layout": "NCHW", "dtype": "float16", "resize": vc.Resize((20, 33))}
        check(host, there, words, box)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("range_", RANGES)
def test_every_triple_of_samples(matrix, range_):
    """All 2 ** 24 in one image of 4:4:4, and a part of them in pairs of NV12."""
    triples = torch.arange(2**24, dtype=torch.int32).reshape(4096, 4096)
    planes = [(triples >> shift).to(torch.uint8) for shift in (0, 8, 16)]
    words = {"matrix": matrix, "range": range_}
    host = vc.yuv(tuple(planes), format="yuv444p", **words)
    there = vc.yuv(tuple(plane.cuda() for plane in planes), format="yuv444p", **words)
    check(host, there, {"layout": "CHW"})
    pairs = torch.stack((planes[2][::2, ::2], planes[1][::2, ::2]), -1).contiguous()
    host = vc.yuv((planes[0], pairs), format="nv12", **words)
    there = vc.yuv((planes[0].cuda(), pairs.cuda()), format="nv12", **words)
    check(host, there, {"layout": "HWC"})


CODES = {"nv12": "NV12", "nv21": "NV21", "i420": "I420", "yv12": "YV12"}


@pytest.mark.parametrize("format", CODES)
def test_bytes_of_opencv(format):
    rng = np.random.default_rng(3)
    array = rng.integers(0, 256, (360 * 3 // 2, 640), np.uint8)
    wanted = cv2.cvtColor(array, getattr(cv2, f"COLOR_YUV2RGB_{CODES[format]}"))
    frame = vc.yuv(torch.from_numpy(array).cuda(), format, "bt601", "limited")
    assert np.array_equal(vc.to_tensor(frame).cpu().numpy(), wanted)
    small = vc.to_tensor(frame, resize=(100, 333)).cpu().numpy()
    assert np.array_equal(small, cv2.resize(wanted, (333, 100)))
    assert np.array_equal(vc.to_cupy(frame).get(), wanted)
    assert np.array_equal(vc.to_numpy(frame), wanted)
    mat = vc.to_gpumat(frame, reverse_channels=True)
    assert np.array_equal(vc.as_cupy(mat).get(), wanted[..., ::-1])


def test_a_pitched_gpumat(cuda_cv2):
    """cudacodec's raw surfaces."""
    array = np.random.default_rng(4).integers(0, 256, (270 * 3 // 2, 482), np.uint8)
    mat = cv2.cuda.GpuMat()
    mat.upload(array)
    assert mat.step > mat.size()[0]
    frame = vc.yuv(mat, "nv12", "bt709", "limited")
    wanted = vc.to_numpy(vc.yuv(array, "nv12", "bt709", "limited"), resize=(90, 161))
    assert np.array_equal(vc.to_cupy(frame, resize=(90, 161)).get(), wanted)
    made = vc.to_gpumat(frame, resize=(90, 161))
    assert np.array_equal(made.download(), wanted)


def test_many_images_in_a_list():
    """As many as go with a launch, and one more, whose table is uploaded first."""
    rng = random.Random(5)
    images = [both(rng, "nv12", (rng.randint(2, 60), rng.randint(2, 60))) for _ in range(100)]
    host, there = map(list, zip(*images, strict=True))
    for count in (15, 16, 17, 100):
        words = {"layout": "NCHW", "dtype": "float16", "resize": vc.Letterbox((33, 41))}
        check(host[:count], there[:count], words)


def test_a_batch_of_large_frames():
    rng = random.Random(6)
    frames = torch.randint(0, 256, (4, 1080 * 3 // 2, 1920), dtype=torch.uint8)
    for format in ("nv12", "i420"):
        for matrix in MATRICES:
            host = [vc.yuv(frame, format, matrix, "limited") for frame in frames]
            there = [vc.yuv(frame, format, matrix, "limited") for frame in frames.cuda()]
            for dtype in ("float16", "float32", "uint8"):
                words = {"layout": "NCHW", "dtype": dtype}
                check(host, there, words)
                check(host, there, words | {"resize": vc.Letterbox((640, 640))})
                check(host, there, words | {"resize": vc.Resize((700, 900))})
            check(host, there, {"layout": "NHWC", "resize": vc.Resize((224, 224))})
            check(host, there, {"layout": "NCHW", "resize": vc.Resize((1200, 2001))})
    boxes = random_boxes(rng, [(1080, 1920)] * 4)
    check(host, there, {"layout": "NCHW", "resize": vc.Resize((256, 128))}, boxes)


# ------------------------------------------------------------ from one place to another


@pytest.mark.parametrize("format", ("nv12", "i420", "p010", "yuv422p10"))
def test_from_the_host_to_the_gpu_and_back(format):
    rng = random.Random(8)
    images = [both(rng, format, (rng.randint(1, 60), rng.randint(1, 60))) for _ in range(20)]
    words = {"layout": "NCHW", "dtype": "float16", "resize": vc.Letterbox((64, 48))}
    host, there = map(list, zip(*images, strict=True))
    wanted = vc.to_numpy(host, **words)
    assert vc.to_cupy(host, device=0, **words).get().tobytes() == wanted.tobytes()
    assert vc.to_numpy(there, **words).tobytes() == wanted.tobytes()
    back = vc.to_tensor(there, device="cpu", **words)
    assert back.numpy().tobytes() == wanted.tobytes()
    one = vc.to_tensor(host[0], device="cuda:0", layout="CHW")
    assert one.is_cuda and torch.equal(one.cpu(), vc.to_tensor(host[0], layout="CHW"))


def test_into_memory_that_exists():
    rng = random.Random(9)
    host, there = both(rng, "nv12", (48, 64))
    wanted = vc.to_tensor(host, layout="CHW", dtype="float16", resize=(20, 30))
    out = torch.zeros(3, 20, 30, dtype=torch.float16, device="cuda")
    assert vc.to_tensor(there, layout="CHW", resize=(20, 30), out=out) is out
    assert torch.equal(out.cpu(), wanted)
    out.zero_()
    vc.to_tensor(host, layout="CHW", resize=(20, 30), out=out)
    assert torch.equal(out.cpu(), wanted)
    mats = [cv2.cuda.GpuMat(), cv2.cuda.GpuMat()]
    vc.to_gpumat([there, there], resize=(20, 30), out=mats)
    for mat in mats:
        assert np.array_equal(vc.as_cupy(mat).get(), vc.to_numpy(host, resize=(20, 30)))


def test_planes_of_two_places_are_refused():
    luma, chroma = torch.zeros(4, 4, dtype=torch.uint8), torch.zeros(2, 2, 2, dtype=torch.uint8)
    with pytest.raises(vc.DeviceError, match="another device"):
        vc.to_tensor(vc.yuv((luma.cuda(), chroma), "nv12", "bt709", "full"))


# --------------------------------------------------------------------------- writing


def check_written(rng, format, size):
    words = {"format": format, "matrix": rng.choice(MATRICES), "range": rng.choice(RANGES)}
    words["reverse_channels"] = rng.random() < 0.5
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    image = torch.randint(0, 256, (*size, 3), generator=generator, dtype=torch.uint8)
    if rng.random() < 0.3:  # a part of a wider one
        image = torch.nn.functional.pad(image, (0, 0, 1, rng.randint(0, 5)))[:, 1 : size[1] + 1]
    there = image.cuda() if image.is_contiguous() else on_gpu(image)
    if rng.random() < 0.4:
        words["from_layout"] = "CHW"
        image, there = image.movedim(2, 0).contiguous(), there.movedim(2, 0).contiguous()
    planes = random_planes(rng, format, *size)
    outs = tuple(map(on_gpu, planes))
    vc.to_yuv(image, out=tuple(planes), **words)
    assert vc.to_yuv(there, out=outs, **words) is outs
    for plane, out in zip(planes, outs, strict=True):
        assert torch.equal(plane.view(torch.uint8), out.cpu().view(torch.uint8)), words


@pytest.mark.parametrize("format", FORMATS)
def test_written_bytes_of_the_host(format):
    rng = random.Random(20 + FORMATS.index(format))
    for _ in range(trials(60)):
        check_written(rng, format, (rng.randint(1, 90), rng.randint(1, 150)))


def test_small_images_written():
    rng = random.Random(30)
    for format in FORMATS:
        check_written(rng, format, (rng.randint(1, 9), rng.randint(1, 40)))


def test_written_bytes_of_opencv():
    rgb = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8)
    wanted = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    words = {"matrix": "bt601", "range": "limited"}
    made = vc.to_yuv(torch.from_numpy(rgb).cuda(), format="i420", **words)
    assert made.is_cuda and np.array_equal(made.cpu().numpy(), wanted)
    made = vc.to_yuv(cupy.asarray(rgb), format="i420", **words)
    assert np.array_equal(made.get(), wanted)
    pairs = np.stack((wanted[1080:1350].reshape(540, 960), wanted[1350:].reshape(540, 960)), -1)
    mat = vc.as_gpumat(torch.from_numpy(rgb).cuda())
    made = vc.as_cupy(vc.to_yuv(mat, format="nv12", **words)).get()
    assert np.array_equal(made[:1080], wanted[:1080])
    assert np.array_equal(made[1080:].reshape(540, 960, 2), pairs)
    narrow = np.ascontiguousarray(rgb[:46, :50])  # rows of a new GpuMat are aligned otherwise
    mat = vc.as_gpumat(torch.from_numpy(narrow).cuda())
    for format in ("i420", "yuv420p10"):
        made = vc.as_cupy(vc.to_yuv(mat, format=format, **words)).get()
        assert np.array_equal(made, vc.to_yuv(narrow, format=format, **words))


@pytest.mark.parametrize("format", ("nv12", "i420", "p010", "yuv444p", "yuv422p10"))
def test_written_from_one_place_to_another(format):
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (46, 64, 3), generator=generator, dtype=torch.uint8)
    words = {"format": format, "matrix": "bt709", "range": "full"}
    wanted = vc.to_yuv(image, **words)
    found = [vc.to_yuv(image.cuda(), **words), vc.to_yuv(image, device="cuda", **words)]
    found.append(vc.to_yuv(image.cuda(), device="cpu", **words))
    host = random_planes(random.Random(1), format, 46, 64)
    there = tuple(map(on_gpu, host))
    vc.to_yuv(image.cuda(), out=tuple(host), **words)
    vc.to_yuv(image, out=there, **words)
    planes = random_planes(random.Random(1), format, 46, 64)
    vc.to_yuv(image, out=tuple(planes), **words)
    for plane, one, other in zip(planes, host, there, strict=True):
        assert torch.equal(plane.view(torch.uint8), one.view(torch.uint8))
        assert torch.equal(plane.view(torch.uint8), other.cpu().view(torch.uint8))
    for place, made in zip((True, True, False), found, strict=True):
        for a, b in zip(
            *((x if isinstance(x, tuple) else (x,)) for x in (made, wanted)), strict=True
        ):
            assert a.is_cuda == place and torch.equal(
                a.cpu().view(torch.uint8), b.view(torch.uint8)
            )


def test_read_again():
    """What was written is read as what it was, apart from rounding."""
    image = torch.full((64, 64, 3), 0, dtype=torch.uint8, device="cuda")
    image[..., 0], image[..., 1], image[..., 2] = 200, 90, 30
    words = {"format": "nv12", "matrix": "bt2020", "range": "full"}
    found = vc.to_tensor(vc.yuv(vc.to_yuv(image, **words), **words))
    assert (found.int() - image.int()).abs().max() <= 1


def test_writing_does_not_wait_and_is_one_launch():
    image = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8, device="cuda")
    out = torch.zeros(96, 64, dtype=torch.uint8, device="cuda")
    words = {"format": "nv12", "matrix": "bt709", "range": "limited"}
    check_one_launch(partial(vc.to_yuv, image, **words), out)
    out.zero_()
    use = torch.cuda.Stream()
    use.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(use):
        for _ in range(20):
            torch.cuda._sleep(LONG)
        image.fill_(255)
        vc.to_yuv(image, format="nv12", matrix="bt709", range="limited", out=out)
        assert not use.query()
    use.synchronize()
    assert (out[:64] == 235).all() and (out[64:] == 128).all()


# -------------------------------------------------------------- streams and lifetimes


def frame_of(value, libraries=("torch", "torch")):
    luma = torch.full((64, 64), value, dtype=torch.uint8, device="cuda")
    chroma = torch.full((32, 32, 2), 128, dtype=torch.uint8, device="cuda")
    return luma, chroma


def test_each_plane_is_waited_for():
    """Luma is written by torch's stream, chroma by CuPy's, both late."""
    red = vc.to_numpy(vc.yuv(tuple(map(torch.Tensor.cpu, frame_of(90))), "nv12", "bt709", "full"))
    streams = torch.cuda.Stream(), cupy.cuda.Stream(non_blocking=True)
    use = side_stream()
    for late in trials(20) * [0, 1]:
        luma = torch.zeros(64, 64, dtype=torch.uint8, device="cuda")
        chroma = cupy.zeros((32, 32, 2), cupy.uint8)
        torch.cuda.synchronize()
        with torch.cuda.stream(streams[0]), streams[1]:
            there = torch.cuda.ExternalStream(streams[1].ptr)
            with torch.cuda.stream(there if late else streams[0]):
                torch.cuda._sleep(LONG // 5)
            luma.fill_(90)
            chroma.fill(128)
            found = vc.to_tensor(vc.yuv((luma, chroma), "nv12", "bt709", "full"), stream=use)
        use.synchronize()
        assert np.array_equal(found.cpu().numpy(), red)
        torch.cuda.synchronize()


def test_planes_are_kept_until_they_were_read():
    """Memory that its library would use again at once."""
    wanted = vc.to_numpy(vc.yuv(tuple(x.cpu() for x in frame_of(90)), "nv12", "bt709", "full"))
    other, use = torch.cuda.Stream(), torch.cuda.Stream()
    for _ in range(trials(20)):
        with torch.cuda.stream(other):
            frame = frame_of(90)
            torch.cuda.synchronize()
            with torch.cuda.stream(use):
                torch.cuda._sleep(LONG // 5)
            found = vc.to_tensor(vc.yuv(frame, "nv12", "bt709", "full"), stream=use)
            del frame
            for value in frame_of(1):  # would take the memory of the planes
                value.fill_(255)
        use.synchronize()
        assert np.array_equal(found.cpu().numpy(), wanted)
        torch.cuda.synchronize()


def test_planes_are_released():
    """Each of them once, also where a call fails."""
    for fails in (False, True):
        planes = [plane.as_subclass(torch.Tensor) for plane in frame_of(1)]
        known = [weakref.ref(plane) for plane in planes]
        image = vc.yuv(tuple(planes), "nv12", "bt709", "full")
        use = torch.cuda.Stream()
        if fails:
            with pytest.raises(vc.ViewError):
                vc.to_tensor(image, out=torch.zeros(3, 4, 5, device="cuda"), stream=use)
        else:
            vc.to_tensor(image, stream=use)
        del planes, image
        torch.cuda.synchronize()
        vc.collect()
        gc.collect()
        assert [each() for each in known] == [None, None]


def test_nothing_is_waited_for():
    """While a stream is blocked, a call with planes written on it returns."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        frame = frame_of(90)
        out = torch.zeros(3, 8, 8, device="cuda")
        vc.to_tensor(vc.yuv(frame, "nv12", "bt709", "full"), resize=(8, 8), layout="CHW", out=out)
        stream.synchronize()
        frame[0].zero_()
        for _ in range(20):
            torch.cuda._sleep(LONG)
        frame[0].fill_(50)
        vc.to_tensor(vc.yuv(frame, "nv12", "bt709", "full"), resize=(8, 8), layout="CHW", out=out)
        assert not stream.query()
    stream.synchronize()
    assert (out == 50).all()


def calls_of_one_launch():
    frames = torch.randint(0, 256, (4, 96, 64), dtype=torch.uint8, device="cuda")
    boxes = torch.tensor([[1, 3, 4, 50, 60], [3, 0, 0, 9, 9.5], [0, 5, 5, 5, 5]], device="cuda")
    for format in ("nv12", "yv12"):
        matrices = "bt601", "bt709", "bt2020", "bt709"
        images = [
            vc.yuv(x, format, matrix, "full") for x, matrix in zip(frames, matrices, strict=True)
        ]
        yield images, {"layout": "NCHW"}, (4, 3, 64, 64)
        for interpolation in INTERPOLATIONS:
            resize = vc.Letterbox((32, 48), interpolation)
            yield images, {"layout": "NCHW", "resize": resize}, (4, 3, 32, 48)
            yield images, {"layout": "NCHW", "resize": resize, "boxes": boxes}, (3, 3, 32, 48)


@pytest.mark.parametrize("dtype", [torch.float16, torch.uint8])
def test_one_launch_and_nothing_else(dtype):
    for images, words, shape in calls_of_one_launch():
        out = torch.zeros(shape, dtype=dtype, device="cuda")
        check_one_launch(partial(vc.to_tensor, images, **words), out)
