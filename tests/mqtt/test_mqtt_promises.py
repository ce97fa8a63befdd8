# SPDX-License-Identifier: GPL-2.0-only
"""What MqttSession promises when things go wrong: ids, the queue, subscriptions, refusals, its end."""

import socket
import threading
from errno import EBUSY

import pytest
from peers.clients import Server, free_port
from peers.mqtt_peers import (
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    Broker,
    Client,
    ack,
    number,
    packet,
    publish,
    read_packet,
    text,
)

NEW, KEPT = packet(CONNACK, b"\0\0"), packet(CONNACK, b"\1\0")

SCRIPT = """
from pymongoose.mqtt import MqttSession

got = []
states = []
sessions = []
told = []
answers = []
KEEP = dict(on_delivery=lambda *a: told.append(a), on_subscribed=lambda *a: answers.append(a))

def start(port, **kwargs):
    options = dict([("retry_min", 20), ("retry_max", 160)] + list(KEEP.items()) + list(kwargs.items()))
    s = MqttSession(m, peer("mqtt", port), "dev", lambda d: got.append((d.topic, d.data)),
        on_state=lambda up, text: states.append((up, text)), **options)
    sessions.append(s)
    return s

def reset():
    for s in sessions:
        s.close()
    settle()
    for l in (sessions, got, states, told, answers):
        l.clear()

def fails(what):
    try:
        what()
    except Exception as e:
        return type(e).__name__

m = Manager()
serve(m)
"""

RESTORE = """
KEEP.update(dict(on_delivery=lambda *a: told.append(a), on_subscribed=lambda *a: answers.append(a)))
"""


@pytest.fixture
def script(shared):
    device = shared(SCRIPT)
    yield device
    device.eval("reset()")


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


def connack(props=b"", present=False, code=0):
    return packet(CONNACK, bytes([present, code]) + number(len(props)) + props)


def mid(got):
    """The packet id of a PUBLISH of ours to topic t, or of any other packet."""
    body = got[2]
    return int.from_bytes(body[3:5] if got[0] == PUBLISH else body[:2], "big")


def payload(got, version=4):
    return got[2][5 if version == 4 else 6 :]


# ---- Ids and order -------------------------------------------------------------------------------


def test_an_id_is_taken_while_its_exchange_is_open(script):
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


def test_what_does_not_fit_on_resume_follows_in_order(script):
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
        raw.socket.settimeout(20)
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


def test_more_at_a_time_than_announced(script):
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


# ---- Subscriptions -------------------------------------------------------------------------------


def answer(raw, code=None, five=False):
    got = read_packet(raw)
    if got[0] == SUBSCRIBE:
        raw.send(ack(SUBACK, mid(got), (b"\0" if five else b"") + bytes([code or got[2][-1]])))
    elif got[0] == UNSUBSCRIBE:
        raw.send(ack(UNSUBACK, mid(got), b"\0\0" if five else b""))
    return got[0], got[2][(3 if five else 2) + 2 :]


def test_subscriptions_without_answer_are_asked_for_again(script):
    """Offline, and between SUBSCRIBE and SUBACK, though the server kept the session."""

    def first(raw):
        raw.send(NEW)
        return [answer(raw), read_packet(raw)[0]]

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
        [(SUBSCRIBE, b"a\1"), SUBSCRIBE],
        [(UNSUBSCRIBE, b"a"), (SUBSCRIBE, b"b\1"), (SUBSCRIBE, b"c\0")],
    ]
    assert script.eval("answers") == [("a", 1, 0), ("b", 1, 0), ("c", 0, 0)]


def test_more_filters_than_fit(script):
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


def test_a_refused_subscription_is_told(script):
    def talk(raw):
        raw.send(NEW)
        return answer(raw, 128)

    conversation(script, [talk], "s.subscribe('secret', 2)", "answers")
    assert script.eval("answers") == [("secret", 2, 128)]


def test_a_session_that_nobody_asked_for(script):
    """Session present after a clean start: the connection ends, and the session goes on."""

    def first(raw):
        raw.send(KEPT)
        return read_packet(raw)

    def second(raw):
        raw.send(NEW)

    conversation(script, [first, second], "pass", "(True, '') in states", clean_session=True)
    assert "a clean one was asked for" in script.eval("states[0][1]")


# ---- What cannot be sent -------------------------------------------------------------------------


def test_what_no_server_takes_is_refused_at_once(script):
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


def test_what_this_server_does_not_take_is_dropped_and_told(script):
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


