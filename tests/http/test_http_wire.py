# SPDX-License-Identifier: GPL-2.0-only
"""HTTP as real peers speak it: lists in several lines, absolute targets, Date, heads by hand."""

import email.utils
import http.client
import subprocess
import time

import pytest
from peers.clients import Raw, seconds

SERVER = """
log = []

def handler(c, ev, m):
    if ev == MG_EV_ERROR:
        log.append(("error", m))
    elif ev == MG_EV_CLOSE and not c.is_listening:
        log.append(("close",))
    elif ev == MG_EV_READ and c in tunnels:
        data = c.recv()  # b"": this read was of the request
        if data:
            c.send(b"tunnel " + data)
        if data == b"end":
            c.drain()
    elif ev == MG_EV_HTTP_MSG:
        ROUTES[m.uri](c, m)

tunnels = []

def names(c, m):
    c.reply(200, repr([m.header(name) for name in ("connection", "X-List", "Cookie", "Set-Cookie", "host", "content-type")]))

def dated(c, m):
    c.reply(200, "x", {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"})

def status(c, m):
    c.reply(int(m.query))

def reset(c, m):
    try:
        c.reply(205, "x")
    except ValueError as e:
        c.reply(500, str(e))

def chunks(c, m):
    c.send(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
    c.http_chunk("one,")
    c.send("4\\r\\ntwo,\\r\\n")
    c.http_chunk("three")
    c.http_chunk("")

def split(c, m):
    for piece in ("HTTP/1.", "1 200 OK\\r\\nTransfer-Enc", "oding: Chunked\\r\\n", "\\r\\n"):
        c.send(piece)
    c.http_chunk("split")
    c.http_chunk("")

def events(c, m):
    c.send("HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
    c.http_sse("tick", "a\\nb", id="7", retry=1500)
    c.http_sse("tick", "c", id="")
    c.http_chunk("")

def plain_events(c, m):
    c.send("HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
    c.http_sse("tick", "a")
    c.drain()

def length(c, m):
    c.send("HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nabc")
    manager_of(c).timer_add(20, lambda: c.send("def"))

def interim(c, m):
    c.send("HTTP/1.1 103 Early Hints\\r\\nLink: </a>\\r\\n\\r\\n")
    c.reply(200, "after hints")

def broken(c, m):
    c.send("HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
    raise ValueError("half")

def generator(c, m):
    GENERATOR(c)

def frames(c, m):
    c.send("HTTP/1.1 200 OK\\r\\nContent-Type: multipart/x-mixed-replace; boundary=f\\r\\n\\r\\n")
    left = [8]
    def tick():
        left[0] -= 1
        c.send("--f\\r\\n\\r\\n%d\\r\\n" % left[0])
        if left[0]:
            manager_of(c).timer_add(200, tick)
        else:
            c.drain()
    tick()

def tunnel(c, m):
    tunnels.append(c)
    c.reply(200)

def tunnel_body(c, m):
    try:
        c.reply(200, "x")
    except ValueError as e:
        c.reply(502, str(e))

def tunnel_reset(c, m):
    c.reply(205)
    c.drain()

def sse_bad(c, m):
    c.reply(200, "", {"Content-Type": "text/event-stream"})
    errors = []
    for options in ({"id": "a\\nb"}, {"id": "a\\0"}, {"retry": -1}, {"retry": "x"}):
        try:
            c.http_sse("t", "d", **options)
        except (ValueError, TypeError) as e:
            errors.append(type(e).__name__)
    c.http_sse("t", repr(errors))
    c.drain()

ROUTES = {"/names": names, "/date": dated, "/status": status, "/reset": reset, "/chunks": chunks,
    "/split": split, "/events": events, "/plain-events": plain_events, "/length": length,
    "/interim": interim, "/broken": broken, "/frames": frames, "host:1": tunnel, "body:1": tunnel_body,
    "reset:1": tunnel_reset,
    "/sse": sse_bad}

def manager_of(c):
    return m

m = Manager(handler, error_handler=lambda e: log.append((type(e).__name__, str(e))), max_head=2048,
    idle_timeout=1000)
announce("PORT", m.listen(url("http")))
serve(m)
"""

H = "Host: device\r\n"


@pytest.fixture
def server(shared):
    return shared(SERVER)


def ask(server, target, headers=H, method="GET", version="1.1"):
    with Raw(server.reach(server.port())) as raw:
        raw.send(f"{method} {target} HTTP/{version}\r\n{headers}Connection: close\r\n\r\n")
        return raw.recv_all()


def body_of(answer):
    return answer.partition(b"\r\n\r\n")[2]


def test_list_headers_in_several_lines_are_one_list(server):
    headers = (
        H + "Connection: keep-alive\r\nX-List: a\r\nx-list:b\r\nX-LIST: c, d\r\n"
        "Cookie: a=1\r\nCookie: b=2\r\nSet-Cookie: x\r\nSet-Cookie: y\r\n"
        "Content-Type: text/a\r\nContent-Type: text/b\r\n"
    )
    answer = body_of(ask(server, "/names", headers))
    wanted = ["keep-alive, close", "a, b, c, d", "a=1; b=2", "x", "device", "text/a"]
    assert answer.decode() == repr(wanted)


