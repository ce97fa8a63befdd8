# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Connections that stay: WebSocket and server-sent events."""

import json

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_WRITE,
    MG_EV_WS_CTL,
    MG_EV_WS_MSG,
    WEBSOCKET_OP_BINARY,
    WEBSOCKET_OP_CLOSE,
    WEBSOCKET_OP_TEXT,
)
from pymongoose.web.response import Response
from pymongoose.web.routes import is_async
from pymongoose.web.stream import Stream, start


def serve_live(request, route, values):
    """Starts a route of ws() or sse(); what it returns goes the way of a handler's result."""
    if route.kind == "ws":
        return _serve_ws(request, route, values)
    response = Response(
        b"", 200, {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )
    if request.message.method == "HEAD":
        return response
    _with_session(request.notes, response)
    if request.app._runner is not None and is_async(route.handler):
        from pymongoose.web.tasks import AsyncEventStream as kind
    else:
        kind = EventStream
    events = kind(request)
    start(request, response)
    request.notes.answered = True
    result = route.handler(request, events, **values)
    if hasattr(result, "__next__") and not request.app._waits(result):
        Events(request.app, request.conn, result, events).go()
        return None
    events.listen()
    return result


def _with_session(notes, response):
    if notes._session is not None:
        from pymongoose.web.session import save

        save(notes, response)


def _serve_ws(request, route, values):
    message, conn = request.message, request.conn
    response = Response(b"")
    _with_session(request.notes, response)
    request.notes.answered = True
    if request.app._runner is not None and is_async(route.handler):
        from pymongoose.web.tasks import AsyncWebSocket as kind
    else:
        kind = WebSocket
    ws = kind(request)
    conn.set_handler(ws.handle, events=(MG_EV_WS_MSG, MG_EV_WS_CTL, MG_EV_WRITE, MG_EV_CLOSE))
    offered = route.handler.__dict__.get("protocol") if hasattr(route.handler, "__dict__") else None
    conn.ws_upgrade(message, response.headers, protocol=offered)
    if not conn.is_websocket:  # it was no handshake, and has been answered so
        conn.set_handler(request.app._handle, events=request.app._events())
        return None
    return route.handler(request, ws, **values)


class WebSocket:
    """A WebSocket of a client."""

    #: Called with each message, str or bytes.
    on_message = None
    #: Called with (code, reason) when it ended: 1006 if the client said nothing.
    on_close = None

    def __init__(self, request):
        self.request = request
        self.conn = request.conn
        self._code, self._reason = 1006, ""
        self._more = None  # whom it wakes, see tasks.py

    @property
    def closed(self):
        """Has it ended?"""
        return not self.conn.is_websocket

    def send(self, data):
        """Sends a message: str as text, bytes as binary, dict or list as JSON text."""
        if isinstance(data, (dict, list)):
            data = json.dumps(data)
        self.conn.ws_send(data, WEBSOCKET_OP_TEXT if isinstance(data, str) else WEBSOCKET_OP_BINARY)

    def close(self, code=1000, reason=""):
        """Says good-bye with a code (RFC 6455, section 7.4)."""
        if self.conn.is_websocket:
            data = bytes([code >> 8, code & 255]) + reason.encode()
            self.conn.ws_send(data, WEBSOCKET_OP_CLOSE)
            self.conn.drain()

    def handle(self, conn, ev, data):
        if ev == MG_EV_WS_MSG:
            message = data.text if data.flags == WEBSOCKET_OP_TEXT else data.data
            if self._more is not None:
                self._more(ev, message)
            elif self.on_message is not None:
                self.on_message(message)
        elif ev == MG_EV_WS_CTL:
            if data.flags == WEBSOCKET_OP_CLOSE and len(data.data) >= 2:
                self._code = data.data[0] << 8 | data.data[1]
                self._reason = data.data[2:].decode()
        elif ev == MG_EV_CLOSE:
            if self._more is not None:
                self._more(ev, None)
            if self.on_close is not None:
                self.on_close(self._code, self._reason)
        elif self._more is not None:
            self._more(ev, None)


class EventStream:
    """Server-sent events to a client."""

    #: Called when the client is gone.
    on_close = None

    def __init__(self, request):
        self.request = request
        self.conn = request.conn
        self._more = None

    @property
    def closed(self):
        """Is the client gone?"""
        return self.conn.is_closing or self.conn.remote_addr is None or not self._open

    _open = True

    def send(self, data, event="message", id=None, retry=None):
        """Sends an event; a dict or list as JSON. `retry` is in milliseconds."""
        if not isinstance(data, (str, bytes)):
            data = json.dumps(data)
        self.conn.http_sse(event, data, id=id, retry=retry)

    def close(self):
        """Ends the stream; the client comes back, unless it was told not to."""
        self.conn.drain()

    def listen(self):
        self.conn.set_handler(self.handle, events=(MG_EV_WRITE, MG_EV_CLOSE))

    def handle(self, conn, ev, data):
        if ev == MG_EV_CLOSE:
            self._open = False
            if self.on_close is not None:
                self.on_close()
        if self._more is not None:
            self._more(ev, None)


class Events(Stream):
    """A generator of events: data, or (event, data)."""

    def __init__(self, app, conn, pieces, events):
        super().__init__(app, conn, pieces)
        self.events = events

    def put(self, piece):
        if isinstance(piece, tuple):
            self.events.send(piece[1], piece[0])
        else:
            self.events.send(piece)

    def end(self):
        self.conn.drain()
