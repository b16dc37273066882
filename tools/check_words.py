# SPDX-License-Identifier: Apache-2.0
"""Words that mean nothing outside of this repository do not come back: none of them is in a
name, a comment, a message or a page. Part of `make lint`.

The project uses the words of DLPack, OpenCV and CUDA; docs/explanation/index.md has the four
of its own.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# (the words, the field's words for them, the files where they may not be; None: everywhere)
RULES = [
    (r"way[ _]?backs?", "stream-ordered release", None),
    (r"hops?", "pending release", None),
    (r"hand(s|ed|ing)?[ _]over", "order streams, pass", None),
    (r"put(s|ting)?[ _]off", "pending", None),
    (r"rooms?", "buffer, memory, folder", None),
    (r"houses?", "library, source tree", None),
    (r"thirds", "RGB", None),
    (r"strips", "tiles", None),
    (r"but for", "except", None),
    (r"and (its|their) (kin|like)", "name the others", None),
    (r"(one|each|once) an? (library|device|thread|process)", "per", None),
    (r"(events?|pixels) a (library|device|thread|process)", "per", None),
    (r"lanes?(?! (of|;))", "queue; of DLPack's dtype: lanes", r"(src/(?!protocol)|python/|docs/)"),
    (r"(?<!question )marks?", "event", r"(src/(?!python)|include/)"),
    (r"choices?|choos(e|es|ing|en)|chosen", "dispatch", r"src/transform/"),
    (r"steps(?=\[)|\w*_steps", "strides", r"(src/(core|protocol|transform)|include)/"),
]
HERE = "tools/check_words.py"
SKIPPED = (".svg", ".json", ".png", ".jpg", ".pdf", ".cubin", "LICENSE")


def found_in(path, text):
    """Lines of a file with a word of the list: (number, word, the word to use)."""
    rules = [
        (re.compile(rf"(?<![A-Za-z])({words})(?![A-Za-z])", re.IGNORECASE), instead)
        for words, instead, where in RULES
        if where is None or re.match(where, path)
    ]
    for number, line in enumerate(text.splitlines(), 1):
        for words, instead in rules:
            if match := words.search(line):
                yield number, match[0], instead


def main():
    listed = subprocess.run(
        ["git", "ls-files", "-z", ":!tests/fuzz/corpus"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    bad = 0
    for path in listed.stdout.decode().split("\0"):
        if not path or path == HERE or path.endswith(SKIPPED) or not (ROOT / path).is_file():
            continue
        text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        for number, word, instead in found_in(path, text):
            print(f"{path}:{number}: {word!r}; the field's words: {instead}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
