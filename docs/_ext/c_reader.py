# SPDX-License-Identifier: Apache-2.0
"""A C header's declarations with their comments, as reST for Sphinx's C domain.

The header stays plain C: an ordinary comment in front of a declaration, or
behind a member on its line, describes it. Declarations go to Sphinx's C domain,
whose parser refuses what it can't read; a declaration that this reader does not
know is an error, so that nothing is left out in silence.
"""

import re
import textwrap

SECTION = re.compile(r"/\* -{10,} (.*) \*/$")
# Nothing to document, or something for the compiler only.
SKIPPED = re.compile(
    r"#(if|ifdef|ifndef|else|elif|endif|include|  define)\b|#define \w+$|extern|struct \w+;|}"
    r"|VC_CHECK_ENUM\("
)


class Item:
    """One declaration, or several that share a comment."""

    def __init__(self, kind, names, signatures, comment):
        self.kind, self.names, self.signatures, self.comment = kind, names, signatures, comment
        self.members = []  # Items


def fail(line, text):
    raise ValueError(f"c_reader: line {line}: {text}")


def plain(comment):
    """The text of a comment, without its stars."""
    text = comment.strip().removeprefix("/*").removesuffix("*/")
    lines = [re.sub(r"^\s*\*( |$)", "", line) for line in text.splitlines()]
    return textwrap.dedent("\n".join(["", *lines])).strip("\n").strip()


def read(text):
    """Sections (title, Items) of a header, in order; the first has no title."""
    sections = [("", [])]
    lines = text.splitlines()
    # The comment in front of what comes next; a blank line parts them.
    comment, number = "", 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if section := SECTION.match(line):
            sections.append((section[1], []))
            comment = ""
        elif line.startswith("/*"):
            block = [line]
            while "*/" not in block[-1]:
                block.append(lines[number])
                number += 1
            comment = plain("\n".join(block))
        elif not line.strip():
            if comment and number > 1:
                sections[-1][1].append(Item("text", [], [], comment))
            comment = ""
        elif SKIPPED.match(line):
            if comment:
                sections[-1][1].append(Item("text", [], [], comment))
            comment = ""
        else:
            begin, block = number, [line]
            while not complete("\n".join(block)):
                if number == len(lines):
                    fail(begin, "the declaration does not end")
                block.append(lines[number])
                number += 1
            add(sections[-1][1], declaration("\n".join(block), comment, begin))
            comment = ""
    return sections


def complete(text):
    bare = without_comments(text)
    if bare.startswith("#"):
        return not bare.rstrip().endswith("\\")
    balanced = bare.count("{") == bare.count("}")
    return balanced and bare.rstrip().endswith(("}",) if is_inline(bare) else (";",))


def is_inline(text):
    return text.startswith("static inline")


def without_comments(text):
    return re.sub(r"/\*.*?(\*/|$)", "", text, flags=re.S)


def add(items, item):
    """A function without a comment, right behind another, shares the other's."""
    last = items[-1] if items else None
    if not item.comment and last and last.kind == item.kind in ("function", "macro"):
        last.names += item.names
        last.signatures += item.signatures
    else:
        items.append(item)


def declaration(text, comment, line):
    if text.startswith("#define "):
        name = re.match(r"#define (\w+)", text)[1]
        trailing = re.search(r"/\*(.*)\*/", text)
        return Item("macro", [name], [name], comment or (trailing[1].strip() if trailing else ""))
    if aggregate := re.match(r"(?:typedef )?(enum|struct)\b(?: (\w+))? \{(.*)\}[^}]*;", text, re.S):
        kind, name, body = aggregate.groups()
        item = Item(kind, [name or f"@line_{line}"], [name or f"@line_{line}"], comment)
        item.members = list((enumerators if kind == "enum" else members)(body, line))
        return item
    bare = " ".join(without_comments(text).split())
    if opaque := re.fullmatch(r"typedef struct (\w+) \1;", bare):
        return Item("struct", [opaque[1]], [opaque[1]], comment)
    if alias := re.fullmatch(r"typedef (.*\b(\w+));", bare):
        return Item("type", [alias[2]], [alias[1]], comment)
    bare = re.sub(r"^(static inline |VC_API |VC_MUST_CHECK )+", "", bare.split(" {")[0]).rstrip(";")
    if function := re.match(r"[\w ]+[ *](\w+)\(.*\)$", bare):
        return Item("function", [function[1]], [bare], comment)
    return fail(line, f"what is {bare!r}?")


