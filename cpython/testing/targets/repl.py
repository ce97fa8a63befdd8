# SPDX-License-Identifier: GPL-2.0-only
"""What is run at the prompt of a raw REPL, and how its output comes: EOT, the traceback, EOT."""

from __future__ import annotations

import threading

from .base import Device, DeviceError

END = b"\x04"
#: So long at most Ctrl-C may take to end a script, also on a computer that is very busy.
GRACE_S = 20.0


class ReplDevice(Device):
    """received() gets the bytes; _hung() is called when Ctrl-C does not end it."""

    def __init__(self) -> None:
        super().__init__()
        self._over = threading.Event()
        self._failure = ""
        self._part = 0  # of what the raw REPL sends: output, the traceback, the prompt

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def received(self, data: bytes) -> None:
        *parts, rest = data.split(END)
        for part in parts:
            self._output(part)
            self._part += 1
        self._output(rest)

    def _output(self, data: bytes) -> None:
        if self._part == 0:
            self._feed(data)
        elif self._part == 1:
            self._failure += data.decode(errors="backslashreplace")

    def ended(self) -> None:
        """No more will come."""
        if self._failure:
            self._tell(self._failure)
        self._over.set()
        self._end()

    def _tell(self, failure: str) -> None:
        """A traceback, or why nothing more comes, into the console."""
        self._feed(failure.encode() + b"\n")

    def ending(self) -> str | None:
        if not self._over.wait(10 * self.slowness):
            raise DeviceError("the script did not end")
        return self._failure.strip().rpartition("\n")[2] or None

    def kill(self) -> None:
        for _ in range(2):
            if self._over.is_set():
                return
            self._try_interrupt()
            self._over.wait(min(self.slowness, GRACE_S))
        if not self._over.is_set():
            self._hung()

    def _try_interrupt(self) -> None:
        try:
            self.interrupt()
        except OSError:
            pass

    def _hung(self) -> None:
        raise NotImplementedError
