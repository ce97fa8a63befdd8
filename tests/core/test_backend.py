# SPDX-License-Identifier: GPL-2.0-only
"""The sockets under the loop: what a kernel and a peer may do to them. Nothing is simulated."""

import contextlib
import errno
import os
import resource
import socket
import struct
import threading
import time

import pytest
from peers.clients import Raw, Server, cpu_seconds, frame, free_port, read_frame, seconds, ws_open
from server_script import REQUEST, SERVER, alive, big_of, check_big, ended


@pytest.fixture
def server(shared, target):
    device = shared(SERVER, **big_of(target))
    device.exec("log.clear()")
    return device


# ---- Descriptors run out -----------------------------------------------------------------------


def leave_descriptors(running, count):
    """Lowers the device's limit so that it can open `count` more."""
    used = {int(name) for name in os.listdir(f"/proc/{running.pid}/fd")}
    limit = 0
    while count or limit <= max(used):
        count -= limit not in used and count > 0
        limit += 1
    hard = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (limit, hard))
    return limit


@pytest.mark.needs("process")
def test_accept_without_descriptors(device, target):
    """The listener waits for better times, without spinning, and forgets nobody. (Of raw TCP nobody
    makes room: test_http_room.py has who does.)"""
    running = device(SERVER)
    address = running.reach(running.port("RAW"))
    running.expect("SERVING")
    before = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    leave_descriptors(running, 4)
    peers = [Raw(address) for _ in range(12)]
    try:
        for raw in peers:
            raw.send("here")
        running.until("len(events()) == 4")
        assert all(raw.recv_exactly(4) == b"here" for raw in peers[:4])

        for _ in range(3):  # a virtual machine may count what others took from it
            begun = cpu_seconds(running.pid)
            turns = running.eval("turns(m, 1000)", 20)
            spent = cpu_seconds(running.pid) - begun
            assert turns <= 40, "each of the listener's attempts may end a wait, ten in a second"
            if spent < 0.15:
                break
        else:
            raise AssertionError(f"{spent} s of CPU time in a second")
        assert running.eval("len(events())") == 4
        peers[0].send("now")
        assert peers[0].recv_exactly(3) == b"now", "who is in is still served"

        # As many as leave come in, in the order of their coming.
        for served in range(4, 12, 2):
            peers[served - 4].close()
            peers[served - 3].close()
            for raw in peers[served : served + 2]:
                assert raw.recv_exactly(4) == b"here"
        assert running.eval("len(events())") == 12

        # Nothing is left behind that would hold back the next.
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, before)
        assert alive(running)
    finally:
        for raw in peers:
            raw.close()
    found = ended(running, 13)
    assert not any("ERROR" in each for each in found)


@pytest.mark.needs("process")
def test_connect_without_descriptors(device, target):
    running = device(SERVER)
    running.expect("SERVING")
    before = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    address = f"tcp://127.0.0.1:{running.port('RAW')}"
    leave_descriptors(running, 0)
    running.exec(
        f"""
said = []
def outward(c, ev, data):
    said.append((event_name(ev), data if ev == MG_EV_ERROR else None))
def attempt(fn, *args):
    try:
        return fn(*args)
    except Exception as e:
        return type(e).__name__, getattr(e, "errno", None)
c = attempt(m.connect, {address!r}, outward)
listener = attempt(m.listen, url("tcp"))
other = attempt(lambda: Manager().close())
"""
    )
    running.until("('MG_EV_CLOSE', None) in said")
    text = running.eval("[data for name, data in said if name == 'MG_EV_ERROR']")
    assert len(text) == 1 and "too many open files" in text[0].lower()
    refused = ("Error", errno.EMFILE)
    # Where a wait is a select(), a Manager takes no descriptor of its own.
    of_a_manager = refused if "descriptors" in target.capabilities else None
    assert running.eval("listener, other") == (refused, of_a_manager)
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, before)
    running.exec(f"c = m.connect({address!r}, outward)")
    running.until("c.is_writable")
    running.exec("c.close()")
    assert alive(running)


# ---- Short writes ------------------------------------------------------------------------------


def small_window(address, size=32768):
    """A client that the kernel gives little room."""
    return Raw(address, receive_buffer=size)


