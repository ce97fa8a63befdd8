# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""aio.ws_connect(): a WebSocket client."""

from pymongoose import (
    MG_EV_WS_CTL,
    MG_EV_WS_MSG,
    MG_EV_WS_OPEN,
    WEBSOCKET_OP_BINARY,
    WEBSOCKET_OP_CLOSE,
    WEBSOCKET_OP_PING,
    WEBSOCKET_OP_TEXT,
)
from pymongoose.aio.wait import HIGH, Opening, Waits

_WAITING = 16  # messages that may wait to be taken, and as many bytes as HIGH: then reading pauses


def ws_connect(url, *, protocols=None, headers=None, tls=None, timeout=30):
    """A WebSocket, by `await` or `async with`; `timeout` is in seconds, for the handshake."""
    return Opening(_connect, url, protocols, headers, tls, timeout)


async def _connect(url, protocols, headers, tls, timeout):
    ws = WebSocket()
    return await ws._open(
        lambda held: held.ws_connect(url, ws._event, protocols=protocols, headers=headers),
        tls,
        timeout,
        lambda: ws._ready,
        "WebSocket handshake",
    )


class WebSocket(Waits):
    """`async for` gives its messages, str or bytes, until it is closed."""

    _what = "WebSocket"

    def __init__(self):
        super().__init__()
        self._ready = False
        self._messages = []
        self._bytes = 0
        self.protocol = None
        self.close_code = None
        self.close_reason = ""

    def _event(self, conn, ev, data):
        if ev == MG_EV_WS_OPEN:
            self._ready = True
            self.protocol = conn.ws_protocol
        elif ev == MG_EV_WS_MSG:
            message = data.text if data.flags == WEBSOCKET_OP_TEXT else data.data
            self._messages.append(message)
            self._bytes += len(message)
            if len(self._messages) >= _WAITING or self._bytes >= HIGH:
                self._pause(True)
        elif ev == MG_EV_WS_CTL and data.flags == WEBSOCKET_OP_CLOSE:
            said = data.data
            self.close_code = said[0] << 8 | said[1] if len(said) > 1 else 1005
            self.close_reason = said[2:].decode()
        Waits._event(self, conn, ev, data)
        if self._closed and self.close_code is None:
            self.close_code = 1006

    def _take(self):
        message = self._messages.pop(0)
        self._bytes -= len(message)
        if len(self._messages) < _WAITING // 2 and self._bytes < HIGH:
            self._pause(False)
        return message

    async def recv(self, *, timeout=None):
        """The next message; Error when there will be none."""
        await self._until(lambda: self._messages or self._closed, timeout, "recv")
        if self._messages:
            return self._take()
        raise self._broken()

    def _broken(self):
        if self._error is None and self._closed:
            self._error = "WebSocket is closed: %s %s" % (self.close_code, self.close_reason)
        return Waits._broken(self)

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self._until(lambda: self._messages or self._closed)
        if self._messages:
            return self._take()
        if self._error is not None and self.close_code in (None, 1006):
            raise self._broken()
        raise StopAsyncIteration

    async def send(self, message, *, timeout=None):
        """Sends a str as text, anything else as binary; returns when little of it waits to be taken."""
        op = WEBSOCKET_OP_TEXT if isinstance(message, str) else WEBSOCKET_OP_BINARY
        await self._drained(timeout)
        if self._closed:
            raise self._broken()
        self._conn.ws_send(message, op)
        await self._drained(timeout)
        if self._closed:
            raise self._broken()

    async def ping(self, data=b""):
        """Sends a ping. Silent peers get some by themselves."""
        self._conn.ws_send(data, WEBSOCKET_OP_PING)

    async def close(self, code=1000, reason="", *, timeout=10):
        """Closes with a code and reason, and waits for the peer's answer."""
        if self._closed:
            return
        if self.close_code is None:
            said = bytes((code >> 8, code & 255)) + reason.encode()
            self._conn.ws_send(said, WEBSOCKET_OP_CLOSE)
            self._pause(False)
        await self._end(timeout)
