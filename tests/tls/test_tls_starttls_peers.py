# SPDX-License-Identifier: GPL-2.0-only
"""STARTTLS with servers of others: SMTP, PostgreSQL, NATS, and HTTPS through a proxy."""

import struct

import pytest
from peers import tls_servers
from peers.clients import here
from peers.pki import pki
from starttls_script import opened
from tls_script import TlsServer, context


@pytest.fixture
def script(shared):
    yield from opened(shared)


def answers(script, end):
    """What the client read, once it has read this."""
    script.until(f"any(e[0] in ('ERROR', 'CLOSE') or {end!r} in (e[1] or b'') for e in log)")
    log = script.eval("log")
    assert ("TLS_HS", None) in log, log
    return [e[1] for e in log[log.index(("TLS_HS", None)) :] if e[0] == "READ"]


def test_smtp(script, tmp_path):
    with tls_servers.smtp(context(True, own="ec", tmp_path=tmp_path)) as port:
        script.exec(
            f"start({port}, (b'220 ', b'EHLO d\\r\\n'), (b'250-STARTTLS', b'STARTTLS\\r\\n'),"
            "(b'220 ', None), ('TLS', b'EHLO d\\r\\n'), (b'250 ', b'MAIL FROM:<a@d>\\r\\n'),"
            "(b'250 ', b'QUIT\\r\\n'), (b'221 ', b''))"
        )
        said = answers(script, b"221 ")
    assert [line[:4] for line in said] == [b"250-", b"250 ", b"221 "]


def test_postgresql(script):
    """It answers by one byte, and TLS begins with the next."""
    start = struct.pack(">I", 196608) + b"user\0device\0database\0postgres\0\0"
    start = struct.pack(">I", len(start) + 4) + start
    with tls_servers.postgres(pki()["ec"]) as port:
        script.exec(
            f"start({port}, (b'', {struct.pack('>II', 8, 80877103)!r}), (b'S', None),"
            f"('TLS', {start!r}), (b'R', b'X\\0\\0\\0\\x04'))"
        )
        (said,) = answers(script, b"R\0\0\0\x08\0\0\0\0")
    assert said.startswith(b"R\0\0\0\x08\0\0\0\0")  # AuthenticationOk


def test_nats(script, tmp_path):
    hello = b'CONNECT {"verbose":false,"tls_required":true}\r\nPING\r\n'
    with tls_servers.nats(tmp_path, pki()["ec"]) as port:
        script.exec(f"start({port}, (b'INFO ', None), ('TLS', {hello!r}), (b'PONG', b''))")
        (said,) = answers(script, b"PONG")
    assert said.endswith(b"PONG\r\n")


def test_https_through_tinyproxy(script, tmp_path):
    def talk(raw):
        head = raw.recv_until(b"\r\n\r\n")
        raw.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nfar")
        return head

    made = context(True, own="ec", tmp_path=tmp_path)
    with TlsServer(talk, made) as far, tls_servers.tinyproxy(tmp_path) as port:
        target = f"{here()}:{far.port}"
        script.exec(
            f"c = m.connect(peer('http', {port}), through); conns.append(c)\n"
            f"c.http_request('CONNECT', {target!r}, headers={{'Host': {target!r}}})"
        )
        script.until("log and log[-1] == ('CLOSE', None)")
    assert script.eval("log[:-1]") == [200, (200, "far")]
    assert far.results[0].startswith(b"GET /far HTTP/1.1\r\nHost: localhost\r\n")
