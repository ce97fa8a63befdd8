# SPDX-License-Identifier: GPL-2.0-only
"""The command line: python -m pymongoose.flash FILE.uf2 [DEVICE] [--board NAME]"""

from __future__ import annotations

import argparse
from pathlib import Path

from . import rp2

EPILOG = """\
DEVICE is the board's serial port (/dev/ttyACM0, a0) or the drive that shows up when the board is
plugged in with BOOTSEL held down. Without it the drive is taken, then the only board with MicroPython.
If FILE.uf2.sha256 lies beside the file, or a MANIFEST.sha256 that names it, the file is held against it."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pymongoose.flash",
        description="Put a firmware onto a board with an RP2040 or RP2350.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.uf2")
    parser.add_argument("device", nargs="?", default="", metavar="DEVICE")
    parser.add_argument("--board", default="", help="refuse a file that is for another: RPI_PICO")
    args = parser.parse_args()
    if args.file.name.startswith("ESP32") or args.file.suffix == ".bin":
        rp2.die(f"{args.file} is no UF2 file; an ESP32's is written by esptool: docs/esp32.md")
    if not args.file.is_file():
        rp2.die(f"there is no {args.file}")
    try:
        rp2.check_sum(args.file)
        rp2.flash(args.file, args.board, args.device)
    except OSError as err:
        rp2.die(str(err))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
