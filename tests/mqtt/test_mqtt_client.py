# SPDX-License-Identifier: GPL-2.0-only
"""MQTT clients against mosquitto."""

import pytest
from mqtt_script import SCRIPT
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from peers.clients import free_port, seconds
from peers.mqtt_peers import (
    CONNACK,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    SUBACK,
    UNSUBACK,
    Broker,
    Client,
)
from peers.pki import NOW, pki

VERSIONS = pytest.mark.parametrize("version", [4, 5])


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    made = Broker(tmp_path_factory.mktemp("mosquitto"))
    yield made
    made.stop()


@pytest.fixture
def script(shared):
    device = shared(SCRIPT)
    yield device
    device.eval("reset()")


@pytest.fixture
def client(script, broker):
    """Connects the device to the broker; its name is "dev"."""

    def connect(name="dev", **kwargs):
        arguments = ", ".join(f"{k}={v!r}" for k, v in kwargs.items())
        script.exec(f"start({name!r}, {broker.port}, {arguments})")
        script.until("told('client', 'OPEN')")
        assert script.eval("told('client', 'OPEN')") == [(0,)]
        return script

    return connect


def subscribe(script, topic, qos=0):
    mid = script.eval(f"clients['dev'].mqtt_sub({topic!r}, {qos})")
    script.until(f"{mid} in acked({SUBACK})")
    return mid


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_publish_and_get_it_back(client, version, qos):
    script = client(version=version)
    subscribe(script, "a/+", 2)
    mid = script.eval(f"clients['dev'].mqtt_pub('a/b', 'h\xe9llo', {qos})")
    assert (mid > 0) == (qos > 0)
    script.until("told('client', 'MSG')")
    assert script.eval("told('client', 'MSG')") == [("a/b", "h\xe9llo".encode(), qos, False, False)]
    if qos:
        script.until(f"{mid} in acked({PUBACK if qos == 1 else PUBCOMP})")


@VERSIONS
def test_others_publish_and_subscribe(client, broker, version):
    script = client(version=version)
    subscribe(script, "in/#", 2)
    for qos in (0, 1, 2):
        broker.publish("in/x", f"level {qos}", "-q", str(qos))
    script.until("len(told('client', 'MSG')) == 3")
    assert script.eval("told('client', 'MSG')") == [
        ("in/x", b"level %d" % qos, qos, False, False) for qos in (0, 1, 2)
    ]
    with Client(("127.0.0.1", broker.port), version) as other:
        other.listen("out", 2)
        for qos in (0, 1, 2):
            script.exec(f"clients['dev'].mqtt_pub('out', b'\\0\\xff{qos}', {qos})")
            assert other.next() == ("out", b"\0\xff%d" % qos, qos, False)


def test_many_messages_in_order(client, broker):
    """As many as mosquitto takes in one go: beyond 20 with QoS 1 it drops."""
    script = client()
    subscribe(script, "many", 1)
    script.exec("[clients['dev'].mqtt_pub('many', str(n), n % 3) for n in range(57)]")
    script.until("len(told('client', 'MSG')) == 57")
    seen = [int(e[1]) for e in script.eval("told('client', 'MSG')")]
    assert sorted(seen) == list(range(57))
    assert [n for n in seen if n % 3 == 1] == list(range(1, 57, 3))


def test_unsubscribe(client, broker):
    script = client()
    subscribe(script, "u")
    mid = script.eval("clients['dev'].mqtt_unsub('u')")
    script.until(f"{mid} in acked({UNSUBACK})")
    subscribe(script, "v")
    broker.publish("u", "not wanted")
    broker.publish("v", "wanted")
    script.until("told('client', 'MSG')")
    assert script.eval("told('client', 'MSG')[0][0]") == "v"


@VERSIONS
def test_retained(client, broker, version):
    script = client(version=version)
    script.exec("clients['dev'].mqtt_pub('kept', 'old news', 1, True)")
    script.until(f"acked({PUBACK})")
    subscribe(script, "kept")
    script.until("told('client', 'MSG')")
    assert script.eval("told('client', 'MSG')") == [("kept", b"old news", 0, True, False)]
    script.exec("clients['dev'].mqtt_pub('kept', '', 0, True)")


