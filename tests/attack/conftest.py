# SPDX-License-Identifier: Apache-2.0
"""Options of the attacks, and what each of them did, at the end."""

import pytest

TOLD = pytest.StashKey[list]()


def pytest_addoption(parser):
    group = parser.getgroup("attacks")
    group.addoption("--attack-seed", type=int, default=1, help="of all random numbers")
    group.addoption(
        "--attack-count", type=int, help="cases of each generator; some seconds' worth by default"
    )


def pytest_configure(config):
    config.stash[TOLD] = []


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[TOLD]:
        terminalreporter.write_line(line)


@pytest.fixture
def tell(request):
    """Call it with a line that is shown at the end."""
    return request.config.stash[TOLD].append


@pytest.fixture
def seed(request):
    return request.config.getoption("--attack-seed")


@pytest.fixture
def count_or(request):
    """Call it with the count of a short run; returns the one that was asked for."""
    asked = request.config.getoption("--attack-count")
    return lambda short: short if asked is None else asked
