# SPDX-License-Identifier: GPL-2.0-only
"""Which ciphers are offered and taken: the same, whatever Mbed TLS was built with."""

import re
import ssl
import subprocess

import pytest
from peers.clients import Raw, Server
from targets import ROOT
from tls_script import REQUEST, TlsServer, context, dial, opened

#: By their numbers, as RFC 8446, 5289, 7905 and 7251 have them, in our order.
TLS13 = [0x1303, 0x1302, 0x1301, 0x1304]
TLS12 = [0xCCA9, 0xCCA8, 0xC02C, 0xC030, 0xC0AD, 0xC02B, 0xC02F, 0xC0AC]
LEGACY = [0xC024, 0xC028, 0xC00A, 0xC014, 0xC023, 0xC027, 0xC009, 0xC013]
LEGACY += [0x009D, 0x009C, 0x003D, 0x0035, 0x003C, 0x002F]
#: An RP2040's Mbed TLS has neither ChaCha20 nor CCM.
GCM13 = [0x1302, 0x1301]
GCM = [0xC02C, 0xC030, 0xC02B, 0xC02F]
SIGNALS = {0x00FF, 0x5600}


@pytest.fixture
def script(shared, target):
    yield from opened(shared, target)


def offered(script, label, **given):
    """The ciphers of a client's hello."""

    def talk(raw):
        head = raw.recv_exactly(5)
        hello = raw.recv_exactly(int.from_bytes(head[3:], "big"))
        at = 4 + 2 + 32
        at += 1 + hello[at]
        size = int.from_bytes(hello[at : at + 2], "big")
        suites = hello[at + 2 : at + 2 + size]
        return [int.from_bytes(suites[i : i + 2], "big") for i in range(0, size, 2)]

    with Server(talk) as server:
        script.connect(f"tls://localhost:{server.port}", label, **given)
        script.until("log and log[-1][1] == 'CLOSE'")
    return [suite for suite in server.results[0] if suite not in SIGNALS]


def test_what_a_client_offers(script, target):
    has = target.capabilities
    if "chacha20" in has:
        wanted = TLS13 + TLS12
    else:
        wanted = (GCM13 if "tls13" in has else []) + GCM
    assert offered(script, "offers") == wanted


def test_what_a_legacy_client_offers(script, target):
    if "board" in target.capabilities:
        script.exec("raises(ValueError, TlsOpts, legacy=True, text='board')")
    else:
        assert offered(script, "legacy", legacy=True) == TLS13 + TLS12 + LEGACY
        assert script.eval("TlsOpts(legacy=True).legacy, TlsOpts().legacy") == (True, False)


OLD = ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"]


@pytest.mark.parametrize("cipher", OLD)
def test_old_gear(script, target, tmp_path, cipher):
    """A server that knows nothing else: by that option alone."""
    made = context(True, ssl.TLSVersion.TLSv1_2, own="rsa", tmp_path=tmp_path)
    made.set_ciphers(f"{cipher}:@SECLEVEL=0")

    def talk(raw):
        return raw.socket.cipher()[0], raw.recv()

    board = "board" in target.capabilities
    with TlsServer(talk, made, count=1 if board else 2) as server:
        script.connect(f"tls://localhost:{server.port}", first="x")
        script.until("log and log[-1][1] == 'CLOSE'")
        assert "cipher" in script.eval("errors('client')")[0]
        if not board:
            script.exec("log.clear()")
            script.connect(f"tls://localhost:{server.port}", "old", first="x", legacy=True)
            script.until("log and log[-1][1] == 'CLOSE'")
    assert isinstance(server.results[0], ssl.SSLError)
    assert board or server.results[1] == (cipher, b"x")


@pytest.mark.parametrize("cipher", OLD)
def test_a_server_takes_none_of_them(script, target, cipher):
    given = {} if "board" in target.capabilities else {"legacy": True}
    port = script.listen(cert="rsa", name="no old ciphers", **given)
    made = context(version=ssl.TLSVersion.TLSv1_2)
    made.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, OSError)):
        dial(script, port, made)
    script.until("errors('server')")
    assert "no common cipher" in script.eval("errors('server')")[0]


@pytest.mark.parametrize(
    "cipher",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        pytest.param("ECDHE-ECDSA-CHACHA20-POLY1305", marks=pytest.mark.needs("chacha20")),
        pytest.param("ECDHE-ECDSA-AES128-CCM", marks=pytest.mark.needs("chacha20")),
        pytest.param("ECDHE-ECDSA-AES256-CCM", marks=pytest.mark.needs("chacha20")),
    ],
)
def test_a_server_takes_each_of_the_others(script, cipher):
    made = context(version=ssl.TLSVersion.TLSv1_2)
    made.set_ciphers(cipher)
    with dial(script, script.listen(), made) as raw:
        assert raw.socket.cipher()[0] == cipher
        assert raw.ask(REQUEST).status == 200


def test_no_build_has_everest():
    """Its curve is under Apache-2.0 alone, which does not go with GPL-2.0: no build even begins."""
    header = (ROOT / "shared" / "tls" / "tls_int.h").read_text()
    assert re.search(r"#if defined\(MBEDTLS_ECDH_VARIANT_EVEREST_ENABLED\)\n#error", header)
    for config in ROOT.glob("**/mbedtls_config.h"):
        if "build" not in config.parts:
            assert "EVEREST" not in config.read_text(), config
    sources = (ROOT / "cpython" / "CMakeLists.txt").read_text()
    assert "everest" not in sources.lower()


@pytest.mark.needs("tls13")
def test_new_keys(script):
    """KeyUpdate (RFC 8446, section 4.6.3), which Mbed TLS 3.6 does not know: a clear end."""
    port = script.listen()
    run = ["openssl", "s_client", "-connect", ":".join(map(str, script.reach(port))), "-tls1_3"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(run, stdin=subprocess.PIPE, **quiet) as process:
        script.until("any(e[1] == 'TLS_HS' for e in log)")
        process.stdin.write(b"K\n")
        process.stdin.flush()
        script.until("errors('server')")
        process.stdin.close()
    assert "KeyUpdate" in script.eval("errors('server')")[0]
    with Raw(script.reach(port)), dial(script, port, context()) as raw:
        assert raw.ask(REQUEST).status == 200
