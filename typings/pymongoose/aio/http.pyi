# SPDX-License-Identifier: GPL-2.0-only
"""HTTP requests that are awaited. What their arguments and errors are, pymongoose.client says."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Mapping
from types import TracebackType
from typing import Any, TypedDict, type_check_only

from pymongoose import TlsOpts
from pymongoose.client import (
    Headers,
    _Auth,
    _Body,
    _Bytes,
    _Fields,
    _Files,
    _Jar,
    _Pairs,
    _Seconds,
)
from typing_extensions import Unpack

class _Options(TypedDict, total=False):
    """Keywords of a request: those of pymongoose.client's; `data` may be an asynchronous iterator."""

    params: _Pairs | str | None
    json: Any
    data: _Body | AsyncIterable[str | _Bytes] | None
    files: _Files | None
    headers: _Fields | None
    auth: _Auth | None
    timeout: _Seconds | None
    tls: TlsOpts | None
    allow_redirects: bool
    proxies: Mapping[str, str] | None

class _OnceOptions(_Options, total=False):
    """Keywords of a request on a connection of its own."""

    max_body: int | None

class Response(AsyncIterator[bytes]):
    """A response whose head is here. `async for` gives its body piece by piece; what nobody takes is
    not read, so that the server waits."""

    encoding: str | None
    @property
    def status_code(self) -> int: ...
    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def url(self) -> str: ...
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
    def raise_for_status(self) -> None:
        """Raises HTTPError for a status from 400 on."""
    async def read(self) -> bytes:
        """The body, of at most max_body bytes."""
    async def text(self) -> str:
        """The body as str, by its charset or as UTF-8."""
    async def json(self) -> Any:
        """What the body says; ValueError if it is no JSON."""
    async def save(
        self, path: str, progress: Callable[[int, int | None], object] | None = None
    ) -> int:
        """Writes the body into a file, which appears when it is whole; its size."""
    def close(self) -> None:
        """Ends it, and its connection if there is more to come."""
    def __aiter__(self) -> Response: ...
    async def __anext__(self) -> bytes: ...

@type_check_only
class _Asked:
    """`async with` gives the response and closes it at the end; `await` gives it alone."""

    def __await__(self) -> Generator[Any, Any, Response]: ...
    async def __aenter__(self) -> Response: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...

class Session:
    """Keeps connections, and what all its requests have in common; belongs to one event loop. More
    requests than `pool_size` wait for one to end."""

    headers: dict[str, Any]
    auth: _Auth | None
    cookies: _Jar | None
    """None without cookies=True."""
    timeout: _Seconds | None
    tls: TlsOpts | None
    proxies: Mapping[str, str] | None
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
    def close(self) -> None:
        """Ends its connections, those of its responses, too."""
    async def __aenter__(self) -> Session: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None: ...
    def request(self, method: str, url: str, **kwargs: Unpack[_Options]) -> _Asked:
        """Any method."""
    def get(self, url: str, **kwargs: Unpack[_Options]) -> _Asked:
        """GET."""
    def post(self, url: str, **kwargs: Unpack[_Options]) -> _Asked:
        """POST."""
    def put(self, url: str, **kwargs: Unpack[_Options]) -> _Asked:
        """PUT."""
    def patch(self, url: str, **kwargs: Unpack[_Options]) -> _Asked:
        """PATCH."""
    def delete(self, url: str, **kwargs: Unpack[_Options]) -> _Asked:
        """DELETE."""
    def head(self, url: str, **kwargs: Unpack[_Options]) -> _Asked:
        """HEAD."""
    def options(self, url: str, **kwargs: Unpack[_Options]) -> _Asked:
        """OPTIONS."""

def request(method: str, url: str, **kwargs: Unpack[_OnceOptions]) -> _Asked:
    """One request on a connection of its own: `async with aio.request("GET", url) as r`."""
