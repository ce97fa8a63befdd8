# SPDX-License-Identifier: GPL-2.0-only
"""WebSocket servers (RFC 6455), for the websockets library and for hand-made frames."""

import pytest
from peers.clients import WS_ACCEPT, WS_KEY, Raw, frame, read_frame, seconds, ws_open
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

SERVER = """
log = []

def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        if m.uri == "/plain":
            c.reply(200, "plain")
        elif m.uri == "/chat":
            c.ws_upgrade(m, {"Sec-WebSocket-Protocol": "chat", "X-Extra": "yes"})
        elif m.uri == "/greet":
            c.ws_upgrade(m)
            c.ws_send("welcome")
        else:
            c.ws_upgrade(m)
    elif ev == MG_EV_WS_OPEN:
        log.append(("open", m.uri, c.is_websocket))
    elif ev == MG_EV_WS_MSG:
        log.append(("msg", m.flags, len(m.data)))
        if m.flags == WEBSOCKET_OP_TEXT and m.text.startswith("!"):
            COMMANDS[m.text](c)
        elif m.flags == WEBSOCKET_OP_TEXT:
            c.ws_send(m.text, WEBSOCKET_OP_TEXT)
        else:
            c.ws_send(m.data, WEBSOCKET_OP_BINARY)
    elif ev == MG_EV_WS_CTL:
        log.append(("ctl", m.flags, m.data))
    elif ev == MG_EV_ERROR:
        log.append(("error", m))
    elif ev == MG_EV_CLOSE:
        log.append(("close", c.is_websocket))

COMMANDS = {
    "!close": lambda c: c.ws_send(b"\\x03\\xe8all done", WEBSOCKET_OP_CLOSE),
    "!close4000": lambda c: c.ws_send(b"\\x0f\\xa0", WEBSOCKET_OP_CLOSE),
    "!close-empty": lambda c: c.ws_send(b"", WEBSOCKET_OP_CLOSE),
    "!drain": lambda c: c.drain(),
    "!abort": lambda c: c.close(),
    "!ping": lambda c: c.ws_send("are you there", WEBSOCKET_OP_PING),
    "!text": lambda c: c.ws_send("default is text"),
    "!burst": lambda c: [c.ws_send("%d" % n) for n in range(500)] and None,
}

m = Manager(handler)
small = Manager(handler, max_message=1000)
announce("PORT", m.listen(url("http")))
announce("SMALL", small.listen(url("http")))
serve(m, small)
"""


@pytest.fixture
def server(shared):
    device = shared(SERVER)
    device.exec("del log[:]")
    return device


def address(server, name="PORT"):
    return server.reach(server.port(name))


@pytest.fixture
def uri(server):
    return "ws://{}:{}".format(*address(server))


def logged(server, entry):
    server.until(f"{entry!r} in log")


# ---- With a client that nobody here wrote ------------------------------------------------------

LARGE = [pytest.param(n, marks=pytest.mark.needs("memory")) for n in (65535, 65536, 1 << 20)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 8000, *LARGE])
def test_echo(server, uri, size):
    text = "x" * (size - 2) + "\xe9" if size > 1 else "x" * size
    with connect(uri, max_size=None, compression=None) as ws:
        ws.send(text)
        assert ws.recv(seconds(10)) == text
        data = bytes(i * 7 & 255 for i in range(size))
        ws.send(data)
        assert ws.recv(seconds(10)) == data
    assert server.eval("log[:3]") == [
        ("open", "/", True),
        ("msg", TEXT, len(text.encode())),
        ("msg", BINARY, size),
    ]


def test_compression_is_not_agreed_to(uri):
    with connect(uri) as ws:
        assert ws.protocol.extensions == []
        ws.send("x" * 1000)
        assert ws.recv(seconds(10)) == "x" * 1000


def test_fragments(server, target, uri):
    last = " \u20ac" * target.size(5000, 1000)
    with connect(uri) as ws:
        ws.send(["Gr\xfc", "", "\xdfe", last])
        assert ws.recv(seconds(10)) == "Gr\xfc\xdfe" + last
        ws.send([b"a", b"\0", b"b"])
        assert ws.recv(seconds(10)) == b"a\0b"
    assert [entry[0] for entry in server.eval("log")].count("msg") == 2


def test_many_messages_in_order(uri):
    with connect(uri) as ws:
        for n in range(500):
            ws.send(str(n))
        assert [ws.recv(seconds(10)) for n in range(500)] == [str(n) for n in range(500)]


def test_burst_from_one_handler(uri):
    with connect(uri) as ws:
        ws.send("!burst")
        assert [ws.recv(seconds(10)) for n in range(500)] == [str(n) for n in range(500)]


