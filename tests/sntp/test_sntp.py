# SPDX-License-Identifier: GPL-2.0-only
"""Time from a server: sntp_connect() and sntp_request(), against ntplib's packets and chronyd."""

import random
import socket
import threading
import time

import ntplib
import pytest
from batches import examples
from hypothesis import given
from hypothesis import strategies as st
from peers.clients import free_port, seconds
from peers.names import NameServer, one
from peers.time_servers import CHRONYD, TimeServer, chrony, reply

SCRIPT = """
seen = {}

def noting(key, then=None):
    seen[key] = []
    def handler(c, ev, data):
        seen[key].append((event_name(ev)[6:], data))
        if then:
            then(c, ev, data)
    return handler

def times(key):
    return [data for name, data in seen[key] if name == "SNTP_TIME"]

def error(key):
    return [data for name, data in seen[key] if name == "ERROR"]

def closed(key):
    return [name for name, _ in seen[key]].count("CLOSE") == 1

def ask(to, ms=12000):
    # The time, or the error's text.
    m.sntp_connect(to, noting("x"))
    until("closed('x')", ms)
    return times("x") or error("x")

m = Manager(**PARAMS)
serve(m)
"""

FEBRUARY_2020 = 1580674802


@pytest.fixture
def script(shared):
    return shared(SCRIPT)


def ask(running, server):
    port = getattr(server, "port", server)
    return running.eval(f"ask(peer('udp', {port}))", 20)


def near(milliseconds):
    return abs(milliseconds / 1000 - time.time()) < seconds(2)


# ---- Real servers ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ntplib", *(["chronyd"] if CHRONYD else [])])
def test_time_of_a_server(script, kind, tmp_path):
    if kind == "chronyd":
        with chrony(tmp_path) as port:
            (found,) = ask(script, port)
    else:
        with TimeServer(lambda query: [reply(query)]) as server:
            (found,) = ask(script, server)
            (query,) = server.queries
            assert (query.version, query.mode, query.stratum) == (4, 3, 0)
            assert query.raw[1:40] == bytes(39), "nothing is said of this host's clock"
    assert near(found)
    assert script.eval("[name for name, _ in seen['x']]") == [
        "OPEN",
        "CONNECT",
        "SNTP_TIME",
        "CLOSE",
    ]
    assert script.eval("type(times('x')[0]).__name__") == "int"


def test_milliseconds(script):
    with TimeServer(lambda query: [reply(query, FEBRUARY_2020 + 0.5)]) as server:
        (found,) = ask(script, server)
    assert 0 <= found - FEBRUARY_2020 * 1000 - 500 < 2000


@pytest.mark.parametrize(
    "seconds",
    [1, 1000000000, (1 << 32) - 2208988800 - 1, (1 << 32) - 2208988800 + 1, 4200000000],
)
def test_eras(script, seconds):
    """The seconds of the protocol begin anew on 7 February 2036."""
    with TimeServer(lambda query: [reply(query, seconds)]) as server:
        (found,) = ask(script, server)
    assert 0 <= found - seconds * 1000 < 2000


def test_half_of_the_round_trip_is_added(script):
    """The answer takes 0.4 s; the server says nothing of having held it."""
    held = threading.Event()

    def answers(query):
        held.wait(seconds())
        return [reply(query, FEBRUARY_2020)]

    with TimeServer(answers) as server:
        script.exec(f"m.sntp_connect(peer('udp', {server.port}), noting('x'))")
        script.exec("start = ticks_ms()\nwhile ticks_diff(ticks_ms(), start) < 400: m.poll(5)")
        held.set()
        script.until("closed('x')")
        (found,) = script.eval("times('x')")
    assert 190 <= found - FEBRUARY_2020 * 1000 < 2000


def test_what_the_server_took_is_not_added(script):
    """It tells when the request came and when the answer left: half a second of its own."""

    def answers(query):
        begun = FEBRUARY_2020 + ntplib.NTP.NTP_DELTA
        return [(0.5, reply(query, recv_timestamp=begun, tx_timestamp=begun + 0.5))]

    with TimeServer(answers) as server:
        (found,) = ask(script, server)
    assert 495 <= found - FEBRUARY_2020 * 1000 < 1500


@pytest.mark.parametrize("held", [-5.0, 3600.0, -100000.0])
def test_server_that_lies_about_what_it_took(script, held):
    def answers(query):
        now = FEBRUARY_2020 + ntplib.NTP.NTP_DELTA
        return [reply(query, recv_timestamp=now - held, tx_timestamp=now)]

    with TimeServer(answers) as server:
        (found,) = ask(script, server)
    assert 0 <= found - FEBRUARY_2020 * 1000 < 2000


# ---- URLs --------------------------------------------------------------------------------------


