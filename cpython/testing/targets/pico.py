# SPDX-License-Identifier: GPL-2.0-only
"""The RP2040 firmware in an emulated Pico: boards/rig, started once for the session, and anew after a
test that has broken it.

A machine that is busy runs the emulated board at a part of its speed. So the waits for the board are
counted on the board's own clock, and those of the host's clients follow the speed that it last had.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes.util
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .base import DeviceError
from .places import ROOT, shown
from .process import ProcessDevice, _die_with_parent
from .serial import SerialDevice, SerialTarget

RIG = ROOT / "boards" / "rig" / "rig.py"
PARTS = ROOT / "build" / "rig"
GUEST, HOST = "10.0.2.15", "10.0.2.2"  # boards/rig/slirp.py


#: How much slower than a desktop the board is on a machine that has time for it.
SLOWNESS = 8
#: On such a machine the emulator takes so many seconds for one in which the board works.
USUAL_PACE = 2
#: No pace that was measured is believed beyond this, and a board whose clock stands still has hung.
WORST_PACE = 20
#: A wait is looked at so often, and not at all before.
AT_ONCE_S, SLICE_S = 1.0, 2.0


class PicoDevice(SerialDevice):
    sees_ports = False  # the network translates them

    def _get(self, source: queue.Queue[str | None], timeout: float, what: str) -> str:
        """As for others, but on the board's clock; who answers at once does not look at it."""
        rig = self._target
        try:
            return super()._get(source, min(timeout, AT_ONCE_S / self.slowness), what)
        except DeviceError:
            if self._ended:
                raise
        begun, end = rig.board_seconds(), time.monotonic() + timeout * rig.usual * WORST_PACE
        left = timeout
        while left > 0 and time.monotonic() < end:
            with contextlib.suppress(DeviceError):
                return super()._get(source, min(left, SLICE_S / self.slowness), what)
            if self._ended or rig.is_broken:
                break
            left = timeout - (rig.board_seconds() - begun) / rig.usual
        return super()._get(
            source, 0.01 / self.slowness, f"{what}, {timeout * rig.usual:g} of its own"
        )


