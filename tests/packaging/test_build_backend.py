# SPDX-License-Identifier: Apache-2.0
"""What the build asks for, and which compiler it finds."""

import os
import subprocess
import sys

import pytest
from packages import ROOT

TOOLS = str(ROOT / "tools")
ASK = """
import platform, sys
sys.path.insert(0, {tools!r})
import build_backend
platform.machine = lambda: {machine!r}
print(*build_backend.compiler_requirements({settings!r}))
"""


def ask(*setup_args, machine="x86_64"):
    """The compilers that are asked for."""
    settings = {"setup-args": list(setup_args)} if setup_args else None
    code = ASK.format(tools=TOOLS, machine=machine, settings=settings)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_compiler_is_one_package_of_one_version(machine):
    assert ask(machine=machine) == ["nvidia-cuda-nvrtc-cu12==12.9.86"]
    assert ask("-Dcuda=enabled", "-Dwerror=true") == ask()


def test_no_compiler_is_asked_for_without_need():
    assert ask("-Dcuda=disabled") == []
    assert ask("-Dcuda=enabled", "-Dcuda=disabled") == []
    assert ask("-Dnvrtc=/opt/libnvrtc.so") == []
    assert ask(machine="riscv64") == []
    assert ask("-Dcuda=disabled", "-Dcuda=enabled") == ask("-Dnvrtc=") == ask()


def test_requirements_are_printed_for_pip():
    def printed(*words):
        words = [sys.executable, f"{TOOLS}/build_backend.py", *words]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert printed() == [*printed("package"), *printed("kernels")]
    assert any(each.startswith("meson-python") for each in printed("package"))
    assert not any("nvrtc" in each for each in printed("package"))


# --- which NVRTC is taken of those that are there


STANDIN = """
int nvrtcVersion(int *major, int *minor) {{ *major = {major}; *minor = {minor}; return 0; }}
int nvrtcGetNumSupportedArchs(int *count) {{ *count = {count}; return 0; }}
int nvrtcGetSupportedArchs(int *out) {{
  static const int known[] = {{{known}}};
  for (int i = 0; i < {count}; i++) out[i] = known[i];
  return 0;
}}
"""


@pytest.fixture
def find(tmp_path):
    """Puts libraries that say they are NVRTC into a folder of packages, and asks."""

    def install(name, major, minor, known):
        folder = tmp_path / "nvidia" / name / "lib"
        folder.mkdir(parents=True)
        text = STANDIN.format(
            major=major, minor=minor, count=len(known), known=", ".join(map(str, known))
        )
        (folder / "nvrtc.c").write_text(text)
        library = folder / f"libnvrtc.so.{major}"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "nvrtc.c"], check=True)
        return str(library)

    def run(*wanted):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "CUDA_HOME": str(tmp_path)}
        environment.pop("CUDA_PATH", None)
        # -S: no packages but those of the folder.
        words = [sys.executable, "-S", f"{TOOLS}/find_nvrtc.py", *map(str, wanted)]
        return subprocess.run(words, env=environment, capture_output=True, text=True)

    run.install = install
    return run


ALL = [75, 80, 90, 120]


def test_the_oldest_that_knows_all_architectures_is_taken(find):
    """Its code runs on the oldest drivers."""
    find.install("cu14", 14, 0, ALL)
    find.install("cu11", 11, 8, [70, 75, 80, 90])
    wanted = find.install("cuda_nvrtc", 12, 9, ALL)
    find.install("cu13", 13, 0, ALL)
    assert find(*ALL).stdout.strip() == wanted
    assert find(70, 75).stdout.strip().endswith("libnvrtc.so.11")


def test_why_none_is_taken(find):
    here = find(*ALL)
    if here.returncode == 0:
        pytest.skip("/usr/local/cuda has one")
    assert "NVRTC is not installed" in here.stderr
    path = find.install("cuda_nvrtc", 12, 6, [75, 80, 90])
    found = find(*ALL)
    assert found.returncode == 1
    assert found.stderr.strip() == f"{path} is 12.6 and does not know sm_120"
    with open(path, "w") as file:
        file.write("no library")
    assert "can't be used" in find(*ALL).stderr


def test_the_library_that_a_toolkit_has_is_found(find, tmp_path):
    library = find.install("cuda_nvrtc", 12, 9, ALL)
    (tmp_path / "lib64").mkdir()
    os.rename(library, tmp_path / "lib64" / "libnvrtc.so")
    assert find(*ALL).stdout.strip() == str(tmp_path / "lib64" / "libnvrtc.so")
