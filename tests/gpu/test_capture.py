# SPDX-License-Identifier: Apache-2.0
"""CUDA graph capture: conversions in a capture and beside one."""

import threading

import cupy
import pytest
import torch
from delay import side_stream

import viewcast as vc

SHAPE = (32, 32, 3)


@pytest.fixture(autouse=True)
def warm():
    vc.warmup(0)
    tensor = torch.zeros(SHAPE, device="cuda")
    vc.as_cupy(vc.as_gpumat(tensor))
    torch.cuda.synchronize()


def image(value=0):
    return torch.full(SHAPE, value, dtype=torch.uint8, device="cuda")


def test_both_streams_in_one_capture_are_ordered_in_it():
    """The order is part of the graph: each replay's consumer reads that replay's value."""
    tensor, out, step = image(), image(), torch.zeros((), dtype=torch.uint8, device="cuda")
    side = torch.cuda.Stream()
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        main = torch.cuda.current_stream()
        side.wait_stream(main)
        with torch.cuda.stream(side):
            torch.cuda._sleep(100_000)
            step.add_(1)
            tensor.copy_(step.expand(SHAPE))
            mat = vc.as_gpumat(tensor, stream=main)
        out.copy_(vc.as_tensor(mat, stream=-1))
    for replay in range(1, 51):
        graph.replay()
        torch.cuda.synchronize()
        assert set(out.flatten().tolist()) == {replay}


def test_the_same_capturing_stream_needs_nothing():
    tensor = image(3)
    out = image()
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        view = vc.as_tensor(
            vc.as_gpumat(tensor, stream=torch.cuda.current_stream()),
            producer_stream=torch.cuda.current_stream(),
        )
        out.copy_(view)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(out, tensor)


@pytest.mark.parametrize("capturing", ["producer", "consumer"])
def test_exactly_one_capturing_is_an_error_and_enqueues_nothing(capturing):
    tensor, out = image(5), image()
    outside = side_stream()
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        inside = torch.cuda.current_stream()
        streams = {"stream": outside, "producer_stream": inside}
        if capturing == "consumer":
            streams = {"stream": inside, "producer_stream": outside}
        with pytest.raises(vc.CUDAError, match="captur.*stream="):
            vc.as_gpumat(tensor, **streams)
        out.copy_(tensor)  # the capture goes on
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(out, tensor)


def test_the_null_stream_beside_a_blocking_capture_is_an_error():
    """Recording on it would end the capture; the message names stream=."""
    tensor = image(5)
    blocking = cupy.cuda.Stream(non_blocking=False)
    array = cupy.zeros(SHAPE, cupy.uint8)
    with blocking:
        blocking.begin_capture()
        try:
            with pytest.raises(vc.CUDAError, match="stream="):
                vc.as_gpumat(tensor, producer_stream=side_stream())
            array += 1
        finally:
            graph = blocking.end_capture()
    graph.launch(blocking)
    torch.cuda.synchronize()
    assert int(array.max()) == 1


def test_the_null_stream_beside_a_nonblocking_capture():
    """A non-blocking stream's capture does not involve the null stream."""
    tensor = image(5)
    capturing = side_stream()
    with capturing:
        capturing.begin_capture()
        try:
            mat = vc.as_gpumat(tensor)  # default stream to default stream
            with pytest.raises(vc.CUDAError, match="captur"):
                vc.as_cupy(tensor)  # CuPy's current stream captures
        finally:
            capturing.end_capture()
    assert mat.cudaPtr() == tensor.data_ptr()


def test_another_thread_captures():
    """Conversions do not disturb another thread's capture, nor does the capture disturb them."""
    capturing, captured, release = side_stream(), threading.Event(), threading.Event()
    result = {}
    array = cupy.zeros(SHAPE, cupy.uint8)

    def capture():
        with cupy.cuda.Device(0), capturing:
            capturing.begin_capture()
            array.__iadd__(1)
            captured.set()
            release.wait()
            result["graph"] = capturing.end_capture()

    thread = threading.Thread(target=capture)
    thread.start()
    captured.wait()
    first, second = side_stream(), side_stream()
    tensor = image(9)
    mat = vc.as_gpumat(tensor, stream=first, producer_stream=second)
    source = cupy.ndarray(SHAPE, cupy.uint8, cupy.asarray(tensor).data)
    other = vc.as_tensor(source, stream=first, producer_stream=second)
    del mat, other, source
    vc.collect()
    release.set()
    thread.join()
    result["graph"].launch(first)
    torch.cuda.synchronize()
    assert int(array.max()) == 1


def test_releases_during_a_capture_come_after_it():
    """A consumer stream that captures when the view ends is waited for later."""
    pool = cupy.get_default_memory_pool()
    consumer = side_stream()
    array = cupy.zeros((512, 512, 3), cupy.uint8)
    used = pool.used_bytes()
    mat = vc.as_gpumat(array, stream=consumer)
    torch.cuda.synchronize()
    with consumer:
        consumer.begin_capture()
        del mat, array
        vc.collect()
        during = pool.used_bytes()
        graph = consumer.end_capture()
    assert during == used
    torch.cuda.synchronize()
    vc.collect()
    assert pool.used_bytes() < used
    del graph


def test_gpumats_end_during_a_capture(cuda_cv2):
    """The last reference to OpenCV's own memory is released in a capture."""
    from pictures import pattern

    mat = cuda_cv2.cuda.GpuMat()
    mat.upload(pattern((64, 64, 3)))
    tensor = vc.as_tensor(mat)
    del mat
    out = image()
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        out.add_(1)
        del tensor
        vc.collect()
    graph.replay()
    torch.cuda.synchronize()
    assert int(out.max()) == 1
