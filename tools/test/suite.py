#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run the tests of several targets side by side: suite.py "TARGETS" [option of pytest ...]

Most of a run is waiting, so each target has a pytest of its own, and so have the tests that need
no target. The first report is seen as it grows, the others after it, then a summary; all are kept
in build/suite/. One target alone is one pytest, which runs all. An emulated board is slow, so there
is more than one of them, and each takes a test module at a time (pytest-xdist); they want the
processors for themselves, and come when the others have ended; those with a part alone come with them.

Targets that end in -next have what Debian's next release has (MICROPYTHON=next). It moves on by itself:
when it is not what is known to be good any more, what fails with it is shown and not counted.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "suite"
PROCESSES = ("cpython", "cpython-poll", "unix", "unix-next")
EMULATED, ALONE = ("pico", "pico-next"), "host alone"
# Of an emulated board with another MicroPython: what rests on it, and some of the rest.
PART_OF_NEXT = (
    "tests/boards",
    "tests/core/test_backend.py",
    "tests/core/test_timers.py",
    "tests/core/test_wakeup.py",
    "tests/api/test_api.py",
    "tests/files/test_vfs.py",
    "tests/tcp/test_udp.py",
    "tests/tls/test_tls_client.py",
)
# It builds once more what the others have built.
BUILDS = "tests/api/test_api.py::test_a_new_row_is_all_that_a_new_constant_takes"
BOARDS = max(2, min(4, len(os.sched_getaffinity(0))))  # emulated ones, each on a processor
PR_SET_PDEATHSIG, CLONE_NEWNET = 1, 0x40000000
SIOCADDRT, SIOCSIFFLAGS, IFF_UP, RTF_UP = 0x890B, 0x8914, 1, 1
NO_TESTS = 5

libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def own_network() -> None:
    """A loopback interface alone, which takes whatever is sent anywhere."""
    if libc.unshare(CLONE_NEWNET):
        raise PermissionError
    anywhere = struct.pack("=H14x", socket.AF_INET)
    device = ctypes.create_string_buffer(b"lo")
    name = ctypes.addressof(device)
    # struct rtentry
    route = struct.pack(
        "@L16s16s16sHhLPhPLLH", 0, *[anywhere] * 3, RTF_UP, 0, 0, 0, 0, name, 0, 0, 0
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        fcntl.ioctl(s, SIOCADDRT, route)
        s.connect(("192.0.2.1", 9))


def in_own_network() -> None:
    die_with_parent()
    own_network()


def can_have_own_network() -> bool:
    child = os.fork()
    if child == 0:
        try:
            own_network()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


class Part:
    """One pytest, whose report goes to a file."""

    def __init__(self, name: str, command: list[str], apart: bool = False) -> None:
        self.name = name
        self.log = LOGS / (re.sub(r"\W+", "-", name) + ".log")
        self.begun = time.monotonic()
        self.seconds: float | None = None
        self.log.unlink(missing_ok=True)  # another run may write there still
        with self.log.open("wb") as out:
            self.report = self.log.open("rb")
            # In a group of its own: what ends it is sent once, whether Ctrl-C or a signal to us.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
                preexec_fn=in_own_network if apart and name in PROCESSES else die_with_parent,
            )

    def poll(self) -> int | None:
        code = self.process.poll()
        if code is not None and self.seconds is None:
            self.seconds = time.monotonic() - self.begun
        return code

    def last_line(self) -> str:
        """What pytest says of the whole."""
        self.report.seek(0)
        lines = self.report.read().decode(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return re.sub(r"\x1b\[[\d;]*m", "", last).strip("= ")


def follow(part: Part, parts: list[Part]) -> None:
    """Shows what is not shown yet of a report, until it is complete."""
    while True:
        ended = [each.poll() for each in parts][parts.index(part)] is not None
        if data := part.report.read():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        elif ended:
            return
        else:
            time.sleep(0.1)


def stop(parts: list[Part]) -> None:
    for part in parts:
        if part.poll() is None:
            part.process.send_signal(signal.SIGINT)


def interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def choice(name: str, targets: list[str]) -> list[str]:
    """pytest's options for a part of the run."""
    if name == ALONE:
        return ["--only", "host", *(f"--target={each}" for each in targets)]
    some = [] if targets == [name] else ["--only", "targets"]
    many = ["-n", str(BOARDS), "--dist", "loadfile"] if name in EMULATED else []
    other = [f"--deselect={BUILDS}"] if name in ("cpython-poll", "unix-next") else []
    return [f"--target={name}", *some, *many, *other]


def where(name: str, options: list[str]) -> list[str]:
    """The options, with the tests that this target has of all."""
    if name != "pico-next" or "tests" not in options or "--long" in options:
        return options
    at = options.index("tests")
    return [*options[:at], *PART_OF_NEXT, *options[at + 1 :]]


def moved() -> str:
    """What Debian's next release has that is not known to be good."""
    command = [sys.executable, str(ROOT / "tools/deps/deps.py"), "--moved"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def main() -> int:
    targets, options = list(dict.fromkeys(sys.argv[1].split())), sys.argv[2:]
    pytest = [sys.executable, "-m", "pytest"]
    if len(targets) == 1:
        os.chdir(ROOT)
        command = [*pytest, *where(targets[0], options), *choice(targets[0], targets)]
        os.execv(command[0], command)
    pytest[1:1] = ["-u"]
    if sys.stdout.isatty():
        pytest.append("--color=yes")
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    LOGS.mkdir(parents=True, exist_ok=True)
    # Tests want them, and might find no network to fetch them from.
    inputs = ["uplot", "axe", "cymongoose-tests"]
    scripts = [sys.executable, str(ROOT / "tools" / "deps" / "deps.py"), *inputs]
    subprocess.run(scripts, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    apart = can_have_own_network()
    alone = [] if "--only" in options else [ALONE]
    waves = [[name for name in targets if name != "pico"] + alone]
    waves += [["pico"]] if "pico" in targets else []
    parts: list[Part] = []
    shown = None
    stopped = False
    try:
        for wave in waves:
            begun = len(parts)
            for name in wave:
                command = [*pytest, *where(name, options), *choice(name, targets)]
                parts.append(Part(name, command, apart))
            for shown in parts[begun:]:
                print(f"\n== {shown.name}", flush=True)
                follow(shown, parts)
    except KeyboardInterrupt:
        stopped = True
        stop(parts)
        if shown:
            follow(shown, parts)
        for part in parts:
            part.process.wait()
            part.poll()
    codes = [part.process.returncode for part in parts]
    bad = []
    print("\n== summary")
    for part, code in zip(parts, codes, strict=True):
        said = {0: "ok", NO_TESTS: "nothing to run"}.get(
            code, "stopped" if stopped else f"FAILED ({code})"
        )
        print(f"  {part.name:<12} {said:<14} {part.seconds or 0:4.0f} s  {part.last_line()}")
        if code in (0, NO_TESTS) or stopped:
            continue
        if part.name.endswith("-next") and (words := moved()):
            print(f"  {'':<12} not counted: Debian's next release has moved on: {words}")
        else:
            bad.append(code)
    if stopped:
        return 130
    if codes and set(codes) == {NO_TESTS}:
        print(
            "No test's name has what K= says: its words are parts of names, joined by and, or, not."
        )
    return max(map(abs, bad)) if bad else 0 if 0 in codes else min(codes)


if __name__ == "__main__":
    sys.exit(main())
