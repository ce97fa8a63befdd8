# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""A client for the unit tests of an App: requests go to it without sockets and without a Manager."""

import json

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_HTTP_MSG,
    MG_EV_WS_CTL,
    MG_EV_WS_MSG,
    WEBSOCKET_OP_BINARY,
    WEBSOCKET_OP_CLOSE,
    WEBSOCKET_OP_TEXT,
    Error,
    base64_encode,
    http_var,
    millis,
    random_str,
    url_encode,
)
from pymongoose.web.headers import Headers
from pymongoose.web.request import form_pairs
from pymongoose.web.response import HTML


class _Message:
    """What HttpMessage is, of a request that nobody sent."""

    def __init__(self, method, uri, query, headers, body):
        self.method = method
        self.uri = uri
        self.query = query
        self.proto = "HTTP/1.1"
        self.body_bytes = body
        self._headers = headers

    @property
    def body_text(self):
        try:
            return self.body_bytes.decode()
        except UnicodeError:
            return "".join([chr(b) if b < 128 else "\ufffd" for b in self.body_bytes])

    def header(self, name, default=None):
        lower = name.lower()
        values = [value for key, value in self._headers if key.lower() == lower]
        return ", ".join(values) if values else default

    def headers(self):
        return list(self._headers)

    def query_var(self, name):
        return http_var(self.query, name)

    def query_vars(self):
        return form_pairs(self.query)

    def cookie(self, name):
        for piece in (self.header("Cookie") or "").split(";"):
            key, _, value = piece.partition("=")
            if key.strip() == name:
                return value
        return None

    def status(self):
        return None

    def header_var(self, header_name, var_name):
        for piece in (self.header(header_name) or "").split(";")[1:]:
            key, _, value = piece.partition("=")
            if key.strip().lower() == var_name.lower():
                return value.strip().strip('"')
        return None

    def copy(self):
        return self


class _Conn:
    """What a server's Connection is, as far as an App asks it."""

    id = 1
    is_tls = False
    is_closing = False
    send_len = 0
    is_websocket = False
    remote_addr = ("127.0.0.1", 50000, False)
    local_addr = ("127.0.0.1", 80, False)
    userdata = None

    def __init__(self):
        self.status = None
        self.headers = []
        self.pieces = []
        self.sent = []  # by a WebSocket: (op, data)
        self.handler = None
        self.close_code = None

    def set_handler(self, handler, events=None):
        self.handler = handler

    def reply(self, status, body=b"", headers=None):
        if self.status is not None:
            raise Error("this request was answered before")
        self.status = status
        if headers is True:  # as HttpRequest.run() may say
            headers = {"Content-Type": HTML}
        pairs = headers.items() if isinstance(headers, dict) else headers or ()
        self.headers.extend(pairs)
        self.pieces.append(body.encode() if isinstance(body, str) else bytes(body))

    def reply_json(self, data, status_code=200, headers=None):
        pairs = list(headers.items() if isinstance(headers, dict) else headers or ())
        self.reply(status_code, json.dumps(data), pairs + [("Content-Type", "application/json")])

    def http_chunk(self, data):
        if not isinstance(data, (str, bytes, bytearray, memoryview)):
            raise TypeError("data must be str or bytes, not " + type(data).__name__)
        self.pieces.append(data.encode() if isinstance(data, str) else bytes(data))

    def http_sse(self, event_type, data, *, id=None, retry=None):
        text = "event: %s\n" % event_type if event_type != "message" else ""
        if id is not None:
            text += "id: %s\n" % id
        if retry is not None:
            text += "retry: %d\n" % retry
        if not isinstance(data, str):
            data = bytes(data).decode()
        for line in data.split("\n"):
            text += "data: " + line + "\n"
        self.pieces.append((text + "\n").encode())

    def _file(self, path, lines):
        for line in lines.split("\r\n"):
            name, colon, value = line.partition(": ")
            if colon:
                self.headers.append((name, value))
        try:
            with open(path, "rb") as f:
                self.pieces.append(f.read())
            self.status = 200
        except OSError:
            self.status = 404
            self.pieces.append(b"404 Not Found\n")

    def serve_file(self, message, path, extra_headers="", mime_types=""):
        self._file(path, extra_headers)

    def serve_dir(self, message, root_dir, extra_headers="", *, listing=True):
        prefix, folder = "", root_dir
        if isinstance(root_dir, dict):
            prefix, folder = list(root_dir.items())[0]
        path = message.uri[len(prefix) :]
        if path.endswith("/"):
            path += "index.html"
        self._file("/" if ".." in path.split("/") else folder + path, extra_headers)

    def ws_upgrade(self, message, headers=None, *, protocol=None):
        if (message.header("Upgrade") or "").lower() != "websocket":
            self.reply(426, "426 Upgrade Required\n")
            return
        self.is_websocket = True
        self.status = 101
        self.headers.extend(headers or ())

    def ws_send(self, data, op=WEBSOCKET_OP_TEXT):
        if not self.is_websocket:
            raise Error("this is no WebSocket")
        if op == WEBSOCKET_OP_CLOSE:
            self.is_websocket = False
            self.close_code = data[0] << 8 | data[1]
        else:
            self.sent.append((op, data))

    def recv(self, n=-1):
        return b""

    def drain(self):
        self.is_closing = True

    def close(self):
        self.is_closing = True