def test_a_refusal_is_told(script):
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
def test_evidence_sets_one_message_aside(script, how):
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


def test_a_cut_is_no_evidence(script):
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


def test_a_cut_in_order_while_messages_come_is_no_evidence(script):
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


def test_a_server_that_always_has_more_to_say_may_dislike_a_message(script):
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


def test_an_open_id_with_another_message(script):
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


@pytest.mark.parametrize("version", [4, 5])
def test_asks_again_where_the_server_may_have_gone_back(script, version):
    """In MQTT 5 always, without the retained messages; in 3.1.1 only when a try has failed in between."""
    more = b"\0" if version == 5 else b""

    def talk(raw, kept):
        raw.send(packet(CONNACK, bytes([kept, 0]) + more))
        got = read_packet(raw)
        if got[0] == SUBSCRIBE:
            raw.send(ack(SUBACK, mid(got), more + b"\1"))
            return got[0], got[2][-1]
        return got[0]

    def first(raw):
        return talk(raw, 0)

    def live(raw):
        raw.send(packet(CONNACK, b"\1\0" + more) + publish("t", b"here", version=version))

    def kept(raw):
        return talk(raw, 1)

    def fails(raw):
        return None

    talks = [first, kept if version == 5 else live, fails, kept]
    results = conversation(
        script, talks, "s.subscribe('t', 1)", "len(answers) == " + str(version - 2), version=version
    )
    again = (SUBSCRIBE, 0x11 if version == 5 else 1)
    assert results == [(SUBSCRIBE, 1), again if version == 5 else None, None, again]


def test_a_program_that_finds_a_session_from_before(script):
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


def test_a_broker_that_breaks_the_protocol(script):
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
    assert any("does not wait for" in text for up, text in script.eval("states"))


# ---- The queue -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy, kept, gone",
    [("refuse", "012", []), ("drop_oldest", "234", [1, 2]), ("drop_newest", "014", [3, 4])],
)
def test_queue_policy(script, tmp_path, policy, kept, gone):
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


def test_expired_messages(script):
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


