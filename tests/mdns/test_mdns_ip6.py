# SPDX-License-Identifier: GPL-2.0-only
"""Multicast DNS by IPv6: against zeroconf and a peer that speaks in bytes, in a network of its own."""

import contextlib
import time

import pytest
from peers.clients import seconds
from peers.island import Inside, Island
from peers.mdns_peer import (
    AAAA,
    ANY,
    HINFO,
    NSEC,
    PTR,
    SRV,
    TIES,
    TXT,
    A,
    contested,
    ip,
    ip6,
    record,
    unique,
)
from targets import ProcessDevice
from test_mdns import DEVICE

pytestmark = [pytest.mark.needs("multicast6", "namespaces"), pytest.mark.cost(2.5)]

SCRIPT = (
    DEVICE
    + TIES
    + """
c, seen = None, []

def look(host):
    def handler(c, ev, d):
        if ev in (MG_EV_RESOLVE, MG_EV_ERROR):
            seen.append((host, d, c.remote_addr[0]))
            c.close()
    m.connect("udp://%s:9" % host, handler)

serve(m)
"""
).replace("serve(m)\n", "", 1)


@pytest.fixture(scope="module")
def island():
    found = Island()
    yield found
    found.close()


@contextlib.contextmanager
def device_of(island, target, tmp_path, request):
    """Of a process, in that network."""
    script = tmp_path / "script.py"
    script.write_text(target.text(SCRIPT, {}, ProcessDevice))
    program = island.command(str(target.program), *target.options, str(script))
    running = ProcessDevice(program, target.env)
    request.node.devices = [running]
    try:
        running.expect("SERVING", 20)
        yield running
        running.exec("if c: c.close()")
        running.stop()
    finally:
        running.kill()


@pytest.fixture
def device(island, target, tmp_path, request):
    if not island.usable:
        pytest.skip("this computer has no IPv6 on the loopback of a network of its own")
    with device_of(island, target, tmp_path, request) as running:
        yield running


@pytest.fixture
def inside(island, device):
    found = Inside(island)
    yield found
    found.close()


def announced(device, name, services="()"):
    device.exec(f"start({name!r}, {services})")
    return device.until("c.mdns_name")


def test_probes_and_announcements(device, inside):
    """Both addresses are probed for, and announced, by both families."""
    name = unique()
    inside.exec("four, six = Peer(), Peer6()")
    device.exec(f"start({name!r}, [('_x._tcp', 80)])")
    for peer in ("six", "four"):
        for n in range(3):
            found = inside.eval(
                f"(lambda p: (p.questions[0].type, p.questions[0].unique, p.num_authorities))"
                f"({peer}.asked('{name}.local'))"
            )
            assert found == (ANY, n == 0, 2)
    for peer, sender in (("six", "fe80::1"), ("four", "127.0.0.1")):
        found = inside.eval(
            f"{{(a.name, a.type) for a in {peer}.heard('{name}.local')[1].answers()}}"
        )
        full, host = f"{name}._x._tcp.local.", f"{name}.local."
        assert found == {
            (host, A), (host, AAAA), ("_x._tcp.local.", PTR), (full, SRV), (full, TXT),
            ("_services._dns-sd._udp.local.", PTR),
        }  # fmt: skip
        assert inside.eval(f"{peer}.sender[:2]") == (sender, 5353)
    inside.exec("deadline = time.monotonic() + 10\nsix.multicast.settimeout(10)")
    hops = "six.multicast.recvmsg(9000, 99)[1]"
    assert inside.eval(hops)[0][2] == (255).to_bytes(4, "little")


def answers(inside, name, kind, unicast=False):
    call = f"peer.heard('{name}.local', {kind}, unicast={unicast})"
    return inside.eval(
        f"(lambda found: [{{(a.type, getattr(a, 'address', None) or tuple(getattr(a, 'rdtypes', ())))"
        f" for a in part}} for part in (found.answers()[:found.num_answers],"
        f" found.answers()[found.num_answers:])])({call}[1])"
    )


ADDRESS = (A, ip("127.0.0.1"))
ADDRESS6 = (AAAA, ip6("fe80::1"))


