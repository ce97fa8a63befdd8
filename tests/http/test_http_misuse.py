# SPDX-License-Identifier: GPL-2.0-only
"""Replies that a program may not send: refused with one clear error, nothing of them goes out."""

from peers.clients import Raw

H = "Host: device\r\n"


def get(path):
    return f"GET {path} HTTP/1.1\r\n{H}\r\n"


MISUSE = r"""
outcome = []

def attempt(label, fn):
    try:
        outcome.append((label, "returned", repr(fn())))
    except Exception as e:
        outcome.append((label, type(e).__name__, str(e)))

def handler(c, ev, m):
    if ev != MG_EV_HTTP_MSG:
        return
    del outcome[:]
    if m.uri == "/headers":
        for label, headers in (
            ("cr", {"X": "a\rb"}), ("lf", {"X": "a\nb"}), ("crlf", {"X": "a\r\nSet-Cookie: b"}),
            ("nul", {"X": "a\x00b"}), ("name-crlf", {"X\r\nY": "a"}), ("name-space", {"X Y": "a"}),
            ("name-colon", {"X:": "a"}), ("name-empty", {"": "a"}), ("name-nul", {"X\x00": "a"}),
            ("length-wrong", {"Content-Length": "7"}),
            ("coding-gzip", {"Transfer-Encoding": "gzip"}),
            ("both", [("Transfer-Encoding", "chunked"), ("Content-Length", "2")]),
        ):
            attempt(label, lambda: c.reply(200, "ok", headers))
    elif m.uri == "/status":
        for status in (0, 99, 1000, -1, 2 ** 40):
            attempt(str(status), lambda: c.reply(status, "ok"))
    elif m.uri == "/twice":
        c.reply(200, "first")
        attempt("reply", lambda: c.reply(200, "second"))
        attempt("chunk", lambda: c.http_chunk("x"))
        attempt("sse", lambda: c.http_sse("a", "b"))
        attempt("json", lambda: c.reply_json({}))
        return
    elif m.uri == "/chunk":
        attempt("chunk", lambda: c.http_chunk("x"))
        attempt("sse", lambda: c.http_sse("a", "b"))
        c.reply(200, "", {"Transfer-Encoding": "chunked"})
        c.http_chunk("ok")
        c.http_chunk("")
        attempt("after the end", lambda: c.http_chunk("y"))
        attempt("end again", lambda: c.http_chunk(""))
        return
    elif m.uri == "/sse":
        c.reply(200, "", {"Content-Type": "text/event-stream"})
        attempt("crlf", lambda: c.http_sse("a\r\nb", "x"))
        attempt("lf", lambda: c.http_sse("a\n\nb", "x"))
        attempt("type", lambda: c.http_sse(1, "x"))
        c.http_sse("ok", "x")
        c.drain()
        return
    elif m.uri == "/json":
        attempt("status", lambda: c.reply_json({"a": 1}, "x"))
    c.reply(200, "ok")

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""


def misuse(shared, path):
    device = shared(MISUSE)
    with Raw(device.reach(device.port())) as raw:
        answer = raw.ask(get(path))
        outcome = {label: (kind, text) for label, kind, text in device.eval("outcome")}
        if "connection" not in answer.headers:
            assert raw.ask(get("/")).body == b"ok", "nothing of the refused reply was sent"
    return answer, outcome


def test_header_values_are_checked(shared):
    answer, outcome = misuse(shared, "/headers")
    assert answer.body == b"ok" and "x" not in answer.headers and "set-cookie" not in answer.headers
    assert {kind for kind, _ in outcome.values()} == {"ValueError"} and len(outcome) == 12


def test_statuses_are_checked(shared):
    answer, outcome = misuse(shared, "/status")
    assert answer.status == 200
    assert {kind for kind, _ in outcome.values()} <= {"ValueError", "OverflowError"}


def test_second_reply_is_refused(shared):
    answer, outcome = misuse(shared, "/twice")
    assert answer.body == b"first"
    assert outcome["reply"][0] == outcome["json"][0] == "Error"
    assert outcome["chunk"][0] == outcome["sse"][0] == "ValueError"


def test_chunk_outside_a_stream_is_refused(shared):
    answer, outcome = misuse(shared, "/chunk")
    assert answer.body == b"ok"
    assert {kind for kind, _ in outcome.values()} == {"ValueError"} and len(outcome) == 4


def test_event_types_are_checked(shared):
    answer, outcome = misuse(shared, "/sse")
    assert answer.body == b"event: ok\ndata: x\n\n"
    assert [outcome[k][0] for k in ("crlf", "lf", "type")] == [
        "ValueError",
        "ValueError",
        "TypeError",
    ]


def test_status_of_json_is_an_int(shared):
    _, outcome = misuse(shared, "/json")
    assert outcome["status"][0] == "TypeError"
