# SPDX-License-Identifier: GPL-2.0-only
"""An emulated Pico whose cycles can be counted: programs are given to its raw REPL."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIRMWARE = ROOT / "build/firmware/RPI_PICO/firmware.uf2"
PORT = 8000
WAIT_S = 240
MHZ = 125


class Board:
    def __init__(self, firmware: Path, profiles: Path | None = None) -> None:
        command = [sys.executable, str(ROOT / "boards/rig/rig.py"), "--control", "--seed", "1"]
        command += ["--firmware", str(firmware)]
        self.profiles = profiles
        if profiles:
            profiles.mkdir(parents=True, exist_ok=True)
            command += ["--profile", str(profiles / "last")]
        self.rig = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.rest = b""
        threading.Thread(target=self.listen, daemon=True).start()
        self.serial = socket.create_connection(("127.0.0.1", self.wait("ready")["serial"]))
        self.enter()
        self.port = self.forward(PORT)

    def listen(self) -> None:
        for line in self.rig.stdout or ():
            self.events.put(json.loads(line))

    def wait(self, kind: str) -> dict[str, Any]:
        while True:
            event = self.events.get(timeout=WAIT_S)
            if event.get("event") == "fault":
                sys.exit(f"the board stopped: {event}")
            if kind in event or event.get("event") == kind:
                return event

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        assert self.rig.stdin
        self.rig.stdin.write(json.dumps({"do": what, "id": 1, **arguments}).encode() + b"\n")
        self.rig.stdin.flush()
        return self.wait("answer")

    def forward(self, port: int) -> int:
        """The port of 127.0.0.1 that leads to the board's."""
        found: int = self.ask("forward", port=port)["port"]
        return found

    def until(self, mark: bytes, timeout: float = WAIT_S) -> bytes:
        self.serial.settimeout(timeout)
        while mark not in self.rest:
            data = self.serial.recv(4096)
            if not data:
                sys.exit("the serial port was closed")
            self.rest += data
        found, _, self.rest = self.rest.partition(mark)
        return found

    def enter(self) -> None:
        for _ in range(40):
            self.serial.sendall(b"\r\x03\x03\x01")
            with contextlib.suppress(TimeoutError):
                self.until(b"raw REPL; CTRL-B to exit\r\n>", 3)
                break
        with contextlib.suppress(TimeoutError):
            self.until(b"no such thing", 1)
        self.rest = b""

    def start(self, source: str) -> None:
        self.serial.sendall(source.encode() + b"\x04")
        self.until(b"OK")

    def run(self, source: str) -> str:
        self.start(source)
        output, error = self.until(b"\x04"), self.until(b"\x04>")
        if error:
            sys.exit(error.decode())
        return output.decode()

    def interrupt(self) -> None:
        self.serial.sendall(b"\x03")
        self.until(b"\x04")
        self.until(b"\x04>")
        self.serial.sendall(b"\x04")  # a soft reset: the next one starts afresh
        self.until(b"raw REPL; CTRL-B to exit\r\n>")

    def cost(self) -> tuple[int, float]:
        found = self.ask("cycles")
        return found["cycles"], found["nanos"] / 1e6

    def count(self, name: str, times: int, once: Callable[[], None]) -> str:
        """Cycles of one time, and the packets on the link, in and out."""
        once()
        if self.profiles:
            self.ask("profile")
        cycles, packets = self.cost()[0], self.ask("packets")
        for _ in range(times):
            once()
        cycles, after = self.cost()[0] - cycles, self.ask("packets")
        if self.profiles:
            self.ask("profile")
            rows = []
            for line in (self.profiles / "last").read_text().splitlines():
                spent, entries, function = line.split("\t")
                rows.append(
                    f"{float(spent) / times:12,.0f} {float(entries) / times:8.1f}  {function}\n"
                )
            (self.profiles / name).write_text("".join(rows))
        there, back = ((after[way] - packets[way]) / times for way in ("in", "out"))
        return f"{cycles / times:,.0f} ({there:.1f} + {back:.1f})"

    def close(self) -> None:
        assert self.rig.stdin
        self.rig.stdin.close()
        self.rig.wait(10)
