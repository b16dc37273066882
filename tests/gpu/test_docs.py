# SPDX-License-Identifier: Apache-2.0
"""Python blocks of the documentation on a GPU, with those that need one."""

import pytest

pytest.importorskip("markdown_it", reason="it reads the pages (pip install markdown-it-py)")

import pages  # noqa: E402  (of tests/support)

PYTHON = [
    page
    for page in pages.pages()
    if any(block.language == "python" for block in pages.blocks_of(page))
]


@pytest.mark.parametrize("page", PYTHON, ids=pages.name_of)
def test_python_of_a_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pages.run_or_skip(page)
