# SPDX-License-Identifier: GPL-2.0-only
"""A device script that begins in the clear and goes on in TLS, as client and as server."""

from peers.pki import NOW, pki

SCRIPT = """
log = []
conns = []
steps = []

def note(c, ev, data):
    if ev in (MG_EV_TLS_HS, MG_EV_CLOSE, MG_EV_ERROR):
        log.append((names([ev])[0], data))

def client(c, ev, data):
    # Answers what it waits for: bytes, or None for TLS.
    if ev == MG_EV_CONNECT and steps and steps[0][0] == b"":
        go_on(c)
    elif ev == MG_EV_TLS_HS and steps and steps[0][0] == "TLS":
        go_on(c)
    elif ev == MG_EV_READ:
        if steps and steps[0][0] in c.recv_data():
            got = c.recv()
            log.append(("READ", got))
            go_on(c)
    note(c, ev, data)

def go_on(c):
    answer = steps.pop(0)[1]
    if answer is None:
        c.tls_init(trusting)
        log.append(("left", c.recv()))
    else:
        c.send(answer)

def start(port, *what):
    log.clear()
    steps[:] = what
    conns.append(m.connect(peer("tcp", port), client))

def server(c, ev, data):
    # A line of its own, then TLS; what follows is echoed.
    if ev == MG_EV_ACCEPT:
        conns.append(c)
        c.send("220 ready\\r\\n")
    elif ev == MG_EV_READ and c.is_tls:
        c.send(c.recv())
    elif ev == MG_EV_READ:
        line = c.recv_data()
        end = line.find(b"\\r\\n") + 2
        if line[:8] == b"STARTTLS":
            c.recv(end)
            c.send(b"220 go\\r\\n" if line[8:10] == b"\\r\\n" else b"x" * int(line[9:end]))
            c.tls_init(own)
            log.append(("left", c.recv()))
        elif line[:4] == b"UNDO":  # there and then, or when it has asked for TLS a second time
            c.recv(end)
            c.tls_init(own)
            c.tls_free()
            if line[4:9] == b"TWICE":
                c.tls_init(own)
            elif line[4:9] == b"LATER":
                c.tls_init(own)
                m.timer_add(0, lambda: (c.tls_free(), log.append(("later", c.recv()))))
            else:
                log.append(("left", c.recv()))
        elif line[:4] in (b"EHLO", b"HELO", b"ehlo"):
            c.recv(end)
            c.send("250-device\\r\\n250 STARTTLS\\r\\n")
        elif end > 1:
            log.append(("line", c.recv(end)))
    note(c, ev, data)

def upgrading(c, ev, data):
    # HTTP until somebody asks for TLS (RFC 2817), then HTTP within it.
    if ev == MG_EV_ACCEPT:
        conns.append(c)
    elif ev == MG_EV_HTTP_MSG and data.uri == "/secure":
        c.reply(200, "go")
        c.tls_init(own)
    elif ev == MG_EV_HTTP_MSG:
        c.reply(200, "%s %s" % (data.uri, c.is_tls))
    elif ev == MG_EV_HTTP_HDRS and data.uri == "/halfway":
        secured(c)
    elif ev == MG_EV_READ:
        log.append(("READ", c.recv_len))
    note(c, ev, data)

def secured(c):
    try:
        c.tls_init(own)
    except ValueError as e:
        log.append(("refused", str(e)))

def through(c, ev, data):
    # A proxy's client: CONNECT, TLS behind it, then HTTP as ever.
    if ev == MG_EV_HTTP_MSG and not c.is_tls:
        log.append(data.status())
        if data.status() == 200:
            c.tls_init(trusting)
    elif ev == MG_EV_TLS_HS:
        c.http_request("GET", "/far", headers={"Connection": "close"})
    elif ev == MG_EV_HTTP_MSG:
        log.append((data.status(), data.body_text))
    if ev != MG_EV_TLS_HS:
        note(c, ev, data)

def reset():
    for c in conns:
        c.close()
    conns.clear()
    settle()
    log.clear()
    steps.clear()

set_clock(PARAMS["now"])
m = Manager(server)
trusting = TlsOpts(ca=PARAMS["ca"], name="localhost")
own = TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"])
announce("PORT", m.listen(url("tcp")))
announce("HTTP", m.listen(url("http"), upgrading))
serve(m)
"""


def opened(shared):
    pair = pki()["ec"]
    device = shared(
        SCRIPT,
        ca=pki()["ca"].cert.decode(),
        cert=pair.cert.decode(),
        key=pair.key.decode(),
        now=int(NOW.timestamp()),
    )
    yield device
    device.eval("reset()")
