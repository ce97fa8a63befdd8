#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put a firmware that was built here onto a board: flash_rp2.py BOARD [DEVICE]

What it does is that of `python -m pymongoose.flash` (cpython/flash), which takes a file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from built import results

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "cpython"))

from flash import rp2  # noqa: E402


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit((__doc__ or "").strip())
    board, device = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    path = ROOT / results() / "firmware" / board / "firmware.uf2"
    if not path.is_file():
        rp2.die(f"there is no {path}: make firmware BOARD={board}")
    if (python := ROOT / ".venv/bin/python").exists():
        rp2.PYTHON = str(python)
    rp2.flash(path, board, device)


if __name__ == "__main__":
    main()