def test_sending_right_after_the_upgrade(uri):
    with connect(uri + "/greet") as ws:
        assert ws.recv(seconds(10)) == "welcome"


def test_subprotocol_and_extra_headers(uri):
    with connect(uri + "/chat", subprotocols=["chat"]) as ws:
        assert ws.subprotocol == "chat"
        assert ws.response.headers["X-Extra"] == "yes"


def test_default_is_text(uri):
    with connect(uri) as ws:
        ws.send("!text")
        assert ws.recv(seconds(10)) == "default is text"


def test_ping_is_answered(server, uri):
    with connect(uri) as ws:
        pong = ws.ping(b"are you there")
        assert pong.wait(10)
        assert ("ctl", PING, b"are you there") in server.eval("log")


def test_ping_from_the_server(server, uri):
    with connect(uri) as ws:
        ws.send("!ping")
        logged(server, ("ctl", PONG, b"are you there"))


@pytest.mark.parametrize(
    "code, reason", [(1000, ""), (1000, "bye"), (1001, ""), (3000, "app"), (4999, "\xe4")]
)
def test_close_by_the_client(server, uri, code, reason):
    with connect(uri) as ws:
        ws.close(code, reason)
    assert ws.close_code == code
    logged(server, ("close", True))
    log = server.eval("log")
    assert [entry for entry in log if entry[0] == "ctl"] == [
        ("ctl", CLOSE, code.to_bytes(2, "big") + reason.encode())
    ]
    assert not [entry for entry in log if entry[0] == "error"]


@pytest.mark.parametrize(
    "command, code, reason",
    [
        ("!close", 1000, "all done"),
        ("!close4000", 4000, ""),
        ("!close-empty", 1005, ""),
        ("!drain", 1000, ""),
        ("!abort", 1006, ""),
    ],
)
def test_close_by_the_server(server, uri, command, code, reason):
    with connect(uri) as ws:
        ws.send(command)
        with pytest.raises(ConnectionClosed):
            ws.recv(seconds(10))
        assert (ws.close_code, ws.close_reason) == (code, reason)
    logged(server, ("close", True))
    log = server.eval("log")
    assert log.count(("close", True)) == 1
    assert not [entry for entry in log if entry[0] == "error"]


def test_http_and_websocket_side_by_side(server, uri):
    with Raw(address(server)) as raw, connect(uri) as ws:
        ws.send("a")
        assert raw.ask("GET /plain HTTP/1.1\r\nHost: d\r\n\r\n").body == b"plain"
        assert ws.recv(seconds(10)) == "a"


# ---- The handshake, by hand --------------------------------------------------------------------

GOOD = {
    "Host": "device",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": WS_KEY,
    "Sec-WebSocket-Version": "13",
}
HANDSHAKES = {
    "no-upgrade": ({"Upgrade": None, "Connection": None}, 426),
    "upgrade-other": ({"Upgrade": "h2c"}, 426),
    "no-connection": ({"Connection": None}, (400, 426)),
    "connection-other": ({"Connection": "keep-alive"}, (400, 426)),
    "no-key": ({"Sec-WebSocket-Key": None}, 400),
    "key-empty": ({"Sec-WebSocket-Key": ""}, 400),
    "key-short": ({"Sec-WebSocket-Key": "YWJj"}, 400),
    "key-long": ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZXM="}, 400),
    "key-no-base64": ({"Sec-WebSocket-Key": "?" * 22 + "=="}, 400),
    "no-version": ({"Sec-WebSocket-Version": None}, (400, 426)),
    "version-8": ({"Sec-WebSocket-Version": "8"}, 426),
    "version-130": ({"Sec-WebSocket-Version": "130"}, 426),
    "case": ({"Upgrade": "WebSocket", "Connection": "UPGRADE"}, 101),
    "lists": ({"Upgrade": "foo, websocket", "Connection": "keep-alive, Upgrade"}, 101),
}


def handshake(changes, line="GET / HTTP/1.1"):
    headers = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    return line + "\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"


@pytest.mark.parametrize("case", HANDSHAKES)
def test_handshake(server, case):
    changes, statuses = HANDSHAKES[case]
    statuses = (statuses,) if isinstance(statuses, int) else statuses
    with Raw(address(server)) as raw:
        raw.send(handshake(changes))
        head = raw.recv_exactly_head().lower()
        status = int(head.split()[1])
        assert status in statuses
        if status == 101:
            assert f"\r\nsec-websocket-accept: {WS_ACCEPT}\r\n".lower() in head
            assert "\r\nupgrade: websocket\r\n" in head and "\r\nconnection: upgrade\r\n" in head
            assert "content-length" not in head and "transfer-encoding" not in head
        elif status == 426 and "Version" in str(changes):
            assert "\r\nsec-websocket-version: 13\r\n" in head
        elif status == 426:
            assert "\r\nupgrade: websocket\r\n" in head
    opened = [entry for entry in server.eval("log") if entry[0] == "open"]
    assert len(opened) == (1 if status == 101 else 0)


