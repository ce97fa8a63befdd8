# SPDX-License-Identifier: GPL-2.0-only
"""A full table of connections: the keep-alive connection that was idle the longest makes room."""

import threading

import httpx
import pytest
from peers.clients import HOLD, Raw, ws_open

SERVER = r"""
log = []

def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.userdata = data.uri
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/stream":
            c.reply(200, headers={"Transfer-Encoding": "chunked"})
        elif not data.uri.startswith("/never"):
            c.reply(200, data.uri)
    elif ev == MG_EV_CLOSE and c.userdata:
        log.append(c.userdata)
    elif ev == MG_EV_ERROR:
        log.append("ERROR " + data)

m = Manager(handler, max_conns=4, **PARAMS.get("limits", {}))
announce("PORT", m.listen(url("http")))
serve(m)
"""


@pytest.fixture(params=[{}, {"idle_timeout": 0}], ids=["", "no-idle-timeout"])
def server(device, request):
    running = device(SERVER, limits=request.param)
    running.expect("SERVING")
    return running


def ask(raw, uri):
    raw.send(f"GET {uri} HTTP/1.1\r\nHost: x\r\n\r\n")
    return raw.response()


@pytest.fixture
def connect(server):
    opened = []

    def connect(uri=None):
        raw = Raw(server.reach(server.port()))
        opened.append(raw)
        if uri:
            assert ask(raw, uri).body == uri.encode()
        return raw

    yield connect
    for raw in opened:
        raw.close()


def test_the_least_recently_used_makes_room(server, connect, request):
    one, two, three = connect("/1"), connect("/2"), connect("/3")
    server.exec("[m.poll(5) for _ in range(5)]")  # times are told apart by the millisecond
    assert ask(one, "/1again").body == b"/1again"
    connect("/4")
    if "no-idle-timeout" not in request.node.name:  # there the oldest goes
        assert two.closed()
        assert server.eval("log") == ["/2"]
        assert ask(one, "/1").body == b"/1"
        assert ask(three, "/3").body == b"/3"
    assert server.eval("len(m.connections)") == 4
    assert len(server.eval("log")) == 1


def test_many_clients_one_after_the_other(server, connect):
    for n in range(60):
        connect(f"/{n}")
    assert server.eval("len(m.connections)") == 4
    assert len(server.eval("log")) == 57


def test_a_client_with_a_pool_hardly_notices(server):
    base = "http://{}:{}".format(*server.reach(server.port()))
    with httpx.Client() as client:
        pools = [httpx.Client() for _ in range(6)]
        for n in range(30):
            assert pools[n % 6].get(f"{base}/{n}").text == f"/{n}"
        for pool in pools:
            pool.close()
        assert client.get(base + "/x").text == "/x"


def test_busy_connections_stay(server, connect):
    waiting, later, ws = connect(), connect(), connect()
    waiting.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
    later.send("GET /never/later HTTP/1.1\r\nHost: x\r\n\r\n")
    ws_open(ws, "/ws")
    server.until("sum('/never' in str(c.userdata) for c in m.connections) == 2")
    for _ in range(3):
        assert connect().response().status == 503
    server.exec("[c.reply(200, 'late') for c in m.connections if c.userdata == '/never/later']")
    assert later.response().body == b"late"
    connect("/new")
    assert later.closed()
    server.until("log")
    assert server.eval("log") == ["/never/later"]


@pytest.mark.needs("host-files")
def test_a_request_that_has_just_arrived_is_answered(server, connect, tmp_path, wait_for):
    """It lies in the socket when room is needed: its connection is not idle."""
    old = [connect(f"/{n}") for n in range(3)]
    server.exec(HOLD)
    # The loop stands still while the connections and then the requests arrive.
    go = tmp_path / "go"
    holding = threading.Thread(target=server.exec, args=(f"hold({str(go)!r})",))
    holding.start()
    wait_for(lambda: (tmp_path / "go.held").exists())
    fresh = [Raw(server.reach(server.port())) for _ in range(2)]
    for raw in old:
        raw.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
    go.touch()
    holding.join()
    for raw in old:
        assert raw.response().body == b"/late"
    for raw in fresh:
        raw.close()


@pytest.mark.needs("loopback")
def test_connect_makes_room_too(server, connect):
    one = connect("/1")
    connect("/2")
    connect("/3")
    server.exec("c = m.connect(url('http', port_of(m.connections[0])))")
    assert one.closed()
    server.exec("c.close()")
    server.until("len(m.connections) == 2")  # the listener's end of it took another place
