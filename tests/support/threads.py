# SPDX-License-Identifier: Apache-2.0
"""Work on several threads at once."""

import sysconfig
import threading

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))  # this Python has no GIL
THREADS = 8


def at_once(work, threads=THREADS):
    """work(index) on so many threads, which begin together. What they answer, in order;
    the first exception is raised here."""
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
