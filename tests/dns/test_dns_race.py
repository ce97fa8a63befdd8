# SPDX-License-Identifier: GPL-2.0-only
"""Names with several addresses: who is silent holds up nobody (RFC 8305)."""

import contextlib
import socket

import pytest
from peers.clients import free_port
from peers.faults import faulty  # noqa: F401
from peers.names import AAAA, LOOKUPS, A, NameServer, answer, record

#: Long enough for a loaded machine, too short for one silent address of the old kind (3 s each).
TIMEOUT = {"connect_timeout": 2900}


@contextlib.contextmanager
def silent(address, port, family=socket.AF_INET):
    """A listener whose backlog is full: it answers nobody until one is accepted."""
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(0)
    fillers = []
    for _ in range(4):
        fillers.append(socket.socket(family))
        fillers[-1].setblocking(False)
        fillers[-1].connect_ex((address, port))
    try:
        yield s
    finally:
        for each in (s, *fillers):
            each.close()


def zone(**names):
    """Answers with these addresses."""

    def answers(query):
        found = names[query.name.partition(".")[0]]
        wanted = [a for a in found if (":" in a) == (query.type == AAAA)]
        return [answer(query, *(record(query.type, a) for a in wanted))]

    assert A != AAAA
    return NameServer(answers)


def seen(running, key):
    return [(e[0], e[2][0]) for e in running.eval(f"seen[{key!r}]")]


@pytest.mark.needs("loopback")
def test_a_silent_address_holds_up_nobody(device, target):
    """On any target: its first address is this computer, which is silent, the second itself."""
    port = free_port()
    first = target.peer if target.peer != "127.0.0.1" else "127.0.0.2"
    with silent("127.0.0.2" if first == "127.0.0.2" else target.here, port):
        with zone(two=[first, "127.0.0.1"]) as server:
            running = device(LOOKUPS, dns=[server.port], limits=TIMEOUT)
            running.expect("SERVING")
            running.exec(f"m.listen('tcp://127.0.0.1:{port}', lambda c, ev, data: None)")
            running.exec(f"look('two.test', scheme='tcp', port={port})")
            running.until("done('two.test')", 20000)
            assert seen(running, "two.test")[1:3] == [
                ("RESOLVE", first),
                ("CONNECT", "127.0.0.1"),
            ]
            assert running.eval("kept[-1].local_addr[0]") == "127.0.0.1"


@pytest.mark.needs("host-network", "ipv6")
def test_a_family_that_is_silent(device):
    """The other one starts while the first is under way."""
    port = free_port()
    with silent("::1", port, socket.AF_INET6), socket.create_server(("127.0.0.1", port)):
        with zone(both=["::1", "127.0.0.1"]) as server:
            running = device(LOOKUPS, dns=[server.port], limits=TIMEOUT)
            running.expect("SERVING")
            running.exec(f"look('both.test', scheme='tcp', port={port})")
            running.until("done('both.test')")
            assert seen(running, "both.test")[1:3] == [
                ("RESOLVE", "::1"),
                ("CONNECT", "127.0.0.1"),
            ]


@pytest.mark.needs("host-network", "many-sockets")
def test_many_silent_addresses(device):
    """They are tried side by side: one after the other, 3 seconds each, would take too long."""
    port = free_port()
    addresses = [f"127.0.0.{n}" for n in range(2, 9)]
    with contextlib.ExitStack() as stack:
        for address in addresses:
            stack.enter_context(silent(address, port))
        stack.enter_context(socket.create_server(("127.0.0.1", port)))
        server = stack.enter_context(zone(many=[*addresses, "127.0.0.1"]))
        running = device(LOOKUPS, dns=[server.port], limits={"connect_timeout": 15000})
        running.expect("SERVING")
        running.exec(f"look('many.test', scheme='tcp', port={port})")
        running.until("done('many.test')", 20000)
        assert seen(running, "many.test")[2] == ("CONNECT", "127.0.0.1")


HANDED_OVER = """
import os

def descriptors():
    return len(os.listdir("/proc/self/fd"))

def opened(c, ev, data):
    if ev == MG_EV_RESOLVE:
        fail_watch(2)  # not of the attempt, but of the connection that takes its socket
    log.append(event_name(ev)[6:])

log = []
m = Manager(dns=[peer("udp", PARAMS["dns"])])
before = descriptors()
c = m.connect("tcp://two.test:%d" % PARAMS["port"], opened)
serve(m)
"""


@pytest.mark.needs("native-speed", "host-network", "epoll")
def test_a_socket_that_cannot_be_handed_over(faulty):  # noqa: F811
    """Its descriptor is not lost with it, and the next address is tried."""
    port = free_port()
    with socket.create_server(("127.0.0.2", port)), socket.create_server(("127.0.0.3", port)):
        with zone(two=["127.0.0.2", "127.0.0.3"]) as server:
            running = faulty(HANDED_OVER, dns=server.port, port=port)
            running.expect("SERVING")
            running.until("'CONNECT' in log")
            assert running.eval("c.remote_addr[0]") == "127.0.0.3"
            running.exec("c.close()")
            running.until("'CLOSE' in log")
            running.until("descriptors() == before")


