# SPDX-License-Identifier: GPL-2.0-only
"""A network of a few processes: the loopback interface, with multicast by IPv4 and IPv6.

It has link-local addresses, fe80::1 and fe80::2, as no computer's loopback has, and fd00::7 and ::8; /run is empty there.
"""

from __future__ import annotations

import ast
import contextlib
import os
import subprocess
import sys
from pathlib import Path

SETUP = """
ip link set lo up multicast on
ip addr add fe80::2/64 dev lo nodad && ip addr add fe80::1/64 dev lo nodad &&
ip addr add fd00::7/128 dev lo nodad && ip addr add fd00::8/128 dev lo nodad &&
ip -6 route add local ff02::/16 dev lo && mount -t tmpfs none /run && echo up && exec cat
"""
TESTS = Path(__file__).parents[1]


class Island:
    """`usable` is false where the system's kernel has no IPv6."""

    def __init__(self) -> None:
        command = ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c", SETUP]
        self.env = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
        self.holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env
        )
        self.usable = self.holder.stdout.readline() == b"up\n"

    def command(self, *program: str) -> list[str]:
        """What starts a program there. It begins in the root folder."""
        enter = ("--user", "--preserve-credentials", "--mount", "--net")
        return ["nsenter", "--target", str(self.holder.pid), *enter, *program]

    def sh(self, script: str) -> subprocess.CompletedProcess:
        """Runs commands there, up to the first that fails."""
        command = self.command("sh", "-ec", script)
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()


class Inside:
    """A Python program there that does as it is told, line by line; it has the peers at hand."""

    def __init__(self, island: Island) -> None:
        self.process = subprocess.Popen(
            island.command(sys.executable, __file__),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )

    def exec(self, text: str) -> None:
        self._ask("exec", text)

    def eval(self, text: str):
        return self._ask("eval", text)

    def _ask(self, mode: str, text: str):
        self.process.stdin.write(repr((mode, text)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the program has ended"
        error, value = ast.literal_eval(answer)
        assert error is None, error
        return value

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def obey() -> None:
    import traceback

    names: dict = {}
    exec("from peers.mdns_peer import *\nfrom zeroconf import *", names)
    for line in sys.stdin:
        mode, text = ast.literal_eval(line)
        try:
            answer = (None, eval(compile(text, "<test>", mode), names))
        except Exception:
            answer = (traceback.format_exc(), None)
        print(repr(answer), flush=True)


if __name__ == "__main__":
    obey()
