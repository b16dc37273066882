# SPDX-License-Identifier: Apache-2.0
"""examples/tutorial.ipynb with a GPU."""

import pathlib

import notebooks
import pytest

TUTORIAL = pathlib.Path(__file__).parents[2] / "examples" / "tutorial.ipynb"


def test_the_tutorial_gives_its_stored_outputs():
    pytest.importorskip("av", reason="PyAV reads the video")
    pytest.importorskip("PIL.Image", reason="the notebook shows its pictures")
    seen = []
    notebooks.check_notebook(TUTORIAL, lambda stored, value: seen.append(value.size))
    assert len(seen) == 5
