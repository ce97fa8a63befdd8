# SPDX-License-Identifier: GPL-2.0-only
"""Peers that are slow: who takes, who drips, who sips, and who must never be counted.

What a test takes for a while is told by `ticks` of the device's own clock: a wait is for an event.
"""

import contextlib

import pytest
from peers.clients import Raw, Server, frame, ws_open

SERVER = r"""
CHUNKED = "Transfer-Encoding: chunked\r\n"
PICTURES = "multipart/x-mixed-replace; boundary=frame"
STREAMS = {
    "/hand": ("text/event-stream", ""),
    "/hand-chunks": ("text/event-stream; charset=utf-8", CHUNKED),
    "/hand-pictures": (PICTURES, ""),
    "/hand-page": ("text/html", ""),
}
log = []
held = []
ticks = [0]
big = "x" * PARAMS.get("size", 1000)

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS and data.uri == "/pieces":
        c.http_stream_body(max_size=0)
    elif ev == MG_EV_HTTP_MSG:
        c.userdata = data.uri
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri in ("/big", "/last"):
            c.reply(200, big, {"Connection": "close"} if data.uri == "/last" else None)
        elif data.uri == "/events":
            c.reply(200, headers={"Content-Type": "text/event-stream"})
            c.send("data: %s\n\n" % big)
        elif data.uri in STREAMS:
            kind, how = STREAMS[data.uri]
            c.send("HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\n" % (kind, how))
            if how:
                c.http_chunk(big)
            else:
                c.send(big)
        elif data.uri == "/pictures":
            c.reply(200, headers={"Content-Type": PICTURES, "Transfer-Encoding": "chunked"})
            c.http_chunk(big)
        elif data.uri == "/hold":
            held.append(c)
        else:
            c.reply(200, "ok")
    elif ev == MG_EV_ERROR:
        log.append("ERROR " + data)
    elif ev == MG_EV_CLOSE and c.userdata:
        log.append("CLOSE " + c.userdata)

def raw(c, ev, data):
    if ev == MG_EV_ACCEPT:
        c.userdata = "raw"
        if PARAMS.get("fill"):
            c.send(big)
    elif ev == MG_EV_ERROR:
        log.append("ERROR " + data)

def tick():
    ticks[0] += 1

m = Manager(handler, **PARAMS.get("limits", {}))
m.timer_add(50, tick, repeat=True)
announce("PORT", m.listen(url("http")))
announce("RAW", m.listen(url("tcp"), raw))
serve(m)
"""

H = "Host: x\r\n"

# The network of an emulated board has room for all that the board can queue.
FILLS = pytest.mark.needs("host-network")


def request(path="/", method="GET", headers=""):
    return f"{method} {path} HTTP/1.1\r\n{H}{headers}\r\n"


@pytest.fixture
def start(device, target):
    opened = contextlib.ExitStack()

    def start(**params):
        # More than any window takes: the send buffer of the device cannot be empty.
        running = device(SERVER, size=target.size(12 << 20, 24000), **params)
        running.expect("SERVING")

        def client(name="PORT", **kwargs):
            return opened.enter_context(Raw(running.reach(running.port(name)), **kwargs))

        return running, client

    yield start
    opened.close()


def pass_time(running, ticks):
    running.until(f"ticks[0] >= {running.eval('ticks[0]') + ticks}", 10 + ticks)


# ---- Idle -------------------------------------------------------------------------------------------


@FILLS
def test_a_reply_that_is_taken_is_not_idle(start, target):
    running, client = start(limits={"idle_timeout": 700})
    raw = client(receive_buffer=4096)
    raw.send(request("/big"))
    taken = len(raw.recv(1000))
    while running.eval("ticks[0]") < 42:  # three times as long as an idle one may stay
        taken += len(raw.recv(1000))
        pass_time(running, 1)
        assert running.eval("sum(c.send_len > 0 for c in m.connections)") == 1
    assert running.eval("log") == []
    taken += len(raw.recv_all())
    assert taken > target.size(12 << 20, 24000)
    running.until("log == ['CLOSE /big']")  # and then it is


