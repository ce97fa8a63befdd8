# SPDX-License-Identifier: GPL-2.0-only
"""WebSocket handshakes: subprotocols, headers, interim responses; against Tcllib and websockets."""

import shutil
import subprocess

import pytest
from peers.clients import Raw, Server
from websockets.sync.client import connect

SERVER = """
log = []

def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        if m.uri == "/twice":
            c.ws_upgrade(m, {"Sec-WebSocket-Protocol": "chat"}, protocol="chat")
        elif m.uri == "/own":
            c.ws_upgrade(m, {"Upgrade": "x"})
        elif m.uri == "/alias":
            c.ws_upgrade(m, extra_headers={"X-Own": "1"})
        elif m.uri == "/token":
            c.ws_upgrade(m, protocol="a b")
        else:
            c.ws_upgrade(m, {"X-Own": "1"}, protocol="chat")
    elif ev == MG_EV_WS_OPEN:
        log.append((m.header("Sec-WebSocket-Protocol"), c.ws_protocol))
    elif ev == MG_EV_WS_MSG:
        c.ws_send(m.text)

m = Manager(handler, error_handler=lambda e: log.append((type(e).__name__, str(e))))
announce("PORT", m.listen(url("http")))
serve(m)
"""

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
ASK = (
    "Host: x\r\nSec-WebSocket-Version: 13\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"
    f"Connection: keep-alive\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
)


@pytest.fixture
def server(shared):
    found = shared(SERVER)
    found.exec("del log[:]")
    return found


def answer(server, path="/", headers=""):
    with Raw(server.reach(server.port())) as raw:
        raw.send(f"GET {path} HTTP/1.1\r\n{ASK}{headers}\r\n")
        return raw.recv_exactly_head()


def test_lists_in_several_lines(server):
    headers = "Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol: x, chat\r\n"
    head = answer(server, headers=headers)
    assert head.startswith("HTTP/1.1 101 ")
    assert f"Sec-WebSocket-Accept: {ACCEPT}\r\n" in head
    assert head.count("Sec-WebSocket-Protocol: chat\r\n") == 1
    assert "X-Own: 1\r\n" in head
    assert server.eval("log") == [("soap, x, chat", "chat")]


def test_a_subprotocol_that_was_not_offered(server):
    assert "sec-websocket-protocol" not in answer(server).lower()
    assert (
        "sec-websocket-protocol"
        not in answer(server, headers="Sec-WebSocket-Protocol: CHAT\r\n").lower()
    )
    assert server.eval("log") == [(None, None), ("CHAT", None)]


def test_headers_by_their_old_name(server):
    assert "X-Own: 1\r\n" in answer(server, "/alias")


@pytest.mark.parametrize(
    "path, text", [("/own", "set by"), ("/token", "token"), ("/twice", "once")]
)
def test_what_a_server_cannot_answer(server, path, text):
    head = answer(server, path, "Sec-WebSocket-Protocol: chat\r\n")
    assert head.startswith("HTTP/1.1 500 ")
    assert server.eval("log")[0][0] == "ValueError"
    assert text in server.eval("log")[0][1]


def test_websockets_agrees(server):
    host, port = server.reach(server.port())
    with connect(f"ws://{host}:{port}", subprotocols=["x", "chat"]) as ws:
        assert ws.subprotocol == "chat"
        ws.send("hello")
        assert ws.recv() == "hello"


TCL = """
package require websocket
proc got {sock type msg} {
    if {$type eq "connect"} { ::websocket::send $sock text hello }
    if {$type eq "text"} { puts "$msg [::websocket::conninfo $sock state]"; exit 0 }
    if {$type in {error disconnect timeout}} { puts "$type $msg"; exit 1 }
}
::websocket::open "ws://%s:%d/" got -protocol {soap chat}
after 20000 {puts late; exit 1}
vwait forever
"""


@pytest.mark.skipif(not shutil.which("tclsh"), reason="this computer has no tclsh")
def test_tcllib(server, tmp_path):
    """It sends two Connection headers."""
    script = tmp_path / "client.tcl"
    script.write_text(TCL % server.reach(server.port()))
    found = subprocess.run(["tclsh", script], capture_output=True, text=True, timeout=40)
    if "can't find package" in found.stderr:
        pytest.skip("this computer has no Tcllib")
    assert found.stdout.startswith("hello"), found.stdout + found.stderr


