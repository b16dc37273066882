# SPDX-License-Identifier: Apache-2.0
"""The benchmark harness, with clocks that the tests advance, so that no real time counts."""

import json
import pathlib
import subprocess
import sys

import pytest

import viewcast as vc
from viewcast.bench import loop

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench"))
import conversions as command  # noqa: E402
from harness import budgets, stopwatches, table  # noqa: E402
from harness.methods import CONVERSIONS  # noqa: E402

SLUGS = [each.slug for each in CONVERSIONS]
FEW = ["--rounds", "2", "--calls", "20"]


class Clock:
    """A clock that the test advances."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now

    def work(self, nanoseconds):
        self.now += nanoseconds


@pytest.fixture
def clock():
    return Clock()


# ------------------------------------------------------------------------ loop


def test_summary():
    times = [3.0, 1.0, 2.0, 10.0]
    found = loop.summary(times)
    assert found == {"minimum": 1.0, "median": 2.5, "spread": 9.0, "rounds": times}


def test_rounds_take_turns_after_a_round_that_does_not_count():
    order, between, steps = [], [], []

    def watch(name, numbers):
        return lambda: order.append(name) or next(numbers)

    watches = [watch("a", iter([100, 1, 2])), watch("b", iter([200, 3, 4]))]
    times = loop.interleave(watches, 2, lambda: between.append(0), step=lambda: steps.append(0))
    assert times == [[1, 2], [3, 4]]
    assert order == ["a", "b"] * 3
    assert len(between) == len(steps) == 6


def test_calls(clock):
    assert loop.calls("f(x)", {"f": clock.work, "x": 250}, 8, clock)() == 0.25


class Result:
    """An object that takes time to make, and more to end."""

    def __init__(self, clock):
        self.clock = clock
        clock.work(300)

    def __del__(self):
        self.clock.work(700)


def test_the_making_and_the_end_are_told_apart(clock):
    names = {"f": Result, "x": clock}
    assert stopwatches.makes("f(x)", names, 10, clock)() == 0.3
    assert stopwatches.ends("f(x)", names, 10, clock=clock)() == 0.7
    assert stopwatches.ends("f(x)", names, 10, lambda: clock.work(1000), clock)() == 0.8
    assert loop.calls("f(x)", names, 10, clock)() == 1.0


def test_batches_wait_once_and_leave_the_first_call_out(clock):
    waits = []

    def wait():
        waits.append(clock.now)
        clock.work(1000)

    watch = stopwatches.batches(lambda: clock.work(100), 10, wait, lambda: clock.work(9999), clock)
    assert watch() == 0.2
    assert len(waits) == 2


def test_threads_all_call_and_failures_are_raised():
    calls = []
    watch = stopwatches.threads("f(x)", [{"f": calls.append, "x": x} for x in range(4)], 5)
    assert watch() >= 0
    assert len(calls) == 20

    with pytest.raises(ZeroDivisionError):
        stopwatches.threads("1 / x", [{"x": 1}, {"x": 0}], 5)()


class Events:
    """A device on which only launches take time."""

    def __init__(self):
        self.milliseconds_done = 0

    def make(self):
        return []

    def record(self, event):
        event.append(self.milliseconds_done)

    def milliseconds(self, begin, end):
        return end[0] - begin[0]


def test_launches_go_round_the_buffers():
    events, seen = Events(), []

    def launch(buffer):
        seen.append(buffer)
        events.milliseconds_done += 2

    assert stopwatches.launches(launch, ["a", "b", "c"], 6, events)() == 2000
    assert seen == ["c", "a", "b", "c", "a", "b", "c"]


@pytest.mark.parametrize(("nbytes", "count"), [(1 << 30, 2), (100 << 20, 3), (256 << 20, 2)])
def test_buffers_are_more_than_the_cache_holds(nbytes, count):
    assert len(stopwatches.rotating(object, nbytes)) == count


# --------------------------------------------------------------------- budgets


def rows(own, peer, floor):
    kinds = {"own": own, "peer": peer, "floor": floor}
    methods = {"own": "viewcast", "peer": "Savant's helpers", "floor": "floor: GpuMat()"}
    return [
        {"conversion": "torch -> GpuMat", "method": methods[kind], "kind": kind, "minimum": minimum}
        for kind, minimum in kinds.items()
    ]


@pytest.mark.parametrize(
    ("minima", "said"),
    [
        ((0.33, 7.0, 0.15), ["≤ 2.2 met", "≥ 20 met", ""]),
        ((0.34, 6.6, 0.15), ["≤ 2.2 NOT met", "≥ 20 NOT met", ""]),
    ],
)
def test_budgets_are_judged_beside_the_floor_and_the_peer(minima, said):
    judged = budgets.judge(rows(*minima))
    assert [budgets.describe(row["budget"]) for row in judged] == said
    assert judged[0]["floors"] == minima[0] / minima[2]
    assert judged[1]["owns"] == minima[1] / minima[0]


def test_without_a_floor_there_is_no_verdict():
    judged = budgets.judge(rows(1, 2, 3)[:2])
    assert [row["floors"] for row in judged] == [None, None]
    assert judged[0]["budget"] is None


# ---------------------------------------------------------------------- tables


def test_a_plain_table_is_80_columns_wide_at_most():
    made = table.Table("Title", ["", "number"], [["a" * 100, "1.25"], None, ["b", "10.50"]])
    lines = made.plain().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Title"
    assert lines[3].endswith("a…    1.25")
    assert lines[4] == ""
    assert lines[5].split() == ["b", "10.50"]


def test_a_table_for_the_documentation():
    made = table.Table("Title", ["", "number"], [["group", ""], [" one", "1"], None], ["Note."])
    assert made.markdown().splitlines() == [
        "**Title**",
        "",
        "|  | number |",
        "| --- | --: |",
        "| **group** |  |",
        "| one | 1 |",
        "",
        "Note.",
    ]


# ----------------------------------------------------------------- the command


def bench(*arguments):
    return command.main([str(each) for each in arguments])


def measured(tmp_path, *arguments):
    path = tmp_path / "report.json"
    assert bench(*FEW, "--json", path, *arguments) == 0
    return json.loads(path.read_text())


def test_the_report_has_every_conversion_and_what_it_ran_on(tmp_path, capsys):
    report = measured(tmp_path)
    assert report["format"] == command.FORMAT
    assert list(report["sections"]) == ["conversions", "release", "sizes"]
    machine = report["machine"]
    assert machine["viewcast"] == vc.__version__
    assert machine["mode"] == "host"
    for key in ("python", "opencv", "torch", "cupy", "numpy", "compiler", "cpu", "date"):
        assert machine[key], key
    for section in report["sections"].values():
        names = {row["conversion"] for row in section["rows"]}
        assert names == {each.name for each in CONVERSIONS}
    for row in report["sections"]["conversions"]["rows"]:
        assert len(row["rounds"]) == 2
        assert 0 < row["minimum"] <= row["median"]
    kinds = {
        (row["conversion"], row["kind"]): row for row in report["sections"]["conversions"]["rows"]
    }
    for name in budgets.BUDGETS:
        assert kinds[name, "own"]["budget"]["limit"] == budgets.BUDGETS[name].floor
        assert kinds[name, "floor"]["floors"] == 1
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert "\x1b" not in printed


def test_what_is_skipped_says_why(tmp_path, capsys):
    report = measured(tmp_path, "--only", "torch-gpumat")
    why = {entry["what"]: entry["why"] for entry in report["skipped"]}
    assert set(why) == {
        "torch -> GpuMat, Savant's helpers",
        "torch -> GpuMat, GpuMat.from_dlpack",
    }
    assert set(why.values()) == {"reads device memory only, and there is no GPU"}
    assert "Skipped: reads device memory only" in capsys.readouterr().out


def test_a_missing_library_leaves_the_rest(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cv2", None)
    report = measured(tmp_path, "--only", "torch-gpumat", "--only", "cupy-torch")
    assert {row["conversion"] for row in report["sections"]["conversions"]["rows"]} == {
        "CuPy -> torch"
    }
    reason = "cv2 is not installed: pip install opencv-python-headless"
    assert {"what": "torch -> GpuMat", "why": reason} in report["skipped"]
    assert report["machine"]["opencv"] is None


def test_only_sections_and_conversions(tmp_path):
    only = ("--only", "release", "--only", "sizes", "--only", "cupy-view")
    report = measured(tmp_path, *only)
    assert list(report["sections"]) == ["release", "sizes"]
    for section in report["sections"].values():
        assert [row["conversion"] for row in section["rows"]] == ["CuPy -> View"]
    sizes = report["sections"]["sizes"]
    assert len(sizes["rows"][0]["minima"]) == len(sizes["sizes"]) == 5


def test_only_of_something_unknown_names_what_there_is(capsys):
    assert bench("--only", "torch") == 2
    said = capsys.readouterr().err
    assert "--only knows no torch" in said
    assert all(name in said for name in (*command.SECTIONS, *SLUGS))


def test_threads_and_millions(tmp_path, capsys):
    options = ("--threads", "1,3", "--long", "0.0001", "--only", "torch-view")
    report = measured(tmp_path, *options)
    assert list(report["sections"]) == ["conversions", "threads", "long"]
    rows = report["sections"]["threads"]["rows"]
    assert [row["threads"] for row in rows] == [1, 3]
    assert all(row["rate"] == row["threads"] / row["minimum"] for row in rows)
    long = report["sections"]["long"]
    assert long["title"].startswith("100 conversions of each")
    assert [len(row["rounds"]) for row in long["rows"]] == [10]
    assert len(long["memory"]) == 10
    assert long["unreleased"] == {"lends": 0, "shares": 0, "exports": 0}
    assert "Not released at the end: 0 lends" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [("--threads", "0"), ("--threads", "1,x"), ("--rounds", "-1"), ("--long", "much")],
)
def test_numbers_that_are_none(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        bench(*arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_report_is_shown_again_from_its_file(tmp_path, capsys):
    measured(tmp_path, "--only", "torch-gpumat", "--only", "release")
    first = capsys.readouterr().out
    assert bench("--from-json", tmp_path / "report.json") == 0
    assert capsys.readouterr().out == first


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"format": 0}'])
def test_another_file_is_refused(tmp_path, capsys, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    assert bench("--from-json", path) == 2
    assert capsys.readouterr().err.startswith("viewcast bench: ")


def test_the_plot(tmp_path):
    pytest.importorskip("matplotlib")
    measured(tmp_path, "--only", "torch-gpumat", "--only", "torch-view")
    picture = tmp_path / "plot.png"
    arguments = ("--from-json", tmp_path / "report.json", "--plot", picture)
    assert bench(*arguments) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_no_plot_without_matplotlib(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plot = ("--plot", tmp_path / "plot.png", "--json", tmp_path / "kept.json")
    assert bench(*FEW, "--only", "torch-view", *plot) == 2
    assert "pip install matplotlib" in capsys.readouterr().err
    assert (tmp_path / "kept.json").is_file()


def test_no_plot_of_no_conversions(tmp_path, capsys):
    arguments = ("--only", "release", "--only", "torch-view", "--plot", tmp_path / "plot.png")
    assert bench(*FEW, *arguments) == 2
    assert "no conversions to plot" in capsys.readouterr().err


# --------------------------------------------------------------------- scripts


def test_the_scripts_run_and_write_into_one_folder(tmp_path):
    only = [word for name in ("where", "ordering", "pool") for word in ("--only", name)]
    script = [sys.executable, ROOT / "bench" / "all.py", "--quick", "--output", tmp_path]
    done = subprocess.run([*script, *only], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    where = json.loads((tmp_path / "where.json").read_text())
    assert {row["conversion"] for row in where["sums"]} == set(budgets.BUDGETS)
    for row in where["sums"]:
        assert row["whole"] > 0
        parts = [row[key] for key in ("call", "import", "export", "streams", "end", "rest")]
        assert sum(parts) == pytest.approx(row["whole"])
    for name in ("ordering", "pool"):
        assert "nothing to measure" in (tmp_path / f"{name}.txt").read_text()
    assert (tmp_path / "summary.txt").read_text().count("passed") == 3
    tables = (tmp_path / "tables.md").read_text()
    assert "**Conversions by their parts, ns**" in tables
    assert "| torch -> GpuMat |" in tables
