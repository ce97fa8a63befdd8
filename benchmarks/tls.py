# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of a server for TLS: a full handshake with a small reply, and a megabyte of bulk.

The client is Python's ssl (OpenSSL), the certificate one of P-256 made for the run; no session is
resumed. Ratios are over nginx with OpenSSL in the same round.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

from cpu import in_turns
from peers import NGINX, OUR_PYTHON, OUR_UNIX, OURS, OURS_UNIX, PYTHON, Peer, nginx, script
from runner import WORK, BenchError, Run, Server
from work import exactly

NAME = "tls"
TITLE = "CPU time of the server for TLS: a handshake, a megabyte of bulk, us; ratio over nginx"
HANDSHAKES, MEGABYTES, WARM_UP = 60, 60, 5
CASES = {
    "1.3 handshake": ("TLSv1_3", False),
    "1.2 handshake": ("TLSv1_2", False),
    "1.3 bulk": ("TLSv1_3", True),
}


def certificate() -> Path:
    """A folder that nginx can serve: bulk, cert.pem, key.pem."""
    folder = WORK / "tls"
    folder.mkdir(exist_ok=True)
    if not (folder / "cert.pem").exists():
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        about = ["-subj", "/CN=127.0.0.1", "-days", "365"]
        done = subprocess.run(
            ["openssl", "req", "-x509", *curve, *files, *about], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise BenchError(f"openssl: {done.stderr.strip().splitlines()[-1]}")
    (folder / "bulk").write_bytes(b"x" * (1 << 20))
    return folder


def table(folder: Path) -> list[Peer]:
    files = [str(folder / "cert.pem"), str(folder / "key.pem")]
    return [
        Peer(OURS.name, script(OUR_PYTHON, "tls_pymongoose.py", *files), ours=True),
        Peer(OURS_UNIX.name, script(OUR_UNIX, "tls_pymongoose.py", *files), ours=True),
        Peer(NGINX, nginx(folder, "nginx_tls.conf")),
        Peer("uvicorn", script(PYTHON, "tls_uvicorn.py", *files), "uvicorn"),
    ]


def ask(sock: socket.socket, path: bytes) -> None:
    sock.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path)
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(16384)
        if not more:
            raise BenchError("the server closed the connection")
        head += more
    lines, _, body = head.partition(b"\r\n\r\n")
    length = int(lines.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    exactly(sock, length - len(body))


def one(peer: Peer, case: tuple[str, bool]) -> float:
    """Microseconds for one."""
    version, bulk = case
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)

    def fresh(server: Server) -> ssl.SSLSocket:
        return context.wrap_socket(server.connect())

    with Server(peer.command) as server:
        if bulk:
            with fresh(server) as sock:
                for _ in range(WARM_UP):
                    ask(sock, b"/bulk")
                before = server.cpu_seconds()
                for _ in range(MEGABYTES):
                    ask(sock, b"/bulk")
                return (server.cpu_seconds() - before) / MEGABYTES * 1e6
        for count in (WARM_UP, HANDSHAKES):
            before = server.cpu_seconds()
            for _ in range(count):
                with fresh(server) as sock:
                    ask(sock, b"/")
        return (server.cpu_seconds() - before) / HANDSHAKES * 1e6


def measure(run: Run) -> dict[str, dict[str, float]]:
    return in_turns(run, run.peers(table(certificate())), CASES, one, {"ratio": NGINX})
