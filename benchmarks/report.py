# SPDX-License-Identifier: GPL-2.0-only
"""Put the figures of build/bench.json into README.md, between its two marks."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import ratios
import targets

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "benchmarks" / "README.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"

# Absolute CPU times hold for one machine at one hour: ratios and counts are what is shown.
TABLES = {
    "instructions": ("Instructions per request", ("0 idle", "99 idle", "999 idle", "10000 idle")),
    "routed": (
        "Instructions per request through a router, and over a bare handler",
        ("hello", "pattern", "hello, ratio", "pattern, ratio"),
    ),
    "work": (
        "Instructions for a piece of work",
        (
            *("browser GET", "JSON POST", "upload 1 MB", "WS 64 KB", "WS text 64 KB"),
            *("WS str 64 KB", "TCP 64 KB", "UDP 64 B", "timer moved"),
        ),
    ),
    "work_cpu": (
        "CPU time for a piece of work, us",
        (
            *("browser GET", "JSON POST", "upload 1 MB", "WS 64 KB", "WS text 64 KB"),
            *("WS str 64 KB", "WS 16 MB", "TCP 64 KB", "UDP 64 B"),
        ),
    ),
    "syscalls": ("System calls per request", ("calls", "which")),
    "cpu": (
        "CPU time per request, C Mongoose = 1",
        ("1 conns, ratio", "16 conns, ratio", "100 conns, ratio", "1000 conns, ratio"),
    ),
    "websocket": (
        "CPU time per WebSocket echo, C Mongoose = 1, and picows = 1",
        ("16x1, ratio", "16x1, /picows", "1x32, ratio", "1x32, /picows"),
    ),
    "broadcast": (
        "CPU time per message of a broadcast to 1,000 WebSockets, C Mongoose = 1",
        ("to 1,000, ratio",),
    ),
    "mqtt": (
        "Instructions per MQTT message, client",
        ("QoS 0", "QoS 1", "QoS 2", "receive", "queue of 1", "queue of 1000"),
    ),
    "mqtt_cpu": (
        "CPU time per MQTT message, client, C Mongoose = 1",
        ("ratio QoS 0", "ratio QoS 1", "ratio QoS 2", "ratio receive"),
    ),
    "client": (
        "CPU time per GET, client, http.client = 1",
        ("ratio one connection", "ratio one each"),
    ),
    "tls": (
        "CPU time of TLS, nginx = 1",
        ("1.3 handshake, ratio", "1.2 handshake, ratio", "1.3 bulk, ratio"),
    ),
    "transfer": (
        "CPU time of a client for a download of 100 MB in pieces, http.client = 1",
        ("100 MB, ratio",),
    ),
    "workers": (
        "Two workers: the lesser one's share of the requests, percent",
        ("percent", "least"),
    ),
    "idle": ("Memory per idle connection, KiB", ("KiB",)),
    "heap": (
        "MicroPython's heap, bytes",
        ("request", "echo", "idle connection"),
    ),
    "startup": ("Start-up, ms", ("first reply", "import")),
    "static": ("Static file of 100 MB: MB/s, nginx without sendfile = 1", ("ratio",)),
}


def cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def markdown(first: str, columns: tuple[str, ...], rows: dict[str, dict[str, Any]]) -> str:
    heads = [
        column.removesuffix(", ratio").removeprefix("ratio ").replace(" conns", " connections")
        for column in columns
    ]
    lines = [f"| {first} | {' | '.join(heads)} |", "|---|" + "---|" * len(columns)]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(cell(row.get(column)) for column in columns)} |")
    return "\n".join(lines) + "\n"


def over_best(figures: dict[str, Any]) -> str:
    """Each row of CPU time that has a peer: ours over the best of them, the worst first."""
    lines = ["| Ours over the best peer, CPU time | CPython | MicroPython | the best peer |"]
    lines.append("|---|---|---|---|")
    for what, ours, peer in ratios.rows(figures):
        cells = " | ".join(cell(ours.get(name)) for name in ratios.OURS)
        lines.append(f"| {what} | {cells} | {peer} |")
    return "\n".join(lines) + "\n"


def runs(figures: dict[str, Any]) -> list[str]:
    """Which kinds were taken together."""
    found: dict[str, list[str]] = {}
    for kind, figure in figures.items():
        run = f"at commit {figure['commit']}, {figure['rounds']} rounds"
        found.setdefault(run, []).append(f"`{kind}`")
    return [f"- {', '.join(kinds)}: {run}" for run, kinds in found.items()]


def main() -> int:
    source = ROOT / "build" / "bench.json"
    if not source.exists():
        sys.exit("figures: there is no build/bench.json: make bench writes it")
    result = json.loads(source.read_text())
    figures, machine = result["figures"], result["machine"]
    dates = sorted({figure["taken"][:10] for figure in figures.values()})
    versions = ", ".join(f"{name} {version}" for name, version in result["peers"].items())
    parts = [
        f"Taken on {' and '.join(dates)}: {machine['cores']} cores ({machine['processor']}), "
        f"Linux {machine['kernel']}, {machine['python']}, gcc {machine['gcc']}; {versions}.\n",
        "".join(f"{line}\n" for line in runs(figures)),
        markdown("To reach", ("wanted", "measured", "reached"), targets.rows(figures)),
        over_best(figures),
    ]
    for kind, (title, columns) in TABLES.items():
        if kind in figures:
            parts.append(markdown(title, columns, figures[kind]["rows"]))
    text = README.read_text()
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.S)
    new = BEGIN + "\n" + "\n".join(parts) + "\n" + END
    README.write_text(pattern.sub(lambda _: new, text))
    print(f"figures: {README.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
