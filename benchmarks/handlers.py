# SPDX-License-Identifier: GPL-2.0-only
"""User-space instructions per request of handlers under asyncio, by callgrind, as `instructions` counts.

An async handler that never suspends may take 1.6 times what a plain one does, one that suspends once
3 times. CPython 3.11 and older, which cannot start a task at once, are stated alone.
"""

from __future__ import annotations

from instructions import per_request
from peers import OUR_PYTHON, OUR_UNIX, Peer, script
from runner import Run

NAME = "handlers"
TITLE = "Instructions per request (user space) of handlers under asyncio; ratio over the plain one"
KINDS = {"plain": "plain", "never": "async, never suspends", "once": "async, suspends once"}
PYTHONS = {"pymongoose, CPython": OUR_PYTHON, "pymongoose, MicroPython": OUR_UNIX}


def measure(run: Run) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for name, python in PYTHONS.items():
        for kind, title in KINDS.items():
            peer = Peer(name, script(python, "hello_async.py", kind), ours=True)
            with run.trying(f"{name}, {title}"):
                row = rows.setdefault(name, {})
                row[title] = round(per_request(peer, 0))
                if kind != "plain" and KINDS["plain"] in row:
                    row[f"{kind} / plain"] = round(row[title] / row[KINDS["plain"]], 2)
    return rows
