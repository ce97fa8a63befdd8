# SPDX-License-Identifier: GPL-2.0-only
"""What a handler says that it hears of: `events=` of Managers, listeners, clients and set_handler().

Each function of the script that is called case_... is one test: it runs both ends of its
connections in one Manager on the device, and leaves nothing alive.
"""

import re

import pytest
from loop_script import LOOP

SCRIPT = (
    LOOP
    + r"""
def heard(seen, who):
    return sorted(set(name for w, name in seen if w == who))


def noter(seen, who, then=None):
    def handler(c, ev, data):
        seen.append((who, event_name(ev)[6:]))
        if then:
            then(c, ev, data)
    return handler


def answer(c, ev, data):
    if ev == MG_EV_HTTP_MSG and not c.is_client:
        c.reply(200, "hello")


def fetch(m, port, done, **kwargs):
    c = m.connect(url("http", port), **kwargs)
    c.http_request("GET", "/")
    poll_until(m, done)
    c.close()
    m.poll(0)


def case_a_listeners_events_are_those_of_what_it_accepts():
    seen = []
    with Manager() as m:
        listener = m.listen(url("http"), noter(seen, "server", answer), events=[MG_EV_HTTP_MSG])
        done = lambda: ("client", "HTTP_MSG") in seen
        fetch(m, port_of(listener), done, handler=noter(seen, "client"),
              events={MG_EV_HTTP_MSG, MG_EV_CLOSE})
        eq(heard(seen, "server"), ["HTTP_MSG"])
        eq(heard(seen, "client"), ["CLOSE", "HTTP_MSG"])


def case_the_managers_events_are_those_of_its_own_handler():
    seen, own = [], []
    with Manager(noter(seen, "manager", answer), events=(MG_EV_HTTP_MSG,)) as m:
        listener = m.listen(url("http"))
        fetch(m, port_of(listener), lambda: ("own", "HTTP_MSG") in own, handler=noter(own, "own"))
        eq(heard(seen, "manager"), ["HTTP_MSG"])
        eq("OPEN" in heard(own, "own") and "WRITE" in heard(own, "own"), True)
        eq("POLL" in heard(own, "own"), False)
        # The Manager's handler by a mask of the listener's.
        del seen[:]
        listener = m.listen(url("http"), events=(MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG, MG_EV_CLOSE))
        fetch(m, port_of(listener), lambda: ("manager", "CLOSE") in seen,
              handler=lambda c, ev, data: c.close() if ev == MG_EV_HTTP_MSG else None)
        eq(heard(seen, "manager"), ["CLOSE", "HTTP_HDRS", "HTTP_MSG"])


def case_a_mask_goes_with_its_handler():
    seen = []
    with Manager(noter(seen, "manager"), events=(MG_EV_READ,)) as m:
        listener = m.listen(url("tcp"), noter(seen, "first"), events=(MG_EV_ACCEPT,))
        c = m.connect(url("tcp", port_of(listener)), lambda c, ev, data: None)
        poll_until(m, lambda: ("first", "ACCEPT") in seen)
        server = m.connections[2]
        def says(expected):
            del seen[:]
            c.send("x")
            poll_until(m, lambda: server.recv() == b"x")
            for _ in range(3):
                m.poll(0)
            eq(seen, expected)
        says([])
        server.set_handler(noter(seen, "second"), events=iter((MG_EV_READ, MG_EV_READ)))
        says([("second", "READ")])
        server.set_handler(noter(seen, "third"))
        says([("third", "READ")])
        server.set_handler(noter(seen, "fourth"), events=())
        says([])
        server.handler = noter(seen, "fifth")
        says([("fifth", "READ")])
        server.set_handler(None)
        says([("manager", "READ")])
        server.set_handler(None, events=(MG_EV_WRITE,))
        says([])
        server.handler = None
        says([("manager", "READ")])
        server.set_handler(noter(seen, "sixth"))
        server.close()
        poll_until(m, lambda: ("sixth", "CLOSE") in seen)
        server.handler = None


def case_poll_is_an_event_like_others():
    seen = []
    with Manager(noter(seen, "manager"), events=(MG_EV_POLL,)) as m:
        m.listen(url("tcp"))
        own = m.listen(url("tcp"), noter(seen, "own"))
        for _ in range(3):
            m.poll(0)
        eq(seen.count(("manager", "POLL")), 3)
        eq(heard(seen, "own"), ["OPEN"])
        own.set_handler(noter(seen, "own"), events=[MG_EV_POLL])
        m.poll(0)
        eq(seen.count(("own", "POLL")), 1)
        own.close()
        m.poll(0)
        m.poll(0)
        eq(seen.count(("own", "POLL")), 1)
    del seen[:]
    with Manager(noter(seen, "manager"), events=(), poll_events=True) as m:
        m.listen(url("tcp"))
        own = m.listen(url("tcp"), noter(seen, "own"), events=(MG_EV_OPEN,))
        m.poll(0)
        eq(sorted(seen), [("manager", "POLL"), ("own", "OPEN"), ("own", "POLL")])


def case_masks_of_other_protocols():
    seen = []
    with Manager() as m:
        def upgrade(c, ev, data):
            if ev == MG_EV_HTTP_MSG:
                c.ws_upgrade(data)
            elif ev == MG_EV_WS_MSG:
                c.ws_send(data.text)
        listener = m.listen(url("ws"), noter(seen, "server", upgrade),
                            events=(MG_EV_HTTP_MSG, MG_EV_WS_MSG))
        c = m.ws_connect(url("ws", port_of(listener)), noter(seen, "client"),
                         events=(MG_EV_WS_OPEN, MG_EV_WS_MSG))
        poll_until(m, lambda: ("client", "WS_OPEN") in seen)
        c.ws_send("x")
        poll_until(m, lambda: ("client", "WS_MSG") in seen)
        eq(heard(seen, "client"), ["WS_MSG", "WS_OPEN"])
        eq(heard(seen, "server"), ["HTTP_MSG", "WS_MSG"])
        for name, args in (("mqtt_listen", (url("mqtt"),)), ("modbus_listen", (url("modbus"),)),
                           ("mqtt_connect", (url("mqtt", 1),)), ("sntp_connect", (url("udp", 1),)),
                           ("modbus_connect", (url("modbus", 1),))):
            if hasattr(m, name):
                del seen[:]
                getattr(m, name)(*args, noter(seen, name), events=(MG_EV_CLOSE,)).close()
                poll_until(m, lambda: seen)
                eq(seen, [(name, "CLOSE")])


def case_a_body_in_pieces_needs_its_event():
    said = []
    def serve_body(c, ev, data):
        if ev == MG_EV_HTTP_HDRS and not c.is_client:
            said.append(str(raises(ValueError, c.http_stream_body, max_size=0)))
        answer(c, ev, data)
    with Manager() as m:
        listener = m.listen(url("http"), serve_body, events=(MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG))
        seen = []
        fetch(m, port_of(listener), lambda: ("client", "HTTP_MSG") in seen,
              handler=noter(seen, "client"))
        eq("MG_EV_HTTP_BODY" in said[0], True)


# A form with one part.
def post_form(m, port, seen):
    c = m.connect(url("http", port), noter(seen, "client"))
    body = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhello\r\n--x--\r\n'
    c.http_request("POST", "/", body, {"Content-Type": "multipart/form-data; boundary=x"})
    poll_until(m, lambda: ("client", "HTTP_MSG") in seen)
    c.close()
    m.poll(0)


def case_a_form_in_pieces_needs_its_event():
    said, seen = [], []
    def serve_form(c, ev, data):
        if ev == MG_EV_HTTP_HDRS:
            said.append(str(raises(ValueError, c.http_stream_form, max_size=0)))
        answer(c, ev, data)
    with Manager() as m:
        events = (MG_EV_HTTP_HDRS, MG_EV_HTTP_BODY, MG_EV_HTTP_MSG)
        listener = m.listen(url("http"), serve_form, events=events)
        post_form(m, port_of(listener), seen)
        del seen[:]
        # Whatever the body is: what the program has wrong does not hang on who sends.
        fetch(m, port_of(listener), lambda: ("client", "HTTP_MSG") in seen,
              handler=noter(seen, "client"))
    eq([text for text in said if "MG_EV_HTTP_PART" not in text], [])
    eq(len(said), 2)


def case_a_form_whose_pieces_nobody_wants():
    seen = []
    def serve_form(c, ev, data):
        if ev == MG_EV_HTTP_HDRS:
            c.http_stream_form(max_size=0)
        elif ev == MG_EV_HTTP_PART:
            seen.append(data.name)
        answer(c, ev, data)
    with Manager() as m:
        events = (MG_EV_HTTP_HDRS, MG_EV_HTTP_PART, MG_EV_HTTP_MSG)
        listener = m.listen(url("http"), noter(seen, "server", serve_form), events=events)
        post_form(m, port_of(listener), seen)
    eq(heard([entry for entry in seen if entry != "a"], "server"),
       ["HTTP_HDRS", "HTTP_MSG", "HTTP_PART"])
    eq(seen.count("a"), 1)


def case_what_is_no_event():
    with Manager() as m:
        calls = [
            lambda events: Manager(events=events),
            lambda events: m.listen(url("tcp"), events=events),
            lambda events: m.connect(url("tcp", 1), events=events),
            lambda events: m.ws_connect(url("ws", 1), events=events),
        ]
        listener = m.listen(url("tcp"))
        calls.append(lambda events: listener.set_handler(None, events=events))
        before = len(m.connections)
        for call in calls:
            for number in (-1, MG_EV_USER, MG_EV_USER + 1, 127, 159, 1 << 20, 1 << 70, -(1 << 70)):
                raises(ValueError, call, (MG_EV_READ, number), text=event_name(number))
            raises(TypeError, call, MG_EV_READ, text="events must be None or an iterable")
            raises(TypeError, call, "x")
            raises(TypeError, call, (None,))
            raises(ZeroDivisionError, call, (1 // n for n in (1, 0)))
        eq(len(m.connections), before)
        listener.close()
        m.poll(0)
        raises(Error, listener.set_handler, None, events=(MG_EV_READ,), text="closed")


def case_an_iterator_that_closes_the_connection():
    with Manager() as m:
        listener = m.listen(url("tcp"))
        def events():
            listener.close()
            m.poll(0)
            yield MG_EV_READ
        raises(Error, listener.set_handler, None, events=events(), text="closed")
        def closes():
            m.close()
            yield MG_EV_READ
        raises(Error, m.listen, url("tcp"), events=closes(), text="closed")


def failing(level):
    log_set(level)
    m = Manager(lambda c, ev, data: print("HEARD"), events=(MG_EV_HTTP_MSG,))
    c = m.listen(url("tcp"))
    m.poll(0)
    c.error("nobody hears of this")
    m.poll(0)
    log_set(MG_LL_NONE)
    m.close()
    return c.id


serve()
"""
)

CASES = re.findall(r"^def (case_\w+)", SCRIPT, re.MULTILINE)


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("case", CASES)
def test_events(shared, case):
    shared(SCRIPT).case(case)


@pytest.mark.needs("loopback", "process")
def test_an_error_that_nobody_hears_of_is_logged(device):
    running = device(SCRIPT)
    running.expect("SERVING")

    def lines(level):
        before = len(running.console)
        number = running.eval(f"failing({level})")
        assert "HEARD" not in running.console[before:]
        said = re.findall(r"^pymongoose (\d+) (.*)$", running.console[before:], re.M)
        return number, said

    number, said = lines("MG_LL_ERROR")
    assert said == [(str(number), "MG_EV_ERROR nobody hears of this")]
    assert lines("MG_LL_NONE")[1] == []
