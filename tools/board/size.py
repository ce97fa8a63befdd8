#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Flash and RAM of a board's firmware: size.py BOARD [--switches] [--update]

Reads the linker's map of `make firmware`: bytes by part. With --switches our sources are compiled
once more: without link-time optimization, which shows what each of them takes, then without each
feature (PMG_HAS_*=0) and without all of them. The firmware is linked with these objects and the
rest as it is. --update puts the tables that docs/size.md has a place for into it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from built import results

ROOT = Path(__file__).resolve().parents[2]
FLASH, RAM = (0x10000000, 0x20000000), (0x20000000, 0x20082000)
SECTION = re.compile(r"^ (\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")

#: A protocol without a row of its own. (MicroPython's objects, too, lie in folders of a shared/.)
FOLDERS = "|".join(sorted(path.name for path in (ROOT / "shared").iterdir() if path.is_dir()))

# The first that fits counts.
OURS = "pymongoose and Mongoose"
PARTS = (
    (OURS, r"\.ltrans\d*\."),  # nothing else is optimized at link time
    ("pymongoose: TLS", r"shared/tls/|mod_tls"),
    ("pymongoose: MQTT", r"shared/mqtt/|mod_mqtt"),
    ("pymongoose: DNS and SNTP", r"shared/(dns|sntp)/|mod_(dns|sntp)"),
    ("pymongoose: mDNS and Modbus", r"shared/(mdns|modbus)/|mod_(mdns|modbus)"),
    (
        "pymongoose: JSON, hashes, log",
        r"shared/util/|shared/base/hash|mod_functions",
    ),
    ("pymongoose: WebSocket", r"shared/ws/|mod_ws"),
    (
        "pymongoose: files, uploads",
        r"shared/http/(serve|listing|stream|multipart)|micropython_module/vfs",
    ),
    ("pymongoose: lwIP backend", r"shared/io/|port_lwip"),
    ("pymongoose: HTTP", r"shared/http/|mod_http"),
    ("pymongoose: loop, connections", r"/shared/(base|core|open|port)/"),
    ("pymongoose: other protocols", rf"/shared/({FOLDERS})/"),
    ("pymongoose: Python objects", r"/micropython_module/mod"),
    ("pymongoose: port", r"/micropython_module/port"),
    ("Mongoose", r"mongoose_unit"),
    ("frozen Python", r"frozen_content"),
    ("Mbed TLS", r"/mbedtls/"),
    ("lwIP", r"/lib/lwip/"),
    ("MicroPython and the SDK", r"."),
)


def parts_of(path: Path) -> dict[str, list[int]]:
    text = path.read_text(errors="replace")
    text = text[text.index("Linker script and memory map") :]
    text = re.sub(r"\n (\S+)\n\s+(?=0x)", r"\n \1 ", text)  # a long name has a line of its own
    found = {name: [0, 0] for name, _ in PARTS}
    for line in text.splitlines():
        match = SECTION.match(line)
        if not match or ".o" not in match[4] or (match[1] or "").startswith(".debug"):
            continue
        address, size, origin = int(match[2], 16), int(match[3], 16), match[4]
        name = next(name for name, pattern in PARTS if re.search(pattern, origin))
        if FLASH[0] <= address < FLASH[1]:
            found[name][0] += size
        elif RAM[0] <= address < RAM[1]:
            found[name][1] += size
            if (match[1] or "").startswith((".data", ".time_critical")):
                found[name][0] += size  # its first contents lie in flash, too
    return found


def total(folder: Path) -> tuple[int, int]:
    output = subprocess.run(
        ["arm-none-eabi-size", str(folder / "firmware.elf")],
        check=True,
        text=True,
        capture_output=True,
    ).stdout.splitlines()[1]
    text, data, bss = (int(word) for word in output.split()[:3])
    return text + data, data + bss


def switches() -> list[str]:
    text = (ROOT / "shared/base/names.h").read_text()
    return re.findall(r"#ifndef (PMG_HAS_\w+)", text)


def ninja(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["ninja", "-C", str(folder), *arguments], check=True, text=True, capture_output=True
    ).stdout


