# SPDX-License-Identifier: GPL-2.0-only
"""The HTTP server as programs and clients see it: keep-alive, replies, streams, limits."""

import json
import subprocess

import httpx
import pytest
import requests
from peers.clients import Raw, seconds

SERVER = """
import json
log = []
held = []

def handler(c, ev, m):
    if ev == MG_EV_HTTP_HDRS:
        log.append(("hdrs", m.uri, m.header("content-length"), len(m.body_bytes)))
        if m.uri == "/early":
            c.reply(403, "no need to read that")
    elif ev == MG_EV_HTTP_MSG:
        log.append(("msg", m.uri))
        ROUTES.get(m.uri, not_found)(c, m)
    elif ev == MG_EV_CLOSE and not c.is_listening:
        log.append(("close",))

def not_found(c, m):
    c.reply(404, "nothing here")

def hold(c, m):
    held.append(c)

def release():
    while held:
        held.pop(0).reply(200, "at last")

def stream(c, m):
    c.reply(200, "", headers={"Transfer-Encoding": "chunked", "Content-Type": "text/plain"})
    for part in ("one\\n", b"two\\n", "drei: \\u00e4\\n"):
        c.http_chunk(part)
    c.http_chunk("")

def stream_first(c, m):
    c.reply(200, "first,", headers=[("transfer-encoding", "Chunked")])
    c.http_chunk("second")
    c.http_chunk(b"")

def stream_slowly(c, m):
    c.reply(200, "", headers={"Transfer-Encoding": "chunked"})
    left = [3]
    def tick():
        c.http_chunk("tick %d\\n" % left[0])
        left[0] -= 1
        if left[0]:
            manager_of(c).timer_add(20, tick)
        else:
            c.http_chunk("")
    tick()

def sse(c, m):
    c.reply(200, "", headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    c.http_sse("message", "Hello from server")
    c.http_sse("update", json.dumps({"value": 42}))
    c.http_sse("lines", "one\\ntwo\\r\\nthree\\rfour")
    c.http_sse("empty", "")
    c.http_sse("end", "gr\\u00fc\\u00dfe")
    c.drain()

def big(c, m):
    c.reply(200, b"0123456789abcdef" * (int(m.query) // 16))

def info(c, m):
    c.reply_json({
        "method": m.method, "uri": m.uri, "query": m.query, "proto": m.proto, "text": m.body_text,
        "name": m.query_var("name"), "none": m.query_var("none"), "empty": m.query_var("empty"),
        "agent": m.header("USER-agent"), "default": m.header("X-None", "other"),
        "missing": m.header("X-None"), "charset": m.header_var("content-type", "charset"),
        "status": m.status() if m.status() else None, "true": bool(m),
    })

ROUTES = {
    "/": lambda c, m: c.reply(200, "hello"),
    "/echo": lambda c, m: c.reply(200, m.body_bytes, {"Content-Type": "application/octet-stream"}),
    "/nul": lambda c, m: c.reply(200, b"a\\x00b%s%n\\x00"),
    "/percent": lambda c, m: c.reply(200, "%s %d %n", {"X-Percent": "%s%n"}),
    "/text": lambda c, m: c.reply(200, "gr\\u00fc\\u00dfe \\u20ac"),
    "/json": lambda c, m: c.reply_json({"status": "ok", "count": 42, "list": [1, None, True]}),
    "/json201": lambda c, m: c.reply_json([1], 201, {"X-Extra": "yes"}),
    "/html": lambda c, m: c.reply(200, b"<p>hi", headers={"Content-Type": "text/html"}),
    "/status": lambda c, m: c.reply(int(m.query), "" if m.query in ("204", "304") else "text"),
    "/cookies": lambda c, m: c.reply(200, "", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
    "/close": lambda c, m: c.reply(200, "bye", {"Connection": "close"}),
    "/drain": lambda c, m: (c.reply(200, "bye"), c.drain()),
    "/hold": hold,
    "/stream": stream, "/stream-first": stream_first, "/stream-slowly": stream_slowly,
    "/sse": sse, "/big": big, "/info": info,
}

m = Manager(handler)
small = Manager(handler, max_body=1000, head_timeout=250, body_timeout=250, idle_timeout=700)
def manager_of(c):
    return m
announce("PORT", m.listen(url("http")))
announce("SMALL", small.listen(url("http")))
serve(m, small)
"""

