# SPDX-License-Identifier: Apache-2.0
"""Options of the attacks, and their summary lines at the end."""

import pytest

LINES = pytest.StashKey[list]()


def pytest_addoption(parser):
    group = parser.getgroup("attacks")
    group.addoption("--attack-seed", type=int, default=1, help="of all random numbers")
    group.addoption(
        "--attack-count", type=int, help="cases of each generator; some seconds' worth by default"
    )


def pytest_configure(config):
    config.stash[LINES] = []


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[LINES]:
        terminalreporter.write_line(line)


@pytest.fixture
def tell(request):
    """A function that shows a line at the end of the run."""
    return request.config.stash[LINES].append


@pytest.fixture
def seed(request):
    return request.config.getoption("--attack-seed")


@pytest.fixture
def count_or(request):
    """A function of a default count that returns the count given by --attack-count, if any."""
    asked = request.config.getoption("--attack-count")
    return lambda short: short if asked is None else asked
