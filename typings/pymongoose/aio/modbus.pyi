# SPDX-License-Identifier: GPL-2.0-only
"""A Modbus client for tasks."""

from collections.abc import Iterable

from pymongoose import TlsOpts
from pymongoose.aio import _Opening, _Waits

def connect(
    url: str, *, tls: TlsOpts | None = None, timeout: float | None = 30
) -> _Opening[Client]:
    """A Client, by `await` or `async with`; `timeout` is in seconds, for the connection."""

class Client(_Waits):
    """Calls to one Modbus server; several tasks may make them. How long an answer may take says the
    Manager's modbus_timeout.
    """

    def __init__(self, opens: int) -> None: ...
    async def read(
        self, func: int, address: int, count: int = 1, *, unit: int = 1
    ) -> tuple[int, ...]:
        """Values by function 1, 2, 3 or 4. Raises Error with the server's reason."""
    async def write(
        self, func: int, address: int, values: int | Iterable[int], *, unit: int = 1
    ) -> None:
        """Sets values by function 5, 6, 15 or 16. Raises Error with the server's reason."""
    async def close(self) -> None: ...
    async def __aenter__(self) -> Client: ...
    async def __aexit__(self, kind: object, exc: object, traceback: object) -> None: ...
