# SPDX-License-Identifier: GPL-2.0-only
"""Received bytes that go into a buffer of the program: recv_into() and http_stream_body(into=).

Each function of the script that is called case_... is one test: it runs both ends of its
connections in one Manager on the device, and leaves nothing alive.
"""

import re

import pytest
from loop_script import LOOP

SCRIPT = (
    LOOP
    + r'''
def case_recv_into_takes_what_fits():
    with Loop("tcp") as loop:
        c = loop.client()
        c.send("abcdefgh")
        loop.until_seen("server", "READ")
        server = loop.server()
        loop.until(lambda: server.recv_len == 8)
        buffer = bytearray(b"......")
        eq(server.recv_into(memoryview(buffer)[1:4]), 3)
        eq(bytes(buffer), b".abc..")
        eq(server.recv_into(bytearray()), 0)
        eq(server.recv_len, 5)
        eq(server.recv_into(buffer), 5)
        eq(bytes(buffer), b"defgh.")
        eq(server.recv_into(buffer), 0)
        eq(bytes(buffer), b"defgh.")
        for wrong in (b"xxxx", "xxxx", None, 5):
            raises(TypeError, server.recv_into, wrong, text="buffer must be a buffer")


def case_recv_into_where_framing_owns_the_input():
    said = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_HDRS and not c.is_client:
            buffer = bytearray(b"....")
            raises(ValueError, c.recv_into, buffer, text="framing owns")
            said.append(bytes(buffer))
            c.reply(200, "x")
    with Loop("http", then) as loop:
        loop.client().http_request("GET", "/")
        loop.until_seen("client", "HTTP_MSG")
        eq(said, [b"...."])


def transfer(body, buffer, chunked=False, change=None):
    """A body goes through a buffer, on the server and on the client: what each got of it."""
    got = {True: bytearray(), False: bytearray()}
    sizes = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_HDRS:
            c.http_stream_body(max_size=0, into=buffer)
        elif ev == MG_EV_HTTP_BODY:
            sizes.append(data)
            got[c.is_client] += memoryview(buffer)[:data]
            if change:
                change()
        elif ev == MG_EV_HTTP_MSG and not c.is_client:
            eq(data.body_bytes, b"")
            if chunked:
                c.reply(200, "", {"Transfer-Encoding": "chunked"})
                for i in range(0, len(body), 100):
                    c.http_chunk(body[i:i + 100])
                c.http_chunk("")
            else:
                c.reply(200, body)
    with Loop("http", then) as loop:
        headers = {"Transfer-Encoding": "chunked"} if chunked else None
        c = loop.client()
        c.http_request("POST", "/", body, headers)
        if chunked:
            c.http_chunk("")
        loop.until(lambda: ("client", "HTTP_MSG") in loop.seen or ("client", "CLOSE") in loop.seen)
        eq(max(sizes) <= len(buffer), True)
    return bytes(got[False]), bytes(got[True])


BODY = bytes(i * 7 & 255 for i in range(1500))


def case_pieces_go_into_a_buffer():
    for size in (1, 7, 100, 1499, 1500, 1501):
        if size > 1 or SOME > 4:
            eq(transfer(BODY, bytearray(size)), (BODY, BODY), size)


def case_chunks_go_into_a_buffer():
    for size in (33, 100, 250):
        eq(transfer(BODY, bytearray(size), chunked=True), (BODY, BODY), size)


def case_no_buffer_to_write_to():
    seen = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_HDRS and not c.is_client:
            for wrong in (b"xxxx", "xxxx", 5):
                raises(TypeError, c.http_stream_body, max_size=0, into=wrong, text="into must be")
            raises(ValueError, c.http_stream_body, max_size=0, into=bytearray(), text="into must have")
            raises(TypeError, c.http_stream_body, "/x", max_size=0, into=bytearray(5), text="two places")
        elif ev == MG_EV_HTTP_BODY:
            seen.append("a piece")
        elif ev == MG_EV_HTTP_MSG and not c.is_client:
            seen.append(data.body_bytes)
            c.reply(200, "x")
    with Loop("http", then) as loop:
        loop.client().http_request("POST", "/", "body")
        loop.until_seen("client", "HTTP_MSG")
        eq(seen, [b"body"])


def case_a_form_behind_a_body_in_a_buffer():
    got, buffer = [], bytearray(4)
    def then(c, ev, data):
        if c.is_client:
            return
        if ev == MG_EV_HTTP_HDRS and data.uri == "/form":
            c.http_stream_form(max_size=0)
        elif ev == MG_EV_HTTP_HDRS:
            c.http_stream_body(max_size=0, into=buffer)
        elif ev == MG_EV_HTTP_PART:
            got.append(data.name)
        elif ev == MG_EV_HTTP_BODY:
            got.append(data)
        elif ev == MG_EV_HTTP_MSG:
            c.reply(200, "x")
    with Loop("http", then) as loop:
        c = loop.client()
        c.http_request("POST", "/", "abcd")
        loop.until_seen("client", "HTTP_MSG")
        form = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhello\r\n--x--\r\n'
        c.http_request("POST", "/form", form, {"Content-Type": "multipart/form-data; boundary=x"})
        loop.until(lambda: loop.count("client", "HTTP_MSG") == 2)
    eq(got[:2], [4, "a"])
    eq(b"".join(got[2:]), b"hello")
    eq(bytes(buffer), b"abcd")


def case_an_exception_that_leaves_poll_keeps_the_place():
    # On a client: a server's request is answered with 500.
    got, buffer = bytearray(), bytearray(100)
    left = [3]
    def then(c, ev, data):
        if not c.is_client:
            if ev == MG_EV_HTTP_MSG:
                c.reply(200, BODY)
        elif ev == MG_EV_HTTP_HDRS:
            c.http_stream_body(max_size=0, into=buffer)
        elif ev == MG_EV_HTTP_BODY:
            got.extend(memoryview(buffer)[:data])
            if left[0]:
                left[0] -= 1
                raise KeyboardInterrupt
    with Loop("http", then) as loop:
        loop.client().http_request("GET", "/")
        interrupts = 0
        while ("client", "HTTP_MSG") not in loop.seen:
            try:
                loop.until_seen("client", "HTTP_MSG")
            except KeyboardInterrupt:
                interrupts += 1
        eq(interrupts, 3)
    eq(bytes(got), BODY)


def case_an_answer_between_two_pieces():
    got, buffer = [], bytearray(10)
    def then(c, ev, data):
        if c.is_client:
            return
        if ev == MG_EV_HTTP_HDRS:
            c.http_stream_body(max_size=0, into=buffer)
        elif ev == MG_EV_HTTP_BODY:
            got.append(data)
            if len(got) == 2:
                c.reply(403, "no")
        elif ev == MG_EV_HTTP_MSG:
            got.append("whole")
            c.reply(200, "x")
    with Loop("http", then) as loop:
        c = loop.client()
        c.http_request("POST", "/", "x" * 50)
        c.http_request("POST", "/", "y" * 5)  # on the same connection, which goes on
        loop.until(lambda: loop.count("client", "HTTP_MSG") == 2)
    eq(got, [10, 10, 5, "whole"])


def case_a_buffer_that_shrinks_meanwhile():
    raised = []
    buffer = [bytearray(64)]
    def then(c, ev, data):
        if c.is_client:
            return
        if ev == MG_EV_HTTP_HDRS:
            c.http_stream_body(max_size=0, into=buffer[0])
        elif ev == MG_EV_HTTP_BODY:
            raised.append(data)
            buffer[0][:] = b"x"  # CPython's and MicroPython's shrink
    m = Manager(then, error_handler=raised.append)
    listener = m.listen(url("http"))
    c = m.connect(url("http", port_of(listener)), lambda c, ev, data: ended.append(data.status()) if ev == MG_EV_HTTP_MSG else None)
    ended = []
    c.http_request("POST", "/", BODY)
    poll_until(m, lambda: ended)
    m.close()
    eq(raised[0], 64)
    eq(type(raised[1]), ValueError)
    eq("has shrunk" in str(raised[1]), True)
    eq(ended, [500])


serve()
'''
)

CASES = re.findall(r"^def (case_\w+)", SCRIPT, re.MULTILINE)


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("case", CASES)
def test_into_a_buffer(shared, target, case):
    shared(f"SOME = {target.sockets(10, 4)}\n" + SCRIPT).case(case)