@pytest.mark.parametrize("peer", ["Peer", "Peer6"])
def test_questions(device, inside, peer):
    """Of both kinds by both families; the other kind comes along, and a type that is not there says so."""
    name = unique()
    inside.exec(f"peer = {peer}()")
    announced(device, name)
    for kind, wanted in ((A, [{ADDRESS}, {ADDRESS6}]), (AAAA, [{ADDRESS6}, {ADDRESS}])):
        inside.exec(f"peer.say([question('{name}.local', {kind}, top=True)])")
        assert answers(inside, name, kind, unicast=True) == wanted
    inside.exec(f"peer.say([question('{name}.local', ANY, top=True)])")
    assert answers(inside, name, A, unicast=True) == [{ADDRESS, ADDRESS6}, set()]
    inside.exec(f"peer.say([question('{name}.local', TXT, top=True)])")
    assert answers(inside, name, NSEC, unicast=True) == [{(NSEC, (A, AAAA))}, set()]
    inside.exec(
        f"peer.say([question('{name}.local', A, top=True)],"
        f" [record('{name}.local', AAAA, ip6('fe80::1'))])"
    )
    assert answers(inside, name, A, unicast=True) == [{ADDRESS}, set()], "it is known"
    inside.exec(f"peer.say([question('{name}.local', AAAA)])")
    for _ in range(3):  # behind the two announcements
        assert ADDRESS6 in answers(inside, name, AAAA)[0]
    asked = [e for e in device.eval(f"about({name!r})") if e[0] == "REQ" and e[2] != ANY]
    assert asked[-1] == ("REQ", f"{name}.local", AAAA, False, True)


def test_plain_resolver(device, inside):
    name = unique()
    announced(device, name)
    inside.exec(
        f"peer = Peer6(port=0)\n"
        f"peer.say([question('{name}.local', A), question('{name}.local', AAAA)], number=4711)\n"
        f"found = peer.heard('{name}.local', unicast=True)[1]"
    )
    assert inside.eval("(found.id, [q.type for q in found.questions])") == (4711, [A, AAAA])
    assert inside.eval("[(a.type, a.ttl, a.unique) for a in found.answers()]") == [
        (A, 10, False),
        (AAAA, 10, False),
    ]


def test_from_elsewhere(device, inside):
    """Only who is near is heard: with any address, if no router can have been between."""
    name = unique()
    announced(device, name)
    inside.exec(
        f"far = Peer6(address='fd00::7')\n"
        f"answer = message((), [record('x{name}.local', A, ip('10.0.0.1'))], flags=RESPONSE)\n"
        f"for data in (answer, message([question('x{name}.local', A)])):\n"
        f"    far.unicast.sendto(data, ('fd00::8', 5353))\n"
        f"    far.unicast.sendto(data, ('fe80::1%lo', 5353))\n"
        f"peer = Peer6()\n"
    )
    device.until(f"len(about('x{name}')) == 2")
    inside.exec(f"peer.say([question('y{name}.local', A)])")
    device.until(f"about('y{name}')")
    assert [e[0] for e in device.eval(f"about('x{name}')")] == ["RESP", "REQ"]


LOST = {  # what another host has that probes at a time; does the device, of both kinds, lose?
    (ADDRESS, (AAAA, ip6("fe80::0"))): False,
    (ADDRESS, (AAAA, ip6("fe80::9"))): True,
    ((AAAA, ip6("fe80::9")), ADDRESS): True,  # in any order
    (ADDRESS,): False,  # the longer list wins
    (ADDRESS6,): False,  # ours, as is the next
    (ADDRESS6, ADDRESS): False,
    ((AAAA, ip6("fe80::0")),): True,  # its type comes later
    ((A, ip("127.0.0.2")),): True,  # the first that differs decides
    ((A, ip("126.0.0.1")), (AAAA, ip6("fe80::9"))): False,
    (ADDRESS, (HINFO, b"\1x\1y"), ADDRESS6): False,  # HINFO comes ahead of AAAA
    (ADDRESS, (TXT, b"\1x"), ADDRESS6): False,
    (ADDRESS, (SRV, b"\0\0\0\0\0\1\0"), ADDRESS6): True,
}


def test_simultaneous_probe(device, inside):
    """All records count, in their order."""
    inside.exec("peer = Peer6()")

    def contend(others, done):
        inside.exec(f"others, probes = {others!r}, {{}}")
        while not done():
            inside.exec("peer.contend(others, probes, 0.2)")
        inside.exec("peer.contend(others, probes, 0.2)")  # what was not read yet
        return inside.eval("probes")

    def records(name, each):
        return [record(f"{name}.local", kind, data, top=False) for kind, data in each]

    assert contested(device, contend, list(LOST), records) == list(LOST.values())


def test_taken_name(device, inside):
    """By somebody who has IPv6 alone."""
    name = unique()
    inside.exec("peer = Peer6()")
    device.exec(f"start({name!r})")
    inside.exec(
        f"assert peer.asked('{name}.local')\n"
        f"peer.say((), [record('{name}.local', AAAA, ip6('fe80::2'))], flags=RESPONSE)"
    )
    assert device.until("c.mdns_name") == f"{name}-2.local"


