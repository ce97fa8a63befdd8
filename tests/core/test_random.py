# SPDX-License-Identifier: GPL-2.0-only
"""A source of random numbers that fails: whoever needs them refuses, and goes on when it is back."""

import pytest
from peers.clients import Raw, Server, ws_accept
from peers.faults import faulty  # noqa: F401
from peers.pki import pki

pytestmark = pytest.mark.needs("native-speed")

SCRIPT = """
from errno import EIO
import os

FAILED = "the source of random numbers failed"
events, errors = [], []

def handler(c, ev, data):
    events.append(names([ev])[0])
    if ev == MG_EV_ERROR:
        errors.append(data)
    elif ev == MG_EV_HTTP_HDRS and data.method == "PUT":
        try:
            c.http_stream_body(PARAMS["folder"] + "/file", max_size=0)
        except Error as e:
            errors.append(str(e))
            c.reply(500)
    elif ev == MG_EV_HTTP_MSG and not c.is_client:
        c.reply(200)

def fresh(**limits):
    # Without numbers that were fetched before.
    global m
    m.close()
    events.clear()
    errors.clear()
    m = Manager(handler, dns=[peer("udp", 9)], **limits)
    return m

def ends(connect):
    fault(random=True)
    c = connect()
    poll_until(m, lambda: "CLOSE" in events)
    fault()
    return errors

m = Manager()
serve()
m.close()
"""


def test_functions(faulty):  # noqa: F811
    script = faulty(SCRIPT)
    script.exec(
        """
fault(random=True)
for name in "random_bytes", "random_str":
    eq(raises(Error, getattr(pymongoose, name), 16, text=FAILED).errno, EIO)
fault()
eq((len(random_bytes(16)), len(random_str(16))), (16, 16))
"""
    )


def test_names_are_not_looked_up_with_ids_that_can_be_guessed(faulty):  # noqa: F811
    script = faulty(SCRIPT)
    script.exec("fresh(connect_timeout=300)")
    (text,) = script.eval("ends(lambda: m.connect('tcp://host.test:1'))")
    assert "name lookup" in text


def test_time_is_not_asked_for_without_a_cookie(faulty):  # noqa: F811
    script = faulty(SCRIPT)
    script.exec("fresh()")
    (text,) = script.eval("ends(lambda: m.sntp_connect(peer('udp', 9)))")
    assert text == "SNTP: the source of random numbers failed"


def test_websocket_client_has_no_key(faulty):  # noqa: F811
    script = faulty(SCRIPT)
    with Server(lambda raw: raw.recv()) as server:
        script.exec("fresh()")
        (text,) = script.eval(f"ends(lambda: m.ws_connect(peer('ws', {server.port})))")
    assert text == "the source of random numbers failed"
    assert server.results == [b""]


def test_websocket_client_sends_no_frame_without_a_mask(faulty):  # noqa: F811
    script = faulty(SCRIPT)

    def talk(raw):
        ws_accept(raw)
        return raw.recv_all()

    with Server(talk) as server:
        script.exec(
            f"""
fresh()
c = m.ws_connect(peer("ws", {server.port}))
poll_until(m, lambda: "WS_OPEN" in events)
fault(random=True)
sent = 0
try:
    while sent < 100:
        c.ws_send("x")
        sent += 1
except Error as e:
    eq((e.errno, str(e)), (EIO, FAILED))
assert sent < 20, "those are numbers from before"
fault()
c.ws_send("back")
c.drain()
poll_until(m, lambda: "CLOSE" in events)
"""
        )
    masks = {bytes(server.results[0][i + 2 : i + 6]) for i in range(0, 7 * 3, 7)}
    assert len(masks) == 3, "no mask twice"


@pytest.mark.parametrize("version", [4, 5])
def test_mqtt_client_without_an_id_of_its_own(faulty, version):  # noqa: F811
    script = faulty(SCRIPT)
    script.exec(
        f"""
fresh()
fault(random=True)
e = raises(Error, m.mqtt_connect, peer("mqtt", 9), version={version}, text=FAILED)
eq((e.errno, len(m.connections)), (EIO, 0))
fault()
m.mqtt_connect(peer("mqtt", 9), version={version}).close()
m.poll(0)
"""
    )


def test_mqtt_server_gives_no_id(faulty):  # noqa: F811
    script = faulty(SCRIPT)
    script.exec("fresh(); port = port_of(m.mqtt_listen(url('mqtt')))")
    # MQTT 5, no client id, clean start.
    connect = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"
    with Raw(script.reach(script.eval("port"))) as raw:
        raw.send(connect)
        script.exec("fault(random=True); poll_until(m, lambda: errors); fault()")
        script.exec("for _ in range(5): m.poll(5)")
        assert raw.recv()[:1] == b"\x20", "CONNACK"
    assert script.eval("errors") == ["MQTT: the source of random numbers failed"]
    assert "MQTT_CMD" not in script.eval("events")


def test_upload_has_no_name_to_guess(faulty, tmp_path):  # noqa: F811
    script = faulty(SCRIPT, folder=str(tmp_path))
    script.exec("fresh(); port = port_of(m.listen(url('http')))")
    with Raw(script.reach(script.eval("port"))) as raw:
        raw.send("PUT / HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
        script.exec("fault(random=True); poll_until(m, lambda: 'CLOSE' in events); fault()")
        assert raw.recv_all().startswith(b"HTTP/1.1 500 ")
    assert script.eval("errors") == ["the source of random numbers failed"]
    assert list(tmp_path.iterdir()) == [tmp_path / "faults"]


def test_tls_ends_in_the_handshake(faulty):  # noqa: F811
    pair = pki()["ec"]
    script = faulty(SCRIPT, ca=pki()["ca"].cert.decode())
    with Server(lambda raw: raw.recv_all()) as server:
        script.exec("fresh(); opts = TlsOpts(ca=PARAMS['ca'], name='localhost')")
        script.exec(
            f"def go():\n c = m.connect(peer('tls', {server.port}))\n"
            " c.tls_init(opts); c.send('secret')"
        )
        script.eval("ends(go)")
    assert b"secret" not in server.results[0]
    assert len(script.eval("errors")) == 1
    script.exec(
        f"""
fault(random=True)
raises(Exception, TlsOpts, cert={pair.cert!r}, key={pair.key!r})
fault()
TlsOpts(cert={pair.cert!r}, key={pair.key!r})
opts = None
"""
    )
