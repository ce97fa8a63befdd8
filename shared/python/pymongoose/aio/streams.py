# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""aio.connect(): bytes over TCP, TLS and unix-domain sockets, as a task reads and writes them."""

import errno

from pymongoose import MG_EV_CLOSE, MG_EV_CONNECT, MG_EV_TLS_HS
from pymongoose.aio.wait import HIGH, Opening, Waits, failure

_EMSGSIZE = getattr(errno, "EMSGSIZE", 90)  # MicroPython's errno does not have all


def connect(url, *, tls=None, timeout=30):
    """A Stream, by `await` or `async with`; `tls` are TlsOpts, `timeout` seconds for the connection."""
    return Opening(_connect, url, tls, timeout)


async def _connect(url, tls, timeout):
    secure = tls is not None or url.split(":", 1)[0].lower() in ("tls", "https", "wss", "mqtts")
    stream = Stream(MG_EV_TLS_HS if secure else MG_EV_CONNECT)
    return await stream._open(
        lambda held: held.connect(url, stream._event, http=False),
        tls,
        timeout,
        lambda: stream._ready,
        "connect",
    )


class Stream(Waits):
    """Bytes to and from a peer."""

    def __init__(self, opens):
        super().__init__()
        self._opens = opens
        self._ready = False
        self._rest = b""  # received ahead of what is in the connection's buffer

    def _event(self, conn, ev, data):
        if ev == self._opens:
            self._ready = True
        elif ev == MG_EV_CLOSE:
            self._rest += conn.recv()
        Waits._event(self, conn, ev, data)

    def _has(self):
        return self._rest or self._closed or self._conn.recv_len

    async def recv(self, n=-1, *, timeout=None):
        """Up to `n` bytes, all that are there if negative; b"" at the end of the stream."""
        if n == 0:
            return b""
        await self._until(self._has, timeout, "recv")
        data = self._rest
        if not data:
            if not self._closed:
                return self._conn.recv(n)
            if self._error:
                raise self._broken()
            return b""
        if n < 0:
            self._rest = b""
            return data
        self._rest = data[n:]
        return data[:n]

    async def readexactly(self, n, *, timeout=None):
        """`n` bytes, or Error if the stream ends before."""
        parts = b""
        while len(parts) < n:
            more = await self.recv(n - len(parts), timeout=timeout)
            if not more:
                raise self._broken()
            parts += more
        return parts

    async def readline(self, *, limit=65536, timeout=None):
        """A line with its b"\\n"; what is left at the end of the stream, then b""."""
        while True:
            end = self._rest.find(b"\n") + 1
            if end:
                line, self._rest = self._rest[:end], self._rest[end:]
                return line
            if len(self._rest) >= limit:
                raise failure(_EMSGSIZE, "a line is longer than %d bytes" % limit)
            if self._closed:
                if self._error and not self._rest:
                    raise self._broken()
                line, self._rest = self._rest, b""
                return line
            await self._until(lambda: self._closed or self._conn.recv_len, timeout, "readline")
            if not self._closed:
                self._rest += self._conn.recv()

    def __aiter__(self):
        return self

    async def __anext__(self):
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def send(self, data, *, timeout=None):
        """Sends bytes, or a str as UTF-8; returns when little of it waits to be taken."""
        data = memoryview(data.encode() if isinstance(data, str) else data)
        for start in range(0, len(data), HIGH):
            await self._drained(timeout)
            if self._closed:
                raise self._broken()
            self._conn.send(data[start : start + HIGH])
        await self._drained(timeout)
        if self._closed:
            raise self._broken()

    async def close(self, *, timeout=30):
        """Sends what is queued, then closes."""
        if not self._closed:
            self._conn.drain()
            await self._end(timeout)
