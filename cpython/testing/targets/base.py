# SPDX-License-Identifier: GPL-2.0-only
"""How a script reaches a Python that runs pymongoose, wherever that Python is.

A target takes a script, source text in the subset that both Pythons run, and gives its lines. Text
that all scripts need (device_lib.py) is put in front and `_finish()` at the end, which prints how
many objects of the library are still alive.

To add a kind of target, subclass Target and Device: `start()` sends the text and returns a Device;
the Device gives the bytes that the script prints to `_feed()` (from a thread of its own) and
takes lines by `_write()`. Nothing else here knows what a process is.
"""

from __future__ import annotations

import ast
import os
import queue
import re
import shutil
import time
from pathlib import Path
from typing import Any

LIBRARY = (Path(__file__).parent / "device_lib.py").read_text()

PROBE = """
def can(name, probe):
    if name in PARAMS["cannot"]:
        return
    try:
        result = probe()
    except Exception:
        result = False
    if result:
        print("CAN", name)

def threads():
    import _thread
    done = []
    _thread.start_new_thread(lambda: done.append(1), ())
    start = ticks_ms()
    while not done and ticks_diff(ticks_ms(), start) < 10000:
        time.sleep(0.01)
    return done

def listens(address):
    def probe():
        with Manager() as m:
            return m.listen(address)
    return probe

def loopback():
    seen = []
    with Manager() as m:
        listener = m.listen("tcp://127.0.0.1:0", lambda c, ev, data: seen.append(ev))
        m.connect("tcp://127.0.0.1:%d" % listener.local_addr[1])
        poll_until(m, lambda: MG_EV_ACCEPT in seen, 5000)
    return True

def hello():
    got = []
    def take(c, ev, data):
        if ev == MG_EV_READ:
            got.append(c.recv())
    with Manager() as m:
        port = m.listen("tcp://127.0.0.1:0", take).local_addr[1]
        m.connect("tls://127.0.0.1:%d" % port).tls_init(TlsOpts(skip_verification=True))
        poll_until(m, lambda: got, 5000)
    return got[0]

def tls13():
    return b"\\x00\\x2b\\x00\\x05\\x04\\x03\\x04" in hello()  # RFC 8446, section 4.2.1

def chacha20():
    return b"\\xcc\\xa9\\xcc\\xa8" in hello()  # RFC 7905

def multicast():
    with Manager() as m:
        return m.mdns_listen(interface=HOST)

def multicast6():
    with Manager() as m:
        try:
            m.mdns_listen(interface="fe80::1")
        except Error:
            pass  # an address that no interface has, but one of those that may be given
    return True

def interface_names():
    with Manager() as m:
        try:
            m.listen("tcp://[fe80::1%lo]:0")
        except Error:
            pass  # an address that is not its own, but its name
    return True

def udp_refusals():
    seen = []
    def handler(c, ev, data):
        seen.append(ev)
        if ev == MG_EV_CONNECT:
            c.send("anyone?")
    with Manager(handler) as m:
        m.connect(peer("udp", 1))
        poll_until(m, lambda: MG_EV_ERROR in seen, 500)
    return True

def descriptors():
    import socket
    s = socket.socket()
    s.bind(socket.getaddrinfo(HOST, 0)[0][-1])
    s.listen(1)
    with Manager() as m:
        m.listen("tcp://%s:0" % HOST, fd=s.fileno())
    return True

def many_sockets():
    with Manager(max_conns=70) as m:
        return [m.listen("tcp://%s:0" % HOST) for n in range(64)]

def littlefs():
    import vfs
    return vfs.VfsLfs2

def memory():
    return len(bytearray(8 << 20))

def hard_interrupts():
    from machine import Pin
    pin = Pin(2, Pin.IN)
    pin.irq(lambda p: None, Pin.IRQ_FALLING, hard=True)
    pin.irq(None)
    return True

def fork():
    import os
    return os.fork

print("RUNTIME", sys.implementation.name, ".".join(str(n) for n in sys.implementation.version[:3]))
print("VERSION %s, Mongoose %s" % (pymongoose.__version__, pymongoose.version.mongoose))
can("threads", threads)
can("loopback", loopback)
can("tls13", tls13)
can("chacha20", chacha20)
can("multicast", multicast)
can("multicast6", multicast6)
can("ipv6", listens("tcp://[::1]:0"))
can("unix-sockets", listens("unix://" + PARAMS["socket"]))
can("interface-names", interface_names)
can("udp-refusals", udp_refusals)
can("descriptors", descriptors)
can("many-sockets", many_sockets)
can("littlefs", littlefs)
can("memory", memory)
can("fork", fork)
can("hard-interrupts", hard_interrupts)
"""


