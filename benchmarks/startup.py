# SPDX-License-Identifier: GPL-2.0-only
"""Start-up, in milliseconds: what the import costs, and a server's first reply."""

from __future__ import annotations

import subprocess
import time

from peers import HELLO, OUR_PYTHON, OUR_UNIX, PYTHON, Peer
from runner import Run, Server, exchange, median

NAME = "startup"
TITLE = "Start-up, ms: what the import adds to the interpreter's own start; from the start of the process to the first reply"
TURNS = 2  # of each round: they are short


def run_ms(command: list[str]) -> float:
    begun = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return (time.monotonic() - begun) * 1e3


def imported(peer: Peer) -> list[str] | None:
    """The interpreter and the module of a peer, where it is one."""
    if peer.ours:
        python = OUR_UNIX if "MicroPython" in peer.name else OUR_PYTHON
        return [str(python), "pymongoose"]  # as a user starts it: with the site's packages
    names = {
        "bjoern": "bjoern",
        "cymongoose": "cymongoose",
        "uvicorn": "uvicorn",
        "aiohttp": "aiohttp.web",
    }
    return [str(PYTHON), names[peer.name]] if peer.name in names else None


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
                    command = [*module[:-1], "-c"]
                    bare.setdefault(peer.name, []).append(run_ms([*command, "pass"]))
                    full.setdefault(peer.name, []).append(
                        run_ms([*command, f"import {module[-1]}"])
                    )
    rows: dict[str, dict[str, float]] = {}
    for name, values in reply.items():
        rows[name] = {"first reply": round(median(values), 1)}
        if name in full:  # a small difference of two noisy times: the least of each holds
            rows[name]["import"] = round(min(full[name]) - min(bare[name]), 1)
    return rows
