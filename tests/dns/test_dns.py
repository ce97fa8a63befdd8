# SPDX-License-Identifier: GPL-2.0-only
"""Names: what a client's host name becomes, against dnsmasq and servers of our own."""

import re
import socket
import threading
import time

import pytest
from peers.clients import Server, free_port, listen, seconds
from peers.names import (
    AAAA,
    CNAME,
    LOOKUPS,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    A,
    NameServer,
    answer,
    dnsmasq,
    one,
    record,
)

ZONE = (
    "host-record=one.test,192.0.2.1",
    "host-record=six.test,2001:db8::6",
    "cname=alias.test,middle.test",
    "cname=middle.test,one.test",
    "host-record=www.corp.test,192.0.2.80",
    "txt-record=text.test,no address",
)


@pytest.fixture(scope="session")
def zone(target, tmp_path_factory):
    both = f"host-record=both.test,{target.peer},::1"
    # A datagram holds 512 bytes of them, a board takes 1,024 bytes over TCP.
    many = [f"host-record=many.test,192.0.2.{n}" for n in range(1, target.size(101, 46))]
    with dnsmasq(tmp_path_factory.mktemp("dnsmasq"), both, *many, *ZONE) as port:
        yield port


@pytest.fixture
def script(shared, zone):
    return shared(LOOKUPS, dns=[zone])


def ask(running, name):
    return running.eval(f"lookup({name!r})", 30)


def events(running, key):
    return [name for name, _, _ in running.eval(f"seen[{key!r}]")]


# ---- What a server knows -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, found",
    [
        ("one.test", "192.0.2.1"),
        ("ONE.Test", "192.0.2.1"),
        ("one.test.", "192.0.2.1"),
        ("alias.test", "192.0.2.1"),
        pytest.param("six.test", "2001:db8::6", marks=pytest.mark.needs("ipv6")),
        ("none.test", "no such name: none.test"),
        ("text.test", "name without an address: text.test"),
    ],
)
def test_names_of_dnsmasq(script, name, found):
    assert ask(script, name) == found


def test_events_of_a_name(script):
    assert ask(script, "one.test") == "192.0.2.1"
    assert script.eval("seen['one.test']") == [
        ("OPEN", None, ("", 0, False)),
        ("RESOLVE", None, ("192.0.2.1", 9, False)),
        ("CONNECT", None, ("192.0.2.1", 9, False)),
        ("CLOSE", None, ("192.0.2.1", 9, False)),
    ]
    assert ask(script, "none.test").startswith("no such name")
    assert script.eval("seen['none.test']") == [
        ("OPEN", None, ("", 0, False)),
        ("ERROR", "no such name: none.test", ("", 0, False)),
        ("CLOSE", None, ("", 0, False)),
    ]


def test_answer_too_long_for_udp(script):
    """A hundred addresses do not fit into a datagram: dnsmasq says so, and answers over TCP."""
    assert re.fullmatch(r"192\.0\.2\.\d+", ask(script, "many.test"))


@pytest.mark.needs("ipv6")
def test_addresses_are_not_asked_for(shared):
    """There is nobody to ask, and nobody is."""
    script = shared(LOOKUPS, dns=[])
    for address in ("127.0.0.1", "[::1]"):
        script.exec(f"look({address!r})")
        script.until(f"done({address!r})")
        assert events(script, address) == ["OPEN", "CONNECT", "CLOSE"]
    assert ask(script, "one.test") == "name lookup: no name server is known to ask for one.test"


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "localhost.", "app.localhost"])
def test_localhost_is_not_asked_for(shared, name):
    script = shared(LOOKUPS, dns=[])
    assert ask(script, name) == "127.0.0.1"
    assert events(script, name) == ["OPEN", "RESOLVE", "CONNECT", "CLOSE"]


@pytest.mark.parametrize("name", ["a..test", "x" * 64 + ".test", ".test"])
def test_what_is_no_name(script, name):
    name = name.lower()
    assert ask(script, name) == f"no valid name: {name.rstrip('.')}"


def test_http_by_name(shared, zone):
    """The request's Host is the name, not the address."""
    heads = []

    def serve(raw):
        heads.append(raw.socket.recv(4096))
        raw.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    script = shared(LOOKUPS, dns=[zone])
    with Server(serve) as server:
        script.exec(
            f"""
got = []
def web(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.http_basic_auth("a", "b")
        c.send("GET / HTTP/1.1\\r\\n\\r\\n")
    elif ev == MG_EV_HTTP_MSG:
        got.append(data.body_text)
        c.close()
w = m.connect("http://both.test:{server.port}/", web)
"""
        )
        script.until("got == ['hi']")
        assert f"\r\nHost: both.test:{server.port}\r\n".encode() in heads[0]


# ---- Several addresses -------------------------------------------------------------------------


