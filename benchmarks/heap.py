# SPDX-License-Identifier: GPL-2.0-only
"""Bytes of MicroPython's GC heap, which a board collects: per request, per echo, per open connection.

The collector is off while they are counted. A request and an echo are counted as the growth over N
of them on one connection, a connection as what a collection leaves beside N that made a request and
stay. On the unix port the core's own memory is not in it: there it is the C library's.
"""

from __future__ import annotations

import socket

from peers import OUR_UNIX, OURS_UNIX, Peer, script
from runner import Run, Server, exchange
from work import exactly, masked_frame, upgraded

NAME = "heap"
TITLE = "Bytes of MicroPython's heap (GC) per request, per echo of 64 bytes, per idle connection"
N = 200
PEER = Peer(OURS_UNIX.name, script(OUR_UNIX, "heap_pymongoose.py"), ours=True)
FRAME = masked_frame(1, b"x" * 64)


def ask(sock: socket.socket, path: bytes) -> int:
    request = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path
    return int(exchange(sock, b"\r\n\r\n", request).rpartition(b"\r\n\r\n")[2])


def control(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port + 1), timeout=60)


def growth(sock: socket.socket, one) -> float:
    """Bytes for one: the difference over N, less what the question takes itself."""
    for _ in range(10):
        one()
    first = ask(sock, b"/used")
    question = ask(sock, b"/used") - first
    before = ask(sock, b"/used")
    for _ in range(N):
        one()
    return (ask(sock, b"/used") - before - question) / N


def measure(run: Run) -> dict[str, dict[str, float]]:
    row: dict[str, float] = {}
    for peer in run.peers([PEER]):
        with run.trying(peer.name), Server(peer.command) as server, control(server) as sock:
            with server.connect() as one, control(server) as other:
                row["request"] = round(growth(sock, lambda one=one: exchange(one)))
                upgraded(other, b"/ws")

                def echo(other: socket.socket = other) -> None:
                    other.sendall(FRAME)
                    exactly(other, 66)

                row["echo"] = round(growth(sock, echo))
            ask(sock, b"/collect")
            before = ask(sock, b"/collect")
            idle = [server.connect() for _ in range(N)]
            for one in idle:
                exchange(one)
            row["idle connection"] = round((ask(sock, b"/collect") - before) / N)
            for one in idle:
                one.close()
    return {PEER.name: row} if row else {}
