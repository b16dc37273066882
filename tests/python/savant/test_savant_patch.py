# SPDX-License-Identifier: Apache-2.0
"""viewcast.savant.patch() on a dummy Savant, made here and installed by path."""

import importlib
import subprocess
import sys
import types

import pytest

import viewcast.savant

MEMORY_REPR = """
{imports}

OPENCV_TO_NUMPY_TYPE_MAP = {{}}
NUMPY_TO_OPENCV_TYPE_MAP = {{}}

class OpenCVGpuMatCudaArrayInterface:
    pass

def cuda_array_as_opencv_gpu_mat(arr):
    return "Savant"

def cupy_array_as_opencv_gpu_mat(arr):
    return "Savant"

def opencv_gpu_mat_as_cupy_array(gpu_mat):
    return "Savant"

def something_else():
    return "Savant"
"""

MEMORY_REPR_PYTORCH = """
from savant.utils.memory_repr import OpenCVGpuMatCudaArrayInterface

def opencv_gpu_mat_as_pytorch_tensor(gpu_mat):
    return "Savant"

def pytorch_tensor_as_opencv_gpu_mat(tensor):
    return "Savant"
"""

USER = """
import savant.utils.memory_repr as whole
from savant.utils.memory_repr import cupy_array_as_opencv_gpu_mat as to_mat
from savant.utils.memory_repr_pytorch import pytorch_tensor_as_opencv_gpu_mat
"""

FUNCTIONS = {
    "memory_repr": [
        "cuda_array_as_opencv_gpu_mat",
        "cupy_array_as_opencv_gpu_mat",
        "opencv_gpu_mat_as_cupy_array",
    ],
    "memory_repr_pytorch": [
        "opencv_gpu_mat_as_pytorch_tensor",
        "pytorch_tensor_as_opencv_gpu_mat",
    ],
}


