#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Check that the floors of shared/ hold, for each I/O backend: layers.py [--arrows]

What is called and read is taken from the objects' own symbols, what is included from the sources.
These are faults, each named by its two ends:
- from a lower floor to a higher one, or to another part of the same floor (FLOORS, MAY);
- from shared/ into a binding, or of what a runtime has and port/ does not list;
- files of shared/, or of micropython_module/, that use each other in a circle;
- a protocol's name in base/, io/ or core/, but for the names that Python sees.
The lwIP backend is compiled as for a board, with and without IPv6, warnings as errors. --arrows
prints which folder uses which.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SHARED = TOP / "shared"
BUILD = TOP / "build" / "layers"
BINDINGS = ("cpython", "micropython_module")

#: From the ground up: a part may use those of lower floors. What has no floor is a protocol.
FLOORS: list[tuple[str, ...]] = [("port",), ("base",), ("io",), ("core",), ("tls", "dns")]
ASIDE = {"util", "python", "open", *(part for parts in FLOORS for part in parts)}
PROTOCOLS = sorted(
    path.name for path in SHARED.iterdir() if path.is_dir() and path.name not in ASIDE
)
FLOORS += [tuple(PROTOCOLS), ("open",)]
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
#: Of the same floor: the handshake is HTTP. util/ stands aside: bindings use it, it uses the core.
MAY = {("ws", "http"), *(("util", part) for part in ("port", "base", "core"))}

#: Where no protocol is named, but in the data that Python sees: names, events, limits.
NAMELESS = ("base", "io", "core")
DATA = {"base/names.h", "base/names.c", "base/types.h"}
NAMED = re.compile(
    rf"\b(?:pmg|mg|PMG|MG)_(?:has_|ev_|is_)?(?:{'|'.join(PROTOCOLS)})(?:_\w+)?\b", re.I
)

#: What only a runtime has.
RUNTIME = re.compile(r"^_?(Py|mp_|mpy_|m_|nlr_|gc_|MP_)")

Arrow = tuple[str, str, str]  # file, file, and by which name


@dataclass
class Backend:
    """One way to compile shared/. `folders` of io/ belong to it; what is not in io/ is compiled as
    for the backend `like`."""

    name: str
    folders: tuple[str, ...]
    flags: list[str]
    like: str = ""
    defined: dict[str, str] = field(default_factory=dict)  # symbol -> file
    wanted: dict[str, set[str]] = field(default_factory=dict)  # file -> symbols

    def files(self) -> list[Path]:
        found = sorted(SHARED.glob("*/*.c"))
        for folder in self.folders:
            found += sorted(SHARED.glob(f"io/{folder}/*.c"))
        return found

    def object(self, file: Path) -> Path:
        inside = file.is_relative_to(SHARED / "io")
        return (
            BUILD / (self.name if inside else self.like or self.name) / file.relative_to(SHARED)
        ).with_suffix(".o")

    def stale(self, file: Path) -> bool:
        made = self.object(file)
        notes = made.with_suffix(".d")
        if not made.exists() or not notes.exists():
            return True
        words = notes.read_text().replace("\\\n", " ").split()[1:]
        made_at = made.stat().st_mtime_ns
        return any(not os.path.exists(w) or os.stat(w).st_mtime_ns > made_at for w in words)

    def compile(self, file: Path) -> str:
        """What the compiler had to say."""
        made = self.object(file)
        made.parent.mkdir(parents=True, exist_ok=True)
        run = ["cc", *self.flags, "-MMD", "-c", str(file), "-o", str(made)]
        return subprocess.run(run, capture_output=True, text=True).stderr

    def read(self) -> None:
        objects = {str(self.object(file)): rel(file) for file in self.files()}
        run = ["nm", "--print-file-name", "--portability", *objects]
        for line in subprocess.run(
            run, capture_output=True, text=True, check=True
        ).stdout.splitlines():
            path, _, rest = line.partition(": ")
            symbol, kind = rest.split()[:2]
            if kind == "U":
                self.wanted.setdefault(objects[path], set()).add(symbol)
            elif kind.isupper():
                self.defined[symbol] = objects[path]

    def arrows(self) -> list[Arrow]:
        return [
            (file, self.defined[symbol], symbol)
            for file, symbols in sorted(self.wanted.items())
            for symbol in sorted(symbols)
            if symbol in self.defined
        ]


def rel(file: Path) -> str:
    return str(file.relative_to(SHARED))


def source(name: str) -> str:
    run = [sys.executable, str(TOP / "tools" / "deps" / "deps.py"), "--path", name]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()


def backends() -> list[Backend]:
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]
    flags += ["-DMG_ARCH=MG_ARCH_CUSTOM", f"-I{SHARED}", f"-I{source('mongoose')}"]
    desktop = [*flags, "-DPMG_POSIX_FS=1", f"-I{source('mbedtls')}/include"]
    desktop += ['-DMBEDTLS_CONFIG_FILE="tls/mbedtls_config.h"']
    board = [*flags, "-DPMG_IO_LWIP=1", "-DPMG_BOARD=1", "-DPMG_HAS_TLS=0"]
    board += [f"-I{source('lwip')}/src/include", f"-I{TOP}/boards/lwip-check"]
    esp = [*desktop, "-DPMG_IO_ESP=1", f"-I{TOP}/boards/esp32/check/unix"]
    return [
        Backend("epoll", ("sock",), desktop),
        Backend("poll", ("sock",), [*desktop, "-DPMG_IO_POLL=1"], "epoll"),
        Backend("esp", ("sock", "esp"), esp),
        Backend("lwip", ("lwip",), [*board, "-DLWIP_IPV6=1"]),
        Backend("lwip4", ("lwip",), [*board, "-DLWIP_IPV6=0"], "lwip"),
    ]


