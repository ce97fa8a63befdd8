# SPDX-License-Identifier: GPL-2.0-only
"""Hostile clients beside a healthy one: each request of that is served, and nothing is left behind.

    abuse.py [--target NAME] ... [--only KIND] [-t SECONDS] [--alone]

Each kind has a server of its own; all of them run side by side, or one after the other. `make abuse`
gives each 60 seconds, test_abuse.py a few. What counts are counts: healthy requests served (all),
connections, descriptors and live objects afterwards. Latencies are printed, and judged by nobody: the machine may be busy.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import socket
import ssl
import statistics
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "cpython" / "testing"))
from peers.clients import frame  # noqa: E402
from peers.mqtt_peers import connect as mqtt_connect  # noqa: E402
from peers.mqtt_peers import publish as mqtt_publish  # noqa: E402
from peers.pki import NOW, pki  # noqa: E402
from targets import all_targets, find_target  # noqa: E402

SERVER = r"""
set_clock(PARAMS["now"])
BIG = b"x" * 1000000

def web(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/big":
            c.reply(200, BIG)
        else:
            c.reply(200, "ok")
    elif ev == MG_EV_WS_MSG:
        c.ws_send(data.data)

def rest():
    left, _ = settle(20000)
    gc.collect()
    return len(left), live()

m = Manager(web, max_conns=60, max_memory=20000000, head_timeout=2000, body_timeout=2000, idle_timeout=5000,
    send_timeout=4000, handshake_timeout=3000, drain_timeout=2000, max_message=100000)
announce("PORT", m.listen(url("http")))
announce("MQTT", m.mqtt_listen(url("mqtt"), lambda c, ev, data: None))
secure = m.listen(url("https"))
secure.tls_init(TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"]))
announce("SECURE", secure)
serve(m)
"""

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
RESET = struct.pack("ii", 1, 0)
#: Hostile connections at a time.
CROWD = 50


class Crowd:
    """Connections that do no good, each again when it was thrown out."""

    port = "PORT"
    first, drip = b"", b""
    receive_buffer = 0
    crowd = CROWD

    def __init__(self, device):
        self.address = ("127.0.0.1", device.port(self.port))
        self.sockets = []
        self.opened = 0

    def open(self):
        s = socket.socket()
        if self.receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        s.settimeout(5)
        s.connect(self.address)
        s.setblocking(False)
        self.opened += 1
        s.send(self.first or b"")
        return s

    def turn(self):
        """Makes the crowd whole, has each say something."""
        while len(self.sockets) < self.crowd:
            try:
                self.sockets.append(self.open())
            except OSError:
                break
        for s in list(self.sockets):
            try:
                self.act(s)
            except BlockingIOError:
                pass
            except OSError:
                self.sockets.remove(s)
                s.close()

    def act(self, s):
        if self.drip:
            s.send(self.drip)
        if not self.receive_buffer and s.recv(65536) == b"":
            raise OSError

    def leave(self):
        for s in self.sockets:
            s.close()


class SlowHeads(Crowd):
    first, drip = b"GET / HTTP/1.1\r\nX: ", b"x"


class SlowBodies(Crowd):
    first, drip = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"x"


class CrLf(Crowd):
    first, drip = b"\r\n", b"\r\n"


class NeverReading(Crowd):
    first, receive_buffer = GET % b"big", 4096


class SlowReaders(NeverReading):
    def act(self, s):
        if s.recv(32) == b"":
            raise OSError


class Silent(Crowd):
    pass


class HalfOpen(Crowd):
    first = b"GET / HT"

    def open(self):
        s = super().open()
        s.shutdown(socket.SHUT_WR)
        return s


class Resets(Crowd):
    first = GET % b"big"

    def act(self, s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        raise OSError


class Hellos(Crowd):
    port = "SECURE"

    def open(self):
        outgoing = ssl.MemoryBIO()
        tls = ssl.create_default_context().wrap_bio(
            ssl.MemoryBIO(), outgoing, server_hostname="x.test"
        )
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        self.first = outgoing.read()
        return super().open()


class Pings(Crowd):
    first, receive_buffer = UPGRADE, 4096
    drip = frame(9, b"x" * 125) * 50
    crowd = 20


class MqttStorm(Crowd):
    port = "MQTT"
    first = mqtt_connect(version=5)
    drip = mqtt_publish("t", b"x" * 100, version=5) * 50 + b"\xc0\0" * 50
    receive_buffer = 4096
    crowd = 20


class Descriptors(SlowHeads):
    """There are none left for whoever comes."""

    def __init__(self, device):
        super().__init__(device)
        used = max(int(name) for name in os.listdir(f"/proc/{device.pid}/fd"))
        hard = resource.prlimit(device.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(device.pid, resource.RLIMIT_NOFILE, (used + 20, hard))


KINDS = {
    "slow-heads": SlowHeads,
    "slow-bodies": SlowBodies,
    "crlf-trickle": CrLf,
    "never-reading": NeverReading,
    "slow-readers": SlowReaders,
    "silent": Silent,
    "half-open": HalfOpen,
    "resets": Resets,
    "tls-hellos": Hellos,
    "websocket-pings": Pings,
    "mqtt-storm": MqttStorm,
    "descriptors": Descriptors,
}


class Healthy:
    """One request after the other, half of them on connections of their own."""

    def __init__(self, port):
        self.address = ("127.0.0.1", port)
        self.served, self.times, self.kept = 0, [], None

    def one(self, patience):
        """A new connection is served; an idle one may have made room, then a client begins anew."""
        begun = time.monotonic()
        if self.served % 2 == 0:
            self.close()
        answer = b"" if self.kept is None else self.ask()
        if answer == b"":
            self.close()
            self.kept = socket.create_connection(self.address, timeout=patience)
            answer = self.ask()
        assert answer.startswith(b"HTTP/1.1 200"), answer
        self.served += 1
        self.times.append(time.monotonic() - begun)

    def ask(self):
        answer = b""
        with contextlib.suppress(ConnectionError):
            self.kept.sendall(GET % b"")
            while not answer.endswith(b"ok"):
                piece = self.kept.recv(65536)
                if not piece:
                    break
                answer += piece
        return answer

    def close(self):
        if self.kept is not None:
            self.kept.close()
            self.kept = None


def abuse(target, kind, seconds, slowness=1):
    """Plays one kind: (healthy requests served, hostile connections, median and slowest answer in ms)."""
    pair = pki()["ec"]
    device = target.start(SERVER, {"cert": pair.cert, "key": pair.key, "now": int(NOW.timestamp())})
    try:
        healthy = Healthy(device.port())
        healthy.one(60)
        healthy.close()
        before = device.eval("rest()", 60)
        descriptors = len(os.listdir(f"/proc/{device.pid}/fd"))
        crowd = KINDS[kind](device)
        healthy = Healthy(device.port())
        end = time.monotonic() + seconds
        while time.monotonic() < end or healthy.served < 20:
            crowd.turn()
            healthy.one(60 * slowness)
        healthy.close()
        crowd.leave()
        after = device.eval("rest()", 60 * slowness)
        assert after[0] == 0, f"{kind}: {after[0]} connections outlive their peers"
        assert after[1][:3] == before[1][:3], (kind, before, after)
        assert after[1][3] <= before[1][3] + 2, (
            kind,
            before,
            after,
        )  # a spare buffer, a ticket key
        assert len(os.listdir(f"/proc/{device.pid}/fd")) <= descriptors, kind
        device.stop()
        times = [seconds * 1000 for seconds in healthy.times]
        return healthy.served, crowd.opened, statistics.median(times), max(times)
    finally:
        device.kill()


def all_kinds(target, seconds, kinds=tuple(KINDS), slowness=1, alone=False):
    """Side by side, or one after the other: {kind: result or exception}."""
    results = {}

    def one(kind):
        try:
            results[kind] = abuse(target, kind, seconds, slowness)
        except BaseException as e:  # the thread's, told by whoever waits for it
            results[kind] = e

    threads = [threading.Thread(target=one, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
        if alone:
            thread.join()
    for thread in threads:
        thread.join()
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", action="append", choices=list(all_targets()))
    parser.add_argument("--only", action="append", choices=list(KINDS))
    parser.add_argument("-t", type=float, default=60, metavar="SECONDS")
    parser.add_argument(
        "--alone", action="store_true", help="one kind after the other, which tells what each costs"
    )
    args = parser.parse_args()
    failed = False
    for name in args.target or list(all_targets()):
        kinds = args.only or tuple(KINDS)
        for kind, result in all_kinds(find_target(name), args.t, kinds, alone=args.alone).items():
            if isinstance(result, BaseException):
                failed = True
                print(f"{name:<8} {kind:<16} FAILED: {type(result).__name__}: {result}", flush=True)
            else:
                text = (
                    "{:>6} served beside {:>6} hostile, median {:.2f} ms, slowest {:.0f} ms".format(
                        *result
                    )
                )
                print(f"{name:<8} {kind:<16} {text}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
