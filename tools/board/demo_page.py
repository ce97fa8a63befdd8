#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Lay what the demo serves into a folder: demo_page.py FOLDER.

That is the page of examples/dashboard and uPlot, each with a compressed .gz beside it, which the
server sends to whoever takes it. What has not changed is not written again.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SOURCE = TOP / "examples/dashboard/page"
DEPS = TOP / "tools/deps/deps.py"


def write(path: Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def lay(folder: Path) -> None:
    run = [sys.executable, str(DEPS), "--path", "uplot"]
    uplot = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    files = {path.name: path.read_bytes() for path in SOURCE.iterdir()}
    files["uplot.js"] = (Path(uplot) / "uPlot.iife.min.js").read_bytes()
    # Without a time in it, the same file is the same .gz.
    files |= {f"{name}.gz": gzip.compress(data, 9, mtime=0) for name, data in files.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write(folder / name, data)
    for old in folder.iterdir():
        if old.name not in files:
            old.unlink()


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit((__doc__ or "").strip())
    try:
        lay(Path(sys.argv[1]))
    except subprocess.CalledProcessError as e:
        sys.exit(e.returncode)  # which has said why


if __name__ == "__main__":
    main()