@pytest.mark.needs("loopback", "ipv6")
def test_next_address_when_one_refuses(script, target):
    """both.test is ::1 first; the listener is on the other one."""
    with listen() as listener:
        script.exec(f"look('both.test', scheme='tcp', port={listener.getsockname()[1]})")
        script.until("done('both.test')")
        assert [(e[0], e[2][0]) for e in script.eval("seen['both.test']")] == [
            ("OPEN", ""),
            ("RESOLVE", "::1"),
            ("CONNECT", target.peer),
            ("CLOSE", target.peer),
        ]


@pytest.mark.needs("host-network", "ipv6")
def test_localhost_that_listens_on_ipv6_alone(script):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        script.exec(f"look('localhost', scheme='tcp', port={listener.getsockname()[1]})")
        script.until("done('localhost')")
        assert script.eval("seen['localhost'][-2]")[::2] == (
            "CONNECT",
            ("::1", listener.getsockname()[1], True),
        )


@pytest.mark.needs("loopback")
def test_no_address_answers(script):
    port = free_port()
    script.exec(f"look('both.test', scheme='tcp', port={port})")
    script.until("done('both.test')")
    assert events(script, "both.test") == ["OPEN", "RESOLVE", "ERROR", "CLOSE"]
    assert "connect failed" in script.eval("seen['both.test'][-2][1]")


@pytest.mark.needs("host-network")
def test_next_address_when_one_is_silent(device):
    """A listener whose backlog is full lets clients wait: the next address has its turn."""
    silent = socket.socket()
    port = free_port()
    silent.bind(("127.0.0.2", port))
    silent.listen(0)
    fillers = []
    for _ in range(4):
        fillers.append(socket.socket())
        fillers[-1].setblocking(False)
        fillers[-1].connect_ex(("127.0.0.2", port))

    def answers(query):
        found = [record(A, "127.0.0.2"), record(A, "127.0.0.1")]
        return [answer(query, *(found if query.type == A else []))]

    with NameServer(answers) as server, socket.create_server(("127.0.0.1", port)):
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        running.exec(f"look('two.test', scheme='tcp', port={port})")
        running.until("done('two.test')")
        assert [(e[0], e[2][0]) for e in running.eval("seen['two.test']")][1:3] == [
            ("RESOLVE", "127.0.0.2"),
            ("CONNECT", "127.0.0.1"),
        ]
    for each in (silent, *fillers):
        each.close()


# ---- Servers that do not answer, or not well ---------------------------------------------------


@pytest.mark.parametrize(
    "rcode, text", [(SERVFAIL, "SERVFAIL"), (REFUSED, "REFUSED"), (11, "that it failed")]
)
def test_next_server_when_one_fails(device, target, rcode, text):
    with (
        NameServer(lambda query: [answer(query, rcode=rcode)]) as bad,
        NameServer(one()) as good,
    ):
        running = device(LOOKUPS, dns=[bad.port, good.port])
        running.expect("SERVING")
        assert ask(running, "one.test") == "192.0.2.1"
        running = device(LOOKUPS, dns=[bad.port])
        running.expect("SERVING")
        assert ask(running, "one.test") == f"name lookup: {target.peer} says {text} about one.test"
        assert len(bad.queries) == 2 + 2 * 3 or bad.late


@pytest.mark.cost(15)
def test_next_server_when_one_is_not_there(device, target):
    gone = free_port(socket.SOCK_DGRAM)
    with NameServer(one()) as good:
        running = device(LOOKUPS, dns=[gone, good.port])
        running.expect("SERVING")
        assert ask(running, "one.test") == "192.0.2.1"
        running = device(LOOKUPS, dns=[gone])
        running.expect("SERVING")
        assert (
            ask(running, "one.test") == f"name lookup: no answer from {target.peer} about one.test"
        )


def test_next_server_when_one_is_silent(device, wait_for):
    with NameServer(lambda query: []) as silent, NameServer(one()) as good:
        running = device(LOOKUPS, dns=[silent.port, good.port])
        running.expect("SERVING")
        assert ask(running, "one.test") == "192.0.2.1"
        running = device(LOOKUPS, dns=[silent.port], limits={"connect_timeout": 300})
        running.expect("SERVING")
        assert ask(running, "one.test") == "name lookup timed out"
        wait_for(lambda: len(silent.queries) > 2)  # the server's threads come when they come
        assert {query.name for query in silent.queries[2:]} == {"one.test"}


def test_lost_datagram_is_asked_for_again(device):
    lost = set()

    def answers(query):
        if query.type not in lost:
            lost.add(query.type)
            return []
        return one()(query)

    with NameServer(answers) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        assert ask(running, "one.test") == "192.0.2.1"
        ids = [(query.id, query.port) for query in server.queries]
        assert len(set(ids)) == len(ids) >= 3, "each try has an id and a port of its own"


