# SPDX-License-Identifier: Apache-2.0
"""Stopwatches for viewcast.bench.loop, beside its own `calls`.

`makes` (an expression, without the end of what it makes), `ends` (the end alone),
`batches` (calls, and one wait at the end of them), `launches` (device time alone),
`threads` (a statement on several threads at once). Each but `launches` takes another
`clock` of integer nanoseconds, for tests.

On the GPU, CUDA events are put around many launches, which take turns over so many
buffers that none of them is still in the L2 cache when its turn comes again:

    sets = rotating(lambda: (make_source(), make_target()), nbytes_of_one_set)
    watch = launches(lambda pair: kernel(*pair), sets, 200)
    times, = loop.interleave([watch], rounds=7)
"""

import itertools
import threading
import time
import timeit

CACHE = 256 << 20  # more than the L2 cache of any GPU so far


def makes(expression, names, number, clock=time.perf_counter_ns):
    """Times making only: `number` results are kept until the clock has stopped."""
    make = eval(f"lambda: {expression}", names)  # text of the benchmarks

    def stopwatch():
        made = [None] * number
        begin = clock()
        for index in range(number):
            made[index] = make()
        return (clock() - begin) / number / 1000

    return stopwatch


def ends(expression, names, number, after=None, clock=time.perf_counter_ns):
    """Times the end of an expression's results: `number` of them are made, then dropped one
    after the other; only the dropping is timed, with `after()`."""
    make = eval(f"lambda: {expression}", names)  # text of the benchmarks

    def stopwatch():
        made = [make() for _ in range(number)]
        begin = clock()
        made.clear()
        if after:
            after()
        return (clock() - begin) / number / 1000

    return stopwatch


def batches(function, number, wait, before=None, clock=time.perf_counter_ns):
    """The time of `number` calls and one `wait()` for the device, divided by `number`.
    `before()`, a call and a wait come first, and are not timed."""

    def stopwatch():
        if before:
            before()
        function()
        wait()
        begin = clock()
        for _ in range(number):
            function()
        wait()
        return (clock() - begin) / number / 1000

    return stopwatch


def threads(statement, names, number, clock=time.perf_counter_ns):
    """Runs a statement `number` times on a thread for each dict in `names`, all at once. The
    result is the time from the first thread's start to the last one's end, divided by the
    calls of one thread: the time of a call on a thread. The rate of all threads is their
    number over it. Raises the exception of a thread."""

    def stopwatch():
        barrier = threading.Barrier(len(names))
        times, failed = [], []

        def work(own):
            timer = timeit.Timer(statement, timer=clock, globals=own)
            barrier.wait()
            try:
                begin = clock()
                timer.timeit(number)
                times.append((begin, clock()))
            except BaseException as error:
                failed.append(error)

        workers = [threading.Thread(target=work, args=(own,)) for own in names]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if failed:
            raise failed[0]
        begins, ends = zip(*times, strict=True)
        return (max(ends) - min(begins)) / number / 1000

    return stopwatch


def rotating(make, nbytes, at_least=CACHE):
    """As many buffers (or sets of them) of `nbytes` as exceed the GPU's cache together, but at
    least two."""
    return [make() for _ in range(max(2, -(-at_least // max(1, nbytes))))]


def launches(launch, buffers, number, events=None):
    """Device time of one `launch(buffer)`, by CUDA events around `number` launches on the
    current stream of the library whose `events` they are. The launches go round the
    buffers and are queued without waiting: where queueing takes longer than the device's
    work, queueing is measured."""
    events = events or device_events()

    def stopwatch():
        turn = itertools.islice(itertools.cycle(buffers), number)
        begin, end = events.make(), events.make()
        launch(buffers[-1])
        events.record(begin)
        for buffer in turn:
            launch(buffer)
        events.record(end)
        return events.milliseconds(begin, end) / number * 1000

    return stopwatch


class TorchEvents:
    def make(self):
        import torch

        return torch.cuda.Event(enable_timing=True)

    def record(self, event):
        event.record()

    def milliseconds(self, begin, end):
        end.synchronize()
        return begin.elapsed_time(end)


class CupyEvents:
    def make(self):
        import cupy

        return cupy.cuda.Event()

    def record(self, event):
        event.record()

    def milliseconds(self, begin, end):
        import cupy

        end.synchronize()
        return cupy.cuda.get_elapsed_time(begin, end)


def device_events():
    """Events of torch, else of CuPy. They are recorded on that library's current stream:
    launches of the other one need `events` of its own."""
    try:
        import torch
    except ImportError:
        return CupyEvents()
    return TorchEvents() if torch.cuda.is_available() else CupyEvents()
