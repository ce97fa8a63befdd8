# SPDX-License-Identifier: GPL-2.0-only
"""What a program has printed, kept within bounds: of a flood the beginning and the end."""

from __future__ import annotations

import collections
import contextlib
import queue
import threading
import time
from typing import Any

HEAD_LINES, TAIL_LINES = 1000, 20000
TAIL_CHARACTERS = 4 << 20
#: A line that does not end is cut there.
LINE_BYTES = 64 << 10
#: Lines that wait_for() has not looked at yet; older ones are forgotten.
WAITING_LINES = 20000
#: What begins a line that is an answer to the kit, and not the program's.
ANSWER = "\x1e"


class Console:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._head: list[str] = []
            self._tail: collections.deque[str] = collections.deque()
            self._characters = 0
            self.lost = 0

    def add(self, line: str) -> None:
        with self._lock:
            if len(self._head) < HEAD_LINES and not self._tail:
                self._head.append(line)
                return
            self._tail.append(line)
            self._characters += len(line)
            while len(self._tail) > TAIL_LINES or self._characters > TAIL_CHARACTERS:
                self._characters -= len(self._tail.popleft())
                self.lost += 1

    def lines(self) -> list[str]:
        with self._lock:
            return [*self._head, *self._tail]

    def __len__(self) -> int:
        """How many lines have come, kept or not."""
        return len(self._head) + len(self._tail) + self.lost

    def text(self, last: int | None = None) -> str:
        """All of it, or the last lines; it says how many are not there."""
        lines = self.lines()
        if last is not None and len(lines) > last:
            return "\n".join([f"({len(self) - last} lines before)", *lines[-last:]])
        if self.lost:
            lines[HEAD_LINES:HEAD_LINES] = [f"({self.lost} lines that are not kept)"]
        return "\n".join(lines)


class Captured:
    """Ahead of a targets.Device: its lines go to consoles, and nothing in them is obeyed."""

    _lines: queue.Queue[str | None]
    _partial: bytes

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        #: The device's console, and this run's own.
        self.shared: Console | None = None
        self.own = Console()
        self.answer: str | None = None

    def clock(self) -> float:
        """In seconds of a desktop, as timeouts are."""
        return time.monotonic() / (self.slowness * self.patience)  # type: ignore[attr-defined]

    def _feed(self, data: bytes) -> None:
        super()._feed(data)  # type: ignore[misc]
        while len(self._partial) > LINE_BYTES:
            part, self._partial = self._partial[:LINE_BYTES], self._partial[LINE_BYTES:]
            self._take(part.decode(errors="backslashreplace"))

    def _take(self, line: str) -> None:
        if line.startswith(ANSWER):
            self.answer = line[len(ANSWER) :]
            return
        self.own.add(line)
        if self.shared is not None:
            self.shared.add(line)
        if self._lines.qsize() >= WAITING_LINES:
            with contextlib.suppress(queue.Empty):
                self._lines.get_nowait()
        self._lines.put(line)

    def _tell(self, failure: str) -> None:
        """Nobody waits for a line of a traceback, which may quote the program."""
        if self._partial:
            self._take(self._partial.decode(errors="backslashreplace"))
            self._partial = b""
        for line in failure.rstrip().splitlines():
            for console in (self.own, self.shared):
                if console is not None:
                    console.add(line)

    def retire(self) -> None:
        self.kill()  # type: ignore[attr-defined]


class Patience:
    """How much of a timeout is left, by the device's clock, which is not looked at all the time."""

    LOOK_S = 0.5

    def __init__(self, run: Any, timeout: float) -> None:
        self._run, self._timeout = run, timeout
        self._begun = run.clock()
        self._looked = time.monotonic()
        self._left = timeout

    def left(self) -> float:
        """At least a moment: what has come already is still taken."""
        if time.monotonic() - self._looked > self.LOOK_S:
            self._left = self._timeout - (self._run.clock() - self._begun)
            self._looked = time.monotonic()
        return max(self._left, 0.001)

    @property
    def is_over(self) -> bool:
        self.left()
        return self._left <= 0
