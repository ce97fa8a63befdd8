# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of the server, the system's part included, for the pieces of work of work.py, and for a
WebSocket message of 16 MB. Ratios are over the best of the others in the same round.
"""

from __future__ import annotations

import os
import time

from peers import Peer
from runner import Run, Server, median
from work import CASES, connected, sends_frames, whose

NAME = "work_cpu"
TITLE = "CPU time of the server for a piece of work, us; ratio over the best peer"
SECONDS = 0.7  # a run, about
WARM_UP = 20
HUGE = 16 << 20


def one_run(peer: Peer, case: str, begin) -> float:
    """Microseconds for one."""
    with Server(peer.command) as server, connected(server, case) as sock:
        one = begin(sock)
        for _ in range(2):
            one()
        begun, count = time.monotonic(), 0
        while count < WARM_UP and time.monotonic() - begun < SECONDS:
            one()
            count += 1
        count = max(2, int(SECONDS * count / (time.monotonic() - begun)))
        before = server.cpu_seconds()
        for _ in range(count):
            one()
        return (server.cpu_seconds() - before) / count * 1e6


def measure(run: Run) -> dict[str, dict[str, float]]:
    cases = {**CASES, "WS 16 MB": ("huge", sends_frames(2, os.urandom(HUGE)))}
    taken: dict[str, dict[str, dict[int, float]]] = {label: {} for label in cases}
    ours: set[str] = set()
    for turn in range(run.rounds):
        for label, (case, begin) in cases.items():
            for peer in run.peers(whose(case)):
                if peer.ours:
                    ours.add(peer.name)
                with run.trying(f"{peer.name}, {label}, round {turn + 1} of {run.rounds}"):
                    taken[label].setdefault(peer.name, {})[turn] = one_run(peer, case, begin)
    rows: dict[str, dict[str, float]] = {}
    for label, values in taken.items():
        for name, turns in values.items():
            row = rows.setdefault(name, {})
            row[label] = round(median(turns.values()), 1)
            others = [other for peer, other in values.items() if peer not in ours]
            best = {
                turn: min(other[turn] for other in others if turn in other)
                for turn in turns
                if any(turn in other for other in others)
            }
            if best:
                row[f"{label}, ratio"] = round(median(turns[turn] / best[turn] for turn in best), 2)
    return rows
