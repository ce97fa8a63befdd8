# SPDX-License-Identifier: GPL-2.0-only
"""Proxies before an MQTT server: one cuts connections, one keeps what goes over the wire, or meddles."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading


class Proxy:
    """Takes one connection at a time to the server at `port`, and lets relay() serve it."""

    def __init__(self, port):
        self.to = port
        self.number = 0  # of connections
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with near:
                try:
                    far = socket.create_connection(("127.0.0.1", self.to), 5)
                except OSError:
                    continue
                self.number += 1
                with far, contextlib.suppress(OSError):
                    self.relay(near, far)

    def relay(self, near, far):
        raise NotImplementedError

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Cutter(Proxy):
    """Cuts its connections, each after a random number of bytes.

    The bytes of both directions count together. `cuts` of them are cut, `resets` of four by RST and the
    rest by FIN, what was relayed by then may end anywhere; later ones live.
    """

    def __init__(self, port, seed, cuts, most=1500, resets=3):
        self.random = random.Random(seed)
        self.cuts, self.most, self.done, self.resets = cuts, most, 0, resets
        super().__init__(port)

    def relay(self, near, far):
        left = self.random.randrange(1, self.most) if self.done < self.cuts else None
        pairs = {near: far, far: near}
        while True:
            for one in select.select([near, far], [], [])[0]:
                data = one.recv(65536)
                if not data:
                    return
                if left is not None and len(data) >= left:
                    pairs[one].sendall(data[:left])
                    self.done += 1
                    if self.random.randrange(4) < self.resets:
                        for end in pairs:
                            linger = struct.pack("ii", 1, 0)
                            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                pairs[one].sendall(data)
                left = None if left is None else left - len(data)


class Wire(Proxy):
    """Keeps a list of (connection, from the client?, command, flags, body).

    `meddle(proxy, from the client?, command, packet)` may hold a packet back by returning False, or set
    `over` to end the connection.
    """

    def __init__(self, port, meddle=None):
        self.meddle = meddle
        self.packets = []
        super().__init__(port)

    def relay(self, near, far):
        rest = {near: b"", far: b""}
        self.over = False
        while not self.over:
            for one in select.select([near, far], [], [])[0]:
                data = one.recv(65536)
                if not data:
                    return
                rest[one] += data
                while packet := self.split(rest[one]):
                    whole, cmd, flags, body = packet
                    rest[one] = rest[one][len(whole) :]
                    self.packets.append((self.number, one is near, cmd, flags, body))
                    if self.meddle is None or self.meddle(self, one is near, cmd, whole):
                        (far if one is near else near).sendall(whole)

    @staticmethod
    def split(data):
        length = shift = 0
        for at, byte in enumerate(data[1:5], 2):
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                if len(data) < at + length:
                    return None
                return data[: at + length], data[0] >> 4, data[0] & 15, data[at : at + length]
        return None
