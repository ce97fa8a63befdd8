# SPDX-License-Identifier: GPL-2.0-only
"""TLS that begins on a connection in use: what leaves before it, and what may not come before it."""

import smtplib
import ssl
import subprocess

import pytest
from peers.clients import Raw, Server, seconds
from peers.pki import pki
from starttls_script import opened
from tls_script import OPTIONS, VERSIONS, context


@pytest.fixture
def script(shared):
    yield from opened(shared)


def wrapped(raw, made=None, name="localhost"):
    raw.socket = (made or context()).wrap_socket(raw.socket, server_hostname=name)
    return raw


def kinds(script):
    return [e[0] for e in script.eval("log")]


# ---- As server ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_server(script, version):
    with Raw(script.reach(script.port())) as raw:
        assert raw.recv_exactly(11) == b"220 ready\r\n"
        raw.send("STARTTLS\r\n")
        assert raw.recv_exactly(8) == b"220 go\r\n"
        wrapped(raw, context(version=version))
        raw.send("secret")
        assert raw.recv_exactly(6) == b"secret"
    script.until("log and log[-1][0] == 'CLOSE'")
    assert script.eval("log") == [("left", b""), ("TLS_HS", None), ("CLOSE", None)]


def test_what_is_queued_leaves_in_the_clear(script, target):
    """More than the socket takes at once."""
    size = target.size(400_000, 8_000)
    with Raw(script.reach(script.port())) as raw:
        raw.recv_until(b"\r\n")
        raw.send(f"STARTTLS {size}\r\n")
        assert raw.recv_exactly(size) == b"x" * size
        wrapped(raw)
        raw.send("secret")
        assert raw.recv_exactly(6) == b"secret"


@pytest.mark.parametrize(
    "injected", [b"INJECTED\r\n", b"I", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05INJEC"]
)
def test_server_takes_nothing_injected(script, injected):
    """CVE-2011-0411: a line that somebody put behind STARTTLS is no line of the secured client."""
    with Raw(script.reach(script.port())) as raw:
        raw.recv_until(b"\r\n")
        raw.send(b"STARTTLS\r\n" + injected)
        assert raw.recv_exactly(8) == b"220 go\r\n"
        with pytest.raises((ssl.SSLError, OSError)):
            wrapped(raw)
            raw.send("secret")
            raw.recv_exactly(1)
    script.until("log and log[-1][0] == 'CLOSE'")
    assert kinds(script) == ["left", "ERROR", "CLOSE"]
    left, error = script.eval("log")[:2]
    assert left == ("left", b"") and error[1].startswith("TLS: ")


@pytest.mark.parametrize("rest", [b"", b"x", b"rest " * 300])
def test_no_tls_after_all(script, rest):
    """tls_free() before the handshake: what came and was not read is there to be read."""
    with Raw(script.reach(script.port())) as raw:
        raw.recv_until(b"\r\n")
        raw.send(b"UNDO\r\n" + rest)
        script.until("log")
        left = script.eval("log")[0]
        assert left[0] == "left" and rest.startswith(left[1])  # a segment may come apart
        assert rest == left[1] or len(rest) > 500


def test_tls_after_all(script):
    with Raw(script.reach(script.port())) as raw:
        raw.recv_until(b"\r\n")
        raw.send(b"UNDOTWICE\r\n")
        wrapped(raw)
        raw.send("secret")
        assert raw.recv_exactly(6) == b"secret"


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 100])
def test_server_takes_a_hello_that_came_early(script, cut):
    """What was not read is where TLS begins; a client that does not wait is served."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    with Raw(script.reach(script.port())) as raw:
        raw.recv_until(b"\r\n")
        raw.send(b"STARTTLS\r\n" + hello[: cut or len(hello)])
        assert raw.recv_exactly(8) == b"220 go\r\n"
        raw.send(hello[cut or len(hello) :])
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.send(outgoing.read())
                incoming.write(raw.recv())
        tls.write(b"secret")
        raw.send(outgoing.read())
        script.until("log[-1][0] == 'TLS_HS'")


def test_smtplib(script):
    host, port = script.reach(script.port())
    client = smtplib.SMTP(timeout=seconds())
    client.connect(host, port)
    client._host = "localhost"
    assert client.starttls(context=context())[0] == 220
    client.sock.sendall(b"secret")
    assert client.sock.recv(6) == b"secret"
    client.close()


@pytest.mark.parametrize("version", OPTIONS)
def test_openssl_client(script, tmp_path, version):
    (tmp_path / "ca.pem").write_bytes(pki()["ca"].cert)
    run = ["openssl", "s_client", "-connect", ":".join(map(str, script.reach(script.port())))]
    run += ["-starttls", "smtp", "-name", "ehlo", "-servername", "localhost", "-CAfile"]
    run += [str(tmp_path / "ca.pem"), "-verify_return_error", version]
    out = subprocess.run(run, input="", capture_output=True, encoding="utf-8", timeout=seconds(20))
    assert "Verify return code: 0 (ok)" in out.stdout, out
    script.until("('TLS_HS', None) in log")


# ---- As client ---------------------------------------------------------------------------------

ASK = "(b'', b'STARTTLS'), (b'go', None), ('TLS', b'secret')"


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_client(script, tmp_path, version):
    def talk(raw):
        assert raw.recv_exactly(8) == b"STARTTLS"
        raw.send("220 go\r\n")
        made = context(True, version, own="ec", tmp_path=tmp_path)
        raw.socket = made.wrap_socket(raw.socket, server_side=True)
        return raw.recv()

    with Server(talk) as server:
        script.exec(f"start({server.port}, {ASK})")
        script.until("log and log[-1][0] == 'CLOSE'")
    assert server.results == [b"secret"]
    assert kinds(script) == ["READ", "left", "TLS_HS", "CLOSE"]


@pytest.mark.parametrize("injected", [b"I", b"INJECTED\r\n", b"\x17\x03\x03\x00\x08INJECTED"])
def test_client_takes_nothing_injected(script, injected):
    """CVE-2021-23214: what came with the answer is neither read nor taken for TLS."""

    def talk(raw):
        raw.recv_exactly(8)
        raw.send(b"go" + injected)
        return raw.recv_all()

    script.exec(
        """
