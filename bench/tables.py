# SPDX-License-Identifier: Apache-2.0
"""The tables of a folder that all.py wrote, in Markdown for docs/performance.md.

python bench/tables.py FOLDER
"""

import json
import pathlib
import sys

import conversions
import ordering
import where
from harness import machine


def harness(report):
    for name, result in report["sections"].items():
        yield conversions.SECTIONS[name].table(result, report["machine"])


def pools(report):
    import pool  # needs OpenCV and NumPy

    yield pool.table(report["methods"], report["title"])


READERS = {
    "conversions": harness,
    "where": where.tables,
    "ordering": lambda report: [ordering.table(report)],
    "pool": pools,
    "threads": harness,
    "long": harness,
}


def main():
    folder, machines = pathlib.Path(sys.argv[1]), set()
    for name, read in READERS.items():
        path = folder / f"{name}.json"
        if not path.is_file():
            continue
        report = json.loads(path.read_text())
        described = "\n".join(machine.lines(report["machine"]))
        if described not in machines:
            machines.add(described)
            print(f"{described}, {report['machine']['date']}\n")
        for table in read(report):
            print(table.markdown())


if __name__ == "__main__":
    main()
