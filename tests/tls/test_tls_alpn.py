# SPDX-License-Identifier: GPL-2.0-only
"""The application's protocol is agreed on in the handshake (RFC 7301)."""

import ssl

import pytest
from peers.clients import Raw, listen
from tls_script import REQUEST, VERSIONS, TlsServer, context, dial, opened, openssl_client

NONE_IN_COMMON = 120  # the alert of RFC 7301, section 3.2


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


# Ours, theirs, what the server chooses.
SERVED = {
    "first of ours": (["h2", "http/1.1"], ["http/1.1", "h2"], "h2"),
    "only common": (["h2", "http/1.1"], ["spdy/1", "http/1.1"], "http/1.1"),
    "client has none": (["h2"], [], None),
    "server has none": ([], ["h2"], None),
    "long": (["x" * 255], ["x" * 255], "x" * 255),
    "not ascii": (["h\u00e9"], ["h\u00e9"], "h\u00e9"),
}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("case", SERVED)
def test_server_chooses(script, tmp_path, version, case):
    ours, theirs, chosen = SERVED[case]
    port = script.listen(name=f"alpn {ours}", alpn=ours)
    made = context(version=version)
    if theirs and case == "not ascii":
        # Python's ssl takes ASCII alone: the same bytes by openssl below.
        return served_by_openssl(script, port, tmp_path, theirs[0], version)
    if theirs:
        made.set_alpn_protocols(theirs)
    with dial(script, port, made) as raw:
        assert raw.socket.selected_alpn_protocol() == chosen
        assert raw.ask(REQUEST).status == 200
        assert script.eval("peers[-1].alpn, peers[0].alpn") == (chosen, None)
        script.exec("peers[-1].close()")
        script.until("log[-1][1] == 'CLOSE'")
        assert script.eval("peers[-1].alpn") is None
    noted = [e[2] for e in script.eval("log") if e[1] == "ALPN"]
    assert noted == ([chosen] if chosen else [])


def served_by_openssl(script, port, folder, name, version):
    option = f"-{version.name.replace('v', '').lower()}"
    said = openssl_client(script, port, folder, "-alpn", name, option)
    assert f"ALPN protocol: {name}" in said
    assert [e[2] for e in script.eval("log") if e[1] == "ALPN"] == [name]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
def test_server_without_a_common_one(script, version):
    port = script.listen(name="alpn h2", alpn=["h2"])
    made = context(version=version)
    made.set_alpn_protocols(["http/1.1"])
    with pytest.raises(ssl.SSLError, match="(?i)application.protocol"):
        dial(script, port, made)
    script.until("errors('server')")
    assert "no common application protocol" in script.eval("errors('server')")[0]
    assert script.eval("[e for e in log if e[1] == 'TLS_HS']") == []


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize(
    ("theirs", "chosen"), [(["http/1.1", "h2"], "http/1.1"), (["h2"], "h2"), ([], None)]
)
def test_client(script, tmp_path, version, theirs, chosen):
    made = context(True, version, own="ec", tmp_path=tmp_path)
    if theirs:
        made.set_alpn_protocols(theirs)

    def talk(raw):
        return raw.recv(), raw.socket.selected_alpn_protocol()

    with TlsServer(talk, made) as server:
        script.connect(f"tls://localhost:{server.port}", "both", first="x", alpn=("h2", "http/1.1"))
        script.until("log and log[-1][1] == 'CLOSE'")
    assert server.results == [(b"x", chosen)]
    assert [e[2] for e in script.eval("log") if e[1] == "ALPN"] == ([chosen] if chosen else [])


def alert(number):
    return b"\x15\x03\x03\x00\x02\x02" + bytes([number])


def test_client_is_refused(script):
    """Python's server never refuses, so the alert is sent by hand."""
    listener = listen()
    with listener:
        script.connect(
            f"tls://localhost:{listener.getsockname()[1]}", "h2 alone", first="x", alpn=["h2"]
        )
        peer, _ = listener.accept()
        with peer:
            script.exec("for i in range(20): m.poll(5)")
            assert b"\x00\x10\x00\x05\x00\x03\x02h2" in peer.recv(5000)
            peer.sendall(alert(NONE_IN_COMMON))
            script.until("errors('client')")
    assert "no common application protocol (alert 120)" in script.eval("errors('client')")[0]


def test_server_answers_what_was_not_offered(script, tmp_path):
    """A hello by hand: a list that is cut, empty, or longer than the message is an error."""
    port = script.listen(name="alpn h2", alpn=["h2"])
    made = context()
    made.set_alpn_protocols(["h2"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = made.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    right = b"\x00\x10\x00\x05\x00\x03\x02h2"
    assert right in hello
    for wrong in (
        b"\x00\x10\x00\x05\x00\x03\x00h2",
        b"\x00\x10\x00\x05\x00\x03\x03h2",
        b"\x00\x10\x00\x05\x00\x02\x02h2",
        b"\x00\x10\x00\x05\xff\xff\x02h2",
        b"\x00\x10\xff\xff\x00\x03\x02h2",
    ):
        script.exec("log.clear()")
        with Raw(script.reach(port)) as raw:
            raw.send(hello.replace(right, wrong))
            raw.recv_all()
        script.until("errors('server')")
        assert script.eval("errors('server')")[0].startswith("TLS: ")


def test_names(script):
    script.exec(
        """
eq(TlsOpts().alpn, ())
eq(TlsOpts(alpn=None).alpn, ())
eq(TlsOpts(alpn=["h2", "http/1.1"]).alpn, ("h2", "http/1.1"))
eq(TlsOpts(alpn=(n for n in ("a", "b"))).alpn, ("a", "b"))
eq(len(TlsOpts(alpn=["x%d" % i for i in range(16)]).alpn), 16)
for bad in ([""], ["x" * 256], ["a\\0b"], ["h2", ""], ["x%d" % i for i in range(17)]):
    raises(ValueError, TlsOpts, alpn=bad, text="alpn")
for bad in ("h2", b"h2", [b"h2"], [1], 1, [None]):
    raises(TypeError, TlsOpts, alpn=bad)
raises(TypeError, TlsOpts, None, None, None, None, False, ["h2"])
"""
    )
