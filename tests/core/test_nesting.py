# SPDX-License-Identifier: GPL-2.0-only
"""Connections closed and opened inside handlers, in every event.

Each function of the script that is called case_... is one test: it runs both ends of its
connections in one Manager on the device, and leaves nothing alive.
"""

import re

import pytest
from loop_script import CLOSED, LOOP

SCRIPT = (
    LOOP
    + CLOSED
    + r'''
# ---- Closing inside handlers

EVENTS = (
    ("client", "OPEN"), ("client", "CONNECT"), ("server", "OPEN"), ("server", "ACCEPT"),
    ("server", "READ"), ("server", "HTTP_HDRS"), ("server", "HTTP_MSG"), ("client", "WRITE"),
    ("server", "WS_OPEN"), ("client", "WS_OPEN"), ("server", "WS_MSG"), ("server", "WS_CTL"),
)


def provoke(action):
    """Runs a WebSocket conversation once for each event, doing `action(loop, conn)` in it."""
    for who, name in EVENTS:
        acted = []
        def then(c, ev, data):
            if not acted and loop.seen[-1] == (who, name):
                acted.append(c)
                action(loop, c)
                gc.collect()
            elif c.is_closing:
                pass
            elif ev == MG_EV_HTTP_MSG and not c.is_client:
                c.ws_upgrade(data)
            elif ev == MG_EV_WS_OPEN and c.is_client:
                c.ws_send("text")
                c.ws_send("ping", WEBSOCKET_OP_PING)
        with Loop("http", then) as loop:
            loop.websocket("/ws")
            loop.until(lambda: acted)
            gc.collect()
            yield loop, acted[0], (who, name)


def case_close_in_every_event():
    for loop, c, at in provoke(lambda loop, c: c.close()):
        loop.until(lambda: (at[0], "CLOSE") in loop.seen)
        after = loop.seen[loop.seen.index(at) + 1:]
        mine = [name for who, name in after if who == at[0]]
        eq(mine, ["CLOSE"], "after close() in %s" % (at,))
        assert_closed(c)


def case_drain_in_every_event():
    for loop, c, at in provoke(lambda loop, c: c.drain()):
        loop.until(lambda: ("server", "CLOSE") in loop.seen or at[1] == "OPEN")
        loop.until(lambda: c not in loop.m.connections)
        eq(loop.count(at[0], "CLOSE"), 1)


def case_error_in_every_event():
    for loop, c, at in provoke(lambda loop, c: c.error("on purpose")):
        loop.until(lambda: (at[0], "CLOSE") in loop.seen)
        after = loop.seen[loop.seen.index(at) + 1:]
        mine = [name for who, name in after if who == at[0]]
        eq(mine, ["ERROR", "CLOSE"], "after error() in %s" % (at,))


def case_close_all_others_in_every_event():
    def others(loop, c):
        for other in loop.m.connections:
            if other is not c:
                other.close()
    for loop, c, at in provoke(others):
        c.close()
        loop.until(lambda: not loop.m.connections)


def case_close_the_listener_in_every_event():
    for loop, c, at in provoke(lambda loop, c: loop.listener.close()):
        loop.until(lambda: ("listener", "CLOSE") in loop.seen)
        assert_closed(loop.listener)


def case_open_in_every_event():
    def open_more(loop, c):
        loop.m.listen(url("tcp"), lambda *_: None)
        loop.m.connect(url("tcp", loop.port), lambda *_: None)
        loop.m.timer_add(1, lambda: None)
    for loop, c, at in provoke(open_more):
        loop.until(lambda: len(loop.m.connections) >= 4)


def case_poll_and_close_are_refused_in_every_event():
    def attempt(loop, c):
        for call in (loop.m.poll, loop.m.close, loop.m.run):
            eq(raises(Error, call, text="handler").errno, EBUSY)
        raises(Error, lambda: loop.m.__exit__(None, None, None))
    for loop, c, at in provoke(attempt):
        eq(c in loop.m.connections, True, "alive after refused calls in %s" % (at,))


def case_poll_and_close_are_refused_in_timers():
    errors = []
    with Manager() as m:
        def tick():
            for call in (m.poll, m.close, m.run):
                errors.append(raises(Error, call, text="handler").errno)
        m.timer_add(1, tick)
        poll_until(m, lambda: errors)
        eq(errors, [EBUSY] * 3)


def case_error_in_the_error_event_ends():
    seen = []
    def then(c, ev, data):
        if ev == MG_EV_ERROR:
            seen.append(data)
            if len(seen) < 50:
                c.error("again")
    with Loop("tcp", then) as loop:
        c = loop.client()
        loop.until_seen("server", "ACCEPT")
        c.error("first")
        loop.until_seen("client", "CLOSE")
        eq(seen[0], "first")
        eq(loop.count("client", "CLOSE"), 1)


def case_error_text_is_no_format():
    seen = []
    def then(c, ev, data):
        if ev == MG_EV_ERROR:
            seen.append(data)
    with Loop("tcp", then) as loop:
        for text in ("100% %s %n %d", "", "x" * 2000, "gr\u00fc\u00dfe"):
            loop.client().error(text)
            eq(seen.pop(), text)
        loop.until(lambda: len(loop.m.connections) == 1)


def case_open_in_the_close_event():
    made = []
    def then(c, ev, data):
        if ev == MG_EV_CLOSE and c.is_client and len(made) < 3:
            made.append(loop.client())
            made[-1].close()
    with Loop("tcp", then) as loop:
        loop.client().close()
        loop.until(lambda: len(made) == 3 and not any(c in loop.m.connections for c in made))


def case_open_while_the_manager_closes():
    errors = []
    def then(c, ev, data):
        if ev == MG_EV_CLOSE:
            for call in (
                lambda: loop.m.connect(url("tcp", loop.port)),
                lambda: loop.m.listen(url("tcp")),
                lambda: loop.m.timer_add(1, lambda: None),
                loop.m.poll,
                loop.m.close,
            ):
                errors.append(raises(Error, call))
            loop.m.connections
            raise ValueError("and this")
    loop = Loop("tcp", then)
    loop.client()
    loop.until_seen("server", "ACCEPT")
    loop.m.close()
    eq(len(errors), 15)
    eq(live(), (0, 0, 0, 0))


def case_connect_in_the_open_event_for_ever():
    def handler(c, ev, data):
        if ev == MG_EV_OPEN and c.is_client:
            for nest in running:
                nest()
    errors = []
    running = []
    m = Manager(handler, error_handler=errors.append, max_conns=5000)
    running.append(lambda: m.connect(url("tcp", 9)))
    lift()
    m.connect(url("tcp", 9))
    check_depth(errors, m)


def case_udp_send_in_the_write_event_for_ever():
    def handler(c, ev, data):
        if ev == MG_EV_WRITE and c.is_client:
            c.send("x")
    errors = []
    m = Manager(handler, error_handler=errors.append)
    target = m.listen(url("udp"))
    c = m.connect(url("udp", port_of(target)))
    lift()
    try:
        c.send("x")
    except RuntimeError as e:
        errors.append(e)
    check_depth(errors, m)


def case_error_in_the_error_event_of_another_for_ever():
    def handler(c, ev, data):
        if ev == MG_EV_ERROR and others:
            others.pop().error("next")
    errors = []
    m = Manager(handler, error_handler=errors.append)
    others = [m.listen(url("tcp")) for _ in range(PARAMS["deep"])]
    first = others.pop()
    lift()
    first.error("first")
    if others:
        check_depth(errors, m)
    else:
        m.close()


def lift():
    if not MICROPYTHON:
        sys.setrecursionlimit(20000)


def check_depth(errors, m):
    if not MICROPYTHON:
        sys.setrecursionlimit(1000)
        eq([e.errno for e in errors], [ELOOP])
    eq([isinstance(e, RuntimeError) for e in errors], [True])  # of MicroPython's stack it may be
    m.close()


def case_connect_to_itself_until_the_limit():
    """A handler that connects at every accept runs into max_conns and into nothing worse."""
    def then(c, ev, data):
        if ev == MG_EV_ACCEPT:
            loop.client()
    with Loop("tcp", then, max_conns=PARAMS["most"]) as loop:
        loop.client()
        loop.until(lambda: ("client", "CLOSE") in loop.seen)
        eq(len(loop.m.connections), PARAMS["most"] - 1)
        loop.client()
        e = raises(Error, loop.client, text="max_conns")
        eq(e.errno, ENOBUFS)


serve()
'''
)

CASES = re.findall(r"^def (case_\w+)", SCRIPT, re.MULTILINE)


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("case", CASES)
def test_nesting(shared, target, case):
    shared(SCRIPT, most=target.sockets(50, 10), deep=target.sockets(150, 6)).case(case)
