# SPDX-License-Identifier: GPL-2.0-only
"""An emulated board and Avahi on the computer that emulates it, in a network of its own."""

import contextlib

import pytest
from peers.avahi import Avahi
from peers.island import Inside, Island
from peers.mdns_peer import unique
from rigs import LONG
from targets import ROOT

pytestmark = [
    pytest.mark.needs("emulator", "avahi"),
    pytest.mark.timeout(3 * LONG),
    pytest.mark.cost(8),
]

HOST = "avahihost"
RIG_PATHS = (ROOT / "tests/boards", ROOT / "cpython/testing")

#: What a board says while Avahi looks for it, and what it finds of Avahi's.
BOARD = """
from pymongoose import *
from time import ticks_ms, ticks_diff
found, seen = [], []

def heard(c, ev, d):
    if ev == MG_EV_MDNS_RESP and d.name == "KIND.local" and d.port == 631:
        found.append((d.instance, d.host, d.address, d.txt))

def until(condition, action):
    start = last = ticks_ms()
    action()
    while not condition():
        m.poll(50)
        if ticks_diff(ticks_ms(), last) > 1500:
            last = ticks_ms()
            action()
        if ticks_diff(ticks_ms(), start) > 60000:
            raise OSError("60 s are over: %r" % [mdns.mdns_name, found, seen])

def served(c, ev, d):
    if ev == MG_EV_HTTP_MSG:
        seen.append(d.uri)
        c.reply(200, "the board")

m = Manager()
m.listen("http://0.0.0.0:80", served)
mdns = m.mdns_listen(heard, "board", [("KIND,_sub1", 80, {"a": "b"})])
until(lambda: mdns.mdns_name and found, lambda: mdns.mdns_query("KIND"))
until(lambda: seen, lambda: None)
name = mdns.mdns_name
m.close()
print(repr((name, found[0])))
"""


def test_emulated_board(target):
    """Avahi of the computer that emulates a board, behind a rig with --mdns: each finds the other."""
    kind = f"_{unique()}._tcp"
    with contextlib.ExitStack() as stack:
        island = stack.enter_context(contextlib.closing(Island()))
        if not island.usable:
            pytest.skip("this computer has no IPv6 on the loopback of a network of its own")
        avahi = stack.enter_context(contextlib.closing(Avahi(island, HOST)))
        inside = stack.enter_context(contextlib.closing(Inside(island)))
        avahi.publish("Av", kind, "631", "k=v", options=("-s",))
        inside.exec(
            f"""
import sys, threading, types
sys.path += {[str(p) for p in RIG_PATHS]!r}
from rigs import Rig
target = types.SimpleNamespace(firmware={str(target.firmware)!r}, parts={str(target.parts)!r})
rig = Rig(target, "--mdns").started()
port = rig.ask("forward", port=80)["port"]
results = []
thread = threading.Thread(target=lambda: results.extend(rig.run({BOARD.replace("KIND", kind)!r})))
thread.start()
"""
        )
        deadline = 60
        while True:
            found = {each for each in avahi.browse(f"_sub1._sub.{kind}") if each[0] == "IPv4"}
            deadline -= 1
            if found or not deadline:
                break
        assert found == {("IPv4", "board", "board.local", "10.0.2.15", "80", '"a=b"')}
        inside.exec(
            """
import urllib.request
page = urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=60).read()
thread.join()
rig.close()
"""
        )
        assert inside.eval("page") == b"the board"
        name, service = inside.eval("eval(results[0])")
        assert name == "board.local"
        assert service == (f"Av.{kind}.local", f"{HOST}.local", service[2], {"k": b"v"})
