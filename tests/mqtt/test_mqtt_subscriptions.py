# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession: subscriptions, with and without an answer, and the server that forgot some."""

import pytest
from peers.clients import seconds
from peers.mqtt_peers import (
    CONNACK,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    ack,
    packet,
    publish,
    read_packet,
)
from session_script import KEPT, NEW, conversation, mid, script  # noqa: F401


def answer(raw, code=None, five=False):
    got = read_packet(raw)
    if got[0] == SUBSCRIBE:
        raw.send(ack(SUBACK, mid(got), (b"\0" if five else b"") + bytes([code or got[2][-1]])))
    elif got[0] == UNSUBSCRIBE:
        raw.send(ack(UNSUBACK, mid(got), b"\0\0" if five else b""))
    return got[0], got[2][(3 if five else 2) + 2 :]


def test_subscriptions_without_answer_are_asked_for_again(script):  # noqa: F811
    """Offline, and between SUBSCRIBE and SUBACK, though the server kept the session."""

    def first(raw):
        raw.send(NEW)
        # All three are read: what is unread at a close resets the connection, and the one answer goes.
        return [answer(raw), read_packet(raw)[0], read_packet(raw)[0]]

    def second(raw):
        raw.send(KEPT)
        return [answer(raw), answer(raw), answer(raw)]

    results = conversation(
        script,
        [first, second],
        "s.subscribe('a', 1); s.subscribe('b', 1); s.subscribe('c'); "
        "s.on_state = lambda up, text: up or s.unsubscribe('a')",
        "s.connected and len(answers) == 3",
    )
    assert results == [
        [(SUBSCRIBE, b"a\1"), SUBSCRIBE, SUBSCRIBE],
        [(UNSUBSCRIBE, b"a"), (SUBSCRIBE, b"b\1"), (SUBSCRIBE, b"c\0")],
    ]
    assert script.eval("answers") == [("a", 1, 0), ("b", 1, 0), ("c", 0, 0)]


def test_more_filters_than_fit(script):  # noqa: F811
    def talk(raw):
        raw.send(NEW)
        return [answer(raw)[1] for _ in range(150)]

    results = conversation(
        script,
        [talk],
        "[s.subscribe('f/%d' % n, 1) for n in range(150)]",
        "len(answers) == 150",
    )
    assert results == [[b"f/%d\1" % n for n in range(150)]]


def test_a_refused_subscription_is_told(script):  # noqa: F811
    def talk(raw):
        raw.send(NEW)
        return answer(raw, 128)

    conversation(script, [talk], "s.subscribe('secret', 2)", "answers")
    assert script.eval("answers") == [("secret", 2, 128)]


def test_a_session_that_nobody_asked_for(script):  # noqa: F811
    """Session present after a clean start: the connection ends, and the session goes on."""

    def first(raw):
        raw.send(KEPT)
        return read_packet(raw)

    def second(raw):
        raw.send(NEW)

    conversation(script, [first, second], "pass", "(True, '') in states", clean_session=True)
    assert "a clean one was asked for" in script.eval("states[0][1]")


@pytest.mark.parametrize("version", [4, 5])
def test_asks_again_where_the_server_may_have_gone_back(script, version):  # noqa: F811
    """In MQTT 5 always, without the retained messages. In 3.1.1 after an end between two packets, which a
    killed server makes, too, or when a try has failed; not after a cut in the middle of one."""
    more = b"\0" if version == 5 else b""
    again = (SUBSCRIBE, 0x11 if version == 5 else 1)

    def answered(raw, kept):
        raw.send(packet(CONNACK, bytes([kept, 0]) + more))
        got = read_packet(raw)
        if got[0] == SUBSCRIBE:
            raw.send(ack(SUBACK, mid(got), more + b"\1"))
        return got

    def first(raw):
        got = answered(raw, 0)
        raw.half_close()  # not before the answer is there
        raw.recv(100)
        return got[0], got[2][-1]

    def cut(raw):
        got = answered(raw, 1)
        raw.send(b"\x30\x20")
        raw.half_close()
        raw.recv(100)
        return got[0], got[2][-1]

    def live(raw):
        if version == 5:
            answered(raw, 1)
        else:
            raw.send(packet(CONNACK, b"\1\0"))
        raw.send(publish("t", b"here", version=version))
        raw.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.socket.settimeout(seconds())
        raw.send(b"\x30\x20")

    def fails(raw):
        return None

    def last(raw):
        got = answered(raw, 1)
        return got[0], got[2][-1]

    talks = [first, cut, live, fails, last]
    results = conversation(
        script,
        talks,
        "s.subscribe('t', 1)",
        f"len(answers) == {4 if version == 5 else 3}",
        version=version,
    )
    assert results == [(SUBSCRIBE, 1), again, None, None, again]
