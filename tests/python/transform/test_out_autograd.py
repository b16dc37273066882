# SPDX-License-Identifier: Apache-2.0
"""Writing into a tensor by out= is an in-place change for autograd, as tensor.copy_() is."""

import numpy as np
import pytest
import torch

import viewcast as vc

IMAGE = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)
ERRORS = (vc.ViewError, TypeError, ValueError)
FUNCTIONS = [vc.to_tensor, vc.to_cupy, vc.to_numpy, vc.to_gpumat]
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
SMALL = torch.arange(12.0).reshape(2, 2, 3)


def kinds_of_out(x):
    """Calls that write all of x."""
    yield x, SMALL
    yield x[:], SMALL
    yield x.detach(), SMALL
    yield x.unsqueeze(0), SMALL[None]
    yield [x], [SMALL]
    yield (x[:1], x[1:]), [SMALL[:1], SMALL[1:]]
    yield [x[:, 1:], x[:, :1]], [SMALL[:, 1:], SMALL[:, :1]]
    yield [np.zeros((2, 2, 3), np.float32), x], [SMALL, SMALL]


@each_function
@pytest.mark.parametrize("kind", range(8))
def test_writes_raise_the_version_counter(function, kind):
    x = torch.zeros(2, 2, 3)
    weights = torch.ones(2, 2, 3, requires_grad=True)
    total = (weights * x).sum()
    out, source = list(kinds_of_out(x))[kind]
    before = x._version
    assert function(source, out=out) is out
    torch.testing.assert_close(x, SMALL)
    assert x._version > before
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@each_function
def test_a_refused_call_leaves_the_version_counter(function):
    x, other = torch.zeros(2, 2, 3), torch.zeros(2, 2, 3)
    weights = torch.ones(2, 2, 3, requires_grad=True)
    total = (weights * x).sum()
    for options in ({"dtype": "uint8"}, {"layout": "NCHW"}, {"mean": [1, 2]}):
        with pytest.raises(ERRORS):
            function(SMALL, out=x, **options)
    for source, out in (
        (SMALL[:1], x),
        ([SMALL, SMALL], [x, other[:1]]),
        ([SMALL, SMALL], [x, x]),
        ([SMALL, other], [x, other]),
    ):
        with pytest.raises(ERRORS):
            function(source, out=out)
    assert x._version == 0
    total.backward()


@each_function
def test_the_version_counters_of_other_tensors_stay(function):
    source = SMALL.clone()
    function(source, out=np.zeros((2, 2, 3), np.float32))
    function([source, source], out=[torch.zeros(2, 2, 3), torch.zeros(2, 2, 3)])
    assert source._version == 0
    own = SMALL.clone()
    function(source, out=own)
    assert own._version == 1


@each_function
def test_tensors_of_integers_and_without_elements(function):
    x = torch.zeros(2, 2, 3, dtype=torch.uint8)
    function(IMAGE[:2, :2], out=x)
    assert x._version == 1
    empty = torch.zeros(0, 2, 3)
    function(torch.zeros(0, 2, 3), out=empty)
    assert empty._version == 1  # as of empty.copy_()


@each_function
def test_what_requires_grad_is_refused(function):
    leaf = torch.zeros(2, 2, 3, requires_grad=True)
    with torch.no_grad():
        view = leaf[:1]
        views = [leaf, leaf[:1], view, leaf.view(3, 4)[None, :2].expand(2, 2, 4)[..., :3]]
    for out in (*views, leaf * 2):
        for context in (torch.no_grad(), torch.enable_grad()):
            with context, pytest.raises(vc.ViewError, match="requires grad"):
                function(SMALL[: out.shape[0]], out=out)
            with context, pytest.raises(vc.ViewError, match="image 1 of out: .*requires grad"):
                function([SMALL, SMALL], out=[torch.zeros(2, 2, 3), out])
    assert (leaf == 0).all() and leaf._version == 0
    function(SMALL, out=leaf.detach())  # as detach().copy_() does
    assert leaf._version == 1


@each_function
def test_inference_tensors(function):
    with torch.inference_mode():
        x, other = torch.zeros(2, 2, 3), torch.zeros(2, 2, 3)
    with pytest.raises(RuntimeError) as torchs:
        other.copy_(SMALL)  # which writes it
    text = str(torchs.value).split(".")[0]
    for source, out in ((SMALL, x), ([SMALL, SMALL], [torch.zeros(2, 2, 3), x])):
        with pytest.raises(vc.ViewError, match=text):
            function(source, out=out)
    assert (x == 0).all()
    with torch.inference_mode():
        function(SMALL, out=x)
        normal = function(SMALL + 1, out=x[:])
    torch.testing.assert_close(x, SMALL + 1)
    assert normal.is_inference()


@each_function
def test_in_inference_mode_normal_tensors_are_written_and_counted(function):
    x = torch.zeros(2, 2, 3)
    with torch.inference_mode():
        function(SMALL, out=x)
        x.copy_(SMALL)
    assert x._version == 2


def test_subclasses_and_parameters():
    class Tensor(torch.Tensor):
        pass

    x = torch.zeros(2, 2, 3).as_subclass(Tensor)
    vc.to_tensor(SMALL, out=x)
    assert x._version == 1
    parameter = torch.nn.Parameter(torch.zeros(2, 2, 3), requires_grad=False)
    vc.to_tensor(SMALL, out=parameter)
    assert parameter._version == 1


def test_a_list_that_changes_while_it_is_read():
    """The tensors that were written are counted, also if the list has changed."""
    x = torch.zeros(2, 2, 3)
    out = []

    class Array:
        @property
        def __array_interface__(self):
            out.clear()
            return SMALL.numpy().__array_interface__

    out += [x, np.zeros((2, 2, 3), np.float32)]
    vc.to_numpy([SMALL, vc.view(SMALL.numpy())], out=out)
    assert x._version == 1
    del Array
