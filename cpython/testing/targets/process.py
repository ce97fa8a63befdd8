# SPDX-License-Identifier: GPL-2.0-only
"""Targets that are processes of this machine: CPython, and MicroPython's unix port."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .base import Device, DeviceError, Target
from .places import ROOT, shown

# Its own 2 MB hold no body of several megabytes, which tests send to all targets alike.
UNIX_OPTIONS = ["-X", "heapsize=64m"]

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    # Even if pytest is killed, no script outlives it.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ProcessDevice(Device):
    #: For builds that check themselves: how much slower those are.
    slowness = float(os.environ.get("PMG_TEST_SLOWNESS") or 1)
    patience = 3.0

    def __init__(
        self,
        command: list[str],
        env: dict[str, str],
        cwd: Path | None = None,
        before: Callable[[], None] = _die_with_parent,
    ) -> None:
        super().__init__()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd or (ROOT if ROOT.exists() else None),
            env=env,
            start_new_session=True,
            preexec_fn=before,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while data := os.read(self.process.stdout.fileno(), 65536):
            self._feed(data)
        self._end()

    def _write(self, line: str) -> None:
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # the script has ended: whoever waits for its answer will see

    @property
    def pid(self) -> int:
        return self.process.pid

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def close_input(self) -> None:
        self.process.stdin.close()

    def exit_code(self, timeout: float = 10) -> int:
        """Waits for the end; negative: the signal that ended it."""
        self.settled = True
        try:
            code = self.process.wait(timeout * self.slowness * self.patience)
        except subprocess.TimeoutExpired:
            raise DeviceError(f"the script did not end within {timeout:g} s") from None
        self._reader.join(timeout)
        return code

    def ending(self) -> str | None:
        settled = self.settled
        code = self.exit_code()
        self.settled = settled
        if code < 0:
            return signal.Signals(-code).name
        return f"exit code {code}" if code else None

    def kill(self) -> None:
        # The whole session: what the script may have started goes with it.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


@functools.cache
def _can_unshare() -> bool:
    command = ["unshare", "--map-root-user", "--mount", "--net", "true"]
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


class ProcessTarget(Target):
    def __init__(self, name: str, program: Path, options: list[str], build: str) -> None:
        super().__init__()
        self.name = self.make_target = name
        self.slowness = ProcessDevice.slowness
        self.program = program
        self.options = options
        self.build = build
        self._folder = tempfile.TemporaryDirectory(prefix="pymongoose-test-")
        self._count = 0
        self.env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONFAULTHANDLER": "1",
        }

    def missing(self) -> str | None:
        if not self.program.exists():
            return f"{shown(self.program)} is not there: run `{self.build}`"
        return None

    def own_capabilities(self) -> set[str]:
        found = {"signals", "process", "host-files", "host-network", "demo"}
        if _can_unshare():
            found.add("namespaces")
        if shutil.which("systemd-socket-activate"):
            found.add("systemd")
        if self.name in ("cpython", "unix", "unix-next"):
            found.add("epoll")
        return found | {"native-speed"} if ProcessDevice.slowness == 1 else found

    def start(self, source: str, params: dict[str, Any]) -> ProcessDevice:
        self._count += 1
        script = Path(self._folder.name) / f"script{self._count}.py"
        script.write_text(self.text(source, params, ProcessDevice))
        return self.run(script)

    def run(self, script: Path, *args: str, env: dict[str, str] | None = None) -> ProcessDevice:
        """Runs a program as a user would: nothing is put around it."""
        command = [str(self.program), *self.options, str(script), *args]
        return ProcessDevice(command, {**self.env, **(env or {})})

    def demo(self, page: Path) -> ProcessDevice:
        """What `make demo` runs, on a free port."""
        return self.run(ROOT / "examples/dashboard.py", "0", "--page", str(page))


def all_targets() -> dict[str, ProcessTarget]:
    def program(variable: str, path: str) -> Path:
        return Path(os.environ.get(variable) or ROOT / path).absolute()

    return {
        "cpython": ProcessTarget(
            "cpython", program("PMG_TEST_CPYTHON", ".venv/bin/python"), [], "make cpython"
        ),
        "unix": ProcessTarget(
            "unix", program("PMG_TEST_UNIX", "build/unix/micropython"), UNIX_OPTIONS, "make unix"
        ),
    }


@functools.cache
def results_of_next() -> Path:
    """Where what is built with MICROPYTHON=next lies."""
    run = [sys.executable, str(ROOT / "tools/deps/deps.py"), "--results"]
    env = {**os.environ, "MICROPYTHON": "next"}
    return (
        ROOT
        / subprocess.run(run, check=True, text=True, capture_output=True, env=env).stdout.strip()
    )


def unix_esp32() -> ProcessTarget:
    """MicroPython's unix port with the socket layer of an ESP32."""
    program = ROOT / "build/unix-esp32/micropython"
    return ProcessTarget("unix-esp32", program, UNIX_OPTIONS, "make test-esp32")


def unix_next() -> ProcessTarget:
    """MicroPython's unix port, of the version that Debian's next release has."""
    program = results_of_next() / "unix/micropython"
    return ProcessTarget("unix-next", program, UNIX_OPTIONS, "make unix MICROPYTHON=next")


def cpython_poll() -> ProcessTarget:
    """CPython with the backend that waits by poll(), as it does where there is no epoll."""
    return ProcessTarget(
        "cpython-poll", ROOT / "build/cpython-poll/python", [], "make cpython-poll"
    )


#: Targets that a plain run does not have.
MORE = {"unix-esp32": unix_esp32, "unix-next": unix_next, "cpython-poll": cpython_poll}
