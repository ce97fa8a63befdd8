# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of the server per message of a broadcast: one of 64 bytes of text goes to 1,000 WebSockets."""

from __future__ import annotations

import select
import socket

from cpu import in_turns
from peers import C_MONGOOSE, OUR_PYTHON, OUR_UNIX, OURS, OURS_UNIX, PYTHON, Peer, mongoose, script
from runner import BenchError, Run, Server, descriptors
from work import masked_frame, upgraded

NAME = "broadcast"
TITLE = "CPU time of the server per WebSocket message delivered to 1,000, us; ratio over C Mongoose"
COUNT = 1000
MESSAGES = 30
FRAME = masked_frame(1, b"x" * 64)
LENGTH = 66

TABLE = [
    Peer(OURS.name, script(OUR_PYTHON, "broadcast_pymongoose.py"), ours=True),
    Peer(OURS_UNIX.name, script(OUR_UNIX, "broadcast_pymongoose.py"), ours=True),
    Peer(C_MONGOOSE.name, mongoose("broadcast")),
    Peer("picows", script(PYTHON, "broadcast_picows.py"), "picows"),
    Peer("websockets", script(PYTHON, "broadcast_websockets.py"), "websockets"),
]


def said(socks: list[socket.socket], poller: select.epoll) -> None:
    """One message, until all have it."""
    missing = {sock.fileno(): LENGTH for sock in socks}
    by_number = {sock.fileno(): sock for sock in socks}
    socks[0].sendall(FRAME)
    while missing:
        ready = poller.poll(30)
        if not ready:
            raise BenchError(f"{len(missing)} never heard of it")
        for number, _ in ready:
            missing[number] -= len(by_number[number].recv(LENGTH))
            if missing[number] == 0:
                del missing[number]


def under_load(peer: Peer, count: int) -> float:
    """Microseconds per message and receiver."""
    with Server(peer.command) as server:
        socks = [server.connect() for _ in range(count)]
        try:
            with select.epoll() as poller:
                for sock in socks:
                    upgraded(sock)
                    poller.register(sock, select.EPOLLIN)
                said(socks, poller)
                before = server.cpu_seconds()
                for _ in range(MESSAGES):
                    said(socks, poller)
                return (server.cpu_seconds() - before) / (MESSAGES * count) * 1e6
        finally:
            for sock in socks:
                sock.close()


def measure(run: Run) -> dict[str, dict[str, float]]:
    descriptors(COUNT + 200)
    return in_turns(
        run, run.peers(TABLE), {"to 1,000": COUNT}, under_load, {"ratio": C_MONGOOSE.name}
    )
