# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession: what cannot be sent is refused, dropped, or set aside on evidence; and nothing else is."""

import pytest
from peers.clients import free_port
from peers.mqtt_peers import (
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBLISH,
    PUBREC,
    ack,
    packet,
    publish,
    read_packet,
)
from session_script import KEPT, connack, conversation, mid, payload, script  # noqa: F401


def test_what_no_server_takes_is_refused_at_once(script):  # noqa: F811
    script.exec(f"s = start({free_port()})")
    for call, error in [
        ("s.publish('a/#', 'x', 1)", "ValueError"),
        ("s.publish('', 'x', 1)", "ValueError"),
        ("s.publish('t', 'x', 3)", "ValueError"),
        ("s.publish('t', 'x', -1)", "ValueError"),
        ("s.publish('t', 5, 1)", "TypeError"),
        ("s.publish(b't' if False else 7, 'x', 1)", "TypeError"),
        ("s.publish('t', None)", "TypeError"),
        ("s.publish('t', 'x', '1')", "TypeError"),
        ("s.publish('t', 'x', 1, properties=[(2, 9)])", "ValueError"),
        ("s.publish('t', 'x', 1, expiry=-1)", "ValueError"),
        ("s.subscribe('a#')", "ValueError"),
        ("s.subscribe('a', 3)", "ValueError"),
        ("s.subscribe('a', 1, options=4)", "ValueError"),
        ("s.subscribe(None)", "TypeError"),
        ("s.unsubscribe('a+')", "ValueError"),
        ("start(1, queue_policy='x')", "ValueError"),
        ("start(1, queue_max=-1)", "ValueError"),
        ("start(1, retry_min=-1)", "ValueError"),
    ]:
        assert script.eval(f"fails(lambda: {call})") == error, call
    assert script.eval("s.queued") == 0


def test_what_this_server_does_not_take_is_dropped_and_told(script):  # noqa: F811
    """Maximum QoS 1, no retain, packets of at most 60 bytes: the queue goes on."""

    def talk(raw):
        raw.send(connack(b"\x24\1\x25\0\x27\0\0\0\x3c"))
        got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return payload(got, 5)

    results = conversation(
        script,
        [talk],
        "sent = [s.publish('t', 'a', 2), s.publish('t', 'b', 1, True), s.publish('t', bytes(99), 1), "
        "s.publish('t', 'good', 1)]",
        "len(told) == 4",
        version=5,
    )
    assert results == [b"good"]
    assert script.eval("told") == [
        (1, "dropped", 0x9B),
        (2, "dropped", 0x9A),
        (3, "dropped", 0x95),
        (4, "acknowledged", 0),
    ]
    assert script.eval("s.dropped") == 3


def test_a_refusal_is_told(script):  # noqa: F811
    def talk(raw):
        raw.send(connack())
        for _ in range(2):
            got = read_packet(raw)
            raw.send(ack(PUBACK if got[1] == 2 else PUBREC, mid(got), b"\x87"))

    conversation(
        script,
        [talk],
        "s.publish('t', 'a', 1); s.publish('t', 'b', 2)",
        "len(told) == 2",
        version=5,
    )
    assert script.eval("told") == [(1, "refused", 0x87), (2, "refused", 0x87)]


@pytest.mark.parametrize("how", ["close", "disconnect"])
def test_evidence_sets_one_message_aside(script, how):  # noqa: F811
    """The server ends every connection on which it gets "bad": three times with it alone in flight."""
    good = []
    lonely = []

    def talk(raw):
        raw.send(connack(present=True))
        alone = []
        while (got := read_packet(raw)) is not None and got[0] == PUBLISH:
            alone.append(payload(got, 5))
            if payload(got, 5) == b"bad":
                lonely.append(len(alone))
                if how == "disconnect":
                    raw.send(packet(DISCONNECT, b"\x83"))
                raw.half_close()
                raw.recv(100)
                return
            good.append(payload(got, 5))
            raw.send(ack(PUBACK, mid(got)))

    conversation(
        script,
        [talk] * 7,
        "[s.publish('t', x, 1) for x in ('a', 'bad', 'b')]",
        "len(told) == 3",
        version=5,
    )
    assert sorted(script.eval("told")) == [
        (1, "acknowledged", 0),
        (2, "refused", 0x83 if how == "disconnect" else 0),
        (3, "acknowledged", 0),
    ]
    assert good[-1] == b"b"


