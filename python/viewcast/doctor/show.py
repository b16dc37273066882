# SPDX-License-Identifier: Apache-2.0
"""The report for people, in plain text."""

from ..terminal import print_wrapped

TITLES = {"gpumat": "GpuMat", "torch": "PyTorch", "cupy": "CuPy", "numpy": "NumPy"}


def report(found):
    for heading, lines in (
        ("This machine", machine(found)),
        ("Libraries", libraries(found["libraries"])),
        ("Conversions", conversions(found)),
    ):
        print(heading)
        for mark, text in lines:
            row(mark, text)
        print()
    if found["advice"]:
        print("For more")
        for item in found["advice"]:
            row("..", f"{item['what']}:")
            print_wrapped(item["do"], indent="    ", first="    ")
        print()
    row(*verdict(found))


def machine(found):
    own, here = found["viewcast"], found["machine"]
    gil = "" if own["gil"] else ", free-threaded"
    yield "ok", f"viewcast {own['version']}, Python {own['python']}{gil}, {own['system']}"
    if here["mode"] == "CUDA":
        release = f" {here['driver']}" if here["driver"] else ""
        yield "ok", f"Driver{release} for CUDA {here['driver_cuda']}"
        for number, gpu in enumerate(here["gpus"]):
            memory = f"{gpu['memory_gib']} GiB"
            yield "ok", f"GPU {number}: {gpu['name']}, {memory}, capability {gpu['capability']}"
    elif here["mode"] == "host":
        reason = here["reason"].removeprefix("host mode: ")
        yield "..", f"Host mode, GpuMats are headers over host memory: {reason}"
    else:
        yield "!!", f"CUDA does not start: {here['reason']}"
    kernels = f"for {', '.join(own['kernels'])}" if own["kernels"] else "not built in"
    yield "ok" if own["kernels"] else "..", f"Transforms on the GPU: kernels {kernels}"
    yield "ok", f"Transforms on the CPU: {own['simd']} code"
    for name, value in own["environment"].items():
        yield "..", f"{name}={value} is set"


def libraries(found):
    yield line("OpenCV", found["opencv"], opencv(found["opencv"]))
    torch = found["torch"]
    yield line("PyTorch", torch, f"CUDA {torch.get('cuda') or 'none'}")
    yield line("CuPy", found["cupy"], "can compute" if found["cupy"].get("usable") else "no GPU")
    yield line("NumPy", found["numpy"], None)
    others = [f"{name} {version}" for name, version in found["neighbours"].items()]
    yield "ok", f"Also here: {', '.join(others) or 'none of the other libraries that it knows'}"


def line(name, library, more):
    if library["problem"]:
        version = f" {library['version']}" if library["version"] else ""
        mark = ".." if library["problem"] == "not installed" else "!!"
        return mark, f"{name}{version}: {library['problem']}"
    return "ok", f"{name} {library['version']}{f', {more}' if more else ''}"


def opencv(found):
    if "layout" not in found:
        return None
    cuda = f"CUDA on {found['devices']} GPUs" if found["has_cuda"] else "built without CUDA"
    if found["has_cuda"] and not found["devices"]:
        cuda = "built with CUDA, sees no GPU"
    layout = found["layout"]
    return (
        f"{cuda}; layout verified; {layout['counting']}; {layout['channels_max']} channels at most"
    )


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
        return "!!", "Not ready: images can't go between GpuMat and PyTorch or CuPy here."
    if found["machine"]["mode"] == "host":
        return "ok", "Ready, in host mode: everything but computing on a GPU."
    return "ok", "Ready."


def row(mark, text):
    """The mark is "ok", ".." (could be better) or "!!"."""
    print_wrapped(text, indent="    ", first=f"{mark}  ")
