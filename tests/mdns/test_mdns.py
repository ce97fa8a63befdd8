# SPDX-License-Identifier: GPL-2.0-only
"""Multicast DNS and service discovery against zeroconf, and against a peer that speaks in bytes."""

import time

import pytest
from peers.mdns_peer import (
    AAAA,
    ANY,
    GROUP,
    NSEC,
    PTR,
    RESPONSE,
    SRV,
    TXT,
    A,
    Peer,
    ip,
    question,
    record,
    srv,
    unique,
    wire,
)
from zeroconf import ServiceBrowser, ServiceInfo, Zeroconf, ZeroconfServiceTypes

pytestmark = [pytest.mark.needs("multicast"), pytest.mark.cost(2.5)]

DEVICE = """
log = []

def handler(c, ev, d):
    if ev == MG_EV_MDNS_REQ:
        log.append(("REQ", d.name, d.type, d.is_unicast, d.is_answered))
    elif ev == MG_EV_MDNS_RESP:
        log.append(("RESP", d.name, d.type, d.ttl, d.instance, d.host, d.address, d.port, d.txt))
    elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
        log.append((event_name(ev), d))

def start(name=None, services=()):
    global c
    c = m.mdns_listen(handler, name, services, interface=HOST)

def about(text):
    return [e for e in log if text in e[1]]

def pause(ms):
    start = ticks_ms()
    while ticks_diff(ticks_ms(), start) < ms:
        m.poll(10)

m = Manager()
serve(m)
"""


@pytest.fixture
def device(shared, target):
    # A board answers 10 times a second by unicast, so that what a test does may have to wait for it.
    running = shared(DEVICE, pause=target.size(0, 400))
    running.exec("c = None\nlog.clear()")
    yield running
    running.exec("if c: c.close()")


@pytest.fixture
def zeroconf():
    with Zeroconf(interfaces=["127.0.0.1"]) as found:
        yield found


@pytest.fixture
def peer():
    with Peer() as found:
        yield found


def announced(device, name, services="()"):
    """Has the device take a name; waits until it is its own. The name as it became."""
    device.exec(f"start({name!r}, {services})")
    return device.until("c.mdns_name")


class Listener:
    def __init__(self):
        self.events = []

    def add_service(self, zc, kind, name):
        self.events.append(("add", name))

    def remove_service(self, zc, kind, name):
        self.events.append(("remove", name))

    def update_service(self, zc, kind, name):
        pass


# ---- Announcing --------------------------------------------------------------------------------


def test_found_by_zeroconf(device, zeroconf, wait_for):
    name, kind = unique(), f"_{unique()}._tcp"
    listener = Listener()
    browser = ServiceBrowser(zeroconf, f"{kind}.local.", listener)
    txt = {"path": "/x", "flag": None, "raw": b"\0\xff", "empty": ""}
    announced(device, name, f"[({kind!r}, 8080, {txt!r})]")
    full = f"{name}.{kind}.local."
    wait_for(lambda: ("add", full) in listener.events, "zeroconf finds it")
    info = zeroconf.get_service_info(f"{kind}.local.", full, 5000)
    assert (info.port, info.server) == (8080, f"{name}.local.")
    assert info.parsed_addresses() == [device.host]
    assert info.properties == {b"path": b"/x", b"flag": None, b"raw": b"\0\xff", b"empty": b""}
    device.exec("c.close()")
    wait_for(lambda: ("remove", full) in listener.events, "it says goodbye")
    browser.cancel()


def test_all_types_and_instances(device, zeroconf, wait_for):
    """Several services, of one type two; names with spaces, dots and letters of all kinds."""
    one, two = f"_{unique()}._tcp", f"_{unique()}._udp"
    services = [
        (one, 1, None, "First. One"),
        (one, 2, {}, "Zw\u00f6lf \u2603"),
        (two + ".local", 3),
    ]
    name = unique()
    announced(device, name, repr(services))
    both = {f"{one}.local.", f"{two}.local."}
    wait_for(lambda: both <= set(ZeroconfServiceTypes.find(zc=zeroconf, timeout=0.5)), "types")
    listener = Listener()
    browser = ServiceBrowser(zeroconf, [f"{one}.local.", f"{two}.local."], listener)
    wanted = {
        ("add", f"First. One.{one}.local."),
        ("add", f"Zw\u00f6lf \u2603.{one}.local."),
        ("add", f"{name}.{two}.local."),
    }
    wait_for(lambda: wanted <= set(listener.events), "all are found")
    assert zeroconf.get_service_info(f"{one}.local.", f"First. One.{one}.local.", 5000).port == 1
    browser.cancel()


