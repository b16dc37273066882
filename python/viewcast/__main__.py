# SPDX-License-Identifier: Apache-2.0
"""The command line: `python -m viewcast COMMAND`."""

import argparse
import sys

from . import __version__, bench, demo

# Each has add_command(commands), and imports what it needs when it is run.
COMMANDS = (demo, bench)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m viewcast",
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