def careful(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.send("STARTTLS")
    elif ev == MG_EV_READ:
        log.append(("READ", c.recv(2)))
        c.tls_init(trusting)
        log.append(("left", c.recv()))
    note(c, ev, data)
"""
    )
    with Server(talk) as server:
        script.exec(f"log.clear(); conns.append(m.connect(peer('tcp', {server.port}), careful))")
        script.until("log and log[-1][0] == 'CLOSE'")
    assert kinds(script) == ["READ", "left", "ERROR", "CLOSE"]
    assert script.eval("log[1]") == ("left", b"")
    assert b"secret" not in server.results[0]


def test_refused_by_name(script, tmp_path):
    """Who begins in the clear verifies no less."""

    def talk(raw):
        raw.recv_exactly(8)
        raw.send("go")
        made = context(True, own="elsewhere", tmp_path=tmp_path)
        try:
            raw.socket = made.wrap_socket(raw.socket, server_side=True)
            return raw.recv()
        except (ssl.SSLError, OSError) as e:
            return e

    with Server(talk) as server:
        script.exec(f"start({server.port}, {ASK})")
        script.until("log and log[-1][0] == 'CLOSE'")
    assert isinstance(server.results[0], (ssl.SSLError, OSError))
    assert "another name" in script.eval("[e[1] for e in log if e[0] == 'ERROR'][0]")


# ---- Within a framing --------------------------------------------------------------------------


def test_http_goes_on_within(script):
    with Raw(script.reach(script.port("HTTP"))) as raw:
        assert raw.ask("GET /a HTTP/1.1\r\nHost: d\r\n\r\n").body == b"/a False"
        assert raw.ask("GET /secure HTTP/1.1\r\nHost: d\r\n\r\n").body == b"go"
        wrapped(raw)
        assert raw.ask("GET /b HTTP/1.1\r\nHost: d\r\n\r\n").body == b"/b True"


def test_http_takes_nothing_injected(script):
    with Raw(script.reach(script.port("HTTP"))) as raw:
        request = "GET %s HTTP/1.1\r\nHost: d\r\n\r\n"
        assert raw.ask(request % "/secure" + request % "/injected", "GET").body == b"go"
        with pytest.raises((ssl.SSLError, OSError)):
            wrapped(raw)
    script.until("log and log[-1][0] == 'CLOSE'")
    assert kinds(script) == ["ERROR", "CLOSE"]


def test_http_client_behind_a_proxy(script, tmp_path):
    heads = []

    def talk(raw):
        heads.append(raw.recv_until(b"\r\n\r\n"))
        raw.send("HTTP/1.1 200 Connection established\r\n\r\n")
        made = context(True, own="ec", tmp_path=tmp_path)
        raw.socket = made.wrap_socket(raw.socket, server_side=True)
        heads.append(raw.recv_until(b"\r\n\r\n"))
        raw.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nfar")

    def liar(raw):
        raw.recv_until(b"\r\n\r\n")
        raw.send("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
        raw.recv_all()

    for answer, log in ((talk, [200, (200, "far")]), (liar, [200, "ERROR"])):
        with Server(answer) as server:
            script.exec(
                f"log.clear(); c = m.connect(peer('http', {server.port}), through); conns.append(c)"
                "; c.http_request('CONNECT', 'localhost:443', headers={'Host': 'localhost:443'})"
            )
            script.until("log and log[-1] == ('CLOSE', None)")
        assert script.eval("['ERROR' if 'ERROR' in str(e) else e for e in log[:-1]]") == log
    assert heads[1].startswith(b"GET /far HTTP/1.1\r\n") and b"Host: localhost\r\n" in heads[1]


@pytest.mark.needs("loopback")
def test_not_inside_another_framing(script):
    """The rest of a read would still be parsed as what had been sent in the clear."""
    script.exec(
        """
def broker(c, ev, data):
    if ev == MG_EV_MQTT_CMD and data.cmd == MQTT_CMD_CONNECT:
        try:
            c.tls_init(own)
        except ValueError as e:
            log.append(("refused", str(e)))
    note(c, ev, data)
listener = m.mqtt_listen(url("mqtt"), broker)
conns.append(listener)
conns.append(m.mqtt_connect(url("mqtt", port_of(listener)), lambda c, ev, data: None))
"""
    )
    script.until("log and log[-1][0] == 'CLOSE'")
    assert kinds(script) == ["ERROR", "refused", "CLOSE"]
    assert "MQTT has begun in the clear" in script.eval("log[1][1]")


def test_not_inside_a_message_of_http(script):
    """Who wrote its head in the clear is unknown: what comes over TLS does not complete it."""
    with Raw(script.reach(script.port("HTTP"))) as raw:
        raw.send("POST /halfway HTTP/1.1\r\nHost: d\r\nContent-Length: 6\r\n\r\n")
        script.until("log and log[-1][0] == 'CLOSE'")
    assert kinds(script) == ["ERROR", "refused", "CLOSE"]
    assert "has begun in the clear" in script.eval("log[1][1]")


def test_not_behind_the_start_of_a_head(script):
    with Raw(script.reach(script.port("HTTP"))) as raw:
        raw.send("GET /a HTTP")
        script.until("log and log[-1][0] == 'READ'")
        script.exec("secured(conns[-1])")
        script.until("log and log[-1][0] == 'CLOSE'")
    assert kinds(script) == ["READ", "ERROR", "refused", "CLOSE"]


@pytest.mark.needs("loopback")
def test_not_behind_another_framing(script):
    """Nor later: a session of MQTT that began in the clear is nobody's that TLS knows."""
    script.exec(
        """
def broker(c, ev, data):
    if ev == MG_EV_MQTT_CMD and data.cmd == MQTT_CMD_CONNECT:
        conns.append(c)
        log.append(("CONNECT", None))
    note(c, ev, data)
listener = m.mqtt_listen(url("mqtt"), broker)
conns.append(listener)
conns.append(m.mqtt_connect(url("mqtt", port_of(listener)), lambda c, ev, data: None))
"""
    )
    script.until("log")
    script.exec("secured(conns[-1])")
    script.until("log[-1][0] == 'CLOSE'")
    assert kinds(script) == ["CONNECT", "ERROR", "refused", "CLOSE"]
