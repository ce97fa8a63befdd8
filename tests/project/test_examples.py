# SPDX-License-Identifier: GPL-2.0-only
"""The programs of examples/ that are one file; those of folders are in tests/examples."""

import contextlib
import http.server
import re
import socket
import threading

import httpx
import pytest
from peers.clients import Raw, free_port
from peers.time_servers import TimeServer, reply
from pymodbus.client import ModbusTcpClient
from targets import ROOT
from websockets.sync.client import connect

EXAMPLES = ROOT / "examples"

FEBRUARY_2020 = 1580674802

pytestmark = pytest.mark.needs("process")


@pytest.fixture
def run(target, request):
    """Starts a program on a free port; gives the port. At the end Ctrl-C must end it well.

    One that announces no port is given as the running program.
    """
    started = request.node.devices = []

    def run(name, *arguments, announced=True):
        running = target.run(EXAMPLES / name, *(arguments or ("0",)))
        started.append(running)
        if not announced:
            return running
        return int(running.line().rpartition(":")[2].split()[0])

    yield run
    try:
        for running in started:
            running.interrupt()
            assert running.exit_code() == 0
            assert "Traceback" not in running.console
    finally:
        for running in started:
            running.kill()


def test_hello(run, target):
    port = run("hello.py")
    name = target.runtime.split()[0]
    assert httpx.get(f"http://127.0.0.1:{port}/x").text == f"Hello from /x on {name}!\n"


def test_tcp_echo(run):
    port = run("tcp_echo.py")
    with Raw(("127.0.0.1", port)) as raw:
        raw.send("hello")
        assert raw.recv_exactly(5) == b"hello"


def test_tcp_echo_to_a_client_that_reads_late(run):
    """All of 8 MB comes back, though the client reads only after it has sent what it could."""
    port = run("tcp_echo.py")
    data = bytes(n * n & 255 for n in range(1 << 16)) * 128
    with Raw(("127.0.0.1", port)) as raw:
        raw.socket.setblocking(False)
        sent = 0
        for _ in range(3):
            try:
                while sent < len(data):
                    sent += raw.socket.send(data[sent : sent + 65536])
            except BlockingIOError:
                pass
        raw.socket.settimeout(10)
        assert raw.recv_exactly(sent) == data[:sent]


def test_echo_ws(run):
    port = run("echo_ws.py")
    assert "<form>" in httpx.get(f"http://127.0.0.1:{port}/").text
    with connect(f"ws://127.0.0.1:{port}/ws") as one, connect(f"ws://127.0.0.1:{port}/ws") as two:
        one.send("to all \u20ac")
        assert one.recv(10) == two.recv(10) == "to all \u20ac"


def test_modbus_server(run):
    port = run("modbus_server.py")
    with ModbusTcpClient("127.0.0.1", port=port, timeout=10, retries=0) as client:
        assert not client.write_registers(10, [1, 2, 65535]).isError()
        assert client.read_holding_registers(9, count=5).registers == [0, 1, 2, 65535, 0]
        assert client.read_input_registers(1).registers == [3]
        assert client.read_input_registers(2).exception_code == 2
        assert client.read_coils(0).exception_code == 1


def test_web_rest(run):
    port = run("web_rest.py")
    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, timeout=20) as client:
        with client.stream("GET", "/events") as events:
            made = httpx.post(base + "/tasks", json={"title": "milk"})
            assert (made.status_code, made.headers["Location"]) == (201, "/tasks/1")
            lines = events.iter_lines()
            assert next(lines) == "event: added" and '"milk"' in next(lines)
        assert client.patch("/tasks/1", json={"done": True}).json()["done"] is True
        assert client.get("/tasks?done=true").json() == [{"id": 1, "title": "milk", "done": True}]
        assert client.get("/tasks?done=false").json() == []
        assert client.patch("/tasks/1", json={"done": "yes"}).status_code == 422
        assert client.post("/tasks", content="{").json() == {"error": "the body is no JSON"}
        assert client.delete("/tasks/1").status_code == 204
        gone = client.get("/tasks/1")
        assert (gone.status_code, gone.json()) == (404, {"error": "there is no task 1"})
        assert gone.headers["Cache-Control"] == "no-store"


