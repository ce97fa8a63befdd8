# SPDX-License-Identifier: GPL-2.0-only
"""UDP: one read event is one datagram, answers go to its sender."""

import socket

import pytest
from peers.clients import seconds

SERVER = """
log = []
def handler(c, ev, data):
    if ev == MG_EV_READ:
        log.append((data, c.recv_len, c.remote_addr))
        if quiet:
            return
        c.send(c.recv())
    elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
        log.append(event_name(ev))
quiet = False
m = Manager(handler)
listener = m.listen(url("udp"))
announce("PORT", listener)
serve(m)
"""


@pytest.fixture
def server(shared):
    device = shared(SERVER)
    device.exec("log.clear(); quiet = False")
    return device


@pytest.fixture
def client(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds())
        s.connect(server.reach(server.port()))
        yield s


def test_echo(client):
    for data in (b"a", b"\0\xff" * 10, b"last"):
        client.send(data)
        assert client.recv(65536) == data


def test_datagrams_stay_apart(server, client):
    """Several at once: each is an event of its own, with its own length."""
    pieces = [bytes([65 + n]) * (n + 1) for n in range(20)]
    for start in range(0, len(pieces), 4):  # a board's network holds no more
        for piece in pieces[start : start + 4]:
            client.send(piece)
        assert [client.recv(65536) for _ in range(4)] == pieces[start : start + 4]
    assert [entry[:2] for entry in server.eval("log")] == [(n + 1, n + 1) for n in range(20)]
    (sender,) = {entry[2] for entry in server.eval("log")}
    assert sender[0] == server.peer
    if server.sees_ports:
        assert sender == (*client.getsockname(), False)


def test_unread_datagram_is_gone_at_the_next(server, client):
    server.exec("quiet = True")
    client.send(b"first")
    client.send(b"second one")
    server.until("len(log) == 2")
    assert [entry[:2] for entry in server.eval("log")] == [(5, 5), (10, 10)]


def test_empty_datagram(server, client):
    client.send(b"")
    client.send(b"x")
    server.until("any(entry[0] == 1 for entry in log)")
    assert "MG_EV_CLOSE" not in server.eval("log")


@pytest.mark.needs("memory")
def test_large_datagram(client):
    data = bytes(n & 255 for n in range(60000))
    client.send(data)
    assert client.recv(65536) == data


def test_datagram_too_large_to_send(server, client):
    server.exec(
        """
refused = []
def handler_big(c, ev, data):
    if ev == MG_EV_READ:
        c.recv()
        try:
            c.send(b"x" * 70000)
        except Error as e:
            refused.append(str(e))
        c.send("still works")
listener.set_handler(handler_big)
"""
    )
    client.send(b"go")
    assert client.recv(65536) == b"still works"
    assert server.eval("len(refused)") == 1
    server.exec("listener.set_handler(None)")


def test_answers_go_to_the_sender(server):
    address = server.reach(server.port())
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for n, s in enumerate(sockets):
        s.settimeout(seconds())
        s.sendto(b"from %d" % n, address)
    for n, s in enumerate(sockets):
        assert s.recvfrom(100) == (b"from %d" % n, address)
        s.close()


def test_client(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        host.settimeout(seconds())
        host.bind(("127.0.0.1", 0))
        server.exec(
            f"""
seen = []
c = m.connect(peer("udp", {host.getsockname()[1]}), lambda c, ev, d: seen.append((event_name(ev), c.recv() if ev == MG_EV_READ else None)))
c.send("one")
c.send("two")
"""
        )
        data, sender = host.recvfrom(100)
        assert data == b"one" and host.recvfrom(100) == (b"two", sender)
        host.sendto(b"answer", sender)
        server.until("('MG_EV_READ', b'answer') in seen")
        assert server.eval("(c.is_udp, c.is_client, c.remote_addr, c.is_listening)") == (
            True,
            True,
            (server.peer, host.getsockname()[1], False),
            False,
        )
        kinds = [kind for kind, _ in server.eval("seen")]
        assert kinds.index("MG_EV_CONNECT") < kinds.index("MG_EV_READ")
        server.exec("c.close()")
        server.until("('MG_EV_CLOSE', None) in seen")


def test_nobody_listens(server):
    """The ICMP answer to a datagram does not crash or spin the loop."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server.exec(f"c = m.connect(peer('udp', {port}))\nc.send('x')")
    server.exec("[m.poll(2) for n in range(20)]")
    server.exec("c.close()")


@pytest.mark.needs("ipv6", "host-network")
def test_ipv6(device):
    running = device(SERVER.replace('url("udp")', '"udp://[::1]:0"'))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds())
        s.sendto(b"six", ("::1", running.port()))
        assert s.recvfrom(100)[0] == b"six"
        mine = s.getsockname()
    assert running.eval("log[0][2]") == ("::1", mine[1], True)


def test_flags(server):
    assert server.eval(
        "(listener.is_udp, listener.is_listening, listener.is_client, listener.local_addr[0])"
    ) == (True, True, False, server.host)


def test_taken_port(server):
    text = server.eval(f"str(raises(Error, m.listen, url('udp', {server.port()})))")
    assert "in use" in text.lower()
