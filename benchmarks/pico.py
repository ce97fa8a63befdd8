#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The firmware in the emulated Pico, in simulated cycles: exact, whatever else this machine does.

    pico.py [--firmware FILE] [--microdot FOLDER] [--cycles-only] [--profile FOLDER]

The folder of --microdot holds the package microdot; that of --profile is given a profile for each
row. Prints a table. Cycles are those in which the board ran; those in which it slept do not count.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import http.client
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pico_board import FIRMWARE, ROOT, WAIT_S, Board

HELLO, ECHOES, FRESH = 40, 40, 50
HELLO_REQUEST, HELLO_REPLY = 67, 79  # bytes of ours
HELLO_ROW = "hello, keep-alive: cycles (packets in + out)"
CLOSE = "hello, a connection each: cycles (packets)"
ECHO = "WebSocket echo of 64 bytes: cycles (packets)"
BIG = bytes(i * 7 & 255 for i in range(1024)) * 200

OURS = """
import gc, os, hashlib
gc.collect(); before = gc.mem_free()
import pymongoose
gc.collect(); print("import", before - gc.mem_free())
from pymongoose import Manager, MG_EV_HTTP_MSG, MG_EV_HTTP_HDRS, MG_EV_HTTP_BODY, MG_EV_WS_MSG
with open("/big.bin", "wb") as f:
    for i in range(200): f.write(bytes(i * 7 & 255 for i in range(1024)))
sums = {}
def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        uri = data.uri
        if uri == "/": c.reply(200, "Hello, world!\\n", {"Content-Type": "text/plain"})
        elif uri == "/ws": c.ws_upgrade(data)
        elif uri == "/big":
            c.serve_file(data, "/big.bin")
            c.set_handler(None, events=(MG_EV_HTTP_HDRS, MG_EV_HTTP_BODY, MG_EV_HTTP_MSG))
        elif uri == "/up": c.reply(200, sums.pop(c.id).digest().hex())
        elif uri == "/mem": gc.collect(); c.reply(200, str(gc.mem_free()))
    elif ev == MG_EV_WS_MSG: c.ws_send(data.text)
    elif ev == MG_EV_HTTP_BODY: sums[c.id].update(data)
    elif ev == MG_EV_HTTP_HDRS and data.uri == "/up":
        sums[c.id] = hashlib.sha256(); c.http_stream_body(max_size=0)
m = Manager(handler, events=(MG_EV_HTTP_MSG, MG_EV_WS_MSG))
m.listen("http://0.0.0.0:8000")
print("serving")
m.run()
"""

WEB = """
from pymongoose.web import App
app = App(content_type=None)
@app.get("/")
def hello(request): return "Hello, world!\\n"
@app.get("/users/<int:id>")
def user(request, id): return "Hello, world!\\n"
@app.ws("/ws")
def echo(request, ws): ws.on_message = ws.send
app.run("0.0.0.0", 8000)
"""

# The least that a program of MicroPython's own sockets can do with the same bytes.
SOCKETS = """
import socket
def whole(c, n):
    have = c.recv(n)
    while have and len(have) < n: have += c.recv(n - len(have))
    return have
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 8000)); s.listen(4)
print("serving")
while True:
    c = s.accept()[0]
    try:
        kind = whole(c, 1)
        take, give = (int(n) for n in whole(c, 8).split())
        reply = b"x" * give
        while whole(c, take): c.write(reply)
    except OSError: pass
    c.close()
"""

MICRODOT = """
import microdot, microdot.websocket, gc
app = microdot.Microdot()
@app.route("/")
async def hello(request): return "Hello, world!\\n"
@app.route("/ws")
@microdot.websocket.with_websocket
async def echo(request, ws):
    while True: await ws.send(await ws.receive())
print("serving")
app.run(host="0.0.0.0", port=8000)
"""


def hello(board: Board, connection: http.client.HTTPConnection | None) -> None:
    link = connection or http.client.HTTPConnection("127.0.0.1", board.port, timeout=WAIT_S)
    link.request("GET", "/")
    if link.getresponse().read() != b"Hello, world!\n":
        sys.exit("a wrong answer")
    if connection is None:
        link.close()


