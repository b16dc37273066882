# SPDX-License-Identifier: Apache-2.0
"""The directive `c-header`, which documents a C header from its own comments.

.. c-header:: ../../include/viewcast/viewcast.h
"""

import c_reader
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class CHeader(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        _, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(path)
        with open(path, encoding="utf-8") as file:
            sections = c_reader.read(file.read())
        _, first = sections[0]
        first[:] = [item for item in first if not item.comment.startswith("SPDX")]
        lines = list(c_reader.write(sections))
        self.state_machine.insert_input(StringList(lines, path), path)
        return []


def setup(app):
    app.add_directive("c-header", CHeader)
    return {"parallel_read_safe": True}
