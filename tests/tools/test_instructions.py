# SPDX-License-Identifier: Apache-2.0
"""bench/instructions: reading callgrind's dumps, and the comparison with the record."""

import copy
import importlib
import pathlib
import sys

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"

ONCE = """\
# callgrind format
desc: Trigger: Client Request: torch-gpumat once
positions: line
events: Ir
summary: 1000

ob=(1) /lib/viewcast/_viewcast.so
fl=(1) lend.c
fn=(1) lend
10 100
+2 50
cob=(2) /lib/libpython3.11.so.1.0
cfi=(2) ceval.c
cfn=(2) call
calls=3 0
* 9000
12 1

ob=(2)
fl=(2)
fn=(2)
-3 40
"""
TWICE = """\
desc: Trigger: Client Request: torch-gpumat twice

ob=(2)
fn=(2)
1 80
ob=(1)
fn=(1)
1 302
"""


@pytest.fixture(scope="module")
def tools():
    sys.path.insert(0, str(BENCH))
    try:
        names = ("callgrind_output", "compare", "count")
        yield {name: importlib.import_module(f"instructions.{name}") for name in names}
    finally:
        sys.path.remove(str(BENCH))


@pytest.fixture
def dumps(tmp_path, tools):
    for name, text in (("dump.1", ONCE), ("dump.2", TWICE)):
        (tmp_path / name).write_text(text)
    return tools["callgrind_output"].read_all([tmp_path / "dump.1", tmp_path / "dump.2"])


def test_dumps_are_read_by_object_without_what_calls_cost(dumps):
    assert dumps["torch-gpumat once"] == {
        "/lib/viewcast/_viewcast.so": 151,
        "/lib/libpython3.11.so.1.0": 40,
    }


def test_a_call_is_the_difference_over_the_calls(tools, dumps):
    assert tools["count"].per_call(dumps, 10) == {
        "torch-gpumat": {
            "own": 15.1,
            "total": 19.1,
            "objects": {"viewcast": 15.1, "Python": 4.0},
        }
    }


VERSIONS = {
    "compiler": "GCC: (Debian) 12.2.0",
    "cupy": "14.2.0",
    "machine": "x86_64",
    "numpy": "2.4.6",
    "opencv": "5.0.0",
    "opencv_cuda": False,
    "python": "3.11.7",
    "torch": "2.13.0+cpu",
    "valgrind": "3.19.0",
}


def counted(own=1000, total=4000, **versions):
    counts = {"torch-gpumat": {"own": own, "total": total, "objects": {}}}
    return {"versions": VERSIONS | versions, "counts": counts, "skipped": {}}


@pytest.mark.parametrize(
    ("now", "failures"),
    [
        (counted(), []),
        (counted(own=1015, total=4200), []),
        (counted(own=1030), ["torch-gpumat, own: 1,000 → 1,030 (+3.0%), more than 2%"]),
        (counted(total=4400), ["torch-gpumat, total: 4,000 → 4,400 (+10.0%), more than 6%"]),
        # Another NumPy: the extension's instructions are compared as strictly, the others are not.
        (counted(total=4400, numpy="3.0"), []),
        (
            counted(own=1030, numpy="3.0"),
            ["torch-gpumat, own: 1,000 → 1,030 (+3.0%), more than 2%"],
        ),
        (counted(own=1200, compiler="clang"), []),
        (
            counted(own=1300, compiler="clang"),
            ["torch-gpumat, own: 1,000 → 1,300 (+30.0%), more than 25%"],
        ),
        # Differences that do not change the extension's instructions.
        (counted(own=1030, python="3.11.2", torch="2.13.0+cu130"), ["torch-gpumat, own"]),
    ],
)
def test_more_than_the_tolerance_fails(tools, now, failures):
    found, _ = tools["compare"].compare(counted(), now)
    assert len(found) == len(failures)
    assert all(line.startswith(start) for line, start in zip(found, failures, strict=True))


def test_fewer_is_remarked(tools):
    failures, remarks = tools["compare"].compare(counted(), counted(own=500))
    assert failures == []
    assert remarks == [
        "torch-gpumat, own: 1,000 → 500 (-50.0%): fewer; keep it so with make record-instructions"
    ]


def test_other_versions_are_named(tools):
    _, remarks = tools["compare"].compare(counted(), counted(compiler="clang"))
    change = "versions differ: compiler GCC: (Debian) 12.2.0 → clang"
    assert remarks == [f"{what}: within 25% only, for {change}" for what in ("own", "total")]


def test_what_is_no_longer_counted_fails(tools):
    now = copy.deepcopy(counted())
    now["counts"].clear()
    now["skipped"]["torch-gpumat"] = "torch is not installed"
    failures, _ = tools["compare"].compare(counted(), now)
    assert failures == ["torch-gpumat: recorded, and not counted now: torch is not installed"]


def test_what_is_recorded_is_whole(tools):
    import json

    record = json.loads((BENCH / "instructions" / "recorded.json").read_text())
    slugs = {slug for each in record.values() for slug in each["counts"]}
    for name, each in record.items():
        assert set(each["versions"]) == set(VERSIONS), name
        assert set(each["counts"]) == slugs, name
        for slug, counts in each["counts"].items():
            assert 0 < counts["own"] < counts["total"], (name, slug)
