# SPDX-License-Identifier: GPL-2.0-only
"""MQTT servers against paho's client, mosquitto_pub, mosquitto_sub and packets made by hand."""

import ssl
import subprocess

import pytest
from mqtt_script import SCRIPT
from peers.clients import Raw, seconds
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
    Client,
    ack,
    connect,
    login,
    packet,
    publish,
    read_packet,
    text,
)
from peers.pki import pki
from targets import ROOT

VERSIONS = pytest.mark.parametrize("version", [4, 5])
five = {4: b"", 5: b"\0"}  # no properties


@pytest.fixture
def server(shared):
    device = shared(SCRIPT)
    device.address = device.reach(device.port())
    device.small = device.reach(device.port("SMALL"))
    yield device
    device.eval("reset()")


def errors(server):
    return [e[0] for e in server.eval("told('server', 'ERROR')")]


# ---- With a client that nobody here wrote ------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_message_and_echo(server, target, version, qos):
    size = target.size(80000, 2000)
    with Client(server.address, version) as client:
        assert client.listen("echo", 2) == [2]
        client.send("do/echo", "h\xe9llo", qos)
        assert client.next() == ("echo", "h\xe9llo".encode(), qos, False)
        client.send("do/echo", b"\0\xff" * (size // 2), qos, True)
        assert client.next() == ("echo", b"\0\xff" * (size // 2), qos, True)
    server.until("('server', 'CLOSE') in log")
    assert server.eval("[len(e[1]) for e in told('server', 'MSG')]") == [6, size]
    assert errors(server) == []


@VERSIONS
def test_many_messages_in_order(server, target, version):
    count = target.size(200, 30)
    with Client(server.address, version) as client:
        client.listen("echo", 2)
        infos = [client.publish("do/echo", str(n), n % 3) for n in range(count)]
        for info in infos:
            info.wait_for_publish(seconds())
        seen = [int(client.next()[1]) for n in range(count)]
        assert sorted(seen) == list(range(count))
        assert [n for n in seen if n % 3 == 1] == list(range(1, count, 3))


@VERSIONS
def test_what_connect_brings(server, version):
    client = Client(server.address, version, "me", connect=False)
    client.username_pw_set("user", "s\xe9cret")
    client.will_set("will/topic", "bye", 1, True)
    server.exec(
        "def look(c, ev, d):\n"
        "    if ev == MG_EV_MQTT_CMD and d.cmd == MQTT_CMD_CONNECT:\n"
        "        log.append((d.version, d.client_id, d.username, d.password, d.keepalive))\n"
        "        log.append((d.topic, d.data, d.qos, d.retain))\n"
        "l = m.mqtt_listen(url('mqtt'), look)"
    )
    client.address = server.reach(server.eval("port_of(l)"))
    client.open(keepalive=77)
    client.disconnect()
    client.loop_stop()
    assert server.eval("log") == [
        (version, "me", "user", "s\xe9cret".encode(), 77),
        ("will/topic", b"bye", 1, True),
    ]
    server.exec("l.close()")


@VERSIONS
def test_refused(server, version):
    code = 5 if version == 4 else 135
    server.exec(f"DO['no'] = lambda c, d: c.mqtt_ack(d, {code})")
    client = Client(server.address, version, "do-no", connect=False)
    assert client.open()[0].value == 135
    client.loop_stop()
    server.until("('server', 'CLOSE') in log")


@VERSIONS
def test_handler_that_raises_refuses(server, version):
    client = Client(server.address, version, "do-raise", connect=False)
    assert client.open()[0].value == 136
    client.loop_stop()
    server.until("('server', 'CLOSE') in log")
    assert len(server.eval("[str(e) for e in errors]")) == 1


def test_session_present_and_properties(server, target):
    server.exec(
        "DO['was'] = lambda c, d: c.mqtt_ack(d, session_present=True,"
        "properties={19: 9, 38: ('a', 'b')})"
    )
    client = Client(server.address, 5, "do-was", connect=False)
    _, flags, props = client.open()
    assert flags.session_present
    assert props.ServerKeepAlive == 9
    assert props.UserProperty == [("a", "b")]
    assert props.MaximumPacketSize == target.size(16777216, 8192)
    client.disconnect()
    client.loop_stop()


def test_client_without_an_id_gets_one(server):
    client = Client(server.address, 5, "", connect=False)
    props = client.open()[2]
    client.disconnect()
    client.loop_stop()
    assert len(props.AssignedClientIdentifier) == 20
    assert server.eval("told('server', 'ASKED')[0][0]") == props.AssignedClientIdentifier


@VERSIONS
def test_subscriptions(server, version):
    refused = 0x80 if version == 4 else 0x87
    server.exec(
        f"DO['pick'] = lambda c, d: d.cmd == MQTT_CMD_SUBSCRIBE and c.mqtt_ack(d, bytes([{refused}, 1]))"
    )
    with Client(server.address, version, "do-pick") as client:
        client.subscribe([("a/+", 2), ("b/#", 2)])
        assert [r.value for r in client.subscribed.get(timeout=seconds())] == [refused, 1]
        client.unsubscribe(["a/+", "b/#"])
        client.subscribed.get(timeout=seconds())
    asked = server.eval("told('server', 'ASKED')")
    assert [topics for _, topics, _ in asked] == [
        [],
        [("a/+", 2), ("b/#", 2)],
        [("a/+", 0), ("b/#", 0)],
    ]


@VERSIONS
def test_handler_that_raises_grants_nothing(server, version):
    server.exec("DO['sub'] = lambda c, d: d.cmd == MQTT_CMD_SUBSCRIBE and fail(c, d)")
    with Client(server.address, version, "do-sub") as client:
        assert client.listen("a", 1) == [0x80]


def test_mosquitto_clients(server):
    host, port = server.address
    server.exec(
        "DO['all'] = lambda c, d: d.cmd == MQTT_CMD_SUBSCRIBE and c.mqtt_pub('to/you', 'hello', 2)"
    )
    where = ["-h", host, "-p", str(port)]
    subscribe = ["mosquitto_sub", *where, "-i", "do-all", "-t", "to/#", "-q", "2", "-C", "1"]
    with subprocess.Popen(subscribe, stdout=subprocess.PIPE, text=True) as sub:
        try:
            assert sub.communicate(timeout=seconds())[0] == "hello\n"
        finally:
            sub.kill()
    for qos in "012":
        run = ["mosquitto_pub", "-V", "mqttv5", *where, "-t", "t", "-m", qos]
        subprocess.run([*run, "-q", qos], check=True, timeout=seconds())
    server.until("len(told('server', 'MSG')) == 3")
    assert [e[1:3] for e in server.eval("told('server', 'MSG')")] == [
        (b"0", 0),
        (b"1", 1),
        (b"2", 2),
    ]


def test_tls(server):
    pair = pki()["ec"]
    server.exec(f"opts = TlsOpts(cert={pair.cert!r}, key={pair.key!r})")
    server.exec("l = m.mqtt_listen(url('mqtts'), handler); l.tls_init(opts)")
    address = server.reach(server.eval("port_of(l)"))
    client = Client(("localhost", address[1]), 5, connect=False)
    context = ssl.create_default_context(cadata=pki()["ca"].cert.decode())
    client.tls_set_context(context)
    client.open()
    client.listen("echo", 1)
    client.send("do/echo", "secret", 1)
    assert client.next() == ("echo", b"secret", 1, False)
    client.disconnect()
    client.loop_stop()
    server.exec("l.close()")


# ---- By hand -----------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("qos, answer", [(1, PUBACK), (2, PUBREC)])
def test_acknowledged_after_the_handler(server, version, qos, answer):
    """What the handler sends is ahead of the acknowledgment."""
    with login(server.address, version=version) as raw:
        raw.send(publish("do/echo", b"x", qos, 7, version=version))
        cmd, _, body = read_packet(raw)
        assert (cmd, body[:6]) == (PUBLISH, text("echo"))
        assert read_packet(raw) == (answer, 0, b"\0\x07")


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_not_acknowledged_when_the_handler_raised(server, version, qos):
    with login(server.address, version=version) as raw:
        raw.send(publish("do/raise", b"x", qos, 7, version=version))
        if qos:
            if version == 5:
                assert read_packet(raw) == (DISCONNECT, 0, b"\x83")
            assert read_packet(raw) is None
            assert "not acknowledged" in errors(server)[0]
        else:
            raw.send(packet(PINGREQ))
            assert read_packet(raw)[0] == PINGRESP
    assert server.eval("len(errors)") == 1


@VERSIONS
def test_second_delivery_of_qos_2(server, version):
    with login(server.address, version=version) as raw:
        for dup in (False, True, True):
            raw.send(publish("t", b"once", 2, 7, dup=dup, version=version))
            assert read_packet(raw) == (PUBREC, 0, b"\0\x07")
        raw.send(ack(PUBREL, 7))
        assert read_packet(raw) == (PUBCOMP, 0, b"\0\x07")
        raw.send(publish("t", b"next", 2, 7, version=version))
        assert read_packet(raw) == (PUBREC, 0, b"\0\x07")
        raw.send(ack(PUBREL, 9))
        assert read_packet(raw) == (PUBCOMP, 0, b"\0\x09" + (b"\x92" if version == 5 else b""))
    assert [e[1] for e in server.eval("told('server', 'MSG')")] == [b"once", b"next"]


def test_acknowledged_before_the_end_that_the_handler_asked_for(server):
    with login(server.address, version=5) as raw:
        raw.send(publish("do/drain", b"x", 1, 7, version=5))
        assert read_packet(raw) == (PUBACK, 0, b"\0\x07")
        assert read_packet(raw) == (DISCONNECT, 0, b"\x8b")
        assert read_packet(raw) is None
    with login(server.address, version=4) as raw:
        raw.send(publish("do/close", b"x", 1, 7))
        assert read_packet(raw) is None


def test_sent_again_with_dup(server):
    with login(server.address) as raw:
        server.until("told('server', 'ASKED')")
        server.exec("s = [c for c in m.connections if not c.is_listening][0]")
        assert server.eval("s.mqtt_pub('t', 'x', 1)") == 1
        assert server.eval("s.mqtt_pub('t', 'x', 1, id=1)") == 1
        assert server.eval("s.mqtt_pub('t', 'x', 2, id=1000)") == 1000
        assert [read_packet(raw)[:2] for _ in range(3)] == [(3, 2), (3, 10), (3, 12)]
        raw.send(ack(PUBREC, 1000))
        assert read_packet(raw) == (PUBREL, 2, b"\x03\xe8")


def test_ids_in_use_are_passed_over(server):
    with login(server.address) as raw:
        server.until("told('server', 'ASKED')")
        server.exec("s = [c for c in m.connections if not c.is_listening][0]")
        assert server.eval("[s.mqtt_pub('t', 'x', 1, id=n) for n in (2, 3)]") == [2, 3]
        assert server.eval("[s.mqtt_pub('t', 'x', 1) for n in range(3)]") == [1, 4, 5]
        for _ in range(5):
            read_packet(raw)


@VERSIONS
def test_whole_conversation_byte_by_byte(server, version):
    p = five[version]
    with Raw(server.address) as raw:
        raw.send_slowly(
            connect(version=version)
            + packet(SUBSCRIBE, b"\0\x01" + p + text("a") + b"\x01")
            + publish("do/echo", b"x", 0, version=version)
            + packet(UNSUBSCRIBE, b"\0\x02" + p + text("a"))
            + packet(PINGREQ)
            + packet(DISCONNECT)
        )
        assert read_packet(raw)[0] == CONNACK
        assert read_packet(raw) == (SUBACK, 0, b"\0\x01" + p + b"\x01")
        assert read_packet(raw) == (PUBLISH, 0, text("echo") + p + b"x")
        assert read_packet(raw) == (UNSUBACK, 0, b"\0\x02" + (b"\0\0" if version == 5 else b""))
        assert read_packet(raw) == (PINGRESP, 0, b"")
        assert read_packet(raw) is None
    assert errors(server) == []


def test_answers_by_hand(server):
    """As programs for cymongoose write a server."""
    server.exec(
        "def by_hand(c, ev, d):\n"
        "    if ev == MG_EV_MQTT_CMD and d.cmd == MQTT_CMD_CONNECT:\n"
        "        c.send(b'\\x20\\x02\\x00\\x00')\n"
        "    elif ev == MG_EV_MQTT_CMD and d.cmd == MQTT_CMD_SUBSCRIBE:\n"
        "        c.send(bytes([0x90, 3, d.id >> 8, d.id & 255, 1]))\n"
        "    elif ev == MG_EV_MQTT_CMD and d.cmd == MQTT_CMD_PINGREQ:\n"
        "        c.mqtt_pong()\n"
        "l = m.mqtt_listen(url('mqtt'), by_hand)"
    )
    with login(server.reach(server.eval("port_of(l)"))) as raw:
        raw.send(packet(SUBSCRIBE, b"\0\x05" + text("a") + b"\x02") + packet(PINGREQ))
        assert read_packet(raw) == (SUBACK, 0, b"\0\x05\x01")
        assert read_packet(raw) == (PINGRESP, 0, b"")
        raw.send(packet(DISCONNECT))
        assert read_packet(raw) is None
    server.exec("l.close()")


def test_keep_alive_of_a_silent_client(server):
    with login(server.address, keepalive=1, version=5) as raw:
        assert read_packet(raw) == (DISCONNECT, 0, b"\x8d")
        assert read_packet(raw) is None
    assert errors(server) == ["MQTT: nothing came within the keep-alive time"]


def test_no_connect_in_time(server):
    with Raw(server.small) as raw:
        raw.send(connect()[:5])
        assert read_packet(raw) is None
    assert errors(server) == ["MQTT: no CONNECT in time"]


def test_message_after_its_handler(server):
    server.exec("kept = []; DO['keep'] = lambda c, d: kept.append(d)")
    with login(server.address) as raw:
        raw.send(publish("do/keep") + packet(PINGREQ))
        read_packet(raw)
        assert server.eval("bool(kept[0])") is False
        for what in ("topic", "data", "qos", "retain", "properties()", "topics()"):
            with pytest.raises(AssertionError, match="message used after its handler returned"):
                server.eval(f"kept[0].{what}")


CALLS = [
    ("s.mqtt_pub('a/+', '')", "a topic has"),
    ("s.mqtt_pub('', '')", "a topic has"),
    ("s.mqtt_pub('a', '', 3)", "qos is 0, 1 or 2"),
    ("s.mqtt_pub('a', '', -1)", "qos is 0, 1 or 2"),
    ("s.mqtt_pub('a', '', 0, id=3)", "id is a packet id"),
    ("s.mqtt_pub('a', '', 1, id=65536)", "id is a packet id"),
    ("s.mqtt_pub('a', '', properties=[(1, 1)])", "properties need MQTT 5"),
    ("s.mqtt_pub('a\\0', '')", "a topic has"),
    pytest.param("s.mqtt_pub('x' * 65536, '')", "a topic has", marks=pytest.mark.needs("memory")),
    ("s.mqtt_pub('a', '', properties=5)", "properties must be a dict"),
    ("s.mqtt_pub('a', '', properties=[5])", "properties must be a dict"),
    ("s.mqtt_pub('a', '', properties=[(200, 5)])", "a property has an unknown id"),
    ("s.mqtt_pub('a', '', properties=[(2, -1)])", "a property has an unknown id"),
    ("s.mqtt_pub('a', '', properties=[(2, 1 << 32)])", "a property has an unknown id"),
    ("s.mqtt_pub('a', '', properties=[(38, 'a')])", "a property has an unknown id"),
    ("s.mqtt_pub('a', '', properties=[(3, 7)])", "value must be str"),
    ("s.mqtt_pub(5, '')", "topic must be str"),
    ("s.mqtt_pub('a', 5)", "message must be str or bytes"),
    ("s.mqtt_sub('a')", "a server has no subscriptions"),
    ("s.mqtt_ping()", "mqtt_ping() is a client's"),
    ("s.mqtt_disconnect(4)", "reason is 0 to 255"),
    ("s.mqtt_ack('a')", "message must be the MqttMessage"),
    ("m.connections[0].mqtt_pub('a', 'b')", "a listener cannot send"),
    ("m.mqtt_connect('http://127.0.0.1:1')", "an MQTT URL starts with"),
    ("m.mqtt_listen('udp://127.0.0.1:0')", "an MQTT URL starts with"),
    ("m.connect('mqtt://127.0.0.1:1')", "is for mqtt_connect()"),
    ("m.mqtt_connect('mqtt://h', version=3)", "version is 4"),
    ("m.mqtt_connect('mqtt://h', keepalive=65536)", "keepalive is 0 to"),
    ("m.mqtt_connect('mqtt://h', password='x')", "a password needs a username"),
    ("m.mqtt_connect('mqtt://h', properties={17: 1})", "properties need version=5"),
    ("m.mqtt_connect('mqtt://h', will_message='x')", "a will needs will_topic"),
    ("m.mqtt_connect('mqtt://h', will_topic='a/#')", "will_topic must be"),
    ("m.mqtt_connect('mqtt://h', will_topic='a', will_qos=3)", "will_qos is"),
    ("m.mqtt_connect('mqtt://h', client_id='\\0')", "client_id and username must be"),
    pytest.param(
        "m.mqtt_connect('mqtt://h', client_id='x' * 65536)",
        "at most 65535 bytes",
        marks=pytest.mark.needs("memory"),
    ),
    ("m.mqtt_connect('mqtt://h', version=5, properties={1: 1})", "properties hold one"),
    ("m.mqtt_connect('mqtt://h', version=5, properties={34: 1})", "topic aliases"),
]


@pytest.mark.parametrize("call, message", CALLS)
def test_wrong_calls(server, call, message):
    with login(server.address) as raw:
        server.until("told('server', 'ASKED')")
        server.exec("s = [c for c in m.connections if not c.is_listening][0]")
        with pytest.raises(AssertionError, match="(?s)(Value|Type)Error.*") as info:
            server.eval(call)
        assert message in str(info.value)
        raw.send(packet(PINGREQ))
        assert read_packet(raw) == (PINGRESP, 0, b""), "nothing else was sent"


MATCHES = """
a a 1; a b 0; a/b a/b 1; a/+ a/b 1; a/+ a 0; a/+ a/ 1; a/+ a/b/c 0; a/# a 1; a/# a/b/c 1; a/# ab 0; # a/b 1; + a 1
+ a/b 0; +/+ /a 1; /+ /a 1; + /a 0; +/b a/b 1; # $SYS/x 0; +/x $SYS/x 0; $SYS/# $SYS/x 1; $SYS/# $SYS 1; a//b a//b 1
a/+/b a//b 1; A a 0; a/b/# a 0; a/b a/bc 0; a/bc a/b 0
"""


def test_match(server):
    cases = [case.split() for line in MATCHES.strip().splitlines() for case in line.split(";")]
    calls = [f"mqtt_match({f!r}, {t!r})" for f, t, _ in cases]
    found = server.eval(f"[{', '.join(calls)}]")
    assert found == [result == "1" for _, _, result in cases]


# ---- The example -------------------------------------------------------------------------------


@pytest.mark.needs("process")
def test_example(target, request):
    running = target.run(ROOT / "examples" / "mqtt_server.py", "0")
    request.node.devices = [running]
    try:
        port = int(running.line().rpartition(":")[2].split()[0])
        address = ("127.0.0.1", port)
        with Client(address, 5, "one") as one, Client(address, 4, "two", connect=False) as two:
            two.will_set("will/two", "bye")
            two.open()
            assert one.listen("will/+") == [0]
            assert one.listen("room/#", 1) == [1]
            two.send("room/a", "kept", 1, True)
            assert one.next() == ("room/a", b"kept", 1, False)
            assert two.listen("room/+", 2) == [2]
            assert two.next() == ("room/a", b"kept", 1, True)
            assert two.listen("$share/g/x")[0] == 0x80
            one.unsubscribe("room/#")
            one.subscribed.get(timeout=seconds())
            one.send("room/b", "for two", 2)
            assert two.next() == ("room/b", b"for two", 2, False)
            two.socket().close()  # without a word
            assert one.next() == ("will/two", b"bye", 0, False)
        running.interrupt()
        assert running.exit_code() == 0
        assert "Traceback" not in running.console
    finally:
        running.kill()


@pytest.mark.needs("process")
def test_example_with_options_of_mqtt_5(target, request):
    """Properties, No Local, Retain As Published, Retain Handling; a client that is back at once."""
    running = target.run(ROOT / "examples" / "mqtt_server.py", "0")
    request.node.devices = [running]
    try:
        address = ("127.0.0.1", int(running.line().rpartition(":")[2].split()[0]))
        with login(address, client_id="a", version=5) as a:
            # Retain As Published, No Local; identifier 7.
            a.send(packet(SUBSCRIBE, b"\0\1\2\x0b\7" + text("t/#") + b"\x0d"))
            assert read_packet(a)[0] == SUBACK
            a.send(publish("t/own", b"not to me", version=5))
            with login(address, client_id="b", version=5) as b:
                b.send(
                    publish(
                        "t/x", b"kept", 1, retain=True, version=5, props=b"\2\0\0\0\x64\x03\0\1c"
                    )
                )
                assert read_packet(b)[0] == PUBACK
                cmd, flags, body = read_packet(a)
                assert (cmd, flags, body[-4:]) == (PUBLISH, 3, b"kept")
                assert b"\x03\0\1c" in body and b"\x0b\7" in body and b"\2\0\0\0" in body
                for options, count in [
                    (0x20, 0),
                    (0x10, 0),
                    (0, 1),
                ]:  # it was subscribed by the first
                    b.send(packet(SUBSCRIBE, b"\0\2\0" + text("t/x") + bytes([options])))
                    assert read_packet(b)[0] == SUBACK
                    for _ in range(count):
                        assert read_packet(b)[:2] == (PUBLISH, 1)
                with login(address, client_id="b") as again, login(address, client_id="b") as third:
                    assert read_packet(again) is None
                    third.send(packet(PINGREQ))
                    assert read_packet(third)[0] == PINGRESP
        running.interrupt()
        assert running.exit_code() == 0
        assert "Traceback" not in running.console
    finally:
        running.kill()


def test_connect_by_hand_is_what_paho_sends(server):
    """The packets of mqtt_peers are right: without this the tests above prove little."""
    with login(server.address, version=5) as raw:
        raw.send(packet(DISCONNECT))
        assert read_packet(raw) is None
    assert errors(server) == []
    assert server.eval("acked(MQTT_CMD_DISCONNECT, 'server')") == [0]
    assert connect("me")[0] == CONNECT << 4
