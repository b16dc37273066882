# SPDX-License-Identifier: Apache-2.0
"""What the Markdown pages say for GitHub and for the tests, as the site shows it.

- `<!-- test: gpu, cuda-opencv -->` in front of a block of code, which the tests read
  (tests/support/pages.py), becomes a line above the block that says what it needs.
- The start page is README.md; its links are from the root of the checkout.
- An arrow in a table keeps what it joins on one line.
- `<picture>` with a source for dark mode becomes two images, one for each of the theme's modes.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/viewcast/viewcast/blob/main/"

NEEDS = {
    "gpu": "a GPU",
    "two-gpus": "two GPUs",
    "cuda-opencv": "OpenCV with CUDA",
    "module av": "PyAV",
    "module PIL": "Pillow",
    "module savant.utils.memory_repr": "the drop-in",
}
ONLY = {
    "host": "Without a GPU",
    "no-module av": "Without PyAV",
    "no-cuda-opencv": "For an OpenCV without CUDA",
}
TEST = re.compile(r"<!-- test: (.*?) -->\n(?=```)")
TABLE_ROW = re.compile(r"^\|.*\|$", re.M)
PICTURE = re.compile(
    r'<picture>\s*<source [^>]*srcset="(?P<dark>[^"]+)">\s*'
    r'<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)">\s*</picture>'
)


def needs(comment):
    """The line above a block: "Needs a GPU and OpenCV with CUDA", or nothing."""
    words = [word.strip() for word in comment.split(",")]
    if "gpu" in words and "two-gpus" in words:
        words.remove("gpu")
    said = [text for word, text in ONLY.items() if word in words]
    things = [text for word, text in NEEDS.items() if word in words]
    things += [word.removeprefix("it needs ") for word in words if word.startswith("it needs ")]
    if things:
        said.append("Needs " + ", ".join(things[:-1]) + " and " * (len(things) > 1) + things[-1])
    return ". ".join(said)


def replace_test(match):
    text = needs(match[1])
    kind = "needs" if "Needs" in text else "only"
    return f'<p class="{kind}">{text}</p>\n\n' if text else ""


def replace_picture(match):
    return "\n".join(
        f"```{{image}} {match[mode]}\n:class: only-{mode} wide\n:alt: {match['alt']}\n```\n"
        for mode in ("light", "dark")
    )


def for_the_site(text):
    text = PICTURE.sub(replace_picture, TEST.sub(replace_test, text))
    return TABLE_ROW.sub(lambda row: row[0].replace(" → ", "\u00a0→\u00a0"), text)


def readme():
    """README.md with links as they are from docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"(\]\(|src=\"|srcset=\")docs/", r"\1", text)
    for name in ("CHANGELOG", "CONTRIBUTING"):
        text = text.replace(f"]({name}.md)", f"]({name.lower()}.md)")
    return re.sub(r"\]\((SECURITY\.md|LICENSE)\)", rf"]({REPOSITORY}\1)", text)


def on_source_read(app, docname, source):
    if docname == "index":
        app.env.note_dependency(str(ROOT / "README.md"))
        source[0] = readme() + source[0]
    if app.env.doc2path(docname).suffix == ".md":
        source[0] = for_the_site(source[0])


def without_empty_lines_at_the_end(app, doctree):
    """Code that was cut out of a file ends with its last line of text."""
    from docutils import nodes  # tests import this module without Sphinx

    for block in doctree.findall(nodes.literal_block):
        block.rawsource = block.astext().rstrip()
        block[:] = [nodes.Text(block.rawsource)]


def setup(app):
    app.connect("source-read", on_source_read)
    app.connect("doctree-read", without_empty_lines_at_the_end)
    return {"parallel_read_safe": True}
