# SPDX-License-Identifier: GPL-2.0-only
"""MQTT packets that must be refused, in both directions: cut, oversized, out of turn, forged."""

import pytest
from batches import examples
from hypothesis import given
from hypothesis import strategies as st
from mqtt_script import SCRIPT
from peers.clients import Raw, Server, seconds
from peers.mqtt_peers import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    ack,
    connect,
    login,
    number,
    packet,
    publish,
    read_packet,
    text,
)

MALFORMED, PROTOCOL, TOPIC, ALIAS, LARGE = 0x81, 0x82, 0x90, 0x94, 0x95


@pytest.fixture
def server(shared):
    device = shared(SCRIPT)
    device.address = device.reach(device.port())
    device.small = device.reach(device.port("SMALL"))
    yield device
    device.eval("reset()")


def alive(server):
    with login(server.address) as raw:
        raw.send(packet(PINGREQ))
        assert read_packet(raw) == (PINGRESP, 0, b"")


def head(name="MQTT", version=4, flags=2, keepalive=60):
    return text(name) + bytes([version, flags]) + keepalive.to_bytes(2, "big")


# ---- CONNECT -----------------------------------------------------------------------------------

# What is sent first, and the CONNACK that comes back, if any.
BAD_CONNECT = {
    "not MQTT": (b"GET / HTTP/1.1\r\n\r\n", None),
    "publish first": (publish(), None),
    "connack first": (packet(CONNACK, b"\0\0"), None),
    "flags": (packet(CONNECT, head() + text("x"), 1), None),
    "wrong name": (packet(CONNECT, head("MQTX") + text("x")), None),
    "name cut": (packet(CONNECT, b"\0\x04MQ"), None),
    "empty": (packet(CONNECT), None),
    "version 3": (packet(CONNECT, head("MQIsdp", 3) + text("x")), b"\0\x01"),
    "version 0": (packet(CONNECT, head(version=0) + text("x")), b"\0\x01"),
    "version 6": (packet(CONNECT, head(version=6) + b"\0" + text("x")), b"\0\x84"),
    "reserved flag": (packet(CONNECT, head(flags=3) + text("x")), None),
    "will qos 3": (connect(flags=0x1E, rest=text("t") + text("m")), None),
    "will qos without will": (connect(flags=0x0A), None),
    "will retain without will": (connect(flags=0x22), None),
    "will topic empty": (connect(flags=6, rest=text("") + text("m")), None),
    "will topic with wildcard": (connect(flags=6, rest=text("a/#") + text("m")), None),
    "will missing": (connect(flags=6), None),
    "password without name": (connect(flags=0x42, rest=text("p")), None),
    "name missing": (connect(flags=0x82), None),
    "too much": (connect(rest=b"x"), None),
    "client id not UTF-8": (connect(b"\xff"), None),
    "client id with NUL": (connect("a\0b"), None),
    "client id a surrogate": (connect(b"\xed\xa0\x80"), None),
    "no client id, no clean session": (connect("", flags=0), b"\0\x02"),
    "unknown property": (connect(version=5, props=b"\x7f\0"), b"\0\x81"),
    "property twice": (connect(version=5, props=b"\x21\0\x01\x21\0\x01"), b"\0\x81"),
    "property of another packet": (connect(version=5, props=b"\x23\0\x01"), b"\0\x81"),
    "receive maximum 0": (connect(version=5, props=b"\x21\0\0"), b"\0\x81"),
    "property cut": (connect(version=5, props=b"\x21\0"), b"\0\x81"),
    "authentication method": (connect(version=5, props=b"\x15" + text("SCRAM")), b"\0\x8c"),
    "length of five bytes": (b"\x10\xff\xff\xff\xff\x01", None),
}


