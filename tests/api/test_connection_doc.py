# SPDX-License-Identifier: GPL-2.0-only
"""The usual ways to use a Connection, as its reference shows them: one small program each."""

import ast
import base64
import json
import subprocess

import httpx
import pytest
from peers.clients import Raw, Server, seconds
from websockets.sync.client import connect


def base(device):
    return "http://{}:{}".format(*device.reach(device.port()))


def ws_uri(device, path):
    return "ws://{}:{}{}".format(*device.reach(device.port()), path)


def test_lifecycle(device, target):
    running = device(
        """
def handler(conn, ev, data):
    if ev == MG_EV_ACCEPT:
        print("ACCEPTED", conn.remote_addr)
    elif ev == MG_EV_CONNECT:
        print("CONNECTED", conn.remote_addr)
        conn.send("hi")
    elif ev == MG_EV_CLOSE:
        print("CLOSED", conn.id, conn.is_client)

m = Manager(handler)
announce("PORT", m.listen(url("tcp")))
serve(m)
"""
    )
    with Raw(running.reach(running.port())) as raw:
        seen = ast.literal_eval(running.expect("ACCEPTED"))
        mine = (target.peer, raw.socket.getsockname()[1], False)
        assert seen[::2] == mine[::2] and (seen[1] == mine[1] or not running.sees_ports)
    assert running.expect("CLOSED").endswith("False")
    with Server(lambda raw: raw.recv_exactly(2)) as host:
        running.exec(f"m.connect(peer('tcp', {host.port}))")
        assert running.expect("CONNECTED") == repr((target.peer, host.port, False))
        assert running.expect("CLOSED").endswith("True")
    assert host.results == [b"hi"]


def test_addresses(device, target):
    running = device(
        """
def handler(conn, ev, data):
    if ev == MG_EV_ACCEPT:
        local_ip, local_port, is_ipv6 = conn.local_addr
        remote_ip, remote_port, is_ipv6 = conn.remote_addr
        conn.send(f"{local_ip}:{local_port} {remote_ip}:{remote_port} {is_ipv6}")
        conn.drain()

m = Manager(handler)
announce("PORT", m.listen(url("tcp")))
serve(m)
"""
    )
    with Raw(running.reach(running.port())) as raw:
        theirs, mine, is_ipv6 = raw.recv_all().decode().split()
        assert theirs == f"{running.host}:{running.port()}"
        assert mine.split(":")[0] == target.peer and is_ipv6 == "False"
        if running.sees_ports:
            assert mine.split(":")[1] == str(raw.socket.getsockname()[1])


def test_flow_control(device, target):
    take, give = target.size(150000, 6000), target.size(12000000, 24000)
    running = device(
        """
seen = set()

def handler(conn, ev, data):
    if ev == MG_EV_READ:
        if conn.recv_len > PARAMS["take"] * 2 // 3:
            seen.add("much")
        if conn.is_full:
            seen.add("full")
            conn.send(b"x" * PARAMS["give"])
            conn.recv()
    elif ev == MG_EV_WRITE:
        if conn.send_len > 0:
            seen.add("sending")

m = Manager(handler, max_recv=PARAMS["take"])
announce("PORT", m.listen(url("tcp")))
serve(m)
""",
        take=take,
        give=give,
    )
    # More than the buffers of a loopback connection hold.
    with Raw(running.reach(running.port())) as raw:
        raw.send(b"y" * take)
        assert raw.recv_exactly(give) == b"x" * give
    assert running.eval("sorted(seen)") == ["full", "much", "sending"]


def test_send_bytes_and_text(device):
    running = device(
        """
def handler(conn, ev, data):
    if ev == MG_EV_ACCEPT:
        conn.send(b"Hello, World!")
        conn.send("Hello, W\\u00f6rld!")
        conn.drain()

m = Manager(handler)
announce("PORT", m.listen(url("tcp")))
serve(m)
"""
    )
    with Raw(running.reach(running.port())) as raw:
        assert raw.recv_all() == "Hello, World!Hello, W\xf6rld!".encode()


