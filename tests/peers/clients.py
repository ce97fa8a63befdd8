# SPDX-License-Identifier: GPL-2.0-only
"""Clients and servers of the host that say exactly which bytes go over the wire.

Whatever a server of ours answers is read by h11, which refuses what RFC 9112 does not allow.

Every wait of the host is `seconds(n)`: n on a desktop, more on a slow target. What a device is to
reach listens on `here()`, or comes from `listen()`; the device finds it by `peer(scheme, port)`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import socket
import struct
import threading
from dataclasses import dataclass, field

import h11
import httpx
import websockets.sync.client

_slowness = 1.0
_here = "127.0.0.1"


def adapt(target=None):
    """For the target that is tested now: the waits, and where it finds servers of this host."""
    global _slowness, _here
    _slowness, _here = (target.slowness, target.here) if target else (1.0, "127.0.0.1")
    # What calls that name no timeout wait: this object is the default argument of them all.
    usual = httpx._config.DEFAULT_TIMEOUT_CONFIG
    usual.connect = usual.read = usual.write = usual.pool = seconds()
    for option in ("open_timeout", "close_timeout", "ping_timeout"):
        websockets.sync.client.connect.__kwdefaults__[option] = seconds(20)


def seconds(usual=20.0):
    """How long to wait for what takes at most `usual` seconds on a desktop, a busy one too."""
    return usual * _slowness


def some(usual):
    """How many examples to try where a desktop tries as many: a board gets a tenth at least."""
    return max(usual // 10, int(usual / _slowness))


def here():
    """The address of this host where a device reaches a server; the device knows it as PEER."""
    return _here


def listen(port=0):
    """A listening socket that the device can reach."""
    listener = socket.create_server((_here, port), family=socket.AF_INET)
    listener.settimeout(seconds())
    return listener


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes
    version: str
    reason: str
    informational: list[int] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)


class Raw:
    """A TCP connection that speaks in bytes; as HTTP client it reads through h11."""

    def __init__(self, address, timeout=None, receive_buffer=None):
        timeout = timeout or seconds()
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
            if receive_buffer:  # the window is settled with the first segment
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        self._asked: list[str] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def send_slowly(self, data, size=1):
        """In pieces that arrive as segments of their own (TCP_NODELAY)."""
        data = data.encode("latin-1") if isinstance(data, str) else data
        for start in range(0, len(data), size):
            self.socket.sendall(data[start : start + size])

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def recv(self, size=65536):
        return self.socket.recv(size)

    def recv_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError(f"closed after {len(data)} of {size} bytes: {data[-200:]!r}")
            data += piece
        return bytes(data)

    def recv_until(self, mark):
        data = b""
        while mark not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(f"closed before {mark!r}: {data[-200:]!r}")
            data += piece
        return data

    def recv_exactly_head(self):
        """An HTTP head, and not a byte of what follows it."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self.recv_exactly(1)
        return data.decode("latin-1")

    def recv_all(self):
        """Until the peer closes."""
        data = bytearray()
        while piece := self.socket.recv(65536):
            data += piece
        return bytes(data)

    def closed(self):
        """Waits for the peer to close; True if it did, with FIN or RST, without a byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def gone(self):
        """Reads until the peer has closed; with RST, if it had not read all."""
        with contextlib.suppress(ConnectionResetError):
            while self.recv():
                pass

    # -- HTTP

    def ask(self, request, method=None):
        """Sends one whole request as it is and reads the answer to it."""
        self.send(request)
        return self.response(method or request.split(None, 1)[0])

    def response(self, method="GET"):
        """Reads one response as a strict client that asked by this method."""
        if isinstance(method, bytes):
            method = method.decode("latin-1")
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        # h11 must know what was asked to know how the answer ends.
        self._http.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        self._http.send(h11.EndOfMessage())
        informational, head, body = [], None, bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(self.socket.recv(65536))
            elif isinstance(event, h11.InformationalResponse):
                informational.append(event.status_code)
                if event.status_code == 101:
                    return self._response(event, b"", informational)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return self._response(head, bytes(body), informational)
            else:
                raise EOFError(f"no response: {event!r}")

    @staticmethod
    def _response(head, body, informational):
        pairs = [(k.decode(), v.decode("latin-1")) for k, v in head.headers]
        return Response(
            head.status_code,
            dict(pairs),
            body,
            head.http_version.decode(),
            head.reason.decode("latin-1"),
            informational,
            pairs,
        )

    @property
    def unread(self):
        """Bytes that came after the last response."""
        return self._http.trailing_data[0]

    def must_close(self):
        """The response said that it is the last, and the peer does close."""
        return (
            self._http.their_state in (h11.MUST_CLOSE, h11.CLOSED, h11.SEND_BODY) and self.closed()
        )


class Server:
    """Accepts connections of the device one after another, in a thread, for `talk(raw)`.

    What `talk` returns is in `results`; what it raises is raised again at the end of the block.
    """

    def __init__(self, talk, host=None, count=1, port=0):
        self.talk = talk
        self.count = count
        self.results = []
        self._failure = None
        self._listener = socket.create_server((host or _here, port), family=socket.AF_INET)
        self._listener.settimeout(seconds())
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            for _ in range(self.count):
                connection, _ = self._listener.accept()
                connection.settimeout(seconds())
                raw = Raw.__new__(Raw)
                raw.socket = connection
                with raw:
                    self.results.append(self.talk(raw))
        except BaseException as e:
            self._failure = e

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self._thread.join(seconds())
            assert not self._thread.is_alive(), "the device did not come or go on"
        self._listener.close()
        if kind is None and self._failure:
            raise self._failure


def raw_get(server, path, headers="", method="GET"):
    """A path as it stands, which clients would tidy up."""
    with Raw(server.reach(server.port())) as raw:
        return raw.ask(f"{method} {path} HTTP/1.1\r\nHost: d\r\n{headers}\r\n")


def nobody_listens(address):
    """A connection is refused there, or where a network forwards the port, closed at once."""
    try:
        with Raw(address) as raw:
            return raw.closed()
    except ConnectionRefusedError:
        return True


#: For a device: hold(path) stops its loop, which path.held says, until the file is there.
HOLD = """
import os
def hold(path):
  open(path + '.held', 'w').close()
  while True:
    try:
      return os.stat(path)
    except OSError:
      pass
