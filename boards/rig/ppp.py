# SPDX-License-Identifier: GPL-2.0-only
"""The network's end of a PPP link: framing (RFC 1662), LCP (RFC 1661) and IPCP (RFC 1332).

Bytes of the line go in by `receive()`; frames for it come out by the function given as `send`,
IPv4 packets of the other end by `deliver`. The other end opens the link; when it asks anew, as a
board does after a reset, it gets a fresh one.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable

FLAG, ESCAPE = b"\x7e", b"\x7d"
IPV4, IPCP, LCP = 0x0021, 0x8021, 0xC021
REQUEST, ACK, NAK, REJECT, TERMINATE, TERMINATED, _, PROTOCOL_REJECT, ECHO, ECHOED = range(1, 11)
LCP_MRU, LCP_ACCM, LCP_MAGIC = 1, 2, 5
IPCP_ADDRESS, IPCP_DNS1, IPCP_DNS2 = 3, 129, 131
MAX_FRAME = 4096
GOOD_FCS = 0xF0B8

# The frame check's bits are in the order opposite to crc_hqx's.
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
ESCAPED = [bytes([0x7D, byte ^ 0x20]) for byte in range(256)]


def fcs16(data: bytes) -> int:
    """The register after `data`, not yet inverted."""
    crc = binascii.crc_hqx(data.translate(REVERSED), 0xFFFF)
    return REVERSED[crc >> 8] | REVERSED[crc & 0xFF] << 8


def options_of(body: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(body) >= 2 and 2 <= body[1] <= len(body):
        found.append((body[0], body[2 : body[1]]))
        body = body[body[1] :]
    return found


def option(kind: int, value: bytes) -> bytes:
    return bytes([kind, len(value) + 2]) + value


class Peer:
    def __init__(
        self,
        send: Callable[[bytes], None],
        deliver: Callable[[bytes], None],
        own: bytes,
        other: bytes,
        dns: bytes,
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        self._send = send
        self._deliver = deliver
        self.own, self.other, self.dns = own, other, dns
        self._opened = opened
        self._rest = b""
        self._accm = 0xFFFFFFFF
        self._number = 0
        self._asked = {LCP: b"", IPCP: b""}
        self.open = False

    # -- Frames

    def receive(self, data: bytes) -> None:
        *frames, self._rest = (self._rest + data).split(FLAG)
        if len(self._rest) > MAX_FRAME:
            self._rest = b""
        for frame in frames:
            if ESCAPE in frame:
                first, *parts = frame.split(ESCAPE)
                frame = first + b"".join(bytes([p[0] ^ 0x20]) + p[1:] for p in parts if p)
            if len(frame) < 4 or fcs16(frame) != GOOD_FCS:
                continue
            frame = frame[:-2]
            if frame[:2] == b"\xff\x03":
                frame = frame[2:]
            size = 1 if frame[0] & 1 else 2
            self._take(int.from_bytes(frame[:size], "big"), frame[size:])

    def _frame(self, protocol: int, payload: bytes) -> None:
        data = b"\xff\x03" + struct.pack(">H", protocol) + payload
        data += struct.pack("<H", fcs16(data) ^ 0xFFFF)
        data = data.replace(ESCAPE, ESCAPED[0x7D]).replace(FLAG, ESCAPED[0x7E])
        accm = 0xFFFFFFFF if protocol == LCP else self._accm
        if accm:
            data = b"".join(ESCAPED[b] if b < 0x20 and accm >> b & 1 else bytes([b]) for b in data)
        self._send(FLAG + data + FLAG)

    def packet(self, data: bytes) -> None:
        """An IPv4 packet for the other end; lost while the link is not open."""
        if self.open:
            self._frame(IPV4, data)

    # -- Protocols

    def _take(self, protocol: int, payload: bytes) -> None:
        if protocol == IPV4:
            if self.open:
                self._deliver(payload)
        elif protocol in (LCP, IPCP):
            if len(payload) >= 4:
                code, number, length = struct.unpack_from(">BBH", payload)
                self._control(protocol, code, number, payload[4:length])
        else:
            self._code(LCP, PROTOCOL_REJECT, struct.pack(">H", protocol) + payload)

    def _code(self, protocol: int, code: int, body: bytes, number: int | None = None) -> None:
        if number is None:
            number = self._number = (self._number + 1) & 0xFF
        self._frame(protocol, struct.pack(">BBH", code, number, len(body) + 4) + body)

    def _control(self, protocol: int, code: int, number: int, body: bytes) -> None:
        if code == REQUEST:
            if protocol == LCP:  # a new beginning
                self.open = False
                self._accm = 0xFFFFFFFF
                self._ask(
                    LCP, option(LCP_MRU, struct.pack(">H", 1500)) + option(LCP_ACCM, bytes(4))
                )
            self._answer(protocol, number, options_of(body))
        elif code in (NAK, REJECT):
            refused = {kind for kind, _ in options_of(body)}
            kept = [o for o in options_of(self._asked[protocol]) if o[0] not in refused]
            self._ask(protocol, b"".join(option(*o) for o in kept))
        elif code == TERMINATE:
            self.open = False
            self._code(protocol, TERMINATED, b"", number)
        elif code == ECHO and protocol == LCP:
            self._code(LCP, ECHOED, bytes(4) + body[4:], number)
        elif code == ACK and protocol == IPCP and not self.open:
            self.open = True
            self._opened()

    def _ask(self, protocol: int, options: bytes) -> None:
        self._asked[protocol] = options
        self._code(protocol, REQUEST, options)

    def _answer(self, protocol: int, number: int, options: list[tuple[int, bytes]]) -> None:
        """What is good is taken, what is not known refused, a wrong address corrected."""
        right = {IPCP_ADDRESS: self.other, IPCP_DNS1: self.dns, IPCP_DNS2: self.dns}
        known = {LCP_MRU, LCP_ACCM, LCP_MAGIC} if protocol == LCP else set(right)
        refused = [o for o in options if o[0] not in known]
        wrong = [o for o in options if protocol == IPCP and o[0] in right and o[1] != right[o[0]]]
        if refused:
            self._code(protocol, REJECT, b"".join(option(*o) for o in refused), number)
        elif wrong:
            self._code(protocol, NAK, b"".join(option(k, right[k]) for k, _ in wrong), number)
        else:
            self._code(protocol, ACK, b"".join(option(*o) for o in options), number)
            if protocol == LCP:
                self._accm = int.from_bytes(dict(options).get(LCP_ACCM, b"\xff" * 4), "big")
            else:
                self._ask(IPCP, option(IPCP_ADDRESS, self.own))
