# SPDX-License-Identifier: GPL-2.0-only
"""http_request(): what it sends, and conversations with servers nobody here wrote."""

import hashlib
import threading

import h11
import pytest
import uvicorn
from peers.clients import Server, listen, seconds

CLIENT = r"""
log = []

def handler(c, ev, data):
    if ev == MG_EV_CONNECT:
        log.append("CONNECT")
    elif ev == MG_EV_HTTP_MSG:
        log.append((data.status(), data.header("X-Seen"), data.body_text))
    elif ev == MG_EV_ERROR:
        log.append("ERROR " + data)
    elif ev == MG_EV_CLOSE:
        log.append("CLOSE")

def connect(port, path=""):
    global c
    del log[:]
    c = m.connect(peer("http", port) + path, handler)

m = Manager()
serve(m)
"""


@pytest.fixture
def client(shared):
    return shared(CLIENT)


# ---- What goes out ----------------------------------------------------------------------------------


def parsed(data):
    """The requests in these bytes as h11 reads them: (method, target, headers, body)."""
    connection, found = h11.Connection(h11.SERVER), []
    connection.receive_data(data)
    while connection.next_event is not None:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            headers = [(k.decode(), v.decode()) for k, v in event.headers.raw_items()]
            found.append([event.method.decode(), event.target.decode(), headers, b""])
        elif isinstance(event, h11.Data):
            found[-1][3] += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE:
                return found
            connection.start_next_cycle()
        else:
            assert event is h11.NEED_DATA, event
            return found


def sent(client, target, code, mark):
    """What these calls on a fresh connection `c` put on the wire, up to a mark."""
    with Server(lambda raw: raw.recv_until(mark)) as server:
        client.exec(f"connect({server.port})\nc.http_request('GET', '/mark')\n{code}")
        client.until("'CLOSE' in log")
        host = ("Host", f"{target.peer}:{server.port}")
    (first, *rest) = parsed(server.results[0])
    assert first == ["GET", "/mark", [host], b""]
    return host, rest


CALLS = {
    "get": ("c.http_request('GET', '/a?b=c%20d')", [["GET", "/a?b=c%20d", [], b""]]),
    "post": (
        "c.http_request('POST', '/', 'h\\u00e9')",
        [["POST", "/", [("Content-Length", "3")], "h\u00e9".encode()]],
    ),
    "post-empty": (
        "c.http_request('POST', '/')",
        [["POST", "/", [("Content-Length", "0")], b""]],
    ),
    "binary": (
        "c.http_request('PUT', '/', b'\\0\\xff')",
        [["PUT", "/", [("Content-Length", "2")], b"\0\xff"]],
    ),
    "headers": (
        "c.http_request('GET', '/', headers=[('X-A', 1), ('Accept', '*/*')])",
        [["GET", "/", [("X-A", "1"), ("Accept", "*/*")], b""]],
    ),
    "pairs": (
        "c.http_request('GET', '/', b'', [('X', 'a'), ('X', 'b')])",
        [["GET", "/", [("X", "a"), ("X", "b")], b""]],
    ),
    "chunked": (
        "c.http_request('POST', '/', 'first', {'Transfer-Encoding': 'chunked'})\n"
        "c.http_chunk('second')\nc.http_chunk('')",
        [["POST", "/", [("Transfer-Encoding", "chunked")], b"firstsecond"]],
    ),
    "chunked-empty": (
        "c.http_request('POST', '/', headers={'Transfer-Encoding': 'chunked'})\nc.http_chunk('')",
        [["POST", "/", [("Transfer-Encoding", "chunked")], b""]],
    ),
    "promised": (
        "c.http_request('PUT', '/', 'ab', {'Content-Length': 5})\nc.send('cd')\nc.send('e')",
        [["PUT", "/", [("Content-Length", "5")], b"abcde"]],
    ),
    "options": ("c.http_request('OPTIONS', '*')", [["OPTIONS", "*", [], b""]]),
    "absolute": ("c.http_request('GET', 'http://a/b')", [["GET", "http://a/b", [], b""]]),
}