@pytest.mark.parametrize("name", BAD_CONNECT)
def test_bad_connect(server, name):
    sent, connack = BAD_CONNECT[name]
    with Raw(server.address) as raw:
        raw.send(sent)
        if connack:
            cmd, flags, body = read_packet(raw)
            assert (cmd, flags, body[:2]) == (CONNACK, 0, connack)
        assert read_packet(raw) is None
    server.until("('server', 'CLOSE') in log")
    assert len(server.eval("told('server', 'ERROR')")) == 1
    assert server.eval("told('server', 'ASKED')") == []
    alive(server)


# ---- After it ----------------------------------------------------------------------------------

# Packets to a server, of version 4 or 5, with the reason that version 5 is told.
BAD_PACKETS = {
    "second connect": (connect, PROTOCOL),
    "command 0": (lambda v: b"\0\0", MALFORMED),
    "connack": (lambda v: packet(CONNACK, b"\0\0"), PROTOCOL),
    "suback": (lambda v: packet(SUBACK, b"\0\x01" + p(v) + b"\0"), PROTOCOL),
    "unsuback": (lambda v: packet(UNSUBACK, b"\0\x01" + p(v) + b"\0"), PROTOCOL),
    "pingresp": (lambda v: packet(PINGRESP), PROTOCOL),
    "auth": (lambda v: packet(AUTH), {4: MALFORMED, 5: PROTOCOL}),
    "pingreq with a body": (lambda v: packet(PINGREQ, b"x"), MALFORMED),
    "pingreq with flags": (lambda v: packet(PINGREQ, flags=1), MALFORMED),
    "length of five bytes": (lambda v: b"\xc0\x80\x80\x80\x80\x01", MALFORMED),
    "qos 3": (lambda v: packet(PUBLISH, text("t") + b"\0\x01" + p(v), 6), MALFORMED),
    "dup with qos 0": (lambda v: publish(dup=True, version=v), MALFORMED),
    "packet id 0": (lambda v: publish(qos=1, mid=0, version=v), MALFORMED),
    "topic empty": (lambda v: publish("", version=v), TOPIC),
    "topic with #": (lambda v: publish("a/#", version=v), TOPIC),
    "topic with +": (lambda v: publish("+/b", version=v), TOPIC),
    "topic not UTF-8": (lambda v: publish(b"a\xc0\x80", version=v), MALFORMED),
    "topic with NUL": (lambda v: publish("a\0", version=v), MALFORMED),
    "topic longer than the packet": (lambda v: packet(PUBLISH, b"\0\x09ab"), MALFORMED),
    "no topic": (lambda v: packet(PUBLISH, b"\0"), MALFORMED),
    "no packet id": (lambda v: packet(PUBLISH, text("t"), 2), MALFORMED),
    "subscribe to nothing": (lambda v: packet(SUBSCRIBE, b"\0\x01" + p(v)), MALFORMED),
    "subscribe with id 0": (lambda v: subscribe(v, "a", mid=0), MALFORMED),
    "subscribe without flags": (lambda v: subscribe(v, "a", flags=0), MALFORMED),
    "subscribe qos 3": (lambda v: subscribe(v, "a", 3), MALFORMED),
    "subscribe reserved": (lambda v: subscribe(v, "a", 0x40), MALFORMED),
    "subscribe without options": (
        lambda v: packet(SUBSCRIBE, b"\0\x01" + p(v) + text("a")),
        MALFORMED,
    ),
    "filter empty": (lambda v: subscribe(v, ""), MALFORMED),
    "filter a#": (lambda v: subscribe(v, "a#"), MALFORMED),
    "filter #/a": (lambda v: subscribe(v, "#/a"), MALFORMED),
    "filter a+": (lambda v: subscribe(v, "a+/b"), MALFORMED),
    "filter not UTF-8": (lambda v: subscribe(v, b"\xf8"), MALFORMED),
    "second filter cut": (
        lambda v: packet(SUBSCRIBE, b"\0\x01" + p(v) + text("a") + b"\0\0\x05b"),
        MALFORMED,
    ),
    "unsubscribe from nothing": (lambda v: packet(UNSUBSCRIBE, b"\0\x01" + p(v)), MALFORMED),
    "puback cut": (lambda v: packet(PUBACK, b"\0"), MALFORMED),
    "puback with id 0": (lambda v: ack(PUBACK, 0), MALFORMED),
    "pubrel without flags": (lambda v: packet(PUBREL, b"\0\x01", 0), MALFORMED),
    "pubrec with flags": (lambda v: packet(PUBREC, b"\0\x01", 2), MALFORMED),
    "disconnect with flags": (lambda v: packet(DISCONNECT, flags=1), MALFORMED),
}

