# SPDX-License-Identifier: Apache-2.0
"""Writes the docstrings of what is written in C, for help() and inspect.

    embed_docstrings.py STUB OUTPUT [NAME of an adapter of the option `adapters`]...

The stub, viewcast/__init__.pyi, holds signatures and docstrings. OUTPUT is a C header with a
macro for each: DOC_function, DOC_Class, DOC_Class_member. C compilers promise strings of 4,095
characters.
"""

import ast
import pathlib
import sys

HEAD = "/* Written by tools/embed_docstrings.py from viewcast/__init__.pyi. */\n"


def docstrings_of(body, prefix="", first="$module"):
    """{name: docstring} of functions and classes; of an overloaded function the first."""
    found = {}
    for node in body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = ast.get_docstring(node) or ""
            found |= docstrings_of(node.body, node.name + "_", "$self")
        elif isinstance(node, ast.FunctionDef):
            found.setdefault(prefix + node.name, docstring_of(node, first))
    return found


def docstring_of(node, first):
    """Begins, except of a property, with the signature as CPython wants it: without types."""
    text = ast.get_docstring(node) or ""
    if any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list):
        return text
    arguments = node.args
    arguments.args = [each for each in arguments.args if each.arg != "self"]
    for each in (*arguments.args, *arguments.kwonlyargs):
        each.annotation = None
    parameters = ", ".join(filter(None, (first, "/", ast.unparse(arguments))))
    return f"{node.name}({parameters})\n--\n\n{text}"


def of_adapter(name, found):
    """as_NAME and to_NAME of an adapter that the stub does not know: they are called as CuPy's."""
    for prefix in ("as", "to"):
        text = found[f"{prefix}_cupy"].replace(f"{prefix}_cupy(", f"{prefix}_{name}(")
        yield f"{prefix}_{name}", text.replace("A cupy.ndarray", f"An array of {name}")


def macro(name, text):
    lines = text.splitlines(keepends=True)
    if sum(map(len, lines)) > 4095:
        sys.exit(f"the docstring of {name} is longer than 4,095 characters")
    escaped = (line.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for line in lines)
    return f"#define DOC_{name} \\\n" + " \\\n".join(f'  "{line}"' for line in escaped) + "\n"


def main():
    stub, output, *adapters = sys.argv[1:]
    found = docstrings_of(ast.parse(pathlib.Path(stub).read_text()).body)
    for name in adapters:
        found.update(of_adapter(name, found))
    macros = (macro(name, text) for name, text in found.items() if text)
    pathlib.Path(output).write_text(HEAD + "\n".join(macros))


if __name__ == "__main__":
    main()
