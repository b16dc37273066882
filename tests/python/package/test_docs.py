# SPDX-License-Identifier: Apache-2.0
"""Code blocks of the README and docs/: Python runs, C and C++ compile, and commands exist."""

import pathlib
import re
import shutil
import subprocess

import pages
import pytest

import viewcast as vc

pytestmark = pytest.mark.any_opencv

PAGES = pages.pages()
PYTHON = [page for page in PAGES if any(b.language == "python" for b in pages.blocks_of(page))]
# The languages of fenced blocks. Python under another name would not be tested.
LANGUAGES = {"python", "c", "cpp", "sh", "text", "meson", "toml", "diff", "yaml", "cmake"}


def blocks(language):
    return [
        pytest.param(block, id=f"{pages.name_of(page)}:{block.line}")
        for page in PAGES
        for block in pages.blocks_of(page)
        if block.language == language
    ]


@pytest.mark.all_libraries
@pytest.mark.parametrize("page", PYTHON, ids=pages.name_of)
def test_python_of_a_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pages.run_or_skip(page)


@pytest.mark.parametrize("page", PAGES, ids=pages.name_of)
def test_every_fence_is_of_a_kind_that_is_checked(page):
    for block in pages.blocks_of(page):
        known = block.language in LANGUAGES or block.language.startswith("{")
        assert known, f"{pages.name_of(page)}:{block.line}: {block.language!r}"


@pytest.mark.parametrize("page", PAGES, ids=pages.name_of)
def test_conditions_are_known(page):
    for block in pages.blocks_of(page):
        pages.unmet(block)


