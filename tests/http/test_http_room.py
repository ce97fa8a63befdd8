# SPDX-License-Identifier: GPL-2.0-only
"""A full table again: peers that stall make room, and nobody else does (test_http_full.py: idle ones)."""

import contextlib
import errno
import os
import resource

import pytest
from peers.clients import Raw, frame, listen, read_frame, seconds, ws_open

SERVER = r"""
log = []
held = []

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS and data.uri == "/upload":
        c.http_stream_body(PARAMS["new"], max_size=0)
    elif ev == MG_EV_HTTP_MSG:
        c.userdata = data.uri
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/hold":
            held.append(c)
        elif data.uri.startswith("/list"):
            c.serve_dir(data, "/list=" + PARAMS["folder"])
        elif data.uri == "/file":
            c.serve_file(data, PARAMS["file"])
        elif data.uri.startswith("/big"):
            c.reply(200, "x" * PARAMS["size"])
        else:
            c.reply(200, "ok")
    elif ev == MG_EV_WS_MSG:
        c.ws_send(data.text)
    elif ev == MG_EV_CLOSE:
        log.append(c.userdata)
    elif ev == MG_EV_ERROR:
        log.append("ERROR %s %s" % (c.userdata, data))

m = Manager(handler, **PARAMS.get("limits", {}))
announce("PORT", m.listen(url("http")))
serve(m)
"""

H = "Host: x\r\n"
# The network of an emulated board has room for all that the board can queue.
FILLS = pytest.mark.needs("host-network")

GET = f"GET /%s HTTP/1.1\r\n{H}\r\n"


@pytest.fixture
def start(device, target):
    opened = contextlib.ExitStack()

    def start(**params):
        running = device(SERVER, size=target.size(12 << 20, 24000), **params)
        running.expect("SERVING")

        def client(data="", **kwargs):
            raw = opened.enter_context(Raw(running.reach(running.port()), **kwargs))
            raw.send(data)
            return raw

        return running, client

    yield start
    opened.close()


STALLS = {
    "head": "GET /half HTTP/1.1\r\nX: y",
    "body": f"POST /half HTTP/1.1\r\n{H}Content-Length: 10\r\n\r\n12345",
    "chunks": f"POST /half HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\n\r\n5\r\n123",
    "body-to-come": f"POST /half HTTP/1.1\r\n{H}Content-Length: 10\r\n\r\n",
    "reply": GET % "big",
}


@pytest.mark.parametrize(
    "stall", [pytest.param(s, marks=FILLS) if s == "reply" else s for s in STALLS]
)
def test_the_latest_makes_room_while_all_have_moved_lately(start, stall):
    running, client = start(limits={"max_conns": 4})
    waiting = client(GET % "hold")
    running.until("len(held)")
    first = client(STALLS[stall], receive_buffer=4096)
    running.until("len(m.connections) == 3")
    second = client(STALLS[stall], receive_buffer=4096)
    running.until("len(m.connections) == 4")
    if stall != "body-to-come":
        running.until("sum(c.recv_len > 0 or c.send_len > 0 for c in m.connections) == 2")
    running.exec("[m.poll(1) for _ in range(20)]")
    assert client(GET % "new").response().body == b"ok"
    with contextlib.suppress(ConnectionResetError):
        while second.recv(1 << 20):
            pass
    running.until("len(m.connections) == 4")
    # What is idle goes first; the one that stalls longer is still there.
    assert client(GET % "newer").response().body == b"ok"
    assert running.eval("len(m.connections)") == 4
    running.exec("held[0].reply(200, 'late')")
    assert waiting.response().body == b"late"
    assert first.socket.fileno() > 0 and running.eval("not any('ERROR' in str(e) for e in log)")


OWN = r"""
log = []
event = {"ACCEPT": MG_EV_ACCEPT, "WRITE": MG_EV_WRITE}[PARAMS["event"]]

def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.reply(200, "ok")
    elif ev == event and not log:
        e = raises(Error, lambda: m.connect(peer("tcp", 1)))
        log.append((e.errno, c.is_closing))

m = Manager(handler, max_conns=2)
announce("PORT", m.listen(url("http")))
serve(m)
"""