@pytest.mark.parametrize("case", CALLS)
def test_what_goes_out(client, target, case):
    code, wanted = CALLS[case]
    host, found = sent(
        client, target, f"{code}\nc.http_request('GET', '/end')", b"GET /end HTTP/1.1\r\nHost"
    )
    for request in found:  # Host may stand anywhere
        assert request[2].count(host) == 1
        request[2].remove(host)
    assert found[:-1] == wanted or (len(found) == len(wanted) and found == wanted)


def test_own_host_and_connection_close(client, target):
    code = "c.http_request('GET', '/x', headers={'hOST': 'other', 'Connection': 'close'})"
    host, found = sent(client, target, code, b"Connection: close\r\n\r\n")
    assert found == [["GET", "/x", [("hOST", "other"), ("Connection", "close")], b""]]


def test_credentials_are_for_the_next_request(client, target):
    code = (
        "c.http_basic_auth('Aladdin', 'open sesame')\n"
        "c.http_request('GET', '/x')\nc.http_request('GET', '/y')\n"
        "c.http_basic_auth('a', 'b')\n"
        "c.http_request('GET', '/z', headers={'Authorization': 'Bearer t'})\n"
        "c.http_request('DELETE', '/end')"
    )
    host, found = sent(client, target, code, b"DELETE /end HTTP/1.1\r\nHost")
    basic = ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    assert found[0] == ["GET", "/x", [host, basic], b""]
    assert found[1] == ["GET", "/y", [host], b""]
    assert found[2] == ["GET", "/z", [("Authorization", "Bearer t"), host], b""]


WRONG = [
    ("c.http_request()", "TypeError"),
    ("c.http_request('GET')", "TypeError"),
    ("c.http_request(5, '/')", "TypeError"),
    ("c.http_request('GET', b'/')", "TypeError"),
    ("c.http_request('GET', '/', 5)", "TypeError"),
    ("c.http_request('GET', '/', '', 5)", "TypeError"),
    ("c.http_request('', '/')", "ValueError"),
    ("c.http_request('G T', '/')", "ValueError"),
    ("c.http_request('get', '/')", "ValueError"),
    ("c.http_request('GET', '')", "ValueError"),
    ("c.http_request('GET', 'path')", "ValueError"),
    ("c.http_request('GET', '/a b')", "ValueError"),
    ("c.http_request('GET', '/a#b')", "ValueError"),
    ("c.http_request('GET', '/a\\r\\nX: y')", "ValueError"),
    ("c.http_request('GET', '/a\\0')", "ValueError"),
    ("c.http_request('GET', '/\\u20ac')", "ValueError"),
    ("c.http_request('GET', '/', '', {'A': 'b\\r\\nC: d'})", "ValueError"),
    ("c.http_request('GET', '/', '', {'A b': 'c'})", "ValueError"),
    ("c.http_request('GET', '/', '', [('Host', 'a'), ('Host', 'b')])", "ValueError"),
    ("c.http_request('PUT', '/', 'abc', {'Content-Length': 2})", "ValueError"),
    (
        "c.http_request('PUT', '/', 'a', {'Content-Length': 1, 'Transfer-Encoding': 'chunked'})",
        "ValueError",
    ),
    ("c.http_request('PUT', '/', 'a', {'Transfer-Encoding': 'gzip'})", "ValueError"),
    ("c.http_chunk('x')", "ValueError"),
    ("raw.http_request('GET', '/')", "ValueError"),
    ("listener.http_request('GET', '/')", "ValueError"),
    (
        "(c.http_request('PUT', '/', 'a', {'Content-Length': 2}), c.http_request('GET', '/'))",
        "Error",
    ),
    ("[c.http_request('GET', '/') for _ in range(33)]", "Error"),
]


@pytest.mark.parametrize("call, kind", WRONG)
def test_wrong_calls_send_nothing(client, call, kind):
    client.exec(
        "m2 = Manager()\nlistener = m2.listen(url('http'))\n"
        "raw = m2.connect(url('tcp', port_of(listener)))\nc = m2.connect(url('http', port_of(listener)))"
    )
    client.exec(f"raises({kind}, lambda: {call})")
    length = client.eval("c.send_len")
    if kind == "Error":
        assert length > 0
    else:
        assert length == 0
    client.exec("m2.close()\nraises(Error, c.http_request, 'GET', '/')")


