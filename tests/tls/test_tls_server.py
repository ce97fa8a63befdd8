# SPDX-License-Identifier: GPL-2.0-only
"""TLS servers, asked by clients of others."""

import hashlib
import os
import ssl
import subprocess
import threading

import pytest
import websockets.sync.client
from peers.clients import Raw, seconds
from peers.pki import pki
from tls_script import OPTIONS, REQUEST, VERSIONS, context, dial, opened, openssl_client


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_server(script, version, kind):
    port = script.listen(cert=kind)
    with dial(script, port, context(version=version)) as raw:
        assert raw.socket.version() == version.name.replace("_", ".")
        for _ in range(3):
            assert raw.ask(REQUEST).body == b"GET /x 0"
    script.until("log and log[-1] == ('server', 'CLOSE')")
    assert script.eval("log") == [("server", e) for e in ("ACCEPT", "TLS_HS", "CLOSE")]


def test_server_with_der(script):
    pair = pki()["ec"]
    port = script.listen(name="der", cert="ec")
    assert port
    with dial(script, port, context()) as raw:
        assert raw.ask(REQUEST).status == 200
    script.exec(f"TlsOpts(cert={pair.cert_der!r}, key={pair.key_der!r})")


def test_tls_init_at_accept(script):
    """As the Connection document has it: the listener is told nothing."""
    script.exec(f"accept_opts = make('ec', cert={pki()['ec'].cert!r}, key={pki()['ec'].key!r})")
    port = script.eval("listen('https', None)")
    with dial(script, port, context()) as raw:
        assert raw.ask(REQUEST).status == 200
    assert script.eval("log[:2]") == [("server", "ACCEPT"), ("server", "TLS_HS")]


def test_listener_without_certificate(script):
    port = script.eval("listen('https', None)")
    with pytest.raises((ssl.SSLError, OSError)):
        dial(script, port, context())
    script.until("errors('server')")
    assert "tls_init" in script.eval("errors('server')")[0]


def test_tls_on_a_plain_listener(script):
    port = script.listen("tcp", fn="echo")
    with dial(script, port, context()) as raw:
        raw.send("abc")
        assert raw.recv_exactly(3) == b"abc"
        assert script.eval("peers[-1].is_tls, peers[0].is_tls") == (True, True)


def test_tls_free_of_a_listener(script):
    port = script.listen("tcp", fn="echo")
    script.exec("peers[0].tls_free()")
    with Raw(script.reach(port)) as raw:
        raw.send("plain")
        assert raw.recv_exactly(5) == b"plain"


def test_curl(script, tmp_path):
    (tmp_path / "ca.pem").write_bytes(pki()["ca"].cert)
    address, port = script.reach(script.listen())
    body = tmp_path / "body"
    body.write_bytes(os.urandom(script.big))
    curl = ["curl", "-sS", "--max-time", str(seconds(30)), "--cacert", str(tmp_path / "ca.pem")]
    curl += ["--resolve", f"localhost:{port}:{address}"]
    out = subprocess.run([*curl, f"https://localhost:{port}/big"], check=True, capture_output=True)
    assert (
        hashlib.sha256(out.stdout).digest()
        == hashlib.sha256(b"0123456789" * (script.big // 10)).digest()
    )
    upload = ["--data-binary", f"@{body}", "-H", "Expect:", f"https://localhost:{port}/up"]
    out = subprocess.run([*curl, *upload], check=True, capture_output=True)
    assert out.stdout == b"POST /up %d" % script.big


@pytest.mark.parametrize("version", OPTIONS)
def test_openssl_client(script, tmp_path, version):
    said = openssl_client(script, script.listen(), tmp_path, version)
    assert "Verify return code: 0 (ok)" in said


def test_websocket_server(script):
    address, port = script.reach(script.listen("wss"))
    uri = f"wss://{address}:{port}/ws"
    options = {"ssl": context(), "server_hostname": "localhost", "proxy": None}
    with websockets.sync.client.connect(uri, **options) as ws:
        ws.send("hello")
        assert ws.recv(seconds()) == "echo hello"


def test_goodbye(script):
    """What was sent arrives before the end, and the end is TLS's own, not a cut."""
    port = script.listen()
    with dial(script, port, context()) as raw:
        raw.send(REQUEST.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
        assert raw.recv_all().endswith(b"GET /x 0")


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_echo_of_megabytes(script, version):
    port = script.listen("tls", fn="echo")
    data = os.urandom(script.big)
    with dial(script, port, context(version=version)) as raw:
        # In turns: an SSL object of Python's cannot read and write in two threads at once.
        for start in range(0, script.big, 1 << 18):
            piece = data[start : start + (1 << 18)]
            raw.send(piece)
            assert raw.recv_exactly(len(piece)) == piece


def test_back_pressure(script):
    """Bytes that mbedTLS holds already are read when there is room again."""
    script.exec("slow = Manager(max_recv=1000)")
    pair = pki()["ec"]
    port = script.eval(
        f"listen_on(slow, {pair.cert!r}, {pair.key!r})"
        if script.eval("'listen_on' in globals()")
        else "0"
    )
    if not port:
        script.exec(
            """
taken = []
def take(c, ev, data):
    if ev == MG_EV_READ:
        peers.append(c)
        c.userdata = max(c.userdata or 0, c.recv_len)
def listen_on(manager, cert, key):
    c = manager.listen(url("tls"), take)
    c.tls_init(make("ec", cert=cert, key=key))
    return port_of(c)
def drink(n, ms):
    start = ticks_ms()
    while sum(len(t) for t in taken) < n and ticks_diff(ticks_ms(), start) < ms:
        slow.poll(1)
        for c in slow.connections:
            if not c.is_listening:
                taken.append(c.recv())
    return sum(len(t) for t in taken), max(len(t) for t in taken)
"""
        )
        port = script.eval(f"listen_on(slow, {pair.cert!r}, {pair.key!r})")

    def talk():
        with dial(script, port, context()) as raw:
            raw.send(b"x" * 50000)
            raw.recv()

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    total, most = script.eval(f"drink(50000, {int(seconds(30000))})", 20)
    assert total == 50000 and most <= 1000
    script.exec("slow.close(); del slow")
    thread.join(seconds())


@pytest.mark.needs("memory")
@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_a_long_chain(script, version):
    """Of 12 KB, in one message."""
    authority = pki()["ca"]
    chain = pki()["ec"].cert + authority.cert * (12_000 // len(authority.cert_der))
    port = script.eval(f"listen('https', 'long', None, cert={chain!r}, key={pki()['ec'].key!r})")
    with dial(script, port, context(version=version)) as raw:
        assert raw.ask(REQUEST).status == 200
