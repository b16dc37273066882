# SPDX-License-Identifier: Apache-2.0
"""Whether the main conversions work, and advice for the others."""


def ready(report):
    """True where GpuMats are views of torch's or CuPy's memory; in host mode, of NumPy's too."""
    paths = report["conversions"].get("gpumat", {})
    others = ["torch", "cupy"] + ["numpy"] * (report["machine"]["mode"] == "host")
    return any(paths.get(name) == "view" for name in others)


FASTEST = ("in place", "exchange table")
UNKNOWN = "its objects are laid out in a way that was not recognised"


def reasons(report):
    """The reason for each code path that is not the fastest."""
    slower = {name for name, way in report["paths"].items() if way and way not in FASTEST}
    return {name: reason(name, report) for name in sorted(slower)}


def reason(name, report):
    if report["slow"]:
        return "VIEWCAST_SLOW=1 asks for it"
    if name == "torch":
        return "PyTorch before 2.10 has no exchange table"
    counting = report["libraries"]["opencv"].get("layout", {}).get("counting")
    if name == "GpuMat made" and counting == "counts up only":
        return "this OpenCV never counts down"
    return UNKNOWN


def what_to_do(report):
    """Pairs of a problem and its remedy, the most important first."""
    return [*blockers(report), *limits(report)]


def blockers(report):
    machine, libraries = report["machine"], report["libraries"]
    opencv, torch, cupy = (libraries[name] for name in ("opencv", "torch", "cupy"))
    if machine["mode"] == "none":
        yield machine["reason"], "mend the driver, then run doctor again"
    if opencv["problem"] == "not installed":
        yield "There is no OpenCV", "pip install opencv-python-headless"
    elif opencv["problem"]:
        yield f"OpenCV: {opencv['problem']}", "use a build of OpenCV 4.8 to 5.x"
    if machine["mode"] == "CUDA" and not torch["version"] and not cupy["version"]:
        yield "There is neither PyTorch nor CuPy", "pip install torch, or pip install cupy-cuda13x"
    elif machine["mode"] == "CUDA" and not (torch.get("usable") or cupy.get("usable")):
        yield (
            "Neither PyTorch nor CuPy can use the GPU",
            "install one that is built for CUDA: pip install torch, or cupy-cuda13x",
        )


def limits(report):
    machine, libraries = report["machine"], report["libraries"]
    opencv, torch, cupy, numpy = (libraries[name] for name in ("opencv", "torch", "cupy", "numpy"))
    if len(opencv.get("packages", ())) > 1:
        yield (
            f"{' and '.join(opencv['packages'])} are one folder: the last one wins",
            "uninstall all of them, then install one",
        )
    if machine["mode"] == "CUDA" and opencv.get("has_cuda") is False:
        yield (
            "This OpenCV is built without CUDA: conversions work, cv2.cuda computes nothing",
            "build one: tools/build_opencv_cuda.sh in viewcast's sources",
        )
    if opencv.get("layout", {}).get("counting") == "counts up only":
        yield (
            "This OpenCV never counts down: memory that was lent to a GpuMat which was "
            "copied stays until collect(force=True)",
            "use OpenCV 5, or a build with CUDA",
        )
    if torch["version"] and not torch.get("exchange_table"):
        yield (
            f"PyTorch {torch['version']} has no C exchange table: conversions take longer",
            "use PyTorch 2.10 or later",
        )
    for name, library in (("PyTorch", torch), ("CuPy", cupy), ("NumPy", numpy)):
        if library["problem"] and library["problem"] != "not installed":
            yield f"{name} {library['problem']}", "install it anew"
        elif machine["mode"] == "CUDA" and library.get("usable") is False:
            yield f"{name} {library['version']} can't use the GPU", "install its build for CUDA"
    if not torch["version"]:
        yield "as_tensor needs PyTorch", "pip install torch"
    if not cupy["version"]:
        yield "as_cupy needs CuPy", "pip install cupy-cuda13x"
    if not numpy["version"]:
        yield "as_numpy needs NumPy", "pip install numpy"
    elif not numpy["bfloat16"]:
        yield "bfloat16 in NumPy needs ml_dtypes", "pip install ml_dtypes"
    if machine["mode"] == "CUDA" and not report["viewcast"]["kernels"]:
        yield (
            "This viewcast was built without GPU kernels: to_tensor, to_cupy and to_gpumat can't "
            "run on the GPU",
            "install it without -Csetup-args=-Dcuda=disabled",
        )
