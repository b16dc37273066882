# SPDX-License-Identifier: Apache-2.0
"""The C library as CMake finds it: in a prefix that was moved after it was installed, with
both targets, from the examples and from projects of the tests."""

import os
import pathlib
import re
import shutil
import sys

import pytest
from packages import ROOT, TOOLS, run, setup_options, version

CONSUMERS = ROOT / "tests" / "packaging" / "cmake"


@pytest.fixture(scope="module")
def configure(prefix):
    cmake = shutil.which("cmake", path=TOOLS["PATH"]) or pytest.skip("CMake is not installed")

    def call(source, build, *options, good=True, env=None):
        words = [f"-DCMAKE_PREFIX_PATH={prefix}", f"-DSOURCES={ROOT}/tests/c", *options]
        words += ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF"]
        return run(cmake, "-S", source, "-B", build, *words, good=good, env=TOOLS | (env or {}))

    return call


@pytest.fixture(scope="module")
def built(configure, tmp_path_factory):
    """A project's folder, built."""

    def build(source, *options):
        folder = tmp_path_factory.mktemp("build")
        configure(source, folder, *options)
        run("cmake", "--build", folder, "--parallel", "2", env=TOOLS)
        return folder

    return build


@pytest.fixture(scope="module")
def dlpack():
    tvm_ffi = pytest.importorskip("tvm_ffi", reason="apache-tvm-ffi ships DLPack's header")
    return f"-Dviewcast_DLPACK_INCLUDE_DIR={pathlib.Path(tvm_ffi.__file__).parent}/include"


@pytest.fixture(scope="module")
def examples(built, dlpack):
    return built(ROOT / "examples", dlpack)


@pytest.fixture(scope="module")
def consumers(built):
    """Without DLPack's header."""
    return built(CONSUMERS)


KINDS = pytest.mark.parametrize("kind", ["", "_static"])


@KINDS
def test_the_c_examples(kind, examples, picture, tmp_path):
    source, pixels = picture
    run(examples / f"c_crop{kind}", source, tmp_path / "out.ppm")
    rows = [pixels[(y * 64 + 16) * 3 : (y * 64 + 48) * 3] for y in range(10, 30)]
    assert (tmp_path / "out.ppm").read_bytes() == b"P6\n32 20\n255\n" + b"".join(rows)
    run(examples / f"c_share{kind}")
    run(examples / f"c_letterbox{kind}")
    run(examples / f"c_yuv{kind}")


@KINDS
def test_the_cpp_example(kind, examples):
    done = run(examples / f"cpp_lend{kind}", good=False)
    assert done.returncode in (0, 77), done.stderr
    assert done.returncode == 77 or "same memory: yes, alive: yes" in done.stdout


def test_which_library_each_target_is(examples, prefix):
    readelf = shutil.which("readelf") or pytest.skip("binutils are not installed")

    def dynamic(program):
        return run(readelf, "-d", examples / program).stdout

    assert "[libviewcast.so.0]" in dynamic("c_crop") and f"[{prefix}/lib" in dynamic("c_crop")
    assert "libviewcast" not in dynamic("c_crop_static")


def test_a_plugin_that_contains_the_archive(consumers):
    """It exports nothing of the archive, and is loaded and unloaded again and again."""
    plugin = consumers / "libplugin.so"
    nm = shutil.which("nm") or pytest.skip("binutils are not installed")
    shown = run(nm, "-D", "--defined-only", plugin).stdout
    assert "plugin_transform" in shown and " vc_" not in shown
    run(consumers / "unload", plugin)


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_the_headers_without_dlpack(language, consumers):
    assert run(consumers / f"headers_{language}").stdout.strip() == version()


def cmake_lines(page):
    return re.search(r"```cmake\n(.*?)```", page, re.S)[1]


