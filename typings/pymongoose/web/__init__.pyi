# SPDX-License-Identifier: GPL-2.0-only
"""Small web applications: routes, forms, cookies, sessions, on CPython and MicroPython."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Container,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, Concatenate, Generic, NoReturn, TypeAlias, TypeVar, overload

from pymongoose import Connection, HttpRequest, Manager, TlsOpts
from pymongoose.aio import AsyncManager

Request = HttpRequest

_T = TypeVar("_T")
_V = TypeVar("_V")
_Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
_Pieces: TypeAlias = Iterator[str] | Iterator[bytes] | AsyncIterator[str] | AsyncIterator[bytes]
_Body: TypeAlias = str | bytes | bytearray | dict[str, Any] | list[Any] | _Pieces | Response
_Answer: TypeAlias = (
    _Body | tuple[_Body, int] | tuple[_Body, _Headers] | tuple[_Body, int, _Headers]
)
"""What a handler gives."""
_Handler: TypeAlias = Callable[Concatenate[Request, ...], _Answer | Awaitable[_Answer]]
_Hook: TypeAlias = Callable[[Request], _Answer | Awaitable[_Answer | None] | None]
_After: TypeAlias = Callable[[Request, Response], _Answer | Awaitable[_Answer | None] | None]
_OnError: TypeAlias = Callable[[Request, Any], _Answer | Awaitable[_Answer]]
_OnWs: TypeAlias = Callable[Concatenate[Request, WebSocket, ...], object]
_OnSse: TypeAlias = Callable[Concatenate[Request, EventStream, ...], object]
_H = TypeVar("_H", bound=_Handler)
_B = TypeVar("_B", bound=_Hook)
_A = TypeVar("_A", bound=_After)
_E = TypeVar("_E", bound=_OnError)
_W = TypeVar("_W", bound=_OnWs)
_S = TypeVar("_S", bound=_OnSse)
_F = TypeVar("_F", bound=Callable[..., Any])

class App:
    """A web application.

    `secret_key` signs sessions: str or bytes, or several, the first to sign and all to verify.
    `proxies` is how many proxies in front of it tell the client's address (X-Forwarded-For).
    `content_type` is that of a str which a handler returns, None for plain text. `templates` is the
    folder of what render() is given. `origins` are those whose pages may open WebSockets beside our
    own, or "*". `debug` shows tracebacks to clients.

    They are attributes, too, `secret_keys` for the first: what is set counts for all answers from then
    on. What the App would not take it refuses there."""

    @property
    def secret_keys(self) -> tuple[str | bytes, ...]:
        """Those that sign sessions, a tuple: the first to sign, all to verify."""
    @secret_keys.setter
    def secret_keys(self, keys: str | bytes | Sequence[str | bytes] | None) -> None: ...
    debug: bool
    error_handler: Callable[[Exception], object] | None
    @property
    def content_type(self) -> str | None:
        """That of a str which a handler returns, None for plain text."""
    @content_type.setter
    def content_type(self, kind: str | None) -> None: ...
    templates: str | None
    uploads: str | None
    session_cookie: str
    session_max_age: int
    proxies: int
    @property
    def origins(self) -> str | tuple[str, ...]:
        """Whose pages may open WebSockets beside our own, or "*"."""
    @origins.setter
    def origins(self, origins: str | Iterable[str]) -> None: ...
    def __init__(
        self,
        *,
        secret_key: str | bytes | list[str | bytes] | tuple[str | bytes, ...] | None = None,
        debug: bool = False,
        error_handler: Callable[[Exception], object] | None = None,
        content_type: str | None = "text/html; charset=utf-8",
        templates: str | None = None,
        uploads: str | None = None,
        session_cookie: str = "session",
        session_max_age: int = 2678400,
        proxies: int = 0,
        origins: str | Iterable[str] = (),
    ) -> None: ...
    def route(
        self,
        pattern: str,
        methods: Iterable[str] = ("GET",),
        *,
        upload: bool = False,
        max_size: int | None = None,
    ) -> Callable[[_H], _H]:
        """Has the decorated function answer requests of these methods for paths of this pattern.

        `upload`: the files of a multipart form come in pieces, into files; the whole form has at
        most `max_size` bytes (16 MB without it)."""
    def get(self, pattern: str) -> Callable[[_H], _H]:
        """route() for GET, and HEAD with it."""
    def post(
        self, pattern: str, *, upload: bool = False, max_size: int | None = None
    ) -> Callable[[_H], _H]:
        """route() for POST."""
    def put(
        self, pattern: str, *, upload: bool = False, max_size: int | None = None
    ) -> Callable[[_H], _H]:
        """route() for PUT."""
    def patch(
        self, pattern: str, *, upload: bool = False, max_size: int | None = None
    ) -> Callable[[_H], _H]:
        """route() for PATCH."""
    def delete(self, pattern: str) -> Callable[[_H], _H]:
        """route() for DELETE."""
    def ws(self, pattern: str, *, origins: str | Iterable[str] | None = None) -> Callable[[_W], _W]:
        """Has the decorated function(request, ws, ...) serve WebSockets at this path. Pages of other
        sites may open them if `origins` names theirs, or is "*"; without it the App's count."""
    def sse(self, pattern: str) -> Callable[[_S], _S]:
        """Has the decorated function(request, events, ...) serve server-sent events there."""
    def before_request(self, f: _B) -> _B:
        """Has f(request) run before the handler; what it returns but None is the answer."""
    def after_request(self, f: _A) -> _A:
        """Has f(request, response) run before the answer leaves; it may return another."""
    def errorhandler(self, what: int | type[Exception]) -> Callable[[_E], _E]:
        """Has the decorated f(request, error) answer instead: for a status, or a class of exceptions."""
    def mount(self, prefix: str, app: App) -> None:
        """Has another App answer for the paths below `prefix`, with its own hooks inside of ours."""
    def static(
        self, prefix: str, folder: str, *, headers: _Headers | None = None, listing: bool = False
    ) -> None:
        """Serves the files of a folder under a path."""
    @property
    def routes(self) -> list[tuple[tuple[str, ...], str, Callable[..., Any]]]:
        """All routes as (methods, pattern, handler), the one that is looked at first in front."""
    def attach(self, manager: Manager | AsyncManager, listener: Connection | str) -> Connection:
        """Has what this listener accepts answered here; `listener` may be a URL to listen on."""
    def run(
        self,
        host: str | None = None,
        port: int = 8000,
        *,
        tls: TlsOpts | None = None,
        workers: int = 1,
        manager: Manager | None = None,
        aio: bool | None = None,
    ) -> None:
        """Serves until Ctrl-C, and says where. `tls` is a TlsOpts, `workers` are processes that share
        the port; `aio` whether asyncio runs it: None has it run where a handler is async."""
    def serve(
        self, host: str | None = None, port: int = 8000, *, tls: TlsOpts | None = None
    ) -> Coroutine[Any, Any, None]:
        """`await app.serve()`: the same beside other tasks of asyncio, until it is canceled."""
    def test_client(self) -> TestClient:
        """A client for unit tests, without sockets."""

