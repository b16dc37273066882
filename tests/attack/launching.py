# SPDX-License-Identifier: Apache-2.0
"""Starts a generator of attacks in a process of its own, so that a crash is reported with the
number of the case that crashed."""

import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def how_it_ended(code):
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def launch(generator, seed, count, folder, device="cpu", **variables):
    """Runs the cases; returns the line with their number. Raises AssertionError where one fails.
    `folder` is for the file with the case's number; `variables` are of the environment."""
    progress = pathlib.Path(folder, f"{generator}.case")
    env = dict(os.environ, VIEWCAST_ATTACK_CASE=str(progress), PYTHONUNBUFFERED="1", **variables)
    if device == "cpu":
        env["CUDA_VISIBLE_DEVICES"] = ""
    words = [generator, "--seed", seed, "--count", count, "--device", device]
    command = [sys.executable, HERE / "run.py", *words]
    done = subprocess.run(
        [str(word) for word in command],
        env=env,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return lines[-1]
    case = int.from_bytes(progress.read_bytes(), "little") if progress.exists() else 0
    environment = "".join(f"{key}={value} " for key, value in variables.items())
    device = "" if device == "cpu" else f" --device {device}"
    raise AssertionError(
        f"{done.stdout[-6000:]}\n{generator} {how_it_ended(done.returncode)} in case {case}; "
        f"to repeat it:\n  {environment}{sys.executable} tests/attack/run.py {generator} "
        f"--seed {seed} --case {case}{device}"
    )
