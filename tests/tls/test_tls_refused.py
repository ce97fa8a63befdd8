# SPDX-License-Identifier: GPL-2.0-only
"""Peers that are not trusted, that speak no TLS, or that end it too early."""

import ssl

import pytest
from peers.clients import Raw, Server
from peers.pki import NOW, pki
from tls_script import REQUEST, VERSIONS, TlsServer, context, dial, opened


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


@pytest.fixture
def hasty(shared, target):
    yield from opened(shared, target, handshake=1)


# ---- Who is not trusted ------------------------------------------------------------------------

REFUSED = {
    "expired": ("expired on", str(NOW.year)),
    "future": ("not yet valid", "the clock says"),
    "elsewhere": ("another name", "elsewhere.test"),
    "unknown": ("unknown CA",),
    "self_signed": ("self-signed",),
    "wrong_usage": ("another use",),
}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("kind", REFUSED)
def test_client_refuses(script, tmp_path, kind, version):
    made = context(True, version, own=kind, tmp_path=tmp_path)
    with TlsServer(lambda raw: raw.recv(), made) as server:
        script.connect(f"tls://localhost:{server.port}", first="secret")
        script.until("log and log[-1][1] == 'CLOSE'")
    (error,) = script.eval("errors('client')")
    assert error.startswith("TLS: ") and all(word in error for word in REFUSED[kind]), error
    assert isinstance(server.results[0], (ssl.SSLError, OSError)), "nothing was sent"


@pytest.mark.parametrize("kind", REFUSED)
def test_skip_verification(script, tmp_path, kind):
    with TlsServer(lambda raw: raw.recv(), context(True, own=kind, tmp_path=tmp_path)) as server:
        script.connect(
            f"tls://localhost:{server.port}", "skip", first="x", ca=None, skip_verification=True
        )
        script.until("log and log[-1][1] == 'CLOSE'")
    assert server.results == [b"x"]


DEFAULT = """
import os
try:
    os.environ["SSL_CERT_FILE"] = PARAMS["roots"]
except AttributeError:
    os.putenv("SSL_CERT_FILE", PARAMS["roots"])
log = []
def handler(c, ev, data):
    log.append((names([ev])[0], data))
    if ev == MG_EV_CONNECT:
        c.send("hello")
m = Manager(handler)
serve(m)
"""


@pytest.mark.needs("host-files")
def test_client_verifies_by_default(device, tmp_path):
    """Without tls_init() the system's roots decide."""
    (tmp_path / "roots.pem").write_bytes(pki()["ca"].cert + pki()["client"].cert)
    script = device(DEFAULT, roots=str(tmp_path / "roots.pem"))
    for kind, end in (("ec", "TLS_HS"), ("unknown", "ERROR")):
        made = context(True, own=kind, tmp_path=tmp_path)
        with TlsServer(lambda raw: raw.recv(), made) as server:
            script.exec(f"log.clear(); m.connect('tls://localhost:{server.port}')")
            script.until("log and log[-1][0] == 'CLOSE'")
            assert end in [e[0] for e in script.eval("log")]


@pytest.mark.needs("board")
def test_board_has_no_roots(script):
    with Server(lambda raw: raw.recv()) as server:
        script.exec(f"m.connect('tls://{script.peer}:{server.port}')")
        script.until("log and log[-1][1] == 'CLOSE'")
    assert server.results == [b""]
    assert "give TlsOpts(ca=...)" in script.eval("errors('client')")[0]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_client_certificates(script, tmp_path, version):
    port = script.listen("tls", name="asks", fn="echo", ca=pki()["ca"].cert)
    with dial(script, port, context(version=version, own="client", tmp_path=tmp_path)) as raw:
        raw.send("abc")
        assert raw.recv_exactly(3) == b"abc"
    for own, word in ((None, "missing"), ("stranger", "unknown CA")):
        script.exec("log.clear()")
        with pytest.raises((ssl.SSLError, OSError)):
            with dial(script, port, context(version=version, own=own, tmp_path=tmp_path)) as raw:
                raw.send("abc")
                raw.recv_exactly(3)
        script.until("errors('server')")
        assert word in script.eval("errors('server')")[0]
    assert script.eval("[e for e in log if e[1] == 'TLS_HS']") == []


