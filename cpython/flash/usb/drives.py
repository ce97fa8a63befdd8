# SPDX-License-Identifier: GPL-2.0-only
"""The drive of a board in its boot loader: on Linux from lsblk, on macOS from diskutil."""

from __future__ import annotations

import json
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LSBLK = ("lsblk", "--json", "--output", "PATH,LABEL,MOUNTPOINT")
DISKUTIL = ("diskutil", "list", "-plist", "external")


@dataclass(frozen=True)
class Drive:
    device: str
    label: str
    folder: str  # where it is mounted, or nothing

    def how_to_mount(self) -> str:
        if sys.platform == "darwin":
            return f"diskutil mount {self.device}"
        if shutil.which("udisksctl"):
            return f"udisksctl mount -b {self.device}"
        return f"sudo mount -o uid=$(id -u) {self.device} /mnt"


def linux(listing: str | None = None) -> list[Drive]:
    """`listing` is what LSBLK prints."""
    if listing is None:
        listing = _output(LSBLK)
    return list(_blocks(json.loads(listing)["blockdevices"])) if listing.strip() else []


def _blocks(entries: list[dict[str, Any]]) -> Iterator[Drive]:
    for entry in entries:
        if entry.get("label"):
            yield Drive(entry["path"], entry["label"], entry.get("mountpoint") or "")
        yield from _blocks(entry.get("children", []))


def macos(listing: bytes | None = None) -> list[Drive]:
    """`listing` is what DISKUTIL prints."""
    if listing is None:
        listing = _output(DISKUTIL).encode()
    if not listing.strip():
        return []
    found = []
    for disk in plistlib.loads(listing).get("AllDisksAndPartitions", []):
        for volume in (disk, *disk.get("Partitions", [])):
            if name := volume.get("VolumeName"):
                device, folder = volume["DeviceIdentifier"], volume.get("MountPoint", "")
                found.append(Drive(f"/dev/{device}", name, folder))
    return found


def _output(command: tuple[str, ...]) -> str:
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def drives() -> list[Drive]:
    return macos() if sys.platform == "darwin" else linux()


def mounted(label: str) -> Path | None:
    """Where the drive of this name is; where a desktop mounts drives is looked at, too."""
    for drive in drives():
        if drive.label == label and drive.folder:
            return Path(drive.folder)
    for base in ("/media/*", "/run/media/*", "/media", "/mnt", "/Volumes"):
        for folder in Path("/").glob(f"{base[1:]}/{label}"):
            if (folder / "INFO_UF2.TXT").is_file():
                return folder
    return None


def unmounted(label: str) -> Drive | None:
    return next((each for each in drives() if each.label == label and not each.folder), None)


def mount(drive: Drive) -> bool:
    """Asks the desktop to mount it, as a click would; no password."""
    command = {"darwin": ("diskutil", "mount")}.get(
        sys.platform, ("udisksctl", "mount", "--no-user-interaction", "-b")
    )
    if not shutil.which(command[0]):
        return False
    done = subprocess.run([*command, drive.device], capture_output=True, check=False)
    return done.returncode == 0