def test_probes_and_announcements(device, peer):
    """Three probes ask for the name with what it is to have; then it is announced."""
    name, kind = unique(), f"_{unique()}._tcp"
    device.exec(f"start({name!r}, [({kind!r}, 80, {{'a': 'b'}})])")
    for n in range(3):
        probe = peer.asked(f"{name}.local")
        assert probe.questions[0].type == ANY and probe.questions[0].unique == (n == 0)
        assert probe.num_authorities == 1
    answer, found = peer.heard(f"{name}.local")
    assert peer.sender[1] == 5353 and found.id == 0
    told = (answer.type, answer.ttl, answer.unique, answer.address)
    assert told == (A, 120, True, ip(device.host))
    seen = {(a.name, a.type, a.ttl, a.unique) for a in found.answers()}
    assert seen == {
        (f"{name}.local.", A, 120, True),
        (f"{kind}.local.", PTR, 4500, False),
        (f"{name}.{kind}.local.", SRV, 120, True),
        (f"{name}.{kind}.local.", TXT, 4500, True),
        ("_services._dns-sd._udp.local.", PTR, 4500, False),
    }
    assert peer.heard(f"{name}.local")[0], "it is announced twice"
    device.exec("c.close()")
    answer, found = peer.heard(f"{name}.local")
    assert {a.ttl for a in found.answers()} == {0}


def test_not_announced_without_a_name(device, peer):
    device.exec("start()")
    assert device.eval("c.mdns_name") is None
    device.exec("raises(ValueError, m.mdns_listen, services=[('_x._tcp', 1)])")


# ---- Questions of others -----------------------------------------------------------------------


def test_question(device, peer):
    """By multicast, answered by multicast; names compare without case."""
    name = unique()
    announced(device, name)
    peer.say([question(f"{name.upper()}.LOCAL", A)])
    device.until(f"about({name.upper()!r})")
    assert device.eval(f"about({name.upper()!r})") == [
        ("REQ", f"{name.upper()}.LOCAL", A, False, True)
    ]
    for _ in range(3):  # behind the two announcements
        answer, found = peer.heard(f"{name}.local", A)
        assert answer.address == ip(device.host) and found.id == 0 and not found.questions


def test_question_that_wants_a_unicast_answer(device, peer):
    name, kind = unique(), f"_{unique()}._tcp"
    announced(device, name, f"[({kind!r}, 80)]")
    peer.say([question(f"{kind}.local", PTR, top=True)])
    answer, found = peer.heard(f"{kind}.local", PTR, unicast=True)
    assert answer.alias == f"{name}.{kind}.local."
    assert peer.sender[1] == 5353 and found.id == 0 and not found.questions
    more = {(a.name, a.type) for a in found.answers()[found.num_answers :]}
    full = f"{name}.{kind}.local."
    assert more == {(full, SRV), (full, TXT), (f"{name}.local.", A)}
    assert device.eval(f"about({kind!r})") == [("REQ", f"{kind}.local", PTR, True, True)]


def test_question_of_a_plain_resolver(device):
    """From another port: answered to it, with its number and question, to be kept for a moment."""
    name = unique()
    announced(device, name)
    with Peer(port=0) as peer:
        peer.say([question(f"{name}.local", A)], number=4711)
        answer, found = peer.heard(f"{name}.local", A, unicast=True)
        assert (found.id, found.num_answers) == (4711, 1)
        assert [(q.name, q.type, q.unique) for q in found.questions] == [
            (f"{name}.local.", A, False)
        ]
        assert answer.ttl <= 10 and not answer.unique and answer.address == ip(device.host)


