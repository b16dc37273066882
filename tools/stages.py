# SPDX-License-Identifier: Apache-2.0
"""Runs commands one after the other, or several at once.

The output of a command is shown while it runs if it runs alone, else when it ends. It is
kept in build/logs, and a summary of all outcomes comes at the end.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

from opencvs import say

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "logs"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclasses.dataclass
class Stage:
    """A command. `needs` names the stages that must have passed before. A last line of output
    that begins with SKIPPED says why the stage has done nothing."""

    name: str
    command: list
    env: dict = dataclasses.field(default_factory=dict)  # added to that of the process
    needs: tuple = ()
    timeout: float = 1800  # seconds
    accepted: tuple = (0,)  # exit codes


@dataclasses.dataclass
class Result:
    outcome: str
    seconds: float = 0
    last_line: str = ""

    @property
    def good(self):
        return not self.outcome.startswith("FAILED")


class Running:
    """The process of a stage, in a session of its own with all processes that it starts."""

    def __init__(self, stage, shown, seconds):
        LOGS.mkdir(parents=True, exist_ok=True)
        slug = re.sub(r"[^a-z0-9.]+", "-", stage.name.lower()).strip("-")
        self.stage, self.shown, self.log = stage, shown, LOGS / f"{slug}.txt"
        self.began, self.stopped = time.monotonic(), False
        self.process = subprocess.Popen(
            [str(word) for word in stage.command],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **stage.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.timer = threading.Timer(min(stage.timeout, seconds), self.stop)
        self.timer.start()

    def stop(self):
        self.stopped = True
        os.killpg(self.process.pid, signal.SIGKILL)

    def result(self):
        """Waits for the end of the process; returns the Result."""
        last = ""
        with self.log.open("w") as log:
            for line in self.process.stdout:
                text = line.decode(errors="replace")
                log.write(text)
                last = text.strip() or last
                if self.shown:
                    print(text, end="", flush=True)
        code = self.process.wait()
        self.timer.cancel()
        seconds = time.monotonic() - self.began
        last = COLOURS.sub("", last).strip("= ")
        return Result(self.outcome(code, seconds, last), seconds, last)

    def outcome(self, code, seconds, last):
        if self.stopped:
            return f"FAILED: stopped after {seconds:.0f} s"
        if code < 0:
            return f"FAILED: died of {signal.Signals(-code).name}"
        if code not in self.stage.accepted:
            return f"FAILED: exit code {code}"
        return "skipped" if last.startswith("SKIPPED") else "passed"


def run(stages, at_once=1, seconds=float("inf")):
    """Runs the stages and prints the summary; True if all were good. After so many seconds,
    stages that run are stopped, and waiting ones are not started: both are failures."""
    stages = list(stages)
    end, results = time.monotonic() + seconds, {}
    waiting, running = list(stages), {}
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        try:
            while waiting or running:
                for stage in _ready(waiting, results, at_once - len(running), end):
                    say(stage.name if at_once == 1 else f"{stage.name}: begins")
                    started = Running(stage, at_once == 1, end - time.monotonic())
                    running[pool.submit(started.result)] = started
                done, _ = concurrent.futures.wait(running, return_when="FIRST_COMPLETED")
                for future in done:
                    _end(running.pop(future), future.result(), results)
        finally:
            for each in running.values():
                each.stop()
    return summary({stage.name: results[stage.name] for stage in stages})


def _ready(waiting, results, free, end):
    """Removes and yields the stages of `waiting` that can start now. Stages that can never run
    are removed with a failure in `results`."""
    for stage in list(waiting):
        lost = [name for name in stage.needs if name in results and not results[name].good]
        late = time.monotonic() >= end
        if lost or late:
            why = "no time was left" if late else f"it needs {', '.join(lost)}"
            results[stage.name] = Result(f"FAILED: not run, {why}")
            waiting.remove(stage)
        elif free > 0 and all(name in results for name in stage.needs):
            free -= 1
            waiting.remove(stage)
            yield stage


def _end(ended, result, results):
    results[ended.stage.name] = result
    if not ended.shown:
        say(ended.stage.name)
        sys.stdout.write(ended.log.read_text())
    print(f"{ended.stage.name}: {result.outcome}, {result.seconds:.0f} s", flush=True)


def summary(results):
    say("Summary")
    width = max(map(len, results))
    for name, each in results.items():
        line = f"{name:<{width}}  {each.seconds:5.0f} s  {each.outcome}  {each.last_line}"
        print(line[:200].rstrip())
    return all(each.good for each in results.values())
