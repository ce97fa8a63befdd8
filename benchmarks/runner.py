# SPDX-License-Identifier: GPL-2.0-only
"""What all figures share: servers as processes, plain clients, process accounting, medians."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVERS = ROOT / "benchmarks" / "servers"
WORK = ROOT / "build" / "bench"

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
# With two cores or more, server and load each have their own: what they do to each other's caches
# is the largest part of the noise.
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[-1], CORES[0]


class BenchError(Exception):
    """A figure cannot be taken; the text says why."""


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Run:
    """What one run of bench.py knows: who takes part, and what could not be measured."""

    def __init__(self, rounds: int, wanted: list[str], missing: dict[str, str]) -> None:
        self.rounds = rounds
        self.wanted = wanted
        self.missing = missing
        self.kind = ""
        self._failures: dict[str, str] = {}

    def peers(
        self, table: list[Any], keep_alive: bool = False, one_process: bool = False
    ) -> list[Any]:
        """Those of a table that can be measured, and are to be."""
        return [
            peer
            for peer in table
            if peer.package not in self.missing
            and (not self.wanted or any(text in peer.name for text in self.wanted))
            and (peer.keep_alive or not keep_alive)
            and (peer.one_process or not one_process)
        ]

    def progress(self, text: str) -> None:
        say(f"  {self.kind}: {text}")

    @contextlib.contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """What fails here is said by name, now and under the table."""
        self.progress(what)
        try:
            yield
        except (BenchError, OSError, subprocess.SubprocessError) as err:
            self._failures.setdefault(what, str(err) or type(err).__name__)
            self.progress(f"{what}: FAILED: {err}")

    def take_failures(self) -> list[str]:
        found = [f"{what}: {reason}" for what, reason in self._failures.items()]
        self._failures = {}
        return found


def descriptors(wanted: int) -> bool:
    """Raises the limit of open files to `wanted`, for us and our servers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return False
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return True


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Server:
    """A server process. `command` is a function of the port."""

    def __init__(
        self,
        command: Callable[[int], list[str]],
        *,
        wrapper: list[str] | None = None,
        env: dict[str, str] | None = None,
        patience: float = 30,
    ) -> None:
        self.port = free_port()
        self.log = open(WORK / "server.log", "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*(wrapper or []), *command(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env={
                **os.environ,
                "PYTHONHASHSEED": "0",
                "PYTHONDONTWRITEBYTECODE": "1",
                **(env or {}),
            },
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
            start_new_session=True,
        )
        self._wait(time.monotonic() + patience)

    def _wait(self, end: float) -> None:
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise BenchError(f"the server did not start: {self.last_line()}") from None
                time.sleep(0.002)

    def last_line(self) -> str:
        self.log.seek(0)
        lines = self.log.read().strip().splitlines()
        return lines[-1] if lines else "no output"

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def pids(self) -> list[int]:
        """The process and its descendants."""
        parents: dict[int, list[int]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                    parents.setdefault(int(fields[1]), []).append(int(entry))
        found = [self.process.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def cpu_seconds(self) -> float:
        """User and system time so far, of all threads and descendants.

        The scheduler counts nanoseconds, also where the clock's ticks of 10 ms hit others.
        """
        spent = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    text = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text()
                    spent += int(text.split()[0])
        return spent / 1e9

    def private_kib(self) -> int:
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Private_Dirty:"):
                        total += int(line.split()[1])
        return total

    def stop(self, pid: int | None = None) -> None:
        """Ends it, or the process of it that is named, by SIGTERM; by force if it does not listen."""
        if self.process.poll() is None:
            os.kill(pid or self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)  # the session we gave it
                self.process.wait(10)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self.log.close()


def exchange(sock: socket.socket) -> bytes:
    """One request and its whole reply."""
    sock.sendall(REQUEST)
    data = sock.recv(65536)
    while b"Hello, world!" not in data:
        more = sock.recv(65536)
        if not more:
            raise BenchError("the server closed the connection before the reply ended")
        data += more
    return data


@contextlib.contextmanager
def idle_connections(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Connections that made one request each and are silent since."""
    socks: list[socket.socket] = []
    try:
        for _ in range(count):
            sock = server.connect()
            socks.append(sock)
            exchange(sock)
        yield socks
    finally:
        for sock in socks:
            sock.close()


def requests(server: Server, count: int) -> None:
    """`count` requests, one after the other, on one connection."""
    with server.connect() as sock:
        for _ in range(count):
            exchange(sock)


def client(command: list[str], seconds: float) -> str:
    """Runs a load generator on the core of the clients; returns what it printed."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}),
    )
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip().splitlines()
        raise BenchError(f"{Path(command[0]).name}: {text[-1] if text else done.returncode}")
    return done.stdout


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))
