# SPDX-License-Identifier: Apache-2.0
"""The drop-in and a Savant, installed and removed in both orders.

A Savant of a few files stands for the real one: a regular package `savant` with
`savant.utils.memory_repr` in it.
"""

import zipfile

import pytest

SAVANT = {
    "savant/__init__.py": "",
    "savant/utils/__init__.py": "",
    "savant/utils/memory_repr.py": "WHOSE = 'savant'\ndef cupy_array_as_opencv_gpu_mat(arr): ...\n",
    "savant/utils/memory_repr_pytorch.py": (
        "WHOSE = 'savant'\ndef pytorch_tensor_as_opencv_gpu_mat(tensor): ...\n"
    ),
    "savant/gst.py": "NAME = 'the rest of Savant'\n",
    "savant-9.9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: savant\nVersion: 9.9.9\n",
    "savant-9.9.9.dist-info/WHEEL": (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
}
WHOSE = """
import savant.utils.memory_repr as m
print(getattr(m, 'WHOSE', 'viewcast'), m.cupy_array_as_opencv_gpu_mat.__module__)
"""
PATCH = """
import viewcast.savant
from savant.utils.memory_repr import cupy_array_as_opencv_gpu_mat as before
theirs = [before]  # a list: patch() replaces names of modules, `before` too
viewcast.savant.patch()
from savant.utils import memory_repr
print(memory_repr.cupy_array_as_opencv_gpu_mat is not theirs[0])
print(before is viewcast.savant.cupy_array_as_opencv_gpu_mat)
viewcast.savant.unpatch()
print(memory_repr.cupy_array_as_opencv_gpu_mat is before is theirs[0])
"""


@pytest.fixture(scope="module")
def savant_wheel(tmp_path_factory):
    path = tmp_path_factory.mktemp("savant") / "savant-9.9.9-py3-none-any.whl"
    record = "savant-9.9.9.dist-info/RECORD"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in SAVANT.items():
            archive.writestr(name, text)
        archive.writestr(record, "".join(f"{name},,\n" for name in [*SAVANT, record]))
    return path


def whose(environment):
    return environment.run(WHOSE).stdout.split()[0]


def test_alone(wheel, drop_in_wheel, environment):
    environment.install(wheel, drop_in_wheel)
    assert whose(environment) == "viewcast"
    environment.uninstall("viewcast-savant")
    gone = environment.run("import savant.utils.memory_repr", good=False)
    assert gone.returncode == 1
    assert environment.run("import viewcast.savant").returncode == 0


def test_patch_beside_savant(wheel, savant_wheel, environment):
    """patch(), which the documentation advises where Savant is installed."""
    environment.install(wheel, savant_wheel)
    assert environment.run(PATCH).stdout.split() == ["True", "True", "True"]
    assert whose(environment) == "savant"


@pytest.mark.parametrize("order", ["savant first", "drop-in first"])
def test_removing_the_drop_in_leaves_the_rest_of_savant(
    order, wheel, drop_in_wheel, savant_wheel, environment
):
    """Both packages own two files, and the one installed later overwrites them. Reinstalling
    Savant restores them; its other modules are never touched."""
    environment.install(wheel)
    pair = [savant_wheel, drop_in_wheel]
    for each in pair if order == "savant first" else reversed(pair):
        environment.install(each)
    assert whose(environment) == ("viewcast" if order == "savant first" else "savant")
    rest = "import savant.gst; print(savant.gst.NAME)"
    assert environment.run(rest).stdout.strip() == "the rest of Savant"

    environment.uninstall("viewcast-savant")
    assert environment.run(rest).stdout.strip() == "the rest of Savant"
    gone = environment.run("import savant.utils.memory_repr", good=False)
    assert gone.returncode == 1 and "ModuleNotFoundError" in gone.stderr
    environment.uninstall("savant")
    environment.install(savant_wheel)
    assert whose(environment) == "savant"


@pytest.mark.parametrize("order", ["savant first", "drop-in first"])
def test_removing_savant_leaves_viewcast(order, wheel, drop_in_wheel, savant_wheel, environment):
    environment.install(wheel)
    pair = [savant_wheel, drop_in_wheel]
    for each in pair if order == "savant first" else reversed(pair):
        environment.install(each)
    environment.uninstall("savant")
    environment.uninstall("viewcast-savant")
    environment.install(drop_in_wheel)
    assert whose(environment) == "viewcast"