@pytest.mark.parametrize("line", ["POST / HTTP/1.1", "GET / HTTP/1.0"])
def test_handshake_by_another_method_or_version(server, line):
    with Raw(address(server)) as raw:
        raw.send(handshake({}, line))
        assert int(raw.recv_exactly_head().split()[1]) in (400, 405, 426)
    assert server.eval("log[:1]") != [("open", "/", True)]


def test_refused_handshake_leaves_http_working(server):
    with Raw(address(server)) as raw:
        answer = raw.ask(handshake({"Upgrade": None, "Connection": None}))
        assert answer.status == 426
        if answer.headers.get("connection") != "close":
            assert raw.ask("GET /plain HTTP/1.1\r\nHost: d\r\n\r\n").body == b"plain"


def test_frames_in_the_segment_of_the_handshake(server):
    with Raw(address(server)) as raw:
        raw.send(handshake({}).encode() + frame(TEXT, "at once") + frame(PING, "p"))
        raw.recv_exactly_head()
        assert read_frame(raw) == (TEXT, True, False, b"at once")
        assert read_frame(raw) == (PONG, True, False, b"p")


def test_frames_byte_by_byte(server):
    with Raw(address(server)) as raw:
        ws_open(raw)
        raw.send_slowly(
            frame(TEXT, "ab", fin=False)
            + frame(PING, "x")
            + frame(0, "\xe9")
            + frame(BINARY, b"z" * 200)
        )
        assert read_frame(raw) == (PONG, True, False, b"x")
        assert read_frame(raw) == (TEXT, True, False, "ab\xe9".encode())
        assert read_frame(raw) == (BINARY, True, False, b"z" * 200)


# ---- Violations: each ends the connection with its code ----------------------------------------

