# SPDX-License-Identifier: GPL-2.0-only
"""A network segment that several emulated boards share, each run by a rig of its own.

It is a folder. Each rig has a socket there whose name is the last number of its board's address; who
sends to one board sends to its socket, and broadcast and multicast goes to all. There is no
process in the middle: boards come and go as they like.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

FIRST, LAST = 15, 99  # of the boards' addresses
MAX_PACKET = 65535
RETRY_S = 0.002  # a socket whose owner is busy takes few packets at a time
HELD = 256


def folder_of(name: str) -> Path:
    """Where the segment is: a path as it is, a name among those of this user."""
    if "/" in name:
        return Path(name)
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,30}", name):
        raise OSError(f"a segment's name has letters, digits, - and _, or is a path: not {name!r}")
    place = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isdir(place) or not os.access(place, os.W_OK):
        place = tempfile.gettempdir()
    return Path(place, f"pymongoose-rig-{os.getuid()}", name)


class Segment:
    """`number` is the last one of the board's address: the one that is wanted, if it is free."""

    def __init__(self, name: str, wanted: int = FIRST) -> None:
        self.folder = folder_of(name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self._held: deque[tuple[str, bytes]] = deque()
        with self._locked():
            self.number = self._take_number(wanted)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else comes or goes meanwhile."""
        path = self.folder / "lock"
        while True:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if self.folder.stat().st_uid != os.getuid():
                    raise OSError(f"{self.folder} belongs to another user")
                lock = open(path, "w")  # noqa: SIM115
            except (FileNotFoundError, FileExistsError):
                if os.path.lexists(self.folder) and not self.folder.is_dir():
                    raise
                continue  # the last one has just left
            with lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if os.fstat(lock.fileno()).st_nlink:  # else it was removed while we waited
                    yield
                    return

    def _take_number(self, wanted: int) -> int:
        for number in (wanted, *range(FIRST, LAST + 1)):
            path = self.folder / str(number)
            try:
                self.socket.bind(str(path))
                return number
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise OSError(f"{path}: {e.strerror or e}") from None
            if not self._is_alive(path):  # its rig was killed
                path.unlink(missing_ok=True)
                self.socket.bind(str(path))
                return number
        raise OSError(f"{self.folder} has {LAST - FIRST + 1} boards already")

    @staticmethod
    def _is_alive(path: Path) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            try:
                s.connect(str(path))
            except OSError:
                return False
            return True

    def close(self) -> None:
        # Its name goes with it: who finds one without a socket takes it.
        with contextlib.suppress(OSError), self.socket, self._locked():
            self.socket.close()
            (self.folder / str(self.number)).unlink(missing_ok=True)
            if os.listdir(self.folder) == ["lock"]:  # the last one
                (self.folder / "lock").unlink()
                self.folder.rmdir()

    # -- Packets

    def has(self, number: int) -> bool:
        return FIRST <= number <= LAST and number != self.number

    def send(self, number: int, packet: bytes) -> None:
        self._send(str(number), packet)

    def flood(self, packet: bytes) -> None:
        """To all the others."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                if name.isdigit() and int(name) != self.number:
                    self._send(name, packet)

    def receive(self) -> list[bytes]:
        found = []
        with contextlib.suppress(BlockingIOError):
            while len(found) < HELD:
                found.append(self.socket.recv(MAX_PACKET))
        return found

    def _send(self, name: str, packet: bytes) -> None:
        behind = any(other == name for other, _ in self._held)  # packets keep their order
        if behind or not self._try(name, packet):
            if len(self._held) == HELD:
                self._held.popleft()
            self._held.append((name, packet))

    def _try(self, name: str, packet: bytes) -> bool:
        try:
            self.socket.sendto(packet, str(self.folder / name))
        except BlockingIOError:
            return False
        except OSError:
            pass  # there is no such board: the packet is lost, as on a wire
        return True

    def wait(self) -> float:
        """Seconds until retry() has something to do, 1 at most."""
        return RETRY_S if self._held else 1.0

    def retry(self) -> None:
        held, self._held = self._held, deque()
        for name, packet in held:
            self._send(name, packet)
