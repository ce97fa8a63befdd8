#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run the RP2040 firmware in an emulated Raspberry Pi Pico with a network.

The board's USB serial port is a TCP port of this machine (`mpremote connect socket://...`), its
UART1 carries PPP to a network in user space: the board reaches this machine as 10.0.2.2, and
ports of 127.0.0.1 lead to the board's. No privilege is needed. Ctrl-C ends all of it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import slirp  # noqa: E402
from ppp import Peer  # noqa: E402

FIRMWARE = ROOT / "build/firmware/RPI_PICO/firmware.uf2"
PARTS = ROOT / "build/rig"
START_TIMEOUT_S = 120  # a busy machine runs the board at a tenth of its speed
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die(text: str) -> NoReturn:
    sys.exit(f"rig: error: {text}")


class Stop(Exception):
    pass


class Rig:
    """One thread runs `run()`; commands come by `command()` from there or by standard input."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.quiet = arguments.control
        self.ready: dict[str, Any] = {}
        self.link = threading.Event()
        self.begun = time.monotonic()
        try:
            self.network = slirp.Network(self._to_board)
        except OSError as e:
            die(f"{e}; on Debian: apt-get install libslirp0")
        self.peer = Peer(
            self._to_uart,
            self._from_board,
            socket.inet_aton(slirp.HOST),
            socket.inet_aton(slirp.GUEST),
            socket.inet_aton(slirp.NAMESERVER),
            self._link_up,
        )
        self.packets = {"in": 0, "out": 0, "lost": 0}
        self.loss = arguments.loss
        self.random = random.Random(arguments.seed)
        self.poller = select.poll()
        self._rest = {"node": b"", "control": b""}
        self.failure = ""

    def _to_board(self, packet: bytes) -> None:
        self.packets["in"] += 1
        if not self._is_lost():
            self.peer.packet(packet)

    def _from_board(self, packet: bytes) -> None:
        self.packets["out"] += 1
        if not self._is_lost():
            self.network.packet(packet)

    def _is_lost(self) -> bool:
        lost = self.loss > 0 and self.random.random() * 100 < self.loss
        self.packets["lost"] += lost
        return lost

    # -- What is said

    def say(self, text: str) -> None:
        if not self.quiet:
            print(f"rig: {text}", file=sys.stderr, flush=True)

    def tell(self, event: dict[str, Any]) -> None:
        if self.quiet:
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps(event), flush=True)

    def _link_up(self) -> None:
        self.link.set()
        self.tell({"event": "link"})

    # -- The emulator

    def start(self) -> None:
        a = self.arguments
        places = [a.parts / "rp2040js", a.parts / "node_modules" / "rp2040js"]  # ours, or npm's
        library = next((each for each in places if each.exists()), places[0])
        command = [a.node, str(HERE / "emulator.mjs"), "--rp2040js", str(library)]
        command += ["--bootrom", str(a.parts / "bootrom.bin"), "--firmware", str(a.firmware)]
        if a.flash:
            command += ["--flash", str(a.flash)]
        if a.gdb:
            command += ["--gdb", str(a.gdb)]
        if a.profile:
            command += ["--profile", str(a.profile)]
        if a.seed is not None:
            command += ["--seed", str(a.seed)]
        try:
            self.node = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            )
        except FileNotFoundError:
            die(f"there is no {a.node}: on Debian, apt-get install nodejs")
        assert self.node.stdout
        while not self.ready:
            data = os.read(self.node.stdout.fileno(), 65536)
            if not data:
                die("the emulator did not start")
            self._from_node(data)
        self.uart = socket.create_connection(("127.0.0.1", self.ready["uart"]))
        self.uart.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def stop(self) -> None:
        """Ends the emulator, which saves its flash first."""
        with contextlib.suppress(OSError):
            self.node.stdin.close()
        try:
            self.node.wait(5)
        except subprocess.TimeoutExpired:
            self.node.kill()
            self.node.wait()
        self.network.close()

    def _to_uart(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.uart.sendall(data)

    def _from_node(self, data: bytes) -> None:
        *lines, self._rest["node"] = (self._rest["node"] + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            kind = event.get("event")
            if kind == "error":
                die(event["text"])
            elif kind == "ready":
                self.ready = event
            elif kind == "reset":
                self.link.clear()
                self.say(f"the board was reset ({event['reason']})")
                self.tell(event)
            elif kind == "fault":
                self._fault(event)
            elif "registers" in event:
                self.tell({**event, "where": self._where(event)})
            else:
                self.tell(event)

    def _fault(self, event: dict[str, Any]) -> None:
        event["where"] = self._where(event)
        self.tell(event)
        self.say(f"the board stopped: {event['what']}")
        self.say("  " + " ".join(f"{k}={v}" for k, v in event["registers"].items()))
        for line in event["where"]:
            self.say("  " + line)

    def _where(self, event: dict[str, Any]) -> list[str]:
        """Functions on the way to the fault, if the program's symbols are beside it."""
        elf = Path(self.arguments.firmware).with_suffix(".elf")
        if not elf.exists():
            return []
        registers = event["registers"]
        code = [w for w in event["stack"] if w.startswith(("0x100", "0x200")) and int(w, 16) & 1]
        command = ["arm-none-eabi-addr2line", "-fsap", "-e", str(elf)]
        command += [registers["pc"], registers["lr"], *code]
        try:
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return []
        return [line for line in found.splitlines() if "??" not in line][:20]

    # -- Commands

    def command(self, wanted: dict[str, Any]) -> None:
        what, number = wanted.get("do"), wanted.get("id")
        try:
            if what == "quit":
                raise Stop
            if what == "forward":
                port = self.network.forward(wanted["port"], int(wanted.get("host_port", 0)))
                self.tell({"answer": number, "port": port})
            elif what == "unforward":
                self.network.unforward(wanted["port"])
                self.tell({"answer": number})
            elif what == "loss":
                self.loss = float(wanted["percent"])
                self.tell({"answer": number})
            elif what == "packets":
                self.tell({"answer": number, **self.packets})
            else:
                self.node.stdin.write(json.dumps(wanted).encode() + b"\n")
                self.node.stdin.flush()
        except OSError as e:
            self.tell({"answer": number, "error": str(e)})

    # -- The loop

    def run(self) -> None:
        inputs = {self.node.stdout.fileno(): "node", self.uart.fileno(): "uart"}
        if self.arguments.control:
            inputs[sys.stdin.fileno()] = "control"
        for fd in inputs:
            self.poller.register(fd, select.POLLIN)
        while True:
            wait = self.network.watch(self.poller)
            ready = dict(self.poller.poll(int(wait * 1000) + 1))
            self.network.poll(ready, self.poller)
            for fd, name in inputs.items():
                if fd in ready:
                    self._input(name, os.read(fd, 65536))

    def _input(self, name: str, data: bytes) -> None:
        if not data:
            if name != "control":
                self.failure = "the emulator has ended"
            raise Stop
        if name == "uart":
            self.peer.receive(data)
        elif name == "node":
            self._from_node(data)
        else:
            *lines, self._rest["control"] = (self._rest["control"] + data).split(b"\n")
            for line in lines:
                self.command(json.loads(line))


