# SPDX-License-Identifier: GPL-2.0-only
"""The suite has the same tests in each of its processes, which xdist wants: no name of a test goes
by the clock or by the order of a set."""

import os
import subprocess
import sys
import time

import pick
from targets import ROOT


def collected(seed):
    run = [sys.executable, "-m", "pytest", "-q", "--collect-only", "--target", "cpython", "tests"]
    env = {**os.environ, "PYTHONHASHSEED": str(seed)}
    env.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_names_of_tests_are_the_same_in_each_process():
    first = collected(1)
    time.sleep(1.1)  # the clock's next second
    assert len(first) > 3000 and collected(2) == first
    # K= is looked for in the text of the files before anything is built.
    every = pick.written()
    assert [name for name in first if pick.unwritten(name, every)] == []
