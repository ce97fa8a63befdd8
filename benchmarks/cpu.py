# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of the server per request, under wrk.

User and system time of the server's processes over a run of wrk, divided by the requests that wrk
counted. The servers take turns, because a shared machine is quick at one minute and slow at the
next: a ratio is of the same round, and what is shown is the median of all rounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from peers import C_MONGOOSE, HELLO, Peer
from runner import BenchError, Run, Server, client, descriptors, median, requests

NAME = "cpu"
TITLE = "CPU time of the server per request (user and system), us; ratio over C Mongoose"
CONNECTIONS = (1, 16, 100, 1000)
SECONDS = 1
WARM_UP = 500  # caches, specialized bytecode


def under_wrk(peer: Peer, connections: int) -> float:
    """Microseconds per request."""
    with Server(peer.command) as server:
        if peer.keep_alive:
            requests(server, WARM_UP)
        load = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "10s"]
        before = server.cpu_seconds()
        text = client([*load, f"http://127.0.0.1:{server.port}/"], 60)
        used = server.cpu_seconds() - before
    done = re.search(r"(\d+) requests in", text)
    if done is None or int(done.group(1)) == 0 or "Non-2xx" in text:
        raise BenchError(f"wrk: {text.strip().splitlines()[-1]}")
    return used / int(done.group(1)) * 1e6


def in_turns(
    run: Run,
    peers: list[Peer],
    cases: dict[str, Any],
    one: Callable[[Peer, Any], float],
    over: dict[str, str],
) -> dict[str, dict[str, float]]:
    """The table of medians of `one`, and of its ratios over the servers named in `over`."""
    taken: dict[tuple[str, str], dict[int, float]] = {}
    for turn in range(run.rounds):
        for label, case in cases.items():
            for peer in peers:
                with run.trying(f"{peer.name}, {label}, round {turn + 1} of {run.rounds}"):
                    taken.setdefault((peer.name, label), {})[turn] = one(peer, case)
    rows: dict[str, dict[str, float]] = {}
    for (name, label), values in taken.items():
        if not values:
            continue
        row = rows.setdefault(name, {})
        row[label] = round(median(values.values()), 2)
        for column, reference in over.items():
            base = taken.get((reference, label), {})
            ratios = [values[turn] / base[turn] for turn in values if base.get(turn)]
            if ratios:
                row[f"{label}, {column}"] = round(median(ratios), 2)
    return rows


def measure(run: Run) -> dict[str, dict[str, float]]:
    cases = {f"{n} conns": n for n in CONNECTIONS if descriptors(n + 200)}
    return in_turns(run, run.peers(HELLO), cases, under_wrk, {"ratio": C_MONGOOSE.name})
