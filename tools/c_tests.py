# SPDX-License-Identifier: Apache-2.0
"""Builds the C library with its tests and examples in build/c, and runs them."""

import os
import subprocess
import sys

from stages import ROOT

MESON = [sys.executable, "-m", "mesonbuild.mesonmain"]
# Kernels are tested as compiled for the host.
OPTIONS = ["-Dpython=disabled", "-Dcuda=disabled", "-Dwerror=true"]


def main():
    build = ROOT / "build" / "c"
    scripts = os.path.dirname(sys.executable)
    env = dict(os.environ, PATH=f"{scripts}{os.pathsep}{os.environ['PATH']}")
    commands = [[*MESON, "test", "-C", build, "--print-errorlogs", *sys.argv[1:]]]
    if not (build / "build.ninja").is_file():
        commands.insert(0, [*MESON, "setup", build, *OPTIONS])
    for command in commands:
        if code := subprocess.run(command, cwd=ROOT, env=env, check=False).returncode:
            sys.exit(code)
    print("C tests: every program passed")


if __name__ == "__main__":
    main()
