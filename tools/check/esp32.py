#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Check the ESP32 firmware's part of ours without ESP-IDF: esp32.py [--stack] [--size] [--update]

For each board of boards/ESP32_*, MicroPython's real build rules are configured by CMake against a
stand-in IDF project (boards/esp32/check), interned strings are collected, and our sources and
Mongoose are compiled with warnings as errors: for rv32imc, the instruction set of C3 and C6, and
for Xtensa. Of them the linker keeps what the module needs, as it does in the firmware. What stays
undefined then must be what boards/esp32/check/symbols.txt lists; --update writes that list anew, for
review. --stack prints each function's use of the stack from STACK_LISTED bytes on, --size what each
feature takes in flash; with --update they go into docs/esp32.md.

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

TOP = Path(__file__).resolve().parents[2]
CHECK = TOP / "boards" / "esp32" / "check"
BUILD = TOP / "build" / "check-esp32"
DOCS = TOP / "docs" / "esp32.md"

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
STACK_LISTED = 500

#: What the firmware's table of modules refers to: all else is there for its sake.
ROOT_SYMBOL = "mpy_module_pymongoose"

#: Helpers that a compiler calls by itself.
COMPILER = re.compile(r"^__\w+(si|di|sf|df|ti|qi)\d?$|^__(mulsi3|riscv_\w+|atomic_\w+)$")
#: Prefixes of what MicroPython and mbedTLS define: it is declared in their headers.
OURS_TO_LINK = ("mp_", "m_", "nlr_", "gc_", "vstr_", "mbedtls_")


def say(text: str) -> None:
    print(f"check-esp32: {text}", flush=True)


def source(name: str) -> Path:
    run = [sys.executable, str(TOP / "tools" / "deps" / "deps.py"), "--path", name]
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


def short(path: str) -> str:
    """As the text of docs has it: http/serve.c, mod_tls.c."""
    return path.rpartition("shared/")[2] if "shared/" in path else Path(path).name


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
        if not re.search(r"FLAGS = .*-include \S*tls12_pss\.h", rules):
            raise SystemExit("check-esp32: mbedTLS is compiled without tls12_pss.h")
        self.link()

    def tool(self, name: str) -> str:
        return self.compiler[0].removesuffix("gcc") + name

    def link(self) -> None:
        """What the module needs of libmain.a, as one object."""
        link = [self.tool("ld"), "-r", "--gc-sections", "-u", ROOT_SYMBOL, "-o", str(self.linked)]
        if "riscv" in self.compiler[0]:
            link[1:1] = ["-m", "elf32lriscv"]
        run([*link, "--whole-archive", str(self.folder / "libmain.a")], self.folder / "log")

    @property
    def linked(self) -> Path:
        return self.folder / "linked.o"

    def ask(self, tool: str, *options: str) -> list[str]:
        command = [self.tool(tool), *options, str(self.linked)]
        return subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.splitlines()

    def undefined(self) -> set[str]:
        """What it wants of others."""
        return {line.split()[-1] for line in self.ask("nm", "-u")}

    def stack(self) -> list[tuple[int, str]]:
        """(bytes, function and file), the largest first."""
        # A part of a function that the compiler split has the whole one's name, and a suffix.
        kept = {re.split(r"[.$]", line.split()[-1])[0] for line in self.ask("nm", "--defined-only")}
        found = []
        for path in self.folder.rglob("*.su"):
            for line in path.read_text().splitlines():
                where, size, kind = line.split("\t")
                if "dynamic" in kind and "bounded" not in kind:
                    raise SystemExit(f"check-esp32: {where}: takes stack without a bound")
                name = re.split(r"[.$]", where.rpartition(":")[2])[0]
                if name in kept:
                    found.append((int(size), f"{name}, {short(where.split(':')[0])}"))
        return sorted(found, reverse=True)

    def flash(self) -> int:
        """Bytes of code and constants."""
        text, data = self.ask("size")[-1].split()[:2]
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


def check_stack(boards: list[Board]) -> list[str]:
    """Lines of a table: the functions that take most, by the board where they take more."""
    most: dict[str, dict[str, int]] = {}
    for board in boards:
        used = board.stack()
        size, name = used[0]
        say(f"{board.label}: {len(used)} functions, most of the stack: {size} by {name}")
        if size > STACK_MAX:
            raise SystemExit(f"check-esp32: {name} takes more than {STACK_MAX} bytes of stack")
        for size, name in reversed(used):
            most.setdefault(name, {})[board.label] = size
    labels = [board.label for board in boards]
    lines = [f"| function | {' | '.join(f'`{label}`' for label in labels)} |"]
    lines += ["|---" * (1 + len(labels)) + "|"]
    for name, sizes in sorted(most.items(), key=lambda each: (-max(each[1].values()), each[0])):
        if max(sizes.values()) >= STACK_LISTED:
            cells = (f"{sizes[label]:,}" if label in sizes else "" for label in labels)
            function, _, file = name.partition(", ")
            lines.append(f"| `{function}`, `{file}` | {' | '.join(cells)} |")
    return lines


def size_table(board: Board) -> list[str]:
    text = (TOP / "shared/base/names.h").read_text()
    switches = re.findall(r"#ifndef (PMG_HAS_\w+)", text)
    all_in = board.flash()
    lines = [f"| `{board.label}` | flash, bytes |", "|---|---|", f"| all of it | {all_in:,} |"]
    for names in [*([name] for name in switches), switches]:
        board.configure(";".join(f"{name}=0" for name in names))
        board.compile()
        what = f"`{names[0]}`" if len(names) == 1 else "all of these"
        lines.append(f"| without {what} | {board.flash() - all_in:,} |")
        say(lines[-1])
    return lines


def put(name: str, lines: list[str], update: bool) -> None:
    if not update:
        return print("\n".join(lines), flush=True)
    start, end = f"<!-- {name}: tools/check/esp32.py --update -->\n", f"<!-- end of {name} -->"
    head, _, rest = DOCS.read_text().partition(start)
    _, found, tail = rest.partition(end)
    if not found:
        raise SystemExit(f"check-esp32: {DOCS.name} has no place for {name}")
    DOCS.write_text(head + start + "\n" + "\n".join(lines) + "\n\n" + end + tail)


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
    update = "--update" in arguments
    check_symbols(compiled, update)
    table = check_stack(compiled)
    if "--stack" in arguments:
        put("stack", table, update)
    if "--size" in arguments:
        put("flash", size_table(next(b for b in compiled if b.compiler is RISCV)), update)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
