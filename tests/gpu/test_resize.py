# SPDX-License-Identifier: Apache-2.0
"""resize= and boxes= on a GPU: the bytes of the host, whose results tests/python compares with
OpenCV and Pillow; one launch, nothing waited for, boxes read by the kernel."""

import cupy
import cv2
import numpy as np
import pytest
import torch
from delay import LONG, trials

import viewcast as vc
from viewcast import _viewcast

pytestmark = pytest.mark.skipif(
    not _viewcast._build()["kernels"], reason="this viewcast was built without kernels"
)

INTERPOLATIONS = [
    *("linear", "nearest", "area"),
    *("pillow-box", "pillow-bilinear", "pillow-bicubic", "pillow-lanczos"),
]


def on_host(result):
    return vc.as_tensor(result).cpu().numpy()


def assert_same(result, wanted):
    found = on_host(result)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    assert found.tobytes() == wanted.tobytes()


def draw_image(rng, channels, dtype="uint8"):
    shape = (int(rng.integers(1, 160)), int(rng.integers(1, 160)), channels)
    if dtype.startswith("float"):
        return (rng.random(shape) * 200).astype(dtype)
    return rng.integers(0, 256, shape).astype(dtype)


def draw_resize(rng, channels, interpolation):
    size = int(rng.integers(1, 130)), int(rng.integers(1, 130))
    kind = rng.integers(3)
    if kind == 0:
        return vc.Resize(size, interpolation)
    if kind == 1:
        return vc.Letterbox(size, interpolation, tuple(map(float, rng.integers(0, 256, channels))))
    return vc.CenterCrop(size, None, interpolation)


def draw_options(rng, channels):
    options = {"layout": ["NHWC", "NCHW"][rng.integers(2)]}
    options["dtype"] = ["uint8", "float32", "float16", "bfloat16", "int16"][rng.integers(5)]
    options["reverse_channels"] = bool(rng.integers(2))
    if options["dtype"] != "int16" and rng.integers(2):
        options["mean"] = [float(value) for value in rng.random(channels) * 9]
        options["std"] = [float(value) + 0.5 for value in rng.random(channels)]
    return options


def as_bits(tensor):
    return tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "uint16"])
def test_same_bytes_as_on_the_host(interpolation, dtype):
    rng = np.random.default_rng(INTERPOLATIONS.index(interpolation))
    for _ in range(trials(60)):
        channels = int(rng.integers(1, 5))
        images = [draw_image(rng, channels, dtype) for _ in range(int(rng.integers(1, 5)))]
        resize, options = draw_resize(rng, channels, interpolation), draw_options(rng, channels)
        wanted = vc.to_tensor(images, resize=resize, **options)
        found = vc.to_tensor([cupy.asarray(x) for x in images], resize=resize, **options)
        assert torch.equal(as_bits(found.cpu()), as_bits(wanted)), (resize, options)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_boxes_on_the_gpu(interpolation):
    rng = np.random.default_rng(7)
    images = [draw_image(rng, 3) for _ in range(3)]
    there = [torch.from_numpy(x).cuda() for x in images]
    for _ in range(trials(30)):
        boxes = []
        for _ in range(int(rng.integers(1, 9))):
            index = int(rng.integers(3))
            height, width = images[index].shape[:2]
            x0, y0 = rng.random() * (width - 1), rng.random() * (height - 1)
            boxes.append([index, x0, y0, x0 + 1 + rng.random() * width, y0 + 1 + rng.random() * 50])
        resize, options = draw_resize(rng, 3, interpolation), draw_options(rng, 3)
        host = np.array(boxes, np.float32)
        wanted = vc.to_tensor(images, boxes=host, resize=resize, **options)
        for place in (host, torch.from_numpy(host).cuda(), cupy.asarray(host, "f8")):
            found = vc.to_tensor(there, boxes=place, resize=resize, **options)
            assert torch.equal(as_bits(found.cpu()), as_bits(wanted)), (resize, options)


