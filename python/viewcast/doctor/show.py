# SPDX-License-Identifier: Apache-2.0
"""The report for people, in plain text."""

from ..configuration.show import of_config, row, sections
from ..terminal import print_wrapped

TITLES = {"gpumat": "GpuMat", "torch": "PyTorch", "cupy": "CuPy", "numpy": "NumPy"}


def report(found):
    sections([*of_config(found), ("Conversions", conversions(found))])
    print()
    if found["advice"]:
        print("For more")
        for item in found["advice"]:
            row("..", f"{item['what']}:")
            print_wrapped(item["do"], indent="    ", first="    ")
        print()
    row(*verdict(found))


def conversions(found):
    if not found["conversions"]:
        yield "!!", "none could be tried"
    for source, targets in found["conversions"].items():
        views = [TITLES[name] for name, path in targets.items() if path == "view"]
        if views:
            yield "ok", f"{TITLES[source]} to {', '.join(views)}: views"
        for name, path in targets.items():
            if path != "view":
                yield "..", f"{TITLES[source]} to {TITLES[name]}: {path}"
    taken = {name: path for name, path in found["paths"].items() if path}
    fastest = [f"{name} {path}" for name, path in taken.items() if name not in found["reasons"]]
    if fastest:
        yield "ok", f"By the fastest ways: {', '.join(fastest)}"
    for name, reason in found["reasons"].items():
        yield "..", f"{name} {taken[name]}, which is slower: {reason}"


def verdict(found):
    if not found["ready"]:
        return "!!", "Not ready: no library here shares images with GpuMat."
    if found["machine"]["mode"] == "host":
        return "ok", "Ready, in host mode: everything but computing on a GPU."
    return "ok", "Ready."
