# SPDX-License-Identifier: GPL-2.0-only
"""The device script under test_lifetimes.py and test_views.py: both ends of each connection."""

LOOP = r'''
# Linux's, which MicroPython's ports use too; its errno module lacks some.
EBADF, EBUSY, ENOBUFS = 9, 16, 105


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
