# SPDX-License-Identifier: Apache-2.0
"""meson-python, and NVIDIA's compiler from PyPI where the machine has none.

The GPU kernels need nvcc, which is a build requirement only if none is installed
and kernels were not turned off: pip install -Csetup-args=-Dcuda=disabled ...
nvcc needs gcc's C++. Where there is only C, and nothing was said of kernels, they are
left out; `viewcast doctor` says so then.
Run as a program, prints all build requirements, for `pip install -r`.
"""

import pathlib
import platform
import sys
import tomllib

import find_nvcc

# All of one release: nvcc's own requirements are not pinned, and parts of
# different releases don't work together. Binaries of CUDA 13.0 run on driver 580
# and later.
COMPILER = [
    f"{name}==13.0.88"
    for name in ("nvidia-cuda-nvcc", "nvidia-nvvm", "nvidia-cuda-crt", "nvidia-cuda-runtime")
]
MACHINES = ("x86_64", "aarch64")


def setup_args(config_settings):
    given = (config_settings or {}).get("setup-args", [])
    return [given] if isinstance(given, str) else list(given)


def wants_kernels(config_settings):
    values = [arg for arg in setup_args(config_settings) if arg.startswith("-Dcuda=")]
    return values[-1] != "-Dcuda=disabled" if values else find_nvcc.compiles_cpp()


def without_kernels(config_settings):
    arguments = [*setup_args(config_settings), "-Dcuda=disabled"]
    return {**(config_settings or {}), "setup-args": arguments}


def settled(config_settings):
    """With what was not said, but follows from the machine."""
    if wants_kernels(config_settings):
        return config_settings
    return without_kernels(config_settings)


def compiler_requirements(config_settings=None):
    if not wants_kernels(config_settings) or find_nvcc.is_on_machine():
        return []
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return []
    return COMPILER


# --- the hooks of PEP 517 and PEP 660. Not imported above: a program that prints
# requirements runs before meson-python is there.


def get_requires_for_build_wheel(config_settings=None):
    import mesonpy

    found = mesonpy.get_requires_for_build_wheel(config_settings)
    return [*found, *compiler_requirements(config_settings)]


def get_requires_for_build_editable(config_settings=None):
    import mesonpy

    found = mesonpy.get_requires_for_build_editable(config_settings)
    return [*found, *compiler_requirements(config_settings)]


def get_requires_for_build_sdist(config_settings=None):
    import mesonpy

    return mesonpy.get_requires_for_build_sdist(config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import mesonpy

    return mesonpy.build_wheel(wheel_directory, settled(config_settings), metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    import mesonpy

    return mesonpy.build_editable(wheel_directory, settled(config_settings), metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    """Compiles nothing, so that it asks for no compiler."""
    import mesonpy

    return mesonpy.build_sdist(sdist_directory, without_kernels(config_settings))


def main():
    pyproject = pathlib.Path(__file__).parents[1] / "pyproject.toml"
    requires = tomllib.loads(pyproject.read_text())["build-system"]["requires"]
    print(*requires, *compiler_requirements(), sep="\n")


if __name__ == "__main__":
    main()
