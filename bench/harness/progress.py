# SPDX-License-Identifier: Apache-2.0
"""How far it is while the clock runs, on a terminal alone."""

import contextlib
import sys


@contextlib.contextmanager
def bar(title, total):
    """Gives a function to call once a step. What it prints is outside of what is timed."""
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