def test_only_one_family_is_answered(device):
    """A server that drops AAAA questions delays a connection by half a second, not for ever."""
    with NameServer(lambda query: one()(query) if query.type == A else []) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        assert ask(running, "one.test") == "192.0.2.1"
        assert [query.type for query in server.queries].count(AAAA) == 1 or server.late


# ---- Questions ---------------------------------------------------------------------------------


def test_ids_and_ports_cannot_be_guessed(device):
    with NameServer(one()) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        for n in range(40):
            assert ask(running, f"n{n}.test") == "192.0.2.1"
        ids = [query.id for query in server.queries]
        ports = [query.port for query in server.queries]
    assert len(ids) == 80 or server.late
    assert len(set(ids)) > 70 and len(set(ports)) > 70
    for numbers in (ids, ports):  # no counter
        steps = [b - a for a, b in zip(numbers, numbers[1:], strict=False)]
        assert max(steps.count(step) for step in set(steps)) < 10


@pytest.mark.needs("process")  # more connections than a board has
def test_connections_to_one_name_share_a_lookup(device, target):
    count = target.sockets(50, 10)
    with NameServer(lambda query: [(0.2, one()(query)[0])]) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        running.exec(f"for n in range({count}):\n    look('one.test', n)")
        running.until("all(done(n) for n in seen)")
        assert running.eval("[what(n) for n in seen]") == ["192.0.2.1"] * count
        assert len(server.queries) == 2 or server.late


def test_answers_are_kept_for_their_time(device):
    def answers(query):
        return one(ttl={"short.test": 1, "never.test": 0}.get(query.name, 60))(query)

    with NameServer(answers) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        for name in ("long.test", "never.test") * 2:
            assert ask(running, name) == "192.0.2.1"
        counted = [server.names().count(f"{n}.test") for n in ("long", "never")]
        assert counted == [2, 4] or server.late
        for _ in range(20):
            # By the device's clock: an emulated board's is late on a busy computer.
            running.exec("begun = ticks_ms()")
            before = server.names().count("short.test")
            for _ in range(2):
                assert ask(running, "short.test") == "192.0.2.1"
            asked = server.names().count("short.test") - before
            late = running.eval("ticks_diff(ticks_ms(), begun) >= 1000")
            running.until("ticks_diff(ticks_ms(), begun) > 2200", 20)
            if not late:
                break
        assert (before, asked) == (before, 2)
        assert ask(running, "short.test") == "192.0.2.1"
        assert ask(running, "LONG.test") == "192.0.2.1"
        assert server.names().count("short.test") == before + 4
        assert server.names().count("long.test") == 2


@pytest.mark.needs("process")
def test_cache_is_bounded(device, target):
    at_once = target.sockets(100, 4)  # each is a connection, and has one to the server
    with NameServer(one()) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        blocks = []
        for start in range(0, 200, 100):
            for first in range(start, start + 100, at_once):
                names = range(first, first + at_once)
                for n in names:
                    running.exec(f"look('n{n}.test')")
                running.until(f"all(done('n%d.test' % n) for n in {names})")
            running.exec("[m.poll(0) for n in range(5)]")
            blocks.append(running.eval("live_objects()['blocks']"))
        assert blocks[0] == blocks[1]


def test_long_chain_of_aliases(device, target):
    def answers(query):
        chain = [query.name] + [f"a{n}.test" for n in range(int(query.name.split(".")[0][1:]))]
        records = [
            record(CNAME, target, owner=owner)
            for owner, target in zip(chain, chain[1:], strict=False)
        ]
        records.reverse()  # in whatever order they come
        if query.type == A:
            records.append(record(A, "192.0.2.7", owner=chain[-1]))
        return [answer(query, *records)]

    with NameServer(answers) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        assert ask(running, "n8.test") == "192.0.2.7"
        assert ask(running, "n15.test") == "192.0.2.7"
        assert f"unusable answer from {target.peer}" in ask(running, "n40.test")


def test_name_that_is_there_without_an_address(device):
    def answers(query):
        return [answer(query, rcode=NXDOMAIN if query.name == "no.test" else 0)]

    with NameServer(answers) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        assert ask(running, "no.test") == "no such name: no.test"
        assert ask(running, "yes.test") == "name without an address: yes.test"


# ---- Inner connections -------------------------------------------------------------------------


def test_lookups_are_not_seen(device):
    with NameServer(lambda query: []) as server:
        running = device(LOOKUPS, dns=[server.port], limits={"max_conns": 2})
        running.expect("SERVING")
        running.exec("look('one.test')\nlook('two.test')\n[m.poll(1) for n in range(20)]")
        deadline = time.monotonic() + seconds()  # the server's threads come when they come
        while len(server.queries) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(server.queries) == 4 or server.late
        assert running.eval("[c.id for c in m.connections] == [c.id for c in kept]")
        assert running.eval("live_objects()['connections']") == 2
        assert "max_conns" in running.eval("str(raises(Error, look, 'three.test'))")
        running.exec("[c.close() for c in kept]\n[m.poll(1) for n in range(5)]")
        assert running.eval("live_objects()['connections'], len(m.connections)") == (0, 0)


