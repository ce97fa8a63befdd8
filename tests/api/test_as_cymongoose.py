# SPDX-License-Identifier: GPL-2.0-only
"""What cymongoose's programs do that is harmless, and so is done here, too; on every target."""

import base64

import pytest
from peers.clients import Raw, Server

SCRIPT = """
conns = []
caught = []

def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        try:
            if m.uri == "/ws":
                c.ws_upgrade(m, extra_headers=wrong)
            else:
                c.reply(200, "x", wrong)
        except ValueError as e:
            caught.append(str(e))
            c.reply(500, str(e))

wrong = {}
m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
conns = None
"""

BAD = {
    "name": ({"Bad\nName": "x"}, "Header name"),
    "empty": ({"": "x"}, "Header name"),
    "space": ({"A b": "x"}, "Header name"),
    "value": ({"X-Ok": "a\r\nEvil: x"}, "Header value of X-Ok"),
    "nul": ({"X-Ok": "a\0b"}, "Header value of X-Ok"),
}


@pytest.fixture
def script(shared):
    return shared(SCRIPT)


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_header_comes_first(script, case):
    """Whatever else is wrong: a listener answers nobody, and / is no WebSocket handshake."""
    headers, text = BAD[case]
    script.exec(
        f"""
wrong = {headers!r}
listener = m.listen(url("http"))
for call in (listener.reply, lambda *args: listener.reply_json({{}}, 200, wrong)):
    assert "illegal character" in str(raises(ValueError, call, 200, b"x", wrong, text={text!r}))
raises(ValueError, listener.reply, 200, b"x", {{"X": "fine"}}, text="does not answer")
raises(ValueError, listener.reply, 99, b"x", wrong, text="status")
listener.close()
caught.clear()
"""
    )
    for path in ("/", "/ws"):
        with Raw(script.reach(script.port())) as raw:
            answer = raw.ask(f"GET {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
        assert answer.status == 500 and answer.body.decode().startswith(text)
    assert len(script.eval("caught")) == 2
    script.exec("wrong = {}")
    with Raw(script.reach(script.port())) as raw:
        answer = raw.ask("GET /ws HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    assert answer.status == 426


def test_what_a_closed_connection_was(script):
    script.exec(
        """
listener = m.listen(url("udp"))
client = m.connect(url("tcp", 9))
for c in (listener, client):
    c.close()
m.poll(0)
eq([(c.is_client, c.is_udp, c.is_listening, c.is_tls) for c in (listener, client)],
    [(False, True, False, False), (True, False, False, False)])
for c in (listener, client):
    eq((c.recv_data(), c.recv_data(5), c.send_data(), c.send_len, c.recv_len), (b"", b"", b"", 0, 0))
    raises(TypeError, c.send_data, "x")
    raises(Error, c.recv, text="closed")
    raises(Error, c.send, b"", text="closed")
"""
    )


@pytest.mark.parametrize("scheme", ["tcp", "http", "udp"])
def test_mqtt_on_a_listener_goes_nowhere(script, scheme):
    if not script.eval("hasattr(m.connections[0], 'mqtt_pub')"):
        pytest.skip("the target has no MQTT")
    script.exec(
        f"""
listener = m.listen(url({scheme!r}))
eq(listener.mqtt_pub("a/b", "text"), 0)
for call in (listener.mqtt_ping, listener.mqtt_pong, listener.mqtt_disconnect):
    eq(call(), None)
eq((listener.mqtt_sub("a/#"), listener.mqtt_unsub("a/#")), (0, 0))
m.poll(0)
eq((listener.is_listening, listener.is_closing, listener.send_len), (True, False, 0))
listener.close()
listener = m.mqtt_listen(url("mqtt"))
raises(ValueError, listener.mqtt_pub, "a", "b", text="listener")
listener.close()
"""
    )


def test_credentials_lie_in_the_send_buffer(script):
    """Of a tcp:// client: until its head takes them, or nothing but the end comes."""
    line = b"Authorization: Basic " + base64.b64encode(b"me:secret") + b"\r\n"
    with Server(lambda raw: raw.recv_until(b"\r\n\r\n")) as server:
        script.exec(
            f"""
c = m.connect(peer("tcp", {server.port}))
c.http_basic_auth("other", "word")
c.http_basic_auth("me", "secret")
eq((c.send_data(), c.send_len), ({line!r}, {len(line)}))
poll_until(m, lambda: c.is_client and not c.send_len or c.remote_addr[1] == {server.port})
[m.poll(1) for n in range(5)]
eq(c.send_data(), {line!r})
c.send("GET / HTTP/1.1\\r\\nHost: x\\r\\n")
c.send("\\r\\n")
c.drain()
"""
        )
        script.until("len(m.connections) == 1")
    assert server.results == [b"GET / HTTP/1.1\r\n" + line + b"Host: x\r\n\r\n"]
    with Server(lambda raw: raw.recv_all()) as server:
        script.exec(
            f"c = m.connect(peer('tcp', {server.port})); c.http_basic_auth('me', 'secret'); c.drain()"
        )
        script.until("len(m.connections) == 1")
    assert server.results == [b""]


def test_names_and_texts(script):
    script.exec(
        """
eq([event_name(MG_EV_USER + n) for n in (0, 1, 5)], ["MG_EV_USER", "MG_EV_USER+1", "MG_EV_USER+5"])
"""
    )
