# SPDX-License-Identifier: GPL-2.0-only
"""Emulated boards that meet each other, and what their rig is told."""

import ast
import contextlib
import re
import signal
import socket
import textwrap
import threading
import time

import httpx
import pytest
from rigs import LONG, Repl, Rig
from targets import ROOT

pytestmark = [pytest.mark.needs("emulator"), pytest.mark.timeout(3 * LONG), pytest.mark.cost(8)]

#: What both boards run: one finds the other's service, and talks HTTP and WebSocket to it by its name.
MEET = """
from pymongoose import *
from time import ticks_ms, ticks_diff

KIND = "_pmg-meet._tcp"
found, got, served = {}, {}, []

def serve(c, ev, d):
    if ev == MG_EV_HTTP_MSG and d.uri == "/ws":
        c.ws_upgrade(d)
    elif ev == MG_EV_HTTP_MSG:
        c.reply(200, "this is " + mdns.mdns_name)
        served.append("http")
    elif ev == MG_EV_WS_MSG:
        c.ws_send("echo of " + d.text)
        served.append("ws")

def heard(c, ev, d):
    if ev == MG_EV_MDNS_RESP and d.name == KIND + ".local" and d.ttl and d.host:
        if mdns.mdns_name not in (None, d.host):
            found[d.host] = (d.address, d.port, d.txt["is"])

def http(c, ev, d):
    if ev == MG_EV_HTTP_MSG:
        got["page"] = d.body_text
        c.close()

def ws(c, ev, d):
    if ev == MG_EV_WS_OPEN:
        c.ws_send("me")
    elif ev == MG_EV_WS_MSG:
        got["echo"] = d.text
        c.close()

def until(condition, action=None):
    last = start = ticks_ms()
    if action:
        action()
    while not condition():
        m.poll(50)
        if action and ticks_diff(ticks_ms(), last) > 1500:
            last = ticks_ms()
            action()
        if ticks_diff(ticks_ms(), start) > 60000:
            raise OSError("60 s are over: %r" % [mdns.mdns_name, found, got, served])

m = Manager()
m.listen("http://0.0.0.0:80", serve)
mdns = m.mdns_listen(heard, "twin", [(KIND, 80, {"is": "NUMBER"})])
until(lambda: mdns.mdns_name)
until(lambda: found, lambda: mdns.mdns_query(KIND))
until(lambda: mdns.mdns_name and mdns.mdns_name not in found, lambda: mdns.mdns_query(KIND))
other = [name for name in found if name != mdns.mdns_name][-1]
until(lambda: "page" in got, lambda: "page" in got or m.connect("http://" + other, lambda c, ev, d: (
    c.send("GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n") if ev == MG_EV_CONNECT else http(c, ev, d))))
until(lambda: "echo" in got, lambda: "echo" in got or m.ws_connect("ws://%s/ws" % other, ws))
until(lambda: "http" in served and "ws" in served)
start = ticks_ms()
while ticks_diff(ticks_ms(), start) < 2000:  # the other may still want what was lost
    m.poll(50)
print(repr((mdns.mdns_name, found, got["page"], got["echo"])))
m.close()
"""

#: Answers so many requests.
SERVE = """
from pymongoose import *
closed = []

def serve(c, ev, d):
    if ev == MG_EV_HTTP_MSG:
        c.reply(200, "board NUMBER, port %d" % c.local_addr[1], {"Connection": "close"})
    elif ev == MG_EV_CLOSE and not c.is_listening:
        closed.append(c)

m = Manager(serve)
for port in (80, 8000):
    m.listen("http://0.0.0.0:%d" % port)
while len(closed) < COUNT:
    m.poll(50)
m.close()
print("served")
"""


def get(port):
    """Once the board listens there; until then it resets who connects, or a program before has its port,
    whose end is one without an answer."""
    end = time.monotonic() + LONG
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}", timeout=LONG).text
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture(scope="module")
def rig(target):
    """More boards than processors, behind a link that loses packets."""
    with contextlib.closing(Rig(target, "--loss", "5", boards=2, processors=1)) as found:
        yield found.started()


def test_two_boards_meet(rig):
    """Both begin as twin.local; one renames itself. They find each other, and talk."""
    results = rig.run(*(MEET.replace("NUMBER", str(n)) for n in (1, 2)))
    names, addresses = [], ["10.0.2.15", "10.0.2.16"]
    for number, result in enumerate(results):
        name, found, page, echo = ast.literal_eval(result)
        names.append(name)
        other = next(host for host in found if page == f"this is {host}")
        assert found[other] == (addresses[1 - number], 80, b"%d" % (2 - number))
        assert echo == "echo of me"
    assert sorted(names) == ["twin-2.local", "twin.local"]
    for board in (1, 2):
        packets = rig.ask("packets", board=board)
        assert packets["in"] > 20 and packets["out"] > 20 and packets["lost"] > 0


