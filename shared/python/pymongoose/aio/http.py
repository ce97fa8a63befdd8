# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""aio.request() and aio.Session: HTTP requests that are awaited, over the states of `fetch`."""

from asyncio import Event, sleep

from _pymongoose import _in_handler

from pymongoose import Error, millis
from pymongoose.aio.manager import drop, hold, running
from pymongoose.pool import Pool
from pymongoose.request import BODY, END, PIECE
from pymongoose.response import Response as _Base


class _Pieces:
    """What an asynchronous iterator gives, as a source of `upload`: fill() ahead of each read()."""

    length = None

    def __init__(self, pieces):
        self._pieces = pieces.__aiter__()
        self._piece = b""

    def rewind(self):
        return False

    async def fill(self):
        try:
            while not self._piece:
                self._piece = await self._pieces.__anext__()
        except StopAsyncIteration:
            pass

    def read(self, n):
        piece, self._piece = self._piece, b""
        return piece.encode() if isinstance(piece, str) else piece


class Response(_Base):
    """A response whose body is awaited: read(), text(), json(), or `async for piece in r`."""

    _content = None
    _call = None

    async def read(self):
        """The body, bytes."""
        if self._content is None:
            if self._call is None:
                raise Error("the body was read already, or the response closed")
            fetch = self._fetch
            limit = fetch.pool.max_body or BODY
            pieces, size = [], 0
            async for piece in self:
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    self.close()
                    text = "the body is larger than max_body, %d bytes: take it piece by piece, or raise that"
                    raise fetch.trouble(text % limit, "EMSGSIZE")
            self._content = b"".join(pieces)
        return self._content

    async def text(self):
        """The body as str, by its charset or as UTF-8."""
        return self._text(await self.read())

    async def json(self):
        """What the body says; ValueError if it is no JSON."""
        return self._json(await self.read())

    async def save(self, path, progress=None):
        """Writes the body into a file, which appears when it is whole; returns its size."""
        saving = self._saving(path, progress)
        try:
            saving.begin()
            async for piece in self:
                saving.write(piece)
            return saving.end()
        finally:
            saving.close()

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._call is None:
            raise StopAsyncIteration
        piece = await self._call.piece()
        if not piece:
            self.close()
            raise StopAsyncIteration
        return piece

    def close(self):
        """Ends it, and its connection if there is more to come."""
        call, self._call = self._call, None
        if call:
            call.close()


class _Call:
    """One request: `async with` gives its response and closes it, `await` gives it alone."""

    _held = None
    _timer = None
    _response = None
    _pieces = None

    def __init__(self, session, method, url, options):
        self._session = session
        self._ask = method, url, options

    async def _open(self):
        session = self._session
        self._loop = running()
        if _in_handler():
            await sleep(0)  # a board's stack is too small for both
        self._event = Event()
        method, url, options = self._ask
        if hasattr(options.get("data"), "__aiter__"):
            self._pieces = options["data"] = _Pieces(options["data"])
        self._fetch = fetch = session.prepare(method, url, options)
        fetch.stream = True
        self._held = session._hold()
        session._calls.append(self)
        fetch.notify = self._event.set
        try:
            fetch.begin()
            await self._until(self._settled)
            fetch.check()
        except BaseException:
            self.close()
            raise
        self._response = response = fetch.response
        response._call = self
        return response

    def _settled(self):
        return self._fetch.settled

    def _has_piece(self):
        return self._fetch.pieces or self._fetch.phase == END

    async def _until(self, condition):
        fetch = self._fetch
        while not condition():
            if fetch.due:
                fetch.go_on()
            elif fetch.unsent and fetch.wants():
                if self._pieces:
                    await self._pieces.fill()
                if fetch.unsent and fetch.link:  # it may have ended meanwhile
                    fetch.push(fetch.body.read(PIECE))
            else:
                running()  # a coroutine that is driven by hand would crash MicroPython
                self._event.clear()
                ms = fetch.left()
                if ms:
                    if ms > 0:
                        self._alarm(ms)
                    await self._event.wait()

    def _alarm(self, ms):
        # One that comes too early looks again; what was heard meanwhile has put it off.
        when = millis() + ms
        if self._timer:
            if self._when <= when:
                return
            self._timer.cancel()
        self._when = when
        self._timer = self._held.timer_add(ms, self._tick)

    def _tick(self):
        self._timer = None
        self._event.set()

    async def piece(self):
        """The next piece of the body, b"" at its end."""
        if running() is not self._loop:
            raise Error("this response belongs to another event loop")
        fetch = self._fetch
        try:
            while True:
                piece = fetch.take()
                if piece:
                    return piece
                if fetch.phase == END:
                    fetch.check()
                    return b""
                fetch.since = millis()  # what the program did meanwhile is not the server's delay
                await self._until(self._has_piece)
        except BaseException:
            self.close()
            raise

    def close(self):
        held, self._held = self._held, None
        if held is None:
            return
        timer, self._timer = self._timer, None
        if timer:
            timer.cancel()
        self._fetch.notify = None
        self._fetch.abort()
        if self._response:
            self._response._call = None
        session = self._session
        if self in session._calls:
            session._calls.remove(self)
        if session._once:
            session.close()

    async def __aenter__(self):
        return await self._open()

    async def __aexit__(self, *args):
        self.close()

    def __await__(self):
        call = self._open()
        return call.__await__() if hasattr(call, "__await__") else call

    __iter__ = __await__  # which MicroPython asks for


class Session(Pool):
    """Keeps connections, and what all its requests have in common; belongs to one event loop."""

    _kind = Response
    _held = None
    _once = False

    def __init__(self, **options):
        Pool.__init__(self, **options)
        self._calls = []

    def _hold(self):
        if self._closed:
            raise Error("the session is closed")
        if self._held is None:
            self._held = hold()
            self.manager = self._held.manager
            self._loop = running()
        elif running() is not self._loop:
            raise Error("this session belongs to another event loop")
        return self._held

    def close(self):
        """Ends its connections, those of its responses, too."""
        self._closed = True
        held, self._held = self._held, None
        if held is not None:
            for call in list(self._calls):
                call.close()
            for link in list(self.idle):
                self.drop(link)
            Pool.close(self)
            drop(held)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *args):
        self.close()

    def request(self, method, url, **options):
        return _Call(self, method, url, options)

    def get(self, url, **options):
        return _Call(self, "GET", url, options)

    def post(self, url, **options):
        return _Call(self, "POST", url, options)

    def put(self, url, **options):
        return _Call(self, "PUT", url, options)

    def patch(self, url, **options):
        return _Call(self, "PATCH", url, options)

    def delete(self, url, **options):
        return _Call(self, "DELETE", url, options)

    def options(self, url, **options):
        return _Call(self, "OPTIONS", url, options)

    def head(self, url, **options):
        options.setdefault("allow_redirects", False)
        return _Call(self, "HEAD", url, options)


class _Once(Session):
    keep = 1
    plain = True
    _once = True

    def __init__(self):
        self._calls = []


def request(method, url, *, max_body=None, **options):
    """One request on a connection of its own: `async with aio.request("GET", url) as r`."""
    session = _Once()
    if max_body is not None:
        session.max_body = max_body
    return _Call(session, method, url, options)
