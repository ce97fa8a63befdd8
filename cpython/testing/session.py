# SPDX-License-Identifier: GPL-2.0-only
"""The targets of a pytest session, and which devices a test has of them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from .device import Device
from .find import Places
from .runners import BoardRunner, DeskRunner, PicoRunner, Runner
from .targets import DeviceError

#: What follows from the kind of device: no script is asked for it.
OF_THE_KIND = {"pins", "wifi", "desk", "board", "emulator"}


class BoardAbsent(Exception):
    """There is no such board: the test is skipped, with this text."""


class Session:
    def __init__(self, config: Any) -> None:
        self.config = config
        named = config.getoption("pmg_firmware") or config.getini("pmg_firmware")
        named = [str(config.rootpath / each) if _is_ini(config) else each for each in named]
        rig = config.getoption("pmg_rig") or config.getini("pmg_rig") or None
        self.places = Places(named, rig, [config.rootpath, config.invocation_params.dir])
        self._runners: dict[str, list[Runner]] = {}
        self._probed: dict[str, frozenset[str]] = {}

    def lease(self, name: str, item: Any) -> Lease:
        return Lease(self, name, item)

    def runner(self, name: str, number: int) -> Runner:
        """The first, second ... device of a target, made when it is first wanted."""
        runners = self._runners.setdefault(name, [])
        while len(runners) <= number:
            runners.append(self._make(name, len(runners)))
        return runners[number]

    def _make(self, name: str, number: int) -> Runner:
        self.places.check()
        if name == "cpython":
            return DeskRunner(name, Path(sys.executable), number)
        if name == "unix":
            return DeskRunner(name, self.places.unix(), number)
        if name == "pico":
            firmware = self.places.pico()
            import mpremote  # noqa: F401  the plugin says how it is installed

            return PicoRunner(firmware, *self.places.rig())
        return self._board(name, number)

    def _board(self, name: str, number: int) -> Runner:
        import mpremote  # noqa: F401

        ports = self._ports(name)
        if number >= len(ports):
            text = f"no board is attached as {name}"
            if number:
                text = (
                    f"the test wants {number + 1} boards, and there is no {_nth(number + 1)} one: "
                    f"--pmg-target names {', '.join(ports) or name}; name the other board's port, too"
                )
            raise BoardAbsent(text)
        runner = BoardRunner(ports[number])
        if absent := runner.target.absent():
            raise BoardAbsent(absent)
        return runner

    def _ports(self, name: str) -> list[str]:
        """Of boards: this one's, and those of the others that were named, or are found by `auto`."""
        if name == "auto":
            from serial.tools import list_ports

            return [p.device for p in list_ports.comports() if p.vid is not None]
        from pytest_pymongoose import TARGETS, wanted_targets

        others = [
            each for each in wanted_targets(self.config) if each not in (*TARGETS, "auto", name)
        ]
        return [name, *others]

    def probed(self, name: str, runner: Any) -> frozenset[str]:
        """What a script finds there: the capabilities that docs/hil.md lists."""
        if name not in self._probed:
            runner.rest()
            target = runner.target
            # Its own kind of script, whose lines are the probe's.
            kept = target.__dict__.pop("device_type", None)
            try:
                with tempfile.TemporaryDirectory(prefix="pymongoose-probe-") as folder:
                    target.probe(Path(folder))
            finally:
                if kept is not None:
                    target.device_type = kept
            self._probed[name] = target.capabilities
        return self._probed[name]

    def close(self) -> None:
        for runners in self._runners.values():
            for runner in runners:
                runner.close()


class Lease:
    """What one test has of a target."""

    def __init__(self, session: Session, name: str, item: Any) -> None:
        self._session, self.name, self._item = session, name, item
        self.devices: list[Device] = []

    def take(self, number: int = 1) -> list[Device]:
        while len(self.devices) < number:
            runner = self._session.runner(self.name, len(self.devices))
            runner.clear()
            runner.console.clear()
            wanted = None if self._session.config.getini("pmg_any_version") else own_version()
            self.devices.append(Device(runner, self._find, wanted))
        return self.devices[:number]

    def lacking(self, wanted: set[str]) -> set[str]:
        runner = self._session.runner(self.name, 0)
        lacking = wanted - runner.capabilities
        if "wifi" in lacking and runner.has_wifi():
            lacking -= {"wifi"}
        if lacking - OF_THE_KIND:
            lacking -= self._session.probed(self.name, runner)
        return lacking

    def _find(self, path: str) -> Path:
        """A path of the test's: from its own folder, else from where pytest runs."""
        starts = [self._item.path.parent, self._session.config.invocation_params.dir]
        starts.append(self._session.config.rootpath)
        for start in starts:
            if (start / path).exists():
                return Path(start / path)
        raise DeviceError(f"there is no {path!r}, neither in {starts[0]} nor in {starts[1]}")

    def end(self) -> None:
        for device in self.devices:
            device._left()

    # -- For reports

    def consoles(self) -> list[tuple[str, str]]:
        many = len(self.devices) > 1
        return [
            (f"{d.name} {n}" if many else d.name, d._runner.console.text())
            for n, d in enumerate(self.devices)
        ]

    def properties(self) -> list[tuple[str, str]]:
        versions = self._versions()
        return [(f"pmg_{key}", value) for key, value in versions.items()]

    def described(self) -> str:
        versions = self._versions()
        board = versions.pop("board", "")
        text = ", ".join(f"{key} {value}" for key, value in versions.items())
        return f"{text} ({board})" if board and text else text

    def _versions(self) -> dict[str, str]:
        for device in self.devices:
            if getattr(device._runner, "versions", None):
                return dict(device._runner.versions)
        return {}


def own_version() -> str:
    import pymongoose

    return str(pymongoose.__version__)


def _is_ini(config: Any) -> bool:
    return not config.getoption("pmg_firmware")


def _nth(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
