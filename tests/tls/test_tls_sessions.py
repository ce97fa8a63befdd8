# SPDX-License-Identifier: GPL-2.0-only
"""Sessions that are resumed, in both directions, and those that must not be."""

import re
import socket
import ssl
from ipaddress import ip_address

import pytest
from cryptography.x509 import IPAddress
from peers.clients import seconds
from peers.pki import LOCAL, make, pki
from tls_script import OPTIONS, REQUEST, VERSIONS, TlsServer, context, opened, openssl_client


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


# ---- Ours is the server --------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_server(script, version):
    port = script.listen()
    made = context(version=version)
    session = None
    for resumed in (False, True, True):
        plain = socket.create_connection(script.reach(port), seconds())
        with made.wrap_socket(plain, server_hostname="localhost", session=session) as s:
            s.sendall(REQUEST.encode())
            assert b"GET /x 0" in s.recv(1000)
            assert s.session_reused == resumed
            session = s.session


@pytest.mark.parametrize("version", OPTIONS)
def test_openssl_resumes(script, tmp_path, version):
    port = script.listen()
    said = []
    for option in ("-sess_out", "-sess_in"):
        out = openssl_client(script, port, tmp_path, version, option, str(tmp_path / "session"))
        said.append(re.search(r"^(New|Reused), TLS", out, re.MULTILINE)[1])
    assert said == ["New", "Reused"]


def test_server_with_client_certificates(script, tmp_path):
    """Who was verified stays so; a session is no way in for others."""
    port = script.listen("tls", name="asks", fn="echo", ca=pki()["ca"].cert)
    made = context(version=ssl.TLSVersion.TLSv1_2, own="client", tmp_path=tmp_path)
    session = None
    for resumed in (False, True):
        plain = socket.create_connection(script.reach(port), seconds())
        with made.wrap_socket(plain, server_hostname="localhost", session=session) as s:
            s.sendall(b"abc")
            assert s.recv(3) == b"abc" and s.session_reused == resumed
            session = s.session
    other = script.listen("tls", name="asks too", fn="echo", ca=pki()["other_ca"].cert)
    plain = socket.create_connection(script.reach(other), seconds())
    with pytest.raises((ssl.SSLError, OSError)):
        with made.wrap_socket(plain, server_hostname="localhost", session=session) as s:
            s.sendall(b"abc")
            s.recv(3)


# ---- Ours is the client --------------------------------------------------------------------------


def answer(raw):
    raw.recv()
    raw.send("hello")  # behind the tickets of TLS 1.3
    raw.closed()
    return raw.socket.session_reused


def connect(script, port, opts, host="localhost", **given):
    """One connection to its end."""
    script.exec("log.clear()")
    script.connect(f"tls://{host}:{port}", opts, first="x", **given)
    script.until("c.recv_data() == b'hello'")
    script.exec("c.drain()")
    script.until("log[-1][1] == 'CLOSE'")
    assert script.eval("errors('client')") == []


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_client(script, tmp_path, version, kind):
    made = context(True, version, own=kind, tmp_path=tmp_path)
    with TlsServer(answer, made, count=3) as server:
        for _ in range(3):
            connect(script, server.port, f"resumes {kind} {version}")
    assert server.results == [False, True, True]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_client_by_session_id(script, tmp_path, version):
    """A server that keeps its sessions itself."""
    made = context(True, version, own="ec", tmp_path=tmp_path)
    made.options |= ssl.OP_NO_TICKET
    made.num_tickets = 1

    def talk(raw):
        result = answer(raw)
        raw.socket.unwrap()  # else it forgets the session
        return result

    with TlsServer(talk, made, count=2) as server:
        for _ in range(2):
            connect(script, server.port, f"id {version}")
    assert server.results == [False, True]


@pytest.mark.needs("memory")  # a board keeps one session of each TlsOpts
def test_other_options_share_no_session(script, tmp_path):
    own = make("localhost", pki()["ca"], (*LOCAL, IPAddress(ip_address(script.peer))))
    made = context(True, own=own, tmp_path=tmp_path)
    with TlsServer(answer, made, count=4) as server:
        connect(script, server.port, "one")
        connect(script, server.port, "two")
        connect(script, server.port, "one", host=script.peer)
        connect(script, server.port, "one")
    assert server.results == [False, False, False, True]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_server_that_forgot(script, tmp_path, version):
    """Another server on the same port knows nothing of the session: a whole handshake."""
    first = context(True, version, own="ec", tmp_path=tmp_path)
    second = context(True, version, own="ec", tmp_path=tmp_path)
    made = [first, second, second]

    class Changing:
        def wrap_socket(self, *args, **kwargs):
            return made.pop(0).wrap_socket(*args, **kwargs)

    with TlsServer(answer, Changing(), count=3) as server:
        for _ in range(3):
            connect(script, server.port, f"forgot {version}")
    assert server.results == [False, False, True]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_a_session_does_not_excuse_another_server(script, tmp_path, version):
    """The session of a good server is of no use to a bad one behind the same name."""
    made = [
        context(True, version, own="ec", tmp_path=tmp_path),
        context(True, version, own="unknown", tmp_path=tmp_path),
    ]

    class Changing:
        def wrap_socket(self, *args, **kwargs):
            return made.pop(0).wrap_socket(*args, **kwargs)

    with TlsServer(answer, Changing(), count=2) as server:
        connect(script, server.port, f"changed {version}")
        script.connect(f"tls://localhost:{server.port}", f"changed {version}", first="secret")
        script.until("errors('client')")
    assert "unknown CA" in script.eval("errors('client')")[0]


@pytest.mark.needs("memory")
def test_memory_is_bounded(script, tmp_path):
    """Twelve hosts, as many as eight sessions."""
    made = context(True, own="ec", tmp_path=tmp_path)
    script.exec(f"counted = make('counted', ca={pki()['ca'].cert!r})")
    servers = [TlsServer(answer, made) for _ in range(12)]  # at once: no port is another's again
    blocks = []
    for each in servers:
        with each as server:
            connect(script, server.port, "counted")
            script.until("[c for c in m.connections if c.is_client] == []")
            script.exec("log.clear(); gc.collect()")
            if len(blocks) > 7:  # what the connection itself had may go a turn later
                script.until(f"live()[3] == {blocks[7]}")
            blocks.append(script.eval("live()[3]"))
    assert blocks[-1] == blocks[-2] == blocks[-3] == blocks[7]
    assert blocks[7] >= blocks[0]
    script.exec("del counted")
