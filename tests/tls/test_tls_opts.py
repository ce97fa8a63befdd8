# SPDX-License-Identifier: GPL-2.0-only
"""TlsOpts: what it takes, what it refuses, and how it is shared."""

import pytest
from peers.pki import DAY, LOCAL, NOW, make, pki
from tls_script import TlsServer, context, opened


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


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
    "second bad": (
        {"cert": PAIR.cert + PAIR.cert.replace(b"M", b"A", 3), "key": PAIR.key},
        "1 of its 2",
    ),
    "none of two": ({"ca": PAIR.cert.replace(b"M", b"A", 3) * 2}, "ca is no valid certificate"),
    "ca's file": ({"ca": "ca.pem"}, "ca is a file's name"),
    "cert's file": ({"cert": "/etc/cert.PEM", "key": "key.pem"}, "cert is a file's name"),
    "key's file": ({"cert": PAIR.cert, "key": b"C:\\dir\\a.key"}, "key is a file's name"),
    "large chain": ({"cert": PAIR.cert + pki()["ca"].cert * 50, "key": PAIR.key}, "can be sent"),
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
    "name that is not ascii": ({"name": "b\xfccher.example"}, "xn--"),
    "a line with a file": ({"ca": "ca.pem\r\n"}, "ca is a file's name"),
    "bundle of another kind": ({"cert": "server.p12", "key": "x"}, "cert is a file's name"),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(name, marks=pytest.mark.needs("memory")) if name == "large chain" else name
        for name in BAD_OPTS
    ],
)
def test_bad_options(script, case):
    given, word = BAD_OPTS[case]
    script.exec(f"raises(ValueError, TlsOpts, text={word!r}, **{given!r})")


def test_options_of_wrong_types(script):
    script.exec(
        """
for given in ({"ca": 1}, {"cert": [], "key": b""}, {"name": 1}):
    raises(TypeError, TlsOpts, **given)
raises(TypeError, TlsOpts, bogus=1)
c = m.listen(url("tcp"))
raises(TypeError, c.tls_init, None)
raises(TypeError, c.tls_init, {"cert": b""})
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
    """As bytes, however they were given, and empty without; as in cymongoose."""
    cert, key, ca = PAIR.cert, PAIR.key, pki()["ca"].cert
    script.exec(f"o = TlsOpts({ca.decode()!r}, bytearray({cert!r}), {key!r}, 'me', True)")
    seen = script.eval("o.ca, o.cert, o.key, o.name, o.skip_verification")
    assert seen == (ca, cert, key, b"me", True)
    script.exec("eq(TlsOpts(name=b'me').name, b'me')")
    script.exec(
        "o = TlsOpts(); eq((o.ca, o.cert, o.key, o.name, o.skip_verification), (b'', b'', b'', b'', False))"
    )
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
        script.exec(f"make('ca', ca={pki()['ca'].cert!r}, name='localhost')")
        twice = "c.tls_init(opts['ca']); c.tls_init(opts['ca'])"  # until it begins it may change
        script.exec(f"c = m.connect('tls://{script.peer}:{server.port}'); {twice}")
        script.until("any(e[1] == 'TLS_HS' for e in log)")
        script.exec("raises(Error, c.tls_init, opts['ca'], text='begun')")
        script.exec("c.send('x')")
        script.until("log[-1][1] == 'CLOSE'")


def test_a_bundle_with_what_cannot_be_read(script, tmp_path):
    """Of authorities: the others serve."""
    ca = pki()["ca"].cert
    bad = pki()["other_ca"].cert.replace(b"M", b"A", 3)
    for label, bundle in (("first", bad + ca), ("last", b"# a comment\n" + ca + bad)):
        with TlsServer(
            lambda raw: raw.recv(), context(True, own="ec", tmp_path=tmp_path)
        ) as server:
            url = f"tls://{script.peer}:{server.port}"
            script.exec(
                f"log.clear(); c = m.connect({url!r})\n"
                f"c.tls_init(make({label!r}, ca={bundle!r}, name='localhost')); c.send('x')"
            )
            script.until("log and log[-1][1] == 'CLOSE'")
        assert script.eval("errors('client')") == [] and server.results == [b"x"]


def test_when_it_expires(script):
    def millis(pair):
        return int(pair.crt.not_valid_after_utc.timestamp()) * 1000

    soon = make("soon", pki()["ca"], LOCAL, end=NOW + DAY)
    chain = soon.cert + pki()["ca"].cert
    late = make("late", pki()["ca"], LOCAL, end=NOW + 20000 * DAY)
    for cert, key, when in (
        (soon.cert, soon.key, millis(soon)),
        (chain, soon.key, millis(soon)),
        (late.cert + soon.cert, late.key, millis(soon)),
        (late.cert, late.key, millis(late)),
        (pki()["expired"].cert, pki()["expired"].key, millis(pki()["expired"])),
    ):
        assert script.eval(f"TlsOpts(cert={cert!r}, key={key!r}).not_after") == when
    assert script.eval(f"TlsOpts(ca={soon.cert!r}).not_after") is None


@pytest.mark.needs("loopback", "memory")
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
    for _ in range(33):
        after = script.eval("round(6)", 60)
    assert after == before
