# SPDX-License-Identifier: GPL-2.0-only
"""Requests that wait for their response: get(), post() and others, by the names of requests.

A request that fails raises RequestError, which names the phase; a wrong argument ValueError or
TypeError. Not for handlers, timers and scheduled callbacks: there it is an error.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from types import TracebackType
from typing import IO, Any, TypeAlias, TypedDict, type_check_only

from pymongoose import Error, TlsOpts
from typing_extensions import Unpack

_Bytes: TypeAlias = bytes | bytearray | memoryview
_Pairs: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]]
_Content: TypeAlias = str | _Bytes | IO[bytes] | Iterable[str | _Bytes]
_Body: TypeAlias = _Content | Mapping[str, Any] | Iterable[tuple[str, Any]]
_File: TypeAlias = (
    _Content
    | tuple[str, _Content]
    | tuple[str, _Content, str]
    | tuple[str, _Content, str, dict[str, str]]
)
_Files: TypeAlias = Mapping[str, _File] | Iterable[tuple[str, _File]]
_Fields: TypeAlias = Mapping[str, str | int | None] | Iterable[tuple[str, str | int | None]]
_Auth: TypeAlias = tuple[str, str]
_Seconds: TypeAlias = float | tuple[float | None, float | None] | Mapping[str, float | None]
"""Seconds for each phase; (connect, read); or by name: connect, tls, send, first_byte, read, total."""

class _Options(TypedDict, total=False):
    """Keywords of a session's request. None is what the session has, else what is usual."""

    params: _Pairs | str | None
    """For the query: a dict or pairs, or its text. A list as value gives several."""
    json: Any
    """The body, sent as JSON."""
    data: _Body | None
    """The body; a dict or pairs go out as a form, an iterator's pieces in chunks."""
    files: _Files | None
    """A form with files: each a file, the content, or (filename, content, type, headers)."""
    headers: _Fields | None
    """A dict or pairs. None as value leaves out a header that is sent otherwise."""
    auth: _Auth | None
    """(user, password)."""
    timeout: _Seconds | None
    """The most that it waits."""
    tls: TlsOpts | None
    """Whom to trust, or an own certificate."""
    stream: bool
    """True: the response is there as soon as its head is. False if it is not given."""
    allow_redirects: bool
    """True if it is not given, for head() False."""
    proxies: Mapping[str, str] | None
    """By scheme, http and https; "no": hosts that are reached without."""

class _OnceOptions(_Options, total=False):
    """Keywords of a request on a connection of its own: those of a session's, and its limit."""

    max_body: int | None
    """The largest body in bytes, decoded."""

class RequestError(Error):
    """A request failed. `errno` is set where there is one that fits."""

    phase: str
    """pool, connect, tls, send, first_byte or read; "" if it was none of them."""
    url: str
    """What was asked for, without credentials."""
    def __init__(self, text: str, errno: int = 0, phase: str = "", url: str = "") -> None: ...

class Timeout(RequestError):
    """It took too long; `phase` may be total."""

class HTTPError(RequestError):
    """Of raise_for_status()."""

    response: Response | None

