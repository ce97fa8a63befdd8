# SPDX-License-Identifier: GPL-2.0-only
"""Objects used after their end, in the middle of things, or never given up.

Each function of the script that is called case_... is one test: it runs both ends of its
connections in one Manager on the device, and leaves nothing alive.
"""

import re

import pytest
from api_list import rows
from loop_script import LOOP

SCRIPT = (
    LOOP
    + r'''
# ---- Closed connections

CALLS = {
    "send": lambda c: c.send("x"),
    "recv": lambda c: c.recv(),
    "recv_data": lambda c: c.recv_data(),
    "send_data": lambda c: c.send_data(),
    "reply": lambda c: c.reply(200, "x"),
    "reply_json": lambda c: c.reply_json({}),
    "http_chunk": lambda c: c.http_chunk("x"),
    "http_sse": lambda c: c.http_sse("a", "b"),
    "tls_init": lambda c: c.tls_init(TlsOpts()),
    "tls_free": lambda c: c.tls_free(),
    "http_stream_body": lambda c: c.http_stream_body(max_size=0),
    "http_basic_auth": lambda c: c.http_basic_auth("a", "b"),
    "ws_send": lambda c: c.ws_send("x"),
    "set_handler": lambda c: c.set_handler(None),
    "error": lambda c: c.error("x"),
}
NEED_A_MESSAGE = ("serve_dir", "serve_file", "ws_upgrade")  # case_message_methods_on_a_closed...
HARMLESS = ("drain", "close")
FLAGS = ("is_listening", "is_client", "is_tls", "is_udp", "is_websocket", "is_readable",
         "is_writable", "is_closing", "is_full", "is_draining")
SIZES = ("recv_len", "send_len", "recv_size", "send_size")


def assert_closed(c):
    for name, call in CALLS.items():
        e = raises(Error, call, c, text="closed")
        eq(e.errno, EBADF, name)
    eq(c.drain(), None)
    eq(c.close(), None)
    eq(c.alpn, None)
    for name in FLAGS:
        eq(getattr(c, name), False, name)
    for name in SIZES:
        eq(getattr(c, name), 0, name)


def case_closed_connections():
    with Loop() as loop:
        c = loop.client()
        loop.until_seen("server", "ACCEPT")
        server = loop.server()
        c.userdata = {"mine": 1}
        number, local, remote = c.id, c.local_addr, c.remote_addr
        eq(remote[1], loop.port)
        far, near = server.remote_addr, server.local_addr
        c.send("x")
        loop.until(lambda: server.recv_len == 1)
        c.close()
        loop.until(lambda: ("server", "CLOSE") in loop.seen)
        assert_closed(c)
        assert_closed(server)
        eq((c.id, c.userdata, c.local_addr, c.remote_addr), (number, {"mine": 1}, local, remote))
        eq((server.remote_addr, server.local_addr), (far, near))
        c.userdata = "still mine"
        eq(c.userdata, "still mine")


def case_message_methods_on_a_closed_connection():
    """Methods that take a message, on a connection that closed while the message still lives."""
    done = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            other = closed[0]
            for call in (
                lambda: other.ws_upgrade(data),
                lambda: other.serve_dir(data, "."),
                lambda: other.serve_file(data, "x"),
            ):
                eq(raises(Error, call, text="closed").errno, EBADF)
            c.reply(200, "ok")
            done.append(1)
    with Loop("http", then) as loop:
        closed = [loop.client()]
        closed[0].close()
        loop.until_seen("client", "CLOSE")
        loop.client().send(HTTP_GET)
        loop.until(lambda: done)


def case_closed_listener():
    with Loop() as loop:
        loop.listener.close()
        loop.until_seen("listener", "CLOSE")
        assert_closed(loop.listener)
        eq(loop.listener.local_addr[1], loop.port)
        eq(loop.m.connections, ())


def case_connection_of_a_closed_manager():
    loop = Loop()
    c = loop.client()
    loop.until_seen("server", "ACCEPT")
    server = loop.server()
    loop.m.close()
    for each in (c, server, loop.listener):
        assert_closed(each)
    eq(c.remote_addr[1], loop.port)
    eq(sorted(who for who, ev in loop.seen if ev == "CLOSE"), ["client", "listener", "server"])


def case_methods_inside_the_close_event():
    """In MG_EV_CLOSE a connection can be looked at; sending is refused, nothing crashes."""
    looked = []
    def then(c, ev, data):
        if ev == MG_EV_CLOSE:
            for call in CALLS.values():
                try:
                    call(c)
                except (Error, ValueError):
                    pass
            for name in FLAGS + SIZES + ("local_addr", "remote_addr", "id", "handler"):
                getattr(c, name)
            c.close()
            c.drain()
            looked.append(c)
        elif ev == MG_EV_HTTP_MSG and not c.is_client:
            c.reply(200, "ok")
    with Loop("http", then) as loop:
        c = loop.client()
        c.send(HTTP_GET)
        loop.until_seen("server", "HTTP_MSG")
        c.close()
        loop.until(lambda: len(looked) == 2)
        eq(loop.count("client", "CLOSE"), 1)


def case_addresses_before_and_without_a_connection():
    with Loop() as loop:
        c = loop.m.connect(url("tcp", loop.port))
        eq(len(c.local_addr), 3)
        c.close()
        loop.until_seen("client", "CLOSE")
        eq(len(c.local_addr), 3)
        eq(type(c.local_addr[0]), str)


# ---- Identity

def case_one_object_for_all_events():
    objects = {}
    def then(c, ev, data):
        objects.setdefault(c.id, c)
        assert objects[c.id] is c, "another object for the same connection"
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            c.reply(200, "ok")
    with Loop("http", then) as loop:
        c = loop.client()
        c.send(HTTP_GET)
        loop.until_seen("client", "HTTP_MSG")
        assert objects[c.id] is c
        for each in loop.m.connections:
            assert objects[each.id] is each
        eq(type(loop.m.connections), tuple)
        eq(len(objects), 3)


def case_ids_are_unique():
    with Loop() as loop:
        ids = set()
        for n in range(20):
            c = loop.client()
            ids.add(c.id)
            c.close()
            loop.m.poll(0)
        eq(len(ids), 20)
        loop.until(lambda: len(loop.m.connections) == 1)


def case_made_by_hand():
    for kind in (Connection, HttpMessage, WsMessage, Timer):
        raises(TypeError, kind)
    raises(TypeError, Connection, 1)


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


def case_connect_to_itself_until_the_limit():
    """A handler that connects at every accept runs into max_conns and into nothing worse."""
    def then(c, ev, data):
        if ev == MG_EV_ACCEPT:
            loop.client()
    with Loop("tcp", then, max_conns=50) as loop:
        loop.client()
        loop.until(lambda: ("client", "CLOSE") in loop.seen)
        eq(len(loop.m.connections), 49)
        loop.client()
        e = raises(Error, loop.client, text="max_conns")
        eq(e.errno, ENOBUFS)


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
        for n in range(10):
            c = loop.client()
            c.userdata = [c, loop]
            c.set_handler(lambda conn, ev, data, c=c: c)
        loop.until(lambda: loop.count("server", "ACCEPT") == 10)
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
        for n in range(20):
            c = loop.client()
            c.send(get("/", method="POST", body="number %d" % n))
            del c
        gc.collect()
        loop.until(lambda: len(got) == 20)
        eq(sorted(got), sorted("number %d" % n for n in range(20)))


def case_two_hundred_connections():
    with Loop() as loop:
        for turn in range(2):
            clients = [loop.client() for n in range(100)]
            loop.until(lambda: loop.count("server", "ACCEPT") == 100 * (turn + 1))
            eq(len(loop.m.connections), 201)
            for n, c in enumerate(clients):
                if n % 3:
                    c.close()
                else:
                    c.drain()
            del clients
            gc.collect()
            loop.until(lambda: len(loop.m.connections) == 1)
        eq(loop.count("client", "CLOSE"), 200)
        eq(loop.count("server", "CLOSE"), 200)


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
def test_lifetime(shared, case):
    shared(SCRIPT).case(case)


def test_every_method_is_called_on_a_closed_connection(shared):
    """A new method of Connection must join the lists above."""
    script = shared(SCRIPT)
    known = set(script.eval("list(CALLS) + list(NEED_A_MESSAGE) + list(HARMLESS)"))
    assert known == set(rows("PMG_CONN_METHODS"))
    assert set(script.eval("FLAGS + SIZES")) | {"alpn", "local_addr", "remote_addr"} == set(
        rows("PMG_CONN_PROPS")
    )


def test_managers_never_closed(device, target):
    """CPython collects a forgotten Manager, without a word to its handlers; on MicroPython, whose
    collector may run anywhere, it works on until it is closed or the program ends."""
    running = device(
        """
def drop(n):
    for _ in range(n):
        m = Manager(lambda c, ev, data: print("EVENT", event_name(ev)) if ev == MG_EV_CLOSE else None)
        listener = m.listen(url("tcp"))
        m.connect(url("tcp", port_of(listener)))
        m.timer_add(1000, lambda: m)
        m.poll(1)

drop(20)
for _ in range(3):
    gc.collect()
print("LEFT", *live()[:3])
"""
    )
    left = [int(n) for n in running.expect("LEFT").split()]
    if "micropython" in target.runtime:
        assert left[0] == left[2] == 20 and left[1] >= 40
    else:
        assert left == [0, 0, 0]
    assert running.exit_code() == 0
    assert "EVENT" not in running.console


def test_exit_without_close(device, target):
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
