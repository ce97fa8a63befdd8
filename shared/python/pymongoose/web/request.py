# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""What a request has beside its message: made when somebody asks for it."""

from pymongoose import json_get, url_decode
from pymongoose.web.headers import Headers
from pymongoose.web.response import HTTPError
from pymongoose.web.routes import is_async


class Fields:
    """Names and values of a query or form, in their order; names may come several times."""

    def __init__(self, pairs=()):
        self._pairs = list(pairs)

    def get(self, name, default=None, type=None):
        """The first value of a name; with `type` made into that, `default` if it cannot be."""
        for key, value in self._pairs:
            if key == name:
                if type is None:
                    return value
                try:
                    return type(value)
                except ValueError:
                    return default
        return default

    def getlist(self, name):
        """All values of a name."""
        return [value for key, value in self._pairs if key == name]

    def __getitem__(self, name):
        for key, value in self._pairs:
            if key == name:
                return value
        raise HTTPError(400, "%s is missing" % name)

    def __contains__(self, name):
        return any([key == name for key, _ in self._pairs])

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self.keys())

    def __bool__(self):
        return bool(self._pairs)

    def __repr__(self):
        return "Fields(%r)" % (self._pairs,)

    def keys(self):
        """The names, each once."""
        names = []
        for key, _ in self._pairs:
            if key not in names:
                names.append(key)
        return names

    def items(self):
        """All (name, value), in their order."""
        return list(self._pairs)


def form_pairs(text):
    """The pairs of an urlencoded form or query, decoded. DecodeError for a bad escape."""
    pairs = []
    for piece in text.split("&"):
        if piece:
            at = piece.find("=")
            name, value = (piece[:at], piece[at + 1 :]) if at >= 0 else (piece, "")
            pairs.append((url_decode(name, plus=True), url_decode(value, plus=True)))
    return pairs


def named(wrapper, f):
    """A decorator's function, with the name of what it decorates where functions have attributes."""
    try:
        wrapper.__name__ = getattr(f, "__name__", "handler")
        wrapper.__wrapped__ = f
    except AttributeError:
        if is_async(f):  # that shows in MicroPython by its type alone

            async def waits(request, *args, **values):
                return await wrapper(request, *args, **values)

            return waits
    return wrapper


class _Empty:
    """Whatever a program keeps for the time of a request."""


class Notes:
    """Of an HttpRequest: what its message does not have, and what the program stores in it."""

    _args = _form = _files = _json = _cookies = _g = _session = _body = None
    route = None  # that fits; None where there is none
    upload = None  # the form that came in pieces
    hooked = False  # the hooks ran
    answered = False
    kept = False  # a task goes on with it
    failure = None  # what is to be logged
    view = None  # the message as it came, see keep()

    def __init__(self, app, conn, message):
        self.app = app
        self.conn = conn
        self.message = message

    @property
    def path(self):
        """The path, decoded."""
        return url_decode(self.message.uri, plus=False)

    @property
    def headers(self):
        """The header fields."""
        return Headers(self.message.headers())

    @property
    def client(self):
        """(host, port) of the peer; of a proxy that is trusted, what it tells."""
        return client_of(self)

    @property
    def scheme(self):
        """ "https" or "http"; of a proxy that is trusted, what it tells."""
        return scheme_of(self)

    @property
    def content_type(self):
        """The media type of the body in small letters, without parameters."""
        return (self.message.header("Content-Type") or "").split(";")[0].strip().lower()

    @property
    def body(self):
        """The body, bytes."""
        return self.message.body_bytes

    @property
    def text(self):
        """The body as UTF-8."""
        return self.message.body_text

    @property
    def args(self):
        """The parameters of the query."""
        if self._args is None:
            self._args = Fields(self.message.query_vars())
        return self._args

    @property
    def json(self):
        """The body as JSON; None without a body. What is no JSON ends the request with 400."""
        if self._json is None:
            body = self.message.body_bytes
            if not body:
                return None
            # (json.loads() of MicroPython takes what is cut off.)
            if json_get(body, "$") is None:
                raise HTTPError(400, "the body is no JSON")
            import json

            self._json = (json.loads(body),)
        return self._json[0]

    @property
    def form(self):
        """The fields of a form, urlencoded or multipart."""
        self._load_form()
        return self._form

    @property
    def files(self):
        """The files of a multipart form."""
        self._load_form()
        return self._files

    def _load_form(self):
        if self._form is None:
            from pymongoose.web.form import load

            self._form, self._files = load(self)

    @property
    def cookies(self):
        """The cookies, a dict; of equal names the first."""
        if self._cookies is None:
            self._cookies = cookies = {}
            for piece in (self.message.header("Cookie") or "").split(";"):
                name, equals, value = piece.partition("=")
                if equals and name.strip():
                    cookies.setdefault(name.strip(), value.strip())
        return self._cookies

    @property
    def g(self):
        """An object for whatever hooks and handlers tell each other in this request."""
        if self._g is None:
            self._g = _Empty()
        return self._g

    @property
    def session(self):
        """What is remembered about this client, a dict, signed and kept by it in a cookie."""
        if self._session is None:
            from pymongoose.web.session import load

            self._session = load(self)
        return self._session

    @property
    def csrf_token(self):
        """What a form's hidden field csrf_token holds, or the header X-CSRF-Token, see CSRF."""
        from pymongoose.web.guard import csrf_token

        return csrf_token(self)


def notes_of(request):
    """The Notes of a request."""
    notes = request.notes
    if notes is None:
        notes = request.notes = Notes(request.app, request.conn, request.message)
        if request.number >= 0:
            notes.route = request.listed[request.number]
    return notes


def client_of(request):
    """(host, port) of the client, as the App believes it."""
    host, port = request.conn.remote_addr[:2]
    if request.app.proxies:
        told = request.message.header("X-Forwarded-For")
        if told:
            hosts = [each.strip() for each in told.split(",")]
            return (hosts[-min(request.app.proxies, len(hosts))], 0)
    return (host, port)


def scheme_of(request):
    """https or http, as the App believes it."""
    if request.app.proxies:
        told = request.message.header("X-Forwarded-Proto")
        if told:
            return "https" if told.split(",")[-1].strip().lower() == "https" else "http"
    return "https" if request.conn.is_tls else "http"


def keep(request):
    """Has a request outlive its event, until drop(): with a message of its own."""
    if request.message and (request.notes is None or request.notes.view is None):
        try:
            message = request.message.copy()
        except MemoryError:
            return  # it is as over as others are
        notes = notes_of(request)
        notes.view = request.message
        request.message = notes.message = message


def drop(request):
    """What was kept is over: its memory is the Manager's, whoever holds the request."""
    notes = request.notes
    if notes is not None and notes.view is not None:
        request.message = notes.message = notes.view
        notes.view = None
