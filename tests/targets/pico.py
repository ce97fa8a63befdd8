# SPDX-License-Identifier: GPL-2.0-only
"""The RP2040 firmware in an emulated Pico: boards/rig, started once for the session."""

from __future__ import annotations

import atexit
import ctypes.util
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from .base import DeviceError
from .process import ROOT, ProcessDevice, _die_with_parent
from .serial import SerialDevice, SerialTarget

RIG = ROOT / "boards" / "rig" / "rig.py"
PARTS = ROOT / "build" / "rig"
GUEST, HOST = "10.0.2.15", "10.0.2.2"  # boards/rig/slirp.py


class PicoDevice(SerialDevice):
    sees_ports = False  # the network translates them


class PicoTarget(SerialTarget):
    device_type = PicoDevice
    short_runs = True
    cannot = ("threads",)  # the emulator has one core of the two

    def __init__(self, name: str = "pico", firmware: Path | None = None) -> None:
        super().__init__(name)
        self.wifi = None  # its network is the rig's
        self.firmware = firmware or Path(
            os.environ.get("PMG_TEST_FIRMWARE") or ROOT / "build/firmware/RPI_PICO/firmware.uf2"
        )
        self.slowness = float(os.environ.get("PMG_TEST_SLOWNESS_PICO") or 8)
        self._rig: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._serial = 0
        self._count = 0
        self._ports: dict[int, int] = {}
        self.fault = ""
        self._was_reset = threading.Event()

    def absent(self) -> str | None:
        return None

    def missing(self) -> str | None:
        for path, build in ((self.firmware, "make firmware BOARD=RPI_PICO"), (PARTS, "make rig")):
            if not path.exists():
                return f"{os.path.relpath(path, ROOT)} is not there: run `{build}`"
        if not shutil.which("node") or not ctypes.util.find_library("slirp"):
            return "node and libslirp are needed: run `make rig`"
        return None

    # -- The rig

    def device_name(self) -> str:
        if self._rig is None:
            self._start_rig()
        return f"socket://127.0.0.1:{self._serial}"

    def _start_rig(self) -> None:
        command = [sys.executable, str(RIG), "--control", "--firmware", str(self.firmware)]
        self._rig = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        atexit.register(self.close)
        threading.Thread(target=self._listen, daemon=True).start()
        ready = self._answer(60 * self.slowness, "the emulated board to start")
        self._serial = ready["serial"]

    def _listen(self) -> None:
        for line in self._rig.stdout:
            event = json.loads(line)
            if event.get("event") == "fault":
                self._faulted(event)
            if event.get("event") == "reset" and event["reason"] == "watchdog":
                self._was_reset.set()
            if event.get("event") == "ready" or "answer" in event:
                self._answers.put(event)
        self._answers.put({"error": "the rig has ended"})
        if self.in_use:
            self.in_use.broke("the rig has ended")

    def _faulted(self, event: dict[str, Any]) -> None:
        lines = [f"the board stopped: {event['what']}"]
        lines += ["  ".join(f"{k} {v}" for k, v in event["registers"].items())]
        self.fault = "\n".join(lines + event["where"])
        if self.in_use:
            self.in_use.broke(self.fault)

    def _answer(self, timeout: float, what: str) -> dict[str, Any]:
        try:
            found = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise DeviceError(f"waited {timeout:g} s for {what}") from None
        if "error" in found:
            raise DeviceError(found["error"])
        return found

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        self._count += 1
        line = json.dumps({"do": what, "id": self._count, **arguments})
        self._rig.stdin.write(line.encode() + b"\n")
        self._rig.stdin.flush()
        while True:
            found = self._answer(5 * self.slowness, f"the rig's answer to {what}")
            if found["answer"] == self._count:
                return found

    def cycles(self) -> int:
        """Simulated cycles that the board has run: those in which it slept do not count."""
        return self.ask("cycles")["cycles"]

    # -- What differs from another board

    def _find_network(self) -> None:
        self.address, self.peer = GUEST, HOST

    def reach(self, port: int) -> tuple[str, int]:
        if port not in self._ports:
            self._ports[port] = self.ask("forward", port=port)["port"]
        return ("127.0.0.1", self._ports[port])

    def start(self, source: str, params: dict[str, Any]) -> SerialDevice:
        while self._ports:
            self.ask("unforward", port=self._ports.popitem()[0])
        if self.fault:
            self.fault = ""
            self.hard_reset()
        return super().start(source, params)

    def own_capabilities(self) -> set[str]:
        return super().own_capabilities() | {"demo"}

    def demo(self, page: Path) -> ProcessDevice:
        """What `make demo TARGET=pico` runs: an emulated board of its own."""
        command = [sys.executable, str(ROOT / "tools/board/demo_board.py"), "pico", "0", str(page)]
        return ProcessDevice(command, dict(os.environ))

    def hard_reset(self) -> None:
        self.ask("reset")

    def hung(self, device: SerialDevice) -> None:
        """Where it hangs is for the console; the next script begins with a reset."""
        where = self.ask("state")
        lines = ["the board does not answer Ctrl-C"]
        lines += ["  ".join(f"{k} {v}" for k, v in where["registers"].items())]
        self.fault = "\n".join(lines + where["where"])
        device.broke(self.fault)
        self.in_use = None

    def restarted(self, device: SerialDevice) -> None:
        if not self._was_reset.wait(10 * self.slowness):
            raise DeviceError("the board did not restart")
        self._was_reset.clear()
        device.broke("the board was reset")
        self.in_use = None

    def close(self) -> None:
        super().close()
        if self._rig:
            self._rig.stdin.close()
            try:
                self._rig.wait(10)
            except subprocess.TimeoutExpired:
                self._rig.kill()
