# SPDX-License-Identifier: GPL-2.0-only
"""Avahi in a network of its own (island.py), with a D-Bus of its own."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from peers.island import Island

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy></busconfig>
"""
CONF = """[server]
host-name={host}
use-ipv4=yes
use-ipv6=yes
allow-interfaces=lo
[publish]
publish-workstation=no
publish-hinfo=no
publish-aaaa-on-ipv4=yes
publish-a-on-ipv6=yes
"""
#: There root is the only user: Avahi's is the same one.
FILES = {
    "passwd": "root:x:0:0::/:/bin/sh\navahi:x:0:0::/:/bin/sh\n",
    "group": "root:x:0:\navahi:x:0:\n",
}
SETUP = 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group'


class Avahi:
    def __init__(self, island: Island, host: str) -> None:
        self.island = island
        self._folder = tempfile.TemporaryDirectory(prefix="pymongoose-avahi-")
        folder = Path(self._folder.name)
        for name, text in FILES.items():
            (folder / name).write_text(text)
        subprocess.run(island.command("sh", "-c", SETUP, str(folder)), check=True)
        (folder / "bus.conf").write_text(BUS.format(folder=folder))
        (folder / "avahi.conf").write_text(CONF.format(host=host))
        self._log = folder / "log"
        self._bus = f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={folder}/bus"
        self._programs: list[subprocess.Popen] = []
        try:
            self.start("dbus-daemon", "--nofork", "--nopidfile", f"--config-file={folder}/bus.conf")
            self._wait(lambda: (folder / "bus").exists())
            self.start(
                "/usr/sbin/avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits",
                "-f", str(folder / "avahi.conf"),
            )  # fmt: skip
            self._wait(lambda: "startup complete" in self._log.read_text())
        except BaseException:
            self.close()
            raise

    def _wait(self, condition) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            running = all(each.poll() is None for each in self._programs[:2])
            assert running and time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)

    def _command(self, *program: str) -> list[str]:
        return self.island.command("env", self._bus, "LC_ALL=C.UTF-8", *program)

    def start(self, *program: str) -> subprocess.Popen:
        """One that runs until close(), or until it is ended."""
        with open(self._log, "a") as log:
            started = subprocess.Popen(
                self._command(*program), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._programs.append(started)
        return started

    def lines(self, *program: str) -> list[str]:
        """What it prints, and that it does so without an error."""
        run = subprocess.run(self._command(*program), capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stdout + run.stderr + self._log.read_text()
        return run.stdout.splitlines()

    def browse(self, kind: str) -> set[tuple[str, ...]]:
        """(family, name, host, address, port, txt) of each service of a type."""
        found = self.lines("avahi-browse", "--parsable", "--resolve", "--terminate", kind)
        return {
            (family, name, host, address, port, txt)
            for event, _, family, name, _, _, host, address, port, txt in (
                line.split(";", 9) for line in found if line.startswith("=")
            )
        }

    def publish(self, name: str, *arguments: str, options: tuple[str, ...]) -> subprocess.Popen:
        started = self.start("avahi-publish", *options, name, *arguments)
        self._wait(lambda: f"Established under name '{name}'" in self._log.read_text())
        return started

    def close(self) -> None:
        for each in reversed(self._programs):
            each.terminate()
            each.wait()
        self._folder.cleanup()
