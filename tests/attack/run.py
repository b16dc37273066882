# SPDX-License-Identifier: Apache-2.0
"""One generator of attacks in a process of its own.

    python tests/attack/run.py GENERATOR [--seed 1] [--count 100] [--case NUMBER]
                                         [--device cuda] [--keep-going]

Each case depends on the generator's name, the seed and its number alone, so --case repeats one
by itself. The number of the running case is in the file that VIEWCAST_ATTACK_CASE names, if
any, where the starting process reads it after a crash.
"""

import argparse
import collections
import faulthandler
import gc
import importlib
import mmap
import os
import pathlib
import random
import sys
import traceback

GENERATORS = (
    "random_transforms",
    "random_resizes",
    "random_yuvs",
    "hostile_descriptions",
    "shifting_tensors",
    "interruptions",
    "exchanged_storage",
)


class Progress:
    """The number of the running case, in a file that outlives a crash."""

    def __init__(self, path):
        self.memory = None
        if path:
            with open(path, "w+b") as file:
                file.write(bytes(8))
                file.flush()
                self.memory = mmap.mmap(file.fileno(), 8)

    def at(self, number):
        if self.memory:
            self.memory[:] = number.to_bytes(8, "little")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generator", choices=GENERATORS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--case", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--keep-going", action="store_true")
    return parser.parse_args()


def reproduce(options, number):
    device = "" if options.device == "cpu" else f" --device {options.device}"
    return (
        f"python tests/attack/run.py {options.generator} --seed {options.seed} "
        f"--case {number}{device}"
    )


def main():
    options = arguments()
    here = pathlib.Path(__file__).resolve().parent
    sys.path[:0] = [str(here), str(here.parent / "support")]
    generator = importlib.import_module(options.generator)
    gc.collect()
    gc.freeze()  # collections need not traverse the objects that imports made
    progress = Progress(os.environ.get("VIEWCAST_ATTACK_CASE"))
    numbers = range(options.count) if options.case is None else [options.case]
    outcomes, failures = collections.Counter(), 0
    for number in numbers:
        progress.at(number)
        rng = random.Random(f"{options.generator} {options.seed} {number}")
        faulthandler.dump_traceback_later(120, exit=True)
        try:
            outcomes[generator.case(rng, options.device)] += 1
        except Exception:
            failures += 1
            traceback.print_exc()
            print(f"{getattr(rng, 'call', '')}\nto repeat it: {reproduce(options, number)}\n")
            if not options.keep_going or failures == 1000:
                break
    faulthandler.cancel_dump_traceback_later()
    told = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    print(f"{options.generator}: seed {options.seed}, {outcomes.total()} cases: {told}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    faulthandler.enable()
    main()
