# SPDX-License-Identifier: GPL-2.0-only
"""What the builds need from outside: the one table, and how each input is recognized."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ALLOW_HASH = "ALLOW_MONGOOSE_HASH"

# Mongoose is one C file: its glue depends on details that a version number does not promise.
MONGOOSE_VERSION = "7.23"
MONGOOSE_SHA256 = {
    "mongoose.c": "651d514ee52761c26af774d74e91346bf150c915120d967ec4332a69ea1600f5",
    "mongoose.h": "0ee23157099964b7ca1c7bf3e02b1b8250cbd7838a6938fed63726e720f70b0b",
}
MICROPYTHON_VERSION = "1.25.0"
MBEDTLS_SERIES = "3.6"
LWIP_SERIES = "2.2"
PICO_SDK_VERSION = "2.1.1"
TINYUSB_SERIES = "0.18"
# A browser's libraries: one file each, of npm's package or of a wheel that carries it.
UPLOT_VERSION, UPLOT_FILE = "1.6.31", "uPlot.iife.min.js"
UPLOT_SHA256 = ("2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",)
AXE_VERSION, AXE_FILE = "4.12.1", "axe.min.js"
AXE_SHA256 = (
    "66a8aaa95a8b044a7fd74a5435873bf04ff65a1ca75567c921b7509742085a14",  # npm's
    "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc",  # the wheel's
)
VERSION_PARTS = ("MAJOR", "MINOR", "REVISION")


class DepsError(Exception):
    """A reason why a folder or a package cannot serve as an input."""


@dataclass(frozen=True)
class Input:
    name: str
    title: str
    variable: str  # names a folder to use instead of fetching
    folder: str  # in the cache; carries the wanted version, so that two work trees can share it
    package: str
    megabytes: float
    needs_apt: bool
    check: Callable[[Path], str]  # the version found in a folder, or DepsError


def need(folder: Path, *names: str) -> None:
    if not folder.is_dir():
        raise DepsError("there is no such folder")
    if lacking := [name for name in names if not (folder / name).is_file()]:
        raise DepsError(f"it lacks {', '.join(lacking)}")


def defined(path: Path, macro: str) -> str:
    """The value of a #define, quotes taken off."""
    text = path.read_text(encoding="utf-8", errors="replace")
    match = re.search(rf'^\s*#\s*define\s+{macro}\s+"?([^"\s]+)', text, re.M)
    if not match:
        raise DepsError(f"{path.name} does not define {macro}")
    return match.group(1)


def check_mongoose(folder: Path) -> str:
    need(folder, *MONGOOSE_SHA256)
    if not os.environ.get(ALLOW_HASH):
        for name, expected in MONGOOSE_SHA256.items():
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if found != expected:
                raise DepsError(
                    f"{name} is not that of Mongoose {MONGOOSE_VERSION}\n"
                    f"    file     {folder / name}\n"
                    f"    expected sha256 {expected}\n"
                    f"    found    sha256 {found}\n"
                    f"To build with it all the same, set {ALLOW_HASH}=1."
                )
    return defined(folder / "mongoose.h", "MG_VERSION")


def check_micropython(folder: Path) -> str:
    need(folder, "py/mpconfig.h", "ports/unix/Makefile", "mpy-cross/Makefile")
    header = folder / "py" / "mpconfig.h"
    parts = ("MAJOR", "MINOR", "MICRO")
    version = ".".join(defined(header, f"MICROPY_VERSION_{part}") for part in parts)
    if version != MICROPYTHON_VERSION:
        raise DepsError(f"it is MicroPython {version}; {MICROPYTHON_VERSION} is needed")
    return version


def check_mbedtls(folder: Path) -> str:
    need(folder, "include/mbedtls/build_info.h", "library/ssl_tls.c", "library/version_features.c")
    version = defined(folder / "include/mbedtls/build_info.h", "MBEDTLS_VERSION_STRING")
    if not version.startswith(MBEDTLS_SERIES + "."):
        raise DepsError(f"it is Mbed TLS {version}; {MBEDTLS_SERIES}.x is needed")
    return version


def check_lwip(folder: Path) -> str:
    need(folder, "src/include/lwip/init.h", "src/include/lwip/tcp.h")
    header = folder / "src/include/lwip/init.h"
    version = ".".join(defined(header, f"LWIP_VERSION_{part}") for part in VERSION_PARTS)
    if not version.startswith(LWIP_SERIES + "."):
        raise DepsError(f"it is lwIP {version}; {LWIP_SERIES}.x is needed")
    return version


