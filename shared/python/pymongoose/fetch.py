# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""HTTP requests as states: what `client`, which waits by poll(), and `aio`, which awaits, have in common.

A Fetch is one request with its redirects and tries. The Manager's events drive it, and nothing here
waits: who does looks at `settled`, calls go_on() while there is something `due`, gives the next piece
of a body while wants() is true, and polls no longer than left() says. A Pool keeps the connections.
"""

import errno
import os
import sys

from _pymongoose import __version__

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_CONNECT,
    MG_EV_ERROR,
    MG_EV_HTTP_BODY,
    MG_EV_HTTP_HDRS,
    MG_EV_HTTP_MSG,
    MG_EV_READ,
    MG_EV_TLS_HS,
    MG_EV_WRITE,
    Error,
    base64_encode,
    json_get,
    millis,
    url_decode,
    url_encode,
    url_host,
    url_join,
    url_pass,
    url_port,
    url_uri,
    url_user,
)

MICROPYTHON = sys.implementation.name == "micropython"
USER_AGENT = "pymongoose/" + __version__
# A board has no room for the 32 KB that undoing gzip takes, unless the program asks for it.
FIELDS = [("User-Agent", USER_AGENT), ("Accept", "*/*")]
if not MICROPYTHON:
    FIELDS.append(("Accept-Encoding", "gzip, deflate"))
# A body that is longer goes out in pieces of PIECE, while less than MARK is queued.
LONG, PIECE, MARK = (1024, 1024, 2048) if MICROPYTHON else (65536, 65536, 131072)
MAX_REDIRECTS = 10
# The largest body that is read at once, as the core's max_body.
BODY = 16384 if MICROPYTHON and sys.platform not in ("linux", "darwin") else 16777216
REDIRECT_BODY = 65536  # of a page that comes with a redirect; after more the connection is left

# Phases, each with its own time; TOTAL is that of all of them.
POOL, CONNECT, TLS, SEND, FIRST, READ, TOTAL, END = range(8)
PHASES = ("pool", "connect", "tls", "send", "first_byte", "read", "total")
SAID = ("waiting for a connection", "connect", "tls", "send", "first byte", "read", "total")
TIMES = (60000, 15000, 20000, 60000, 60000, 30000, None)

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_SAFE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")  # RFC 9110, 9.2.2
_OURS = ("authorization", "cookie", "proxy-authorization")
_REDIRECTS = (301, 302, 303, 307, 308)


def _number(name, otherwise):
    return getattr(errno, name, otherwise)


class RequestError(Error):
    """A request failed: in `phase`, and `url` is what was asked for."""

    def __init__(self, text, errno=0, phase="", url=""):
        super().__init__(text)
        self.errno = errno
        self.phase = phase
        self.url = url


class Timeout(RequestError):
    """It took too long: `phase` says what."""


class HTTPError(RequestError):
    """Of raise_for_status(): `response` has a status from 400 on."""

    response = None


class Headers:
    """The header fields of a response, found in any case."""

    def __init__(self, pairs):
        self._pairs = pairs

    def get_all(self, name):
        name = name.lower()
        return [value for key, value in self._pairs if key.lower() == name]

    def get(self, name, default=None):
        found = self.get_all(name)
        return ", ".join(found) if found else default

    def __getitem__(self, name):
        found = self.get_all(name)
        if not found:
            raise KeyError(name)
        return ", ".join(found)

    def __contains__(self, name):
        return bool(self.get_all(name))

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self._pairs)

    def keys(self):
        return [key for key, _ in self._pairs]

    def values(self):
        return [value for _, value in self._pairs]

    def items(self):
        return list(self._pairs)

    def __repr__(self):
        return "Headers(%r)" % (self._pairs,)


def split(url):
    """(is it https?, host, port), ValueError for what is no URL of HTTP."""
    if not isinstance(url, str):
        raise TypeError("url must be str, not " + type(url).__name__)
    if url.startswith("http://"):
        secure = False
    elif url.startswith("https://"):
        secure = True
    else:
        scheme, sep, _ = url.partition("://")
        if not sep:
            raise ValueError("the URL has no scheme, write http:// or https:// in front: %r" % url)
        scheme = scheme.lower()
        if scheme not in ("http", "https"):
            raise ValueError("the scheme of the URL is neither http nor https: %r" % url)
        secure = scheme == "https"
    host = url_host(url)
    if not host:
        raise ValueError("the URL has no host: %r" % url)
    try:
        return secure, host, url_port(url)
    except ValueError as e:  # DecodeError, which a server's handler takes for its peer's fault
        raise ValueError(str(e)) from None


def pairs(data):
    """(name, value) of a dict or of pairs, a value that is a list as several; None is left out."""
    found = []
    for name, value in data.items() if hasattr(data, "items") else data:
        for each in value if isinstance(value, (list, tuple)) else (value,):
            if each is not None:
                found.append((str(name), each))
    return found


def text_of(value):
    return value if isinstance(value, (str, bytes)) else str(value)


def encode(data):
    """A dict or pairs as a query or form."""
    parts = [url_encode(name) + "=" + url_encode(text_of(v)) for name, v in pairs(data)]
    return "&".join(parts)


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


def with_params(url, params):
    if not params:
        return url
    query = params if isinstance(params, str) else encode(params)
    url, sep, fragment = url.partition("#")
    if query:
        url += ("&" if "?" in url else "?") + query
    return url + sep + fragment


def quoted(url):
    """What may not stand in a URL is percent-encoded, what is so already stays."""
    for c in url:
        if not "!" <= c <= "~":
            return "".join([c if "!" <= c <= "~" else url_encode(c) for c in url])
    return url


def basic(user, password):
    return "Basic " + base64_encode("%s:%s" % (user, password))


def authorization(auth):
    if auth is None:
        return None
    if not isinstance(auth, (tuple, list)) or len(auth) != 2:
        raise TypeError("auth must be a tuple (user, password)")
    if ":" in auth[0]:
        raise ValueError("a user's name has no colon")
    return basic(auth[0], auth[1])


def milliseconds(seconds, name):
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError("timeout must be a number of seconds, not " + type(seconds).__name__)
    if not seconds > 0:
        raise ValueError("timeout (%s) must be more than 0 seconds" % name)
    return max(1, int(min(seconds, 1e6) * 1000))


def times(timeout, base=TIMES):
    """The milliseconds of each phase. `timeout`: seconds for each of them but the wait for a
    connection, (connect, read), or a dict of those that differ."""
    if timeout is None:
        return base
    if isinstance(timeout, dict):
        found = list(base)
        for name in timeout:
            if name not in PHASES:
                raise ValueError("timeout has no %r: these are %s" % (name, ", ".join(PHASES)))
            found[PHASES.index(name)] = milliseconds(timeout[name], name)
        return found
    if isinstance(timeout, (tuple, list)):
        if len(timeout) != 2:
            raise ValueError("timeout as a tuple is (connect, read)")
        connect, read = [milliseconds(each, "connect, read") for each in timeout]
    else:
        connect = read = milliseconds(timeout, "each phase")
    return (base[POOL], connect, connect, read, read, read, base[TOTAL])


def _environment():
    if hasattr(os, "getenv"):  # a board has no environment
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            if os.getenv(name):
                from pymongoose.proxies import from_environment

                return from_environment()
    return None


def _proxies(given):
    if not isinstance(given, dict):
        return given
    from pymongoose.proxies import Proxies

    return Proxies(given)


# What has its usual value stands in the class alone: on MicroPython each attribute of an instance costs
# as much as some calls do.


class Link:
    """One connection of a Pool, for one Fetch at a time."""

    conn = None
    fetch = None
    tunnel = None  # host:port beyond a proxy, "" while TLS begins there
    counted = True
    gone = False
    reason = ""
    since = 0

    def __init__(self, pool, key):
        self.pool = pool
        self.key = key

    def event(self, conn, ev, data):
        fetch = self.fetch
        step = _STEPS.get(ev)
        if step:
            if fetch:
                try:
                    step(fetch, data)
                except Exception as e:
                    fetch.fail(e)
        elif ev == MG_EV_ERROR:
            self.reason = data
        elif ev == MG_EV_CLOSE:
            self.gone = True
            self.pool.lost(self)
            if fetch:
                fetch.broke(self.reason)
            self.conn = None

    def close(self):
        self.fetch = None
        if self.conn:
            self.conn.close()


class Pool:
    """Connections that are in use or kept, and what all requests of a session have in common."""

    _kind = None  # of Response
    manager = None
    size = 10
    keep = 4
    idle_ms = 30000
    count = 0
    idle = ()
    queue = ()
    made = None
    _waits = True  # can a request wait for another to end?
    headers = {}  # noqa: RUF012
    auth = None
    cookies = None
    timeout = None
    tls = None
    proxies = None
    max_body = None
    max_redirects = MAX_REDIRECTS
    _env = False  # what the environment says of proxies
    _closed = False

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
        self.size = pool_size
        self.keep = pool_keep
        self.idle_ms = pool_idle * 1000
        if cookies:
            from pymongoose.cookies import Jar

            self.cookies = Jar()

    def prepare(
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
        """The Fetch of a request."""
        if self._closed:
            raise Error("the session is closed")
        if params:
            url = with_params(url, params)
        fields = pairs_of(headers) if headers else []
        if self.headers:
            names = [name.lower() for name, _ in fields]
            fields += [f for f in self.headers.items() if f[0].lower() not in names]
        if method not in _METHODS:
            method = method.upper()
        fetch = Fetch(self, method, url, fields, self.auth if auth is None else auth)
        if json is not None or data is not None or files:
            fetch.body, kind = body_of(data, json, files)
            if kind and "content-type" not in [name.lower() for name, _ in fields]:
                fields.append(("Content-Type", kind))
        if timeout is not None or self.timeout is not None:
            fetch.times = times(timeout, times(self.timeout))
        if tls is None:
            tls = self.tls
        if tls is not None:
            fetch.tls = tls
        if stream:
            fetch.stream = True
        if not allow_redirects:
            fetch.follow = False
        if proxies is None:
            proxies = self.proxies
            if proxies is None:
                proxies = self._env
                if proxies is False:
                    proxies = self._env = _environment()
        if proxies:
            fetch.proxies = _proxies(proxies)
        return fetch

    def take(self, fetch, key):
        """Gives the fetch a connection, now or when there is one."""
        if self.idle:
            oldest = millis() - self.idle_ms
            for link in list(self.idle):
                if link.since < oldest or link.gone:
                    self.drop(link)
                elif link.key == key:
                    self.idle.remove(link)
                    fetch.attach(link)
                    return
        if self.count >= self.size:
            if not self.idle:
                if not self._waits:
                    text = "all %d connections of this session are in use: close() some response"
                    raise Error(text % self.size)
                if not self.queue:
                    self.queue = []
                self.queue.append(fetch)
                return
            self.drop(self.idle[0])
        self.open(fetch, key)

    def open(self, fetch, key):
        secure, proxy = key[0], key[3]
        fetch.link = link = Link(self, key)
        fetch.phase = CONNECT
        if proxy:
            if secure:
                link.tunnel = "%s:%d" % (key[1], key[2])
            secure = proxy[0]
        conn = None
        if not proxy:
            try:
                conn = self.manager.connect(fetch.url, link.event, events=_EVENTS)
            except ValueError:  # what is not sent, as a fragment, may be anything
                pass
        if not conn:
            at = proxy or key
            url = "%s://%s:%d" % ("https" if secure else "http", at[1], at[2])
            conn = self.manager.connect(url, link.event, events=_EVENTS)
        link.conn = conn
        self.count += 1
        if secure:
            conn.tls_init(self.tls_for(None if proxy else key[4]))
        link.fetch = fetch
        if link.gone:
            fetch.broke(link.reason)
        else:
            fetch.ask()

    def tls_for(self, tls, name=None):
        """TlsOpts for a connection; `name` stands beyond a proxy. Kept: they have the sessions."""
        if tls is not None and (name is None or tls.name):
            return tls
        if self.made is None:
            self.made = {}
        found = self.made.get((tls, name))
        if found is None:
            from pymongoose import TlsOpts  # which some firmware has not

            given = {}
            if tls is not None:
                given = {each: getattr(tls, each) or None for each in ("ca", "cert", "key")}
                for each in ("skip_verification", "alpn", "legacy"):
                    given[each] = getattr(tls, each)
            found = self.made[(tls, name)] = TlsOpts(name=name, **given)
        return found

    def give(self, link):
        """A request is done with a connection that can take another."""
        link.fetch = None
        if link.gone or link.conn.is_closing:
            return
        if self.queue or len(self.idle) < self.keep:
            link.since = millis()
            if self.idle:
                self.idle.append(link)
            else:
                self.idle = [link]
            if self.queue:
                self.next()
        else:
            link.close()

    def drop(self, link):
        """An idle one ends."""
        self.idle.remove(link)
        link.close()
        self.forget(link)

    def forget(self, link):
        if link.counted:
            link.counted = False
            self.count -= 1

    def lost(self, link):
        if link in self.idle:
            self.idle.remove(link)
        self.forget(link)
        if self.queue:
            self.next()

    def next(self):
        if self.idle or self.count < self.size:
            fetch = self.queue.pop(0)
            fetch.later(fetch.again)

    def close(self):
        """After its Manager."""
        if self.made:
            for opts in self.made.values():
                if MICROPYTHON:  # now, whenever its collector comes
                    opts.__del__()
            self.made = None


class Response:
    """What both faces show of a response. `history` are the redirects that led to it."""

    encoding = None
    _history = ()

    def __init__(self, fetch, status, reason, fields):
        self._fetch = fetch
        self._fields = fields
        self.status_code = status
        self.reason = reason
        self.url = fetch.url

    @property
    def status(self):
        return self.status_code

    @property
    def history(self):
        return list(self._history)

    @property
    def headers(self):
        return Headers(self._fields)

    @property
    def ok(self):
        return self.status_code < 400

    @property
    def is_redirect(self):
        return self.status_code in _REDIRECTS and "location" in self.headers

    def raise_for_status(self):
        """Raises HTTPError for a status from 400 on."""
        if self.status_code >= 400:
            text = "%s %s: the server answers %d %s"
            text %= (self._fetch.method, self.url, self.status_code, self.reason)
            e = HTTPError(text, 0, "", self.url)
            e.response = self
            raise e

    def _saving(self, path, progress):
        from pymongoose.saving import Saving

        total = self.headers.get("content-length", "")
        known = total.isdigit() and not self._fetch.decoder
        return Saving(path, progress, int(total) if known else None)

    def __repr__(self):
        return "<Response [%d]>" % self.status_code

    def _text(self, content):
        charset = self.encoding
        if charset is None:
            kind = self.headers.get("content-type", "").lower()
            charset = kind.partition("charset=")[2].partition(";")[0].strip(" \"'")
        charset = charset.lower()
        if charset in ("", "utf-8", "utf8", "us-ascii", "ascii"):
            try:
                return content.decode()
            except UnicodeError:
                return url_decode(content.replace(b"%", b"%25"))  # U+FFFD for what is no UTF-8
        if charset in ("iso-8859-1", "latin-1", "latin1"):
            return "".join([chr(byte) for byte in content])
        if MICROPYTHON:
            raise ValueError("this Python cannot decode " + charset)
        try:
            return content.decode(charset, "replace")
        except LookupError:
            raise ValueError("this Python cannot decode " + charset) from None

    def _json(self, content):
        import json

        try:
            if MICROPYTHON:  # whose own parser takes what is cut off
                return json.loads(json_get(content, "$") or "")
            return json.loads(content)
        except ValueError:
            text = "%s %s: the body is no JSON: %r"
            raise ValueError(text % (self._fetch.method, self.url, content[:60])) from None


class Fetch:
    """One request, until its response is there, or its head if `stream`."""

    tls = None
    stream = False
    times = TIMES
    auth = None
    follow = True
    proxies = None
    notify = None
    history = ()
    link = None
    response = None
    error = None
    pieces = ()
    settled = False
    due = None
    retried = False
    decoder = None
    decoded = 0
    phase = POOL
    body = None  # bytes, str, None, or a source of upload.py
    # Of one try:
    got = False  # a byte of the response
    reused = False
    unsent = False  # more of the body is to come
    moved = None  # where a redirect leads

    def __init__(self, pool, method, url, headers, auth):
        self.pool = pool
        self.method = method
        self.headers = headers  # pairs
        self.at = split(url)
        if auth is not None:
            self.auth = authorization(auth)
        if "@" in url:
            url = self._own(url)
        self.url = url
        self.started = self.since = millis()

    def _own(self, url):
        """Takes the credentials out of a URL."""
        user = url_user(url)
        if self.auth is None and (user or url_pass(url)):
            self.auth = basic(url_decode(user), url_decode(url_pass(url)))
        return _bare(url)

    # What the faces call

    def begin(self):
        """Asks the pool for a connection."""
        try:
            at = self.at
            proxy = self.proxies.find(*at) if self.proxies else None
            self.pool.take(self, (at[0], at[1], at[2], proxy, self.tls))
        except Exception as e:
            self.fail(e)

    def later(self, step):
        """Goes on outside of the event: a board's stack is too small for all in one."""
        self.due = step
        if self.notify:
            self.notify()

    def go_on(self):
        step, self.due = self.due, None
        step()

    def again(self):
        self.got = self.reused = self.unsent = False
        self.moved = None
        self.enter(POOL)
        self.begin()

    def wants(self):
        """Is it time for the next piece of the body?"""
        return self.unsent and self.phase == SEND and self.link.conn.send_len < MARK

    def push(self, piece):
        """Sends a piece of the body; an empty one ends it."""
        conn = self.link.conn
        if self.body.length is None:
            conn.http_chunk(piece)
        elif piece:
            conn.send(piece)
        self.since = millis()
        if not piece:
            self.unsent = False
            if not conn.send_len:
                self.enter(FIRST)

    def left(self):
        """How many milliseconds poll() may wait, -1 for ever; what took too long ends here."""
        now = millis()
        limit, total = self.times[self.phase], self.times[TOTAL]
        ms = -1
        if limit is not None:
            ms = limit - (now - self.since)
            if ms <= 0:
                self._late(self.phase, limit)
                return 0
        if total is not None:
            rest = total - (now - self.started)
            if rest <= 0:
                self._late(TOTAL, total)
                return 0
            if ms < 0 or rest < ms:
                ms = rest
        return ms

    def _late(self, phase, ms):
        now = SAID[self.phase]
        text = "timeout: %s took more than %g s"
        if phase == TOTAL:
            text += ", at last in: " + now
        self.fail(self.trouble(text % (SAID[phase], ms / 1000), "ETIMEDOUT", Timeout, phase))

    def fail(self, e):
        if self.phase != END:
            self.error = e
            self._end()

    def abort(self):
        """The program gives it up."""
        if self.phase != END:
            if self in self.pool.queue:
                self.pool.queue.remove(self)
            self._end()

    def _end(self):
        link, self.link = self.link, None
        self.phase = END
        self.settled = True
        self.body = self.tls = None  # a response that is kept shall not keep them
        if link:
            link.close()
        if self.notify:
            self.notify()

    def trouble(self, text, number, kind=RequestError, phase=None):
        if phase is None:
            phase = min(self.phase, READ)
        phase = PHASES[phase]
        text = "%s %s: %s" % (self.method, self.url, text)
        return kind(text, _NUMBERS[number], phase, self.url)

    def check(self):
        """Raises what it failed with, once: that knows this frame, which must not know it in turn."""
        e, self.error = self.error, None
        if e:
            try:
                raise e
            finally:
                e = None

    # What the pool calls

    def enter(self, phase):
        self.phase = phase
        self.since = millis()

    def attach(self, link):
        """A connection that was in use before."""
        self.link = link
        link.fetch = self
        self.reused = True
        self.phase = SEND
        try:
            self.ask()
        except Error:  # its end was not heard of yet; nothing has left
            link.close()
            self.later(self.again)

    def broke(self, reason):
        """The connection has ended."""
        link, self.link = self.link, None
        link.fetch = None
        if self.phase in (SEND, FIRST) and "HTTP response" in reason and "before" not in reason:
            self.got = True
            self.phase = READ
        if self.moved:
            self.later(self._follow)
        elif (
            self.reused
            and not self.got
            and not self.retried
            and self.method in _SAFE
            and self._rewound()
        ):
            self.retried = True
            self.later(self.again)
        else:
            phase, number = self.phase, "ECONNRESET"
            if phase == CONNECT:
                number = "ECONNREFUSED" if "refused" in reason else "EHOSTUNREACH"
            elif phase == TLS:
                number = "EPROTO"
            elif "max_body" in reason:
                number = "EMSGSIZE"
                reason += ": take it with stream=True, or raise that"
            elif phase == READ and "closed" not in reason:
                number = "EPROTO"
            if not reason:
                reason = "the connection was closed" + _CLOSED.get(phase, "")
            self.fail(self.trouble(SAID[phase] + ": " + reason, number))

    # Sending

    def _rewound(self):
        body = self.body
        return body is None or isinstance(body, (bytes, str)) or body.rewind()

    def _fields(self):
        given = self.headers
        jar = self.pool.cookies
        if not given and not self.auth and not jar:
            return list(FIELDS)
        names = [name.lower() for name, _ in given]
        fields = [field for field in given if field[1] is not None]
        for field in FIELDS:
            name = field[0].lower()
            # A part of what is encoded cannot be decoded.
            if name not in names and not (name == "accept-encoding" and "range" in names):
                fields.append(field)
        if self.auth and "authorization" not in names:
            fields.append(("Authorization", self.auth))
        if jar and "cookie" not in names:
            cookies = jar.header(self)
            if cookies:
                fields.append(("Cookie", cookies))
        return fields

    def ask(self):
        link = self.link
        if link.tunnel:
            fields = [("Host", link.tunnel), ("User-Agent", USER_AGENT)]
            if link.key[3][3]:
                fields.append(("Proxy-Authorization", link.key[3][3]))
            link.conn.http_request("CONNECT", link.tunnel, b"", fields)
            return
        fields = self._fields()
        proxy = link.key[3]
        uri = url_uri(self.url)
        if proxy:
            host = self.url.partition("://")[2]
            for c in "/?#":
                host = host.partition(c)[0]
            fields.append(("Host", host))
            if not link.key[0]:
                uri = "http://" + host + uri
                if proxy[3]:
                    fields.append(("Proxy-Authorization", proxy[3]))
        body = self.body
        if body is not None and not isinstance(body, (bytes, str)):
            self.unsent = True
            if body.length is None:
                fields.append(("Transfer-Encoding", "chunked"))
            else:
                fields.append(("Content-Length", body.length))
            body = b""
        try:
            link.conn.http_request(self.method, uri, body or b"", fields)
        except ValueError:
            safe = quoted(uri)
            if safe == uri:
                raise
            link.conn.http_request(self.method, safe, body or b"", fields)

    # Events

    def _connected(self, _):
        link = self.link
        if link.conn.is_tls:
            self.enter(TLS)
        elif link.tunnel:
            self.enter(CONNECT)
        else:
            self.enter(SEND)
        if self.notify:  # the time of this phase is another
            self.notify()

    def _secured(self, _):
        self.enter(SEND)
        link = self.link
        if link.tunnel == "":
            link.tunnel = None
            self.ask()
        if self.notify:
            self.notify()

    def _wrote(self, _):
        if self.phase == SEND:
            self.since = millis()
            if self.unsent:
                if self.notify:
                    self.notify()
            elif not self.link.conn.send_len:
                self.phase = FIRST
                if self.notify:
                    self.notify()

    def _read(self, _):
        if self.phase in (SEND, FIRST, READ):
            self.got = True
            self.since = millis()
            if self.phase == FIRST:
                self.phase = READ
                if self.notify:
                    self.notify()

    def _head(self, msg):
        if not self.stream or self.phase == CONNECT:
            return
        self.got = True
        self.enter(READ)
        status = msg.status()
        if self._moves(status, msg):
            self.link.conn.http_stream_body(max_size=REDIRECT_BODY)
        else:
            self.link.conn.http_stream_body(max_size=self.pool.max_body or 0)
            self._respond(status, msg, None)
            self.settled = True
            if self.notify:
                self.notify()

    def _body(self, piece):
        self.since = millis()
        if not self.moved:
            if self.pieces:
                self.pieces.append(piece)
            else:
                self.pieces = [piece]
            if self.notify:
                self.notify()

    def take(self):
        """The next piece of the body, decoded; b"" if none is here."""
        coder = self.decoder
        if coder is None:
            return self.pieces.pop(0) if self.pieces else b""
        try:
            piece = coder.read()
            while not piece and self.pieces:
                coder.feed(self.pieces.pop(0))
                piece = coder.read()
            if not piece and self.phase == END and not self.error:
                coder.finish()
                piece = coder.read()
        except (ValueError, OSError) as e:
            raise self.trouble("the body cannot be decoded: %s" % e, "EPROTO") from None
        self.decoded += len(piece)
        limit = self.pool.max_body
        if limit and self.decoded > limit:
            text = "the decoded body is larger than max_body, %d bytes" % limit
            raise self.trouble(text, "EMSGSIZE")
        return piece

    def _message(self, msg):
        if self.phase == CONNECT:
            self._tunneled(msg)
            return
        self.got = True
        if not self.stream:
            status = msg.status()
            if not self._moves(status, msg):
                self._respond(status, msg, msg.body_bytes)
        link = self.link
        self.link = None
        # It answered before it had all; or is a proxy that may close without a word.
        if self.unsent or link.conn.send_len or (link.key[3] and not self._kept(link, msg)):
            link.close()
        else:
            self.pool.give(link)
        if self.moved:
            self.later(self._follow)
        else:
            self._end()

    def _kept(self, link, msg):
        said = msg.header("Connection") or msg.header("Proxy-Connection") or ""
        return link.key[0] or "keep-alive" in said.lower()

    def _tunneled(self, msg):
        link = self.link
        status = msg.status()
        if not 200 <= status < 300:
            text = "connect: the proxy answers %d %s" % (status, msg.proto)
            self.fail(self.trouble(text, "ECONNREFUSED"))
            return
        link.tunnel = ""
        self.enter(TLS)
        link.conn.tls_init(self.pool.tls_for(link.key[4], link.key[1].strip("[]")))

    def _respond(self, status, msg, content):
        pool = self.pool
        self.response = response = pool._kind(self, status, msg.proto, msg.headers())
        if self.history:
            response._history = self.history
        if pool.cookies is not None:
            pool.cookies.take(self, response.headers)
        coding = msg.header("Content-Encoding")
        if coding:
            from pymongoose.inflate import decoder

            self.decoder = decoder(coding.strip().lower())
        if content and self.decoder:
            self.pieces = [content]
        elif content is not None:
            response._content = content

    # Redirects

    def _moves(self, status, msg):
        """Is it a redirect to follow?"""
        if self.moved:
            return True
        if status not in _REDIRECTS or not self.follow:
            return False
        place = msg.header("Location")
        if not place:
            return False
        gone = Response(self, status, msg.proto, msg.headers())
        if self.pool.cookies is not None:
            self.pool.cookies.take(self, gone.headers)
        self.history = list(self.history) + [gone]
        self.moved = (status, place)
        return True

    def _same(self, before):
        (secure, host, port), (was, name, number) = self.at, before
        return secure == was and port == number and host.lower() == name.lower()

    def _follow(self):
        status, place = self.moved
        try:
            most = self.pool.max_redirects
            if len(self.history) > most:
                raise self.trouble("more than %d redirects" % most, "ELOOP")
            before, old = self.at, self.url
            url = _bare(quoted(url_join(old, place)))
            try:
                self.at = split(url)
            except ValueError as e:
                raise self.trouble("a redirect leads nowhere: %s" % e, "EPROTO") from None
            names = [name.lower() for name, _ in self.headers]
            if self.at != before and not self._same(before):
                known = [name for name in names if name in _OURS]
                if before[0] and not self.at[0] and (self.auth or known):
                    text = "a redirect leads from https to http, where credentials can be read: "
                    raise self.trouble(text + url, "EACCES")
                self.auth = None
                self.headers = [each for each in self.headers if each[0].lower() not in _OURS]
            get = self.method not in ("GET", "HEAD") if status == 303 else self.method == "POST"
            if status < 304 and get:
                self.method = "GET"
                self.body = None
                self.headers = [
                    each for each in self.headers if not each[0].lower().startswith("content-")
                ]
            elif not self._rewound():
                raise self.trouble("a redirect asks for the body again, which is gone", "EIO")
            self.url = url
            self.retried = False
            self.again()
        except Exception as e:
            self.fail(e)


