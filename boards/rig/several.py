# SPDX-License-Identifier: GPL-2.0-only
"""Several boards by one command: a rig for each, on one segment.

With --control a command names its board, "board": 2, and so does each event; without, commands are the
first one's. When one ends all do.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from options import die

PR_SET_PDEATHSIG = 1
STOP_S = 10
_libc = ctypes.CDLL(None)


class Several:
    def __init__(self, arguments: argparse.Namespace, argv: list[str]) -> None:
        self.arguments, self.argv = arguments, argv
        self.rigs: list[subprocess.Popen[bytes]] = []
        self.rests: dict[int, bytes] = {}
        self.ends: dict[int, dict[str, Any]] = {}

    def start(self, segment: str) -> None:
        a = self.arguments
        for number in range(1, a.boards + 1):
            command = [sys.executable, str(Path(__file__).with_name("rig.py")), *without(self.argv)]
            command += ["--segment", segment, "--name", f"board {number}"]
            command += ["--number", str(number)]
            command += ["--port", str(a.port + number - 1)]
            for board, here, there in a.forward:
                command += ["--forward", f"{here}:{there}"] if board == number else []
            if a.seed is not None:
                command += ["--seed", str(a.seed + number - 1)]
            self.rigs.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE if a.control else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
                )
            )

    def run(self) -> None:
        """Until one of them has ended, or standard input has."""
        poller = select.poll()
        places = {rig.stdout.fileno(): n for n, rig in enumerate(self.rigs) if rig.stdout}
        for fd in places:
            poller.register(fd, select.POLLIN)
        control = sys.stdin.fileno() if self.arguments.control else -1
        if control >= 0:
            poller.register(control, select.POLLIN)
        while True:
            for fd, _ in poller.poll():
                data = os.read(fd, 65536)
                if not data:
                    return
                for line in self._lines(fd, data):
                    if fd == control:
                        self._command(line)
                    else:
                        self._event(places[fd], line)

    def _lines(self, fd: int, data: bytes) -> list[bytes]:
        *lines, self.rests[fd] = (self.rests.get(fd, b"") + data).split(b"\n")
        return lines

    def _event(self, number: int, line: bytes) -> None:
        event = json.loads(line)
        if event.get("event") == "end":
            self.ends[number] = event
        tell({"board": number + 1, **event})

    def _command(self, line: bytes) -> None:
        try:
            wanted = json.loads(line)
            board = wanted.get("board", 1)
            if wanted.get("do") == "quit":
                raise KeyboardInterrupt
            stdin = self.rigs[int(board) - 1].stdin if int(board) > 0 else None
            if stdin is None:
                raise IndexError
            stdin.write(line + b"\n")
            stdin.flush()
        except (ValueError, TypeError, AttributeError):
            tell({"answer": None, "error": f"no command: {line.decode(errors='replace')}"})
        except (IndexError, OSError):
            tell({"answer": wanted.get("id"), "error": f"there is no board {board}"})

    def stop(self) -> int:
        for rig in self.rigs:
            if rig.stdin:
                with contextlib.suppress(OSError):
                    rig.stdin.close()
                rig.stdin = None
            else:
                with contextlib.suppress(OSError):
                    rig.send_signal(signal.SIGTERM)
        status = 0
        for number, rig in enumerate(self.rigs):
            try:
                out, _ = rig.communicate(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                rig.kill()
                out, _ = rig.communicate()
            for line in out.splitlines():
                with contextlib.suppress(ValueError):
                    self._event(number, line)
            status = max(status, rig.returncode or 0)
        return min(status, 1)


def without(argv: list[str]) -> list[str]:
    """The options that are for each of the rigs as they are."""
    found, skip = [], False
    mine = ("--boards", "--forward", "--port", "--seed", "--segment")
    for each in argv:
        if skip:
            skip = False
        elif each in mine:
            skip = True
        elif each.partition("=")[0] not in mine:
            found.append(each)
    return found


def tell(event: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(event), flush=True)


def main(arguments: argparse.Namespace, argv: list[str]) -> int:
    processors = len(os.sched_getaffinity(0))
    if arguments.boards > processors and not arguments.control:
        print(
            f"rig: {arguments.boards} boards share {processors} processor{'s' * (processors > 1)}: "
            "each is slower than alone",
            file=sys.stderr,
            flush=True,
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="pymongoose-segment-") as folder:
        rigs = Several(arguments, argv)
        try:
            rigs.start(arguments.segment or folder)
            rigs.run()
        except KeyboardInterrupt:
            pass
        except OSError as e:
            die(str(e))
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            status = rigs.stop()
        if arguments.control:
            failed = [
                f"board {n + 1}: {end['why']}" for n, end in rigs.ends.items() if end.get("failed")
            ]
            tell({"event": "end", "why": "; ".join(failed) or "as asked", "failed": bool(failed)})
    return status
