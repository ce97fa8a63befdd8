# SPDX-License-Identifier: GPL-2.0-only
"""Opens and closes very many connections, and watches what a server keeps of them: nothing.

    soak.py [--target NAME] ... [-n CONNECTIONS]

The mix: HTTP with one to three requests and either side closing, resets, WebSockets, raw echoes,
connections that say nothing. `make soak` runs 200,000 of them on each target, test_soak.py a few.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).resolve().parents[1] / "cpython" / "testing"))
from peers.clients import frame  # noqa: E402
from targets import all_targets, find_target  # noqa: E402

SERVER = r"""
def web(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/bye":
            c.reply(200, "bye", headers={"Connection": "close"})
        else:
            c.reply(200, data.body_bytes)
    elif ev == MG_EV_WS_MSG:
        c.ws_send(data.data)

def echo(c, ev, data):
    if ev == MG_EV_READ:
        c.send(c.recv())

def rest():
    # What is left when all peers have gone: (connections of peers, live objects).
    left, _ = settle(10000)
    gc.collect()
    return len(left), live()

m = Manager(web)
announce("PORT", m.listen(url("http")))
announce("RAW", m.listen(url("tcp"), echo))
serve(m)
"""

#: How often what is left is measured, and how much of it belongs to the first and the last tenth.
SAMPLES = 50
#: What an allocator may keep to itself, in KB; 200,000 connections that leave a byte each are caught
#: by the live counters.
RSS_SLACK = 512
#: Loopback addresses to come from: each has 28,000 ports that stay taken for a minute.
SOURCES = 100
#: Silent connections that are open at a time.
SILENT = 64

RESET = struct.pack("ii", 1, 0)
NO_PORT_YET = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BYE = b"GET /bye HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000


@dataclass
class Sample:
    connections: int
    rss: int  # KB
    fds: int
    live: tuple[int, int, int, int]


@dataclass
class Report:
    count: int
    seconds: float
    first: Sample  # medians of the first and the last tenth
    last: Sample

    def __str__(self) -> str:
        return (
            f"{self.count} connections in {self.seconds:.0f} s; RSS {self.first.rss} -> "
            f"{self.last.rss} KB, descriptors {self.first.fds} -> {self.last.fds}, "
            f"live {self.first.live} -> {self.last.live}"
        )

    def check(self, rss: bool = True) -> None:
        assert self.last.fds == self.first.fds, self
        assert self.last.live[:3] == self.first.live[:3], self
        assert self.last.live[3] <= self.first.live[3] + 1, self  # a spare buffer may come and go
        assert not rss or self.last.rss <= self.first.rss + RSS_SLACK, self


class Peers:
    """The clients. All that a server says is read, and must be what was asked for."""

    def __init__(self, port: int, raw_port: int, seed: int = 1) -> None:
        self.web = ("127.0.0.1", port)
        self.raw = ("127.0.0.1", raw_port)
        self.random = random.Random(seed)
        self.silent: deque[socket.socket] = deque()
        self.opened = 0
        self.kinds = [self.keep_alive] * 7 + [self.server_closes] * 3 + [self.reset] * 4
        self.kinds += [self.websocket] * 2 + [self.echo] * 2 + [self.say_nothing] * 2

    def connect(self, address: tuple[str, int]) -> socket.socket:
        self.opened += 1
        s = socket.socket()
        s.settimeout(30)
        s.setsockopt(socket.IPPROTO_IP, NO_PORT_YET, 1)
        s.bind((f"127.0.0.{1 + self.opened % SOURCES}", 0))
        s.connect(address)
        return s

    def one(self) -> None:
        self.random.choice(self.kinds)()

    def keep_alive(self) -> None:
        with self.connect(self.web) as s:
            for _ in range(self.random.randint(1, 3)):
                request = self.random.choice((GET, POST))
                s.sendall(request)
                answer = s.recv(65536)
                while b"\r\n\r\n" not in answer or (
                    request is POST and len(answer.partition(b"\r\n\r\n")[2]) < 2000
                ):
                    piece = s.recv(65536)
                    assert piece, answer
                    answer += piece
                assert answer.startswith(b"HTTP/1.1 200"), answer

    def server_closes(self) -> None:
        with self.connect(self.web) as s:
            s.sendall(BYE)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            assert answer.endswith(b"\r\n\r\nbye"), answer

    def reset(self) -> None:
        with self.connect(self.random.choice((self.web, self.raw))) as s:
            s.sendall(self.random.choice((b"", b"GE", GET, POST[:500], POST, GET + POST + GET)))
            if self.random.random() < 0.5:
                time.sleep(0.0002)  # seen before the reset, or not
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def websocket(self) -> None:
        with self.connect(self.web) as s:
            s.sendall(UPGRADE + frame(2, b"hello"))
            answer = b""
            while not answer.endswith(b"hello"):
                piece = s.recv(65536)
                assert piece, answer
                answer += piece
            if self.random.random() < 0.7:
                s.sendall(frame(8, b"\x03\xe8"))
                assert s.recv(100)[:1] == b"\x88"
                assert s.recv(100) == b""

    def echo(self) -> None:
        with self.connect(self.raw) as s:
            s.sendall(b"x" * 100)
            size = 0
            while size < 100:
                size += len(s.recv(100) or b"!" * 1000)
            assert size == 100

    def say_nothing(self) -> None:
        self.silent.append(self.connect(self.random.choice((self.web, self.raw))))
        if len(self.silent) > SILENT:
            self.silent.popleft().close()

    def leave(self) -> None:
        while self.silent:
            self.silent.popleft().close()


def sample(device, connections: int) -> Sample:
    left, live = device.eval("rest()", 30)
    assert left == 0, f"{left} connections outlive their peers"
    with open(f"/proc/{device.pid}/statm") as f:
        rss = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return Sample(connections, rss, len(os.listdir(f"/proc/{device.pid}/fd")), live)


def middle(samples: list[Sample]) -> Sample:
    def of(values):
        return round(median(values))

    return Sample(
        of(s.connections for s in samples),
        of(s.rss for s in samples),
        of(s.fds for s in samples),
        tuple(of(s.live[n] for s in samples) for n in range(4)),
    )


def run(target, count: int, progress=None) -> Report:
    """Runs the soak on a target; `progress` is called with each sample."""
    device = target.start(SERVER, {})
    try:
        peers = Peers(device.port(), device.port("RAW"))
        for _ in range(200):  # what is loaded once and cached is not what is looked for
            peers.one()
        peers.leave()
        samples = []
        begun = time.monotonic()
        for number in range(1, count + 1):
            peers.one()
            if number % max(1, count // SAMPLES) == 0:
                peers.leave()
                samples.append(sample(device, number))
                if progress:
                    progress(samples[-1])
        seconds = time.monotonic() - begun
        assert device.stop() == [0, 0, 0, 0]
        tenth = max(1, len(samples) // 10)
        return Report(count, seconds, middle(samples[:tenth]), middle(samples[-tenth:]))
    finally:
        with contextlib.suppress(NameError):
            peers.leave()
        device.kill()


def soak_target(name: str):
    """The target with a small heap: a large one is touched bit by bit, which looks like a leak."""
    target = find_target(name)
    if target.options:
        target.options = ["-X", "heapsize=1m"]
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", action="append", choices=list(all_targets()))
    parser.add_argument("-n", type=int, default=200_000, metavar="CONNECTIONS")
    args = parser.parse_args()
    failed = False
    for name in args.target or list(all_targets()):
        begun = time.monotonic()

        def show(s: Sample, name=name, begun=begun) -> None:
            if s.connections * 10 % args.n == 0:
                print(
                    f"{name:<8} {s.connections:>7} connections {time.monotonic() - begun:5.0f} s   "
                    f"RSS {s.rss} KB   descriptors {s.fds}   "
                    "managers {} connections {} timers {} blocks {}".format(*s.live),
                    flush=True,
                )

        report = run(soak_target(name), args.n, show)
        try:
            report.check()
            print(f"{name:<8} flat: {report}", flush=True)
        except AssertionError:
            print(f"{name:<8} NOT FLAT: {report}", flush=True)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
