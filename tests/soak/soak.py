# SPDX-License-Identifier: Apache-2.0
"""`make soak`: millions of conversions in random mixes, then checks of memory and counts.

    python tests/soak/soak.py [--conversions 10000000] [--threads N] [--json FILE]
    python tests/soak/soak.py --gpu --seconds 570

Host and device memory must be flat, and all lends, shares and exports released. --gpu runs
kernels of cv2.cuda, torch and CuPy between the conversions, on streams of their own, and
compares pixels; without it everything is in host mode. --seconds and --minutes are of the
whole program, its start included.
"""

import time

STARTED = time.monotonic()  # before the imports, which take seconds

import argparse  # noqa: E402
import contextlib  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402

import cupy  # noqa: E402
import cv2  # noqa: E402
import torch  # noqa: E402
from memory import Books  # noqa: E402
from workload import Gpu, Host  # noqa: E402

import viewcast as vc  # noqa: E402

REFUSED = (vc.ViewError, TypeError, ValueError)
WARM = 30_000  # conversions with each pool, before memory is measured first
MARGIN = 10  # seconds that the last round and the end take
POOLS = (None, "torch", "cupy", "cuda")
COUNTS = ("lends", "shares", "exports")


def settle():
    """Waits for the GPU, and drains all pending releases."""
    if not vc.host_mode():
        torch.cuda.synchronize()
    for _ in range(3):
        gc.collect()
        vc.collect()


def work(setting, count, deadline, made, failures):
    """Conversions of a few images, which are made and dropped at random."""
    alive, done = [], 0
    random = setting.random
    try:
        while done < count and time.monotonic() < deadline and not failures:
            if len(alive) < 3 or random.random() < 0.1:
                alive.append(setting.make())
            image = alive[random.randrange(len(alive))]
            with contextlib.suppress(REFUSED):  # an image that the target refuses
                alive.append(setting.use(setting.convert(image)))
            done += 1
            while len(alive) > 12:
                del alive[random.randrange(len(alive))]
            if done % 50 == 0:
                setting.check(alive[random.randrange(len(alive))])
            if done % 500 == 0:
                setting.transform(alive[random.randrange(len(alive))])
        setting.end()
    except BaseException as error:
        failures.append(error)
    made.append(done)


def run_round(settings, count, deadline):
    made, failures = [], []
    share = -(-count // len(settings))
    threads = [
        threading.Thread(target=work, args=(setting, share, deadline, made, failures))
        for setting in settings
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(made)


def counts(before):
    """Counts of made and released lends, shares and exports since `before`."""
    now = vc.statistics()
    names = [name for key in COUNTS for name in (key, f"{key}_released")]
    return {name: now[name] - before[name] for name in names}


def wrong_counts(found):
    for key in COUNTS:
        made, released = found[key], found[f"{key}_released"]
        if made != released:
            yield f"{key}: {made} made, {released} released"
    if left := vc.statistics()["pending"]:
        yield f"{left} releases are pending still"


def use_next_pool(number, settings):
    """Sets another pool for OpenCV's memory in each round."""
    if vc.host_mode():
        return "none"
    name = POOLS[number % len(POOLS)]
    if name is None:
        vc.use_pool(None)
    else:
        vc.use_pool(name, streams=[setting.cv2_stream for setting in settings])
    return name or "OpenCV's"


def soak(options, report):
    settings = [(Gpu if options.gpu else Host)(seed) for seed in range(options.threads)]
    deadline = STARTED + options.seconds - MARGIN if options.seconds else float("inf")
    total = 2**62 if options.seconds else options.conversions
    for number in range(len(POOLS)):  # caches, pools, arenas
        use_next_pool(number, settings)
        run_round(settings, WARM, deadline)
    settle()
    vc.collect(force=True)
    books, before, began = Books(options.gpu), vc.statistics(), time.monotonic()
    report["memory at first"] = first = books.read()
    for setting in settings:
        setting.done = dict.fromkeys(setting.done, 0)
    per_round = 100_000 if options.seconds else -(-total // options.rounds)
    while report["conversions"] < total and time.monotonic() < deadline:
        pool = use_next_pool(len(report["rounds"]), settings)
        done = run_round(settings, min(per_round, total - report["conversions"]), deadline)
        settle()
        report["conversions"] += done
        report["seconds"] = round(time.monotonic() - began, 1)
        report["counts"] = counts(before)
        report["work"] = {
            name: sum(setting.done.get(name, 0) for setting in settings)
            for name in sorted({name for setting in settings for name in setting.done})
        }
        now = books.read()
        grown = {name: now[name] - first[name] for name in now if name in first}
        report["rounds"].append({"conversions": done, "pool": pool, "grown": grown})
        print(f"{report['conversions']:>11,} conversions, {report['seconds']:7.0f} s, {grown}, "
              f"pool: {pool}", flush=True)  # fmt: skip
        for fault in (*wrong_counts(report["counts"]), *books.faults(first, now)):
            print(f"  WRONG: {fault}", flush=True)
            report["faults"].append(f"round {len(report['rounds'])}: {fault}")
    if not report["conversions"]:
        report["faults"].append("no time was left after the warm-up")


def versions():
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "viewcast": vc.__version__,
        "mode": vc.config()["machine"]["reason"],
        "OpenCV": cv2.__version__,
        "torch": torch.__version__,
        "CuPy": cupy.__version__,
        "Python": sys.version.split()[0],
        "GPU": gpu,
    }


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversions", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, help="instead of a number of conversions")
    parser.add_argument("--minutes", type=float, help="the same")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20, help="looks at the books")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, help="where the report goes")
    options = parser.parse_args()
    if options.minutes:
        options.seconds = 60 * options.minutes
    return options


def main():
    options = read_options()
    if options.gpu and vc.host_mode():
        sys.exit("soak: --gpu, and this process sees no GPU: " + vc.config()["machine"]["reason"])
    if not options.gpu and not vc.host_mode():
        sys.exit("soak: there is a GPU; use --gpu, or run with CUDA_VISIBLE_DEVICES= (empty)")
    report = {"outcome": "FAILED", "versions": versions(), "conversions": 0, "rounds": []}
    report["faults"] = []
    try:
        soak(options, report)
        if not report["faults"]:
            report["outcome"] = "passed"
    except BaseException as error:
        report["error"] = repr(error)
        raise
    finally:
        report["seconds in all"] = round(time.monotonic() - STARTED, 1)
        if options.json:
            options.json.write_text(json.dumps(report, indent=1) + "\n")
        shown = {key: value for key, value in report.items() if key != "rounds"}
        print(json.dumps(shown, indent=1))
    if report["faults"]:
        sys.exit(f"soak: {len(report['faults'])} looks at the books found something wrong")
    print("soak: every count exact, memory flat")


if __name__ == "__main__":
    main()