@pytest.mark.parametrize("event", ["ACCEPT", "WRITE"])
def test_who_calls_does_not_make_room_itself(device, event):
    """Between two requests, too: it is the one that the program works for."""
    running = device(OWN, event=event)
    running.expect("SERVING")
    with Raw(running.reach(running.port())) as client:
        assert client.ask(GET % "").body == b"ok"
        assert running.eval("log") == [(errno.ENOBUFS, False)]


@pytest.mark.cost(40)
def test_of_those_that_stall_the_one_that_is_still_the_longest(start):
    running, client = start(limits={"max_conns": 5, "head_timeout": 0})
    running.exec("old = []\nstarted = ticks_ms()")
    stalled = client(STALLS["head"])
    running.until("len(m.connections) == 2")
    moving = client(STALLS["head"])
    waiting = client(GET % "hold")
    latest = client(STALLS["head"])
    running.until("len(held) and len(m.connections) == 5")
    while running.eval("ticks_diff(ticks_ms(), started)") < 7500:
        for raw in (moving, latest):
            raw.send("y")
        running.exec("poll_until(m, lambda s=ticks_ms(): ticks_diff(ticks_ms(), s) > 200)")
    assert client(GET % "new").response().body == b"ok"
    assert stalled.closed()
    running.exec("held[0].reply(200, 'late')")
    assert waiting.response().body == b"late"
    for raw in (moving, latest):
        raw.send(f"\r\n{H}\r\n")
        assert raw.response().body == b"ok"


def test_none_of_these_ever_makes_room(start):
    running, client = start(limits={"max_conns": 4})
    waiting = client(GET % "hold")
    sockets = [client() for _ in range(2)]
    for raw in sockets:
        ws_open(raw, "/ws")
    running.until("len(held)")
    for raw in sockets:
        raw.send(frame(1, b"half", length=100))
    running.until("sum(c.recv_len > 0 for c in m.connections) == 2")
    for _ in range(3):
        assert client(GET % "").response().status == 503
    running.exec("held[0].reply(200, 'late')")
    assert waiting.response().body == b"late"
    assert running.eval("len(m.connections)") == 4


# ---- A thousand of them ------------------------------------------------------------------------------

# As docs/limits.md has them for a board.
BOARD = {"max_conns": 16, "max_recv": 8192, "max_send": 32768, "max_head": 2048, "max_body": 16384,
         "max_message": 8192, "head_timeout": 10000, "body_timeout": 20000, "idle_timeout": 15000,
         "send_timeout": 20000}  # fmt: skip


@FILLS
@pytest.mark.cost(120)
@pytest.mark.timeout(600)
def test_the_healthy_survive_a_thousand_connects(start, target):
    """12 WebSockets, an MQTT client and a late reply, on a board's limits."""
    # Nobody answers a ping meanwhile, and a busy computer takes minutes.
    running, client = start(limits={**BOARD, "ws_ping_interval": 0})
    with listen() as broker:
        running.exec(
            "said = []\n"
            f"broker = peer('mqtt', {broker.getsockname()[1]})\n"
            "mqtt = m.mqtt_connect(broker, lambda c, ev, data: said.append(ev), keepalive=0)"
        )
        talk = Raw.__new__(Raw)
        running.exec("m.poll(50)")
        talk.socket = broker.accept()[0]
        talk.socket.settimeout(seconds())
        with talk:
            while len(talk.recv(1)) < 1:
                running.exec("m.poll(5)")
            talk.send(b"\x20\x02\x00\x00")
            running.until("MG_EV_MQTT_OPEN in said")
            sockets = [client() for _ in range(12)]
            for raw in sockets:
                ws_open(raw, "/ws")
            late = client(GET % "hold")
            running.until("len(held)")
            before = running.eval("sorted(c.id for c in m.connections)")
            assert len(before) == 15

            answers = 0
            for n in range(target.size(1000, 100)):
                kind = list(STALLS)[n % 5] if n % 6 < 5 else None
                with contextlib.suppress(OSError), Raw(running.reach(running.port())) as raw:
                    raw.send(STALLS[kind] if kind else GET % "")
                    if kind is None:
                        answers += raw.response().status == 200
            assert answers > 0
            # One of the thousand may still wait to be accepted, and come and go.
            running.until(f"sorted(c.id for c in m.connections) == {before}")
            for raw in sockets:
                raw.send(frame(1, b"still here?"))
                assert read_frame(raw)[3] == b"still here?"
            running.exec("held[0].reply(200, 'late')")
            assert late.response().body == b"late"
            running.exec("mqtt.mqtt_ping()")
            got = b""
            while b"\xc0\x00" not in got:
                got += talk.recv()
            # Of those who were put out while they were sent to, nobody else hears.
            assert running.eval("[e for e in log if e and ('/ws' in e or '/hold' in e)]") == []
            running.exec("mqtt.close()")