class TestResponse:
    """What an App answered."""

    __test__ = False  # no tests for pytest

    def __init__(self, conn, exception=None):
        self.status_code = conn.status
        self.exception = exception  # that the log would show
        self.header_list = conn.headers
        self.headers = Headers(conn.headers)
        self.body = b"".join(conn.pieces)

    def header(self, name, default=None):
        """A header's value, by its name in any case."""
        return self.headers.get(name, default)

    @property
    def text(self):
        """The body as UTF-8."""
        return self.body.decode()

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)


class TestWebSocket:
    """A client's side of a WebSocket of an App."""

    __test__ = False

    def __init__(self, server):
        self._server = server
        self._conn = server.conn

    def _tell(self, ev, data):
        with self._server as server:
            server.tell(ev, data)
        if server.failures:
            raise server.failures.pop(0)

    def send(self, data):
        """Has the App get a message, str or bytes."""
        text = isinstance(data, str)
        op = WEBSOCKET_OP_TEXT if text else WEBSOCKET_OP_BINARY
        self._tell(MG_EV_WS_MSG, _Frame(op, data.encode() if text else data))

    def receive(self):
        """The next message of the App; IndexError if there is none, or what its handler raised."""
        with self._server as server:
            server.go_on(lambda: self._conn.sent)
        if server.failures and not self._conn.sent:
            raise server.failures.pop(0)
        return self._conn.sent.pop(0)[1]

    @property
    def close_code(self):
        """With what the App closed it; None if it has not."""
        return self._conn.close_code

    def close(self, code=1000):
        """Ends it."""
        try:
            self._tell(MG_EV_WS_CTL, _Frame(WEBSOCKET_OP_CLOSE, bytes([code >> 8, code & 255])))
            self._conn.is_websocket = False
            self._conn.is_closing = True
            self._tell(MG_EV_CLOSE, None)
        finally:
            self._server.close()


class _Frame:
    def __init__(self, flags, data):
        self.flags = flags
        self.data = data

    @property
    def text(self):
        return self.data.decode()


class TestClient:
    """Asks an App; it keeps the cookies that it gets in `cookies`."""

    __test__ = False

    def __init__(self, app):
        self.app = app
        self.cookies = {}

    def _request(self, method, path, params, headers, data, given, files):
        uri, _, query = path.partition("?")
        if params:
            query += ("&" if query else "") + _encoded(params)
        pairs = list(headers.items() if isinstance(headers, dict) else headers or ())
        names = [name.lower() for name, _ in pairs]
        kind = None
        if given is not None:
            body, kind = json.dumps(given).encode(), "application/json"
        elif files:
            boundary = random_str(16)
            body = _multipart(boundary, data or {}, files)
            kind = "multipart/form-data; boundary=" + boundary
        elif isinstance(data, dict):
            body, kind = _encoded(data).encode(), "application/x-www-form-urlencoded"
        else:
            body = data.encode() if isinstance(data, str) else data or b""
        if kind and "content-type" not in names:
            pairs.append(("Content-Type", kind))
        if body and "content-length" not in names:
            pairs.append(("Content-Length", str(len(body))))
        if self.cookies and "cookie" not in names:
            text = "; ".join([name + "=" + self.cookies[name] for name in self.cookies])
            pairs.append(("Cookie", text))
        if "host" not in names:
            pairs.append(("Host", "localhost"))
        return _Message(method, uri, query, pairs, body)

    def request(self, method, path, *, params=None, headers=None, data=None, json=None, files=None):
        """A request, and what the App answers: a TestResponse.

        `data` is a body, or a dict for a form; `files` are {field: (name, content)}."""
        self.app._build()
        message = self._request(method.upper(), path, params, headers, data, json, files)
        conn = _Conn()
        with _Server(self.app, conn) as server:
            server.tell(MG_EV_HTTP_MSG, message)
            server.go_on(None)
            server.close()
        raised = server.failures[0] if server.failures else None
        if conn.status is None:
            raise raised or RuntimeError("%s %s was not answered" % (method, path))
        if message.method == "HEAD":
            conn.pieces = []
        for name, value in conn.headers:
            if name.lower() == "set-cookie":
                parts = value.split(";")
                key, _, text = parts[0].partition("=")
                if any([part.strip().lower() == "max-age=0" for part in parts]):
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = text
        return TestResponse(conn, raised)

    def get(self, path, **more):
        """request() with GET."""
        return self.request("GET", path, **more)

    def head(self, path, **more):
        """request() with HEAD."""
        return self.request("HEAD", path, **more)

    def options(self, path, **more):
        """request() with OPTIONS."""
        return self.request("OPTIONS", path, **more)

    def post(self, path, **more):
        """request() with POST."""
        return self.request("POST", path, **more)

    def put(self, path, **more):
        """request() with PUT."""
        return self.request("PUT", path, **more)

    def patch(self, path, **more):
        """request() with PATCH."""
        return self.request("PATCH", path, **more)

    def delete(self, path, **more):
        """request() with DELETE."""
        return self.request("DELETE", path, **more)

    def ws(self, path, *, params=None, headers=None):
        """Opens a WebSocket: a TestWebSocket, or the TestResponse if it was refused."""
        pairs = list(headers.items() if isinstance(headers, dict) else headers or ())
        pairs += [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", base64_encode(random_str(16))),
        ]
        self.app._build()
        message = self._request("GET", path, params, pairs, None, None, None)
        conn = _Conn()
        with _Server(self.app, conn) as server:
            server.tell(MG_EV_HTTP_MSG, message)
        if conn.is_websocket:
            return TestWebSocket(server)
        raised = server.failures[0] if server.failures else None
        server.close()
        return TestResponse(conn, raised)


