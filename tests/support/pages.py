# SPDX-License-Identifier: Apache-2.0
"""The code blocks of the README and of docs/.

A page's Python blocks are run in order in one namespace. An HTML comment in front
of a block says what it needs, all of a comma-separated list:

    <!-- test: gpu -->            a CUDA device; `two-gpus`; `host` is the opposite
    <!-- test: cuda-opencv -->    cv2.cuda that computes; `no-cuda-opencv`
    <!-- test: module av -->      a module to import; `no-module av` is the opposite
    <!-- test: has to_tensor -->  a name of viewcast
    <!-- test: never, REASON -->  no machine of ours can run it

`<!-- output -->` in front of a text block: what the Python block above prints, where
it ran ("..." stands for anything).
"""

import contextlib
import dataclasses
import doctest
import importlib.util
import io
import pathlib
import re

import cv2
import pytest
from markdown_it import MarkdownIt

import viewcast as vc

ROOT = pathlib.Path(__file__).parents[2]
COMMENT = re.compile(r"<!-- test: (.*?) -->")
OUTPUT = "<!-- output -->"


@dataclasses.dataclass
class Block:
    language: str
    text: str
    line: int  # of its first line, in the page
    needs: list[str]
    output: str | None = None


def pages() -> list[pathlib.Path]:
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/README.md")]
    return [*found, *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(page: pathlib.Path) -> list[Block]:
    found: list[Block] = []
    needs: list[str] = []
    is_output = False
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            if comment := COMMENT.search(token.content):
                needs = [each.strip() for each in comment[1].split(",")]
            is_output = OUTPUT in token.content
        elif token.type == "fence":
            language = token.info.split()[0] if token.info.strip() else ""
            if is_output:
                assert found and found[-1].language == "python", f"{page}: output of what?"
                found[-1].output = token.content
            else:
                found.append(Block(language, token.content, token.map[0] + 2, needs))
            needs, is_output = [], False
    return found


def opencv_computes() -> bool:
    return not vc.host_mode() and cv2.cuda.getCudaEnabledDeviceCount() > 0


def has_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


def has_two_gpus() -> bool:
    if vc.host_mode():
        return False
    import torch

    return torch.cuda.device_count() > 1


CONDITIONS = {
    "gpu": lambda: not vc.host_mode(),
    "two-gpus": has_two_gpus,
    "host": vc.host_mode,
    "cuda-opencv": opencv_computes,
    "no-cuda-opencv": lambda: not opencv_computes(),
    "never": lambda: False,
}


def unmet(block: Block) -> str | None:
    """The conditions of the block that this machine does not meet."""
    for need in block.needs:
        word, _, argument = need.partition(" ")
        if word == "module":
            met = has_module(argument)
        elif word == "no-module":
            met = not has_module(argument)
        elif word == "has":
            met = hasattr(vc, argument)
        elif word in CONDITIONS:
            met = CONDITIONS[word]()
        else:
            raise ValueError(f"no such condition: {need}")
        if not met:
            return need
    return None


def run(page: pathlib.Path) -> tuple[int, list[str]]:
    """Runs the page's Python blocks; returns how many ran, and the conditions unmet by others."""
    names: dict[str, object] = {"__name__": page.stem}
    ran, lacking = 0, []
    for block in blocks_of(page):
        if block.language != "python":
            continue
        if need := unmet(block):
            lacking.append(need)
            continue
        printed = io.StringIO()
        # Line numbers of tracebacks are the page's.
        code = compile("\n" * (block.line - 1) + block.text, name_of(page), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        ran += 1
        if block.output is not None:
            check_output(page, block, printed.getvalue())
    return ran, lacking


def check_output(page: pathlib.Path, block: Block, printed: str) -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    same = doctest.OutputChecker().check_output(block.output, printed, options)
    where = f"{name_of(page)}, the block at line {block.line}"
    assert same, f"{where} printed\n{printed}\nand the page shows\n{block.output}"


def run_or_skip(page: pathlib.Path) -> None:
    """Runs a page as a test, and restores the pool that was in use."""
    before = vc.get_pool()
    try:
        ran, lacking = run(page)
    finally:
        if vc.get_pool() != before:
            vc.use_pool(before)
    if not ran:
        pytest.skip(f"its blocks need: {', '.join(sorted(set(lacking)))}")
