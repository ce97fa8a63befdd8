# SPDX-License-Identifier: GPL-2.0-only
"""WebSocket servers: what a program may not do, and upgrades before the body of a request came."""

import pytest
from peers.clients import Raw, frame, read_frame, ws_handshake, ws_open

TEXT, CLOSE = 1, 8

MISUSE = r"""
outcome = []

def attempt(label, fn):
    try:
        fn()
        outcome.append((label, "returned", ""))
    except Exception as e:
        outcome.append((label, type(e).__name__, str(e)))

def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG and m.uri == "/plain":
        attempt("no-websocket", lambda: c.ws_send("x"))
        attempt("upgrade-str", lambda: c.ws_upgrade("x"))
        attempt("header-crlf", lambda: c.ws_upgrade(m, {"X": "a\r\nb"}))
        c.reply(200, "plain")
        attempt("upgrade-after-reply", lambda: c.ws_upgrade(m))
    elif ev == MG_EV_HTTP_MSG:
        c.ws_upgrade(m)
        attempt("upgrade-twice", lambda: c.ws_upgrade(m))
        attempt("reply-after-upgrade", lambda: c.reply(200, "x"))
    elif ev == MG_EV_WS_MSG:
        attempt("text-no-utf8", lambda: c.ws_send(b"\xff", WEBSOCKET_OP_TEXT))
        attempt("opcode-3", lambda: c.ws_send("x", 3))
        attempt("opcode-continue", lambda: c.ws_send("x", WEBSOCKET_OP_CONTINUE))
        attempt("opcode-negative", lambda: c.ws_send("x", -1))
        attempt("ping-126", lambda: c.ws_send("x" * 126, WEBSOCKET_OP_PING))
        attempt("close-126", lambda: c.ws_send(b"\x03\xe8" + b"x" * 124, WEBSOCKET_OP_CLOSE))
        attempt("close-999", lambda: c.ws_send(b"\x03\xe7", WEBSOCKET_OP_CLOSE))
        attempt("close-1006", lambda: c.ws_send(b"\x03\xee", WEBSOCKET_OP_CLOSE))
        attempt("close-one-byte", lambda: c.ws_send(b"\x03", WEBSOCKET_OP_CLOSE))
        attempt("close-reason", lambda: c.ws_send(b"\x03\xe8\xff", WEBSOCKET_OP_CLOSE))
        attempt("int", lambda: c.ws_send(5))
        attempt("opcode-str", lambda: c.ws_send("x", "text"))
        c.ws_send(b"\x03\xe8", WEBSOCKET_OP_CLOSE)
        attempt("after-close", lambda: c.ws_send("x"))
        attempt("close-twice", lambda: c.ws_send(b"", WEBSOCKET_OP_CLOSE))

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""

REFUSALS = {
    "/plain": {
        "no-websocket": "ValueError",
        "upgrade-str": "TypeError",
        "header-crlf": "ValueError",
        "upgrade-after-reply": "Error",
    },
    "/": {
        "upgrade-twice": ("Error", "ValueError"),
        "reply-after-upgrade": ("Error", "ValueError"),
        "text-no-utf8": "ValueError",
        "opcode-3": "ValueError",
        "opcode-continue": "ValueError",
        "opcode-negative": "ValueError",
        "ping-126": "ValueError",
        "close-126": "ValueError",
        "close-999": "ValueError",
        "close-1006": "ValueError",
        "close-one-byte": "ValueError",
        "close-reason": "ValueError",
        "int": "TypeError",
        "opcode-str": "TypeError",
        "after-close": "Error",
        "close-twice": "Error",
    },
}


@pytest.mark.parametrize("path", REFUSALS)
def test_misuse(shared, path):
    device = shared(MISUSE)
    device.exec("del outcome[:]")
    with Raw(device.reach(device.port())) as raw:
        if path == "/plain":
            raw.send(ws_handshake("/plain"))
            assert raw.recv_until(b"plain").startswith(b"HTTP/1.1 200 ")
        else:
            ws_open(raw)
            raw.send(frame(TEXT, "go"))
            assert read_frame(raw) == (CLOSE, True, False, b"\x03\xe8")
            raw.send(frame(CLOSE, b"\x03\xe8"))
            assert read_frame(raw) is None
    outcome = device.eval("outcome")
    wanted = {k: v if isinstance(v, tuple) else (v,) for k, v in REFUSALS[path].items()}
    assert {label: kind in wanted[label] for label, kind, _ in outcome} == dict.fromkeys(
        wanted, True
    ), outcome
    assert all(text for _, _, text in outcome), "each error says what is wrong"


EARLY = """
log = []

def handler(c, ev, m):
    if ev == MG_EV_HTTP_HDRS:
        c.ws_upgrade(m)
    elif ev == MG_EV_WS_MSG:
        log.append(m.data)
        c.ws_send("got " + m.text)
    elif ev in (MG_EV_HTTP_MSG, MG_EV_ERROR):
        log.append(names([ev])[0])

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""


def test_upgrade_from_the_head(shared):
    """In MG_EV_HTTP_HDRS: what stands behind the head is the first frame."""
    running = shared(EARLY)
    with Raw(running.reach(running.port())) as raw:
        raw.send(ws_handshake() + frame(TEXT, "first"))
        assert raw.recv_exactly_head().startswith("HTTP/1.1 101 ")
        assert read_frame(raw)[3] == b"got first"


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("size", [1, 5, 9000])
def test_upgrade_from_the_head_with_a_body(shared, size, together):
    """A body that is still to come is no frames: the handshake is refused."""
    running = shared(EARLY)
    running.exec("log.clear()")
    body = (frame(TEXT, "smuggled") * 8000)[:size]
    with Raw(running.reach(running.port())) as raw:
        head = ws_handshake(more=f"Content-Length: {size}\r\n")
        raw.send(head + (body if together else b""))
        answer = raw.response("GET")
        assert answer.status == 400
        if not together:
            raw.send(body)
        raw.send("GET /next HTTP/1.1\r\nHost: d\r\n\r\n")
        assert raw.response("GET").status == 426, "it is the next request"
    assert b"smuggled" not in b"".join(x for x in running.eval("log") if isinstance(x, bytes))


def test_upgrade_from_the_head_with_chunks(shared):
    running = shared(EARLY)
    running.exec("log.clear()")
    body = frame(TEXT, "smuggled")
    with Raw(running.reach(running.port())) as raw:
        raw.send(
            ws_handshake(more="Transfer-Encoding: chunked\r\n")
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        )
        assert raw.response("GET").status == 400
    assert running.eval("log") == []
