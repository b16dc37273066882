# SPDX-License-Identifier: Apache-2.0
"""What the commands share: text of at most 80 columns, and files that are checked first."""

import contextlib
import importlib
import os
import platform
import shutil
import sys
import textwrap

import viewcast as vc

MODULES = {"OpenCV": "cv2", "PyTorch": "torch", "CuPy": "cupy", "NumPy": "numpy"}


def load(name):
    """The module and None, or None and why there is none."""
    try:
        return importlib.import_module(name), None
    except ModuleNotFoundError as error:
        missing = error.name == name
        return None, "not installed" if missing else f"can't be imported: {error}"
    except Exception as error:  # whatever a broken installation raises
        return None, f"can't be imported: {type(error).__name__}: {error}"


def versions():
    """Of viewcast, Python and the libraries, None for one that is not there."""
    modules = {name: load(module)[0] for name, module in MODULES.items()}
    found = {name: module and module.__version__ for name, module in modules.items()}
    return {"viewcast": vc.__version__, "Python": platform.python_version(), **found}


def print_wrapped(text, indent="  ", first=""):
    """In lines of the terminal's width. Words are not broken, for they may be commands."""
    width = min(max(shutil.get_terminal_size((80, 24)).columns, 40), 80)
    whole = {"break_long_words": False, "break_on_hyphens": False}
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=indent, **whole)
    print(*lines, sep="\n")


def table(headings, rows):
    """Lines: the first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for first, *rest in (headings, *rows):
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()


def fail(command, problem):
    """Says why the command could not do what was asked, a text or an exception; the exit
    code."""
    if why := getattr(problem, "strerror", None):
        problem = f"{problem.filename}: {why}" if problem.filename else why
    print(f"viewcast {command}: {problem}", file=sys.stderr)
    return 2


def check_output(path):
    """OSError where a file of this name cannot be written. Leaves things as they are."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        return  # a pipe or a device: to open it would be noticed
    new = not os.path.lexists(path)
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}") from error
    if new:
        with contextlib.suppress(OSError):
            os.unlink(path)
