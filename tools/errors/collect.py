# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: every exception of viewcast that a test expects, into a file.

python -m pytest -p collect --errors-to FILE    (with tools/errors on PYTHONPATH)
"""

import json

import pytest

import viewcast


def pytest_addoption(parser):
    parser.addoption("--errors-to", metavar="FILE")


def pytest_configure(config):
    if config.getoption("--errors-to"):
        config.pluginmanager.register(Collector(config.getoption("--errors-to")))


class Collector:
    def __init__(self, path):
        self.path = path
        self.found = {}
        self.test = None
        self.kind = type(pytest.raises(Exception))
        self.leave = self.kind.__exit__
        collector = self

        def leave(context, exc_type, value, traceback):
            collector.note(value)
            return collector.leave(context, exc_type, value, traceback)

        self.kind.__exit__ = leave

    def pytest_runtest_setup(self, item):
        self.test = item.originalname or item.name

    def note(self, error):
        if isinstance(error, viewcast.ViewError):
            self.found.setdefault((type(error).__name__, str(error)), self.test)

    def pytest_unconfigure(self):
        self.kind.__exit__ = self.leave
        rows = [[name, text, test] for (name, text), test in self.found.items()]
        with open(self.path, "w") as file:
            json.dump(rows, file, indent=1)
