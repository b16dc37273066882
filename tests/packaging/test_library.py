# SPDX-License-Identifier: Apache-2.0
"""The C library alone: installed by meson, found by pkg-config, used by programs."""

import ctypes
import hashlib
import importlib.metadata
import pathlib
import re
import shlex
import shutil
import sysconfig

import pytest
from packages import ROOT, run, version

EXAMPLES = ROOT / "examples"
C_TESTS = ROOT / "tests" / "c"


@pytest.fixture(scope="module")
def flags(prefix):
    pkg_config = shutil.which("pkg-config") or pytest.skip("pkg-config is not installed")

    def ask(*words):
        env = {"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
        return shlex.split(run(pkg_config, *words, "viewcast", env=env).stdout)

    return ask


@pytest.fixture(scope="module")
def dlpack():
    tvm_ffi = pytest.importorskip("tvm_ffi", reason="apache-tvm-ffi ships DLPack's header")
    return ["-isystem", pathlib.Path(tvm_ffi.__file__).parent / "include"]


def test_what_is_installed(prefix):
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
    assert files == {
        "include/viewcast/opencv.hpp",
        "include/viewcast/viewcast.h",
        "include/viewcast/viewcast.hpp",
        "lib/cmake/viewcast/viewcastConfig.cmake",
        "lib/cmake/viewcast/viewcastConfigVersion.cmake",
        "lib/cmake/viewcast/viewcastDLPack.cmake",
        "lib/libviewcast.a",
        "lib/libviewcast.so",
        "lib/libviewcast.so.0",
        f"lib/libviewcast.so.{version()}",
        "lib/pkgconfig/viewcast.pc",
        "share/licenses/viewcast/LICENSE",
    }
    licence = (prefix / "share/licenses/viewcast/LICENSE").read_text()
    assert licence == (ROOT / "LICENSE").read_text()


def test_the_compiler_warns_of_each_status_that_is_not_looked_at():
    header = (ROOT / "include" / "viewcast" / "viewcast.h").read_text()
    declared = re.findall(r"^VC_API (VC_MUST_CHECK )?vc_status\s+(vc_\w+)", header, re.M)
    assert len(declared) > 30
    assert [name for must_check, name in declared if not must_check] == []


def test_versions_agree(prefix, flags):
    library = ctypes.CDLL(str(prefix / "lib" / "libviewcast.so"))
    library.vc_version.restype = ctypes.c_char_p
    assert library.vc_version().decode() == version()
    major, minor, patch = map(int, version().split("."))
    assert library.vc_version_number() == major * 10000 + minor * 100 + patch
    assert flags("--modversion") == [version()]


def test_what_pkg_config_says(prefix, flags):
    fields = (prefix / "lib/pkgconfig/viewcast.pc").read_text().splitlines()
    assert {
        "Name: viewcast",
        "License: Apache-2.0",
        "URL: https://github.com/viewcast/viewcast",
    } <= set(fields)
    assert flags("--cflags") == [f"-I{prefix}/lib/pkgconfig/../../include"]
    assert "-Wl,-z,nodelete" not in flags("--libs"), "the shared library says so itself"
    assert "-Wl,-z,nodelete" in flags("--libs", "--static")


def test_it_needs_the_c_library_and_nothing_else(prefix):
    readelf = shutil.which("readelf") or pytest.skip("binutils are not installed")
    shown = run(readelf, "-d", prefix / "lib" / "libviewcast.so").stdout
    needed = [line.split("[")[1].rstrip("]") for line in shown.splitlines() if "NEEDED" in line]
    assert all(name.startswith(("libc.so", "libm.so", "libgcc_s", "ld-linux")) for name in needed)


def test_it_exports_its_interface_and_nothing_else(prefix):
    nm = shutil.which("nm") or pytest.skip("binutils are not installed")
    shown = run(nm, "-D", "--defined-only", prefix / "lib" / "libviewcast.so").stdout
    header = (prefix / "include" / "viewcast" / "viewcast.h").read_text(encoding="utf-8")
    declared = re.findall(r"^VC_API [^;]*?\b(vc_\w+)\(", header, re.MULTILINE)
    node = "VIEWCAST_0.1"
    assert len(declared) > 50
    names = sorted(line.split()[-1] for line in shown.splitlines())
    assert names == sorted([node, *(f"{name}@@{node}" for name in declared)])


def test_a_program_asks_for_the_symbol_version(prefix, flags, tmp_path):
    """A library whose ABI differs has another version: the loader refuses it."""
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    nm = shutil.which("nm") or pytest.skip("binutils are not installed")
    source = tmp_path / "program.c"
    source.write_text(
        "#include <viewcast/viewcast.h>\n"
        "int main(void) { return vc_version_number() != VC_VERSION_NUMBER; }\n"
    )
    program = tmp_path / "program"
    words = [*flags("--cflags", "--libs"), f"-Wl,-rpath,{prefix}/lib"]
    run(compiler, source, "-o", program, *words)
    run(program)
    assert "vc_version_number@VIEWCAST_0.1" in run(nm, "-D", program).stdout


def test_a_status_that_is_not_looked_at_is_a_warning(flags, tmp_path):
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    source = tmp_path / "program.c"
    source.write_text(
        "#include <viewcast/viewcast.h>\n"
        "void f(const vc_view *view) { vc_view_check(view, NULL); }\n"
    )
    words = ["-Werror", "-c", source, "-o", tmp_path / "program.o", *flags("--cflags")]
    done = run(compiler, *words, good=False)
    assert done.returncode != 0 and "vc_view_check" in done.stderr


def test_short_enumerations_do_not_compile(flags, tmp_path):
    """They would change the size of the library's structs."""
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    source = tmp_path / "program.c"
    source.write_text("#include <viewcast/viewcast.h>\nint main(void) { return 0; }\n")
    words = ["-fshort-enums", "-c", source, "-o", tmp_path / "program.o", *flags("--cflags")]
    done = run(compiler, *words, good=False)
    assert done.returncode != 0 and "32 bits wide" in done.stderr


def read_ppm(path):
    kind, size, most, pixels = path.read_bytes().split(b"\n", 3)
    assert (kind, most) == (b"P6", b"255")
    return tuple(map(int, size.split())), pixels


@pytest.mark.parametrize("linked", ["shared", "static"])
def test_a_c_program(linked, prefix, flags, dlpack, picture, tmp_path):
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    program = tmp_path / "c_crop"
    if linked == "shared":
        how = [*flags("--cflags", "--libs"), f"-Wl,-rpath,{prefix}/lib"]
    else:
        how = ["-DVC_STATIC", *flags("--cflags"), prefix / "lib" / "libviewcast.a"]
        how += [word for word in flags("--libs", "--static") if word not in ("-lviewcast",)]
    warn = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run(compiler, *warn, *dlpack, EXAMPLES / "c_crop.c", "-o", program, *how)

    source, pixels = picture
    done = run(program, source, tmp_path / "out.ppm")
    assert "32 x 20 of 64 x 40, rows 192 bytes apart" in done.stdout
    size, cut = read_ppm(tmp_path / "out.ppm")
    rows = [pixels[(y * 64 + 16) * 3 : (y * 64 + 48) * 3] for y in range(10, 30)]
    assert size == (32, 20) and cut == b"".join(rows)

    nowhere = tmp_path / "none" / "x.ppm"
    assert f"{nowhere} cannot be written" in run(program, source, nowhere, good=False).stderr
    source.write_bytes(source.read_bytes()[:1000])
    for unreadable in (nowhere, source):
        done = run(program, unreadable, tmp_path / "x", good=False)
        assert done.returncode == 1 and f"{unreadable} cannot be read" in done.stderr


def system_opencv():
    """Flags for the OpenCV that the system has, with a version in which its class GpuMat is."""
    for folder in ("/usr/include/opencv4", "/usr/local/include/opencv4", "/usr/include/opencv5"):
        if pathlib.Path(folder, "opencv2", "core", "cuda.hpp").is_file():
            return ["-isystem", folder, "-lopencv_core"]
    return pytest.skip("OpenCV's C++ library is not installed")


def test_a_cpp_program_with_the_opencv_of_the_system(prefix, flags, tmp_path):
    """The tests of opencv.hpp, in C++11, with the class GpuMat itself."""
    compiler = shutil.which("c++") or pytest.skip("no C++ compiler")
    opencv = system_opencv()
    words = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
    words += [C_TESTS / "test_opencv_hpp.cpp", "-o", tmp_path / "program", *opencv]
    run(compiler, *words, *flags("--cflags", "--libs"), f"-Wl,-rpath,{prefix}/lib")
    done = run(tmp_path / "program", good=False)
    assert done.returncode in (0, 77), done.stderr


def torch_flags():
    """Of torch as it is installed, without importing it."""
    try:
        root = pathlib.Path(str(importlib.metadata.distribution("torch").locate_file("torch")))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("torch is not installed")
    if not (root / "include" / "ATen" / "DLConvertor.h").is_file():
        pytest.skip("torch's headers are not installed")
    include = ["-isystem", root / "include", "-isystem", sysconfig.get_paths()["include"]]
    return include, [f"-L{root}/lib", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{root}/lib"]


def test_a_cpp_program_with_libtorch(prefix, flags, picture, tmp_path):
    compiler = shutil.which("c++") or pytest.skip("no C++ compiler")
    include, link = torch_flags()
    program = tmp_path / "cpp_torch"
    words = [
        "-std=c++20",
        "-Wall",
        "-Wextra",
        "-Werror",
        *include,
        "-I",
        C_TESTS / "opencv_standin",
    ]
    words += [EXAMPLES / "cpp_torch.cpp"]
    words += [*flags("--cflags", "--libs"), f"-Wl,-rpath,{prefix}/lib", *link]
    run(compiler, *words, "-o", program)

    source, pixels = picture
    done = run(program, source, tmp_path / "out.ppm", good=False)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    _, after = read_ppm(tmp_path / "out.ppm")
    for y in range(40):
        for x in range(64):
            old = pixels[(y * 64 + x) * 3 :][:3]
            if 16 <= x < 48 and 10 <= y < 30:
                old = bytes(255 - value for value in old)
            assert after[(y * 64 + x) * 3 :][:3] == old, (x, y)


def test_the_header_is_the_trees(prefix):
    installed = prefix / "include" / "viewcast" / "viewcast.h"
    tree = ROOT / "include" / "viewcast" / "viewcast.h"
    digest = [hashlib.sha256(path.read_bytes()).digest() for path in (installed, tree)]
    assert digest[0] == digest[1]
