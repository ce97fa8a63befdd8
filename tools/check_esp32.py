#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Check the ESP32 firmware's part of ours without ESP-IDF: check_esp32.py [--stack] [--size] [--update]

For each board of boards/ESP32_*, MicroPython's real build rules are configured by CMake against a
stand-in IDF project (boards/esp32/check), interned strings are collected, and our sources and
Mongoose are compiled with warnings as errors: for rv32imc, the instruction set of C3 and C6, and
for Xtensa. What stays undefined must be what boards/esp32/check/symbols.txt lists; --update writes
that list anew, for review. --stack prints each function's use of the stack from STACK_LISTED bytes
on, --size what each feature takes in flash.

Not checked: ESP-IDF itself, the link, and a run on a chip.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
CHECK = TOP / "boards" / "esp32" / "check"
BUILD = TOP / "build" / "check-esp32"

#: Board, variant, compiler, its flags.
RISCV = ("riscv64-unknown-elf-gcc", "-march=rv32imc -mabi=ilp32 --specs=picolibc.specs")
# Of the same family as the ESP32's core, without its windowed registers.
XTENSA = ("xtensa-lx106-elf-gcc", "-isystem /usr/lib/xtensa-lx106-elf/include")
BOARDS = [
    ("ESP32_GENERIC", "", XTENSA),
    ("ESP32_GENERIC_S3", "", XTENSA),
    ("ESP32_GENERIC_S3", "SPIRAM_OCT", XTENSA),
    ("ESP32_GENERIC_C3", "", RISCV),
    ("ESP32_GENERIC_C6", "", RISCV),
]
#: These are compiled; the others' rules are configured, and differ in nothing that is compiled.
COMPILED = {"ESP32_GENERIC", "ESP32_GENERIC_C3"}

#: No function may take more than this of the 16 KB that MicroPython's task has.
STACK_MAX = 1600
STACK_LISTED = 400

#: Helpers that a compiler calls by itself.
COMPILER = re.compile(r"^__\w+(si|di|sf|df|ti|qi)\d?$|^__(mulsi3|riscv_\w+|atomic_\w+)$")
#: Prefixes of what MicroPython and mbedTLS define: it is declared in their headers.
OURS_TO_LINK = ("mp_", "m_", "nlr_", "gc_", "vstr_", "mbedtls_")


def say(text: str) -> None:
    print(f"check-esp32: {text}", flush=True)


def source(name: str) -> Path:
    run = [sys.executable, str(TOP / "tools" / "deps.py"), "--path", name]
    return Path(subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip())


def overlay(tree: Path) -> Path:
    """MicroPython's tree with empty files for what the package of it lacks and CMake asks for."""
    made = BUILD / "micropython"
    shutil.rmtree(made, ignore_errors=True)
    (made / "lib").mkdir(parents=True)
    for entry in tree.iterdir():
        if entry.name not in ("lib", "ports"):
            (made / entry.name).symlink_to(entry)
    # A copy, since CMake would follow a link out of this tree.
    shutil.copytree(tree / "ports" / "esp32", made / "ports" / "esp32", symlinks=True)
    for entry in (tree / "lib").iterdir():
        if not entry.name.startswith("berkeley-db"):
            (made / "lib" / entry.name).symlink_to(entry)
    text = (tree / "extmod" / "extmod.cmake").read_text()
    for name in ["README", *re.findall(r"\$\{MICROPY_LIB_BERKELEY_DIR\}/(\S+\.c)", text)]:
        path = made / "lib" / "berkeley-db-1.xx" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return made


def run(command: list[str], log: Path) -> None:
    with log.open("a") as out:
        result = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        print("\n".join(log.read_text().splitlines()[-40:]), file=sys.stderr)
        raise SystemExit(f"check-esp32: {command[0]} failed; all of it: {log}")


def wrapper(program: str, flags: str) -> Path:
    """A compiler that needs no flags, as the IDF's do: names are collected without flags."""
    path = BUILD / "bin" / program
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {program} {flags} "$@"\n')
    path.chmod(0o755)
    return path


