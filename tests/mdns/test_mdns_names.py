# SPDX-License-Identifier: GPL-2.0-only
"""Names that end in .local: by multicast DNS from zeroconf, from ourselves, and from a liar."""

import contextlib
import struct
import threading

import pytest
from peers.mdns_peer import RESPONSE, A, Peer, ip, message, question, record, unique
from peers.names import LOOKUPS, NameServer, one
from zeroconf import DNSIncoming, ServiceInfo, Zeroconf

pytestmark = [pytest.mark.needs("multicast"), pytest.mark.cost(2.5)]


@pytest.fixture(scope="module")
def server():
    with NameServer(one("192.0.2.99")) as server:
        yield server


@pytest.fixture
def script(shared, server):
    return shared(LOOKUPS, dns=[server.port])


@pytest.fixture
def zeroconf():
    with Zeroconf(interfaces=["127.0.0.1"]) as found:
        yield found


def host(zeroconf, name, *addresses):
    kind = f"_{unique()}._tcp.local."
    zeroconf.register_service(
        ServiceInfo(
            kind, f"i.{kind}", 1, addresses=list(map(ip, addresses)), server=f"{name}.local."
        )
    )


class Answering(Peer):
    """Answers each A question of a plain resolver about a name, by unicast, as told."""

    def __init__(self, name, make, port=5353):
        super().__init__(port)
        self.name, self.make, self.ids, self.closing = name, make, [], False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        self.multicast.settimeout(0.1)
        while not self.closing:
            with contextlib.suppress(TimeoutError):
                data, sender = self.multicast.recvfrom(65536)
                found = DNSIncoming(data)
                asked = [q.name for q in found.questions if q.type == A]
                if sender[1] != 5353 and asked == [f"{self.name}.local."]:
                    self.ids.append(found.id)
                    for each in self.make(found.id):
                        self.unicast.sendto(each, sender)

    def __exit__(self, *_):
        self.closing = True
        self.thread.join()
        super().__exit__()


def test_host_of_zeroconf(script, zeroconf, server):
    """Name servers are not asked; what was found is kept for a moment."""
    name = unique()
    host(zeroconf, name, "127.0.0.77")
    assert script.eval(f"lookup('{name}.local')") == "127.0.0.77"
    assert script.eval(f"lookup('{name.upper()}.LOCAL.')") == "127.0.0.77"
    zeroconf.close()
    assert script.eval(f"lookup('{name}.local')") == "127.0.0.77"
    assert not [n for n in server.names() if name in n.lower()]


def test_several_addresses(script, zeroconf):
    name = unique()
    host(zeroconf, name, "127.0.0.77", "127.0.0.78")
    assert script.eval(f"lookup('{name}.local')") in ("127.0.0.77", "127.0.0.78")


@pytest.mark.needs("loopback")
def test_connection_to_ourselves(script):
    """mdns_listen() answers the lookups of its own Manager; resolve() asks as connect() does."""
    name = unique()
    script.exec(
        f"""
d = m.mdns_listen(None, {name!r}, interface="127.0.0.1")
listener = m.listen("tcp://127.0.0.1:0")
until("d.mdns_name", 15000)
look("{name}.local", "tcp", "tcp", port_of(listener))
until("done('tcp')", 15000)
seen["other"] = []
def opened(c, ev, data):
    seen["other"].append((event_name(ev)[6:], data, c.remote_addr))
    if ev == MG_EV_OPEN:
        c.resolve("{name}.local")
    elif ev == MG_EV_CONNECT:
        c.close()
kept.append(m.connect("tcp://other.test:%d" % port_of(listener), opened))
until("done('other')", 15000)
d.close()
listener.close()
"""
    )
    for key in ("tcp", "other"):
        assert [e[0] for e in script.eval(f"seen[{key!r}]")] == [
            "OPEN", "RESOLVE", "CONNECT", "CLOSE",
        ]  # fmt: skip
        assert script.eval(f"what({key!r})") == "127.0.0.1"


def test_nobody(script, server):
    """One who is silent, and one who answers from another port than 5353."""
    one, two = unique(), unique()
    wrong = record(f"{two}.local", A, ip("127.0.0.66"), top=False)

    def make(number):
        return [message((), [wrong], flags=RESPONSE, number=number)]

    with Answering(one, lambda number: ()) as silent, Answering(two, make, 0) as liar:
        script.exec(f"look('{one}.local')\nlook('{two}.local')")
        script.until(f"done('{one}.local') and done('{two}.local')", 20)
        assert len(silent.ids) >= 3 and len(liar.ids) >= 3
    for name in (one, two):
        text = f"name lookup: nobody near answers to {name}.local"
        assert script.eval(f"what('{name}.local')") == text
        assert not [n for n in server.names() if name in n]


def test_answer_to_a_later_question(script):
    name = unique()
    right = record(f"{name}.local", A, ip("127.0.0.77"), top=False)
    count = []

    def make(number):
        count.append(number)
        return [] if len(count) == 1 else [message((), [right], flags=RESPONSE, number=number)]

    with Answering(name, make):
        assert script.eval(f"lookup('{name}.local')") == "127.0.0.77"


def test_what_counts(script):
    """Of all that comes only what answers: here the last one, with 0 for its number."""
    name = unique()
    wrong = record(f"{name}.local", A, ip("127.0.0.66"))
    right = record(f"{name}.local", A, ip("127.0.0.77"))
    ask = question(f"{name}.local", A)

    def make(number):
        return [
            b"",
            b"\0" * 11,
            message([ask], [wrong], number=number),  # a question
            message([ask], [wrong], flags=RESPONSE, number=number ^ 1 or 2),
            message([ask], [wrong], flags=RESPONSE | 3, number=number),
            message([ask], [wrong], flags=RESPONSE, number=number)[:-1],
            message([ask], [record(f"x{name}.local", A, ip("127.0.0.66"))], flags=RESPONSE),
            message([ask], [record(f"{name}.local", A, b"\x7f\0\0")], flags=RESPONSE),
            message([ask], [record(f"{name}.local", A, ip("127.0.0.66"), ttl=0)], flags=RESPONSE),
            struct.pack(">6H", number, RESPONSE, 0, 65535, 0, 0) + wrong,
            message([], [right], flags=RESPONSE),
        ]

    with Answering(name, make):
        assert script.eval(f"lookup('{name}.local')") == "127.0.0.77"


def test_given_up(script):
    """resolve_cancel(), close(), and connect_timeout, while nobody answers."""
    name = unique()
    script.exec(
        f"""
look("{name}.local", "a")
look("{name}.local", "b").close()
look("{name}.local", "c").resolve_cancel()
m.poll(5)
until("done('b')", 15000)
for c in kept:
    c.close()
until("done('a') and done('c')", 15000)
"""
    )
    assert script.eval("[what(k) for k in 'abc']") == [None] * 3


def test_manager_closed(script):
    name = unique()
    script.exec(
        f"""
events = []
second = Manager()
second.connect("tcp://{name}.local:1", lambda c, ev, data: events.append(event_name(ev)))
for n in range(3):
    second.poll(5)
second.close()
"""
    )
    assert script.eval("events") == ["MG_EV_OPEN", "MG_EV_CLOSE"]
