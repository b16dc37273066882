# SPDX-License-Identifier: Apache-2.0
"""A progress line, on terminals only."""

import contextlib
import sys


@contextlib.contextmanager
def bar(title, total):
    """Yields a function to call once per step. It prints outside of the timed code."""
    done, shown = 0, sys.stdout.isatty()

    def step():
        nonlocal done
        done += 1
        if shown:
            print(f"\r{title}: {done} of {total}", end="", flush=True)

    try:
        yield step
    finally:
        if shown:
            print("\r\x1b[K", end="", flush=True)