@VERSIONS
@pytest.mark.parametrize(
    "end, published", [("close", True), ("drain", False), ("mqtt_disconnect", False)]
)
def test_will(client, broker, version, end, published):
    script = client(version=version, will_topic="w", will_message="gone \xfc", will_qos=1)
    with Client(("127.0.0.1", broker.port)) as other:
        other.listen("w", 1)
        script.exec(f"clients['dev'].{end}()")
        script.until("told('client', 'CLOSE')")
        if not published:
            broker.publish("w", "nothing came")
        assert other.next()[1].decode() == ("gone \xfc" if published else "nothing came")


def test_will_asked_for_at_the_end(client, broker):
    script = client(version=5, will_topic="w", will_message="as asked")
    with Client(("127.0.0.1", broker.port)) as other:
        other.listen("w")
        script.exec("clients['dev'].mqtt_disconnect(4)")
        assert other.next()[1] == b"as asked"


@VERSIONS
def test_password(script, broker, version):
    code = 5 if version == 4 else 135
    script.exec(
        f"start('dev', {broker.port}, username='user', password='wrong', version={version})"
    )
    script.until("told('client', 'CLOSE')")
    assert script.eval("told('client', 'OPEN')") == [(code,)]
    assert script.eval("told('client', 'ERROR')") == [
        (f"MQTT: the server refused the connection: not authorized ({code})",)
    ]
    script.exec(
        f"start('dev', {broker.port}, username='user', password='secret', version={version})"
    )
    script.until("(0,) in told('client', 'OPEN')")


def test_session(client, broker):
    script = client(clean_session=False)
    subscribe(script, "s", 1)
    script.exec("clients['dev'].mqtt_disconnect()")
    script.until("told('client', 'CLOSE')")
    broker.publish("s", "while away", "-q", "1")
    script.exec("log.clear()")
    script.exec(f"start('dev', {broker.port}, clean_session=False)")
    script.until("told('client', 'MSG')")
    assert script.eval("told('client', 'MSG')") == [("s", b"while away", 1, False, False)]
    script.exec("clients['dev'].mqtt_disconnect()")
    script.until("told('client', 'CLOSE')")
    script.exec(f"log.clear(); start('dev', {broker.port})")
    script.until("told('client', 'OPEN')")


def test_properties(client, broker):
    script = client(
        version=5, properties=[(17, 60), (38, ("a", "b"))], will_topic="w", will_properties={24: 1}
    )
    with Client(("127.0.0.1", broker.port), 5) as other:
        other.listen("p")
        script.exec(
            "clients['dev'].mqtt_pub('p', 'x', properties=[(1, 1), (2, 100), (3, 'text/x'),"
            "(8, 'back'), (9, b'\\0\\xff'), (38, ('k', 'v')), (38, ('k', 'w'))])"
        )
        got = other.messages.get(timeout=seconds()).properties
        assert (got.PayloadFormatIndicator, got.ContentType, got.ResponseTopic) == (
            1,
            "text/x",
            "back",
        )
        assert got.CorrelationData == b"\0\xff"
        assert got.UserProperty == [("k", "v"), ("k", "w")]
        script.exec("props = []")
        script.exec(
            "def take(c, ev, d):\n"
            "    if ev == MG_EV_MQTT_MSG:\n"
            "        props.append(d.properties())\n"
            "    else:\n"
            "        handler(c, ev, d)\n"
            "clients['dev'].set_handler(take)"
        )
        mid = script.eval("clients['dev'].mqtt_sub('q', properties=[(11, 300)], options=8)")
        script.until(f"{mid} in acked({SUBACK})")
        made = Properties(PacketTypes.PUBLISH)
        made.CorrelationData = b"\xff\0"
        made.UserProperty = [("one", "1"), ("two", "2")]
        other.send("q", "x", properties=made)
        script.until("props")
        found = [(p["id"], p["iv"], p["key"], p["val"]) for p in script.eval("props[0]")]
    assert sorted(found, key=repr) == sorted(
        [(9, 0, "", b"\xff\0"), (11, 300, "", ""), (38, 0, "one", "1"), (38, 0, "two", "2")],
        key=repr,
    )


def test_large_message(client, broker, target):
    script = client()
    subscribe(script, "big", 1)
    script.exec(f"big = bytes(range(251)) * {target.size(4000, 20)}")
    script.exec("clients['dev'].mqtt_pub('big', big, 1)")
    script.until("len(told('client', 'MSG')) == 1")
    assert script.eval("told('client', 'MSG')[0][1] == big")


