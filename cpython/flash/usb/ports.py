# SPDX-License-Identifier: GPL-2.0-only
"""Serial ports and what is behind them: on Linux from /sys, on macOS from ioreg."""

from __future__ import annotations

import plistlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: (vendor, product) of USB. A product of None: all of that vendor's.
RP2 = ((0x2E8A, 0x0005),)  # MicroPython on an RP2; without it there is a drive
ESP32 = (
    (0x303A, None),  # Espressif: the chip's own USB
    (0x10C4, 0xEA60),  # Silicon Labs CP210x
    (0x1A86, None),  # WCH CH340, CH343, CH9102
    (0x0403, None),  # FTDI
)


@dataclass(frozen=True)
class Port:
    device: str
    vendor: int
    product: int
    name: str  # as the board calls itself
    serial: str

    def is_one_of(self, kinds: tuple[tuple[int, int | None], ...]) -> bool:
        return any(self.vendor == v and p in (None, self.product) for v, p in kinds)

    def __str__(self) -> str:
        named = f"{self.name or 'USB'} {self.vendor:04x}:{self.product:04x}"
        return f"{self.device} ({named}{', ' + self.serial if self.serial else ''})"


# ---- Linux ---------------------------------------------------------------------------------------


def linux(root: Path = Path("/")) -> list[Port]:
    """`root` is where /sys and /dev are."""
    return sorted(_linux(root), key=_order)


def _linux(root: Path) -> Iterator[Port]:
    for entry in (root / "sys/class/tty").glob("tty[AU]*"):
        folder = (entry / "device").resolve()
        # The interface's folder lies in that of the USB device.
        while folder != root and not (folder / "idVendor").is_file():
            if folder == folder.parent:
                break
            folder = folder.parent

        def said(name: str, folder: Path = folder) -> str:
            file = folder / name
            return file.read_text(errors="replace").strip() if file.is_file() else ""

        if vendor := said("idVendor"):
            names = said("manufacturer"), said("product")
            yield Port(
                device=f"/dev/{entry.name}",
                vendor=int(vendor, 16),
                product=int(said("idProduct"), 16),
                name=" ".join(name for name in names if name),
                serial=said("serial"),
            )


def _order(port: Port) -> tuple[str, int]:
    text, number = re.fullmatch(r"(.*?)(\d*)", port.device).groups()  # type: ignore[union-attr]
    return text, int(number or 0)


# ---- macOS ---------------------------------------------------------------------------------------

DEVICE = "IOUSBHostDevice"
IOREG = ("ioreg", "-a", "-l", "-r", "-c", DEVICE)
NAMES = {
    "Vendor": ("USB Vendor Name", "kUSBVendorString"),
    "Product": ("USB Product Name", "kUSBProductString"),
    "Serial": ("USB Serial Number", "kUSBSerialNumberString"),
}


def macos(listing: bytes | None = None) -> list[Port]:
    """`listing` is what IOREG prints."""
    if listing is None:
        listing = subprocess.run(IOREG, capture_output=True, check=False).stdout
    found = _devices(plistlib.loads(listing) if listing.strip() else [])
    return sorted(set(found), key=_order)


def _devices(nodes: list[dict[str, Any]]) -> Iterator[Port]:
    for node in nodes:
        below = node.get("IORegistryEntryChildren", [])
        if node.get("IOObjectClass") == DEVICE and "idVendor" in node:
            names = (_text(node, "Vendor"), _text(node, "Product"))
            for device in _callouts(below):
                yield Port(
                    device=device,
                    vendor=node["idVendor"],
                    product=node["idProduct"],
                    name=" ".join(name for name in names if name),
                    serial=_text(node, "Serial"),
                )
        yield from _devices(below)  # of a hub


def _text(node: dict[str, Any], what: str) -> str:
    for key in NAMES[what]:
        if key in node:
            return str(node[key])
    return ""


def _callouts(nodes: list[dict[str, Any]]) -> Iterator[str]:
    for node in nodes:
        if node.get("IOObjectClass") == DEVICE:
            continue  # behind a hub, with ports of its own
        if "IOCalloutDevice" in node:
            yield node["IOCalloutDevice"]
        yield from _callouts(node.get("IORegistryEntryChildren", []))


def ports() -> list[Port]:
    return macos() if sys.platform == "darwin" else linux()
