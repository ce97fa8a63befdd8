# SPDX-License-Identifier: GPL-2.0-only
"""A device script that speaks TLS both ways, and Python's ssl on the host."""

import ssl
import subprocess

import pytest
from peers.clients import Raw, Server, seconds
from peers.pki import NOW, pki

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
        if c.alpn and ev == MG_EV_TLS_HS:
            note(c, "ALPN", c.alpn)
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
    if MICROPYTHON:  # now, so that a board has the memory
        for o in opts.values():
            o.__del__()
        opts.clear()
        gc.collect()
    log.clear()

set_clock(PARAMS["now"])
m = Manager(handler, handshake_timeout=PARAMS["handshake"])
serve(m)
globals().update(opts)  # where the end finds them
opts.clear()
"""


def opened(shared, target, handshake=20):
    """The body of a fixture: a device that runs SCRIPT, left as it was found.

    `handshake` seconds for one: a busy computer takes now and then more than one for its part."""
    # As much as one body may have there.
    big = 5_000_000 if "memory" in target.capabilities else 8_000
    now = int(NOW.timestamp())
    # While a handler sleeps a peer's 50 ms pass, and what it sends then arrives.
    pause = target.size(0.3, 2)
    handshake = int(1000 * handshake * target.slowness)
    device = shared(SCRIPT, big=big, now=now, handshake=handshake, pause=pause)
    device.big = big

    def listen(scheme="https", cert="ec", name=None, fn="None", **given):
        pair = pki()[cert]
        given = {"cert": pair.cert, "key": pair.key, **given}
        arguments = ", ".join(f"{k}={v!r}" for k, v in given.items())
        return device.eval(f"listen({scheme!r}, {name or cert!r}, {fn}, {arguments})")

    def connect(url, opts="ca", call="connect", ca="ca", first=None, **given):
        if "//localhost:" in url and "host-network" not in target.capabilities:
            # Who is localhost here is not to be found under that name from there.
            url = url.replace("//localhost:", f"//{device.peer}:")
            given.setdefault("name", "localhost")
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
    if version:
        made.minimum_version = made.maximum_version = version
    if trust:
        made.load_verify_locations(cadata=pki()[trust].cert.decode())
    if own:
        pair = pki()[own] if isinstance(own, str) else own
        made.load_cert_chain(*pair.files(tmp_path))
    return made


def dial(script, port, made, name="localhost"):
    raw = Raw(script.reach(port))
    raw.socket = made.wrap_socket(raw.socket, server_hostname=name, suppress_ragged_eofs=False)
    return raw


def openssl_client(script, port, folder, *options):
    """What `openssl s_client` prints that asks for /s, and trusts our authority alone."""
    (folder / "ca.pem").write_bytes(pki()["ca"].cert)
    run = ["openssl", "s_client", "-connect", ":".join(map(str, script.reach(port)))]
    run += ["-servername", "localhost", "-CAfile", str(folder / "ca.pem")]
    run += ["-verify_return_error", "-ign_eof", *options]
    request = "GET /s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    out = subprocess.run(
        run, input=request, capture_output=True, encoding="utf-8", timeout=seconds(20)
    )
    assert out.returncode == 0 and "GET /s 0" in out.stdout
    return out.stdout


VERSIONS = [
    ssl.TLSVersion.TLSv1_2,
    pytest.param(ssl.TLSVersion.TLSv1_3, marks=pytest.mark.needs("tls13")),
]
#: The same, as openssl is told.
OPTIONS = ["-tls1_2", pytest.param("-tls1_3", marks=pytest.mark.needs("tls13"))]
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
