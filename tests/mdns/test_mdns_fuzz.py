# SPDX-License-Identifier: GPL-2.0-only
"""Multicast DNS messages that nobody meant: dropped whole, and the responder lives on."""

from functools import partial

import pytest
from batches import examples, mutated
from hypothesis import given
from hypothesis import strategies as st
from peers.mdns_peer import (
    PTR,
    RESPONSE,
    SRV,
    TXT,
    A,
    Peer,
    ip,
    message,
    question,
    record,
    srv,
    unique,
    wire,
)
from test_mdns import DEVICE, announced

pytestmark = [pytest.mark.needs("multicast"), pytest.mark.cost(2.5)]

MARK = unique("mark")
GOOD = [record(f"{MARK}.local", A, ip("10.0.0.1"))]


def pointer(to):
    return bytes([0xC0 | to >> 8, to & 255])


def raw(name, kind, data, length=None):
    """A record with a name of bytes, and a length that may lie."""
    length = len(data) if length is None else length
    return name + b"\0%c\0\1\0\0\0\1" % kind + length.to_bytes(2, "big") + data


def long_name(labels, size):
    return b"".join(bytes([size]) + b"x" * size for _ in range(labels)) + b"\0"


# Each holds a record of MARK that must not be told, behind or ahead of what is wrong.
BAD = {
    "pointer to itself": message((), [*GOOD, raw(pointer(12 + len(GOOD[0])), A, b"1234")]),
    "pointer forward": message((), [*GOOD, raw(pointer(200), A, b"1234")] + GOOD * 9),
    "pointers in a circle": message((), [raw(b"\1a" + pointer(12), A, b"1234"), *GOOD]),
    "pointer into the header": message((), [*GOOD, raw(pointer(4), A, b"1234")]),
    "pointer past the end": message((), [*GOOD, raw(pointer(0x3FFF), A, b"1234")]),
    "pointer cut": message((), [*GOOD, b"\xc0"]),
    "label of a kind unknown": message((), [*GOOD, raw(b"\x40a\0", A, b"1234")]),
    "label of another kind": message((), [*GOOD, raw(b"\x80a\0", A, b"1234")]),
    "name without end": message((), [*GOOD, b"\x3f" + b"x" * 20]),
    "name over 255 bytes": message((), [*GOOD, raw(long_name(5, 63), A, b"1234")]),
    "name over 255 by pointers": message(
        (), [raw(long_name(3, 63), A, b"1234"), raw(b"\x3f" + b"y" * 63 + pointer(12), A, b"12")]
    )
    + b"",
    "more records than there are": message((), GOOD)[:7] + b"\2" + message((), GOOD)[8:],
    "many records that are not there": message((), GOOD)[:6] + b"\xff\xff" + message((), GOOD)[8:],
    "many questions that are not there": b"\0\0\x84\0\xff\xff" + message((), GOOD)[6:],
    "data past the end": message((), [*GOOD, raw(b"\0", 99, b"12", 3)]),
    "address of three bytes": message((), [*GOOD, raw(b"\0", A, b"123")]),
    "address of five bytes": message((), [*GOOD, raw(b"\0", A, b"12345")]),
    "IPv6 address of four": message((), [*GOOD, raw(b"\0", 28, b"1234")]),
    "PTR of nothing": message((), [*GOOD, raw(b"\0", PTR, b"")]),
    "PTR with more behind": message((), [*GOOD, raw(b"\0", PTR, b"\0\0")]),
    "PTR in a circle": message((), [raw(b"\0", PTR, pointer(23)), *GOOD]),
    "SRV of six bytes": message((), [*GOOD, raw(b"\0", SRV, b"\0" * 6)]),
    "SRV with more behind": message((), [*GOOD, raw(b"\0", SRV, b"\0" * 8)]),
    "TXT cut": message((), [*GOOD, raw(b"\0", TXT, b"\4abc")]),
    "error code": message((), GOOD, flags=RESPONSE | 3),
    "another opcode": message((), GOOD, flags=RESPONSE | 0x2800),
    "header cut": b"\0" * 11,
    "nothing": b"",
    "300 records": message((), [raw(b"\0", 99, b"")] * 300 + GOOD),
}


@pytest.fixture
def device(shared):
    running = shared(DEVICE)
    running.exec("c = None\nlog.clear()")
    yield running
    running.exec("c.close()")


