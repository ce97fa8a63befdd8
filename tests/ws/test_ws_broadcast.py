# SPDX-License-Identifier: GPL-2.0-only
"""Manager.broadcast() and the pings that WebSockets get by themselves."""

import contextlib
import time

import pytest
from peers.clients import Raw, Server, frame, read_frame, ws_accept, ws_open
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SERVER = r"""
log = []

def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if data.uri == "/plain":
            c.reply(200, "x")
        else:
            c.userdata = data.uri
            c.ws_upgrade(data)
    elif ev == MG_EV_WS_CTL:
        log.append((c.userdata, "CTL", data.flags, data.data))
    elif ev in (MG_EV_WS_MSG, MG_EV_ERROR, MG_EV_CLOSE):
        log.append((c.userdata, event_name(ev)[6:], data.text if ev == MG_EV_WS_MSG else data))

def fill(name, piece, queued):
    # Until the network takes no more for a while, and so much waits here.
    left, quiet = None, 0
    while quiet < 100:
        quiet += 1
        for c in room(name):
            if c.send_len < queued:
                c.ws_send("x" * piece)
            if c.send_len != left:
                left, quiet = c.send_len, 0
        m.poll(5)

def room(name):
    return (c for c in m.connections if c.userdata == name)

m = Manager(handler, **PARAMS.get("limits", {}))
announce("PORT", m.listen(url("http")))
announce("RAW", m.listen(url("tcp")))
serve(m)
"""


@pytest.fixture
def server(shared):
    running = shared(SERVER)
    running.exec("del log[:]")
    return running


def address(server, path="/"):
    return "ws://{}:{}{}".format(*server.reach(server.port()), path)


def opened(server, raw, path):
    """A raw WebSocket."""
    ws_open(raw, path)
    server.until(f"any(c.userdata == {path!r} for c in m.connections)")


# ---- Broadcast --------------------------------------------------------------------------------------


