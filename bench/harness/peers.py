# SPDX-License-Identifier: Apache-2.0
"""Other methods of the same conversions: names, and functions that make them or raise Missing."""

from viewcast.bench.conversions import Missing, load

SAVANTS = {
    "torch-gpumat": ("Savant's helpers", "gpumat_from"),
    "cupy-gpumat": ("Savant's helpers", "gpumat_from"),
    "gpumat-torch": ("Savant's helpers", "tensor_from_gpumat"),
    "gpumat-cupy": ("Savant's helpers", "cupy_from_gpumat"),
    # Savant has no helper for these two.
    "cupy-torch": ("torch.as_tensor", "tensor_from_cupy"),
    "torch-cupy": ("cupy.asarray", "cupy_from_tensor"),
}


def of(conversion, images):
    """Pairs of a name and a function that returns the fields of a Method."""
    if conversion.slug in SAVANTS:
        name, function = SAVANTS[conversion.slug]
        yield name, lambda: savants_helpers(function, conversion, images)
    if conversion.target == "gpumat":
        yield "GpuMat.from_dlpack", lambda: opencv_dlpack(conversion, images)
    elif conversion.target == "view":
        yield "StridedMemoryView", lambda: memory_view(conversion, images)
    else:
        yield f"{conversion.target}.from_dlpack", lambda: library_dlpack(conversion, images)


def savants_helpers(function, conversion, images):
    """The CUDA Array Interface, read or made in Python, and the libraries' own readers."""
    device_memory(images)
    for module in ("cupy", "cv2", "torch"):
        load(module)
    from . import savant_baseline

    return {"names": {"f": getattr(savant_baseline, function), "x": images[conversion.source]}}


def library_dlpack(conversion, images):
    """DLPack, as the target's library imports it."""
    device_memory(images)
    if conversion.source == "gpumat":
        opencv_with_cuda()
    return {"names": {"f": load(conversion.target).from_dlpack, "x": images[conversion.source]}}


def opencv_dlpack(conversion, images):
    """GpuMat.from_dlpack never releases the memory that it imports: its references to the image
    leak, so it is called less often, on an image that no other method uses."""
    device_memory(images)
    function = getattr(opencv_with_cuda().cuda.GpuMat, "from_dlpack", None)
    if function is None:
        raise Missing("this OpenCV has no GpuMat.from_dlpack: 4.13 and later have")
    image = getattr(images, f"make_{conversion.source}")()
    note = "leaks its references: fewer calls"
    return {"names": {"f": function, "x": image}, "share": 0.05, "note": note}


def memory_view(conversion, images):
    """cuda.core's counterpart of a View."""
    try:
        from cuda.core.utils import StridedMemoryView
    except Exception as error:
        raise Missing(f"cuda.core cannot be imported ({error}): pip install cuda-core") from error
    # Before 0.4 the class itself took any object.
    function = getattr(StridedMemoryView, "from_any_interface", StridedMemoryView)
    names = {"f": function, "x": images[conversion.source]}
    return {"names": names, "statement": "f(x, stream_ptr=-1)"}


def device_memory(images):
    if images.host:
        raise Missing("reads device memory only, and there is no GPU")


def opencv_with_cuda():
    """cv2. Without CUDA, OpenCV's DLPack functions may end the process."""
    cv2 = load("cv2")
    if cv2.cuda.getCudaEnabledDeviceCount() <= 0:
        raise Missing(f"OpenCV {cv2.__version__} here is built without CUDA")
    return cv2