def test_example_of_the_docs(rig):
    """docs/emulator.md: one serves a page under a name, the other shows it."""
    page = (ROOT / "docs" / "emulator.md").read_text()
    lamp = textwrap.dedent(re.search(r"<<'END'\n(.*?)\n    END\n", page, re.DOTALL).group(1))
    show = re.search(r'SECOND exec "(.*)"\n', page).group(1)
    serving, other = Repl(rig.serial[1]), Repl(rig.serial[2])
    with contextlib.closing(serving.socket):
        serving.enter()
        serving.socket.sendall(lamp.encode() + b"\x04")
        serving.until(b"OK")  # it runs until it is interrupted
        other.enter()
        other.socket.settimeout(LONG)
        for _ in range(5):  # the lamp has first to take its name, and packets are lost
            with contextlib.suppress(OSError):
                shown = other.exec(show)
                break
        other.leave()
        serving.enter()
        serving.leave()
    assert shown == "the lamp is on\r\n"


def test_link(rig):
    """What the link does can be changed, and is said."""
    assert rig.ask("link", board=2, loss=0)["loss"] == 0
    found = rig.ask("link", loss=0, delay=20, rate=512)
    assert [found[each] for each in ("loss", "delay", "rate")] == [0, 20, 512]
    assert "milliseconds" in rig.ask("link", delay="soon", loss=1)["error"]
    assert rig.ask("link", delay=0, rate=0)["loss"] == 0  # all or nothing


def test_forwarded_ports(rig):
    """Several for one board, and each board has its own."""
    ports = [
        rig.ask("forward", board=board, port=port)["port"]
        for board, port in ((1, 80), (1, 8000), (2, 80))
    ]
    assert len(set(ports)) == 3
    bodies = []

    def fetch():
        for port in ports:
            bodies.append(get(port))

    thread = threading.Thread(target=fetch)
    thread.start()
    programs = (SERVE.replace("NUMBER", str(n)).replace("COUNT", str(3 - n)) for n in (1, 2))
    assert rig.run(*programs) == ["served\r\n"] * 2
    thread.join()
    assert bodies == ["board 1, port 80", "board 1, port 8000", "board 2, port 80"]
    assert rig.ask("forward", board=2, port=80)["port"] == ports[2], "the one that there is"
    assert "error" not in rig.ask("unforward", board=2, port=80)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{ports[2]}")


def test_bad_commands(rig):
    """Each is answered, and nothing ends."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        taken = s.getsockname()[1]
        s.listen()
        answer = rig.ask("forward", port=80, host_port=taken)
        assert answer["error"] == f"port {taken} of 127.0.0.1 cannot be forwarded: it is in use"
    for arguments, text in (
        ({"what": "forward"}, "forward needs port"),
        ({"what": "forward", "port": 65536}, "a port is 1 to 65535, not 65536"),
        ({"what": "forward", "port": "http"}, "a port is 1 to 65535, not 'http'"),
        ({"what": "loss"}, "loss needs percent"),
        ({"what": "loss", "percent": 101}, "loss is 0 to 100 percent, not 101"),
        ({"what": "jump"}, "no command jump"),
        ({"what": "packets", "board": 3}, "there is no board 3"),
        ({"what": "packets", "board": 0}, "there is no board 0"),
    ):
        assert text in rig.ask(**arguments)["error"]
    for line in ("{", "7", "", '"quit"'):
        rig.write(line)
        assert "no command" in rig.answer(None)["error"]
    assert "error" not in rig.ask("packets")


def test_why_it_ends(target):
    """Asked, interrupted, or for want of a port; each time the last line says so."""
    with contextlib.closing(Rig(target)) as rig:
        rig.started().write('{"do": "quit"}')
        last, status, _ = rig.ended()
        assert (last["event"], last["why"], status) == ("end", "it was asked to quit", 0)
    with contextlib.closing(Rig(target, "--no-link")) as rig:
        rig.started().process.send_signal(signal.SIGINT)
        last, status, _ = rig.ended()
        assert (last["event"], last["why"], status) == ("end", "a signal has asked for it", 0)
    with socket.socket() as s, contextlib.ExitStack() as stack:
        s.bind(("127.0.0.1", 0))
        s.listen()
        taken = s.getsockname()[1]
        rig = stack.enter_context(contextlib.closing(Rig(target, "--forward", f"{taken}:80")))
        last, status, text = rig.ended()
        assert status == 1 and last["failed"] and last["event"] == "end"
        wanted = (
            f"--forward {taken}:80: port {taken} of 127.0.0.1 cannot be forwarded: it is in use"
        )
        assert last["why"] == wanted and text == f"rig: error: {wanted}\n"
