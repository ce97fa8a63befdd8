# SPDX-License-Identifier: GPL-2.0-only
"""Names: of the server that a client wants, of several on one port; and who the peer says it is."""

import datetime
import ssl
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from peers.clients import Raw, Server, seconds
from peers.pki import LOCAL, make, pki
from tls_script import OPTIONS, VERSIONS, TlsServer, context, dial, opened


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


# ---- A dot at the end --------------------------------------------------------------------------


@pytest.mark.needs("host-network")
def test_a_dot_at_the_end_is_of_dns_alone(script, tmp_path):
    names = []
    made = context(True, own="ec", tmp_path=tmp_path)
    made.sni_callback = lambda sock, name, ctx: names.append(name)
    with TlsServer(lambda raw: raw.recv(), made, count=2) as server:
        script.connect(f"tls://localhost.:{server.port}", "dot", first="x")
        script.until("log and log[-1][1] == 'CLOSE'")
        script.connect(f"tls://127.0.0.1:{server.port}", "dot2", first="x", name="device.test.")
        script.until("[e[1] for e in log].count('CLOSE') == 2")
    assert script.eval("errors('client')") == []
    assert names == ["localhost", "device.test"] and server.results == [b"x", b"x"]


def test_a_name_that_is_a_dot(script):
    script.exec("raises(ValueError, TlsOpts, text='name', name='.')")


# ---- Several certificates on one port ----------------------------------------------------------

SITES = {
    "localhost": "default.test",
    "a.example": "a.example",
    "A.EXAMPLE": "a.example",
    "b.example": "wild",
    "x.b.example": "default.test",
    "c.b.example": "c.b.example",
    "example": "default.test",
    "a.example.": "a.example",
    None: "default.test",
}


def named(name):
    return make(name, pki()["ca"], (x509.DNSName(name), *LOCAL[2:]))


def sites(script, label, strict=False, **more):
    """A listener with certificates for some names; its port."""
    for name in ("default.test", "a.example", "wild", "c.b.example"):
        pair = named("*.example" if name == "wild" else name)
        script.exec(f"make({name + label!r}, cert={pair.cert!r}, key={pair.key!r})")
    sni = ", ".join(
        f"{name!r}: opts[{site + label!r}]"
        for name, site in {
            "*.example": "wild",
            "a.example": "a.example",
            "c.b.Example": "c.b.example",
        }.items()
    )
    script.exec(
        f"peers.append(m.listen(url('tls'), echo)); peers[-1].tls_init(opts['default.test{label}'],"
        f" sni={{{sni}}}, strict_sni={strict})"
    )
    return script.eval("port_of(peers[-1])")


def shown(script, port, name, version=None):
    made = context(version=version)
    made.check_hostname = False
    with dial(script, port, made, name=name) as raw:
        raw.send("x")
        assert raw.recv_exactly(1) == b"x"
        return dict(part[0] for part in raw.socket.getpeercert()["subject"])["commonName"]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_each_name_its_certificate(script, version):
    port = sites(script, version.name)
    for name, site in SITES.items():
        # Python's ssl sends no dot: that has a test of its own.
        if name != "a.example.":
            wanted = "*.example" if site == "wild" else site
            assert shown(script, port, name, version) == wanted, name


@pytest.mark.parametrize("version", OPTIONS)
def test_openssl_asks_for_names(script, version):
    port = sites(script, "o")
    for name in ("b.example", "a.example."):
        run = ["openssl", "s_client", "-connect", ":".join(map(str, script.reach(port)))]
        out = subprocess.run(
            [*run, "-servername", name, version],
            input="",
            capture_output=True,
            encoding="utf-8",
            timeout=seconds(20),
        )
        wanted = "*.example" if name[0] == "b" else "a.example"
        assert f"subject=CN = {wanted}" in out.stdout or f"subject=CN={wanted}" in out.stdout, out


def record(raw, *kinds):
    """The next TLS record of one of these kinds."""
    while True:
        head = raw.recv_exactly(5)
        body = raw.recv_exactly(int.from_bytes(head[3:], "big"))
        if head[0] in kinds:
            return head + body


