# SPDX-License-Identifier: Apache-2.0
"""Every public name has a docstring with an example, and the examples give what they show."""

import doctest
import inspect

import pytest

import viewcast as vc

cv2 = pytest.importorskip("cv2", reason="examples use it")
np = pytest.importorskip("numpy", reason="examples use it")
torch = pytest.importorskip("torch", reason="examples use it")

NAMES = [name for name in vc.__all__ if name != "__version__"]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples_of(name):
    names = {"vc": vc, "np": np, "torch": torch, "cv2": cv2}
    return doctest.DocTestParser().get_doctest(getattr(vc, name).__doc__, names, name, None, 0)


@pytest.fixture
def pool_is_reset():
    yield
    vc.use_pool(None)


@pytest.mark.parametrize("name", NAMES)
def test_its_example_gives_what_it_shows(name, pool_is_reset):
    if name in ("as_cupy", "to_cupy"):
        pytest.importorskip("cupy", reason="the example uses it")
    examples = examples_of(name)
    assert examples.examples
    report = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(examples, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("name", NAMES)
def test_it_names_each_parameter(name):
    value = getattr(vc, name)
    if inspect.isclass(value) or not callable(value):
        pytest.skip("no function")
    text = value.__doc__
    if "all keywords" in text:  # and refers to to_tensor()
        return
    for parameter in inspect.signature(value).parameters:
        assert parameter in text, f"{name}: {parameter}"