WEB = """
import json

def handler(conn, ev, data):
    if ev != MG_EV_HTTP_MSG:
        return
    if data.uri == "/simple":
        conn.reply(200, b"OK")
    elif data.uri == "/json":
        data = {"status": "ok", "count": 42}
        conn.reply(200, json.dumps(data).encode(),
                   headers={"Content-Type": "application/json"})
    elif data.uri == "/html":
        conn.reply(200, b"<html><body>Hello</body></html>",
                   headers={"Content-Type": "text/html"})
    elif data.uri == "/chunks":
        conn.reply(200, "", headers={"Transfer-Encoding": "chunked"})
        conn.http_chunk("First chunk\\n")
        conn.http_chunk("Second chunk\\n")
        conn.http_chunk("Third chunk\\n")
        conn.http_chunk("")
    elif data.uri == "/events":
        conn.reply(200, "", headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache",
        })
        conn.http_sse("message", "Hello from server")
        conn.http_sse("update", json.dumps({"value": 42}))
        streams.append(conn)
    elif data.uri == "/goodbye":
        conn.reply(200, b"Goodbye!")
        conn.drain()

streams = []
m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""


def test_replies(shared):
    device = shared(WEB)
    with httpx.Client(base_url=base(device)) as client:
        assert client.get("/simple").text == "OK"
        answer = client.get("/json")
        assert answer.json() == {"status": "ok", "count": 42}
        assert answer.headers["content-type"] == "application/json"
        answer = client.get("/html")
        assert answer.text == "<html><body>Hello</body></html>"
        assert answer.headers["content-type"] == "text/html"


def test_chunks(shared):
    answer = httpx.get(base(shared(WEB)) + "/chunks")
    assert answer.text == "First chunk\nSecond chunk\nThird chunk\n"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers


def test_event_stream_stays_open(shared):
    """Events that come later, from outside the handler, reach the same client."""
    device = shared(WEB)
    with httpx.stream("GET", base(device) + "/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-cache"
        assert "content-length" not in answer.headers
        lines = answer.iter_lines()
        first = [next(lines) for _ in range(6)]
        assert first[:2] == ["event: message", "data: Hello from server"]
        assert json.loads(first[4].removeprefix("data: ")) == {"value": 42}
        device.exec("streams[0].http_sse('later', 'still here')")
        assert [next(lines) for _ in range(2)] == ["event: later", "data: still here"]
        device.exec("streams.pop().drain()")
        assert list(lines) == [""]


def test_drain_sends_and_closes(shared):
    device = shared(WEB)
    with Raw(device.reach(device.port())) as raw:
        answer = raw.ask("GET /goodbye HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.body == b"Goodbye!"
        assert raw.closed()


@pytest.mark.needs("host-files")
def test_static_files(device, tmp_path):
    public = tmp_path / "public"
    public.mkdir()
    (public / "static").mkdir()
    (public / "static" / "style.css").write_text("body {}")
    (public / "favicon.ico").write_bytes(b"\0\0\1\0")
    running = device(
        """
def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if data.uri.startswith("/static/"):
            conn.serve_dir(data, PARAMS["public"])
        elif data.uri == "/favicon.ico":
            conn.serve_file(data, PARAMS["public"] + "/favicon.ico")
        else:
            conn.reply(200, b"Hello!")
            conn.drain()

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
""",
        public=str(public),
    )
    with httpx.Client(base_url=base(running)) as client:
        answer = client.get("/static/style.css")
        assert answer.text == "body {}" and answer.headers["content-type"].startswith("text/css")
        assert client.get("/favicon.ico").content == b"\0\0\1\0"
        assert client.get("/static/none.css").status_code == 404
        assert client.get("/else").text == "Hello!"


WEBSOCKET = """
def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if data.uri == "/ws":
            conn.ws_upgrade(data)
        elif data.uri == "/switch":
            conn.set_handler(websocket_handler)
            conn.ws_upgrade(data)
    elif ev == MG_EV_WS_MSG:
        if data.flags == WEBSOCKET_OP_TEXT:
            conn.ws_send(f"Echo: {data.text}", WEBSOCKET_OP_TEXT)
        else:
            conn.ws_send(data.data, WEBSOCKET_OP_BINARY)

def websocket_handler(conn, ev, data):
    if ev == MG_EV_WS_OPEN:
        conn.ws_send("switched")
    elif ev == MG_EV_WS_MSG:
        conn.ws_send(f"Other: {data.text}")

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""


def test_websocket_echo(shared):
    with connect(ws_uri(shared(WEBSOCKET), "/ws")) as ws:
        ws.send("hello")
        assert ws.recv(seconds()) == "Echo: hello"
        ws.send(b"\0\1\2")
        assert ws.recv(seconds()) == b"\0\1\2"


def test_handler_is_switched_before_the_upgrade(shared):
    with connect(ws_uri(shared(WEBSOCKET), "/switch")) as ws:
        assert ws.recv(seconds()) == "switched"
        ws.send("hello")
        assert ws.recv(seconds()) == "Other: hello"


