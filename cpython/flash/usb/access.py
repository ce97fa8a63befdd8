# SPDX-License-Identifier: GPL-2.0-only
"""May this user open a board, and if not: what to do."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from pathlib import Path


def refusal(path: str) -> str:
    """Why a port or a drive cannot be written, with what helps; nothing if it can."""
    if not Path(path).exists():
        return f"there is no {path}"
    if os.access(path, os.R_OK | os.W_OK):
        return ""
    return f"you may not write to {path}: {advice(path, sys.platform)}"


def advice(path: str, platform: str) -> str:
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        return (
            "the drive is mounted for another user, or read-only: unmount it and plug it in again"
        )
    if platform == "darwin":
        return "another program has it open, or macOS asks for a permission in its settings"
    group = group_of(found.st_gid)
    if not found.st_mode & stat.S_IWGRP or group == "root":
        return "its device file is root's: a udev rule, or sudo, opens it"
    user = getpass.getuser()
    return (
        f"it belongs to the group {group}. Join that group, `sudo adduser {user} {group}`, "
        "then log out and in again"
    )


def group_of(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
