# SPDX-License-Identifier: GPL-2.0-only
"""Subtypes of services (RFC 6763, section 7.1): announced, found, and told of."""

import pytest
from peers.mdns_peer import (
    PTR,
    RESPONSE,
    SRV,
    TXT,
    A,
    Peer,
    ip,
    question,
    record,
    srv,
    unique,
    wire,
)
from test_mdns import DEVICE, Listener, announced, known_pair
from zeroconf import ServiceBrowser, Zeroconf

pytestmark = [pytest.mark.needs("multicast"), pytest.mark.cost(2.5)]


@pytest.fixture
def device(shared, target):
    running = shared(DEVICE, pause=target.size(0, 400))
    running.exec("c = None\nlog.clear()")
    yield running
    running.exec("if c: c.close()")


@pytest.fixture
def peer():
    with Peer() as found:
        yield found


def test_found_by_zeroconf(device, wait_for):
    """Of two services of a type the one with the subtype; it is not a type of its own."""
    name, kind = unique(), unique("_")
    printer, color = (f"{sub}._sub.{kind}._tcp.local." for sub in ("_printer", "_Color"))
    listener = Listener()
    with Zeroconf(interfaces=["127.0.0.1"]) as zeroconf:
        browser = ServiceBrowser(zeroconf, [printer, color], listener)
        announced(
            device,
            name,
            f"[('{kind}._tcp,_printer,_Color', 1, None, 'one'), ('{kind}._tcp', 2, None, 'two'),"
            f" ('{kind}._tcp.local,_printer', 3, None, 'three')]",
        )
        one, three = f"one.{kind}._tcp.local.", f"three.{kind}._tcp.local."
        wait_for(lambda: len(listener.events) == 3, "they are found")
        assert sorted(listener.events) == [("add", one), ("add", one), ("add", three)]
        device.exec("c.close()")
        wait_for(lambda: len(listener.events) == 6, "they say goodbye")
        browser.cancel()


def test_answers(device, peer):
    """With what the service has; what the asker knows is left out."""
    name, kind = unique(), f"{unique('_')}._tcp"
    announced(device, name, f"[('{kind},a b', 80)]")
    sub, full = f"a b._sub.{kind}.local", f"{name}.{kind}.local"
    peer.say([question(sub.upper(), PTR, top=True)])
    answer, found = peer.heard(sub, PTR, unicast=True)
    assert (answer.alias, answer.ttl, answer.unique) == (f"{full}.", 4500, False)
    assert found.num_answers == 1
    more = {(a.name, a.type) for a in found.answers()[1:]}
    assert more == {(f"{full}.", SRV), (f"{full}.", TXT), (f"{name}.local.", A)}
    known = [record(sub, PTR, wire(full), 4500, top=False)]
    ask = [question(sub, PTR, top=True)]
    assert known_pair(peer, device, known, ask, f"{name}.local") == []
    known = [record(f"{kind}.local", PTR, wire(full), 4500, top=False)]
    assert known_pair(peer, device, known, ask, f"{name}.local") == [(f"{sub}.", PTR)]
    for other in (f"a._sub.{kind}.local", f"a b._sub.x{kind}.local", f"_sub.{kind}.local"):
        assert known_pair(peer, device, [], [question(other, PTR, True)], f"{name}.local") == []


def test_announced_and_withdrawn(device, peer):
    name, kind = unique(), f"{unique('_')}._tcp"
    device.exec(f"start({name!r}, [('{kind},_x,_y', 80)])")
    for ttl in (4500, 4500, 0):
        if ttl == 0:
            device.until("c.mdns_name")
            device.exec("c.close()")
        for sub in ("_x", "_y"):
            answer, found = peer.heard(f"{sub}._sub.{kind}.local", PTR)
            assert (answer.ttl, answer.alias) == (ttl, f"{name}.{kind}.local.")
            if sub == "_x":
                assert f"_y._sub.{kind}.local." in {a.name for a in found.answers()}
                peer.sub = found
                break
    lists = {a.alias for a in peer.sub.answers() if a.name.startswith("_services.")}
    assert lists == {f"{kind}.local."}


def test_browsing(device, peer):
    """The instance comes with host, address, port and TXT, as of a type."""
    name, kind = unique(), f"{unique('_')}._tcp"
    device.exec(f"start()\nc.mdns_query('_printer._sub.{kind}')")
    asked = peer.asked(f"_printer._sub.{kind}.local")
    assert [q.type for q in asked.questions] == [PTR]
    full = f"{name}.{kind}.local"
    peer.say(
        (),
        [record(f"_printer._sub.{kind}.local", PTR, wire(full), top=False)],
        (),
        [
            record(full, SRV, srv(631, f"{name}.local")),
            record(full, TXT, b"\3a=b"),
            record(f"{name}.local", A, ip("10.0.0.7")),
        ],
        flags=RESPONSE,
    )
    device.until("about('_printer._sub.') and about('_printer._sub.')[-1][0] == 'RESP'")
    assert device.eval("about('_printer._sub.')[-1]") == (
        "RESP", f"_printer._sub.{kind}.local", PTR, 120, full, f"{name}.local", "10.0.0.7", 631,
        {"a": b"b"},
    )  # fmt: skip


def test_misuse(device):
    device.exec(
        """
for kind in (
    "_http._tcp,", "_http._tcp,,_x", ",_x", "_http._tcp,a.b", "_http._tcp,a\\nb",
    "_http._tcp," + "x" * 64, "_http._tcp" + ",_x" * 60,
):
    raises(ValueError, m.mdns_listen, name="x", services=[(kind, 80)])
raises(ValueError, m.mdns_listen, name="x", services=[("_http._tcp" + ",_x" * 8, n) for n in range(9)])
m.mdns_listen(name="x", services=[("_http._tcp," + "x" * 63, 80)], interface=HOST).close()
m.mdns_listen(name="x", services=[("_http._tcp,a,b,c,d,e,f,g,h", 80)], interface=HOST).close()
"""
    )
