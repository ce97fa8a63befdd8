# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of an MQTT client per message of 64 bytes, the system's part included; as mqtt.py.

Clients take turns; of each the difference of a run of 3N messages and one of N over 2N, and of the turns
the median.
"""

from __future__ import annotations

import resource
from statistics import median

from mqtt import C_MONGOOSE, CASES, TABLE, talk
from peers import Peer
from runner import Run

NAME = "mqtt_cpu"
TITLE = "CPU time per MQTT message of 64 bytes, client, us; ratio over C Mongoose"
N = 16_000


def seconds(peer: Peer, case: str, count: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    talk(peer, case, count)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(run: Run) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(run.rounds):
        for peer in run.peers(TABLE):
            for case, name in CASES.items():
                with run.trying(f"{peer.name}, {name}"):
                    cost = (seconds(peer, case, 3 * N) - seconds(peer, case, N)) / (2 * N) * 1e6
                    found.setdefault(peer.name, {}).setdefault(name, []).append(cost)
    rows: dict[str, dict[str, float]] = {
        peer: {name: round(median(costs), 2) for name, costs in row.items()}
        for peer, row in found.items()
    }
    theirs = rows.get(C_MONGOOSE, {})
    for row in rows.values():
        for name in CASES.values():
            if row.get(name) and theirs.get(name):
                row[f"ratio {name}"] = round(row[name] / theirs[name], 2)
    return rows
