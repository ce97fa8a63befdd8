# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession: a server that goes and comes, what was not acknowledged, what comes twice."""

import pytest
from peers.clients import Server, free_port
from peers.mqtt_peers import (
    CONNACK,
    CONNECT,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    Broker,
    Client,
    ack,
    packet,
    publish,
    read_packet,
    text,
)

SCRIPT = """
from pymongoose.mqtt import MqttSession

got = []
states = []
sessions = []

def start(port, **kwargs):
    kwargs = dict([("retry_min", 20), ("retry_max", 160)] + list(kwargs.items()))
    s = MqttSession(m, peer("mqtt", port), "dev", lambda d: got.append((d.topic, d.data)),
        on_state=lambda up, text: states.append((up, text)), **kwargs)
    sessions.append(s)
    return s

def reset():
    for s in sessions:
        s.close()
    settle()
    sessions.clear()
    got.clear()
    states.clear()

m = Manager()
serve(m)
"""


@pytest.fixture
def script(shared):
    device = shared(SCRIPT)
    yield device
    device.eval("reset()")


@pytest.mark.parametrize("version", [4, 5])
def test_server_goes_and_comes(script, tmp_path, version):
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


def conversation(script, talks, statements, until, **kwargs):
    """Lets the session talk to servers made by hand, one connection each."""
    rest = iter(talks)

    def talk(raw):
        assert read_packet(raw)[0] == CONNECT
        return next(rest)(raw)

    arguments = ", ".join(f"{k}={v!r}" for k, v in kwargs.items())
    with Server(talk, count=len(talks)) as host:
        script.exec(f"s = start({host.port}, {arguments}); {statements}")
        script.until(until)
        script.exec("s.close()")
    return host.results


NEW, KEPT = packet(CONNACK, b"\0\0"), packet(CONNACK, b"\1\0")


@pytest.mark.parametrize("kept", [True, False])
def test_not_acknowledged(script, kept):
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
def test_received_but_not_complete(script, kept):
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


def test_message_of_qos_2_that_comes_again_after_a_reconnect(script):
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


def test_subscribes_again_only_if_the_server_forgot(script):
    def forgot(raw):
        raw.send(NEW)
        return read_packet(raw)[0]

    def kept(raw):
        raw.send(KEPT + publish("t", b"here"))

    results = conversation(
        script, [forgot, forgot, kept], "s.subscribe('t', 1)", "got and not s.connected"
    )
    assert results == [SUBSCRIBE, SUBSCRIBE, None]


def test_queue_is_bounded(script):
    script.exec(f"s = start({free_port()}, queue_max=3)")
    assert script.eval("[s.publish('t', 'x', 1) for n in range(5)]") == [1, 2, 3, 0, 0]
    assert script.eval("s.publish('t', 'x'), s.queued") == (0, 3)


def test_wait_grows(script):
    script.exec(
        f"waits = []; s = start({free_port()})\n"
        "s.on_state = lambda up, text: waits.append(s.retry_in)"
    )
    script.until("len(waits) >= 6")
    for wait, most in zip(script.eval("waits[:6]"), [20, 40, 80, 160, 160, 160], strict=True):
        assert most / 2 <= wait <= most


def test_close_ends_it(script):
    script.exec(f"s = start({free_port()}); s.close()")
    script.until("not m.connections")
    assert script.eval("s.publish('t', 'x', 1), s.connected") == (0, False)


def test_wrong_arguments(script):
    with pytest.raises(AssertionError, match="ValueError"):
        script.exec("MqttSession(m, 'mqtt://127.0.0.1', '')")
    with pytest.raises(AssertionError, match="ValueError"):
        script.exec("MqttSession(m, 'http://127.0.0.1', 'x')")
    with pytest.raises(AssertionError, match="TypeError"):
        script.exec("MqttSession(m, 'mqtt://127.0.0.1', 'x', nonsense=1)")