CLIENT = """
log = []
conns = []

def handler(c, ev, m):
    if ev == MG_EV_WS_OPEN:
        log.append(("open", c.ws_protocol))
    elif ev == MG_EV_ERROR:
        log.append(("error", m))
    elif ev == MG_EV_CLOSE:
        log.append(("close", c.ws_protocol))

def start(port, path="", options={}):
    del log[:], conns[:]
    conns.append(m.ws_connect(peer("ws", port) + path, handler, **options))

def refused(options):
    try:
        m.ws_connect(peer("ws", 1), handler, **options)
    except (TypeError, ValueError) as e:
        return type(e).__name__, str(e)

m = Manager(max_head=2048)
serve(m)
"""


@pytest.fixture
def client(shared):
    return shared(CLIENT)


def accept_of(head):
    import base64
    import hashlib

    key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()


def handshake(client, before="", more="", path="", **options):
    """(the client's request, its log)"""
    heads = []

    def talk(raw):
        head = raw.recv_exactly_head()
        heads.append(head)
        raw.send(
            f"{before}HTTP/1.1 101 Yes\r\nUpgrade: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_of(head)}\r\n{more}\r\n"
        )
        raw.closed()

    with Server(talk) as server:
        client.exec(f"start({server.port}, {path!r}, {options!r})")
        client.until("log")
        client.exec("conns[0].close()")
    client.until("log[-1][0] == 'close'")
    return heads[0], client.eval("log")


def test_what_a_client_asks_for(client):
    head, log = handshake(
        client,
        more="Sec-WebSocket-Protocol: v2\r\n",
        path="/p\u00e4th?q=\u20ac",
        protocols=["v1", "v2"],
        headers={"Origin": "http://a", "Host": "other", "Authorization": "Bearer x"},
    )
    lines = head.split("\r\n")
    assert lines[0] == "GET /p%C3%A4th?q=%E2%82%AC HTTP/1.1"
    assert "Sec-WebSocket-Protocol: v1, v2" in lines
    assert "Origin: http://a" in lines
    assert [line for line in lines if line.startswith("Host:")] == ["Host: other"]
    assert log == [("open", "v2"), ("close", "v2")]


def test_a_server_that_takes_none(client):
    head, log = handshake(client, protocols=("v1",), headers=[("X-A", "1"), ("X-A", "2")])
    assert "X-A: 1\r\nX-A: 2\r\n" in head
    assert log == [("open", None), ("close", None)]


def test_interim_responses(client):
    interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert handshake(client, before=interim)[1][0] == ("open", None)


@pytest.mark.parametrize(
    "more",
    [
        "Sec-WebSocket-Protocol: v3\r\n",
        "Sec-WebSocket-Protocol: v1, v2\r\n",
        "Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v1\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ],
)
def test_answers_that_do_not_fit(client, more):
    log = handshake(client, more=more, protocols=["v1", "v2"])[1]
    assert log[0] == ("error", "WebSocket handshake failed: the answer does not fit the request")


REFUSED = [
    ({"protocols": "chat"}, "TypeError"),
    ({"protocols": [1]}, "TypeError"),
    ({"protocols": ["a b"]}, "ValueError"),
    ({"protocols": [""]}, "ValueError"),
    ({"protocols": ["a", "b", "a"]}, "ValueError"),
    ({"headers": {"Upgrade": "x"}}, "ValueError"),
    ({"headers": {"Sec-WebSocket-Protocol": "x"}}, "ValueError"),
    ({"headers": {"Connection": "close"}}, "ValueError"),
    ({"headers": {"A": "b\r\nC: d"}}, "ValueError"),
    ({"headers": 5}, "TypeError"),
    ({"headers": [1]}, "TypeError"),
]


@pytest.mark.parametrize("options, error", REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_asked_for(client, options, error):
    assert client.eval(f"refused({options!r})")[0] == error