class Fields(Generic[_T]):
    """Names and values of a query or form, in their order; names may come several times."""

    def __init__(self, pairs: Iterable[tuple[str, _T]] = ()) -> None: ...
    @overload
    def get(self, name: str, default: None = None, type: None = None) -> _T | None: ...
    @overload
    def get(self, name: str, default: _V, type: None = None) -> _T | _V: ...
    @overload
    def get(self, name: str, default: None = None, *, type: Callable[[_T], _V]) -> _V | None: ...
    @overload
    def get(self, name: str, default: _V, type: Callable[[_T], _V]) -> _V:
        """The first value of a name; with `type` made into that, `default` if it cannot be."""
    def getlist(self, name: str) -> list[_T]:
        """All values of a name."""
    def __getitem__(self, name: str) -> _T: ...
    def __contains__(self, name: object) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def keys(self) -> list[str]:
        """The names, each once."""
    def items(self) -> list[tuple[str, _T]]:
        """All (name, value), in their order."""

class File:
    """A file of a form, in memory (`data`) or on the disk (`path`)."""

    name: str
    filename: str
    content_type: str
    path: str | None
    kept: bool
    def __init__(
        self,
        name: str,
        filename: str,
        content_type: str,
        data: bytes | None = None,
        path: str | None = None,
    ) -> None: ...
    def read(self) -> bytes:
        """The content, bytes."""
    @property
    def size(self) -> int:
        """Bytes."""
    def save(self, path: str) -> None:
        """Keeps it under `path`; what was there is replaced."""