def test_name_of_who_has_ip6_alone(device, inside):
    """connect() asks for both kinds, by both families, and knows by which interface it is near."""
    name = unique()
    inside.exec(
        f"""
peer = Peer6()
def answer():
    asked = peer.multicast
    while True:
        data, sender = asked.recvfrom(9000)
        found = DNSIncoming(data)
        if [q.name for q in found.questions] == ['{name}.local.'] * 2:
            told = [record('{name}.local', AAAA, ip6('fe80::2'), top=False)]
            peer.unicast.sendto(message((), told, flags=RESPONSE, number=found.id), sender)
            return [q.type for q in found.questions]
import threading
kinds = []
thread = threading.Thread(target=lambda: kinds.extend(answer()), daemon=True)
thread.start()
"""
    )
    device.exec(f"look('{name}.local')")
    device.until("seen")
    assert device.eval("seen") == [(f"{name}.local", None, "fe80::2%1")]
    inside.exec("thread.join(10)")
    assert inside.eval("kinds") == [A, AAAA]


def test_zeroconf(device, inside):
    """Each finds the other's service by IPv6 alone, and its address."""
    name, mine, theirs = unique(), f"_{unique()}._tcp", f"_{unique()}._tcp.local."
    inside.exec("zc = Zeroconf(interfaces=['fe80::1'], ip_version=IPVersion.V6Only)")
    announced(device, name, f"[({mine!r}, 8080)]")
    full = f"{name}.{mine}.local."
    inside.exec(f"info = zc.get_service_info('{mine}.local.', {full!r}, 10000)")
    assert inside.eval("(info.port, info.server)") == (8080, f"{name}.local.")
    assert inside.eval("info.parsed_addresses(IPVersion.V6Only)") == ["fe80::1"]
    inside.exec(
        f"zc.register_service(ServiceInfo({theirs!r}, 'i.{theirs}', 81, addresses=[ip6('fe80::2')],"
        f" server='o{name}.local.'))"
    )
    device.exec(f"c.mdns_query({theirs[:-1]!r})")
    device.until(f"[e for e in about({theirs[:-1]!r}) if e[4] and e[7]]")
    found = device.eval(f"[e[4:8] for e in about({theirs[:-1]!r}) if e[4] and e[7]][0]")
    assert found == (f"i.{theirs[:-1]}", f"o{name}.local", "fe80::2", 81)
    device.exec(f"look('o{name}.local')")
    device.until("seen")
    assert device.eval("seen[0][2]") == "fe80::2%1"
    inside.exec("zc.close()")


def test_interface_by_its_address(device):
    device.exec(
        """
m.mdns_listen(interface="fe80::2").close()
m.mdns_listen(interface="fe80::2%1").close()
m.mdns_listen(interface="fe80::2%lo").close()
raises(Error, m.mdns_listen, interface="fe80::3")
for text in ("fe80::2%", "fe80::2%7", "fe80::2%nothing", "127.0.0.1%lo", "::1", "fe80::2%%lo"):
    raises(ValueError, m.mdns_listen, interface=text)
"""
    )


@pytest.fixture
def link(island):
    """An interface with somebody at its other end. Its addresses are asked for so many times first."""
    conf = "/proc/sys/net/ipv6/conf/here"
    made = island.sh(f"""
        ip link add here type veth peer name there
        ip link set here addrgenmode none
        ip link set there addrgenmode none
        echo 0 >{conf}/optimistic_dad
        echo 1 >{conf}/accept_dad
        echo 100000 >{conf}/dad_transmits
        ip link set there up
        ip link set here up""")
    if made.returncode != 0:
        island.sh("ip link del here")
        pytest.skip("this computer has no veth interfaces: " + made.stderr.strip())
    yield conf
    assert island.sh("ip link del here").returncode == 0


def flags(island, address):
    """What the system says of an address."""
    found = island.sh("ip -6 -o addr show dev here")
    assert found.returncode == 0, found.stderr
    return next(line for line in found.stdout.splitlines() if f" {address}/" in line).split()


def until_flags(island, address, fit):
    end = time.monotonic() + seconds(30)
    while not fit(flags(island, address)):
        assert time.monotonic() < end, flags(island, address)
        time.sleep(0.02)


def test_address_that_somebody_else_may_have(island, device, link):
    """It takes part when the system has found that nobody has it, and not before."""
    listen = "m.mdns_listen(interface='fe80::5%here')"
    assert island.sh("ip addr add fe80::5/64 dev here").returncode == 0
    device.exec(f"raises(Error, lambda: {listen})")
    assert "tentative" in flags(island, "fe80::5"), "it was not, meanwhile"
    again = f"echo 1 >{link}/dad_transmits; ip addr del fe80::5/64 dev here; ip addr add fe80::5/64 dev here"
    assert island.sh(again).returncode == 0
    until_flags(island, "fe80::5", lambda found: "tentative" not in found)
    device.exec(f"{listen}.close()")
    both = "ip addr add fe80::6/64 dev there nodad; ip addr add fe80::6/64 dev here"
    assert island.sh(both).returncode == 0
    until_flags(island, "fe80::6", lambda found: "dadfailed" in found)
    device.exec("raises(Error, lambda: m.mdns_listen(interface='fe80::6%here'))")
