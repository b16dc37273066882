# SPDX-License-Identifier: Apache-2.0
"""tools/embed_docstrings.py: C strings of the stub's docstrings."""

import pathlib
import subprocess
import sys

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "embed_docstrings.py"
STUB = '''
class Box:
    """A box."""

    @property
    def size(self) -> int:
        """In bytes."""
    def open(self, *, wide: bool = False) -> None:
        """Opens "it"."""

def as_cupy(image, *, copy: bool | None = False) -> int:
    """A cupy.ndarray that views.

    A backslash: \\\\ and more.
    """

def to_cupy(image): ...
'''


def embed(tmp_path, *adapters, stub=STUB):
    (tmp_path / "a.pyi").write_text(stub)
    command = [sys.executable, TOOL, tmp_path / "a.pyi", tmp_path / "a.h", *adapters]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, (tmp_path / "a.h").read_text() if done.returncode == 0 else ""


def test_signatures_and_texts(tmp_path):
    _, header = embed(tmp_path)
    assert '#define DOC_Box \\\n  "A box."\n' in header
    assert '#define DOC_Box_size \\\n  "In bytes."\n' in header
    assert '"open($self, /, *, wide=False)\\n"' in header
    assert '"Opens \\"it\\"."' in header
    assert '"as_cupy($module, /, image, *, copy=False)\\n"' in header
    assert '"A backslash: \\\\ and more."' in header


def test_an_adapter_of_the_build_is_called_as_cupy_is(tmp_path):
    _, header = embed(tmp_path, "toy")
    assert "#define DOC_as_toy" in header and '"as_toy($module, /, image' in header
    assert '"An array of toy that views.\\n"' in header and "#define DOC_to_toy" in header


def test_a_string_that_no_compiler_need_take_is_refused(tmp_path):
    long = f'def f():\n    """{"x" * 5000}"""\n\ndef as_cupy(): ...\ndef to_cupy(): ...\n'
    done, _ = embed(tmp_path, stub=long)
    assert done.returncode == 1 and "docstring of f is longer" in done.stderr