@pytest.mark.needs("tls13")
@pytest.mark.parametrize("second", ["a.example", "b.example", "example.x"])
def test_who_is_asked_again_asks_for_the_same(script, second):
    """Behind a HelloRetryRequest: else it got one name's certificate by another name's rules."""
    port, answers = sites(script, "again"), []

    def relay(raw):
        with Raw(script.reach(port)) as far:
            far.send(record(raw, 22))
            raw.send(record(far, 22))
            far.send(record(raw, 22).replace(b"a.example", second.encode()))
            answers.append(record(far, 21, 22))

    with Server(relay) as server:
        run = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_3"]
        run += ["-groups", "X448:P-256", "-servername", "a.example"]
        subprocess.run(run, input="", capture_output=True, timeout=seconds(20))
    assert [a[0] for a in answers] == [22 if second == "a.example" else 21]
    assert second == "a.example" or answers[0][-1] == 112  # unrecognized_name


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_strict(script, version):
    port = sites(script, "s" + version.name, strict=True)
    assert shown(script, port, "a.example", version) == "a.example"
    assert shown(script, port, None, version) == "default.test"
    for name in ("default.test", "x.b.example"):
        script.exec("log.clear()")
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            shown(script, port, name, version)
        script.until("errors('server')")
        assert "not in sni" in script.eval("errors('server')")[0]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_a_name_may_want_client_certificates(script, tmp_path, version):
    """And no session of another name is a way round that."""
    pair, ca = named("a.example"), pki()["ca"].cert
    script.exec(f"make('open', cert={pair.cert!r}, key={pair.key!r})")
    script.exec(f"make('asks', cert={pair.cert!r}, key={pair.key!r}, ca={ca!r})")
    script.exec(
        "peers.append(m.listen(url('tls'), echo))\n"
        "peers[-1].tls_init(opts['open'], sni={'secret.example': opts['asks']})"
    )
    port = script.eval("port_of(peers[-1])")
    made = context(version=version)
    made.check_hostname = False

    def ask(name, session=None, **own):
        using = context(version=version, tmp_path=tmp_path, **own) if own else made
        using.check_hostname = False
        raw = Raw(script.reach(port))
        with raw:
            raw.socket = using.wrap_socket(raw.socket, server_hostname=name, session=session)
            raw.send("x")
            assert raw.recv_exactly(1) == b"x"
            return raw.socket.session, raw.socket.session_reused

    session, _ = ask("open.example")
    with pytest.raises((ssl.SSLError, OSError, EOFError)):
        ask("secret.example", session)
    with pytest.raises((ssl.SSLError, OSError, EOFError)):
        ask("secret.example")
    assert ask("secret.example", own="client")[1] is False


def test_certificates_can_be_renewed(script):
    """tls_init() again: who comes later sees the new one, who is there stays."""
    first, second = (make(name, pki()["ca"], LOCAL) for name in ("first", "second"))
    for label, pair in (("first", first), ("second", second)):
        script.exec(f"make({label!r}, cert={pair.cert!r}, key={pair.key!r})")
    script.exec("peers.append(m.listen(url('tls'), echo)); peers[-1].tls_init(opts['first'])")
    port = script.eval("port_of(peers[-1])")
    with dial(script, port, context()) as raw:
        for _ in range(2):
            raw.send("x")
            assert raw.recv_exactly(1) == b"x"
            script.exec("[c for c in peers if c.is_listening][-1].tls_init(opts['second'])")
        assert shown(script, port, "localhost") == "second"
        raw.send("x")
        assert raw.recv_exactly(1) == b"x"


BAD_SNI = {
    "no dict": ("['a.example']", "TypeError", "dict"),
    "no options": ("{'a.example': None}", "TypeError", "TlsOpts"),
    "no name": ("{1: opts['ec']}", "TypeError", "str"),
    "bytes": ("{b'a': opts['ec']}", "TypeError", "str"),
    "empty": ("{'': opts['ec']}", "ValueError", "host name"),
    "space": ("{'a b': opts['ec']}", "ValueError", "host name"),
    "nul": ("{'a\\0b': opts['ec']}", "ValueError", "host name"),
    "not ascii": ("{'b\\xfccher.example': opts['ec']}", "ValueError", "xn--"),
    "star": ("{'*': opts['ec']}", "ValueError", "host name"),
    "part of a label": ("{'a*.example': opts['ec']}", "ValueError", "host name"),
    "second label": ("{'a.*.example': opts['ec']}", "ValueError", "host name"),
    "without cert": ("{'a.example': TlsOpts()}", "ValueError", "no cert"),
}


@pytest.mark.parametrize("case", BAD_SNI)
def test_bad_sni(script, case):
    given, kind, word = BAD_SNI[case]
    pair = pki()["ec"]
    script.exec(f"make('ec', cert={pair.cert!r}, key={pair.key!r})")
    script.exec("peers.append(m.listen(url('http')))")
    script.exec(f"raises({kind}, peers[-1].tls_init, opts['ec'], sni={given}, text={word!r})")
    with Raw(script.reach(script.eval("port_of(peers[-1])"))) as raw:
        assert raw.closed(), "it accepts nothing until it has TLS"


def test_sni_is_a_servers(script):
    script.exec(
        f"make('ec', cert={pki()['ec'].cert!r}, key={pki()['ec'].key!r}, skip_verification=True)\n"
        f"c = m.connect('tls://{script.peer}:9')\n"
        "raises(ValueError, c.tls_init, opts['ec'], sni={'a': opts['ec']}, text='server')"
    )


# ---- The peer's certificate --------------------------------------------------------------------


def expected(pair, names):
    def millis(when):
        return int(when.replace(tzinfo=datetime.timezone.utc).timestamp()) * 1000

    serial = f"{pair.crt.serial_number:X}"
    return {
        "subject": pair.crt.subject.rfc4514_string(),
        "issuer": pair.crt.issuer.rfc4514_string(),
        "names": names,
        "serial": serial if len(serial) % 2 == 0 else "0" + serial,
        "not_before": millis(pair.crt.not_valid_before_utc),
        "not_after": millis(pair.crt.not_valid_after_utc),
        "sha256": pair.crt.fingerprint(hashes.SHA256()).hex(),
    }


