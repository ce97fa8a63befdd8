# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""An application: its routes and hooks, and the way of a request through them."""

import sys

from pymongoose import MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG, DecodeError, HttpRequest
from pymongoose.web.request import notes_of
from pymongoose.web.response import HTML, TEXT, HTTPError, Response
from pymongoose.web.routes import NEEDS_ASYNCIO, Pattern, Route, is_async, table_of
from pymongoose.web.send import send

_CPYTHON = sys.implementation.name == "cpython"
_DAY = 86400


def _make():
    yield


_generator = type(_make())


class App:
    """A web application.

    `secret_key` signs sessions: str or bytes, or several, the first to sign and all to verify.
    `proxies` is how many proxies in front of it tell the client's address (X-Forwarded-For).
    `content_type` is that of a str which a handler returns, None for plain text. `templates` is the
    folder of what render() is given. `debug` shows tracebacks to clients."""

    def __init__(
        self,
        *,
        secret_key=None,
        debug=False,
        error_handler=None,
        content_type=HTML,
        templates=None,
        uploads=None,
        session_cookie="session",
        session_max_age=31 * _DAY,
        proxies=0,
    ):
        keys = secret_key if isinstance(secret_key, (list, tuple)) else [secret_key]
        self.secret_keys = [key for key in keys if key]
        self.debug = debug
        self.error_handler = error_handler  # gets the exceptions of async handlers, else printed
        self.content_type = content_type
        self.templates = templates
        self.uploads = uploads  # where files of forms come in; None: the system's temporary folder
        self.session_cookie = session_cookie
        self.session_max_age = session_max_age
        self.proxies = proxies
        self._routes = []
        self._table, self._listed, self._fast, self._names = None, [], [], []
        self._before, self._after, self._errors = [], [], []
        self._parent = None
        self._hooked = False  # does any request need more than its handler?
        self._mounted = []  # (prefix, app)
        self._attached = []  # listeners
        self._pending = {}  # uploads that came, by the connection's id: (request, found)
        self._runner = None  # of asyncio, see tasks.py
        # (What HttpRequest.run() answers a str with: True is HTML.)
        self._text_headers = content_type == HTML or (
            {"Content-Type": content_type} if content_type else None
        )

    # ---- What a program says ------------------------------------------------------------------

    def route(self, pattern, methods=("GET",), *, upload=False, max_size=None):
        """Has the decorated function answer requests of these methods for paths of this pattern.

        `upload`: the files of a multipart form come in pieces, into files; the whole form has at
        most `max_size` bytes (16 MB without it)."""
        if isinstance(methods, str):
            raise TypeError('methods is a list such as ["GET", "POST"], not a str')
        methods = tuple([self._method(each) for each in methods])
        if not methods:
            raise ValueError("a route has a method")
        return self._decorator(
            pattern, methods, "http", (max_size or 1 << 24) if upload or max_size else None
        )

    def get(self, pattern):
        """route() for GET, and HEAD with it."""
        return self._decorator(pattern, ("GET",), "http", None)

    def post(self, pattern, *, upload=False, max_size=None):
        """route() for POST."""
        return self.route(pattern, ("POST",), upload=upload, max_size=max_size)

    def put(self, pattern, *, upload=False, max_size=None):
        """route() for PUT."""
        return self.route(pattern, ("PUT",), upload=upload, max_size=max_size)

    def patch(self, pattern, *, upload=False, max_size=None):
        """route() for PATCH."""
        return self.route(pattern, ("PATCH",), upload=upload, max_size=max_size)

    def delete(self, pattern):
        """route() for DELETE."""
        return self._decorator(pattern, ("DELETE",), "http", None)

    def ws(self, pattern):
        """Has the decorated function(request, ws, ...) serve WebSockets at this path."""
        return self._decorator(pattern, ("GET",), "ws", None)

    def sse(self, pattern):
        """Has the decorated function(request, events, ...) serve server-sent events there."""
        return self._decorator(pattern, ("GET",), "sse", None)

    def before_request(self, f):
        """Has f(request) run before the handler; what it returns but None is the answer."""
        return self._hook(self._before, f)

    def after_request(self, f):
        """Has f(request, response) run before the answer leaves; it may return another."""
        return self._hook(self._after, f)

    def errorhandler(self, what):
        """Has the decorated f(request, error) answer instead: for a status, or a class of exceptions."""
        if not isinstance(what, int) and not (
            isinstance(what, type) and issubclass(what, Exception)
        ):
            raise TypeError("an error is a status such as 404, or a class of exceptions")

        def decorate(f):
            self._callable(f)
            self._errors.append((what, f))
            self._changed()
            return f

        return decorate

    def mount(self, prefix, app):
        """Has another App answer for the paths below `prefix`, with its own hooks inside of ours."""
        if not isinstance(app, App):
            raise TypeError("mount() takes a path and an App, not " + type(app).__name__)
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ValueError("an App is mounted at a path such as /api, not " + repr(prefix))
        if app._parent is not None:
            raise ValueError("this App is mounted already")
        above = self
        while above is not None:
            if above is app:
                raise ValueError("an App cannot be mounted below itself")
            above = above._parent
        for route in app._routes:
            self._check(Pattern(prefix + route.text), route.methods)
        app._parent = self
        self._mounted.append((prefix, app))
        self._changed()

    def static(self, prefix, folder, *, headers=None, listing=False):
        """Serves the files of a folder under a path."""
        from pymongoose.web.files import add_static

        add_static(self, prefix, folder, headers, listing)

    @property
    def routes(self):
        """All routes as (methods, pattern, handler), the one that is looked at first in front."""
        seen = []
        self._build()
        for route in self._listed:
            if route not in seen:
                seen.append(route)
        return [(each.methods, each.text, each.handler) for each in seen]

    # ---- Where it runs ------------------------------------------------------------------------

    def attach(self, manager, listener):
        """Has what this listener accepts answered here; `listener` may be a URL to listen on."""
        if hasattr(manager, "manager"):  # an AsyncManager
            from pymongoose.web.tasks import Runner

            self._runner = Runner(self, manager)
        else:
            self._runner = None
        if isinstance(listener, str):
            listener = manager.listen(listener, self._handle, events=self._events())
        else:
            listener.set_handler(self._handle, events=self._events())
        self._attached.append(listener)
        return listener

    def run(self, host=None, port=8000, *, tls=None, workers=1, manager=None, aio=None):
        """Serves until Ctrl-C, and says where. `tls` is a TlsOpts, `workers` are processes that share
        the port; `aio` whether asyncio runs it: None has it run where a handler is async."""
        from pymongoose.web.server import run

        run(self, host, port, tls, workers, manager, aio)

    def serve(self, host=None, port=8000, *, tls=None):
        """`await app.serve()`: the same beside other tasks of asyncio, until it is canceled."""
        from pymongoose.web.server import url_of
        from pymongoose.web.tasks import serve

        return serve(self, url_of(host, port, tls), tls)

    def test_client(self):
        """A client for unit tests, without sockets."""
        from pymongoose.web.testing import TestClient

        return TestClient(self)

    # ---- Registration -------------------------------------------------------------------------

    def _method(self, name):
        if not isinstance(name, str) or not name or not name.upper().isalpha():
            raise ValueError("%r is no method" % (name,))
        return name.upper()

    def _callable(self, f):
        if not callable(f):
            raise TypeError("a handler is a function, not " + type(f).__name__)

    def _decorator(self, pattern, methods, kind, upload):
        pattern = Pattern(pattern)

        def decorate(f):
            self._callable(f)
            top, text = self, pattern.text
            while top is not None:  # it may be mounted already
                top._check(Pattern(text), methods)
                if top._parent is not None:
                    text = top._prefix() + text
                top = top._parent
            self._routes.append(Route(self, pattern, methods, f, kind, upload))
            self._changed()
            return f

        return decorate

    def _prefix(self):
        for prefix, app in self._parent._mounted:
            if app is self:
                return prefix
        return ""

    def _check(self, pattern, methods):
        for route in self._all():
            if route.shape == pattern.shape:
                for method in methods:
                    if method in route.methods:
                        raise ValueError(
                            "the route %s %s is taken by %r" % (method, pattern.text, route)
                        )

    def _all(self):
        routes = list(self._routes)
        for prefix, app in self._mounted:
            for each in app._all():
                pattern = Pattern(prefix + each.text)
                route = Route(each.app, pattern, each.methods, each.handler, each.kind, each.upload)
                routes.append(route)
        return routes

    def _hook(self, hooks, f):
        self._callable(f)
        hooks.append(f)
        self._changed()
        return f

    # Is anything of it async? A generator is the same to MicroPython.
    def _async(self):
        found = [route.handler for route in self._all()]
        apps = [self]
        while apps:
            app = apps.pop()
            found += app._before + app._after + [f for _, f in app._errors]
            apps += [each for _, each in app._mounted]
        return any([is_async(f) for f in found])

    def _any_hooks(self):
        return bool(self._before or self._after) or any(
            [app._any_hooks() for _, app in self._mounted]
        )

    def _changed(self):
        if self._parent is not None:
            self._parent._changed()
        self._table = None
        self._forget()
        if self._attached:
            self._build()
            for listener in self._attached:
                listener.set_handler(self._handle, events=self._events())

    # Listeners may end before their App.
    def _forget(self, listener=None):
        self._attached = [
            each for each in self._attached if each is not listener and each.is_listening
        ]

    # What a request is looked up in, made when the first listener is there.
    def _build(self):
        if self._table is not None:
            return
        self._table, self._listed = table_of(self._all())
        self._hooked = self._any_hooks()
        # Handlers that can be called at once, by the number of their record.
        self._fast = [
            None if self._hooked or not route.plain else route.handler for route in self._listed
        ]
        self._names = [route.names for route in self._listed]

    def _events(self):
        self._build()
        for route in self._listed:
            if route.upload is not None:
                return (MG_EV_HTTP_MSG, MG_EV_HTTP_HDRS)
        return (MG_EV_HTTP_MSG,)

    # ---- The way of a request -----------------------------------------------------------------

    def _handle(self, conn, ev, data):
        if ev != MG_EV_HTTP_MSG:
            if ev == MG_EV_HTTP_HDRS:
                self._head(conn, data)
            return
        # This much of Python is what a request costs beside a bare handler.
        request = HttpRequest(self, conn, data, self._table)
        number = request.number
        if number >= 0:
            handler = self._fast[number]
            if handler is not None:
                try:
                    result = request.run(handler, self._names[number], self._text_headers)
                    if result is request:  # is answered
                        return
                    if not self._waits(result):
                        result = send(request, self._response(request, result))
                        if result is None:
                            return
                except Exception as e:
                    failure = e
                else:
                    self._drive(request, self._rest(request, result, self._listed[number].app))
                    return
                self._drive(request, self._failed(request, failure, self._listed[number].app))
                return
        if self._pending and conn.id in self._pending:
            request, number = self._pending.pop(conn.id)
            request.message = request.notes.message = data
        self._drive(request, self._way(request, number))

    # In front of a body: does it come in pieces?
    def _head(self, conn, message):
        request = HttpRequest(self, conn, message, self._table)
        number = request.number
        if number >= 0 and self._listed[number].upload is not None:
            from pymongoose.web.upload import begin

            begin(self, request, number)

    # What a handler asks of its request and the message does not have, or stores in it.
    def _more(self, request, name, *value):
        notes = notes_of(request)
        if value:
            setattr(notes, name, value[0])
            return None
        return getattr(notes, name)

    # Runs a generator that yields what must be awaited: here to its end, or in a task.
    def _drive(self, request, way):
        try:
            waits = next(way)
        except StopIteration:
            waits = None
        if waits is None:
            if request.notes is not None and request.notes.failure is not None:
                raise request.notes.failure  # was answered; this is for the log
            return
        if self._runner is not None:
            self._runner(request, way, waits)  # goes on in a task
            return
        way.close()
        if hasattr(waits, "close"):
            waits.close()
        e = TypeError(NEEDS_ASYNCIO)
        send(request, self._plain_error(request, e))
        raise e

    # From the route to the answer.
    def _way(self, request, number):
        route, notes = None, notes_of(request)
        while number >= 0:
            route = self._listed[number]
            if route.fits(route.values_of(request)):
                break
            route = None
            number = request.match(self._table, number + 1)
        notes.route = route
        app = self if route is None else route.app
        try:
            result = None
            if not notes.hooked:
                for hook in self._hooks_before(app):
                    if result is None:
                        result = hook(request)
                        if self._waits(result):
                            result = yield result
            if result is None:
                result = self._call(request, route)
                if self._waits(result):
                    result = yield result
                    if result is None:
                        result = _nothing(route)
            yield from self._leave(request, self._response(request, result), app)
        except Exception as e:
            # (Not inside of the except: its variable and traceback would live as long as an await.)
            failure = e
        else:
            return
        yield from self._failed(request, failure, app)

    # The hooks behind an answer, and the answer.
    def _leave(self, request, response, app):
        if self._hooked:
            for hook in self._hooks_after(app):
                result = hook(request, response)
                if self._waits(result):
                    result = yield result
                if result is not None:
                    response = self._response(request, result)
        result = send(request, response)
        if result is not None:
            yield result

    # An answer that a hook gave in front of a body.
    def _early(self, request, result, app):
        try:
            yield from self._leave(request, self._response(request, result), app)
            return
        except Exception as e:
            failure = e
        yield from self._failed(request, failure, app)

    # The end of a handler that is awaited, where there are no hooks.
    def _rest(self, request, result, app):
        try:
            result = yield result
            if result is None:
                result = _nothing(self._listed[request.number])
            if request.notes is None or not request.notes.answered:
                result = send(request, self._response(request, result))
                if result is not None:
                    yield result
            return
        except Exception as e:
            failure = e
        yield from self._failed(request, failure, app)

    def _hooks_before(self, app):
        return [hook for each in _chain(app) for hook in each._before]

    def _hooks_after(self, app):
        return [hook for each in reversed(_chain(app)) for hook in each._after]

    def _call(self, request, route):
        if route is None:
            values = request.values
            if values is None:  # else the methods that there are
                raise HTTPError(404)
            values += ", OPTIONS"
            if request.message.method == "OPTIONS":
                return Response(b"", 204, {"Allow": values})
            raise HTTPError(405, None, {"Allow": values})
        if route.kind == "http":
            return route.handler(request, **route.values_of(request))
        from pymongoose.web.live import serve_live

        return serve_live(request, route, route.values_of(request))

    # What a handler returned, as a Response; None if it was answered.
    def _response(self, request, result):
        if isinstance(result, Response):
            if result.template is not None:
                from pymongoose.web.template import fill

                fill(result, request)
            return result
        if type(result) is tuple and 2 <= len(result) <= 3:
            body, status = result[0], result[1]
            headers = result[2] if len(result) == 3 else None
            if len(result) == 2 and not isinstance(status, int):
                status, headers = 200, status
            if isinstance(body, Response):
                self._response(request, body)
                body.status = status
                for name, value in headers.items() if isinstance(headers, dict) else headers or ():
                    body.set_header(name, value)
                return body
        else:
            body, status, headers = result, 200, None
        if isinstance(body, str) and not body:
            return Response(body, status, headers)
        if isinstance(body, str) or hasattr(body, "__next__") or hasattr(body, "__anext__"):
            return Response(body, status, headers, self.content_type or "")
        if isinstance(body, (bytes, bytearray, dict, list)):
            return Response(body, status, headers)
        if body is None and (type(result) is tuple or notes_of(request).answered):
            return Response(b"", status, headers)
        raise TypeError(
            "the handler of %s returned %s: a str, bytes, dict, list, generator, Response or "
            "(body, status, headers) is an answer"
            % (request.message.uri, "nothing" if body is None else type(body).__name__)
        )

    # Answers a request whose handler raised.
    def _failed(self, request, e, app):
        status = (
            e.status if isinstance(e, HTTPError) else 400 if isinstance(e, DecodeError) else 500
        )
        try:
            result = known = None
            for each in reversed(_chain(app)):
                for what, f in each._errors:
                    if known is None and _concerns(what, e, status):
                        known = what
                        result = f(request, e)
                        if self._waits(result):
                            result = yield result
            if status == 500 and not isinstance(known, type):
                notes_of(request).failure = e
            if known is None:
                response = self._plain_error(request, e)
            else:
                response = self._response(request, result)
                if response.status == 200 and isinstance(known, int):
                    response.status = known
            yield from self._leave(request, response, app)
        except Exception as again:
            notes = notes_of(request)
            notes.failure = again
            notes._session = None  # if it is the session that cannot be kept
            send(request, self._plain_error(request, again))

    def _plain_error(self, request, e):
        if isinstance(e, HTTPError):
            return Response(e.message + "\n", e.status, e.headers, TEXT)
        if isinstance(e, DecodeError):
            return Response("Bad Request\n", 400, None, TEXT)
        text = "Internal Server Error\n"
        if self.debug:
            from pymongoose.web.debug import traceback

            text += traceback(e)
        return Response(text, 500, None, TEXT)

    # Must somebody await this? MicroPython has one type for coroutines and generators: who runs it
    # tells them apart by what they yield.
    def _waits(self, result):
        if _CPYTHON:
            return hasattr(result, "__await__")
        return self._runner is not None and type(result) is _generator

    def _client_of(self, request):
        host, port = request.conn.remote_addr[:2]
        if self.proxies:
            told = request.message.header("X-Forwarded-For")
            if told:
                hosts = [each.strip() for each in told.split(",")]
                return (hosts[-min(self.proxies, len(hosts))], 0)
        return (host, port)

    def _scheme_of(self, request):
        if self.proxies:
            told = request.message.header("X-Forwarded-Proto")
            if told:
                return "https" if told.split(",")[-1].strip().lower() == "https" else "http"
        return "https" if request.conn.is_tls else "http"


# Is this error handler for a status, or class, that this is? A client's bad encoding is a ValueError
# only to who asks for all exceptions.
def _concerns(what, e, status):
    if isinstance(what, int):
        return what == status
    return isinstance(e, what) and (
        not isinstance(e, DecodeError) or what in (DecodeError, Exception)
    )


# What a handler has given that was awaited and gave None. In MicroPython a function that is async is a
# mistake then, one that is not has given a generator without pieces.
def _nothing(route):
    return None if _CPYTHON or route is None or is_async(route.handler) else ""


# An app and those that it is mounted below, the outermost first.
def _chain(app):
    chain = []
    while app is not None:
        chain.insert(0, app)
        app = app._parent
    return chain