def test_boxes_without_a_pixel_are_pad():
    image = torch.full((20, 30, 3), 200, dtype=torch.uint8, device="cuda")
    nan = float("nan")
    rows = [[0, 1, 1, 5, 5], [0, 5, 5, 1, 1], [0, 40, 1, 50, 5], [0, nan, 0, 4, 4], [1, 0, 0, 4, 4]]
    rows += [[-1, 0, 0, 4, 4], [nan, 0, 0, 4, 4], [0, 2, 2, 2.5, 9]]
    boxes = torch.tensor(rows, device="cuda")
    fit = vc.Letterbox((6, 6), pad=(1, 2, 3))
    found = on_host(vc.to_tensor(image, boxes=boxes, resize=fit, dtype="float32", scale=2))
    assert (found[0] == 400).all() and (found[1:] == np.float32([2, 4, 6])).all()
    for word in INTERPOLATIONS:
        found = on_host(vc.to_tensor(image, boxes=boxes, resize=vc.Resize((5, 7), word)))
        assert (found[0] == 200).all() and (found[1:] == 0).all()


def test_boxes_are_in_one_place_with_the_images():
    image, boxes = np.zeros((20, 30, 3), np.uint8), torch.zeros(1, 4, device="cuda")
    with pytest.raises(vc.DeviceError, match="boxes are in memory of cuda:0"):
        vc.to_tensor(image, boxes=boxes, resize=(4, 4), device=0)


def test_lists_of_several_sizes_into_lists_of_outs():
    """One batch in parts by one launch, and images apart by one each."""
    rng = np.random.default_rng(11)
    images = [draw_image(rng, 3) for _ in range(5)]
    there = [cupy.asarray(image) for image in images]
    rows = [[4, 0, 0, 1, 1], [0, 0, 0, 1, 1], [2, 0, 0, 1, 1]]
    for boxes in (None, rows, torch.tensor(rows, device="cuda")):
        on_host_too = boxes.cpu() if isinstance(boxes, torch.Tensor) else boxes
        wanted = vc.to_numpy(images, boxes=on_host_too, resize=(20, 30))
        batch = torch.zeros(len(wanted), 20, 30, 3, dtype=torch.uint8, device="cuda")
        apart = [torch.zeros_like(torch.cat([image, image]))[:20] for image in batch]
        for outs in (list(batch), apart[::-1]):
            assert vc.to_tensor(there, boxes=boxes, resize=(20, 30), out=outs) is outs
            for found, each in zip(outs, wanted, strict=True):
                assert_same(found, each)


def test_coordinates_on_the_gpu():
    placement = vc.Letterbox((640, 640)).placement((1080, 1920))
    boxes = [[0, 140, 640, 500], [600, 300, 639, 499]]
    wanted = [[0, 0, 1920, 1080], [1800, 480, 1917, 1077]]
    halves = [torch.tensor(boxes, device="cuda").half(), cupy.array(boxes, "f2")]
    for given in (*halves, torch.tensor(boxes, device="cuda"), cupy.array(boxes, "i4")):
        found = placement.to_source(given)
        assert type(found) is type(given) and found.device == given.device
        assert np.allclose(found.tolist(), wanted, rtol=0, atol=1e-3)
        assert np.allclose(placement.to_result(found).tolist(), boxes, rtol=0, atol=1e-3)
    assert all("float32" in str(placement.to_source(half).dtype) for half in halves)


def test_from_host_to_gpu_and_back():
    rng = np.random.default_rng(8)
    images = [draw_image(rng, 3) for _ in range(60)]  # more than fit into the parameters
    fit = vc.Letterbox((64, 48))
    wanted = vc.to_numpy(images, layout="NCHW", dtype="float16", resize=fit)
    assert_same(vc.to_cupy(images, device=0, layout="NCHW", dtype="float16", resize=fit), wanted)
    there = [cupy.asarray(image) for image in images]
    assert_same(vc.to_cupy(there, layout="NCHW", dtype="float16", resize=fit), wanted)
    back = vc.to_numpy(there, layout="NCHW", dtype="float16", resize=fit)
    assert back.tobytes() == wanted.tobytes()
    mats = vc.to_gpumat(there, resize=fit)
    for mat, image in zip(mats, images, strict=True):
        assert_same(mat, vc.to_numpy(image, resize=fit))


