# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast`: conventions of Unix programs that all commands follow, the demo, and
the figures of bench."""

import importlib.util
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from viewcast.__main__ import main
from viewcast.bench.conversions import CONVERSIONS
from viewcast.terminal import check_output

pytestmark = [pytest.mark.all_libraries, pytest.mark.any_opencv, pytest.mark.unsanitized]

PYPROJECT = pathlib.Path(__file__).parents[3] / "pyproject.toml"
VIEWCAST = [sys.executable, "-m", "viewcast"]
FEW = ["--rounds", "2", "--calls", "20"]
COMMANDS = [["doctor"], ["doctor", "--json"], ["demo"], ["bench", *FEW]]
needs_video = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("av", "PIL")),
    reason="the demo needs PyAV and Pillow",
)
# Runs the command in a process in which these modules can't be imported.
WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
from viewcast.__main__ import main
sys.exit(main())
"""


@pytest.fixture(autouse=True)
def without_torch(monkeypatch, tmp_path_factory):
    """Importing torch takes seconds, and these tests don't need it."""
    folder = tmp_path_factory.mktemp("lean")
    (folder / "torch.py").write_text("raise ModuleNotFoundError('No torch', name='torch')")
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


def run(*arguments, **options):
    environment = {**os.environ, **options.pop("env", {})}
    defaults = {"capture_output": True, "text": True, "check": False, "timeout": 100}
    return subprocess.run([*VIEWCAST, *map(str, arguments)], env=environment, **defaults | options)


def one_line(text):
    """True for one line that is no traceback and shows no errno."""
    return text.count("\n") == 1 and "Traceback" not in text and "Errno" not in text


def short(words, tmp_path):
    """The command with arguments for a short run, which writes into the test's folder."""
    if words != ["demo"]:
        return words
    return ["demo", "--frames", "2", "--output", str(tmp_path / "demo.png")]


def marked(commands):
    return [
        pytest.param(words, id=" ".join(words), marks=needs_video if words[0] == "demo" else ())
        for words in commands
    ]


@pytest.fixture(params=marked([["doctor"], ["demo"], ["bench", *FEW]]))
def command(request, tmp_path):
    return short(request.param, tmp_path)


