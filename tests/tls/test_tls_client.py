# SPDX-License-Identifier: GPL-2.0-only
"""TLS clients, at servers of others."""

import contextlib
import socket
import subprocess
import threading
import time
from ipaddress import ip_address

import pytest
import websockets.sync.server
from cryptography.x509 import IPAddress
from peers.clients import free_port, here, seconds
from peers.pki import LOCAL, make, pki
from tls_script import OPTIONS, REQUEST, VERSIONS, TlsServer, context, opened


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_client(script, tmp_path, version, kind):
    def talk(raw):
        head = raw.recv_until(b"\r\n\r\n")
        raw.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        raw.closed()
        return head

    with TlsServer(talk, context(True, version, own=kind, tmp_path=tmp_path)) as server:
        script.connect(f"https://localhost:{server.port}/", first=REQUEST)
        script.until("any(e[1] == 'MSG' for e in log)")
        script.exec("c.drain()")
        script.until("log and log[-1][1] == 'CLOSE'")
    assert server.results[0].startswith(b"GET /x")
    events = ["CONNECT", "TLS_HS", "MSG", "CLOSE"]
    assert [e[1] for e in script.eval("log")] == events


EARLY = """
import time

def busy(c, ev, data):
    # What the server sends meanwhile lies in the socket, unread.
    handler(c, ev, data)
    if ev != by or EARLY_DONE:
        return
    EARLY_DONE.append(1)
    print("BUSY")
    while not EARLY_SENT:
        _command()  # of the host, which knows
    time.sleep(PARAMS["pause"])  # until it is here
    try:
        if hand:
            c.send("GET /again HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        else:
            c.http_request("GET", "/again")
        note(c, "SENT")
    except Error as e:
        note(c, "REFUSED", str(e))

EARLY_DONE = []
EARLY_SENT = []
"""


def connect_busy(script, server, first=True):
    options = f"ca={pki()['ca'].cert!r}, name='localhost'"
    script.exec(
        f"c = m.connect('https://{script.peer}:{server.port}/', busy); "
        f"c.tls_init(make('busy', {options})); {f'c.send({REQUEST!r})' if first else ''}"
    )


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("hand", [False, True], ids=["http_request", "send"])
@pytest.mark.parametrize("first", [False, True], ids=["after-one", "first"])
def test_what_came_early_is_no_answer(script, tmp_path, version, hand, first):
    """Of the socket alone nobody can tell it from a ticket (RFC 9112, section 9.2)."""
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    is_busy, sent = threading.Event(), threading.Event()

    def talk(raw):
        if not first:
            raw.recv_until(b"\r\n\r\n")
            raw.send(answer + "ok")
        assert is_busy.wait(60)  # it has read what there was
        raw.send(answer + "no")
        sent.set()
        return raw.closed()

    by = "MG_EV_TLS_HS" if first else "MG_EV_HTTP_MSG"
    script.exec(EARLY + f"by, hand = {by}, {hand}")
    with TlsServer(talk, context(True, version, own="ec", tmp_path=tmp_path)) as server:
        connect_busy(script, server, first=not first)
        script.expect("BUSY", 60)
        is_busy.set()
        assert sent.wait(60)
        script.exec("EARLY_SENT.append(1)")
        script.until("log and log[-1][1] == 'CLOSE'")
    assert server.results[0] is True or isinstance(server.results[0], OSError)
    kinds = [e[1] for e in script.eval("log") if e[1] not in ("CONNECT", "TLS_HS")]
    assert kinds == ([] if first else ["MSG"]) + ["REFUSED", "CLOSE"]
    assert "nobody asked for" in script.eval("log[-2][2]")


def test_no_answer_is_awaited_before_it_is_asked_for(script, tmp_path):
    """Tickets come before the answer, and are none of it."""

    def talk(raw):
        for _ in range(2):
            raw.recv_until(b"\r\n\r\n")
            raw.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        raw.closed()

    script.exec(EARLY + "EARLY_SENT.append(1)\nby, hand = MG_EV_HTTP_MSG, False")
    with TlsServer(talk, context(True, own="ec", tmp_path=tmp_path)) as server:
        connect_busy(script, server)
        script.until("[e[1] for e in log].count('MSG') == 2")
        script.exec("c.drain()")
        script.until("log and log[-1][1] == 'CLOSE'")
    assert not script.eval("errors('client')")