# The same, only of version 5.
BAD_5 = {
    "padded length": (b"\xc0\x80\0", MALFORMED),
    "padded property length": (packet(PUBLISH, text("t") + b"\x80\0x"), MALFORMED),
    "properties longer than the packet": (packet(PUBLISH, text("t") + b"\x09\x01"), MALFORMED),
    "unknown property": (publish(version=5, props=b"\x04\0"), MALFORMED),
    "property of connect": (publish(version=5, props=b"\x21\0\x01"), MALFORMED),
    "property twice": (publish(version=5, props=b"\x01\0\x01\0"), MALFORMED),
    "flag of 2": (publish(version=5, props=b"\x01\x02"), MALFORMED),
    "user property cut": (publish(version=5, props=b"\x26\0\x01a\0\x05b"), MALFORMED),
    "content type not UTF-8": (publish(version=5, props=b"\x03\0\x01\xff"), MALFORMED),
    "response topic with wildcard": (publish(version=5, props=b"\x08\0\x01#"), MALFORMED),
    "topic alias": (publish(version=5, props=b"\x23\0\x01"), ALIAS),
    "topic alias 0": (publish(version=5, props=b"\x23\0\0"), MALFORMED),
    "subscription identifier 0": (
        packet(SUBSCRIBE, b"\0\x01\x02\x0b\0" + text("a") + b"\0"),
        MALFORMED,
    ),
    "no local of a shared one": (
        packet(SUBSCRIBE, b"\0\x01\0" + text("$share/g/a") + b"\4"),
        MALFORMED,
    ),
    "retain handling 3": (packet(SUBSCRIBE, b"\0\x01\0" + text("a") + b"\x30"), MALFORMED),
    "disconnect with a bad property": (packet(DISCONNECT, b"\0\x02\x01\0"), MALFORMED),
    "auth": (packet(AUTH, b"\x18"), PROTOCOL),
}


def p(version):
    return b"\0" if version == 5 else b""


def subscribe(version, topic, options=0, mid=1, flags=None):
    return packet(
        SUBSCRIBE, mid.to_bytes(2, "big") + p(version) + text(topic) + bytes([options]), flags
    )


def refused(server, version, sent, reason, address=None):
    with login(address or server.address, version=version) as raw:
        raw.send(sent + publish("not seen", version=version))
        if version == 5:
            assert read_packet(raw) == (DISCONNECT, 0, bytes([reason]))
        assert read_packet(raw) is None
    server.until("('server', 'CLOSE') in log")
    assert len(server.eval("told('server', 'ERROR')")) == 1
    assert server.eval("told('server', 'MSG')") == []


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("name", BAD_PACKETS)
def test_bad_packet(server, name, version):
    make, reason = BAD_PACKETS[name]
    sent = make(version=version) if make is connect else make(version)
    refused(server, version, sent, reason[version] if isinstance(reason, dict) else reason)


@pytest.mark.parametrize("name", BAD_5)
def test_bad_packet_of_version_5(server, name):
    refused(server, 5, *BAD_5[name])


@pytest.mark.parametrize("sent", [b"\0\x01\0", b"\0\x01\0\0"], ids=["reason", "properties"])
def test_what_only_version_5_has(server, sent):
    refused(server, 4, packet(PUBACK, sent), MALFORMED)


def test_largest_packet(server):
    """The limit is max_message, the whole packet; what is larger is refused by its header."""
    fits = publish("t", bytes(1000 - 6))
    assert len(fits) == 1000
    with login(server.small) as raw:
        raw.send(fits + packet(PINGREQ))
        assert read_packet(raw) == (PINGRESP, 0, b"")
    assert server.eval("len(told('server', 'MSG'))") == 1
    server.exec("log.clear()")
    refused(server, 5, b"\x30\xff\xff\x7f", LARGE, server.small)


