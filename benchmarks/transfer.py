# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of a client that takes 100 MB in pieces of up to 64 KB, from nginx; the system's part included.

A run of three files less a run of one, over two: what starting takes is not in it. (Uploads are
counted at the server: `upload 1 MB` of work.py and work_cpu.py.)
"""

from __future__ import annotations

import os
import resource
import subprocess

from cpu import in_turns
from peers import OUR_PYTHON, OUR_UNIX, OURS, OURS_UNIX, PYTHON, Peer, nginx, script
from runner import SERVER_CORE, BenchError, Run, Server
from static import SIZE, the_file

NAME = "transfer"
TITLE = "CPU time of a client for a download of 100 MB in pieces, ms; ratio over http.client"
PATIENCE = 120
REFERENCE = "http.client"

TABLE = [
    Peer(OURS.name, script(OUR_PYTHON, "download_pymongoose.py"), ours=True),
    Peer(OURS_UNIX.name, script(OUR_UNIX, "download_pymongoose.py"), ours=True),
    Peer(REFERENCE, script(PYTHON, "download_client.py")),
    Peer("MicroPython sockets, naive", script(OUR_UNIX, "download_naive.py")),
]


def spent(peer: Peer, port: int, path: str, times: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*peer.command(port), path, str(times)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 or int(done.stdout or 0) != times * SIZE:
        raise BenchError(f"the client got {done.stdout.strip()}: {done.stderr[-200:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(run: Run) -> dict[str, dict[str, float]]:
    path = the_file()
    with Server(nginx(path.parent)) as server:

        def one(peer: Peer, name: str) -> float:
            return (spent(peer, server.port, name, 3) - spent(peer, server.port, name, 1)) / 2 * 1e3

        cases = {"100 MB": f"/{path.name}"}
        rows = in_turns(run, run.peers(TABLE), cases, one, {"ratio": REFERENCE})
    path.unlink()
    return rows
