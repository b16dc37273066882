# SPDX-License-Identifier: Apache-2.0
"""What the commands share: text of at most 80 columns, and files that are checked first."""

import contextlib
import os
import shutil
import sys
import textwrap


def width():
    return min(max(shutil.get_terminal_size((80, 24)).columns, 40), 80)


def wrapped(text, indent="", first=None):
    """Lines of the terminal's width. Words are not broken, for they may be commands."""
    return textwrap.wrap(
        text,
        width(),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def table(headings, rows):
    """Text: the first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        first, *rest = (
            cell.rjust(size) if number else cell.ljust(size)
            for number, (cell, size) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *rest]).rstrip()


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
