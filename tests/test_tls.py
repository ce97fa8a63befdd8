# SPDX-License-Identifier: GPL-2.0-only
"""TLS: servers and clients of others in both directions, and all that must be refused."""

import hashlib
import os
import socket
import ssl
import subprocess
import threading
import time

import pytest
import websockets.sync.client
import websockets.sync.server
from clients import TIMEOUT, Raw, Server, free_port
from pki import NOW, pki

BIG = 5_000_000

SCRIPT = """
log = []
peers = []

def note(c, *what):
    log.append(("client" if c.is_client else "server",) + what)

def handler(c, ev, data):
    if ev == MG_EV_ACCEPT:
        peers.append(c)
        if accept_opts:
            c.tls_init(accept_opts)
    if ev in (MG_EV_CONNECT, MG_EV_ACCEPT, MG_EV_TLS_HS, MG_EV_CLOSE):
        note(c, names([ev])[0])
    elif ev == MG_EV_ERROR:
        note(c, "ERROR", data)
    elif ev == MG_EV_WS_OPEN and c.is_client:
        c.ws_send("from the device")
    elif ev == MG_EV_WS_MSG:
        note(c, "WS", data.text)
        if not c.is_client:
            c.ws_send("echo " + data.text)
    elif ev == MG_EV_HTTP_MSG and c.is_client:
        note(c, "MSG", data.status(), len(data.body_bytes))
    elif ev == MG_EV_HTTP_MSG:
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/big":
            c.reply(200, b"0123456789" * (PARAMS["big"] // 10))
        else:
            c.reply(200, "%s %s %d" % (data.method, data.uri, len(data.body_bytes)))

def echo(c, ev, data):
    if ev == MG_EV_READ:
        c.send(c.recv())
    handler(c, ev, data)

accept_opts = None
opts = {}

def make(label, **given):
    if label not in opts:
        opts[label] = TlsOpts(**given)
    return opts[label]

def listen(scheme, name, fn=None, **given):
    c = m.listen(url(scheme), fn or handler)
    if name:
        c.tls_init(make(name, **given))
    peers.append(c)
    return port_of(c)

def errors(who):
    return [e[2] for e in log if e[0] == who and e[1] == "ERROR"]

def reset():
    global accept_opts
    for c in peers:
        c.close()
    for c in m.connections:
        c.close()
    peers.clear()
    accept_opts = None
    settle()
    log.clear()

m = Manager(handler, handshake_timeout=1000)
serve(m)
globals().update(opts)  # where the end finds them
opts.clear()
"""


@pytest.fixture
def script(shared):
    device = shared(SCRIPT, big=BIG)

    def listen(scheme="https", cert="ec", name=None, fn="None", **given):
        pair = pki()[cert]
        given = {"cert": pair.cert, "key": pair.key, **given}
        arguments = ", ".join(f"{k}={v!r}" for k, v in given.items())
        return device.eval(f"listen({scheme!r}, {name or cert!r}, {fn}, {arguments})")

    def connect(url, opts="ca", call="connect", ca="ca", first=None, **given):
        if ca:
            given["ca"] = pki()[ca].cert
        arguments = ", ".join(f"{k}={v!r}" for k, v in given.items())
        send = f"; c.send({first!r})" if first else ""
        device.exec(f"c = m.{call}({url!r}); c.tls_init(make({opts!r}, {arguments})){send}")

    device.listen = listen
    device.connect = connect
    yield device
    device.eval("reset()")


def context(server=False, version=None, trust="ca", own=None, tmp_path=None):
    """Of Python's ssl, the peer of most tests."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    # mbedTLS 3.6 knows no RSA-PSS in TLS 1.2; it says so by the order of its offer.
    made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if version:
        made.minimum_version = made.maximum_version = version
    if trust:
        made.load_verify_locations(cadata=pki()[trust].cert.decode())
    if own:
        made.load_cert_chain(*pki()[own].files(tmp_path))
    return made


def dial(port, made, name="localhost"):
    raw = Raw(("127.0.0.1", port))
    raw.socket = made.wrap_socket(raw.socket, server_hostname=name, suppress_ragged_eofs=False)
    return raw


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
REQUEST = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"


class TlsServer(Server):
    """A server of Python's ssl; what the handshake raises is a result like any other."""

    def __init__(self, talk, made, **kwargs):
        def wrapped(raw):
            try:
                raw.socket = made.wrap_socket(raw.socket, server_side=True)
                return talk(raw)
            except (ssl.SSLError, OSError) as e:
                return e

        super().__init__(wrapped, **kwargs)


