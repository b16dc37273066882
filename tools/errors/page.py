# SPDX-License-Identifier: Apache-2.0
"""docs/errors.md as rows, and whether they are the messages of the sources."""

import re

import templates

ORDER = ("LayoutError", "DTypeError", "DeviceError", "ViewError", "ABIError", "CUDAError")


MARK = "\uffff"  # in no message


def belongs(template):
    """Whether the page has it: not what is a word handed on, nor another exception."""
    return template.error in ORDER and " " in template.text


def escape(text):
    """In a table's cell; addresses differ from run to run."""
    text = re.sub(r"0x[0-9a-f]{6,}", "0x…", text)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def messages(page):
    """Those of the page, as they are escaped there."""
    rows = re.findall(r"^\| (.*) \| [^|]*\|$", page, re.M)
    headings = {"message", "exception | also a"}
    return [row for row in rows if row not in headings and not row.startswith("`")]


def pattern(template):
    """Of a cell; where the page has one blank, a message may have had several."""
    cell = re.escape(escape(templates.DIRECTIVE.sub(MARK, template.text)))
    return re.compile(cell.replace(MARK, ".*?"))


def differences(page, root):
    """What the sources say and the page lacks, and the reverse."""
    known = list(templates.all_templates(root))
    rows = messages(page)
    patterns = {template: pattern(template) for template in known}
    for template in known:
        if belongs(template) and not any(patterns[template].search(row) for row in rows):
            yield f"{template.file} says what is not on the page: {template.plain}"
    for row in rows:
        if not any(each.search(row) for each in patterns.values()):
            yield f"the page has what no source says: {row}"