def test_web_app(run):
    port = run("web_app.py")
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=20, follow_redirects=True
    ) as client:

        def post(path, files=None, **fields):
            fields["csrf_token"] = re.search(
                '"csrf_token" value="([^"]+)"', client.get("/login").text
            )[1]
            return client.post(path, data=fields, files=files)

        assert client.post("/login", data={"name": "ada"}).status_code == 403
        assert "Log in first." in post("/entries", text="x").text
        assert "Wrong name" in post("/login", name="ada", password="byron").text
        assert "Log out ada" in post("/login", name="ada", password="lovelace").text
        text = post("/entries", text="<b>", files={"picture": ("a.txt", b"picture")}).text
        assert "ada: &lt;b&gt;" in text and "Thank you." in text
        assert "Thank you." not in client.get("/").text
        assert client.get("/pictures/0").content == b"picture"
        missing = client.get("/pictures/1")
        assert missing.status_code == 404 and "Not found" in missing.text
        assert "Log in" in post("/logout").text


def test_rpc_server(run):
    port = run("rpc_server.py")
    with connect(f"ws://127.0.0.1:{port}/") as client:
        client.send('{"jsonrpc": "2.0", "id": 7, "method": "math.add", "params": [1, 2.5]}')
        assert client.recv(10) == '{"jsonrpc": "2.0", "id": 7, "result": 3.5}'
        client.send('{"jsonrpc": "2.0", "id": 8, "method": "math.add"}')
        assert "-32602" in client.recv(10)


def test_ntp_time(target, request):
    """It prints the time of a server and ends by itself."""
    with TimeServer(lambda query: [reply(query, FEBRUARY_2020)]) as server:
        running = target.run(EXAMPLES / "ntp_time.py", f"127.0.0.1:{server.port}")
        request.node.devices = [running]
        try:
            assert running.exit_code() == 0
        finally:
            running.kill()
    assert running.console.split("\n") == ["2020-02-02 20:20:02 UTC"]


@pytest.mark.parametrize(
    ("stratum", "said"), [(0, "INIT"), (None, "refused")], ids=["sent away", "not there"]
)
def test_ntp_time_that_gets_none(target, request, stratum, said):
    """Why is printed, and its status says so, too."""
    with TimeServer(lambda query: [reply(query, stratum=stratum, ref_id=0x494E4954)]) as server:
        port = free_port(kind=socket.SOCK_DGRAM) if stratum is None else server.port
        running = target.run(EXAMPLES / "ntp_time.py", f"127.0.0.1:{port}")
        request.node.devices = [running]
        try:
            assert running.exit_code() == 1
        finally:
            running.kill()
    assert said in running.console and "UTC" not in running.console


@pytest.mark.parametrize("example", ["fetch.py", "http_client.py"])
def test_a_client_without_arguments_has_not_done_it(target, request, example):
    running = target.run(EXAMPLES / example)
    request.node.devices = [running]
    try:
        assert running.exit_code() == 2
    finally:
        running.kill()
    assert "usage: " in running.console


def test_every_example_is_tested():
    tested = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in tested] == []
    folders = {path.parent.name for path in EXAMPLES.glob("*/main.py")}
    assert [name for name in folders if f'example("{name}"' not in tested] == []
    listed = (EXAMPLES / "README.md").read_text()
    assert [name for name in folders if f"({name}/README.md)" not in listed] == []
    assert all((EXAMPLES / name / "README.md").is_file() for name in folders)


@contextlib.contextmanager
def redirecting(body):
    """A server whose /hop/N leads to `body` past N redirects: by a path, and by a whole URL."""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            n = int(self.path.rpartition("/")[2])
            self.send_response(302 if n else 200)
            where = "" if n % 2 else f"http://127.0.0.1:{server.server_port}"
            if n:
                self.send_header("Location", f"{where}/hop/{n - 1}")
            self.end_headers()
            self.wfile.write(b"" if n else body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hop/"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize(
    ("example", "hops", "reason"),
    [
        ("http_client.py", 3, None),
        ("http_client.py", 6, "more than 5 redirects"),
        ("fetch.py", 3, None),
        ("fetch.py", 11, "redirect"),
    ],
)
def test_clients(target, tmp_path, example, hops, reason):
    """They store what stands behind some redirects; too many are an error."""
    body = bytes(range(256)) * 4000
    with redirecting(body) as url:
        running = target.run(EXAMPLES / example, f"{url}{hops}", str(tmp_path / "got"))
        try:
            assert running.exit_code() == (1 if reason else 0)
        finally:
            running.kill()
    if reason is None:
        assert (tmp_path / "got").read_bytes() == body
    else:
        assert reason in running.console
        assert not (tmp_path / "got").exists()