VIOLATIONS = {
    "unmasked": (frame(TEXT, "x", mask=False), 1002),
    "unmasked-ping": (frame(PING, "", mask=False), 1002),
    "rsv1": (frame(TEXT, "x", rsv=4), 1002),
    "rsv2": (frame(TEXT, "x", rsv=2), 1002),
    "rsv3": (frame(BINARY, "x", rsv=1), 1002),
    "rsv-on-ping": (frame(PING, "", rsv=1), 1002),
    "rsv-on-continuation": (frame(TEXT, "x", fin=False) + frame(0, "y", rsv=4), 1002),
    **{f"opcode-{op}": (frame(op, "x"), 1002) for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "ping-126": (frame(PING, b"x" * 126), 1002),
    "pong-126": (frame(PONG, b"x" * 126), 1002),
    "close-126": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "ping-claims-16-bits": (frame(PING, b"x", form=16), 1002),
    "ping-fragmented": (frame(PING, b"x", fin=False), 1002),
    "close-fragmented": (frame(CLOSE, b"", fin=False), 1002),
    "continuation-of-nothing": (frame(0, "x"), 1002),
    "continuation-open-of-nothing": (frame(0, "x", fin=False), 1002),
    "continuation-after-the-end": (frame(TEXT, "x") + frame(0, "y"), 1002),
    "text-inside-text": (frame(TEXT, "x", fin=False) + frame(TEXT, "y"), 1002),
    "binary-inside-text": (frame(TEXT, "x", fin=False) + frame(BINARY, "y"), 1002),
    "length-16-not-needed": (frame(TEXT, b"x" * 125, form=16), 1002),
    "length-64-not-needed": (frame(TEXT, b"x" * 300, form=64), 1002),
    "length-negative": (frame(TEXT, b"", length=1 << 63, form=64), (1002, 1009)),
    "close-one-byte": (frame(CLOSE, b"\x03"), 1002),
    **{
        f"close-{code}": (frame(CLOSE, code.to_bytes(2, "big")), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "close-reason-no-utf8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "text-no-utf8": (frame(TEXT, b"\xff"), 1007),
    "text-overlong": (frame(TEXT, b"\xc0\xaf"), 1007),
    "text-surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "text-beyond-unicode": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "text-cut": (frame(TEXT, "ab\xe9".encode()[:-1]), 1007),
    "text-cut-at-the-end-of-fragments": (frame(TEXT, "a", fin=False) + frame(0, b"\xc3"), 1007),
    "text-fails-in-the-first-fragment": (frame(TEXT, b"\xffx", fin=False), 1007),
    "text-fails-between-fragments": (
        frame(TEXT, b"\xc3", fin=False) + frame(0, "a", fin=False),
        1007,
    ),
}


@pytest.mark.parametrize("case", VIOLATIONS)
def test_violation(server, case):
    frames, codes = VIOLATIONS[case]
    codes = (codes,) if isinstance(codes, int) else codes
    with Raw(address(server)) as raw:
        ws_open(raw)
        raw.send(frame(TEXT, "before") + frames + frame(TEXT, "after"))
        got = []
        while (one := read_frame(raw)) is not None:
            got.append(one)
    assert got[0] == (TEXT, True, False, b"before")
    op, fin, masked, payload = got[-1]
    assert (op, fin, masked) == (CLOSE, True, False)
    assert int.from_bytes(payload[:2], "big") in codes
    assert (TEXT, True, False, b"after") not in got
    logged(server, ("close", True))
    log = server.eval("log")
    assert [entry[0] for entry in log if entry[0] in ("error", "close")] == ["error", "close"]
    assert ("ctl", CLOSE, payload) not in log


CHARACTERS = [
    "\0",
    "\x7f",
    "\x80",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
]


def test_text_split_inside_characters(server):
    text = "".join(CHARACTERS).encode()
    with Raw(address(server)) as raw:
        ws_open(raw)
        frames = [frame(0 if i else TEXT, text[i : i + 1], fin=False) for i in range(len(text))]
        raw.send(b"".join(frames) + frame(0, ""))
        assert read_frame(raw) == (TEXT, True, False, text)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
def test_valid_close_codes(server, code):
    with Raw(address(server)) as raw:
        ws_open(raw)
        raw.send(frame(CLOSE, code.to_bytes(2, "big") + b"why"))
        assert read_frame(raw) == (CLOSE, True, False, code.to_bytes(2, "big"))
        assert read_frame(raw) is None


def test_close_without_code(server):
    with Raw(address(server)) as raw:
        ws_open(raw)
        raw.send(frame(CLOSE))
        assert read_frame(raw) == (CLOSE, True, False, b"")
        assert read_frame(raw) is None


def test_nothing_is_delivered_after_close(server):
    with Raw(address(server)) as raw:
        ws_open(raw)
        raw.send(frame(CLOSE, b"\x03\xe8") + frame(TEXT, "late") + frame(PING, "late"))
        assert read_frame(raw)[0] == CLOSE
        assert read_frame(raw) is None
    assert not [entry for entry in server.eval("log") if entry[0] == "msg"]


def test_ping_between_fragments(server):
    with Raw(address(server)) as raw:
        ws_open(raw)
        raw.send(
            frame(TEXT, "a", fin=False) + frame(PING, b"x" * 125) + frame(PONG) + frame(0, "b")
        )
        assert read_frame(raw) == (PONG, True, False, b"x" * 125)
        assert read_frame(raw) == (TEXT, True, False, b"ab")


SIZES = {
    "one-frame": (frame(BINARY, b"x" * 1000), None),
    "one-frame-over": (frame(BINARY, b"x" * 1001), 1009),
    "header-alone": (frame(BINARY, b"", length=1 << 40), 1009),
    "fragments": (frame(BINARY, b"x" * 500, fin=False) + frame(0, b"x" * 500), None),
    "fragments-over": (frame(BINARY, b"x" * 500, fin=False) + frame(0, b"x" * 501), 1009),
}


@pytest.mark.parametrize("case", SIZES)
def test_message_limit(server, case):
    frames, code = SIZES[case]
    with Raw(address(server, "SMALL")) as raw:
        ws_open(raw)
        raw.send(frames)
        op, _, _, payload = read_frame(raw)
        if code is None:
            assert (op, payload) == (BINARY, b"x" * 1000)
        else:
            assert (op, int.from_bytes(payload[:2], "big")) == (CLOSE, code)


def test_client_that_vanishes(server):
    with Raw(address(server)) as raw:
        ws_open(raw)
        raw.send(frame(TEXT, "half", fin=False)[:3])
        raw.reset()
    logged(server, ("close", True))


def test_client_that_never_answers_close(device):
    """The drain deadline ends it."""
    running = device(SERVER.replace("max_message=1000", "drain_timeout=200"))
    with Raw(address(running, "SMALL")) as raw:
        ws_open(raw)
        raw.send(frame(TEXT, "!close"))
        assert read_frame(raw)[0] == CLOSE
        assert read_frame(raw) is None
