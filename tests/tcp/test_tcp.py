# SPDX-License-Identifier: GPL-2.0-only
"""Raw TCP: received bytes, back-pressure, sending, closing, addresses, adopted sockets."""

import errno
import hashlib
import os
import resource
import socket
import threading

import pytest
from peers.clients import Raw, Server, free_port, nobody_listens, seconds

SERVER = """
log = []
conns = {}
mode = "echo"

def handler(c, ev, data):
    if ev == MG_EV_ACCEPT:
        c.userdata = mode
        conns[mode] = c
        log.append(("accept", c.remote_addr, c.local_addr, c.is_client, c.is_listening))
        if mode == "bye":
            c.send("bye")
            c.drain()
    elif ev == MG_EV_READ:
        if c.userdata == "echo":
            c.send(c.recv())
        elif c.userdata == "lines":
            while b"\\n" in c.recv_data():
                line = c.recv(c.recv_data().index(b"\\n") + 1)
                c.send(b"<" + line)
        elif c.userdata == "peek":
            log.append(("read", data, c.recv_len, c.recv_data(3), c.recv_data(), c.recv_len))
            c.recv(1)
        elif c.userdata == "count":
            log.append(("read", data))
            c.recv()
    elif ev == MG_EV_WRITE:
        log.append(("write", data))
    elif ev == MG_EV_ERROR:
        log.append(("error", data))
    elif ev == MG_EV_CLOSE:
        log.append(("close", c.userdata))

m = Manager(handler, max_recv=PARAMS["max_recv"])
listener = m.listen(url("tcp"))
announce("PORT", listener)
serve(m)
"""


@pytest.fixture
def limit(target):
    """The server's max_recv."""
    return target.size(200000, 8000)


@pytest.fixture
def server(shared, limit):
    device = shared(SERVER, max_recv=limit)

    def set_mode(mode):
        device.exec(f"mode = {mode!r}; log.clear(); conns.clear()")

    device.mode = set_mode
    set_mode("echo")
    return device


@pytest.fixture
def connect(server):
    opened = []

    def connect():
        opened.append(Raw(server.reach(server.port())))
        return opened[-1]

    yield connect
    for raw in opened:
        raw.close()


# ---- Receiving ---------------------------------------------------------------------------------


def test_echo(connect):
    raw = connect()
    for data in (b"a", b"\0\xff" * 100, b"x" * 65536):
        raw.send(data)
        assert raw.recv_exactly(len(data)) == data


def test_bytes_stay_until_taken(server, connect):
    """recv_data() looks, recv() takes."""
    server.mode("peek")
    raw = connect()
    raw.send("abcde")
    server.until("len(log) == 2")
    assert server.eval("log[1]") == ("read", 5, 5, b"abc", b"abcde", 5)
    raw.send("fg")
    server.until("len(log) == 3")
    assert server.eval("log[2]") == ("read", 2, 6, b"bcd", b"bcdefg", 6)
    assert server.eval("conns['peek'].recv(2), conns['peek'].recv(100), conns['peek'].recv()") == (
        b"cd",
        b"efg",
        b"",
    )
    assert server.eval("conns['peek'].recv_len") == 0


def test_lines_in_any_pieces(server, connect):
    server.mode("lines")
    raw = connect()
    raw.send_slowly("one\ntwo\n\nthree")
    assert raw.recv_exactly(12) == b"<one\n<two\n<\n"
    raw.send("\n")
    assert raw.recv_exactly(7) == b"<three\n"


def test_recv_arguments(server, connect):
    server.mode("none")
    raw = connect()
    raw.send("abcdef")
    server.until("'none' in conns and conns['none'].recv_len == 6")
    assert server.eval("conns['none'].recv_data(0), conns['none'].recv(0)") == (b"", b"")
    assert server.eval("conns['none'].recv_data(-1)") == b"abcdef"
    assert server.eval("conns['none'].recv(-1)") == b"abcdef"
    with pytest.raises(AssertionError, match="TypeError"):
        server.eval("conns['none'].recv('2')")


def test_read_events_count_bytes(server, connect):
    server.mode("count")
    raw = connect()
    raw.send("x" * 100000)
    server.until("sum(e[1] for e in log if e[0] == 'read') == 100000")


# ---- Back-pressure -----------------------------------------------------------------------------