def test_what_is_not_there(device, peer):
    """A name that has no IPv6 address says so; a name that is not ours is not answered for."""
    name, kind = unique(), f"_{unique()}._tcp"
    announced(device, name, f"[({kind!r}, 80)]")
    peer.say([question(f"{name}.local", AAAA, top=True)])
    answer, _ = peer.heard(f"{name}.local", unicast=True)
    assert answer.type == NSEC and answer.rdtypes == [A]
    other = unique()
    peer.say([question(f"{other}.local", A, top=True), question(f"x{name}.local", ANY, top=True)])
    peer.say([question(f"{name}.local", A, top=True)])  # a fence
    _, found = peer.heard(f"{name}.local", A, unicast=True)
    assert {a.name for a in found.answers()} == {f"{name}.local."}
    assert device.eval(f"about({other!r})") == [("REQ", f"{other}.local", A, True, False)]


def known_pair(peer, device, known, ask, fence):
    """Asks with known answers, then for the fence; the answers that came by unicast until it."""
    device.exec("pause(PARAMS['pause'])")
    peer.say(ask, known)
    peer.say([question(fence, A, top=True)])
    names = []
    for found in peer.messages(peer.unicast):
        names += [(a.name, a.type) for a in found.answers()[: found.num_answers]]
        if names and names[-1] == (f"{fence}.", A):
            return names[:-1]
    raise AssertionError("no answer")


def test_known_answers(device, peer):
    """What the asker knows, with half of its time left, is not told again."""
    name, kind = unique(), f"_{unique()}._tcp"
    announced(device, name, f"[({kind!r}, 80)]")
    ask = [question(f"{kind}.local", PTR, top=True)]
    for ttl in (4500, 2250, 2249, 0):
        known = [record(f"{kind}.local", PTR, wire(f"{name}.{kind}.local"), ttl, top=False)]
        names = known_pair(peer, device, known, ask, f"{name}.local")
        assert names == ([(f"{kind}.local.", PTR)] if ttl < 2250 else [])
    other = [record(f"{kind}.local", PTR, wire(f"other.{kind}.local"), 4500, top=False)]
    assert known_pair(peer, device, other, ask, f"{name}.local") == [(f"{kind}.local.", PTR)]
    ask = [question(f"{name}.{kind}.local", SRV, top=True)]
    known = [record(f"{name}.{kind}.local", SRV, srv(80, f"{name}.local"))]
    assert known_pair(peer, device, known, ask, f"{name}.local") == []
    known = [record(f"{name}.{kind}.local", SRV, srv(81, f"{name}.local"), ttl=0)]
    assert known_pair(peer, device, known, ask, f"{name}.local") == [(f"{name}.{kind}.local.", SRV)]


def test_multicasts_are_spaced(device, peer):
    """Each record at most once a second, however many ask."""
    name = unique()
    announced(device, name)
    start = time.monotonic()
    for n in range(200):
        peer.say([question(f"{name}.local", A)])
        if n % 5 == 4:
            device.exec("for n in range(5): m.poll(1)")  # small buffers hold few
    peer.say([question(f"{name}.local", AAAA, top=True)])
    assert peer.heard(f"{name}.local", NSEC, unicast=True)[0]
    count = int(bool(peer.heard(f"{name}.local", A)[0]))
    while peer.heard(f"{name}.local", A, timeout=0.3)[0]:
        count += 1
    assert 1 <= count <= 3 + time.monotonic() - start


def test_unicasts_are_bounded(device, target):
    limit = target.size(100, 10)
    name = unique()
    announced(device, name)
    start = time.monotonic()
    with Peer(port=0) as peer:
        for n in range(20 * limit):
            peer.say([question(f"{name}.local", A)], number=n)
            if n % limit == limit - 1:
                device.eval("len(log)")
        count = 0
        while peer.heard(f"{name}.local", A, timeout=0.5, unicast=True)[0]:
            count += 1
    assert limit <= count <= 1 + limit * (1 + time.monotonic() - start)


# ---- Names that others have --------------------------------------------------------------------


def objecting(device, peer, name):
    """Answers its probes as one who has the name, until it has another: which one. A busy computer may
    be too late for the first three; what it says then has the device probe again."""
    while (taken := device.eval("c.mdns_name")) in (None, name):
        if peer.asked(name, 0.1):
            peer.say((), [record(name, A, ip("10.9.8.7"))], flags=RESPONSE)
    return taken


