# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Async handlers: what awaits them, under pymongoose.aio."""

import sys
from asyncio import Event, sleep

from _pymongoose import _coroutine_failed, _pause

from pymongoose import MG_EV_CLOSE, MG_EV_HTTP_MSG, MG_EV_WRITE, Connection, Error
from pymongoose.aio.manager import AsyncManager, CancelledError, running, show
from pymongoose.aio.wait import failure
from pymongoose.web.live import EventStream, WebSocket
from pymongoose.web.server import listen
from pymongoose.web.stream import ENOUGH, start

_CPYTHON = sys.implementation.name == "cpython"
_BOARD = sys.platform in ("rp2", "esp32")
_WAITING = 16  # messages of a WebSocket that may wait for their handler: then reading pauses
_EPIPE = 32


class Runner:
    """Runs the ways of requests that wait for something, as tasks of an AsyncManager."""

    def __init__(self, app, manager):
        self.app = app
        self.manager = manager
        self.last = {}  # the request that each connection's client waits for, by the connection's id

    def __call__(self, request, way, waits):
        self.last[request.conn.id] = request
        # The request outlives this event; its message becomes its own.
        if request.message:
            request.message = request.message.copy()
        if request.notes is not None:
            request.notes.message = request.message
            request.notes.kept = True
        self.run(go(self, request, way, waits))

    def run(self, coro):
        """Runs a coroutine, in a task if it suspends."""
        self.manager._run(None, None, coro)

    def report(self, e):
        """Tells of an exception that nobody waits for."""
        (self.app.error_handler or self.manager._report)(e)


async def go(runner, request, way, waits):
    """Goes the rest of a way."""
    failure = None
    try:
        if _BOARD:
            await sleep(0)  # its stack is too small for the event and the handler
        while True:
            try:
                result = await (waits if _CPYTHON else _first(waits))
            except Exception as e:
                waits = way.throw(e)
            else:
                waits = way.send(result)
    except StopIteration:
        if request.notes is not None:
            failure = request.notes.failure
    except CancelledError as e:
        way.close()
        # Who waits for an answer gets a 500, or sees that what has begun is not whole.
        # (One that had one sent may have another request behind it: that has its own.)
        if isinstance(request.conn, Connection) and runner.last.get(request.conn.id) is request:
            _coroutine_failed(request.conn, MG_EV_HTTP_MSG, e)
        # MicroPython's tasks and generators hold what they held, and this counts in max_memory.
        request.message = None
        if request.notes is not None:
            request.notes.message = None
        raise
    except Exception as e:
        failure = e
    finally:
        if runner.last.get(request.conn.id) is request:
            del runner.last[request.conn.id]
        if request.notes is not None and request.notes.upload is not None:
            request.notes.upload.drop()
    # (What cannot be sent since the client is gone is nobody's fault.)
    if failure is not None and not (isinstance(failure, Error) and _is_gone(request.conn)):
        runner.report(failure)


def _is_gone(conn):
    try:
        conn.recv(0)
    except Error:
        return True
    except ValueError:  # HTTP's: it lives
        pass
    return conn.is_closing


# ---- MicroPython has one type for coroutines and for generators: their steps tell -------------------


def _suspend():
    yield


async def _first(made):
    """Runs a coroutine to its end, or a generator to its first piece; what it yields else is an await
    of its own."""
    thrown = None
    while True:
        try:
            piece = made.send(None) if thrown is None else made.throw(thrown)
        except StopIteration as e:
            return e.value
        if piece is not None:
            return _Pieces(piece, made)
        thrown = None
        try:
            await _suspend()
        except BaseException as e:  # a cancellation
            thrown = e


async def _drive(made, put):
    """Runs it to its end, with each piece put()."""
    while True:
        got = made if isinstance(made, _Pieces) else await _first(made)
        if not isinstance(got, _Pieces):
            return
        made = got.rest
        try:
            await put(got.piece)
        except BaseException:
            made.close()
            raise


class _Pieces:
    """A body: a generator whose first piece is there."""

    web_async = True

    def __init__(self, piece, rest):
        self.piece = piece
        self.rest = rest

    def __next__(self):  # (what a body has)
        return None

    def close(self):
        self.rest.close()


# ---- What a handler sends, as fast as the client takes it -------------------------------------------


class _Room:
    """A connection with much or little unsent."""

    def __init__(self, conn):
        self.conn = conn
        self._changed = Event()
        self._gone = False

    def _event(self, ev):
        if ev == MG_EV_CLOSE:
            self._gone = True
        self._changed.set()

    async def _until(self, done):
        while not done() and not self._gone:
            running()  # or an Error: a coroutine that is driven by hand would crash MicroPython
            self._changed.clear()
            await self._changed.wait()

    def _room(self):
        return self._until(lambda: self.conn.send_len <= ENOUGH)

    def _check(self):
        if self._gone or self.conn.is_closing:
            raise failure(_EPIPE, "the client is gone")


class _Sent:
    """What `await` of a send() waits for."""

    def __init__(self, live):
        self.live = live

    def __await__(self):
        return self.live._room().__await__()


