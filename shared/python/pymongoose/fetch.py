# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""HTTP requests as states: what `client`, which waits by poll(), and `aio`, which awaits, have in common.

A Fetch is one request with its redirects and tries. The Manager's events drive it, and nothing here
waits: who does looks at `settled`, calls go_on() while there is something `due`, gives the next piece
of a body while wants() is true, and polls no longer than left() says. A Pool keeps the connections.
"""

from _pymongoose import _pause

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
    millis,
    url_decode,
    url_pass,
    url_user,
)
from pymongoose.redirects import Redirected
from pymongoose.request import (
    BODY,
    CONNECT,
    END,
    FIELDS,
    FIRST,
    MARK,
    MICROPYTHON,
    PHASES,
    POOL,
    READ,
    SAID,
    SEND,
    TIMES,
    TLS,
    TOTAL,
    USER_AGENT,
    authorization,
    bare,
    basic,
    quoted,
    split,
)
from pymongoose.response import RequestError, Timeout, number_of

# So many bytes of a body may wait to be taken; then reading pauses.
HIGH = 4096 if BODY < 65536 else 262144
REDIRECT_BODY = 65536  # of a page that comes with a redirect; after more the connection is left

_SAFE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")  # RFC 9110, 9.2.2


class Fetch(Redirected):
    """One request, until its response is there, or its head if `stream`."""

    # What has its usual value stands here alone: on MicroPython each attribute of an instance costs as
    # much as some calls do.
    method = "GET"
    headers = ()  # pairs
    plain = False  # a request with nothing of its own: no fields, body, credentials, proxy, TlsOpts
    tls = None
    stream = False
    times = TIMES
    started = 0
    auth = None
    follow = True
    proxies = None
    notify = None
    history = ()
    link = None
    response = None
    error = None
    pieces = ()
    waiting = 0  # bytes of them
    paused = False  # the connection does not read
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
    mark = 0  # bytes that the connection still had to send, or has received, when last looked at
    moved = None  # where a redirect leads

    def __init__(self, pool, method, url, headers, auth):
        self.pool = pool
        if method != "GET":
            self.method = method
        if headers:
            self.headers = headers
        self.at = split(url)
        if auth is not None:
            self.auth = authorization(auth)
        if "@" in url:
            url = self._own(url)
        self.url = url
        self.since = millis()

    def _own(self, url):
        """Takes the credentials out of a URL."""
        user = url_user(url)
        if self.auth is None and (user or url_pass(url)):
            self.auth = basic(url_decode(user), url_decode(url_pass(url)))
        return bare(url)

    # What the faces call

    def begin(self):
        """Asks the pool for a connection."""
        try:
            secure, host, port, _ = self.at
            if self.plain:
                key = secure, host, port, None, None
            else:
                proxy = self.proxies.find(secure, host, port) if self.proxies else None
                key = secure, host, port, proxy, self.tls
            self.pool.take(self, key)
        except Exception as e:
            # The program's own URL was good.
            self.fail(self._nowhere(e) if self.history and isinstance(e, ValueError) else e)

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
        link = self.link
        if link and link.gone and self.phase != END:  # Ctrl-C came before it was told
            self.broke(link.reason)
            return 0
        if self.phase >= SEND and not self.pool._hears:
            self.look(now)
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

    def look(self, now):
        """Finds out what READ and WRITE would have told: each costs more than to look once a poll."""
        if self.link is None:
            return
        conn = self.link.conn
        if self.phase == SEND:
            size = conn.send_len
            if size != self.mark:
                self.mark = size
                self.since = now
            if size or self.unsent:
                return
            self.phase = FIRST
            self.mark = 0
        size = conn.recv_len
        if size != self.mark:
            self.mark = size
            self.since = now
            self.got = True
            self.phase = READ

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
        if self.link:
            self.link.close()
            self.link = None
        self.phase = END
        self.settled = True
        if not self.plain:
            self.body = self.tls = None  # a response that is kept shall not keep them
        if self.notify:
            self.notify()

    def trouble(self, text, number, kind=RequestError, phase=None):
        if phase is None:
            phase = min(self.phase, READ)
        phase = "" if phase == END else PHASES[phase]
        text = "%s %s: %s" % (self.method, self.url, text)
        return kind(text, number_of(number), phase, self.url)

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
            self.phase = POOL
            self.later(self.again)

    def broke(self, reason):
        """The connection has ended."""
        link, self.link = self.link, None
        link.fetch = None
        if SEND <= self.phase < READ and link.conn and link.conn.recv_len:
            self.got = True
            self.phase = READ
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
                if "refused" in reason:
                    number = "ECONNREFUSED"
                elif "closed" not in reason:
                    number = "EPROTO" if "HTTP" in reason else "EHOSTUNREACH"
                if link.key[3]:
                    reason = "the proxy: " + reason
            elif phase == TLS:
                number = "EPROTO"
            elif "max_body" in reason or "max_size" in reason:
                number = "EMSGSIZE"
                if self.stream:
                    reason = "the body is larger than max_body, %d bytes" % self.pool.max_body
                else:
                    reason += ": take it with stream=True, or raise that"
            elif phase == READ and "closed" not in reason:
                number = "EPROTO"
            if not reason:
                reason = "the connection was closed" + _CLOSED[phase]
            self.fail(self.trouble(SAID[phase] + ": " + reason, number))

    # Sending

    def _rewound(self):
        body = self.body
        return body is None or isinstance(body, (bytes, str)) or body.rewind()

    def _fields(self):
        given = self.headers
        jar = self.pool.cookies
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
        if self.plain:
            try:
                link.conn.http_request(self.method, self.at[3], b"", FIELDS)
                return
            except ValueError:  # something in the URL is to be percent-encoded
                pass
        if link.tunnel:
            fields = [("Host", link.tunnel), ("User-Agent", USER_AGENT)]
            if link.key[3][3]:
                fields.append(("Proxy-Authorization", link.key[3][3]))
            link.conn.http_request("CONNECT", link.tunnel, b"", fields)
            return
        fields = self._fields()
        proxy = link.key[3]
        uri = self.at[3]
        if proxy:
            host = self.url.partition("://")[2]
            for c in "/?#":
                host = host.partition(c)[0]
            if "host" not in [name.lower() for name, _ in fields]:
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
        self._send(link.conn, uri, body or b"", fields)

    def _send(self, conn, uri, body, fields):
        try:
            conn.http_request(self.method, uri, body, fields)
        except ValueError:
            safe = quoted(uri)
            if safe == uri:
                raise
            conn.http_request(self.method, safe, body, fields)

    # Events

    def _connected(self, _):
        link = self.link
        if link.conn.is_tls:
            self.enter(TLS)
        else:
            self.phase = CONNECT if link.tunnel else SEND
            self.since = millis()
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
        if self.phase == CONNECT:
            return
        self.got = True
        self.phase = READ
        self.since = millis()
        status = msg.status()
        if status >= 300 and self._moves(status, msg):
            self.link.conn.http_stream_body(max_size=REDIRECT_BODY)
        elif self.stream:
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
            self.waiting += len(piece)
            if self.waiting >= HIGH and not self.paused:
                self.paused = True
                _pause(self.link.conn, True)
            if self.notify:
                self.notify()

    def take(self):
        """The next piece of the body, decoded; b"" if none is here."""
        coder = self.decoder
        if coder is None:
            return self._next()
        try:
            piece = coder.read()
            while not piece and self.pieces:
                coder.feed(self._next())
                piece = coder.read()
            if not piece and self.phase == END and not self.error:
                coder.finish()
                piece = coder.read()
        except ValueError as e:
            raise self.trouble("the body cannot be decoded: %s" % e, "EPROTO") from None
        self.decoded += len(piece)
        limit = self.pool.max_body
        if limit is None and not self.stream:
            limit = BODY
        if limit and self.decoded > limit:
            text = "the decoded body is larger than max_body, %d bytes" % limit
            raise self.trouble(text, "EMSGSIZE")
        return piece

    def _next(self):
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        self.waiting -= len(piece)
        if self.paused and not self.pieces:
            self.paused = False
            self.since = millis()  # the server had to wait
            if self.link:
                _pause(self.link.conn, False)
        return piece

    def _message(self, msg):
        if self.phase == CONNECT:
            self._tunneled(msg)
            return
        status = msg.status()
        if not self.stream and (status < 300 or not self._moves(status, msg)):
            self._respond(status, msg, msg.body_bytes)
        link, self.link = self.link, None
        if self.paused:  # for this body alone
            self.paused = False
            _pause(link.conn, False)
        if self.plain and link.conn.send_len == 0 and status != 101:
            self.pool.give(link)
            if self.moved:
                self.later(self._follow)
            else:
                self._end()
            return
        # It answered before it had all; goes on in another protocol; or is a proxy that may close
        # without a word.
        if (
            self.unsent
            or link.conn.send_len
            or status == 101
            or (link.key[3] and not self._kept(link, msg))
        ):
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
        self.response = response = pool._kind(self, status, msg.proto, self.url, msg.headers())
        if self.history:
            response._history = self.history
        if pool.cookies is not None:
            pool.cookies.take(self, response.headers)
        coding = msg.header("Content-Encoding")
        if coding:
            from pymongoose.inflate import decoder

            self.decoder = decoder(coding.strip().lower())
        if content and self.decoder:
            step = (
                len(content) if MICROPYTHON else MARK
            )  # whose decoder keeps what it has not taken
            self.pieces = [content[n : n + step] for n in range(0, len(content), step)]
            self.waiting = len(content)
        elif content is not None:
            response._content = content


STEPS = {
    MG_EV_CONNECT: Fetch._connected,
    MG_EV_TLS_HS: Fetch._secured,
    MG_EV_WRITE: Fetch._wrote,
    MG_EV_READ: Fetch._read,
    MG_EV_HTTP_HDRS: Fetch._head,
    MG_EV_HTTP_BODY: Fetch._body,
    MG_EV_HTTP_MSG: Fetch._message,
}
EVENTS = tuple(STEPS) + (MG_EV_ERROR, MG_EV_CLOSE)  # noqa: RUF005
# Of who looks at the connection between polls.
FEW = tuple([ev for ev in EVENTS if ev not in (MG_EV_READ, MG_EV_WRITE)])
_CLOSED = (
    "",
    "",
    "",
    " before all of the request was sent",
    " before the first byte of the response",
    " within the response",
)