H = "Host: device\r\n"


def get(path="/", extra="", method="GET", version="1.1"):
    return f"{method} {path} HTTP/{version}\r\n{H}{extra}\r\n"


@pytest.fixture
def server(shared):
    device = shared(SERVER)
    device.exec("del log[:], held[:]")
    return device


@pytest.fixture
def raw(server):
    with Raw(server.reach(server.port())) as client:
        yield client


@pytest.fixture
def base(server):
    return "http://{}:{}".format(*server.reach(server.port()))


# ---- Keep-alive, pipelining, versions ----------------------------------------------------------


def test_keep_alive(server, base):
    with httpx.Client() as client:
        for n in range(50):
            assert client.post(base + "/echo", content=b"%d" % n).content == b"%d" % n
        assert server.eval("sum(not c.is_listening for c in m.connections)") == 1


def test_pipelining(raw):
    """100 requests in one segment or several: answered in order, each once."""
    raw.send(
        "".join(f"POST /echo HTTP/1.1\r\n{H}Content-Length: 3\r\n\r\n{n:03}" for n in range(100))
    )
    assert [int(raw.response("POST").body) for _ in range(100)] == list(range(100))


def test_pipelined_answers_wait_for_a_late_one(server, raw):
    raw.send(get("/hold") + get("/text") + get("/nul"))
    server.until("len(held) > 0")
    server.exec("release()")
    assert raw.response().body == b"at last"
    assert raw.response().body.decode() == "gr\xfc\xdfe \u20ac"
    assert raw.response().body == b"a\0b%s%n\0"


def test_late_answer_after_half_close(server, raw):
    """A client that has no more to send may still want the answer."""
    raw.send(get("/hold"))
    raw.half_close()
    server.until("len(held) > 0")
    server.exec("release()")
    assert raw.response().body == b"at last"
    assert raw.closed()


def test_late_answer_after_the_client_left(server, raw):
    raw.send(get("/hold"))
    server.until("len(held) > 0")
    raw.reset()
    server.until("('close',) in log")
    with pytest.raises(AssertionError, match="Error: connection is closed"):
        server.exec("release()")


def test_pipelined_requests_after_drain_are_not_served(server, raw):
    raw.send(get("/drain") + get("/"))
    assert raw.response().body == b"bye"
    assert raw.unread == b"" and raw.closed()
    assert server.eval("log").count(("msg", "/")) == 0


@pytest.mark.parametrize(
    "version, header, kept",
    [
        ("1.1", "", True),
        ("1.1", "Connection: keep-alive\r\n", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.1", "Connection: foo, Close\r\n", False),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", False),
        ("1.1", "Connection: closed\r\n", True),
        ("1.0", "", False),
        ("1.0", "Connection: Keep-Alive\r\n", True),
        ("1.0", "Connection: close\r\n", False),
    ],
)
def test_persistence(raw, version, header, kept):
    answer = raw.ask(get("/", header, version=version))
    assert (answer.status, answer.body) == (200, b"hello")
    connection = answer.headers.get("connection", "").lower()
    if kept:
        assert connection == ("keep-alive" if version == "1.0" else "")
        # h11 knows no keep-alive of HTTP/1.0, so the second answer is read as bytes.
        raw.send(get("/text", header, version=version))
        assert "\u20ac".encode() in raw.recv_until("\u20ac".encode())
    else:
        assert connection == "close"
        assert raw.closed()


