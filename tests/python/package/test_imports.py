# SPDX-License-Identifier: Apache-2.0
"""The modules that viewcast imports, and its errors where a library is missing or is not the
one that its name says. Each test runs in a process of its own."""

import os
import subprocess
import sys
import textwrap

import pytest

import viewcast as vc

pytestmark = [pytest.mark.all_libraries, pytest.mark.unsanitized]
any_opencv = pytest.mark.any_opencv


def python(*parts, **environment):
    """Runs code, which must write nothing to stderr; returns the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(textwrap.dedent(part) for part in parts)],
        env=dict(os.environ, **environment),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def raised(call, setup="", **environment):
    """Type and message of what a call raises."""
    attempt = f"""
    try:
        {call}
    except Exception as error:
        print(type(error).__name__)
        print(error)
    """
    name, *message = python("import viewcast as vc", setup, attempt, **environment)
    return name, "\n".join(message)


LIBRARIES = "('cupy', 'cv2', 'numpy', 'torch')"
LOADED = f"print(*[name for name in {LIBRARIES} if name in sys.modules])"
IMAGE = "memoryview(bytearray(24)).cast('B', (4, 6))"


# --- what is imported


@any_opencv
def test_importing_viewcast_imports_no_library():
    assert python(f"import sys, viewcast; {LOADED}") == [""]


@any_opencv
def test_importing_savants_names_imports_no_library():
    assert python(f"import sys, viewcast.savant; {LOADED}") == [""]


@any_opencv
@pytest.mark.parametrize("image", [IMAGE, "b'123'", "None", "3"])
def test_viewing_an_image_imports_no_library(image):
    code = f"""
    import sys, viewcast
    try:
        viewcast.view({image})
    except TypeError:
        pass
    {LOADED}
    """
    assert python(code) == [""]


@any_opencv
@pytest.mark.parametrize(
    ("call", "wanted"),
    [("as_numpy", "numpy"), ("as_tensor", "torch"), ("as_cupy", "cupy"), ("as_gpumat", "cv2")],
)
def test_a_conversion_imports_the_library_that_it_needs(call, wanted):
    code = f"""
    import sys, viewcast
    result = viewcast.{call}({IMAGE})
    {LOADED}
    """
    loaded = set(python(code)[0].split())
    # cv2 and cupy need NumPy, and torch loads it where it is installed.
    assert wanted in loaded
    assert loaded <= {wanted, "numpy"}


@any_opencv
def test_the_version_is_that_of_the_distribution_where_it_is_installed():
    code = """
    import importlib.metadata, viewcast
    try:
        print(importlib.metadata.version("viewcast"))
    except importlib.metadata.PackageNotFoundError:
        print(viewcast.__version__)
    """
    assert python(code) == [vc.__version__]


@any_opencv
def test_all_names_are_there():
    assert set(vc.__all__) <= set(dir(vc))
    for name in vc.__all__:
        assert name == "__version__" or getattr(vc, name).__doc__


@any_opencv
@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (vc.ViewError, (Exception,)),
        (vc.LayoutError, (vc.ViewError, ValueError)),
        (vc.DTypeError, (vc.ViewError, TypeError)),
        (vc.DeviceError, (vc.ViewError,)),
        (vc.ABIError, (vc.ViewError,)),
        (vc.CUDAError, (vc.ViewError,)),
    ],
)
def test_exceptions_have_the_bases_that_callers_catch(error, bases):
    assert error.__bases__ == bases
    assert error.__module__ == "viewcast"


@any_opencv
def test_a_subinterpreter_may_not_import_viewcast():
    inside = f"""
import sys
sys.path[:] = {sys.path!r}
try:
    import viewcast
except ImportError as error:
    print("refused")
