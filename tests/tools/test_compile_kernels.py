# SPDX-License-Identifier: Apache-2.0
"""tools/compile_kernels.py, and what it makes of the kernels of this tree."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"
OPTIONS = ["-default-device", "-std=c++17", "-fmad=false"]  # of kernels/meson.build


@pytest.fixture(scope="module")
def nvrtc():
    words = [sys.executable, TOOLS / "find_nvrtc.py", "75", "120"]
    found = subprocess.run(words, capture_output=True, text=True)
    return found.stdout.strip() or pytest.skip(found.stderr.strip())


def begin(nvrtc, source, output, *words, arch="sm_75"):
    command = [sys.executable, TOOLS / "compile_kernels.py", "--nvrtc", nvrtc, "--arch", arch]
    command += [*words, source, output, "--", *OPTIONS]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=output.parent
    )


@pytest.fixture
def compiled(nvrtc, tmp_path):
    """Compiles a text: the exit code, what was said, and the output's path."""

    def run(text, *words, **options):
        (tmp_path / "kernel.cu").write_text(text)
        output = tmp_path / "output"
        process = begin(nvrtc, tmp_path / "kernel.cu", output, *words, **options)
        said, _ = process.communicate()
        return process.returncode, said, output

    return run


KERNEL = 'extern "C" __global__ void kernel(float *out) { *out = %s; }\n'


def test_the_cache(compiled, tmp_path, monkeypatch):
    """A second run takes what the first one kept, unless a text, an option or the architecture
    differs. What came with a warning is not kept."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("VIEWCAST_KERNEL_CACHE", str(cache))
    code, _, output = compiled(KERNEL % 1)
    (kept,) = cache.iterdir()
    assert code == 0 and kept.read_bytes() == output.read_bytes()
    kept.write_bytes(b"kept")
    assert compiled(KERNEL % 1)[2].read_bytes() == b"kept"
    for text, options in ((KERNEL % 2, {}), (KERNEL % 1, {"arch": "compute_90"})):
        assert compiled(text, **options)[2].read_bytes() != b"kept"
    assert len(list(cache.iterdir())) == 3
    assert compiled("#warning said\n" + KERNEL % 1)[0] == 0
    assert len(list(cache.iterdir())) == 3


def test_machine_code_and_ptx(compiled):
    code, said, output = compiled(KERNEL % 1, arch="sm_90")
    assert (code, said) == (0, "")
    assert output.read_bytes().startswith(b"\x7fELF")
    code, said, output = compiled(KERNEL % 1, arch="compute_90")
    text = output.read_bytes()
    assert text.endswith(b"\0") and b".target sm_90\n" in text and b".entry kernel(" in text


def test_products_and_sums_are_not_joined(compiled):
    """But where the source says so."""
    kernel = KERNEL.replace("out)", "out, float a, float b, float c)")
    _, _, output = compiled(kernel % "a * b + c", arch="compute_90")
    assert b"fma" not in output.read_bytes()
    _, _, output = compiled(kernel % "fmaf(a, b, c)", arch="compute_90")
    assert b"fma.rn.f32" in output.read_bytes()


def test_the_depfile_names_every_header(compiled, tmp_path):
    inner, other = tmp_path / "inner folder", tmp_path / "other"
    for folder in (inner, other):
        folder.mkdir()
    (inner / "a.cuh").write_text("#pragma once\n#include <b.h>\n#include <stdint.h>\n")
    (inner / "unused.cuh").write_text("#error\n")
    (other / "b.h").write_text('#pragma once\n#  include "a.cuh"\n#define ONE 1\n')
    depfile = tmp_path / "output.d"
    text = '#include "a.cuh"\n' + KERNEL % "(float)(uint8_t)ONE"
    code, said, output = compiled(text, f"--depfile={depfile}", f"-I{inner}", f"-I{other}")
    assert (code, said) == (0, "")
    words = depfile.read_text().replace("\\ ", "?").split()
    inputs = [tmp_path / "kernel.cu", inner / "a.cuh", other / "b.h", TOOLS / "compile_kernels.py"]
    assert words == [f"{output}:", *(str(each).replace(" ", "?") for each in inputs)]


def test_what_does_not_compile(compiled):
    code, said, output = compiled('#include "nowhere.cuh"\n' + KERNEL % 1)
    assert code == 1 and not output.exists()
    assert "nowhere.cuh" in said
    assert "kernel.cu does not compile for sm_75" in said
    code, said, output = compiled(KERNEL % "nothing")
    assert code == 1 and not output.exists() and '"nothing" is undefined' in said
    code, said, _ = compiled(KERNEL % 1, arch="sm_1")
    assert code == 1 and "sm_1" in said


def test_warnings_are_shown_and_may_be_errors(compiled):
    text = (KERNEL % 1).replace("{", "{ int unused;")
    code, said, _ = compiled(text)
    assert code == 0 and '"unused" was declared but never' in said
    code, said, _ = compiled(text, "--werror")
    assert code == 1 and "does not compile" in said


def test_the_kernels_are_the_same_wherever_they_are_compiled(nvrtc, tmp_path):
    tree = tmp_path / "another tree"
    for name in ("include", "src"):
        shutil.copytree(ROOT / name, tree / name)
    outputs, processes = [], []
    for number, root in enumerate((ROOT, tree)):
        folders = [f"-I{root / name}" for name in ("include", "src", "src/transform")]
        outputs.append(tmp_path / f"{number}.cubin")
        source = root / "src" / "transform" / "kernels" / "kernels.cu"
        processes.append(begin(nvrtc, source, outputs[-1], "--werror", *folders))
    for process in processes:
        said, _ = process.communicate()
        assert (process.returncode, said) == (0, "")
    first, second = (output.read_bytes() for output in outputs)
    assert first == second
