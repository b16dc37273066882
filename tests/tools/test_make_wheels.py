# SPDX-License-Identifier: Apache-2.0
"""tools/make_wheels.py: what a Python says that builds for another processor, and the tables that
go into docs/compatibility.md."""

import pathlib
import platform
import subprocess
import sys

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.append(str(TOOLS))
import compatibility  # noqa: E402
import make_wheels  # noqa: E402

SAYS = """
import sysconfig
print(sysconfig.get_platform(), sysconfig.get_config_var("EXT_SUFFIX"))
print(sysconfig.get_paths()["include"])
"""


def ask(env=None):
    command = [sys.executable, "-c", SAYS]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="it builds for aarch64 from x86-64")
def test_a_python_that_builds_for_aarch64(tmp_path):
    file, env = make_wheels.machine_file(tmp_path, sys.executable, "aarch64")
    system, suffix, include = ask()
    assert ask(env) == ["linux-aarch64", suffix.replace("x86_64", "aarch64"), include]
    assert file == f"--cross-file={tmp_path / 'aarch64.ini'}"
    text = (tmp_path / "aarch64.ini").read_text()
    assert "'-target', 'aarch64-linux-gnu.2.28'" in text and "cpu_family = 'aarch64'" in text


def test_a_python_that_builds_for_its_own_processor(tmp_path):
    file, env = make_wheels.machine_file(tmp_path, sys.executable, platform.machine())
    assert file.startswith("--native-file=") and ask(env) == ask()
    assert "host_machine" not in (tmp_path / f"{platform.machine()}.ini").read_text()


def test_a_table_replaces_the_one_before_it(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setattr(compatibility, "PAGE", page)
    places = "a\n<!-- begin {}: by x -->\n{}<!-- end -->\nb\n"
    page.write_text(places.format("one", "| old |\n") + places.format("two", ""))
    text = compatibility.table(["n", "m"], [[1, "\\x"]])
    assert text == "| n | m |\n| --- | --- |\n| 1 | \\x |\n"
    for name in ("one", "two", "one"):
        compatibility.write(name, text)
    assert page.read_text() == places.format("one", text) + places.format("two", text)
    with pytest.raises(SystemExit, match="no place for three"):
        compatibility.write("three", text)