def test_full_buffer_stops_reading_and_loses_nothing(server, connect, target, limit):
    """5 MB at a reader that does not read: it holds its limit, the sender waits, all arrives."""
    server.mode("none")
    raw = connect()
    # Else the host's own buffer grows until it has room for all.
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    data = os.urandom(target.size(5 << 20, 600 << 10))
    sender = threading.Thread(target=raw.send, args=(data,))
    sender.start()
    server.until("'none' in conns and conns['none'].is_full")
    assert server.eval("conns['none'].recv_len") == limit
    assert server.eval("conns['none'].recv_size") >= limit
    if server.sees_ports:  # else there is a network between, which takes some
        assert sender.is_alive(), "the sender should be held up"
    server.exec(
        f"""
import hashlib
digest = hashlib.sha256()
total = 0
def take(c, ev, data):
    global total
    if ev == MG_EV_READ:
        piece = c.recv({limit // 3})
        digest.update(piece)
        total += len(piece)
c = conns['none']
c.set_handler(take)
"""
    )
    server.exec("while c.recv_len: take(c, MG_EV_READ, 0)")
    assert server.eval("c.is_full") is False
    server.until(
        f"total + c.recv_len == {len(data)} or (c.recv_len and take(c, MG_EV_READ, 0))", 20
    )
    server.exec("while c.recv_len: take(c, MG_EV_READ, 0)")
    sender.join(seconds(10))
    assert server.eval("digest.digest()") == hashlib.sha256(data).digest()


def test_close_is_seen_behind_a_full_buffer(server, connect, limit):
    server.mode("none")
    raw = connect()
    raw.send(b"x" * limit)
    raw.close()
    server.until("'none' in conns and conns['none'].is_full")
    server.exec("conns['none'].recv()")
    server.until("('close', 'none') in log")


def test_high_water_mark(device, target):
    """With max_send unsent bytes a further send is refused, and what was queued arrives."""
    limit, piece = target.size(1000000, 12000), target.size(65536, 2000)
    running = device(
        """
import errno
result = None
piece = b"x" * PARAMS["piece"]
def handler(c, ev, data):
    global result
    if ev == MG_EV_ACCEPT:
        sent = 0
        try:
            while sent < 64 << 20:
                c.send(piece)
                sent += len(piece)
        except Error as e:
            result = (e.errno == errno.ENOBUFS, str(e), sent, c.send_len, c.send_size >= c.send_len)
            c.drain()
m = Manager(handler, max_send=PARAMS["limit"])
announce("PORT", m.listen(url("tcp")))
serve(m)
""",
        limit=limit,
        piece=piece,
    )
    with Raw(running.reach(running.port())) as raw:
        data = raw.recv_all()
    is_enobufs, text, sent, send_len, size_ok = running.eval("result")
    assert is_enobufs and text and size_ok
    assert data == b"x" * sent
    assert limit - piece <= send_len <= sent <= limit + (8 << 20)


def test_slow_reader_gets_everything(server, connect, target):
    server.mode("none")
    raw = connect()
    server.until("'none' in conns")
    count, size = target.size(300, 60), target.size(10000, 500)
    server.exec(
        f"c = conns['none']; [c.send(bytes([n & 255]) * {size}) for n in range({count})]; c.drain()"
    )
    assert raw.recv_all() == b"".join(bytes([n & 255]) * size for n in range(count))
    server.until("('close', 'none') in log")
    assert server.eval("sum(e[1] for e in log if e[0] == 'write')") == count * size


# ---- Sending and closing -----------------------------------------------------------------------


def test_send_queues_and_says_so(server, connect):
    server.mode("none")
    raw = connect()
    server.until("'none' in conns")
    assert server.eval(
        "(conns['none'].is_writable, conns['none'].send('abc'), conns['none'].send_len, "
        "conns['none'].send_data(), conns['none'].send_data(2), conns['none'].is_writable)"
    ) == (True, None, 3, b"abc", b"ab", False)
    assert raw.recv_exactly(3) == b"abc"
    server.until("conns['none'].send_len == 0")
    assert server.eval("('write', 3) in log")


def test_send_of_text_is_utf8(server, connect):
    server.mode("none")
    raw = connect()
    server.until("'none' in conns")
    server.exec(
        "conns['none'].send('\\u20ac'); conns['none'].send(b''); conns['none'].send(bytearray(b'x'))"
    )
    server.exec("conns['none'].send(memoryview(b'yz'))")
    assert raw.recv_exactly(6) == "\u20acxyz".encode()


def test_drain_at_accept(server, connect):
    server.mode("bye")
    assert connect().recv_all() == b"bye"
    server.until("('close', 'bye') in log")


def test_half_closed_client_gets_what_was_queued(server, connect):
    raw = connect()
    raw.send("x" * 100000)
    raw.half_close()
    assert len(raw.recv_all()) == 100000
    server.until("('close', 'echo') in log")


