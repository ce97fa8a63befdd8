# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Requests that wait for their response: get(), post() and others, by the names of requests."""

from sys import modules as _modules

from _pymongoose import _in_handler

from pymongoose import Error, Manager, millis
from pymongoose.fetch import FEW
from pymongoose.pool import Pool
from pymongoose.request import END, PIECE, POOL, TIMES
from pymongoose.response import (
    Headers,  # noqa: F401
    HTTPError,  # noqa: F401
    RequestError,
    Timeout,  # noqa: F401
)
from pymongoose.response import Response as _Base

_HERE = (
    "client waits for its answers, which a handler, a timer's or a scheduled callback must not: "
    "use pymongoose.aio there"
)


def _check_place():
    aio = _modules.get("pymongoose.aio.manager")
    if _in_handler() or (aio and aio.in_handler_task()):
        raise RequestError(_HERE, 16)  # EBUSY


class Response(_Base):
    """A response. Close it, or read it to its end, if it was asked for with stream=True."""

    _content = None
    _rest = None  # (bytes, how many of them were given) of an iterator that was left
    _session = None
    _ours = False  # the session ends with it

    @property
    def content(self):
        """The body, bytes."""
        try:
            if self._content is None:
                if self._session is None:
                    raise Error("the body was read already, or the response closed")
                self._content = b"".join(self._pieces())
            return self._content
        except BaseException:
            self.close()
            raise

    @property
    def text(self):
        """The body as str, by its charset or as UTF-8."""
        return self._text(self.content)

    def json(self):
        return self._json(self.content)

    def _pieces(self):
        fetch = self._fetch
        if self._content is not None:
            if self._content:
                yield self._content
            return
        if fetch.stream and self._session is None:
            raise Error("the body was read already, or the response closed")
        if self._rest:
            (rest, at), self._rest = self._rest, None
            if at < len(rest):
                yield rest[at:]
        try:
            while True:
                piece = fetch.take()
                if piece:
                    yield piece
                elif fetch.phase == END:
                    fetch.check()
                    break
                else:
                    self._session._more(fetch)
        except GeneratorExit:  # another iterator may go on
            raise
        except BaseException:
            self._break()
            raise
        self.close()

    def iter_content(self, chunk_size=None):
        """The body in pieces of `chunk_size` bytes, of any size without."""
        if chunk_size is not None and chunk_size < 1:
            raise ValueError("chunk_size must be 1 at least, or None")
        parts, have = [], 0
        for piece in self._pieces():
            if chunk_size is None:
                yield piece
                continue
            at = 0
            while have + len(piece) - at >= chunk_size:
                end = at + chunk_size - have
                parts.append(piece[at:end])
                self._rest = piece, end
                yield b"".join(parts)
                parts, have, at = [], 0, end
            self._rest = None
            if at < len(piece):
                parts.append(piece[at:])
                have += len(piece) - at
        if parts:
            yield b"".join(parts)

    def iter_lines(self, chunk_size=None, decode_unicode=False):
        """The lines of the body, without their ends."""
        parts = []
        for piece in self._pieces():
            lines = piece.split(b"\n")
            parts.append(lines[0])
            if len(lines) == 1:
                continue
            lines[0] = b"".join(parts)
            parts = [lines.pop()]
            for line in lines:
                line = line[:-1] if line.endswith(b"\r") else line
                yield self._text(line) if decode_unicode else line
        rest = b"".join(parts)
        if rest:
            yield self._text(rest) if decode_unicode else rest

    def __iter__(self):
        return self.iter_content()

    def save(self, path, progress=None):
        """Writes the body into a file, which appears when it is whole; returns its size.

        progress(done, total) is called after each piece; total is None if it is not known."""
        saving = None
        try:
            saving = self._saving(path, progress)
            saving.begin()
            for piece in self._pieces():
                saving.write(piece)
            return saving.end()
        finally:
            try:
                if saving:
                    saving.close()
            finally:
                self.close()

    def close(self):
        """Ends it, and its connection if there is more to come."""
        try:
            self._close()
        except BaseException:  # Ctrl-C may come between two steps
            self._break()
            raise

    def _close(self):
        session = self._session
        if session:
            self._fetch.abort()
            if self._ours:
                session.close()
            else:
                session._settle()
            self._session = None

    def _break(self):
        """Ends it wherever it was left."""
        session = self._session
        self._close()
        if session:
            session._sort_out()

    def _holder(self, session):
        """Who is to be closed when a call of its own has given it: a stream has the session."""
        if self._session:
            self._ours = True
            return _NOBODY
        return session

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


