# SPDX-License-Identifier: GPL-2.0-only
"""max_conns is one rule: who is idle makes room for whatever begins, and else it is refused."""

import pytest
from peers.clients import Raw

SERVER = r"""
import errno

log = []

def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.userdata = "web"
        c.reply(200, "here")
    elif ev == MG_EV_CLOSE:
        log.append(c.userdata)

m = Manager(handler, max_conns=PARAMS["most"])
web = m.listen(url("http"))
announce("PORT", web)
kept = []

def begin(what):
    if what == "listen":
        c = m.listen(url("tcp"))
    elif what == "listen udp":
        c = m.listen(url("udp"))
    elif what == "connect":
        c = m.connect("udp://127.0.0.1:9")
    else:
        c = m.mdns_listen(interface="127.0.0.1")
    c.userdata = what
    kept.append(c)

serve(m)
"""

WAYS = [
    "listen",
    "listen udp",
    "connect",
    pytest.param("mdns_listen", marks=pytest.mark.needs("multicast")),
]


@pytest.mark.parametrize("what", WAYS)
def test_an_idle_peer_makes_room(device, what):
    running = device(SERVER, most=2)
    with Raw(running.reach(running.port())) as raw:
        raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.response().body == b"here"
        running.exec(f"begin({what!r})")
        assert raw.closed()
    running.until("log == ['web']")
    assert running.eval("sorted(c.is_listening for c in m.connections)[-1]")
    assert running.eval("len(m.connections)") == 2


@pytest.mark.parametrize("what", WAYS)
def test_refused_without_one(device, what):
    """What was refused left nothing behind, and the next one fits once there is room."""
    running = device(SERVER, most=2)
    running.exec("begin('connect')")
    for _ in range(3):
        running.exec(
            f"e = raises(Error, begin, {what!r}, text='max_conns')\neq(e.errno, errno.ENOBUFS)"
        )
    assert running.eval("len(m.connections), log") == (2, [])
    running.exec(f"kept.pop().close()\n[m.poll(1) for _ in range(3)]\nbegin({what!r})")
    assert running.eval("len(m.connections)") == 2


def test_no_limit(device):
    running = device(SERVER, most=0)
    running.exec("[begin(what) for what in ('listen', 'listen udp', 'connect')]")
    assert running.eval("len(m.connections)") == 4
