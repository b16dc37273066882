# SPDX-License-Identifier: Apache-2.0
"""Every message in the sources, as the format string that it is made from."""

import ast
import dataclasses
import re

CLASSES = {
    "VALUE": "ViewError",
    "LAYOUT": "LayoutError",
    "DTYPE": "DTypeError",
    "DEVICE": "DeviceError",
    "ABI": "ABIError",
    "CUDA": "CUDAError",
    "MEMORY": "MemoryError",
}
# String literals with macros between them.
STRING = (
    r'(?:"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|\s)*"(?:[^"\\]|\\.)*"(?:"(?:[^"\\]|\\.)*"|[A-Z_]\w*|\s)*'
)
CALL = re.compile(
    r"\b(?P<function>vc_fail|vp_fail|vp_raise_from|mismatch)\s*\("
    r"(?:\s*(?!VC_ERROR)\w+\s*,)?(?:\s*VC_ERROR_(?P<status>\w+)\s*,)?\s*(?P<text>"
    + STRING
    + r")[,)]"
)
DEFINE = re.compile(r"#define (\w+)\s*((?:\\\n|\s|\"(?:[^\"\\]|\\.)*\")+)\n")
PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)')
NUMBERS = {
    f"PRI{kind}{bits}": f"ll{kind}" for kind in "diuxX" for bits in ("32", "64", "MAX", "PTR")
}
DIRECTIVE = re.compile(r"%(?:[-+ #0]*)(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:ll|l|z|j|h{1,2})?[a-zA-Z]|%%")


@dataclasses.dataclass(frozen=True)
class Template:
    error: str
    text: str  # with printf's directives
    file: str

    @property
    def pattern(self):
        parts = DIRECTIVE.split(self.text)
        return re.compile(".*?".join(re.escape(part) for part in parts), re.DOTALL)

    @property
    def weight(self):
        """How much of it is fixed text: of two that match, the heavier is meant."""
        return len(DIRECTIVE.sub("", self.text))

    @property
    def plain(self):
        return DIRECTIVE.sub("…", self.text)


def all_templates(root):
    for path in sorted((root / "src").rglob("*.c")):
        yield from in_c(path, root)
    for path in sorted((root / "python").rglob("*.py")):
        yield from in_python(path, root)


def in_c(path, root):
    source = path.read_text()
    names = {
        name: "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
        for name, text in DEFINE.findall(source)
    }
    for match in CALL.finditer(source):
        text = "".join(
            literal or NUMBERS.get(name) or names.get(name, "%s")
            for literal, name in PIECE.findall(match["text"])
        )
        if not text:
            continue
        error = CLASSES.get(
            match["status"], "ABIError" if match["function"] == "mismatch" else "ViewError"
        )
        yield Template(error, unescape(text), str(path.relative_to(root)))


def unescape(text):
    return ast.literal_eval(f'"{text}"')


def in_python(path, root):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        name = getattr(node.exc.func, "attr", getattr(node.exc.func, "id", ""))
        if name in CLASSES.values() and node.exc.args:
            yield Template(name, text_of(node.exc.args[0]), str(path.relative_to(root)))


def text_of(node):
    """A string, with %s where an f-string has a value."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) for value in node.values)
    if isinstance(node, ast.Constant):
        return str(node.value).replace("%", "%%")
    return "%s"
