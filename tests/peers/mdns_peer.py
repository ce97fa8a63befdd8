# SPDX-License-Identifier: GPL-2.0-only
"""A host on the loopback's multicast that says exactly what a test wants.

What comes is read by zeroconf's parser. Others may use the same group meanwhile, other runs of this
suite for one: tests use names that nobody else has, and look at nothing else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
import uuid

from zeroconf import DNSIncoming

from .clients import seconds

GROUP = "224.0.0.251"
GROUP6 = "ff02::fb"
A, PTR, HINFO, TXT, AAAA, SRV, NSEC, ANY = 1, 12, 13, 16, 28, 33, 47, 255
IN, TOP = 1, 0x8000
RESPONSE = 0x8400
SO_RCVBUFFORCE = 33


def unique(prefix="t"):
    return f"{prefix}x{uuid.uuid4().hex[:9]}"  # a service's name has a letter


def wire(name):
    """A name, not compressed; labels are separated by dots, or given as a list."""
    labels = name.split(".") if isinstance(name, str) else name
    data = [label.encode() if isinstance(label, str) else label for label in labels]
    return b"".join(bytes([len(label)]) + label for label in data) + b"\0"


def question(name, kind, top=False):
    return wire(name) + struct.pack(">HH", kind, IN | (TOP if top else 0))


def record(name, kind, data, ttl=120, top=True):
    head = wire(name) + struct.pack(">HHIH", kind, IN | (TOP if top else 0), ttl, len(data))
    return head + data


def ip(address):
    return socket.inet_aton(address)


def ip6(address):
    return socket.inet_pton(socket.AF_INET6, address)


def srv(port, host):
    return struct.pack(">HHH", 0, 0, port) + wire(host)


def message(questions=(), answers=(), authority=(), additional=(), flags=0, number=0):
    parts = (questions, answers, authority, additional)
    return struct.pack(">6H", number, flags, *map(len, parts)) + b"".join(map(b"".join, parts))


class Peer:
    def __init__(self, port=5353):
        # An address of our own: what is sent to it by unicast reaches nobody else.
        pid = os.getpid()
        self.address = f"127.{1 + (pid >> 16 & 127)}.{pid >> 8 & 255}.{1 + pid % 254}"
        self.unicast = self._socket(self.address, port)
        self.unicast.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ip("127.0.0.1"))
        self.port = self.unicast.getsockname()[1]
        self.multicast = self._socket(GROUP, 5353)
        group = ip(GROUP) + ip("127.0.0.1")
        self.multicast.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)

    @staticmethod
    def is_device(address):
        """Not another peer like us, who may talk nonsense: an emulated board has an address of its own."""
        return address == "127.0.0.1" or address.startswith("127.200.")

    @staticmethod
    def _socket(address, port, family=socket.AF_INET):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Floods of others are heard here too, and should not displace what a test waits for.
        for size in (socket.SO_RCVBUF, SO_RCVBUFFORCE):
            with contextlib.suppress(PermissionError):
                s.setsockopt(socket.SOL_SOCKET, size, 8 << 20)
        s.bind(socket.getaddrinfo(address, port, family, socket.SOCK_DGRAM)[0][4])
        return s

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unicast.close()
        self.multicast.close()

    def say(self, *args, **kwargs):
        self.send(message(*args, **kwargs))

    def send(self, data):
        self.unicast.sendto(data, (GROUP, 5353))

    def messages(self, s, timeout=None):
        """What comes from others, as zeroconf reads it, until the time is over."""
        deadline = time.monotonic() + (seconds() if timeout is None else timeout)
        while (left := deadline - time.monotonic()) > 0:
            s.settimeout(left)
            try:
                data, sender = s.recvfrom(65536)
            except TimeoutError:
                return
            if self.is_device(sender[0]):
                found = DNSIncoming(data)
                assert found.valid, data
                self.sender = sender
                yield found

    def heard(self, name, kind=None, timeout=None, unicast=False):
        """The first answer about this name, with the message that it was in; or (None, None)."""
        for found in self.messages(self.unicast if unicast else self.multicast, timeout):
            for answer in found.answers() if found.is_response() else ():
                if answer.name.lower() == name.lower() + "." and kind in (None, answer.type):
                    return answer, found
        return None, None

    def asked(self, name, timeout=None):
        """The first question about this name."""
        for found in self.messages(self.multicast, timeout):
            if not found.is_response() and any(q.name == name + "." for q in found.questions):
                return found
        return None

    def contend(self, others, counts, seconds):
        """Probes once for each name that is probed for, with the records of `others`; counts the probes."""
        for found in self.messages(self.multicast, seconds):
            for asked in [] if found.is_response() else found.questions:
                name = asked.name.removesuffix(".local.")
                if name in others and asked.type == ANY:
                    counts[name] = counts.get(name, 0) + 1
                    if counts[name] == 1:
                        self.say([question(f"{name}.local", ANY, top=True)], authority=others[name])


class Peer6(Peer):
    """The same by IPv6, where the loopback has link-local addresses: see island.py."""

    def __init__(self, port=5353, address="fe80::2%lo"):
        self.unicast = self._socket(address, port, socket.AF_INET6)
        lo = socket.if_nametoindex("lo")
        self.unicast.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, lo)
        self.multicast = self._socket(f"{GROUP6}%lo", 5353, socket.AF_INET6)
        group = socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("@I", lo)
        self.multicast.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        self.multicast.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)

    @staticmethod
    def is_device(address):
        return address.startswith("fe80::1")

    def send(self, data):
        self.unicast.sendto(data, (f"{GROUP6}%lo", 5353))


#: Of a device: names that it wants, and those of which it hears another probe in time.
TIES = """
in_time = []

def tie(name, services):
    def hear(c, ev, d):
        if ev == MG_EV_MDNS_REQ and d.name == name + ".local" and c.mdns_name is None:
            in_time.append(name)
    return m.mdns_listen(hear, name, services, interface=HOST)
"""


def contested(device, contend, cases, records, services=()):
    """Of each of these cases, whether the device probes anew, since another host probes for its name with
    records(name, case). contend(others, done) is that other, until the device has its names."""
    lost: list = [None] * len(cases)
    while None in lost:
        names = {unique(): i for i, each in enumerate(lost) if each is None}
        others = {name: records(name, cases[i]) for name, i in names.items()}
        device.exec(f"del in_time[:]\nties = [tie(name, {services!r}) for name in {list(names)!r}]")
        probes = contend(others, lambda: device.eval("all([c.mdns_name for c in ties])"))
        assert device.eval("[c.mdns_name for c in ties]") == [f"{name}.local" for name in names]
        device.exec("for each in ties: each.close()")
        for name in device.eval("in_time"):  # with the rest this computer was too slow
            lost[names[name]] = probes[name] > 3
    return lost