"""
    code = f"""
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    one = interpreters.create()
    interpreters.run_string(one, {inside!r})
    interpreters.destroy(one)
    """
    assert python(code) == ["refused"]


# --- libraries that are missing


def without(*names):
    """A finder that hides these packages."""
    return f"""
    import sys
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in {names!r}:
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    sys.meta_path.insert(0, Missing())
    """


INSTALL = {
    "cv2": "pip install opencv-python-headless",
    "torch": "pip install torch",
    "cupy": "pip install cupy-cuda13x",
    "numpy": "pip install numpy",
}


@any_opencv
@pytest.mark.parametrize(
    ("call", "library"),
    [
        ("as_gpumat({})", "cv2"),
        ("as_gpumats({}.cast('B').cast('B', (2, 4, 3, 1)))", "cv2"),
        ("to_gpumat({})", "cv2"),
        ("to_gpumat([{}, {}], dtype='float32', scale=2)", "cv2"),
        ("as_tensor({})", "torch"),
        ("as_tensor({}, copy=True)", "torch"),
        ("as_tensors([{}])", "torch"),
        ("to_tensor({})", "torch"),
        ("to_tensor([{}, {}], layout='NCHW', dtype='float16', normalize='unit')", "torch"),
        ("as_cupy({})", "cupy"),
        ("as_cupy({}, copy=True)", "cupy"),
        ("to_cupy({})", "cupy"),
        ("as_numpy({})", "numpy"),
        ("as_numpy({}, copy=True)", "numpy"),
        ("to_numpy({}, layout='CHW')", "numpy"),
        ("from_pointer(16, (2, 2), type('Kind', (), {{}}))", "numpy"),
    ],
)
def test_a_missing_library_is_an_import_error_that_says_what_to_install(call, library):
    name, message = raised(f"vc.{call.format(IMAGE, IMAGE)}", without(library))
    assert name == "ImportError"
    assert f"viewcast needs {library} for this conversion: {INSTALL[library]}" in message
    assert f"No module named '{library}'" in message


@any_opencv
def test_a_missing_library_is_asked_for_again_at_the_next_call():
    code = f"""
    import viewcast as vc
    for attempt in range(3):
        try:
            print(tuple(vc.as_cupy({IMAGE}).shape))
        except ImportError as error:
            print("missing")
        if attempt == 1:
            del sys.meta_path[0]
    """
    assert python(without("cupy"), code) == ["missing", "missing", "(4, 6)"]


@any_opencv
@pytest.mark.parametrize("missing", ["torch", "cupy", "cv2"])
def test_the_other_conversions_need_no_missing_library(missing):
    code = f"""
    import viewcast as vc
    for name in ("as_tensor", "as_cupy", "as_gpumat", "as_numpy", "view"):
        try:
            getattr(vc, name)({IMAGE})
        except ImportError as error:
            print("missing", name)
    """
    need = {"torch": "as_tensor", "cupy": "as_cupy", "cv2": "as_gpumat"}
    assert python(without(missing), code) == [f"missing {need[missing]}"]


@any_opencv
def test_without_numpy_tensors_and_views_still_work():
    code = f"""
    import warnings
    import viewcast as vc
    warnings.simplefilter("ignore")  # torch tells that NumPy is missing
    tensor = vc.as_tensor({IMAGE})
    print(vc.view(tensor).shape)
    """
    assert python(without("numpy"), code) == ["(4, 6)"]


# --- host mode


@any_opencv
def test_host_mode_can_be_forbidden():
    name, message = raised(f"vc.as_gpumat({IMAGE})", VIEWCAST_HOST_MODE="0")
    assert name == "DeviceError"
    assert "VIEWCAST_HOST_MODE=0" in message
    assert "unset it to allow host mode" in message


@any_opencv
def test_host_mode_says_so_where_it_is_forbidden():
    assert raised("vc.host_mode()", VIEWCAST_HOST_MODE="0")[0] == "DeviceError"


@any_opencv
@pytest.mark.parametrize("call", ["as_tensor", "as_numpy", "view"])
def test_host_memory_needs_no_host_mode_where_no_gpumat_is_made(call):
    code = f"import viewcast as vc; print(tuple(vc.{call}({IMAGE}).shape))"
    assert python(code, VIEWCAST_HOST_MODE="0") == ["(4, 6)"]


@any_opencv
def test_host_mode_and_its_reason():
    assert python("import viewcast as vc; print(vc.host_mode())") == ["True"]
    reason = python("import viewcast as vc; print(vc._viewcast._mode_reason())")[0]
    assert reason.startswith("host mode: ")


# --- a cv2 that is not OpenCV's


FAKE = """
import ctypes, sys, types
cv2 = types.ModuleType("cv2")
cv2.cuda = types.ModuleType("cv2.cuda")
cv2.__version__ = "9.9.9"
cv2.CV_8UC1, cv2.CV_8UC2 = 0, 8
sys.modules["cv2"] = cv2
sys.modules["cv2.cuda"] = cv2.cuda
target = (ctypes.c_uint8 * 256)()
"""


def fake(slots="('one', 'two')", init="pass", rest=""):
    """Two slots make an object of a GpuMat's size, with pointers in them."""
    return f"""{FAKE}
class GpuMat:
    __slots__ = {slots}
    def __init__(self):
        {init}
cv2.cuda.GpuMat = GpuMat
{rest}
"""


