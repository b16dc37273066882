# SPDX-License-Identifier: Apache-2.0
"""What viewcast found: its own build, this machine, and the libraries."""

from __future__ import annotations

import os
import sys
from typing import Any

from viewcast import _viewcast


def config() -> dict[str, Any]:
    """What viewcast found here, as plain values that JSON can hold.

    "viewcast": its version, folder and build, its settings, the VIEWCAST_* variables of the
    environment. "machine": the mode with its reason, the driver, the GPUs. "libraries": of
    OpenCV, torch, CuPy and NumPy, which are imported for it, the version, what was verified
    of OpenCV's layout, and the problem where one can't be used.

    >>> sorted(vc.config())
    ['libraries', 'machine', 'viewcast']
    """
    from . import libraries, machine

    return {
        "viewcast": viewcast(),
        "machine": machine.describe(),
        "libraries": libraries.describe(),
    }


def show_config() -> None:
    """Print what :func:`config` returns, for people; `viewcast doctor` prints it with the
    conversions that work.

    >>> vc.show_config()  # doctest: +ELLIPSIS
    This machine
    ok  viewcast ...
    """
    from . import show

    show.sections(show.of_config(config()))


def viewcast() -> dict[str, Any]:
    import platform

    build = _viewcast._build()
    return {
        "version": _viewcast.__version__,
        "folder": os.path.dirname(os.path.dirname(__file__)),
        "python": platform.python_version(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": f"{platform.system()} {platform.machine()}",
        "kernels": build["kernels"].split(),
        "compiler": build["compiler"],
        "simd": build["simd"],
        "threads": _viewcast.get_num_threads(),
        "pool": _viewcast.get_pool(),
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith("VIEWCAST_")
        },
    }