def test_taken_name(device, peer):
    name = unique()
    device.exec(f"start({name!r})")
    assert objecting(device, peer, f"{name}.local") == f"{name}-2.local"


def test_long_taken_name(device, peer):
    """The name is cut for its number, at the end of a character."""
    name = unique() + "\u00e4" * 26
    device.exec(f"start({name!r})")
    taken = objecting(device, peer, f"{name}.local")
    assert taken == name[:-1] + "-2.local" and len(taken.encode()) <= 63 + 6


def test_taken_service(device, zeroconf, peer):
    """Only the service is renamed."""
    name, kind = unique(), f"_{unique()}._tcp.local."
    info = ServiceInfo(
        kind, f"{name}.{kind}", 1, addresses=[ip("10.9.8.7")], server=f"o{name}.local."
    )
    zeroconf.register_service(info)
    assert announced(device, name, f"[({kind[:-1]!r}, 80)]") == f"{name}.local"
    peer.say([question(kind[:-1], PTR, top=True)])
    for found in peer.messages(peer.unicast):
        names = {a.alias for a in found.answers() if a.type == PTR}
        if f"{name} (2).{kind}" in names:
            break
    else:
        raise AssertionError("no answer")


def test_taken_later(device, peer):
    """Somebody comes with our name: it is asked for anew, and given up only if he answers."""
    name = unique()
    announced(device, name)
    peer.say((), [record(f"{name}.local", A, ip("10.9.8.7"))], flags=RESPONSE)
    device.until("c.mdns_name is None")
    assert device.until("c.mdns_name") == f"{name}.local"
    peer.say((), [record(f"{name}.local", A, ip("10.9.8.7"))], flags=RESPONSE)
    device.until("c.mdns_name is None")
    assert objecting(device, peer, f"{name}.local") in (f"{name}-2.local", f"{name}-3.local")


def test_same_name_twice(device):
    """Two in one Manager: one host, so one name; of one service, two."""
    name, kind = unique(), f"_{unique()}._tcp"
    announced(device, name, f"[({kind!r}, 1)]")
    device.exec(f"first = c\nlog.clear()\nstart({name!r}, [({kind!r}, 2)])")
    assert device.until("c.mdns_name") == f"{name}.local"
    device.until(f"any(e[0] == 'RESP' and e[4] == '{name} (2).{kind}.local' for e in log)")
    device.exec("first.close()")


def test_goodbye_is_no_conflict(device, peer):
    name = unique()
    announced(device, name)
    peer.say((), [record(f"{name}.local", A, ip("10.9.8.7"), ttl=0)], flags=RESPONSE)
    peer.say([question(f"{name}.local", A, top=True)])
    assert peer.heard(f"{name}.local", unicast=True)[0]
    assert device.eval("c.mdns_name") == f"{name}.local"


# ---- Asking ------------------------------------------------------------------------------------


def test_zeroconf_is_found(device, zeroconf):
    name, kind = unique(), f"_{unique()}._tcp.local."
    properties = {"path": "/y", "flag": None, "raw": b"\0\xff"}
    info = ServiceInfo(
        kind, f"In stance.{kind}", 8080, addresses=[ip("10.1.2.3")], server=f"{name}.local.",
        properties=properties,
    )  # fmt: skip
    zeroconf.register_service(info)
    device.exec(f"start()\nc.mdns_query({kind[:-1]!r})")
    instance = f"In stance.{kind}"[:-1]
    device.until(f"[e for e in about({kind[:-1]!r}) if e[2] == MG_DNS_RTYPE_PTR and e[7]]")
    found = device.eval(f"[e for e in about({kind[:-1]!r}) if e[7] and e[4]][0]")
    txt = {"path": b"/y", "flag": None, "raw": b"\0\xff"}
    assert found == (
        "RESP", kind[:-1], PTR, 4500, instance, f"{name}.local", "10.1.2.3", 8080, txt,
    )  # fmt: skip
    device.exec(f"c.mdns_query({name!r}, MG_DNS_RTYPE_A)")
    device.until(f"about('{name}.local')")
    assert device.eval(f"about('{name}.local')[-1][:7]") == (
        "RESP", f"{name}.local", A, 120, "", "", "10.1.2.3",
    )  # fmt: skip
    zeroconf.unregister_service(info)
    device.until(f"any(e[3] == 0 for e in about({kind[:-1]!r}))")