WATCH = """
seen = []
def watch(c, ev, data):
    if ev == MG_EV_ACCEPT:
        peers.append(c)
    if ev in (MG_EV_CONNECT, MG_EV_ACCEPT, MG_EV_TLS_HS, MG_EV_READ, MG_EV_CLOSE):
        cert = c.peer_cert
        if cert and ev == MG_EV_READ:  # who keeps it holds no part of the connection
            eq(cert, c.peer_cert)
        seen.append((names([ev])[0], cert))
    if ev == MG_EV_READ:
        c.send(c.recv())
    elif ev == MG_EV_TLS_HS and c.is_client:
        c.send("x")
"""


def watched(script, port, label):
    given = f"ca={pki()['ca'].cert!r}, name='localhost'"
    url = f"tls://{script.peer}:{port}"
    script.exec(
        f"seen.clear(); c = m.connect({url!r}, watch); c.tls_init(make({label!r}, {given}))"
    )


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_of_a_server(script, tmp_path, version, kind):
    """In a resumed session, too, where TLS 1.3 sends none."""
    script.exec(WATCH)
    pair = pki()[kind]
    made = context(True, version, own=kind, tmp_path=tmp_path)
    names = ("localhost", "device.test", "127.0.0.1")

    def talk(raw):
        raw.recv()
        raw.send("y")
        raw.recv_all()
        return raw.socket.session_reused

    with TlsServer(talk, made, count=3) as server:
        for _ in range(3):
            watched(script, server.port, f"{kind} {version}")
            script.until("seen and seen[-1][0] == 'READ'")
            script.exec("c.drain()")
            script.until("seen[-1][0] == 'CLOSE'")
            seen = script.eval("seen")
            assert seen[1:] == [
                ("TLS_HS", expected(pair, names)),
                ("READ", expected(pair, names)),
                ("CLOSE", expected(pair, names)),
            ]
            assert seen[0] == ("CONNECT", None) and script.eval("c.peer_cert") is None
    assert server.results == [False, True, True]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_of_a_client(script, tmp_path, version):
    script.exec(WATCH)
    port = script.listen("tls", name="watched", fn="watch", ca=pki()["ca"].cert)
    session = None
    made = context(version=version, own="client", tmp_path=tmp_path)
    for _ in range(2):
        script.exec("seen.clear()")
        raw = Raw(script.reach(port))
        raw.socket = made.wrap_socket(raw.socket, server_hostname="localhost", session=session)
        with raw:
            raw.send("x")
            raw.recv_exactly(1)
            session = raw.socket.session
        script.until("seen[-1][0] == 'CLOSE'")
        wanted = expected(pki()["client"], ("client",))
        assert script.eval("[s for s in seen if s[0] in ('TLS_HS', 'READ')]") == [
            ("TLS_HS", wanted),
            ("READ", wanted),
        ]


def test_of_nobody(script):
    script.exec(WATCH)
    port = script.listen("tls", fn="watch")
    with dial(script, port, context()) as raw:
        raw.send("x")
        raw.recv_exactly(1)
    script.until("seen and seen[-1][0] == 'CLOSE'")
    assert script.eval("[s for s in seen if s[1]]") == []
    port = script.listen("http", name="plain")
    assert script.eval("peers[-1].peer_cert") is None


def test_of_strange_names(script, tmp_path):
    """A NUL or a letter that no host name has is not shown as one, and a long subject is no error."""
    strange = (
        x509.DNSName._init_without_validation("localhost\0.evil")
        if hasattr(x509.DNSName, "_init_without_validation")
        else x509.DNSName("a_b.example")
    )
    many = [x509.DNSName(f"n{i}.example") for i in range(70)]
    own = make("C" * 64, pki()["ca"], (strange, x509.RFC822Name("a@b.example"), *LOCAL, *many))
    with TlsServer(lambda raw: raw.recv(), context(True, own=own, tmp_path=tmp_path)) as server:
        script.exec(WATCH)
        watched(script, server.port, "ca")
        script.until("seen and seen[-1][0] == 'CLOSE'")
    cert = script.eval("[s[1] for s in seen if s[0] == 'TLS_HS'][0]")
    assert len(cert["names"]) == 64 and "localhost" in cert["names"][1]
    assert cert["names"][0] in ("localhost?.evil", "a_b.example")
    assert cert["subject"] == "CN=" + "C" * 64


def test_another_name_that_is_none(script, tmp_path):
    """What a stranger writes into a certificate makes no lines of its own in a log."""
    own = make("x", pki()["ca"], (x509.DNSName("a\nb.example"),))
    with TlsServer(lambda raw: raw.recv(), context(True, own=own, tmp_path=tmp_path)) as server:
        script.connect(f"tls://{script.peer}:{server.port}", "odd", first="x", name="localhost")
        script.until("log and log[-1][1] == 'CLOSE'")
    assert script.eval("errors('client')")[0].endswith("wanted localhost, got a?b.example")
