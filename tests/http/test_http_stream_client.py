# SPDX-License-Identifier: GPL-2.0-only
"""http_stream_body() of a client: responses in pieces."""

import pytest
from peers.clients import Server

ERROR = "HTTP body is larger than max_size, 10 bytes"

CLIENT = r"""
log = []

def handler(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.send(request)
    elif ev == MG_EV_HTTP_HDRS:
        c.http_stream_body(max_size=limit)
        log.append(("HDRS", data.status()))
    elif ev == MG_EV_HTTP_BODY:
        got.append(data)
        if interrupting:
            raise KeyboardInterrupt
    elif ev == MG_EV_HTTP_MSG:
        log.append(("MSG", data.status(), data.header("X-Mark"), data.body_bytes, b"".join(got)))
        del got[:]
    elif ev == MG_EV_ERROR:
        log.append(("ERROR", data))
    elif ev == MG_EV_CLOSE:
        log.append(("CLOSE",))

def fetch(port, text, max_size):
    global request, limit
    request, limit = text, max_size
    del log[:], got[:]
    m.connect(peer("http", port), handler)

got = []
interrupting = False
m = Manager(max_body=100)
serve(m)
"""

OK = "HTTP/1.1 200 OK\r\nX-Mark: {}\r\n"
GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def answers(client, response, request=GET, max_size=0, pieces=None):
    def talk(raw):
        for _ in range(request.count("\r\n\r\n")):
            raw.recv_exactly_head()
        raw.send(response) if pieces is None else raw.send_slowly(response, pieces)

    with Server(talk) as server:
        client.exec(f"fetch({server.port}, {request!r}, {max_size})")
        client.until("('CLOSE',) in log")
    return client.eval("log")


@pytest.fixture
def client(shared):
    return shared(CLIENT)


@pytest.mark.parametrize("pieces", [None, 1])
def test_responses_in_pieces(client, pieces):
    body = "x" * 150
    length = OK.format("a") + f"Content-Length: 150\r\n\r\n{body}"
    chunks = OK.format("b") + f"Transfer-Encoding: chunked\r\n\r\n96\r\n{body}\r\n0\r\n\r\n"
    close = OK.format("c") + "\r\n" + body
    found = answers(client, length + chunks + close, GET * 3, pieces=pieces)
    wanted = []
    for mark in "abc":
        wanted += [("HDRS", 200), ("MSG", 200, mark, b"", body.encode())]
    assert found == [*wanted, ("CLOSE",)]


def test_responses_without_a_body(client):
    head = OK.format("a") + "Content-Length: 5\r\n\r\n"
    found = answers(client, head + "HTTP/1.1 204 No\r\n\r\n", GET.replace("GET", "HEAD") + GET)
    assert [e[:2] for e in found] == [
        ("HDRS", 200),
        ("MSG", 200),
        ("HDRS", 204),
        ("MSG", 204),
        ("CLOSE",),
    ]


@pytest.mark.parametrize(
    "response",
    [
        OK + "Content-Length: 11\r\n\r\nhello world",
        OK + "Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
        OK + "\r\nhello world",
    ],
)
def test_a_response_beyond_max_size(client, response):
    found = answers(client, response, max_size=10)
    assert found[0] == ("HDRS", 200)
    assert found[1:] == [("ERROR", ERROR), ("CLOSE",)]
    found = answers(client, response, max_size=11)
    assert found[1][4] == b"hello world"


@pytest.mark.parametrize(
    "response",
    [
        OK + "Content-Length: 11\r\n\r\nhello",
        OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_a_response_that_is_cut(client, response):
    found = answers(client, response)
    assert found[1:] == [("ERROR", "connection closed inside an HTTP response"), ("CLOSE",)]


INTERRUPTED = """
def interrupted(port, text):
    # How often KeyboardInterrupt left poll() until the connection was closed.
    global interrupting
    fetch(port, text, 0)
    interrupting = True
    count = 0
    for _ in range(2000):
        try:
            m.poll(5)
        except KeyboardInterrupt:
            count += 1
        if ("CLOSE",) in log:
            break
    interrupting = False
    return count
"""


def test_interrupt_inside_a_body_handler(client):
    """An exception that leaves poll() keeps the place: the next poll() goes on with the body."""
    client.exec(INTERRUPTED)

    def talk(raw):
        raw.recv_exactly_head()
        raw.recv_exactly_head()
        raw.send((OK.format("a") + "Content-Length: 5\r\n\r\nhello") * 2)

    with Server(talk) as server:
        assert client.eval(f"interrupted({server.port}, {GET * 2!r})") == 2
    wanted = [("HDRS", 200), ("MSG", 200, "a", b"", b"hello")] * 2
    assert client.eval("log") == [*wanted, ("CLOSE",)]