class Repl:
    """Just enough of the raw REPL to put a file onto the board and to reset it softly."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(START_TIMEOUT_S)

    def until(self, mark: bytes) -> bytes:
        data = b""
        while not data.endswith(mark):
            piece = self.socket.recv(1)
            if not piece:
                raise OSError("the serial port was closed")
            data += piece
        return data

    def enter(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        self.socket.settimeout(1)
        while time.monotonic() < deadline:
            self.socket.sendall(b"\r\x03\x03\x01")
            try:
                self.until(b"raw REPL; CTRL-B to exit\r\n>")
            except TimeoutError:
                continue
            self.socket.settimeout(START_TIMEOUT_S)
            with contextlib.suppress(TimeoutError):  # what answers the tries before
                self.socket.settimeout(0.2)
                while True:
                    self.until(b">")
            self.socket.settimeout(START_TIMEOUT_S)
            return
        raise OSError("there is no raw REPL on the serial port")

    def exec(self, source: str) -> str:
        self.socket.sendall(source.encode() + b"\x04")
        self.until(b"OK")
        output = self.until(b"\x04")[:-1]
        error = self.until(b"\x04>")[:-2]
        if error:
            raise OSError(error.decode())
        return output.decode()

    def soft_reset(self) -> str:
        self.socket.sendall(b"\x04")
        return self.until(b"raw REPL; CTRL-B to exit\r\n>").decode()

    def leave(self) -> None:
        self.socket.sendall(b"\x02")
        self.socket.close()


def bring_up(rig: Rig) -> None:
    """Gives the board its boot.py and waits for the link; in a thread beside the rig's own."""
    rig.say(f"starting {os.path.relpath(rig.arguments.firmware)} in the emulator ...")
    repl = Repl(rig.ready["serial"])
    repl.enter()
    banner = repl.exec("import os; print(os.uname().version, '|', os.uname().machine)").strip()
    rig.say(f"{banner}, after {time.monotonic() - rig.begun:.1f} s")
    text = (HERE / "link.py").read_text()
    repl.exec(f"with open('boot.py', 'w') as f: f.write({text!r})")
    repl.soft_reset()
    repl.leave()
    if not rig.link.wait(START_TIMEOUT_S):
        raise OSError("the board's network link did not open")


