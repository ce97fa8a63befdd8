# SPDX-License-Identifier: GPL-2.0-only
"""How two workers share 400 keep-alive connections: what the one with fewer has of the requests."""

from __future__ import annotations

import collections
import time

from peers import OUR_PYTHON, OURS, PYTHON, Peer, script
from runner import Run, Server, descriptors, exchange, median

NAME = "workers"
TITLE = "Two workers, 400 connections: the lesser one's share of the requests, percent"
CONNECTIONS, ROUNDS = 400, 3
START_S = 2.0  # until the second one listens, too: nobody tells

TABLE = [
    Peer(OURS.name, script(OUR_PYTHON, "workers_pymongoose.py"), ours=True),
    Peer("uvicorn", script(PYTHON, "workers_uvicorn.py"), "uvicorn"),
]


def lesser(peer: Peer) -> float:
    counts: collections.Counter[bytes] = collections.Counter()
    with Server(peer.command) as server:
        time.sleep(START_S)
        socks = [server.connect() for _ in range(CONNECTIONS)]
        for _ in range(ROUNDS):
            for sock in socks:
                counts[exchange(sock, b"\r\n\r\n").rpartition(b"\r\n\r\n")[2]] += 1
        for sock in socks:
            sock.close()
    return 100 * min(counts.values()) / counts.total() if len(counts) > 1 else 0.0


def measure(run: Run) -> dict[str, dict[str, float]]:
    descriptors(CONNECTIONS + 200)
    taken: dict[str, list[float]] = {}
    for turn in range(run.rounds):
        for peer in run.peers(TABLE):
            with run.trying(f"{peer.name}, round {turn + 1} of {run.rounds}"):
                taken.setdefault(peer.name, []).append(lesser(peer))
    return {
        name: {"percent": round(median(shares), 1), "least": round(min(shares), 1)}
        for name, shares in taken.items()
    }
