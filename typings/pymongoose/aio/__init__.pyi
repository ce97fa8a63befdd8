# SPDX-License-Identifier: GPL-2.0-only
"""asyncio beside pymongoose: a Manager that asyncio's loop drives, and handlers that are `async def`."""

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, TypeVar

from pymongoose import Connection, Handler, Manager, MqttMessage, Timer, TlsOpts
from pymongoose.aio import mdns as mdns
from pymongoose.aio import modbus as modbus
from pymongoose.aio.http import Session as Session
from pymongoose.aio.http import request as request

class AsyncManager:
    """A Manager for `async with`. Handlers may be `async def`: such a one runs at once up to its first
    `await`, in a task of its own (on CPython before 3.12 a little later); those of one connection run
    one after the other, and an event that comes meanwhile waits. The messages that they are given
    stay valid. An exception is a 500, or goes to `error_handler`.

    `poll_interval` and `shutdown_timeout` are accepted, and nothing depends on them: no thread polls,
    and nothing wakes up while there is nothing to do. `options` are those of Manager.

    At the end of `async with` handlers that have not ended are canceled, then all is closed. Raises
    Error where it is not started, for a second start, and for an `await` in another event loop.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        poll_interval: int = 100,
        error_handler: Callable[[Exception], object] | None = None,
        shutdown_timeout: float = 30,
        **options: Any,
    ) -> None: ...
    async def __aenter__(self) -> AsyncManager: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    @property
    def manager(self) -> Manager:
        """The Manager, for what has no name here. It is polled, run and closed by this object alone."""
    @property
    def running(self) -> bool:
        """Inside `async with`."""
    def listen(self, url: str, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.listen()."""
    def connect(self, url: str, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.connect()."""
    def ws_connect(self, url: str, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.ws_connect()."""
    def mqtt_connect(self, url: str, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.mqtt_connect()."""
    def mqtt_listen(self, url: str, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.mqtt_listen()."""
    def sntp_connect(self, url: str, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.sntp_connect()."""
    def modbus_listen(self, url: str, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.modbus_listen()."""
    def modbus_connect(
        self, url: str, handler: Handler | None = None, **options: Any
    ) -> Connection:
        """Manager.modbus_connect()."""
    def mdns_listen(self, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.mdns_listen()."""
    def broadcast(
        self, data: str | bytes | bytearray | memoryview, op: int = ..., **options: Any
    ) -> tuple[int, int]:
        """Manager.broadcast()."""
    def wakeup(self, connection_id: int, data: str | bytes | bytearray | memoryview = b"") -> bool:
        """Manager.wakeup(), from any thread."""
    def timer_add(self, milliseconds: int, callback: Callable[[], object], **options: Any) -> Timer:
        """Manager.timer_add(); the callback may be `async def`."""
    def schedule(
        self, coro_or_callback: Coroutine[Any, Any, object] | Callable[[], object]
    ) -> None:
        """Runs a coroutine or calls a function soon; on CPython from any thread. An exception goes to
        `error_handler`.
        """

_Data = str | bytes | bytearray | memoryview
_T = TypeVar("_T")

class _Opening(Generic[_T]):
    def __await__(self) -> Generator[Any, None, _T]: ...
    async def __aenter__(self) -> _T: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

class _Waits:
    @property
    def closed(self) -> bool:
        """Nothing can be sent any more; what was received can still be read."""
    @property
    def remote_addr(self) -> tuple[str, int, bool]:
        """As of Connection."""
    @property
    def local_addr(self) -> tuple[str, int, bool]:
        """As of Connection."""
    def abort(self) -> None:
        """Closes at once; what is unsent is lost."""

def connect(
    url: str, *, tls: TlsOpts | None = None, timeout: float | None = 30
) -> _Opening[Stream]:
    """Bytes over tcp://, tls:// or unix://: a Stream by `await` or `async with`.

    `tls` are other options than the system's authorities; `timeout` is in seconds, for the connection
    with its name look-up and handshake. Raises Error with the reason, Error(ETIMEDOUT), ValueError.
    """

class Stream(_Waits):
    """Bytes to and from a peer; `async for` gives lines. Each `timeout` is in seconds: Error(ETIMEDOUT)
    names what took so long, and the stream stays usable.
    """

    def __init__(self, opens: int) -> None: ...
    async def recv(self, n: int = -1, *, timeout: float | None = None) -> bytes:
        """Up to `n` bytes, all that are there if negative; waits for the first. b"" at the end."""
    async def readexactly(self, n: int, *, timeout: float | None = None) -> bytes:
        """`n` bytes. Raises Error if the stream ends before."""
    async def readline(self, *, limit: int = 65536, timeout: float | None = None) -> bytes:
        """A line with its b"\\n"; what is left at the end of the stream, then b"".

        Raises Error(EMSGSIZE) for a longer one.
        """
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def __anext__(self) -> bytes: ...
    async def send(self, data: _Data, *, timeout: float | None = None) -> None:
        """Sends; returns when little of it waits to be taken by the peer."""
    async def close(self, *, timeout: float | None = 30) -> None:
        """Sends what is queued, then closes."""
    async def __aenter__(self) -> Stream: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

def ws_connect(
    url: str,
    *,
    protocols: Iterable[str] | None = None,
    headers: dict[str, str] | Iterable[tuple[str, str]] | None = None,
    tls: TlsOpts | None = None,
    timeout: float | None = 30,
) -> _Opening[WebSocket]:
    """A WebSocket client, by `await` or `async with`; `timeout` is in seconds, for the handshake.

    Raises Error with the reason, Error(ETIMEDOUT), ValueError.
    """

class WebSocket(_Waits):
    """`async for` gives messages, str for text and bytes, until it is closed. Those that nobody takes
    are not read: the peer waits. Raises Error if the connection breaks off.
    """

    protocol: str | None
    """The subprotocol that was agreed on."""
    close_code: int | None
    """The peer's; 1005: it gave none, 1006: the connection broke off; None: open."""
    close_reason: str
    """The peer's."""
    async def recv(self, *, timeout: float | None = None) -> str | bytes:
        """The next message. Raises Error when there will be none."""
    def __aiter__(self) -> AsyncIterator[str | bytes]: ...
    async def __anext__(self) -> str | bytes: ...
    async def send(self, message: _Data, *, timeout: float | None = None) -> None:
        """Sends a str as text, anything else as binary; returns when little waits to be taken."""
    async def ping(self, data: _Data = b"") -> None:
        """Sends a ping. A silent peer is sent some without it."""
    async def close(
        self, code: int = 1000, reason: str = "", *, timeout: float | None = 10
    ) -> None:
        """Closes with a code and reason, and waits for the peer to do so."""
    async def __aenter__(self) -> WebSocket: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

async def resolve(name: str, *, timeout: float | None = 15) -> str:
    """The address of a host name. Raises Error with the reason if it has none."""

async def time(server: str = "pool.ntp.org", *, timeout: float | None = 15) -> int:
    """The time of day by a time server: milliseconds since 1970. Raises Error with the reason."""

class MqttSession(_Waits):
    """A lasting session, by `async with`: it reconnects, subscribes again and sends again. Arguments are
    those of pymongoose.mqtt.MqttSession without manager and callbacks. `async for` gives messages, each
    of which stays valid; those that nobody takes are not read.
    """

    def __init__(self, url: str | Iterable[str], client_id: str, **options: Any) -> None: ...
    async def __aenter__(self) -> MqttSession: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    @property
    def connected(self) -> bool:
        """The server has accepted the connection."""
    async def wait_connected(self, *, timeout: float | None = None) -> None:
        """Waits for that."""
    async def publish(
        self,
        topic: str,
        message: _Data,
        qos: int = 0,
        retain: bool = False,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> None:
        """Returns when the server has acknowledged it; with QoS 0 when it is connected and the message
        is on its way. While the session's queue is full it waits for room. Canceled or late, the message
        may still be delivered.

        Raises Error if it was refused, has expired or was dropped; Error(ETIMEDOUT).
        """
    async def subscribe(
        self, topic: str, qos: int = 0, *, options: int = 0, timeout: float | None = None
    ) -> int:
        """Returns the QoS that was granted. Raises Error if the server refuses; Error(ETIMEDOUT)."""
    def unsubscribe(self, topic: str) -> None:
        """Ends a subscription."""
    async def recv(self, *, timeout: float | None = None) -> MqttMessage:
        """The next message."""
    def __aiter__(self) -> AsyncIterator[MqttMessage]: ...
    async def __anext__(self) -> MqttMessage: ...
    async def close(self) -> None:
        """Says goodbye to the server; what is still queued is dropped."""
