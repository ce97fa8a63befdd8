# SPDX-License-Identifier: GPL-2.0-only
"""What a run of the suite says of itself: while it goes on, and how much ran."""

import os
import re
import subprocess
import sys

import pytest
from targets import ROOT


@pytest.fixture
def start(tmp_path):
    """Starts pytest with the suite's conftest.py on a file with this text."""
    (tmp_path / "sooner.py").write_text("import progress\nprogress.EVERY_S = 0.2\n")
    places = (tmp_path, *(ROOT / each for each in ("tests", "cpython", "cpython/testing")))
    environment = os.environ | {"PYTHONPATH": ":".join(map(str, places))}
    environment.pop("PYTEST_ADDOPTS", None)
    started = []

    def start(text, *options):
        (tmp_path / "test_some.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
        command += [f"--rootdir={tmp_path}", "-p", "no:pymongoose.testing", "-p", "conftest"]
        command += ["--target=cpython", "--only=host", *options, "test_some.py"]
        started.append(
            subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()
        each.stdout.close()


def test_one_count(start):
    """The block of what ran where has the numbers of pytest's own last line."""
    said = start("""
import pytest

def test_one(): pass
def test_two(): pass
def test_that_skips(): pytest.skip("it is so")
@pytest.mark.skip
def test_skipped(): pass
def test_fails(): assert 0
@pytest.fixture
def broken(): assert 0
def test_broken(broken): pass
""").stdout.read()
    (block,) = re.findall(r"^host alone +(.*) in \d+ s$", said, re.M)
    assert block == "2 passed, 1 failed, 1 errors, 2 skipped", said
    assert re.search("1 failed, 2 passed, 2 skipped, 1 error in", said)


SLOW = """
import os, time

def test_quick(): pass
def test_slow():
    while not os.path.exists("go"): time.sleep(0.01)
def test_after(): pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "by a worker"])
def test_silence_is_broken(start, tmp_path, workers):
    """What takes long is named, though output is no terminal and all else is captured."""
    running = start(SLOW, "-p", "sooner", *workers)
    lines = []
    for line in running.stdout:
        lines.append(line)
        if re.fullmatch(r"  \d+ s: test_some.py::test_slow, for \d+ s\n", line):
            (tmp_path / "go").touch()
    assert running.wait() == 0 and (tmp_path / "go").exists(), lines
    assert lines[-1].startswith("=") and " 3 passed in " in lines[-1]
    if not workers:
        told = [n for n, line in enumerate(lines) if "test_slow" in line]
        assert lines[told[0] - 1] == "test_some.py .\n"
        assert re.fullmatch(r"\.\. +\[100%\]\n", lines[told[-1] + 1])