def test_query_on_the_wire(device, peer):
    device.exec("start()")
    host, kind = unique(), unique("_")
    for call, name, number in (
        (f"c.mdns_query({host!r}, 1)", f"{host}.local", A),
        (f"c.mdns_query('{host}.local.', type=28)", f"{host}.local", AAAA),
        (f"c.mdns_query('{kind}._tcp')", f"{kind}._tcp.local", PTR),
        (f"c.mdns_query('a\\\\.b.{kind}._tcp', 33)", f"a.b.{kind}._tcp.local", SRV),
    ):
        device.exec(call)
        found = peer.asked(name)
        assert (found.id, found.num_questions, found.num_answers) == (0, 1, 0)
        assert found.questions[0].type == number and not found.questions[0].unique


def test_every_kind_of_answer(device, peer):
    name = unique()
    host = f"{name}.local"
    device.exec("start()")
    answers = [
        record(host, A, ip("10.0.0.1")),
        record(host, AAAA, bytes.fromhex("fe80" + "00" * 13 + "01")),
        record(host, TXT, b"\x03a=1\x03A=2\x03a=3\x00\x02=x\x01b\x03\xff=\xff", ttl=0),
        record(["a.b\\c", name, "local"], SRV, srv(65535, "elsewhere.local")),
        record(host, PTR, wire(["Dot.", "x" + name])),
        record(host, 99, b"of a kind that nobody knows"),
        record(host, NSEC, wire(host) + b"\0\1\x40"),
    ]
    peer.say((), answers, flags=RESPONSE)
    device.until(f"len(about({name!r})) == 5")
    txt = {"a": b"1", "A": b"2", "b": None, "\ufffd": b"\xff"}
    assert device.eval(f"about({name!r})") == [
        ("RESP", host, A, 120, "", "", "10.0.0.1", 0, {}),
        ("RESP", host, AAAA, 120, "", "", "fe80::1", 0, {}),
        ("RESP", host, TXT, 0, "", "", "", 0, txt),
        ("RESP", f"a\\.b\\\\c.{host}", SRV, 120, "", "elsewhere.local", "", 65535, {}),
        ("RESP", host, PTR, 120, f"Dot\\..x{name}", "", "", 0, {}),
    ]


def test_answer_from_another_port_is_forged(device):
    name = unique()
    device.exec("start()")
    with Peer(port=0) as forger, Peer() as peer:
        forger.say((), [record(f"{name}.local", A, ip("10.0.0.1"))], flags=RESPONSE)
        peer.say((), [record(f"{name}.local", A, ip("10.0.0.2"))], flags=RESPONSE)
    device.until(f"about({name!r})")
    assert [e[6] for e in device.eval(f"about({name!r})")] == ["10.0.0.2"]


# ---- Misuse ------------------------------------------------------------------------------------


