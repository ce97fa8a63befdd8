# SPDX-License-Identifier: GPL-2.0-only
"""asyncio beside pymongoose: a Manager that asyncio's loop drives, and handlers that are `async def`."""

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from pymongoose import Connection, Handler, Manager, Timer

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
    def mqtt_listen(self, url: str, handler: Handler | None = None) -> Connection:
        """Manager.mqtt_listen()."""
    def sntp_connect(self, url: str, handler: Handler | None = None) -> Connection:
        """Manager.sntp_connect()."""
    def modbus_listen(self, url: str, handler: Handler | None = None) -> Connection:
        """Manager.modbus_listen()."""
    def modbus_connect(self, url: str, handler: Handler | None = None) -> Connection:
        """Manager.modbus_connect()."""
    def mdns_listen(self, handler: Handler | None = None, **options: Any) -> Connection:
        """Manager.mdns_listen()."""
    def broadcast(
        self, data: str | bytes | bytearray | memoryview, op: int = ..., **options: Any
    ) -> tuple[int, int]:
        """Manager.broadcast()."""
    def wakeup(
        self, connection_id: int, data: str | bytes | bytearray | memoryview = b""
    ) -> bool:
        """Manager.wakeup(), from any thread."""
    def timer_add(
        self, milliseconds: int, callback: Callable[[], object], **options: Any
    ) -> Timer:
        """Manager.timer_add(); the callback may be `async def`."""
    def schedule(
        self, coro_or_callback: Coroutine[Any, Any, object] | Callable[[], object]
    ) -> None:
        """Runs a coroutine or calls a function soon; on CPython from any thread. An exception goes to
        `error_handler`.
        """
