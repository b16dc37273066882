# SPDX-License-Identifier: Apache-2.0
"""The command line: `viewcast COMMAND`, or `python -m viewcast COMMAND`."""

import os
import sys

from .terminal import run_program


def main(arguments=None):
    """Runs a command and returns the exit code: 0, 1 where the command's answer is no, 2 where
    it could not be carried out. Without `arguments` it reads those of the program."""
    return run_program("viewcast", run) if arguments is None else run(arguments)


def run(arguments=None):
    """Imports the commands here, after signals are set up. The commands import other libraries
    when they run."""
    import argparse

    from . import __version__, bench, demo, doctor

    script = os.path.basename(sys.argv[0])
    parser = argparse.ArgumentParser(
        prog=script if script == "viewcast" else "python -m viewcast",
        description="Images in memory as GpuMats, tensors and arrays, without copies.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (doctor, demo, bench):
        module.add_command(commands)
    options = parser.parse_args(arguments)
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