def _bare(url):
    """Without a user and password."""
    scheme, sep, rest = url.partition("://")
    end = len(rest)
    for c in "/?#":
        at = rest.find(c)
        if 0 <= at < end:
            end = at
    at = rest[:end].rfind("@")
    return scheme + sep + rest[at + 1 :]


_STEPS = {
    MG_EV_CONNECT: Fetch._connected,
    MG_EV_TLS_HS: Fetch._secured,
    MG_EV_WRITE: Fetch._wrote,
    MG_EV_READ: Fetch._read,
    MG_EV_HTTP_HDRS: Fetch._head,
    MG_EV_HTTP_BODY: Fetch._body,
    MG_EV_HTTP_MSG: Fetch._message,
}
_EVENTS = tuple(_STEPS) + (MG_EV_ERROR, MG_EV_CLOSE)  # noqa: RUF005
_CLOSED = {
    SEND: " before all of the request was sent",
    FIRST: " before the first byte of the response",
    READ: " within the response",
}
# MicroPython's errno has not all of them.
_NUMBERS = {
    "ETIMEDOUT": _number("ETIMEDOUT", 110),
    "ECONNRESET": _number("ECONNRESET", 104),
    "ECONNREFUSED": _number("ECONNREFUSED", 111),
    "EHOSTUNREACH": _number("EHOSTUNREACH", 113),
    "EPROTO": _number("EPROTO", 71),
    "EMSGSIZE": _number("EMSGSIZE", 90),
    "ELOOP": _number("ELOOP", 40),
    "EACCES": _number("EACCES", 13),
    "EIO": _number("EIO", 5),
}