def test_client_certificate_not_required(script, tmp_path):
    port = script.listen(
        "tls", name="asks-only", fn="echo", ca=pki()["ca"].cert, skip_verification=True
    )
    for own in (None, "stranger"):
        with dial(script, port, context(own=own, tmp_path=tmp_path)) as raw:
            raw.send("abc")
            assert raw.recv_exactly(3) == b"abc"


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_client_gives_its_certificate(script, tmp_path, version):
    made = context(True, version, own="ec", tmp_path=tmp_path)
    made.verify_mode = ssl.CERT_REQUIRED
    pair = pki()["client"]
    with TlsServer(lambda raw: (raw.recv(), raw.socket.getpeercert()), made, count=2) as server:
        script.connect(
            f"tls://localhost:{server.port}", "own", first="x", cert=pair.cert, key=pair.key
        )
        script.until("log and log[-1][1] == 'CLOSE'")
        script.exec("log.clear()")
        script.connect(f"tls://localhost:{server.port}", first="x")
        script.until("log and log[-1][1] == 'CLOSE'")
    assert server.results[0][0] == b"x" and "A client" in str(server.results[0][1])
    assert "certificate" in script.eval("errors('client')")[0]


def test_alert_of_the_peer_is_named(script):
    port = script.listen()
    with pytest.raises(ssl.SSLError):
        dial(script, port, context(trust="other_ca"))
    script.until("errors('server')")
    assert "does not know the CA" in script.eval("errors('server')")[0]


def test_no_common_version(script, tmp_path):
    old = context(version=ssl.TLSVersion.TLSv1_2)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    port = script.listen()
    with pytest.raises((ssl.SSLError, OSError)):
        dial(script, port, old)
    script.until("errors('server')")
    assert "protocol version" in script.eval("errors('server')")[0]


def test_no_common_cipher(script):
    made = context(version=ssl.TLSVersion.TLSv1_2)
    made.set_ciphers("DHE-RSA-AES128-GCM-SHA256")
    port = script.listen()
    with pytest.raises((ssl.SSLError, OSError)):
        dial(script, port, made)
    script.until("errors('server')")
    assert "no common cipher" in script.eval("errors('server')")[0]


# ---- What is no TLS, or no end of it -----------------------------------------------------------


def test_plain_http_on_a_tls_port(script):
    port = script.listen()
    with Raw(script.reach(port)) as raw:
        assert raw.ask(REQUEST).status == 400
    script.until("errors('server')")
    assert "plain HTTP" in script.eval("errors('server')")[0]


def test_server_that_speaks_no_tls(script):
    def talk(raw):
        raw.recv()
        raw.send("HTTP/1.1 400 Bad Request\r\n\r\n")

    with Server(talk) as server:
        script.connect(f"https://localhost:{server.port}/")
        script.until("errors('client')")
    assert "no TLS port" in script.eval("errors('client')")[0]


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
def test_peer_leaves_inside_the_handshake(script, sent):
    port = script.listen()
    with Raw(script.reach(port)) as raw:
        raw.send(sent)
    script.until("errors('server')")
    assert "during the handshake" in script.eval("errors('server')")[0]


@pytest.mark.parametrize(
    "junk", [b"\0" * 100, b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 99]
)
def test_junk(script, junk):
    port = script.listen()
    with Raw(script.reach(port)) as raw:
        raw.send(junk)
        raw.recv_all()
    script.until("errors('server')")
    assert script.eval("errors('server')")[0].startswith("TLS: ")


def test_handshake_has_a_deadline(hasty):
    port = hasty.listen()
    with Raw(hasty.reach(port)) as raw, Server(lambda r: r.recv_all()) as mute:
        hasty.connect(f"tls://localhost:{mute.port}", first="x")
        raw.send(b"\x16\x03\x01")
        hasty.until("errors('server') and errors('client')", 5)
        assert raw.recv_all() == b"\x15\x03\x03\x00\x02\x02\x5a"  # user_canceled
    for who in ("server", "client"):
        assert "timed out" in hasty.eval(f"errors({who!r})")[0]


def test_slow_peer(script):
    """The handshake byte by byte: each readiness is a step of its own."""
    port = script.listen()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with Raw(script.reach(port)) as raw:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.send_slowly(outgoing.read(), 7)
                incoming.write(raw.recv(50))
        tls.write(REQUEST.encode())
        raw.send_slowly(outgoing.read(), 5)
        got = b""
        while b"GET /x 0" not in got:
            try:
                got += tls.read(1000)
            except ssl.SSLWantReadError:
                incoming.write(raw.recv(50))
