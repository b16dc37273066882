# SPDX-License-Identifier: Apache-2.0
"""`make bench`: the cost of conversions, beside other methods, floors and budgets.

    python bench/conversions.py [--only NAME] [--threads 1,4,16] [--long MILLIONS] [--json FILE]

Times every conversion that this machine can run, other methods of the same conversion, and
its floor: the least that making the result in Python can cost. All methods take turns in
one process.
"""

import argparse
import json
import pathlib
import sys
import textwrap

from harness import compared, endurance, machine, plot, release, sizes, threads
from harness.methods import CONVERSIONS, Setup
from harness.table import WIDTH, show

import viewcast as vc
from viewcast.terminal import check_output, fail, positive

FORMAT = 2  # of the JSON
SECTIONS = {
    "conversions": compared,
    "release": release,
    "sizes": sizes,
    "threads": threads,
    "long": endurance,
}
SLUGS = tuple(each.slug for each in CONVERSIONS)


def main(arguments=None):
    options = parse(arguments)
    try:
        for path in filter(None, (options.json, options.plot)):
            check_output(path)
        if options.from_json:
            report = read(options.from_json)
            print_report(report)
        else:
            report = measure(options)
        write(report, options)
    except (OSError, ValueError, ImportError, vc.ViewError) as error:
        return fail("bench", error)
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
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
    return parser.parse_args(arguments)


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


def names_of(only):
    """Sections and slugs in --only; ValueError for other names."""
    names = set(only)
    if unknown := names - set(SECTIONS) - set(SLUGS):
        raise ValueError(
            f"--only knows no {', '.join(sorted(unknown))}; there are "
            f"{', '.join(SECTIONS)}, and the conversions {', '.join(SLUGS)}"
        )
    return names & set(SECTIONS), names & set(SLUGS)


def sections_of(options):
    wanted, slugs = names_of(options.only)
    if not wanted:
        wanted = {"conversions"} if slugs else {"conversions", "release", "sizes"}
    wanted |= {"threads"} if options.threads else set()
    wanted |= {"long"} if options.long else set()
    return [name for name in SECTIONS if name in wanted], slugs


def measure(options):
    sections, slugs = sections_of(options)
    setup = Setup(
        [each for each in CONVERSIONS if not slugs or each.slug in slugs],
        options.rounds,
        options.calls,
        options.threads or (1, 4, 16),
        options.long or 10,
    )
    report = {"format": FORMAT, "machine": machine.describe(), "rounds": setup.rounds}
    report |= {"calls": setup.calls, "sections": {}, "skipped": setup.skipped}
    introduce(report)
    for name in sections:
        report["sections"][name] = result = SECTIONS[name].measure(setup)
        show(SECTIONS[name].table(result, report["machine"]))
    conclude(report)
    return report


def read(path):
    report = json.loads(path.read_text())
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise ValueError(f"{path} was not written by `conversions.py --json` of this version")
    return report


def print_report(report):
    introduce(report)
    for name, result in report["sections"].items():
        show(SECTIONS[name].table(result, report["machine"]))
    conclude(report)


def introduce(report):
    print(*machine.lines(report["machine"]), sep="\n")
    print(f"{report['rounds']} interleaved rounds of {report['calls']:,} calls at most\n")


def conclude(report):
    """Prints what was skipped, grouped by the reason."""
    reasons = {}
    for entry in report["skipped"]:
        reasons.setdefault(entry["why"], []).append(entry["what"])
    for why, what in reasons.items():
        text = f"Skipped: {why}: {'; '.join(what)}"
        print(textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False))


def write(report, options):
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if options.plot:
        draw(report, options.plot)


def draw(report, path):
    if not report["sections"].get("conversions", {}).get("rows"):
        raise ValueError("there are no conversions to plot in this report")
    try:
        plot.draw(report, path)
    except ImportError as error:
        raise ImportError(
            f"the plot needs matplotlib ({error}): pip install matplotlib, or keep the figures "
            "with --json FILE and plot them elsewhere with --from-json FILE --plot FILE"
        ) from error
    print(f"Plot: {path}")


if __name__ == "__main__":
    sys.exit(main())