def hello_cycles(board: Board, who: str, keep_alive: bool) -> str:
    link = http.client.HTTPConnection("127.0.0.1", board.port, timeout=WAIT_S)
    connection = link if keep_alive else None
    name = f"{who}-hello" + ("" if keep_alive else "-close")
    found = board.count(name, HELLO, lambda: hello(board, connection))
    link.close()
    return found


def take(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = link.recv(4096)
        if not piece:
            sys.exit("the connection was closed")
        data += piece
    return data


def echo_cycles(board: Board, who: str) -> str:
    link = socket.create_connection(("127.0.0.1", board.port))
    link.settimeout(WAIT_S)
    key = base64.b64encode(os.urandom(16)).decode()
    head = "GET /ws HTTP/1.1\r\nHost: board\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    link.sendall(head.encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += link.recv(4096)
    text, mask = b"x" * 64, b"\x01\x02\x03\x04"
    frame = struct.pack(">BB", 0x81, 0x80 | 64) + mask
    frame += bytes(byte ^ mask[i & 3] for i, byte in enumerate(text))

    def once() -> None:
        link.sendall(frame)
        answer = take(link, 66)
        if answer != b"\x81\x40" + text:
            sys.exit(f"a wrong echo: {answer!r}")

    found = board.count(f"{who}-echo", ECHOES, once)
    link.close()
    return found


def raw_cycles(board: Board, name: str, size: int, reply: int) -> str:
    """A request of so many bytes and its reply, without any protocol above TCP."""
    link = socket.create_connection(("127.0.0.1", board.port))
    link.settimeout(WAIT_S)
    link.sendall(b"x%4d%4d" % (size, reply))

    def once() -> None:
        link.sendall(b"x" * size)
        take(link, reply)

    found = board.count(name, HELLO, once)
    link.close()
    return found


def raw_close_cycles(board: Board) -> str:
    def once() -> None:
        with socket.create_connection(("127.0.0.1", board.port)) as link:
            link.settimeout(WAIT_S)
            link.sendall(b"x%4d%4d" % (HELLO_REQUEST, HELLO_REPLY) + b"x" * HELLO_REQUEST)
            take(link, HELLO_REPLY)

    return board.count("sockets-hello-close", HELLO, once)


def fresh_ms(board: Board) -> str:
    """Simulated time from a connection's first packet to the end of a small reply. While the board
    waits for this side its clock is the wall's, so that a busy machine adds to it."""
    times = []
    for _ in range(30):
        begun = board.cost()[1]
        hello(board, None)
        times.append(board.cost()[1] - begun)
    times.sort()
    return f"{times[len(times) // 2]:.1f} (best {times[0]:.1f}, worst {times[-1]:.1f})"


def ours(board: Board, cycles_only: bool) -> dict[str, str]:
    found = {}
    board.start(OURS)
    found["GC heap taken by the import, bytes"] = board.until(b"\r\n").decode().split()[1]
    board.until(b"serving")
    found[HELLO_ROW] = hello_cycles(board, "ours", True)
    found[CLOSE] = hello_cycles(board, "ours", False)
    found[ECHO] = echo_cycles(board, "ours")
    if cycles_only:
        board.interrupt()
        return found
    found["fresh connection to end of reply, simulated ms, median of 30"] = fresh_ms(board)
    found["heap of an idle HTTP connection, bytes"] = idle_bytes(board)
    free = []
    for _ in range(FRESH):
        link = http.client.HTTPConnection("127.0.0.1", board.port, timeout=WAIT_S)
        for _ in range(19):
            hello(board, link)
        link.request("GET", "/mem")
        free.append(int(link.getresponse().read()))
        link.close()
    drift = sum(free[:10]) / 10 - sum(free[-10:]) / 10
    found[f"heap lost over {FRESH} connections with 20 requests, bytes"] = f"{drift:.0f}"
    found["heap free while serving, bytes"] = f"{free[-1]:,}"
    link = http.client.HTTPConnection("127.0.0.1", board.port, timeout=WAIT_S)
    begun = board.cost()[1]
    link.request("GET", "/big")
    right = hashlib.sha256(link.getresponse().read()).digest() == hashlib.sha256(BIG).digest()
    speed = len(BIG) / 1.024 / (board.cost()[1] - begun)
    found["200 KiB down: SHA-256, KiB/s simulated"] = (
        f"{'right' if right else 'WRONG'}, {speed:.0f}"
    )
    begun = board.cost()[1]
    link.request("POST", "/up", BIG[: 100 * 1024])
    right = link.getresponse().read().decode() == hashlib.sha256(BIG[: 100 * 1024]).hexdigest()
    speed = 100 * 1024 / 1.024 / (board.cost()[1] - begun)
    found["100 KiB up: SHA-256, KiB/s simulated"] = f"{'right' if right else 'WRONG'}, {speed:.0f}"
    link.close()
    board.interrupt()
    return found


def idle_bytes(board: Board) -> str:
    """What each of some connections keeps that made a request and stay."""
    links = [http.client.HTTPConnection("127.0.0.1", board.port, timeout=WAIT_S) for _ in range(9)]
    free = []
    for link in links:
        link.request("GET", "/mem")
        free.append(int(link.getresponse().read()))
    for link in links:
        link.close()
    return f"{(free[0] - free[-1]) / (len(free) - 1):.0f}"


def sockets(board: Board) -> dict[str, str]:
    board.start(SOCKETS)
    board.until(b"serving")
    found = {
        HELLO_ROW: raw_cycles(board, "sockets-hello", HELLO_REQUEST, HELLO_REPLY),
        CLOSE: raw_close_cycles(board),
        ECHO: raw_cycles(board, "sockets-echo", 70, 66),
    }
    board.interrupt()
    return found


def web(board: Board) -> dict[str, str]:
    board.start(WEB)
    board.until(b"8000")
    found = {
        HELLO_ROW: hello_cycles(board, "web", True),
        CLOSE: hello_cycles(board, "web", False),
        ECHO: echo_cycles(board, "web"),
    }
    board.interrupt()
    return found


def put_microdot(board: Board, folder: Path) -> None:
    """Compiled by mpy-cross: the board's memory would not do for the sources."""
    tree = os.environ.get("MICROPYTHON_DIR") or subprocess.check_output(
        [sys.executable, str(ROOT / "tools/deps/deps.py"), "--path", "micropython"], text=True
    )
    cross = subprocess.check_output(
        [str(ROOT / "tools/build/mpy-cross.sh"), tree.strip()], text=True
    ).strip()
    board.run("import os\ntry: os.mkdir('/microdot')\nexcept OSError: pass")
    for name in ("__init__", "microdot", "websocket", "helpers"):
        with tempfile.NamedTemporaryFile(suffix=".mpy") as out:
            command = [cross, "-march=armv6m", "-o", out.name, str(folder / f"microdot/{name}.py")]
            subprocess.run(command, check=True)
            data = Path(out.name).read_bytes()
        board.run(f"f = open('/microdot/{name}.mpy', 'wb')")
        for at in range(0, len(data), 1024):
            board.run(f"f.write({data[at : at + 1024]!r})")
        board.run("f.close()")


def microdot(board: Board, folder: Path) -> dict[str, str]:
    found = {}
    put_microdot(board, folder)
    board.start(MICRODOT)
    board.until(b"serving")
    for _ in range(20):  # it says so before it listens
        with contextlib.suppress(OSError, http.client.HTTPException):
            hello(board, None)
            break
        time.sleep(1)
    found[CLOSE] = hello_cycles(board, "microdot", False)
    found[ECHO] = echo_cycles(board, "microdot")
    board.interrupt()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--firmware", type=Path, default=FIRMWARE)
    parser.add_argument("--microdot", type=Path)
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--cycles-only", action="store_true")
    arguments = parser.parse_args()
    board = Board(arguments.firmware, arguments.profile)
    columns = {"pymongoose": ours(board, arguments.cycles_only)}
    print(columns, file=sys.stderr)
    columns["pymongoose.web"] = web(board)
    columns["bare sockets"] = sockets(board)
    print(columns, file=sys.stderr)
    if arguments.microdot:
        columns["Microdot"] = microdot(board, arguments.microdot)
    board.close()
    print("| emulated Pico | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for row in columns["pymongoose"]:
        print(f"| {row} | " + " | ".join(c.get(row, "-") for c in columns.values()) + " |")


if __name__ == "__main__":
    main()
