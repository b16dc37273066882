# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast doctor`: the libraries here, the conversions that work, and advice."""

import json

from viewcast import _viewcast, config

from . import advice, conversions, show


def add_command(commands):
    parser = commands.add_parser(
        "doctor",
        help="what is installed, what works here, and what to install for more",
        description="Looks at this machine and its libraries, tries every conversion "
        "between them on a small image, and prints what works and what to do about the "
        "rest.",
        epilog="Exit code 0: cv2.cuda.GpuMat shares images with PyTorch or CuPy (in host "
        "mode, with NumPy too). 1: it does not; the reason is printed.",
    )
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.set_defaults(run=run)


def run(options):
    report = everything()
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show.report(report)
    return 0 if report["ready"] else 1


def everything():
    """All that doctor knows, as plain values."""
    report = config()
    report["conversions"] = conversions.describe(report["machine"], report["libraries"])
    report["paths"] = _viewcast._paths()  # known once each was taken
    report["slow"] = report["paths"].pop("slow")
    report["reasons"] = advice.reasons(report)
    report["ready"] = advice.ready(report)
    report["advice"] = [{"what": what, "do": do} for what, do in advice.what_to_do(report)]
    return report
