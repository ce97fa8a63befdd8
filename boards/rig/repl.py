# SPDX-License-Identifier: GPL-2.0-only
"""Just enough of MicroPython's raw REPL to put a file onto the board and to reset it softly."""

from __future__ import annotations

import contextlib
import socket
import time

START_TIMEOUT_S = 120  # a busy machine runs the board at a tenth of its speed


class Repl:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(START_TIMEOUT_S)

    def until(self, mark: bytes) -> bytes:
        data = b""
        while not data.endswith(mark):
            piece = self.socket.recv(1)
            if not piece:
                raise OSError("the serial port was closed")
            data += piece
        return data

    def enter(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        self.socket.settimeout(1)
        while time.monotonic() < deadline:
            self.socket.sendall(b"\r\x03\x03\x01")
            try:
                self.until(b"raw REPL; CTRL-B to exit\r\n>")
            except TimeoutError:
                continue
            self.socket.settimeout(START_TIMEOUT_S)
            with contextlib.suppress(TimeoutError):  # what answers the tries before
                self.socket.settimeout(0.2)
                while True:
                    self.until(b">")
            self.socket.settimeout(START_TIMEOUT_S)
            return
        raise OSError("there is no raw REPL on the serial port")

    def exec(self, source: str) -> str:
        self.socket.sendall(source.encode() + b"\x04")
        self.until(b"OK")
        output = self.until(b"\x04")[:-1]
        error = self.until(b"\x04>")[:-2]
        if error:
            raise OSError(error.decode())
        return output.decode()

    def soft_reset(self) -> str:
        self.socket.sendall(b"\x04")
        return self.until(b"raw REPL; CTRL-B to exit\r\n>").decode()

    def leave(self) -> None:
        self.socket.sendall(b"\x02")
        self.socket.close()
