# SPDX-License-Identifier: Apache-2.0
"""Everything that doctor knows, as one dictionary of plain values."""

import os
import platform
import sys

import viewcast as vc
from viewcast import _viewcast

from . import advice, conversions, libraries, machine


def everything():
    report = {
        "viewcast": viewcast(),
        "machine": machine.describe(),
        "libraries": libraries.describe(),
    }
    report["conversions"] = conversions.describe(report["machine"], report["libraries"])
    report["paths"] = _viewcast._paths()  # known once each was taken
    report["slow"] = report["paths"].pop("slow")
    report["reasons"] = advice.reasons(report)
    report["ready"] = advice.ready(report)
    report["advice"] = [{"what": what, "do": do} for what, do in advice.what_to_do(report)]
    return report


def viewcast():
    build = _viewcast._build()
    return {
        "version": vc.__version__,
        "folder": os.path.dirname(vc.__file__),
        "python": platform.python_version(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": f"{platform.system()} {platform.machine()}",
        "kernels": build["kernels"].split(),
        "simd": build["simd"],
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith("VIEWCAST_")
        },
    }
