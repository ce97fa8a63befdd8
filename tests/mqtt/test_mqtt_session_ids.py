# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession: packet ids, order, and what a server that went back in time does with them."""

import pytest
from peers.clients import Server, seconds
from peers.mqtt_peers import (
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    ack,
    publish,
    read_packet,
)
from session_script import KEPT, NEW, connack, conversation, mid, payload, script  # noqa: F401


def test_an_id_is_taken_while_its_exchange_is_open(script):  # noqa: F811
    """PUBREL of before and a new message on one connection: each has its own id, one PUBCOMP is one."""

    def first(raw):
        raw.send(NEW)
        got = read_packet(raw)
        raw.send(ack(PUBREC, mid(got)))
        return [got[0], mid(got), read_packet(raw)[0]]

    def second(raw):
        raw.send(KEPT)
        seen = [read_packet(raw) for _ in range(2)]
        raw.send(ack(PUBCOMP, mid(seen[0])))
        raw.send(ack(PUBREC, mid(seen[1])))
        seen.append(read_packet(raw))
        raw.send(ack(PUBCOMP, mid(seen[2])))
        return [(got[0], mid(got)) for got in seen]

    results = conversation(
        script,
        [first, second],
        "s.on_state = lambda up, text: states.append(up) or (not up and len(states) == 2 and s.publish('t', 'b', 2)); s.publish('t', 'a', 2)",
        "s.queued == 0",
    )
    assert results == [[PUBLISH, 1, PUBREL], [(PUBREL, 1), (PUBLISH, 2), (PUBREL, 2)]]


def test_what_does_not_fit_on_resume_follows_in_order(script):  # noqa: F811
    """The receive maximum of the second connection is 2: the rest goes as room comes, with DUP."""

    def first(raw):
        raw.send(connack())
        return [payload(read_packet(raw), 5) for _ in range(5)]

    def second(raw):
        raw.send(connack(b"\x21\0\2", present=True))
        seen = [read_packet(raw), read_packet(raw)]
        raw.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.socket.settimeout(seconds())
        for n in range(5):
            raw.send(ack(PUBACK, mid(seen[n])))
            if n < 3:
                seen.append(read_packet(raw))
        return [(payload(got, 5), mid(got), got[1]) for got in seen]

    results = conversation(
        script,
        [first, second],
        "[s.publish('t', str(n), 1) for n in range(5)]",
        "s.queued == 0",
        version=5,
    )
    assert results[0] == [b"%d" % n for n in range(5)]
    assert results[1] == [(b"%d" % n, n + 1, 10) for n in range(5)]


def announced(got):
    """The receive maximum in a CONNECT of MQTT 5; lengths and numbers there are short."""
    props = got[2][11 : 11 + got[2][10]]
    while props[0] != 33:
        props = props[{17: 5, 39: 5}[props[0]] :]
    return int.from_bytes(props[1:3], "big")


def test_more_at_a_time_than_announced(script):  # noqa: F811
    """mosquitto does so when it resumes a session: to end the connection would only bring it again."""
    most = []

    def talk(raw):
        most.append(announced(read_packet(raw)) + 8)
        if len(most) == 1:
            raw.send(connack())
            raw.send(b"".join(publish("t", b"%d" % n, 2, n, version=5) for n in range(1, 9)))
            answers = [read_packet(raw) for _ in range(8)]
            raw.reset()
            return [got[:1] + got[2:] for got in answers] == [
                (PUBREC, n.to_bytes(2, "big")) for n in range(1, 9)
            ]
        raw.send(connack(present=True))
        for n in range(1, most[0] + 1):
            raw.send(publish("t", b"%d" % n, 2, n, dup=n < 9, version=5))
        answers = [read_packet(raw) for _ in range(most[0])]
        raw.send(b"".join(ack(PUBREL, n) for n in range(1, most[0] + 1)))
        answers += [read_packet(raw) for _ in range(most[0])]
        return {got[0] for got in answers if got[2][2:] in (b"", b"\0")}, len(answers)

    with Server(talk, count=2) as host:
        script.exec(f"s = start({host.port}, version=5); s.on_message = lambda d: got.append(d.id)")
        script.until("states.count((True, '')) == 2 and not s.connected", 30)
        script.exec("s.close()")
    assert host.results == [True, ({PUBREC, PUBCOMP}, 2 * most[0])]
    assert script.eval("got == list(range(1, len(got) + 1)) and len(got)") == most[0]