def test_reset_by_the_client(server, connect):
    raw = connect()
    raw.send("x")
    raw.recv_exactly(1)
    raw.reset()
    server.until("('close', 'echo') in log")
    assert server.eval("sum(e[0] == 'close' for e in log)") == 1


def test_close_throws_away(server, connect):
    server.mode("none")
    raw = connect()
    server.until("'none' in conns")
    server.exec("conns['none'].send('lost'); conns['none'].close()")
    assert raw.closed()
    server.until("('close', 'none') in log")


def test_send_while_draining_is_refused(server, connect):
    server.mode("none")
    raw = connect()
    server.until("'none' in conns")
    with pytest.raises(AssertionError, match="Error"):
        server.exec("conns['none'].drain(); conns['none'].send('more')")
    assert raw.recv_all() == b""


def test_drain_timeout(device, target):
    """A peer that takes nothing does not keep a draining connection for ever."""
    running = device(
        """
closed = []
size = PARAMS["size"]
def handler(c, ev, data):
    if ev == MG_EV_ACCEPT:
        c.send(b"x" * size)
        c.drain()
    elif ev == MG_EV_CLOSE:
        closed.append(c.send_len)
m = Manager(handler, drain_timeout=300, max_send=size)
listener = m.listen(url("tcp"))
deaf = Manager()
deaf.connect(url("tcp", port_of(listener)))
serve(m)
""",
        size=target.size(8 << 20, 24000),
    )
    running.expect("SERVING")
    assert 0 < running.until("closed")[0]


def test_sockets_close_on_listener_close(device):
    """close() of the listener frees the port; accepted connections live on."""
    running = device(
        """
def handler(c, ev, data):
    if ev == MG_EV_READ:
        c.send(c.recv())
m = Manager(handler)
listener = m.listen(url("tcp"))
announce("PORT", listener)
serve(m)
"""
    )
    port = running.port()
    with Raw(running.reach(port)) as raw:
        raw.send("a")
        assert raw.recv_exactly(1) == b"a"
        running.exec("listener.close()")
        running.until("len(m.connections) == 1")
        assert nobody_listens(running.reach(port))
        raw.send("b")
        assert raw.recv_exactly(1) == b"b"
        # The port can be taken again at once, though a connection on it lives.
        running.exec(f"listener = m.listen(url('tcp', {port}))")
        with Raw(running.reach(port)) as again:
            again.send("c")
            assert again.recv_exactly(1) == b"c"


# ---- Addresses ---------------------------------------------------------------------------------


def test_addresses(server, connect):
    raw = connect()
    raw.send("x")
    raw.recv_exactly(1)
    kind, remote, local, is_client, is_listening = server.eval("log[0]")
    assert remote[::2] == (server.peer, False)
    assert remote[1] == raw.socket.getsockname()[1] or not server.sees_ports
    assert local == (server.host, server.port(), False)
    assert (is_client, is_listening) == (False, False)
    assert server.eval("listener.local_addr") == (server.host, server.port(), False)
    assert server.eval("listener.remote_addr") == ("", 0, False)
    assert server.eval("listener.is_listening") is True


IPV6 = """
log = []
def handler(c, ev, data):
    if ev == MG_EV_ACCEPT:
        log.append((c.local_addr, c.remote_addr))
    elif ev == MG_EV_READ and not c.is_client:
        c.send(c.recv())
m = Manager(handler)
listener = m.listen("tcp://[::1]:0")
announce("PORT", listener)
serve(m)
"""


@pytest.mark.needs("ipv6", "host-network")
def test_ipv6(device):
    running = device(IPV6)
    with Raw(("::1", running.port())) as raw:
        raw.send("six")
        assert raw.recv_exactly(3) == b"six"
        mine = raw.socket.getsockname()
    assert running.eval("log") == [(("::1", running.port(), True), ("::1", mine[1], True))]


@pytest.mark.needs("ipv6", "loopback")
def test_ipv6_outwards(device):
    running = device(IPV6)
    port = running.port()
    assert running.eval("listener.local_addr") == ("::1", port, True)
    running.exec(f"c = m.connect('tcp://[::1]:{port}')\nc.send('six')")
    running.until("c.recv_len == 3")
    assert running.eval("c.remote_addr, c.recv()") == (("::1", port, True), b"six")
    mine = running.eval("c.local_addr")
    assert running.eval("log") == [(("::1", port, True), mine)]
    running.exec("c.close()")
    running.until("len(m.connections) == 1")


# ---- What can go wrong at the start ------------------------------------------------------------


