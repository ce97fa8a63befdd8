# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Bodies in pieces, as fast as the client takes them."""

import sys

from pymongoose import MG_EV_CLOSE, MG_EV_WRITE
from pymongoose.web.headers import pairs_of
from pymongoose.web.request import drop, keep, notes_of
from pymongoose.web.routes import NEEDS_ASYNCIO

_CPYTHON = sys.implementation.name == "cpython"
# What may wait to be sent before the next piece is asked for.
ENOUGH = 4096 if sys.platform in ("rp2", "esp32") else 65536


def _core():
    # Not only where it is there already: an async handler may import it in its first step.
    try:
        from asyncio import core
    except ImportError:
        return None
    return core


def begin(request, response):
    """Answers with the pieces of a generator, str or bytes; a coroutine goes on if they are awaited."""
    pieces = response.body
    app = request.app
    if hasattr(pieces, "__anext__") or hasattr(pieces, "web_async") or app._waits(pieces):
        if app._runner is None:
            raise TypeError(NEEDS_ASYNCIO)
        from pymongoose.web.tasks import stream

        return stream(request, response)
    body = Body(request, response)
    if request.message.method == "HEAD":
        body.shut()
        start(request, response)
        body.end()
    else:
        # One that fails before its first piece is a 500 like any other.
        try:
            piece = body.first()
        except StopIteration:
            start(request, response)
            body.end()
        else:
            start(request, response)
            body.put(piece)
            body.go()
    return None


def start(request, response):
    """The head of an answer in chunks, or of events."""
    headers = pairs_of(response.headers)
    if response.header("Content-Type") != "text/event-stream":
        headers = headers + [("Transfer-Encoding", "chunked")]
    request.conn.reply(response.status, b"", headers)
    notes_of(request).answered = True


class Stream:
    """Pulls the pieces out of a generator when there is room for them."""

    def __init__(self, request, pieces):
        self.request = request
        self.app = request.app
        self.conn = request.conn
        self.pieces = pieces

    def next(self):
        """The next piece. MicroPython has one type for generators and coroutines: this can be an async
        handler, and asyncio's functions take for granted that there is a task."""
        core = None if _CPYTHON else _core()
        if core is None:
            piece = next(self.pieces)
        else:  # not that of a program which polls in a task, either: it would be queued twice
            before = core.cur_task
            core.cur_task = core.Task(self.pieces)
            try:
                piece = next(self.pieces)
            finally:
                core.cur_task = before
        if piece is None:
            self.shut()
            raise TypeError(NEEDS_ASYNCIO)
        return piece

    def shut(self):
        """Nobody wants the rest."""
        if hasattr(self.pieces, "close"):
            self.pieces.close()

    def first(self):
        """The first piece; what returns a value and has none is no generator of pieces."""
        try:
            return self.next()
        except StopIteration as e:
            if not _CPYTHON and e.value is not None:
                raise TypeError(NEEDS_ASYNCIO)
            raise

    def go(self):
        """Sends what there is room for; goes on when it has left."""
        if self.pump():
            self.conn.set_handler(self.handle, events=(MG_EV_WRITE, MG_EV_CLOSE))
            keep(self.request)

    def handle(self, conn, ev, data):
        if ev == MG_EV_CLOSE:
            self.shut()
            self.over()
        else:
            self.pump()

    def pump(self):
        """Is there more to come?"""
        conn = self.conn
        try:
            while conn.send_len < ENOUGH:
                self.put(self.next())
            return True
        except StopIteration:
            self.end()
            return False
        except Exception:
            # The head has left: the client can only be told by the end that the answer is not whole.
            conn.close()
            raise


class Body(Stream):
    """The pieces of a body, in chunks."""

    def __init__(self, request, response):
        super().__init__(request, response.body)

    def put(self, piece):
        if piece:  # an empty chunk would be the end
            self.conn.http_chunk(piece)

    def end(self):
        self.over()
        self.conn.set_handler(self.app._handle, events=self.app._events())
        self.conn.http_chunk(b"")

    def over(self):
        """Nobody asks the request any more."""
        drop(self.request)