@pytest.mark.parametrize("way", ["reply", "chunks", "websocket", "raw"])
def test_short_writes(server, target, way):
    """20 MB through a small window arrive as they were sent; on a board 16 KB, what it has in one piece."""
    with small_window(server.reach(server.port("RAW" if way == "raw" else "PORT"))) as raw:
        if way == "raw":
            raw.send("big")
            data = raw.recv_all()
        elif way == "websocket":
            ws_open(raw, "/ws")
            raw.send(frame(1, "big"))
            op, fin, masked, data = read_frame(raw)
            assert (op, fin, masked) == (2, True, False)
        else:
            data = raw.ask(REQUEST.format("/big" if way == "reply" else "/chunks")).body
        check_big(data, **big_of(target))


# ---- Resets ------------------------------------------------------------------------------------

UPLOAD = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"
BIG = REQUEST.format("/big")
RESETS = {
    "before the first byte": ("PORT", "", 0),
    "in a request's head": ("PORT", "GET / HTTP/1.1\r\nHo", 0),
    "in an upload": ("PORT", UPLOAD, 0),
    "in a chunked upload": (
        "PORT",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab",
        0,
    ),
    "before the reply is there": ("PORT", REQUEST.format("/never"), 0),
    "before a byte of the reply is read": ("PORT", BIG, 0),
    "in the reply": ("PORT", BIG, 100000),
    "in a stream": ("PORT", REQUEST.format("/stream"), 120),
    "in a chunked reply": ("PORT", REQUEST.format("/chunks"), 100000),
    "with more requests waiting": ("PORT", BIG + REQUEST.format("/") * 1000, 100000),
    "of a raw connection": ("RAW", "hello", 5),
    "of a raw connection with unread bytes": ("RAW", "x" * 100000, 1),
    "of a raw connection that drains": ("RAW", "big", 100000),
}


