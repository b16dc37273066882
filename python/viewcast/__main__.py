# SPDX-License-Identifier: Apache-2.0
"""The command line: `viewcast COMMAND`, or `python -m viewcast COMMAND`."""

import argparse
import pathlib
import sys

from . import __version__, bench, demo, doctor

# Each has add_command(commands), and imports what it needs when it is run.
COMMANDS = (doctor, demo, bench)


def main():
    script = pathlib.Path(sys.argv[0]).name
    parser = argparse.ArgumentParser(
        prog=script if script == "viewcast" else "python -m viewcast",
        description="Images in memory as GpuMats, tensors and arrays, without copies.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_command(commands)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
