# SPDX-License-Identifier: GPL-2.0-only
"""What is being done, said whenever pytest has been silent for a while: a plugin of tests/conftest.py.

On a terminal and elsewhere it takes a line of its own; the dots go on below it.
"""

from __future__ import annotations

import os
import threading
import time

EVERY_S = 20


class Progress:
    def __init__(self, out: int) -> None:
        self.every = EVERY_S
        # The capture of pytest takes descriptor 1 while a test runs.
        self.out = os.dup(out)
        self.begun = self.heard = time.monotonic()
        self.in_line = os.isatty(out)  # "collecting ..." stands there
        self.what = "reading the tests"
        self.running: dict[str, float] = {}  # since when; of several, where workers share the run
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        wait = self.every
        while not self.over.wait(wait):
            with self.lock:
                now = time.monotonic()
                wait = self.heard + self.every - now
                if wait > 0:
                    continue
                self.heard, wait = now, self.every
                self._say(now)

    def _say(self, now: float) -> None:
        text = self.what
        if self.running:
            longest = min(self.running, key=lambda name: self.running[name])
            others = len(self.running) - 1
            text = longest.removeprefix("tests/")
            text += f", for {now - self.running[longest]:.0f} s"
            text += f"; {others} beside it" if others else ""
        text = f"{chr(10) if self.in_line else ''}  {now - self.begun:.0f} s: {text}\n"
        self.in_line = False
        os.write(self.out, text.encode(errors="replace"))

    def _heard(self, in_line: bool = True) -> None:
        self.heard = time.monotonic()
        self.in_line = in_line

    # ---- Of pytest

    def pytest_collection_finish(self) -> None:
        with self.lock:
            self.what = "about to run the tests"
            self._heard(in_line=False)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        with self.lock:
            self.in_line = True  # behind the name of its file
            self.running[nodeid] = time.monotonic()

    def pytest_runtest_logreport(self, report) -> None:
        if report.when == "call" or report.outcome != "passed":
            with self.lock:
                self._heard()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        with self.lock:
            self.running.pop(nodeid, None)
            self.what = "what is done between tests and after them"

    def pytest_unconfigure(self) -> None:
        self.over.set()
        self.thread.join()
        os.close(self.out)
