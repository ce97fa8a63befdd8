# SPDX-License-Identifier: GPL-2.0-only
"""A network in user space: libslirp by ctypes. It needs no privilege.

The guest, 10.0.2.15 where it is alone, reaches this machine's loopback as 10.0.2.2, and through it whatever this
machine reaches; ports of this machine's loopback are forwarded to the guest's.
"""

from __future__ import annotations

import ctypes
import heapq
import os
import select
import socket
import sys
import time
from collections.abc import Callable

NETWORK, MASK, HOST = "10.0.2.0", "255.255.255.0", "10.0.2.2"
NAMESERVER = "10.0.2.3"
GUEST_MAC = b"\x52\x54\x00\x50\x4d\x47"
ETHERNET_IPV4, ETHERNET_ARP = b"\x08\x00", b"\x08\x06"
ARP_REPLY_HEAD = b"\x00\x01\x08\x00\x06\x04\x00\x02"
POLL_IN, POLL_OUT, POLL_PRI, POLL_ERR, POLL_HUP = 1, 2, 4, 8, 16
TO_POLL = {
    POLL_IN: select.POLLIN,
    POLL_OUT: select.POLLOUT,
    POLL_PRI: select.POLLPRI,
    POLL_ERR: select.POLLERR,
    POLL_HUP: select.POLLHUP,
}
TRIES = 20
SEND_BUFFER = 16384

_p, _i = ctypes.c_void_p, ctypes.c_int
SendPacket = ctypes.CFUNCTYPE(ctypes.c_ssize_t, _p, ctypes.c_size_t, _p)
GuestError = ctypes.CFUNCTYPE(None, ctypes.c_char_p, _p)
ClockGet = ctypes.CFUNCTYPE(ctypes.c_int64, _p)
TimerCallback = ctypes.CFUNCTYPE(None, _p)
TimerNew = ctypes.CFUNCTYPE(_p, _p, _p, _p)
TimerFree = ctypes.CFUNCTYPE(None, _p, _p)
TimerMod = ctypes.CFUNCTYPE(None, _p, ctypes.c_int64, _p)
PollFd = ctypes.CFUNCTYPE(None, _i, _p)
Notify = ctypes.CFUNCTYPE(None, _p)
AddPoll = ctypes.CFUNCTYPE(_i, _i, _i, _p)
GetEvents = ctypes.CFUNCTYPE(_i, _i, _p)


class Address(ctypes.Structure):  # struct in_addr
    _fields_ = [("network_order", ctypes.c_uint32)]


Address6 = ctypes.c_uint32 * 4


class Config(ctypes.Structure):  # version 1 of the library's
    _fields_ = [
        ("version", ctypes.c_uint32),
        ("restricted", _i),
        ("in_enabled", ctypes.c_bool),
        ("vnetwork", Address),
        ("vnetmask", Address),
        ("vhost", Address),
        ("in6_enabled", ctypes.c_bool),
        ("vprefix_addr6", Address6),
        ("vprefix_len", ctypes.c_uint8),
        ("vhost6", Address6),
        ("vhostname", ctypes.c_char_p),
        ("tftp_server_name", ctypes.c_char_p),
        ("tftp_path", ctypes.c_char_p),
        ("bootfile", ctypes.c_char_p),
        ("vdhcp_start", Address),
        ("vnameserver", Address),
        ("vnameserver6", Address6),
        ("vdnssearch", _p),
        ("vdomainname", ctypes.c_char_p),
        ("if_mtu", ctypes.c_size_t),
        ("if_mru", ctypes.c_size_t),
        ("disable_host_loopback", ctypes.c_bool),
        ("enable_emu", ctypes.c_bool),
    ]


class Callbacks(ctypes.Structure):
    _fields_ = [
        ("send_packet", SendPacket),
        ("guest_error", GuestError),
        ("clock_get_ns", ClockGet),
        ("timer_new", TimerNew),
        ("timer_free", TimerFree),
        ("timer_mod", TimerMod),
        ("register_poll_fd", PollFd),
        ("unregister_poll_fd", PollFd),
        ("notify", Notify),
    ]


