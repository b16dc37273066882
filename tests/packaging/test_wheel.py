# SPDX-License-Identifier: Apache-2.0
"""The wheel and the source distribution."""

import re
import shutil
import sys
import sysconfig
import tarfile
import zipfile

import pytest
from packages import ROOT, TOOLS, metadata_of_drop_in, pip, run, setup_options, version


def names_in(wheel):
    return zipfile.ZipFile(wheel).namelist()


def test_one_extension_and_the_package(wheel):
    names = names_in(wheel)
    binary = [name for name in names if ".so" in name or name.endswith((".a", ".h", ".pc"))]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert binary == [f"viewcast/_viewcast{suffix}"]
    package = {str(each.relative_to(ROOT / "python")) for each in sources() if each.is_file()}
    assert package <= set(names)
    outside = [name for name in names if not name.startswith(("viewcast/", "viewcast-"))]
    assert not outside


def sources():
    for pattern in ("*.py", "*.pyi", "py.typed"):
        yield from (ROOT / "python" / "viewcast").rglob(pattern)


def test_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(path).decode()
    assert f"\nVersion: {version()}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    requirements = re.findall(r"^Requires-Dist: (.*)$", metadata, re.M)
    assert all("extra ==" in each for each in requirements), "viewcast brings nothing by itself"
    assert any(name.endswith("licenses/LICENSE") for name in names_in(wheel))
    check_links(metadata)


def check_links(metadata):
    """PyPI shows the README: each link is absolute, and names a file of this tree if it names the
    repository."""
    address = "https://github.com/viewcast/viewcast/"
    links = re.findall(r'(?:\]\(|\bsrc="|\bsrcset=")([^)"]+)', metadata)
    assert not [each for each in links if not each.startswith(("https://", "#"))]
    files = [re.sub("#.*", "", each) for each in links if each.startswith(address)]
    assert len(files) > 20
    for each in files:
        kind, branch, path = each.removeprefix(address).split("/", 2)
        assert (ROOT / path).is_file() and branch == "main"
        assert kind == ("raw" if path.endswith((".svg", ".jpg")) else "blob")


def test_the_extension_needs_the_c_library_and_nothing_else(wheel, tmp_path):
    readelf = shutil.which("readelf") or pytest.skip("binutils are not installed")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".so"))
        path = archive.extract(name, tmp_path)
    shown = run(readelf, "-d", path).stdout
    needed = re.findall(r"NEEDED.*\[(.*)\]", shown)
    assert all(each.startswith(("libc.so", "libm.so", "libgcc_s", "ld-linux")) for each in needed)


# glibc 2.34 contains libdl and libpthread. A build on an older system, or for one (make
# wheels), has the older versions of their symbols.
MOVED = ("dl", "pthread_")


def test_symbols_are_available_in_manylinux_2_28(wheel, tmp_path):
    """Except for symbols that moved in glibc 2.34; make wheels builds against an older one."""
    nm = shutil.which("nm") or pytest.skip("binutils are not installed")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".so"))
        path = archive.extract(name, tmp_path)
    shown = run(nm, "-D", "--undefined-only", path).stdout
    versions = re.findall(r" (\w+)@GLIBC_(\d+)\.(\d+)", shown)
    late = {symbol for symbol, *version in versions if list(map(int, version)) > [2, 28]}
    assert versions and all(symbol.startswith(MOVED) for symbol in late), late


def test_in_a_bare_environment(wheel, environment):
    """In an environment with Python only, it imports, and names the packages that it needs."""
    environment.install(wheel)
    shown = environment.run(
        "import viewcast as vc\n"
        "print(vc.__version__, vc.host_mode())\n"
        "v = vc.view(bytearray(12))\n"
        "print(v.shape, v.dtype, v.nbytes)\n"
        "try:\n"
        "  vc.as_tensor(bytearray(12))\n"
        "except ImportError as error:\n"
        "  print('ImportError', error)\n"
    ).stdout.splitlines()
    assert shown[0].split()[0] == version()
    assert shown[1] == "(12,) uint8 12"
    assert shown[2].startswith("ImportError") and "torch" in shown[2]
    command = run(environment.python, "-m", "viewcast", "--version", cwd=environment.python.parent)
    assert command.stdout.strip() == version()
    environment.uninstall("viewcast")
    assert environment.run("import viewcast", good=False).returncode == 1


def test_the_drop_in_fits(drop_in_wheel):
    """The drop-in has this version, and requires this viewcast."""
    major, minor, _ = version().split(".")
    project = metadata_of_drop_in()
    assert project["version"] == version()
    assert project["dependencies"] == [f"viewcast>={major}.{minor},<{major}.{int(minor) + 1}"]
    modules = [name for name in names_in(drop_in_wheel) if name.endswith(".py")]
    assert sorted(modules) == [
        "savant/utils/memory_repr.py",
        "savant/utils/memory_repr_pytorch.py",
    ]


def test_the_source_distribution_builds(git_tree, environment, tmp_path):
    """Builds from the archive, outside of the checkout."""
    # As build front ends call it.
    make = f"import build_backend; print(build_backend.build_sdist({str(tmp_path)!r}))"
    shown = run(sys.executable, "-c", make, cwd=ROOT, env=TOOLS | {"PYTHONPATH": "tools"}).stdout
    archive = tmp_path / shown.split()[-1]
    assert archive.name == f"viewcast-{version()}.tar.gz"
    with tarfile.open(archive) as contents:
        names = {name.partition("/")[2] for name in contents.getnames()}
        check_links(contents.extractfile(f"viewcast-{version()}/PKG-INFO").read().decode())
    assert {"LICENSE", "README.md", "pyproject.toml", "include/viewcast/viewcast.h"} <= names
    assert not [name for name in names if name.startswith(("build/", ".venv/"))]

    settings = [f"-Csetup-args={option}" for option in setup_options()]
    words = ["wheel", "--no-build-isolation", "--no-deps", *settings]
    pip(sys.executable, *words, "--wheel-dir", tmp_path, archive)
    (built,) = tmp_path.glob("viewcast-*.whl")
    environment.install(built)
    assert environment.run("import viewcast; print(viewcast.__version__)").stdout.strip()
