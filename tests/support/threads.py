# SPDX-License-Identifier: Apache-2.0
"""Work on several threads."""

import sysconfig
import threading

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))  # this Python has no GIL
THREADS = 8


def at_once(work, threads=THREADS):
    """Runs work(index) on threads that start together; returns the results in order. Raises the
    first exception."""
    barrier = threading.Barrier(threads)
    results, failures = [None] * threads, []

    def run(index):
        try:
            barrier.wait()
            results[index] = work(index)
        except BaseException as error:
            failures.append(error)

    started = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if failures:
        raise failures[0]
    return results