# ---- Server ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_server(script, version, kind):
    port = script.listen(cert=kind)
    with dial(port, context(version=version)) as raw:
        assert raw.socket.version() == version.name.replace("_", ".")
        for _ in range(3):
            assert raw.ask(REQUEST).body == b"GET /x 0"
    script.until("log and log[-1] == ('server', 'CLOSE')")
    assert script.eval("log") == [("server", e) for e in ("ACCEPT", "TLS_HS", "CLOSE")]


def test_server_with_der(script):
    pair = pki()["ec"]
    port = script.listen(name="der", cert="ec")
    assert port
    with dial(port, context()) as raw:
        assert raw.ask(REQUEST).status == 200
    script.exec(f"TlsOpts(cert={pair.cert_der!r}, key={pair.key_der!r})")


def test_tls_init_at_accept(script):
    """As the Connection document has it: the listener is told nothing."""
    script.exec(f"accept_opts = make('ec', cert={pki()['ec'].cert!r}, key={pki()['ec'].key!r})")
    port = script.eval("listen('https', None)")
    with dial(port, context()) as raw:
        assert raw.ask(REQUEST).status == 200
    assert script.eval("log[:2]") == [("server", "ACCEPT"), ("server", "TLS_HS")]


def test_listener_without_certificate(script):
    port = script.eval("listen('https', None)")
    with pytest.raises((ssl.SSLError, OSError)):
        dial(port, context())
    script.until("errors('server')")
    assert "tls_init" in script.eval("errors('server')")[0]


def test_tls_on_a_plain_listener(script):
    port = script.listen("tcp", fn="echo")
    with dial(port, context()) as raw:
        raw.send("abc")
        assert raw.recv_exactly(3) == b"abc"
        assert script.eval("peers[-1].is_tls, peers[0].is_tls") == (True, True)


def test_tls_free_of_a_listener(script):
    port = script.listen("tcp", fn="echo")
    script.exec("peers[0].tls_free()")
    with Raw(("127.0.0.1", port)) as raw:
        raw.send("plain")
        assert raw.recv_exactly(5) == b"plain"


def test_curl(script, tmp_path):
    (tmp_path / "ca.pem").write_bytes(pki()["ca"].cert)
    port = script.listen()
    body = tmp_path / "body"
    body.write_bytes(os.urandom(BIG))
    curl = ["curl", "-sS", "--max-time", "30", "--cacert", str(tmp_path / "ca.pem")]
    out = subprocess.run([*curl, f"https://localhost:{port}/big"], check=True, capture_output=True)
    assert hashlib.sha256(out.stdout).digest() == hashlib.sha256(b"0123456789" * 500000).digest()
    upload = ["--data-binary", f"@{body}", "-H", "Expect:", f"https://127.0.0.1:{port}/up"]
    out = subprocess.run([*curl, *upload], check=True, capture_output=True)
    assert out.stdout == b"POST /up %d" % BIG


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_client(script, tmp_path, version):
    (tmp_path / "ca.pem").write_bytes(pki()["ca"].cert)
    port = script.listen()
    run = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
    run += ["-CAfile", str(tmp_path / "ca.pem"), "-verify_return_error", "-ign_eof", version]
    request = "GET /s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    out = subprocess.run(run, input=request, capture_output=True, text=True, timeout=20)
    assert out.returncode == 0 and "GET /s 0" in out.stdout
    assert "Verify return code: 0 (ok)" in out.stdout


def test_sessions_are_resumed(script):
    port = script.listen()
    made = context(version=ssl.TLSVersion.TLSv1_2)
    session = None
    for resumed in (False, True):
        plain = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        with made.wrap_socket(plain, server_hostname="localhost", session=session) as s:
            s.sendall(REQUEST.encode())
            assert b"GET /x 0" in s.recv(1000)
            assert s.session_reused == resumed
            session = s.session


