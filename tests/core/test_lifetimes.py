# SPDX-License-Identifier: GPL-2.0-only
"""Connections used after their end, and which object is which.

Each function of the script that is called case_... is one test: it runs both ends of its
connections in one Manager on the device, and leaves nothing alive.
"""

import re

import pytest
from api_list.rows import rows
from loop_script import CLOSED, LOOP

SCRIPT = (
    LOOP
    + CLOSED
    + r'''
# ---- Closed connections

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
            for name, call in CALLS.items():
                try:
                    if hasattr(Connection, name):  # a build may lack a protocol
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


serve()
'''
)

CASES = re.findall(r"^def (case_\w+)", SCRIPT, re.MULTILINE)


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("case", CASES)
def test_lifetime(shared, case):
    shared(SCRIPT).case(case)


def test_every_method_is_called_on_a_closed_connection(shared):
    """A new method of Connection must join the lists of loop_script.py."""
    script = shared(SCRIPT)
    known = set(script.eval("list(CALLS) + list(NEED_A_MESSAGE) + list(HARMLESS)"))
    assert known == set(rows("PMG_CONN_METHODS"))
    assert set(script.eval("FLAGS + SIZES + KEPT")) | {
        "alpn",
        "mdns_name",
        "peer_cert",
        "ws_protocol",
    } == set(rows("PMG_CONN_PROPS"))
