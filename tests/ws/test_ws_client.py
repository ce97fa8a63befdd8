# SPDX-License-Identifier: GPL-2.0-only
"""WebSocket clients: against the websockets library as server, and against servers gone wrong."""

import threading

import pytest
from peers.clients import Server, frame, free_port, here, read_frame, ws_accept
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

CLIENT = """
log = []
conns = []

def handler(c, ev, m):
    if ev == MG_EV_CONNECT:
        log.append(("connect",))
    elif ev == MG_EV_WS_OPEN:
        log.append(("open", m.status(), m.header("Sec-WebSocket-Protocol"), c.is_client, c.is_websocket))
    elif ev == MG_EV_HTTP_MSG:
        log.append(("http", m.status()))
    elif ev == MG_EV_WS_MSG:
        log.append(("msg", m.flags, m.data if len(m.data) < 100 else len(m.data)))
    elif ev == MG_EV_WS_CTL:
        log.append(("ctl", m.flags, m.data))
    elif ev == MG_EV_ERROR:
        log.append(("error", m))
    elif ev == MG_EV_CLOSE:
        log.append(("close",))

def open(to, **kwargs):
    del log[:], conns[:]
    conns.append(m.ws_connect(to, handler, **kwargs))

m = Manager(max_message=2 << 20)
serve(m)
"""


@pytest.fixture
def client(shared):
    device = shared(CLIENT)
    device.exec("del log[:], conns[:]")
    return device


def log_until(client, kind):
    """The client's log up to and with its first entry of this kind."""
    log = client.until(f"{kind!r} in [entry[0] for entry in log] and log")
    return log[: [entry[0] for entry in log].index(kind) + 1]


@pytest.fixture
def library():
    """An echo server of the websockets library; `seen` holds what it got."""
    seen = []

    def talk(ws):
        seen.append(("open", ws.request.path, dict(ws.request.headers.raw_items())))
        try:
            for message in ws:
                seen.append(message)
                if message == "close me":
                    ws.close(4001, "as you wish")
                elif message == "fragments":
                    ws.send(["one ", "two ", "three"])
                elif message == "ping me":
                    seen.append(ws.ping(b"hello?").wait(10))
                else:
                    ws.send(message)
        except ConnectionClosed:
            pass
        seen.append(("closed", ws.close_code, ws.close_reason))

    with serve(talk, here(), 0, max_size=None) as server:
        server.seen = seen
        server.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
    thread.join(10)


def test_conversation(client, library, wait_for):
    client.exec(f"open(peer('ws', {library.port}, '/path?q=1'))")
    log_until(client, "open")
    assert client.eval("log") == [("connect",), ("open", 101, None, True, True)]
    client.exec("conns[0].ws_send('hello \\u20ac')")
    client.exec("conns[0].ws_send(b'\\0\\xff', WEBSOCKET_OP_BINARY)")
    client.exec("conns[0].ws_send('')")
    client.until("len(log) == 5")
    assert client.eval("log[2:]") == [
        ("msg", TEXT, "hello \u20ac".encode()),
        ("msg", BINARY, b"\0\xff"),
        ("msg", TEXT, b""),
    ]
    client.exec("conns[0].ws_send(b'\\x03\\xe8bye', WEBSOCKET_OP_CLOSE)")
    log_until(client, "close")
    assert client.eval("[e[0] for e in log[5:]]") == ["ctl", "close"]
    wait_for(lambda: ("closed", 1000, "bye") in library.seen)
    kind, path, headers = library.seen[0]
    assert (kind, path) == ("open", "/path?q=1")
    assert headers["Host"] == f"{client.peer}:{library.port}"
    assert library.seen[1:4] == ["hello \u20ac", b"\0\xff", ""]


LARGE = [pytest.param(n, marks=pytest.mark.needs("memory")) for n in (65535, 65536, 1 << 20)]


