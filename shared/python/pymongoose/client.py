# SPDX-License-Identifier: GPL-2.0-only
"""Requests that wait for their response: get(), post() and others, by the names of requests."""

from _pymongoose import _in_handler

from pymongoose import Error, Manager, millis
from pymongoose.fetch import (
    END,
    LONG,
    PIECE,
    Fetch,
    HTTPError,
    Pool,
    RequestError,
    Timeout,
    encode,
    pairs,
    times,
    with_params,
)
from pymongoose.fetch import MAX_REDIRECTS, TIMES
from pymongoose.fetch import Response as _Base

__all__ = (
    "HTTPError",
    "RequestError",
    "Response",
    "Session",
    "Timeout",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
)

_HERE = (
    "client waits for its answers, which a handler, a timer's or a scheduled callback must not: "
    "use pymongoose.aio there"
)


def _check():
    if _in_handler():
        raise RequestError(_HERE, 16)  # EBUSY


def body_of(data, json, files):
    """(body, Content-Type) of what the program gave."""
    kind = None
    if json is not None:
        from json import dumps

        if data is not None or files:
            raise ValueError("json= and data= or files= are different bodies: give one")
        data, kind = dumps(json), "application/json"
    elif files:
        from pymongoose.upload import multipart

        return multipart(pairs(data or ()), pairs_of(files))
    elif data is None:
        return None, None
    elif isinstance(data, dict) or (
        isinstance(data, (list, tuple)) and data and isinstance(data[0], (list, tuple))
    ):
        data, kind = encode(data), "application/x-www-form-urlencoded"
    if isinstance(data, str):
        data = data.encode()
    if not isinstance(data, bytes) or len(data) > LONG:
        from pymongoose.upload import source

        data = source(data)
    return data, kind


def pairs_of(files):
    return list(files.items() if hasattr(files, "items") else files)


class Response(_Base):
    """A response. Close it, or read it to its end, if it was asked for with stream=True."""

    _content = None
    _session = None
    _ours = False  # the session ends with it

    @property
    def content(self):
        """The body, bytes."""
        if self._content is None:
            if self._session is None:
                raise Error("the body was read already, or the response closed")
            self._content = b"".join(self._pieces())
        return self._content

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
        try:
            while True:
                piece = fetch.take()
                if piece:
                    yield piece
                elif fetch.phase == END:
                    fetch.check()
                    break
                else:
                    self._session._wait(fetch, True)
        except BaseException:
            self.close()
            raise
        self.close()

    def iter_content(self, chunk_size=None):
        """The body in pieces of `chunk_size` bytes, of any size without."""
        rest = b""
        for piece in self._pieces():
            if chunk_size is None:
                yield piece
                continue
            rest += piece
            while len(rest) >= chunk_size:
                yield rest[:chunk_size]
                rest = rest[chunk_size:]
        if rest:
            yield rest

    def iter_lines(self, chunk_size=None, decode_unicode=False):
        """The lines of the body, without their ends."""
        rest = b""
        for piece in self._pieces():
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            for line in lines:
                line = line[:-1] if line.endswith(b"\r") else line
                yield line.decode() if decode_unicode else line
        if rest:
            yield rest.decode() if decode_unicode else rest

    def __iter__(self):
        return self.iter_content()

    def save(self, path, progress=None):
        """Writes the body into a file, which appears when it is whole; returns its size.

        progress(done, total) is called after each piece; total is None if it is not known."""
        import os

        total = self.headers.get("content-length")
        if self._fetch.decoder or not (total and total.isdigit()):
            total = None
        else:
            total = int(total)
        part = path + ".part"
        done = 0
        try:
            with open(part, "wb") as file:
                for piece in self._pieces():
                    file.write(piece)
                    done += len(piece)
                    if progress:
                        progress(done, total)
        except BaseException:
            self.close()
            try:
                os.remove(part)
            except OSError:
                pass
            raise
        getattr(os, "replace", os.rename)(part, path)
        return done

    def close(self):
        """Ends it, and its connection if there is more to come."""
        session, self._session = self._session, None
        if session:
            self._fetch.abort()
            if self._ours:
                session.close()
            else:
                session._settle()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


