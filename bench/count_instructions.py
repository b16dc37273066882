# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions of each host-mode conversion, and compares with the record.

Counts do not depend on the load of a machine, as times do. `own` are the instructions in
the extension, `total` all of them: Python's, the libraries', the C library's. A failure is
more than 2 % of `own` above the record, or 6 % of `total` where the versions are those of
the record, else 25 %.

    python bench/count_instructions.py [OpenCV]   compare; "stock-5", "cuda-4"
    python bench/count_instructions.py --record   record the counts
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

from harness.table import Table
from instructions import compare, count

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))
from opencvs import COUNTED, environment, opencvs, say  # noqa: E402

RECORD = ROOT / "bench" / "instructions" / "recorded.json"


def read_record():
    return json.loads(RECORD.read_text()) if RECORD.is_file() else {}


def keep(name, counted):
    record = read_record() | {name: {key: counted[key] for key in ("versions", "counts")}}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def table(counted):
    """The instructions of each conversion, by the library that they are in."""
    whose = (*count.OBJECTS, "other")
    made = Table("Instructions per call", ["", *whose, "total"])
    for slug, counts in counted["counts"].items():
        numbers = [*(counts["objects"].get(name, 0) for name in whose), counts["total"]]
        made.rows.append([slug, *(f"{number:.0f}" for number in numbers)])
    return made.plain()


def check(name, env, record=False):
    """(True, False, or None where it was skipped; a line about the result)."""
    try:
        counted = count.count(env)
    except count.Skip as reason:
        return None, f"SKIPPED: {reason}"
    except subprocess.CalledProcessError as error:
        return False, f"FAILED: the run under valgrind ended with {error.returncode}"
    print(table(counted), flush=True)
    if record:
        keep(name, counted)
        return True, "recorded"
    recorded = read_record().get(name)
    if recorded is None:
        return None, "SKIPPED: nothing is recorded; make record-instructions"
    failures, remarks = compare.compare(recorded, counted)
    for line in remarks + [f"MORE: {line}" for line in failures]:
        print(f"  {line}", flush=True)
    if failures:
        return False, f"FAILED: {len(failures)} counts are above the record"
    return True, f"passed: {2 * len(recorded['counts'])} counts, {len(remarks)} remarks"


def check_all(env, record=False, only=None):
    """(title, True, False or None, line) of each OpenCV that is counted with."""
    for name, folder in opencvs():
        if name == only or (only is None and name in COUNTED):
            say(f"Instructions: {name}")
            yield f"Instructions, {name}", *check(name, environment(folder, env), record)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--record", action="store_true")
    parser.add_argument("opencv", nargs="?", choices=COUNTED, help="this one alone")
    options = parser.parse_args()
    results = list(check_all(dict(os.environ), options.record, options.opencv))
    say("Instructions")
    for title, _, line in results:
        print(line if options.opencv else f"{title}: {line}")
    sys.exit(any(good is False for _, good, _ in results))


if __name__ == "__main__":
    main()
