# SPDX-License-Identifier: GPL-2.0-only
"""Where what was built lies: with MICROPYTHON=next in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEPS = Path(__file__).resolve().parents[1] / "deps" / "deps.py"


def results() -> str:
    """The folder of results, below this repository."""
    if not os.environ.get("MICROPYTHON"):
        return "build"
    command = [sys.executable, str(DEPS), "--results"]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