@pytest.mark.parametrize("command", [(), ("doctor",), ("demo",), ("bench",)], ids=str)
def test_help_fits_80_columns(command):
    done = run(*command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: python -m viewcast")
    assert max(map(len, done.stdout.splitlines())) <= 80


# --- terminals


ASCII = {
    "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
    "LC_ALL=C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("env", ASCII.values(), ids=ASCII)
def test_an_ascii_terminal_is_enough(command, env):
    done = run(*command, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


@pytest.mark.parametrize("columns", ["1", "39", "200"])
def test_no_line_is_longer_than_80_columns(command, columns):
    done = run(*command, env={"COLUMNS": columns})
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("Picture: ")]
    assert max(map(len, lines)) <= 80


def on_a_terminal(words, **env):
    """Runs the command on a pseudo-terminal; returns its output and exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [*VIEWCAST, *words], {**os.environ, **env})
    written = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux's error at the end of a pseudo-terminal
            break
        if not part:
            break
        written += part
    os.close(terminal)
    return written.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_on_a_terminal(command):
    written, code = on_a_terminal(command, PYTHONIOENCODING="ascii")
    assert code == 0
    assert "Traceback" not in written
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written)
    lines = [line for line in plain.split("\r\n") if not line.startswith("Picture: ")]
    assert max(map(len, lines)) <= 80


# --- interrupts and closed pipes


def program_runs(process):
    """Waits until Python has started and viewcast is imported: until then an interrupt is
    Python's own."""
    handled = False
    while process.poll() is None:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        now = int(re.search(r"SigCgt:\s+(\w+)", status)[1], 16) >> (signal.SIGINT - 1) & 1
        if handled and not now:
            return
        handled = handled or now
        time.sleep(0.002)


def writes_a_line(process):
    process.stdout.readline()


def obey_interrupts():
    """Runs in the child: a shell's background job, in which the tests may run, ignores
    interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("long", marked([["bench", "--rounds", "1000000"], ["demo"], ["doctor"]]))
@pytest.mark.parametrize("until", [program_runs, writes_a_line], ids=lambda each: each.__name__)
def test_ctrl_c_ends_the_command_without_output(long, until, tmp_path):
    with subprocess.Popen(
        [*VIEWCAST, *long],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=obey_interrupts,
    ) as process:
        until(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    # The doctor may have ended after its first line.
    assert process.returncode in (-signal.SIGINT, 0 if long == ["doctor"] else -signal.SIGINT)
    assert errors == ""


def test_ignored_interrupts_stay_ignored(tmp_path):
    """A shell's background job ignores interrupts."""
    shell = f"trap '' INT; exec {sys.executable} -m viewcast doctor"
    with subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("words", marked([*COMMANDS, ["--help"], ["bench", "--help"]]))
def test_a_closed_pipe_ends_the_command_without_output(words, tmp_path):
    """viewcast doctor | head -1"""
    with subprocess.Popen(
        [*VIEWCAST, *short(words, tmp_path)],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        code = process.wait(timeout=60)
    assert errors == ""
    assert code in (-signal.SIGPIPE, 0)


def test_a_pipe_that_is_closed_from_the_start_ends_the_command():
    reader, writer = os.pipe()
    os.close(reader)
    done = run("doctor", stdout=writer, capture_output=False, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
def test_without_a_stdout_there_is_no_traceback(closed, command):
    words = " ".join([*VIEWCAST, *command])
    done = subprocess.run(["sh", "-c", f"{words} {closed}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", marked([*COMMANDS, ["--help"], ["--version"]]))
def test_a_full_disk_is_an_error_in_one_line(words, tmp_path):
    with open("/dev/full", "w") as full:
        buffered = {
            "PYTHONUNBUFFERED": ""
        }  # argparse ignores the error where stdout is not buffered
        output = {"stdout": full, "capture_output": False, "stderr": subprocess.PIPE}
        done = run(*short(words, tmp_path), env=buffered, **output)
    assert done.returncode == 2
    assert one_line(done.stderr) and "No space left on device" in done.stderr


# --- files to write


def refused(*words):
    """Runs a command that must fail; returns its time and its message."""
    begin = time.monotonic()
    done = run(*words)
    assert done.returncode == 2
    assert one_line(done.stderr), done.stderr
    assert done.stdout == "", "it had begun to work"
    return time.monotonic() - begin, done.stderr


LONG = marked(
    [["demo", "--frames", "100000", "--output"], ["bench", "--rounds", "1000000", "--json"]]
)
of_each = pytest.mark.parametrize("words", LONG)


@of_each
def test_a_file_that_cannot_be_written_is_an_error_before_the_work(words, tmp_path):
    suffix = ".png" if words[0] == "demo" else ".json"
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    for path in (f"/nowhere/at/all{suffix}", f"/proc/new{suffix}", folder, f"{__file__}/x{suffix}"):
        _, said = refused(*words, path)
        assert f"{path} cannot be written" in said


@of_each
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_an_error_before_the_work(words, tmp_path):
    tmp_path.chmod(0o500)
    _, said = refused(*words, tmp_path / "x.png")
    assert "Permission denied" in said


@needs_video
def test_an_existing_file_stays_where_the_work_fails(tmp_path):
    output = tmp_path / "out.png"
    output.write_text("before")
    assert run("demo", "--video", tmp_path / "none.mp4", "--output", output).returncode == 2
    assert output.read_text() == "before"
    output.unlink()
    assert run("demo", "--video", tmp_path / "none.mp4", "--output", output).returncode == 2
    assert not output.exists()


def test_a_check_leaves_a_pipe_alone(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_output(str(pipe))  # opening it would wait for a reader


@needs_video
@pytest.mark.parametrize("name", ["picture", "picture.txt", "picture.", ".png", ""])
def test_a_file_name_without_a_known_suffix_is_refused(name, tmp_path):
    _, said = refused("demo", "--output", tmp_path / name if name else "")
    assert "say NAME.png" in said


# --- the demo


@needs_video
def test_the_demo_needs_the_packages_of_its_extra(tmp_path):
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 and later have it")
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    names = {re.split(r"[><=]", each)[0] for each in extras["demo"]}
    assert names == {"av", "numpy", "opencv-python-headless", "pillow"}
    missing = ["torch", "cupy", "rich", "matplotlib", "skvideo", "scipy", "hypothesis", "pytest"]
    code = WITHOUT.format(missing=missing)
    command = [sys.executable, "-c", code, "demo", "--frames", "3", "--output", "out.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A drawn clip, 1280 x 720" in done.stdout
    assert re.search(r"GpuMat -> NumPy +3 +yes +yes", done.stdout)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@needs_video
@pytest.mark.parametrize("name", ["av", "PIL", "cv2"])
def test_the_demo_names_a_missing_package(name):
    code = WITHOUT.format(missing=[name])
    done = subprocess.run([sys.executable, "-c", code, "demo"], capture_output=True, text=True)
    package = {"PIL": "pillow", "cv2": "opencv-python-headless"}.get(name, name)
    assert done.returncode == 2
    assert done.stderr == f"viewcast demo: more packages are needed: pip install {package}\n"


@pytest.fixture
def videos(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").write_text("")
    return tmp_path


@needs_video
@pytest.mark.parametrize("name", ["text.mp4", "empty.mp4", "none.mp4", "."])
def test_a_file_that_is_no_video_is_refused(name, videos):
    done = run("demo", "--video", videos / name, "--output", videos / "out.png")
    assert done.returncode == 2
    assert done.stderr.startswith("viewcast demo: ") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [("demo", "--frames"), ("bench", "--rounds"), ("bench", "--calls")], ids=" ".join
)
@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
def test_wrong_numbers_are_refused(words, number, capsys):
    with pytest.raises(SystemExit) as ended:
        main([words[0], f"{words[1]}={number}"])
    assert ended.value.code == 2
    said = f"argument {words[1]}: '{number}' is not a whole number from 1 up\n"
    assert capsys.readouterr().err.endswith(said)


# --- the figures of bench


def test_bench_gives_figures_and_no_verdicts(tmp_path, capsys):
    path = tmp_path / "figures.json"
    assert main(["bench", *FEW, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "met" not in printed and "NOT" not in printed
    report = json.loads(path.read_text())
    rows = {row["conversion"]: row for row in report["conversions"]}
    assert list(rows) == [each.name for each in CONVERSIONS]
    for name, row in rows.items():
        assert 0 < row["ns"]["minimum"] <= row["ns"]["median"]
        assert (row["bare_call"] is None) == name.endswith("View")
        line = next(line for line in printed.splitlines() if line.startswith(name))
        if row["bare_call"]:  # the ratio is of the fastest rounds
            ratio = row["ns"]["minimum"] / row["bare_call_ns"]["minimum"]
            assert line.split()[-1] == f"{ratio:.2f}"


def test_bench_names_skipped_conversions_with_the_reason(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert main(["bench", *FEW]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "OpenCV missing" in printed
    assert "Skipped, cv2 is not installed: pip install opencv-python-headless: " in printed


def test_bench_without_conversions_is_an_error(monkeypatch, capsys):
    for name in ("torch", "cupy"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["bench", *FEW]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "fastest ratio" not in printed
    assert "Skipped, torch is not installed: pip install torch: torch -> GpuMat" in printed
