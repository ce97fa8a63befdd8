# SPDX-License-Identifier: GPL-2.0-only
"""HTTP clients: connect() to servers that answer well, oddly, and wrongly (RFC 9112)."""

import http.server
import threading

import pytest
from peers.clients import Server, free_port, here, seconds

CLIENT = """
log = []
conns = []

def handler(c, ev, m):
    if ev == MG_EV_CONNECT:
        log.append(("connect",))
    elif ev == MG_EV_HTTP_HDRS:
        log.append(("hdrs", m.status(), m.body_bytes))
    elif ev == MG_EV_HTTP_MSG:
        body = m.body_bytes
        log.append(("msg", m.status(), body if len(body) < 1000 else len(body)))
        if c.userdata:
            c.userdata.append((m.proto, m.method, m.uri, m.query, m.headers(), m.body_text))
    elif ev == MG_EV_ERROR:
        log.append(("error", m))
    elif ev == MG_EV_CLOSE:
        log.append(("close",))

def fetch(port, request):
    del log[:], conns[:]
    conns.append(m.connect(peer("http", port), handler))
    conns[0].send(request)

m = Manager(max_body=PARAMS["max_body"], max_head=4096)
serve(m)
"""

GET = "GET /path HTTP/1.1\r\nHost: server\r\n\r\n"


def max_body(target):
    return target.size(1 << 20, 8192)


@pytest.fixture
def client(shared, target):
    return shared(CLIENT, max_body=max_body(target))


def answers_of(client, response, request=GET, linger=False):
    """The client's log after a server has sent these bytes and closed."""

    def talk(raw):
        head = raw.recv_exactly_head()
        raw.send(response)
        if linger:
            raw.closed()
        return head

    with Server(talk) as server:
        client.exec(f"fetch({server.port}, {request!r})")
        client.until("('close',) in log")
    assert server.results[0].split("\r\n")[0] == request.split("\r\n")[0]
    return client.eval("[e for e in log if e[0] not in ('connect', 'hdrs')]")


OK = "HTTP/1.1 200 OK\r\n"

# bytes of the server -> the messages that the client's program sees, before the close
GOOD = {
    "length": (OK + "Content-Length: 5\r\n\r\nhello", [(200, b"hello")]),
    "length-zero": (OK + "Content-Length: 0\r\n\r\n", [(200, b"")]),
    "until-close": (OK + "\r\nuntil the end", [(200, b"until the end")]),
    "until-close-empty": (OK + "\r\n", [(200, b"")]),
    "http10": ("HTTP/1.0 200 OK\r\n\r\nold", [(200, b"old")]),
    "http10-length": ("HTTP/1.0 404 No\r\nContent-Length: 2\r\n\r\nno", [(404, b"no")]),
    "chunked": (
        OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        [(200, b"hello")],
    ),
    "chunked-extensions": (
        OK + 'Transfer-Encoding: chunked\r\n\r\n5;a="b;c"\r\nhello\r\n0;x\r\nTrailer: t\r\n\r\n',
        [(200, b"hello")],
    ),
    "chunked-case": (OK + "TRANSFER-ENCODING: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", [(200, b"x")]),
    "two-hundred-and-four": ("HTTP/1.1 204 No Content\r\n\r\n", [(204, b"")]),
    "three-hundred-and-four": (
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        [(304, b"")],
    ),
    "continue-first": (
        "HTTP/1.1 100 Continue\r\n\r\n" + OK + "Content-Length: 1\r\n\r\nx",
        [(200, b"x")],
    ),
    "early-hints-first": (
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK + "Content-Length: 1\r\n\r\nx",
        [(200, b"x")],
    ),
    "no-reason": ("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", [(200, b"x")]),
    "no-reason-no-space": ("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", [(200, b"x")]),
    "odd-status": ("HTTP/1.1 799 Odd\r\nContent-Length: 1\r\n\r\nx", [(799, b"x")]),
    "reason-8bit": ("HTTP/1.1 200 Gr\xfcn\r\nContent-Length: 1\r\n\r\nx", [(200, b"x")]),
    "nul-in-body": (OK + "Content-Length: 3\r\n\r\na\0b", [(200, b"a\0b")]),
    "head-like-body": (OK + f"Content-Length: {len(OK)}\r\n\r\n{OK}", [(200, OK.encode())]),
    "big": lambda most: (OK + f"Content-Length: {most}\r\n\r\n" + "x" * most, [(200, most)]),
}

