# SPDX-License-Identifier: GPL-2.0-only
"""Connection.resolve() and resolve_cancel()."""

import socket
import threading

import pytest
from peers.names import LOOKUPS, NXDOMAIN, A, NameServer, answer, one, record

RESOLVE = LOOKUPS.replace(
    "serve(m)",
    r"""
def resolving(target, then=None):
    # The handler of the Connection document, with another name than connect() was given.
    def opened(c, ev, data):
        if c.userdata is None:
            c.userdata = "r"
            seen["r"] = []
        seen["r"].append((event_name(ev)[6:], data, c.remote_addr))
        if ev == MG_EV_OPEN:
            c.resolve(target)
        elif ev == MG_EV_CONNECT:
            c.close()
        if then:
            then(c, ev, data)
    return opened

serve(m)
""",
)


@pytest.fixture
def server():
    with NameServer(lambda query: one(f"192.0.2.{len(query.name)}")(query)) as server:
        yield server


@pytest.fixture
def script(device, server):
    running = device(RESOLVE, dns=[server.port])
    running.expect("SERVING")
    return running


def test_resolve_in_open(script, server):
    """connect()'s own name is not looked up as well; the port stays."""
    script.exec("c = m.connect('udp://other.test:99', resolving('example.test'))")
    script.until("done('r')")
    assert [(e[0], e[2]) for e in script.eval("seen['r']")] == [
        ("OPEN", ("", 0, False)),
        ("RESOLVE", ("192.0.2.12", 99, False)),
        ("CONNECT", ("192.0.2.12", 99, False)),
        ("CLOSE", ("192.0.2.12", 99, False)),
    ]
    assert sorted(server.names()) == ["example.test"] * 2


@pytest.mark.parametrize(
    "url, address",
    [
        ("udp://example.test:77", ("192.0.2.12", 77, False)),
        ("example.test:78", ("192.0.2.12", 78, False)),
        ("http://example.test/path", ("192.0.2.12", 99, False)),
        ("192.0.2.200", ("192.0.2.200", 99, False)),
        ("[2001:db8::1]:5", ("2001:db8::1", 5, True)),
        ("localhost", ("127.0.0.1", 99, False)),
    ],
)
@pytest.mark.parametrize("own", ["other.test", "127.0.0.1"])
def test_what_resolve_takes(script, url, address, own):
    close = "lambda c, ev, data: ev == MG_EV_RESOLVE and c.close()"
    script.exec(f"c = m.connect('tcp://{own}:99', resolving({url!r}, {close}))")
    script.until("done('r')")
    assert [(e[0], e[2]) for e in script.eval("seen['r']")][1:] == [
        ("RESOLVE", address),
        ("CLOSE", address),
    ]


def test_resolve_of_no_name(script):
    script.exec("c = m.connect('tcp://other.test:99', resolving('a..b'))")
    script.until("done('r')")
    assert [e[:2] for e in script.eval("seen['r']")] == [
        ("OPEN", None),
        ("ERROR", "no valid name: a..b"),
        ("CLOSE", None),
    ]


@pytest.mark.needs("loopback")
def test_where_resolve_is_refused(script):
    script.exec(
        """
EPIPE, EISCONN, EALREADY = 32, 106, 114  # of Linux; the errno module of MicroPython lacks them
listener = m.listen(url("tcp"))
c = m.connect("tcp://example.test:9")
eq(raises(Error, c.resolve, "example.test").errno, EALREADY)
for bad in ("", "a b", "http://", "x://y", "a:99999", "unix:///x", "1.2.3"):
    c2 = m.connect("tcp://one.test:9")
    c2.resolve_cancel()
    raises(ValueError, c2.resolve, bad)
    c2.close()
    m.poll(0)
raises(TypeError, c.resolve, 5)
raises(TypeError, c.resolve)
c.close()
eq(raises(Error, c.resolve, "example.test").errno, EPIPE)
c = m.connect(url("tcp", port_of(listener)))
eq(raises(Error, c.resolve, "example.test").errno, EISCONN)
poll_until(m, lambda: c.is_writable)
eq(raises(Error, c.resolve, "example.test").errno, EISCONN)
eq(c.resolve_cancel(), None)
for each in m.connections:
    each.close()
"""
    )
    script.exec("[m.poll(5) for n in range(5)]")


