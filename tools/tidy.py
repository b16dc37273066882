# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over the library and the extension.

    python tools/tidy.py [a part of a path...]

Needs a build folder of meson, which holds the compiler's arguments of each file.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "python"
SOURCES = ROOT / "src"


def sources(parts):
    commands = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
    paths = {(pathlib.Path(each["directory"]) / each["file"]).resolve() for each in commands}
    chosen = sorted(path for path in paths if path.suffix == ".c" and SOURCES in path.parents)
    return [path for path in chosen if not parts or any(part in str(path) for part in parts)]


def check(path):
    tidy = pathlib.Path(sys.executable).parent / "clang-tidy"
    command = [tidy, "-p", BUILD, "--quiet", path]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout


def main():
    paths = sources(sys.argv[1:])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(check, paths))
    for code, text in results:
        if code:
            print(text)
    print(f"clang-tidy: {len(paths)} files, {sum(code != 0 for code, _ in results)} with warnings")
    return any(code for code, _ in results)


if __name__ == "__main__":
    sys.exit(main())