def test_an_open_id_with_another_message(script):  # noqa: F811
    """The server went back in time, and what it sent first under that id was lost with a link."""

    def first(raw):
        raw.send(NEW + publish("t", b"old", 2, 5))
        return read_packet(raw)

    def second(raw):
        raw.send(KEPT + publish("t", b"old", 2, 5, dup=True))
        answers = [read_packet(raw)]
        raw.send(publish("t", b"new", 2, 5, dup=True) + publish("t", b"new", 2, 5, dup=True))
        answers += [read_packet(raw), read_packet(raw)]
        raw.send(publish("t", b"end", 1, 6))
        return [*answers, read_packet(raw)]

    results = conversation(script, [first, second], "pass", "('t', b'end') in got")
    record = (PUBREC, 0, b"\0\5")
    assert results == [record, [record, record, record, (PUBACK, 0, b"\0\6")]]
    assert script.eval("got") == [("t", b"old"), ("t", b"new"), ("t", b"end")]


def exchange(raw, payload, mid=1):
    """A message with QoS 2 of the server's, whole."""
    raw.send(publish("t", payload, 2, mid))
    answers = [read_packet(raw)]
    raw.send(ack(PUBREL, mid))
    return [*answers, read_packet(raw)]


def test_an_id_that_is_free_at_once_and_the_same_content(script):  # noqa: F811
    """Such a server's next message is a new one as a duplicate, too: the link has lost its first copy."""
    done = [(PUBREC, 0, b"\0\1"), (PUBCOMP, 0, b"\0\1")]

    def first(raw):
        raw.send(NEW)
        return exchange(raw, b"on") + exchange(raw, b"on")

    def second(raw):
        raw.send(KEPT + publish("t", b"on", 2, 1, dup=True))
        answers = [read_packet(raw)]
        raw.send(publish("t", b"on", 2, 1, dup=True))  # which is open now
        answers.append(read_packet(raw))
        raw.send(ack(PUBREL, 1))
        answers.append(read_packet(raw))
        raw.send(publish("t", b"end", 1, 6))
        return [*answers, read_packet(raw)]

    results = conversation(script, [first, second], "pass", "('t', b'end') in got")
    assert results == [done + done, [done[0], done[0], done[1], (PUBACK, 0, b"\0\6")]]
    assert script.eval("got") == [("t", b"on")] * 3 + [("t", b"end")]


def test_an_id_that_is_not_given_again_and_the_same_content(script):  # noqa: F811
    """A server that counts its ids up repeats what was released: mosquitto does."""

    def first(raw):
        raw.send(NEW)
        return len(exchange(raw, b"on", 1) + exchange(raw, b"on", 2))

    def second(raw):
        raw.send(KEPT + publish("t", b"on", 2, 2, dup=True))
        answers = [read_packet(raw)]
        raw.send(publish("t", b"end", 1, 6))
        return [*answers, read_packet(raw)]

    results = conversation(script, [first, second], "pass", "('t', b'end') in got")
    assert results == [4, [(PUBREC, 0, b"\0\2"), (PUBACK, 0, b"\0\6")]]
    assert script.eval("got") == [("t", b"on")] * 2 + [("t", b"end")]


def test_a_program_that_finds_a_session_from_before(script):  # noqa: F811
    """Its ids are not those with which the one before it began, and which may be open on the server."""

    def talk(raw):
        raw.send(KEPT)
        got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return mid(got)

    ids = set()
    for _ in range(3):
        ids.update(conversation(script, [talk], "s.publish('t', 'x', 1)", "s.queued == 0"))
    assert len(ids) > 1 and 0 not in ids, ids


def test_a_broker_that_breaks_the_protocol(script):  # noqa: F811
    """PUBCOMP without PUBREC: the connection ends with the reason, the message is kept."""

    def first(raw):
        raw.send(NEW)
        raw.send(ack(PUBCOMP, mid(read_packet(raw))))
        return read_packet(raw)

    def second(raw):
        raw.send(KEPT)
        got = read_packet(raw)
        raw.send(ack(PUBREC, mid(got)))
        raw.send(ack(PUBCOMP, mid(read_packet(raw))))
        return got[1]

    results = conversation(script, [first, second], "s.publish('t', 'x', 2)", "s.queued == 0")
    assert results == [None, 12]
    assert any("does not wait for" in why for _, why in script.eval("states"))
