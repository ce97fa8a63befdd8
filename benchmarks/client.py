# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of a client per GET of 1,000 bytes, the system's part included.

A client makes N requests, on one connection or on one each; then, a new one, 3N. The difference over 2N
is a request. Clients take turns, figures are medians. The server is a few lines of ours.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import threading
from statistics import median

from peers import OUR_PYTHON, OUR_UNIX, PYTHON, Peer, script
from runner import SERVER_CORE, BenchError, Run

NAME = "client"
TITLE = "CPU time per GET of 1,000 bytes, client, us; ratio over http.client"
CASES = {"kept": "one connection", "new": "one each"}
N = {"kept": 10_000, "new": 1500}
PATIENCE = 300
THEIRS = "http.client"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
)

TABLE = [
    Peer("pymongoose, CPython", script(OUR_PYTHON, "get_pymongoose.py"), ours=True),
    Peer("pymongoose, MicroPython", script(OUR_UNIX, "get_pymongoose.py"), ours=True),
    Peer(THEIRS, script(PYTHON, "get_http_client.py")),
]


class Site:
    """Answers each head that comes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._serve(self.listener.accept()[0])  # one client, one connection at a time

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = b""
            while piece := sock.recv(65536):
                data += piece
                if data.endswith(b"\r\n\r\n"):
                    sock.sendall(ANSWER)
                    data = b""

    def close(self) -> None:
        self.listener.close()


def seconds(peer: Peer, site: Site, case: str, count: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*peer.command(site.port), case, str(count)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    if done.returncode != 0:
        raise BenchError(f"the client ended with {done.returncode}: {done.stderr[-300:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(run: Run) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, list[float]]] = {}
    with contextlib.closing(Site()) as site:
        for _ in range(run.rounds):
            for peer in run.peers(TABLE):
                for case, name in CASES.items():
                    with run.trying(f"{peer.name}, {name}"):
                        n = N[case]
                        cost = seconds(peer, site, case, 3 * n) - seconds(peer, site, case, n)
                        found.setdefault(peer.name, {}).setdefault(name, []).append(cost / (2 * n))
    rows: dict[str, dict[str, float]] = {
        peer: {name: round(median(costs) * 1e6, 1) for name, costs in row.items()}
        for peer, row in found.items()
    }
    theirs = rows.get(THEIRS, {})
    for row in rows.values():
        for name in CASES.values():
            if row.get(name) and theirs.get(name):
                row[f"ratio {name}"] = round(row[name] / theirs[name], 2)
    return rows
