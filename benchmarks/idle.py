# SPDX-License-Identifier: GPL-2.0-only
"""Memory per idle connection: growth of private dirty pages over 1,000 connections.

Each made one request and stays open. What the kernel keeps for a socket is not in it.
"""

from __future__ import annotations

from peers import HELLO
from runner import Run, Server, descriptors, idle_connections, requests

NAME = "idle"
TITLE = "KiB per idle connection after one request, over 1,000 connections"
COUNT = 1000
WARM_UP = 10


def measure(run: Run) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    descriptors(COUNT + 200)
    for peer in run.peers(HELLO, keep_alive=True):
        with run.trying(peer.name), Server(peer.command) as server:
            requests(server, WARM_UP)
            before = server.private_kib()
            with idle_connections(server, COUNT):
                rows[peer.name] = {"KiB": round((server.private_kib() - before) / COUNT, 2)}
    return rows