class DeviceError(Exception):
    """The script did not do what the host waited for; the text holds its console."""


class Device:
    """A running script.

    Lines are taken in order by expect(); eval() and exec() work while the script is in serve().
    """

    #: Under which address the device's own are reached, and under which the device reaches us.
    host = "127.0.0.1"
    peer = "127.0.0.1"
    #: Does the device see the ports of our sockets as they are?
    sees_ports = True
    #: How much slower than a desktop it is: every timeout is multiplied by it.
    slowness = 1.0
    #: And by this, since a desktop may be busy.
    patience = 1.0

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._partial = b""
        self._log: list[str] = []
        self._mark = 0
        self._ended = False
        self._announced: dict[str, int] = {}
        #: The test has looked at the end itself.
        self.settled = False
        self.live: list[int] | None = None
        #: On a target that runs one script at a time, another has taken its place.
        self.retired = False

    # -- for subclasses

    def _write(self, line: str) -> None:
        raise NotImplementedError

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        raise NotImplementedError

    def kill(self) -> None:
        """Ends the script without its consent; safe to call twice."""
        raise NotImplementedError

    def ending(self) -> str | None:
        """None if the script ended well, else what happened. Waits for the end."""
        raise NotImplementedError

    def _feed(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="backslashreplace").rstrip("\r"))

    def _end(self) -> None:
        if self._partial:
            self._take(self._partial.decode(errors="backslashreplace"))
        self._lines.put(None)
        self._answers.put(None)

    def _take(self, line: str) -> None:
        self._log.append(line)
        if found := re.fullmatch(r"([A-Z][A-Z_]*) (\d+)", line):
            self._announced[found[1]] = int(found[2])
        if line.startswith("LIVE "):
            self.live = [int(n) for n in line.split()[1:]]
        if line.startswith(("ANSWER ", "RAISED ")):
            self._answers.put(line)
        else:
            self._lines.put(line)

    # -- for tests

    @property
    def console(self) -> str:
        """All that the script printed since mark()."""
        return "\n".join(self._log[self._mark :])

    @property
    def whole_console(self) -> str:
        """All that the script printed."""
        return "\n".join(self._log)

    def mark(self) -> None:
        """Starts a new part of the console, and forgets the lines that nobody took."""
        self._mark = len(self._log)
        while True:
            try:
                if self._lines.get_nowait() is None:
                    self._lines.put(None)
                    return
            except queue.Empty:
                return

    def line(self, timeout: float = 10) -> str:
        """The next line, of whatever kind."""
        return self._get(self._lines, timeout, "another line")

    def expect(self, word: str, timeout: float = 10) -> str:
        """The rest of the next line that begins with `word`; lines before it are skipped."""
        slowness = self.slowness * self.patience
        deadline = time.monotonic() + timeout * slowness
        while True:
            left = max(deadline - time.monotonic(), 0.01)
            line = self._get(self._lines, left / slowness, f"a line {word!r}")
            first, _, rest = line.partition(" ")
            if first == word:
                return rest

    def port(self, name: str = "PORT", timeout: float = 10) -> int:
        """The port that the script announces, or has announced, under this name."""
        while name not in self._announced:
            self._announced[name] = int(self.expect(name, timeout))
        return self._announced[name]

    def reach(self, port: int) -> tuple[str, int]:
        """Where a client on this host finds the device's port."""
        return (self.host, port)

    def eval(self, expression: str, timeout: float = 10) -> Any:
        """The value of an expression in the script's namespace: a literal."""
        self._write(f"eval {expression!r}")
        return self._answer(timeout)

    def until(self, expression: str, timeout: float = 10) -> Any:
        """Has the script poll until the expression is true; returns its value."""
        milliseconds = int(timeout * self.slowness * self.patience * 1000)
        return self.eval(f"until({expression!r}, {milliseconds})", timeout + 5)

    def exec(self, statements: str, timeout: float = 10) -> None:
        """Runs statements in the script's namespace."""
        self._write(f"exec {statements!r}")
        self._answer(timeout)

    def case(self, name: str, timeout: float = 20) -> None:
        """Calls a function of the script that checks something."""
        self._write(f"exec {name + '()'!r}")
        self._answer(timeout)

    def stop(self, timeout: float = 10) -> list[int]:
        """Lets the script run to its end; returns its live counters, which should be zeros."""
        if self.live is None and not self._ended:
            self._write("stop")
            self.expect("LIVE", timeout)
        return self.finish()

    def finish(self) -> list[int]:
        """Waits for the end that comes by itself; returns the live counters."""
        how = self.ending()
        if how:
            raise DeviceError(f"the script ended badly: {how}")
        if self.live is None:
            raise DeviceError("the script ended without its last line")
        return self.live

    def retire(self) -> None:
        """Another script wants its place: it ends, and its last line is kept."""
        self.retired = True
        try:
            self.stop()
        except DeviceError as e:
            self._log.append(f"(another script was wanted, but {e})")
            self.kill()

    def _answer(self, timeout: float) -> Any:
        line = self._get(self._answers, timeout, "an answer")
        verb, _, rest = line.partition(" ")
        value = ast.literal_eval(rest)
        if verb == "RAISED":
            raise AssertionError(f"on the device:\n{value}")
        return value

    def _get(self, source: queue.Queue[str | None], timeout: float, what: str) -> str:
        if self._ended:
            raise DeviceError(f"waited for {what} of a script that has ended")
        timeout *= self.slowness * self.patience
        try:
            line = source.get(timeout=timeout)
        except queue.Empty:
            raise DeviceError(f"waited {timeout:g} s for {what}") from None
        if line is None:
            self._ended = True
            how = self.ending() or "without an error"
            raise DeviceError(f"waited for {what}, but the script ended: {how}")
        return line


