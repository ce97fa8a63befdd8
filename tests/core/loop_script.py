# SPDX-License-Identifier: GPL-2.0-only
"""The device script under test_lifetimes.py, test_views.py and others: both ends of each connection."""

LOOP = r'''
# Linux's, which MicroPython's ports use too; its errno module lacks some.
EBADF, EBUSY, ELOOP, ENOBUFS = 9, 16, 40, 105


class Loop:
    """A Manager with a listener; what its handler is given is noted, then given on to `then`."""

    def __init__(self, scheme="tcp", then=None, **limits):
        self.then = then
        self.seen = []
        self.m = Manager(self.handle, **limits)
        self.listener = self.m.listen(url(scheme))
        self.port = port_of(self.listener)
        self.scheme = scheme

    def handle(self, c, ev, data):
        who = "listener" if c.is_listening else "client" if c.is_client else "server"
        self.seen.append((who, event_name(ev)[6:]))
        if self.then:
            self.then(c, ev, data)

    def client(self, path="/", **kwargs):
        to = url(self.scheme, self.port, path if self.scheme == "http" else "")
        return self.m.connect(to, **kwargs)

    def websocket(self, path="/"):
        return self.m.ws_connect(url("ws", self.port, path))

    def until(self, condition, ms=5000):
        poll_until(self.m, condition, ms)

    def until_seen(self, *entry):
        self.until(lambda: entry in self.seen)

    def count(self, *entry):
        return self.seen.count(entry)

    def server(self):
        found = [c for c in self.m.connections if not c.is_listening and not c.is_client]
        return found[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.m.close()


HTTP_GET = get("/path?a=b", headers="X-Name: value\r\n")
'''

#: What every method and property does on a closed connection.
CLOSED = r"""
CALLS = {
    "send": lambda c: c.send("x"),
    "recv": lambda c: c.recv(),
    "recv_into": lambda c: c.recv_into(bytearray(1)),
    "reply": lambda c: c.reply(200, "x"),
    "reply_json": lambda c: c.reply_json({}),
    "http_chunk": lambda c: c.http_chunk("x"),
    "http_sse": lambda c: c.http_sse("a", "b"),
    "tls_init": lambda c: c.tls_init(TlsOpts()),
    "tls_free": lambda c: c.tls_free(),
    "http_stream_body": lambda c: c.http_stream_body(max_size=0),
    "http_stream_form": lambda c: c.http_stream_form(max_size=0),
    "http_request": lambda c: c.http_request("GET", "/"),
    "mdns_query": lambda c: c.mdns_query("a.local"),
    "http_basic_auth": lambda c: c.http_basic_auth("a", "b"),
    "resolve": lambda c: c.resolve("127.0.0.1"),
    "mqtt_pub": lambda c: c.mqtt_pub("a", "b"),
    "mqtt_sub": lambda c: c.mqtt_sub("a"),
    "mqtt_unsub": lambda c: c.mqtt_unsub("a"),
    "mqtt_ping": lambda c: c.mqtt_ping(),
    "mqtt_pong": lambda c: c.mqtt_pong(),
    "mqtt_disconnect": lambda c: c.mqtt_disconnect(),
    "modbus_reply": lambda c: c.modbus_reply(),
    "modbus_read": lambda c: c.modbus_read(3, 0),
    "modbus_write": lambda c: c.modbus_write(6, 0, 1),
    "resolve_cancel": lambda c: c.resolve_cancel(),
    "sntp_request": lambda c: c.sntp_request(),
    "ws_send": lambda c: c.ws_send("x"),
    "set_handler": lambda c: c.set_handler(None),
    "error": lambda c: c.error("x"),
}
NEED_A_MESSAGE = ("serve_dir", "serve_file", "ws_upgrade", "mqtt_ack")  # case_message_methods_on_a_closed...
HARMLESS = ("drain", "close", "recv_data", "send_data")
FLAGS = ("is_listening", "is_tls", "is_websocket", "is_readable", "is_writable", "is_closing",
         "is_full", "is_draining")
KEPT = ("is_client", "is_udp", "local_addr", "remote_addr")
SIZES = ("recv_len", "send_len", "recv_size", "send_size")


def assert_closed(c):
    for name, call in CALLS.items():
        if not hasattr(Connection, name):
            continue  # a protocol that was left out
        e = raises(Error, call, c, text="closed")
        eq(e.errno, EBADF, name)
    eq(c.drain(), None)
    eq(c.close(), None)
    eq((c.recv_data(), c.send_data(1)), (b"", b""))
    eq((c.alpn, c.peer_cert, getattr(c, "mdns_name", None)), (None, None, None))
    for name in FLAGS:
        eq(getattr(c, name), False, name)
    for name in SIZES:
        eq(getattr(c, name), 0, name)
"""
