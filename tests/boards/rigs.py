# SPDX-License-Identifier: GPL-2.0-only
"""A rig of emulated boards that a test starts for itself, and programs on them."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from typing import Any

from targets import ROOT
from targets.process import _die_with_parent

RIG = ROOT / "boards" / "rig"
sys.path.insert(0, str(RIG))

from repl import Repl  # noqa: E402

#: For the emulator to do anything at all, on a machine that is busy; seconds.
LONG = 240


class Rig:
    """`boards` of them under --control, on so many processors; all of it ends with the test."""

    def __init__(self, target, *options: str, boards: int = 1, processors: int = 0) -> None:
        command = [sys.executable, str(RIG / "rig.py"), "--control", "--boards", str(boards)]
        command += ["--firmware", str(target.firmware), "--parts", str(target.parts), *options]

        def prepare():
            _die_with_parent()
            if processors:
                os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:processors])

        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=prepare,
        )
        self.boards = boards
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.seen: list[dict[str, Any]] = []
        self.serial: dict[int, int] = {}
        self.count = 0

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.events.put(json.loads(line))
        self.events.put(None)

    def event(self) -> dict[str, Any]:
        found = self.events.get(timeout=LONG)
        if found is None:
            raise AssertionError(f"the rig has ended: {self.seen[-3:]}")
        self.seen.append(found)
        return found

    def started(self) -> Rig:
        while len(self.serial) < self.boards:
            event = self.event()
            assert event.get("event") != "end", event
            if event.get("event") == "ready":
                self.serial[event.get("board", 1)] = event["serial"]
        return self

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        self.count += 1
        self.write(json.dumps({"do": what, "id": self.count, **arguments}))
        return self.answer(self.count)

    def answer(self, number: int | None) -> dict[str, Any]:
        while True:
            found = self.event()
            if "answer" in found and found["answer"] == number:
                return found

    def write(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def run(self, *programs: str) -> list[str]:
        """One on each board, at the same time; what they print."""
        results: list[Any] = [None] * len(programs)

        def one(number: int, text: str) -> None:
            try:
                repl = Repl(self.serial[number + 1])
                repl.enter()
                repl.socket.settimeout(LONG)
                results[number] = repl.exec(text)
                repl.leave()
            except OSError as e:
                results[number] = e

        threads = [threading.Thread(target=one, args=each) for each in enumerate(programs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for result in results:
            assert isinstance(result, str), result
        return results

    def ended(self) -> tuple[dict[str, Any], int, str]:
        """The last event, the exit status, and what was written for people."""
        while True:
            found = self.events.get(timeout=LONG)
            if found is None:
                break
            self.seen.append(found)
        stderr = self.process.stderr.read().decode() if self.process.stderr else ""
        return (self.seen[-1] if self.seen else {}), self.process.wait(LONG), stderr

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(LONG)
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
