# SPDX-License-Identifier: Apache-2.0
"""Tests on a GPU. Each is skipped, with the reason, where something is missing."""

import gc

import pytest

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed")
cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

from loaded_opencv import FREES  # noqa: E402  (after the checks above)
from neighbours import NEIGHBOURS, is_installed  # noqa: E402

import viewcast  # noqa: E402


def missing() -> str | None:
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    if viewcast.host_mode():
        return viewcast.config()["machine"]["reason"]
    return None


def opencv_has_cuda() -> bool:
    return cv2.cuda.getCudaEnabledDeviceCount() > 0


def pytest_report_header() -> list[str]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    layout = viewcast._viewcast._opencv_layout()
    return [
        f"viewcast {viewcast.__version__}, {viewcast.config()['machine']['reason']}",
        f"OpenCV {cv2.__version__} (CUDA: {opencv_has_cuda()}): {layout}",
        f"torch {torch.__version__}, CuPy {cupy.__version__}, GPU: {gpu}",
    ]


def pytest_collection_modifyitems(items) -> None:
    reason = missing()
    for item in items:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def cuda_cv2():
    """OpenCV that can compute on this GPU."""
    if not opencv_has_cuda():
        pytest.skip("this OpenCV is built without CUDA: no upload, download or resize")
    return cv2


@pytest.fixture
def frees():
    """Skips where OpenCV does not report the end of lends."""
    counting = viewcast._viewcast._opencv_layout()["counting"]
    if counting != FREES:
        pytest.skip(f"this OpenCV {counting}: its lends end in collect()")


class Ledger:
    """Counts of lends, shares and exports, made and released since it was created."""

    def __init__(self) -> None:
        self.settle()
        self.start = viewcast.statistics()

    def settle(self) -> None:
        gc.collect()
        viewcast.collect()

    def delta(self) -> dict[str, int]:
        self.settle()
        now = viewcast.statistics()
        return {key: now[key] - self.start[key] for key in now}

    def balanced(self) -> dict[str, int]:
        """The delta, after checking that all lends, shares and exports were released."""
        delta = self.delta()
        assert delta["lends"] == delta["lends_released"]
        assert delta["shares"] == delta["shares_released"]
        assert delta["exports"] == delta["exports_released"]
        assert delta["pending"] == 0
        return delta


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture(scope="module", params=NEIGHBOURS)
def neighbour(request):
    kind = NEIGHBOURS[request.param]
    if not all(map(is_installed, kind.modules)):
        pytest.skip(f"{request.param} is not installed")
    try:
        return kind()
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"{request.param} does not work here: {error}")
