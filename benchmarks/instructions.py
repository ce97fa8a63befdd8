# SPDX-License-Identifier: GPL-2.0-only
"""User-space instructions per request, by callgrind.

One connection makes N requests; then, with a new server, 3N. The difference of both totals over
2N is the cost of a request: start, connecting and end fall out. Beside it stay connections that
made one request each.
"""

from __future__ import annotations

import re
from pathlib import Path

from peers import HELLO, Peer
from runner import WORK, BenchError, Run, Server, descriptors, idle_connections, requests

NAME = "instructions"
TITLE = "Instructions per request (user space), one busy connection beside idle ones"
IDLE = (0, 99, 999)
IDLE_OURS = (*IDLE, 10_000)
N = 300
N_WALKS = 40  # where each request walks a thousand connections
PATIENCE = 120


def total(peer: Peer, count: int, idle: int) -> int:
    out = WORK / "callgrind.out"
    out.unlink(missing_ok=True)
    wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
    with (
        Server(peer.command, wrapper=wrapper, patience=PATIENCE) as server,
        idle_connections(server, idle),
    ):
        requests(server, count)
        # By a signal, while all connections stand: idle turns and the ends of the connections are
        # no part of a request.
        server.stop()
    return collected(out)


def collected(out: Path) -> int:
    text = out.read_text() if out.exists() else ""
    match = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
    if match is None:
        raise BenchError("callgrind wrote no total")
    return int(match.group(1))


def per_request(peer: Peer, idle: int) -> float:
    n = N_WALKS if peer.walks and idle > 500 else N
    return (total(peer, 3 * n, idle) - total(peer, n, idle)) / (2 * n)


def measure(run: Run) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for peer in run.peers(HELLO, keep_alive=True, one_process=True):
        for idle in IDLE_OURS if peer.ours else IDLE:
            with run.trying(f"{peer.name}, {idle} idle"):
                if not descriptors(idle + 200):
                    raise BenchError(
                        f"the limit of open files is too low (ulimit -Hn): {idle} are needed"
                    )
                rows.setdefault(peer.name, {})[f"{idle} idle"] = round(per_request(peer, idle))
    return rows