@pytest.mark.parametrize("kind", ["connect", "publish", "subscribe", "will"])
def test_too_many_objects(server, target, kind):
    """Each property and each topic becomes objects for the program; bytes alone do not bound them."""
    most = target.size(4096, 64)
    one = b"\x26" + text("") + text("")

    def sent(count):
        if kind == "connect":
            return connect(version=5, props=one * count)
        if kind == "will":
            will = number(len(one) * count) + one * count + text("t") + text("m")
            return connect(version=5, flags=6, rest=will)
        if kind == "publish":
            return publish(version=5, props=one * count)
        topics = (text("t") + b"\0") * count
        return packet(SUBSCRIBE, b"\0\x01" + p(5) + topics)

    begin = b"" if kind in ("connect", "will") else connect(version=5)
    with Raw(server.address) as raw:
        raw.send(begin + sent(most) + packet(PINGREQ))
        while (got := read_packet(raw))[0] != PINGRESP:
            assert got[0] in (CONNACK, SUBACK) and got[2][:2] != b"\0\x97"
    with Raw(server.address) as raw:
        raw.send(begin + sent(most + 1))
        if begin:
            assert read_packet(raw)[:1] == (CONNACK,)
            assert read_packet(raw) == (DISCONNECT, 0, b"\x97")
        else:
            assert read_packet(raw)[2][:2] == b"\0\x97"
        assert read_packet(raw) is None
    server.until("any('too many' in str(e) for e in log)")


def test_too_many_unreleased(server, target):
    most = target.size(1024, 32)
    with login(server.address, version=5) as raw:
        for n in range(most):
            raw.send(publish("t", b"", 2, n + 1, version=5))
        for _ in range(most):
            assert read_packet(raw)[0] == PUBREC
        raw.send(publish("t", b"", 2, 2000, version=5))
        assert read_packet(raw) == (DISCONNECT, 0, b"\x93")


@pytest.mark.cost(15)
def test_client_that_does_not_read_what_it_asks_for(device, target):
    """Answers pile up to a bound, then nothing more is read; all come when it reads."""
    running = device(
        """
m = Manager(lambda c, ev, data: None, max_send=1000)
announce("PORT", m.mqtt_listen(url("mqtt")))
serve(m)
"""
    )
    # What lies between the two keeps some, too: of a network that keeps it all, all is answered.
    data = packet(PINGREQ) * target.size(8_000_000, 60_000)
    with login(running.reach(running.port()), target.size(0, 4096)) as raw:
        raw.socket.settimeout(seconds(1))
        sent = 0
        try:
            while sent < len(data):
                sent += raw.socket.send(data[sent : sent + 65536])
        except TimeoutError:
            pass
        assert sent < target.size(len(data), len(data) + 1)
        most = target.size(300_000, 10_000)
        assert running.eval("max(c.send_len for c in m.connections)") < most
        raw.socket.settimeout(seconds())
        count = sent // 2
        assert raw.recv_exactly(2 * count) == packet(PINGRESP) * count
        if sent % 2:
            raw.send(b"\0")
            assert raw.recv_exactly(2) == packet(PINGRESP)


# ---- To a client -------------------------------------------------------------------------------