class Headers:
    """Header fields, (name, value) each in their order: by name in any case, or by position.

    Called, it gives the pairs, as HttpMessage.headers() does."""

    pairs: list[tuple[str, str]]
    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None: ...
    def __call__(self) -> list[tuple[str, str]]: ...
    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: _T) -> str | _T:
        """The first value of a name."""
    def getlist(self, name: str) -> list[str]:
        """All values of a name."""
    def setdefault(self, name: str, value: str) -> str:
        """The first value of a name, which this one becomes where there is none."""
    def update(self, headers: Headers | _Headers) -> None:
        """Sets each of a dict or of pairs, in place of those of the same name."""
    def append(self, pair: tuple[str, str]) -> None:
        """Adds (name, value) beside those of the same name."""
    def extend(self, pairs: Headers | _Headers) -> None:
        """Adds several."""
    @overload
    def pop(self, name: str) -> str: ...
    @overload
    def pop(self, name: str, *default: _T) -> str | _T:
        """Takes all of a name out; the first value. Without a default KeyError where there is none."""
    @overload
    def __getitem__(self, name: str) -> str: ...
    @overload
    def __getitem__(self, name: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, name: slice) -> list[tuple[str, str]]: ...
    @overload
    def __setitem__(self, name: str, value: str) -> None: ...
    @overload
    def __setitem__(self, name: int, value: tuple[str, str]) -> None: ...
    @overload
    def __setitem__(self, name: slice, value: Iterable[tuple[str, str]]) -> None: ...
    def __delitem__(self, name: str | int | slice) -> None: ...
    def __contains__(self, name: object) -> bool: ...
    def __iter__(self) -> Iterator[tuple[str, str]]: ...
    def __len__(self) -> int: ...
    def __add__(self, pairs: Headers | _Headers) -> list[tuple[str, str]]: ...
    def __radd__(self, pairs: Headers | _Headers) -> list[tuple[str, str]]: ...
    def __iadd__(self, pairs: Headers | _Headers) -> Headers: ...
    def keys(self) -> list[str]:
        """The names, as they stand there."""
    def values(self) -> list[str]:
        """The values, in their order."""
    def items(self) -> list[tuple[str, str]]:
        """All (name, value), in their order."""

class Response:
    """A status, headers and a body: str, bytes, a generator of pieces, or a dict or list for JSON.

    Without a `content_type` a str is HTML, bytes are application/octet-stream; with "" it is plain text."""

    status: int
    headers: Headers
    body: str | bytes | bytearray | _Pieces
    file: str | dict[str, str] | None
    file_type: str | None
    listing: bool
    template: tuple[str, dict[str, Any]] | None
    def __init__(
        self,
        body: str | bytes | bytearray | dict[str, Any] | list[Any] | _Pieces = b"",
        status: int = 200,
        headers: _Headers | None = None,
        content_type: str | None = None,
    ) -> None: ...
    def header(self, name: str, default: str | None = None) -> str | None:
        """The first header of that name, in any case."""
    def set_header(self, name: str, value: str) -> None:
        """Sets a header, in place of those of the same name."""
    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: float | str | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = True,
        samesite: str | None = "Lax",
    ) -> None:
        """Has the client keep a cookie (RFC 6265): `max_age` in seconds, `expires` in seconds since
        1970 or as an HTTP date. ValueError for what a cookie cannot hold."""
    def delete_cookie(self, name: str, path: str = "/", domain: str | None = None) -> None:
        """Has the client forget a cookie."""

