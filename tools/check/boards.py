#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Check the boards with Wi-Fi or Ethernet without their drivers: boards.py [--newer] [BOARD ...]

Debian's MicroPython lacks the drivers, which are submodules of it. For each board that needs one,
MicroPython's real build rules are configured by CMake as `make firmware` does it, in a tree whose
missing submodules are empty files; interned strings are collected from all sources, the frozen modules
of the board's manifest are compiled, and so is, with warnings as errors, all C that this project has in
the firmware or changes there. --newer gives the tree what is known to be different in MicroPython 1.28.

Not checked: the drivers, the link, the size, and a run on a board.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
#: With one of these a board has a driver.
DRIVERS = ("MICROPY_PY_NETWORK_CYW43", "MICROPY_PY_NETWORK_WIZNET5K")
#: Empty in the tree that comes from a package.
SUBMODULES = ("cyw43-driver", "btstack", "wiznet5k", "micropython-lib")
#: Sources of others that are compiled with our headers or options, or with our lwipopts.h.
TOUCHED = (
    "extmod/network_ppp_lwip.c",
    "extmod/machine_uart.c",
    "extmod/modlwip.c",
    "netif/ppp/pppos.c",
    "core/tcp.c",
    "library/ssl_tls12_client.c",
    "frozen_content.c",
)


def say(text: str) -> None:
    print(f"check-boards: {text}", flush=True)


def fail(text: str) -> SystemExit:
    return SystemExit(f"check-boards: {text}")


