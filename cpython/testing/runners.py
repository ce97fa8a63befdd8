# SPDX-License-Identifier: GPL-2.0-only
"""How a user's program runs on each kind of target: what differs is here, the rest is in device.py."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .console import Captured, Console
from .desk.wires import CHANNELS, NOBODY, PINS, PWM, SIZE, Wires
from .targets import DeviceError, PicoTarget, ProcessDevice, SerialTarget
from .targets.board_network import NetworkError, Wifi
from .targets.pico import PicoDevice
from .targets.process import UNIX_OPTIONS, ProcessTarget, _die_with_parent
from .targets.repl import ReplDevice
from .targets.serial import SerialDevice

DESK = Path(__file__).with_name("desk")
#: A program that fills memory at the desk is to fail as on a board, not to take the computer's.
MEMORY_LIMIT = 1 << 30
#: Where a board keeps the files of the program under test: its own main.py stays as it is.
BOARD_FOLDER = "/pmg"
#: How long a second device's program may take to listen.
PORT_WAIT_S = 10.0
NETWORK_SHIM = "pmg_network"


class Runner:
    """One board, or one Python of this computer, for all tests that use it, one after the other."""

    capabilities: frozenset[str] = frozenset()
    #: Once they have been asked.
    versions: dict[str, str] | None = None
    slowness = 1.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.console = Console()
        self.board = ""

    def fresh(self) -> None:
        """A fresh interpreter, whatever was there; its files stay."""
        raise NotImplementedError

    def begin(self, text: str) -> Any:
        """Runs a text; it returns at once with what is a ReplDevice."""
        raise NotImplementedError

    def clear(self) -> None:
        """A test begins: files and wires of the one before are gone."""
        raise NotImplementedError

    def reset(self) -> None:
        """As the reset button does; files stay, and wires."""
        raise NotImplementedError

    def rest(self) -> None:
        """A test has ended."""

    def has_wifi(self) -> bool:
        """Asked of a board that does not know it by its kind."""
        return "wifi" in self.capabilities

    def close(self) -> None:
        pass


# ---- The desk ------------------------------------------------------------------------------------


class DeskRun(Captured, ReplDevice):
    patience = ProcessDevice.patience

    def __init__(self, process: DeskProcess) -> None:
        super().__init__()
        self._process = process

    def received(self, data: bytes) -> None:
        super().received(data)
        if self._part >= 2 and not self.is_over:
            self.ended()

    def broke(self, text: str) -> None:
        if not self.is_over:
            self._failure = text
            self._part = 2
            self.ended()

    def interrupt(self) -> None:
        self._process.interrupt()

    def kill(self) -> None:
        self._hung()

    def _hung(self) -> None:
        self._process.kill()


class DeskProcess(ProcessDevice):
    """A Python that runs desk/agent.py; what it prints belongs to `run`, or to the console."""

    def __init__(self, command: list[str], env: dict[str, str], folder: Path, desk: Path) -> None:
        self.run: DeskRun | None = None
        self._desk = desk
        self._stray: Callable[[bytes], None] = lambda data: None
        super().__init__(command, env, folder, _limited)

    def _feed(self, data: bytes) -> None:
        if self.run is not None and not self.run.is_over:
            self.run.received(data)

    def _end(self) -> None:
        super()._end()
        code = self.process.wait()
        marker = self._desk / "reset"
        if marker.exists():
            text = f"the program reset the board ({marker.read_text()})"
            marker.unlink()
        elif code < 0:
            text = f"the program's process was ended by signal {-code}"
        else:
            text = f"the program's process ended with exit code {code}"
        if self.run is not None:
            self.run.broke(text)

    def give(self, run: DeskRun, text: str) -> None:
        self.run = run
        data = text.encode()
        try:
            self.process.stdin.write(b"%d\n" % len(data) + data)
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended, which the reader says


def _limited() -> None:
    _die_with_parent()
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class DeskRunner(Runner):
    address = peer = "127.0.0.1"

    def __init__(self, name: str, program: Path, number: int = 0) -> None:
        super().__init__(name)
        options = UNIX_OPTIONS if name == "unix" else []
        self.target = ProcessTarget(name, program, options, f"make {name}")
        self.capabilities = frozenset({"pins", "wifi", "desk"} | self.target.own_capabilities())
        self._number = number
        self._process: DeskProcess | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="pymongoose-desk-")
        self.files = Path(self._folder.name, "files")
        self._desk = Path(self._folder.name, "desk")
        self._desk.mkdir()
        wires = self._desk / "wires"
        wires.write_bytes(bytes(SIZE))
        self.wires = Wires(lambda: open(wires, "r+b", buffering=0))  # noqa: SIM115
        self._was_reset = False
        self.clear()

    def clear(self) -> None:
        self._stop()
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir()
        self.wires.clear()
        (self._desk / "ssid").unlink(missing_ok=True)
        self._was_reset = False

    def fresh(self) -> None:
        self._stop()
        env = {**self.target.env, "PMG_DESK": str(self._desk), "PMG_NUMBER": str(self._number)}
        if self._was_reset:
            env["PMG_RESET"] = "1"
        command = [str(self.target.program), *self.target.options]
        command += [str(DESK / "agent.py"), str(DESK)]
        try:
            self._process = DeskProcess(command, env, self.files, self._desk)
        except OSError as e:
            raise DeviceError(f"target {self.name}: {self.target.program}: {e}") from None

    def begin(self, text: str) -> DeskRun:
        if self._process is None or self._process.process.poll() is not None:
            self.fresh()
        run = DeskRun(self._process)
        run.shared = self.console
        self._process.give(run, text)
        return run

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            self._was_reset = True
        (self._desk / "ports").unlink(missing_ok=True)
        self.wires.unplug()

    def reset(self) -> None:
        self._stop()
        self._was_reset = True

    def rest(self) -> None:
        self._stop()

    def close(self) -> None:
        self._stop()
        self.wires.close()
        self._folder.cleanup()

    def port(self, port: int) -> int:
        """The program's own, but of a second device another, once its program listens there."""
        if self._number == 0:
            return port
        end = time.monotonic() + PORT_WAIT_S
        while port not in self._ports():
            if time.monotonic() > end:
                raise DeviceError(f"the program of this {self.name} does not listen on port {port}")
            time.sleep(0.01)
        return self._ports()[port]

    def _ports(self) -> dict[int, int]:
        try:
            text = (self._desk / "ports").read_text()
        except FileNotFoundError:
            return {}
        pairs = [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return {int(named): int(real) for named, real in pairs}

    def wifi(self, ssid: str, psk: str) -> str:
        (self._desk / "ssid").write_text(ssid)
        return self.address

    # -- Files

    def path(self, name: str) -> Path:
        return self.files / name

    def put(self, name: str, data: bytes) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def get(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def list(self, name: str) -> list[str]:
        return sorted(e.name + "/" * e.is_dir() for e in self.path(name).iterdir())

    def remove(self, name: str) -> None:
        self.path(name).unlink()

    # -- Pins

    def set_pin(self, pin: int, value: int | None) -> None:
        self._plain(pin)
        if self.wires.state(pin) > 3:
            raise DeviceError(f"pin {pin} is an output of the program")
        self.wires.drive(pin, NOBODY if value is None else value)

    def read_pin(self, pin: int) -> int:
        self._plain(pin)
        return self.wires.level(pin)

    def _plain(self, pin: int) -> None:
        if not 0 <= pin < PINS:
            raise DeviceError(f"there is no pin {pin}: 0 to {PINS - 1}")
        if self.wires.state(pin) == PWM:
            raise DeviceError(f"pin {pin} has no level that stays: it belongs to PWM")

    def feed(self, channel: int, value: int) -> None:
        if not 0 <= channel < CHANNELS:
            raise DeviceError(f"there is no ADC channel {channel}: 0 to {CHANNELS - 1}")
        self.wires.feed(channel, value)


# ---- Boards --------------------------------------------------------------------------------------


class SerialRun(Captured, SerialDevice):
    def was_reset(self) -> None:
        self.broke("the program reset the board")


class PicoRun(Captured, PicoDevice):
    def clock(self) -> float:
        try:
            return float(self._target.board_seconds() / self._target.usual)
        except (DeviceError, AttributeError):  # it has broken, which the reader says
            return 0.0

    def was_reset(self) -> None:
        self.broke("the program reset the board")


# Behind each fresh start; the folder is the program's.
READY = f"""
import os
try:
    os.mkdir({BOARD_FOLDER!r})
except OSError:
    pass
os.chdir({BOARD_FOLDER!r})
del os
"""

CLEAR = f"""
def _remove(path):
    import os
    for name, kind, *_ in os.ilistdir(path):
        name = path + "/" + name
        if kind & 0x4000:
            _remove(name)
            os.rmdir(name)
        else:
            os.remove(name)
_remove({BOARD_FOLDER!r})
del _remove
"""


class BoardRunner(Runner):
    run_type: type = SerialRun

    def __init__(self, name: str, target: SerialTarget | None = None) -> None:
        super().__init__(name)
        self.target = target or SerialTarget(name)
        self.target.device_type = self._make_run  # type: ignore[assignment]
        self.slowness = self.target.slowness
        self.capabilities = frozenset({"board"})
        self._no_network = "ask for it before run()"
        self._clear_next = True

    def _make_run(self, target: SerialTarget) -> Any:
        run = self.run_type(target)
        run.shared = self.console
        return run

    def clear(self) -> None:
        self._clear_next = True

    def fresh(self) -> None:
        from mpremote.transport import TransportError

        try:
            self.target.fresh()
        except (DeviceError, OSError, TransportError) as first:
            # What was there before is not believed any more: the port is opened anew, if it is there.
            self._disconnect()
            try:
                self.target.fresh()
            except (DeviceError, OSError, TransportError) as e:
                self._disconnect()
                raise self._gone(e, first) from None
        self.board = self.target._board
        try:
            self.target._network()
        except DeviceError as e:
            self._no_network = str(e)
        furniture = self._furnish()
        self._exec(READY + (CLEAR if self._clear_next else "") + furniture)
        self._clear_next = False

    def _furnish(self) -> str:
        """A text that a fresh interpreter runs, too."""
        return ""

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):
            self.target.close()
        self.target._transport = self.target.in_use = None

    def _gone(self, e: Exception, first: Exception) -> DeviceError:
        name = self.target.device_name()
        if name is None:
            return DeviceError(f"the board at {self.name} is not there any more: was it unplugged?")
        if "failed to access" in str(e) and "://" in name:
            return DeviceError(f"nothing answers at {name}: is what gives that port running?")
        if "failed to access" in str(e):
            if name.startswith("/") and not os.access(name, os.R_OK | os.W_OK):
                return DeviceError(
                    f"the serial port {name} may not be opened by you: on Debian, "
                    "`sudo usermod -a -G dialout $USER`, and log in again"
                )
            return DeviceError(
                f"the serial port {name} cannot be opened: another program has it (mpremote, a "
                "terminal, an editor, another pytest), which must end first"
            )
        return DeviceError(f"the board at {self.name} does not answer: {e}")

    def _exec(self, text: str, timeout: float = 10) -> bytes:
        from mpremote.transport import TransportError

        try:
            self.target.prompt()
            out, err = self.target._transport.exec_raw(text, timeout=timeout * self.slowness)
        except (OSError, TransportError) as e:
            raise DeviceError(f"the board at {self.name} does not answer: {e}") from None
        if err:
            raise DeviceError(f"on the board: {err.decode(errors='replace').strip()}")
        return out

    def begin(self, text: str) -> Any:
        from mpremote.transport import TransportError

        try:
            return self.target.begin(text)
        except (OSError, TransportError, AttributeError):
            # After sys.exit() a board resets itself softly; or it is gone, which fresh() says.
            self.fresh()
            return self.target.begin(text)

    def reset(self) -> None:
        run = self.target.in_use
        if run is not None:
            run.kill()
        run = self.begin("import machine\nmachine.reset()")
        self.target.restarted(run)

    def rest(self) -> None:
        run = self.target.in_use
        if run is not None:
            run.kill()

    def close(self) -> None:
        self._disconnect()

    @property
    def address(self) -> str:
        if not self.target.address:
            raise DeviceError(f"the address of {self.name} is not known: {self._no_network}")
        return self.target.reach(0)[0] if self.target.address else ""

    @property
    def peer(self) -> str:
        if not self.target.address:
            raise DeviceError(f"the address of {self.name} is not known: {self._no_network}")
        return self.target.peer

    def port(self, port: int) -> int:
        return port

    def has_wifi(self) -> bool:
        self.fresh()
        return b"True" in self._exec("import network\nprint(hasattr(network, 'WLAN'))")

    def wifi(self, ssid: str, psk: str) -> str:
        self.target.wifi = Wifi(ssid, psk)
        try:
            self.target.prompt()
            self.target._find_network()
        except NetworkError as e:
            raise DeviceError(f"{self.name}: {e}") from None
        return self.address

    # -- Files

    def _fs(self, action: Callable[[Any], Any]) -> Any:
        from mpremote.transport import TransportError

        try:
            self.target.prompt()
            return action(self.target._transport)
        except TransportError as e:
            raise DeviceError(f"the board at {self.name}: {e}") from None

    def put(self, name: str, data: bytes) -> None:
        def action(transport: Any) -> None:
            folders = name.split("/")[:-1]
            for depth in range(len(folders)):
                with contextlib.suppress(OSError):
                    transport.fs_mkdir(f"{BOARD_FOLDER}/{'/'.join(folders[: depth + 1])}")
            transport.fs_writefile(f"{BOARD_FOLDER}/{name}", data, chunk_size=1024)

        self._fs(action)

    def get(self, name: str) -> bytes:
        return bytes(self._fs(lambda t: t.fs_readfile(f"{BOARD_FOLDER}/{name}")))

    def list(self, name: str) -> list[str]:
        found = self._fs(lambda t: t.fs_listdir(f"{BOARD_FOLDER}/{name}".rstrip("/")))
        return sorted(e.name + "/" * bool(e.st_mode & 0x4000) for e in found)

    def remove(self, name: str) -> None:
        self._fs(lambda t: t.fs_rmfile(f"{BOARD_FOLDER}/{name}"))

    # -- Pins

    def set_pin(self, pin: int, value: int | None) -> None:
        raise self._no_pins()

    def read_pin(self, pin: int) -> int:
        raise self._no_pins()

    def feed(self, channel: int, value: int) -> None:
        raise self._no_pins()

    def _no_pins(self) -> DeviceError:
        return DeviceError(
            f"{self.name} is a real board, whose pins this computer is not wired to: mark the test "
            '@pytest.mark.pmg_needs("pins")'
        )


class PicoRunner(BoardRunner):
    """The emulated Pico."""

    run_type = PicoRun

    def __init__(self, firmware: Path, rig: Path, parts: Path) -> None:
        super().__init__("pico", PicoTarget("pico", firmware, rig, parts))
        self.capabilities = frozenset({"board", "emulator", "pins", "wifi"})
        self._shim_in: Any = None
        self._wired: set[int] = set()

    def _furnish(self) -> str:
        rig = self.target._rig
        if self._shim_in is not rig:  # its flash was empty
            text = (DESK / "network.py").read_bytes()

            def action(transport: Any) -> None:
                with contextlib.suppress(OSError):
                    transport.fs_mkdir("/lib")
                transport.fs_writefile(f"/lib/{NETWORK_SHIM}.py", text, chunk_size=1024)

            self._fs(action)
            self._shim_in = rig
        guest, host = self.target.address, self.target.peer
        return (
            f"import sys, network, {NETWORK_SHIM} as _n\n_n.under = network\n"
            f"_n.address, _n.peer = {guest!r}, {host!r}\nsys.modules['network'] = _n\n"
            "del network, sys, _n\n"
        )

    def clear(self) -> None:
        super().clear()
        if self.target._rig is not None and not self.target.is_broken:
            for pin in self._wired:
                with contextlib.suppress(DeviceError):
                    self.target.ask("pin_set", pin=pin, value=None)
            for channel in range(CHANNELS):
                self.target.ask("adc_feed", channel=channel, value=0)
        self._wired.clear()

    def reset(self) -> None:
        run = self.target.in_use
        self.target.hard_reset()
        if run is not None:
            run.broke("the board was reset")

    @property
    def address(self) -> str:
        return "127.0.0.1"

    def port(self, port: int) -> int:
        return self.target.reach(port)[1]

    def wifi(self, ssid: str, psk: str) -> str:
        self._exec(f"import {NETWORK_SHIM} as _n\n_n.ssid = {ssid!r}\ndel _n")
        return self.address

    def set_pin(self, pin: int, value: int | None) -> None:
        self._wired.add(pin)
        self.target.ask("pin_set", pin=pin, value=value)

    def read_pin(self, pin: int) -> int:
        return int(self.target.ask("pin_read", pin=pin)["value"])

    def feed(self, channel: int, value: int) -> None:
        self.target.ask("adc_feed", channel=channel, value=value)
