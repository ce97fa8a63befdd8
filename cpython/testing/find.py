# SPDX-License-Identifier: GPL-2.0-only
"""Where the programs, firmware and the emulator's rig are, and what to do when they are missing."""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import shutil
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from .targets import DeviceError

UNIX = "build/unix/micropython"
PICO = "build/firmware/RPI_PICO/firmware.uf2"
RP2040JS = "rp2040js@1.4.1"
UF2_MAGIC = struct.pack("<II", 0x0A324655, 0x9E5D5157)
UF2_FAMILY_RP2040 = 0xE48BFF56


class Places:
    """`named` are --pmg-firmware, `rig` is --pmg-rig, `near` folders of which one may be in a checkout."""

    def __init__(self, named: Iterable[str], rig: str | None, near: Iterable[Path]) -> None:
        self.named = [Path(each).expanduser().absolute() for each in named]
        self.rig_name = rig
        starts = [*near, *(each.parent for each in self.named)]
        above = [folder for start in starts for folder in (start, *start.parents)]
        self.checkouts = [each for each in dict.fromkeys(above) if is_checkout(each)]

    def check(self) -> None:
        """Raises if --pmg-firmware names what is not there, or is no firmware."""
        for path in self.named:
            if not path.exists():
                raise DeviceError(f"--pmg-firmware: there is no {path}")
            kind_of(path)

    def unix(self) -> Path:
        """MicroPython's unix port with pymongoose."""
        for path in self.named:
            if kind_of(path) == "unix":
                return path
        for top in self.checkouts:
            if (top / UNIX).exists():
                return top / UNIX
        raise DeviceError(
            "target unix: MicroPython's unix port with pymongoose is missing. Run `make unix` in a "
            f"checkout of pymongoose, and name what it builds: --pmg-firmware {UNIX}"
        )

    def pico(self) -> Path:
        """Firmware for an RP2040."""
        for path in self.named:
            if kind_of(path) == "pico":
                return path
        for top in self.checkouts:
            if (top / PICO).exists():
                return top / PICO
        raise DeviceError(
            "target pico: the firmware is missing. Run `make firmware rig` in a checkout of pymongoose, "
            f"or take a UF2 of a release, and name it: --pmg-firmware {PICO}"
        )

    def rig(self) -> tuple[Path, Path]:
        """The emulator's rig.py, and the folder of its parts, complete."""
        given = self.rig_name
        if given:
            path = Path(given).expanduser().absolute()
            if not path.exists():
                raise DeviceError(f"--pmg-rig: there is no {path}")
            tops = [unpacked(path) if path.is_file() else path]
        else:
            tops = self.checkouts
        for top in tops:
            for program, parts in (("boards/rig/rig.py", "build/rig"), ("rig.py", ".")):
                if (top / program).exists():
                    return top / program, complete(top / parts)
        if given:
            raise DeviceError(f"--pmg-rig: {given} has neither rig.py nor boards/rig/rig.py")
        raise DeviceError(
            "target pico: the emulator is missing. Run `make firmware rig` in a checkout of pymongoose, "
            "and name the checkout, or the rig of a release: --pmg-rig FOLDER"
        )


def is_checkout(folder: Path) -> bool:
    return (folder / "boards/rig/rig.py").exists() and (folder / "shared/pmg_version.h").exists()


def kind_of(path: Path) -> str:
    """Whose firmware a file is: pico's or unix's."""
    with path.open("rb") as f:
        head = f.read(512)
    if head.startswith(UF2_MAGIC):
        family = struct.unpack_from("<I", head, 28)[0] if len(head) >= 32 else 0
        if family != UF2_FAMILY_RP2040:
            raise DeviceError(
                f"--pmg-firmware: {path} is for another chip (family {family:#010x}): the emulated "
                "Pico takes an RP2040's, RPI_PICO"
            )
        return "pico"
    if head.startswith((b"\x7fELF", b"\xcf\xfa\xed\xfe", b"#!")) and os.access(path, os.X_OK):
        return "unix"
    if path.suffix == ".bin":
        return "pico"
    raise DeviceError(
        f"--pmg-firmware: {path} is neither a UF2 (for pico) nor a program of this computer (for unix)"
    )


def complete(parts: Path) -> Path:
    """The parts, if they are all there; else what is missing, and how it comes."""
    if not shutil.which("node"):
        raise DeviceError(
            "target pico: the emulator needs Node.js, 18 or newer, which is missing: on Debian, "
            "`apt-get install nodejs`"
        )
    if not ctypes.util.find_library("slirp"):
        raise DeviceError(
            "target pico: the emulator's network needs libslirp, which is missing: on Debian, "
            "`apt-get install libslirp0`"
        )
    if not (parts / "bootrom.bin").exists():
        raise DeviceError(
            f"target pico: {parts} has no bootrom.bin: run `make rig` in that checkout"
        )
    script = "dist/esm/index.js"
    if not any(
        (parts / place / script).exists() for place in ("rp2040js", "node_modules/rp2040js")
    ):
        raise DeviceError(
            f"target pico: rp2040js is missing in {parts}: run `make rig` in that checkout, or "
            f"`npm install --prefix {parts} {RP2040JS}`"
        )
    return parts


def unpacked(archive: Path) -> Path:
    """The folder that a release's archive of the rig holds, unpacked once."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pymongoose"
    folder = cache / f"rig-{digest}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=cache, prefix="tmp-rig-"))
        try:
            _unpack(archive, work)
            os.rename(work, folder)
        except OSError:
            if not folder.exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    inner = [each.parent for each in sorted(folder.rglob("rig.py"))]
    if not inner:
        raise DeviceError(f"--pmg-rig: there is no rig.py in {archive}")
    return inner[0]


def _unpack(archive: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)
        else:
            with tarfile.open(archive) as packed:
                if sys.version_info >= (3, 12):
                    packed.extractall(folder, filter="data")
                else:
                    for each in packed.getmembers():
                        inside = (folder / each.name).resolve().is_relative_to(folder.resolve())
                        if not inside or not (each.isfile() or each.isdir()):
                            raise DeviceError(f"--pmg-rig: {archive} holds {each.name}")
                    packed.extractall(folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as e:
        raise DeviceError(f"--pmg-rig: {archive} cannot be unpacked: {e}") from None