# What a server answers CONNECT with, and the text of the error.
BAD_ANSWERS = {
    "not MQTT": (b"HTTP/1.1 400 Bad\r\n\r\n", "no CONNACK"),
    "closed": (b"", "closed before CONNACK"),
    "publish first": (publish(), "no CONNACK"),
    "connack cut": (packet(CONNACK, b"\0"), "malformed"),
    "connack too long": (packet(CONNACK, b"\0\0\0"), "malformed"),
    "connack flags": (packet(CONNACK, b"\x02\0"), "malformed"),
    "session of a refused one": (packet(CONNACK, b"\x01\x05"), "malformed"),
    "refused": (packet(CONNACK, b"\0\x04"), "bad user name or password (4)"),
    "refused for a strange reason": (packet(CONNACK, b"\0\xee"), "reason (238)"),
    "connect": (packet(CONNACK, b"\0\0") + connect(), "second CONNECT"),
    "second connack": (packet(CONNACK, b"\0\0") * 2, "second CONNECT or CONNACK"),
    "subscribe": (packet(CONNACK, b"\0\0") + subscribe(4, "a"), "only a client sends"),
    "pingreq": (packet(CONNACK, b"\0\0") + packet(PINGREQ), "only a client sends"),
    "disconnect": (packet(CONNACK, b"\0\0") + packet(DISCONNECT), "only a client sends"),
    "wildcard": (packet(CONNACK, b"\0\0") + publish("a/+"), "invalid topic"),
    "suback of a strange code": (
        packet(CONNACK, b"\0\0") + packet(SUBACK, b"\0\x01\x03"),
        "malformed",
    ),
    "suback without codes": (packet(CONNACK, b"\0\0") + packet(SUBACK, b"\0\x01"), "malformed"),
}


def answer(server, reply, wait=True, **kwargs):
    def talk(raw):
        first = read_packet(raw)
        raw.send(reply)
        return first, [got for got in iter(lambda: read_packet(raw), None)] if wait else None

    arguments = ", ".join(f"{k}={v!r}" for k, v in kwargs.items())
    with Server(talk) as host:
        server.exec(f"start('dev', {host.port}, {arguments})")
        server.until("('client', 'CLOSE') in log")
    return host.results[0]


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answer(server, name):
    reply, message = BAD_ANSWERS[name]
    answer(server, reply, wait=name != "closed")
    (error,) = server.eval("told('client', 'ERROR')")
    assert message in error[0]
    assert server.eval("told('client', 'MSG')") == []


def test_disconnected_by_a_server_of_version_5(server):
    first, rest = answer(
        server, packet(CONNACK, b"\0\0\0") + packet(DISCONNECT, b"\x8b"), version=5
    )
    assert first[0] == CONNECT and rest == []
    assert server.eval("told('client', 'ERROR')") == [
        ("MQTT: the server disconnected: server shutting down (139)",)
    ]
    assert server.eval("acked(MQTT_CMD_DISCONNECT)") == [0]


def test_end_before_connack(server):
    with Server(lambda raw: (read_packet(raw)[0], read_packet(raw), read_packet(raw))) as host:
        server.exec(f"start('dev', {host.port}); clients['dev'].mqtt_disconnect()")
        server.until("('client', 'CLOSE') in log")
    assert host.results == [(CONNECT, (DISCONNECT, 0, b""), None)]


def test_no_connack_in_time(server):
    def talk(raw):
        return read_packet(raw), read_packet(raw)

    with Server(talk) as host:
        server.exec(f"small.mqtt_connect(peer('mqtt', {host.port}))")
        server.until("('client', 'CLOSE') in log")
    assert server.eval("told('client', 'ERROR')") == [("MQTT: no CONNACK in time",)]


def test_no_answer_to_a_ping(server):
    def talk(raw):
        first = read_packet(raw)
        raw.send(packet(CONNACK, b"\0\0"))
        return first, read_packet(raw), read_packet(raw)

    with Server(talk) as host:
        server.exec(f"start('dev', {host.port}, keepalive=1)")
        server.until("('client', 'CLOSE') in log")
    assert host.results[0][1:] == ((PINGREQ, 0, b""), None)
    assert server.eval("told('client', 'ERROR')") == [
        ("MQTT: no answer to a ping within the keep-alive time",)
    ]


