# SPDX-License-Identifier: GPL-2.0-only
"""What the loop must not do: spin, oversleep, hold memory, do more because others are idle.

In each state of a connection the process is watched for 0.4 s of poll(100): poll() returns
about four times, and CPU time is next to none.
"""

import contextlib
import resource
import socket
import threading

import pytest
from peers.clients import Raw, cpu_seconds, frame, read_frame, ws_open
from server_script import REQUEST

SERVER = r"""
log = []
late = []

def note(c, ev, data):
    if ev == MG_EV_ACCEPT:
        newest.append(c)
    elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
        log.append(event_name(ev)[6:])

def web(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/big":
            c.reply(200, bytes(20 << 20))
        elif data.uri == "/file":
            c.serve_file(data, PARAMS["file"])
        elif data.uri == "/stream":
            c.reply(200, "begun", headers={"Transfer-Encoding": "chunked"})
        elif data.uri != "/never":
            c.reply(200, data.body_bytes)
    elif ev == MG_EV_WS_MSG:
        c.ws_send(data.data, WEBSOCKET_OP_BINARY)
    note(c, ev, data)

def echo(c, ev, data):
    if ev == MG_EV_READ:
        c.send(c.recv())
    note(c, ev, data)

newest = []
m = Manager(note, max_recv=100000, max_send=64 << 20, drain_timeout=PARAMS["drain"])
announce("PORT", m.listen(url("http"), web))
announce("ECHO", m.listen(url("tcp"), echo))
announce("KEEP", m.listen(url("tcp")))
serve(m)
"""


