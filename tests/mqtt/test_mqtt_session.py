# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession: a server that goes and comes, what was not acknowledged, what comes twice."""

import pytest
from peers.clients import free_port
from peers.mqtt_peers import (
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    Broker,
    Client,
    ack,
    publish,
    read_packet,
    text,
)
from session_script import KEPT, NEW, conversation, script  # noqa: F401


@pytest.mark.parametrize("version", [4, 5])
def test_server_goes_and_comes(script, tmp_path, version):  # noqa: F811
    first = Broker(tmp_path)
    try:
        script.exec(f"s = start({first.port}, version={version}); s.subscribe('in/#', 1)")
        script.until("s.connected")
        assert script.eval("s.publish('out', 'one', 1)") == 1
        script.until("s.queued == 0")
    finally:
        first.stop()
    script.until("not s.connected")
    assert script.eval("[s.publish('out', str(n), n) for n in range(3)]") == [0, 2, 3]
    script.until("len([1 for up, _ in states if not up]) > 2")
    again = Broker(tmp_path, first.port)
    try:
        with Client(("127.0.0.1", again.port)) as other:
            other.listen("out", 2)
            script.until("s.connected and s.queued == 0", 15)
            script.exec("s.publish('out', 'end')")
            seen = []
            while not seen or seen[-1] != b"end":
                seen.append(other.next()[1])
            other.send("in/x", "hello", 1)
            script.until("got")
    finally:
        again.stop()
    assert script.eval("got") == [("in/x", b"hello")]
    states = script.eval("states")
    assert states[0] == (True, "") and (True, "") in states[1:]
    assert any(text.startswith("connect failed: ") for _, text in states)


@pytest.mark.parametrize("kept", [True, False])
def test_not_acknowledged(script, kept):  # noqa: F811
    """With the session kept: the same id with DUP. Without: a new message."""

    def first(raw):
        raw.send(NEW)
        return read_packet(raw)

    def second(raw):
        raw.send(KEPT if kept else NEW)
        got = read_packet(raw)
        raw.send(ack(PUBACK, int.from_bytes(got[2][3:5], "big")))
        return got

    results = conversation(script, [first, second], "s.publish('t', 'x', 1)", "s.queued == 0")
    body = text("t") + b"\0\1x"
    assert results == [(PUBLISH, 2, body), (PUBLISH, 10 if kept else 2, body)]


@pytest.mark.parametrize("kept", [True, False])
def test_received_but_not_complete(script, kept):  # noqa: F811
    """Of QoS 2 the second half is repeated; a server that forgot the session has the message."""

    def first(raw):
        raw.send(NEW)
        got = read_packet(raw)
        raw.send(ack(PUBREC, 1))
        return got[:2], read_packet(raw)

    def second(raw):
        raw.send(KEPT if kept else NEW)
        if not kept:
            return None
        got = read_packet(raw)
        raw.send(ack(PUBCOMP, 1))
        return got

    results = conversation(script, [first, second], "s.publish('t', 'x', 2)", "s.queued == 0")
    released = (PUBREL, 2, b"\0\1")
    assert results == [((PUBLISH, 4), released), released if kept else None]


def test_message_of_qos_2_that_comes_again_after_a_reconnect(script):  # noqa: F811
    def first(raw):
        raw.send(NEW + publish("t", b"once", 2, 5))
        return read_packet(raw)

    def second(raw):
        raw.send(KEPT + publish("t", b"once", 2, 5, dup=True))
        answers = [read_packet(raw)]
        raw.send(ack(PUBREL, 5))
        answers.append(read_packet(raw))
        raw.send(publish("t", b"more", 2, 5))
        return [*answers, read_packet(raw)]

    results = conversation(script, [first, second], "pass", "len(got) > 1 and not s.connected")
    record, complete = (PUBREC, 0, b"\0\5"), (PUBCOMP, 0, b"\0\5")
    assert results == [record, [record, complete, record]]
    assert script.eval("got") == [("t", b"once"), ("t", b"more")]


def test_subscribes_again_if_the_server_forgot(script):  # noqa: F811
    """Of what it kept: see test_mqtt_subscriptions.py."""

    def forgot(raw):
        raw.send(NEW)
        return read_packet(raw)[0]

    def kept(raw):
        raw.send(KEPT + publish("t", b"here"))

    results = conversation(
        script, [forgot, forgot, kept], "s.subscribe('t', 1)", "got and not s.connected"
    )
    assert results == [SUBSCRIBE, SUBSCRIBE, None]


def test_queue_is_bounded(script):  # noqa: F811
    script.exec(f"s = start({free_port()}, queue_max=3)")
    assert script.eval("[s.publish('t', 'x', 1) for n in range(5)]") == [1, 2, 3, 0, 0]
    assert script.eval("s.publish('t', 'x'), s.queued") == (0, 3)


def test_wait_grows(script):  # noqa: F811
    script.exec(
        f"waits = []; s = start({free_port()})\n"
        "s.on_state = lambda up, text: waits.append(s.retry_in)"
    )
    script.until("len(waits) >= 6")
    for wait, most in zip(script.eval("waits[:6]"), [20, 40, 80, 160, 160, 160], strict=True):
        assert most / 2 <= wait <= most


def test_close_ends_it(script):  # noqa: F811
    script.exec(f"s = start({free_port()}); s.close()")
    script.until("not m.connections")
    assert script.eval("s.publish('t', 'x', 1), s.connected") == (0, False)


def test_wrong_arguments(script):  # noqa: F811
    with pytest.raises(AssertionError, match="ValueError"):
        script.exec("MqttSession(m, 'mqtt://127.0.0.1', '')")
    with pytest.raises(AssertionError, match="ValueError"):
        script.exec("MqttSession(m, 'http://127.0.0.1', 'x')")
    with pytest.raises(AssertionError, match="TypeError"):
        script.exec("MqttSession(m, 'mqtt://127.0.0.1', 'x', nonsense=1)")
