# SPDX-License-Identifier: GPL-2.0-only
"""/etc/hosts and /etc/resolv.conf, each test with files, and a network, of its own.

The name servers are on port 53 there, and run in the device's script.
"""

import pytest
from peers.names import LOOKUPS
from peers.namespace import UNSHARE
from targets import ProcessDevice

pytestmark = pytest.mark.needs("namespaces")

SERVERS = """
import struct

asked = []
zone = PARAMS["zone"]

def name_server(address):
    def answer(c, ev, data):
        if ev != MG_EV_READ:
            return
        q = c.recv()
        labels, pos = [], 12
        while q[pos]:
            labels.append(q[pos + 1 : pos + 1 + q[pos]].decode())
            pos += 1 + q[pos]
        name = ".".join(labels)
        kind = struct.unpack(">H", q[pos + 1 : pos + 3])[0]
        if kind == 1:
            asked.append((address[-1], name))
        found = zone.get((address[-1], name), zone.get(name))
        if found == "silent":
            return
        records = b""
        if found and kind == 1:
            records = b"\\xc0\\x0c" + struct.pack(">HHIH", 1, 1, 60, 4)
            records += bytes(int(part) for part in found.split("."))
        flags = 0x8180 if found else 0x8183
        head = q[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0)
        c.send(head + q[12 : pos + 5] + records)
    return answer

m = Manager(**PARAMS.get("limits", {}))
other = Manager()
for n in "123":
    other.listen("udp://127.0.0.%s:53" % n, name_server(n))
serve(m, other)
"""

SCRIPT = LOOKUPS[: LOOKUPS.index("m = Manager(")] + SERVERS


@pytest.fixture
def system(target, tmp_path, request):
    """Starts a script where the files have these contents."""
    started = request.node.devices = []

    def start(hosts="", resolv="", **params):
        folder = tmp_path / "etc"
        folder.mkdir()
        (folder / "hosts").write_text(hosts)
        (folder / "resolv.conf").write_text(resolv)
        script = tmp_path / "script.py"
        script.write_text(target.text(SCRIPT, {"dns": [], "zone": {}, **params}, ProcessDevice))
        program = [str(target.program), *target.options, str(script)]
        running = ProcessDevice([*UNSHARE, str(folder), *program], target.env)
        started.append(running)
        running.expect("SERVING", 20)
        running.etc = folder
        return running

    yield start
    for running in started:
        try:
            if running.process.poll() is None:
                assert running.stop() == [0, 0, 0, 0]
        finally:
            running.kill()


def ask(running, name):
    return running.eval(f"lookup({name!r})", 30)


def test_hosts(system):
    running = system(
        hosts="# 192.0.2.9 comment.test\n"
        "192.0.2.1\tone.test  Alias.Test short # 192.0.2.8 tail.test\n"
        "  2001:db8::5 six.test\n"
        "no-address bad.test\n"
        "192.0.2.2 two.test" + " x" * 3000 + " far.test\n"
        "192.0.2.3 two.test\r\n"
        "192.0.2.4 last.test"
    )
    for name, found in {
        "one.test": "192.0.2.1",
        "ALIAS.test": "192.0.2.1",
        "alias.test.": "192.0.2.1",
        "short": "192.0.2.1",
        "six.test": "2001:db8::5",
        "two.test": "192.0.2.2",
        "far.test": "192.0.2.2",
        "last.test": "192.0.2.4",
    }.items():
        assert ask(running, name) == found
    assert running.eval("asked") == []
    for name in ("comment.test", "tail.test", "bad.test", "ne.test"):
        assert ask(running, name) == f"no such name: {name}"
    (running.etc / "hosts").write_text("192.0.2.77 one.test\n")
    assert ask(running, "one.test") == "192.0.2.77"
    assert ask(running, "two.test") == "no such name: two.test"


def test_name_server_of_resolv_conf(system):
    running = system(
        resolv="; comment\n# nameserver 127.0.0.3\nnameserver 127.0.0.2\noptions edns0\n",
        zone={"one.test": "192.0.2.1"},
    )
    assert ask(running, "one.test") == "192.0.2.1"
    assert running.eval("asked") == [("2", "one.test")]


@pytest.mark.parametrize("resolv", ["", "nameserver nonsense\n", "search x.test\n\0\xff\n"])
def test_without_a_server_this_host_is_asked(system, resolv):
    running = system(resolv=resolv, zone={"one.test": "192.0.2.1"})
    assert ask(running, "one.test") == "192.0.2.1"
    assert running.eval("asked[0]") == ("1", "one.test")


def test_changed_resolv_conf(system):
    """What is kept of another network's answers is forgotten with its servers."""
    zone = {("1", "one.test"): "192.0.2.1", ("2", "one.test"): "192.0.2.2"}
    running = system(resolv="nameserver 127.0.0.1\n", zone=zone)
    assert ask(running, "one.test") == "192.0.2.1"
    (running.etc / "resolv.conf").write_text("# moved\nnameserver 127.0.0.2\n")
    assert ask(running, "one.test") == "192.0.2.2"
    assert running.eval("asked") == [("1", "one.test"), ("2", "one.test")]


def test_search(system):
    zone = {"www.corp.test": "192.0.2.80", "a.b": "192.0.2.1", "deep.www.corp.test": "192.0.2.2"}
    running = system(
        resolv="domain ignored.test\nsearch first.test corp.test.\nnameserver 127.0.0.1\n",
        zone=zone,
    )

    def questions(name):
        running.exec("asked.clear()")
        found = ask(running, name)
        return found, [name for _, name in running.eval("asked")]

    assert questions("www") == ("192.0.2.80", ["www.first.test", "www.corp.test"])
    assert questions("a.b") == ("192.0.2.1", ["a.b"])
    assert questions("deep.www") == (
        "192.0.2.2",
        ["deep.www", "deep.www.first.test", "deep.www.corp.test"],
    )
    assert questions("www.") == ("no such name: www", ["www"])
    assert questions("nope") == (
        "no such name: nope",
        ["nope.first.test", "nope.corp.test", "nope"],
    )


def test_ndots(system):
    running = system(
        resolv="search corp.test\noptions ndots:2\nnameserver 127.0.0.1\n",
        zone={"a.b.corp.test": "192.0.2.1", "a.b": "192.0.2.2", "a.b.c": "192.0.2.3"},
    )
    assert ask(running, "a.b") == "192.0.2.1"
    assert ask(running, "a.b.c") == "192.0.2.3"


def test_silent_server(system):
    running = system(
        resolv="options attempts:1 timeout:1\nnameserver 127.0.0.3\n", zone={"one.test": "silent"}
    )
    assert ask(running, "one.test") == "name lookup: no answer from 127.0.0.3 about one.test"
    assert running.eval("asked") == [("3", "one.test")]


def test_no_way_to_the_server(system):
    running = system(resolv="nameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    assert "name lookup: asking " in ask(running, "one.test")
    assert "unreachable" in running.eval("what('one.test')").lower()


def test_unreachable_addresses_come_last(system):
    """There is no way to either from here but the loopback: that one is tried first."""
    running = system(hosts="2001:db8::1 both.test\n127.0.0.1 both.test\n")
    assert ask(running, "both.test") == "127.0.0.1"