class Session:
    """Keeps connections, and what all its requests have in common."""

    def __init__(
        self,
        *,
        headers=None,
        auth=None,
        cookies=False,
        timeout=None,
        tls=None,
        proxies=None,
        max_redirects=MAX_REDIRECTS,
        max_body=None,
        pool_size=10,
        pool_keep=4,
        pool_idle=30,
    ):
        self.headers = dict(headers or {})
        self.auth = auth
        self.timeout = timeout
        self.tls = tls
        self.proxies = proxies
        self.max_redirects = max_redirects
        self.max_body = max_body
        self.cookies = None
        if cookies:
            from pymongoose.cookies import Jar

            self.cookies = Jar()
        self._pool = Pool(pool_size, pool_keep, pool_idle * 1000)
        self._pool.waits = False
        self._closed = False

    def _open(self):
        if self._closed:
            raise Error("the session is closed")
        limits = {} if self.max_body is None else {"max_body": self.max_body}
        # Every phase has its time already, and a program may let a response wait.
        return Manager(
            None,
            connect_timeout=0,
            handshake_timeout=0,
            head_timeout=0,
            body_timeout=0,
            send_timeout=0,
            min_rate=0,
            **limits,
        )

    def request(
        self,
        method,
        url,
        *,
        params=None,
        json=None,
        data=None,
        files=None,
        headers=None,
        auth=None,
        timeout=None,
        tls=None,
        stream=False,
        allow_redirects=True,
        proxies=None,
    ):
        """Sends a request and gives its Response, with stream=True as soon as its head is here."""
        _check()
        body, kind = body_of(data, json, files)
        fields = pairs_of(headers) if headers else []
        if self.headers:
            names = [name.lower() for name, _ in fields]
            fields += [f for f in self.headers.items() if f[0].lower() not in names]
        if kind and "content-type" not in [name.lower() for name, _ in fields]:
            fields.append(("Content-Type", kind))
        phases = times(timeout, times(self.timeout))
        fetch = Fetch(
            self._pool,
            Response,
            method.upper(),
            with_params(url, params),
            fields,
            body,
            self.auth if auth is None else auth,
            self.tls if tls is None else tls,
            stream,
            phases,
        )
        fetch.max_body = self.max_body
        fetch.redirects = self.max_redirects if allow_redirects else 0
        fetch.jar = self.cookies
        fetch.proxies = self._proxies(self.proxies if proxies is None else proxies)
        pool = self._pool
        if pool.manager is None:
            pool.manager = self._open()
        elif pool.idle:
            pool.manager.poll(0)  # a server may have left meanwhile
        fetch.begin()
        self._wait(fetch, False)
        fetch.check()
        response = fetch.response
        if stream:
            response._session = self
        elif response._content is None:
            response._content = b"".join(response._pieces())
        return response

    def _proxies(self, given):
        if given is None:
            from pymongoose.proxies import from_environment

            return from_environment()
        if not given:
            return None
        from pymongoose.proxies import Proxies

        return Proxies(given)

    def _wait(self, fetch, once):
        """Polls until the fetch is settled; or once, for more of its body."""
        _check()
        poll = self._pool.manager.poll
        if once:
            fetch.since = millis()  # what the program did meanwhile is not the server's delay
        try:
            while once or not fetch.settled:
                if fetch.wants():
                    fetch.push(fetch.body.read(PIECE))
                else:
                    ms = fetch.left()
                    if fetch.phase != END:
                        poll(ms)
                if once and (fetch.pieces or fetch.phase == END):
                    break
        except BaseException:
            fetch.abort()
            self._settle()
            raise

    def _settle(self):
        """Lets go of what was closed."""
        manager = self._pool.manager
        if manager and not _in_handler():
            try:
                manager.poll(0)
            except Error:  # closed meanwhile
                pass

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
        self._closed = True
        self.tls = None
        manager, self._pool.manager = self._pool.manager, None
        if manager:
            manager.close()
            self._pool.close()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


def request(method, url, *, max_body=None, **kwargs):
    """One request on a connection of its own; the keywords are those of Session.request()."""
    session = Session(max_body=max_body)
    try:
        response = session.request(method, url, **kwargs)
        if response._session:
            response._ours = True
            session = None
        return response
    finally:
        if session:
            session.close()


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