def deps(*options: str) -> Path:
    run = [sys.executable, str(TOP / "tools" / "deps" / "deps.py"), *options]
    result = subprocess.run(run, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise SystemExit(result.returncode)
    return Path(result.stdout.strip())


def with_drivers(tree: Path) -> list[str]:
    found = []
    for path in sorted(TOP.glob("boards/*/mpconfigboard.cmake")):
        theirs = tree / "ports/rp2/boards" / path.parent.name / path.name
        if theirs.exists() and any(name in theirs.read_text() for name in DRIVERS):
            found.append(path.parent.name)
    return found


def named(tree: Path, sdk: Path) -> set[str]:
    """The files of the submodules that rules and sources ask for."""
    rules = [tree / "ports/rp2/CMakeLists.txt", *tree.glob("extmod/*.cmake")]
    rules += [
        *tree.glob("extmod/btstack/*.cmake"),
        *sdk.rglob("src/rp2_common/pico_*/CMakeLists.txt"),
    ]
    text = "\n".join(path.read_text(errors="replace") for path in rules)
    for variable, folder in (
        ("BTSTACK_LIB_DIR", "btstack"),
        ("PICO_BTSTACK_PATH", "btstack"),
        ("PICO_CYW43_DRIVER_PATH", "cyw43-driver"),
    ):
        text = text.replace(f"${{{variable}}}/", f"lib/{folder}/")
    sources = [*tree.glob("extmod/*.[ch]"), *tree.glob("extmod/btstack/*.[ch]")]
    sources += [*tree.glob("ports/rp2/*.[ch]")]
    text += "\n".join(path.read_text(errors="replace") for path in sources)
    files = set(re.findall(r"lib/((?:cyw43-driver|btstack|wiznet5k)/[\w./-]+\.[chs])\b", text))
    return files | {"btstack/src/bluetooth.h", "wiznet5k/README.md"}


def overlay(tree: Path, sdk: Path, made: Path) -> None:
    """MicroPython's tree with empty submodules, and packages of micropython-lib that hold nothing."""
    shutil.rmtree(made, ignore_errors=True)
    (made / "lib").mkdir(parents=True)
    for entry in tree.iterdir():
        if entry.name not in ("lib", "ports"):
            (made / entry.name).symlink_to(entry)
    # A copy, since CMake would follow a link out of this tree.
    shutil.copytree(tree / "ports" / "rp2", made / "ports" / "rp2", symlinks=True)
    # MicroPython 1.26's own way to pioasm is that of pico-sdk 2.1, Debian's next release has 2.2.
    shutil.rmtree(made / "ports" / "rp2" / "tools_patch", ignore_errors=True)
    for entry in (tree / "lib").iterdir():
        if entry.name not in SUBMODULES:
            (made / "lib" / entry.name).symlink_to(entry)
    for name in named(tree, sdk):
        path = made / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    library = made / "lib" / "micropython-lib"
    manifests = [*tree.glob("ports/rp2/boards/**/manifest.py"), *TOP.glob("boards/*/manifest.py")]
    text = "".join(path.read_text() for path in manifests)
    for name in set(re.findall(r'require\("([\w.-]+)"', text)):
        path = library / "micropython" / name / "manifest.py"
        path.parent.mkdir(parents=True)
        path.write_text('metadata(version="0")\n')
    (library / "README.md").touch()


def replace(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in pairs:
        text, count = re.subn(old, new, text)
        if count == 0:
            raise fail(f"{path.name} has no {old}: look again at what --newer does")
    path.write_text(text)


def make_newer(made: Path) -> None:
    py = (made / "py").resolve()
    (made / "py").unlink()
    shutil.copytree(py, made / "py")
    replace(
        made / "py" / "mpconfig.h",
        (r"(define MICROPY_VERSION_MINOR) \d+", r"\1 28"),
        (r"#define NORETURN MP_NORETURN", ""),
    )
    # Random numbers come from pico-sdk, under its names.
    port = made / "ports" / "rp2"
    for path in [*port.glob("*.[ch]"), *port.glob("mbedtls/*.c"), *port.glob("lwip_inc/*.h")]:
        path.write_text(path.read_text().replace("rosc_random_u", "another_random_u"))
    replace(
        port / "mphalport.h",
        (
            r"(#define MICROPY_PY_LWIP_EXIT .*)",
            r"\1\n#define MICROPY_PY_LWIP_POLL_HOOK lwip_poll_hook();\nvoid lwip_poll_hook(void);",
        ),
    )


class Board:
    def __init__(self, name: str, tree: Path, sdk: Path, mongoose: Path, cross: str) -> None:
        self.name, self.tree, self.sdk = name, tree, sdk
        self.mongoose, self.cross = mongoose, cross
        self.folder = tree.parent / name

    def run(self, *command: str) -> str:
        env = {**os.environ, "MICROPY_MPYCROSS": self.cross}
        result = subprocess.run(command, capture_output=True, text=True, env=env)
        with (self.folder / "log").open("a") as log:
            log.write(result.stdout + result.stderr)
        if result.returncode != 0:
            print("\n".join((result.stdout + result.stderr).splitlines()[-30:]), file=sys.stderr)
            raise fail(f"{self.name}: {command[0]} failed; all of it: {self.folder / 'log'}")
        return result.stdout

    def configure(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        # As tools/build/firmware.sh has them.
        settings = {
            "MICROPY_BOARD": self.name,
            "MICROPY_BOARD_DIR": TOP / "boards" / self.name,
            "USER_C_MODULES": TOP / "micropython_module" / "micropython.cmake",
            "MONGOOSE_DIR": self.mongoose,
            "PICO_SDK_PATH_OVERRIDE": self.sdk,
            "MICROPY_LIB_DIR": self.tree / "lib" / "micropython-lib",
            "PICO_NO_PICOTOOL": 1,
            "PICO_CLIB": "newlib",
            "Python3_EXECUTABLE": sys.executable,
        }
        command = [
            "cmake",
            "-G",
            "Ninja",
            "-S",
            str(self.tree / "ports/rp2"),
            "-B",
            str(self.folder),
        ]
        self.run(*command, *(f"-D{k}={v}" for k, v in settings.items()))

    def objects(self) -> list[str]:
        """What is compiled: ours, and what ours reaches."""
        outputs = self.run("ninja", "-C", str(self.folder), "-t", "targets", "all")
        found = re.findall(r"^(\S+\.obj|\S+\.o): ", outputs, re.M)
        ours = tuple(
            f"{TOP}/{name}/".lstrip("/") for name in ("shared", "micropython_module", "boards")
        )
        chosen = [each for each in found if any(name in each for name in ours)]
        for name in TOUCHED:
            there = [each for each in found if f"{name}.o" in each]
            if not there:
                raise fail(f"{self.name}: {name} is not in the firmware")
            chosen += there
        return chosen

    def compile(self) -> None:
        objects = self.objects()
        self.run("ninja", "-C", str(self.folder), *objects)
        frozen = (self.folder / "frozen_content.c").read_text()
        for name in ("pymongoose/__init__", "pymongoose/mqtt", "asyncio/core"):
            if name not in frozen:
                raise fail(f"{self.name}: {name}.py is not frozen")
        say(f"{self.name}: {len(objects)} files compiled, warnings as errors")


def main(arguments: list[str]) -> int:
    newer = "--newer" in arguments
    arguments = [each for each in arguments if each != "--newer"]
    if any(each.startswith("-") for each in arguments):
        print(__doc__)
        return 0 if arguments in (["--help"], ["-h"]) else 2
    names = ("micropython-rp2", "pico-sdk", "mongoose")
    tree, sdk, mongoose = (deps("--path", name) for name in names)
    known = with_drivers(tree)
    if unknown := set(arguments) - set(known):
        named = ", ".join(sorted(unknown))
        raise fail(f"no board that needs a driver: {named}; there are {', '.join(known)}")
    script = [str(TOP / "tools/build/mpy-cross.sh"), str(tree)]
    cross = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    made = TOP / deps("--results") / "check-boards" / "micropython"
    overlay(tree, sdk, made)
    if newer:
        make_newer(made)
    for name in arguments or known:
        board = Board(name, made, sdk, mongoose, cross)
        board.configure()
        board.compile()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