def test_all_get_it_and_nobody_else(server, target):
    large = target.size(70000, 3000)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(address(server))) for _ in range(5)]
        plain = stack.enter_context(Raw(server.reach(server.port())))
        raw = stack.enter_context(Raw(server.reach(server.port("RAW"))))
        plain.send("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain.response().body == b"x"
        server.until("len([c for c in m.connections if c.is_websocket]) == 5")
        assert server.eval("m.broadcast('news \\u20ac')") == (5, 0)
        assert server.eval("m.broadcast(b'\\x00\\xff', WEBSOCKET_OP_BINARY)") == (5, 0)
        assert server.eval(f"m.broadcast('x' * {large})") == (5, 0)
        for client in clients:
            assert client.recv() == "news \u20ac"
            assert client.recv() == b"\x00\xff"
            assert client.recv() == "x" * large
        plain.send("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain.response().body == b"x"
        for quiet in (plain, raw):
            quiet.socket.settimeout(0.05)
            with pytest.raises(TimeoutError):
                quiet.recv(1)


def test_to_some(server):
    with connect(address(server, "/a")) as a, connect(address(server, "/b")) as b:
        server.until("len([c for c in m.connections if c.is_websocket]) == 2")
        assert server.eval("m.broadcast('for a', to=room('/a'))") == (1, 0)
        assert server.eval("m.broadcast('for both', to=m.connections)") == (2, 0)
        assert server.eval("m.broadcast('for none', to=())") == (0, 0)
        assert a.recv() == "for a"
        assert a.recv() == b.recv() == "for both"


def test_slow_peers_are_skipped_and_miss_it(server, target):
    with (
        Raw(server.reach(server.port()), receive_buffer=4096) as slow,
        connect(address(server, "/fast")) as fast,
    ):
        opened(server, slow, "/slow")
        # The kernel itself may take four millions.
        piece, queued = target.size(1000000, 2000), target.size(100000, 5000)
        server.exec(f"fill('/slow', {piece}, {queued})", 60)
        before = server.eval("[c.send_len for c in room('/slow')][0]")
        assert server.eval("m.broadcast('news')") == (1, 1)
        assert server.eval("m.broadcast('more', max_queued=100)") == (1, 1)
        assert server.eval("[c.send_len for c in room('/slow')][0]") == before
        assert server.eval("m.broadcast('less', max_queued=10000000)") == (2, 0)
        assert [fast.recv() for _ in range(3)] == ["news", "more", "less"]


def test_those_about_to_end_are_left_out(server):
    with connect(address(server, "/a")), connect(address(server, "/b")) as b:
        server.until("len([c for c in m.connections if c.is_websocket]) == 2")
        found = server.eval(
            "[c.ws_send(b'', WEBSOCKET_OP_CLOSE) for c in room('/a')] and m.broadcast('x')"
        )
        assert found == (1, 0)
        assert b.recv() == "x"
        server.exec("old = list(room('/b'))\nfor c in old: c.close()")
        server.until("len(m.connections) == 2")
        assert server.eval("m.broadcast('x', to=old)") == (0, 0)


def test_close_to_all(server):
    with connect(address(server)) as a, connect(address(server)) as b:
        server.until("len([c for c in m.connections if c.is_websocket]) == 2")
        assert server.eval("m.broadcast(b'\\x03\\xe9bye', WEBSOCKET_OP_CLOSE)") == (2, 0)
        for client in (a, b):
            with pytest.raises(Exception, match="1001.*bye"):
                client.recv()


@pytest.mark.parametrize(
    "call, kind",
    [
        ("m.broadcast()", "TypeError"),
        ("m.broadcast(5)", "TypeError"),
        ("m.broadcast('x', 3)", "ValueError"),
        ("m.broadcast('x', 'text')", "TypeError"),
        ("m.broadcast(b'\\xff')", "ValueError"),
        ("m.broadcast('x' * 126, WEBSOCKET_OP_PING)", "ValueError"),
        ("m.broadcast('x', to=5)", "TypeError"),
        ("m.broadcast('x', to=[5])", "TypeError"),
        ("m.broadcast('x', to=m.connections[0])", "TypeError"),
        ("m.broadcast('x', to=other.connections)", "ValueError"),
        ("m.broadcast('x', max_queued=-1)", "ValueError"),
        ("m.broadcast('x', max_queued='1')", "TypeError"),
        ("m.broadcast('x', 1, ())", "TypeError"),
        ("closed.broadcast('x')", "Error"),
    ],
)
def test_wrong_calls(server, call, kind):
    server.exec(
        "closed = Manager()\nclosed.close()\nother = Manager()\n"
        "other.listen(url('tcp'))\nother.ws_connect(url('ws', 1))\n"
    )
    server.exec(f"raises({kind}, lambda: {call})")
    server.exec("other.close()")


# ---- Pings ------------------------------------------------------------------------------------------

QUICK = {"limits": {"ws_ping_interval": 150}}


@pytest.fixture
def quick(device):
    running = device(SERVER, **QUICK)
    running.expect("SERVING")
    return running


def in_time(quick, play):
    """Plays until it was quick enough: on a busy machine the best of peers may be late."""
    for _ in range(20):
        with contextlib.suppress(ConnectionError, TooLate), Raw(quick.reach(quick.port())) as raw:
            opened(quick, raw, "/s")
            play(raw)
            return
        quick.until("len(m.connections) == 2")
        quick.exec("del log[:]")
    raise AssertionError("never in time")


class TooLate(Exception):
    pass


def test_a_silent_peer_gets_a_ping_and_stays(quick):
    """The program sees neither the ping nor its pong."""

    def play(raw):
        for _ in range(3):
            got = read_frame(raw)
            if got is None:
                raise TooLate
            op, _, masked, payload = got
            assert op == 9 and not masked and payload
            raw.send(frame(10, payload))
        raw.send(frame(1, b"here"))
        quick.until("log")
        if quick.eval("log[0][1]") == "ERROR":
            raise TooLate
        assert quick.eval("log[0]") == ("/s", "WS_MSG", "here")

    in_time(quick, play)


def test_a_peer_that_talks_gets_no_ping(quick):
    def play(raw):
        raw.socket.setblocking(False)
        for _ in range(40):
            raw.send(frame(10, b"mine"))
            time.sleep(0.02)
            with contextlib.suppress(BlockingIOError):
                raw.recv(1)
                raise TooLate
        log = set(quick.eval("log"))
        if ("/s", "CLOSE", None) in log:  # it was asked and given up between two looks
            raise TooLate
        assert log == {("/s", "CTL", 10, b"mine")}

    in_time(quick, play)


def test_a_dead_peer_is_told_and_closed(quick):
    with Raw(quick.reach(quick.port())) as raw:
        opened(quick, raw, "/dead")
        quick.until("('/dead', 'CLOSE', None) in log")
    text = "WebSocket peer does not answer a ping"
    assert quick.eval("log") == [("/dead", "ERROR", text), ("/dead", "CLOSE", None)]


@pytest.mark.needs("memory")
def test_a_peer_that_is_only_slow_stays(quick):
    """What it takes shows that it lives, though its pong waits behind all that."""

    def play():
        with Raw(quick.reach(quick.port()), receive_buffer=65536) as raw:
            opened(quick, raw, "/slow")
            quick.exec("for c in room('/slow'): c.ws_send('x' * 15000000)")
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                if not raw.recv(65536) or quick.eval("len(list(room('/slow')))") == 0:
                    raise TooLate
                time.sleep(0.005)
            waiting = quick.eval("[c.send_len for c in room('/slow')]")
            if not waiting:
                raise TooLate
            assert waiting[0] > 0

    for _ in range(20):  # as above
        with contextlib.suppress(ConnectionError, TooLate):
            play()
            break
        quick.until("len(m.connections) == 2")
    else:
        raise AssertionError("never in time")
    quick.until("len(m.connections) == 2")


def test_websockets_library_answers(quick):
    for _ in range(20):  # it may be too late with it
        with contextlib.suppress(ConnectionClosed):
            with connect(address(quick, "/lib"), ping_interval=None) as client:
                with pytest.raises(TimeoutError):
                    client.recv(timeout=0.8)
                client.send("still here")
                quick.until("any(e[0] == '/lib' for e in log)")
                if quick.eval("('/lib', 'WS_MSG', 'still here') in log"):
                    return
        quick.exec("del log[:]")
    raise AssertionError("never in time")


def test_clients_ping_their_server(device):
    def talk(raw):
        ws_accept(raw)
        op, _, masked, _ = read_frame(raw)
        return op, masked, raw.closed()

    running = device(SERVER, **QUICK)
    running.expect("SERVING")
    with Server(talk) as server:
        running.exec(f"m.ws_connect(peer('ws', {server.port}))")
        running.until("any(e[1] == 'CLOSE' for e in log)")
    assert server.results[0] == (9, True, True)


def test_off(device):
    running = device(SERVER, limits={"ws_ping_interval": 0})
    running.expect("SERVING")
    with Raw(running.reach(running.port())) as raw:
        opened(running, raw, "/s")
        raw.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            raw.recv(1)


# ---- Close frames -----------------------------------------------------------------------------------


def test_code_and_reason_come_once(server):
    with Raw(server.reach(server.port())) as raw:
        opened(server, raw, "/c")
        raw.send(frame(8, b"\x0f\xa0why") * 2 + frame(1, b"late") + frame(8, b""))
        assert raw.recv_exactly(4) == b"\x88\x02\x0f\xa0"
        assert raw.closed()
    server.until("('/c', 'CLOSE', None) in log")
    assert server.eval("log") == [("/c", "CTL", 8, b"\x0f\xa0why"), ("/c", "CLOSE", None)]


def test_code_and_reason_come_once_after_our_own(server):
    with Raw(server.reach(server.port())) as raw:
        opened(server, raw, "/c")
        server.exec("for c in room('/c'): c.ws_send(b'\\x03\\xe8', WEBSOCKET_OP_CLOSE)")
        assert raw.recv_exactly(4) == b"\x88\x02\x03\xe8"
        raw.send(frame(8, b"\x03\xe8") * 2)
        assert raw.closed()
    server.until("('/c', 'CLOSE', None) in log")
    assert server.eval("log") == [("/c", "CTL", 8, b"\x03\xe8"), ("/c", "CLOSE", None)]


def test_a_slow_peer_gets_its_pongs(server, target):
    """Behind all that waits for it: who asked for a pong gives up without."""
    size, count = target.size((1_000_000, 8), (1500, 6))
    with Raw(server.reach(server.port()), receive_buffer=4096) as raw:
        opened(server, raw, "/slow")
        server.exec(
            f"for c in room('/slow'): queued = [c.ws_send('x' * {size}) for _ in range({count})]"
        )
        for n in range(3):
            raw.send(frame(9, b"%d" % n))
        server.until("len(log) == 3")
        seen = [read_frame(raw) for _ in range(count + 3)]
    assert [len(f[3]) for f in seen if f[0] == 1] == [size] * count
    assert [f[3] for f in seen if f[0] == 10] == [b"0", b"1", b"2"]


@pytest.mark.needs("memory")
def test_a_peer_that_pings_and_never_reads(server):
    """Its pongs do not pile up: what the kernels' buffers do not take is bounded."""
    flood = frame(9, b"x" * 125) * 1000
    with Raw(server.reach(server.port()), receive_buffer=4096) as raw:
        opened(server, raw, "/flood")
        for _ in range(100):
            raw.send(flood)
        server.until("len(log) == 100000", 60)
        assert 0 < server.eval("max(c.send_len for c in room('/flood'))") < 200000
        server.exec("del log[:]")