if not _CPYTHON:  # which awaits by iteration
    _Sent.__iter__ = lambda self: self.live._room()


class _Out(_Room):
    """A body in chunks."""

    def __init__(self, request, response):
        super().__init__(request.conn)
        self.request = request
        self.response = response
        self.begun = False

    def begin(self):
        start(self.request, self.response)
        self.begun = True
        self.conn.set_handler(self.handle, events=(MG_EV_WRITE, MG_EV_CLOSE))

    def handle(self, conn, ev, data):
        self._event(ev)

    async def put(self, piece):
        if not self.begun:
            self.begin()
        self._check()
        if piece:
            self.conn.http_chunk(piece)
        await self._room()

    def end(self):
        if not self.begun:
            self.begin()
        if not self._gone:
            app = self.request.app
            self.conn.set_handler(app._handle, events=app._events())
            self.conn.http_chunk(b"")


async def stream(request, response):
    """A body in pieces that are awaited."""
    pieces, out = response.body, _Out(request, response)
    try:
        if request.message.method == "HEAD":
            pass
        elif hasattr(pieces, "__anext__"):
            async for piece in pieces:
                await out.put(piece)
        else:
            await _drive(pieces, out.put)
        out.end()
    except BaseException:
        if out.begun:
            request.conn.close()  # its end tells that it is not whole
        raise
    finally:
        if hasattr(pieces, "aclose"):
            await pieces.aclose()
        else:
            pieces.close()


class _Live(_Room):
    # What WebSocket and EventStream have under asyncio beside what they are.

    def _call(self, f, *args):
        """Calls what the program gave, which may be async."""
        made = f(*args)
        if self.request.app._waits(made):
            runner = self.request.app._runner
            runner.run(_reported(runner, made))


async def _reported(runner, made):
    try:
        await made
    except Exception as e:
        runner.report(e)


class AsyncWebSocket(_Live, WebSocket):
    """A WebSocket of a client."""

    def __init__(self, request):
        WebSocket.__init__(self, request)
        _Live.__init__(self, request.conn)
        self._messages = []
        self._size = 0
        self._paused = False

    def _handle(self, conn, ev, data):
        WebSocket._handle(self, conn, ev, data)
        self._event(ev)

    def _message(self, data):
        if self.on_message is not None:
            self._call(self.on_message, data)
            return
        self._messages.append(data)
        self._size += len(data)
        if not self._paused and (len(self._messages) >= _WAITING or self._size >= ENOUGH):
            self._pause(True)

    def send(self, data):
        """Sends a message; to be awaited where much is sent. Error(EPIPE) when it has ended."""
        self._check()
        WebSocket.send(self, data)
        return _Sent(self)

    async def receive(self):
        """The next message, str or bytes; Error(EPIPE) when it has ended."""
        await self._until(lambda: self._messages)
        if not self._messages:
            self._check()
        data = self._messages.pop(0)
        self._size -= len(data)
        if self._paused and len(self._messages) < _WAITING // 2 and self._size < ENOUGH:
            self._pause(False)
        return data

    def _pause(self, on):
        self._paused = on
        if not self._gone and isinstance(self.conn, Connection):
            _pause(self.conn, on)

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self._until(lambda: self._messages)
        if not self._messages:
            raise StopAsyncIteration
        return await self.receive()

    async def _run(self, made):
        """The handler; the WebSocket ends with it."""
        try:
            await made
        except BaseException as e:
            self.close(1001 if isinstance(e, CancelledError) else 1011)
            raise
        self.close()


class AsyncEventStream(_Live, EventStream):
    """Server-sent events to a client."""

    def __init__(self, request):
        EventStream.__init__(self, request)
        _Live.__init__(self, request.conn)

    def _handle(self, conn, ev, data):
        EventStream._handle(self, conn, ev, data)
        self._event(ev)

    def send(self, data, event="message", id=None, retry=None):
        """Sends an event; to be awaited where much is sent. Error(EPIPE) when the client is gone."""
        self._check()
        EventStream.send(self, data, event, id, retry)
        return _Sent(self)

    async def _put(self, piece):
        if isinstance(piece, tuple):
            await self.send(piece[1], piece[0])
        else:
            await self.send(piece)

    async def _run(self, made):
        """The handler, or what it yields; the stream ends with it."""
        try:
            if hasattr(made, "__anext__"):
                try:
                    async for piece in made:
                        await self._put(piece)
                finally:
                    await made.aclose()
            elif _CPYTHON:
                await made
            else:
                await _drive(made, self._put)
        except BaseException:
            self._fail()
            raise
        self.close()


LIVE = AsyncWebSocket, AsyncEventStream


async def serve(app, url, tls, **more):
    """Serves until it is canceled."""

    def report(e):  # to whom it belongs by now
        (app.error_handler or show)(e)

    async with AsyncManager(error_handler=report) as manager:
        before, runner = app._runner, Runner(app, manager)
        app._runner = runner
        listener = None
        try:
            listener = listen(app, manager.manager, url, tls, **more)
            await Event().wait()
        finally:
            if app._runner is runner:  # else it is served elsewhere, too
                app._runner = before
            app._forget(listener)