def forget():
    for name in list(sys.modules):
        if name.split(".")[0] in ("savant", "patch_user", "late_patch_user"):
            del sys.modules[name]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a dummy Savant before all others on sys.path."""

    def make(imports=""):
        package = tmp_path / "savant"
        (package / "utils").mkdir(parents=True)
        (package / "__init__.py").touch()
        utils = package / "utils"
        (utils / "memory_repr.py").write_text(MEMORY_REPR.format(imports=imports))
        (utils / "memory_repr_pytorch.py").write_text(MEMORY_REPR_PYTORCH)
        (tmp_path / "patch_user.py").write_text(USER)
        (tmp_path / "late_patch_user.py").write_text(USER)

    forget()
    monkeypatch.syspath_prepend(tmp_path)
    yield make
    viewcast.savant.unpatch()
    forget()


def modules():
    return [
        (importlib.import_module(f"savant.utils.{name}"), functions)
        for name, functions in FUNCTIONS.items()
    ]


def test_patch_replaces_the_names_of_a_savant_that_was_imported_before(install):
    install()
    theirs = [
        getattr(module, function) for module, functions in modules() for function in functions
    ]
    user = importlib.import_module("patch_user")
    own_map = user.whole.OPENCV_TO_NUMPY_TYPE_MAP

    viewcast.savant.patch()
    for module, functions in modules():
        for function in functions:
            assert getattr(module, function) is getattr(viewcast.savant, function)
    assert user.to_mat is viewcast.savant.cupy_array_as_opencv_gpu_mat
    assert user.pytorch_tensor_as_opencv_gpu_mat is viewcast.savant.pytorch_tensor_as_opencv_gpu_mat
    (memory_repr, _), (memory_repr_pytorch, _) = modules()
    ours = viewcast.savant.OpenCVGpuMatCudaArrayInterface
    assert memory_repr.OpenCVGpuMatCudaArrayInterface is ours
    assert memory_repr_pytorch.OpenCVGpuMatCudaArrayInterface is ours
    assert memory_repr.OPENCV_TO_NUMPY_TYPE_MAP[0] == "|u1"
    assert memory_repr.NUMPY_TO_OPENCV_TYPE_MAP["<f4"] == 5
    assert memory_repr.something_else() == "Savant"

    late = importlib.import_module("late_patch_user")
    assert late.to_mat is viewcast.savant.cupy_array_as_opencv_gpu_mat

    viewcast.savant.unpatch()
    assert theirs == [
        getattr(module, function) for module, functions in modules() for function in functions
    ]
    assert user.to_mat(None) == late.to_mat(None) == "Savant"
    assert user.pytorch_tensor_as_opencv_gpu_mat(None) == "Savant"
    assert user.whole.OPENCV_TO_NUMPY_TYPE_MAP is own_map
    assert viewcast.savant.cupy_array_as_opencv_gpu_mat is not user.to_mat


def test_patch_applies_to_a_savant_that_is_imported_later(install):
    install()
    viewcast.savant.patch()
    user = importlib.import_module("patch_user")
    assert user.to_mat is viewcast.savant.cupy_array_as_opencv_gpu_mat
    viewcast.savant.unpatch()
    assert user.to_mat(None) == "Savant"


def test_patching_twice_is_the_same_as_once(install):
    install()
    viewcast.savant.patch()
    viewcast.savant.patch()
    viewcast.savant.unpatch()
    (memory_repr, _), _ = modules()
    assert memory_repr.cupy_array_as_opencv_gpu_mat(None) == "Savant"
    viewcast.savant.unpatch()
    assert memory_repr.cupy_array_as_opencv_gpu_mat(None) == "Savant"
    viewcast.savant.patch()
    ours = viewcast.savant.cupy_array_as_opencv_gpu_mat
    assert memory_repr.cupy_array_as_opencv_gpu_mat is ours


def test_a_savant_that_cannot_be_imported(install):
    install(imports="import a_module_that_is_not_there")
    viewcast.savant.patch()
    user = importlib.import_module("patch_user")
    assert user.to_mat is viewcast.savant.cupy_array_as_opencv_gpu_mat
    import savant.utils

    assert savant.utils.memory_repr is user.whole
    viewcast.savant.unpatch()
    assert not hasattr(savant.utils, "memory_repr")
    with pytest.raises(ImportError, match="a_module_that_is_not_there"):
        importlib.import_module("savant.utils.memory_repr")


NAMES = """
from savant.utils.memory_repr import cp, cv2
from savant.utils.memory_repr_pytorch import (
    OpenCVGpuMatCudaArrayInterface, cuda_array_as_opencv_gpu_mat, cv2 as again, torch
)
"""


def ours_and_libraries():
    names = {}
    exec(NAMES, names)
    for name in ("OpenCVGpuMatCudaArrayInterface", "cuda_array_as_opencv_gpu_mat"):
        assert names[name] is getattr(viewcast.savant, name)
    assert names["cv2"] is names["again"] is sys.modules["cv2"]
    assert names["cp"] is sys.modules["cupy"]
    assert names["torch"] is sys.modules["torch"]


def needs_all():
    for name in ("cv2", "cupy", "torch"):
        pytest.importorskip(name)


def test_all_names_of_savants_modules_are_in_the_drop_in():
    pytest.importorskip("savant.utils.memory_repr", reason="no drop-in installed")
    needs_all()
    ours_and_libraries()
    for module, _ in modules():
        with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute"):
            _ = module.something_else
        assert not hasattr(module, "__wrapped__")


def test_all_names_of_savants_modules_are_in_modules_that_patch_provides(install):
    needs_all()
    install(imports="import a_module_that_is_not_there")
    viewcast.savant.patch()
    ours_and_libraries()


def test_names_that_savants_modules_lack_are_added(install):
    install()
    viewcast.savant.patch()
    _, (memory_repr_pytorch, _) = modules()
    ours = viewcast.savant.cuda_array_as_opencv_gpu_mat
    assert memory_repr_pytorch.cuda_array_as_opencv_gpu_mat is ours
    viewcast.savant.unpatch()
    assert not hasattr(memory_repr_pytorch, "cuda_array_as_opencv_gpu_mat")


@pytest.mark.parametrize("attributes", [{}, {"cuda": types.ModuleType("cv2.cuda")}], ids=str)
def test_a_cv2_without_cuda_is_named(install, monkeypatch, attributes):
    fake = types.ModuleType("cv2")
    vars(fake).update(attributes)
    monkeypatch.setitem(sys.modules, "cv2", fake)
    install(imports="import cv2\n\ndef savants(mat: cv2.cuda.GpuMat): ...")
    for _ in range(2):
        with pytest.raises(viewcast.ABIError, match=r"has no cuda.GpuMat.*install") as caught:
            viewcast.savant.patch()
        assert isinstance(caught.value.__cause__, AttributeError)
    assert "savant.utils.memory_repr" not in sys.modules
    assert viewcast.savant._placed == viewcast.savant._replaced == []


def test_other_exceptions_of_savant_propagate(install):
    install(imports="import sys\nsys.a_name_that_is_not_there")
    with pytest.raises(AttributeError, match="a_name_that_is_not_there"):
        viewcast.savant.patch()


def test_without_savant(install, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ModuleNotFoundError, match="viewcast-savant") as caught:
        viewcast.savant.patch()
    assert caught.value.name == "savant"


def test_patch_leaves_the_drop_in_alone():
    pytest.importorskip("savant.utils.memory_repr", reason="no drop-in installed")
    for module, functions in modules():
        for function in functions:
            assert getattr(module, function) is getattr(viewcast.savant, function)
    before = [dict(vars(module)) for module, _ in modules()]
    viewcast.savant.patch()
    assert before == [dict(vars(module)) for module, _ in modules()]
    viewcast.savant.unpatch()
    assert before == [dict(vars(module)) for module, _ in modules()]


def test_patch_imports_no_library():
    code = (
        "import sys, viewcast.savant, savant.utils.memory_repr, "
        "savant.utils.memory_repr_pytorch; "
        "print([name for name in ('cv2', 'torch', 'cupy', 'numpy') "
        "if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
