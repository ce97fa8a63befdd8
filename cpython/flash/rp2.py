# SPDX-License-Identifier: GPL-2.0-only
"""What puts a UF2 file onto a board.

A board that runs MicroPython is sent to its boot loader first. At the end the new firmware says its
version, and a hash of the flash that it runs from.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from .usb import access, drives
from .usb import ports as usb_ports
from .usb.ports import Port

T = TypeVar("T")

#: Whose mpremote talks to a board.
PYTHON = sys.executable
FAMILIES = {0xE48BFF56: "RP2040", 0xE48BFF59: "RP2350"}
DRIVES = {"RP2040": "RPI-RP2", "RP2350": "RP2350"}
ABSOLUTE = 0xE48BFF57
MAGIC = (0x0A324655, 0x9E5D5157)
WAIT_S = 30
CHUNK = 64 * 512


def die(text: str) -> NoReturn:
    sys.exit(f"flash: error: {text}")


def say(text: str) -> None:
    print(f"flash: {text}", file=sys.stderr, flush=True)


def program_of(data: bytes) -> bytes:
    """picotool puts a block ahead of an RP2350's program that is no part of it (erratum RP2350-E10)."""
    ahead = len(data) > 512 and struct.unpack_from("<I", data, 28)[0] == ABSOLUTE
    return data[512:] if ahead else data


def family_of(data: bytes) -> str:
    """The chip that a UF2 file is for; every block is looked at."""
    if len(data) < 512 or len(data) % 512:
        die("the file is no UF2 file, or cut short: fetch it again")
    data = program_of(data)
    found, totals = set(), []
    for at in range(0, len(data), 512):
        head = struct.unpack_from("<8I", data, at)
        if head[:2] != MAGIC:
            die(f"the file is no UF2 file: block {at // 512} does not begin as one")
        found.add(head[7])
        totals.append(head[6])
    names = {FAMILIES.get(number, hex(number)) for number in found}
    if len(names) != 1 or not names <= set(DRIVES):
        die(f"the file is for {', '.join(sorted(names))}, not for an RP2 board")
    # A download that ended between two blocks looks whole but for their count.
    if len(totals) != totals[0]:
        die(f"the file is cut short: {len(totals)} of {totals[0]} blocks; fetch it again")
    return names.pop()


def check_sum(path: Path) -> None:
    """Holds a file against a list of hashes beside it, if there is one."""
    for beside in (path.with_name(path.name + ".sha256"), path.with_name("MANIFEST.sha256")):
        if not beside.is_file():
            continue
        for line in beside.read_text(errors="replace").splitlines():
            found = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line.strip())
            if not found or Path(found[2]).name != path.name:
                continue
            if hashlib.sha256(path.read_bytes()).hexdigest() != found[1]:
                die(
                    f"{path} is not what {beside.name} says: a half or a changed download; fetch it again"
                )
            return say(f"{path.name} is what {beside.name} says")


def chip_of(board: str) -> str:
    return "RP2350" if "PICO2" in board else "RP2040"


def board_in(data: bytes, board: str) -> bool:
    """Does the program name this board? A UF2 block carries 256 bytes, so the text may be split."""
    program = b"".join(data[at + 32 : at + 288] for at in range(0, len(data), 512))
    return board.encode() + b"\0" in program


def contents(data: bytes) -> tuple[int, bytes]:
    """What a UF2 file puts into flash: the first address, and the bytes."""
    blocks = {}
    data = program_of(data)
    for at in range(0, len(data), 512):
        _, _, _, address, size = struct.unpack_from("<5I", data, at)
        blocks[address] = data[at + 32 : at + 32 + size]
    start = min(blocks)
    flash = bytearray(b"\xff" * (max(blocks) + len(blocks[max(blocks)]) - start))
    for address, block in blocks.items():
        flash[address - start : address - start + len(block)] = block
    return start, bytes(flash)


def drive_of(chip: str) -> Path | None:
    return drives.mounted(DRIVES[chip])


def boards() -> list[Port]:
    """Those that run MicroPython."""
    return [port for port in usb_ports.ports() if port.is_one_of(usb_ports.RP2)]


def serial_ports() -> list[str]:
    return [port.device for port in boards()]


def full_name(device: str) -> str:
    return f"/dev/ttyACM{device[1:]}" if device[:1] == "a" and device[1:].isdigit() else device


MPREMOTE_HELP = "pip install 'pymongoose-net[flash]' brings mpremote, which talks to it"


def has_mpremote() -> bool:
    return sys.executable != PYTHON or importlib.util.find_spec("mpremote") is not None


