# SPDX-License-Identifier: Apache-2.0
import gc
import importlib
import pathlib
import re
import sys

import cv2
import numpy
import pytest

import viewcast as vc
from viewcast import _viewcast


def is_missing(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return True
    return False


# On a free-threaded Python, in Savant's environment, and with a NumPy that is too old for them
# these may be missing; elsewhere they are required.
HERE = pathlib.Path(__file__).parent
MISSING = [name for name in ("torch", "cupy") if is_missing(name)]


def needs_missing_libraries(path):
    modules = "|".join([*MISSING, "planar_images", *["images"] * ("cupy" in MISSING)])
    return re.search(rf"^(import|from) ({modules})\b", path.read_text(), re.MULTILINE)


collect_ignore = [
    str(path.relative_to(HERE))
    for path in HERE.rglob("test_*.py")
    if MISSING and needs_missing_libraries(path)
]

HOST_MODE_ONLY = (
    "these tests lie GpuMats over host memory; where there is a GPU, run them with "
    "CUDA_VISIBLE_DEVICES= (empty)"
)


def pytest_report_header():
    mode = "host mode" if vc.host_mode() else "CUDA"
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    lines = [
        f"viewcast {vc.__version__}, {mode} ({_viewcast._mode_reason()}), "
        f"GIL {'on' if gil else 'off'}",
        f"OpenCV {cv2.__version__} from {cv2.__file__}: {_viewcast._opencv_layout()}",
    ]
    versions = [f"NumPy {numpy.__version__}"]
    for name in {"torch", "cupy"} - set(MISSING):
        versions.append(f"{name} {sys.modules[name].__version__}")
    lines.append(", ".join(sorted(versions)))
    if MISSING:
        lines.append(f"without {' and '.join(MISSING)}, not collected: {' '.join(collect_ignore)}")
    return lines


def pytest_collection_modifyitems(items):
    for item in items if MISSING else ():
        if item.get_closest_marker("all_libraries"):
            item.add_marker(pytest.mark.skip(reason=f"without {' and '.join(MISSING)}"))


def missing_library(error):
    """The library whose absence is the only reason of an error, or of a group of errors: what
    Hypothesis raises where it finds several."""
    found = None
    for each in getattr(error, "exceptions", (error,)):
        found = re.match(r"viewcast needs (torch|cupy) for this conversion", str(each))
        if not isinstance(each, ImportError) or not found or found[1] not in MISSING:
            return None
    return found[1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Skips a test from the first conversion on that needs a library which is missing."""
    try:
        return (yield)
    except Exception as error:
        library = missing_library(error)
        if library:
            pytest.skip(f"without {library}")
        raise


def pytest_collection_finish():
    gc.freeze()  # what the imports made: gc.collect() need not look through it


@pytest.fixture(autouse=True)
def host_mode_only():
    if not vc.host_mode():
        pytest.skip(HOST_MODE_ONLY)


@pytest.fixture(scope="session")
def counting():
    """How the loaded OpenCV treats reference counts."""
    return _viewcast._opencv_layout()["counting"]


@pytest.fixture
def ledger():
    """A function that returns the changes of statistics() since the test began, without zeros.
    `force` is collect()'s."""
    gc.collect()
    vc.collect(force=True)  # ends all lends of earlier tests
    before = vc.statistics()

    def counted(force=False):
        gc.collect()
        vc.collect(force=force)
        now = vc.statistics()
        return {key: now[key] - before[key] for key in now if now[key] != before[key]}

    return counted