@pytest.mark.parametrize("value", ["chunked", " , chunked", "chunked\r\nTransfer-Encoding: "])
def test_an_encoding_among_empty_members(server, value):
    with Raw(server.reach(server.port())) as raw:
        raw.send(f"POST /names HTTP/1.1\r\n{H}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n")
        status = raw.recv_exactly_head().split()[1]
    assert status == "200"


@pytest.mark.parametrize(
    "uri, host",
    [
        ("http://other:81/names", "other:81"),
        ("HTTP://[::1]:80/names", "[::1]:80"),
        ("https://other/names?x", "other"),
        ("http://other:/names", "other:"),
    ],
)
def test_the_authority_of_an_absolute_target_is_the_host(server, uri, host):
    assert repr(host).encode() in ask(server, uri)
    assert repr(host).encode() in ask(server, uri, "", version="1.0")


BAD_TARGETS = [
    "http://:80/",
    "http://@/",
    "http://a@b/",
    "http://h:99999/",
    "http://h:8x/",
    "http://[x]/",
]
BAD_TARGETS += ["http://[::1/", "http://[::1]x/", "http://h%/", "http://h,i/", "http:///"]


@pytest.mark.parametrize("uri", BAD_TARGETS)
def test_targets_without_a_host(server, uri):
    assert ask(server, uri).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "host", [":80", "h:x", "h:65536", "[::1", "[1.2.3.4]", "h%zz", "a:1:2", "h:-1"]
)
def test_hosts_that_are_none(server, host):
    assert ask(server, "/names", f"Host: {host}\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "host", ["", "h", "h:", "h:0080", "h:65535", "[fe80::1]:8", "1.2.3.4", "a_b~", "h%41"]
)
def test_hosts(server, host):
    assert ask(server, "/names", f"Host: {host}\r\n").startswith(b"HTTP/1.1 200 ")


def dates(answer):
    head = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return [line[6:] for line in head if line.lower().startswith("date: ")]


def test_date(server, target):
    """On every response, refusals too; not on a board whose clock nobody has set."""
    for path in ("/status?200", "/status?404", "/status?304", "/nothing bad"):
        found = dates(ask(server, path))
        if target.name == "pico":
            assert found == []
            continue
        assert len(found) == 1
        seen = email.utils.parsedate_to_datetime(found[0])
        assert abs(seen.timestamp() - time.time()) < 20
        assert found[0] == email.utils.format_datetime(seen, usegmt=True)
    assert dates(ask(server, "/date")) == ["Sun, 06 Nov 1994 08:49:37 GMT"]


def test_a_request_line_that_is_too_long(server):
    assert ask(server, "/" + "x" * 3000).startswith(b"HTTP/1.1 414 ")
    assert ask(server, "/status?200", H + f"X: {'x' * 3000}\r\n").startswith(b"HTTP/1.1 431 ")


GOOD_EXTENSIONS = [";a", ";a=b", " ; a = b", ';a="x;\\"y"', ";a;b=c"]
BAD_EXTENSIONS = [";", ";a=", ";=b", ';a="x', ";a b", ";a;", ';a="x"y', "; ", ";a=b c"]


@pytest.mark.parametrize("extension", GOOD_EXTENSIONS + BAD_EXTENSIONS)
def test_chunk_extensions(server, extension):
    with Raw(server.reach(server.port())) as raw:
        raw.send(
            f"POST /names HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n"
            f"5{extension}\r\nhello\r\n0\r\n\r\n"
        )
        status = raw.recv_exactly_head().split()[1]
    assert status == ("200" if extension in GOOD_EXTENSIONS else "400")


@pytest.mark.parametrize(
    "version, expect, status",
    [
        ("1.1", "", 200),
        ("1.0", "", 200),
        ("1.0", "tea", 200),
        ("1.0", "100-continue", 200),
        ("1.1", "tea", 417),
        ("1.1", "100-continue, tea", 417),
    ],
)
def test_expect(server, version, expect, status):
    answer = ask(server, "/names", f"{H}Expect: {expect}\r\n", version=version)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_statuses_without_a_body(server):
    assert body_of(ask(server, "/reset")) == b"a reply with status 205 has no body"
    answer = ask(server, "/status?205")
    assert b"Content-Length: 0\r\n" in answer
    assert body_of(answer) == b""