def address(text: str) -> Address:
    return Address(int.from_bytes(socket.inet_aton(text), sys.byteorder))


def load() -> ctypes.CDLL:
    """The library, or OSError."""
    library = ctypes.CDLL("libslirp.so.0")
    library.slirp_new.restype = _p
    library.slirp_new.argtypes = [ctypes.POINTER(Config), ctypes.POINTER(Callbacks), _p]
    library.slirp_cleanup.argtypes = [_p]
    library.slirp_pollfds_fill.argtypes = [_p, ctypes.POINTER(ctypes.c_uint32), AddPoll, _p]
    library.slirp_pollfds_poll.argtypes = [_p, _i, GetEvents, _p]
    library.slirp_input.argtypes = [_p, ctypes.c_char_p, _i]
    for name in ("slirp_add_hostfwd", "slirp_remove_hostfwd"):
        getattr(library, name).restype = _i
    library.slirp_add_hostfwd.argtypes = [_p, _i, Address, _i, Address, _i]
    library.slirp_remove_hostfwd.argtypes = [_p, _i, Address, _i]
    return library


class Network:
    """`deliver` is given the IPv4 packets for the guest. One thread uses it."""

    def __init__(self, deliver: Callable[[bytes], None], guest: str) -> None:
        self._guest = guest
        self._library = load()
        self._deliver = deliver
        self._router_mac = b"\xff" * 6
        self._timers: dict[int, list] = {}  # number: [callback, its argument, when (ms) or None]
        self._events: list[int] = []
        self._polled: list[tuple[int, int]] = []
        self._forwards: dict[int, int] = {}  # here: there
        self._callbacks = Callbacks(
            SendPacket(self._from_network),
            GuestError(lambda text, _: None),
            ClockGet(lambda _: time.monotonic_ns()),
            TimerNew(self._timer_new),
            TimerFree(lambda number, _: self._timers.pop(number, None) and None),
            TimerMod(self._timer_mod),
            PollFd(lambda fd, _: _keep_little(fd)),
            PollFd(lambda fd, _: None),
            Notify(lambda _: None),
        )
        self._add_poll = AddPoll(self._poll_add)
        self._get_events = GetEvents(lambda index, _: self._events[index])
        config = Config(
            version=1,
            in_enabled=True,
            vnetwork=address(NETWORK),
            vnetmask=address(MASK),
            vhost=address(HOST),
            vdhcp_start=address(guest),
            vnameserver=address(NAMESERVER),
        )
        self._slirp = self._library.slirp_new(config, self._callbacks, None)

    def close(self) -> None:
        if self._slirp:
            self._library.slirp_cleanup(self._slirp)
            self._slirp = None

    # -- Packets

    def packet(self, data: bytes) -> None:
        """An IPv4 packet of the guest's."""
        self._input(self._router_mac + GUEST_MAC + ETHERNET_IPV4 + data)

    def _input(self, frame: bytes) -> None:
        self._library.slirp_input(self._slirp, frame, len(frame))

    def _from_network(self, data: int, size: int, _: object) -> int:
        frame = ctypes.string_at(data, size)
        kind, body = frame[12:14], frame[14:]
        if kind == ETHERNET_IPV4:
            self._deliver(body)
        elif kind == ETHERNET_ARP and len(body) >= 28 and body[6:8] == b"\x00\x01":
            sender_mac, sender, target = body[8:14], body[14:18], body[24:28]
            self._router_mac = sender_mac
            if target == socket.inet_aton(self._guest):
                answer = ARP_REPLY_HEAD + GUEST_MAC + target + sender_mac + sender
                self._input(sender_mac + GUEST_MAC + ETHERNET_ARP + answer)
        return size

    # -- Forwarded ports

    def forward(self, port: int, host_port: int = 0) -> int:
        """The port of this machine's loopback, TCP and UDP, that leads to the guest's `port`."""
        for number in (port, host_port):
            if not (isinstance(number, int) and 0 <= number <= 65535):
                raise OSError(f"a port is 1 to 65535, not {number!r}")
        if port == 0:
            raise OSError("the board has no port 0")
        if not host_port:
            for here, there in self._forwards.items():
                if there == port:
                    return here
        for _ in range(1 if host_port else TRIES):
            free = host_port or _free_port()
            if self._add(0, free, port):
                if self._add(1, free, port):
                    self._forwards[free] = port
                    return free
                self._remove(0, free)
        why = _why_not(host_port) if host_port else "no port is free"
        raise OSError(f"port {host_port or '(any)'} of 127.0.0.1 cannot be forwarded: {why}")

    def unforward(self, port: int) -> None:
        """Of all ports that lead to the guest's."""
        for here in [here for here, there in self._forwards.items() if there == port]:
            del self._forwards[here]
            self._remove(0, here)
            self._remove(1, here)

    def _add(self, udp: int, here: int, port: int) -> bool:
        add = self._library.slirp_add_hostfwd
        return add(self._slirp, udp, address("127.0.0.1"), here, address(self._guest), port) == 0

    def _remove(self, udp: int, here: int) -> None:
        self._library.slirp_remove_hostfwd(self._slirp, udp, address("127.0.0.1"), here)

    # -- The loop

    def watch(self, poller: select.poll) -> float:
        """Registers descriptors; returns the seconds after which to come back at the latest."""
        self._polled = []
        timeout = ctypes.c_uint32(1000)
        self._library.slirp_pollfds_fill(self._slirp, ctypes.byref(timeout), self._add_poll, None)
        wanted: dict[int, int] = {}
        for fd, events in self._polled:
            wanted[fd] = wanted.get(fd, 0) | events
        for fd, events in wanted.items():
            mask = 0
            for bit, poll in TO_POLL.items():
                if events & bit:
                    mask |= poll
            poller.register(fd, mask)
        wait = timeout.value / 1000
        due = [when for _, _, when in self._timers.values() if when is not None]
        if due:
            wait = min(wait, max(0.0, min(due) / 1000 - time.monotonic()))
        return wait

    def poll(self, ready: dict[int, int], poller: select.poll) -> None:
        """Takes what poll() found."""
        self._events = []
        for fd, events in self._polled:
            found = ready.get(fd, 0)
            bits = 0
            for bit, poll in TO_POLL.items():
                if found & poll and (events & bit or bit in (POLL_ERR, POLL_HUP)):
                    bits |= bit
            self._events.append(bits)
        for fd in {fd for fd, _ in self._polled}:
            poller.unregister(fd)
        self._library.slirp_pollfds_poll(self._slirp, 0, self._get_events, None)
        now = time.monotonic() * 1000
        due = [
            (when, number)
            for number, (_, _, when) in self._timers.items()
            if when is not None and when <= now
        ]
        heapq.heapify(due)
        for _, number in due:
            callback, argument, _ = timer = self._timers[number]
            timer[2] = None
            callback(argument)

    def _poll_add(self, fd: int, events: int, _: object) -> int:
        self._polled.append((fd, events))
        return len(self._polled) - 1

    def _timer_new(self, callback: int, argument: int | None, _: object) -> int:
        number = max(self._timers, default=0) + 1
        self._timers[number] = [TimerCallback(callback), argument, None]
        return number

    def _timer_mod(self, number: int, when: int, _: object) -> None:
        self._timers[number][2] = when


def _keep_little(fd: int) -> None:
    """The board is to feel how fast a peer reads: the system would keep megabytes for it."""
    with socket.socket(fileno=os.dup(fd)) as s:
        if s.type == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _why_not(port: int) -> str:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(("127.0.0.1", port))
            except PermissionError:
                return "ports below 1024 need privileges"
            except OSError:
                return "it is in use"
    return "it is in use"
