# SPDX-License-Identifier: GPL-2.0-only
"""Start-up, in milliseconds: what the import costs, and a server's first reply."""

from __future__ import annotations

import os
import subprocess
import time

from peers import HELLO, OUR_PYTHON, OUR_UNIX, PYTHON, Peer
from runner import BenchError, Run, Server, exchange, median

NAME = "startup"
TITLE = "Start-up, ms: from the start of the process to the first reply; CPU time of the import"
TURNS = 2  # of each round: they are short


def cpu_ms(command: list[str]) -> float:
    """User and system time of a command. Of itself: on a busy machine the clock says little."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchError(f"{' '.join(command)}: exit status {process.returncode}")
    return (used.ru_utime + used.ru_stime) * 1e3


def imported(peer: Peer) -> tuple[str, str] | None:
    """The interpreter and the module of a peer, where it is one."""
    if peer.ours:
        python = OUR_UNIX if "MicroPython" in peer.name else OUR_PYTHON
        return str(python), "pymongoose"
    names = {
        "bjoern": "bjoern",
        "cymongoose": "cymongoose",
        "uvicorn": "uvicorn",
        "aiohttp": "aiohttp.web",
    }
    return (str(PYTHON), names[peer.name]) if peer.name in names else None


def first_reply(peer: Peer) -> float:
    begun = time.monotonic()
    with Server(peer.command) as server:
        with server.connect() as sock:
            exchange(sock)
        return (time.monotonic() - begun) * 1e3


def measure(run: Run) -> dict[str, dict[str, float]]:
    bare: dict[str, list[float]] = {}
    full: dict[str, list[float]] = {}
    reply: dict[str, list[float]] = {}
    turns = TURNS * run.rounds
    for turn in range(turns):
        for peer in run.peers(HELLO):
            with run.trying(f"{peer.name}, round {turn + 1} of {turns}"):
                reply.setdefault(peer.name, []).append(first_reply(peer))
                if module := imported(peer):
                    python, name = module
                    for _ in range(2):  # the first of two finds everything cold
                        bare.setdefault(peer.name, []).append(cpu_ms([python, "-c", "pass"]))
                        full.setdefault(peer.name, []).append(
                            cpu_ms([python, "-c", f"import {name}"])
                        )
    rows: dict[str, dict[str, float]] = {}
    for name, values in reply.items():
        rows[name] = {"first reply": round(median(values), 1)}
        if name in full:  # a small difference of two noisy times: the least of each holds
            rows[name]["import"] = round(min(full[name]) - min(bare[name]), 1)
    return rows