@pytest.mark.parametrize("phase", RESETS)
def test_reset(server, target, phase):
    port, data, read = RESETS[phase]
    if data == UPLOAD:
        size = target.size(10000000, 16000)
        data = UPLOAD.format(size) + "x" * min(size // 2, 300000)
    for _ in range(5):
        raw = Raw(server.reach(server.port(port)))
        raw.send(data)
        if read:
            raw.recv_exactly(min(read, target.size(read, 5000)))
        raw.reset()
    # A peer that is gone before it was accepted need not have been seen at all; the others were
    # before this one.
    assert alive(server)
    server.until("len(m.connections) == 2", 20)
    for each in ended(server, 0):
        assert each[0] == "ACCEPT" and each[-1] == "CLOSE"
        assert each.count("ERROR") <= 1


@pytest.mark.parametrize("phase", ["handshake", "idle", "in a frame", "in a message to it"])
def test_reset_of_a_websocket(server, target, phase):
    raw = Raw(server.reach(server.port()))
    if phase == "handshake":
        raw.send("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n")
    else:
        ws_open(raw, "/ws")
    if phase == "in a frame":
        size = target.size(50000, 8000)
        raw.send(frame(2, b"x" * size)[: size // 2])
    elif phase == "in a message to it":
        raw.send(frame(1, "big"))
        raw.recv_exactly(target.size(100000, 5000))
    raw.reset()
    ended(server)
    assert alive(server)


@pytest.mark.parametrize("phase", ["at once", "after the request", "in the head", "in the body"])
def test_reset_by_a_server(server, phase):
    """We are the client: the error is told once, then comes the end."""

    def talk(raw):
        if phase != "at once":
            raw.recv_exactly_head()
        if phase == "in the head":
            raw.send("HTTP/1.1 200 OK\r\nContent-L")
        elif phase == "in the body":
            raw.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n123")
        time.sleep(0.05)
        raw.reset()

    with Server(talk) as peer:
        server.exec(
            f"""
said = []
def client(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.send({REQUEST.format("/")!r})
    elif ev in (MG_EV_HTTP_MSG, MG_EV_ERROR, MG_EV_CLOSE):
        said.append(event_name(ev))
m.connect(peer("http", {peer.port}), client)
"""
        )
        server.until("'MG_EV_CLOSE' in said")
    assert server.eval("said") == ["MG_EV_ERROR", "MG_EV_CLOSE"]


# ---- Half-close --------------------------------------------------------------------------------

# What a client sends before its end of the stream, and the bodies that it still gets.
HALF_CLOSES = {
    "nothing": ("", []),
    "half a head": ("GET / HTTP/1.1\r\nHo", []),
    "half a body": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", []),
    "half a chunk": (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n12345",
        [],
    ),
    "a request": (REQUEST.format("/"), [b"here"]),
    "a request and half": (REQUEST.format("/") + "GET / HT", [b"here"]),
    "two requests": (REQUEST.format("/") * 2, [b"here", b"here"]),
    "a request answered late": (REQUEST.format("/late"), [b"late"]),
    "two requests answered late": (REQUEST.format("/late") * 2, [b"late", b"late"]),
    "a request, one in wait": (REQUEST.format("/late") + REQUEST.format("/"), [b"late", b"here"]),
    "a request for a stream": (
        REQUEST.format("/stream"),
        [b"".join(b"piece %d;" % n for n in range(5, 0, -1))],
    ),
    "an upload": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", [b"3"]),
}


@pytest.mark.parametrize("sent", HALF_CLOSES)
def test_half_close(server, sent):
    """What was asked for before the end of the stream is answered, then the connection closes."""
    data, bodies = HALF_CLOSES[sent]
    with Raw(server.reach(server.port())) as raw:
        raw.send(data)
        raw.half_close()
        assert [raw.response(data.split()[0]).body for _ in bodies] == bodies
        assert raw.closed()
    ended(server)


@pytest.mark.parametrize("path", ["/big", "/chunks"])
def test_half_close_before_a_long_reply(server, target, path):
    with small_window(server.reach(server.port()), 65536) as raw:
        raw.send(REQUEST.format(path))
        raw.half_close()
        check_big(raw.response().body, **big_of(target))
        assert raw.closed()
    ended(server)


def test_half_close_of_a_raw_connection(server, target):
    with small_window(server.reach(server.port("RAW")), 65536) as raw:
        raw.send("big")
        raw.half_close()
        check_big(raw.recv_all(), **big_of(target))
    assert ended(server) == [["ACCEPT", "CLOSE"]]


@pytest.mark.parametrize("part", [b"", frame(1, "abc")[:4], frame(1, "abc", fin=False)])
def test_half_close_of_a_websocket(server, part):
    """The end of the stream without a close frame is an end all the same."""
    with Raw(server.reach(server.port())) as raw:
        ws_open(raw, "/ws")
        raw.send(part)
        raw.half_close()
        assert raw.recv_all() in (b"", frame(8, struct.pack(">H", 1006), mask=False))
    ended(server)


def test_half_close_by_a_server(server):
    """A response without a length ends with the stream; what follows the end is our close."""

    def talk(raw):
        raw.recv_exactly_head()
        raw.send("HTTP/1.1 200 OK\r\n\r\nall of it")
        raw.half_close()
        return raw.recv_all()

    with Server(talk) as peer:
        server.exec(
            f"""
said = []
def client(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.send({REQUEST.format("/")!r})
    elif ev == MG_EV_HTTP_MSG:
        said.append(data.body_text)
    elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
        said.append(event_name(ev))
m.connect(peer("http", {peer.port}), client)
"""
        )
        server.until("'MG_EV_CLOSE' in said")
    assert server.eval("said") == ["all of it", "MG_EV_CLOSE"]
    assert peer.results == [b""]


# ---- IPv6 and UDP: the rest is in test_tcp.py and test_udp.py ----------------------------------


@pytest.mark.needs("ipv6", "host-network")
def test_all_addresses_of_one_family(device):
    """[::] and 0.0.0.0 are two listeners that may share a port; accepted ends name their own."""
    running = device(
        """
web = lambda c, ev, d: c.reply(200, repr(c.local_addr)) if ev == MG_EV_HTTP_MSG else None
m = Manager(web)
six = m.listen("http://[::]:0")
four = m.listen("http://0.0.0.0:%d" % port_of(six))
announce("PORT", six)
serve(m)
"""
    )
    port = running.port()
    for host in ("::1", "127.0.0.1", "127.0.0.77"):
        with Raw((host, port)) as raw:
            body = raw.ask(REQUEST.format("/")).body.decode()
        assert body == repr((host, port, ":" in host))


def test_udp_listener_outlives_lost_peers(device, target):
    """An answer to a peer that is gone comes back as an ICMP error: that is one peer's matter."""
    running = device(
        """
log = []
def handler(c, ev, data):
    if ev == MG_EV_READ:
        c.send(c.recv())
    elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
        log.append(event_name(ev))
m = Manager(handler)
announce("PORT", m.listen(url("udp")))
serve(m)
"""
    )
    address = running.reach(running.port())
    for n in range(20):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"%d" % n, address)
    running.exec("for n in range(20): m.poll(2)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds())
        s.connect(address)
        for n in range(target.size(200, 8)):
            s.send(b"burst %d" % n)
        # More than a buffer holds may be lost, but what comes is in order.
        got = [int(s.recv(100).split()[1])]
        running.exec("for n in range(100): m.poll(2)")  # all that came is answered
        s.settimeout(0.5 * target.slowness)
        with contextlib.suppress(TimeoutError):
            while True:
                got.append(int(s.recv(100).split()[1]))
        least = target.sockets(target.size(100, 3), 3)
        assert len(got) >= least and got == sorted(set(got))
    assert running.eval("log") == []


@pytest.mark.needs("udp-refusals")
def test_udp_client_learns_that_nobody_listens(device):
    running = device(
        """
log = []
def handler(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.send("anyone?")
    elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
        log.append((event_name(ev), data))
m = Manager(handler)
m.connect(peer("udp", PARAMS["port"]))
serve(m)
""",
        port=free_port(socket.SOCK_DGRAM),
    )
    running.until("len(log) == 2")
    assert running.eval("[kind for kind, _ in log]") == ["MG_EV_ERROR", "MG_EV_CLOSE"]
    assert "refused" in running.eval("log[0][1]").lower()


# ---- Limits ------------------------------------------------------------------------------------


def test_refusal_beyond_max_conns(device):
    """Who comes too many is told so in HTTP, and closed without a word elsewhere."""
    running = device(SERVER, limits={"max_conns": 5})
    web, plain = running.reach(running.port()), running.reach(running.port("RAW"))
    kept = [Raw(web) for _ in range(3)]
    for raw in kept:  # they wait for the program: none of them makes room
        raw.send(REQUEST.format("/never"))
    running.until("sum(e[1] == 'HTTP_MSG' for e in log) == 3")
    for _ in range(20):
        with Raw(web) as raw:
            answer = raw.response()
            assert answer.status == 503
            assert answer.headers["connection"] == "close" and "retry-after" in answer.headers
            assert raw.closed()
        with Raw(plain) as raw:
            assert raw.recv_all() == b""
    assert running.eval("len(m.connections)") == 5
    running.exec("[c.reply(200, 'here') for c in m.connections if not c.is_listening]")
    for raw in kept:
        assert raw.response().body == b"here"
        raw.close()
    running.until("len(m.connections) == 2")
    assert alive(running)
    assert len(running.eval("events()")) == 4, "who was refused was never seen"


def test_slow_reader_hits_max_send(device, target):
    """Only the slow one is refused more; the others go on, and it gets all that was taken."""
    piece = target.size(50000, 2000)
    running = device(
        """
import errno
members = []
refused = {}
def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.ws_upgrade(data)
    elif ev == MG_EV_WS_OPEN:
        c.userdata = 0
        members.append(c)
def broadcast(n):
    for index, c in enumerate(members):
        try:
            c.ws_send(piece, WEBSOCKET_OP_BINARY)
            c.userdata += 1
        except Error as e:
            refused[index] = e.errno == errno.ENOBUFS
    m.poll(0)
def room_for_more():
    # The quick one is as quick as its machine.
    poll_until(m, lambda: members[1].send_len < 2 * len(piece), 60000)
piece = b"x" * PARAMS["piece"]
m = Manager(handler, max_send=10 * len(piece))
announce("PORT", m.listen(url("http")))
serve(m)
""",
        piece=piece,
    )
    address = running.reach(running.port())
    with small_window(address, 32768 if piece > 32768 else 2048) as slow, Raw(address) as quick:
        ws_open(slow)
        ws_open(quick)
        running.until("len(members) == 2")
        got = []

        def read():
            while (message := read_frame(quick)) and message[0] == 2:
                got.append(len(message[3]))

        reader = threading.Thread(target=read)
        reader.start()
        running.exec("for n in range(400): broadcast(n); room_for_more()", 120)
        assert running.eval("refused.get(0)") is True
        taken, all_of_them = running.eval("[c.userdata for c in members]")
        assert taken < 400
        assert running.eval("members[0].send_len") <= 10 * piece + piece + 10
        for _ in range(taken):
            assert read_frame(slow) == (2, True, False, b"x" * piece)
        running.until("members[0].send_len == 0")
        running.exec("broadcast(0); [c.drain() for c in members if c is members[1]]")
        assert read_frame(slow)[0] == 2, "and is in again"
        reader.join(seconds())
        assert not reader.is_alive()
        assert len(got) >= all_of_them
        assert 1 not in running.eval("refused"), "the quick one took all"
