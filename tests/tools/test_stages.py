# SPDX-License-Identifier: Apache-2.0
"""tools/stages.py: outcomes of commands that run one at a time or several at once."""

import pathlib
import sys
import time

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))
import stages  # noqa: E402
from stages import Stage  # noqa: E402


@pytest.fixture(autouse=True)
def logs(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "LOGS", tmp_path)
    return tmp_path


def python(name, code, **options):
    return Stage(name, [sys.executable, "-c", code], **options)


def outcomes(printed):
    """{name: outcome} of the summary."""
    lines = printed.partition("==== Summary\n")[2].splitlines()
    return {line.split("  ")[0].strip(): line.partition(" s  ")[2] for line in lines}


at_once = pytest.mark.parametrize("at_once", [1, 2])


@at_once
def test_all_that_pass_are_good(at_once, capsys, logs):
    chosen = [python("one", "print('first\\nlast')"), python("two: x", "print('SKIPPED: why')")]
    assert stages.run(chosen, at_once)
    printed = capsys.readouterr().out
    assert "first\nlast\n" in printed
    assert outcomes(printed) == {"one": "passed  last", "two: x": "skipped  SKIPPED: why"}
    assert (logs / "one.txt").read_text() == "first\nlast\n"
    assert (logs / "two-x.txt").is_file()


@at_once
def test_one_that_fails_is_a_failure_and_the_others_go_on(at_once, capsys):
    chosen = [
        python("exits", "raise SystemExit(3)"),
        python("dies", "import os; os.kill(os.getpid(), 9)"),
        python("accepted", "raise SystemExit(5)", accepted=(0, 5)),
    ]
    assert not stages.run(chosen, at_once)
    assert outcomes(capsys.readouterr().out) == {
        "exits": "FAILED: exit code 3",
        "dies": "FAILED: died of SIGKILL",
        "accepted": "passed",
    }


@at_once
def test_what_needs_a_failure_is_not_run(at_once, capsys):
    chosen = [
        python("after", "print('ran')", needs=("first",)),
        python("first", "raise SystemExit(1)"),
        python("beside", "print('ran')"),
    ]
    assert not stages.run(chosen, at_once)
    found = outcomes(capsys.readouterr().out)
    assert found["after"] == "FAILED: not run, it needs first"
    assert found["beside"] == "passed  ran"


def test_several_run_at_once(capsys):
    code = "import time; time.sleep(1)"
    begin = time.monotonic()
    assert stages.run([python(str(n), code) for n in range(4)], at_once=4)
    assert time.monotonic() - begin < 3.5


# A child process of the command, which must be stopped with it.
HANGS = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


@at_once
def test_one_that_hangs_is_stopped_with_all_that_it_started(at_once, capsys):
    begin = time.monotonic()
    assert not stages.run([python("hangs", HANGS, timeout=1)], at_once)
    assert time.monotonic() - begin < 20
    assert outcomes(capsys.readouterr().out)["hangs"].startswith("FAILED: stopped after")


def test_after_so_many_seconds_nothing_begins(capsys):
    chosen = [python("hangs", HANGS), python("waits", "print('ran')")]
    assert not stages.run(chosen, 1, seconds=1)
    found = outcomes(capsys.readouterr().out)
    assert found["hangs"].startswith("FAILED: stopped after")
    assert found["waits"] == "FAILED: not run, no time was left"


def test_the_environment_is_the_stage_s_own(capsys):
    code = "import os; print(os.environ['WORD'])"
    assert stages.run([python("env", code, env={"WORD": "here"})])
    assert "passed  here" in capsys.readouterr().out
