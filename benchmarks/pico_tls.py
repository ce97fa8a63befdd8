#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""TLS handshakes of the emulated Pico with OpenSSL, in simulated cycles: pico_tls.py [--firmware FILE]

The board is server, then client, in TLS 1.2 and 1.3, with certificates of two kinds, and with a session
to resume.
Prints a table. A byte goes each way after the handshake, so that both sides have ended it.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import http.client
import itertools
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pico_board import FIRMWARE, MHZ, PORT, WAIT_S, Board

TLS_PORT = 8443
NAME = "board.test"
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
KEYS: dict[str, Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}

# /connect/<port> makes a handshake as a client, /watch samples the heap from then on, /heap says
# how much is free, and the least that was.
PROGRAM = """
import gc
from pymongoose import *

SERVER, CLIENT = TlsOpts(cert=CERT, key=KEY), TlsOpts(ca=CERT, name="board.test")
low = 0

def free():
    gc.collect()
    return gc.mem_free()

def sample():
    global low
    low = min(low, free())

def served(c, ev, data):
    if ev == MG_EV_READ:
        c.send(c.recv())

def asker(asked):
    def handler(c, ev, data):
        if ev == MG_EV_TLS_HS:
            c.send(b"x")
        elif ev == MG_EV_READ:
            asked.reply(200, "done")
            c.close()
        elif ev == MG_EV_ERROR:
            asked.reply(500, data)
    return handler

def handler(c, ev, data):
    global low
    if ev != MG_EV_HTTP_MSG:
        return
    what, _, port = data.uri[1:].partition("/")
    if what == "connect":
        m.connect("tls://10.0.2.2:" + port, asker(c)).tls_init(CLIENT)
    elif what == "watch":
        low = free()
        m.timer_add(20, sample, repeat=True)
        c.reply(200, str(low))
    elif what == "heap":
        c.reply(200, "%d %d" % (free(), low))

m = Manager(handler)
m.listen("http://0.0.0.0:%d" % PORT)
m.listen("tls://0.0.0.0:%d" % TLS_PORT, served).tls_init(SERVER)
print("serving")
m.run()
"""


def certificate(kind: str) -> tuple[str, str]:
    """One that signs itself, and its key; valid by a clock that starts in 2021."""
    key = KEYS[kind]()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    begin = datetime.datetime(2020, 1, 1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=20 * 365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM).decode(), text.decode()


class Bench:
    def __init__(self, board: Board, kind: str, version: ssl.TLSVersion) -> None:
        self.board = board
        self.cert, self.key = certificate(kind)
        names = f"CERT, KEY, PORT, TLS_PORT = {self.cert!r}, {self.key!r}, {PORT}, {TLS_PORT}"
        board.start(f"{names}\n{PROGRAM}")
        board.until(b"serving")
        self.port = board.forward(TLS_PORT)
        self.as_client = ssl.create_default_context(cadata=self.cert)
        self.as_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "cert.pem")
            path.touch(0o600)
            path.write_text(self.cert + self.key)
            self.as_server.load_cert_chain(path)
        for context in (self.as_client, self.as_server):
            context.minimum_version = context.maximum_version = version

    def ask(self, path: str) -> str:
        link = http.client.HTTPConnection("127.0.0.1", self.board.port, timeout=WAIT_S)
        link.request("GET", path)
        reply = link.getresponse()
        text = reply.read().decode()
        link.close()
        if reply.status != 200:
            raise SystemExit(f"the board says: {text}")
        return text

    def cycles(self, once: Callable[[], object]) -> int:
        begun = self.board.cost()[0]
        once()
        return self.board.cost()[0] - begun

    def connect(self, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        """To the board; it resumes the session if there is one."""
        link = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S)
        secured = self.as_client.wrap_socket(link, server_hostname=NAME, session=session)
        secured.sendall(b"x")
        if secured.recv(1) != b"x" or secured.session_reused != bool(session):
            raise SystemExit("not the handshake that was meant")
        return secured

    def server(self) -> tuple[int, int]:
        """Cycles of a handshake in full, and of one that resumes its session."""
        links: list[ssl.SSLSocket] = []
        full = self.cycles(lambda: links.append(self.connect()))
        session = links[0].session
        resumed = self.cycles(lambda: links.append(self.connect(session)))
        for link in links:
            link.close()
        return full, resumed

    def client(self) -> tuple[int, int]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=self.serve, args=[listener, 2], daemon=True)
            thread.start()
            path = f"/connect/{listener.getsockname()[1]}"
            full, resumed = (self.cycles(lambda: self.ask(path)) for _ in range(2))
            thread.join(WAIT_S)
        return full, resumed

    def serve(self, listener: socket.socket, times: int) -> None:
        for _ in range(times):
            link = self.as_server.wrap_socket(listener.accept()[0], server_side=True)
            with link, contextlib.suppress(OSError):
                link.sendall(link.recv(1))
                link.recv(1)

    def heap(self) -> tuple[int, int]:
        """What a served connection keeps, and the most that it took in its handshake."""
        before = int(self.ask("/watch"))
        with self.connect():
            free, low = map(int, self.ask("/heap").split())
        return before - free, before - low


def row(name: str, cycles: int) -> str:
    return f"| {name} | {cycles / 1e6:,.0f} | {cycles / MHZ / 1000:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--firmware", type=Path, default=FIRMWARE)
    board = Board(parser.parse_args().firmware)
    print(f"| handshake, emulated Pico | million cycles | ms at {MHZ} MHz |\n|---|---|---|")
    for version, kind in itertools.product(VERSIONS, KEYS):
        bench = Bench(board, kind, version)
        what = f"{version.name[3:].replace('_', '.')}, {kind}"
        for side, both in (("server", bench.server()), ("client", bench.client())):
            for how, cycles in zip(("in full", "resumed"), both, strict=True):
                print(row(f"{side}, {what}, {how}", cycles), flush=True)
        kept, most = bench.heap()
        print(f"heap of a connection, {what}: {kept:,} bytes, {most:,} at most in its handshake")
        board.interrupt()
    board.close()


if __name__ == "__main__":
    main()