@FILLS
def test_sixteen_that_sip_do_not_lock_a_board(start):
    running, client = start(limits=BOARD)
    sipping = [client(GET % "big", receive_buffer=4096) for _ in range(15)]
    running.until("sum(c.send_len > 0 for c in m.connections) == 15")
    for _ in range(5):
        assert client(GET % "").response().body == b"ok"
    assert len(sipping) == 15


# ---- Descriptors --------------------------------------------------------------------------------------


@pytest.mark.needs("process")
def test_descriptors_that_run_out_make_room(start, target):
    running, client = start()
    before = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    waiting = client(GET % "hold")
    running.until("len(held)")
    stalled = [client(STALLS["head"]) for _ in range(3)]
    running.until("len(m.connections) == 5")
    used = max(int(name) for name in os.listdir(f"/proc/{running.pid}/fd"))
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (used + 1, before[1]))
    try:
        for _ in range(10):
            assert client(GET % "").response().body == b"ok"
        running.exec("held[0].reply(200, 'late')")
        assert waiting.response().body == b"late"
        assert running.eval("log.count(None)") >= 1 and len(stalled) == 3
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def no_descriptor_left(running):
    """With what is open now, and nothing more."""
    used = {int(name) for name in os.listdir(f"/proc/{running.pid}/fd")}
    before = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    # The first gap is closed by the limit, too.
    gap = min(set(range(max(used) + 2)) - used)
    running.exec(
        "holes = []\n"
        f"for n in range({max(used) + 1 - gap}):\n"
        "  holes.append(open(PARAMS['file'], 'rb'))\n"
    )
    last = max(int(name) for name in os.listdir(f"/proc/{running.pid}/fd"))
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (last + 1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, before)
        running.exec("[f.close() for f in holes]")


@pytest.fixture
def start_waiting(start, tmp_path):
    """As start(), with a file that is there, and a client that waits for its answer."""
    (tmp_path / "file").write_text("there")

    def start_waiting(**params):
        running, client = start(file=str(tmp_path / "file"), **params)
        waiting = client(GET % "hold")
        running.until("len(held)")
        return running, client, waiting

    return start_waiting


#: What a program does that takes a descriptor, and what tells that it got one.
TAKES = {
    "connect": "c = m.connect(peer('tcp', PARAMS['port']))",
    "connect by name": "c = m.connect('tcp://localhost:%d' % PARAMS['port'])",
    "listen": "c = m.listen(url('tcp'))",
    "udp": "c = m.listen(url('udp'))",
}


@pytest.mark.needs("process")
@pytest.mark.parametrize("what", TAKES)
def test_what_a_program_opens_takes_the_place_of_who_stalls(start_waiting, what):
    with listen() as there:
        running, client, waiting = start_waiting(port=there.getsockname()[1])
        stalled = client(STALLS["head"])
        running.until("len(m.connections) == 3")
        with no_descriptor_left(running):
            running.exec(TAKES[what])
            if "connect" in what:
                there.accept()[0].close()
            assert stalled.closed()
            running.exec("held[0].reply(200, 'late')")
            assert waiting.response().body == b"late"
        assert running.eval("log.count(None)") >= 1
        assert running.eval("[e for e in log if 'ERROR' in str(e)]") == []


