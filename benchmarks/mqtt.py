# SPDX-License-Identifier: GPL-2.0-only
"""User-space instructions of an MQTT client per message of 64 bytes, by callgrind.

A client publishes N messages with QoS 0, 1 or 2, sixteen at a time, or takes N with QoS 0; then, a
new one, 3N. The difference of both totals over 2N is the cost of a message. The server is a few lines
of ours that answer sixteen at a time. `queue1` and `queue1000`: publish() of a session without a
connection that has so many messages waiting, and drops the oldest.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading

from instructions import collected
from peers import OUR_PYTHON, OUR_UNIX, PYTHON, Peer, mqtt_client, script
from runner import SERVER_CORE, WORK, BenchError, Run

NAME = "mqtt"
TITLE = "Instructions per MQTT message of 64 bytes (user space), client"
CASES = {"0": "QoS 0", "1": "QoS 1", "2": "QoS 2", "receive": "receive"}
QUEUES = {"queue1": "queue of 1", "queue1000": "queue of 1000"}
N = 320
WINDOW = 16
PATIENCE = 300
C_MONGOOSE = "C Mongoose"
TEXT, TOPIC = b"x" * 64, b"bench/topic"
PUBLISH = bytes([0x30, 2 + len(TOPIC) + len(TEXT), 0, len(TOPIC)]) + TOPIC + TEXT

TABLE = [
    Peer("pymongoose, CPython", script(OUR_PYTHON, "mqtt_pymongoose.py"), ours=True),
    Peer("pymongoose, MicroPython", script(OUR_UNIX, "mqtt_pymongoose.py"), ours=True),
    Peer("MqttSession, CPython", script(OUR_PYTHON, "mqtt_pymongoose.py"), ours=True),
    Peer("MqttSession, MicroPython", script(OUR_UNIX, "mqtt_pymongoose.py"), ours=True),
    Peer(C_MONGOOSE, lambda port: [str(mqtt_client()), str(port)]),
    Peer("paho", script(PYTHON, "mqtt_paho.py"), "paho-mqtt"),
]


class Sink:
    """Takes one client's messages, or sends it `count`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self.socket, _ = self.listener.accept()
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.socket:
                self._talk(self.socket.makefile("rb"))

    def _talk(self, stream) -> None:
        answers: list[bytes] = []
        while head := stream.read(1):
            length = shift = 0
            while True:
                byte = stream.read(1)[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            body = stream.read(length)
            kind, qos = head[0] >> 4, head[0] >> 1 & 3
            if kind == 1:
                self.socket.sendall(b"\x20\2\0\0")
            elif kind == 8:
                self.socket.sendall(b"\x90\3" + body[:2] + b"\0" + PUBLISH * self.count)
            elif kind == 3 and qos > 0:
                at = 2 + int.from_bytes(body[:2], "big")
                answers.append(bytes([0x40 if qos == 1 else 0x50, 2]) + body[at : at + 2])
            elif kind == 6:
                answers.append(b"\x70\2" + body[:2])
            if len(answers) == WINDOW:
                self.socket.sendall(b"".join(answers))
                answers.clear()

    def close(self) -> None:
        self.listener.close()


def talk(peer: Peer, case: str, count: int, under: tuple[str, ...] = ()) -> None:
    """Runs a client to its end, with so many messages; `under` is what it runs under."""
    sink = Sink(count)
    command = [*under, *peer.command(sink.port), case, str(count)]
    if peer.name.startswith("MqttSession"):
        command.append("session")
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
        )
    finally:
        sink.close()
    if done.returncode != 0:
        raise BenchError(f"the client ended with {done.returncode}: {done.stderr[-300:]}")


def total(peer: Peer, case: str, count: int) -> int:
    out = WORK / "callgrind.out"
    out.unlink(missing_ok=True)
    talk(peer, case, count, ("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"))
    return collected(out)


def measure(run: Run) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for peer in run.peers(TABLE):
        for case, name in (CASES | QUEUES if "Session" in peer.name else CASES).items():
            with run.trying(f"{peer.name}, {name}"):
                cost = (total(peer, case, 3 * N) - total(peer, case, N)) / (2 * N)
                rows.setdefault(peer.name, {})[name] = round(cost)
    ours = rows.get(C_MONGOOSE, {})
    for row in rows.values():
        for name in CASES.values():
            if name in row and ours.get(name):
                row[f"ratio {name}"] = round(row[name] / ours[name], 2)
    return rows
