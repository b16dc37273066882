# SPDX-License-Identifier: Apache-2.0
"""Runs a notebook in this process, without Jupyter, and compares its outputs with the stored."""

import ast
import base64
import contextlib
import io
import json


def code_cells(path):
    """(source, tags, stored text, stored picture as the bytes of a PNG file or None)."""
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        outputs = cell["outputs"]
        text = "".join("".join(output["text"]) for output in outputs if "text" in output)
        pictures = [output["data"]["image/png"] for output in outputs if "data" in output]
        picture = base64.b64decode(pictures[-1]) if pictures else None
        yield "".join(cell["source"]), cell["metadata"].get("tags", ()), text, picture


def run_cell(source, names):
    """What the cell prints, and the value of its last line if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    return printed.getvalue(), value


def check_notebook(path, compare_pictures):
    """Runs all cells in order. The text of each is the stored one, unless its tags say that it
    depends on the machine; compare_pictures(stored PNG, value) is called for each picture."""
    names, pictures = {"__name__": "__main__"}, 0
    for source, tags, text, picture in code_cells(path):
        printed, value = run_cell(source, names)
        if "depends-on-the-machine" not in tags:
            assert printed == text, source
        assert (picture is None) == (value is None), source
        if picture is not None:
            compare_pictures(picture, value)
            pictures += 1
    return pictures