class Board:
    def __init__(self, name: str, variant: str, compiler: tuple[str, str], paths: dict[str, Path]):
        self.name = name
        self.label = name + (f" {variant}" if variant else "")
        self.variant, self.compiler, self.paths = variant, compiler, paths
        self.folder = BUILD / self.label.replace(" ", "-")

    def configure(self, defines: str = "") -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        tree = self.paths["micropython"]
        program, flags = self.compiler
        settings = {
            "CMAKE_SYSTEM_NAME": "Generic",
            "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
            "CMAKE_C_COMPILER": wrapper(program, flags),
            "MICROPY_BOARD": self.name,
            "MICROPY_BOARD_DIR": TOP / "boards" / self.name,
            "MICROPY_BOARD_VARIANT": self.variant,
            "USER_C_MODULES": TOP / "micropython_module" / "micropython.cmake",
            "PMG_COMPILE_OPTIONS": "-Os",
            "PMG_DEFINES": defines,
            "MONGOOSE_DIR": self.paths["mongoose"],
            "LWIP_DIR": self.paths["lwip"],
            "MBEDTLS_DIR": self.paths["mbedtls"],
            "Python3_EXECUTABLE": sys.executable,
        }
        port = tree / "ports" / "esp32"
        command = ["cmake", "-G", "Ninja", "-S", str(port), "-B", str(self.folder)]
        run([*command, *(f"-D{k}={v}" for k, v in settings.items())], self.folder / "log")

    def compile(self) -> None:
        run(["ninja", "-C", str(self.folder), "main", "mbedtls"], self.folder / "log")
        rules = (self.folder / "build.ninja").read_text()
        if not re.search(r"FLAGS = .*-include \S*pmg_tls12_pss\.h", rules):
            raise SystemExit("check-esp32: mbedTLS is compiled without pmg_tls12_pss.h")

    def tool(self, name: str) -> str:
        return self.compiler[0].removesuffix("gcc") + name

    def undefined(self) -> set[str]:
        """What libmain.a wants of others."""
        whole = self.folder / "whole.o"
        archive = str(self.folder / "libmain.a")
        link = [self.tool("ld"), "-r", "-o", str(whole), "--whole-archive", archive]
        if "riscv" in self.compiler[0]:
            link[1:1] = ["-m", "elf32lriscv"]
        run(link, self.folder / "log")
        out = subprocess.run(
            [self.tool("nm"), "-u", str(whole)], check=True, capture_output=True, text=True
        ).stdout
        return {line.split()[-1] for line in out.splitlines()}

    def stack(self) -> list[tuple[int, str]]:
        """(bytes, function), the largest first."""
        found = []
        for path in self.folder.rglob("*.su"):
            for line in path.read_text().splitlines():
                where, size, kind = line.split("\t")
                if "dynamic" in kind and "bounded" not in kind:
                    raise SystemExit(f"check-esp32: {where}: takes stack without a bound")
                found.append((int(size), where.rpartition(":")[2]))
        return sorted(found, reverse=True)

    def flash(self) -> int:
        """Bytes of code and constants."""
        out = subprocess.run(
            [self.tool("size"), "-t", str(self.folder / "libmain.a")],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        text, data = out.splitlines()[-1].split()[:2]
        return int(text) + int(data)


def check_symbols(boards: list[Board], update: bool) -> None:
    path = CHECK / "symbols.txt"
    wanted = set()
    for board in boards:
        wanted |= {
            name
            for name in board.undefined()
            if not COMPILER.match(name) and not name.startswith(OURS_TO_LINK)
        }
    lines = path.read_text().splitlines() if path.exists() else []
    listed = {line for line in lines if line and not line.startswith("#")}
    if wanted == listed:
        return say(f"{len(wanted)} functions of ESP-IDF, lwIP and libc, as listed")
    if update:
        head = [line for line in lines if line.startswith("#")]
        path.write_text("\n".join([*head, *sorted(wanted)]) + "\n")
        return say(f"wrote {path.relative_to(TOP)}: review what changed")
    for name in sorted(wanted - listed):
        print(f"  {name} is wanted, but not listed", file=sys.stderr)
    for name in sorted(listed - wanted):
        print(f"  {name} is listed, but not wanted", file=sys.stderr)
    raise SystemExit("check-esp32: boards/esp32/check/symbols.txt differs; --update rewrites it")


def check_stack(boards: list[Board], listing: bool) -> None:
    for board in boards:
        used = board.stack()
        say(
            f"{board.label}: {len(used)} functions, most of the stack: {used[0][0]} by {used[0][1]}"
        )
        if listing:
            print("".join(f"  {size:6} {name}\n" for size, name in used if size >= STACK_LISTED))
        if used[0][0] > STACK_MAX:
            raise SystemExit(
                f"check-esp32: {used[0][1]} takes more than {STACK_MAX} bytes of stack"
            )


def print_sizes(board: Board) -> None:
    text = (TOP / "shared" / "pmg_api.h").read_text()
    switches = sorted(set(re.findall(r"^#define (PMG_HAS_\w+) 1", text, re.M)))
    board.configure()
    board.compile()
    all_in = board.flash()
    say(f"{board.label}: {all_in} bytes of flash in all, before the linker drops what is not used")
    for switch in switches:
        board.configure(f"{switch}=0")
        board.compile()
        print(f"  {switch}=0 saves {all_in - board.flash()}", flush=True)


def main(arguments: list[str]) -> int:
    if set(arguments) - {"--stack", "--size", "--update"}:
        print(__doc__)
        return 0 if arguments in (["--help"], ["-h"]) else 2
    os.environ["IDF_PATH"] = str(CHECK / "idf")
    paths = {name: source(name) for name in ("mongoose", "lwip", "mbedtls")}
    paths["micropython"] = overlay(source("micropython"))
    boards = [Board(*each, paths) for each in BOARDS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(Board.configure, boards))
    say(f"configured: {', '.join(board.label for board in boards)}")
    compiled = [board for board in boards if board.label in COMPILED]
    for board in compiled:
        board.compile()
        say(f"{board.label}: compiled by {board.compiler[0]}, warnings as errors")
    check_symbols(compiled, "--update" in arguments)
    check_stack(compiled, "--stack" in arguments)
    if "--size" in arguments:
        print_sizes(next(board for board in compiled if board.compiler is RISCV))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
