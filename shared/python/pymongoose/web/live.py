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
from pymongoose.web.request import drop, keep, notes_of
from pymongoose.web.response import HTTPError, Response
from pymongoose.web.routes import NEEDS_ASYNCIO, is_async, special_of
from pymongoose.web.stream import Stream, start


def serve_live(request, route, values):
    """Starts a route of ws() or sse(); what it returns goes the way of a handler's result."""
    app = request.app
    if app._runner is None:
        if is_async(route.handler, False):
            raise TypeError(NEEDS_ASYNCIO)
        kinds = WebSocket, EventStream
    else:
        from pymongoose.web.tasks import LIVE as kinds
    kind, _, _, origins = special_of(route)
    if kind == "ws":
        check_origin(request, route.app, origins)
    response = Response(b"")
    if request.notes is not None and request.notes._session is not None:
        from pymongoose.web.session import save

        save(request.notes, response)
    if kind == "ws":
        live = kinds[0](request)
        if not live._begin(response):
            return None
    else:
        response.headers += [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")]
        if request.message.method == "HEAD":
            return response
        live = kinds[1](request)
        live._begin(response)
    try:
        result = route.handler(request, live, **values)
        if app._runner is not None and (app._waits(result) or hasattr(result, "__anext__")):
            return live._run(result)  # is awaited
        if hasattr(result, "__next__") and kind == "sse":
            Events(request, result, live).go()
    except BaseException:
        live._fail()
        raise
    if not live.closed:
        keep(request)  # what it calls later asks it, too
    return None


def check_origin(request, app, origins):
    """403 for the page of another site: browsers say whose it is, and send our cookies along. What says
    nothing is no browser."""
    origin = request.header("Origin")
    if origin is None:
        return
    while origins is None and app is not None:
        origins = app.origins or None
        app = app._parent
    origin = origin.lower()
    if origins is not None and (origins == "*" or origin in origins):
        return
    host = None
    if request.app.proxies:
        host = request.header("X-Forwarded-Host")
    at = origin.find("://")
    if at < 0 or (host or request.header("Host") or "").lower() != origin[at + 3 :]:
        raise HTTPError(403, "a page of %s may not open this WebSocket" % origin)


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

    def _begin(self, response):
        """Answers the handshake. False: it was none, and has been answered so."""
        conn, app = self.conn, self.request.app
        conn.set_handler(
            self._handle, events=(MG_EV_WS_MSG, MG_EV_WS_CTL, MG_EV_WRITE, MG_EV_CLOSE)
        )
        conn.ws_upgrade(self.request.message, response._fields().pairs)
        notes_of(self.request).answered = True
        if not conn.is_websocket:
            conn.set_handler(app._handle, events=app._events())
        return conn.is_websocket

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

    def _fail(self):
        """Its handler raised."""
        self.close(1011)

    def _call(self, f, *args):
        """Calls what the program gave."""
        f(*args)

    def _message(self, data):
        if self.on_message is not None:
            self._call(self.on_message, data)

    def _handle(self, conn, ev, data):
        if ev == MG_EV_WS_MSG:
            self._message(data.text if data.flags == WEBSOCKET_OP_TEXT else data.data)
        elif ev == MG_EV_WS_CTL:
            if data.flags == WEBSOCKET_OP_CLOSE:
                said = data.data
                self._code = said[0] << 8 | said[1] if len(said) > 1 else 1005
                self._reason = said[2:].decode()
        elif ev == MG_EV_CLOSE:
            try:
                if self.on_close is not None:
                    self._call(self.on_close, self._code, self._reason)
            finally:
                drop(self.request)


class EventStream:
    """Server-sent events to a client."""

    #: Called when the client is gone.
    on_close = None
    _open = True

    def __init__(self, request):
        self.request = request
        self.conn = request.conn

    def _begin(self, response):
        start(self.request, response)
        self.conn.set_handler(self._handle, events=(MG_EV_WRITE, MG_EV_CLOSE))

    @property
    def closed(self):
        """Is the client gone?"""
        return not self._open or self.conn.is_closing

    def send(self, data, event="message", id=None, retry=None):
        """Sends an event; a dict or list as JSON. `retry` is in milliseconds."""
        if not isinstance(data, (str, bytes)):
            data = json.dumps(data)
        self.conn.http_sse(event, data, id=id, retry=retry)

    def close(self):
        """Ends the stream; the client comes back, unless it was told not to."""
        self.conn.drain()

    _fail = close  # its handler raised

    def _call(self, f):
        """Calls what the program gave."""
        f()

    def _handle(self, conn, ev, data):
        if ev == MG_EV_CLOSE:
            self._open = False
            try:
                if self.on_close is not None:
                    self._call(self.on_close)
            finally:
                drop(self.request)


class Events(Stream):
    """A generator of events: data, or (event, data)."""

    def __init__(self, request, pieces, events):
        super().__init__(request, pieces)
        self.events = events

    def handle(self, conn, ev, data):
        super().handle(conn, ev, data)
        self.events._handle(conn, ev, data)

    def over(self):
        """(What the stream calls at its end asks the request, too.)"""

    def put(self, piece):
        if isinstance(piece, tuple):
            self.events.send(piece[1], piece[0])
        else:
            self.events.send(piece)

    def end(self):
        self.conn.set_handler(self.events._handle, events=(MG_EV_CLOSE,))
        self.conn.drain()