FAKES = {
    "no GpuMat": FAKE,
    "GpuMat is no class": FAKE + "cv2.cuda.GpuMat = 3",
    "no cuda": FAKE + "del cv2.cuda",
    "another size": fake(slots="('one',)"),
    "NULL in the object": fake(),
    "another object in the object": fake(init="self.one = self.two = target"),
    "GpuMat() raises": fake(init="1 / 0"),
    "no constants": fake(rest="del cv2.CV_8UC1"),
    "another packing": fake(rest="cv2.CV_8UC2 = 16"),
}


@pytest.mark.parametrize("setup", FAKES.values(), ids=FAKES)
def test_an_unknown_gpumat_is_an_abi_error(setup):
    name, message = raised(f"vc.as_gpumat({IMAGE})", setup)
    assert name == "ABIError"
    assert "no cuda.GpuMat" in message or message.startswith("OpenCV 9.9.9: ")


TAMPERED = {
    "a depth's number": "cv2.CV_16F = 6",
    "an unknown depth": "cv2.CV_64F = 99",
    "the packing": "cv2.CV_8UC2 = 16",
    "no headers": "cv2.cuda.createGpuMatFromCudaMemory = lambda *a: 1 / 0",
    "other headers": "cv2.cuda.createGpuMatFromCudaMemory = lambda *a: cv2.cuda.GpuMat()",
    "no objects": "cv2.cuda.createGpuMatFromCudaMemory = lambda *a: None",
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_an_opencv_that_differs_in_one_thing_is_an_abi_error(change):
    name, message = raised(f"vc.as_gpumat({IMAGE})", f"import cv2\n{change}")
    assert name == "ABIError"
    assert message.startswith("OpenCV ")


def test_the_abi_error_comes_again_and_leaves_the_other_conversions_alone():
    code = f"""
    import viewcast as vc
    for convert in (vc.as_gpumat, vc.as_gpumat, vc.as_numpy):
        try:
            convert({IMAGE} if convert is vc.as_gpumat else GpuMat())
        except vc.ABIError as error:
            print("refused")
    print(tuple(vc.as_numpy({IMAGE}).shape))
    """
    assert python(fake(), code) == ["refused", "refused", "refused", "(4, 6)"]


def test_nothing_is_written_to_what_is_not_verified():
    code = """
    import viewcast as vc
    size = type(target).__basicsize__
    def memory():  # of the object without its own count, where a header should be
        whole = (ctypes.c_uint8 * size).from_address(id(target))
        return bytes(whole)[ctypes.sizeof(ctypes.c_ssize_t):], bytes(target)
    before = memory()
    for _ in range(3):
        try:
            vc._viewcast._opencv_layout()
        except vc.ABIError:
            print("refused")
    print(memory() == before)
    """
    setup = fake(init="self.one = self.two = target")
    assert python(setup, code) == ["refused", "refused", "refused", "True"]


def test_the_loaded_opencv_is_verified_and_reported():
    layout = vc._viewcast._opencv_layout()
    assert set(layout) >= {"channel_shift", "channels_max", "counting", "has_allocator"}
    assert layout["channels_max"] == 1 << (12 - layout["channel_shift"])
