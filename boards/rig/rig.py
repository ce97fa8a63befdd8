#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run the RP2040 firmware in an emulated Raspberry Pi Pico with a network.

The board's USB serial port is a TCP port of this machine (`mpremote connect socket://... run ...`), its
UART1 carries PPP to a network in user space: the board reaches this machine as 10.0.2.2, and
ports of 127.0.0.1 lead to the board's. Boards on one segment reach each other. No privilege is
needed. Ctrl-C ends all of it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import several  # noqa: E402
import slirp  # noqa: E402
from options import BOARD_PORT, ROOT, arguments_of, die  # noqa: E402
from ppp import Peer  # noqa: E402
from relay import Relay  # noqa: E402
from repl import START_TIMEOUT_S, Repl  # noqa: E402
from segment import FIRST, Segment  # noqa: E402
from wire import LIMITS, Wire  # noqa: E402

NETWORK = slirp.NETWORK.rpartition(".")[0]
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Stop(Exception):
    """Why it ends."""


class Rig:
    """One thread runs `run()`; commands come by `command()` from there or by standard input."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.quiet = arguments.control
        self.ready: dict[str, Any] = {}
        self.link = threading.Event()
        self.begun = time.monotonic()
        self.segment: Segment | None = None
        self.relay: Relay | None = None
        if arguments.segment:
            try:
                self.segment = Segment(arguments.segment, FIRST + arguments.number - 1)
            except OSError as e:
                die(f"--segment {arguments.segment}: {e}")
        self.address = f"{NETWORK}.{self.segment.number if self.segment else FIRST}"
        try:
            self.network = slirp.Network(self._to_board, self.address)
        except OSError as e:
            die(f"{e}; on Debian: apt-get install libslirp0")
        if arguments.mdns:
            try:
                self.relay = Relay(self._to_board, self.address, slirp.HOST)
            except OSError as e:
                die(f"--mdns: {e}")
        self.peer = Peer(
            self._to_uart,
            self._from_board,
            socket.inet_aton(slirp.HOST),
            socket.inet_aton(self.address),
            socket.inet_aton(slirp.NAMESERVER),
            self._link_up,
        )
        self.wire = Wire(arguments.seed)
        self.wire.change(**{name: getattr(arguments, name) for name in LIMITS})
        self.poller = select.poll()
        self._rest = {"node": b"", "control": b""}
        self.failure = ""
        self.why = ""

    # -- Packets of IPv4

    def _to_board(self, packet: bytes) -> None:
        self.wire.carry("in", packet, self.peer.packet)

    def _from_board(self, packet: bytes) -> None:
        if len(packet) >= 20:
            self.wire.carry("out", packet, self._route)

    def _route(self, packet: bytes) -> None:
        target = packet[16:20]
        multicast, broadcast = 224 <= target[0] < 240, target[3] == 255
        if self.segment:
            if multicast or broadcast:
                self.segment.flood(packet)
            elif target[:3] == socket.inet_aton(slirp.NETWORK)[:3] and self.segment.has(target[3]):
                return self.segment.send(target[3], packet)
        if not (self.relay and self.relay.packet(packet)) and not multicast:
            self.network.packet(packet)
        return None

    # -- What is said

    def say(self, text: str) -> None:
        if not self.quiet:
            print(f"{self.arguments.name}: {text}", file=sys.stderr, flush=True)

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
        for each in (self.segment, self.relay):
            if each:
                each.close()

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
                raise Stop("it was asked to quit")
            if what == "forward":
                port = self.network.forward(wanted["port"], wanted.get("host_port", 0))
                self.tell({"answer": number, "port": port})
            elif what == "unforward":
                self.network.unforward(wanted["port"])
                self.tell({"answer": number})
            elif what == "loss":
                self.wire.change(loss=wanted["percent"])
                self.tell({"answer": number})
            elif what == "link":
                self.wire.change(**{name: wanted[name] for name in LIMITS if name in wanted})
                self.tell({"answer": number, **{n: getattr(self.wire, n) for n in LIMITS}})
            elif what == "packets":
                self.tell({"answer": number, **self.wire.packets})
            else:
                self.node.stdin.write(json.dumps(wanted).encode() + b"\n")
                self.node.stdin.flush()
        except KeyError as e:
            self.tell({"answer": number, "error": f"{what} needs {e.args[0]}"})
        except (OSError, ValueError) as e:
            self.tell({"answer": number, "error": str(e)})

    # -- The loop

    def run(self) -> None:
        inputs = {self.node.stdout.fileno(): "node", self.uart.fileno(): "uart"}
        if self.arguments.control:
            inputs[sys.stdin.fileno()] = "control"
        if self.segment:
            inputs[self.segment.socket.fileno()] = "segment"
        for fd in inputs:
            self.poller.register(fd, select.POLLIN)
        while True:
            relayed = self.relay.sockets() if self.relay else []
            for s in relayed:
                self.poller.register(s, select.POLLIN)
            wait = min(self.network.watch(self.poller), self.wire.wait())
            if self.segment:
                wait = min(wait, self.segment.wait())
            ready = dict(self.poller.poll(int(wait * 1000) + 1))
            for s in relayed:
                self.poller.unregister(s)
            self.network.poll(ready, self.poller)
            for s in relayed:
                if s.fileno() in ready:
                    self.relay.receive(s)
            for fd, name in inputs.items():
                if fd in ready and name == "segment":
                    for packet in self.segment.receive():
                        self._to_board(packet)
                elif fd in ready:
                    self._input(name, os.read(fd, 65536))
            self.wire.deliver()
            if self.segment:
                self.segment.retry()

    def _input(self, name: str, data: bytes) -> None:
        if not data:
            if name != "control":
                self.failure = "the emulator has ended"
            raise Stop("standard input has ended")
        if name == "uart":
            self.peer.receive(data)
        elif name == "node":
            self._from_node(data)
        else:
            *lines, self._rest["control"] = (self._rest["control"] + data).split(b"\n")
            for line in lines:
                try:
                    wanted = json.loads(line)
                except ValueError:
                    wanted = None
                if isinstance(wanted, dict):
                    self.command(wanted)
                else:
                    text = line.decode(errors="replace")
                    self.tell({"answer": None, "error": f"no command in JSON: {text}"})


def bring_up(rig: Rig) -> None:
    """Gives the board its boot.py and waits for the link; in a thread beside the rig's own."""
    rig.say(f"starting {os.path.relpath(rig.arguments.firmware)} in the emulator ...")
    repl = Repl(rig.ready["serial"])
    repl.enter()
    banner = repl.exec("import os; print(os.uname().version, '|', os.uname().machine)").strip()
    rig.say(f"{banner}, after {time.monotonic() - rig.begun:.1f} s")
    text = (HERE / "link.py").read_text()
    repl.exec(f"with open('boot.py', 'w') as f: f.write({text!r})")
    said = repl.soft_reset()
    repl.leave()
    if "LINK up" not in said:
        raise OSError(f"the board's network link did not open; its boot.py says: {said}")
    if not rig.link.wait(START_TIMEOUT_S):
        raise OSError("the board's network link did not open")


