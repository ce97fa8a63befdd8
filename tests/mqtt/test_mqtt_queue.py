# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession: its queue, what becomes of it when full, and what of a message in it."""

import threading

import pytest
from peers.clients import Server, free_port
from peers.mqtt_peers import PUBACK, Broker, Client, ack, read_packet
from session_script import NEW, connack, conversation, mid, payload, script  # noqa: F401


@pytest.mark.parametrize(
    "policy, kept, gone",
    [("refuse", "012", []), ("drop_oldest", "234", [1, 2]), ("drop_newest", "014", [3, 4])],
)
def test_queue_policy(script, tmp_path, policy, kept, gone):  # noqa: F811
    port = free_port()
    script.exec(f"s = start({port}, queue_max=3, queue_policy={policy!r})")
    tokens = script.eval("[s.publish('q', str(n), 1) for n in range(5)]")
    assert tokens == ([1, 2, 3, 0, 0] if policy == "refuse" else [1, 2, 3, 4, 5])
    script.until(f"len(told) == {len(gone)}")
    assert script.eval("told") == [(token, "dropped", 0) for token in gone]
    assert script.eval("s.dropped, s.rejected") == (len(gone), 2 if policy == "refuse" else 0)
    broker = Broker(tmp_path, port)
    try:
        # The session's own back-off is long by now; the subscriber is sure to be there first.
        with Client(("127.0.0.1", port), client_id="sub", clean_session=False) as other:
            other.listen("q", 1)
            script.until("s.queued == 0")
            script.exec("s.publish('q', 'end', 1)")
            seen = [other.next()[1].decode()]
            while seen[-1] != "end":
                seen.append(other.next()[1].decode())
    finally:
        broker.stop()
    assert "".join(seen[:-1]).endswith(kept) or set(kept) >= set(seen[:-1])


def test_expired_messages(script):  # noqa: F811
    """A message waits its time; what is left of it goes to a server of MQTT 5."""

    def talk(raw):
        raw.send(connack())
        got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return got[2]

    for version in (4, 5):
        script.exec(f"s = start({free_port()}, version={version})")
        script.eval("[s.publish('t', 'old', 1, expiry=1), s.publish('t', 'new', 1, expiry=100)]")
        script.until("told", 15)
        assert script.eval("told, s.expired, s.queued") == ([(1, "expired", 0)], 1, 1)
        script.exec("s.close(); told.clear()")
    results = conversation(
        script, [talk], "s.publish('t', 'new', 1, expiry=100)", "s.queued == 0", version=5
    )
    assert results[0][5] == 5 and results[0][6] == 2 and results[0][11:] == b"new"
    assert 98 <= int.from_bytes(results[0][7:11], "big") <= 100


def test_queue_of_so_many_bytes(script):  # noqa: F811
    """What does not fit is refused, or as much is dropped as makes room; never what would not help."""
    script.exec(f"s = start({free_port()}, on_delivery=None, queue_bytes=2000)")
    assert script.eval("[bool(s.publish('t', bytes(800), 1)) for n in range(3)]") == [
        True,
        True,
        False,
    ]
    assert script.eval("s.publish('t', 'x', 1) > 0, s.queued, s.rejected") == (True, 3, 1)
    for policy, left in (("drop_oldest", [4, 5]), ("drop_newest", [1, 5])):
        script.exec(
            f"s.close(); s = start({free_port()}, on_delivery=None, queue_bytes=2000, queue_policy={policy!r})"
        )
        script.exec("sent = [s.publish('t', bytes(500), 1) for n in range(2)]")
        script.exec("sent += [s.publish('t', bytes(n), 1) for n in (1, 2, 900)]")
        assert script.eval(
            "sent, s.queued, s.publish('t', bytes(2000), 1), s.queued, s.dropped"
        ) == (
            [1, 2, 3, 4, 5],
            {"drop_oldest": 4, "drop_newest": 2}[policy],
            0,
            {"drop_oldest": 4, "drop_newest": 2}[policy],
            {"drop_oldest": 1, "drop_newest": 3}[policy],
        ), left
    assert script.eval("fails(lambda: start(1, queue_bytes=-1))") == "ValueError"


def test_results_that_nobody_fetched_count(script):  # noqa: F811
    """A program that publishes for ever inside a handler does not fill the memory with what was dropped."""
    script.exec(
        f"s = start({free_port()}, queue_max=2, queue_policy='drop_oldest', queue_bytes=1000)\n"
        "n = 0\nwhile s.publish('t', bytes(50), 1):\n    n += 1\n"
    )
    assert 3 <= script.eval("n") <= 18
    script.until("len(told) == n - 2 and s.publish('t', 'x', 1)")


def test_bytearray_is_copied(script):  # noqa: F811
    def talk(raw):
        raw.send(NEW)
        got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return payload(got)

    statements = "b = bytearray(b'before'); s.publish('t', b, 1); b[:] = b'after!'"
    assert conversation(script, [talk], statements, "s.queued == 0") == [b"before"]


@pytest.mark.needs("memory")
def test_a_full_send_buffer_empties(script):  # noqa: F811
    """The server reads nothing at first: the messages go when it does, without another call."""
    slow = threading.Event()

    def talk(raw):
        raw.send(NEW)
        slow.wait(20)
        seen = []
        while len(seen) < 60:
            got = read_packet(raw)
            seen.append(got[2][3:5])
            raw.send(ack(PUBACK, mid(got)))
        return len(set(seen))

    with Server(lambda raw: read_packet(raw) and talk(raw)) as host:
        script.exec(f"s = start({host.port})")
        script.until("s.connected")
        script.exec("big = bytes(100000)\nfor n in range(60):\n    assert s.publish('t', big, 1)")
        assert script.eval("s.queued") == 60
        slow.set()
        script.until("s.queued == 0", 30)
        script.exec("s.close(); big = None")
    assert host.results == [60]