def test_limits_of_the_server_hold(client, broker):
    """mosquitto takes 20 unacknowledged messages at a time from a client of MQTT 5."""
    script = client(version=5)
    with pytest.raises(AssertionError, match="messages are not acknowledged, the limit is 20"):
        script.exec("[clients['dev'].mqtt_pub('l', 'x', 1) for n in range(21)]")
    script.until(f"len(acked({PUBACK})) == 20")
    script.exec("clients['dev'].mqtt_pub('l', 'x', 1)")


@pytest.mark.cost(8)
def test_tls(script, broker):
    script.exec(f"set_clock({int(NOW.timestamp())})")
    script.exec(f"opts = TlsOpts(ca={pki()['ca'].cert!r}, name='localhost')")
    script.exec(f"start('dev', {broker.tls}, 'mqtts'); clients['dev'].tls_init(opts)")
    script.until("told('client', 'OPEN')")
    assert script.eval("told('client', 'OPEN'), clients['dev'].is_tls") == ([(0,)], True)
    subscribe(script, "t", 1)
    script.exec("clients['dev'].mqtt_pub('t', 'secret', 1)")
    script.until("told('client', 'MSG')")


def test_tls_of_an_unknown_authority(script, broker):
    script.exec(f"other = TlsOpts(ca={pki()['other_ca'].cert!r}, name='localhost')")
    script.exec(f"start('dev', {broker.tls}, 'mqtts'); clients['dev'].tls_init(other)")
    script.until("told('client', 'CLOSE')")
    assert script.eval("told('client', 'OPEN')") == []
    assert "TLS" in script.eval("told('client', 'ERROR')")[0][0]


@pytest.mark.needs("process")  # mosquitto counts by another clock than an emulated board
def test_keep_alive(client, broker):
    """mosquitto gives a client up that is silent for 3 s: the pings keep it."""
    script = client(keepalive=2)  # a second more than a ping is a busy computer's
    script.until(f"sum(e[0] == {PINGRESP} for e in told('client', 'CMD')) == 2")
    assert script.eval("told('client', 'CLOSE')") == []


def test_server_stops(script, tmp_path):
    mine = Broker(tmp_path)
    try:
        script.exec(f"start('dev', {mine.port}, keepalive=1)")
        script.until("told('client', 'OPEN')")
    finally:
        mine.stop()
    script.until("told('client', 'CLOSE')")
    with pytest.raises(AssertionError, match="connection is closed"):
        script.exec("clients['dev'].mqtt_pub('a', 'b')")


def test_no_server(script):
    script.exec(f"start('dev', {free_port()})")
    script.until("told('client', 'CLOSE')")
    assert script.eval("told('client', 'ERROR')")[0][0].startswith("connect failed: ")


# ---- As the reference of Connection shows it ---------------------------------------------------

EXAMPLE = """
def handler(conn, ev, data):
    if ev == MG_EV_MQTT_OPEN:
        print("MQTT connected")
        conn.mqtt_sub("sensors/+/temperature", qos=1)
        conn.mqtt_sub("sensors/+/humidity", qos=1)
    elif ev == MG_EV_MQTT_MSG:
        print("TOPIC", data.topic)
        print("MESSAGE", data.text)
        conn.mqtt_pub("ack/received", "OK", qos=1, retain=False)
    elif ev == MG_EV_MQTT_CMD and data.cmd == MQTT_CMD_SUBACK:
        print("SUBSCRIBED")

m = Manager(handler)
m.mqtt_connect(peer("mqtt", PARAMS["port"]))
serve(m)
"""


def test_example(device, broker):
    running = device(EXAMPLE, port=broker.port)
    running.expect("SUBSCRIBED")
    running.expect("SUBSCRIBED")
    with Client(("127.0.0.1", broker.port)) as other:
        other.listen("ack/#")
        for what in ("temperature", "humidity"):
            other.send(f"sensors/kitchen/{what}", "21.5", 1)
            assert running.expect("TOPIC") == f"sensors/kitchen/{what}"
            assert running.expect("MESSAGE") == "21.5"
            assert other.next() == ("ack/received", b"OK", 0, False)


def test_ping_pong_disconnect(client):
    script = client()
    script.exec("clients['dev'].mqtt_ping()")
    script.until(f"acked({PINGRESP})")
    assert script.eval(f"acked({CONNACK})") == [0]
    script.exec("clients['dev'].mqtt_disconnect()")
    script.until("told('client', 'CLOSE')")