# Each of these ends in one MG_EV_ERROR; what came before it is listed.
BAD = {
    "nothing": ("", []),
    "garbage": ("hello\r\n\r\n", []),
    "http2": ("HTTP/2.0 200 OK\r\n\r\n", []),
    "icy": ("ICY 200 OK\r\n\r\n", []),
    "version-lowercase": ("http/1.1 200 OK\r\n\r\n", []),
    "status-two-digits": ("HTTP/1.1 99 x\r\n\r\n", []),
    "status-four-digits": ("HTTP/1.1 2000 x\r\n\r\n", []),
    "status-text": ("HTTP/1.1 abc x\r\n\r\n", []),
    "status-negative": ("HTTP/1.1 -20 x\r\n\r\n", []),
    "status-too-small": ("HTTP/1.1 099 x\r\n\r\n", []),
    "head-cut": (OK + "Content-Length: 5\r\n", []),
    "body-cut": (OK + "Content-Length: 5\r\n\r\nhell", []),
    "chunks-cut": (OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", []),
    "chunk-cut": (OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", []),
    "chunk-bad-size": (OK + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", []),
    "length-twice": (OK + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", []),
    "length-negative": (OK + "Content-Length: -1\r\n\r\n", []),
    "length-plus": (OK + "Content-Length: +1\r\n\r\nx", []),
    "length-and-chunked": (
        OK + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        [],
    ),
    "coding-unknown": (OK + "Transfer-Encoding: gzip\r\n\r\nx", []),
    "header-space-colon": (OK + "Foo : bar\r\n\r\n", []),
    "header-nul": (OK + "Foo: b\0r\r\n\r\n", []),
    "header-bare-cr": (OK + "Foo: b\rr\r\n\r\n", []),
    "head-too-big": (OK + "Foo: " + "x" * 5000 + "\r\n\r\n", []),
    "body-too-big": lambda most: (OK + f"Content-Length: {most + 1}\r\n\r\n", []),
    "until-close-too-big": lambda most: (OK + "\r\n" + "x" * (most + 1), []),
    "unasked-second": (
        OK + "Content-Length: 1\r\n\r\nx" + OK + "Content-Length: 1\r\n\r\ny",
        [(200, b"x")],
    ),
    "garbage-after": (OK + "Content-Length: 1\r\n\r\nxyz\r\n\r\n", [(200, b"x")]),
}


def of_size(case, target):
    """Those that are about the largest body are made for it."""
    return case(max_body(target)) if callable(case) else case


@pytest.mark.parametrize("case", GOOD)
def test_good_response(client, target, case):
    response, messages = of_size(GOOD[case], target)
    log = answers_of(client, response)
    assert log == [("msg", *message) for message in messages] + [("close",)]


@pytest.mark.parametrize("case", BAD)
def test_bad_response(client, target, case):
    response, messages = of_size(BAD[case], target)
    log = answers_of(client, response, linger="cut" not in case and case != "nothing")
    assert [entry[0] for entry in log] == ["msg"] * len(messages) + ["error", "close"], log
    assert [entry[1:] for entry in log if entry[0] == "msg"] == messages
    assert log[-2][1], "the error says what was wrong"


def test_head_requests_have_no_body(client):
    """The client knows from its own request that no body follows, and goes on."""

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(OK + "Content-Length: 500\r\n\r\n")
        raw.recv_exactly_head()
        raw.send(OK + "Content-Length: 2\r\n\r\nhi")
        return raw.closed()

    with Server(talk) as server:
        client.exec(f"fetch({server.port}, 'HEAD / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')")
        client.until("('msg', 200, b'') in log")
        client.exec(f"conns[0].send({GET!r})")
        client.until("('msg', 200, b'hi') in log")
        client.exec("conns[0].close()")
    client.until("('close',) in log")


def test_pipelined_requests(client):
    """Answers match the requests in order: 204, HEAD, GET."""

    def talk(raw):
        for _ in range(3):
            raw.recv_exactly_head()
        raw.send(
            "HTTP/1.1 204 No\r\n\r\n"
            + OK
            + "Content-Length: 7\r\n\r\n"
            + OK
            + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        )
        return raw.closed()

    request = GET + GET.replace("GET", "HEAD") + GET
    with Server(talk) as server:
        client.exec(f"fetch({server.port}, {request!r})")
        client.until("len([e for e in log if e[0] == 'msg']) == 3")
        client.exec("conns[0].close()")
    client.until("('close',) in log")
    assert [entry[1:] for entry in client.eval("log") if entry[0] == "msg"] == [
        (204, b""),
        (200, b""),
        (200, b"hi"),
    ]


def test_response_byte_by_byte(client):
    def talk(raw):
        raw.recv_exactly_head()
        raw.send_slowly(OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n")

    with Server(talk) as server:
        client.exec(f"fetch({server.port}, {GET!r})")
        client.until("('close',) in log")
    assert client.eval("log[-2:]") == [("msg", 200, b"hello"), ("close",)]


def test_fields_of_a_response(client):
    def talk(raw):
        raw.recv_exactly_head()
        raw.send(
            "HTTP/1.1 404 Not Found Here\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 2\r\n\r\n\xc3\xa4"
        )
        raw.closed()

    with Server(talk) as server:
        client.exec(f"fetch({server.port}, {GET!r})\nconns[0].userdata = seen = [None]")
        client.until("len(seen) == 2")
        client.exec("conns[0].close()")
    proto, method, uri, query, headers, text = client.eval("seen[1]")
    assert (method, uri, proto) == ("HTTP/1.1", "404", "Not Found Here"), "in Mongoose's order"
    assert (query, text) == ("", "\xe4")
    assert [tuple(h) for h in headers] == [("X-One", "1"), ("x-one", "2"), ("Content-Length", "2")]
    client.until("('close',) in log")


def test_headers_event_comes_first(client):
    release = threading.Event()

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(OK + "Content-Length: 2\r\n\r\nh")
        release.wait(seconds())
        raw.send("i")

    with Server(talk) as server:
        client.exec(f"fetch({server.port}, {GET!r})")
        client.until("('hdrs', 200, b'') in log")
        assert client.eval("log") == [("connect",), ("hdrs", 200, b"")]
        release.set()
        client.until("('close',) in log")
    assert client.eval("log[2]") == ("msg", 200, b"hi")


def test_connection_close_is_kept_by_the_server_only(client):
    """The server closes after its answer, as it said; that is no error."""

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(OK + "Connection: close\r\nContent-Length: 2\r\n\r\nhi")

    with Server(talk) as server:
        client.exec(f"fetch({server.port}, {GET!r})")
        client.until("('close',) in log")
    assert "error" not in [entry[0] for entry in client.eval("log")]


def test_silent_close_of_an_idle_connection_is_no_error(client):
    def talk(raw):
        raw.recv_exactly_head()
        raw.send(OK + "Content-Length: 2\r\n\r\nhi")
        raw.half_close()
        return raw.closed()

    with Server(talk) as server:
        client.exec(f"fetch({server.port}, {GET!r})")
        client.until("('close',) in log")
    assert [entry[0] for entry in client.eval("log")] == ["connect", "hdrs", "msg", "close"]


def test_refused(client):
    client.exec(f"fetch({free_port()}, {GET!r})")
    client.until("('close',) in log")
    log = client.eval("log")
    assert [entry[0] for entry in log] == ["error", "close"] and "refused" in log[0][1].lower()


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = f"{self.command} {self.path} {self.headers['Host']} ".encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_):
        pass


def test_against_the_standard_librarys_server(client):
    with http.server.ThreadingHTTPServer((here(), 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client.exec(
            f"fetch({server.server_port}, "
            "'POST /a?b HTTP/1.1\\r\\nHost: h\\r\\nContent-Length: 3\\r\\n\\r\\nxyz')"
        )
        client.until("('msg', 200, b'POST /a?b h xyz') in log")
        client.exec(
            "conns[0].send('POST /2 HTTP/1.1\\r\\nHost: h\\r\\nContent-Length: 0\\r\\n\\r\\n')"
        )
        client.until("('msg', 200, b'POST /2 h ') in log")
        client.exec("conns[0].close()")
        client.until("('close',) in log")
        server.shutdown()
        thread.join(seconds())


@pytest.mark.parametrize("deadline", ["head", "body", "gap"])
def test_server_that_stalls(device, target, deadline):
    running = device(
        CLIENT.replace("max_head=4096", "head_timeout=250, body_timeout=250"),
        max_body=max_body(target),
    )

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(
            {"head": "HTTP/1.1 2", "body": OK + "Content-Length: 5\r\n\r\nhel", "gap": ""}[deadline]
        )
        return raw.closed()

    with Server(talk) as server:
        running.exec(f"fetch({server.port}, {GET!r})")
        if deadline == "gap":
            # A server may think for as long as it likes before it answers: the program decides.
            running.exec("[m.poll(20) for n in range(30)]")
            assert [entry[0] for entry in running.eval("log")] == ["connect"]
            running.exec("conns[0].close()")
        running.until("('close',) in log")
    kinds = [entry[0] for entry in running.eval("log") if entry[0] != "hdrs"]
    assert kinds == (["connect", "close"] if deadline == "gap" else ["connect", "error", "close"])
    assert server.results == [True]


BEHIND = """
def handler(c, ev, data):
    global raised
    if ev == MG_EV_CONNECT:
        c.send("GET /1 HTTP/1.1\\r\\nHost: d\\r\\n\\r\\n")
        c.http_basic_auth("user", "word")
        c.userdata = "armed"
        try:
            c.send(second)
        except Error as e:
            raised = e.errno
        c.drain()
    elif ev == MG_EV_WRITE and c.userdata == "armed":
        c.userdata = None
        if PARAMS["what"] == "change":
            try:
                second[:] = b"X" * 5000
            except BufferError:
                pass  # CPython holds it
        elif PARAMS["what"] == "request":
            c.http_request("GET", "/3")
        else:
            c.close()
        keep.append([bytearray(b"garbage!" * 20) for _ in range(50)])

keep, raised = [], None
second = bytearray(b"GET /2 HTTP/1.1\\r\\nHost: d\\r\\n\\r\\n")
m = Manager(handler)
m.connect(peer("http", PARAMS["port"]))
poll_until(m, lambda: not m.connections)
print("REFUSED", raised)
m.close()
keep = None
"""


@pytest.mark.parametrize("what", ["change", "request", "close"])
def test_what_waits_is_sent_ahead_of_credentials(device, what):
    """MG_EV_WRITE comes inside of that send(), and its handler may do anything."""
    with Server(lambda raw: raw.recv_all()) as server:
        script = device(BEHIND, port=server.port, what=what)
        raised = script.expect("REFUSED")
    (got,) = server.results
    assert got.startswith(b"GET /1 HTTP/1.1\r\nHost: d\r\n\r\n")
    assert b"garbage" not in got and b"XXX" not in got
    if what == "change":
        assert raised == "None"
        assert b"GET /2 HTTP/1.1\r\nAuthorization: Basic dXNlcjp3b3Jk\r\n" in got
    elif what == "request":
        assert raised == "11", "EAGAIN"
        assert b"GET /3 HTTP/1.1\r\n" in got and got.count(b"Authorization: Basic") == 1
        assert b"GET /2" not in got
    else:
        assert raised == "32", "EPIPE"
