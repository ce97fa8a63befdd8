# SPDX-License-Identifier: GPL-2.0-only
"""User-space instructions for larger pieces of work, by callgrind, as instructions.py counts them.

A browser's GET with 12 headers and a reply of 10 KB, a POST with JSON, WebSocket messages of 64 KB
(bytes, and text of characters of 3 bytes), an upload of 1 MB in pieces, echoes over TCP and UDP, and
timers that are moved. A byte that `rep movsb` copies counts as one.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import subprocess
from collections.abc import Callable

from instructions import collected
from peers import OUR_PYTHON, OUR_UNIX, PYTHON, Peer, script
from runner import WORK, BenchError, Run, Server

NAME = "work"
TITLE = "Instructions of the server for a piece of work (user space)"
N = 40
PATIENCE = 120
TIMERS, ROUNDS = 1000, 10
LARGE = 65536

BROWSER = (
    b"GET /page HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="124", "Not-A.Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\n'
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/124.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    b"\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n"
)
VALUES = json.dumps({"values": list(range(40))}).encode()


def post(path: bytes, body: bytes) -> bytes:
    return (
        b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (path, len(body), body)
    )


def exactly(sock: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise BenchError("the server closed the connection")
        data += more
    return bytes(data)


def reply(sock: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(65536)
        if not more:
            raise BenchError("the server closed the connection")
        head += more
    lines, _, body = head.partition(b"\r\n\r\n")
    if not lines.startswith(b"HTTP/1.1 200"):
        raise BenchError(lines.partition(b"\r\n")[0].decode(errors="replace"))
    length = int(lines.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    exactly(sock, length - len(body))


def asks(request: bytes) -> Callable[[socket.socket], Callable[[], None]]:
    def begin(sock: socket.socket) -> Callable[[], None]:
        def one() -> None:
            sock.sendall(request)
            reply(sock)

        return one

    return begin


def sends_frames(op: int, payload: bytes) -> Callable[[socket.socket], Callable[[], None]]:
    mask = b"\x12\x34\x56\x78"
    masked = bytes(a ^ b for a, b in zip(payload, mask * (len(payload) // 4 + 1), strict=False))
    head = struct.pack(">BBQ", 0x80 | op, 0xFF, len(payload))

    def begin(sock: socket.socket) -> Callable[[], None]:
        key = base64.b64encode(os.urandom(16))
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        head_seen = b""
        while not head_seen.endswith(b"\r\n\r\n"):
            head_seen += exactly(sock, 1)

        def one() -> None:
            sock.sendall(head + mask + masked)
            if exactly(sock, len(payload) + 10)[10:] != payload:
                raise BenchError("the echo differs")

        return one

    return begin


def echoes(payload: bytes) -> Callable[[socket.socket], Callable[[], None]]:
    def begin(sock: socket.socket) -> Callable[[], None]:
        def one() -> None:
            sock.sendall(payload)
            exactly(sock, len(payload))

        return one

    return begin


CASES: dict[str, tuple[str, Callable[[socket.socket], Callable[[], None]]]] = {
    "browser GET": ("browser", asks(BROWSER)),
    "JSON POST": ("json", asks(post(b"/json", VALUES))),
    "upload 1 MB": ("upload", asks(post(b"/upload", bytes(1 << 20)))),
    "WS 64 KB": ("ws", sends_frames(2, os.urandom(LARGE))),
    "WS text 64 KB": ("ws", sends_frames(1, "\u20ac".encode() * (LARGE // 3 + 1))),
    "TCP 64 KB": ("tcp", echoes(bytes(LARGE))),
    "UDP 64 B": ("udp", echoes(bytes(64))),
}


def ours(name: str, python, case: str) -> Peer:
    return Peer(name, script(python, "work_pymongoose.py", case), ours=True)


def whose(case: str) -> list[Peer]:
    found = [
        ours("pymongoose, CPython", OUR_PYTHON, case),
        ours("pymongoose, MicroPython", OUR_UNIX, case),
    ]
    if case in ("browser", "json", "upload"):
        found.append(Peer("uvicorn", script(PYTHON, "work_uvicorn.py"), "uvicorn"))
    elif case == "ws":
        found.append(Peer("picows", script(PYTHON, "echo_picows.py"), "picows"))
    else:
        found.append(Peer("asyncio, uvloop", script(PYTHON, "work_asyncio.py", case), "uvloop"))
    return found


def valgrind() -> tuple[list[str], object]:
    out = WORK / "callgrind.out"
    out.unlink(missing_ok=True)
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"], out


def total(peer: Peer, case: str, begin, count: int) -> int:
    wrapper, out = valgrind()
    with Server(peer.command, wrapper=wrapper, patience=PATIENCE) as server:
        if case == "udp":
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect(("127.0.0.1", server.port))
            sock.settimeout(60)
        else:
            sock = server.connect()
        with sock:
            one = begin(sock)
            for _ in range(count):
                one()
            server.stop()
    return collected(out)


def timers(command: list[str], rounds: int) -> int:
    wrapper, out = valgrind()
    done = subprocess.run([*wrapper, *command, str(TIMERS), str(rounds)], capture_output=True)
    if done.returncode != 0:
        raise BenchError(done.stderr.decode()[-300:])
    return collected(out)


def measure(run: Run) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for label, (case, begin) in CASES.items():
        for peer in run.peers(whose(case)):
            with run.trying(f"{peer.name}, {label}"):
                cost = total(peer, case, begin, 3 * N) - total(peer, case, begin, N)
                rows.setdefault(peer.name, {})[label] = round(cost / (2 * N))
    programs = {
        "pymongoose, CPython": (OUR_PYTHON, "timers_pymongoose.py"),
        "pymongoose, MicroPython": (OUR_UNIX, "timers_pymongoose.py"),
        "asyncio": (PYTHON, "timers_asyncio.py"),
    }
    for name, (python, file) in programs.items():
        with run.trying(f"{name}, timers"):
            command = script(python, file)(0)[:-1]  # no port
            cost = timers(command, 3 * ROUNDS) - timers(command, ROUNDS)
            rows.setdefault(name, {})["timer moved"] = round(cost / (2 * ROUNDS * TIMERS))
    return rows