def test_connect_opens_a_tunnel(server):
    with Raw(server.reach(server.port())) as raw:
        raw.send(f"CONNECT host:1 HTTP/1.1\r\n{H}\r\n")
        head = raw.recv_exactly_head().lower()
        assert head.startswith("http/1.1 200 ")
        assert "content-length" not in head
        assert "transfer-encoding" not in head
        raw.send("GET / HTTP/9.9\r\n\r\n")
        assert raw.recv_exactly(25) == b"tunnel GET / HTTP/9.9\r\n\r\n"
        raw.send("end")
        assert raw.recv_all() == b"tunnel end"
    assert b"to CONNECT has no body" in ask(server, "body:1", method="CONNECT")
    assert b"content-length" not in ask(server, "reset:1", method="CONNECT").lower()


@pytest.mark.parametrize("place", ["h", "h:", "h:0", ":1", "h:65536", "/", "http://h:1/", "u@h:1"])
def test_tunnels_to_nowhere(server, place):
    """RFC 9110, section 9.3.6: CONNECT names a host and a port."""
    assert ask(server, place, method="CONNECT").startswith(b"HTTP/1.1 400 ")


def test_heads_by_hand(server):
    """One connection for all: the framing is kept. The client is Python's own."""
    conn = http.client.HTTPConnection(*server.reach(server.port()), timeout=seconds())
    bodies = {
        "/chunks": b"one,two,three",
        "/split": b"split",
        "/length": b"abcdef",
        "/events": b"event: tick\nid: 7\nretry: 1500\ndata: a\ndata: b\n\nevent: tick\nid: \ndata: c\n\n",
        "/interim": b"after hints",
        "/status?200": b"",
    }
    for path, body in bodies.items():
        conn.request("GET", path)
        if path == "/interim":  # http.client knows no 103
            answer = conn.sock.recv(20)
            assert answer.startswith(b"HTTP/1.1 103 ")
            conn.close()
            continue
        assert conn.getresponse().read() == body, path
    conn.close()
    assert body_of(ask(server, "/plain-events")) == b"event: tick\ndata: a\n\n"


def test_heads_by_hand_to_head(server):
    """They are the whole of the answer, and the program need not know."""
    server.exec("del log[:]")
    with Raw(server.reach(server.port())) as raw:
        for target in ("/split", "/events", "/split"):
            raw.send(f"HEAD {target} HTTP/1.1\r\n{H}\r\n")
            head = raw.recv_exactly_head()
            assert head.startswith("HTTP/1.1 200 OK") and head.lower().endswith("chunked\r\n\r\n")
        answer = raw.ask(f"GET /status?205 HTTP/1.1\r\n{H}\r\n")
        assert (answer.status, answer.body) == (205, b"")
    assert server.eval("[entry for entry in log if entry[0] != 'close']") == []


def test_events_to_head(server):
    """The head of a stream is all of the answer, and what the program sends behind it goes nowhere."""
    answer = ask(server, "/sse", method="HEAD")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and b"text/event-stream" in head
    assert b"Content-Length" not in head and body == b""
    assert server.eval("[entry for entry in log if entry[0] not in ('close', 'error')]") == []


def test_curl_reads_heads_by_hand(server):
    host, port = server.reach(server.port())
    base = f"http://{host}:{port}"
    run = [
        "curl",
        "-sS",
        "--max-time",
        str(seconds()),
        base + "/interim",
        base + "/chunks",
        base + "/length",
    ]
    found = subprocess.run(run, capture_output=True, check=True, timeout=seconds(40)).stdout
    assert found == b"after hintsone,two,threeabcdef"


def test_a_head_by_hand_and_then_an_exception(server):
    """The client sees that it was cut, and no 500 in its middle."""
    answer = ask(server, "/broken")
    assert b" 500 " not in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_a_stream_by_hand_is_not_idle(server):
    """It takes longer than idle_timeout."""
    assert body_of(ask(server, "/frames")).count(b"--f") == 8


def test_fields_of_events(server):
    answer = body_of(ask(server, "/sse"))
    assert answer == b"event: t\ndata: ['ValueError', 'ValueError', 'ValueError', 'TypeError']\n\n"


ASYNC = """
log = []

%s

m = Manager(handler, error_handler=lambda e: log.append((type(e).__name__, str(e))))
announce("PORT", m.listen(url("http")))
serve(m)
"""
HANDLERS = {
    "coroutine": "async def handler(c, ev, m):\n    c.reply(200, 'never')\n",
    "generator": "def handler(c, ev, m):\n    yield c.reply(200, 'never')\n",
}


@pytest.mark.parametrize("kind", HANDLERS)
def test_a_handler_that_never_runs(device, kind):
    """The program gets an error with a text, the client a 500."""
    server = device(ASYNC % HANDLERS[kind])
    assert ask(server, "/").startswith(b"HTTP/1.1 500 ")
    log = server.eval("log")
    assert {name for name, _ in log} == {"TypeError"}
    assert "a handler is a plain function" in log[-1][1]


def test_nothing_comes_as_a_traceback(server):
    ask(server, "/broken")
    raised = [entry for entry in server.eval("log") if entry[0] not in ("close", "error")]
    assert set(raised) == {("ValueError", "half")}