def servers_here() -> set[str]:
    """What a test may need of this computer, for whatever target."""
    ejabberd = shutil.which("erl") and any(Path("/usr/lib").glob("*/ejabberd-*"))
    avahi = all(
        shutil.which(each, path=os.environ.get("PATH", "") + ":/usr/sbin")
        for each in ("avahi-daemon", "avahi-browse", "dbus-daemon")
    )
    return ({"ejabberd"} if ejabberd else set()) | ({"avahi"} if avahi else set())


class Target:
    """A Python that runs scripts."""

    name = "?"
    #: What `make test TARGET=` calls it.
    make_target = "?"
    #: How much slower than a desktop it is; its devices have the same.
    slowness = 1.0
    #: All of the suite takes it too long for a usual run.
    short_runs = False
    #: The device's own address.
    address = "127.0.0.1"
    #: Under which address the device reaches this host, and on which of its own the host listens.
    peer = "127.0.0.1"
    here = "127.0.0.1"
    #: What would hang if it were probed.
    cannot: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.runtime = "?"
        self.version = "?"
        self.capabilities: frozenset[str] = frozenset()

    def missing(self) -> str | None:
        """What must be done before it can be used, or None."""
        return None

    def absent(self) -> str | None:
        """Why there is nothing to test, which is no failure; or None."""
        return None

    def start(self, source: str, params: dict[str, Any]) -> Device:
        raise NotImplementedError

    def text(self, source: str, params: dict[str, Any], device: type[Device] | Device) -> str:
        """The whole script; `params` are literals that it finds in PARAMS."""
        head = (
            f"TARGET = {self.name!r}\nHOST = {device.host!r}\nPEER = {device.peer!r}\n"
            f"PARAMS = {params!r}\n"
        )
        return f"{head}{LIBRARY}\n{source}\n_finish()\n"

    def probe(self, scratch: Path) -> None:
        """Asks a script what this target is and can do, once."""
        params = {"socket": str(scratch / "probe.sock"), "cannot": self.cannot}
        device = self.start(PROBE, params)
        try:
            found = self.own_capabilities()
            self.runtime = device.expect("RUNTIME")
            self.version = device.expect("VERSION")
            device.expect("LIVE", 30)
            device.finish()
            found |= {line[4:] for line in device.console.splitlines() if line.startswith("CAN ")}
            self.capabilities = frozenset(found | servers_here())
        except DeviceError as e:
            raise DeviceError(f"probing target {self.name}: {e}\n{device.console}") from None
        finally:
            device.kill()

    def size(self, large: int, small: int) -> int:
        """Of two amounts, of bytes or of connections, the one that the target has room for."""
        return large if "memory" in self.capabilities else small

    def sockets(self, large: int, small: int) -> int:
        """Of two numbers of connections, the one that the target has sockets for."""
        return large if "many-sockets" in self.capabilities else small

    def folder(self, path: Path) -> str:
        """Where the device finds the files of a folder of the host."""
        return str(path)

    def own_capabilities(self) -> set[str]:
        """What follows from the kind of target rather than from a script."""
        return set()
