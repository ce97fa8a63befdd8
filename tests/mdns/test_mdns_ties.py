# SPDX-License-Identifier: GPL-2.0-only
"""Two hosts that probe for a name at a time (RFC 6762, section 8.2); with IPv6 see test_mdns_ip6.py."""

from ipaddress import ip_address

import pytest
from peers.mdns_peer import (
    AAAA,
    HINFO,
    SRV,
    TIES,
    TXT,
    A,
    Peer,
    contested,
    ip6,
    record,
    srv,
    unique,
)

pytestmark = [pytest.mark.needs("multicast"), pytest.mark.cost(2.5)]

SCRIPT = TIES + "m = Manager()\nserve(m)\n"


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


@pytest.fixture
def contend():
    """Says of others what they do while the device is not done; gives how often each name was probed for."""
    with Peer() as peer:

        def contend(others, done):
            probes = {}
            while not done():
                peer.contend(others, probes, 0.2)
            peer.contend(others, probes, 0.2)  # what was not read yet
            return probes

        yield contend


def test_simultaneous_probe(device, target, contend):
    """Of two that probe at a time the one whose sorted records come later goes on, the other waits."""
    own = ip_address(device.host)
    ours, earlier, later = own.packed, (own - 1).packed, (own + 1).packed
    other6 = ip6("fe80::1:1")
    ties = [  # what the other has; does the device lose?
        ([(A, earlier)], False),
        ([(A, later)], True),
        ([(A, ours)], False),  # the same is no conflict
        ([(A, ours), (A, ours)], False),
        ([(A, ours), (AAAA, other6)], True),  # the longer list wins
        ([(AAAA, other6), (A, ours)], True),  # in any order
        ([(A, later), (A, ours), (A, later)], True),
        ([(AAAA, other6), (A, earlier)], False),  # the first that differs decides
        ([(A, later), (A, earlier)], False),
        ([(AAAA, other6)], True),  # its type comes later
        ([(HINFO, b"\1x\1y")], True),  # all types count
        ([(HINFO, b"\1x\1y"), (A, ours)], True),
    ]
    check(device, target, contend, ties, lambda name: f"{name}.local", ())


def test_simultaneous_probe_for_a_service(device, target, contend):
    """Here with a=1 at port 80. TXT comes ahead of SRV."""
    kind = f"_{unique()}._tcp"

    def at(port, change=str):
        return lambda name: srv(port, change(f"{name}.local"))

    a, b, early = b"\3a=1", b"\3b=1", b"\3a=0"
    ties = [
        ([(SRV, at(80)), (TXT, a)], False),
        ([(TXT, a), (SRV, at(80))], False),
        ([(SRV, at(80, str.upper)), (TXT, a)], False),  # the same host
        ([(SRV, at(79)), (TXT, b)], True),
        ([(SRV, at(81)), (TXT, early)], False),
        ([(SRV, at(81)), (TXT, a)], True),
        ([(SRV, at(79)), (TXT, a)], False),
        ([(TXT, a + a)], True),  # longer data, of the same beginning
        ([(SRV, at(80))], True),
        ([(TXT, a)], False),
    ]
    services = [(kind, 80, {"a": "1"})]
    check(device, target, contend, ties, lambda name: f"{name}.{kind}.local", services)


def check(device, target, contend, ties, full, services):
    def records(name, each):
        return [
            record(full(name), kind, data(name) if callable(data) else data, top=False)
            for kind, data in each
        ]

    size = target.size(len(ties), 3)  # at a time
    lost = []
    for start in range(0, len(ties), size):
        cases = [each for each, _ in ties[start : start + size]]
        lost += contested(device, contend, cases, records, services)
    assert lost == [lost for _, lost in ties]