@pytest.mark.parametrize("pieces", [("\r\n",), ("\r", "\n")], ids=["whole", "split"])
def test_empty_lines_do_not_renew_it(start, pieces):
    running, client = start(limits={"idle_timeout": 1000, "head_timeout": 60000})
    raw = client()
    running.until("len(m.connections) == 3")
    sent = 0
    while running.eval("len(m.connections)") == 3:
        with contextlib.suppress(OSError):
            raw.send(pieces[sent % len(pieces)])
        sent += 1
        assert sent < 100, "it never was idle"
        pass_time(running, 1)
    assert raw.closed()


# ---- send_timeout -------------------------------------------------------------------------------------


@FILLS
@pytest.mark.parametrize("path", ["/big", "/events", "/ws", "raw"])
def test_who_takes_nothing_is_cut_off(start, path):
    running, client = start(
        limits={"send_timeout": 1200, "min_rate": 0, "idle_timeout": 700}, fill=path == "raw"
    )
    raw = client("RAW" if path == "raw" else "PORT", receive_buffer=4096)
    if path == "/ws":
        ws_open(raw, path)
        running.exec("[c.ws_send(big) for c in m.connections if c.is_websocket]")
    elif path != "raw":
        raw.send(request(path))
    running.until("any('send_timeout' in text for text in log)")
    running.until("len(m.connections) == 2")
    assert running.eval("[text for text in log if 'ERROR' in text][1:]") == []


@pytest.mark.needs("host-files")
def test_a_file_too(device, tmp_path, target):
    path = tmp_path / "big.bin"
    path.write_bytes(b"x" * (20 << 20))
    running = device(
        "log = []\n"
        "def handler(c, ev, data):\n"
        "  if ev == MG_EV_HTTP_MSG: c.serve_file(data, PARAMS['path'])\n"
        "  elif ev == MG_EV_ERROR: log.append(data)\n"
        "m = Manager(handler, send_timeout=400)\n"
        "announce('PORT', m.listen(url('http')))\n"
        "serve(m)\n",
        path=target.folder(tmp_path) + "/big.bin",
    )
    running.expect("SERVING")
    with Raw(running.reach(running.port()), receive_buffer=4096) as raw:
        raw.send(request())
        running.until("log")
        assert "send_timeout" in running.eval("log[0]")
        running.until("len(m.connections) == 1")


@FILLS
def test_who_takes_a_little_is_not(start, target):
    running, client = start(limits={"send_timeout": 600, "min_rate": 0})
    raw = client(receive_buffer=4096)
    raw.send(request("/big"))
    for _ in range(15):
        # A segment of loopback has up to 64 KB; the peer confirms more only when it has read one.
        assert len(raw.recv_exactly(target.size(80000, 800))) > 0
        pass_time(running, 2)
    assert running.eval("log") == []


# ---- min_rate -------------------------------------------------------------------------------------------

# More than anyone here sends or takes; over as short a time as a test has.
RATE = {"min_rate": 100000000, "rate_time": 400}


