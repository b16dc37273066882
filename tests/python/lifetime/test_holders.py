# SPDX-License-Identifier: Apache-2.0
"""References between images: any sequence of conversions, copies of headers, regions, slices,
exports and drops, on any thread, against a model of every reference count."""

import gc
import itertools
import threading
import weakref

import cv2
import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from images import CONVERT, MAKE, Image
from loaded_opencv import COUNTS_UP
from threads import at_once

import viewcast as vc

pytestmark = pytest.mark.slow_paths

SHAPE = (6, 8, 3)
COUNTERS = ("lend", "share", "export")


class Node:
    """An object that keeps what it `holds` alive as long as it is alive: while another node
    holds it, or the program has references to it. `counts` are its counters in statistics()."""

    def __init__(self, holds=(), counts=()):
        self.holds, self.counts, self.references = list(holds), counts, 0


def alive(nodes):
    reached = set()
    waiting = [node for node in nodes if node.references]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += node.holds
    return reached


def on_another_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def where(threaded, function):
    on_another_thread(function) if threaded else function()


class Holders(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        gc.collect()
        vc.collect(force=True)
        self.before = vc.statistics()
        self.counts_up = vc._viewcast._opencv_layout()["counting"] == COUNTS_UP
        self.nodes = []
        self.objects = {}  # number -> (library, object, node)
        self.numbers = itertools.count()
        self.memories = {}  # node -> weak reference

    def node(self, *holds, counts=()):
        made = Node(holds, counts)
        self.nodes.append(made)
        return made

    def keep(self, library, thing, node):
        node.references += 1
        self.objects[next(self.numbers)] = library, thing, node

    def pick(self, data, *libraries):
        numbers = [
            n for n, (lib, _, _) in self.objects.items() if not libraries or lib in libraries
        ]
        return data.draw(st.sampled_from(numbers))

    def has(self, *libraries):
        return any(library in libraries for library, _, _ in self.objects.values())

    # --- what a conversion makes, by the documentation of each library

    def model(self, source, node, target):
        if target == "gpumat":
            return self.node(self.node(node, counts=["lend"]))
        if source == "gpumat" and not self.counts_up:
            # A reference to the lend, not to the GpuMat object.
            (lend,) = node.holds
            node = self.node(lend, counts=["share"])
        counts = ["export"] if target == "torch" else []
        return self.node(node, counts=counts)

    @rule(library=st.sampled_from(["numpy", "torch", "cupy"]), seed=st.integers(0, 9))
    def make(self, library, seed):
        image = Image(SHAPE, seed=seed)
        memory = self.node()
        self.memories[memory] = weakref.ref(image.memory)
        self.keep(library, MAKE[library](image), self.node(memory))

    @precondition(lambda self: self.has(*CONVERT))
    @rule(data=st.data(), into=st.sampled_from(list(CONVERT)), threaded=st.booleans())
    def convert(self, data, into, threaded):
        source, thing, node = self.objects[self.pick(data, *CONVERT)]
        made = []
        where(threaded, lambda: made.append(CONVERT[into](thing)))
        if source == into:
            assert made[0] is thing
            self.keep(into, made[0], node)
        else:
            self.keep(into, made[0], self.model(source, node, into))

    @precondition(lambda self: self.has("gpumat") and not self.counts_up)
    @rule(data=st.data(), kind=st.sampled_from(["copy", "rows", "region", "reshape"]))
    def copy_header(self, data, kind):
        _, mat, node = self.objects[self.pick(data, "gpumat")]
        copies = {
            "copy": lambda: cv2.cuda.GpuMat(mat),
            "rows": lambda: mat.rowRange(0, 2),
            "region": lambda: cv2.cuda.GpuMat(mat, (0, 0, 2, 2)),
            "reshape": lambda: mat.reshape(3),
        }
        (lend,) = node.holds
        self.keep("gpumat", copies[kind](), self.node(lend))

    @precondition(lambda self: self.has("torch", "numpy", "cupy"))
    @rule(data=st.data())
    def slice(self, data):
        library, array, node = self.objects[self.pick(data, "torch", "numpy", "cupy")]
        # torch's storage, not the tensor object, holds what is behind it.
        holds = node.holds if library == "torch" else [node]
        counts = node.counts if library == "torch" else []
        if library == "torch" and counts:
            return  # both would share one export: the model counts objects
        self.keep(library, array[:2, :2], self.node(*holds, counts=counts))

    @precondition(lambda self: self.has("view"))
    @rule(data=st.data(), consumer=st.sampled_from(["torch", "numpy"]), used=st.booleans())
    def export(self, data, consumer, used):
        _, view, node = self.objects[self.pick(data, "view")]
        made = self.node(node, counts=["export"])
        if not used:
            self.keep("capsule", view.__dlpack__(max_version=(1, 0)), made)
        else:
            library = {"torch": torch, "numpy": np}[consumer]
            self.keep(consumer, library.from_dlpack(view), made)

    @precondition(lambda self: self.objects)
    @rule(data=st.data(), threaded=st.booleans())
    def drop(self, data, threaded):
        number = self.pick(data)
        self.objects[number][2].references -= 1
        where(threaded, lambda: self.objects.pop(number) and None)

    @precondition(lambda self: self.has("gpumat") and not self.counts_up)
    @rule(data=st.data())
    def release(self, data):
        """GpuMat.release(): the header's reference ends, the object stays, empty."""
        number = self.pick(data, "gpumat")
        _, mat, node = self.objects[number]
        if node.references > 1:
            return  # other names of the same object
        mat.release()
        node.references -= 1
        del self.objects[number]

    @invariant()
    def counts_are_exact(self):
        vc.collect()
        now = vc.statistics()
        held = alive(self.nodes)
        for counter in COUNTERS:
            expected = sum(counter in node.counts for node in held)
            made = now[f"{counter}s"] - self.before[f"{counter}s"]
            released = now[f"{counter}s_released"] - self.before[f"{counter}s_released"]
            assert made - released == expected, counter
        assert now["pending"] == 0
        for node, memory in self.memories.items():
            assert (memory() is not None) == (node in held)

    def teardown(self):
        self.objects.clear()
        for node in self.nodes:
            node.references = 0
        self.counts_are_exact()


Holders.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestHolders = Holders.TestCase


# --- several threads at once: the order is not modelled, only that nothing is left


def work(seed, kept):
    random = np.random.default_rng(seed)
    names = list(CONVERT)
    mine = [Image(SHAPE, seed=seed).array]
    for _ in range(300):
        thing = mine[random.integers(len(mine))]
        mine.append(CONVERT[names[random.integers(len(names))]](thing))
        if isinstance(mine[-1], cv2.cuda.GpuMat) and random.integers(2):
            mine.append(mine[-1].rowRange(0, 2))
        if len(mine) > 8:
            del mine[random.integers(1, len(mine))]
        if random.integers(20) == 0:
            kept.append(mine[-1])  # dropped by another thread
        if random.integers(20) == 0 and kept:
            kept.pop()


def test_threads_that_pass_images_to_each_other(ledger):
    kept = []
    at_once(lambda seed: work(seed, kept), 6)
    kept.clear()
    counted = ledger(force=True)
    assert counted["lends"] == counted["lends_released"]
    assert counted["exports"] == counted["exports_released"]
    assert counted.get("shares") == counted.get("shares_released")
    assert "pending" not in counted