def test_urls(script, target):
    with TimeServer(lambda query: [reply(query)]) as server:
        for to in (f"udp://{target.peer}:{server.port}", f"{target.peer}:{server.port}"):
            assert near(script.eval(f"ask({to!r})")[0])
    script.exec(
        """
for to in ("127.0.0.1", "udp://127.0.0.1"):
    c = m.sntp_connect(to)
    eq(c.remote_addr[1], 123)
    eq((c.is_udp, c.is_client), (True, True))
    c.close()
for bad in ("", "tcp://127.0.0.1:123", "http://x", "ntp://x", "a b", "x:99999", "::1", "unix:///x"):
    raises(ValueError, m.sntp_connect, bad)
raises(TypeError, m.sntp_connect, 5)
raises(TypeError, m.sntp_connect)
raises(TypeError, m.sntp_connect, "127.0.0.1", 5)
"""
    )


def test_by_name(device, target):
    with TimeServer(lambda query: [reply(query)]) as server, NameServer(one(target.peer)) as names:
        running = device(SCRIPT, dns=[f"udp://{target.peer}:{names.port}"])
        running.expect("SERVING")
        assert near(running.eval(f"ask('time.test:{server.port}')")[0])
        assert running.eval("[name for name, _ in seen['x']][:3]") == ["OPEN", "RESOLVE", "CONNECT"]


@pytest.mark.needs("ipv6", "host-network")
def test_ipv6(script):
    script.exec("c = m.sntp_connect('[::1]')\neq(c.remote_addr[1], 123)\nc.close()")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.bind(("::1", 0))
        s.settimeout(seconds())
        script.exec(
            f"c = m.sntp_connect('udp://[::1]:{s.getsockname()[1]}', noting('x'))\nm.poll(0)"
        )
        data, peer = s.recvfrom(100)
        query = ntplib.NTPPacket()
        query.from_data(data)
        query.raw = data
        s.sendto(reply(query), peer)
        script.until("closed('x')")
    assert near(script.eval("times('x')[0]"))


# ---- sntp_request() ----------------------------------------------------------------------------


def test_request_as_the_document_has_it(script):
    """In MG_EV_CONNECT, and as cymongoose's docs have it: right after sntp_connect(). One request
    is under way: there is one, and one time."""
    with TimeServer(lambda query: [reply(query)]) as server:
        script.exec(
            f"""
def ask_again(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.sntp_request()
c = m.sntp_connect(peer("udp", {server.port}), noting("x", ask_again))
c.sntp_request()
"""
        )
        script.until("closed('x')")
        assert script.eval("len(times('x'))") == len(server.queries) == 1


def test_request_in_the_handler_of_the_time(script):
    """The connection stays for as long as the program asks again."""
    with TimeServer(lambda query: [reply(query)]) as server:
        script.exec(
            f"""
def thrice(c, ev, data):
    if ev == MG_EV_SNTP_TIME and len(times("x")) < 3:
        c.sntp_request()
m.sntp_connect(peer("udp", {server.port}), noting("x", thrice))
"""
        )
        script.until("closed('x')")
        assert script.eval("len(times('x'))") == len(server.queries) == 3
        cookies = {query.raw[40:48] for query in server.queries}
        assert len(cookies) == 3 and bytes(8) not in cookies


def test_plain_client_asks(script):
    """A connection of connect() stays open after the answer."""
    with TimeServer(lambda query: [reply(query)]) as server:
        script.exec(
            f"""
c = m.connect(peer("udp", {server.port}), noting("x"))
c.sntp_request()
until("len(times('x')) == 1", 5000)
c.sntp_request()
until("len(times('x')) == 2", 5000)
"""
        )
        assert script.eval("c.is_closing, closed('x')") == (False, False)
        script.exec("c.close()")
        script.until("closed('x')")


def test_request_before_the_name_is_known(device, target):
    with TimeServer(lambda query: [reply(query)]) as server, NameServer(one(target.peer)) as names:
        running = device(SCRIPT, dns=[f"udp://{target.peer}:{names.port}"])
        running.expect("SERVING")
        running.exec(
            f"c = m.connect('udp://time.test:{server.port}', noting('x'))\nc.sntp_request()"
        )
        running.until("times('x')")
        assert len(server.queries) == 1
        running.exec("c.close()")


@pytest.mark.needs("loopback")
def test_where_a_request_is_refused(script):
    script.exec(
        """
listener = m.listen(url("udp"))
raises(ValueError, listener.sntp_request, text="sntp_connect")
tcp = m.listen(url("tcp"))
raises(ValueError, tcp.sntp_request)
c = m.connect(url("tcp", port_of(tcp)))
raises(ValueError, c.sntp_request)
u = m.connect(url("udp", port_of(listener)))
u.close()
eq(raises(Error, u.sntp_request).errno, 32)
for each in m.connections:
    each.close()
for n in range(5):
    m.poll(5)
"""
    )


# ---- No answer, refusals -----------------------------------------------------------------------


