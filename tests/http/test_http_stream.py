# SPDX-License-Identifier: GPL-2.0-only
"""http_stream_body() of a server: bodies in pieces, in constant memory."""

import hashlib
import select
import subprocess

import httpx
import pytest
from peers.clients import Raw, seconds

SERVER = r"""
try:
    from hashlib import sha256
except ImportError:
    from uhashlib import sha256

if MICROPYTHON:
    gc.threshold(1 << 20)  # what counts is the memory that is in use

log = []
state = {}

class Sum:
    def __init__(self):
        self.hash = sha256()
        self.size = 0
        self.pieces = 0
        self.largest = 0

    def add(self, data):
        self.hash.update(data)
        self.size += len(data)
        self.pieces += 1
        self.largest = max(self.largest, len(data))

    def hex(self):
        return "".join(["%02x" % b for b in self.hash.digest()])

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS:
        log.append((c.id, "HDRS", data.uri, len(data.body_bytes)))
        c.userdata = Sum()
        name = "on" + data.uri.replace("/", "_")
        if name in globals():
            globals()[name](c, ev, data)
        elif data.uri != "/plain":
            c.http_stream_body(max_size=int(data.query_var("max") or 0))
    elif ev == MG_EV_HTTP_BODY:
        assert type(data) is bytes and data
        c.userdata.add(data)
        if c.userdata.pieces == 1:
            log.append((c.id, "BODY", len(data)))
        if state.get("body"):
            state["body"](c, data)
    elif ev == MG_EV_HTTP_MSG:
        log.append((c.id, "MSG", data.uri, len(data.body_bytes)))
        if data.uri == "/silent":
            return
        if data.body_bytes:
            c.userdata.add(data.body_bytes)
        s = c.userdata
        c.reply(200, "%s %d %s %s" % (data.header("X-Mark"), s.size, s.hex(), data.uri))
    elif ev == MG_EV_ERROR:
        log.append((c.id, "ERROR", data))
    elif ev == MG_EV_CLOSE:
        log.append((c.id, "CLOSE"))

def on_early(c, ev, data):
    c.http_stream_body(max_size=0)
    c.reply(401, "no")

def on_answered(c, ev, data):
    c.reply(401, "no")

def on_chunked(c, ev, data):
    c.http_stream_body(max_size=0)
    c.reply(200, headers={"Transfer-Encoding": "chunked"})
    c.set_handler(echo)

def echo(c, ev, data):
    if ev == MG_EV_HTTP_BODY:
        c.http_chunk(data)
    elif ev == MG_EV_HTTP_MSG:
        c.http_chunk("")
        c.set_handler(None)

def on_raises(c, ev, data):
    c.http_stream_body(max_size=0)
    raise RuntimeError("on purpose")

def after(c):
    return [e[1:] for e in log if e[0] == c]

def last():
    return [e[1:] for e in log if e[0] == log[-1][0]]

def rss():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1])

errors = []
m = Manager(handler, error_handler=errors.append, body_timeout=PARAMS.get("body_timeout", 30000), max_body=100000)
announce("PORT", m.listen(url("http")))
serve(m)
"""

BLOCK = bytes(range(256)) * 256


@pytest.fixture
def server(shared):
    running = shared(SERVER)
    running.exec("del log[:], errors[:]; state.clear()")
    return running


def told(data, uri, mark="None"):
    return f"{mark} {len(data)} {hashlib.sha256(data).hexdigest()} {uri}".encode()


def post(uri, body, headers=""):
    return (
        f"POST {uri} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
        + body
    )


def chunked(uri, *chunks):
    data = f"POST {uri} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return data + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (*filter(None, chunks), b""))


def connect(server):
    return Raw(server.reach(server.port()))


# ---- What arrives -----------------------------------------------------------------------------------


def test_body_in_one_segment_with_its_head(server):
    with connect(server) as raw:
        raw.send(post("/a", b"hello", "X-Mark: m\r\n"))
        assert raw.response().body == told(b"hello", "/a", "m")
    assert server.eval("last()")[:3] == [("HDRS", "/a", 0), ("BODY", 5), ("MSG", "/a", 0)]


