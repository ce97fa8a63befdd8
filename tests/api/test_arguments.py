# SPDX-License-Identifier: GPL-2.0-only
"""Wrong arguments and malformed URLs: one clear error each, the same on both Pythons."""

import pytest

ARGUMENTS = """
held = []
def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG and not c.is_client:
        held.append(c)
def nothing(*_):
    pass
m = Manager(handler)
listener = m.listen(url("http"))
port = port_of(listener)
raw = m.listen(url("tcp"))
h_client = m.connect(url("http", port))
h_client.send(get())
t = m.connect(url("tcp", port_of(raw)))
poll_until(m, lambda: held and t.is_writable)
h = held[0]
class Odd:
    def __iter__(self):
        raise KeyError("from the program's own code")
def kind_of(call):
    try:
        result = call()
    except Exception as e:
        return type(e).__name__, str(e)
    return "returned", repr(result)
serve(m)
"""

# (expression, exception, a part of its text)
WRONG = [
    # bodies that are neither str nor bytes
    ("h.reply(200, 5)", "TypeError", "str or bytes, not int"),
    ("h.reply(200, None)", "TypeError", "str or bytes, not NoneType"),
    ("h.reply(200, ['a'])", "TypeError", "str or bytes, not list"),
    ("h.reply(200, {'a': 1})", "TypeError", "str or bytes, not dict"),
    ("h.reply(200, 1.5)", "TypeError", "str or bytes, not float"),
    ("h.reply(200, object())", "TypeError", "str or bytes"),
    ("t.send(5)", "TypeError", "str or bytes, not int"),
    ("t.send(None)", "TypeError", "str or bytes, not NoneType"),
    ("h.http_chunk(5)", "TypeError", "str or bytes"),
    ("h.http_sse('a', 5)", "TypeError", "str or bytes"),
    ("h.http_sse(5, 'a')", "TypeError", "str"),
    ("t.ws_send(5)", "TypeError", "str or bytes"),
    ("m.wakeup(1, 5)", "TypeError", "str or bytes"),
    # statuses
    ("h.reply('200')", "TypeError", "int"),
    ("h.reply(None)", "TypeError", "int"),
    ("h.reply(20.0)", "TypeError", "int"),
    ("h.reply(99)", "ValueError", "99"),
    ("h.reply(1000)", "ValueError", "1000"),
    ("h.reply(-200)", "ValueError", ""),
    # headers
    ("h.reply(200, '', 'X: y')", "TypeError", "headers"),
    ("h.reply(200, '', 5)", "TypeError", "headers"),
    ("h.reply(200, '', ['X: y'])", "TypeError", "headers"),
    ("h.reply(200, '', [('X',)])", "TypeError", "headers"),
    ("h.reply(200, '', [('X', 'y', 'z')])", "TypeError", "headers"),
    ("h.reply(200, '', {'X': None})", "TypeError", "headers"),
    ("h.reply(200, '', {'X': ['y']})", "TypeError", "headers"),
    ("h.reply(200, '', {5: 'y'})", "TypeError", "headers"),
    ("h.reply(200, '', {'X': 'a\\r\\nY: b'})", "ValueError", "X"),
    ("h.reply(200, '', {'X': 'a\\0'})", "ValueError", "X"),
    ("h.reply(200, '', {'X Y': 'a'})", "ValueError", "X Y"),
    ("h.reply(200, '', Odd())", "KeyError", "own code"),
    # other arguments of Connection
    ("h.reply()", "TypeError", ""),
    ("h.reply(200, 'a', {}, 1)", "TypeError", ""),
    ("h.reply(200, colour='red')", "TypeError", ""),
    ("h.serve_dir('x', '.')", "TypeError", "message"),
    ("h.serve_file(None, '.')", "TypeError", "message"),
    ("h.ws_upgrade('x')", "TypeError", "message"),
    ("t.recv('5')", "TypeError", "int"),
    ("t.recv_data(1.5)", "TypeError", "int"),
    ("t.send_data(None)", "TypeError", "int"),
    ("t.set_handler(5)", "TypeError", "callable"),
    ("t.set_handler()", "TypeError", ""),
    ("t.error(5)", "TypeError", "str"),
    ("t.http_basic_auth('a', 5)", "TypeError", "str"),
    ("t.http_basic_auth(None, 'b')", "TypeError", "str"),
    ("h_client.http_basic_auth('a:b', 'c')", "ValueError", ""),
    ("h_client.http_basic_auth('a\\r\\n', 'c')", "ValueError", ""),
    ("h.http_basic_auth('a', 'b')", "ValueError", ""),
    # calls on the wrong kind of connection
    ("listener.send('x')", "ValueError", "listen"),
    ("t.reply(200)", "ValueError", ""),
    ("h_client.reply(200)", "ValueError", ""),
    ("listener.reply(200)", "ValueError", ""),
    ("t.http_chunk('x')", "ValueError", ""),
    ("t.http_sse('a', 'b')", "ValueError", ""),
    ("t.ws_send('x')", "ValueError", "WebSocket"),
    ("h.ws_send('x')", "ValueError", "WebSocket"),
    ("h.recv()", "ValueError", ""),
    # Manager
    ("Manager(5)", "TypeError", "callable"),
    ("Manager(error_handler='x')", "TypeError", "callable"),
    ("Manager(nothing, False, None, 1)", "TypeError", ""),
    ("Manager(max_conn=1)", "TypeError", "max_conn"),
    ("Manager(max_body='1')", "TypeError", "max_body"),
    ("Manager(max_body=1.5)", "TypeError", "max_body"),
    ("Manager(max_body=-1)", "ValueError", "max_body"),
    ("m.listen()", "TypeError", ""),
    ("m.listen(8000)", "TypeError", "url must be str, not int"),
    ("m.listen(b'http://127.0.0.1:0')", "TypeError", "url must be str, not bytes"),
    ("m.listen(None)", "TypeError", "url must be str"),
    ("m.listen(url('tcp'), 5)", "TypeError", "callable"),
    ("m.listen(url('tcp'), tls=True)", "TypeError", ""),
    ("m.listen(url('tcp'), nothing, True)", "TypeError", ""),
    ("m.connect(5)", "TypeError", "url must be str, not int"),
    ("m.connect(url('tcp', port), 'x')", "TypeError", "callable"),
    ("m.ws_connect(None)", "TypeError", "url must be str"),
    ("m.poll('5')", "TypeError", "int"),
    ("m.poll(1.5)", "TypeError", "int"),
    ("m.poll(1, 2)", "TypeError", ""),
    ("m.run(poll_ms='x')", "TypeError", "int"),
    ("m.timer_add(5)", "TypeError", ""),
    ("m.timer_add('5', nothing)", "TypeError", "int"),
    ("m.timer_add(-1, nothing)", "ValueError", "negative"),
    ("m.timer_add(5, None)", "TypeError", "callable"),
    ("m.timer_add(5, 'x')", "TypeError", "callable"),
    ("m.wakeup('x')", "TypeError", "int"),
    ("m.wakeup(-1)", "ValueError", "negative"),
    ("m.handler_of(5)", "AttributeError", ""),
    # functions
    ("event_name('x')", "TypeError", "int"),
    ("event_name()", "TypeError", ""),
    ("live_objects(1)", "TypeError", ""),
    # read-only
    ("setattr(t, 'is_udp', True)", "AttributeError", ""),
    ("setattr(t, 'id', 7)", "AttributeError", ""),
    ("setattr(t, 'local_addr', None)", "AttributeError", ""),
    ("setattr(m, 'connections', ())", "AttributeError", ""),
    # made by hand
    ("Connection()", "TypeError", ""),
    ("HttpMessage()", "TypeError", ""),
    ("WsMessage()", "TypeError", ""),
    ("Timer()", "TypeError", ""),
]


