# SPDX-License-Identifier: Apache-2.0
"""The result of config() in plain text for people. A section is a heading and its rows; a row
is a sign and a text."""

from ..terminal import print_wrapped


def of_config(found):
    return [("This machine", machine(found)), ("Libraries", libraries(found["libraries"]))]


def sections(them):
    for number, (heading, rows) in enumerate(them):
        print("\n" * bool(number) + heading)
        for sign, text in rows:
            row(sign, text)


def row(sign, text):
    """The sign is "ok", ".." (could be better) or "!!"."""
    print_wrapped(text, indent="    ", first=f"{sign}  ")


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
            if own["kernels"]:
                yield transforms_on(number, gpu["kernels"])
    elif here["mode"] == "host":
        reason = here["reason"].removeprefix("host mode: ")
        yield "..", f"Host mode, GpuMats are headers over host memory: {reason}"
    else:
        yield "!!", f"CUDA does not start: {here['reason']}"
    if own["kernels"]:
        yield "ok", f"Kernels by NVRTC {own['compiler']} for {', '.join(own['kernels'])}"
    else:
        yield "..", "Transforms on the GPU: kernels not built in"
    yield "ok", f"Transforms on the CPU: {own['simd']} code, up to {own['threads']} threads"
    if own["pool"]:
        yield "ok", f"New GpuMats come from the pool {own['pool']!r}"
    for name, value in own["environment"].items():
        yield "..", f"{name}={value} is set"


def transforms_on(number, image):
    if not image:
        return "!!", f"Transforms on GPU {number}: there are no kernels for it"
    kind = "machine code" if image.startswith("sm_") else "PTX, which the driver compiles"
    return "ok", f"Transforms on GPU {number}: kernels {image} ({kind})"


def libraries(found):
    yield line("OpenCV", found["opencv"], opencv(found["opencv"]))
    torch = found["torch"]
    yield line("PyTorch", torch, f"CUDA {torch.get('cuda') or 'none'}")
    yield line("CuPy", found["cupy"], "can compute" if found["cupy"].get("usable") else "no GPU")
    yield line("NumPy", found["numpy"], None)
    others = [f"{name} {version}" for name, version in found["neighbours"].items()]
    yield "ok", f"Also here: {', '.join(others) or 'no other library that viewcast knows'}"


def line(name, library, more):
    if library["problem"]:
        version = f" {library['version']}" if library["version"] else ""
        sign = ".." if library["problem"] == "not installed" else "!!"
        return sign, f"{name}{version}: {library['problem']}"
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