def test_reply_that_closes(raw):
    raw.send(get("/close") + get("/"))
    answer = raw.response()
    assert answer.headers["connection"] == "close" and answer.body == b"bye"
    assert raw.must_close()


def test_head_has_the_length_and_no_body(raw):
    for path, length in (("/", "5"), ("/nul", "8"), ("/json", None)):
        answer = raw.ask(get(path, method="HEAD"))
        assert answer.body == b"" and raw.unread == b""
        assert length is None or answer.headers["content-length"] == length
    assert raw.ask(get("/")).body == b"hello"


def test_head_of_a_stream(raw):
    answer = raw.ask(get("/stream", method="HEAD"))
    assert answer.headers["transfer-encoding"] == "chunked" and answer.body == b""
    assert raw.ask(get("/")).body == b"hello"


@pytest.mark.parametrize("status", [200, 201, 204, 299, 304, 400, 401, 404, 500, 503, 599, 999])
def test_statuses(raw, status):
    answer = raw.ask(get(f"/status?{status}"))
    assert answer.status == status
    if status in (204, 304):
        assert answer.body == b""
        assert "transfer-encoding" not in answer.headers
        assert status == 304 or "content-length" not in answer.headers
    else:
        assert answer.body == b"text"
    assert raw.ask(get("/")).body == b"hello"


# ---- Requests ----------------------------------------------------------------------------------


def test_message_fields(base):
    answer = httpx.post(
        base + "/info?name=J%C3%BCrgen+X&empty=",
        content="k\xf6rper".encode(),
        headers={"User-Agent": "test/1", "Content-Type": 'text/plain; charset="utf-8"; x=y'},
    )
    assert answer.json() == {
        "method": "POST",
        "uri": "/info",
        "query": "name=J%C3%BCrgen+X&empty=",
        "proto": "HTTP/1.1",
        "text": "k\xf6rper",
        "name": "J\xfcrgen X",
        "none": None,
        "empty": "",
        "agent": "test/1",
        "default": "other",
        "missing": None,
        "charset": "utf-8",
        "status": None,
        "true": True,
    }
    assert answer.headers["content-type"].startswith("application/json")


def test_bodies_of_every_byte(base):
    body = bytes(range(256)) * 40
    assert requests.post(base + "/echo", data=body, timeout=seconds()).content == body
    assert requests.put(base + "/echo", data=b"", timeout=seconds()).content == b""


def test_big_bodies(base, target):
    body = b"0123456789abcdef" * target.size(1 << 18, 500)
    with httpx.Client(timeout=seconds(30)) as client:
        assert client.post(base + "/echo", content=body).content == body
        step = target.size(50000, 700)
        pieces = (body[i : i + step] for i in range(0, len(body), step))
        assert client.post(base + "/echo", content=pieces).content == body


