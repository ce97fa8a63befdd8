# SPDX-License-Identifier: GPL-2.0-only
"""What the builds need from outside: the one table, and how each input is recognized.

There are two sets of it. The default one has fixed versions; MICROPYTHON=next is what Debian's
next release has of MicroPython, pico-sdk and Mbed TLS on the day on which they are fetched.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
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

#: What was built, run, or at least read; with another version a build goes on, and says so.
MICROPYTHON_KNOWN = ("1.25", "1.26", "1.27", "1.28", "1.29")
PICO_SDK_KNOWN = ("2.1", "2.2")

#: The newest of Debian's next release with which all that CI does was good.
NEXT_GOOD = {"micropython": "1.26.1", "pico-sdk": "2.2.0", "mbedtls": "3.6.7"}
NEXT_SUITES = ("forky", "sid")
SUITES = ("trixie", "forky", "sid")

# A browser's libraries: one file each, of npm's package or of a wheel that carries it.
UPLOT_VERSION, UPLOT_FILE = "1.6.31", "uPlot.iife.min.js"
UPLOT_SHA256 = ("2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",)
AXE_VERSION, AXE_FILE = "4.12.1", "axe.min.js"
AXE_SHA256 = (
    "66a8aaa95a8b044a7fd74a5435873bf04ff65a1ca75567c921b7509742085a14",  # npm's
    "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc",  # the wheel's
)
# The tests of the source distribution that Mongoose comes from, too.
CYMONGOOSE_VERSION = "0.2.5"
CYMONGOOSE_SHA256 = "8c0ec19752d493702c566735a28918f1b81a756197f78e4931c566dbad849a8f"
VERSION_PARTS = ("MAJOR", "MINOR", "REVISION")


class DepsError(Exception):
    """A reason why a folder or a package cannot serve as an input."""


class VersionError(DepsError):
    """It is there and whole, but of a version that cannot serve."""


@dataclass(frozen=True)
class Input:
    name: str
    title: str
    variable: str  # names a folder to use instead of fetching
    folder: str  # in the cache; carries the wanted version, so that two work trees can share it
    package: str
    megabytes: float
    needs_apt: bool
    files: tuple[str, ...]
    read_version: Callable[[Path], str]  # or DepsError
    series: str = ""  # no other can serve
    wanted: str = ""  # of the series, in the cache
    known: tuple[str, ...] = ()  # others may not build
    suites: tuple[str, ...] = SUITES
    moving: bool = False  # whatever the suite has: `folder` is a link to that

    def check(self, folder: Path) -> str:
        """The version found in a folder, or DepsError."""
        need(folder, *self.files)
        version = self.read_version(folder)
        if not fits(version, self.series):
            raise VersionError(f"it is {self.title} {version}; {self.series}.x is needed")
        return version

    def check_cached(self, folder: Path) -> str:
        version = self.check(folder)
        if not fits(version, self.wanted):
            raise VersionError(f"it is {self.title} {version}; {self.wanted} is needed")
        return version

    def warning(self, version: str) -> str:
        """What to expect of a version that nobody tried, or nothing."""
        if not self.known or any(fits(version, known) for known in self.known):
            return ""
        older = numbers(version) < numbers(self.known[0])
        return (
            f"{self.title} {version} is {'older' if older else 'newer'} than what is known here "
            f"({self.known[0]} to {self.known[-1]}). Going on. {LIKELY[self.name]}"
        )


#: What another version is likely to break.
LIKELY = {
    "micropython": "If it does not compile, look first at micropython_module/port_compat.h (names "
    "in C that change), at boards/rp2 (its UART, PPP and lwIP timer), and at its ports' CMake rules.",
    "pico-sdk": "If it does not configure or link, it is not the one that MicroPython asks for: "
    "lib/pico-sdk of a checkout with its submodules is.",
}


def numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def fits(version: str, series: str) -> bool:
    return not series or version == series or version.startswith(series + ".")


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


def of_mongoose(folder: Path) -> str:
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


def three(header: Path, prefix: str, parts: tuple[str, ...] = VERSION_PARTS) -> str:
    return ".".join(defined(header, f"{prefix}_VERSION_{part}") for part in parts)


def of_micropython(folder: Path) -> str:
    return three(folder / "py/mpconfig.h", "MICROPY", ("MAJOR", "MINOR", "MICRO"))


def of_mbedtls(folder: Path) -> str:
    return defined(folder / "include/mbedtls/build_info.h", "MBEDTLS_VERSION_STRING")


def of_lwip(folder: Path) -> str:
    return three(folder / "src/include/lwip/init.h", "LWIP")


def of_pico_sdk(folder: Path) -> str:
    text = (folder / "pico_sdk_version.cmake").read_text(encoding="utf-8", errors="replace")
    found = [re.search(rf"PICO_SDK_VERSION_{part} (\d+)", text) for part in VERSION_PARTS]
    return ".".join(match.group(1) if match else "?" for match in found)


def of_tinyusb(folder: Path) -> str:
    return three(folder / "src/tusb_option.h", "TUSB")


def of_script(folder: Path, file: str, banner: str) -> str:
    with (folder / file).open(encoding="utf-8", errors="replace") as script:
        match = re.search(banner + r" \(?v(\d[\w.]*)", script.read(400))
    if not match:
        raise DepsError(f"{file} does not begin with {banner}'s banner")
    return match.group(1)


def of_uplot(folder: Path) -> str:
    return of_script(folder, UPLOT_FILE, "uPlot")


def of_axe(folder: Path) -> str:
    return of_script(folder, AXE_FILE, "axe")


def of_cymongoose(folder: Path) -> str:
    text = (folder / "PKG-INFO").read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^Version: (\S+)", text, re.M)
    if not match:
        raise DepsError("PKG-INFO does not tell its version")
    return match.group(1)


ALL = (
    Input(
        name="mongoose",
        title="Mongoose",
        variable="MONGOOSE_DIR",
        folder=f"mongoose-{MONGOOSE_VERSION}",
        package="cymongoose on PyPI, or mongoose-webserver-source in Debian",
        megabytes=0.8,
        needs_apt=False,
        files=tuple(MONGOOSE_SHA256),
        read_version=of_mongoose,
    ),
    Input(
        name="micropython",
        title="MicroPython",
        variable="MICROPYTHON_DIR",
        folder=f"micropython-{MICROPYTHON_VERSION}",
        package="source of micropython in Debian",
        megabytes=6,
        needs_apt=True,
        files=("py/mpconfig.h", "extmod/extmod.mk", "ports/unix/Makefile", "mpy-cross/Makefile"),
        read_version=of_micropython,
        wanted=MICROPYTHON_VERSION,
        known=MICROPYTHON_KNOWN,
    ),
    Input(
        name="mbedtls",
        title="Mbed TLS",
        variable="MBEDTLS_DIR",
        folder=f"mbedtls-{MBEDTLS_SERIES}",
        package="source of mbedtls in Debian",
        megabytes=5.5,
        needs_apt=True,
        files=("include/mbedtls/build_info.h", "library/ssl_tls.c", "library/version_features.c"),
        read_version=of_mbedtls,
        series=MBEDTLS_SERIES,
    ),
    Input(
        name="lwip",
        title="lwIP",
        variable="LWIP_DIR",
        folder=f"lwip-{LWIP_SERIES}-patched",
        package="source of lwip in Debian",
        megabytes=0.6,
        needs_apt=True,
        files=("src/include/lwip/init.h", "src/include/lwip/tcp.h"),
        read_version=of_lwip,
        series=LWIP_SERIES,
    ),
    Input(
        name="pico-sdk",
        title="pico-sdk",
        variable="PICO_SDK_PATH",
        folder=f"pico-sdk-{PICO_SDK_VERSION}",
        package="pico-sdk-source in Debian",
        megabytes=4.2,
        needs_apt=True,
        files=("pico_sdk_init.cmake", "pico_sdk_version.cmake", "src/rp2040.cmake"),
        read_version=of_pico_sdk,
        wanted=PICO_SDK_VERSION,
        known=PICO_SDK_KNOWN,
    ),
    Input(
        name="tinyusb",
        title="TinyUSB",
        variable="TINYUSB_DIR",
        folder=f"tinyusb-{TINYUSB_SERIES}",
        package="tinyusb-source in Debian",
        megabytes=1.5,
        needs_apt=True,
        files=("src/tusb.h", "src/tusb_option.h", "src/portable/raspberrypi/rp2040/dcd_rp2040.c"),
        read_version=of_tinyusb,
        wanted=TINYUSB_SERIES,
    ),
    Input(
        name="uplot",
        title="uPlot",
        variable="UPLOT_DIR",
        folder=f"uplot-{UPLOT_VERSION}",
        package="uplot from npm, or youplot on PyPI",
        megabytes=0.2,
        needs_apt=False,
        files=(UPLOT_FILE,),
        read_version=of_uplot,
    ),
    Input(
        name="axe",
        title="axe-core",
        variable="AXE_DIR",
        folder=f"axe-core-{AXE_VERSION}",
        package="axe-core from npm, or axe-playwright-python on PyPI",
        megabytes=0.7,
        needs_apt=False,
        files=(AXE_FILE,),
        read_version=of_axe,
    ),
    Input(
        name="cymongoose-tests",
        title="cymongoose's tests",
        variable="CYMONGOOSE_DIR",
        folder=f"cymongoose-{CYMONGOOSE_VERSION}",
        package="source of cymongoose on PyPI",
        megabytes=0.8,
        needs_apt=False,
        files=("PKG-INFO", "tests/conftest.py"),
        read_version=of_cymongoose,
        wanted=CYMONGOOSE_VERSION,
    ),
)


#: The same with MICROPYTHON=next.
NEXT = tuple(
    replace(item, folder=f"next-{item.name}", wanted="", suites=NEXT_SUITES, moving=True)
    if item.name in NEXT_GOOD
    else item
    for item in ALL
)


def is_next() -> bool:
    value = os.environ.get("MICROPYTHON", "")
    if value not in ("", "default", "next"):
        raise DepsError(
            f"MICROPYTHON={value}: it is `next`, or not set; MICROPYTHON_DIR= names a folder"
        )
    return value == "next"


def chosen() -> tuple[Input, ...]:
    return NEXT if is_next() else ALL


def by_name(name: str) -> Input:
    return next(item for item in chosen() if item.name == name)
