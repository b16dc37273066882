# SPDX-License-Identifier: Apache-2.0
"""All tests of this folder run against the simulated driver."""

import pytest
import simulated_cuda


@pytest.fixture(autouse=True)
def host_mode_only():
    """Not needed: tests run in processes of their own, which see the simulated GPUs."""


@pytest.fixture(scope="session")
def run_program(tmp_path_factory):
    with simulated_cuda.serving(tmp_path_factory.mktemp("simulated_cuda")) as run:
        yield run
