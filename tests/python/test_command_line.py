# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast`: what all commands have in common."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("command", [(), ("doctor",), ("demo",), ("bench",)], ids=str)
def test_help_fits_80_columns(command):
    done = subprocess.run(
        [sys.executable, "-m", "viewcast", *command, "--help"],
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith("usage: python -m viewcast")
    assert max(map(len, done.stdout.splitlines())) <= 80