def mpremote(port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "mpremote", "connect", port, *arguments]
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
    if not has_mpremote():
        die(
            f"{port} is asked for its boot loader: {MPREMOTE_HELP}; or hold BOOTSEL while plugging it in"
        )
    say(f"asking {port} for its boot loader")
    try:
        mpremote(port, "bootloader")
    except subprocess.TimeoutExpired:
        die(f"{port} does not answer; hold BOOTSEL while plugging the board in")


# Runs on the board: its flash as the processor sees it.
HASH = """
import binascii, hashlib, os, uctypes, pymongoose
h, at, left = hashlib.sha256(), {start}, {size}
while left:
    n = min(left, 4096)
    h.update(uctypes.bytearray_at(at, n))
    at, left = at + n, left - n
print(binascii.hexlify(h.digest()).decode(), os.uname().machine + ": pymongoose " + pymongoose.__version__)
"""


def greet(known: list[str], data: bytes) -> None:
    def back() -> str | None:
        ports = serial_ports()
        return next((p for p in ports if p not in known), ports[0] if ports else None)

    port = wait_for("serial port of the new firmware", back)
    if not has_mpremote():
        return say(f"{port} is there again; what is in its flash was not verified: {MPREMOTE_HELP}")
    time.sleep(1)  # udev sets the rights of the new device
    check_access(port)
    start, flash = contents(data)
    result = mpremote(port, "exec", HASH.format(start=start, size=len(flash)))
    if result.returncode:
        die(f"{port} does not answer: {(result.stderr or result.stdout).strip()}")
    found, _, version = result.stdout.strip().partition(" ")
    if found != hashlib.sha256(flash).hexdigest():
        die(f"{port}: what is in its flash is not what was written: flash it again")
    say(f"{port}: {version}; verified: its flash holds {len(flash):,} bytes as written")


def check_access(path: str) -> None:
    if "://" not in path and (why := access.refusal(path)):
        die(why)


def find_board(chip: str) -> str:
    """The serial port of the only board there is."""
    found = boards()
    if len(found) == 1:
        return found[0].device
    if found:
        names = "\n  ".join(map(str, found))
        die(f"which board? DEVICE= names one of:\n  {names}")
    others = "\n  ".join(str(port) for port in usb_ports.ports())
    die(
        f"no board with MicroPython was found by its USB name, and no drive {DRIVES[chip]}. Hold "
        "BOOTSEL while plugging the board in, or name its serial port: DEVICE="
        + (f"\nThese serial ports have other names:\n  {others}" if others else "")
    )


def mounted_drive(chip: str) -> Path | None:
    """A drive that nobody mounted is mounted, as a click would do it."""
    if (target := drive_of(chip)) or not (drive := drives.unmounted(DRIVES[chip])):
        return target
    if not drives.mount(drive) or not (target := drive_of(chip)):
        die(f"the drive {drive.label} ({drive.device}) is not mounted: {drive.how_to_mount()}")
    return target


def find_drive(chip: str, device: str) -> Path:
    if device and Path(device).is_dir():
        return Path(device)
    if not device and (target := mounted_drive(chip)):
        return target
    port = full_name(device) if device else find_board(chip)
    check_access(port)
    to_boot_loader(port)
    return wait_for(f"drive {DRIVES[chip]}", lambda: mounted_drive(chip))


def flash(path: Path, board: str, device: str) -> None:
    """Puts the file onto `device`, or the only board there is. `board` may be empty."""
    data = path.read_bytes()
    chip = family_of(data)
    if board and (chip != chip_of(board) or not board_in(data, board)):
        die(f"{path} is not for {board}")

    # Without a drive or a port of a board's, picotool speaks to the boot loader itself.
    alone = not device and not drive_of(chip) and not boards() and shutil.which("picotool")
    if alone and subprocess.run(["picotool", "load", "-x", str(path)]).returncode == 0:
        return greet([], data)
    target = find_drive(chip, device)
    check_access(str(target))
    info_file = target / "INFO_UF2.TXT"
    if not info_file.is_file():
        die(f"{target} is no board's drive: it has no INFO_UF2.TXT")
    info = info_file.read_text(errors="replace")
    # Of the boot ROM: RPI-RP2, which would be found in the other's name, or RP2350.
    board_id = re.search(r"^Board-ID:\s*(\S+)", info, re.M)
    if not board_id or board_id[1] != DRIVES[chip]:
        what = board_id[0].strip() if board_id else (info.splitlines() or [""])[0]
        die(f"the file is for an {chip}, the board at {target} is not an {chip}: {what}")
    say(f"writing {path.name} for {board or chip} to {target}")
    before = serial_ports()
    copy(data, target / path.name)
    greet(before, data)