def test_misuse(device):
    device.exec(
        r"""
for kind, kwargs in (
    (ValueError, dict(name="")), (ValueError, dict(name="a.b")), (ValueError, dict(name="x" * 64)),
    (ValueError, dict(name="a\nb")), (ValueError, dict(name=".local")), (TypeError, dict(name=7)),
    (TypeError, dict(handler=7)), (TypeError, dict(services=7)), (TypeError, dict(interface=7)),
    (ValueError, dict(interface="lo")), (ValueError, dict(interface="::1")),
    (ValueError, dict(name="x", services=[("_http._tcp",)])),
    (ValueError, dict(name="x", services=["_http._tcp"])),
    (ValueError, dict(name="x", services=[(None, 1)])),
    (ValueError, dict(name="x", services=[("_http._tcp", 1, {}, "a", 2)])),
    (ValueError, dict(name="x", services=[("http._tcp", 1)])),
    (ValueError, dict(name="x", services=[("_http._sctp", 1)])),
    (ValueError, dict(name="x", services=[("_http", 1)])),
    (ValueError, dict(name="x", services=[("_a._tcp.local.b", 1)])),
    (ValueError, dict(name="x", services=[("_" + "a" * 16 + "._tcp", 1)])),
    (ValueError, dict(name="x", services=[("_http._tcp", 65536)])),
    (ValueError, dict(name="x", services=[("_http._tcp", -1)])),
    (TypeError, dict(name="x", services=[("_http._tcp", "80")])),
    (TypeError, dict(name="x", services=[("_http._tcp", 80, [1])])),
    (ValueError, dict(name="x", services=[("_http._tcp", 80, {"a=b": ""})])),
    (ValueError, dict(name="x", services=[("_http._tcp", 80, {"": "x"})])),
    (ValueError, dict(name="x", services=[("_http._tcp", 80, {"\u00e4": "x"})])),
    (ValueError, dict(name="x", services=[("_http._tcp", 80, {"a": "x" * 254})])),
    (TypeError, dict(name="x", services=[("_http._tcp", 80, {1: "x"})])),
    (TypeError, dict(name="x", services=[("_http._tcp", 80, {"a": 1})])),
    (ValueError, dict(name="x", services=[("_http._tcp", 80, None, "x" * 64)])),
    (ValueError, dict(name="x", services=[("_http._tcp", 80)] * 16)),
    (ValueError, dict(name="x", services=[("_http._tcp", 80, dict(("k%d" % n, "x" * 200) for n in range(6)))])),
):
    raises(kind, m.mdns_listen, **kwargs)
raises(Error, m.mdns_listen, interface="192.0.2.199")
start()
for kind, args in (
    (ValueError, ("",)), (ValueError, ("a..b",)), (ValueError, (".",)), (ValueError, ("x" * 64,)),
    (ValueError, ("a\\",)), (ValueError, (".".join(["x" * 60] * 5),)), (ValueError, ("a", 0)),
    (ValueError, ("a", 65536)), (TypeError, (b"a",)), (TypeError, ("a", "A")), (TypeError, (None,)),
):
    raises(kind, c.mdns_query, *args)
other = m.listen(url("tcp"))
raises(ValueError, other.mdns_query, "a")
eq(other.mdns_name, None)
other.close()
def closes():
    yield ("_a._tcp", 1)
    m.mdns_listen(interface=HOST).close()
    yield ("_b._tcp", 2)
m.mdns_listen(name="x", interface=HOST, services=closes()).close()
c.close()
m.poll(1)
raises(Error, c.mdns_query, "a")
eq(c.mdns_name, None)
"""
    )


def test_messages_end_with_their_handler(device, peer):
    name = unique()
    device.exec(
        """
kept = []
def keep(c, ev, d):
    if ev in (MG_EV_MDNS_REQ, MG_EV_MDNS_RESP):
        kept.append(d)
start()
c.set_handler(keep)
"""
    )
    ask, told = [question(f"{name}.local", A)], [record(f"{name}.local", A, ip("10.0.0.1"))]
    peer.say(ask)
    peer.say((), told, flags=RESPONSE)
    device.until("set(type(d).__name__ for d in kept) == {'MdnsRequest', 'MdnsResponse'}")
    device.exec(
        """
for d in kept:
    eq(bool(d), False)
    raises(Error, lambda: d.name)
del kept, d
"""
    )


def test_handler_that_closes(device, peer):
    """In the middle of a message; the rest of it is not told."""
    name = unique()
    device.exec(
        f"""
seen = []
def once(c, ev, d):
    if ev == MG_EV_MDNS_REQ and {name!r} in d.name:
        seen.append(d.name)
        c.close()
start({name!r})
c.set_handler(once)
"""
    )
    peer.say([question(f"{name}.local", A), question(f"{name}.local", AAAA)])
    device.until("c.is_closing or not m.connections")
    assert device.eval("len(seen)") == 1


def test_group(peer):
    """A check of the check: the peer hears what it says."""
    name = unique()
    peer.say((), [record(f"{name}.local", A, ip("10.0.0.1"))], flags=RESPONSE)
    peer.multicast.settimeout(10)
    while name.encode() not in peer.multicast.recv(65536):
        pass
    assert GROUP == peer.multicast.getsockname()[0]