class _Server:
    """What an App has around it: events, and asyncio where something of it is async."""

    _PATIENCE = 10  # seconds

    def __init__(self, app, conn):
        self.app = app
        self.conn = conn
        self.failures = []  # what a server's log would show
        self.last = {}  # as of a Runner
        self._loop = None
        self._tasks = []
        self._runner = self if app._async() else None
        conn.handler = app._handle

    def __enter__(self):
        app = self.app
        if self._runner is not None:
            from pymongoose.aio.manager import inside

            if inside():
                raise Error("test_client() has a loop of its own: ask from outside of a coroutine")
        self._before = app._runner
        app._runner = self._runner
        return self

    def __exit__(self, *exc):
        self.app._runner = self._before

    def tell(self, ev, data):
        """An event."""
        try:
            self.conn.handler(self.conn, ev, data)
        except Exception as e:
            self.failures.append(e)
        if self._tasks:
            self._complete(_pause())

    # As a Runner of tasks.py.

    def __call__(self, request, way, waits):
        from pymongoose.web.tasks import go

        self.run(go(self, request, way, waits))

    def report(self, e):
        self.failures.append(e)

    def run(self, coro):
        self._complete(self._start(coro))

    async def _start(self, coro):
        import asyncio

        self._tasks.append(asyncio.create_task(coro))

    def _complete(self, coro):
        import asyncio

        if hasattr(asyncio, "core"):  # MicroPython, which has one loop
            return asyncio.get_event_loop().run_until_complete(coro)
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(coro)

    def go_on(self, condition):
        """Has what is async go on until condition(), or its end."""
        if self._tasks:
            self._complete(self._go_on(condition))

    async def _go_on(self, condition):
        import asyncio

        begun = millis()
        while not (condition and condition()) and not all([task.done() for task in self._tasks]):
            if millis() - begun > self._PATIENCE * 1000:
                return
            await asyncio.sleep(0.001)

    def close(self):
        """Ends what is async."""
        if self._tasks:
            self._complete(self._end())
        if self._loop is not None:
            self._loop.close()

    async def _end(self):
        from asyncio import CancelledError

        for task in self._tasks:
            task.cancel()
            try:
                await task
            except CancelledError:
                pass


async def _pause():
    import asyncio

    for _ in range(5):
        await asyncio.sleep(0)


def _encoded(values):
    pairs = []
    for name, value in values.items() if isinstance(values, dict) else values:
        for each in value if isinstance(value, (list, tuple)) else (value,):
            pairs.append(url_encode(str(name)) + "=" + url_encode(str(each)))
    return "&".join(pairs)


def _multipart(boundary, fields, files):
    body = b""
    for name, value in fields.items():
        head = '--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % (boundary, name)
        body += head.encode() + str(value).encode() + b"\r\n"
    for field, (name, content) in files.items():
        head = (
            '--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n" % (boundary, field, name)
        )
        body += head.encode() + (content.encode() if isinstance(content, str) else content)
        body += b"\r\n"
    return body + ("--%s--\r\n" % boundary).encode()