@pytest.mark.needs("loopback")
@pytest.mark.parametrize(
    "expression, kind, text", WRONG, ids=[w[0].replace("::", ":") for w in WRONG]
)
def test_wrong_argument(shared, expression, kind, text):
    script = shared(ARGUMENTS)
    got_kind, got_text = script.eval(f"kind_of(lambda: {expression})")
    assert got_kind == kind, got_text
    assert text.lower() in got_text.lower()


@pytest.mark.needs("loopback")
def test_nothing_came_of_the_wrong_calls(shared):
    """After all of them the objects work: this test runs last on that script."""
    script = shared(ARGUMENTS)
    script.exec(
        """
answers = []
h_client.set_handler(lambda c, ev, d: answers.append((d.status(), d.body_text)) if ev == MG_EV_HTTP_MSG else None)
h.reply(200, "all is well")
poll_until(m, lambda: answers)
eq(answers, [(200, "all is well")])
"""
    )


URLS = [
    ("", "scheme"),
    ("localhost:8000", "scheme"),
    ("127.0.0.1", "scheme"),
    (":8000", "scheme"),
    ("//127.0.0.1:0", "scheme"),
    ("http:/127.0.0.1:0", "scheme"),
    ("ftp://127.0.0.1:21", "unknown scheme"),
    ("HTTP//127.0.0.1:1", "scheme"),
    ("htp://127.0.0.1:0", "unknown scheme"),
    ("http://127.0.0.1:80a", "port"),
    ("http://127.0.0.1:-1", "port"),
    ("http://127.0.0.1:65536", "port"),
    ("http://127.0.0.1:99999999999999999999", "port"),
    ("http://127.0.0.1: 80", "space"),
    ("tcp://127.0.0.1:", "port"),
    ("tcp://127.0.0.1", "port"),
    ("udp://127.0.0.1", "port"),
    ("http://[::1:80", "bracket"),
    ("http://[::1]80", "bracket"),
    ("http://[::g]:80", "IPv6"),
    ("http://[127.0.0.1]:80", "IPv6"),
    ("http://127.0.0.1:0/a b", "space"),
    ("http://127.0.0.1:0/\r\nX: y", "control"),
    ("http://127.0.0.1:0/\x00", ""),
    ("http://127.0.0.1:0/#top", "fragment"),
    ("http://300.1.1.1:80", "address"),
    ("http://1.2.3:80", "address"),
    ("unix://", "path"),
    ("unix:///" + "x" * 200, "path"),
]


