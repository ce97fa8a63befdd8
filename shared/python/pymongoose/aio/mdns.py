# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""aio.mdns: names and services of the local network."""

from pymongoose import MG_DNS_RTYPE_A, MG_DNS_RTYPE_PTR, MG_EV_MDNS_RESP, Error
from pymongoose.aio.wait import Waits


class Answer:
    """A record that somebody announces."""

    def __init__(self, r):
        self.name = r.name
        self.type = r.type
        self.ttl = r.ttl
        self.instance = r.instance
        self.host = r.host
        self.address = r.address
        self.port = r.port
        self.txt = r.txt

    def __repr__(self):
        return "<Answer %s %s:%s>" % (self.name, self.address or self.host, self.port)


class _Query(Waits):
    def __init__(self, wanted):
        super().__init__()
        self._wanted = wanted
        self._answers = []
        self._enough = False

    def _event(self, conn, ev, data):
        if ev == MG_EV_MDNS_RESP:
            answer = Answer(data)
            if self._wanted(answer) and len(self._answers) < 64:
                self._answers.append(answer)
        Waits._event(self, conn, ev, data)

    async def run(self, name, type, interface, seconds, first):
        def open(held):
            conn = held.mdns_listen(self._event, interface=interface)
            conn.mdns_query(name, type)
            return conn

        try:
            # The question's time is up when nobody answers: that is no failure here.
            await self._open(open, None, seconds, lambda: first and self._answers, "mdns")
        except Error:
            if self._error:
                raise
        if not self._closed:
            self._conn.close()
            await self._end()
        return self._answers


async def query(name, type=MG_DNS_RTYPE_PTR, *, timeout=2, interface=None):
    """All answers that come within `timeout` seconds, a list of Answer."""
    return await _Query(lambda answer: True).run(name, type, interface, timeout, False)


async def resolve(name, *, timeout=2, interface=None):
    """The address of a host, "desk" or "desk.local"; None if nobody answers."""
    host = name[:-6] if name.endswith(".local") else name

    def wanted(answer):
        heard = answer.host or answer.name
        heard = heard[:-6] if heard.endswith(".local") else heard
        # fe80::/10 leads nowhere without its interface.
        near = answer.address[:3] in ("fe8", "fe9", "fea", "feb")
        return answer.address and not near and heard.lower() == host.lower()

    found = await _Query(wanted).run(host, MG_DNS_RTYPE_A, interface, timeout, True)
    return found[0].address if found else None
