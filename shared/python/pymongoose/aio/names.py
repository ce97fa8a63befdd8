# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""aio.resolve() and aio.time()."""

from pymongoose import MG_EV_CONNECT, MG_EV_SNTP_TIME
from pymongoose.aio.wait import Waits


class _Question(Waits):
    def __init__(self, ev, answer):
        super().__init__()
        self._ev = ev
        self._answer = answer
        self._result = None

    def _event(self, conn, ev, data):
        if ev == self._ev:
            self._result = self._answer(conn, data)
            conn.close()
        Waits._event(self, conn, ev, data)

    async def ask(self, open, seconds, phase):
        await self._open(open, None, seconds, lambda: self._result is not None, phase)
        if not self._closed:
            await self._end()
        return self._result


async def resolve(name, *, timeout=15):
    """The address of a host name, as str; Error with the reason if it has none."""
    host = "[" + name + "]" if ":" in name and name[0] != "[" else name
    question = _Question(MG_EV_CONNECT, lambda conn, data: conn.remote_addr[0])
    return await question.ask(
        lambda held: held.connect("udp://" + host + ":9", question._event), timeout, "resolve"
    )


async def time(server="pool.ntp.org", *, timeout=15):
    """The time of day by a time server: milliseconds since 1970, an int."""
    question = _Question(MG_EV_SNTP_TIME, lambda conn, data: data)
    return await question.ask(
        lambda held: held.sntp_connect(server, question._event), timeout, "time"
    )
