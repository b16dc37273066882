# SPDX-License-Identifier: Apache-2.0
"""Tables of docs/compatibility.md, each between two comments there, the first with its name."""

import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "compatibility.md"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def write(name, text):
    pattern = re.compile(rf"(?<=<!-- begin {name}: )(.*? -->\n).*?(?=<!-- end -->)", re.DOTALL)
    page, count = pattern.subn(lambda found: found[1] + text, PAGE.read_text())
    if count != 1:
        sys.exit(f"{PAGE} has no place for {name}")
    PAGE.write_text(page)
