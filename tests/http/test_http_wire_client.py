# SPDX-License-Identifier: GPL-2.0-only
"""HTTP as real servers speak it, to our client: last responses, early ones, tunnels, old servers."""

import threading

import pytest
from peers.clients import Server, seconds

CLIENT = """
import time
log = []
conns = []
told = []

def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        log.append(("msg", m.status(), m.body_bytes))
        if c.userdata == "again":
            again(c)
        elif c.userdata == "busy" and len(log) == 1:
            # What comes meanwhile lies in the socket.
            print("BUSY")
            while not told:
                _command()  # of the host, which knows
            time.sleep(PARAMS["pause"])  # until it is here
            again(c, "send")
    elif ev == MG_EV_READ and c.userdata == "tunnel" and log and log[-1][0] == "msg":
        data = c.recv()
        if data:
            log.append(("read", data))
    elif ev == MG_EV_ERROR:
        log.append(("error", m))
    elif ev == MG_EV_CLOSE:
        log.append(("close",))

def again(c, how="http_request"):
    try:
        if how == "send":
            c.send("GET /again HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        else:
            c.http_request("GET", "/again")
        log.append(("sent",))
    except Error as e:
        log.append(("refused", str(e)))

def start(port, userdata=None, method="GET", target="/"):
    del log[:], conns[:], told[:]
    conns.append(m.connect(peer("http", port), handler))
    conns[0].userdata = userdata
    if method:
        conns[0].http_request(method, target)

def by_hand(port, ahead, end, *lines):
    start(port, None, None)
    if ahead:
        conns[0].http_basic_auth("me", "secret")
    for line in lines:
        conns[0].send(line + end)
    if not ahead:
        conns[0].http_basic_auth("me", "secret")
    conns[0].send(end)

def two(port):
    start(port, None, None)
    conns[0].http_request("GET", "/", headers={"Connection": "close"})
    again(conns[0])

m = Manager(max_head=4096)
serve(m)
"""


@pytest.fixture
def client(shared, target):
    return shared(CLIENT, pause=target.size(0.3, 2))


def served(client, response, *args):
    """The client's log; it was sent `response` after its request."""

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(response)
        raw.closed()

    with Server(talk) as server:
        client.exec(f"start({server.port}, *{args!r})")
        client.until("log and log[-1][0] in ('close', 'sent')")
        client.exec("conns[0].close()")
    client.until("('close',) in log")
    return client.eval("log")


ENDS = {
    "close": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    "old": "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "old-chunked": "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    "2\r\nhi\r\n0\r\n\r\n",
    "other-line": "HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
}


@pytest.mark.parametrize("case", ENDS)
def test_no_request_follows_the_last_response(client, case):
    log = served(client, ENDS[case], "again")
    assert [entry[0] for entry in log] == ["msg", "refused", "close"]
    assert log[0] == ("msg", 200, b"hi")
    assert "Connection: close" in log[1][1]


def test_the_answer_comes_whatever_is_asked_behind_the_last_request(client):
    def talk(raw):
        raw.recv_exactly_head()
        raw.send(ENDS["close"])
        raw.closed()

    with Server(talk) as server:
        client.exec(f"two({server.port})")
        client.until("('close',) in log")
    assert [entry[0] for entry in client.eval("log")] == ["refused", "msg", "close"]


def test_a_connection_that_stays(client):
    stays = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"
    assert [entry[0] for entry in served(client, stays, "again")][:2] == ["msg", "sent"]


def test_what_came_early_is_no_answer(client):
    """Bytes that stand in the socket before the request is made, and in the buffer."""
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

    def early(raw):
        raw.send(answer + "no")
        raw.closed()

    with Server(early) as server:
        client.exec(f"start({server.port}, None, None)")
        client.until("('close',) in log")
    assert client.eval("log")[0] == ("error", "HTTP response that no request asked for")
    log = served(client, answer + "hi" + answer + "no", "again")
    assert [entry[0] for entry in log if entry[0] != "sent"] == ["msg", "error", "close"]


def test_what_came_early_is_no_answer_to_what_was_sent_by_hand(client):
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    is_busy, sent = threading.Event(), threading.Event()

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(answer + "hi")
        assert is_busy.wait(seconds())
        raw.send(answer + "no")
        sent.set()
        return raw.closed()

    with Server(talk) as server:
        client.exec(f"start({server.port}, 'busy')")
        client.expect("BUSY")
        is_busy.set()
        assert sent.wait(seconds())
        client.exec("told.append(1)")
        client.until("('close',) in log")
    assert server.results == [True]
    log = client.eval("log")
    assert [entry[0] for entry in log] == ["msg", "refused", "close"]
    assert "nobody asked for" in log[1][1]


def test_connect_is_raw_afterwards(client):
    response = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n"

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(response)
        raw.send("raw bytes")
        raw.closed()

    with Server(talk) as server:
        client.exec(f"start({server.port}, 'tunnel', 'CONNECT', 'far:80')")
        client.until("sum(len(entry[1]) for entry in log if entry[0] == 'read') == 9")
        client.exec("conns[0].close()")
    assert client.eval("log")[0] == ("msg", 200, b"")


LENIENT = {
    "folded": "HTTP/1.1 200 OK\r\nX: a\r\n  b\r\nContent-Length: 2\r\n\r\nhi",
    "bare-lf": "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    "lengths-list": "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
    "lengths-lines": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "expect-and-host": "HTTP/1.1 200 OK\r\nExpect: tea\r\nHost: a b\r\nHost: c\r\nContent-Length: 2\r\n\r\nhi",
}


@pytest.mark.parametrize("case", LENIENT)
def test_what_old_servers_send(client, case):
    log = served(client, LENIENT[case], "again")
    assert log[0] == ("msg", 200, b"hi")


REFUSED = {
    "lengths-differ": (
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "invalid",
    ),
    "65-headers": ("HTTP/1.1 200 OK\r\n" + "A: b\r\n" * 65 + "\r\n", "more than 64 headers"),
    "folded-first": ("HTTP/1.1 200 OK\r\n X: a\r\n\r\n", "invalid"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_client_refuses(client, case):
    response, text = REFUSED[case]
    log = served(client, response)
    assert [entry[0] for entry in log] == ["error", "close"]
    assert text in log[0][1]


HEADS = {
    "host": ("\r\n", "GET / HTTP/1.1", "Host: x"),
    "none": ("\r\n", "GET / HTTP/1.1"),
    "bare-lf": ("\n", "GET / HTTP/1.1", "Host: x"),
    "bare-lf-none": ("\n", "GET / HTTP/1.1"),
    "blank-line": ("\r\n", "\r\nGET / HTTP/1.1", "Host: x"),
    "blank-line-none": ("\r\n", "\r\nGET / HTTP/1.1"),
    "bare-lf-blank-lines": ("\n", "\n\nGET / HTTP/1.1"),
}


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("case", HEADS)
def test_credentials_complete_a_head_by_hand(client, case, ahead):
    end = HEADS[case][0]

    def talk(raw):
        head = ""
        while 2 * end not in head.lstrip():
            head += raw.recv(4096).decode()
        raw.send(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(head)}\r\n\r\n")
        raw.send(head)
        raw.closed()

    with Server(talk) as server:
        client.exec(f"by_hand({server.port}, {ahead}, *{HEADS[case]!r})")
        client.until("('close',) in log")
    head = client.eval("log")[0][2].decode()
    assert head.lstrip().startswith("GET / HTTP/1.1" + end)
    assert "Authorization: Basic bWU6c2VjcmV0\r\n" in head
    assert head.count("Host:") == 1
    assert head.endswith(2 * end)