# ---- Real servers -----------------------------------------------------------------------------------


async def application(scope, receive, send):
    """Answers with the hash of the body, its length, and the request line."""
    if scope["type"] != "http":
        return
    digest, size = hashlib.sha256(), 0
    while True:
        message = await receive()
        digest.update(message.get("body", b""))
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    path = scope["path"]
    status = {"/none": 204, "/moved": 302, "/unchanged": 304}.get(path, 200)
    headers = [(b"x-seen", f"{scope['method']} {path} {size}".encode())]
    if path == "/moved":
        headers.append((b"location", b"/there"))
    if path == "/length":
        headers.append((b"content-length", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if path == "/length":
        await send({"type": "http.response.body", "body": b"12345"})
    elif path == "/chunks":
        for n in range(100):
            await send({"type": "http.response.body", "body": b"%d;" % n, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        body = b"" if status != 200 else digest.hexdigest().encode()
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def real():
    """The port of a uvicorn."""
    listener = listen()
    config = uvicorn.Config(application, http="h11", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(seconds())


EMPTY = hashlib.sha256().hexdigest()


def test_many_requests_on_one_connection(client, target, real):
    size = target.size(100000, 20000)
    client.exec(f"connect({real})")
    client.exec(
        "for path in ('/a', '/length', '/chunks', '/none', '/unchanged', '/moved'):\n c.http_request('GET', path)"
    )
    client.exec("c.http_request('HEAD', '/length')")
    client.exec(f"c.http_request('POST', '/b', 'x' * {size})")
    client.until("len(log) == 9")
    chunks = "".join(f"{n};" for n in range(100))
    assert client.eval("log") == [
        "CONNECT",
        (200, "GET /a 0", EMPTY),
        (200, "GET /length 0", "12345"),
        (200, "GET /chunks 0", chunks),
        (204, "GET /none 0", ""),
        (304, "GET /unchanged 0", ""),
        (302, "GET /moved 0", ""),
        (200, "HEAD /length 0", ""),
        (200, f"POST /b {size}", hashlib.sha256(b"x" * size).hexdigest()),
    ]
    client.exec("c.http_request('GET', '/last', headers={'Connection': 'close'})")
    client.until("log[-1] == 'CLOSE'")
    assert client.eval("log[-2:]") == [(200, "GET /last 0", EMPTY), "CLOSE"]


UPLOAD = r"""
def upload(port, blocks, size, chunked):
    # A large body with back-pressure: never much is queued.
    state = {"n": 0, "most": 0}
    def more(c):
        while state["n"] < blocks and c.send_len < 3 * size:
            block = bytes([state["n"] % 251]) * size
            c.http_chunk(block) if chunked else c.send(block)
            state["n"] += 1
            state["most"] = max(state["most"], c.send_len)
            if state["n"] == blocks and chunked:
                c.http_chunk("")
    def handle(c, ev, data):
        if ev == MG_EV_CONNECT:
            length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": blocks * size}
            c.http_request("PUT", "/up", headers=length)
            more(c)
        elif ev == MG_EV_WRITE:
            more(c)
        elif ev == MG_EV_HTTP_MSG:
            log.append((data.header("X-Seen"), data.body_text, state["most"]))
            c.close()
        elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
            log.append((event_name(ev), data))
    del log[:]
    m.connect(peer("http", port), handle)
"""


@pytest.mark.parametrize("chunked", [True, False])
def test_a_large_request_body(client, target, real, chunked):
    blocks, size = target.size(160, 40), target.size(65536, 2048)
    client.exec(UPLOAD)
    client.exec(f"upload({real}, {blocks}, {size}, {chunked})")
    client.until("len(log) == 2", 30)
    digest = hashlib.sha256(b"".join(bytes([n % 251]) * size for n in range(blocks))).hexdigest()
    seen, found, most = client.eval("log[0]")
    assert (seen, found) == (f"PUT /up {blocks * size}", digest)
    assert most < 4.5 * size
