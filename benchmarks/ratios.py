# SPDX-License-Identifier: GPL-2.0-only
"""Ours over the best peer, of all tables of CPU time: one list, the worst first."""

from __future__ import annotations

from typing import Any

from targets import CPYTHON, UNIX

OURS = (CPYTHON, UNIX)
# Whose figures are ours, or nobody's choice: C written by hand to what a loop allows at the least.
NO_PEERS = ("pymongoose", "MqttSession", "C Mongoose, flushed by hand", "MicroPython sockets")

#: kind: what its columns measure; None: all columns without a "ratio" or "/".
KINDS = {
    "work_cpu": "",
    "cpu": "hello, ",
    "websocket": "WebSocket echo of 64 bytes, ",
    "broadcast": "broadcast ",
    "mqtt_cpu": "MQTT client, ",
    "tls": "TLS ",
    "transfer": "download of ",
}


def columns(rows: dict[str, dict[str, Any]]) -> list[str]:
    found = dict.fromkeys(column for row in rows.values() for column in row)
    return [column for column in found if "ratio" not in column and "/" not in column]


def rows(figures: dict[str, Any]) -> list[tuple[str, dict[str, float], str]]:
    """(what, {ours: ratio}, the best peer)"""
    found = []
    for kind, prefix in KINDS.items():
        table = figures.get(kind, {}).get("rows", {})
        for column in columns(table):
            peers = {
                name: row[column]
                for name, row in table.items()
                if row.get(column) and not name.startswith(NO_PEERS)
            }
            ours = {name: table[name][column] for name in OURS if table.get(name, {}).get(column)}
            if peers and ours:
                best = min(peers, key=lambda name: peers[name])
                ratio = {name: round(value / peers[best], 2) for name, value in ours.items()}
                found.append((prefix + column, ratio, best))
    return sorted(found, key=lambda row: -max(row[1].values()))