def test_websocket_server(script):
    port = script.listen("wss")
    uri = f"wss://localhost:{port}/ws"
    with websockets.sync.client.connect(uri, ssl=context(), proxy=None) as ws:
        ws.send("hello")
        assert ws.recv(TIMEOUT) == "echo hello"


def test_goodbye(script):
    """What was sent arrives before the end, and the end is TLS's own, not a cut."""
    port = script.listen()
    with dial(port, context()) as raw:
        raw.send(REQUEST.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
        assert raw.recv_all().endswith(b"GET /x 0")


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_echo_of_megabytes(script, version):
    port = script.listen("tls", fn="echo")
    data = os.urandom(BIG)
    with dial(port, context(version=version)) as raw:
        # In turns: an SSL object of Python's cannot read and write in two threads at once.
        for start in range(0, BIG, 1 << 18):
            piece = data[start : start + (1 << 18)]
            raw.send(piece)
            assert raw.recv_exactly(len(piece)) == piece


def test_back_pressure(script):
    """Bytes that mbedTLS holds already are read when there is room again."""
    script.exec("slow = Manager(handshake_timeout=1000, max_recv=1000)")
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
def drink(n):
    start = ticks_ms()
    while sum(len(t) for t in taken) < n and ticks_diff(ticks_ms(), start) < 8000:
        slow.poll(1)
        for c in slow.connections:
            if not c.is_listening:
                taken.append(c.recv())
    return sum(len(t) for t in taken), max(len(t) for t in taken)
"""
        )
        port = script.eval(f"listen_on(slow, {pair.cert!r}, {pair.key!r})")

    def talk():
        with dial(port, context()) as raw:
            raw.send(b"x" * 50000)
            raw.recv()

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    total, most = script.eval("drink(50000)", 20)
    assert total == 50000 and most <= 1000
    script.exec("slow.close(); del slow")
    thread.join(TIMEOUT)


# ---- Client ------------------------------------------------------------------------------------


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
    with TlsServer(lambda raw: raw.recv(), context(True, own="ec", tmp_path=tmp_path)) as server:
        script.connect(f"tls://127.0.0.1:{server.port}", first="hello")
        script.until("any(e[1] == 'TLS_HS' for e in log)")
    assert server.results == [b"hello"]


def test_server_name(script, tmp_path):
    """SNI is the URL's host, or the name of the options, and never an address."""
    names = []
    made = context(True, own="ec", tmp_path=tmp_path)
    made.sni_callback = lambda sock, name, ctx: names.append(name)
    with TlsServer(lambda raw: raw.recv(), made, count=3) as server:
        for host, given in (
            ("localhost", {}),
            ("127.0.0.1", {}),
            ("127.0.0.1", {"name": "device.test"}),
        ):
            script.connect(f"tls://{host}:{server.port}", "sni" + str(given), first="x", **given)
            script.until("log and log[-1][1] in ('CLOSE', 'ERROR')")
            assert script.eval("errors('client')") == []
            script.exec("log.clear()")
    assert names == ["localhost", None, "device.test"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_server(script, tmp_path, version):
    cert, key = pki()["rsa"].files(tmp_path)
    port = free_port()
    run = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", cert, "-key", key]
    run += ["-www", "-quiet", version]
    with subprocess.Popen(run, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
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
        got.append(ws.recv(TIMEOUT))
        ws.send("from the host")
        time.sleep(0.2)

    made = context(True, own="ec", tmp_path=tmp_path)
    with websockets.sync.server.serve(talk, "127.0.0.1", 0, ssl=made) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        script.connect(f"wss://localhost:{server.socket.getsockname()[1]}/", call="ws_connect")
        script.until("('client', 'WS', 'from the host') in log")
        script.eval("reset()")
        server.shutdown()
        thread.join(TIMEOUT)
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


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_client_certificates(script, tmp_path, version):
    port = script.listen("tls", name="asks", fn="echo", ca=pki()["ca"].cert)
    with dial(port, context(version=version, own="client", tmp_path=tmp_path)) as raw:
        raw.send("abc")
        assert raw.recv_exactly(3) == b"abc"
    for own, word in ((None, "missing"), ("stranger", "unknown CA")):
        script.exec("log.clear()")
        with pytest.raises((ssl.SSLError, OSError)):
            with dial(port, context(version=version, own=own, tmp_path=tmp_path)) as raw:
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
        with dial(port, context(own=own, tmp_path=tmp_path)) as raw:
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
        dial(port, context(trust="other_ca"))
    script.until("errors('server')")
    assert "does not know the CA" in script.eval("errors('server')")[0]


def test_no_common_version(script, tmp_path):
    old = context(version=ssl.TLSVersion.TLSv1_2)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    port = script.listen()
    with pytest.raises((ssl.SSLError, OSError)):
        dial(port, old)
    script.until("errors('server')")
    assert "protocol version" in script.eval("errors('server')")[0]


def test_no_common_cipher(script):
    made = context(version=ssl.TLSVersion.TLSv1_2)
    made.set_ciphers("DHE-RSA-AES128-GCM-SHA256")
    port = script.listen()
    with pytest.raises((ssl.SSLError, OSError)):
        dial(port, made)
    script.until("errors('server')")
    assert "no common cipher" in script.eval("errors('server')")[0]


# ---- What is no TLS, or no end of it -----------------------------------------------------------


def test_plain_http_on_a_tls_port(script):
    port = script.listen()
    with Raw(("127.0.0.1", port)) as raw:
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
    with Raw(("127.0.0.1", port)) as raw:
        raw.send(sent)
    script.until("errors('server')")
    assert "during the handshake" in script.eval("errors('server')")[0]


@pytest.mark.parametrize(
    "junk", [b"\0" * 100, b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 99]
)
def test_junk(script, junk):
    port = script.listen()
    with Raw(("127.0.0.1", port)) as raw:
        raw.send(junk)
        raw.recv_all()
    script.until("errors('server')")
    assert script.eval("errors('server')")[0].startswith("TLS: ")


def test_handshake_has_a_deadline(script):
    port = script.listen()
    with Raw(("127.0.0.1", port)) as raw, Server(lambda r: r.recv_all()) as mute:
        script.connect(f"tls://localhost:{mute.port}", first="x")
        raw.send(b"\x16\x03\x01")
        script.until("errors('server') and errors('client')", 5)
        assert raw.closed()
    for who in ("server", "client"):
        assert "timed out" in script.eval(f"errors({who!r})")[0]


def test_slow_peer(script):
    """The handshake byte by byte: each readiness is a step of its own."""
    port = script.listen()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with Raw(("127.0.0.1", port)) as raw:
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


# ---- TlsOpts -----------------------------------------------------------------------------------

PAIR = pki()["ec"]
BAD_OPTS = {
    "no key": ({"cert": PAIR.cert}, "key"),
    "no cert": ({"key": PAIR.key}, "cert"),
    "other key": ({"cert": PAIR.cert, "key": pki()["client"].key}, "belong"),
    "rsa key": ({"cert": PAIR.cert, "key": pki()["rsa"].key}, "belong"),
    "empty ca": ({"ca": b""}, "empty"),
    "empty cert": ({"cert": b"", "key": PAIR.key}, "empty"),
    "empty key": ({"cert": PAIR.cert, "key": ""}, "empty"),
    "swapped": ({"cert": PAIR.key, "key": PAIR.cert}, "private key"),
    "cert as key": ({"cert": PAIR.cert, "key": PAIR.cert}, "private key"),
    "text": ({"ca": "hello"}, "certificate"),
    "bad base64": ({"ca": PAIR.cert.replace(b"M", b"!", 5)}, "certificate"),
    "truncated": ({"ca": PAIR.cert[:-40]}, "certificate"),
    "cut in the middle": ({"ca": PAIR.cert[:200]}, "certificate"),
    "second truncated": ({"ca": PAIR.cert + PAIR.cert[:300]}, "1 of its 2"),
    "second bad": ({"ca": PAIR.cert + PAIR.cert.replace(b"M", b"A", 3)}, "1 of its 2"),
    "truncated der": ({"ca": PAIR.cert_der[:-10]}, "certificate"),
    "der and more": ({"ca": PAIR.cert_der + b"x"}, "after"),
    "truncated key": ({"cert": PAIR.cert, "key": PAIR.key[:-40]}, "key"),
    "truncated der key": ({"cert": PAIR.cert, "key": PAIR.key_der[:-20]}, "key"),
    "nul in ca": ({"ca": PAIR.cert[:100] + b"\0" + PAIR.cert[100:]}, "NUL"),
    "nul in key": ({"cert": PAIR.cert, "key": PAIR.key + b"\0x"}, "NUL"),
    "encrypted key": ({"cert": PAIR.cert, "key": PAIR.key_encrypted}, "password"),
    "nul in name": ({"name": "a\0b"}, "NUL"),
    "empty name": ({"name": ""}, "name"),
    "long name": ({"name": "x" * 300}, "name"),
}


@pytest.mark.parametrize("case", BAD_OPTS)
def test_bad_options(script, case):
    given, word = BAD_OPTS[case]
    script.exec(f"raises(ValueError, TlsOpts, text={word!r}, **{given!r})")


def test_options_of_wrong_types(script):
    script.exec(
        """
for given in ({"ca": 1}, {"cert": [], "key": b""}, {"name": b"x"}):
    raises(TypeError, TlsOpts, **given)
raises(TypeError, TlsOpts, bogus=1)
c = m.listen(url("tcp"))
raises(TypeError, c.tls_init, None)
raises(TypeError, c.tls_init, {"cert": b""})
raises(ValueError, c.tls_init, TlsOpts(), text="cert")
c.close()
m.poll(0)
raises(Error, c.tls_init, TlsOpts(), text="closed")
raises(Error, c.tls_free, text="closed")
c = m.listen(url("udp"))
raises(ValueError, c.tls_init, TlsOpts(), text="UDP")
c.close()
"""
    )


def test_options_can_be_read(script):
    cert, key, ca = PAIR.cert, PAIR.key, pki()["ca"].cert.decode()
    script.exec(f"o = TlsOpts({ca!r}, {cert!r}, {key!r}, 'me', True)")
    assert script.eval("o.ca, o.cert, o.key, o.name, o.skip_verification") == (
        ca,
        cert,
        key,
        "me",
        True,
    )
    script.exec("o = TlsOpts(); eq((o.ca, o.name, o.skip_verification), (None, None, False))")
    script.exec(
        """
try:
    o.name = "x"
    assert False
except AttributeError:
    pass
"""
    )


def test_when_it_is_too_late(script, tmp_path):
    with TlsServer(lambda raw: raw.recv(), context(True, own="ec", tmp_path=tmp_path)) as server:
        script.exec(f"make('ca', ca={pki()['ca'].cert!r})")
        twice = "c.tls_init(opts['ca']); c.tls_init(opts['ca'])"  # until it begins it may change
        script.exec(f"c = m.connect('tls://localhost:{server.port}'); {twice}")
        script.until("any(e[1] == 'TLS_HS' for e in log)")
        script.exec("raises(Error, c.tls_init, opts['ca'], text='begun')")
        script.exec("c.send('x')")
        script.until("log[-1][1] == 'CLOSE'")


@pytest.mark.needs("loopback")
def test_many_share_one(script):
    """200 handshakes by one TlsOpts, both ends ours: what they took is given back."""
    port = script.listen("tls", fn="echo")
    ca = pki()["ca"].cert
    script.exec(
        f"""
def round(n):
    done = []
    def one(c, ev, data):
        if ev == MG_EV_CONNECT:
            c.tls_init(make("ca", ca={ca!r}))
            c.send("x")
        elif ev == MG_EV_READ:
            c.recv()
            c.drain()
        elif ev == MG_EV_CLOSE:
            done.append(1)
        elif ev == MG_EV_ERROR:
            done.append(data)
    for i in range(n):
        m.connect("tls://localhost:{port}", one)
    poll_until(m, lambda: len(done) >= n, 60000)
    eq(done, [1] * n)
    poll_until(m, lambda: len(m.connections) == 1)
    peers[1:] = []
    log.clear()
    gc.collect()
    return live()
"""
    )
    before = script.eval("round(5)", 30)
    for _ in range(20):
        after = script.eval("round(10)", 60)
    assert after == before