def test_pitched_and_cropped_gpumats(cuda_cv2):
    rng = np.random.default_rng(9)
    image = rng.integers(0, 256, (101, 77, 3), np.uint8)
    mat = cv2.cuda.GpuMat()
    mat.upload(image)
    part = mat.rowRange(3, 90).colRange(5, 70)
    for word in INTERPOLATIONS:
        resize = vc.Resize((40, 50), word)
        assert_same(vc.to_tensor(mat, resize=resize), vc.to_numpy(image, resize=resize))
        wanted = vc.to_numpy(image[3:90, 5:70], resize=resize)
        assert_same(vc.to_tensor(part, resize=resize), wanted)


def test_nothing_is_waited_for():
    """While a stream is blocked, a call with images and boxes written on it returns."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        image = torch.zeros(64, 64, 3, dtype=torch.uint8, device="cuda")
        boxes = torch.zeros(3, 4, device="cuda")
        out = torch.zeros(3, 3, 8, 8, device="cuda")
        corner = torch.tensor([0.0, 0, 9, 9], device="cuda").expand(3, 4)
        vc.to_tensor(image, boxes=boxes, resize=(8, 8), layout="NCHW", dtype="float32", out=out)
        stream.synchronize()
        for _ in range(20):
            torch.cuda._sleep(LONG)
        image.fill_(50)
        boxes.copy_(corner)
        vc.to_tensor(image, boxes=boxes, resize=(8, 8), layout="NCHW", out=out)
        assert not stream.query()
    stream.synchronize()
    assert (out == 50).all()


def test_boxes_of_another_stream_are_waited_for_and_kept():
    image = torch.full((64, 64, 3), 9, dtype=torch.uint8, device="cuda")
    box = torch.tensor([[2.0, 2, 30, 30]], device="cuda")
    torch.cuda.synchronize()
    other, use = torch.cuda.Stream(), torch.cuda.Stream()
    for _ in range(trials(20)):
        with torch.cuda.stream(other):
            torch.cuda._sleep(LONG // 5)
            boxes = box.repeat(50, 1)
            found = vc.to_tensor(image, boxes=boxes, resize=(8, 8), stream=use)
            del boxes
            torch.full((50, 4), -1.0, device="cuda")  # would take the memory of the boxes
        use.synchronize()
        assert (found == 9).all()
        torch.cuda.synchronize()


def test_a_graph_with_boxes_on_the_gpu():
    """A replay reads the boxes of that moment: the host never did."""
    image = torch.arange(64 * 64 * 3, device="cuda").reshape(64, 64, 3).to(torch.uint8)
    boxes = torch.tensor([[0.0, 0, 64, 64]], device="cuda")
    out = torch.zeros(1, 16, 16, 3, dtype=torch.uint8, device="cuda")
    vc.to_tensor(image, boxes=boxes, resize=(16, 16), out=out)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        vc.to_tensor(image, boxes=boxes, resize=(16, 16), out=out)
    for row in ([0.0, 0, 64, 64], [3.0, 5, 40, 33], [10.0, 10, 11, 11]):
        boxes.copy_(torch.tensor([row]))
        graph.replay()
        torch.cuda.synchronize()
        x0, y0, x1, y1 = map(int, row)
        wanted = cv2.resize(image[y0:y1, x0:x1].cpu().numpy(), (16, 16))
        assert np.array_equal(out[0].cpu().numpy(), wanted)


def test_large_batches():
    rng = np.random.default_rng(10)
    frames = rng.integers(0, 256, (4, 1080, 1920, 3), np.uint8)
    there = torch.from_numpy(frames).cuda()
    for word in INTERPOLATIONS:
        for resize in (vc.Letterbox((640, 640), word), vc.CenterCrop((224, 224), 256, word)):
            wanted = vc.to_numpy(frames, layout="NCHW", dtype="float16", resize=resize)
            assert_same(vc.to_tensor(there, layout="NCHW", dtype="float16", resize=resize), wanted)
