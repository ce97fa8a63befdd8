# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""An application: its routes and hooks, and the way of a request through them."""

import sys

from _pymongoose import _Routes

from pymongoose import MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG, DecodeError
from pymongoose.web.answer import handler_of, nothing_of, plain_error, response_of
from pymongoose.web.headers import pairs_of
from pymongoose.web.request import notes_of
from pymongoose.web.response import HTML, HTTPError, Response
from pymongoose.web.routes import (
    NEEDS_ASYNCIO,
    Pattern,
    Route,
    check_free,
    first_fit,
    is_async,
    methods_of,
    route_of,
    special_of,
    table_of,
    values_of,
)
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
    folder of what render() is given. `origins` are those whose pages may open WebSockets beside our
    own, or "*". `debug` shows tracebacks to clients.

    They are attributes, too, `secret_keys` for the first: what is set counts for all answers from then
    on. What the App would not take it refuses there."""

    # What most Apps leave as it is: on a board an App is as small as it can be.
    _secret_keys = ()
    debug = False
    error_handler = None  # gets the exceptions of async handlers, else printed
    templates = None
    uploads = None  # where files of forms come in; None: the system's temporary folder
    session_cookie = "session"
    session_max_age = 31 * _DAY
    proxies = 0
    _content_type = HTML
    _origins = ()
    _before = _after = _errors = ()
    _mounted = ()  # (prefix, app)
    _parent = None
    _attached = ()  # listeners
    _runner = None  # of asyncio, see tasks.py
    _hooked = False  # does any request need more than its handler?
    _listed = None  # what table_of() gives; None where there is another to be made
    _entry = None  # what connections call

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
        origins=(),
    ):
        self._routes = []
        for name, value in (
            ("secret_keys", secret_key or ()),
            ("debug", debug),
            ("error_handler", error_handler),
            ("content_type", content_type),
            ("templates", templates),
            ("uploads", uploads),
            ("session_cookie", session_cookie),
            ("session_max_age", session_max_age),
            ("proxies", proxies),
            ("origins", origins),
        ):
            if value != getattr(self, name):
                setattr(self, name, value)

    # What is kept in another form than it is given.

    @property
    def secret_keys(self):
        """Those that sign sessions, a tuple: the first to sign, all to verify."""
        return self._secret_keys

    @secret_keys.setter
    def secret_keys(self, keys):
        keys = keys if isinstance(keys, (list, tuple)) else (keys,)
        self._secret_keys = tuple([key for key in keys if key])

    @property
    def content_type(self):
        """That of a str which a handler returns, None for plain text."""
        return self._content_type

    @content_type.setter
    def content_type(self, kind):
        if kind is not None and not isinstance(kind, str):
            raise TypeError("a content_type is a str or None, not " + type(kind).__name__)
        self._content_type = kind
        self._changed()

    @property
    def origins(self):
        """Whose pages may open WebSockets beside our own, or "*"."""
        return self._origins

    @origins.setter
    def origins(self, origins):
        self._origins = origins_of(origins)

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
        special = None
        if upload or max_size:
            special = "http", max_size or 1 << 24, None, None
        return self._decorator(pattern, methods, special)

    def get(self, pattern):
        """route() for GET, and HEAD with it."""
        return self._decorator(pattern, ("GET",), None)

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
        return self._decorator(pattern, ("DELETE",), None)

    def ws(self, pattern, *, origins=None):
        """Has the decorated function(request, ws, ...) serve WebSockets at this path. Pages of other
        sites may open them if `origins` names theirs, or is "*"; without it the App's count."""
        if origins is not None:
            origins = origins_of(origins)
        return self._decorator(pattern, ("GET",), ("ws", None, None, origins))

    def sse(self, pattern):
        """Has the decorated function(request, events, ...) serve server-sent events there."""
        return self._decorator(pattern, ("GET",), ("sse", None, None, None))

    def before_request(self, f):
        """Has f(request) run before the handler; what it returns but None is the answer."""
        return self._hook("_before", f)

    def after_request(self, f):
        """Has f(request, response) run before the answer leaves; it may return another."""
        return self._hook("_after", f)

    def errorhandler(self, what):
        """Has the decorated f(request, error) answer instead: for a status, or a class of exceptions."""
        if not isinstance(what, int) and not (
            isinstance(what, type) and issubclass(what, Exception)
        ):
            raise TypeError("an error is a status such as 404, or a class of exceptions")

        def decorate(f):
            self._callable(f)
            self._errors += ((what, f),)
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
        for route in app._all():
            check_free(self._all(), prefix + route.text, route.methods)
        app._parent = self
        self._mounted += ((prefix, app),)
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
        for route in self._listed[:-1]:
            if route not in seen:
                seen.append(route)
        return [(each.methods, each.text, each.handler) for each in seen]

    # ---- Where it runs ------------------------------------------------------------------------

    def attach(self, manager, listener):
        """Has what this listener accepts answered here; `listener` may be a URL to listen on."""
        if hasattr(manager, "manager"):  # an AsyncManager
            from pymongoose.web.tasks import Runner

            self._runner = Runner(self, manager)
        elif self._runner is not None:  # (An attribute more is memory on a board.)
            self._runner = None
        if isinstance(listener, str):
            listener = manager.listen(listener, self._handle, events=self._events())
        else:
            listener.set_handler(self._handle, events=self._events())
        self._attached += (listener,)
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

    def _decorator(self, pattern, methods, special):
        pattern = Pattern(pattern)

        def decorate(f):
            self._callable(f)
            top, text = self, pattern.text
            while top is not None:  # it may be mounted already
                check_free(top._all(), text, methods)
                if top._parent is not None:
                    text = top._prefix() + text
                top = top._parent
            self._routes.append(route_of(self, pattern, methods, f, special))
            self._changed()
            return f

        return decorate

    def _prefix(self):
        for prefix, app in self._parent._mounted:
            if app is self:
                return prefix
        return ""

    def _all(self):
        routes = list(self._routes)
        for prefix, app in self._mounted:
            for each in app._all():
                routes.append(
                    Route(
                        each.handler,
                        each.names,
                        each.special,
                        each.app,
                        each.methods,
                        prefix + each.text,
                    )
                )
        return routes

    def _hook(self, hooks, f):
        self._callable(f)
        setattr(self, hooks, getattr(self, hooks) + (f,))
        self._changed()
        return f

    # Is anything of it async? A generator is the same to MicroPython.
    def _async(self):
        found = [route.handler for route in self._all()]
        apps = [self]
        while apps:
            app = apps.pop()
            found += app._before + app._after + tuple([f for _, f in app._errors])
            apps += [each for _, each in app._mounted]
        return any([is_async(f) for f in found])

    def _any_hooks(self):
        return bool(self._before or self._after) or any(
            [app._any_hooks() for _, app in self._mounted]
        )

    def _changed(self):
        if self._parent is not None:
            self._parent._changed()
        self._listed = None
        self._forget()
        if self._attached or self._entry is not None:  # connections outlive their listener
            self._build()
            for listener in self._attached:
                listener.set_handler(self._handle, events=self._events())

    # Listeners may end before their App.
    def _forget(self, listener=None):
        self._attached = tuple(
            [each for each in self._attached if each is not listener and each.is_listening]
        )

    # What a request is looked up in, made when the first listener is there.
    def _build(self):
        if self._listed is not None:
            return
        self._listed = table_of(self._all())
        if self._any_hooks():
            self._hooked = True
        if self._entry is None:
            self._entry = _Routes(self)
        kind = self.content_type
        headers = kind == HTML or ({"Content-Type": kind} if kind else None)
        self._entry.set(self._listed, headers, not self._hooked)

    # The handler of connections; _events() are those that it hears.
    @property
    def _handle(self):
        self._build()
        return self._entry.handle if _CPYTHON else self._entry

    def _events(self):
        self._build()
        for route in self._listed[:-1]:
            if special_of(route)[1] is not None:
                return (MG_EV_HTTP_MSG, MG_EV_HTTP_HDRS)
        return (MG_EV_HTTP_MSG,)

    # ---- The way of a request -----------------------------------------------------------------

    # What _Routes leaves to us: an event that is no request; in front of a body, does it come in pieces?
    def _event(self, request, ev):
        if ev != MG_EV_HTTP_HDRS:
            return
        number = request.match(request.listed[-1])
        if number >= 0 and special_of(request.listed[number])[1] is not None:
            from pymongoose.web.upload import begin

            begin(self, request)

    # A request whose handler alone does not answer it.
    def _go(self, request):
        self._drive(request, self._way(request))

    # What a handler returned, where that is not sent yet.
    def _returned(self, request, result):
        try:
            if not self._waits(result):
                result = send(request, response_of(self, request, result))
                if result is None:
                    return
        except Exception as e:
            failure = e
        else:
            way = self._rest(request, result, request.listed[request.number].app)
            self._drive(request, way)
            return
        self._failed_at(request, failure)

    # What a handler raised, and nobody has told the client of.
    def _failed_at(self, request, e):
        self._drive(request, self._failed(request, e, request.listed[request.number].app))

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
        send(request, plain_error(self, e))
        raise e

    # From the route to the answer.
    def _way(self, request):
        notes = notes_of(request)
        route = notes.route = first_fit(request)
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
                        result = nothing_of(route)
            yield from self._leave(request, response_of(self, request, result), app)
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
                    response = response_of(self, request, result)
        result = send(request, response)
        if result is not None:
            yield result

    # An answer that a hook gave in front of a body.
    def _early(self, request, result, app):
        try:
            yield from self._leave(request, response_of(self, request, result), app)
            return
        except Exception as e:
            failure = e
        yield from self._failed(request, failure, app)

    # The end of a handler that is awaited, where there are no hooks.
    def _rest(self, request, result, app):
        try:
            result = yield result
            if result is None:
                result = nothing_of(request.listed[request.number])
            if request.notes is None or not request.notes.answered:
                result = send(request, response_of(self, request, result))
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
            methods = methods_of(request)
            if not methods:
                raise HTTPError(404)
            allow = {"Allow": ", ".join(methods + ["OPTIONS"])}
            if request.message.method == "OPTIONS":
                return Response(b"", 204, allow)
            raise HTTPError(405, None, allow)
        values = values_of(route, request)
        if special_of(route)[0] == "http":
            return route.handler(request, **values)
        from pymongoose.web.live import serve_live

        return serve_live(request, route, values)

    # Answers a request whose handler raised.
    def _failed(self, request, e, app):
        status = (
            e.status if isinstance(e, HTTPError) else 400 if isinstance(e, DecodeError) else 500
        )
        try:
            result = known = None
            for each in reversed(_chain(app)):
                known, f = handler_of(each._errors, e, status)
                if f is not None:
                    result = f(request, e)
                    if self._waits(result):
                        result = yield result
                    break
            if status == 500 and not isinstance(known, type):
                notes_of(request).failure = e
            if known is None:
                response = plain_error(self, e)
            else:
                response = response_of(self, request, result)
                if response.status == 200 and isinstance(known, int):
                    response.status = known
                if isinstance(e, HTTPError) and response.status == status:
                    for name, value in pairs_of(e.headers):  # Allow, WWW-Authenticate
                        if response.header(name) is None:
                            response._fields().append((name, value))
            yield from self._leave(request, response, app)
        except Exception as again:
            notes = notes_of(request)
            notes.failure = again
            notes._session = None  # if it is the session that cannot be kept
            send(request, plain_error(self, again))

    # Must somebody await this? MicroPython has one type for coroutines and generators: who runs it
    # tells them apart by what they yield.
    def _waits(self, result):
        if _CPYTHON:
            return hasattr(result, "__await__")
        return self._runner is not None and type(result) is _generator


# Whose pages may open a WebSocket, as it is kept.
def origins_of(origins):
    if origins == "*":
        return origins
    origins = (origins,) if isinstance(origins, str) else tuple(origins)
    for each in origins:
        at = each.find("://")
        if each != "null" and (at < 1 or not each[at + 3 :] or "/" in each[at + 3 :]):
            raise ValueError("an origin is such as https://a.example, not %r" % each)
    return tuple([each.lower() for each in origins])


# An app and those that it is mounted below, the outermost first.
def _chain(app):
    chain = []
    while app is not None:
        chain.insert(0, app)
        app = app._parent
    return chain
