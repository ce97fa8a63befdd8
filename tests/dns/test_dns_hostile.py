# SPDX-License-Identifier: GPL-2.0-only
"""Answers that no server should send: forged, malformed, late, endless."""

import random
import socket
import struct
from functools import partial

import pytest
from batches import examples
from hypothesis import given
from hypothesis import strategies as st
from peers.clients import here
from peers.names import AAAA, CNAME, LOOKUPS, A, NameServer, answer, encode_name, one, record

RIGHT = "192.0.2.1"
FORGED = "192.0.2.66"


class Hostile:
    """A name server whose behavior each test sets, and a device that asks it."""

    def __init__(self, device):
        self.server = NameServer(lambda query: self.answers(query))
        self.answers = one()
        self.device = device(LOOKUPS, dns=[self.server.port])
        self.device.expect("SERVING")
        self.count = 0

    def ask(self, answers=None):
        """Looks up a name that was not asked for before."""
        if answers:
            self.answers = answers
        self.count += 1
        return self.device.eval(f"lookup('n{self.count}.test')", 30)


@pytest.fixture
def hostile(device):
    found = Hostile(device)
    with found.server:
        yield found


def both(forged):
    """First what an attacker sends, then the right answer."""

    def answers(query):
        right = one(RIGHT)(query)
        if query.type != A:
            return right
        return [(0.005, each) for each in (*forged(query), *right)]  # small buffers hold few

    return answers


def forgery(query, **changes):
    return answer(query, record(A, FORGED), **changes)


def from_elsewhere(query):
    def send(sock, peer):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(forgery(query), peer)

    return send


NOT_THE_ANSWER = {
    "another id": lambda q: [forgery(q, id=(q.id + n) & 0xFFFF) for n in range(1, 20)],
    "another port": lambda q: [from_elsewhere(q)],
    "another name": lambda q: [forgery(q, question=encode_name("evil.test") + b"\0\1\0\1")],
    "a longer name": lambda q: [forgery(q, question=encode_name(q.name + ".x") + b"\0\1\0\1")],
    "another type": lambda q: [forgery(q, question=encode_name(q.name) + b"\0\x1c\0\1")],
    "another class": lambda q: [forgery(q, question=encode_name(q.name) + b"\0\1\0\3")],
    "no question": lambda q: [answer(q)[:4] + bytes(8)],
    "two questions": lambda q: [answer(q)[:4] + b"\0\2" + bytes(6) + answer(q)[12:] * 2],
    "a question": lambda q: [q.raw],
    "another opcode": lambda q: [forgery(q, flags=0xA980)],
    "nothing": lambda q: [b""],
    "a piece": lambda q: [forgery(q)[:n] for n in range(1, 12)],
    "a cut question": lambda q: [forgery(q)[:n] for n in range(12, 12 + len(q.name) + 6)],
    "noise": lambda q: [random.Random(n).randbytes(n * 7) for n in range(20)],
    "a large datagram": lambda q: [bytes(65000)],
}


@pytest.mark.parametrize("kind", NOT_THE_ANSWER)
def test_what_is_not_the_answer_is_ignored(hostile, target, kind):
    most = target.size(1000, 3)  # a board keeps four datagrams until the program comes to them
    assert hostile.ask(both(lambda query: NOT_THE_ANSWER[kind](query)[:most])) == RIGHT
    assert len(hostile.server.queries) == 2


def test_a_flood_of_forgeries(hostile):
    """After some the question is asked from another port, where the attacker has to start anew."""
    first = []

    def answers(query):
        if query.type == A and not first:
            first.append(query.port)
            return [forgery(query, id=(query.id + 1 + n) & 0xFFFF) for n in range(300)]
        return one(RIGHT)(query)

    assert hostile.ask(answers) == RIGHT
    ports = [query.port for query in hostile.server.queries if query.type == A]
    assert len(ports) == len(set(ports)) == 2


def unusable(query, *records, **more):
    return [answer(query, *records, **more)]


HEAD = 12  # where the question begins