@pytest.mark.needs("host-network")
def test_the_first_may_answer_late(device):
    """An attempt goes on while others are tried: the first that stands is taken, data flows in it."""
    port = free_port()
    with silent("127.0.0.2", port) as late, silent("127.0.0.3", port):
        with zone(two=["127.0.0.2", "127.0.0.3"]) as server:
            running = device(LOOKUPS, dns=[server.port])
            running.expect("SERVING")
            running.exec(f"look('two.test', scheme='tcp', port={port})")
            running.until("kept[-1].remote_addr[0] == '127.0.0.3'")  # the second is under way
            for _ in range(2):  # room in its backlog: the system asks again within seconds
                late.accept()[0].close()
            running.until("done('two.test')", 30000)
            assert seen(running, "two.test")[2] == ("CONNECT", "127.0.0.2")
            assert running.eval("kept[-1].remote_addr[:2]") == ("127.0.0.2", port)


@pytest.mark.needs("host-network", "ipv6")
@pytest.mark.parametrize(
    "answering, taken",
    [
        (["127.0.0.1", "127.0.0.5"], "127.0.0.1"),  # the other family has the second place
        (["127.0.0.5"], "::ffff:127.0.0.5"),  # and then the first family again
    ],
)
def test_families_take_turns(device, target, answering, taken):
    if "esp32" in target.name:
        pytest.skip("lwIP keeps no IPv6 sockets for IPv4 addresses")
    port = free_port()
    six = ["::1", "::ffff:127.0.0.5", "::ffff:127.0.0.6"]
    with contextlib.ExitStack() as stack:
        for address in answering:
            stack.enter_context(socket.create_server((address, port)))
        server = stack.enter_context(zone(mixed=[*six, "127.0.0.1"]))
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        running.exec(f"look('mixed.test', scheme='tcp', port={port})")
        running.until("done('mixed.test')")
        assert seen(running, "mixed.test")[2] == ("CONNECT", taken)


@pytest.mark.needs("host-network")
def test_all_are_silent(device):
    port = free_port()
    with silent("127.0.0.2", port), silent("127.0.0.3", port):
        with zone(two=["127.0.0.2", "127.0.0.3"]) as server:
            running = device(LOOKUPS, dns=[server.port], limits={"connect_timeout": 1000})
            running.expect("SERVING")
            running.exec(f"look('two.test', scheme='tcp', port={port})")
            running.until("done('two.test')")
            assert running.eval("[e[:2] for e in seen['two.test']][2:]") == [
                ("ERROR", "connect timed out"),
                ("CLOSE", None),
            ]


@pytest.mark.needs("host-network")
def test_all_refuse(device):
    port = free_port()
    with zone(three=["127.0.0.2", "127.0.0.3", "127.0.0.4"]) as server:
        running = device(LOOKUPS, dns=[server.port])
        running.expect("SERVING")
        running.exec(f"look('three.test', scheme='tcp', port={port})")
        running.until("done('three.test')")
        found = running.eval("[e[:2] for e in seen['three.test']][2:]")
        assert found == [("ERROR", "connect failed: Connection refused"), ("CLOSE", None)] or (
            found[0][1].startswith("connect failed: ")
        )


@pytest.mark.needs("host-network")
@pytest.mark.parametrize("how", ["kept[-1].close()", "kept[-1].error('x')", "kept[-1].drain()"])
def test_the_end_in_the_middle(device, how):
    """Two attempts are under way: nothing of them stays."""
    port = free_port()
    with silent("127.0.0.2", port), silent("127.0.0.3", port):
        with zone(two=["127.0.0.2", "127.0.0.3"]) as server:
            running = device(LOOKUPS, dns=[server.port], limits={"connect_timeout": 3000})
            running.expect("SERVING")
            running.exec(f"look('two.test', scheme='tcp', port={port})")
            running.until("kept[-1].remote_addr[0] == '127.0.0.3'")
            running.exec(how)
            running.until("done('two.test')")
            assert "CONNECT" not in [e[0] for e in seen(running, "two.test")]


@pytest.mark.needs("host-network")
@pytest.mark.parametrize("end", ["m.close()", "m = None; kept.clear(); gc.collect()"])
def test_the_manager_ends_in_the_middle(device, end):
    port = free_port()
    with silent("127.0.0.2", port), silent("127.0.0.3", port):
        with zone(two=["127.0.0.2", "127.0.0.3"]) as server:
            end = (
                f"c = look('two.test', scheme='tcp', port={port})\n"
                "poll_until(m, lambda: c.remote_addr[0] == '127.0.0.3')\n"
                f"c = None; {end}\nprint('SEEN', [e[0] for e in seen['two.test']])"
            )
            running = device(LOOKUPS.replace("serve(m)", end), dns=[server.port])
            assert "CONNECT" not in running.expect("SEEN")
            running.finish()
            running.settled = True


@pytest.mark.needs("host-network")
def test_a_request_by_the_address_that_answers(device):
    """What is sent before it stands waits for the winner."""
    port = free_port()
    with silent("127.0.0.2", port), socket.create_server(("127.0.0.1", port)) as listener:
        with zone(two=["127.0.0.2", "127.0.0.1"]) as server:
            running = device(LOOKUPS, dns=[server.port])
            running.expect("SERVING")
            running.exec(
                f"c = m.connect('tcp://two.test:{port}', lambda c, ev, data: None)\nc.send('early')"
            )
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(15)
                assert peer.recv(5) == b"early"
            running.exec("c.close()")
