# SPDX-License-Identifier: Apache-2.0
"""A call that must be one launch of one kernel, with nothing waited for and nothing copied."""

import ctypes
from functools import partial

import torch
from delay import current, side_stream


def capture(call, stream):
    """What `call` enqueues on a CuPy stream, as a graph. It is torch's current stream too, on
    which out= is said to be in use."""
    with current("cupy", stream), torch.cuda.stream(torch.cuda.ExternalStream(stream.ptr)):
        stream.begin_capture(0)  # global: unsafe calls fail everywhere
        try:
            call()
        finally:
            graph = stream.end_capture()
    return graph


def count_nodes(graph):
    """The numbers of all nodes and of the kernels of a captured graph."""
    driver = ctypes.CDLL("libcuda.so.1")
    count = ctypes.c_size_t()
    assert driver.cuGraphGetNodes(ctypes.c_void_p(graph), None, ctypes.byref(count)) == 0
    nodes = (ctypes.c_void_p * count.value)()
    assert driver.cuGraphGetNodes(ctypes.c_void_p(graph), nodes, ctypes.byref(count)) == 0
    kernels = 0
    for node in nodes:
        kind = ctypes.c_int(-1)
        assert driver.cuGraphNodeGetType(ctypes.c_void_p(node), ctypes.byref(kind)) == 0
        kernels += kind.value == 0
    return count.value, kernels


def check_one_launch(call, out):
    """Captures call(out=out) on a stream of its own, counts the nodes of the graph, launches it
    and compares `out` with what the same call writes outside of a capture. A capture fails where
    a call waits for the GPU, or reads boxes that are there."""
    stream = side_stream()
    call = partial(call, stream=stream, producer_stream=stream)
    wanted = torch.zeros_like(out)
    torch.cuda.synchronize()
    call(out=wanted)
    torch.cuda.synchronize()
    graph = capture(lambda: call(out=out), stream)
    assert count_nodes(graph.graph) == (1, 1)
    graph.launch(stream)
    torch.cuda.synchronize()
    assert torch.equal(out, wanted)