@pytest.mark.parametrize("path", ["/gather", "/pieces"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_that_drips_ends(start, path, framing):
    running, client = start(limits=RATE)
    raw = client()
    head = "Content-Length: 10000\r\n" if framing == "length" else "Transfer-Encoding: chunked\r\n"
    raw.send(request(path, "POST", head))
    for _ in range(100):
        raw.send("x" if framing == "length" else "1\r\nx\r\n")
        pass_time(running, 1)
        if running.eval("sum(c.is_draining or c.is_closing for c in m.connections)") or (
            running.eval("len(m.connections)") == 2
        ):
            break
    assert raw.response("POST").status == 408


def test_a_head_that_drips_ends(start):
    running, client = start(limits=RATE)
    raw = client()
    raw.send("GET / HTTP/1.1\r\nX: ")
    assert raw.response().status == 408


@FILLS
@pytest.mark.parametrize("path", ["/big", "/last"])
def test_a_reply_that_is_sipped_ends(start, path):
    running, client = start(limits=RATE)
    raw = client(receive_buffer=4096)
    raw.send(request(path))
    while not running.eval("log"):
        raw.recv(32)
        pass_time(running, 1)
    assert "min_rate" in running.eval("log[0]")


@FILLS
def test_fast_enough(start, target):
    """The same peers by another rate."""
    running, client = start(limits={"min_rate": 10, "rate_time": 400})
    dripping, sipping = client(), client(receive_buffer=4096)
    sipping.send(request("/big"))
    dripping.send(request("/x", "POST", "Content-Length: 300\r\n"))
    for _ in range(30):
        dripping.send("x" * 10)
        sipping.recv_exactly(target.size(8000, 700))
        pass_time(running, 1)
    assert dripping.response("POST").body == b"ok"
    assert running.eval("log") == []


@FILLS
def test_what_never_counts(start):
    """Waiting for a request, for the program, for a body's first byte; WebSocket, SSE, raw TCP."""
    running, client = start(limits={"idle_timeout": 0, "send_timeout": 0, **RATE})
    idle, late, asked, ws, raw = client(), client(), client(), client(), client("RAW")
    events = client(receive_buffer=4096)
    assert idle.ask(request("/")).body == b"ok"
    late.send(request("/hold"))
    asked.send(request("/x", "POST", "Content-Length: 2\r\n"))
    events.send(request("/events"))
    ws_open(ws, "/ws")
    running.until("len(held)")
    slow = frame(1, b"x" * 100)
    for n in range(30):
        ws.send(slow[n : n + 1])
        raw.send("x")
        pass_time(running, 1)
    assert running.eval("log") == []
    assert running.eval("sum(c.userdata == '/events' and c.send_len > 0 for c in m.connections)")
    asked.send("xx")
    assert asked.response("POST").body == b"ok"
    running.exec("held[0].reply(200, 'late')")
    assert late.response().body == b"late"
    assert idle.ask(request("/")).body == b"ok"


@FILLS
@pytest.mark.parametrize("path", ["/hand", "/hand-chunks", "/hand-pictures", "/pictures"])
def test_streams_without_an_end_never_count(start, path):
    """By send() and http_chunk() as by http_sse(): neither who is slow to take them, nor silence."""
    running, client = start(limits={"idle_timeout": 700, "send_timeout": 0, **RATE})
    raw = client(receive_buffer=4096)
    raw.send(request(path))
    running.until("any(c.userdata and c.send_len > 0 for c in m.connections)")
    pass_time(running, 30)
    assert running.eval("log") == []
    assert running.eval("sum(c.send_len > 0 for c in m.connections)") == 1


@FILLS
def test_other_pages_by_hand_do(start):
    running, client = start(limits=RATE)
    raw = client(receive_buffer=4096)
    raw.send(request("/hand-page"))
    running.until("log")
    assert "min_rate" in running.eval("log[0]")


CLIENT = r"""
log = []
m = Manager(min_rate=100000000, rate_time=400)
def handler(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.send(get("/"))
    elif ev == MG_EV_HTTP_MSG:
        log.append(data.body_text)
    elif ev == MG_EV_ERROR:
        log.append("ERROR " + data)
def go():
    m.connect(peer("http", PARAMS["port"]), handler)
serve(m)
"""


@pytest.mark.parametrize("kind", ["silent", "events", "drips"])
def test_a_server_of_ours_to_wait_for(device, kind):
    done = []

    def talk(raw):
        raw.recv_until(b"\r\n\r\n")
        mime = "text/event-stream" if kind == "events" else "text/plain"
        if kind == "silent":
            for _ in range(20):
                running.exec("poll_until(m, lambda s=ticks_ms(): ticks_diff(ticks_ms(), s) > 40)")
        raw.send(f"HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\nContent-Length: 20\r\n\r\n")
        if kind == "silent":
            raw.send("x" * 20)
        else:
            for _ in range(20):
                with contextlib.suppress(OSError):
                    raw.send("x")
                running.exec("poll_until(m, lambda s=ticks_ms(): ticks_diff(ticks_ms(), s) > 40)")
        done.append(kind)

    with Server(talk) as server:
        running = device(CLIENT, port=server.port)
        running.expect("SERVING")
        running.exec("go()")
        server._thread.join()
    running.until("log")
    (said,) = running.eval("log")
    assert ("min_rate" in said) if kind == "drips" else said == "x" * 20