@pytest.mark.parametrize("framing", [post, chunked])
def test_byte_by_byte(server, framing):
    with connect(server) as raw:
        raw.send_slowly(framing("/a", b"hello world"))
        assert raw.response().body == told(b"hello world", "/a")
        raw.send(post("/plain", b"after"))
        assert raw.response().body == told(b"after", "/plain")


@pytest.mark.parametrize("framing", [post, chunked])
def test_no_body_at_all(server, framing):
    with connect(server) as raw:
        raw.send(post("/a", b"") if framing is post else chunked("/a"))
        assert raw.response().body == told(b"", "/a")
    assert [e[0] for e in server.eval("last()")][:2] == ["HDRS", "MSG"]


def test_pipelined_requests_keep_their_order(server):
    bodies = [b"x" * n for n in (0, 1, 70000, 5, 200000)]
    data = b""
    for n, body in enumerate(bodies):
        data += post(f"/s{n}", body) + post("/plain", b"between") + chunked(f"/c{n}", body, b"end")
    with connect(server) as raw:
        raw.send(data)
        for n, body in enumerate(bodies):
            assert raw.response().body == told(body, f"/s{n}")
            assert raw.response().body == told(b"between", "/plain")
            assert raw.response().body == told(body + b"end", f"/c{n}")


def test_chunk_extensions_and_trailers(server):
    with connect(server) as raw:
        raw.send(
            "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            '5;a="b"\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n'
        )
        assert raw.response().body == told(b"hello", "/a")


def test_trailers_are_limited_even_one_a_segment(server):
    head = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
    for uri in ("/a", "/plain"):
        with connect(server) as raw:
            raw.send(head.replace("/a", uri))
            for n in range(400):
                raw.send(f"X-{n}: {'x' * 100}\r\n")
                server.eval("0")  # a turn or more of the loop
                if select.select([raw.socket], [], [], 0)[0]:
                    break
            assert raw.response().status == 431


# ---- Large bodies -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """100 MB, and its hash."""
    path = tmp_path_factory.mktemp("big") / "big.bin"
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for n in range(1600):
            block = n.to_bytes(4, "big") + BLOCK[4:]
            file.write(block)
            digest.update(block)
    return path, digest.hexdigest()


@pytest.mark.needs("native-speed")  # a sanitizer keeps what was freed
@pytest.mark.parametrize("extra", [(), ("-H", "Transfer-Encoding: chunked")])
def test_curl_uploads_100_mb_in_constant_memory(device, big, extra):
    path, digest = big
    server = device(SERVER)
    server.expect("SERVING")
    with connect(server) as raw:  # as much at a time as it will ever be
        raw.send(post("/warm", BLOCK * 8))
        raw.response()
    before = server.eval("rss()")
    url = "http://{}:{}/up".format(*server.reach(server.port()))
    run = ["curl", "-sS", "-T", str(path), "-X", "POST", *extra, url]
    out = subprocess.run(run, capture_output=True, timeout=seconds(60), check=True).stdout.decode()
    assert out == f"None {path.stat().st_size} {digest} /up"
    assert server.eval("rss()") - before < 4096, "kilobytes that 100 MB left"


def test_httpx_streams_up(server, target):
    def pieces():
        for n in range(target.size(64, 3)):
            yield n.to_bytes(4, "big") + BLOCK[4:]

    with httpx.Client(base_url="http://{}:{}".format(*server.reach(server.port()))) as client:
        for _ in range(2):
            answer = client.post("/h", content=pieces())
            assert answer.content == told(b"".join(pieces()), "/h")
        assert client.post("/plain", content=b"x").content == told(b"x", "/plain")


# ---- Limits -----------------------------------------------------------------------------------------

ERROR = "HTTP body is larger than max_size, 10 bytes"


def test_max_size_refuses_by_content_length(server):
    with connect(server) as raw:
        raw.send("POST /a?max=10 HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n")
        assert raw.response().status == 413
        assert raw.closed()
    server.until("last()[-1] == ('CLOSE',)")
    assert server.eval("last()") == [("HDRS", "/a", 0), ("ERROR", ERROR), ("CLOSE",)]


