# SPDX-License-Identifier: GPL-2.0-only
"""Targets behind a serial port: a board that runs MicroPython's raw REPL.

A port is what pyserial opens (`/dev/ttyACM0`, `socket://host:port`), or one of mpremote's short
forms: `a0` is /dev/ttyACM0, `u1` is /dev/ttyUSB1, `auto` is the first board that is found. Each
script begins with a soft reset and so with an empty heap; boot.py is run and brings up the network,
or WIFI_SSID and WIFI_PSK of the environment name a Wi-Fi, which is joined before the first script
and wherever it was lost since.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import os
import re
import select
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from . import board_network
from .base import DeviceError, Target
from .repl import ReplDevice

MPY_VERSION = 6  # of the compiled form, for MicroPython 1.25

# Loads a compiled script from the serial port: compiling on the board takes seconds and memory. Its
# place is made first: an ESP32's UART holds what comes in 20 ms, and a collection may take longer.
LOADER = """
import io, micropython, sys, vfs
micropython.kbd_intr(-1)
data = bytearray({size})
print("GIVE")
sys.stdin.buffer.readinto(data)
micropython.kbd_intr(3)
class Script:
    def mount(self, *_): pass
    def umount(self): pass
    def stat(self, path):
        if path != "/script.mpy": raise OSError(2)
        return (0x8000, 0, 0, 0, 0, 0, {size}, 0, 0, 0)
    def open(self, *_):
        global data
        file, data = io.BytesIO(data), None
        return file
vfs.mount(Script(), "/script")
sys.path.insert(0, "/script")
__import__("script")
"""

# What a board says of itself before the first script.
WHO = """
import os, sys
print(repr((sys.implementation.name, sys.implementation.version[:3], os.uname().machine,
    os.uname().version, getattr(sys.implementation, "_mpy", 0) & 255)))
"""

# Takes a folder's files; what an earlier run left there goes.
STORE = """
import os
from binascii import a2b_base64

def folder(path):
    os.mkdir(path)

def begin(path):
    global file
    end()
    file = open(path, "wb")

def end():
    if file:
        file.close()

def remove(path):
    for name, kind, *_ in os.ilistdir(path):
        if kind & 0x4000:
            remove(path + "/" + name)
        else:
            os.remove(path + "/" + name)
    os.rmdir(path)

try:
    remove(PARAMS["root"])
except OSError:
    pass
folder(PARAMS["root"])
file = None
serve()
"""
STORE_PIECE = 1536


class SerialDevice(ReplDevice):
    slowness = 2.0

    def __init__(self, target: SerialTarget) -> None:
        super().__init__()
        self._target = target
        self.host, self.peer = target.address, target.peer
        self.slowness = target.slowness

    def follow(self) -> None:
        """Begins to read what the script says; it has been given to the board."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            descriptor = self._target.port.fileno()
            while self._part < 2:
                # In slices: what comes after the script's end is not for us.
                if select.select([descriptor], [], [], 0.05)[0]:
                    data = os.read(descriptor, 65536)
                    if not data:
                        raise OSError("it was closed")
                    self.received(data)
        except (OSError, ValueError) as e:  # the port is gone
            if not self._failure:
                self._failure = f"the serial port failed: {e}"
        self._target.in_use = None
        self.ended()

    def broke(self, text: str) -> None:
        """The board has stopped: there will be no more of this script."""
        if self.is_over:
            return
        self._failure = text
        self._feed(b"\n")
        self._part = 2
        if threading.current_thread() is not self._reader:
            self._reader.join()

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._target.port.write(line.encode() + b"\n")

    def interrupt(self) -> None:
        self._target.port.write(b"\x03")

    def reach(self, port: int) -> tuple[str, int]:
        return self._target.reach(port)

    def reset(self) -> None:
        """machine.reset(), whatever the script is doing."""
        self.settled = True
        self._write("exec 'import machine; machine.reset()'")
        self._target.restarted(self)

    def was_reset(self) -> None:
        """The board says that it restarts, which nobody here has asked for."""

    def _hung(self) -> None:
        self._target.hung(self)