class Relinked:
    """The firmware with our own objects compiled in another way, which takes seconds.

    It is for its size only: the pool of interned strings stays as it was."""

    def __init__(self, board: str) -> None:
        self.cmake = ROOT / results() / "firmware" / board / "cmake"
        self.out = ROOT / results() / "size" / board
        link = ninja(self.cmake, "-t", "commands", "firmware.elf").splitlines()[-1]
        self.link = shlex.split(link.split("&&")[1])
        self.compiles = {
            item["output"]: item["command"]
            for item in json.loads(ninja(self.cmake, "-t", "compdb"))
            if item["output"].endswith(".o")
            and re.search(r"/(shared/[\w/]+|micropython_module)/\w+\.c$", item["file"])
        }

    def folder(self, name: str, *options: str) -> Path | None:
        """Where firmware.elf and its map are; None: it does not build."""
        folder = self.out / name
        folder.mkdir(parents=True, exist_ok=True)
        objects = {path: folder / path.lstrip("/") for path in self.compiles}

        def compiled(path: str) -> bool:
            objects[path].parent.mkdir(parents=True, exist_ok=True)
            words = shlex.split(self.compiles[path])
            words[words.index("-o") + 1] = str(objects[path])
            words[words.index("-c") : words.index("-c")] = ["-g0", *options]
            return self.run(name, words)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            if not all(pool.map(compiled, self.compiles)):
                return None
        words = [str(objects.get(word, word)) for word in self.link]
        words[words.index("-o") + 1] = str(folder / "firmware.elf")
        words = [
            f"-Wl,-Map={folder}/firmware.elf.map" if word.startswith("-Wl,-Map=") else word
            for word in words
        ]
        return folder if self.run(name, words) else None

    def run(self, name: str, words: list[str]) -> bool:
        result = subprocess.run(words, cwd=self.cmake, text=True, capture_output=True, check=False)
        if result.returncode:
            print(f"size: {name} does not build: {result.stderr.strip()[-2000:]}", file=sys.stderr)
        return result.returncode == 0


def is_ours(name: str) -> bool:
    return name.startswith(("pymongoose", "Mongoose"))


def ours(path: Path) -> list[tuple[str, list[int]]]:
    return [(name, sizes) for name, sizes in parts_of(path).items() if is_ours(name) and any(sizes)]


def bytes_table(title: str, rows: list[tuple[str, list[int]]]) -> list[str]:
    return [
        f"| {title} | flash, bytes | static RAM, bytes |",
        "|---|---|---|",
        *(f"| {name} | {flash:,} | {ram:,} |" for name, (flash, ram) in rows),
    ]


def part_table(board: str, folder: Path) -> list[str]:
    parts = parts_of(folder / "cmake/firmware.elf.map")
    rows = [(name, sizes) for name, sizes in parts.items() if any(sizes)]
    return bytes_table(board, [*rows, ("**all of it**", list(total(folder)))])


def file_table(relinked: Relinked) -> list[str] | None:
    folder = relinked.folder("by-file", "-fno-lto")
    if folder is None:
        return None
    rows = ours(folder / "firmware.elf.map")
    together = [sum(sizes[i] for _, sizes in rows) for i in (0, 1)]
    return bytes_table("not optimized as a whole", [*rows, ("**together**", together)])


def switch_table(board: str, relinked: Relinked) -> tuple[list[str], bool]:
    all_off = tuple(f"-D{name}=0" for name in switches())
    variants: list[tuple[str, tuple[str, ...]]] = [("everything", ())]
    variants += [(f"without `{name}`", (f"-D{name}=0",)) for name in switches()]
    variants += [("without all of these", all_off)]
    lines = [
        f"| {board} | pymongoose and Mongoose, bytes | all flash, bytes less | static RAM, bytes less |",
        "|---|---|---|---|",
    ]
    whole: tuple[int, int] = (0, 0)
    good = True
    for title, options in variants:
        name = re.sub(r"\W+", "-", title).strip("-")
        folder = relinked.folder(name, *options)
        if folder is None:
            good = False
            continue
        flash, ram = total(folder)
        if not options:
            whole = (flash, ram)
        left = sum(flash for _, (flash, _) in ours(folder / "firmware.elf.map"))
        lines.append(f"| {title} | {left:,} | {whole[0] - flash:,} | {whole[1] - ram:,} |")
    return lines, good


def update(tables: dict[str, list[str]]) -> None:
    path = ROOT / "docs/size.md"
    text = path.read_text()
    for name, lines in tables.items():
        start, end = f"<!-- {name}: tools/board/size.py --update -->\n", f"<!-- end of {name} -->"
        head, found, rest = text.partition(start)
        _, ends, tail = rest.partition(end)
        if not found and " of " in name:  # of another board the page has not all
            continue
        if not (found and ends):
            sys.exit(f"size: {path} has no place for the table {name!r}")
        text = head + start + "\n" + "\n".join(lines) + "\n\n" + end + tail
    path.write_text(text)


def main() -> None:
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    board = names[0] if names else "RPI_PICO"
    folder = ROOT / results() / "firmware" / board
    if not (folder / "firmware.elf").is_file():
        sys.exit(f"size: there is no firmware: make firmware BOARD={board}")
    tables = {"parts": part_table(board, folder)}
    print("\n".join(tables["parts"]), flush=True)
    good = True
    if "--switches" in sys.argv:
        relinked = Relinked(board)
        if files := file_table(relinked):
            tables["files"] = files
            print("\n" + "\n".join(files), flush=True)
        tables["switches"], good = switch_table(board, relinked)
        print("\n" + "\n".join(tables["switches"]))
    if "--update" in sys.argv and good and results() == "build":
        own = "" if board == "RPI_PICO" else f" of {board}"
        update({f"{name}{own}": lines for name, lines in tables.items()})
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