class PicoTarget(SerialTarget):
    device_type = PicoDevice
    short_runs = True
    cannot = ("threads",)  # the emulator has one core of the two

    def __init__(
        self,
        name: str = "pico",
        firmware: Path | None = None,
        rig: Path = RIG,
        parts: Path = PARTS,
    ) -> None:
        super().__init__(name)
        self.wifi = None  # its network is the rig's
        self.rig, self.parts = rig, parts
        self.firmware = firmware or Path(
            os.environ.get("PMG_TEST_FIRMWARE") or ROOT / "build/firmware/RPI_PICO/firmware.uf2"
        )
        self.usual = float(os.environ.get("PMG_TEST_SLOWNESS_PICO") or SLOWNESS)
        self.slowness = self.usual
        self.pace = 1.0  # of the machine now, against a usual one
        self._clock = (0.0, 0.0, 0.0)
        self._asking = threading.Lock()
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
        for path, build in (
            (self.firmware, "make firmware BOARD=RPI_PICO"),
            (self.parts, "make rig"),
        ):
            if not path.exists():
                return f"{shown(path)} is not there: run `{build}`"
        if not shutil.which("node") or not ctypes.util.find_library("slirp"):
            return "node and libslirp are needed: run `make rig`"
        return None

    # -- The rig

    def device_name(self) -> str:
        if self._rig is None:
            self._start_rig()
        return f"socket://127.0.0.1:{self._serial}"

    def _start_rig(self) -> None:
        command = [sys.executable, str(self.rig), "--control", "--firmware", str(self.firmware)]
        command += ["--parts", str(self.parts)]
        self._rig = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        atexit.register(self.close)
        self._answers = queue.Queue()
        threading.Thread(target=self._listen, args=(self._rig, self._answers), daemon=True).start()
        ready = self._answer(60 * self.slowness, "the emulated board to start")
        self._serial = ready["serial"]

    def _listen(self, rig: subprocess.Popen[bytes], answers: queue.Queue[dict[str, Any]]) -> None:
        for line in rig.stdout:
            event = json.loads(line)
            if event.get("event") == "fault":
                self._faulted(event)
            if event.get("event") == "reset" and event["reason"] == "watchdog":
                self._was_reset.set()
                if self.in_use:
                    self.in_use.was_reset()
            if event.get("event") == "ready" or "answer" in event:
                answers.put(event)
        answers.put({"error": "the rig has ended"})
        if rig is self._rig:
            self.fault = "the rig has ended"
            if self.in_use:
                self.in_use.broke(self.fault)

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
        with self._asking:
            self._count += 1
            line = json.dumps({"do": what, "id": self._count, **arguments})
            try:
                self._rig.stdin.write(line.encode() + b"\n")
                self._rig.stdin.flush()
            except OSError as e:
                raise DeviceError(f"the rig takes no command: {e}") from None
            while True:
                found = self._answer(5 * self.slowness, f"the rig's answer to {what}")
                if found.get("answer") == self._count:
                    return found

    def cycles(self) -> int:
        """Simulated cycles that the board has run: those in which it slept do not count."""
        return self.ask("cycles")["cycles"]

    # -- Its speed

    def board_seconds(self) -> float:
        """What the board's clock says; it goes back when the board is reset."""
        return self.ask("cycles")["nanos"] / 1e9

    def _measure(self) -> None:
        """How fast the emulator was since the last time, as far as the board had work."""
        found = self.ask("cycles")
        now = (time.monotonic(), found["nanos"] / 1e9, found["idle_ms"] / 1e3)
        wall, board, idle = (a - b for a, b in zip(now, self._clock, strict=True))
        self._clock = now
        if board - idle > 0.1 and wall > idle:
            pace = (wall - idle) / (board - idle) / USUAL_PACE
            self.pace = min(max(pace, 1.0), WORST_PACE)
            self.slowness = self.usual * self.pace

    # -- What differs from another board

    def _find_network(self) -> None:
        self.address, self.peer = GUEST, HOST

    def reach(self, port: int) -> tuple[str, int]:
        if port not in self._ports:
            self._ports[port] = self.ask("forward", port=port)["port"]
        return ("127.0.0.1", self._ports[port])

    def fresh(self) -> None:
        self._or_another(self._fresh)

    def start(self, source: str, params: dict[str, Any]) -> SerialDevice:
        return self._or_another(lambda: super(PicoTarget, self).start(source, params))

    def _or_another(self, action: Callable[[], Any]) -> Any:
        """Whatever the test before has left of the emulator, this one is not to pay for that."""
        from mpremote.transport import TransportError

        if self.is_broken:
            self._replace()
        try:
            return action()
        except (DeviceError, OSError, TransportError) as e:
            if self._rig is None:
                raise DeviceError(f"the emulator does not start: {e}") from None
            self._replace()
            return action()

    def _fresh(self) -> None:
        if self._rig is not None:
            while self._ports:
                self.ask("unforward", port=self._ports.popitem()[0])
            self._measure()
        super()._fresh()

    @property
    def is_broken(self) -> bool:
        return bool(self.fault) or (self._rig is not None and self._rig.poll() is not None)

    def _replace(self) -> None:
        """Ends the emulator; the next use starts another, with an empty flash."""
        self.close()
        self._rig = self._transport = self.in_use = None
        self._ports.clear()
        self._folders.clear()
        self._was_reset.clear()
        self._clock = (0.0, 0.0, 0.0)
        self.fault = self.address = ""

    def own_capabilities(self) -> set[str]:
        return super().own_capabilities() | {"demo", "emulator"}

    def demo(self, page: Path) -> ProcessDevice:
        """What `make demo TARGET=pico` runs: an emulated board of its own."""
        command = [sys.executable, str(ROOT / "tools/board/demo_board.py"), "pico", "0", str(page)]
        return ProcessDevice(command, dict(os.environ))

    def hard_reset(self) -> None:
        self.ask("reset")

    def hung(self, device: SerialDevice) -> None:
        """Where it hangs is for the console; the next script gets another emulator."""
        lines = ["the board does not answer Ctrl-C"]
        try:
            where = self.ask("state")
            lines += ["  ".join(f"{k} {v}" for k, v in where["registers"].items())]
            lines += where["where"]
        except DeviceError as e:
            lines.append(f"({e})")
        self.fault = "\n".join(lines)
        device.broke(self.fault)
        self.in_use = None

    def restarted(self, device: SerialDevice) -> None:
        if not self._was_reset.wait(10 * self.slowness):
            self.fault = "the board did not restart"
            raise DeviceError(self.fault)
        self._was_reset.clear()
        device.broke("the board was reset")
        self.in_use = None

    def close(self) -> None:
        rig, self._rig = self._rig, None
        with contextlib.suppress(OSError):
            super().close()
        if rig:
            with contextlib.suppress(OSError):
                rig.stdin.close()
            try:
                rig.wait(10)
            except subprocess.TimeoutExpired:
                rig.kill()
                rig.wait()