def test_client_by_address(script, tmp_path):
    own = make("localhost", pki()["ca"], (*LOCAL, IPAddress(ip_address(script.peer))))
    with TlsServer(lambda raw: raw.recv(), context(True, own=own, tmp_path=tmp_path)) as server:
        script.connect(f"tls://{script.peer}:{server.port}", first="hello")
        script.until("any(e[1] == 'TLS_HS' for e in log)")
    assert server.results == [b"hello"]


def test_server_name(script, tmp_path):
    """SNI is the URL's host, or the name of the options, and never an address."""
    names = []
    own = make("localhost", pki()["ca"], (*LOCAL, IPAddress(ip_address(script.peer))))
    made = context(True, own=own, tmp_path=tmp_path)
    made.sni_callback = lambda sock, name, ctx: names.append(name)
    with TlsServer(lambda raw: raw.recv(), made, count=3) as server:
        for host, given in (
            ("localhost", {}),
            (script.peer, {}),
            (script.peer, {"name": "device.test"}),
        ):
            script.connect(f"tls://{host}:{server.port}", f"sni {host} {given}", first="x", **given)
            script.until("log and log[-1][1] in ('CLOSE', 'ERROR')")
            assert script.eval("errors('client')") == []
            script.exec("log.clear()")
    assert names == ["localhost", None, "device.test"]


@contextlib.contextmanager
def openssl_server(*options):
    """Its port. One that was taken meanwhile ends it, and it has another."""
    for _ in range(5):
        port = free_port()
        run = ["openssl", "s_server", "-accept", f"{here()}:{port}", "-www", "-quiet", *options]
        with subprocess.Popen(run, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                while process.poll() is None:
                    with socket.socket() as probe:
                        if probe.connect_ex((here(), port)) == 0:
                            break
                    time.sleep(0.02)
                if process.poll() is None:
                    yield port
                    return
            finally:
                process.kill()
    raise AssertionError("openssl s_server does not start")


@pytest.mark.parametrize("version", OPTIONS)
def test_openssl_server(script, tmp_path, version):
    cert, key = pki()["rsa"].files(tmp_path)
    with openssl_server("-cert", cert, "-key", key, version) as port:
        script.connect(f"https://localhost:{port}/", first="GET / HTTP/1.0\r\n\r\n")
        script.until("any(e[1] in ('MSG', 'ERROR', 'CLOSE') for e in log)")
        assert script.eval("[e[2] for e in log if e[1] == 'MSG'] or log") == [200]


def test_websocket_client(script, tmp_path):
    got = []

    def talk(ws):
        got.append(ws.recv(seconds()))
        ws.send("from the host")
        time.sleep(0.2)

    made = context(True, own="ec", tmp_path=tmp_path)
    with websockets.sync.server.serve(talk, here(), 0, ssl=made, open_timeout=seconds()) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        script.connect(f"wss://localhost:{server.socket.getsockname()[1]}/", call="ws_connect")
        script.until("('client', 'WS', 'from the host') in log")
        script.eval("reset()")
        server.shutdown()
        thread.join(seconds())
    assert got == ["from the device"]


def test_a_cut_is_no_end(script, tmp_path):
    """A body that ends with the connection is whole only if TLS says so."""
    answer = "HTTP/1.1 200 OK\r\n\r\nall of it"

    def polite(raw):
        raw.recv_until(b"\r\n\r\n")
        raw.send(answer)
        raw.socket.unwrap()

    def rude(raw):
        raw.recv_until(b"\r\n\r\n")
        raw.send(answer)
        raw.socket.shutdown(socket.SHUT_RDWR)

    for talk, end in ((polite, "MSG"), (rude, "ERROR")):
        with TlsServer(talk, context(True, own="ec", tmp_path=tmp_path)) as server:
            script.connect(f"https://localhost:{server.port}/", first=REQUEST)
            script.until("log and log[-1][1] == 'CLOSE'")
        assert [e[1] for e in script.eval("log")] == ["CONNECT", "TLS_HS", end, "CLOSE"]
        script.exec("log.clear()")