def test_taken_port(server, connect):
    error = server.eval(f"str(raises(Error, m.listen, url('tcp', {server.port()})))")
    assert "in use" in error.lower() and str(server.port()) in error
    number = server.eval(f"raises(Error, m.listen, url('tcp', {server.port()})).errno")
    assert number == errno.EADDRINUSE
    raw = connect()
    raw.send("still there")
    assert raw.recv_exactly(11) == b"still there"


def test_connect_refused(server):
    server.exec(f"c = m.connect(peer('tcp', {free_port()}))")
    server.until("('close', None) in log")
    kinds = server.eval("[e[0] for e in log]")
    assert kinds == ["error", "close"]
    assert "refused" in server.eval("log[0][1]").lower()


def test_connect_timeout(device):
    """A peer that never answers: the backlog of this listener is full and nobody accepts."""
    running = device(
        """
log = []
m = Manager(lambda c, ev, d: log.append((event_name(ev), d)), connect_timeout=300)
serve(m)
"""
    )
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        running.expect("SERVING")
        running.exec(f"c = m.connect(peer('tcp', {port}))")
        running.until("'MG_EV_CLOSE' in [e[0] for e in log]")
        log = running.eval("log")
        for filler in fillers:
            filler.close()
    assert [entry[0] for entry in log] == ["MG_EV_OPEN", "MG_EV_ERROR", "MG_EV_CLOSE"]
    assert "time" in log[1][1].lower()


def test_client(server):
    """connect(): data queued before the connection stands is sent once it does."""

    def talk(raw):
        got = raw.recv_exactly(5)
        raw.send("world")
        return got, raw.recv_all()

    with Server(talk) as peer:
        server.exec(f"c = m.connect(peer('tcp', {peer.port}))\nc.send('hello')")
        server.until("c.recv_len == 5")
        assert server.eval("(c.recv(), c.is_client, c.remote_addr, c.local_addr[0])") == (
            b"world",
            True,
            (server.peer, peer.port, False),
            server.host,
        )
        server.exec("c.send('bye'); c.drain()")
    assert peer.results == [(b"hello", b"bye")]


@pytest.mark.needs("descriptors")
def test_adopted_listener(device):
    running = device(
        """
import socket
s = socket.socket()
s.bind(socket.getaddrinfo("127.0.0.1", 0)[0][-1] if MICROPYTHON else ("127.0.0.1", 0))
s.listen(5)
m = Manager(lambda c, ev, d: c.reply(200, "adopted") if ev == MG_EV_HTTP_MSG else None)
listener = m.listen("http://127.0.0.1:0", fd=s.fileno())
announce("PORT", listener)
serve(m)
"""
    )
    with Raw(running.reach(running.port())) as raw:
        assert raw.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body == b"adopted"


@pytest.mark.needs("descriptors")
@pytest.mark.parametrize(
    "fd, error", [("-1", "ValueError"), ("987654", "Error"), ("'3'", "TypeError")]
)
def test_bad_descriptor(server, fd, error):
    kind = server.eval(f"type(raises(Exception, m.listen, url('tcp'), fd={fd})).__name__")
    assert kind == error


@pytest.mark.needs("descriptors")
def test_descriptor_that_is_no_listener(server):
    server.exec("import socket\ns = socket.socket()")
    assert server.eval("str(raises((Error, ValueError), m.listen, url('tcp'), fd=s.fileno()))")
    server.exec("s.close()")


# ---- The limits of the system ---------------------------------------------------------------------


@pytest.mark.needs("process", "many-sockets")
def test_descriptors_above_1024(device, limit):
    """More connections than select() could watch."""
    wanted = 1200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * wanted:
        pytest.fail(f"this test needs {2 * wanted} open files, the hard limit is {hard}")
    running = device(SERVER, max_recv=limit)
    address = running.reach(running.port())
    running.expect("SERVING")
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (2 * wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * wanted), hard))
    clients = []
    try:
        clients += [Raw(address) for _ in range(wanted)]
        for raw in (clients[0], clients[-1], clients[wanted // 2]):
            raw.send("here")
            assert raw.recv_exactly(4) == b"here"
        running.until(f"len(m.connections) == {wanted + 1}")
    finally:
        for raw in clients:
            raw.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    running.until("len(m.connections) == 1")


# ---- Many --------------------------------------------------------------------------------------


@pytest.mark.needs("many-sockets")
def test_many_connections_at_once(server, connect):
    clients = [connect() for _ in range(200)]
    for n, raw in enumerate(clients):
        raw.send(str(n))
    for n, raw in enumerate(clients):
        assert raw.recv_exactly(len(str(n))) == str(n).encode()
    assert server.eval("len(m.connections)") == 201
