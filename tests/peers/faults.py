# SPDX-License-Identifier: GPL-2.0-only
"""Memory and random numbers that fail when a script says so, by a library that is preloaded.

A module that takes the fixture `faulty` imports it; in its scripts fault() arms and disarms, and
failures() tells how many allocations failed so far, fail_watch() has epoll refuse a descriptor.
"""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")

DEVICE = """
_faults = open(PARAMS["faults"], "r+b") if MICROPYTHON else open(PARAMS["faults"], "r+b", 0)

def fault(alloc=0, onward=False, random=False):
    _faults.seek(0)
    _faults.write(bytes([alloc & 255, alloc >> 8, onward, random]))

def fail_watch(n):
    # 0 again: it has failed
    _faults.seek(8)
    _faults.write(bytes([n]))

def failures():
    _faults.seek(4)
    return int.from_bytes(_faults.read(4), "little")
"""


@functools.cache
def _library(folder):
    made = folder / "faults.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-w", "-o", str(made), str(SOURCE)]
    subprocess.run(command, check=True)
    return made


@pytest.fixture
def faulty(target, device, tmp_path, tmp_path_factory):
    """As `device`, with DEVICE in front of the script. Not where a sanitizer owns the allocator."""
    control = tmp_path / "faults"
    control.write_bytes(bytes(12))
    library = _library(tmp_path_factory.getbasetemp())

    def start(source, **params):
        target.env.update(LD_PRELOAD=str(library), PMG_FAULTS=str(control))
        try:
            return device(DEVICE + source, faults=str(control), **params)
        finally:
            del target.env["LD_PRELOAD"], target.env["PMG_FAULTS"]

    return start
