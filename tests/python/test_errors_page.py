# SPDX-License-Identifier: Apache-2.0
"""docs/errors.md has the messages of the sources, all of them and no others."""

import sys

import pytest
from pages import ROOT

sys.path.append(str(ROOT / "tools" / "errors"))
page = pytest.importorskip("page")

TEXT = (ROOT / "docs" / "errors.md").read_text()


def test_it_is_what_the_sources_say():
    stale = list(page.differences(TEXT, ROOT))
    assert not stale, "run make docs-errors:\n" + "\n".join(stale)


def test_a_message_that_is_missing_is_noticed():
    rows = page.messages(TEXT)
    assert len(rows) > 150
    without = TEXT.replace(f"| {rows[0]} |", "| something else |")
    assert len(list(page.differences(without, ROOT))) == 2 + len(list(page.differences(TEXT, ROOT)))
