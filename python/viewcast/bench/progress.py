# SPDX-License-Identifier: Apache-2.0
"""A bar while the clock runs, on a terminal alone."""

import contextlib
import sys


@contextlib.contextmanager
def bar(title, total):
    """Gives a function to call once a step. What it draws is outside of what is timed."""
    if not sys.stdout.isatty():
        yield lambda: None
        return
    try:
        from rich.progress import Progress
    except ImportError:
        with plain_bar(title, total) as step:
            yield step
        return
    with Progress(transient=True, auto_refresh=False) as progress:
        task = progress.add_task(title, total=total)

        def step():
            progress.advance(task)
            progress.refresh()

        yield step


@contextlib.contextmanager
def plain_bar(title, total):
    done = 0

    def step():
        nonlocal done
        done += 1
        print(f"\r{title}: {done} of {total}", end="", flush=True)

    try:
        yield step
    finally:
        print("\r\x1b[K", end="", flush=True)
