# SPDX-License-Identifier: Apache-2.0
"""Sphinx's configuration: `make docs` writes build/docs/html."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

project = "viewcast"
author = "the viewcast authors"
project_copyright = "2026, the viewcast authors"
release = re.search(r"^  version: '([\d.]+)'", (ROOT / "meson.build").read_text(), re.M)[1]
version = release

extensions = [
    "c_header",
    "myst_parser",
    "page_source",
    "python_signatures",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["requirements.txt"]
nitpicky = True
# What the stubs and the header name and other projects document.
nitpick_ignore_regex = [
    ("py:.*", r"(torch|cupy|numpy|cv2|collections\.abc|contextlib|typing)\b.*"),
    (
        "py:.*",
        r"((_Cupy|Cv2|Torch)Stream|Any|Buffer|CapsuleType|GpuMat(ND)?|Iterable|Iterator|Literal|Sequence)",
    ),
    ("c:identifier", r"u?int\d+_t|u?intptr_t|size_t|DLManagedTensor(Versioned)?"),
]

python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
c_maximum_signature_line_length = 88
autodoc_member_order = "groupwise"

html_theme = "furo"
html_title = f"viewcast {release}"
html_static_path = ["_static"]
html_css_files = ["viewcast.css"]
html_favicon = "_static/favicon.svg"
html_theme_options = {
    "source_repository": "https://github.com/viewcast/viewcast/",
    "source_branch": "main",
    "source_directory": "docs/",
    "top_of_page_buttons": ["view", "edit"],
    "light_css_variables": {
        "color-brand-primary": "#0b7a5c",
        "color-brand-content": "#0b7a5c",
    },
    "dark_css_variables": {
        "color-brand-primary": "#3ddc97",
        "color-brand-content": "#3ddc97",
    },
}
copybutton_exclude = ".linenos, .gp, .go"
