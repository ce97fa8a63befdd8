#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print the serial port of the ESP32 that is plugged in: find_port.py [DEVICE]

With DEVICE it only sees whether this user may open it. What is missing is said, with what helps.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "cpython"))

from flash.usb import access, ports


def main() -> None:
    device = sys.argv[1] if len(sys.argv) > 1 else ""
    if not device:
        found = ports.ports()
        likely = [port for port in found if port.is_one_of(ports.ESP32)]
        if len(likely) != 1:
            what = (
                "which board? DEVICE= names one of"
                if likely
                else "no ESP32 was found by its USB name"
            )
            listed = "".join(f"\n  {port}" for port in likely or found)
            sys.exit(f"flash-esp32: error: {what}{':' if listed else ''}{listed}")
        device = likely[0].device
    if "://" not in device and (why := access.refusal(device)):
        sys.exit(f"flash-esp32: error: {why}")
    print(device)


if __name__ == "__main__":
    main()
