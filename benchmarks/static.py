# SPDX-License-Identifier: GPL-2.0-only
"""A file of 100 MB over one connection: MB/s as a client sees it, and the server's CPU time.

nginx has sendfile off, so that all of them read the file and write it to the socket; with it on,
nothing here comes near.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from peers import NGINX, Peer, files
from runner import REQUEST, WORK, BenchError, Run, Server, median

NAME = "static"
TITLE = "Static file of 100 MB over one connection: MB/s, ratio over nginx, the server's CPU time"
SIZE = 100_000_000
TIMES = 5


def the_file() -> Path:
    folder = WORK / "files"
    folder.mkdir(exist_ok=True)
    path = folder / "100MB.bin"
    if not path.exists() or path.stat().st_size != SIZE:
        path.write_bytes(os.urandom(1_000_000) * (SIZE // 1_000_000))
    return path


def download(server: Server, path: Path, times: int) -> float:
    """Seconds for `times` downloads."""
    buf = bytearray(1 << 18)
    request = REQUEST.replace(b"GET / ", b"GET /%s " % path.name.encode())
    with server.connect() as sock:
        begun = time.monotonic()
        for _ in range(times):
            sock.sendall(request)
            head = b""
            while b"\r\n\r\n" not in head:
                data = sock.recv(65536)
                if not data:
                    raise BenchError("the server closed the connection")
                head += data
            if not head.startswith(b"HTTP/1.1 200") or b" %d\r\n" % SIZE not in head:
                raise BenchError(head.partition(b"\r\n")[0].decode(errors="replace"))
            left = SIZE - len(head.partition(b"\r\n\r\n")[2])
            while left > 0:
                n = sock.recv_into(buf)
                if n == 0:
                    raise BenchError("the file was cut")
                left -= n
        return time.monotonic() - begun


def one(peer: Peer, path: Path, times: int = TIMES) -> tuple[float, float]:
    """MB/s, and milliseconds of CPU time for a file."""
    with Server(peer.command) as server:
        download(server, path, 1)
        before = server.cpu_seconds()
        seconds = download(server, path, times)
        used = server.cpu_seconds() - before
    return times * SIZE / 1e6 / seconds, used / times * 1e3


def measure(run: Run) -> dict[str, dict[str, float]]:
    path = the_file()
    chosen = run.peers(files(path))
    taken: dict[str, dict[int, tuple[float, float]]] = {}
    for turn in range(run.rounds):
        for peer in chosen:
            with run.trying(f"{peer.name}, round {turn + 1} of {run.rounds}"):
                taken.setdefault(peer.name, {})[turn] = one(peer, path)
    path.unlink()
    base = taken.get(NGINX, {})
    rows: dict[str, dict[str, float]] = {}
    for name, values in taken.items():
        rows[name] = {"MB/s": round(median(rate for rate, _ in values.values()))}
        ratios = [values[turn][0] / base[turn][0] for turn in values if base.get(turn, (0,))[0]]
        if ratios:
            rows[name]["ratio"] = round(median(ratios), 2)
        rows[name]["CPU ms per file"] = round(median(used for _, used in values.values()), 1)
    return rows