def test_user_data(device):
    running = device(
        """
def handler(conn, ev, data):
    if ev == MG_EV_ACCEPT:
        conn.userdata = {"authenticated": False, "username": None, "connected_at": time.time()}
    elif ev == MG_EV_HTTP_MSG:
        if data.uri == "/login":
            conn.userdata["authenticated"] = True
            conn.userdata["username"] = data.query_var("name")
            conn.reply(200, b"Hi")
        elif conn.userdata["authenticated"]:
            conn.reply(200, "Welcome, %s!" % conn.userdata["username"])
        else:
            conn.reply(401, b"Unauthorized")

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""
    )
    with httpx.Client(base_url=base(running)) as one, httpx.Client(base_url=base(running)) as two:
        assert one.get("/").status_code == 401
        one.get("/login?name=Ada")
        assert one.get("/").text == "Welcome, Ada!"
        assert two.get("/").status_code == 401, "each connection has its own"


BASIC_AUTH = """
log = []

def handler(conn, ev, data):
    if ev == MG_EV_CONNECT:
        conn.http_basic_auth(*PARAMS["who"])
        conn.send(PARAMS["request"])
    elif ev == MG_EV_HTTP_MSG:
        log.append((data.status(), data.body_text))
        conn.close()

m = Manager()
serve(m)
"""


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /protected HTTP/1.1\r\n\r\n",
        b"GET /protected HTTP/1.1\r\nAccept: */*\r\n\r\n",
        b"GET /protected HTTP/1.1\r\nHost: named.example\r\n\r\n",
        b"POST /protected HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
    ],
    ids=["bare", "header", "host", "body"],
)
def test_basic_auth(device, target, request_text):
    """The credentials are given first and go out in the head of the request that follows; a Host
    that is missing is added."""

    def talk(raw):
        head = raw.recv_exactly_head()
        body = raw.recv_exactly(4) if "Content-Length" in head else b""
        raw.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin")
        return head, body, raw.recv_all()

    who = ("username", "p\xe4ss:word")
    running = device(BASIC_AUTH, who=who, request=request_text)
    with Server(talk) as host:
        running.exec(f"m.connect(peer('http', {host.port}), handler)")
        running.until("log")
    head, body, rest = host.results[0]
    line, *fields = head.rstrip("\r\n").split("\r\n")
    assert line == request_text.decode().split("\r\n")[0], "the request line comes first"
    names = [field.partition(":")[0].lower() for field in fields]
    assert names.count("authorization") == 1 and names.count("host") == 1
    headers = {k.lower(): v.strip() for k, _, v in (field.partition(":") for field in fields)}
    scheme, _, token = headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(token).decode()) == ("Basic", ":".join(who))
    named = b"named.example" in request_text
    assert headers["host"] == ("named.example" if named else f"{target.peer}:{host.port}")
    assert body == (b"\r\n\r\n" if "content-length" in headers else b"") and rest == b""
    assert running.eval("log") == [(200, "in")]


def test_basic_auth_in_pieces_and_only_once(device):
    """A head sent in pieces gets the credentials once; the next request goes without."""

    def talk(raw):
        heads = []
        for _ in range(2):
            heads.append(raw.recv_exactly_head().lower())
            raw.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return heads

    running = device(
        """
count = 0
def handler(conn, ev, data):
    global count
    if ev == MG_EV_CONNECT:
        conn.http_basic_auth("me", "secret")
        conn.send("GET /one HT")
        conn.send("TP/1.1\\r\\nAccept: */*\\r\\n")
        conn.send("\\r\\n")
    elif ev == MG_EV_HTTP_MSG:
        count += 1
        if count == 1:
            conn.send("GET /two HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")

m = Manager()
serve(m)
"""
    )
    with Server(talk) as host:
        running.exec(f"m.connect(peer('http', {host.port}), handler)")
        running.until("count == 2")
    first, second = host.results[0]
    assert first.count("authorization: basic ") == 1 and first.startswith("get /one http/1.1\r\n")
    assert first.count("\r\nhost: ") == 1
    assert "authorization" not in second and second.startswith("get /two http/1.1\r\n")


def test_curl_agrees_about_basic_auth(device):
    """Our server's view of curl -u, for the other direction."""
    running = device(
        """
def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.reply(200, data.header("Authorization", "none"))

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""
    )
    out = subprocess.run(
        ["curl", "-sS", "-u", "user:pass", base(running)], check=True, capture_output=True
    ).stdout
    assert out == b"Basic " + base64.b64encode(b"user:pass")


def test_buffers(device):
    running = device(
        """
seen = []
def handler(conn, ev, data):
    if ev == MG_EV_READ:
        first = conn.recv_data(100)
        pending = conn.send_data()
        seen.append((first, len(pending) > 10000, conn.recv_len))
        conn.send(b"z" * 20000)
        seen.append((conn.send_data(3), len(conn.send_data()) > 10000))

m = Manager(handler)
announce("PORT", m.listen(url("tcp")))
serve(m)
"""
    )
    with Raw(running.reach(running.port())) as raw:
        raw.send(b"abc" * 50)
        assert raw.recv_exactly(20000) == b"z" * 20000
    assert running.eval("seen") == [((b"abc" * 34)[:100], False, 150), (b"zzz", True)]


def test_errors(device):
    running = device(
        """
def handler(conn, ev, data):
    if ev == MG_EV_ERROR:
        print("FAILED", conn.id == first.id, data)
        conn.close()
    elif ev == MG_EV_CLOSE:
        print("CLOSED")

m = Manager(handler)
first = m.connect(peer("tcp", PARAMS["port"]))
serve(m)
""",
        port=1,
    )
    assert running.expect("FAILED").lower().startswith("true ")
    running.expect("CLOSED")
    with Server(lambda raw: raw.closed()) as host:
        running.exec(f"first = m.connect(peer('tcp', {host.port}))")
        running.until("first.is_writable")
        running.exec("first.error('Custom error message')")
        assert running.expect("FAILED") == "True Custom error message"
        running.expect("CLOSED")
    assert host.results == [True]
