# SPDX-License-Identifier: Apache-2.0
"""tools/check_words.py finds each word of its list, and leaves the field's own alone."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_words  # noqa: E402


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("docs/index.md", "the " + "way" + " back"),
        ("src/python/x.c", "static int see_to_" + "way" + "_back(void);"),
        ("README.md", "Hand" + "ed over at once"),
        ("tests/c/x.c", "size_t " + "ro" + "om = 4;"),
        ("src/cuda/stream.c", "vc_event *" + "mark" + ";"),
        ("src/transform/plan.c", "make_" + "choice" + "(plan);"),
        ("src/core/view.c", "vc_" + "steps" + "(view)"),
        ("src/core/owner.c", "a " + "lane" + " for each stream"),
    ],
)
def test_words_of_the_list_are_found(path, line):
    assert [number for number, *_ in check_words.found_in(path, f"fine\n{line}\n")] == [2]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("src/protocol/dlpack.c", "if (tensor->dtype.lanes != 1)"),
        ("tests/python/x.py", "rng.choice(SHAPES); pytest.mark.slow; text.strip()"),
        ("docs/install.md", "To choose other builds; 380 steps; mushrooms and households"),
        ("src/python/arguments.c", "the caller chooses a stream"),
    ],
)
def test_other_words_are_left_alone(path, line):
    assert not list(check_words.found_in(path, line))