class HTTPError(Exception):
    """Ends a request with a status, as abort() raises it."""

    status: int
    message: str
    headers: _Headers
    def __init__(
        self, status: int, message: str | None = None, headers: _Headers | None = None
    ) -> None: ...

def abort(status: int, message: str | None = None, headers: _Headers | None = None) -> NoReturn:
    """Ends the request: with an error of that status and text."""

def redirect(location: str, status: int = 302) -> Response:
    """Sends the client elsewhere; 303 after a form, 307 or 308 to have it repeat the request."""

def send_file(
    path: str,
    *,
    download: str | None = None,
    content_type: str | None = None,
    headers: _Headers | None = None,
) -> Response:
    """Answers with a file, with ranges and ETag; `download` is the name under which it is saved.

    `path` is the program's: a name that a client gave belongs through safe_filename()."""

class raw:
    """Text that is HTML already: render() leaves it as it is."""

    text: str
    def __init__(self, text: str) -> None: ...

def render(
    path: str,
    status: int = 200,
    headers: _Headers | None = None,
    folder: str | None = None,
    **values: object,
) -> Response:
    """Answers with a template of `folder`, else of the App's: $name and ${name} are replaced by the
    values, escaped for HTML unless they are raw(); $$ is a dollar sign.

    Names that end in .j2, .jinja or .jinja2 are Jinja2's, where it is installed."""

def render_text(path: str, folder: str = "templates", **values: object) -> str:
    """The text of a template, HTML; see render()."""

class WebSocket:
    """A WebSocket of a client."""

    request: Request
    conn: Connection
    on_message: Callable[[Any], object] | None
    """Called with each message, str or bytes."""
    on_close: Callable[[int, str], object] | None
    """Called with (code, reason) when it ended: 1006 if the client said nothing."""
    def __init__(self, request: Request) -> None: ...
    @property
    def closed(self) -> bool:
        """Has it ended?"""
    def send(self, data: str | bytes | bytearray | dict[str, Any] | list[Any]) -> Awaitable[None]:
        """Sends a message: str as text, bytes as binary, dict or list as JSON text. An async handler
        awaits it where it sends much; Error(EPIPE) when the client is gone."""
    async def receive(self) -> str | bytes:
        """The next message, for an async handler; Error(EPIPE) when it has ended."""
    def __aiter__(self) -> AsyncIterator[str | bytes]: ...
    def close(self, code: int = 1000, reason: str = "") -> None:
        """Says good-bye with a code (RFC 6455, section 7.4)."""

class EventStream:
    """Server-sent events to a client."""

    request: Request
    conn: Connection
    on_close: Callable[[], object] | None
    """Called when the client is gone."""
    def __init__(self, request: Request) -> None: ...
    @property
    def closed(self) -> bool:
        """Is the client gone?"""
    def send(
        self, data: Any, event: str = "message", id: str | None = None, retry: int | None = None
    ) -> Awaitable[None]:
        """Sends an event; a dict or list as JSON. `retry` is in milliseconds. An async handler awaits
        it where it sends much; Error(EPIPE) when the client is gone."""
    def close(self) -> None:
        """Ends the stream; the client comes back, unless it was told not to."""

class BasicAuth:
    """`check(request, username, password)` gives the user, or True; false refuses. What it gave is
    request.user, the name if it was True. Compare passwords by compare_digest()."""

    def __init__(
        self, check: Callable[[Request, str, str], object], realm: str = "Login"
    ) -> None: ...
    @overload
    def __call__(self, what: Request) -> None: ...
    @overload
    def __call__(self, what: _F) -> _F: ...

