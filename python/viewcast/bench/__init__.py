# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast bench`: what each conversion costs.

The benchmarks of the project itself are in bench/ of its sources; `loop`, `images` and
`ways` here are theirs too.
"""

import argparse


def add_command(commands):
    parser = commands.add_parser(
        "bench",
        help="time every conversion",
        description="Times every conversion that this machine can run, beside a bare call: "
        "the library itself makes an object of the same kind, without a conversion. All of "
        "them take turns in one process.",
        epilog="Times depend on the machine, and on what else runs on it. The fastest round "
        "says what a call costs; ratios are of fastest rounds.",
    )
    parser.add_argument("--rounds", type=positive, default=25, metavar="N")
    parser.add_argument("--calls", type=positive, default=5_000, metavar="N", help="a round")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.set_defaults(run=run)


def positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def run(options):
    from . import figures

    return figures.run(options)
