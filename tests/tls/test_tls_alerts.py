# SPDX-License-Identifier: GPL-2.0-only
"""Who is refused hears why, by an alert that a client or server of others reads."""

import os
import re
import ssl
import threading

import pytest
from cryptography import x509
from peers.clients import Raw, Server, seconds
from peers.pki import make, pki
from tls_script import VERSIONS, TlsServer, context, dial, opened


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


@pytest.fixture
def hasty(shared, target):
    yield from opened(shared, target, handshake=1)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize(
    "own, words",
    [
        (None, "no.certificate|handshake.failure"),
        ("stranger", "unknown.ca"),
        ("expired", "certificate.expired"),
    ],
)
def test_a_client_learns_what_is_wrong_with_its_certificate(script, tmp_path, version, own, words):
    """In TLS 1.3 it believes that all is well by then, and reads by the keys of what follows."""
    port = script.listen("tls", name="asks", fn="echo", ca=pki()["ca"].cert)
    with pytest.raises(ssl.SSLError, match=f"(?i){words}"):
        with dial(script, port, context(version=version, own=own, tmp_path=tmp_path)) as raw:
            raw.send("abc")
            raw.recv_exactly(3)
    script.until("errors('server')")


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize(
    "kind, words",
    [
        ("unknown", "unknown.ca"),
        ("expired", "certificate.expired|cert.expired"),
        ("elsewhere", "bad.cert|unknown.ca|certificate.unknown"),
    ],
)
def test_a_server_learns_what_is_wrong_with_its_certificate(script, tmp_path, version, kind, words):
    made = context(True, version, own=kind, tmp_path=tmp_path)
    with TlsServer(lambda raw: raw.recv(), made) as server:
        script.connect(f"tls://localhost:{server.port}", first="x")
        script.until("log and log[-1][1] == 'CLOSE'")
    (result,) = server.results
    assert isinstance(result, ssl.SSLError), result
    assert re.search(f"(?i){words}", str(result)), result


def alert(script, port, data):
    """The alert that answers these bytes."""
    with Raw(script.reach(port)) as raw:
        raw.send(data)
        got = raw.recv_all()
    while got:
        kind, size = got[0], int.from_bytes(got[3:5], "big")
        body, got = got[5 : 5 + size], got[5 + size :]
        if kind == 21:
            assert len(body) == 2 and body[0] == 2
            return body[1]
    raise AssertionError("no alert")


def hello():
    outgoing = ssl.MemoryBIO()
    tls = context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def record(message, kind=22):
    return bytes([kind, 3, 1]) + len(message).to_bytes(2, "big") + message


BAD_HELLOS = {
    "a finished": record(b"\x14\0\0\x0c" + bytes(12)),
    "a session id too long": record(hello()[5:43] + b"\xff" + hello()[44:]),
    "no ciphers": record(b"\x01\0\0\x29\x03\x03" + bytes(32) + b"\0\0\0\x01\0\0\0"),
    "its length too short": record(b"\x01\0\0\x02\x03\x03"),
    "half an extension": record(
        b"\x01\0\0\x2d\x03\x03" + bytes(32) + b"\0\0\x02\x13\x01\x01\0\0\x04\0\0\0"
    ),
    "application data": record(b"hello", 23),
    "a kind that is none": record(b"hello", 99),
    "a record too long": b"\x16\x03\x01\x7f\xff" + bytes(200),
    "a hello of a megabyte": record(b"\x01\x10\0\0" + os.urandom(2000)),
    "TLS 1.0": record(b"\x01\0\0\x2b\x03\x01" + bytes(32) + b"\0\0\x02\xc0\x2f\x01\0\0\0"),
}


@pytest.mark.parametrize("case", BAD_HELLOS)
def test_a_bad_hello_is_answered(script, case):
    port = script.listen()
    assert alert(script, port, BAD_HELLOS[case]) in (10, 20, 22, 40, 47, 50, 70)
    script.until("errors('server')")
    assert script.eval("errors('server')")[0].startswith("TLS: ")


def test_who_is_too_slow_is_told(hasty):
    port = hasty.listen()
    assert alert(hasty, port, hello()[:50]) == 90
    hasty.until("errors('server')")
    assert "timed out" in hasty.eval("errors('server')")[0]


def test_a_close_in_the_handshake_is_told(script):
    """By the program, which gives up."""
    begun = threading.Event()

    def talk(raw):
        raw.recv_exactly(50)
        begun.set()
        return raw.recv_all()[-7:]

    with Server(talk) as server:
        script.connect(f"tls://localhost:{server.port}")
        assert begun.wait(seconds())
        script.exec("c.close()")
        script.until("log[-1][1] == 'CLOSE'")
    assert server.results[0][:1] == b"\x15" and server.results[0][-3:] == b"\x02\x02\x5a"


def test_a_chain_that_is_too_large_names_the_limit(script, tmp_path):
    """What mbedTLS takes in one message, at the most."""
    names = [x509.DNSName("localhost")]
    names += [x509.DNSName(f"{i:04d}{'x' * 50}.example") for i in range(300)]
    made = context(True, own=make("localhost", pki()["ca"], names), tmp_path=tmp_path)
    with TlsServer(lambda raw: raw.recv(), made) as server:
        script.connect(f"tls://localhost:{server.port}", first="x")
        script.until("log and log[-1][1] == 'CLOSE'")
    assert isinstance(server.results[0], (ssl.SSLError, OSError))
    (error,) = script.eval("errors('client')")
    assert "16384 are taken" in error and "certificates" in error, error