def main() -> int:
    arguments = arguments_of(sys.argv[1:], (__doc__ or "").split("\n\n")[0])
    if arguments.boards > 1:
        return several.main(arguments, sys.argv[1:])
    rig = Rig(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rig.start()
    try:
        forward(rig)
        if arguments.no_link:
            greet(rig)
        else:
            threading.Thread(target=linked, args=[rig], daemon=True).start()
        rig.run()
    except KeyboardInterrupt:
        rig.why = "a signal has asked for it"
    except Stop as e:
        rig.why = str(e)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        rig.stop()
    rig.tell({"event": "end", "why": rig.failure or rig.why, "failed": bool(rig.failure)})
    if rig.failure:
        print(f"{arguments.name}: error: {rig.failure}", file=sys.stderr)
    return 1 if rig.failure else 0


def forward(rig: Rig) -> None:
    a = rig.arguments
    ports = [(a.port, BOARD_PORT)] if not a.control else []
    try:
        for here, there in ports:
            rig.network.forward(there, host_port=here)
    except OSError as e:
        rig.failure = f"{e}; PORT= names another"
        raise Stop from None
    try:
        for _, here, there in a.forward:
            rig.network.forward(there, host_port=here)
    except OSError as e:
        rig.failure = f"--forward {here}:{there}: {e}"
        raise Stop from None


def linked(rig: Rig) -> None:
    try:
        bring_up(rig)
    except OSError as e:
        if not rig.why:  # else it is ending anyway
            rig.failure = str(e)
            os.kill(os.getpid(), signal.SIGINT)
    else:
        greet(rig)


def greet(rig: Rig) -> None:
    serial, a = rig.ready["serial"], rig.arguments
    rig.tell({"event": "ready", "serial": serial, "address": rig.address})
    rig.say(f"ready after {time.monotonic() - rig.begun:.1f} s; Ctrl-C stops")
    rig.say(f"  serial  socket://127.0.0.1:{serial}")
    rig.say(f"  HTTP    http://127.0.0.1:{a.port}   leads to the board's port {BOARD_PORT}")
    for _, here, there in a.forward:
        rig.say(f"          127.0.0.1:{here}   leads to the board's port {there}")
    rig.say(f"  the board is {rig.address}; it reaches this machine as {slirp.HOST}")
    if a.number == 1:
        suggest(rig, serial)


def suggest(rig: Rig, serial: int) -> None:
    """What may be done with it, in words that a shell takes."""
    a, port = rig.arguments, f"socket://127.0.0.1:{serial}"
    own = ROOT / ".venv/bin"
    here = (own / "mpremote").exists()
    python, mpremote = (
        (os.path.relpath(own / name) for name in ("python", "mpremote"))
        if here
        else ("python3", "mpremote")
    )
    lacking = "" if here or shutil.which(mpremote) else ", after pip install mpremote"
    # mpremote's own prompt wants a descriptor, which a socket:// has not.
    rig.say(f"in another terminal{lacking}:")
    rig.say(f"  {python} -m serial.tools.miniterm {port}")
    rig.say("          leads to its prompt: press Enter, import pymongoose; Ctrl-] leaves")
    program = ROOT / "examples/rest_sensor/main.py"
    if program.exists() and not a.no_link:
        rig.say(f"  {mpremote} connect {port} run {os.path.relpath(program)}")
        rig.say(f"          starts a server: curl http://127.0.0.1:{a.port}/readings/last asks it")


if __name__ == "__main__":
    sys.exit(main())
