# SPDX-License-Identifier: GPL-2.0-only
"""Multicast DNS between a board's network and this computer's loopback: what each says to the group
of RFC 6762 the other hears, and answers by unicast find their way back.

Programs of this computer have addresses of the board's network, so that it answers them; the board has
an address of the loopback, which says who it is. Rigs do not hear each other here: for that there are
segments.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable

GROUP, PORT = "224.0.0.251", 5353
LOOPBACK = "127.0.0.1"
RIGS = "127.200."  # all rigs' boards have addresses that begin so
TTL = 255  # RFC 6762, section 11
UDP = 17
FIRST, LAST = 100, 254  # last numbers of addresses that programs here are given
PORTS = 32  # of the board, that ask by other ports than 5353, at a time
MTU = 1500
BURST = 64


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ip_packets(source: bytes, target: bytes, payload: bytes, number: int) -> list[bytes]:
    """Of UDP; in fragments, if it must be."""
    found = []
    size = (MTU - 20) // 8 * 8
    for at in range(0, len(payload), size):
        piece = payload[at : at + size]
        more = 0x2000 if at + size < len(payload) else 0
        head = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(piece), number, more | at // 8, TTL, UDP, 0,
            source, target,
        )  # fmt: skip
        found.append(head[:10] + struct.pack(">H", checksum(head)) + head[12:] + piece)
    return found


class Relay:
    """`deliver` is given IPv4 packets for the board, whose address is `board`."""

    def __init__(self, deliver: Callable[[bytes], None], board: str, host: str) -> None:
        self._deliver = deliver
        self._board = socket.inet_aton(board)
        self._network, self._host = self._board[:3], socket.inet_aton(host)
        self._heard = self._socket(GROUP, PORT)
        member = socket.inet_aton(GROUP) + socket.inet_aton(LOOPBACK)
        self._heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        unlike = random.Random(os.urandom(8))
        self._own = f"{RIGS}{unlike.randrange(256)}.{unlike.randrange(1, 255)}"
        self._ports: OrderedDict[int, socket.socket] = OrderedDict()  # the board's: ours
        self._first = self._socket(self._own, PORT)
        self._hosts: OrderedDict[str, bytes] = OrderedDict()  # here: in the board's network
        self._count = 0

    @staticmethod
    def _socket(address: str, port: int) -> socket.socket:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setblocking(False)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            s.setsockopt(socket.SOL_SOCKET, option, 1)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, TTL)
        s.bind((address, port))
        return s

    def close(self) -> None:
        for s in self.sockets():
            s.close()

    def sockets(self) -> list[socket.socket]:
        return [self._heard, self._first, *self._ports.values()]

    # -- From the board

    def packet(self, packet: bytes) -> bool:
        """Whether it was for us: multicast DNS, or an answer to a program here."""
        size = (packet[0] & 15) * 4
        if packet[9] != UDP or len(packet) < size + 8:
            return False
        target = packet[16:20]
        source_port, port = struct.unpack_from(">HH", packet, size)
        data = packet[size + 8 :]
        if target == socket.inet_aton(GROUP) and port == PORT:
            here = (GROUP, PORT)
        elif source_port == PORT and (address := self._program(target)):
            here = (address, port)
        else:
            return False
        with contextlib.suppress(OSError):
            self._port(source_port).sendto(data, here)
        return True

    def _program(self, target: bytes) -> str:
        if target == self._host:
            return LOOPBACK
        return next((here for here, there in self._hosts.items() if there == target), "")

    def _port(self, number: int) -> socket.socket:
        if number == PORT:
            return self._first
        if number not in self._ports:
            if len(self._ports) == PORTS:
                self._ports.popitem(last=False)[1].close()
            self._ports[number] = self._socket(self._own, number)
        self._ports.move_to_end(number)
        return self._ports[number]

    # -- For the board

    def receive(self, s: socket.socket) -> None:
        """What has come for one of sockets()."""
        for _ in range(BURST):
            try:
                data, (address, port) = s.recvfrom(65536)
            except (BlockingIOError, OSError):
                return
            if s is self._heard:
                if not address.startswith(RIGS):
                    self._give(address, port, socket.inet_aton(GROUP), PORT, data)
            else:
                self._give(address, port, self._board, s.getsockname()[1], data)

    def _give(self, address: str, port: int, target: bytes, to: int, data: bytes) -> None:
        payload = struct.pack(">HHHH", port, to, 8 + len(data), 0) + data
        self._count = self._count + 1 & 0xFFFF
        for packet in ip_packets(self._address(address), target, payload, self._count):
            self._deliver(packet)

    def _address(self, here: str) -> bytes:
        if here == LOOPBACK:
            return self._host
        if here not in self._hosts:
            used = {there[3] for there in self._hosts.values()}
            free = next((n for n in range(FIRST, LAST + 1) if n not in used), None)
            last = self._hosts.popitem(last=False)[1][3] if free is None else free
            self._hosts[here] = self._network + bytes([last])
        self._hosts.move_to_end(here)
        return self._hosts[here]
