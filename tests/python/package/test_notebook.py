# SPDX-License-Identifier: Apache-2.0
"""examples/tutorial.ipynb runs, and its stored outputs are what it gives."""

import io
import json
import pathlib

import notebooks
import pytest

TUTORIAL = pathlib.Path(__file__).parents[3] / "examples" / "tutorial.ipynb"


def test_the_tutorial_gives_its_stored_outputs():
    for name in ("av", "cv2", "torch"):
        pytest.importorskip(name, reason="the notebook imports it")
    image = pytest.importorskip("PIL.Image", reason="the notebook shows its pictures")
    numpy = pytest.importorskip("numpy")

    def compare(stored, value):
        # Encoders differ a little between versions of PyAV; a wrong picture differs a lot.
        before = numpy.asarray(image.open(io.BytesIO(stored)).convert("RGB")).astype(int)
        now = numpy.asarray(value.convert("RGB")).astype(int)
        assert before.shape == now.shape
        assert abs(before - now).mean() < 4

    assert notebooks.check_notebook(TUTORIAL, compare) == 5


def test_no_path_or_time_of_a_machine_is_stored():
    cells = json.loads(TUTORIAL.read_text())["cells"]
    assert all(set(cell["metadata"]) <= {"tags"} for cell in cells)
    assert "/home/" not in TUTORIAL.read_text()


def test_a_wrong_output_is_found(tmp_path):
    cells = json.loads(TUTORIAL.read_text())
    cell = {"cell_type": "code", "metadata": {}, "source": ["print(2)"]}
    cell["outputs"] = [{"output_type": "stream", "text": ["3\n"]}]
    path = tmp_path / "wrong.ipynb"
    path.write_text(json.dumps(cells | {"cells": [cell]}))
    with pytest.raises(AssertionError):
        notebooks.check_notebook(path, None)