def test_limits_of_a_server_hold(server):
    """Maximum QoS 1, no retained messages, packets of 30 bytes, two aliases, keep-alive 0."""
    props = b"\x24\x01\x25\0\x27\0\0\0\x1e\x22\0\x02\x13\0\0"
    held = []

    def talk(raw):
        read_packet(raw)
        raw.send(packet(CONNACK, b"\0\0" + number(len(props)) + props))
        held.extend(read_packet(raw) for _ in range(2))
        return read_packet(raw)

    with Server(talk) as host:
        server.exec(f"start('dev', {host.port}, version=5)")
        server.until("told('client', 'OPEN')")
        for call, message in [
            ("mqtt_pub('a', '', 2)", "does not take this qos"),
            ("mqtt_pub('a', '', 0, True)", "does not keep messages"),
            ("mqtt_pub('a', 'x' * 30)", "the peer takes 30"),
            ("mqtt_sub('a' * 30)", "the peer takes 30"),
            ("mqtt_pub('a', '', properties={35: 3})", "topic alias"),
        ]:
            with pytest.raises(AssertionError, match=message):
                server.eval(f"clients['dev'].{call}")
        server.eval("clients['dev'].mqtt_pub('long/topic', 'x', properties={35: 2})")
        server.eval("clients['dev'].mqtt_pub('', 'y', properties={35: 2})")
        server.exec("clients['dev'].mqtt_disconnect()")
        server.until("('client', 'CLOSE') in log")
    assert [body for _, _, body in held] == [
        text("long/topic") + b"\x03\x23\0\x02x",
        b"\0\0\x03\x23\0\x02y",
    ]
    assert host.results == [(DISCONNECT, 0, b"")]


# ---- Anything ----------------------------------------------------------------------------------

VALID = [
    publish("a/b", b"payload", 1, 5),
    publish("a/b", b"payload", 2, 6),
    ack(PUBREL, 6),
    ack(PUBACK, 9),
    subscribe(4, "a/#", 1),
    packet(UNSUBSCRIBE, b"\0\x03" + text("a/#")),
    packet(PINGREQ),
]
VALID_5 = [
    publish("a/b", b"payload", 1, 5, version=5, props=b"\x01\x01\x26\0\x01a\0\x01b\x09\0\x02xy"),
    packet(SUBSCRIBE, b"\0\x01\x02\x0b\x07" + text("a/#") + b"\x2d"),
    packet(UNSUBSCRIBE, b"\0\x03\0" + text("a/#")),
    packet(PUBREC, b"\0\x01\x10\x00"),
    packet(DISCONNECT, b"\x04\x05\x11\0\0\0\x01"),
]


@st.composite
def streams(draw):
    version = draw(st.sampled_from([4, 5]))
    stream = b"".join(
        draw(st.lists(st.sampled_from(VALID if version == 4 else VALID_5), max_size=4))
    )
    data = bytearray(
        connect(version=version, props=b"\x21\0\x09" if version == 5 else b"") + stream
    )
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data) - 1))
        how = draw(st.integers(0, 2))
        if how == 0:
            data[at] = draw(st.integers(0, 255))
        elif how == 1:
            data[at:at] = draw(st.binary(max_size=3))
        else:
            del data[at : at + draw(st.integers(1, 3))]
    return bytes(data) + draw(st.binary(max_size=8))


def test_damaged_streams(server):
    """Whatever comes: an answer or an end, never a message that is none, and the next is served."""

    def hundred(check):
        return examples(check, 100)

    @hundred
    @given(data=streams())
    def check(data):
        with Raw(server.address) as raw:
            raw.send(data)
            raw.half_close()
            while got := read_packet(raw):
                assert 2 <= got[0] <= 14
        server.until("('server', 'CLOSE') in log")
        for topic, payload, qos, *_ in server.eval("told('server', 'MSG')"):
            assert topic and not set("+#\0") & set(topic) and 0 <= qos <= 2
            assert len(payload) <= len(data)
        assert server.eval("log.clear(), errors") == (None, [])

    check()


def test_anything_as_an_answer(server):
    @examples
    @given(data=st.binary(max_size=60))
    def check(data):
        answer(server, packet(CONNACK, b"\0\0") + data, wait=False)
        assert server.eval("log.clear(), errors") == (None, [])

    check()
