# SPDX-License-Identifier: GPL-2.0-only
"""Where the checkout is that this is part of; an installed package is part of none."""

from __future__ import annotations

import os
from pathlib import Path

_TOP = Path(__file__).resolve().parents[3]

#: In an installed package a folder without any of it: what is looked for there is not found.
ROOT = _TOP if (_TOP / "shared" / "pmg_version.h").exists() else Path(__file__).parent / "none"


def shown(path: Path) -> str:
    """A path as it is shortest to read."""
    return os.path.relpath(path, ROOT) if path.is_relative_to(ROOT) else str(path)
