# SPDX-License-Identifier: GPL-2.0-only
"""What an HTTP server takes and what it refuses (RFC 9110, RFC 9112), byte by byte."""

import pytest
from peers.clients import Raw

SERVER = """
reached = []

def handler(c, ev, m):
    if ev in (MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG):
        reached.append(event_name(ev))
    if ev == MG_EV_HTTP_MSG:
        c.reply(200, repr((m.method, m.uri, m.query, m.proto, m.headers(), m.body_bytes)))

m = Manager(handler, max_head=4096, max_body=5000)
announce("PORT", m.listen(url("http")))
serve(m)
"""

H = "Host: device\r\n"
CHUNKED = f"POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n"


def get(line="GET / HTTP/1.1", headers=H):
    return f"{line}\r\n{headers}\r\n"


def post(headers, body="hello"):
    return f"POST / HTTP/1.1\r\n{H}{headers}\r\n{body}"


# Each of these is answered by one of the statuses, never reaches the program's MG_EV_HTTP_MSG, and
# ends the connection, because what follows it cannot be told apart from it.
BAD_HEADS = {
    "http2": (get("GET / HTTP/2.0"), 505),
    "http3-digit": (get("GET / HTTP/3.1"), 505),
    "http09-named": (get("GET / HTTP/0.9"), 505),
    "http09-simple": ("GET /\r\n\r\n", 400),
    "version-no-dot": (get("GET / HTTP/11"), 400),
    "version-lowercase": (get("GET / http/1.1"), 400),
    "version-trailing": (get("GET / HTTP/1.1x"), 400),
    "version-two-digits": (get("GET / HTTP/1.10"), 400),
    "version-other-protocol": (get("GET / ICY/1.1"), 400),
    "version-empty": (get("GET / "), 400),
    "no-method": (get("/ HTTP/1.1"), 400),
    "no-target": (get("GET HTTP/1.1"), 400),
    "empty-target": (get("GET  HTTP/1.1"), 400),
    "two-spaces": (get("GET  / HTTP/1.1"), 400),
    "two-spaces-before-version": (get("GET /  HTTP/1.1"), 400),
    "space-after-version": (get("GET / HTTP/1.1 "), 400),
    "space-before-method": (get(" GET / HTTP/1.1"), 400),
    "space-in-target": (get("GET /a b HTTP/1.1"), 400),
    "tabs-in-line": (get("GET\t/\tHTTP/1.1"), 400),
    "method-no-token": (get("G{T / HTTP/1.1"), 400),
    "method-quoted": (get('"GET" / HTTP/1.1'), 400),
    "method-colon": (get("GET: / HTTP/1.1"), 400),
    "target-relative": (get("GET index.html HTTP/1.1"), 400),
    "target-control": (get("GET /\x01 HTTP/1.1"), 400),
    "target-nul": (get("GET /a\x00b HTTP/1.1"), 400),
    "target-del": (get("GET /\x7f HTTP/1.1"), 400),
    "target-fragment": (get("GET /a#b HTTP/1.1"), 400),
    "target-star-get": (get("GET * HTTP/1.1"), 400),
    "target-8bit": (get("GET /\xe4 HTTP/1.1"), 400),
    "absolute-no-host": (get("GET http:///x HTTP/1.1"), 400),
    "tls-hello": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\r\n\r\n", 400),
    "host-missing": (get(headers=""), 400),
    "host-twice": (get(headers=H + H), 400),
    "host-twice-different": (get(headers=H + "Host: other\r\n"), 400),
    "host-space": (get(headers="Host: a b\r\n"), 400),
    "host-path": (get(headers="Host: a/b\r\n"), 400),
    "host-user": (get(headers="Host: me@device\r\n"), 400),
    "host-list": (get(headers="Host: a, b\r\n"), 400),
    "space-before-colon": (get(headers=H + "Foo : bar\r\n"), 400),
    "tab-before-colon": (get(headers=H + "Foo\t: bar\r\n"), 400),
    "length-space-colon": (post("Content-Length : 5\r\n"), 400),
    "first-line-indented": (get(headers=" Foo: bar\r\n" + H), 400),
    "folded": (get(headers=H + "Foo: a\r\n b\r\n"), 400),
    "folded-tab": (get(headers=H + "Foo: a\r\n\tb\r\n"), 400),
    "folded-empty": (get(headers=H + "Foo:\r\n \r\n"), 400),
    "no-colon": (get(headers=H + "Foo\r\n"), 400),
    "name-empty": (get(headers=H + ": bar\r\n"), 400),
    "name-nul": (get(headers=H + "F\x00o: bar\r\n"), 400),
    "name-space": (get(headers=H + "Foo bar: x\r\n"), 400),
    "name-paren": (get(headers=H + "Foo(bar): x\r\n"), 400),
    "name-8bit": (get(headers=H + "F\xf6o: x\r\n"), 400),
    "value-nul": (get(headers=H + "Foo: a\x00b\r\n"), 400),
    "value-control": (get(headers=H + "Foo: a\x01b\r\n"), 400),
    "value-escape": (get(headers=H + "Foo: \x1b[31m\r\n"), 400),
    "value-del": (get(headers=H + "Foo: a\x7fb\r\n"), 400),
    "value-bare-cr": (get(headers=H + "Foo: a\rb\r\n"), 400),
    "bare-lf-line": (f"GET / HTTP/1.1\n{H}\r\n", 400),
    "bare-lf-header": (get(headers="Host: device\nFoo: bar\r\n"), 400),
    "bare-lf-all": ("GET / HTTP/1.1\nHost: device\n\n", 400),
    "bare-lf-end": ("GET / HTTP/1.1\r\nHost: device\r\n\n", 400),
    "bare-cr-end": ("GET / HTTP/1.1\r\nHost: device\r\r\n\r\n", 400),
    "length-and-chunked": (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
    "chunked-and-length": (post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400),
    "length-twice": (post("Content-Length: 5\r\nContent-Length: 5\r\n"), 400),
    "length-twice-different": (post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
    "length-list": (post("Content-Length: 5, 5\r\n"), 400),
    "length-negative": (post("Content-Length: -5\r\n"), 400),
    "length-plus": (post("Content-Length: +5\r\n"), 400),
    "length-empty": (post("Content-Length:\r\n"), 400),
    "length-hex": (post("Content-Length: 0x5\r\n"), 400),
    "length-fraction": (post("Content-Length: 5.0\r\n"), 400),
    "length-underscore": (post("Content-Length: 1_0\r\n"), 400),
    "length-space-inside": (post("Content-Length: 1 0\r\n"), 400),
    "length-semicolon": (post("Content-Length: 5;\r\n"), 400),
    "length-name-underscore": (post("Content_Length: 5\r\n"), 400),
    "length-huge": (post("Content-Length: 99999999999999999999999999\r\n"), (400, 413)),
    "length-2-64": (post("Content-Length: 18446744073709551621\r\n"), (400, 413)),
    "coding-gzip": (post("Transfer-Encoding: gzip\r\n"), 501),
    "coding-gzip-chunked": (post("Transfer-Encoding: gzip, chunked\r\n"), 501),
    "coding-chunked-gzip": (post("Transfer-Encoding: chunked, gzip\r\n"), (400, 501)),
    "coding-identity": (post("Transfer-Encoding: identity\r\n"), (400, 501)),
    "coding-chunked-twice": (post("Transfer-Encoding: chunked, chunked\r\n"), (400, 501)),
    "coding-lines-twice": (
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        400,
    ),
    "coding-lines-differ": (
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        (400, 501),
    ),
    "coding-prefix": (post("Transfer-Encoding: xchunked\r\n"), (400, 501)),
    "coding-parameter": (post("Transfer-Encoding: chunked;a=b\r\n"), (400, 501)),
    "coding-quoted": (post('Transfer-Encoding: "chunked"\r\n'), (400, 501)),
    "coding-empty": (post("Transfer-Encoding:\r\n"), (400, 501)),
    "coding-control": (post("Transfer-Encoding: \x0bchunked\r\n"), 400),
    "coding-name-underscore": (post("Transfer_Encoding: chunked\r\n"), 400),
    "coding-http10": ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "head-too-big": (get(headers=H + "Foo: " + "x" * 5000 + "\r\n"), 431),
    "head-endless-line": ("GET /" + "x" * 8000, (414, 431)),
    "headers-too-many": (get(headers=H + "".join(f"A{i}: b\r\n" for i in range(300))), 431),
    "body-too-big": (post("Content-Length: 5001\r\n", ""), 413),
    "expectation-unknown": (post("Expect: tea\r\nContent-Length: 5\r\n"), 417),
}

BAD_BODIES = {
    "size-no-hex": ("g\r\nhello\r\n0\r\n\r\n", 400),
    "size-negative": ("-5\r\nhello\r\n0\r\n\r\n", 400),
    "size-plus": ("+5\r\nhello\r\n0\r\n\r\n", 400),
    "size-0x": ("0x5\r\nhello\r\n0\r\n\r\n", 400),
    "size-empty": ("\r\nhello\r\n0\r\n\r\n", 400),
    "size-space-before": (" 5\r\nhello\r\n0\r\n\r\n", 400),
    "size-underscore": ("0_5\r\nhello\r\n0\r\n\r\n", 400),
    "size-extension-only": (";a=b\r\nhello\r\n0\r\n\r\n", 400),
    "size-2-64": ("10000000000000005\r\nhello\r\n0\r\n\r\n", (400, 413)),
    "size-huge": ("fffffffffffffffff\r\nhello\r\n0\r\n\r\n", (400, 413)),
    "size-endless": ("0" * 9000, (400, 413)),
    "size-bare-lf": ("5\nhello\r\n0\r\n\r\n", 400),
    "size-bare-cr": ("5\rhello\r\n0\r\n\r\n", 400),
    "size-nul": ("5\x00\r\nhello\r\n0\r\n\r\n", 400),
    "extension-bare-lf": ("5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    "extension-control": ("5;a=\x01\r\nhello\r\n0\r\n\r\n", 400),
    "extension-endless": ("5;" + "a" * 9000, (400, 413, 431)),
    "data-too-long": ("5\r\nhello!\r\n0\r\n\r\n", 400),
    "data-too-short": ("5\r\nhell\r\n0\r\n\r\n", 400),
    "data-end-lf": ("5\r\nhello\n0\r\n\r\n", 400),
    "data-end-cr": ("5\r\nhello\r0\r\n\r\n", 400),
    "trailer-no-colon": ("0\r\nfoo\r\n\r\n", 400),
    "trailer-space-colon": ("0\r\nFoo : bar\r\n\r\n", 400),
    "trailer-folded": ("0\r\nFoo: a\r\n b\r\n\r\n", 400),
    "trailer-bare-lf": ("0\r\nFoo: a\nBar: b\r\n\r\n", 400),
    "trailer-nul": ("0\r\nFoo: a\x00\r\n\r\n", 400),
    "trailer-endless": ("0\r\n" + "Foo: bar\r\n" * 900, (400, 431)),
    "end-bare-lf": ("0\r\n\n", 400),
    "end-no-crlf": ("0\r\nGET / HTTP/1.1\r\n\r\n", 400),
    "body-too-big": ("1389\r\n" + "x" * 5001, 413),
    "body-too-big-pieces": (("5\r\nhello\r\n" * 1001), 413),
}


def refused(server, request, statuses):
    statuses = (statuses,) if isinstance(statuses, int) else statuses
    server.exec("del reached[:]")
    with Raw(server.reach(server.port())) as raw:
        # What a second parser might take for a request must not be answered.
        answer = raw.ask(request + "GET /smuggled HTTP/1.1\r\nHost: device\r\n\r\n", "GET")
        assert answer.status in statuses
        assert answer.headers.get("connection") == "close"
        assert raw.must_close()
    assert "MG_EV_HTTP_MSG" not in server.eval("reached")


@pytest.mark.parametrize("case", BAD_HEADS)
def test_bad_head(shared, case):
    server = shared(SERVER)
    refused(server, *BAD_HEADS[case])
    # A body that is too large is no malformed head: the program may want to stream it.
    reached = ["MG_EV_HTTP_HDRS"] if case == "body-too-big" else []
    assert server.eval("reached") == reached, "no malformed head reaches the program"


@pytest.mark.parametrize("case", BAD_BODIES)
def test_bad_chunks(shared, case):
    body, statuses = BAD_BODIES[case]
    refused(shared(SERVER), CHUNKED + body, statuses)


def chunks(*lines, head=CHUNKED):
    return head + "".join(line + "\r\n" for line in lines)


# Each of these is one request; the answer shows (method, uri, query, body) as the program saw it.
VALID = {
    "plain": (get(), ("GET", "/", "", b"")),
    "other-methods": (get("PATCH /x HTTP/1.1"), ("PATCH", "/x", "", b"")),
    "method-token": (get("M-SEARCH / HTTP/1.1"), ("M-SEARCH", "/", "", b"")),
    "method-odd-token": (get("!#$%&'*+-.^_`|~09 / HTTP/1.1"), ("!#$%&'*+-.^_`|~09", "/", "", b"")),
    "method-case-counts": (get("get / HTTP/1.1"), ("get", "/", "", b"")),
    "options-star": (get("OPTIONS * HTTP/1.1"), ("OPTIONS", "*", "", b"")),
    "absolute": (get("GET http://device/a?b HTTP/1.1"), ("GET", "/a", "b", b"")),
    "absolute-no-path": (get("GET http://device HTTP/1.1"), ("GET", "/", "", b"")),
    "absolute-query-only": (get("GET http://device?q=1 HTTP/1.1"), ("GET", "/", "q=1", b"")),
    "absolute-uppercase": (get("GET HTTP://device/A HTTP/1.1"), ("GET", "/A", "", b"")),
    "query": (get("GET /a?b=c&d HTTP/1.1"), ("GET", "/a", "b=c&d", b"")),
    "query-question": (get("GET /a?b?c=/d HTTP/1.1"), ("GET", "/a", "b?c=/d", b"")),
    "query-empty": (get("GET /a? HTTP/1.1"), ("GET", "/a", "", b"")),
    "path-params": (get("GET /a;b=1/c,d:e@f HTTP/1.1"), ("GET", "/a;b=1/c,d:e@f", "", b"")),
    "path-slashes": (get("GET //a//b/ HTTP/1.1"), ("GET", "//a//b/", "", b"")),
    "path-long": (get(f"GET /{'x' * 3000} HTTP/1.1"), ("GET", "/" + "x" * 3000, "", b"")),
    "leading-crlf": ("\r\n" + get(), ("GET", "/", "", b"")),
    "header-no-space": (get(headers="Host:device\r\n"), ("GET", "/", "", b"")),
    "header-tabs": (get(headers="Host:\t device \t\r\n"), ("GET", "/", "", b"")),
    "header-case": (get(headers="hOST: device\r\n"), ("GET", "/", "", b"")),
    "header-empty": (get(headers=H + "Foo:\r\nBar: \r\n"), ("GET", "/", "", b"")),
    "header-8bit": (get(headers=H + "Foo: gr\xfc\xdfe\r\n"), ("GET", "/", "", b"")),
    "header-colons": (get(headers=H + "Foo: a:b: c\r\n"), ("GET", "/", "", b"")),
    "header-odd-name": (get(headers=H + "!#$%&'*+-.^_`|~: x\r\n"), ("GET", "/", "", b"")),
    "host-empty": (get(headers="Host:\r\n"), ("GET", "/", "", b"")),
    "host-port": (get(headers="Host: device:8080\r\n"), ("GET", "/", "", b"")),
    "host-ipv6": (get(headers="Host: [::1]:80\r\n"), ("GET", "/", "", b"")),
    "host-missing-http10": ("GET / HTTP/1.0\r\n\r\n", ("GET", "/", "", b"")),
    "version-minor-higher": (get("GET / HTTP/1.2"), ("GET", "/", "", b"")),
    "te-trailers": (get(headers=H + "TE: trailers\r\n"), ("GET", "/", "", b"")),
    "upgrade-unknown": (
        get(headers=H + "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        ("GET", "/", "", b""),
    ),
    "headers-many": (get(headers=H + "A: b\r\n" * 60), ("GET", "/", "", b"")),
    "length": (post("Content-Length: 5\r\n"), ("POST", "/", "", b"hello")),
    "length-zero": (post("Content-Length: 0\r\n", ""), ("POST", "/", "", b"")),
    "length-zeros": (post("Content-Length: 005\r\n"), ("POST", "/", "", b"hello")),
    "length-spaces": (post("Content-Length: \t5 \r\n"), ("POST", "/", "", b"hello")),
    "length-limit": (post("Content-Length: 5000\r\n", "x" * 5000), ("POST", "/", "", b"x" * 5000)),
    "no-length": (post("", ""), ("POST", "/", "", b"")),
    "get-with-body": (
        get("GET /b HTTP/1.1", H + "Content-Length: 2\r\n") + "hi",
        ("GET", "/b", "", b"hi"),
    ),
    "body-nul": (post("Content-Length: 3\r\n", "a\0b"), ("POST", "/", "", b"a\0b")),
    "body-like-head": (
        post("Content-Length: 18\r\n", "GET / HTTP/1.1\r\n\r\n"),
        ("POST", "/", "", b"GET / HTTP/1.1\r\n\r\n"),
    ),
    "body-http10": (
        "POST /ten HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
        ("POST", "/ten", "", b"hi"),
    ),
    "chunk": (chunks("5", "hello", "0", ""), ("POST", "/", "", b"hello")),
    "chunks": (chunks("2", "he", "1", "l", "2", "lo", "0", ""), ("POST", "/", "", b"hello")),
    "chunks-none": (chunks("0", ""), ("POST", "/", "", b"")),
    "chunk-hex": (
        chunks("1a", "x" * 26, "1A", "y" * 26, "0", ""),
        ("POST", "/", "", b"x" * 26 + b"y" * 26),
    ),
    "chunk-zeros": (chunks("0005", "hello", "000", ""), ("POST", "/", "", b"hello")),
    "chunk-data-crlf": (chunks("7", "0\r\n\r\nab", "0", ""), ("POST", "/", "", b"0\r\n\r\nab")),
    "chunk-extension": (chunks("5;a", "hello", "0;b=c", ""), ("POST", "/", "", b"hello")),
    "chunk-extension-quoted": (
        chunks('5;a="b;c\t\\"d"', "hello", "0", ""),
        ("POST", "/", "", b"hello"),
    ),
    "chunk-extension-spaces": (chunks("5 ; a = b", "hello", "0", ""), ("POST", "/", "", b"hello")),
    "chunk-trailer": (
        chunks("5", "hello", "0", "Foo: bar", "Content-Length: 9", ""),
        ("POST", "/", "", b"hello"),
    ),
    "coding-case": (
        chunks(
            "5", "hello", "0", "", head=f"POST / HTTP/1.1\r\n{H}tRANSFER-eNCODING: Chunked\r\n\r\n"
        ),
        ("POST", "/", "", b"hello"),
    ),
    "expect-http10": (
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        ("POST", "/", "", b"hi"),
    ),
}


def seen(answer):
    assert answer.status == 200
    method, uri, query, _, headers, body = eval(answer.body)
    return (method, uri, query, body), headers


@pytest.mark.parametrize("case", VALID)
def test_valid_request(shared, case):
    request, wanted = VALID[case]
    server = shared(SERVER)
    with Raw(server.reach(server.port())) as raw:
        assert seen(raw.ask(request, "POST"))[0] == wanted
        if "HTTP/1.0" not in request:
            # Its end was found: the next request on the same connection is understood.
            assert seen(raw.ask(get("GET /next HTTP/1.1")))[0] == ("GET", "/next", "", b"")


@pytest.mark.parametrize("case", VALID)
def test_valid_request_byte_by_byte(shared, case):
    request, wanted = VALID[case]
    server = shared(SERVER)
    with Raw(server.reach(server.port())) as raw:
        raw.send_slowly(request, 1 if len(request) < 1500 else 97)
        assert seen(raw.response("POST"))[0] == wanted


def test_headers_arrive_as_sent(shared):
    server = shared(SERVER)
    lines = "X-One:  a b \t\r\nx-two:\r\nX-ONE: second\r\nLatin: \xe9\r\nUtf: \xc3\xa9\r\n"
    with Raw(server.reach(server.port())) as raw:
        _, headers = seen(raw.ask(get(headers=H + lines)))
    assert [tuple(pair) for pair in headers] == [
        ("Host", "device"),
        ("X-One", "a b"),
        ("x-two", ""),
        ("X-ONE", "second"),
        ("Latin", "\xe9"),
        ("Utf", "\xe9"),
    ]


def test_trailers_are_no_headers(shared):
    server = shared(SERVER)
    with Raw(server.reach(server.port())) as raw:
        _, headers = seen(raw.ask(VALID["chunk-trailer"][0], "POST"))
    assert sorted(name for name, _ in headers) == ["Host", "Transfer-Encoding"]


@pytest.mark.parametrize("split", range(1, 53, 4))
def test_bad_head_in_two_pieces(shared, split):
    """A refusal does not depend on where the segments are cut."""
    server = shared(SERVER)
    request = get(headers=H + "Foo : bar\r\nBar: baz\r\n")
    with Raw(server.reach(server.port())) as raw:
        raw.send(request[:split])
        server.until(f"sum(c.recv_len for c in m.connections) == {split}")
        raw.send(request[split:])
        assert raw.response().status == 400
        assert raw.must_close()
