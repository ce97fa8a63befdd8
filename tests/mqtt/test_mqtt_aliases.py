# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession: topic aliases, the user name, and messages above max_message."""

import pytest
from peers.clients import Server
from peers.mqtt_peers import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Broker,
    Client,
    ack,
    publish,
    read_packet,
    text,
)
from session_script import NEW, connack, conversation, script  # noqa: F401


def test_topic_aliases(script):  # noqa: F811
    """The server takes two: the first two topics are sent once, later ones and short ones as they are."""

    def talk(raw):
        raw.send(connack(b"\x22\0\2"))
        seen = []
        while len(seen) < 9:
            got = read_packet(raw)
            size = int.from_bytes(got[2][:2], "big")
            rest = got[2][2 + size :]
            if got[1] & 6:
                raw.send(ack(PUBACK, int.from_bytes(rest[:2], "big")))
                rest = rest[2:]
            props = rest[1 : 1 + rest[0]]
            seen.append((got[2][2 : 2 + size].decode(), props.hex(), rest[1 + rest[0] :].decode()))
        return seen

    results = conversation(
        script,
        [talk, talk],
        "turns = [0]\n"
        "def state(up, text):\n"
        "    if up:\n"
        "        turns[0] += 1\n"
        "        for n, t in enumerate(('first', 'abc', 'second', 'first', 'third', 'second', 'abc', 'first')):\n"
        "            assert s.publish(t, str(n), n % 2)\n"
        "        assert s.publish('first', 'e', 1, expiry=9)\n"
        "s.on_state = state",
        "turns[0] == 2 and s.queued == 0 and not s.connected",
        version=5,
    )
    one, two = "230001", "230002"
    wanted = [
        ("first", one, "0"),
        ("abc", "", "1"),
        ("second", two, "2"),
        ("", one, "3"),
        ("third", "", "4"),
        ("", two, "5"),
        ("abc", "", "6"),
        ("", one, "7"),
    ]
    for seen in results:
        assert seen[:8] == wanted
        assert seen[8][0] == "" and seen[8][1].endswith(one) and seen[8][2] == "e"


def test_topic_aliases_of_a_server(script, tmp_path):  # noqa: F811
    """mosquitto takes ten: whoever subscribes sees the topics."""
    broker = Broker(tmp_path)
    try:
        with Client(("127.0.0.1", broker.port)) as other:
            other.listen("#", 1)
            script.exec(f"s = start({broker.port}, version=5)")
            script.until("s.connected")
            script.exec(
                "for n in range(40):\n    assert s.publish('topic/%d' % (n % 13), str(n), n % 3)"
            )
            script.until("s.queued == 0")
            seen = sorted((int(m[1]), m[0]) for m in (other.next() for _ in range(40)))
            script.exec("s.close()")
    finally:
        broker.stop()
    assert seen == [(n, f"topic/{n % 13}") for n in range(40)]


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("name, flag", [(None, 0), ("", 0x80), ("x", 0x80)])
def test_user_name_may_be_empty(script, name, flag, version):  # noqa: F811
    seen = []

    def talk(raw):
        seen.append(read_packet(raw)[2])
        raw.send(NEW if version == 4 else connack())
        read_packet(raw)

    with Server(talk) as host:
        script.exec(f"s = start({host.port}, username={name!r}, version={version})")
        script.until("s.connected")
        script.exec("s.close()")
    assert seen[0][7] & 0xC0 == flag
    assert seen[0].endswith(b"\0\3dev" + (text(name) if flag else b""))


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_above_max_message_is_skipped(script, qos):  # noqa: F811
    def talk(raw):
        raw.send(NEW)
        raw.send_slowly(
            publish("big/one", bytes(5000), qos, 7, retain=True) + publish("t", b"ok"), 997
        )
        seen = []
        if qos == 1:
            seen.append(read_packet(raw))
        elif qos == 2:
            seen.append(read_packet(raw))
            raw.send(ack(PUBREL, 7))
            seen.append(read_packet(raw))
        return [got[0] for got in seen]

    script.exec("whole = m; m = Manager(max_message=1000)")
    try:
        with Server(lambda raw: read_packet(raw) and (talk(raw), read_packet(raw))) as host:
            script.exec(f"s = start({host.port})\nwhile not got:\n    m.poll(20)\n")
            script.exec("for n in range(20):\n    m.poll(10)\n")
            assert script.eval("got, s.skipped, s.connected") == ([("t", b"ok")], 1, True)
            assert "big/one" in script.eval("states[-1]")[1]
            script.exec("s.close()\nwhile m.connections:\n    m.poll(20)\n")
    finally:
        script.exec("m.close(); m = whole; sessions.clear(); s = None")
    assert host.results[0][0] == [[], [PUBACK], [PUBREC, PUBCOMP]][qos]
