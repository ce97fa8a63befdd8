# SPDX-License-Identifier: GPL-2.0-only
"""A device script that serves everything and notes what happened, and what the host asks of it."""

import struct

from peers.clients import Raw

REQUEST = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"

# A server of everything; what happened to each connection stands in `log`.
SERVER = r"""
import struct

log = []
late = []

def make_body(size, block):
    # Each block begins with its number and differs from itself moved by anything.
    body = bytearray()
    rest = (bytes(range(251)) * (block // 251 + 1))[: block - 4]
    for n in range(size // block):
        body += struct.pack(">I", n)
        body += rest
    return body

def stream(c, left):
    def more():
        c.http_chunk("piece %d;" % left if left else "")
        if left:
            stream(c, left - 1)
    late.append(m.timer_add(10, more))

def web(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/big":
            c.reply(200, big)
        elif data.uri == "/late":
            late.append(m.timer_add(50, lambda: c.reply(200, "late")))
        elif data.uri == "/never":
            pass
        elif data.uri == "/stream":
            c.reply(200, headers={"Transfer-Encoding": "chunked"})
            stream(c, 5)
        elif data.uri == "/chunks":
            c.reply(200, headers={"Transfer-Encoding": "chunked"})
            for start in range(0, len(big), piece):
                c.http_chunk(big[start : start + piece])
            c.http_chunk("")
        elif data.method == "POST":
            c.reply(200, "%d" % len(data.body_bytes))
        else:
            c.reply(200, "here")
    elif ev == MG_EV_WS_MSG:
        if data.text == "big":
            c.ws_send(big, WEBSOCKET_OP_BINARY)
        else:
            c.ws_send(data.data, WEBSOCKET_OP_BINARY)
    note(c, ev, data)

def raw(c, ev, data):
    if ev == MG_EV_READ and c.recv_data() == b"big":
        c.recv()
        c.send(big)
        c.drain()
    elif ev == MG_EV_READ:
        c.send(c.recv())
    note(c, ev, data)

def note(c, ev, data):
    if ev in (MG_EV_ACCEPT, MG_EV_ERROR, MG_EV_CLOSE, MG_EV_HTTP_MSG, MG_EV_WS_OPEN):
        log.append((c.id, event_name(ev)[6:]))
        if ev == MG_EV_ERROR:
            log[-1] += (data,)

def events():
    # Of each connection that was accepted, in the order of acceptance.
    ids = [e[0] for e in log if e[1] == "ACCEPT"]
    return [[e[1] for e in log if e[0] == number] for number in ids]

m = Manager(web, max_send=64 << 20, **PARAMS.get("limits", {}))
announce("PORT", m.listen(url("http")))
announce("RAW", m.listen(url("tcp"), raw))
big = make_body(PARAMS.get("size", 0), PARAMS.get("block", 1))
piece = len(big) // 8
serve(m)
"""


def alive(running):
    with Raw(running.reach(running.port())) as raw:
        return raw.ask(REQUEST.format("/")).body == b"here"


def ended(running, count=1):
    """The events of the connections that were accepted, once `count` of them are closed."""
    running.until(f"sum(e[-1] == 'CLOSE' for e in events()) >= {count}")
    found = running.eval("events()")
    for each in found:
        assert each.count("CLOSE") <= 1 and each.count("ERROR") <= 1, each
        assert "CLOSE" not in each[:-1], each
    return found


def big_of(target):
    """Parameters of the script: 20 MB where there is room, in blocks of 64 KB."""
    return {"size": target.size(20 << 20, 16 << 10), "block": target.size(1 << 16, 1 << 10)}


def check_big(data, size, block):
    assert len(data) == size
    rest = (bytes(range(251)) * (block // 251 + 1))[: block - 4]
    for n in range(size // block):
        each = data[n * block : (n + 1) * block]
        assert each[:4] == struct.pack(">I", n), f"block {n} is another one"
        assert each[4:] == rest, f"block {n} is damaged"
