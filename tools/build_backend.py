# SPDX-License-Identifier: Apache-2.0
"""meson-python, and NVIDIA's compiler of GPU kernels from PyPI.

The kernels need NVRTC, one shared library, which is a build requirement unless another
was named (-Csetup-args=-Dnvrtc=FILE) or kernels were turned off (-Dcuda=disabled).
The long description is README.md with absolute links, because PyPI has no files beside it.
Run as a program, prints build requirements, for `pip install -r`: those of the package
(package), those of the kernels (kernels), or all.
"""

import dataclasses
import pathlib
import platform
import re
import sys

# What CUDA 12 compiles to machine code runs on every driver of CUDA 12 and later. 12.9 is
# its last release, and knows all architectures of src/transform/kernels/meson.build.
NVRTC = "nvidia-cuda-nvrtc-cu12==12.9.86"
MACHINES = ("x86_64", "aarch64")


def setup_args(config_settings):
    given = (config_settings or {}).get("setup-args", [])
    return [given] if isinstance(given, str) else list(given)


def without_kernels(config_settings):
    arguments = [*setup_args(config_settings), "-Dcuda=disabled"]
    return {**(config_settings or {}), "setup-args": arguments}


def compiler_requirements(config_settings=None):
    settings = dict(each.partition("=")[::2] for each in setup_args(config_settings))
    if settings.get("-Dcuda") == "disabled" or settings.get("-Dnvrtc"):
        return []
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return []
    return [NVRTC]


# --- the long description

RELATIVE = re.compile(r'(\]\(|\bsrc="|\bsrcset=")(?!https?:|#)([^)"]+)')
PICTURES = (".svg", ".jpg", ".png")


def with_absolute_links(text, repository):
    def absolute(link):
        kind = "raw" if link[2].endswith(PICTURES) else "blob"
        return f"{link[1]}{repository}/{kind}/main/{link[2]}"

    return RELATIVE.sub(absolute, text)


def meson_python():
    """meson-python, not imported above: a program that prints requirements runs before it is
    there."""
    import mesonpy

    class Metadata(mesonpy.Metadata):
        @classmethod
        def from_pyproject(cls, data, *arguments, **keywords):
            made = super().from_pyproject(data, *arguments, **keywords)
            text = with_absolute_links(made.readme.text, data["project"]["urls"]["Repository"])
            made.readme = dataclasses.replace(made.readme, text=text)
            return made

    mesonpy.Metadata = Metadata
    return mesonpy


# --- the hooks of PEP 517 and PEP 660


def get_requires_for_build_wheel(config_settings=None):
    found = meson_python().get_requires_for_build_wheel(config_settings)
    return [*found, *compiler_requirements(config_settings)]


def get_requires_for_build_editable(config_settings=None):
    found = meson_python().get_requires_for_build_editable(config_settings)
    return [*found, *compiler_requirements(config_settings)]


def get_requires_for_build_sdist(config_settings=None):
    return meson_python().get_requires_for_build_sdist(config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return meson_python().build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return meson_python().build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    """Compiles nothing, so that it asks for no compiler."""
    return meson_python().build_sdist(sdist_directory, without_kernels(config_settings))


def package_requirements():
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10, where nothing but pip is installed yet
        from pip._vendor import tomli as tomllib

    pyproject = pathlib.Path(__file__).parents[1] / "pyproject.toml"
    return tomllib.loads(pyproject.read_text())["build-system"]["requires"]


def main():
    printed = {"package": package_requirements, "kernels": compiler_requirements}
    for name in sys.argv[1:] or printed:
        print(*printed[name](), sep="\n")


if __name__ == "__main__":
    main()
