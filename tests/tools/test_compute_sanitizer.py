# SPDX-License-Identifier: Apache-2.0
"""tools/compute_sanitizer.py: how findings are judged."""

import importlib.util
import pathlib
import sys

import pytest

TOOLS = pathlib.Path(__file__).parents[2] / "tools"
OURS = "Host Frame: order [0x12] in /site/viewcast/_viewcast.cpython-312-x86_64-linux-gnu.so"
THEIRS = "Host Frame: at::empty [0x12] in /site/torch/lib/libtorch_cuda.so"


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location("tool", TOOLS / "compute_sanitizer.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TOOLS))
    return module


def log(head, *lines):
    text = ["COMPUTE-SANITIZER", head, *(f"    {line}" for line in lines), "", "ERROR SUMMARY: 1"]
    return "pytest's own line\n" + "".join(f"========= {line}\n" for line in text)


def failed(call, error="CUDA_ERROR_INVALID_VALUE"):
    return f'Program hit {error} (error 1) due to "reason" on CUDA API call to {call}.'


@pytest.mark.parametrize(
    ("head", "lines", "judgement"),
    [
        ("Invalid __global__ read of size 1 bytes", ["at resize()", THEIRS], "ours"),
        ("Misaligned shared or local address", ["at vc_deinterleave_u8_f32_3(vc_fast)"], "ours"),
        ("Uninitialized __global__ memory read of size 4 bytes", ["at vc_generic()"], "ours"),
        ("Error: Race reported between Write access", ["at vc_generic()"], "ours"),
        ("Internal Sanitizer Error: out of memory", [], "ours"),
        (failed("cuEventRecord"), [OURS], "ours"),
        (failed("cudaPointerGetAttributes", "cudaErrorInvalidValue"), [THEIRS], "others"),
        (failed("cuEventRecord"), [THEIRS, OURS], "ours"),
        (
            failed("cuStreamIsCapturing", "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"),
            [OURS],
            "expected",
        ),
        (failed("cuEventRecord", "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"), [OURS], "ours"),
        (failed("cuMemAllocAsync", "CUDA_ERROR_OUT_OF_MEMORY"), [OURS], "expected"),
        (failed("cudaMallocPitch", "cudaErrorMemoryAllocation"), [THEIRS, OURS], "expected"),
        ("Target application returned an error", [], "others"),
        ("Warning: something is slow", [OURS], "others"),
    ],
)
def test_what_counts(tool, head, lines, judgement):
    (record,) = tool.records(log(head, *lines))
    assert record == [head, *lines]
    assert tool.judge(record) == judgement


def test_a_process_that_wrote_no_summary_has_not_ended(tool, tmp_path):
    text = log("Invalid __global__ write of size 4 bytes", "at kernel()")
    (tmp_path / "1.txt").write_text(text)
    (tmp_path / "2.txt").write_text(text.split("========= ERROR")[0])
    found, ended = tool.read(tmp_path)
    assert (len(found["ours"]), ended) == (2, 1)