def test_queue_of_so_many_bytes(script):
    """What does not fit is refused, or as much is dropped as makes room; never what would not help."""
    script.exec(f"KEEP.clear(); s = start({free_port()}, queue_bytes=2000)")
    assert script.eval("[bool(s.publish('t', bytes(800), 1)) for n in range(3)]") == [
        True,
        True,
        False,
    ]
    assert script.eval("s.publish('t', 'x', 1) > 0, s.queued, s.rejected") == (True, 3, 1)
    for policy, left in (("drop_oldest", [4, 5]), ("drop_newest", [1, 5])):
        script.exec(
            f"s.close(); s = start({free_port()}, queue_bytes=2000, queue_policy={policy!r})"
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
    script.exec(RESTORE)


def test_results_that_nobody_fetched_count(script):
    """A program that publishes for ever inside a handler does not fill the memory with what was dropped."""
    script.exec(
        f"s = start({free_port()}, queue_max=2, queue_policy='drop_oldest', queue_bytes=1000)\n"
        "n = 0\nwhile s.publish('t', bytes(50), 1):\n    n += 1\n"
    )
    assert 3 <= script.eval("n") <= 18
    script.until("len(told) == n - 2 and s.publish('t', 'x', 1)")


def test_bytearray_is_copied(script):
    def talk(raw):
        raw.send(NEW)
        got = read_packet(raw)
        raw.send(ack(PUBACK, mid(got)))
        return payload(got)

    statements = "b = bytearray(b'before'); s.publish('t', b, 1); b[:] = b'after!'"
    assert conversation(script, [talk], statements, "s.queued == 0") == [b"before"]


@pytest.mark.needs("memory")
def test_a_full_send_buffer_empties(script):
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


# ---- Topic aliases, and the empty user name ------------------------------------------------------


def test_topic_aliases(script):
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


def test_topic_aliases_of_a_server(script, tmp_path):
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
def test_user_name_may_be_empty(script, name, flag, version):
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


# ---- Skipping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_above_max_message_is_skipped(script, qos):
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


# ---- Reconnecting, and the end -------------------------------------------------------------------


def test_errors_while_reconnecting_do_not_end_it(script, tmp_path):
    """No memory, no descriptor, a handler that raises: the next try comes."""
    script.exec(
        """
class Moody:
    def __init__(self):
        self.n = 0
    def mqtt_connect(self, *args, **kwargs):
        self.n += 1
        if self.n == 2:
            raise MemoryError()
        if self.n == 3:
            raise OSError(24, "no descriptor")
        return m.mqtt_connect(*args, **kwargs)

def raises(up, text):
    states.append((up, text))
    raise ValueError("on purpose")
"""
    )
    port = free_port()
    script.exec(f"s = start({port}); moody = s._manager = Moody(); s.on_state = raises")
    script.until("moody.n >= 5")
    broker = Broker(tmp_path, port)
    try:
        script.until("s.connected", 15)
        script.exec("s.on_state = None; s.close()")
    finally:
        broker.stop()


def test_the_end_with_the_manager(script, tmp_path):
    broker = Broker(tmp_path)
    try:
        script.exec(
            f"""
ends = []
def once(up, text):
    ends.append(up)
for wait in (True, False):
    other = Manager()
    whole, m = m, other
    try:
        e = start({broker.port} if wait else {free_port()})
    finally:
        m = whole
    e.on_state = once
    while wait and not e.connected:
        other.poll(20)
    e.publish("t", "x", 1)
    e.publish("t", "y", 1)
    other.close()
    ends.append((e.publish("t", "x"), e.publish("t", "x", 1), e.connected, e.queued))
    e.close()
"""
        )
        assert script.eval("ends") == [True, False, (0, 0, False, 0), False, (0, 0, False, 0)]
        assert script.eval("sorted(told)") == [
            (1, "dropped", 0),
            (1, "dropped", 0),
            (2, "dropped", 0),
            (2, "dropped", 0),
        ]
    finally:
        broker.stop()


@pytest.mark.needs("threads")
def test_publish_in_another_thread_while_polling(script):
    """It raises, and nothing is queued."""
    script.exec(
        f"""
import _thread, time
s = start({free_port()})
heard = []
def other():
    for what in (lambda: s.publish("t", "x", 1), lambda: s.publish("t", "x"), lambda: s.subscribe("t")):
        try:
            heard.append(what())
        except Error as e:
            heard.append(e.errno)
    heard.append("end")
_thread.start_new_thread(other, ())
turns = 0
while "end" not in heard and turns < 200:
    m.poll(50)
    turns += 1
"""
    )
    assert script.eval("heard") == [EBUSY] * 3 + ["end"]
    assert script.eval("s.queued") == 0


def test_close_tells_what_was_not_sent(script):
    script.exec(
        f"s = start({free_port()}); s.publish('t', 'x', 1); s.publish('t', 'y', 2); s.close()"
    )
    assert script.eval("told") == [(1, "dropped", 0), (2, "dropped", 0)]


def test_two_devices_of_one_id_do_not_storm(script):
    """A session that ends at once, again and again, keeps its back-off though messages came."""

    def talk(raw):
        raw.send(NEW + publish("t", b"x"))

    script.exec("waits = []")
    conversation(
        script,
        [talk] * 6,
        "s.on_state = lambda up, text: up or waits.append(s.retry_in)",
        "len(waits) >= 6",
        retry_max=5000,
    )
    waits = script.eval("waits[:6]")
    assert waits[5] >= 320 and waits[4] >= 160


def test_several_brokers(script, tmp_path):
    broker = Broker(tmp_path)
    try:
        script.exec(
            f"s = MqttSession(m, [peer('mqtt', {free_port()}), peer('mqtt', {broker.port})], 'dev', "
            "retry_min=20, retry_max=100); sessions.append(s)"
        )
        script.until("s.connected")
        script.exec("s.close()")
    finally:
        broker.stop()


@pytest.mark.parametrize("when", ["in tls_init", "in the handshake"])
def test_tls_that_fails_sends_nothing_in_the_clear(script, when):
    seen = []

    def serve(listener):
        raw, _ = listener.accept()
        raw.settimeout(5)
        try:
            seen.append(raw.recv(100))
            raw.sendall(b"no TLS here")
            seen.append(raw.recv(100))
        except OSError:
            pass
        raw.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        tls = "TlsOpts(skip_verification=True)" if when == "in the handshake" else "object()"
        script.exec(
            f"error = fails(lambda: MqttSession(m, peer('mqtt', {port}), 'dev', tls={tls}, "
            "retry_min=60000, on_state=lambda up, t: states.append(t)) and None)"
        )
        if when == "in the handshake":
            script.until("states")
            assert script.eval("error") is None
        else:
            script.eval("settle()")
            assert script.eval("error") == "TypeError"
        listener.close()
    assert not [data for data in seen if data[:1] == b"\x10" or b"MQTT" in data]
