# SPDX-License-Identifier: Apache-2.0
"""What autodoc lacks for a C extension: types, and parameters as a list.

Types come from the stub (viewcast/__init__.pyi) and replace the signatures that
the extension gives. In docstrings, a line that begins with the name of a
parameter and a colon begins the description of that parameter ("a, b:" of both),
and an indented paragraph is code.
"""

import ast
import importlib.util
import inspect
import pathlib
import re

from sphinx.addnodes import literal_strong


def read_stub(module):
    """Functions, methods and properties of the module's .pyi by dotted name."""
    origin = pathlib.Path(importlib.util.find_spec(module).origin)
    found = {}

    def visit(body, prefix):
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}.{node.name}")
            elif isinstance(node, ast.FunctionDef):
                found.setdefault(f"{prefix}.{node.name}", node)

    stub = origin.with_suffix(".pyi")
    if stub.is_file():
        visit(WrittenOut(tree := ast.parse(stub.read_text())).visit(tree).body, module)
    return found


class WrittenOut(ast.NodeTransformer):
    """Private names of types (`_Layout = Literal[...]`) give way to what they stand for."""

    def __init__(self, tree):
        self.meanings = {}
        for node in tree.body:
            target = getattr(node, "target", None) or next(iter(getattr(node, "targets", ())), None)
            private = isinstance(target, ast.Name) and target.id.startswith("_")
            if private and isinstance(getattr(node, "value", None), ast.Subscript | ast.BinOp):
                self.meanings[target.id] = node.value

    def visit_Name(self, node):
        meaning = self.meanings.get(node.id)
        return node if meaning is None or isinstance(node.ctx, ast.Store) else self.visit(meaning)


def signature_of(node):
    arguments = node.args
    for group in (arguments.posonlyargs, arguments.args):
        if group and group[0].arg == "self":
            del group[0]
    returns = ast.unparse(node.returns) if node.returns else None
    return f"({ast.unparse(arguments)})", returns


def use_stub(app, what, name, obj, options, signature, return_annotation):
    node = app.viewcast_stub.get(name)
    if node is None or what not in ("function", "method"):
        return None
    return signature_of(node)


def parameters_of(node, obj):
    if node is None:  # Python's own
        try:
            return set(inspect.signature(obj).parameters)
        except (TypeError, ValueError):
            return set()
    arguments = node.args
    return {each.arg for each in arguments.posonlyargs + arguments.args + arguments.kwonlyargs}


def list_parameters(app, what, name, obj, options, lines):
    lines[:] = with_code(lines)
    if what in ("function", "method", "class"):
        lines[:] = as_fields(lines, parameters_of(app.viewcast_stub.get(name), obj))


def with_code(lines):
    """Indented paragraphs after other text as literal blocks of reST."""
    out, before = [], ""  # the last line with text
    for line in lines:
        if line.startswith("    ") and out and not out[-1] and before[:1].strip():
            out += ["::", ""]
        out.append(line)
        before = line if line.strip() else before
    return out


def as_fields(lines, names):
    """Lines with `name: text` and what follows as field lists of reST."""
    name = "|".join(map(re.escape, sorted(names)))
    begin = re.compile(rf"(?:^|(?<=[.)] ))((?:{name})(?:, (?:{name}))*): ")
    out, inside = [], False
    for line in lines:
        found = list(begin.finditer(line)) if names else []
        if not found:
            if inside and not line.strip():
                inside = False
            out.append(f"    {line.strip()}" if inside else line)
            continue
        before = line[: found[0].start()].strip()
        if before:
            out.append(f"    {before}" if inside else before)
        for here, after in zip(found, [*found[1:], None], strict=True):
            text = line[here.end() : after.start() if after else None].strip()
            if not inside:
                out.append("")
            out.append(f":param {here[1].replace(' ', '')}: {text}")
            inside = True
    return out


def space_names(app, doctree):
    """Puts back the spaces of "a, b", which the name in a field of reST can't have."""
    for node in list(doctree.findall(literal_strong)):
        if "," in node.astext():
            node.replace_self(literal_strong(text=node.astext().replace(",", ", ")))


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")  # whose events these are
    app.viewcast_stub = read_stub("viewcast")
    app.connect("autodoc-process-signature", use_stub)
    app.connect("autodoc-process-docstring", list_parameters)
    app.connect("doctree-read", space_names)
    return {"parallel_read_safe": True}
