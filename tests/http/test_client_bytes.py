# SPDX-License-Identifier: GPL-2.0-only
"""What a client sent wrongly is its own fault: a 400, and nothing in the log. Queries and cookies."""

from urllib.parse import parse_qsl

import pytest
from peers.clients import Raw, raw_get

SERVER = """
what = {}
seen = []
errors = []

def decode(m):
    if m.uri == "/query": m.query_var("a")
    elif m.uri == "/vars": m.query_vars()
    elif m.uri == "/url": url_decode(m.query)
    elif m.uri == "/var": http_var(m.query, "a")
    elif m.uri == "/form": http_parse_multipart("--X")
    elif m.uri == "/base64": base64_decode(m.query)
    elif m.uri == "/port": url_port("http://h:" + m.query)
    elif m.uri == "/own": raise DecodeError("own")
    elif m.uri == "/jwt": pymongoose.jwt_verify("a.b", "k")
    elif m.uri == "/program": raise ValueError("the program's")

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS:
        when = data.header("X-When", "msg")
        c.userdata = (when, data.uri)
        if when == "hdrs":
            decode(data)
        if when == "body":
            c.http_stream_body(max_size=0)
        if when == "begun":
            c.http_stream_body(max_size=0)
            c.reply(200, "begun", {"Transfer-Encoding": "chunked"})
    elif ev == MG_EV_HTTP_BODY:
        url_decode(data)
    elif ev == MG_EV_HTTP_MSG:
        when = c.userdata[0]
        if when == "answered":
            c.reply(200, "first")
        if when == "begun":
            raise DecodeError("late")
        if data.uri == "/parse":
            seen.append((data.query_vars(), data.cookie("session"), data.header_var("cookie", "session")))
        decode(data)
        if when == "msg":
            c.reply(200, "fine")

m = Manager(handler, error_handler=errors.append)
announce("PORT", m.listen(url("http")))
serve(m)
"""


@pytest.fixture
def server(shared):
    running = shared(SERVER)
    running.exec("errors.clear()\nseen.clear()")
    return running


BAD = ["/query?a=%zz", "/vars?a=1&%4", "/vars?a=%", "/url?%", "/var?a=%g0", "/form", "/own", "/jwt"]
BAD += ["/base64?!", "/port?99999", "/port?x"]


@pytest.mark.parametrize("when", ["msg", "hdrs"])
def test_a_400_and_no_traceback(server, when):
    with Raw(server.reach(server.port())) as raw:
        for path in BAD:
            answer = raw.ask(f"GET {path} HTTP/1.1\r\nHost: d\r\nX-When: {when}\r\n\r\n")
            assert (answer.status, answer.body) == (400, b"Bad Request\n"), path
        assert raw.ask("GET /fine HTTP/1.1\r\nHost: d\r\n\r\n").body == b"fine"
    assert server.eval("errors") == []


def test_in_a_piece_of_a_body(server):
    with Raw(server.reach(server.port())) as raw:
        head = "POST / HTTP/1.1\r\nHost: d\r\nX-When: body\r\nContent-Length: 3\r\n\r\n"
        assert raw.ask(head + "%zz", "POST").status == 400
        assert raw.ask("GET /fine HTTP/1.1\r\nHost: d\r\n\r\n").body == b"fine"
    assert server.eval("errors") == []


def test_the_programs_fault_is_told(server):
    assert raw_get(server, "/program").status == 500
    assert server.eval("len(errors)") == 1
    # So is one behind a reply, or in the middle of one.
    assert raw_get(server, "/own", "X-When: answered\r\n").body == b"first"
    assert server.eval("len(errors)") == 2
    assert server.eval("issubclass(DecodeError, ValueError)")
    with Raw(server.reach(server.port())) as raw:
        raw.send("GET / HTTP/1.1\r\nHost: d\r\nX-When: begun\r\n\r\n")
        while raw.recv(1000):
            pass
    assert server.eval("len(errors)") in (2, 3)


QUERIES = (
    "a=1&a=2&b=&c&=d&e=%26%3D+x&%61=3&&",
    "",
    "a",
    "=",
    "a=b=c",
    "%C3%A9=%E2%82%AC",
)


def test_query_vars(server):
    for query in QUERIES:
        raw_get(server, f"/parse?{query}")
    seen = server.eval("[s[0] for s in seen]")
    assert seen == [parse_qsl(query, keep_blank_values=True) for query in QUERIES]


COOKIES = {
    "session=abc": "abc",
    'a="x; session=abc': "abc",
    'a="x; session=abc"; b=1': 'abc"',
    'session="abc"': '"abc"',
    "Session=x; session=abc": "abc",
    "xsession=x; session=abc": "abc",
    "session =abc": "abc",
    "a=1;session=abc;b=2": "abc",
    "a=1, session=abc": None,
    "session=a=b": "a=b",
    "session=a, b": "a, b",
    "session=; session=x": "",
    "session": None,
    "a=session=abc": None,
    "session=%20x": "%20x",
    "": None,
}


def test_cookies(server):
    for line in COOKIES:
        raw_get(server, "/parse", f"Cookie: {line}\r\n")
    raw_get(server, "/parse", "Cookie: a=1\r\ncookie: session=abc\r\n")
    seen = server.eval("[s[1:] for s in seen]")
    assert seen == [(value, value) for value in [*COOKIES.values(), "abc"]]