@pytest.mark.parametrize("bad, text", URLS, ids=[repr(u)[1:30] for u, _ in URLS])
@pytest.mark.parametrize("method", ["listen", "connect"])
def test_malformed_url(shared, method, bad, text):
    script = shared(ARGUMENTS)
    kind, message = script.eval(f"kind_of(lambda: m.{method}({bad!r}))")
    assert kind == "ValueError", message
    assert text.lower() in message.lower()
    assert len(message) < 300 and "\n" not in message and "\0" not in message


ONLY_CONNECT = ["http://", "http://:80", "tcp://127.0.0.1:0", "http://a b.c:80", "http://a_b!c:80"]
ONLY_LISTEN = ["tcp://example.invalid:0", "http://8000"]


@pytest.mark.parametrize(
    "call",
    [f"m.connect({u!r})" for u in ONLY_CONNECT]
    + [f"m.ws_connect({u!r})" for u in ("", "tcp://127.0.0.1:1", "http://", "ws://:1")]
    + [f"m.listen({u!r})" for u in ONLY_LISTEN],
)
def test_url_wrong_for_the_call(shared, call):
    kind, message = shared(ARGUMENTS).eval(f"kind_of(lambda: {call})")
    assert (kind, message[:4]) == ("ValueError", "URL "), message


def test_password_is_not_shown(shared):
    for text in ("http://me:secret@127.0.0.1:x", "http://me:secret@127.0.0.1:0/ a"):
        kind, message = shared(ARGUMENTS).eval(f"kind_of(lambda: m.connect({text!r}))")
        assert kind == "ValueError" and "secret" not in message


def test_errors_are_runtime_errors(shared):
    script = shared(ARGUMENTS)
    assert script.eval("issubclass(Error, RuntimeError)") is True
    script.exec(
        """
e = raises(Error, m.listen, url("http", port))
eq((e.errno, len(e.args) >= 1, e.args[0] == str(e)), (98, True, True))
eq(Error("text").args, ("text",))
try:
    raise Error("mine")
except RuntimeError as e:
    eq(str(e), "mine")
"""
    )
