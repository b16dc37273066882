# SPDX-License-Identifier: Apache-2.0
"""`make docs-errors`: docs/errors.md, out of the sources and of what the tests raise.

Every message of the sources is in it; one that a test of tests/python raises is
shown as the test got it. Arguments go to pytest.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import templates
from page import ORDER, belongs, escape

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "docs" / "errors.md"

INTRODUCTION = """<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Made by `make docs-errors`; changes are lost. -->
# What viewcast says when it refuses

A message says what was found, what was needed, and what to do instead. Below is
every message of the sources, by exception. Where a test raises it, it stands as
that test got it, with the test's name; `…` is a value that is filled in. Those
without a test's name need a machine that the tests without a GPU don't have, or
broken memory.

| exception | also a | raised for |
|---|---|---|
| `ViewError` | `Exception` | anything below, and arguments or producers that make no sense |
| `LayoutError` | `ViewError`, `AssertionError` | shape, strides, alignment |
| `DTypeError` | `ViewError`, `AssertionError` | element types without a counterpart |
| `DeviceError` | `ViewError` | memory of another kind of device |
| `ABIError` | `ViewError` | an OpenCV that is laid out in another way |
| `CUDAError` | `ViewError` | errors of the driver, graph captures |

`TypeError` is for what is no image or no argument at all, `ImportError` names the
package that a conversion needs.
"""


def raised(arguments):
    """[exception, message, test] of a run of the suite."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        path = [str(pathlib.Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "collect"]
        command += ["--errors-to", file.name, *(arguments or ["tests/python"])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if code not in (0, 1):  # failed tests have raised too
            sys.exit(f"pytest ended with {code}")
        return json.loads(pathlib.Path(file.name).read_text())


def rows(found):
    """{exception: [(message, test or None)]}: one for each template."""
    table = collections.defaultdict(dict)
    known = sorted(templates.all_templates(ROOT), key=lambda one: -one.weight)
    for name, message, test in found:
        match = next((one for one in known if one.pattern.search(message)), None)
        key = match.text if match else re.sub(r"\d+", "0", message)
        table[name].setdefault(key, (message, test))
    seen = {key for messages in table.values() for key in messages}
    for one in known:
        if belongs(one) and one.text not in seen:
            table[one.error].setdefault(one.text, (one.plain, None))
    return table


def circumstance(test):
    """A test's name says when: test_a_pointer_s_device_is_checked."""
    return test.removeprefix("test_").replace("_s_", "'s ").replace("_", " ") if test else ""


def section(name, messages):
    yield f"\n## {name}\n"
    yield "| message | as in the test |"
    yield "|---|---|"
    for message, test in sorted(messages.values(), key=lambda row: escape(row[0]).lower()):
        yield f"| {escape(message)} | {circumstance(test)} |"


def main():
    table = rows(raised(sys.argv[1:]))
    lines = [INTRODUCTION.rstrip()]
    for name in ORDER:
        lines += section(name, table[name])
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text("\n".join(lines) + "\n")
    tested = sum(test is not None for name in ORDER for _, test in table[name].values())
    total = sum(len(table[name]) for name in ORDER)
    print(f"{OUTPUT.relative_to(ROOT)}: {total} messages, {tested} of them raised by tests")


main()