@pytest.mark.parametrize("size", [125, 126, 8000, *LARGE])
def test_sizes(client, library, wait_for, size):
    client.exec(f"open(peer('ws', {library.port}))")
    log_until(client, "open")
    client.exec(f"conns[0].ws_send(b'\\xa5' * {size}, WEBSOCKET_OP_BINARY)")
    log_until(client, "msg")
    got = client.eval("log[2][2]")
    assert got == (size if size >= 100 else b"\xa5" * size)
    assert library.seen[1] == b"\xa5" * size
    client.exec("conns[0].drain()")
    log_until(client, "close")
    wait_for(lambda: ("closed", 1000, "") in library.seen)


def test_fragments_and_pings(client, library, wait_for):
    client.exec(f"open(peer('ws', {library.port}))")
    log_until(client, "open")
    client.exec("conns[0].ws_send('fragments'), conns[0].ws_send('ping me')")
    wait_for(lambda: True in library.seen, "the pong")
    assert client.eval("log[2:]") == [
        ("msg", TEXT, b"one two three"),
        ("ctl", PING, b"hello?"),
    ]
    client.exec("conns[0].ws_send('me', WEBSOCKET_OP_PING)")
    log_until(client, "ctl")
    client.until("('ctl', 10, b'me') in log")
    client.exec("conns[0].close()")
    wait_for(lambda: ("closed", 1006, "") in library.seen)


def test_close_by_the_server(client, library):
    client.exec(f"open(peer('ws', {library.port}))")
    log_until(client, "open")
    client.exec("conns[0].ws_send('close me')")
    log = log_until(client, "close")
    assert log[2:] == [("ctl", CLOSE, b"\x0f\xa1as you wish"), ("close",)]


def test_masks_are_not_repeated(client):
    """Each frame has a mask of its own, and it is no constant (RFC 6455, section 10.3)."""
    masks = []

    def talk(raw):
        ws_accept(raw)
        for _ in range(20):
            head = raw.recv_exactly(6)
            masks.append(head[2:])
            raw.recv_exactly(head[1] & 127)

    with Server(talk) as server:
        client.exec(f"open(peer('ws', {server.port}))")
        log_until(client, "open")
        client.exec("[conns[0].ws_send('x') for n in range(20)]")
    assert len(set(masks)) == 20
    log_until(client, "close")


def test_handshake_of_the_client(client):
    heads = []

    def talk(raw):
        heads.append(ws_accept(raw))
        raw.send(frame(TEXT, "in the same breath", mask=False))
        raw.recv()

    with Server(talk) as server:
        client.exec(f"open(peer('ws', {server.port}, '/a?b=c'))")
        log_until(client, "msg")
        client.exec("conns[0].close()")
    line, *fields = heads[0].rstrip().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (field.partition(":") for field in fields)}
    assert line == "GET /a?b=c HTTP/1.1"
    assert headers["upgrade"] == "websocket" and headers["connection"].lower() == "upgrade"
    assert headers["sec-websocket-version"] == "13"
    assert headers["host"] == f"{client.peer}:{server.port}"
    assert len(headers["sec-websocket-key"]) == 24


