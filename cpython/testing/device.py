# SPDX-License-Identifier: GPL-2.0-only
"""The fixture `device`: one Python that runs pymongoose, wherever it is, for one test.

Timeouts are seconds that a thing takes a desktop: a busy computer, a board and an emulated board
have as much more as they are slower.
"""

from __future__ import annotations

import ast
import os
import re
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from .console import ANSWER, Patience
from .targets import DeviceError

#: `lines` waits for a program that goes on printing, until it has been quiet for so long.
QUIET_S = 0.3
FIRST_LINE_S = 3.0
#: What of a folder is not for the device.
LEFT_OUT = re.compile(r"(\..*|__pycache__|.*\.pyc|tests?|test_.*\.py|conftest\.py)")
ADC_MAX = 65535

WHO = f"""
import sys
def _who():
    try:
        import os
        machine = os.uname().machine
    except (ImportError, AttributeError):
        machine = ""
    try:
        import pymongoose
        ours = pymongoose.__version__, pymongoose.version.mongoose
    except ImportError:
        ours = None
    name = sys.implementation.name
    version = ".".join(str(n) for n in sys.implementation.version[:3])
    print({ANSWER!r} + repr((name, version, machine, ours)))
_who()
del _who, sys
"""


class Device:
    """One device of a test. `run()` starts a program, `wait_for()` waits for what it prints."""

    def __init__(
        self, runner: Any, find: Callable[[str], Path], wanted_version: str | None
    ) -> None:
        self._runner = runner
        self._find = find
        self._wanted_version = wanted_version
        self._run: Any = None
        self._what = ""
        self._is_fresh = False
        self.files = Files(self)
        self.pins = Pins(self)

    def __repr__(self) -> str:
        return f"<device {self.name}>"

    # -- What it is

    @property
    def name(self) -> str:
        """What --pmg-target calls it: cpython, unix, pico, or its serial port."""
        return str(self._runner.name)

    @property
    def versions(self) -> dict[str, str]:
        """pymongoose, mongoose, python or micropython, and board: their versions there."""
        self._ready()
        return dict(self._runner.versions)

    @property
    def version(self) -> str:
        """pymongoose's there."""
        return self.versions["pymongoose"]

    @property
    def capabilities(self) -> frozenset[str]:
        """What @pytest.mark.pmg_needs may ask for and this device has of itself."""
        return frozenset(self._runner.capabilities)

    # -- Where it is

    @property
    def address(self) -> str:
        """Under which address this computer reaches the device, at port()."""
        self._ready()
        return str(self._runner.address)

    def port(self, port: int) -> int:
        """Under which port this computer reaches the device's own port."""
        self._ready()
        return int(self._runner.port(port))

    def url(self, port: int = 80, path: str = "/", scheme: str = "http") -> str:
        """The whole address of something that the device serves."""
        return f"{scheme}://{self.address}:{self.port(port)}{path}"

    @property
    def peer_address(self) -> str:
        """Under which address the device reaches this computer."""
        self._ready()
        return str(self._runner.peer)

    def wifi(self, ssid: str, psk: str = "") -> str:
        """Has the board join a Wi-Fi; returns address. Where there is no radio, a network is up."""
        self._idle("wifi()")
        return str(self._runner.wifi(ssid, psk))

    # -- What runs there

    def run(self, path: str | os.PathLike[str]) -> Device:
        """Starts a program: a file, or a folder with a main.py, all of which goes to the device.

        It runs in a fresh interpreter, in the folder of `files`. It does not wait for its end.
        """
        source = self._find(os.fspath(path))
        if source.is_dir():
            main = "main.py"
            if not (source / main).is_file():
                raise DeviceError(f"run(): the folder {source} has no main.py")
            found = [each for each in sorted(source.rglob("*")) if each.is_file()]
            names = {each.relative_to(source).as_posix(): each for each in found}
            names = {n: p for n, p in names.items() if not _left_out(n)}
        else:
            main = source.name
            names = {main: source}
        self._stop()
        if not self._is_fresh:
            self._fresh()
        for name, each in names.items():
            self._runner.put(name, each.read_bytes())
        self._runner.console.clear()
        self._begin(f"execfile({main!r})", main)
        return self

    def exec(self, code: str, timeout: float = 10) -> str:
        """Runs statements at the prompt, and returns what they print. An exception is a DeviceError."""
        self._idle("exec()")
        run = self._begin(code, "the statements of exec()")
        return self._result(run, timeout)

    def eval(self, expression: str, timeout: float = 10) -> Any:
        """The value of an expression at the prompt, or in what a program that has ended has left."""
        self._idle("eval()")
        code = f"print({ANSWER!r} + repr(({expression.strip()})))"
        run = self._begin(code, f"eval({expression!r})")
        self._result(run, timeout)
        if run.answer is None:
            raise DeviceError(f"eval({expression!r}) on {self.name} gave no answer")
        try:
            return ast.literal_eval(run.answer)
        except (ValueError, SyntaxError):
            raise DeviceError(
                f"eval({expression!r}) on {self.name} is no literal: {run.answer}; ask for str() of it"
            ) from None

    def finish(self, timeout: float = 10) -> list[str]:
        """Waits for the program to end by itself; returns lines. If it raised, so does this."""
        if self._run is None:
            raise DeviceError("finish(): no program was run")
        self._result(self._run, timeout)
        return self.lines

    def stop(self) -> None:
        """Ends the program, as Ctrl-C does; a device that does not answer it is reset."""
        self._stop()

    def reset(self) -> None:
        """As the reset button does: the program is gone, files and what is wired to pins stay."""
        self._ready()
        self._runner.reset()
        self._run = None
        self._fresh()

    @property
    def is_running(self) -> bool:
        return self._run is not None and not self._run.is_over

    # -- What it prints

    @property
    def lines(self) -> list[str]:
        """What the program has printed since run(): all of it if it has ended or is quiet now."""
        run = self._run
        if run is not None:
            factor = min(run.slowness, self._runner.slowness)
            end = time.monotonic() + FIRST_LINE_S * factor
            seen, since = len(run.own), time.monotonic()
            while not run.is_over and time.monotonic() < end:
                time.sleep(0.01)
                if len(run.own) != seen:
                    seen, since = len(run.own), time.monotonic()
                elif seen and time.monotonic() - since > QUIET_S * factor:
                    break
        return list(self._runner.console.lines())

    def wait_for(self, text: str | re.Pattern[str], timeout: float = 10) -> Any:
        """The next line that holds a text; or the match of a compiled expression. What comes before
        it is passed over: the next wait_for() begins behind it."""
        run = self._run
        what = f"a line with {text!r}" if isinstance(text, str) else f"a line like {text.pattern!r}"
        if run is None:
            raise DeviceError(f"waited for {what}, but no program was run")
        patience = Patience(run, timeout)
        while True:
            try:
                if patience.is_over:
                    raise DeviceError(f"waited {timeout:g} s, of a desktop, for {what}")
                line = run._get(run._lines, patience.left(), what)
            except DeviceError as e:
                raise DeviceError(self._explained(run, what, timeout, e)) from None
            found = (line if text in line else None) if isinstance(text, str) else text.search(line)
            if found is not None:
                return found

    # -- Inside

    def _left(self) -> None:
        """The test has ended."""
        self._runner.rest()

    def _ready(self) -> None:
        if not self._is_fresh and self._run is None:
            self._fresh()

    def _fresh(self) -> None:
        self._runner.fresh()
        if self._runner.versions is None:
            self._runner.versions = self._ask_versions()
            # What was imported to find out is gone again.
            self._runner.fresh()
        self._check_version()
        self._run, self._is_fresh = None, True

    def _ask_versions(self) -> dict[str, str]:
        run = self._runner.begin(WHO)
        self._what = "asking for the versions"
        self._result(run, 20)
        try:
            name, version, machine, ours = ast.literal_eval(run.answer or "")
        except (ValueError, SyntaxError):
            raise DeviceError(f"{self.name} does not say what it is: {run.own.text()!r}") from None
        if ours is None:
            raise DeviceError(
                f"{self.name} has no pymongoose: it is {name} {version} ({machine}). A board needs "
                "firmware with it, `make flash` in a checkout; cpython is the Python that runs pytest"
            )
        found = {"pymongoose": ours[0], "mongoose": ours[1]}
        found["python" if name == "cpython" else name] = version
        if self._runner.board or machine:
            found["board"] = self._runner.board or machine
        return found

    def _check_version(self) -> None:
        there, here = self._runner.versions["pymongoose"], self._wanted_version
        if here and there != here:
            raise DeviceError(
                f"{self.name} has pymongoose {there}, this kit is of pymongoose {here}: flash or name "
                "(--pmg-firmware) a firmware of that version, install pymongoose-net=="
                f"{there}, or set pmg_any_version = true in pytest's configuration"
            )

    def _idle(self, what: str) -> None:
        self._ready()
        if self.is_running:
            raise DeviceError(
                f"{what}: {self._what} is running on {self.name}. finish() waits for its end, stop() "
                "ends it"
            )
        if self._run is not None and self._runner_lost():
            self._fresh()

    def _runner_lost(self) -> bool:
        """What ran last took the interpreter with it."""
        if getattr(getattr(self._runner, "target", None), "is_broken", False):
            return True
        return bool(self._run.is_over and "reset the board" in self._run._failure)

    def _begin(self, code: str, what: str) -> Any:
        self._is_fresh = False
        self._what = what
        self._run = self._runner.begin(code)
        return self._run

    def _stop(self) -> None:
        if self.is_running:
            self._run.kill()
        self._is_fresh = self._is_fresh and self._run is None

    def _result(self, run: Any, timeout: float) -> str:
        patience = Patience(run, timeout)
        while True:
            try:
                if patience.is_over:
                    raise DeviceError(f"waited {timeout:g} s, of a desktop, for its end")
                run._get(run._lines, patience.left(), "its end")
            except DeviceError as e:
                if not run._ended:
                    run.kill()
                    raise DeviceError(self._explained(run, "its end", timeout, e)) from None
                break
        if run.ending():
            raise DeviceError(
                f"{self._what} on {self.name}: {run.ending()}\n{run._failure.strip()}"
            )
        return str(run.own.text())

    def _explained(self, run: Any, what: str, timeout: float, e: DeviceError) -> str:
        if run.is_over:
            how = run.ending() or "by itself"
            text = f"waited for {what}, but {self._what} on {self.name} has ended: {how}"
            if re.search(r"\b(EADDRINUSE|in use)\b", how) and "desk" in self.capabilities:
                text += (
                    "\nThe ports of cpython and unix are this computer's: another program has that "
                    "one (`ss -ltnp` says which)"
                )
        else:
            text = f"{e}, and {self._what} on {self.name} goes on"
        last = run.own.text(last=15)
        return f"{text}\n{_indented(last)}" if last else f"{text}\n    (it has printed nothing)"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _left_out(name: str) -> bool:
    return any(LEFT_OUT.fullmatch(part) for part in name.split("/"))