@pytest.fixture
def server(shared, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "large.bin"
    if not file.exists():
        file.write_bytes(bytes(20 << 20))
    device = shared(SERVER, file=str(file), drain=1000)
    device.exec("log.clear(); newest.clear()")
    return device


def connect(server, port="PORT", request="", **options):
    """A client that has sent its request, once that has been read."""
    before = server.eval("len(newest)")
    raw = Raw(server.reach(server.port(port)), **options)
    raw.send(request)
    server.until(f"len(newest) > {before}")
    server.exec("[m.poll(2) for n in range(5)]")
    return raw


def assert_quiet(running, ms=400, returns=0):
    """Nothing happens, at no cost. `returns`: how many ends of a wait have their reason."""
    for _ in range(3):  # a virtual machine may count what others took from it
        begun = cpu_seconds(running.pid)
        count = running.eval(f"turns(m, {ms})", 20)
        spent = cpu_seconds(running.pid) - begun
        assert count <= ms / 100 + 3 + returns, f"poll(100) returned {count} times in {ms} ms"
        if spent < 0.06:
            return
    raise AssertionError(f"{spent:.3f} s of CPU time in {ms} ms")


def closed(server, *events):
    """The newest connection has closed, after these events."""
    server.until("'CLOSE' in log")
    assert server.eval("log") == [*events, "CLOSE"]


# ---- States ------------------------------------------------------------------------------------


@pytest.mark.needs("process", "many-sockets")
def test_idle(server):
    server.exec("timers = [m.timer_add(1000000, lambda: None)]; udp = m.listen(url('udp'))")
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            raw = stack.enter_context(connect(server, request=REQUEST.format("/")))
            assert raw.response().status == 200
            stack.enter_context(connect(server, "ECHO"))
            stack.enter_context(connect(server, "KEEP", "unread"))
        ws_open(raw, "/ws")
        assert_quiet(server)
    server.exec("timers[0].cancel(); udp.close()")


@pytest.mark.needs("process")
@pytest.mark.parametrize("end", ["none", "fin", "rst"])
@pytest.mark.parametrize("port", ["KEEP", "PORT"])
def test_reading_is_paused(server, port, end):
    """A full buffer, and what the peer does behind it."""
    request = REQUEST.format("/never") + "x" * 200000 if port == "PORT" else "x" * 2000000
    with Raw(server.reach(server.port(port))) as raw:
        raw.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for start in range(0, len(request), 65536):
                raw.socket.send(request[start : start + 65536].encode())
        server.until("newest and newest[0].is_full")
        assert_quiet(server)
        if end == "fin":
            raw.half_close()
        elif end == "rst":
            raw.reset()
            closed(server, "ERROR")
        assert_quiet(server)
        if end != "rst":
            assert server.eval("log") == []
            server.exec("newest[0].close()")


@pytest.mark.needs("process", "unix-sockets")
def test_reading_is_paused_on_a_unix_socket(server, tmp_path):
    """There the kernel tells of the peer's end whether one listens to it or not."""
    server.exec(f"listener = m.listen('unix://{tmp_path / 's'}')")
    with Raw(str(tmp_path / "s")) as raw:
        raw.send("x" * 200000)
        server.until("newest and newest[0].is_full")
        assert_quiet(server)
    assert_quiet(server, returns=2)
    server.exec("listener.close(); newest[0].is_closing or newest[0].close()")


@pytest.mark.needs("process")
@pytest.mark.parametrize("paths", ["/big", "/file", "/stream", "/big /", "/file /", "/never /"])
@pytest.mark.parametrize("end", ["none", "fin"])
def test_peer_takes_nothing(server, paths, end):
    """Neither what it asked for, nor what it asked for behind that."""
    first, _, more = paths.partition(" ")
    request = REQUEST.format(first) + (REQUEST.format(more) * 500 if more else "")
    with connect(server, request=request, receive_buffer=4096) as raw:
        assert_quiet(server)
        if end == "fin":
            raw.half_close()
            assert_quiet(server, returns=2)
        raw.reset()
        server.until("'CLOSE' in log")


@pytest.mark.needs("process")
@pytest.mark.parametrize("end", ["none", "fin"])
def test_draining_to_a_stalled_peer(server, end):
    with connect(server, "KEEP", receive_buffer=4096) as raw:
        server.exec("newest[0].send(bytes(20 << 20)); newest[0].drain(); m.poll(0)")
        assert_quiet(server)
        if end == "fin":
            raw.half_close()
            assert_quiet(server, returns=2)
        server.until("'CLOSE' in log")


@pytest.mark.needs("process")
def test_draining_to_a_peer_that_resets(device):
    running = device(SERVER, drain=3600000)
    with connect(running, "KEEP", receive_buffer=4096) as raw:
        running.exec("newest[0].send(bytes(20 << 20)); newest[0].drain(); m.poll(0)")
        assert_quiet(running)
        raw.reset()
        running.until("'CLOSE' in log")


@pytest.mark.needs("process")
def test_lingering(server, target):
    """After the last reply the peer has time to read it, and its own chatter costs nothing."""
    with connect(server, request="no HTTP at all\r\n\r\n") as raw:
        assert raw.response().status == 400
        assert raw.closed()
        assert_quiet(server)
        with contextlib.suppress(ConnectionError):  # the time may be over already
            for _ in range(10):
                raw.send("x" * 10000)
        # Where sockets are few their buffers are small, too: 4 KB of it at a time.
        assert_quiet(server, returns=target.sockets(10, 25))
        server.until("'CLOSE' in log")


@pytest.mark.needs("process")
@pytest.mark.parametrize("end", ["half-close", "close"])
def test_half_closed_with_a_reply_to_come(server, end):
    with connect(server, request=REQUEST.format("/never")) as raw:
        server.exec("begun = ticks_ms()")
        if end == "half-close":
            raw.half_close()
        else:
            raw.close()
        assert_quiet(server, returns=2)
        log, ms = server.eval("log, ticks_diff(ticks_ms(), begun)")
        assert log == [] or ms >= 1000
        server.until("'CLOSE' in log")


@pytest.mark.needs("process")
def test_half_closed_websocket_that_drains(server):
    """A close frame was sent, the peer does not answer."""
    with connect(server) as raw:
        ws_open(raw, "/ws")
        server.exec("newest[0].drain()")
        assert read_frame(raw)[0] == 8
        assert_quiet(server, returns=2)
        server.until("'CLOSE' in log", 30)


@pytest.mark.needs("process")
def test_connecting(server):
    """The peer's backlog is full, so that the handshake hangs."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(3):
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
        server.exec(f"c = m.connect(peer('tcp', {port}))")
        assert_quiet(server)
        assert server.eval("c.is_writable, log") == (False, [])
        server.exec("c.close()")


@pytest.mark.needs("process")
@pytest.mark.parametrize("scheme", ["http", "ws", "tcp"])
def test_waiting_for_a_server(server, scheme):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        call = "ws_connect" if scheme == "ws" else "connect"
        server.exec(f"c = m.{call}(peer({scheme!r}, {listener.getsockname()[1]}))")
        with listener.accept()[0] as peer:
            if scheme != "ws":
                server.exec(f"c.send({REQUEST.format('/')!r})")
            assert peer.recv(10).startswith(b"GET /")
            assert_quiet(server, returns=1)
            server.exec("c.close()")


# ---- Deadlines ---------------------------------------------------------------------------------


def test_timer_among_idle_connections(server, target):
    """A wait ends when the next thing is due, not before and not much later."""
    with contextlib.ExitStack() as stack:
        for _ in range(target.sockets(50, 8)):
            raw = stack.enter_context(connect(server, request=REQUEST.format("/")))
            assert raw.response().status == 200
        server.exec(
            """
def timed(ms):
    fired = []
    timer = m.timer_add(ms, lambda: fired.append(ticks_ms()))
    start, waits = ticks_ms(), 0
    while not fired:
        m.poll(5000)
        waits += 1
    return ticks_diff(fired[0], start), waits
"""
        )
        for ms in (1, 50, 120):
            took, waits = server.eval(f"timed({ms})")
            assert ms - 1 <= took < 4000, "the wait of 5 s did not end"
            assert waits <= 3


def test_deadline_of_a_connection_ends_a_wait(device):
    running = device(
        """
log = []
def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.reply(200, "x")
    elif ev == MG_EV_CLOSE:
        log.append(ticks_ms())
def wait():
    start, waits = ticks_ms(), 0
    while not log:
        m.poll(10000)
        waits += 1
    return ticks_diff(log[0], start), waits
m = Manager(handler, idle_timeout=1000)
announce("PORT", m.listen(url("http")))
serve(m)
"""
    )
    with Raw(running.reach(running.port())) as raw:
        assert raw.ask(REQUEST.format("/")).body == b"x"
        took, waits = running.eval("wait()")
        assert took < 8000, "the wait of 10 s did not end"
        assert waits <= 4
        assert raw.closed()


# ---- Memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "websocket", "raw"])
def test_buffers_of_an_idle_connection(server, target, kind):
    """Whatever went through them, they are gone when they are empty."""
    data = b"x" * target.size(1000000, 8000)
    with connect(server, "ECHO" if kind == "raw" else "PORT") as raw:
        if kind == "http":
            body = data.decode()
            request = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n{body}"
            assert raw.ask(request).body == data
        elif kind == "websocket":
            ws_open(raw, "/ws")
            raw.send(frame(2, data))
            assert read_frame(raw)[3] == data
        else:
            sender = threading.Thread(target=raw.send, args=(data,))
            sender.start()
            assert raw.recv_exactly(len(data)) == data
            sender.join()
        server.until("newest[0].send_len == 0")
        server.exec("[m.poll(2) for n in range(5)]")
        assert server.eval("newest[0].recv_size, newest[0].send_size") == (0, 0)


# ---- Many --------------------------------------------------------------------------------------

IDLE = 2000


@pytest.fixture
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = before[1]
    wanted = 2 * IDLE + 200 if hard == resource.RLIM_INFINITY else min(2 * IDLE + 200, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, before[0]), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.needs("process", "native-speed", "many-sockets", "epoll")
def test_cost_of_a_request_beside_idle_connections(many_descriptors, device):
    """2,000 idle connections: one more request costs what it costs alone."""
    empty, running = device(SERVER, drain=1000), device(SERVER, drain=1000)
    address = running.reach(running.port())
    request = REQUEST.format("/").encode()

    def cost(device, raw):
        begun = cpu_seconds(device.pid)
        for _ in range(50):
            raw.socket.sendall(request)
            assert raw.socket.recv(65536).startswith(b"HTTP/1.1 200")
        return (cpu_seconds(device.pid) - begun) / 50

    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            raw = stack.enter_context(Raw(address))
            raw.send(request)
        running.until(f"len(newest) == {IDLE}", 30)
        lone = stack.enter_context(Raw(empty.reach(empty.port())))
        busy = stack.enter_context(Raw(address))
        # In turns, since what else runs here blurs both: what counts is the least of many short
        # rounds, of which some fall into a quiet moment.
        alone = beside = 1.0
        for rounds in range(1500):
            alone = min(alone, cost(empty, lone))
            beside = min(beside, cost(running, busy))
            if rounds >= 40 and beside < 1.6 * alone:
                break
        assert_quiet(running)
        assert beside < 1.6 * alone, f"{alone * 1e6:.1f} us alone, {beside * 1e6:.1f} us beside"
    running.until("len(m.connections) == 3", 30)


@pytest.mark.needs("process", "many-sockets")
def test_many_idle_connections_are_quiet(device):
    running = device(SERVER, drain=1000)
    address = running.reach(running.port())
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(Raw(address))
        running.until("len(newest) == 400", 30)
        assert_quiet(running)
    running.until("len(m.connections) == 3", 30)


def test_a_busy_connection_does_not_starve_others(server):
    """One that always has bytes to read, and one that asks now and then: it has its answers."""
    stop = threading.Event()

    def flood():
        with Raw(server.reach(server.port("ECHO"))) as raw:
            raw.socket.setblocking(False)
            while not stop.is_set():
                with contextlib.suppress(BlockingIOError):
                    raw.socket.send(b"x" * 65536)
                with contextlib.suppress(BlockingIOError):
                    raw.socket.recv(1 << 20)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        server.until("len(newest)")
        with Raw(server.reach(server.port())) as raw:
            for _ in range(50):
                assert raw.ask(REQUEST.format("/")).status == 200
    finally:
        stop.set()
        thread.join()


STORM = r"""
import _thread

COUNT = 2500
PIECE = b"x" * (1 << 20)

def in_threads(fn):
    results = [[] for n in range(4)]
    def body(number):
        try:
            fn(number, results[number])
        finally:
            results[number].append("done")
    for number in range(4):
        _thread.start_new_thread(body, (number,))
    return results

def storm():
    got = [[] for n in range(4)]
    def take(c, ev, data):
        if ev == MG_EV_WAKEUP:
            number, _, n = data.decode().partition(":")
            got[int(number)].append(int(n))
    with Manager(take) as m:
        listener = m.listen(url("tcp"))
        number_of = listener.id
        def send(number, result):
            for n in range(COUNT):
                while not m.wakeup(number_of, "%d:%d" % (number, n)):
                    time.sleep(0.001)
        results = in_threads(send)
        poll_until(m, lambda: sum(len(g) for g in got) >= 4 * COUNT, 60000)
        poll_until(m, lambda: all(r == ["done"] for r in results))
        m.poll(0)
        for each in got:
            eq(each, list(range(COUNT)))

def overflow():
    # Nobody polls: the budget ends, and each call says whether it was within.
    got = []
    with Manager(lambda c, ev, data: got.append(len(data)) if ev == MG_EV_WAKEUP else None) as m:
        listener = m.listen(url("tcp"))
        number_of = listener.id
        def send(number, result):
            for n in range(40):
                result.append(m.wakeup(number_of, PIECE))
        results = in_threads(send)
        start = ticks_ms()
        while not all(r and r[-1] == "done" for r in results):
            assert ticks_diff(ticks_ms(), start) < 60000
            time.sleep(0.01)
        said = [each for r in results for each in r[:-1]]
        eq(len(said), 160)
        taken = sum(said)
        assert 0 < taken < 160, taken
        poll_until(m, lambda: len(got) >= taken)
        for _ in range(5):
            m.poll(1)
        eq(got, [len(PIECE)] * taken)
        eq(m.wakeup(number_of, PIECE), True)
        poll_until(m, lambda: len(got) == taken + 1)

serve()
"""


@pytest.mark.needs("threads")
@pytest.mark.parametrize("case", ["storm", "overflow"])
def test_wakeups_from_four_threads(shared, case):
    shared(STORM).case(case, 60)