@pytest.mark.cost(5)
def test_lost_request_is_sent_again(script):
    lost = []

    def answers(query):
        lost.append(query)
        return [reply(query)] if len(lost) > 1 else []

    with TimeServer(answers) as server:
        (found,) = ask(script, server)
    assert near(found)
    assert lost[0].raw[40:48] != lost[1].raw[40:48]


@pytest.mark.cost(13)
def test_silent_server(script):
    with TimeServer(lambda query: []) as server:
        assert ask(script, server) == ["SNTP: no answer from the server"]
        assert len(server.queries) == 3


@pytest.mark.needs("udp-refusals")
def test_nobody_there(script):
    (text,) = ask(script, free_port(socket.SOCK_DGRAM))
    assert "refused" in text.lower()


@pytest.mark.parametrize("code", ["RATE", "DENY", "RSTR", "X123"])
def test_kiss_of_death(script, code):
    kiss = int.from_bytes(code.encode(), "big")
    with TimeServer(lambda query: [reply(query, stratum=0, ref_id=kiss, leap=3)]) as server:
        assert ask(script, server) == [f"SNTP: the server refuses: {code}"]
        assert len(server.queries) == 1


UNSYNCHRONIZED = {
    "leap": {"leap": 3},
    "stratum 0": {"stratum": 0, "ref_id": 0},
    "stratum 16": {"stratum": 16},
    "stratum 255": {"stratum": 255},
    "no time": {"tx_timestamp": 0},
    "1969": {"tx_timestamp": ntplib.NTP.NTP_DELTA - 1},
    "1968": {"tx_timestamp": 1 << 31},
    "odd code": {"stratum": 0, "ref_id": 0x41420A43},
}


@pytest.mark.parametrize("kind", UNSYNCHRONIZED)
def test_server_without_a_clock(script, kind):
    with TimeServer(lambda query: [reply(query, **UNSYNCHRONIZED[kind])]) as server:
        assert ask(script, server) == ["SNTP: the server's clock is not synchronized"]


# ---- Forged and malformed ----------------------------------------------------------------------


def changed(data, pos, value):
    return data[:pos] + bytes([value]) + data[pos + 1 :]


NOT_THE_ANSWER = {
    "another origin": lambda q: [
        changed(reply(q, 1), n, reply(q, 1)[n] ^ 1) for n in range(24, 32)
    ],
    "no origin": lambda q: [reply(q, 1)[:24] + bytes(8) + reply(q, 1)[32:]],
    "a request": lambda q: [q.raw],
    "a broadcast": lambda q: [changed(reply(q, 1), 0, 0x25)],
    "another version": lambda q: [changed(reply(q, 1), 0, v << 3 | 4) for v in (0, 1, 2, 5, 7)],
    "forged refusal": lambda q: [reply(q, stratum=0, ref_id=0x44454E59, orig_timestamp=7.0)],
    "pieces": lambda q: [reply(q, 1)[:n] for n in range(48)],
    "noise": lambda q: [random.Random(n).randbytes(n * 9) for n in range(20)],
    "a large datagram": lambda q: [bytes(60000)],
}


@pytest.mark.parametrize("kind", NOT_THE_ANSWER)
def test_what_is_not_the_answer_is_ignored(script, target, kind):
    def answers(query):
        wrong = NOT_THE_ANSWER[kind](query)
        # A board keeps four datagrams that came at once.
        few = target.size(len(wrong), 3)
        # One after the other: small buffers hold few.
        return [(0.005, each) for each in (*wrong[:: -(-len(wrong) // few)], reply(query))]

    with TimeServer(answers) as server:
        (found,) = ask(script, server)
        assert near(found)
        assert len(server.queries) == 1


def test_longer_answers_are_taken(script):
    """Extension fields and a message authentication code may follow."""
    with TimeServer(lambda query: [reply(query) + bytes(100)]) as server:
        assert near(ask(script, server)[0])


def test_late_and_repeated_answers(script):
    with TimeServer(lambda query: [reply(query)] * 3 + [(0.05, reply(query))]) as server:
        for _ in range(3):
            assert near(ask(script, server)[0])
        script.exec("start = ticks_ms()\nwhile ticks_diff(ticks_ms(), start) < 100: m.poll(5)")


def test_answers_made_by_hypothesis(script):
    def some(check):
        return examples(check, 80)

    @some
    @given(head=st.binary(min_size=24, max_size=24), tail=st.binary(min_size=16, max_size=40))
    def run(head, tail):
        with TimeServer(lambda q: [head + q.raw[40:48] + tail, reply(q)]) as server:
            (found,) = ask(script, server)
            if isinstance(found, str):
                assert found.startswith("SNTP: the server")
            else:
                assert 0 < found < 4300000000000

    run()


def test_manager_closed_while_asking(device):
    with TimeServer(lambda query: []) as server:
        end = "m.sntp_connect(peer('udp', %d), noting('x'))\nm.poll(1)\nm.close()\nprint('SEEN', seen)"
        running = device(SCRIPT.replace("serve(m)", end % server.port))
        assert running.expect("SEEN").count("CLOSE") == 1