def test_a_cut_is_no_evidence(script):  # noqa: F811
    def cut(raw):
        raw.send(KEPT)
        got = read_packet(raw)
        raw.reset()
        return payload(got)

    def good(raw):
        raw.send(KEPT)
        got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return payload(got)

    def ended(raw):
        raw.send(KEPT)
        got = read_packet(raw)
        raw.half_close()
        raw.recv(100)
        return payload(got)

    # A proxy may cut in order, too: three in a row are evidence, and nothing else.
    talks = [cut] * 6 + [ended, ended, cut] * 3 + [good]
    results = conversation(script, talks, "s.publish('t', 'x', 1)", "told", retry_max=40)
    assert results == [b"x"] * 16
    assert script.eval("told") == [(1, "acknowledged", 0)]


@pytest.mark.parametrize("version", [4, 5])
def test_what_is_behind_a_message_that_is_always_cut_gets_through(script, version):  # noqa: F811
    """No evidence against it, as it stands: the others go first, and it is tried again behind them."""
    connected = KEPT if version == 4 else connack(present=True)
    turns = []

    def talk(raw):
        turns.append(raw)
        raw.send(connected)
        while (got := read_packet(raw)) is not None and got[0] == PUBLISH:
            if payload(got, version) == b"bad":
                raw.reset()
                return
            if len(turns) > 3:  # until then the answers are lost with the link
                raw.send(ack(PUBACK, mid(got)))

    def last(raw):
        raw.send(connected)
        got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return payload(got, version), got[1]

    results = conversation(
        script,
        [talk] * 11 + [last],
        "[s.publish('t', x, 1) for x in ('a', 'bad', 'b', 'c')]",
        "len(told) == 4",
        version=version,
        retry_max=40,
    )
    assert results[-1] == (b"bad", 10)
    told = script.eval("told")
    assert sorted(told) == [(n, "acknowledged", 0) for n in range(1, 5)]
    assert [t[0] for t in told] == [1, 3, 4, 2]


def test_messages_that_were_cut_take_turns(script):  # noqa: F811
    """A link that was bad for all of them sets them aside alike; then the server resets at one alone."""
    turns = []

    def talk(raw):
        turns.append(raw)
        seen = []
        raw.send(KEPT)
        while (got := read_packet(raw)) is not None and got[0] == PUBLISH:
            seen.append(payload(got))
            if seen[-1] == b"bad" or len(turns) < 10:
                raw.reset()
                break
            raw.send(ack(PUBACK, mid(got)))
        return seen

    publishes = "[s.publish('t', x, 1) for x in ('bad', 'a', 'b')]"
    results = conversation(script, [talk] * 10, publishes, "len(told) == 2", retry_max=40)
    assert results == [[b"bad"]] * 6 + [[b"a"], [b"b"], [b"bad"], [b"a", b"b", b"bad"]]
    assert script.eval("told[:2]") == [(2, "acknowledged", 0), (3, "acknowledged", 0)]


def test_a_cut_in_order_while_messages_come_is_no_evidence(script):  # noqa: F811
    """The server has messages on their way when the link ends: another look, behind a ping."""

    def ended(raw):
        raw.send(KEPT)
        got = read_packet(raw)
        if got[0] == PUBLISH:
            raw.send(publish("t", b"x", 1, 9))
            raw.half_close()
            raw.recv(100)
            return payload(got)
        raw.send(packet(PINGRESP) + publish("t", b"x", 1, 9))
        raw.half_close()
        raw.recv(100)
        return got[0]

    def good(raw):
        raw.send(KEPT)
        assert read_packet(raw)[0] == PINGREQ
        raw.send(packet(PINGRESP))
        got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return payload(got)

    results = conversation(
        script, [ended] * 8 + [good], "s.publish('t', 'x', 1)", "told", retry_max=40
    )
    assert results == [b"x"] * 2 + [PINGREQ] * 6 + [b"x"]
    assert script.eval("told") == [(1, "acknowledged", 0)]


def test_a_server_that_always_has_more_to_say_may_dislike_a_message(script):  # noqa: F811
    """Its ends are evidence at last: else the queue would stand for good."""

    def ended(raw):
        raw.send(KEPT)
        if read_packet(raw)[0] == PINGREQ:
            raw.send(packet(PINGRESP))
            assert read_packet(raw)[0] == PUBLISH
        raw.send(publish("t", b"x", 1, 9))
        raw.half_close()
        raw.recv(100)

    def good(raw):
        raw.send(KEPT)
        got = read_packet(raw)
        if got[0] == PINGREQ:
            raw.send(packet(PINGRESP))
            got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return payload(got)

    results = conversation(
        script,
        [ended] * 18 + [good],
        "s.publish('t', 'bad', 1); s.publish('t', 'next', 1)",
        "len(told) == 2",
        retry_max=40,
    )
    assert results[-1] == b"next"
    assert script.eval("told") == [(1, "refused", 0), (2, "acknowledged", 0)]
