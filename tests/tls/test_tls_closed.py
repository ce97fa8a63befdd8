# SPDX-License-Identifier: GPL-2.0-only
"""Closed, not open: where tls_init() fails nothing leaves in the clear, whoever caught the exception."""

import pytest
from peers.clients import Raw
from peers.faults import faulty  # noqa: F401
from peers.pki import pki

#: A server that writes down what comes in the clear, and clients and servers that catch too much.
SCRIPT = """
heard = []  # what the other end read, a str for each connection

def record(c, ev, data):
    if ev == MG_EV_ACCEPT:
        c.userdata = len(heard)
        heard.append(b"")
    elif ev == MG_EV_READ and not c.is_listening:
        heard[c.userdata] += c.recv()

def in_the_clear():
    return [data for data in heard if data and data[0] != 0x16]

def secure(c):
    global failed
    opts, number = asked
    before = failures() if number else 0
    try:
        if number:
            fault(number)
        c.tls_init(opts)
    except (MemoryError, ValueError, TypeError, Error) as e:
        failed = type(e).__name__
    if number:
        fault()
        if failures() == before:
            eq(failed, None)
    for say in (
        lambda: c.http_basic_auth("user", "secret"),
        lambda: c.send("GET / HTTP/1.1\\r\\n\\r\\n"),
    ):
        try:
            say()
        except Error:
            pass

def client(c, ev, data):
    events.append(names([ev])[0])
    if events[-1] == at:
        secure(c)

def once(where, opts, number=0):
    global at, asked, failed
    at, asked, failed = where, (opts, number), None
    events.clear()
    heard.clear()
    c = m.connect(url("http", port_of(recorder)), client)
    if at == "after":
        secure(c)
    poll_until(m, lambda: "CLOSE" in events or (heard and heard[-1]))
    if failed:
        eq(events.count("ERROR"), 1, "MG_EV_ERROR")
        eq(events.count("TLS_HS"), 0)
    c.close()
    poll_until(m, lambda: len(m.connections) == 1)
    eq(in_the_clear(), [])
    return failed

events = []
m = Manager()
recorder = m.listen(url("tcp"), record)
"""

CLIENT = (
    SCRIPT
    + """
good = TlsOpts(ca=PARAMS["ca"], name="localhost")
serve(m)
asked = at_accept = None
"""
)


@pytest.mark.needs("native-speed")
@pytest.mark.parametrize("at", ["OPEN", "CONNECT", "after"])
def test_client_without_memory(faulty, at):  # noqa: F811
    """Each allocation of it fails, one after another, until all of them succeed."""
    script = faulty(CLIENT, ca=pki()["ca"].cert.decode())
    seen = []
    while not seen or seen[-1]:
        seen.append(script.eval(f"once({at!r}, good, {len(seen) + 1})"))
    assert seen[:-1] == ["MemoryError"] * (len(seen) - 1) and len(seen) > 3, seen


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("at", ["OPEN", "CONNECT", "after"])
@pytest.mark.parametrize("given", ["None", "{}", "'a.pem'"])
def test_client_with_a_wrong_argument(device, at, given):
    script = device(CLIENT, ca=pki()["ca"].cert.decode())
    assert script.eval(f"once({at!r}, {given})") == "TypeError"
    assert script.eval(f"once({at!r}, good)") is None


NO_NAME = CLIENT.replace(', name="localhost"', "")


@pytest.mark.needs("loopback", "unix-sockets")
def test_client_without_a_name_to_verify(device, tmp_path):
    """It is the name that is missing: a unix socket has none."""
    script = device(NO_NAME, ca=pki()["ca"].cert.decode(), path=str(tmp_path / "s"))
    script.exec("recorder.close(); recorder = m.listen('unix://' + PARAMS['path'], record)")
    script.exec(
        """
at, asked, failed = "OPEN", (good, 0), None
c = m.connect("unix://" + PARAMS["path"], client, http=True)
poll_until(m, lambda: "CLOSE" in events)
eq((failed, events.count("ERROR"), in_the_clear()), ("ValueError", 1, []))
"""
    )


SERVER = """
events = []

def handler(c, ev, data):
    if ev == MG_EV_ACCEPT:
        events.append("ACCEPT")
        if at_accept:
            opts, number = at_accept
            try:
                if number:
                    fault(number)
                c.tls_init(opts)
            except (MemoryError, ValueError, TypeError, Error) as e:
                events.append(type(e).__name__)
            finally:
                if number:
                    fault()
            try:
                c.send("secret banner")
            except Error:
                pass
    elif ev == MG_EV_HTTP_MSG:
        c.reply(200, "secret page")
    elif ev == MG_EV_ERROR:
        events.append("ERROR")

at_accept = None
good = TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"])
m = Manager(handler)
listener = m.listen(url("http"))
announce("PORT", listener)
serve(m)
asked = at_accept = None
"""


def asked_in_the_clear(script):
    got = b""
    with Raw(script.reach(script.port())) as raw:
        try:
            raw.send("GET / HTTP/1.1\r\nHost: d\r\n\r\n")
            while piece := raw.recv():
                got += piece
        except ConnectionResetError:
            pass
    return got


def server(start):
    pair = pki()["ec"]
    return start(SERVER, cert=pair.cert.decode(), key=pair.key.decode())


@pytest.mark.needs("native-speed")
def test_server_without_memory(faulty):  # noqa: F811
    script = server(faulty)
    number = 0
    while True:
        number += 1
        script.exec(f"at_accept = (good, {number}); events.clear()")
        got = asked_in_the_clear(script)
        assert b"secret" not in got
        events = script.eval("events")
        if "MemoryError" not in events:
            break
        assert got == b"" and events == ["ACCEPT", "ERROR", "MemoryError"], events
    assert number > 3