RULES = re.findall(r"^([\w -]+):", (pages.ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
TARGETS = {target for rule in RULES for target in rule.split()}


@pytest.mark.parametrize("block", blocks("sh"))
def test_shell_names_what_exists(block):
    for line in block.text.splitlines():
        command = line.partition("#")[0].split()
        if command[:1] == ["make"]:
            wanted = [word for word in command[1:] if "=" not in word]
            # A variable's value may have spaces: TORCH="torch==2.13.0 --extra ...".
            if '"' not in line:
                assert set(wanted) <= TARGETS, line
        for word in command:
            if re.match(r"(examples|tools|bench|docs)/[\w./-]+$", word):
                assert (pages.ROOT / word).exists(), line
        if "-m viewcast" in line:
            word = command[command.index("viewcast") + 1]
            assert word.startswith("-") or has_command(word), line


def has_command(word):
    from viewcast.__main__ import COMMANDS

    return word in {module.__name__.rpartition(".")[2] for module in COMMANDS}


def compiles(block, compiler, *flags, tmp_path):
    source = tmp_path / ("program.c" if block.language == "c" else "program.cpp")
    source.write_text(block.text)
    command = [compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *flags]
    command += ["-I", str(pages.ROOT / "include"), str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def dlpack_folder():
    tvm_ffi = pytest.importorskip("tvm_ffi", reason="ships dlpack/dlpack.h")
    return pathlib.Path(tvm_ffi.__file__).parent / "include"


@pytest.mark.parametrize("block", blocks("c"))
def test_c_compiles(block, tmp_path):
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    flags = ["-std=c11", "-Wpedantic", "-isystem", str(dlpack_folder())]
    done = compiles(block, compiler, *flags, tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr


def opencv_headers():
    for folder in ("/usr/include/opencv4", "/usr/local/include/opencv4", "/usr/include/opencv5"):
        if pathlib.Path(folder, "opencv2/core/cuda.hpp").is_file():
            return folder
    return None


@pytest.mark.parametrize("block", blocks("cpp"))
def test_cpp_compiles(block, tmp_path):
    compiler = shutil.which("c++") or pytest.skip("no C++ compiler")
    flags = ["-std=c++17", "-isystem", str(dlpack_folder())]
    if "<opencv2/" in block.text:
        only_gpumat = set(re.findall(r"<(opencv2/.*)>", block.text)) == {"opencv2/core/cuda.hpp"}
        standin = pages.ROOT / "tests/c/opencv_standin" if only_gpumat else None
        folder = opencv_headers() or standin or pytest.skip("OpenCV's headers are not installed")
        flags += ["-isystem", str(folder)]
    done = compiles(block, compiler, *flags, tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_c_reference_has_every_function(monkeypatch):
    """Counted by another pattern than that of docs/_ext."""
    header = (pages.ROOT / "include/viewcast/viewcast.h").read_text(encoding="utf-8")
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    declared = set(re.findall(r"\b(vc_\w+)\s*\((?=[^;]*\)\s*;)", header.replace("(*", "")))
    monkeypatch.syspath_prepend(str(pages.ROOT / "docs" / "_ext"))
    import c_reader

    text = (pages.ROOT / "include/viewcast/viewcast.h").read_text(encoding="utf-8")
    documented = {
        name
        for _, items in c_reader.read(text)
        for item in items
        if item.kind == "function"
        for name in item.names
    }
    assert declared <= documented
    assert len(declared) > 50


def test_members_of_one_declaration_are_documented_each(monkeypatch):
    monkeypatch.syspath_prepend(str(pages.ROOT / "docs" / "_ext"))
    import c_reader

    text = "typedef struct a {\n  int rows, cols; /* both */\n  const char *b, *c;\n} a;"
    ((_, (struct,)),) = c_reader.read(text)
    first, second = struct.members
    assert (first.signatures, first.comment) == (["int rows", "int cols"], "both")
    assert second.signatures == ["const char *b", "const char *c"]


def test_the_python_reference_has_every_name():
    text = (pages.ROOT / "docs/reference/python.rst").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\.\. auto\w+:: (\w+)", text, re.M))
    assert set(vc.__all__) - {"__version__"} <= documented


def test_the_chart_shows_the_table_of_its_page(monkeypatch):
    """Otherwise: python docs/figures/chart.py."""
    folder = pages.ROOT / "docs" / "figures"
    monkeypatch.syspath_prepend(str(folder))
    import chart

    for name, text in chart.drawings().items():
        assert (folder / name).read_text(encoding="utf-8") == text
    assert len(list(chart.rows())) == 6


def test_the_site_says_what_a_block_needs(monkeypatch):
    monkeypatch.syspath_prepend(str(pages.ROOT / "docs" / "_ext"))
    import page_source

    assert page_source.needs("gpu") == "Needs a GPU"
    assert page_source.needs("gpu, cuda-opencv, module av") == (
        "Needs a GPU, OpenCV with CUDA and PyAV"
    )
    assert page_source.needs("gpu, two-gpus") == "Needs two GPUs"
    assert page_source.needs("host, module av") == "Without a GPU. Needs PyAV"
    assert page_source.needs("never, a reason") == ""
    assert page_source.needs("never, it needs Savant") == "Needs Savant"
    marked = page_source.for_the_site("<!-- test: gpu -->\n```python\n1\n```\n")
    assert marked == '<p class="needs">Needs a GPU</p>\n\n```python\n1\n```\n'


def test_the_site_shows_one_picture_in_each_mode(monkeypatch):
    monkeypatch.syspath_prepend(str(pages.ROOT / "docs" / "_ext"))
    import page_source

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown = page_source.for_the_site(text)
        assert "<picture>" not in shown
        assert shown.count(":class: only-dark") == text.count("<picture>")


def test_the_readme_is_short_and_begins_with_what_a_newcomer_types():
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(text.split()) <= 900
    assert next(n for n, line in enumerate(lines, 1) if line.startswith("pip install")) <= 30
    assert lines.index("```python") < 40


def test_each_picture_of_the_tutorial_is_drawn_from_one_of_its_blocks(monkeypatch):
    pytest.importorskip("PIL", reason="draws them")
    monkeypatch.syspath_prepend(str(pages.ROOT / "docs" / "figures"))
    import steps

    page = pages.ROOT / "docs" / "tutorial.md"
    texts = [block.text for block in pages.blocks_of(page) if block.language == "python"]
    for part, (name, _) in steps.DRAWINGS.items():
        assert sum(part in text for text in texts) == 1, part
        assert f"(figures/{name}.jpg)" in page.read_text(encoding="utf-8")


def test_the_figures_of_the_readme_are_those_of_the_page():
    readme = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## Performance\n")[1].split("\n## ")[0]
    page = (pages.ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    found = re.findall(r"\d+\.\d+(?= [µm]s)", section)
    assert len(found) >= 12
    for figure in found:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", page), figure
