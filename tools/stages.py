# SPDX-License-Identifier: Apache-2.0
"""Commands that are run one after the other, or several at once, and what came of each.

One at a time, their output is shown as it comes; several at once, whole, when they end.
A summary says at the end how each went, how long it took and how much of the processor
it used.
"""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from opencvs import say

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "logs"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclasses.dataclass
class Stage:
    """`needs` names the stages that must have passed before. A stage whose last line
    begins with SKIPPED has done nothing, for the reason that follows."""

    name: str
    command: list
    env: dict | None = None  # beside the process's own
    needs: tuple = ()
    timeout: float = 1800  # seconds
    accepted: tuple = (0,)  # exit codes


@dataclasses.dataclass
class Result:
    name: str
    outcome: str
    good: bool
    seconds: float = 0
    cpu: float = 0
    last_line: str = ""


class Running:
    """A stage's process, its output in a file."""

    def __init__(self, stage):
        self.stage = stage
        LOGS.mkdir(parents=True, exist_ok=True)
        slug = re.sub(r"[^a-z0-9.]+", "-", stage.name.lower()).strip("-")
        self.log = LOGS / f"{slug}.txt"
        self.shown = 0
        self.began = time.monotonic()
        self.stopped = False
        env = {key: str(value) for key, value in (stage.env or {}).items()}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in stage.command],
                cwd=ROOT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | env,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # so that all of it can be stopped
            )

    def stop(self):
        self.stopped = True
        os.killpg(self.process.pid, signal.SIGKILL)

    def show(self):
        """What was written since the last look."""
        with self.log.open("rb") as output:
            output.seek(self.shown)
            text = output.read()
        self.shown += len(text)
        sys.stdout.write(text.decode(errors="replace"))
        sys.stdout.flush()

    def poll(self):
        """A Result once the process has ended, else None."""
        done, status, used = os.wait4(self.process.pid, os.WNOHANG)
        seconds = time.monotonic() - self.began
        if not done:
            if seconds > self.stage.timeout and not self.stopped:
                self.stop()
            return None
        self.process.returncode = code = os.waitstatus_to_exitcode(status)
        lines = COLOURS.sub("", self.log.read_text(errors="replace")).strip().splitlines()
        last = lines[-1].strip("= ") if lines else ""
        if self.stopped:
            outcome = f"FAILED: stopped after {seconds:.0f} s"
        elif code < 0:
            outcome = f"FAILED: died of {signal.Signals(-code).name}"
        elif code not in self.stage.accepted:
            outcome = f"FAILED: exit code {code}"
        else:
            outcome = "skipped" if last.startswith("SKIPPED") else "passed"
        cpu = used.ru_utime + used.ru_stime
        good = not outcome.startswith("FAILED")
        return Result(self.stage.name, outcome, good, seconds, cpu, last)


def summary(results, seconds):
    say("Summary")
    width = max(len(result.name) for result in results)
    for each in results:
        times = f"{each.seconds:5.0f} s  {each.cpu:5.0f} s of CPU"
        print(f"{each.name:<{width}}  {times}  {each.outcome}  {each.last_line}"[:200].rstrip())
    print(f"\n{seconds:.0f} s in all")


def run(stages, at_once=1, seconds=float("inf")):
    """Runs them, prints the summary; True if all were good. After so many seconds what
    still runs is stopped, and what waits is not begun: both are failures."""
    stages = list(stages)
    waiting, running, results = list(stages), [], {}
    began = time.monotonic()
    try:
        while waiting or running:
            if time.monotonic() > began + seconds:
                _give_up(waiting, running, results)
            _begin(waiting, running, results, at_once)
            time.sleep(0.05 if at_once == 1 else 0.5)
            for each in list(running):
                if at_once == 1:
                    each.show()
                if result := each.poll():
                    running.remove(each)
                    _end(each, result, results, at_once)
    finally:
        for each in running:
            each.stop()
    order = [results[stage.name] for stage in stages]
    summary(order, time.monotonic() - began)
    return all(result.good for result in order)


def _begin(waiting, running, results, at_once):
    for stage in list(waiting):
        lost = [name for name in stage.needs if name in results and not results[name].good]
        if lost:
            waiting.remove(stage)
            outcome = f"FAILED: not run, it needs {', '.join(lost)}"
            results[stage.name] = Result(stage.name, outcome, False)
        elif len(running) < at_once and all(name in results for name in stage.needs):
            waiting.remove(stage)
            say(stage.name if at_once == 1 else f"{stage.name}: begins")
            running.append(Running(stage))


def _give_up(waiting, running, results):
    for each in running:
        if not each.stopped:
            each.stop()
    for stage in waiting:
        results[stage.name] = Result(stage.name, "FAILED: not run, no time was left", False)
    waiting.clear()


def _end(each, result, results, at_once):
    results[result.name] = result
    if at_once > 1:
        say(result.name)
    each.show()
    print(f"{result.name}: {result.outcome}, {result.seconds:.0f} s", flush=True)