class Session(Pool):
    """Keeps connections, and what all its requests have in common."""

    _kind = Response
    _waits = False
    _hears = False
    _events = FEW

    def _open(self):
        if self._closed:
            raise Error("the session is closed")
        limits = {} if self.max_body is None else {"max_body": self.max_body}
        # Every phase has its time already, and a program may let a response wait.
        self.manager = Manager(
            None,
            connect_timeout=0,
            handshake_timeout=0,
            head_timeout=0,
            body_timeout=0,
            send_timeout=0,
            min_rate=0,
            **limits,
        )

    def request(self, method, url, **kwargs):
        """Sends a request and gives its Response, with stream=True as soon as its head is here."""
        _check_place()
        fetch = self.prepare(method, url, kwargs)
        try:
            if self.manager is None:
                self._open()
            elif self.idle:
                self.manager.poll(0)  # a server may have left meanwhile
            fetch.begin()
            self._wait(fetch)
            response = fetch.response
            if fetch.plain and response:
                pass
            elif fetch.error:
                fetch.check()
            elif fetch.stream:
                response._session = self
                return response
            if response._content is None:
                response._content = b"".join(response._pieces())
            return response
        except BaseException:
            fetch.abort()
            self._sort_out()
            raise

    def _wait(self, fetch):
        """Polls until the response is there."""
        poll = self.manager.poll
        if fetch.plain and POOL < fetch.phase < END:  # whose time has just begun
            poll(TIMES[fetch.phase])
        while not fetch.settled:
            if fetch.due:
                fetch.go_on()
            elif fetch.unsent and fetch.wants():
                fetch.push(fetch.body.read(PIECE))
            else:
                ms = fetch.left()
                if ms:
                    poll(ms)

    def _more(self, fetch):
        """Polls until there is more of the body."""
        _check_place()
        fetch.since = millis()  # what the program did meanwhile is not the server's delay
        while not fetch.pieces and fetch.phase != END:
            ms = fetch.left()
            if ms:
                self.manager.poll(ms)

    def _settle(self):
        """Lets go of what was closed."""
        if self.manager and not _in_handler():
            self.manager.poll(0)

    def _sort_out(self):
        """After a request that was broken off wherever it was."""
        if self.manager:
            self.sort_out()
            self._settle()

    def get(self, url, **kwargs):
        return self.request("GET", url, **kwargs)

    def post(self, url, **kwargs):
        return self.request("POST", url, **kwargs)

    def put(self, url, **kwargs):
        return self.request("PUT", url, **kwargs)

    def patch(self, url, **kwargs):
        return self.request("PATCH", url, **kwargs)

    def delete(self, url, **kwargs):
        return self.request("DELETE", url, **kwargs)

    def head(self, url, **kwargs):
        kwargs.setdefault("allow_redirects", False)
        return self.request("HEAD", url, **kwargs)

    def options(self, url, **kwargs):
        return self.request("OPTIONS", url, **kwargs)

    def close(self):
        """Closes its connections."""
        try:
            self._close()
        except BaseException:  # Ctrl-C may come between two steps
            self._close()
            raise

    def _close(self):
        self._closed = True
        self.tls = None
        manager = self.manager
        if manager:
            for link in self.idle:
                conn, link.conn = link.conn, None
                if conn:
                    conn.handler = None  # has nothing to tell any more
            manager.close()
            self.idle = ()
            Pool.close(self)
            self.manager = None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


class _Nobody:
    def close(self):
        pass


_NOBODY = _Nobody()


class _Once(Session):
    """For one request."""

    keep = 1
    plain = True

    def __init__(self):
        pass


def request(method, url, *, max_body=None, **kwargs):
    """One request on a connection of its own; the keywords are those of Session.request()."""
    held = session = _Once()
    if max_body is not None:
        session.max_body = max_body
    # MicroPython looks for Ctrl-C where it jumps: there is none from where a response gets the session
    # to where it is the caller's. Nothing would end the two there when they are lost.
    try:
        response = session.request(method, url, **kwargs)
        held = response._holder(session)
        return response
    finally:
        held.close()


def get(url, **kwargs):
    return request("GET", url, **kwargs)


def post(url, **kwargs):
    return request("POST", url, **kwargs)


def put(url, **kwargs):
    return request("PUT", url, **kwargs)


def patch(url, **kwargs):
    return request("PATCH", url, **kwargs)


def delete(url, **kwargs):
    return request("DELETE", url, **kwargs)


def head(url, **kwargs):
    kwargs.setdefault("allow_redirects", False)
    return request("HEAD", url, **kwargs)


def options(url, **kwargs):
    return request("OPTIONS", url, **kwargs)
