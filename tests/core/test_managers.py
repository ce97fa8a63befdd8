# SPDX-License-Identifier: GPL-2.0-only
"""Managers and handlers: several, replaced, collected, never closed.

Each function of the script that is called case_... is one test: it runs both ends of its
connections in one Manager on the device, and leaves nothing alive.
"""

import re

import pytest
from loop_script import LOOP

SCRIPT = (
    LOOP
    + r'''
# ---- Handlers

def case_set_handler_takes_effect_at_once():
    seen = []
    def second(c, ev, data):
        seen.append(("second", event_name(ev)[6:]))
    def then(c, ev, data):
        if ev == MG_EV_ACCEPT:
            eq(c.handler, None)
            c.set_handler(second)
            eq(c.handler, second)
    with Loop("tcp", then) as loop:
        c = loop.client()
        c.send("x")
        loop.until(lambda: ("second", "READ") in seen)
        eq(("server", "READ") in loop.seen, False)
        server = loop.server()
        server.set_handler(None)
        c.send("y")
        loop.until_seen("server", "READ")
        server.handler = second
        del seen[:]
        c.close()
        loop.until(lambda: seen == [("second", "CLOSE")])
        raises(TypeError, setattr, loop.listener, "handler", 5)
        raises(TypeError, loop.listener.set_handler, "x")


def case_accepted_connections_inherit_the_listeners_handler():
    seen = []
    with Manager(lambda c, ev, data: seen.append(("manager", event_name(ev)))) as m:
        own = lambda c, ev, data: seen.append(("own", event_name(ev)))
        listener = m.listen(url("tcp"), own)
        m.connect(url("tcp", port_of(listener)))
        poll_until(m, lambda: ("own", "MG_EV_ACCEPT") in seen)
        eq(("own", "MG_EV_OPEN") in seen, True)
        eq(("manager", "MG_EV_CONNECT") in seen, True)


def case_no_handler_at_all():
    with Manager() as m:
        listener = m.listen(url("http"))
        c = m.connect(url("http", port_of(listener)))
        c.send(get())
        for _ in range(20):
            m.poll(5)
        eq(len(m.connections), 3)


def case_handler_that_forgets_everything():
    """The handler drops the last references that the program has."""
    holder = {}
    def handler(c, ev, data):
        if ev == MG_EV_ACCEPT:
            holder.clear()
            gc.collect()
            c.send("bye")
            c.drain()
    m = Manager(handler)
    holder["listener"] = m.listen(url("tcp"), handler)
    holder["handler"] = handler
    closed = []
    holder["client"] = m.connect(
        url("tcp", port_of(holder["listener"])),
        lambda c, ev, data: closed.append(c.recv_data()) if ev == MG_EV_CLOSE else None,
    )
    del handler
    poll_until(m, lambda: closed)
    eq(closed, [b"bye"])
    m.close()


def case_userdata_cycles_are_freed():
    with Loop() as loop:
        for n in range(PARAMS["some"]):
            c = loop.client()
            c.userdata = [c, loop]
            c.set_handler(lambda conn, ev, data, c=c: c)
        loop.until(lambda: loop.count("server", "ACCEPT") == PARAMS["some"])
    gc.collect()
    eq(live(), (0, 0, 0, 0))


# ---- Many, with the collector running

def case_collect_in_every_handler():
    def then(c, ev, data):
        gc.collect()
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            c.reply(200, data.body_bytes)
        elif ev == MG_EV_HTTP_MSG:
            gc.collect()
            got.append(data.body_text)
            c.close()
    got = []
    with Loop("http", then) as loop:
        count = 2 * PARAMS["some"]
        for n in range(count):
            if n == PARAMS["some"] < 10:
                loop.until(lambda: len(got) == n)
            c = loop.client()
            c.send(get("/", method="POST", body="number %d" % n))
            del c
        gc.collect()
        loop.until(lambda: len(got) == count)
        eq(sorted(got), sorted("number %d" % n for n in range(count)))


def case_many_connections():
    many = 10 * PARAMS["some"] if PARAMS["some"] > 9 else PARAMS["some"]
    with Loop() as loop:
        for turn in range(2):
            clients = [loop.client() for n in range(many)]
            loop.until(lambda: loop.count("server", "ACCEPT") == many * (turn + 1))
            eq(len(loop.m.connections), 2 * many + 1)
            for n, c in enumerate(clients):
                if n % 3:
                    c.close()
                else:
                    c.drain()
            del clients
            gc.collect()
            loop.until(lambda: len(loop.m.connections) == 1)
        eq(loop.count("client", "CLOSE"), 2 * many)
        eq(loop.count("server", "CLOSE"), 2 * many)


# ---- Managers

def case_manager_after_close():
    m = Manager()
    listener = m.listen(url("tcp"))
    timer = m.timer_add(1, lambda: None)
    eq(timer.active, True)
    m.close()
    m.close()
    eq(timer.active, False)
    timer.cancel()
    for call in (
        m.poll, m.run, lambda: m.poll(10), lambda: m.listen(url("tcp")),
        lambda: m.connect(url("tcp", 1)), lambda: m.ws_connect(url("ws", 1)),
        lambda: m.wakeup(1), lambda: m.timer_add(1, lambda: None),
    ):
        eq(raises(Error, call, text="closed").errno, EBADF)
    eq(m.connections, ())
    eq(m.wakeup_id, 0)
    m.__exit__(None, None, None)


def case_context_manager():
    with Manager() as m:
        assert isinstance(m, Manager)
        m.listen(url("tcp"))
    raises(Error, m.poll, text="closed")
    try:
        with Manager() as m:
            raise KeyError("through")
    except KeyError:
        pass
    raises(Error, m.poll, text="closed")
    eq(live(), (0, 0, 0, 0))


def case_two_managers_side_by_side():
    with Loop("tcp") as one, Loop("tcp") as two:
        c = one.m.connect(url("tcp", two.port))
        c.send("across")
        for _ in range(500):
            one.m.poll(1)
            two.m.poll(1)
            if ("server", "READ") in two.seen:
                break
        eq(("server", "READ") in two.seen, True)


def case_a_manager_may_poll_another_in_its_handler():
    done = []
    with Loop("tcp") as inner:
        def then(c, ev, data):
            if ev == MG_EV_ACCEPT:
                inner.client()
                inner.until_seen("server", "ACCEPT")
                done.append(1)
        with Loop("tcp", then) as outer:
            outer.client()
            outer.until(lambda: done)


def case_limits_are_checked():
    raises(TypeError, Manager, max_cons=1)
    raises(TypeError, Manager, max_conns="1")
    raises(ValueError, Manager, max_conns=-1)
    raises(TypeError, Manager, "not callable")
    raises(TypeError, Manager, None, False, "not callable")
    Manager(None, True, None, poll_events=False, max_conns=0).close()


def case_poll_events_only_when_asked_for():
    for asked in (False, True):
        seen = []
        with Manager(lambda c, ev, data: seen.append((ev, data)), poll_events=asked) as m:
            m.listen(url("tcp"))
            for _ in range(3):
                m.poll(0)
        polls = [data for ev, data in seen if ev == MG_EV_POLL]
        eq(len(polls), 3 if asked else 0)
        eq(polls, sorted(polls))


serve()
'''
)

