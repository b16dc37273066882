# SPDX-License-Identifier: Apache-2.0
"""What `python -m viewcast bench` does, once it is asked for."""

import json
import sys
import textwrap

import viewcast as vc

from . import conversions, endurance, machine, plot, release, sizes, threads
from .setup import Setup
from .table import WIDTH, show
from .ways import CONVERSIONS

FORMAT = 1  # of the JSON
SECTIONS = {
    "conversions": conversions,
    "release": release,
    "sizes": sizes,
    "threads": threads,
    "long": endurance,
}
SLUGS = tuple(each.slug for each in CONVERSIONS)


def run(options):
    try:
        report = read(options.from_json) if options.from_json else measure(options)
    except (OSError, ValueError, vc.ViewError) as error:
        return fail(error)
    if options.from_json:
        print_report(report)
    try:
        write(report, options)
    except (OSError, ValueError, ImportError) as error:
        return fail(error)
    return 0


def fail(message):
    print(f"viewcast bench: {message}", file=sys.stderr)
    return 2


def names_of(only):
    """Sections and slugs that --only asks for; ValueError for what is neither."""
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
        raise ValueError(f"{path} is not what `viewcast bench --json` of this version writes")
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
    """What was skipped, by its reason."""
    reasons = {}
    for entry in report["skipped"]:
        reasons.setdefault(entry["why"], []).append(entry["what"])
    for why, what in reasons.items():
        text = f"Skipped: {why}: {'; '.join(what)}"
        print(textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False))


def write(report, options):
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
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