def check_pico_sdk(folder: Path) -> str:
    need(folder, "pico_sdk_init.cmake", "pico_sdk_version.cmake", "src/rp2040.cmake")
    text = (folder / "pico_sdk_version.cmake").read_text(encoding="utf-8", errors="replace")
    numbers = [re.search(rf"PICO_SDK_VERSION_{part} (\d+)", text) for part in VERSION_PARTS]
    version = ".".join(match.group(1) if match else "?" for match in numbers)
    if version != PICO_SDK_VERSION:
        raise DepsError(f"it is pico-sdk {version}; {PICO_SDK_VERSION} is needed")
    return version


def check_tinyusb(folder: Path) -> str:
    need(folder, "src/tusb.h", "src/tusb_option.h", "src/portable/raspberrypi/rp2040/dcd_rp2040.c")
    header = folder / "src/tusb_option.h"
    version = ".".join(defined(header, f"TUSB_VERSION_{part}") for part in VERSION_PARTS)
    if not version.startswith(TINYUSB_SERIES + "."):
        raise DepsError(f"it is TinyUSB {version}; {TINYUSB_SERIES}.x is needed")
    return version


def check_script(folder: Path, file: str, banner: str) -> str:
    need(folder, file)
    with (folder / file).open(encoding="utf-8", errors="replace") as script:
        match = re.search(banner + r" \(?v(\d[\w.]*)", script.read(400))
    if not match:
        raise DepsError(f"{file} does not begin with {banner}'s banner")
    return match.group(1)


def check_uplot(folder: Path) -> str:
    return check_script(folder, UPLOT_FILE, "uPlot")


def check_axe(folder: Path) -> str:
    return check_script(folder, AXE_FILE, "axe")


ALL = (
    Input(
        name="mongoose",
        title="Mongoose",
        variable="MONGOOSE_DIR",
        folder=f"mongoose-{MONGOOSE_VERSION}",
        package="cymongoose on PyPI, or mongoose-webserver-source in Debian",
        megabytes=0.8,
        needs_apt=False,
        check=check_mongoose,
    ),
    Input(
        name="micropython",
        title="MicroPython",
        variable="MICROPYTHON_DIR",
        folder=f"micropython-{MICROPYTHON_VERSION}",
        package="source of micropython in Debian",
        megabytes=6,
        needs_apt=True,
        check=check_micropython,
    ),
    Input(
        name="mbedtls",
        title="Mbed TLS",
        variable="MBEDTLS_DIR",
        folder=f"mbedtls-{MBEDTLS_SERIES}",
        package="source of mbedtls in Debian",
        megabytes=5.5,
        needs_apt=True,
        check=check_mbedtls,
    ),
    Input(
        name="lwip",
        title="lwIP",
        variable="LWIP_DIR",
        folder=f"lwip-{LWIP_SERIES}-patched",
        package="source of lwip in Debian",
        megabytes=0.6,
        needs_apt=True,
        check=check_lwip,
    ),
    Input(
        name="pico-sdk",
        title="pico-sdk",
        variable="PICO_SDK_PATH",
        folder=f"pico-sdk-{PICO_SDK_VERSION}",
        package="pico-sdk-source in Debian",
        megabytes=4.2,
        needs_apt=True,
        check=check_pico_sdk,
    ),
    Input(
        name="tinyusb",
        title="TinyUSB",
        variable="TINYUSB_DIR",
        folder=f"tinyusb-{TINYUSB_SERIES}",
        package="tinyusb-source in Debian",
        megabytes=1.5,
        needs_apt=True,
        check=check_tinyusb,
    ),
    Input(
        name="uplot",
        title="uPlot",
        variable="UPLOT_DIR",
        folder=f"uplot-{UPLOT_VERSION}",
        package="uplot from npm, or youplot on PyPI",
        megabytes=0.2,
        needs_apt=False,
        check=check_uplot,
    ),
    Input(
        name="axe",
        title="axe-core",
        variable="AXE_DIR",
        folder=f"axe-core-{AXE_VERSION}",
        package="axe-core from npm, or axe-playwright-python on PyPI",
        megabytes=0.7,
        needs_apt=False,
        check=check_axe,
    ),
)


def by_name(name: str) -> Input:
    return next(item for item in ALL if item.name == name)