MALFORMED = {
    "cut record": lambda q: [forgery(q)[:-1]],
    "no record": lambda q: unusable(q, count=1),
    "cut header of a record": lambda q: [forgery(q)[:-9]],
    "short address": lambda q: unusable(q, record(A, b"\1\2\3")),
    "long address": lambda q: unusable(q, record(A, bytes(16))),
    "length beyond the end": lambda q: [forgery(q)[:-6] + b"\xff\xff" + forgery(q)[-4:]],
    "pointer to itself": lambda q: unusable(
        q, record(A, FORGED, owner=struct.pack(">H", 0xC000 | HEAD + len(q.name) + 6))
    ),
    "pointer forward": lambda q: unusable(q, record(A, FORGED, owner=b"\xc0\xff")),
    "pointer beyond the end": lambda q: unusable(q, record(A, FORGED, owner=b"\xff\xff")),
    "unknown kind of label": lambda q: unusable(q, record(A, FORGED, owner=b"\x41x\0")),
    "label beyond the end": lambda q: unusable(q, b"\x3fx"),
    "name too long": lambda q: unusable(
        q, record(A, FORGED, owner=(b"\x3f" + b"x" * 63) * 5 + b"\0")
    ),
    "alias of itself": lambda q: unusable(q, record(CNAME, q.name)),
    "aliases in a circle": lambda q: unusable(
        q, record(CNAME, "a.test"), record(CNAME, q.name, owner="a.test")
    ),
    "alias with a pointer in a circle": lambda q: unusable(
        q, record(CNAME, struct.pack(">H", 0xC000 | HEAD + len(q.name) + 6 + 12))
    ),
    "alias shorter than its record": lambda q: unusable(q, record(CNAME, b"\1a\0\0\0")),
    "cut alias": lambda q: unusable(q, record(CNAME, b"\5a")),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_answer(hostile, target, kind):
    """Another server, or another try, may do better."""
    tries = []

    def answers(query):
        if query.type == AAAA:
            return one()(query)
        tries.append(query)
        return MALFORMED[kind](query) if len(tries) == 1 else one(RIGHT)(query)

    assert hostile.ask(answers) == RIGHT
    found = hostile.ask(lambda q: MALFORMED[kind](q) if q.type == A else one()(q))
    assert found == f"name lookup: unusable answer from {target.peer} about n{hostile.count}.test"


def test_pointer_chains(hostile):
    """A name of many pointers, each backwards as it must be, costs its sender's time alone."""

    def answers(query):
        if query.type == AAAA:
            return one()(query)
        start = HEAD + len(query.name) + 6
        chain = b"".join(struct.pack(">H", 0xC000 | start + 10 + 2 * n - 2) for n in range(1, 250))
        filler = b"\0" + struct.pack(">HHIH", 99, 1, 0, len(chain) + 2) + b"\0\0" + chain
        records = [record(A, FORGED, owner=chain[-2:])] * 60
        return [answer(query, filler, *records)]

    assert "unusable answer" in hostile.ask(answers)


def test_records_that_are_not_asked_for(hostile):
    """Other owners, types and classes are passed over; so is what follows the answers."""

    def answers(query):
        if query.type == AAAA:
            return one()(query)
        return [
            answer(
                query,
                record(A, FORGED, owner="evil.test"),
                record(AAAA, "2001:db8::66"),
                record(99, bytes(300)),
                encode_name(query.name) + struct.pack(">HHIH", A, 3, 60, 4) + bytes(4),
                record(A, RIGHT, owner=query.name.upper()),
            )
            + b"more than was announced" * 20
        ]

    assert hostile.ask(answers) == RIGHT


def test_alias_of_another_name_is_no_alias(hostile):
    records = (
        record(CNAME, "target.test", owner="evil.test"),
        record(A, FORGED, owner="target.test"),
    )
    found = hostile.ask(lambda query: [answer(query, *records)])
    assert found == f"name without an address: n{hostile.count}.test"


def test_name_with_odd_bytes(hostile):
    """A dot inside a label does not make two labels of it."""

    def answers(query):
        if query.type == AAAA:
            return one()(query)
        owner = bytes([len(query.name)]) + query.name.encode() + b"\0"
        return [answer(query, record(A, FORGED, owner=owner), record(A, RIGHT))]

    assert hostile.ask(answers) == RIGHT


def test_hundreds_of_addresses(hostile, target):
    records = [record(A, f"192.0.2.{1 + n % 250}") for n in range(target.size(2000, 80))]
    assert hostile.ask(lambda q: unusable(q, *(records if q.type == A else []))) == "192.0.2.1"


def test_late_and_repeated_answers(hostile):
    def answers(query):
        right = one(RIGHT)(query)[0]
        return [right, right, right, (0.05, right), forgery(query)]

    for _ in range(5):
        assert hostile.ask(answers) == RIGHT
    hostile.device.exec("start = ticks_ms()\nwhile ticks_diff(ticks_ms(), start) < 100: m.poll(5)")
    assert hostile.ask(one(RIGHT)) == RIGHT


def test_negative_and_huge_times_to_live(hostile):
    hostile.answers = lambda q: unusable(
        q, *([record(A, RIGHT, ttl=0x80000001)] if q.type == A else [])
    )
    name = "negative.test"
    for n in (2, 4):  # the most significant bit set is no time at all (RFC 2181, 8)
        assert hostile.device.eval(f"lookup({name!r})") == RIGHT
        assert len(hostile.server.queries) == n
    hostile.answers = one(RIGHT, ttl=0x7FFFFFFF)
    for _ in range(2):
        assert hostile.device.eval("lookup('huge.test')") == RIGHT
        assert len(hostile.server.queries) == 6


# ---- Over TCP ----------------------------------------------------------------------------------


def by_tcp(tcp):
    """Says over UDP that the answer is too long, and over TCP what the test wants."""

    def answers(query):
        if query.type == AAAA:
            return one()(query)
        return tcp(query) if query.by_tcp else [answer(query, flags=0x8380)]

    return answers


def test_answer_over_tcp(hostile, target):
    records = [record(A, f"192.0.2.{1 + n % 250}") for n in range(target.size(1000, 55))]
    assert hostile.ask(by_tcp(lambda q: unusable(q, *records))) == "192.0.2.1"


def raw(data, step=None):
    def send(sock, peer):
        for n in range(0, len(data), step or len(data) or 1):
            sock.sendall(data[n : n + (step or len(data))])
        sock.shutdown(socket.SHUT_WR)

    return send


def framed(data):
    return struct.pack(">H", len(data)) + data


def test_answer_over_tcp_in_pieces(hostile):
    assert hostile.ask(by_tcp(lambda q: [raw(framed(one(RIGHT)(q)[0]), 1)])) == RIGHT


BAD_TCP = {
    "closes": lambda q: [raw(b"")],
    "length alone": lambda q: [raw(b"\0")],
    "empty": lambda q: [raw(b"\0\0")],
    "cut": lambda q: [raw(framed(one(RIGHT)(q)[0])[:-1])],
    "another id": lambda q: [raw(framed(forgery(q, id=q.id ^ 1)))],
    "cut off, too": lambda q: [raw(framed(answer(q, flags=0x8380)))],
    "malformed": lambda q: [raw(framed(forgery(q)[:-1]))],
    "noise": lambda q: [raw(random.Random(1).randbytes(70000))],
}


@pytest.mark.parametrize("kind", BAD_TCP)
def test_bad_answer_over_tcp(hostile, kind):
    tried = []

    def answers(query):
        if query.by_tcp:
            tried.append(query)
        if len(tried) > 1:
            return one(RIGHT)(query)
        return by_tcp(BAD_TCP[kind])(query)

    assert hostile.ask(answers) == RIGHT


def test_no_tcp_there(device):
    """The name server answers over UDP alone, with an answer that is cut off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((here(), 0))
        with NameServer(by_tcp(lambda q: [])) as server:
            server.tcp.shutdown(socket.SHUT_RDWR)
            running = device(LOOKUPS, dns=[server.port])
            running.expect("SERVING")
            assert running.eval("lookup('one.test')", 30).startswith("name lookup: ")


# ---- Made by hypothesis ------------------------------------------------------------------------


def mangled(data, edits):
    data = bytearray(data)
    for kind, where, value in edits:
        pos = where % (len(data) or 1)
        if kind == "set" and data:
            data[pos] = value
        elif kind == "cut":
            del data[pos:]
        elif kind == "drop":
            del data[pos : pos + 1 + value % 8]
        else:
            data[pos:pos] = bytes([value]) * (1 + value % 5)
    return bytes(data)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "cut", "drop", "insert"]),
        st.integers(0, 400),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=6,
)


def test_mangled_answers(hostile):
    """Whatever comes ahead of it, the right answer or a clear text is what the program hears."""

    @partial(examples, count=150)
    @given(edits=EDITS, junk=st.binary(max_size=200))
    def run(edits, junk):
        def forged(query):
            rich = answer(
                query,
                record(CNAME, "middle.test"),
                record(CNAME, b"\4last\xc0\x0c", owner="middle.test"),
                record(A, FORGED, owner=b"\4last\xc0\x0c"),
            )
            return [mangled(rich, edits), answer(query)[:12] + junk]

        found = hostile.ask(both(forged))
        assert found is not None
        assert found.count(".") == 3 or "name" in found, found

    run()
    assert hostile.ask(one(RIGHT)) == RIGHT
