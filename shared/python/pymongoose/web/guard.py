# SPDX-License-Identifier: GPL-2.0-only
"""Guards of an application: requests of other sites (CORS, CSRF) and too many of them."""

from pymongoose import HttpRequest, compare_digest, millis, random_str
from pymongoose.web.request import named
from pymongoose.web.response import HTTPError, Response

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class CORS:
    """Lets pages of other sites read what the App answers (the Fetch standard's CORS protocol)."""

    def __init__(
        self,
        app,
        origins=(),
        *,
        methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        headers=None,
        expose=(),
        credentials=False,
        max_age=None,
    ):
        if isinstance(origins, str) and origins != "*":
            origins = [origins]
        if origins == "*" and credentials:
            raise ValueError('credentials are not for everybody: name the origins instead of "*"')
        self.origins = origins
        self.methods = methods
        self.headers = headers  # None: whatever is asked for
        self.expose = expose
        self.credentials = credentials
        self.max_age = max_age
        app.before_request(self._before)
        app.after_request(self._after)

    def _allows(self, origin):
        return origin is not None and (self.origins == "*" or origin in self.origins)

    def _before(self, request):
        message = request.message
        asked = message.header("Access-Control-Request-Method")
        if message.method != "OPTIONS" or asked is None:
            return None
        response = Response(b"", 204)
        if self._allows(message.header("Origin")) and asked in self.methods:
            response._fields().append(("Access-Control-Allow-Methods", ", ".join(self.methods)))
            wanted = message.header("Access-Control-Request-Headers")
            allowed = wanted if self.headers is None else ", ".join(self.headers)
            if allowed:
                response._fields().append(("Access-Control-Allow-Headers", allowed))
            if self.max_age is not None:
                response._fields().append(("Access-Control-Max-Age", str(self.max_age)))
        return response

    def _after(self, request, response):
        origin = request.message.header("Origin")
        if self.origins != "*":
            response._fields().append(("Vary", "Origin"))
        if not self._allows(origin):
            return
        shown = "*" if self.origins == "*" else origin
        response._fields().append(("Access-Control-Allow-Origin", shown))
        if self.credentials:
            response._fields().append(("Access-Control-Allow-Credentials", "true"))
        if self.expose:
            response._fields().append(("Access-Control-Expose-Headers", ", ".join(self.expose)))


def csrf_token(request):
    """The token of this client's session."""
    token = request.session.get("_csrf")
    if token is None:
        token = request.session["_csrf"] = random_str(24)
    return token


class CSRF:
    """Refuses what another site's page has a browser send: requests that change something need the
    session's token, request.csrf_token, in the field csrf_token or the header X-CSRF-Token."""

    def __init__(self, app):
        self._exempt = []
        app.before_request(self._before)

    def exempt(self, f):
        """Decorates a handler that needs no token, such as one for programs."""
        self._exempt.append(f)
        return f

    def _before(self, request):
        message = request.message
        if message.method in _SAFE:
            return
        if request.route is not None and request.route.handler in self._exempt:
            return
        if message.header("Sec-Fetch-Site") == "cross-site":
            raise HTTPError(403, "this came from another site")
        given = message.header("X-CSRF-Token")
        if given is None and request.upload is None:
            given = request.form.get("csrf_token")
        known = request.session.get("_csrf")
        if not known or not given or not compare_digest(known, given):
            raise HTTPError(403, "the token csrf_token is missing or wrong: load the page again")


class RateLimit:
    """So many requests of a client in `per` seconds; more are answered with 429 and Retry-After.

    An object decorates a handler, or is a hook: app.before_request(limit). `key(request)` says who
    the client is, its address without it; of `clients` that are remembered, the idlest goes."""

    def __init__(self, limit, per=60, *, key=None, clients=256):
        if limit < 1 or per <= 0:
            raise ValueError("a limit is at least 1 request in some seconds")
        self.limit = limit
        self.per = per
        self.key = key
        self.clients = clients
        self._seen = {}  # key: [requests that are left, when that was so]

    def __call__(self, what):
        if type(what) is HttpRequest:
            self._take(what)
            return None

        def limited(request, *args, **values):
            self._take(request)
            return what(request, *args, **values)

        return named(limited, what)

    def _take(self, request):
        who = self.key(request) if self.key else request.client[0]
        now = millis()
        state = self._seen.get(who)
        if state is None:
            if len(self._seen) >= self.clients:
                oldest = None
                for each in self._seen:
                    if oldest is None or self._seen[each][1] < self._seen[oldest][1]:
                        oldest = each
                del self._seen[oldest]
            state = self._seen[who] = [self.limit, now]
        left = min(self.limit, state[0] + (now - state[1]) * self.limit / (self.per * 1000))
        state[1] = now
        if left < 1:
            state[0] = left
            wait = int((1 - left) * self.per / self.limit) + 1
            raise HTTPError(429, None, {"Retry-After": str(wait)})
        state[0] = left - 1
