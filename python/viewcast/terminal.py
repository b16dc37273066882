# SPDX-License-Identifier: Apache-2.0
"""Functions that the commands and the examples share: the begin and end of a program, text of
at most 80 columns, and checks of output files."""

import contextlib
import importlib
import os
import platform
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable

import viewcast as vc

MODULES = {"OpenCV": "cv2", "PyTorch": "torch", "CuPy": "cupy", "NumPy": "numpy"}


def run_program(name: str, main: Callable[[], int]) -> int:
    """Runs main() and returns its exit code. Ctrl-C and a closed pipe end the process by their
    signal, as in other Unix programs; a file that cannot be read or written is reported in one
    line, with exit code 2."""
    set_up_process()
    code = 0
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if code != 2:  # with 2, the error was reported
            print(f"{name}: {explain(error)}", file=sys.stderr)
        # Text in the buffer that a full disk refused is not written again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return code


def set_up_process():
    """A character that the terminal cannot show is escaped, not an error."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


def load(name):
    """The module and None, or None and the reason why it can't be imported."""
    try:
        return importlib.import_module(name), None
    except ModuleNotFoundError as error:
        missing = error.name == name
        return None, "not installed" if missing else f"can't be imported: {error}"
    except Exception as error:  # whatever a broken installation raises
        return None, f"can't be imported: {type(error).__name__}: {error}"


def versions():
    """The versions of viewcast, Python and the libraries; None for one that is not installed."""
    modules = {name: load(module)[0] for name, module in MODULES.items()}
    found = {name: module and module.__version__ for name, module in modules.items()}
    return {"viewcast": vc.__version__, "Python": platform.python_version(), **found}


def print_wrapped(text, indent="  ", first=""):
    """Prints lines of the terminal's width. Words are not broken: they may be commands."""
    width = min(max(shutil.get_terminal_size((80, 24)).columns, 40), 80)
    whole = {"break_long_words": False, "break_on_hyphens": False}
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=indent, **whole)
    print(*lines, sep="\n")


def table(headings, rows):
    """The lines of a table: the first column is aligned left, all others right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for first, *rest in (headings, *rows):
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()


def fail(command, problem):
    """Prints why the command could not be carried out, a text or an exception, and returns the
    exit code."""
    print(f"viewcast {command}: {explain(problem)}", file=sys.stderr)
    return 2


def explain(problem):
    """The text of a problem; of an OSError without its number."""
    if why := getattr(problem, "strerror", None):
        return f"{problem.filename}: {why}" if problem.filename else why
    return problem


def positive(text: str) -> int:
    """The type of a command line's whole numbers from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        import argparse

        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def check_output(path):
    """OSError where a file of this name cannot be written. Changes nothing."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        return  # a pipe or a device: opening it would have an effect
    new = not os.path.lexists(path)
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}") from error
    if new:
        with contextlib.suppress(OSError):
            os.unlink(path)