LISTENER = """
heard = []

def listening(c, ev, data):
    if ev in (MG_EV_RESOLVE, MG_EV_ERROR, MG_EV_CLOSE):
        heard.append((event_name(ev)[6:], data, c.remote_addr[0]))

listener = m.listen(url(PARAMS["scheme"]), listening)
"""


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_resolve_on_a_listener(device, scheme):
    """It hears of the address and goes on listening; nothing else comes of it, as in cymongoose."""

    def answers(query):
        return one()(query) if query.name == "there.test" else [answer(query, rcode=NXDOMAIN)]

    with NameServer(answers) as names:
        script = device(RESOLVE, dns=[names.port], scheme=scheme)
        script.expect("SERVING")
        script.exec(
            LISTENER + "listener.resolve('there.test')\n"
            "raises(Error, listener.resolve, 'there.test', text='under way')"
        )
        script.until("heard")
        script.exec("listener.resolve('gone.test')")
        script.until("len(heard) == 2")
        script.exec("listener.resolve('203.0.113.5')")
        script.until("len(heard) == 3")
        script.exec("listener.resolve('there.test'); listener.resolve_cancel()")
        script.exec("[m.poll(1) for n in range(20)]")
        assert script.eval("listener.is_listening, listener.is_closing") == (True, False)
        script.exec("listener.resolve('other.test'); listener.close()")
        script.until("heard[-1][0] == 'CLOSE'")
        log = script.eval("heard")
    assert log[0] == ("RESOLVE", None, "192.0.2.1")
    assert log[1][0] == "ERROR" and "gone.test" in log[1][1]
    assert log[2] == ("RESOLVE", None, "203.0.113.5")
    assert [entry[0] for entry in log[3:]] == ["CLOSE"]


def test_resolve_cancel(device):
    """No event comes of it, not even late; the next lookup is a new one."""

    canceled = threading.Event()

    def answers(query):
        if query.name == "slow.test":
            canceled.wait(30)
        return one()(query)

    with NameServer(answers) as server:
        running = device(RESOLVE, dns=[server.port])
        running.expect("SERVING")
        running.exec("look('slow.test')\nc = kept[-1]\nm.poll(5)\nc.resolve_cancel()")
        canceled.set()
        running.exec("start = ticks_ms()\nwhile ticks_diff(ticks_ms(), start) < 100: m.poll(5)")
        assert [e[0] for e in running.eval("seen['slow.test']")] == ["OPEN"]
        assert running.eval("c.is_closing, c.remote_addr") == (False, ("", 0, False))
        running.exec("c.resolve_cancel()\nc.resolve('fast.test')")
        running.until("done('slow.test')")
        assert [e[0] for e in running.eval("seen['slow.test']")] == [
            "OPEN",
            "RESOLVE",
            "CONNECT",
            "CLOSE",
        ]
        running.exec("look('slow.test', 'x')\nkept[-1].resolve_cancel()\nkept[-1].close()")
        running.until("done('x')")


def test_canceled_lookup_ends_by_connect_timeout(device):
    with NameServer(lambda query: []) as server:
        running = device(RESOLVE, dns=[server.port], limits={"connect_timeout": 200})
        running.expect("SERVING")
        running.exec("look('one.test')\nkept[-1].resolve_cancel()")
        running.until("done('one.test')")
        assert running.eval("what('one.test')") == "connect timed out"


def test_cancel_of_one_of_many(device):
    with NameServer(lambda query: [(0.1, one()(query)[0])]) as server:
        running = device(RESOLVE, dns=[server.port])
        running.expect("SERVING")
        running.exec("for n in range(1, 6): look('one.test', n)")
        running.exec("kept[1].resolve_cancel()\nkept[3].close()")
        running.until("all(done(n) for n in (1, 3, 4, 5))")
        assert running.eval("[what(n) for n in range(1, 6)]") == [
            "192.0.2.1",
            None,
            "192.0.2.1",
            None,
            "192.0.2.1",
        ]
        assert len(server.queries) == 2 or server.late
        running.exec("kept[1].close()")


@pytest.mark.needs("host-network")
def test_resolve_leads_to_the_next_address(device):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answers(query):
            found = [record(A, "127.0.0.3"), record(A, "127.0.0.2"), record(A, "127.0.0.1")]
            return [answer(query, *(found if query.type == A else []))]

        with NameServer(answers) as server:
            running = device(RESOLVE, dns=[server.port])
            running.expect("SERVING")
            running.exec(f"m.connect('tcp://other.test:{port}', resolving('three.test'))")
            running.until("done('r')")
            assert [(e[0], e[2][0]) for e in running.eval("seen['r']")][1:3] == [
                ("RESOLVE", "127.0.0.3"),
                ("CONNECT", "127.0.0.1"),
            ]
