# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""The connections of a session, in use or kept, and what all its requests have in common."""

from pymongoose import MG_EV_CLOSE, MG_EV_ERROR, Error, millis
from pymongoose.fetch import EVENTS, STEPS, Fetch
from pymongoose.request import (
    CONNECT,
    MICROPYTHON,
    authorization,
    body_of,
    check_tls,
    environment,
    fields_of,
    framed,
    proxies_of,
    times,
    with_params,
)

MAX_REDIRECTS = 10
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

# What has its usual value stands in the class alone: on MicroPython each attribute of an instance costs
# as much as some calls do.


class Link:
    """One connection of a Pool, for one Fetch at a time."""

    conn = None
    fetch = None
    tunnel = None  # host:port beyond a proxy, "" while TLS begins there
    counted = False
    gone = False
    reason = ""
    since = 0

    def __init__(self, pool, key):
        self.pool = pool
        self.key = key

    def event(self, conn, ev, data):
        fetch = self.fetch
        if ev in STEPS:
            if fetch:
                try:
                    STEPS[ev](fetch, data)
                except Exception as e:
                    fetch.fail(e)
        elif ev == MG_EV_ERROR:
            self.reason = data
        elif ev == MG_EV_CLOSE:
            self.gone = True
            self.pool.lost(self)
            if fetch and fetch.link is self:
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
    _events = EVENTS
    _waits = True  # can a request wait for another to end?
    headers = {}  # noqa: RUF012
    auth = None
    cookies = None
    timeout = None
    tls = None
    proxies = None
    max_body = None
    max_redirects = MAX_REDIRECTS
    _hears = True  # of READ and WRITE
    plain = False  # there is nothing that a request would have of its session, nor will there be
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
        authorization(auth), times(timeout), check_tls(tls)
        for name, value, least in (
            ("max_redirects", max_redirects, 0),
            ("pool_size", pool_size, 1),
            ("pool_keep", pool_keep, 0),
            ("pool_idle", pool_idle, 0),
        ):
            if not isinstance(value, (int, float)):
                raise TypeError("%s must be a number, not %s" % (name, type(value).__name__))
            if value < least:
                raise ValueError("%s must be %d at least" % (name, least))
        self.headers = dict(fields_of(headers or ()))
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

    def prepare(self, method, url, options):
        """The Fetch of a request."""
        if (
            options
            or method not in _METHODS
            or not self.plain
            and (
                self.headers
                or self.auth
                or self.cookies is not None
                or self.timeout is not None
                or self.tls
                or self.proxies is not None
            )
        ):
            return self._prepare(method, url, **options)
        fetch = Fetch(self, method, url, None, None)
        if self._env is False:
            self._env = environment()
        if self._env:
            fetch.proxies = self._env
        elif "@" not in url:
            fetch.plain = True
        return fetch

    def _prepare(
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
        if params:
            url = with_params(url, params)
        fields = fields_of(headers) if headers else []
        if self.headers:
            names = [name.lower() for name, _ in fields]
            fields += [f for f in self.headers.items() if f[0].lower() not in names]
        if method not in _METHODS:
            if not isinstance(method, str):
                raise TypeError("method must be str, not " + type(method).__name__)
            method = method.upper()
            if method == "CONNECT":
                raise ValueError(
                    "CONNECT asks a proxy for a tunnel: give proxies=, or use Manager.connect()"
                )
        fetch = Fetch(self, method, url, None, self.auth if auth is None else auth)
        if json is not None or data is not None or files:
            fetch.body, kind = body_of(data, json, files)
            if kind and "content-type" not in [name.lower() for name, _ in fields]:
                fields.append(("Content-Type", kind))
        if fields:
            fetch.headers = fields
            fetch.body = framed(fields, fetch.body)
        if timeout is not None or self.timeout is not None:
            fetch.times = times(timeout, times(self.timeout))
            fetch.started = fetch.since
        if tls is None:
            tls = self.tls
        if tls is not None:
            fetch.tls = check_tls(tls)
        if stream:
            fetch.stream = True
        if not allow_redirects:
            fetch.follow = False
        if proxies is None:
            proxies = self.proxies
            if proxies is None:
                proxies = self._env
                if proxies is False:
                    proxies = self._env = environment()
        if proxies:
            fetch.proxies = proxies_of(proxies)
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
                conn = self.manager.connect(fetch.url, link.event, events=self._events)
            except ValueError:  # what is not sent, as a fragment, may be anything
                pass
        if not conn:
            at = proxy or key
            url = "%s://%s:%d" % ("https" if secure else "http", at[1], at[2])
            conn = self.manager.connect(url, link.event, events=self._events)
        conn.userdata = link
        link.conn = conn
        link.counted = True
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
        if link.conn.is_closing:  # or closed
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

    def sort_out(self):
        """Ends connections that nobody has. Ctrl-C comes between any two steps, and some of them take a
        connection from one hand to another."""
        kept = []
        for conn in self.manager.connections:
            link = conn.userdata
            if link:
                fetch = link.fetch
                # (One that is closing tells its fetch itself.)
                if fetch.link is link if fetch else link in self.idle and not conn.is_closing:
                    link.counted = True
                    kept.append(link)
                    continue
                link.counted = False
                link.fetch = None
            conn.close()
        self.idle = [link for link in self.idle if link in kept]
        self.count = len(kept)

    def close(self):
        """After its Manager."""
        if self.made:
            for opts in self.made.values():
                if MICROPYTHON:  # now, whenever its collector comes
                    opts.__del__()
            self.made = None