CASES = re.findall(r"^def (case_\w+)", SCRIPT, re.MULTILINE)


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("case", CASES)
def test_manager(shared, target, case):
    shared(SCRIPT, some=target.sockets(10, 4)).case(case)


def test_managers_never_closed(device, target):
    """CPython collects a forgotten Manager, without a word to its handlers; on MicroPython, whose
    collector may run anywhere, it works on until it is closed or the program ends."""
    count = target.sockets(20, 2)  # a board has few listeners
    running = device(
        """
def drop(n):
    for _ in range(n):
        m = Manager(lambda c, ev, data: print("EVENT", event_name(ev)) if ev == MG_EV_CLOSE else None)
        listener = m.listen(url("tcp"))
        m.connect(url("tcp", port_of(listener)))
        m.timer_add(1000, lambda: m)
        m.poll(1)

drop(PARAMS["count"])
for _ in range(3):
    gc.collect()
print("LEFT", *live()[:3])
""",
        count=count,
    )
    left = [int(n) for n in running.expect("LEFT").split()]
    if "micropython" in target.runtime:
        assert left[0] == left[2] == count and left[1] >= 2 * count
    else:
        assert left == [0, 0, 0]
    running.settled = True
    assert running.ending() is None
    assert "EVENT" not in running.console


@pytest.mark.needs("process")
def test_exit_without_close(device):
    """A program that ends with everything open ends well."""
    running = device(
        """
m = Manager(lambda c, ev, data: None)
listener = m.listen(url("http"))
c = m.connect(url("http", port_of(listener)))
c.send(get())
m.poll(10)
kept = [m, listener, c]
print("BYE")
sys.exit(0)
"""
    )
    running.expect("BYE")
    assert running.exit_code() == 0
    assert "EVENT" not in running.console
