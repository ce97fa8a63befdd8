# SPDX-License-Identifier: GPL-2.0-only
"""Answers of many records, by multicast DNS."""

import pytest
from peers.mdns_peer import PTR, RESPONSE, SRV, TXT, A, Peer, ip, message, record, srv, unique, wire
from test_mdns import DEVICE

pytestmark = [pytest.mark.needs("multicast"), pytest.mark.cost(2.5)]


@pytest.fixture
def device(shared):
    running = shared(DEVICE)
    running.exec("c = None\nlog.clear()")
    yield running
    running.exec("c.close()")


@pytest.fixture
def peer():
    with Peer() as found:
        yield found


def test_answer_about_many(device, peer, target):
    """All of a message belongs together, whatever the order; of two records the first one counts."""
    kind = f"{unique('_')}._tcp.local"
    count = target.size(50, 5)  # a board reads 1,536 bytes of a datagram
    names = [f"n{n}.{kind}" for n in range(count)]
    pointers = [record(kind, PTR, wire(name), top=False) for name in names]
    more = []
    for n, name in enumerate(names):
        host = f"h{n}{kind[:8]}.local"
        more += [
            record(host.upper(), A, ip(f"10.0.1.{n}")),
            record(name, TXT, b"\3n=%c" % (65 + n)),
            record(name, SRV, srv(n + 1, host)),
            record(name, SRV, srv(n + 1000, "other.local")),
        ]
    device.exec("start()")
    peer.send(message((), pointers, (), more, flags=RESPONSE))
    device.until(f"len(about({kind!r})) == {count}")
    found = device.eval(f"[(e[4], e[5], e[6], e[7], e[8]) for e in about({kind!r})]")
    assert found == [
        (name, f"h{n}{kind[:8]}.local", f"10.0.1.{n}", n + 1, {"n": b"%c" % (65 + n)})
        for n, name in enumerate(names)
    ]