"""


def free_port(kind=socket.SOCK_STREAM):
    """A port that nobody has now. It is none that the system gives to who asks for any, so that it
    is hardly taken a moment later."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            below = int(f.read().split()[0])
    except (OSError, ValueError):
        below = 0
    while True:
        # Not from random, whose numbers hypothesis makes the same in every process.
        port = 10000 + secrets.randbelow(below - 10000) if below > 12000 else 0
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind((_here, port))
            except OSError:
                continue
            return s.getsockname()[1]


def cpu_seconds(pid):
    """CPU time that a process has used until now, all its threads."""
    try:
        tasks = [f"/proc/{pid}/task/{task}/schedstat" for task in os.listdir(f"/proc/{pid}/task")]
        return sum(int(open(task).read().split()[0]) for task in tasks) / 1e9
    except OSError:  # a kernel without it counts in ticks of 10 ms
        fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- WebSocket frames, right and wrong ---------------------------------------------------------

WS_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455, section 1.3
WS_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def frame(op, payload=b"", fin=True, mask=True, rsv=0, length=None, form=None):
    """A frame. `length` claims another length than the payload's; `form` is 7, 16 or 64 bits."""
    payload = payload.encode() if isinstance(payload, str) else payload
    length = len(payload) if length is None else length
    form = form or (7 if length < 126 else 16 if length < 65536 else 64)
    bit = 0x80 if mask else 0
    head = bytes([fin << 7 | rsv << 4 | op])
    if form == 7:
        head += bytes([bit | length])
    elif form == 16:
        head += bytes([bit | 126]) + length.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + length.to_bytes(8, "big")
    if mask:
        key = b"\x12\x34\x56\x78"
        head += key
        payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
    return head + payload


def read_frame(raw):
    """(op, fin, masked, payload) of the next frame, or None when the peer has closed."""
    try:
        head = raw.recv_exactly(2)
    except (EOFError, ConnectionResetError):
        return None
    length = head[1] & 127
    if length > 125:
        length = int.from_bytes(raw.recv_exactly(2 if length == 126 else 8), "big")
    key = raw.recv_exactly(4) if head[1] & 0x80 else b""
    payload = raw.recv_exactly(length)
    if key:
        payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
    return head[0] & 0x7F, bool(head[0] & 0x80), bool(key), payload


def ws_handshake(path="/", more=""):
    """What a client asks with."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: device\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {WS_KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    ).encode()


def ws_open(raw, path="/"):
    """A client's handshake, by hand."""
    raw.send(ws_handshake(path))
    head = raw.recv_exactly_head()
    assert head.startswith("HTTP/1.1 101 "), head
    assert f"\r\nSec-WebSocket-Accept: {WS_ACCEPT}\r\n".lower() in head.lower()


def ws_accept(raw, accept=None, status="101 Switching Protocols", extra="", drop=()):
    """A server's handshake, by hand; returns the client's head."""
    head = raw.recv_exactly_head()
    key = next(
        v.strip()
        for k, _, v in (x.partition(":") for x in head.split("\r\n"))
        if k.lower() == "sec-websocket-key"
    )
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    lines = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept or base64.b64encode(digest).decode(),
    }
    text = "".join(f"{k}: {v}\r\n" for k, v in lines.items() if k not in drop)
    raw.send(f"HTTP/1.1 {status}\r\n{text}{extra}\r\n")
    return head
