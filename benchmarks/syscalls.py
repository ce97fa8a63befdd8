# SPDX-License-Identifier: GPL-2.0-only
"""System calls per request, counted by strace as instructions.py counts instructions."""

from __future__ import annotations

from peers import HELLO, Peer
from runner import WORK, BenchError, Run, Server, requests

NAME = "syscalls"
TITLE = "System calls per request, one keep-alive connection"
N = 500


def counts(peer: Peer, count: int) -> dict[str, int]:
    out = WORK / "strace.out"
    wrapper = ["strace", "--summary-only", "--follow-forks", f"--output={out}"]
    with Server(peer.command, wrapper=wrapper) as server:
        # strace passes no signal on: its child is ended, and it writes its table.
        child = server.pids()[1]
        requests(server, count)
        server.stop(pid=child)
    table = {}
    for line in out.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
            table[fields[-1]] = int(fields[3])
    if not table:
        raise BenchError("strace wrote no table")
    return table


def measure(run: Run) -> dict[str, dict[str, float | str]]:
    rows: dict[str, dict[str, float | str]] = {}
    for peer in run.peers(HELLO, keep_alive=True):
        with run.trying(peer.name):
            few, many = counts(peer, N), counts(peer, 3 * N)
            each = {name: (many[name] - few.get(name, 0)) / (2 * N) for name in many}
            names = sorted((name for name in each if each[name] >= 0.05), key=lambda n: -each[n])
            rows[peer.name] = {
                "calls": round(sum(each.values()), 1),
                "which": ", ".join(f"{name} {each[name]:.3g}" for name in names),
            }
    return rows
