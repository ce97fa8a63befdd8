# SPDX-License-Identifier: GPL-2.0-only
"""The figures that this project set itself to reach, and how they are read from the tables."""

from __future__ import annotations

from typing import Any, NamedTuple

CPYTHON, UNIX = "pymongoose, CPython", "pymongoose, MicroPython"
BOTH = (CPYTHON, UNIX)
EITHER = (*BOTH, "MqttSession, CPython", "MqttSession, MicroPython")
ALONE = "0 idle"


class Target(NamedTuple):
    what: str
    kind: str
    column: str
    limit: float
    whose: tuple[str, ...] = BOTH
    over_alone: bool = False  # divided by the count without idle connections
    at_least: bool = False


TARGETS = [
    Target("instructions/request, alone", "instructions", ALONE, 4000, (CPYTHON,)),
    Target("instructions/request, alone", "instructions", ALONE, 4700, (UNIX,)),
    Target("... beside 99 idle, over alone", "instructions", "99 idle", 1.05, over_alone=True),
    Target("... beside 999 idle, over alone", "instructions", "999 idle", 1.05, over_alone=True),
    Target("... beside 10,000, over alone", "instructions", "10000 idle", 1.05, over_alone=True),
    Target("instructions of a browser's GET, 10 KB", "work", "browser GET", 18_000),
    Target("hello by a router over a bare handler", "routed", "hello, ratio", 1.6, (CPYTHON,)),
    Target("hello by a router over a bare handler", "routed", "hello, ratio", 1.9, (UNIX,)),
    Target("a pattern by a router over a bare handler", "routed", "pattern, ratio", 2.2),
    Target("system calls/request", "syscalls", "calls", 3),
    Target("CPU/request, 100 connections, over C Mongoose", "cpu", "100 conns, ratio", 1.15),
    Target("KiB per idle connection", "idle", "KiB", 1),
    Target("MQTT QoS 0, CPU over C Mongoose", "mqtt_cpu", "ratio QoS 0", 1.4, EITHER),
    Target("MQTT QoS 1, CPU over C Mongoose", "mqtt_cpu", "ratio QoS 1", 1.2, EITHER),
    Target("WebSocket 16x1, CPU over picows", "websocket", "16x1, /picows", 0.9),
    Target(
        "GET on one connection, CPU over http.client",
        "client",
        "ratio one connection",
        1,
        (CPYTHON,),
    ),
    Target("GET on one each, CPU over http.client", "client", "ratio one each", 1, (CPYTHON,)),
    Target("WebSocket 1x32, CPU over C Mongoose", "websocket", "1x32, ratio", 1.1),
    Target("WebSocket 64 KB, CPU over the best peer", "work_cpu", "WS 64 KB, ratio", 1),
    Target("... of text, taken as bytes", "work_cpu", "WS text 64 KB, ratio", 1),
    Target("... of text, taken as str", "work_cpu", "WS str 64 KB, ratio", 1),
    Target("WebSocket 16 MB, CPU over picows", "work_cpu", "WS 16 MB, ratio", 1),
    Target("TCP echo of 64 KB, CPU over the best peer", "work_cpu", "TCP 64 KB, ratio", 1),
    Target("UDP echo, CPU over the best peer", "work_cpu", "UDP 64 B, ratio", 1),
    Target("upload of 1 MB, CPU over the best peer", "work_cpu", "upload 1 MB, ratio", 1),
    Target("download of 100 MB, CPU over http.client", "transfer", "100 MB, ratio", 1),
    Target("broadcast to 1,000, CPU over C Mongoose", "broadcast", "to 1,000, ratio", 1),
    Target(
        "two workers, the lesser one's percent", "workers", "percent", 40, (CPYTHON,), at_least=True
    ),
    Target("heap bytes per request", "heap", "request", 64, (UNIX,)),
    Target("file of 100 MB, MB/s over nginx", "static", "ratio", 0.7, at_least=True),
]


def rows(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for target in TARGETS:
        for name in target.whose:
            row = figures.get(target.kind, {}).get("rows", {}).get(name, {})
            value = row.get(target.column)
            if value is not None and target.over_alone:
                value = round(value / row[ALONE], 3) if row.get(ALONE) else None
            cells = {
                "wanted": f"{'>=' if target.at_least else '<='} {target.limit:g}",
                "measured": value,
            }
            if value is not None:
                far = value < target.limit if target.at_least else value > target.limit
                cells["reached"] = "NO" if far else "yes"
            whose = name.removeprefix("pymongoose, ")
            found[f"{target.what} ({whose})"] = cells
    return found