class Files:
    """Files in the folder where programs run. Names are relative to it, with `/`."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def put(self, source: str | os.PathLike[str] | bytes, name: str | None = None) -> None:
        """Copies a file or a folder to the device, or bytes; `name` is what it is called there."""
        runner = self._runner("files.put()")
        if isinstance(source, (bytes, bytearray)):
            if name is None:
                raise TypeError("files.put(): bytes need a name")
            runner.put(_inside(name), bytes(source))
            return
        path = self._device._find(os.fspath(source))
        name = path.name if name is None else name
        if path.is_dir():
            for each in sorted(path.rglob("*")):
                inner = each.relative_to(path).as_posix()
                if each.is_file() and not _left_out(inner):
                    runner.put(_inside(f"{name}/{inner}"), each.read_bytes())
        else:
            runner.put(_inside(name), path.read_bytes())

    def get(self, name: str, to: str | os.PathLike[str] | None = None) -> bytes:
        """What a file of the device holds; it is written to a file here, too, if one is named."""
        data: bytes = self._call("files.get()", name, lambda r, n: r.get(n))
        if to is not None:
            Path(to).write_bytes(data)
        return data

    def list(self, name: str = "") -> list[str]:
        """Names in a folder; those of folders end with `/`."""
        found: list[str] = self._call("files.list()", name, lambda r, n: r.list(n))
        return found

    def remove(self, name: str) -> None:
        self._call("files.remove()", name, lambda r, n: r.remove(n))

    def _runner(self, what: str) -> Any:
        # At the desk a program's files are seen while it runs, too; a board is at its prompt or not.
        if "desk" not in self._device.capabilities:
            self._device._idle(what)
        return self._device._runner

    def _call(self, what: str, name: str, action: Callable[[Any, str], Any]) -> Any:
        runner = self._runner(what)
        try:
            return action(runner, _inside(name))
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no {name!r} on {self._device.name}") from None


def _inside(name: str) -> str:
    path = PurePosixPath(name.lstrip("/"))
    if ".." in path.parts:
        raise ValueError(f"{name!r} is outside of the device's folder")
    return "" if str(path) == "." else str(path)


class Pins:
    """What is wired to the device's pins: at the desk and on the emulated Pico, the test."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def _wires(self) -> Any:
        self._device._ready()
        return self._device._runner

    def set(self, pin: int, value: int | None) -> None:
        """Sets the level of an input: 0 or 1; None lets go of it, and its pull decides."""
        if value not in (0, 1, None):
            raise ValueError(f"a pin is set to 0, 1 or None, not {value!r}")
        self._wires().set_pin(_pin(pin), None if value is None else int(value))

    def read(self, pin: int) -> int:
        """The level of a pin, whoever makes it: 0 or 1."""
        return int(self._wires().read_pin(_pin(pin)))

    def feed(self, pin: int, value: int | None = None, *, volts: float | None = None) -> None:
        """What the ADC of a pin (26 to 29; 0 to 4 are its channels) reads: 0 to 65535, or volts up
        to 3.3. A Pico's ADC has 12 bits: the lowest four come out as it makes them."""
        if (value is None) == (volts is None):
            raise TypeError("feed() takes a value from 0 to 65535, or volts=")
        if volts is not None:
            value = round(volts / 3.3 * ADC_MAX)
        assert value is not None
        if not 0 <= value <= ADC_MAX:
            raise ValueError("an ADC takes 0 to 65535, or volts from 0 to 3.3")
        number = _pin(pin)
        self._wires().feed(number - 26 if 26 <= number < 30 else number, int(value) >> 4)

    def wait(self, pin: int, value: int, timeout: float = 10) -> None:
        """Waits until a pin reads so."""
        deadline = time.monotonic() + timeout * self._device._runner.slowness * 3
        while self.read(pin) != value:
            if time.monotonic() > deadline:
                raise DeviceError(
                    f"pin {pin} of {self._device.name} did not become {value} within {timeout:g} s"
                )
            time.sleep(0.005)


def _pin(pin: int | str) -> int:
    if pin == "LED":
        return 25
    if isinstance(pin, str) and re.fullmatch(r"GP\d+", pin):
        return int(pin[2:])
    if not isinstance(pin, int):
        raise TypeError(f"a pin is a number, 'GP0' or 'LED', not {pin!r}")
    return pin