class Headers:
    """The header fields of a response, found in any case; what came several times is joined."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None: ...
    def get_all(self, name: str) -> list[str]:
        """The values of all fields of that name."""
    def get(self, name: str, default: str | None = None) -> str | None:
        """The value, or the default."""
    def __getitem__(self, name: str) -> str: ...
    def __contains__(self, name: str) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[str]: ...
    def items(self) -> list[tuple[str, str]]: ...

class Response:
    """A response. One with stream=True is to be read to its end, or closed."""

    encoding: str | None
    """What `text` is decoded by, if the program sets it."""
    @property
    def status_code(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def url(self) -> str:
        """Where it came from, past redirects."""
    @property
    def status(self) -> int:
        """The same as status_code."""
    @property
    def headers(self) -> Headers: ...
    @property
    def history(self) -> list[Response]:
        """The redirects that led here."""
    @property
    def ok(self) -> bool:
        """The status is below 400."""
    @property
    def is_redirect(self) -> bool:
        """A redirect that was not followed."""
    @property
    def content(self) -> bytes:
        """The body. Error if it was read piece by piece, or the response closed."""
    @property
    def text(self) -> str:
        """The body as str, by its charset or as UTF-8."""
    def json(self) -> Any:
        """What the body says; ValueError if it is no JSON."""
    def raise_for_status(self) -> None:
        """Raises HTTPError for a status from 400 on."""
    def iter_content(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The body in pieces of `chunk_size` bytes, or as they come."""
    def iter_lines(
        self, chunk_size: int | None = None, decode_unicode: bool = False
    ) -> Iterator[Any]:
        """The lines of the body, bytes, or str with `decode_unicode`."""
    def save(
        self, path: str | PathLike[str], progress: Callable[[int, int | None], object] | None = None
    ) -> int:
        """Writes the body into a file, which appears when it is whole; its size.

        progress(done, total) is called after each piece, total is None where it is not known."""
    def close(self) -> None:
        """Ends it, and its connection if there is more to come."""
    def __iter__(self) -> Iterator[bytes]: ...
    def __enter__(self) -> Response: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...

@type_check_only
class _Jar:
    """What a Session with cookies=True has taken: at most 64, which last as long as it does."""

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of a cookie, of whatever site."""
    def clear(self) -> None:
        """Forgets all."""
    def __len__(self) -> int: ...

class Session:
    """Keeps connections, and what all its requests have in common.

    `cookies`: it takes and sends them. It keeps `pool_keep` connections for `pool_idle` seconds, and
    has at most `pool_size`.
    """

    headers: dict[str, Any]
    auth: _Auth | None
    cookies: _Jar | None
    """None without cookies=True."""
    timeout: _Seconds | None
    tls: TlsOpts | None
    proxies: dict[str, str] | None
    max_redirects: int
    max_body: int | None
    def __init__(
        self,
        *,
        headers: _Fields | None = None,
        auth: _Auth | None = None,
        cookies: bool = False,
        timeout: _Seconds | None = None,
        tls: TlsOpts | None = None,
        proxies: Mapping[str, str] | None = None,
        max_redirects: int = 10,
        max_body: int | None = None,
        pool_size: int = 10,
        pool_keep: int = 4,
        pool_idle: float = 30,
    ) -> None: ...
    def request(self, method: str, url: str, **kwargs: Unpack[_Options]) -> Response:
        """Any method."""
    def get(self, url: str, **kwargs: Unpack[_Options]) -> Response:
        """GET."""
    def post(self, url: str, **kwargs: Unpack[_Options]) -> Response:
        """POST."""
    def put(self, url: str, **kwargs: Unpack[_Options]) -> Response:
        """PUT."""
    def patch(self, url: str, **kwargs: Unpack[_Options]) -> Response:
        """PATCH."""
    def delete(self, url: str, **kwargs: Unpack[_Options]) -> Response:
        """DELETE."""
    def head(self, url: str, **kwargs: Unpack[_Options]) -> Response:
        """HEAD; redirects are not followed."""
    def options(self, url: str, **kwargs: Unpack[_Options]) -> Response:
        """OPTIONS."""
    def close(self) -> None:
        """Closes its connections."""
    def __enter__(self) -> Session: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...

def request(method: str, url: str, **kwargs: Unpack[_OnceOptions]) -> Response:
    """One request on a connection of its own."""

def get(url: str, **kwargs: Unpack[_OnceOptions]) -> Response:
    """GET."""

def post(url: str, **kwargs: Unpack[_OnceOptions]) -> Response:
    """POST."""

def put(url: str, **kwargs: Unpack[_OnceOptions]) -> Response:
    """PUT."""

def patch(url: str, **kwargs: Unpack[_OnceOptions]) -> Response:
    """PATCH."""

def delete(url: str, **kwargs: Unpack[_OnceOptions]) -> Response:
    """DELETE."""

def head(url: str, **kwargs: Unpack[_OnceOptions]) -> Response:
    """HEAD; redirects are not followed."""

def options(url: str, **kwargs: Unpack[_OnceOptions]) -> Response:
    """OPTIONS."""
