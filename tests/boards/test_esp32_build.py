# SPDX-License-Identifier: GPL-2.0-only
"""The ESP32's build by MicroPython's own: what is missing, and which ESP-IDF goes with which."""

import os
import subprocess

import pytest
from targets import ROOT

OLD = """\
The ESP-IDF changes quickly and MicroPython only supports certain versions.
Currently MicroPython supports v5.2, v5.2.2, v5.3 and v5.4.

To install v9.9 ...
"""
NEW = """\
The ESP-IDF changes quickly and MicroPython only supports certain versions. The
current recommended version of ESP-IDF for MicroPython is v5.4.2. MicroPython
also supports v5.2, v5.2.2, v5.3, v5.4 and v5.4.1.

To install v9.9 ...
"""


@pytest.fixture
def build(tmp_path):
    """Runs the script with an ESP-IDF and a MicroPython that are made up."""
    idf, tree = tmp_path / "esp-idf", tmp_path / "micropython"
    for path, text in {
        idf / "tools/cmake/project.cmake": "",
        tree / "py/mpconfig.h": "".join(
            f"#define MICROPY_VERSION_{part} {n}\n"
            for part, n in (("MAJOR", 1), ("MINOR", 26), ("MICRO", 1))
        ),
        tree / "extmod/extmod.mk": "",
        tree / "mpy-cross/Makefile": "",
        tree / "ports/unix/Makefile": "",
        tree / "ports/esp32/esp32_common.cmake": "",
        tree / "lib/berkeley-db-1.xx/README": "",
        tree / "ports/esp32/Makefile": "all:\n\t@echo BUILDS $(BOARD); exit 1\n",
        tmp_path / "bin/idf.py": "#!/bin/sh\necho ESP-IDF $IDF_IS\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "bin/idf.py").chmod(0o755)

    def build(readme=OLD, have="v5.4", **others):
        (tree / "ports/esp32/README.md").write_text(readme)
        named = {"IDF_PATH": str(idf), "MICROPYTHON_DIR": str(tree), "IDF_IS": have, **others}
        env = {**os.environ, **named, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        env = {name: value for name, value in env.items() if value}
        script = [str(ROOT / "tools/build/esp32.sh"), "ESP32_GENERIC"]
        return subprocess.run(script, env=env, capture_output=True, text=True)

    return build


@pytest.mark.parametrize(
    ("readme", "have", "fits"),
    [
        (OLD, "v5.4", True),
        (OLD, "v5.2.2", True),
        (OLD, "v5.4.2", False),
        (NEW, "v5.4.2", True),
        (NEW, "v5.4.1", True),
        (NEW, "v5.5.1", False),
        (NEW, "v9.9", False),
        ("nothing of the kind\n", "v5.4", False),
    ],
)
def test_versions_that_go_together(build, readme, have, fits):
    result = build(readme, have)
    assert "BUILDS ESP32_GENERIC" in result.stdout, result.stderr  # warned of, not refused
    warned = f"you have {have}" in result.stderr
    assert warned != fits, result.stderr
    if not fits and readme == NEW:
        assert "made for ESP-IDF v5.2 v5.2.2 v5.3 v5.4 v5.4.1 v5.4.2;" in result.stderr


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"IDF_PATH": ""}, "IDF_PATH is not set"),
        ({"IDF_PATH": "/nonexistent"}, "there is no ESP-IDF in /nonexistent"),
        ({"MICROPYTHON_DIR": ""}, "MICROPYTHON_DIR is not set"),
        ({"MICROPYTHON_DIR": "/nonexistent"}, "there is no MicroPython in /nonexistent"),
    ],
)
def test_what_is_missing(build, others, words):
    result = build(**others)
    assert result.returncode == 1 and "BUILDS" not in result.stdout
    assert words in result.stderr and "git clone" in result.stderr


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("lib/berkeley-db-1.xx/README", "lacks the submodules of ports/esp32"),
        ("ports/esp32/esp32_common.cmake", "there is no MicroPython in"),
    ],
)
def test_half_a_tree(build, tmp_path, lacking, words):
    (tmp_path / "micropython" / lacking).unlink()
    result = build()
    assert result.returncode == 1 and "BUILDS" not in result.stdout
    assert words in result.stderr and "ports/esp32 submodules" in result.stderr