def test_max_size_is_met_midway_in_chunks(server):
    with connect(server) as raw:
        raw.send(chunked("/a?max=10", b"12345", b"67890"))
        assert raw.response().body == told(b"1234567890", "/a")
        raw.send("POST /a?max=10 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        raw.send("5\r\n12345\r\n6\r\n")
        assert raw.response().status == 413
        assert raw.closed()
    server.until("last()[-1] == ('CLOSE',)")
    assert server.eval("last()[-2:]") == [("ERROR", ERROR), ("CLOSE",)]


def test_max_body_does_not_count_for_streams_and_counts_without(server):
    body = b"x" * 100001
    with connect(server) as raw:
        raw.send(post("/a", body))
        assert raw.response().body == told(body, "/a")
        raw.send(post("/plain", body)[:200])
        assert raw.response().status == 413


def test_expect_continue(server):
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n"
    with connect(server) as raw:
        raw.send(head.format("/a?max=11"))
        assert raw.recv_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send("hello world")
        assert raw.response().body == told(b"hello world", "/a")
        raw.send(head.format("/a?max=10"))
        assert raw.recv_until(b"\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_body_that_stops_times_out(device):
    server = device(SERVER, body_timeout=200)
    server.expect("SERVING")
    with connect(server) as raw:
        raw.send(post("/a", b"hello")[:-1])
        assert raw.response().status == 408
    server.until("log and log[-1][1] == 'CLOSE'")
    assert server.eval("last()[-2:]") == [("ERROR", "HTTP body timed out"), ("CLOSE",)]


# ---- Replies before the end ---------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["/early", "/answered"])
@pytest.mark.parametrize("framing", [post, chunked])
def test_an_early_reply_ends_the_stream_and_the_connection_goes_on(server, uri, framing):
    with connect(server) as raw:
        raw.send(framing(uri, b"x" * 90000) + post("/plain", b"next"))
        assert raw.response().status == 401
        assert raw.response().body == told(b"next", "/plain")
    assert "BODY" not in [e[0] for e in server.eval("last()")]
    assert ("MSG", uri, 0) not in server.eval("last()")


@pytest.mark.parametrize("uri", ["/early", "/answered"])
@pytest.mark.parametrize("framing", [post, chunked])
def test_an_early_reply_to_a_body_beyond_max_body_ends_the_connection(server, uri, framing):
    with connect(server) as raw:
        raw.send(framing(uri, b"x" * 100001) + post("/plain", b"next"))
        assert raw.response().status == 401
        assert raw.closed()
    assert not server.eval("[e for e in log if e[1] in ('MSG', 'BODY')]")


def test_a_reply_in_the_middle(server):
    server.exec(
        "state['body'] = lambda c, data: c.reply(400, 'bad') if c.userdata.pieces == 2 else 0"
    )
    with connect(server) as raw:
        head = post("/a", b"x" * 30)
        raw.send(head[:-20])
        server.until("log and log[-1][1] == 'BODY'")
        raw.send(b"y" * 10)
        assert raw.response().status == 400
        raw.send(b"z" * 10 + post("/plain", b"next"))
        assert raw.response().body == told(b"next", "/plain")
    assert "MSG" not in [e[0] for e in server.eval("last()")][:3]


def test_chunked_reply_while_the_body_comes(server):
    with connect(server) as raw:
        raw.send(post("/chunked", b"x" * 30)[:-20])
        assert b"200 OK" in raw.recv_until(b"x" * 10 + b"\r\n")
        raw.send(b"y" * 20)
        assert raw.recv_until(b"0\r\n\r\n").startswith(b"14\r\n" + b"y" * 20)
        raw.send(post("/plain", b"next"))
        assert b"200 OK" in raw.recv_until(b"/plain")


def test_a_reply_from_outside_while_the_body_comes(server):
    with connect(server) as raw:
        raw.send(post("/a", b"x" * 30)[:-20])
        server.until("log and log[-1][1] == 'BODY'")
        server.exec("[c for c in m.connections if c.id == log[-1][0]][0].reply(503, 'later')")
        assert raw.response().status == 503
        raw.send(b"x" * 20 + post("/plain", b"next"))
        assert raw.response().body == told(b"next", "/plain")


@pytest.mark.parametrize("where", ["hdrs", "body"])
def test_a_handler_that_raises_gives_500(server, where):
    if where == "body":
        server.exec(
            "def bad(c, data):\n  if not errors: raise RuntimeError('on purpose')\nstate['body'] = bad"
        )
    with connect(server) as raw:
        raw.send(
            post("/raises" if where == "hdrs" else "/a", b"x" * 5000) + post("/plain", b"next")
        )
        assert raw.response().status == 500
        server.exec("state.clear()")
        assert raw.response().body == told(b"next", "/plain")
    assert server.eval("[str(e) for e in errors]") == ["on purpose"]


# ---- Ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", [post, chunked])
@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
def test_a_client_that_leaves_in_the_middle(server, framing, how):
    raw = connect(server)
    raw.send(framing("/a", b"x" * 5000)[:-30])
    server.until("log and log[-1][1] == 'BODY'")
    getattr(raw, how)()
    server.until("log and log[-1][1] == 'CLOSE'")
    raw.close()
    events = server.eval("last()")
    assert [e[0] for e in events] == ["HDRS", "BODY", "ERROR", "CLOSE"]
    if how != "reset":
        assert events[2] == ("ERROR", "connection closed inside an HTTP request")


def test_half_closed_after_the_body_is_answered(server):
    with connect(server) as raw:
        raw.send(post("/a", b"hello"))
        raw.half_close()
        assert raw.response().body == told(b"hello", "/a")
        assert raw.closed()


@pytest.mark.parametrize("act", ["close", "drain"])
def test_a_handler_that_ends_the_connection(server, act):
    server.exec(f"state['body'] = lambda c, data: c.{act}()")
    with connect(server) as raw:
        raw.send(post("/a", b"x" * 30)[:-10])
        assert raw.closed()
    server.until("log and log[-1][1] == 'CLOSE'")
    assert [e[0] for e in server.eval("last()")] == ["HDRS", "BODY", "CLOSE"]


def test_bad_chunks_are_told(server):
    with connect(server) as raw:
        raw.send(chunked("/a", b"hello")[:-5] + b"xyz\r\n")
        assert raw.response().status == 400
    server.until("log and log[-1][1] == 'CLOSE'")
    assert server.eval("last()[-2:]") == [("ERROR", "invalid chunks in an HTTP body"), ("CLOSE",)]


# ---- Misuse -----------------------------------------------------------------------------------------

MISUSE = r"""
found = []

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS:
        raises(TypeError, c.http_stream_body)
        raises(TypeError, c.http_stream_body, None, 5)
        raises(TypeError, c.http_stream_body, 5, max_size=5)
        raises(TypeError, c.http_stream_body, max_size="5")
        raises(ValueError, c.http_stream_body, max_size=-1)
        raises(ValueError, c.http_stream_body, "a\0b", max_size=0)
        raises(ValueError, c.http_stream_body, "", max_size=0)
        raises(ValueError, c.http_stream_body, "/tmp/", max_size=0)
        c.http_stream_body(max_size=0)
        raises(Error, c.http_stream_body, max_size=0)
        raises(ValueError, c.ws_upgrade, data)
        found.append("hdrs")
    elif ev == MG_EV_HTTP_BODY:
        raises(Error, c.http_stream_body, max_size=0)
        found.append("body")
    elif ev == MG_EV_HTTP_MSG:
        raises(ValueError, c.http_stream_body, max_size=0)
        found.append("msg")
        c.reply(200)
        raises(ValueError, c.http_stream_body, max_size=0)
    elif ev in (MG_EV_ACCEPT, MG_EV_CLOSE):
        raises(ValueError, c.http_stream_body, max_size=0)

m = Manager(handler)
listener = m.listen(url("http"))
raises(ValueError, listener.http_stream_body, max_size=0)
announce("PORT", listener)
serve(m)
"""


def test_misuse(device):
    server = device(MISUSE)
    server.expect("SERVING")
    with connect(server) as raw:
        raw.send(post("/", b"hello"))
        assert raw.response().status == 200
    assert server.eval("found") == ["hdrs", "body", "msg"]
