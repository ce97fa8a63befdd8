# SPDX-License-Identifier: GPL-2.0-only
"""The stub says of each name what the live module has: mypy's stubtest, on CPython."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from targets import ROOT


def test_stub_and_module_agree():
    if find_spec("_pymongoose") is None:
        pytest.skip("the package is not installed here: make cpython")
    run = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "pymongoose"],
        cwd=ROOT / "docs",  # a folder without a configuration of mypy
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_generated_parts_are_new():
    run = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "check" / "stub.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