@pytest.mark.parametrize("given", ["None", "b''", "TlsOpts()"])
def test_server_with_a_wrong_argument(device, given):
    script = server(device)
    script.exec(f"at_accept = ({given}, 0)")
    assert asked_in_the_clear(script) == b""
    kind = "ValueError" if "Opts" in given else "TypeError"
    assert script.eval("events") == ["ACCEPT", "ERROR", kind]


def test_listener_accepts_nothing_until_it_has_tls(device):
    script = server(device)
    assert asked_in_the_clear_of_a_plain_one(script) == b"secret page"
    script.exec("raises(TypeError, listener.tls_init, None); events.clear()")
    assert asked_in_the_clear(script) == b""
    assert script.eval("events, listener.is_closing") == ([], False)
    script.exec("listener.tls_init(good)")
    assert b"secret" not in asked_in_the_clear(script)
    assert script.eval("events") == ["ACCEPT", "ERROR"], "plain HTTP on a port with TLS"
    # It goes on with what it had.
    script.exec("raises(TypeError, listener.tls_init, None); events.clear()")
    assert b"secret" not in asked_in_the_clear(script)
    assert script.eval("events, listener.is_tls") == (["ACCEPT", "ERROR"], True)
    script.exec("raises(ValueError, listener.tls_init, TlsOpts(), text='no cert')")
    assert script.eval("listener.is_tls, listener.is_closing") == (True, False)
    # A program may say that it wants none.
    script.exec("listener.tls_free()")
    assert asked_in_the_clear_of_a_plain_one(script) == b"secret page"
    script.exec("raises(TypeError, listener.tls_init, None); listener.tls_free()")
    assert asked_in_the_clear_of_a_plain_one(script) == b"secret page"


def test_listener_whose_options_have_no_certificate(device):
    """As in cymongoose it takes them; what it accepts brings its own, or is closed with the reason."""
    script = server(device)
    script.exec("listener.tls_init(TlsOpts()); events.clear()")
    assert script.eval("listener.is_tls, listener.is_closing") == (True, False)
    assert asked_in_the_clear(script) == b""
    assert script.eval("events") == ["ACCEPT", "ERROR"]
    script.exec("at_accept = good; events.clear()")
    assert b"secret" not in asked_in_the_clear(script)
    assert script.eval("events") == ["ACCEPT", "ERROR"], "plain HTTP on a port with TLS"


def asked_in_the_clear_of_a_plain_one(script):
    with Raw(script.reach(script.port())) as raw:
        return raw.ask("GET / HTTP/1.1\r\nHost: d\r\n\r\n").body


RUNNING = """
events = []

def handler(c, ev, data):
    events.append((c.is_client, names([ev])[0]))
    if ev == MG_EV_TLS_HS and c.is_client:
        for given in (good, None):
            raises(Error if given else TypeError, c.tls_init, given)
        c.send("still here")
    elif ev == MG_EV_READ and not c.is_client:
        got.append(c.recv())

got = []
good = TlsOpts(ca=PARAMS["ca"], cert=PARAMS["cert"], key=PARAMS["key"], skip_verification=True)
m = Manager(handler)
listener = m.listen(url("tls"))
listener.tls_init(good)
m.connect(url("tls", port_of(listener))).tls_init(good)
poll_until(m, lambda: got)
eq(got, [b"still here"])
eq([e for e in events if e[1] == "ERROR"], [])
print("DONE")
m.close()
"""


@pytest.mark.needs("loopback")
def test_tls_that_runs_is_untouched(device):
    pair = pki()["ec"]
    script = device(
        RUNNING, ca=pki()["ca"].cert.decode(), cert=pair.cert.decode(), key=pair.key.decode()
    )
    script.expect("DONE")


SESSION = (
    SCRIPT
    + """
from pymongoose.mqtt import MqttSession

good = TlsOpts(ca=PARAMS["ca"], name="localhost")

def session(tls):
    return MqttSession(
        m, url("mqtt", port_of(recorder)), "id", tls=tls, retry_min=1, retry_max=2,
        username="user", password="secret",
    )

def sessions(number):
    # Whichever allocation fails, of the connection or of its TLS, it tries again, and never in the clear.
    heard.clear()
    before = failures()
    fault(number)
    try:
        s = session(good)
    except MemoryError: # there is none, and nothing was begun
        fault()
        eq(in_the_clear(), [])
        return True
    fault()
    poll_until(m, lambda: any(heard))
    s.close()
    poll_until(m, lambda: len(m.connections) == 1)
    eq(in_the_clear(), [])
    return failures() > before

serve(m)
asked = at_accept = None
"""
)


@pytest.mark.needs("native-speed")
def test_mqtt_session_without_memory(faulty):  # noqa: F811
    script = faulty(SESSION, ca=pki()["ca"].cert.decode())
    number = 1
    while script.eval(f"sessions({number})"):
        number += 1
    assert number > 6


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("tls", ["{}", "0", "''", "'ca.pem'"])
def test_mqtt_session_with_a_wrong_argument(device, tls):
    script = device(SESSION, ca=pki()["ca"].cert.decode())
    script.exec(f"raises(TypeError, session, {tls})")
    script.exec("for _ in range(10): m.poll(3)")
    assert script.eval("[c.is_listening for c in m.connections], in_the_clear()") == ([True], [])
