# SPDX-License-Identifier: GPL-2.0-only
"""User-space instructions per request of pymongoose.web, by callgrind, beside a bare handler and others."""

from __future__ import annotations

from instructions import PATIENCE, N, collected
from peers import (
    HELLO,
    OUR_PYTHON,
    OUR_UNIX,
    OURS,
    OURS_UNIX,
    PYTHON,
    Peer,
    microdot_folder,
    script,
)
from runner import WORK, Run, Server, exchange

NAME = "routed"
TITLE = "Instructions per request through a router of ten routes, bare handler = 1"
PATTERN = b"GET /users/7 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HELLO_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

ROUTED = [
    Peer(OURS.name, script(OUR_PYTHON, "web_pymongoose.py"), ours=True),
    Peer(OURS_UNIX.name, script(OUR_UNIX, "web_pymongoose.py"), ours=True),
    next(peer for peer in HELLO if peer.name == "bjoern"),
    Peer(
        "Microdot, CPython",
        lambda port: script(PYTHON, "hello_microdot.py", microdot_folder())(port),
        "microdot",
        keep_alive=False,
    ),
]


def total(peer: Peer, request: bytes, count: int) -> int:
    out = WORK / "callgrind.out"
    out.unlink(missing_ok=True)
    wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
    with Server(peer.command, wrapper=wrapper, patience=PATIENCE) as server:
        if peer.keep_alive:
            with server.connect() as sock:
                for _ in range(count):
                    exchange(sock, request=request)
                server.stop()
        else:
            for _ in range(count):
                with server.connect() as sock:
                    exchange(sock, request=request)
            server.stop()
    return collected(out)


def per_request(peer: Peer, request: bytes) -> int:
    return round((total(peer, request, 3 * N) - total(peer, request, N)) / (2 * N))


def measure(run: Run) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for peer in run.peers(ROUTED):
        with run.trying(peer.name):
            row = rows.setdefault(peer.name, {})
            row["hello"] = per_request(peer, HELLO_REQUEST)
            if peer.ours:
                bare = next(each for each in (OURS, OURS_UNIX) if each.name == peer.name)
                row["bare"] = per_request(bare, HELLO_REQUEST)
                row["pattern"] = per_request(peer, PATTERN)
                row["hello, ratio"] = round(row["hello"] / row["bare"], 2)
                row["pattern, ratio"] = round(row["pattern"] / row["bare"], 2)
    return rows
