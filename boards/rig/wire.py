# SPDX-License-Identifier: GPL-2.0-only
"""What a link does to packets: it loses some, delays all, and carries so much and no more.

Each direction is a queue of its own. What does not fit into it is lost, as at a router.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

QUEUE_BYTES = 65536

#: name: (lowest, highest) of what may be asked for
LIMITS = {"loss": (0.0, 100.0), "delay": (0.0, 60000.0), "rate": (0.0, 1e7)}
UNITS = {"loss": "percent", "delay": "milliseconds", "rate": "kbit/s"}


def quality(name: str, value: Any) -> float:
    """A number that the link can have for loss, delay or rate; ValueError says what is wrong."""
    low, high = LIMITS[name]
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is a number of {UNITS[name]}, not {value!r}") from None
    if not low <= number <= high:  # nor is NaN
        raise ValueError(f"{name} is {low:g} to {high:g} {UNITS[name]}, not {value}")
    return number


class Wire:
    """`loss` in percent, `delay` in milliseconds, `rate` in kbit/s, 0: as fast as can be."""

    def __init__(self, seed: int | None = None) -> None:
        self.loss = self.delay = self.rate = 0.0
        self.packets = {"in": 0, "out": 0, "lost": 0}
        self._random = random.Random(seed)
        self._queues: dict[str, deque[tuple[float, bytes, Callable[[bytes], None]]]] = {
            "in": deque(),
            "out": deque(),
        }
        self._waiting = {"in": 0, "out": 0}  # bytes
        self._free = {"in": 0.0, "out": 0.0}  # when the last packet will have been sent

    def change(self, **wanted: Any) -> None:
        """All or nothing."""
        found = {name: quality(name, value) for name, value in wanted.items()}
        for name, value in found.items():
            setattr(self, name, value)

    def carry(self, direction: str, packet: bytes, arrive: Callable[[bytes], None]) -> None:
        self.packets[direction] += 1
        queue = self._queues[direction]
        if (self.loss > 0 and self._random.random() * 100 < self.loss) or (
            self._waiting[direction] + len(packet) > QUEUE_BYTES
        ):
            self.packets["lost"] += 1
        elif not (self.delay or self.rate or queue):
            arrive(packet)
        else:
            sent = max(time.monotonic(), self._free[direction])
            if self.rate:
                sent += len(packet) * 8 / (self.rate * 1000)
            self._free[direction] = sent
            self._waiting[direction] += len(packet)
            queue.append((sent + self.delay / 1000, packet, arrive))

    def wait(self) -> float:
        """Seconds until deliver() has something to do, 1 at most."""
        due = [queue[0][0] for queue in self._queues.values() if queue]
        return min(1.0, max(0.0, min(due) - time.monotonic())) if due else 1.0

    def deliver(self) -> None:
        now = time.monotonic()
        for direction, queue in self._queues.items():
            while queue and queue[0][0] <= now:
                _, packet, arrive = queue.popleft()
                self._waiting[direction] -= len(packet)
                arrive(packet)