class BearerAuth:
    """`check(request, token)` gives the user, or True; false refuses."""

    def __init__(self, check: Callable[[Request, str], object], realm: str = "Login") -> None: ...
    @overload
    def __call__(self, what: Request) -> None: ...
    @overload
    def __call__(self, what: _F) -> _F: ...

class CORS:
    """Lets pages of other sites read what the App answers (the Fetch standard's CORS protocol)."""

    def __init__(
        self,
        app: App,
        origins: str | Container[str] = (),
        *,
        methods: Iterable[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        headers: Iterable[str] | None = None,
        expose: Iterable[str] = (),
        credentials: bool = False,
        max_age: int | None = None,
    ) -> None: ...

class CSRF:
    """Refuses what another site's page has a browser send: requests that change something need the
    session's token, request.csrf_token, in the field csrf_token or the header X-CSRF-Token."""

    def __init__(self, app: App) -> None: ...
    def exempt(self, f: _F) -> _F:
        """Decorates a handler that needs no token, such as one for programs."""

class RateLimit:
    """So many requests of a client in `per` seconds; more are answered with 429 and Retry-After.

    An object decorates a handler, or is a hook: app.before_request(limit). `key(request)` says who
    the client is, its address without it; of `clients` that are remembered, the idlest goes."""

    def __init__(
        self,
        limit: int,
        per: float = 60,
        *,
        key: Callable[[Request], object] | None = None,
        clients: int = 256,
    ) -> None: ...
    @overload
    def __call__(self, what: Request) -> None: ...
    @overload
    def __call__(self, what: _F) -> _F: ...

class TestResponse:
    """What an App answered."""

    status_code: int
    exception: Exception | None
    """What a server's log would show."""
    headers: Headers
    """By name in any case."""
    header_list: list[tuple[str, str]]
    body: bytes
    __test__: bool
    def __init__(self, conn: Any, exception: Exception | None = None) -> None: ...
    def header(self, name: str, default: str | None = None) -> str | None:
        """A header's value, by its name in any case."""
    @property
    def text(self) -> str:
        """The body as UTF-8."""
    @property
    def json(self) -> Any:
        """The body as JSON."""

class TestWebSocket:
    """A client's side of a WebSocket of an App."""

    __test__: bool
    def __init__(self, server: Any) -> None: ...
    def send(self, data: str | bytes) -> None:
        """Has the App get a message, str or bytes."""
    def receive(self) -> Any:
        """The next message of the App; IndexError if there is none, or what its handler raised."""
    @property
    def close_code(self) -> int | None:
        """With what the App closed it; None if it has not."""
    def close(self, code: int = 1000) -> None:
        """Ends it."""

class TestClient:
    """Asks an App; it keeps the cookies that it gets in `cookies`."""

    app: App
    cookies: dict[str, str]
    __test__: bool
    def __init__(self, app: App) -> None: ...
    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        headers: _Headers | None = None,
        data: str | bytes | dict[str, Any] | None = None,
        json: Any = None,
        files: Mapping[str, tuple[str, str | bytes]] | None = None,
    ) -> TestResponse:
        """A request, and what the App answers: a TestResponse.

        `data` is a body, or a dict for a form; `files` are {field: (name, content)}."""
    def get(self, path: str, **more: Any) -> TestResponse:
        """request() with GET."""
    def head(self, path: str, **more: Any) -> TestResponse:
        """request() with HEAD."""
    def options(self, path: str, **more: Any) -> TestResponse:
        """request() with OPTIONS."""
    def post(self, path: str, **more: Any) -> TestResponse:
        """request() with POST."""
    def put(self, path: str, **more: Any) -> TestResponse:
        """request() with PUT."""
    def patch(self, path: str, **more: Any) -> TestResponse:
        """request() with PATCH."""
    def delete(self, path: str, **more: Any) -> TestResponse:
        """request() with DELETE."""
    def ws(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        headers: _Headers | None = None,
    ) -> Any:
        """Opens a WebSocket: a TestWebSocket, or the TestResponse if it was refused."""
