# SPDX-License-Identifier: Apache-2.0
"""The workload that count.py runs under callgrind: each conversion CALLS times, and twice as
often, so that the difference is CALLS conversions without the code around them.

One process runs all conversions, as importing the libraries takes most of the time; until
counting starts, valgrind only translates.
"""

import ctypes
import gc
import json
import pathlib
import sys

from viewcast.bench.conversions import Missing, prepare

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from harness import machine  # noqa: E402
from harness.methods import CONVERSIONS  # noqa: E402
from harness.sources import Images  # noqa: E402

CALLS = 200
# Calls before counting: Python's interpreter specialises its code, pools and free lists
# fill, and lends of an OpenCV that does not report their end are swept.
WARM = 1000


def run(function, image, calls):
    for _ in range(calls):
        function(image)


def count(requests, slug, function, image):
    run(function, image, WARM)
    requests.start()
    for name, calls in (("not counted", CALLS), ("once", CALLS), ("twice", 2 * CALLS)):
        run(function, image, calls)
        requests.dump(f"{slug} {name}".encode())  # and all counts are 0 again
    requests.stop()


def main():
    library, output = sys.argv[1:]
    requests = ctypes.CDLL(library)
    if not requests.inside_valgrind():
        sys.exit("to be run under valgrind --tool=callgrind")
    images, skipped = Images((4, 6, 3)), {}
    gc.disable()
    for conversion in CONVERSIONS:
        try:
            names = prepare(conversion, images)
        except Missing as reason:
            skipped[conversion.slug] = str(reason)
        else:
            count(requests, conversion.slug, names["f"], names["x"])
    description = {"machine": machine.describe(), "calls": CALLS, "skipped": skipped}
    with open(output, "w") as file:
        json.dump(description, file)


main()