@pytest.mark.needs("process")
def test_who_closes_gives_its_descriptor_first(start, tmp_path):
    (tmp_path / "file").write_text("there")
    running, client = start(file=str(tmp_path / "file"))
    idle, other = client(GET % "idle"), client(GET % "other")
    for one in (idle, other):
        assert one.response().body == b"ok"
    running.until("len(m.connections) == 3")
    with no_descriptor_left(running):
        running.exec(
            "[c.close() for c in m.connections if c.userdata == '/other']\n"
            "c = m.listen(url('tcp'))\n"
        )
        assert other.closed()
        idle.send(GET % "idle")
        assert idle.response().body == b"ok"


@pytest.mark.needs("process")
@pytest.mark.parametrize("what", TAKES)
def test_without_one_that_stalls_it_is_refused(start_waiting, what):
    with listen() as there:
        running, _client, waiting = start_waiting(port=there.getsockname()[1])
        with no_descriptor_left(running):
            if "connect" in what:
                running.exec(TAKES[what])
                running.until("any('ERROR' in str(e) for e in log)")
            else:
                running.exec(f"e = raises(Error, lambda: exec({TAKES[what]!r}))")
                assert running.eval("e.errno") in (errno.EMFILE, errno.ENFILE)
            running.exec("held[0].reply(200, 'late')")
            assert waiting.response().body == b"late"


@pytest.mark.needs("process")
def test_files_take_the_place_of_who_stalls(start_waiting, tmp_path):
    new, folder = str(tmp_path / "new"), str(tmp_path)
    running, client, waiting = start_waiting(new=new, folder=folder)
    serve = client()
    running.until("len(m.connections) == 3")
    with no_descriptor_left(running):
        # Nobody stalls: what is there cannot be read now, which is no 404.
        serve.send(GET % "file")
        assert serve.response().status == 503
        serve.send(GET % "list/")
        assert serve.response().status == 503
    stalls = [client(STALLS["head"]) for _ in range(2)]
    running.until("len(m.connections) == 5")
    with no_descriptor_left(running):
        serve.send(GET % "file")
        assert serve.response().body == b"there"
        serve.send(f"POST /upload HTTP/1.1\r\n{H}Content-Length: 3\r\n\r\nabc")
        assert serve.response().body == b"ok"
        running.exec("held[0].reply(200, 'late')")
        assert waiting.response().body == b"late"
    assert (tmp_path / "new").read_text() == "abc"
    stalls.append(client(STALLS["head"]))
    running.until("sum(c.recv_len > 0 for c in m.connections) == 1")
    with no_descriptor_left(running):
        serve.send(GET % "list/")
        assert b'href="new"' in serve.response().body
    assert len(stalls) == 3


@pytest.mark.needs("process")
def test_who_comes_when_the_program_has_them_all_waits(start):
    """lwIP's accept() would take the peer and lose it."""
    running, client = start()
    before = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (60, before[1]))
    try:
        running.exec(
            "other = Manager(max_conns=0)\n"
            "try:\n"
            "  while True:\n"
            "    other.listen(url('udp'))\n"
            "except Error as e:\n"
            "  number = e.errno\n"
        )
        assert running.eval("number") in (errno.EMFILE, errno.ENFILE)
        raw = client(GET % "")
        running.exec("[m.poll(10) for _ in range(5)]")
        assert running.eval("len(m.connections)") == 1
        running.exec("other.close()")
        assert raw.response().body == b"ok"
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.needs("process")
def test_the_default_fits_the_descriptors(device, target):
    """More than there are could not be opened: the limit says no, and not the system."""
    running = device(
        "from_host = []\n"
        "def fill():\n"
        "  with Manager() as m:\n"
        "    try:\n"
        "      while True:\n"
        "        m.listen(url('udp'))\n"
        "    except Error as e:\n"
        "      return e.errno, len(m.connections), 'max_conns' in str(e)\n"
        "m = Manager()\n"
        "serve(m)\n"
    )
    running.expect("SERVING")
    before = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    try:
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (200, before[1]))
        number, opened, named = running.eval("fill()", 30)
        assert (number, named) == (errno.ENOBUFS, True)
        # Of an ESP32's sockets two are left for others.
        low, high = target.sockets(100, 13), target.sockets(190, 15)
        assert low < opened < high
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, before)
