# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast bench`: what conversions cost, beside other ways and the floor.

`loop` has the one timing loop, also for the scripts in bench/.
"""

import argparse
import pathlib


def add_command(commands):
    parser = commands.add_parser(
        "bench",
        help="time every conversion beside other ways of doing the same",
        description="Times every conversion that this machine can run, beside other ways "
        "of doing the same and beside its floor: the least that making the result in "
        "Python can cost. All ways take turns in one process.",
    )
    parser.add_argument("--rounds", type=positive, default=25, metavar="N")
    parser.add_argument("--calls", type=positive, default=5_000, metavar="N", help="a round")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="a section (conversions, release, sizes, threads, long) or a conversion "
        "(torch-gpumat, ...); may be given again",
    )
    parser.add_argument(
        "--threads",
        type=counts,
        nargs="?",
        const=(1, 4, 16),
        metavar="N,N",
        help="several threads at once, by default 1,4,16",
    )
    parser.add_argument(
        "--long",
        type=millions,
        nargs="?",
        const=10.0,
        metavar="MILLIONS",
        help="so many million calls of each conversion, by default 10",
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="needs matplotlib")
    parser.add_argument(
        "--from-json",
        type=pathlib.Path,
        metavar="FILE",
        help="show what was measured before, instead of measuring",
    )
    parser.set_defaults(run=run)


def run(options):
    from . import command

    return command.run(options)


def positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def counts(text):
    return tuple(positive(part) for part in text.split(","))


def millions(text):
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of millions")
    return number