def arguments_of(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="rig.py", description=(__doc__ or "").split("\n\n")[0] + "\n"
    )
    add = parser.add_argument
    add("--firmware", type=Path, default=FIRMWARE, help="a .uf2 or .bin for the RP2040")
    add("--port", type=int, default=8000, help="forward this port, 127.0.0.1's to the board's")
    add(
        "--flash",
        type=Path,
        metavar="FILE",
        help="keep the flash in this file; default: a fresh one",
    )
    add("--gdb", type=int, metavar="PORT", help="serve a debugger: target remote :PORT")
    add("--profile", type=Path, metavar="FILE", help="count cycles by function, into this file")
    add("--seed", type=int, metavar="N", help="random bits that repeat; default: others each time")
    add("--loss", type=float, default=0, metavar="PERCENT", help="lose so many packets of the link")
    add("--no-link", action="store_true", help="leave the board and its network link alone")
    add("--control", action="store_true", help="commands and events as lines of JSON, for programs")
    add("--node", default="node", help="the Node.js to use (18 or newer)")
    add("--parts", type=Path, default=PARTS, help="what tools/build/rig.sh made")
    found = parser.parse_args(argv)
    if not found.firmware.is_file():
        die(f"there is no firmware {found.firmware}: make firmware BOARD=RPI_PICO")
    if not (found.parts / "bootrom.bin").is_file():
        die("the emulator's parts are missing: make rig")
    return found


def main() -> None:
    rig = Rig(arguments_of(sys.argv[1:]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rig.start()
    status = 0
    try:
        if rig.arguments.port and not rig.arguments.control:
            try:
                rig.network.forward(rig.arguments.port, host_port=rig.arguments.port)
            except OSError as e:
                rig.failure = f"{e}; PORT= names another"
                raise Stop from None
        if rig.arguments.no_link:
            greet(rig)
        else:
            threading.Thread(target=linked, args=[rig], daemon=True).start()
        rig.run()
    except (KeyboardInterrupt, Stop):
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        rig.stop()
    if rig.failure:
        print(f"rig: error: {rig.failure}", file=sys.stderr)
        status = 1
    sys.exit(status)


def linked(rig: Rig) -> None:
    try:
        bring_up(rig)
    except OSError as e:
        rig.failure = str(e)
        os.kill(os.getpid(), signal.SIGINT)
    else:
        greet(rig)


def greet(rig: Rig) -> None:
    serial, port = rig.ready["serial"], rig.arguments.port
    rig.tell({"event": "ready", "serial": serial})
    rig.say(f"ready after {time.monotonic() - rig.begun:.1f} s; Ctrl-C stops")
    rig.say(
        f"  serial  socket://127.0.0.1:{serial}   (mpremote connect socket://127.0.0.1:{serial})"
    )
    rig.say(f"  HTTP    http://127.0.0.1:{port}   leads to the board's port {port}")
    rig.say(f"  the board is {slirp.GUEST}; it reaches this machine as {slirp.HOST}")


if __name__ == "__main__":
    main()