class SerialTarget(Target):
    device_type = SerialDevice

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = self.make_target = name
        self.slowness = 2.0
        self.address = ""
        self.wifi = board_network.wanted_wifi()
        self._board = ""
        self.in_use: SerialDevice | None = None
        self._transport: Any = None
        self._compiled = False
        self._folders: list[Path] = []

    # -- The port

    def device_name(self) -> str | None:
        """What pyserial is to open; None if nothing is there."""
        from serial.tools import list_ports

        short = re.fullmatch(r"([acu])(\d+)", self.name)
        if short:
            kind = {"a": "/dev/ttyACM", "u": "/dev/ttyUSB", "c": "COM"}[short[1]]
            name = kind + short[2]
        elif self.name == "auto":
            boards = [p.device for p in list_ports.comports() if p.vid is not None]
            name = boards[0] if boards else ""
        else:
            name = self.name
        return name if name and ("://" in name or os.path.exists(name)) else None

    def absent(self) -> str | None:
        if self.device_name() is None:
            return f"no board is attached as {self.name}"
        return None

    @property
    def port(self) -> Any:
        return self._transport.serial

    def _open(self) -> None:
        from mpremote.transport_serial import SerialTransport

        self._transport = SerialTransport(self.device_name(), timeout=5 * self.slowness)
        self._enter()
        who = ast.literal_eval(self._transport.exec(WHO).decode())
        name, version, machine, build, mpy = who
        self._board = f"{machine}, {name} {'.'.join(map(str, version))} ({build})"
        self._compiled = mpy == MPY_VERSION and mpy_cross() is not None
        self.address = ""

    @property
    def about(self) -> str:
        """The board, and where it was found in which network."""
        wifi = f" in the Wi-Fi {self.wifi.ssid!r}" if self.wifi else ""
        return f"{self._board}, at {self.address}{wifi}" if self._board else ""

    def _find_network(self) -> None:
        try:
            self.address = board_network.find_address(self._transport, self.wifi)
        except board_network.NetworkError as e:
            raise DeviceError(f"{self.name}: {e}") from None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((self.address, 9))
            self.peer = self.here = s.getsockname()[0]

    def _enter(self) -> None:
        """To the prompt of a freshly reset raw REPL, by stronger and stronger means."""
        from mpremote.transport import TransportError

        said = ""
        for means in (lambda: None, self.soft_reset, self.hard_reset):
            means()
            try:
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    self._transport.enter_raw_repl(timeout_overall=10 * self.slowness)
                return
            except TransportError as e:
                said = f"{e} {out.getvalue()}"
        raise DeviceError(f"{self.name} gives no raw REPL: {said}")

    def soft_reset(self) -> None:
        """Ctrl-C, out of the raw REPL, Ctrl-D."""
        self.port.write(b"\x03\x03\r\x02\x04")
        time.sleep(self.slowness)

    def hard_reset(self) -> None:
        """What the line can do: some boards restart when DTR comes back, an ESP32 while RTS is set."""
        with contextlib.suppress(OSError):
            self.port.dtr = False
            self.port.rts = True
            time.sleep(0.5)
            self.port.rts = False
            self.port.dtr = True
            self.port.rts = True
        time.sleep(self.slowness)

    def restarted(self, device: SerialDevice) -> None:
        """The board restarts: a USB port goes away and comes back."""
        device.broke("the board was reset")
        self.in_use = None
        deadline = time.monotonic() + 10 * self.slowness
        time.sleep(0.5 * self.slowness)
        while True:
            try:
                self._transport.close()
                self._open()
                return
            except (OSError, DeviceError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def own_capabilities(self) -> set[str]:
        return {"board"}

    def hung(self, device: SerialDevice) -> None:
        device.broke("the board does not answer Ctrl-C")
        self.in_use = None

    # -- Files

    def folder(self, path: Path) -> str:
        """A copy on the board, made once; links are not copied."""
        there = f"/pymongoose-test-{path.name}"
        if path not in self._folders:
            device = self.start(STORE, {"root": there})
            device.expect("SERVING")
            for each in sorted(path.rglob("*")):
                if each.is_symlink():
                    continue
                name = f"{there}/{each.relative_to(path).as_posix()}"
                device.exec(f"folder({name!r})" if each.is_dir() else f"begin({name!r})")
                data = b"" if each.is_dir() else each.read_bytes()
                for start in range(0, len(data), STORE_PIECE):
                    piece = base64.b64encode(data[start : start + STORE_PIECE]).decode()
                    device.exec(f"file.write(a2b_base64({piece!r}))")
            device.exec("end()")
            device.stop()
            self._folders.append(path)
        return there

    # -- Scripts

    def reach(self, port: int) -> tuple[str, int]:
        return (self.address, port)

    def fresh(self) -> None:
        """A prompt behind a soft reset."""
        self._fresh()

    def _fresh(self) -> None:
        if self._transport is None:
            self._open()
        elif self.in_use:
            self.in_use.retire()
        self._enter()

    def _network(self) -> None:
        # A soft reset leaves a Wi-Fi's link as it is; a hard one, or the network itself, may not.
        if self.wifi or not self.address:
            self._find_network()

    def start(self, source: str, params: dict[str, Any]) -> SerialDevice:
        self._fresh()
        self._network()
        device = self.device_type(self)
        text = self.text(source, params, device)
        if self._compiled:
            self._give_compiled(text)
        else:
            self._transport.exec_raw_no_follow(text)
        return self._follow(device)

    def begin(self, text: str) -> SerialDevice:
        """Runs a text at the prompt, in the namespace that what ran before has left."""
        device = self.device_type(self)
        self.prompt()
        self._transport.exec_raw_no_follow(text)
        return self._follow(device)

    def prompt(self) -> None:
        """Has the transport at the raw REPL, whatever was read of its last prompt."""
        self._transport.enter_raw_repl(soft_reset=False, timeout_overall=10 * self.slowness)

    def _follow(self, device: SerialDevice) -> SerialDevice:
        self.in_use = device
        device.follow()
        return device

    def _give_compiled(self, text: str) -> None:
        data = compiled(text)
        self._transport.exec_raw_no_follow(LOADER.format(size=len(data)))
        said = self._transport.read_until(1, b"GIVE\r\n", timeout=10 * self.slowness)
        if not said.endswith(b"GIVE\r\n"):
            raise DeviceError(f"{self.name} does not take a script: {said!r}")
        self.port.write(data)

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def mpy_cross() -> Path | None:
    cache = os.environ.get("PYMONGOOSE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pymongoose"
    )
    return next(iter(sorted(Path(cache).glob("mpy-cross-*/mpy-cross"))), None)


def compiled(text: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="pymongoose-mpy-") as folder:
        source, result = Path(folder, "script.py"), Path(folder, "script.mpy")
        source.write_text(text)
        command = [str(mpy_cross()), "-s", "script.py", "-o", str(result), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise DeviceError(f"the script does not compile: {done.stderr}")
        return result.read_bytes()
