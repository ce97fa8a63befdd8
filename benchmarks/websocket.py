# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of the server per WebSocket message that it echoes, 64 bytes of text.

16x1: 16 connections, each waiting for its echo. 1x32: one connection with 32 messages in flight.
The client is ws_load.c for all; turns and medians as in cpu.py.
"""

from __future__ import annotations

from cpu import in_turns
from peers import C_MONGOOSE, ECHO, Peer, ws_load
from runner import Run, Server, client

NAME = "websocket"
TITLE = "CPU time of the server per WebSocket echo (64 bytes of text), us; ratio over C Mongoose"
CASES = {"16x1": (16, 1), "1x32": (1, 32)}
WARM_UP = 5_000
SECONDS = 1.0  # how long a run lasts, about
MOST = 2_000_000


def under_load(peer: Peer, case: tuple[int, int]) -> float:
    """Microseconds per message."""
    connections, window = case
    with Server(peer.command) as server:
        load = [str(ws_load()), str(server.port), str(connections), str(window)]
        seconds = float(client([*load, str(WARM_UP)], 60).split()[1])
        messages = min(MOST, max(WARM_UP, int(WARM_UP * SECONDS / seconds)))
        before = server.cpu_seconds()
        client([*load, str(messages)], 120)
        return (server.cpu_seconds() - before) / messages * 1e6


def measure(run: Run) -> dict[str, dict[str, float]]:
    over = {"ratio": C_MONGOOSE.name, "/picows": "picows"}
    return in_turns(run, run.peers(ECHO), CASES, under_load, over)
