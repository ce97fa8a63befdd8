# SPDX-License-Identifier: GPL-2.0-only
"""TLS clients, at servers of others."""

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
        script.until("log[-1][1] == 'CLOSE'")
    assert server.results[0].startswith(b"GET /x")
    events = ["CONNECT", "TLS_HS", "MSG", "CLOSE"]
    assert [e[1] for e in script.eval("log")] == events


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


@pytest.mark.parametrize("version", OPTIONS)
def test_openssl_server(script, tmp_path, version):
    cert, key = pki()["rsa"].files(tmp_path)
    port = free_port()
    run = ["openssl", "s_server", "-accept", f"{here()}:{port}", "-cert", cert, "-key", key]
    run += ["-www", "-quiet", version]
    with subprocess.Popen(run, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(1500):
                with socket.socket() as probe:
                    if probe.connect_ex((here(), port)) == 0:
                        break
                time.sleep(0.02)
            script.connect(f"https://localhost:{port}/", first="GET / HTTP/1.0\r\n\r\n")
            script.until("any(e[1] == 'MSG' for e in log)")
            assert script.eval("[e for e in log if e[1] == 'MSG'][0][2]") == 200
        finally:
            process.kill()


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