@pytest.mark.parametrize("how", ["kept[-1].close()", "kept[-1].error('x')"])
def test_end_during_a_lookup(device, how):
    """What comes too late finds nobody; nothing is left behind."""
    ended = threading.Event()
    with NameServer(lambda query: ended.wait(30) and one()(query)) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        running.exec("look('one.test')\n[m.poll(1) for n in range(5)]")
        running.exec(how)
        running.until("done('one.test')")
        ended.set()
        running.exec("start = ticks_ms()\nwhile ticks_diff(ticks_ms(), start) < 100: m.poll(5)")
        assert "RESOLVE" not in events(running, "one.test")


def test_manager_closed_during_a_lookup(device):
    ended = threading.Event()
    with NameServer(lambda query: ended.wait(30) and one()(query)) as server:
        end = "look('one.test')\nfor n in range(5): m.poll(1)\nm.close()\nprint('SEEN', seen)"
        running = device(LOOKUPS.replace("serve(m)", end), dns=[server.port])
        assert "CLOSE" in (seen := running.expect("SEEN")) and "RESOLVE" not in seen
        ended.set()


def test_manager_forgotten_during_a_lookup(device):
    """The collector of CPython closes it without a word, that of MicroPython leaves it alone."""
    with NameServer(lambda query: []) as server:
        end = (
            "look('one.test')\nm.poll(1)\nm = None\nkept.clear()\ngc.collect()\nprint('SEEN', seen)"
        )
        running = device(LOOKUPS.replace("serve(m)", end), dns=[server.port])
        assert "RESOLVE" not in running.expect("SEEN")
        running.finish()
        running.settled = True


def test_close_in_a_handler_of_the_lookup(device):
    with NameServer(one()) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        running.exec(
            """
log = []
def closing(c, ev, data):
    log.append(event_name(ev)[6:])
    if ev == MG_EV_RESOLVE:
        for each in all_of_them:
            each.close()
all_of_them = [m.connect("tcp://one.test:9", closing) for n in range(3)]
"""
        )
        running.until("log.count('CLOSE') == 3")
        assert running.eval("log") == ["OPEN"] * 3 + ["RESOLVE"] + ["CLOSE"] * 3


def test_exception_that_leaves_poll_in_resolve(device):
    """Whoever waits for the same name is told by the next poll()."""
    with NameServer(one()) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        running.exec(
            """
log = []
def stopping(c, ev, data):
    if ev == MG_EV_RESOLVE:
        log.append(c.remote_addr[0])
        c.close()
        raise KeyboardInterrupt
for n in range(3):
    m.connect("tcp://one.test:9", stopping)
stopped = 0
while stopped < 3:
    try:
        m.poll(10)
    except KeyboardInterrupt:
        stopped += 1
        eq(len(log), stopped)
"""
        )
        assert running.eval("log") == ["192.0.2.1"] * 3


# ---- The keyword -------------------------------------------------------------------------------


def test_dns_argument(shared):
    script = shared(LOOKUPS, dns=[])
    for given in (
        '"udp://127.0.0.1:53"',
        '"127.0.0.1"',
        '"[::1]:53"',
        '("udp://127.0.0.1", "udp://[::1]:5353")',
        '["127.0.0.1"] * 4',
        "iter(())",
        "None",
    ):
        script.exec(f"Manager(dns={given}).close()")
    for given, error in {
        '"tcp://127.0.0.1:53"': "ValueError",
        '"name.test"': "ValueError",
        '"udp://127.0.0.1:0"': "ValueError",
        '["127.0.0.1"] * 5': "ValueError",
        '"127.0.0.1\\0"': "ValueError",
        "7": "TypeError",
        "[7]": "TypeError",
        'b"127.0.0.1"': "TypeError",
    }.items():
        script.exec(f"raises({error}, Manager, dns={given})")


def test_local_name_where_nobody_is_asked(shared, target, zone):
    """dns=[] is for .local, too; what cannot multicast says that."""
    script = shared(LOOKUPS, dns=[zone])
    script.exec(
        """
errors = []
second = Manager(dns=[])
second.connect("tcp://x.local:1", lambda c, ev, data: ev == MG_EV_ERROR and errors.append(data))
poll_until(second, lambda: errors)
second.close()
"""
    )
    if "multicast" in target.capabilities:
        text = "name lookup: no name server is known to ask for x.local"
    else:
        text = "name lookup: this build has no mDNS to ask for x.local"
    assert script.eval("errors") == [text]