def test_expect_continue(raw):
    raw.send(f"POST /echo HTTP/1.1\r\n{H}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert raw.recv_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send("hello")
    answer = raw.response("POST")
    assert (answer.status, answer.body, answer.informational) == (200, b"hello", [])


def test_expect_continue_of_a_body_not_wanted(server):
    """413 before the body arrives, and no 100."""
    with Raw(server.reach(server.port("SMALL"))) as raw:
        head = f"POST /echo HTTP/1.1\r\n{H}Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n"
        answer = raw.ask(head, "POST")
        assert answer.status == 413 and answer.informational == []
        assert raw.must_close()


def test_curl_sends_a_big_body_after_100(base, target, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(bytes(range(256)) * target.size(8192, 32))
    run = [
        "curl",
        "-sS",
        "--max-time",
        str(seconds(20)),
        "--data-binary",
        f"@{body}",
        "-H",
        "Expect: 100-continue",
    ]
    assert subprocess.run([*run, base + "/echo"], check=True, capture_output=True).stdout == (
        body.read_bytes()
    )


def test_headers_event_comes_before_the_body(server, raw):
    raw.send(f"POST /echo HTTP/1.1\r\n{H}Content-Length: 5\r\n\r\nhel")
    server.until("log")
    assert server.eval("log") == [("hdrs", "/echo", "5", 0)]
    raw.send("lo")
    assert raw.response("POST").body == b"hello"
    assert server.eval("log[1:]") == [("msg", "/echo")]


def test_answer_at_headers_event(server, raw):
    """The body is read and dropped, the program is not asked again, the connection goes on."""
    raw.send(f"POST /early HTTP/1.1\r\n{H}Content-Length: 5\r\n\r\nhello" + get("/"))
    assert raw.response("POST").status == 403
    assert raw.response().body == b"hello"
    assert ("msg", "/early") not in server.eval("log")


# ---- Limits and deadlines ----------------------------------------------------------------------


def small(server):
    return Raw(server.reach(server.port("SMALL")))


def test_head_timeout(server):
    with small(server) as raw:
        raw.send("GET / HT")
        answer = raw.response()
        assert answer.status == 408 and raw.must_close()


def test_head_that_drips_is_cut_off(server):
    """The deadline counts from the first byte: a byte now and then does not move it."""
    with small(server) as raw:
        raw.socket.settimeout(0.05 * server.slowness)
        for byte in "GET /" + "x" * 200:
            raw.send(byte)
            try:
                got = raw.recv()
                break
            except TimeoutError:
                continue
        assert got.startswith(b"HTTP/1.1 408 ")


def test_body_timeout(server):
    with small(server) as raw:
        raw.send(f"POST /echo HTTP/1.1\r\n{H}Content-Length: 5\r\n\r\nhel")
        answer = raw.response("POST")
        assert answer.status == 408 and raw.must_close()


def test_idle_connections_are_closed_silently(server):
    with small(server) as fresh, small(server) as used:
        assert used.ask(get("/")).body == b"hello"
        assert used.closed() and used.unread == b""
        assert fresh.closed()


def test_a_waiting_answer_is_no_idle_connection(server):
    with small(server) as raw:
        raw.send(get("/hold"))
        server.until("len(held) > 0")
        server.exec("small.timer_add(1500, release)")
        assert raw.response().body == b"at last"


def test_body_limits(server):
    for body in ("x" * 1000, "x" * 1001):
        with small(server) as raw:
            answer = raw.ask(
                f"POST /echo HTTP/1.1\r\n{H}Content-Length: {len(body)}\r\n\r\n{body}", "POST"
            )
            assert answer.status == (200 if len(body) == 1000 else 413)


# ---- Replies -----------------------------------------------------------------------------------


def test_body_goes_out_by_length(base):
    assert httpx.get(base + "/nul").content == b"a\0b%s%n\0"
    answer = httpx.get(base + "/percent")
    assert (answer.text, answer.headers["x-percent"]) == ("%s %d %n", "%s%n")


def test_text_is_utf8(base):
    answer = httpx.get(base + "/text")
    assert answer.text == "gr\xfc\xdfe \u20ac"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_json(base):
    assert httpx.get(base + "/json").json() == {
        "status": "ok",
        "count": 42,
        "list": [1, None, True],
    }
    answer = httpx.get(base + "/json201")
    assert (answer.status_code, answer.json(), answer.headers["x-extra"]) == (201, [1], "yes")


def test_given_content_type_replaces_ours(base):
    answer = httpx.get(base + "/html")
    assert answer.headers.get_list("content-type") == ["text/html"]


def test_repeated_headers(base):
    answer = httpx.get(base + "/cookies")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    "size",
    [
        16,
        24000,
        *(pytest.param(n, marks=pytest.mark.needs("memory")) for n in (65536, 1 << 20, 8 << 20)),
    ],
)
def test_big_replies(base, size):
    answer = httpx.get(f"{base}/big?{size}", timeout=seconds(30))
    assert answer.content == b"0123456789abcdef" * (size // 16)


# ---- Streams -----------------------------------------------------------------------------------

STREAM = "one\ntwo\ndrei: \xe4\n".encode()


def test_chunked_reply(raw, base):
    for _ in range(2):
        answer = raw.ask(get("/stream"))
        assert answer.body == STREAM
        assert answer.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in answer.headers
    assert httpx.get(base + "/stream").content == STREAM
    assert requests.get(base + "/stream", timeout=seconds()).content == STREAM


def test_chunked_reply_with_a_body(raw):
    answer = raw.ask(get("/stream-first"))
    assert answer.body == b"first,second"
    assert "content-length" not in answer.headers


def test_chunked_reply_over_time(base):
    with httpx.stream("GET", base + "/stream-slowly") as answer:
        assert list(answer.iter_lines()) == ["tick 3", "tick 2", "tick 1"]


def test_next_request_waits_for_the_stream_to_end(raw):
    raw.send(get("/stream-slowly") + get("/"))
    assert raw.response().body == b"tick 3\ntick 2\ntick 1\n"
    assert raw.response().body == b"hello"


@pytest.mark.parametrize("path", ["/stream", "/stream-slowly"])
def test_stream_to_http10_ends_with_the_connection(base, path):
    run = ["curl", "-sS", "--http1.0", "--max-time", str(seconds()), "-D", "-", base + path]
    out = subprocess.run(run, check=True, capture_output=True).stdout
    head, _, body = out.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower() and b"content-length" not in head.lower()
    assert body in (STREAM, b"tick 3\ntick 2\ntick 1\n")


SSE = (
    "event: message\ndata: Hello from server\n\n"
    'event: update\ndata: {"value": 42}\n\n'
    "event: lines\ndata: one\ndata: two\ndata: three\ndata: four\n\n"
    "event: empty\ndata: \n\n"
    "event: end\ndata: gr\xfc\xdfe\n\n"
)


def test_server_sent_events(raw):
    answer = raw.ask(get("/sse"))
    assert answer.headers["content-type"] == "text/event-stream"
    assert "content-length" not in answer.headers
    assert answer.body.decode() == SSE
    assert raw.must_close()


def test_server_sent_events_to_curl(base):
    run = ["curl", "-sS", "-N", "--http1.0", "--max-time", str(seconds()), base + "/sse"]
    assert subprocess.run(run, check=True, capture_output=True).stdout.decode() == SSE


# ---- Other clients -----------------------------------------------------------------------------


def test_curl(base):
    def curl(*args):
        run = ["curl", "-sS", "--max-time", str(seconds()), *args]
        return subprocess.run(run, check=True, capture_output=True).stdout

    assert curl(base + "/") == b"hello"
    assert curl("-I", base + "/").startswith(b"HTTP/1.1 200 OK\r\n")
    assert curl("-X", "DELETE", base + "/none", "-w", "%{http_code}") == b"nothing here404"
    assert json.loads(curl(base + "/info?name=a%20b"))["name"] == "a b"
    assert curl("-F", "file=@/dev/null", base + "/echo").startswith(b"----")
    assert curl(base + "/stream", base + "/", base + "/nul") == STREAM + b"hello" + b"a\0b%s%n\0"


def test_many_clients_at_once(server, target):
    """64 connections, ten requests each, interleaved; what a board has at a time."""
    address = server.reach(server.port())
    clients = [Raw(address) for _ in range(target.sockets(64, 10))]
    for turn in range(10):
        for n, raw in enumerate(clients):
            body = f"{turn}/{n}"
            raw.send(f"POST /echo HTTP/1.1\r\n{H}Content-Length: {len(body)}\r\n\r\n{body}")
        for n, raw in enumerate(clients):
            assert raw.response("POST").body == b"%d/%d" % (turn, n)
    for raw in clients:
        raw.close()
