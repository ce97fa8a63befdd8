#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put a firmware onto a board: flash.py BOARD [DEVICE]

DEVICE is the board's serial port (/dev/ttyACM0, a0) or the drive that shows up when it is plugged in
with BOOTSEL held down (RPI-RP2, RP2350). Without it the drive, then the only serial port, is taken.
A board that runs MicroPython is sent to its boot loader first, and greeted by its version at the end.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = {0xE48BFF56: "RP2040", 0xE48BFF59: "RP2350"}
DRIVES = {"RP2040": "RPI-RP2", "RP2350": "RP2350"}
MAGIC = (0x0A324655, 0x9E5D5157)
WAIT_S = 30
CHUNK = 64 * 512


def die(text: str) -> NoReturn:
    sys.exit(f"flash: error: {text}")


def say(text: str) -> None:
    print(f"flash: {text}", file=sys.stderr, flush=True)


def family_of(data: bytes) -> str:
    """The chip that a UF2 file is for; every block is looked at."""
    if len(data) < 512 or len(data) % 512:
        die("the file is no UF2 file, or cut short")
    found = set()
    for at in range(0, len(data), 512):
        head = struct.unpack_from("<8I", data, at)
        if head[:2] != MAGIC:
            die(f"the file is no UF2 file: block {at // 512} does not begin as one")
        found.add(head[7])
    names = {FAMILIES.get(number, hex(number)) for number in found}
    if len(names) != 1 or not names <= set(DRIVES):
        die(f"the file is for {', '.join(sorted(names))}, not for an RP2 board")
    return names.pop()


def chip_of(board: str) -> str:
    return "RP2350" if "PICO2" in board else "RP2040"


def board_in(data: bytes, board: str) -> bool:
    """Does the program name this board? A UF2 block carries 256 bytes, so the text may be split."""
    program = b"".join(data[at + 32 : at + 288] for at in range(0, len(data), 512))
    return board.encode() + b"\0" in program


def drive_of(chip: str) -> Path | None:
    bases = ("/media/*", "/run/media/*/*", "/media", "/run/media/*", "/mnt", "/Volumes")
    for base in bases:
        for folder in glob.glob(f"{base}/{DRIVES[chip]}"):
            if (Path(folder) / "INFO_UF2.TXT").is_file():
                return Path(folder)
    return None


def serial_ports() -> list[str]:
    return sorted(glob.glob("/dev/ttyACM*") + glob.glob("/dev/cu.usbmodem*"))


def full_name(device: str) -> str:
    return f"/dev/ttyACM{device[1:]}" if device[:1] == "a" and device[1:].isdigit() else device


def mpremote(port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    python = ROOT / ".venv/bin/python"
    command = [str(python if python.exists() else sys.executable), "-m", "mpremote"]
    command += ["connect", port, *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=False, timeout=WAIT_S)


def copy(data: bytes, target: Path) -> None:
    begun = time.monotonic()
    with target.open("wb", buffering=0) as file:
        for at in range(0, len(data), CHUNK):
            file.write(data[at : at + CHUNK])
            done = min(at + CHUNK, len(data))
            print(f"\rflash: {100 * done // len(data):3} %", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        with contextlib.suppress(OSError):  # the board restarts as soon as it has the last block
            os.fsync(file.fileno())
    say(f"{len(data) // 1024} KiB in {time.monotonic() - begun:.1f} s")


def wait_for(what: str, look: Callable[[], T | None]) -> T:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.2)
    die(f"no {what} within {WAIT_S} s")


def to_boot_loader(port: str) -> None:
    say(f"asking {port} for its boot loader")
    try:
        mpremote(port, "bootloader")
    except subprocess.TimeoutExpired:
        die(f"{port} does not answer; hold BOOTSEL while plugging the board in")


def greet(known: list[str]) -> None:
    def back() -> str | None:
        ports = serial_ports()
        return next((p for p in ports if p not in known), ports[0] if ports else None)

    port = wait_for("serial port of the new firmware", back)
    time.sleep(1)  # udev sets the rights of the new device
    code = "import os,pymongoose as p; print(os.uname().machine+': pymongoose '+p.__version__)"
    result = mpremote(port, "exec", code)
    if result.returncode:
        die(f"{port} does not answer: {(result.stderr or result.stdout).strip()}")
    say(f"{port}: {result.stdout.strip()}")


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit((__doc__ or "").strip())
    board, device = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    path = ROOT / "build/firmware" / board / "firmware.uf2"
    if not path.is_file():
        die(f"there is no {path}: make firmware BOARD={board}")
    data = path.read_bytes()
    chip = family_of(data)
    if chip != chip_of(board) or not board_in(data, board):
        die(f"{path} is not for {board}")

    target: Path | None = Path(device) if device and Path(device).is_dir() else drive_of(chip)
    ports = serial_ports()
    if target is None and not device and shutil.which("picotool"):
        loaded = subprocess.run(["picotool", "load", "-x", str(path)], check=False)
        if loaded.returncode == 0:
            greet([])
            return
    if target is None:
        if not device and len(ports) != 1:
            die("DEVICE= names the board's serial port or drive; none, or several, were found")
        port = full_name(device) if device else ports[0]
        if "://" not in port and not Path(port).exists():
            die(f"there is no {port}")
        to_boot_loader(port)
        target = wait_for(f"drive {DRIVES[chip]}", lambda: drive_of(chip))
    info = (target / "INFO_UF2.TXT").read_text(errors="replace")
    if DRIVES[chip].replace("RPI-", "").lower() not in info.replace("-", "").lower():
        die(f"the board at {target} is not an {chip}: {info.splitlines()[0]}")
    say(f"writing {path.name} for {board} to {target}")
    before = serial_ports()
    copy(data, target / path.name)
    greet(before)


if __name__ == "__main__":
    main()