def test_the_project_of_the_c_page(built, tmp_path):
    """The lines and the program that docs/how-to/c-library.md has."""
    page = (ROOT / "docs/how-to/c-library.md").read_text(encoding="utf-8")
    first, *_ = re.findall(r"```c\n(.*?)```", page, re.S)
    (tmp_path / "CMakeLists.txt").write_text(cmake_lines(page))
    (tmp_path / "program.c").write_text(first)
    shown = run(built(tmp_path) / "program").stdout
    assert shown.strip() == "3 channels of uint8, 1920 bytes from row to row"


# What find_package(OpenCV) gives, of the stand-in for its class GpuMat.
OPENCV_CONFIG = """
set(OpenCV_INCLUDE_DIRS "{root}/tests/c/opencv_standin")
set(OpenCV_LIBS "")
"""


def test_the_project_of_the_cpp_page(built, tmp_path):
    """The lines that docs/how-to/cpp.md has, for examples/cpp_lend.cpp."""
    page = (ROOT / "docs/how-to/cpp.md").read_text(encoding="utf-8")
    (tmp_path / "OpenCVConfig.cmake").write_text(OPENCV_CONFIG.format(root=ROOT))
    (tmp_path / "CMakeLists.txt").write_text(cmake_lines(page))
    shutil.copy(ROOT / "examples" / "cpp_lend.cpp", tmp_path / "program.cpp")
    done = run(built(tmp_path, f"-DOpenCV_DIR={tmp_path}") / "program", good=False)
    assert done.returncode in (0, 77), done.stderr


def message(done):
    return " ".join(done.stderr.split())


def test_dlpack_is_found_by_the_command_of_its_package(configure, dlpack, tmp_path):
    if not shutil.which("tvm-ffi-config", path=TOOLS["PATH"]):
        pytest.skip("the command of apache-tvm-ffi is not installed")
    configure(CONSUMERS, tmp_path, "-DCOMPONENT=COMPONENTS;dlpack")
    cache = (tmp_path / "CMakeCache.txt").read_text()
    assert dlpack.removeprefix("-D").replace("=", ":PATH=") in cache


def test_dlpack_that_is_not_there_is_explained(configure, tmp_path):
    nowhere = tmp_path / "nowhere"
    missing = ["-DCOMPONENT=COMPONENTS;dlpack", f"-Dviewcast_DLPACK_INCLUDE_DIR={nowhere}"]
    done = configure(CONSUMERS, tmp_path / "required", *missing, good=False)
    assert done.returncode != 0
    assert "dlpack/dlpack.h was not found" in message(done)
    assert "-Dviewcast_DLPACK_INCLUDE_DIR=FOLDER" in message(done)
    missing[0] = "-DCOMPONENT=OPTIONAL_COMPONENTS;dlpack"
    configure(CONSUMERS, tmp_path / "optional", *missing)


def test_what_find_package_refuses(configure, tmp_path):
    unknown = configure(CONSUMERS, tmp_path / "a", "-DCOMPONENT=COMPONENTS;blas", good=False)
    assert unknown.returncode != 0 and 'no component "blas", only "dlpack"' in message(unknown)
    later = configure(CONSUMERS, tmp_path / "b", "-DVERSION=0.999", good=False)
    assert later.returncode != 0 and version() in message(later)


def test_meson_without_cmake(tmp_path):
    """The build leaves the package out, and says so; so it does where the command is there
    and does not work, as one that stands for several versions of which none is active."""
    (tmp_path / "cmake").write_text("#!/bin/sh\necho no version is active >&2\nexit 127\n")
    (tmp_path / "cmake").chmod(0o755)
    env = {"PATH": f"{tmp_path}{os.pathsep}{TOOLS['PATH']}"}
    meson = [sys.executable, "-m", "mesonbuild.mesonmain", "setup", tmp_path / "build", ROOT]
    meson += ["-Dpython=disabled", "-Dtests=false", *setup_options()]
    assert "no package for find_package(viewcast)" in run(*meson, env=env).stdout
    asked = run(*meson, "--wipe", "-Dcmake_package=enabled", env=env, good=False)
    assert asked.returncode != 0 and "cmake" in asked.stdout
