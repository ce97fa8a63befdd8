# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""aio.modbus: a Modbus client."""

from errno import EIO

from pymongoose import MG_EV_CONNECT, MG_EV_MODBUS_RESP, MG_EV_TLS_HS
from pymongoose.aio.wait import Opening, Waits, failure

_ERRORS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    256: "no answer within modbus_timeout",
}


def connect(url, *, tls=None, timeout=30):
    """A Client, by `await` or `async with`."""
    return Opening(_connect, url, tls, timeout)


async def _connect(url, tls, timeout):
    secure = tls is not None or url.lower().startswith("tls:")
    client = Client(MG_EV_TLS_HS if secure else MG_EV_CONNECT)
    return await client._open(
        lambda held: held.modbus_connect(url, client._event),
        tls,
        timeout,
        lambda: client._ready,
        "connect",
    )


class Client(Waits):
    """Calls to one Modbus server; any number of tasks may make them."""

    _what = "Modbus connection"

    def __init__(self, opens):
        super().__init__()
        self._opens = opens
        self._ready = False
        self._answers = {}  # transaction: None, or (error, values)

    def _event(self, conn, ev, data):
        if ev == self._opens:
            self._ready = True
        elif ev == MG_EV_MODBUS_RESP and data.transaction in self._answers:
            self._answers[data.transaction] = data.error, data.values
        Waits._event(self, conn, ev, data)

    async def _call(self, transaction):
        self._answers[transaction] = None
        try:
            await self._until(lambda: self._answers[transaction] or self._closed)
            answer = self._answers[transaction]
        finally:
            del self._answers[transaction]
        if answer is None:
            raise self._broken()
        if answer[0]:
            text = _ERRORS.get(answer[0], "error %d" % answer[0])
            raise failure(EIO, "the Modbus server answers: " + text)
        return answer[1]

    async def read(self, func, address, count=1, *, unit=1):
        """Values by function 1, 2, 3 or 4, a tuple of int."""
        if self._closed:
            raise self._broken()
        return await self._call(self._conn.modbus_read(func, address, count, unit))

    async def write(self, func, address, values, *, unit=1):
        """Sets values by function 5, 6, 15 or 16."""
        if self._closed:
            raise self._broken()
        await self._call(self._conn.modbus_write(func, address, values, unit))

    async def close(self):
        if not self._closed:
            self._conn.close()
            await self._end()
