# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Async handlers: what awaits them, under pymongoose.aio."""

import sys
from asyncio import Event

from pymongoose import MG_EV_CLOSE, MG_EV_WS_MSG, Error
from pymongoose.aio.manager import AsyncManager, CancelledError, at_end, show, step
from pymongoose.web.live import EventStream, WebSocket
from pymongoose.web.server import listen, url_of
from pymongoose.web.stream import ENOUGH, start

_CPYTHON = sys.implementation.name == "cpython"
_WAITING = 16  # messages of a WebSocket that may wait for their handler
_EPIPE = 32


class Runner:
    """Runs the ways of requests that wait for something, each in a task."""

    def __init__(self):
        self.tasks = []

    def __call__(self, request, way, waits):
        # The request outlives this event; its message becomes its own.
        if request.message:
            request.message = request.message.copy()
        if request.notes is not None:
            request.notes.message = request.message
            request.notes.kept = True
        task = step(go(request, way, waits))
        if task is not None:
            self.tasks.append(task)
            at_end(task, lambda task, exc: self.tasks.remove(task))

    def close(self):
        """Ends them all."""
        for task in list(self.tasks):
            task.cancel()


async def go(request, way, waits):
    """Goes the rest of a way."""
    try:
        while True:
            try:
                if _CPYTHON:
                    result = await waits
                else:
                    result = await _first(waits)
            except Exception as e:
                waits = way.throw(e)
            else:
                waits = way.send(result)
    except StopIteration:
        failure = None if request.notes is None else request.notes.failure
    except CancelledError:
        way.close()
        raise
    except Exception as e:
        failure = e
    finally:
        if request.notes is not None and request.notes.upload is not None:
            request.notes.upload.drop()
    # (What cannot be sent since the client is gone is nobody's fault.)
    if failure is not None and not (isinstance(failure, Error) and request.conn.is_closing):
        report = request.app.error_handler
        if report is None:
            show(failure)
        else:
            report(failure)


# MicroPython has one type for coroutines and for generators of a body: the first step tells.
async def _first(waits):
    try:
        first = waits.send(None)
    except StopIteration as e:
        return e.value
    if first is None:
        return await _Rest(waits)
    return _Pieces(first, waits)


class _Rest:
    """What follows the first step of a coroutine; that has suspended."""

    def __init__(self, coro):
        self.coro = coro
        self.begun = False

    def __iter__(self):
        return self

    def __next__(self):
        if not self.begun:
            self.begun = True
            return None
        return self.coro.send(None)

    def throw(self, *args):
        return self.coro.throw(*args)

    def close(self):
        self.coro.close()


class _Pieces:
    """A generator of pieces whose first one is there; None among them: it awaits something."""

    web_async = True

    def __init__(self, first, pieces):
        self.first = first
        self.pieces = pieces

    def __next__(self):
        if self.first is not None:
            first, self.first = self.first, None
            return first
        return self.pieces.send(None)

    def close(self):
        self.pieces.close()


class _Suspend:
    def __init__(self):
        self.left = 1

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left = 0


async def stream(request, response):
    """A body in pieces that may be awaited, as fast as the client takes them."""
    conn, pieces = request.conn, response.body
    start(request, response)
    room = Event()
    gone = []

    def handle(conn, ev, data):
        if ev == MG_EV_CLOSE:
            gone.append(ev)
        room.set()

    try:
        if request.message.method == "HEAD":
            return
        conn.set_handler(handle, events=handle_events())
        while not gone:
            try:
                if hasattr(pieces, "__anext__"):
                    piece = await pieces.__anext__()
                else:
                    piece = next(pieces)
            except (StopIteration, StopAsyncIteration):
                break
            if piece is None:
                await _Suspend()
                continue
            if piece and not gone:
                conn.http_chunk(piece)
            while not gone and conn.send_len > ENOUGH:
                room.clear()
                await room.wait()
        if not gone:
            conn.http_chunk(b"")
            conn.set_handler(request.app._handle, events=request.app._events())
    except BaseException:
        conn.close()  # the head has left: its end tells that it is not whole
        raise
    finally:
        if hasattr(pieces, "aclose"):
            await pieces.aclose()
        else:
            pieces.close()


def handle_events():
    from pymongoose import MG_EV_WRITE

    return (MG_EV_WRITE, MG_EV_CLOSE)


class _Awaited:
    # What WebSocket and EventStream have in common for a handler that awaits.

    def _begin(self):
        self._room = Event()
        self._messages = []
        self._gone = False
        self._more = self._tell

    def _tell(self, ev, message):
        if ev == MG_EV_WS_MSG:
            self._messages.append(message)
            if len(self._messages) >= _WAITING:
                self.close(1008, "too many messages wait")
        elif ev == MG_EV_CLOSE:
            self._gone = True
        self._room.set()

    async def _wait_for_room(self):
        while not self._gone and self.conn.send_len > ENOUGH:
            self._room.clear()
            await self._room.wait()


class AsyncWebSocket(_Awaited, WebSocket):
    """A WebSocket of a client, for an async handler."""

    def __init__(self, request):
        WebSocket.__init__(self, request)
        self._begin()

    async def send(self, data):
        """Sends a message, and waits while much is unsent. Error(EPIPE) when it has ended."""
        if self._gone:
            raise _ended()
        WebSocket.send(self, data)
        await self._wait_for_room()

    async def receive(self):
        """The next message, str or bytes; Error(EPIPE) when it has ended."""
        while not self._messages:
            if self._gone:
                raise _ended()
            self._room.clear()
            await self._room.wait()
        return self._messages.pop(0)

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return await self.receive()
        except Error:
            raise StopAsyncIteration


class AsyncEventStream(_Awaited, EventStream):
    """Server-sent events to a client, from an async handler."""

    def __init__(self, request):
        EventStream.__init__(self, request)
        self._begin()

    async def send(self, data, event="message", id=None, retry=None):
        """Sends an event, and waits while much is unsent. Error(EPIPE) when the client is gone."""
        if self._gone:
            raise _ended()
        EventStream.send(self, data, event, id, retry)
        await self._wait_for_room()


def _ended():
    e = Error("the client is gone")
    e.errno = _EPIPE
    return e


async def serve(app, host, port, tls):
    """Serves until it is canceled."""
    async with AsyncManager(error_handler=app.error_handler) as manager:
        runner = Runner()
        app._runner = runner
        listener = listen(app, manager.manager, url_of(host, port, tls), tls)
        try:
            await Event().wait()
        finally:
            app._runner = None
            app._attached.remove(listener)
            runner.close()