def bare(text: str) -> str:
    """C without its comments and strings."""
    return re.sub(
        r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"",
        lambda m: "\n" * m[0].count("\n"),
        text,
        flags=re.S,
    )


def may(user: str, used: str) -> bool:
    a, b = user.split("/")[0], used.split("/")[0]
    if a == b or (a, b) in MAY or user == "pmg.h" or used == "pmg_version.h":
        return True
    return a in FLOOR and b in FLOOR and FLOOR[b] < FLOOR[a]


def includes() -> Iterable[Arrow]:
    for file in sorted(SHARED.rglob("*.[ch]")):
        for name in re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', file.read_text(), re.M):
            if name.startswith("py/") or name == "Python.h":
                yield rel(file), name, "#include"
                continue
            near, far = (file.parent / name).resolve(), SHARED / name
            target = near if near.exists() else far
            if target.exists():
                inside = target.is_relative_to(SHARED)
                yield rel(file), rel(target) if inside else str(target.relative_to(TOP)), "#include"


def circles(arrows: Iterable[Arrow]) -> list[list[str]]:
    """Sets of files in which each reaches each (Tarjan)."""
    graph: dict[str, set[str]] = {}
    for a, b, _ in arrows:
        if a != b:
            graph.setdefault(a, set()).add(b)
            graph.setdefault(b, set())
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in number:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == number[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def circle_faults(arrows: list[Arrow], where: str) -> Iterable[str]:
    for circle in circles(arrows):
        yield f"a circle in {where}: {', '.join(circle)}"
        for a, b, name in arrows:
            if a != b and a in circle and b in circle:
                yield f"    {a} -> {b}: {name}"


def defined_by_bindings() -> dict[str, str]:
    found = {}
    for folder in BINDINGS:
        for file in (TOP / folder).glob("*.c"):
            for name in re.findall(
                r"^(?!static)[\w\s*]*?\b(\w+)\([^;{]*\)\s*\{$", bare(file.read_text()), re.M
            ):
                found[name] = f"{folder}/{file.name}"
    return found


def upwards(backend: Backend, bindings: dict[str, str], allowed: set[str]) -> Iterable[str]:
    for user, used, name in backend.arrows():
        if not may(user, used):
            yield f"{user} uses {used}: {name}()"
    for file, symbols in sorted(backend.wanted.items()):
        for name in sorted(symbols - set(backend.defined) - allowed):
            if RUNTIME.match(name) or name in bindings:
                yield f"{file} uses {bindings.get(name, 'a runtime')}: {name}"
            elif name.startswith("pmg_"):
                yield f"{file} uses {name}, which neither shared/ nor port/ has"


def module_arrows() -> list[Arrow]:
    """Of micropython_module/, which is compiled with MicroPython alone: by its sources."""
    texts = {
        file.name: bare(file.read_text())
        for file in sorted((TOP / "micropython_module").glob("*.c"))
    }
    head = re.compile(
        r"^(?!static\b|typedef\b|#)[A-Za-z][\w\s*]*?\b(mpy_\w+)\s*(?:\([^;{]*\)\s*\{|(?:\[[^]]*\])?\s*=)"
        r"|^MP_(?:DEFINE_CONST|REGISTER)\w*\(\s*(mpy_\w+)",
        re.M,
    )
    owner = {}
    for name, text in texts.items():
        for match in head.finditer(text):
            owner[match[1] or match[2]] = name
    return [
        (name, owner[word], word)
        for name, text in texts.items()
        for word in sorted(set(re.findall(r"\bmpy_\w+", text)))
        if word in owner and owner[word] != name
    ]


def named() -> Iterable[str]:
    for part in NAMELESS:
        for file in sorted((SHARED / part).rglob("*.[ch]")):
            if rel(file) not in DATA:
                for name in sorted(set(NAMED.findall(bare(file.read_text())))):
                    yield f"{rel(file)} names a protocol: {name}"


def main(arguments: list[str]) -> int:
    if set(arguments) - {"--arrows"}:
        print(__doc__)
        return 0 if arguments in (["--help"], ["-h"]) else 2
    ways = backends()
    each = {way.object(file): (way, file) for way in reversed(ways) for file in way.files()}
    jobs = [(way, file) for way, file in each.values() if way.stale(file)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [said for said in pool.map(lambda job: job[0].compile(job[1]), jobs) if said]
    if failed:
        print("\n".join(failed), file=sys.stderr)
        return 1
    for way in ways:
        way.read()
    ported = "".join((SHARED / "port" / name).read_text() for name in ("port.h", "port_lwip.h"))
    allowed = set(re.findall(r"\bpmg_port_\w+(?=\()", ported))
    bindings = defined_by_bindings()
    included = list(includes())
    faults = {f"{user} includes {used}": None for user, used, _ in included if not may(user, used)}
    arrows: dict[Arrow, None] = {}
    for way in ways:
        faults |= dict.fromkeys(upwards(way, bindings, allowed))
        arrows |= dict.fromkeys(way.arrows())
    faults |= dict.fromkeys(circle_faults(list(arrows), "shared/"))
    faults |= dict.fromkeys(circle_faults(included, "the headers of shared/"))
    faults |= dict.fromkeys(circle_faults(module_arrows(), "micropython_module/"))
    faults |= dict.fromkeys(named())
    if "--arrows" in arguments:
        pairs = {(a.split("/")[0], b.split("/")[0]) for a, b, _ in arrows}
        for part in sorted({a for a, _ in pairs}):
            print(part, "->", *sorted(b for a, b in pairs if a == part and b != part))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