def alive(peer, name):
    for _ in range(10):  # a board answers few by unicast, each second
        peer.say([question(f"{name}.local", A, top=True)])
        if peer.heard(f"{name}.local", A, timeout=2, unicast=True)[0] is not None:
            return True
    return False


def test_malformed(device):
    """One after another; what stands in them is not told, neither what is right in them."""
    name = unique()
    announced(device, name)
    with Peer() as peer:
        for what, data in BAD.items():
            if len(data) > 4 and what not in ("error code", "another opcode"):
                data = data[:2] + b"\x84\0" + data[4:]
            peer.send(data)
            assert alive(peer, name), what
            assert device.eval(f"about({MARK!r})") == [], what
        peer.say((), GOOD, flags=RESPONSE)
        assert device.until(f"about({MARK!r})")


def test_cut_anywhere(device):
    name, kind = unique(), "_x._tcp.local"
    announced(device, name)
    whole = message(
        [question(kind, PTR)],
        [record(kind, PTR, wire(f"{MARK}.{kind}"))],
        [record(f"{MARK}.{kind}", SRV, srv(80, f"{MARK}.local"))],
        [record(f"{MARK}.{kind}", TXT, b"\3a=b")],
        flags=RESPONSE,
    )
    with Peer() as peer:
        for size in range(len(whole)):
            peer.send(whole[:size])
            if size % 5 == 4:
                device.exec("for n in range(5): m.poll(1)")  # small buffers hold few
        assert alive(peer, name)
        assert device.eval(f"about({MARK!r}) + about({kind!r})") == []
        peer.send(whole)
        assert device.until(f"about({kind!r})")


def test_largest(device):
    """A datagram of 60000 bytes."""
    name = unique()
    announced(device, name)
    big = [record(f"{MARK}.local", TXT, (b"\xff" + b"x" * 255) * 200)]
    with Peer() as peer:
        peer.say((), big + GOOD, flags=RESPONSE)
        device.exec("for n in range(5): m.poll(1)")
        assert alive(peer, name)
    assert len(device.eval(f"[e[:2] for e in about({MARK!r})]")) in (0, 2)


def test_fuzz(device):
    name = unique()
    announced(device, name, "[('_fuzz._tcp', 80, {'a': 'b'})]")
    device.exec(
        """
def look(c, ev, d):
    # Every way to look at a message must hold for whatever got through.
    if ev == MG_EV_MDNS_REQ:
        repr((d.name, d.type, d.is_unicast, d.is_answered))
    elif ev == MG_EV_MDNS_RESP:
        repr((d.name, d.type, d.ttl, d.instance, d.host, d.address, d.port, d.txt))
c.set_handler(look)
"""
    )
    kind = "_fuzz._tcp.local"
    names = st.sampled_from(
        [kind, f"{name}.{kind}", f"x.{kind}", "y.local", "_services._dns-sd._udp.local"]
    )
    data = st.one_of(
        names.map(wire),
        names.map(lambda n: srv(80, n)),
        st.just(b"\3a=b"),
        st.just(ip("10.0.0.1")),
        st.binary(max_size=40),
    )
    records = st.builds(
        record, names, st.sampled_from([1, 12, 16, 28, 33, 47, 255]), data,
        st.sampled_from([0, 1, 120, 4500, 0xFFFFFFFF]), st.booleans(),
    )  # fmt: skip
    questions = st.builds(question, names, st.sampled_from([1, 12, 16, 33, 255]), st.booleans())

    @partial(examples, count=150)
    @given(
        parts=st.tuples(st.lists(questions, max_size=3), *[st.lists(records, max_size=3)] * 3),
        flags=st.sampled_from([0, 0, RESPONSE, RESPONSE, 0x0200, 0x2800]),
        number=st.sampled_from([0, 1]),
        more=st.data(),
    )
    def check(parts, flags, number, more):
        peer.send(mutated(more.draw, message(*parts, flags=flags, number=number)))
        assert device.eval("len(m.connections)") == 1

    with Peer() as peer:
        check()
    with Peer() as peer:  # it may have lost its name on the way
        device.until("c.mdns_name", 20)
        taken = device.eval("c.mdns_name")
        assert alive(peer, taken[: -len(".local")])
