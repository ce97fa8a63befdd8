# SPDX-License-Identifier: GPL-2.0-only
"""The figures that this project set itself to reach, and how they are read from the tables."""

from __future__ import annotations

from typing import Any

CPYTHON, UNIX = "pymongoose, CPython", "pymongoose, MicroPython"

# What, for whom, kind, column, divided by (server and column, or None), at most (or at least).
# An instruction count is held against the count without idle connections.
TARGETS: list[tuple[str, str, str, str, tuple[str, str] | None, float, bool]] = [
    ("instructions/request, alone", CPYTHON, "instructions", "0 idle", None, 6000, True),
    (
        "... with 99 idle, over alone",
        CPYTHON,
        "instructions",
        "99 idle",
        (CPYTHON, "0 idle"),
        1.05,
        True,
    ),
    (
        "... with 999 idle, over alone",
        CPYTHON,
        "instructions",
        "999 idle",
        (CPYTHON, "0 idle"),
        1.05,
        True,
    ),
    (
        "... with 10,000 idle, over alone",
        CPYTHON,
        "instructions",
        "10000 idle",
        (CPYTHON, "0 idle"),
        1.05,
        True,
    ),
    ("instructions/request, alone", UNIX, "instructions", "0 idle", None, 7000, True),
    (
        "... with 999 idle, over alone",
        UNIX,
        "instructions",
        "999 idle",
        (UNIX, "0 idle"),
        1.05,
        True,
    ),
    (
        "... with 10,000 idle, over alone",
        UNIX,
        "instructions",
        "10000 idle",
        (UNIX, "0 idle"),
        1.05,
        True,
    ),
    ("system calls/request", CPYTHON, "syscalls", "calls", None, 3.05, True),
    ("system calls/request", UNIX, "syscalls", "calls", None, 3.05, True),
    (
        "CPU/request at 100 connections, over C Mongoose",
        CPYTHON,
        "cpu",
        "100 conns, ratio",
        None,
        1.15,
        True,
    ),
    (
        "CPU/request at 100 connections, over C Mongoose",
        UNIX,
        "cpu",
        "100 conns, ratio",
        None,
        1.15,
        True,
    ),
    ("KiB per idle connection", CPYTHON, "idle", "KiB", None, 1.0, True),
    ("KiB per idle connection", UNIX, "idle", "KiB", None, 1.0, True),
    (
        "WebSocket 16x1, CPU over picows",
        CPYTHON,
        "websocket",
        "16x1",
        ("picows", "16x1"),
        0.9,
        True,
    ),
    ("WebSocket 16x1, CPU over picows", UNIX, "websocket", "16x1", ("picows", "16x1"), 0.9, True),
    ("WebSocket 1x32, CPU over C Mongoose", CPYTHON, "websocket", "1x32, ratio", None, 1.25, True),
    ("WebSocket 1x32, CPU over C Mongoose", UNIX, "websocket", "1x32, ratio", None, 1.25, True),
    ("static file of 100 MB, MB/s over nginx", CPYTHON, "static", "ratio", None, 0.7, False),
    ("static file of 100 MB, MB/s over nginx", UNIX, "static", "ratio", None, 0.7, False),
]


def rows(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for what, who, kind, column, over, limit, at_most in TARGETS:
        table = figures.get(kind, {}).get("rows", {})
        value = table.get(who, {}).get(column)
        if value is not None and over is not None:
            base = table.get(over[0], {}).get(over[1])
            value = round(value / base, 3) if base else None
        row = {"wanted": f"{'<=' if at_most else '>='} {limit:g}", "measured": value}
        if value is not None:
            row["reached"] = "yes" if (value <= limit if at_most else value >= limit) else "NO"
        found[f"{what} ({who.partition(', ')[2]})"] = row
    return found