def parts(body, separator):
    """Members of a body as (declaration, comment): in front, or behind it."""
    found, before, rest = [], "", ""
    for piece in re.split(r"(/\*.*?\*/)", body, flags=re.S):
        if piece.startswith("/*"):
            behind = bool(found) and "\n" not in rest
            if rest.strip():  # the last one, which no separator ends
                found.append([" ".join(rest.split()), before])
                behind, before = True, ""
            if behind:
                found[-1][1] = found[-1][1] or plain(piece)
            else:
                before = plain(piece)
            rest = ""
            continue
        *whole, rest = piece.split(separator)
        for text in whole:
            found.append([" ".join(text.split()), before])
            before = ""
    if rest.strip():
        found.append([" ".join(rest.split()), before])
    return found


def enumerators(body, line):
    for text, comment in parts(body, ","):
        yield Item("enumerator", [text.split()[0]], [text], comment)


def members(body, line):
    for text, comment in parts(body, ";"):
        each = declarators(text)
        yield Item("member", each, each, comment)


def declarators(text):
    """The declarations of one member each: "int rows, cols" gives "int rows" and "int cols"."""
    if "(" in text or "," not in text:
        return [text]
    first, *others = re.split(r",\s*", text)
    of_type = re.match(r"(.*?)\**\w+(?:\[.*\])?$", first)[1]
    return [first, *(of_type + other for other in others)]


ROLES = {
    "function": "func",
    "enum": "enum",
    "enumerator": "enumerator",
    "struct": "struct",
    "macro": "macro",
    "type": "type",
}


def roles_of(sections):
    """The role that links to each name."""
    roles = {}
    for _, items in sections:
        for item in items:
            for each in [item, *item.members]:
                if each.kind in ROLES:
                    roles |= {name: ROLES[each.kind] for name in each.names}
    return roles


def prose(text, roles, own=()):
    """A comment as reST: code in backticks, names linked, stars as they are."""

    def span(match):
        code, word = match[1], match[2]
        if word in own or (word and word not in roles):
            return f"``{word}``"
        return f"``{code}``" if code else f":c:{roles[word]}:`{word}`"

    out, before = [], ""
    for line in text.splitlines():
        if line.lstrip().startswith("- ") and before and not before.startswith(" "):
            out.append("")  # reST wants one in front of a list
        before = line
        line = re.sub(r"[*|]", r"\\\g<0>", line)
        line = re.sub(r"`([^`]+)`|\b((?:vc|VC)_\w+)\b", span, line)
        out.append(line)
    return out


def write(sections):
    """The reST of sections."""
    roles = roles_of(sections)
    for title, items in sections:
        if title:
            title = title[0].upper() + title[1:]
            yield from ("", title, "-" * len(title), "")
        for item in items:
            yield from write_item(item, roles, "")


def write_item(item, roles, indent):
    if item.kind == "text":
        yield from (f"{indent}{line}" for line in [*prose(item.comment, roles), ""])
        return
    first, *more = item.signatures
    head = f"{indent}.. c:{item.kind}:: "
    yield f"{head}{first}"
    yield from (f"{' ' * len(head)}{each}" for each in more)
    yield ""
    indent += "   "
    yield from (f"{indent}{line}" for line in prose(item.comment, roles, item.names))
    yield ""
    for member in item.members:
        yield from write_item(member, roles, indent)