REFUSALS = {
    "wrong-accept": {"accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    "no-accept": {"drop": ("Sec-WebSocket-Accept",)},
    "no-upgrade": {"drop": ("Upgrade",)},
    "no-connection": {"drop": ("Connection",)},
    "not-found": {"status": "404 Not Found", "extra": "Content-Length: 0\r\n"},
    "plain-200": {"status": "200 OK", "extra": "Content-Length: 0\r\n"},
    "protocol-not-asked-for": {"extra": "Sec-WebSocket-Protocol: chat\r\n"},
    "extension-not-asked-for": {"extra": "Sec-WebSocket-Extensions: permessage-deflate\r\n"},
    "65-headers": {"extra": "A: b\r\n" * 65},
    "other-coding": {"status": "403 Forbidden", "extra": "Transfer-Encoding: gzip, chunked\r\n"},
}
SAYS = {
    "not-found": "the server answered 404",
    "65-headers": "the answer has more than 64 headers",
    "other-coding": "the server answered 403",
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_handshake(client, case):
    def talk(raw):
        ws_accept(raw, **REFUSALS[case])
        return raw.closed()

    with Server(talk) as server:
        client.exec(f"open(peer('ws', {server.port}))")
        log = log_until(client, "close")
    kinds = [entry[0] for entry in log]
    assert "open" not in kinds and "msg" not in kinds
    assert kinds.count("error") == 1
    assert SAYS.get(case, "") in log[kinds.index("error")][1]
    assert server.results == [True]


VIOLATIONS = {
    "masked": (frame(TEXT, "x", mask=True), 1002),
    "rsv1": (frame(TEXT, "x", mask=False, rsv=4), 1002),
    "opcode-5": (frame(5, "x", mask=False), 1002),
    "ping-126": (frame(PING, b"x" * 126, mask=False), 1002),
    "ping-fragmented": (frame(PING, "x", mask=False, fin=False), 1002),
    "continuation-of-nothing": (frame(0, "x", mask=False), 1002),
    "text-no-utf8": (frame(TEXT, b"\xff", mask=False), 1007),
    "close-1005": (frame(CLOSE, b"\x03\xed", mask=False), 1002),
    "too-big": (frame(BINARY, b"", mask=False, length=3 << 20), 1009),
    "http-again": (b"HTTP/1.1 200 OK\r\n\r\n", 1002),
}


@pytest.mark.parametrize("case", VIOLATIONS)
def test_violation_by_the_server(client, case):
    frames, code = VIOLATIONS[case]

    def talk(raw):
        ws_accept(raw)
        raw.send(frame(TEXT, "before", mask=False) + frames + frame(TEXT, "after", mask=False))
        got = read_frame(raw)
        return got, read_frame(raw)

    with Server(talk) as server:
        client.exec(f"open(peer('ws', {server.port}))")
        log = log_until(client, "close")
    (op, fin, masked, payload), end = server.results[0]
    assert (op, fin, masked, end) == (CLOSE, True, True, None)
    assert int.from_bytes(payload[:2], "big") == code
    assert ("msg", TEXT, b"before") in log and ("msg", TEXT, b"after") not in log
    assert [entry[0] for entry in log].count("error") == 1


def test_server_that_hangs_up_in_the_handshake(client):
    def talk(raw):
        raw.recv_exactly_head()
        raw.send("HTTP/1.1 101 Swit")

    with Server(talk) as server:
        client.exec(f"open(peer('ws', {server.port}))")
        log = log_until(client, "close")
    assert [entry[0] for entry in log] == ["connect", "error", "close"]


def test_nobody_there(client):
    client.exec(f"open(peer('ws', {free_port()}))")
    log = log_until(client, "close")
    assert [entry[0] for entry in log] == ["error", "close"]
    assert "refused" in log[0][1].lower()


def test_handshake_timeout(device):
    """A server that accepts and says nothing does not hold the client for ever."""
    running = device(CLIENT.replace("2 << 20", "1000, connect_timeout=300, head_timeout=300"))

    def talk(raw):
        raw.recv_exactly_head()
        return raw.closed()

    with Server(talk) as server:
        running.exec(f"open(peer('ws', {server.port}))")
        log = log_until(running, "close")
    assert [entry[0] for entry in log] == ["connect", "error", "close"]
    assert server.results == [True]


def test_sending_before_the_handshake_is_refused(client):
    def talk(raw):
        ws_accept(raw)
        return read_frame(raw)

    with Server(talk) as server:
        with pytest.raises(AssertionError, match="ValueError"):
            client.exec(f"open(peer('ws', {server.port}))\nconns[0].ws_send('too early')")
        log_until(client, "open")
        client.exec("conns[0].ws_send('now')")
    assert server.results[0][3] == b"now"
    log_until(client, "close")
