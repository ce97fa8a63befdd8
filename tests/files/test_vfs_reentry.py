# SPDX-License-Identifier: GPL-2.0-only
"""A file system written in Python runs Python in the middle of our C: it sends, answers, closes,
raises, and says that it has moved more than it did."""

import errno

import pytest
from peers.clients import Raw, raw_get

pytestmark = pytest.mark.needs("littlefs", "memory")

SCRIPT = """
import io, vfs

SIZE = PARAMS.get('size', 300000)
conn = None
message = None
todo = None  # what a call of the file system does meanwhile
at = ""  # the name of that call
done = []

def meanwhile(name):
    global todo
    if todo and name == at:
        what, todo = todo, None
        done.append(name)
        what()

class File(io.IOBase):
    def __init__(self, size):
        self.left = size

    def readinto(self, buf):
        meanwhile("read")
        n = min(len(buf), self.left)
        for i in range(n):
            buf[i] = 120
        self.left -= n
        return n

    def write(self, buf):
        meanwhile("write")
        return len(buf)

    def ioctl(self, op, arg):
        if op == 2:
            meanwhile("seek")
        if op == 4:
            meanwhile("close")
        return 0

class Liar(File):
    def readinto(self, buf):
        return 1 << 20

    def write(self, buf):
        return 1 << 20

class Fs:
    def mount(self, readonly, mkfs):
        pass
    def umount(self):
        pass
    def open(self, path, mode):
        meanwhile("open")
        return (Liar if "liar" in path else File)(SIZE)
    def stat(self, path):
        meanwhile("stat")
        if path.endswith("none") or path.endswith(".gz") or path.endswith(".html"):
            raise OSError(2)
        return (0x4000 if path.endswith("dir") else 0x8000, 0, 0, 0, 0, 0, SIZE, 0, 0, 0)
    def ilistdir(self, path):
        for n in range(3):
            meanwhile("list")
            yield ("file%d" % n, 0x8000, 0, 5)
    def rename(self, old, new):
        meanwhile("rename")
    def remove(self, path):
        meanwhile("remove")

vfs.mount(Fs(), "/py")
errors = []

def handler(c, ev, data):
    global conn, message
    if ev == MG_EV_HTTP_HDRS and data.method == "PUT":
        conn, message = c, data
        try:
            c.http_stream_body("/py" + data.uri, max_size=0)
        except Error as e:
            errors.append(str(e))
    elif ev == MG_EV_HTTP_HDRS and data.method == "POST":
        conn, message = c, data
        c.http_stream_form(max_size=0)
    elif ev == MG_EV_HTTP_PART:
        try:
            data.save("/py/" + data.filename)
        except Error as e:
            errors.append(str(e))
    elif ev == MG_EV_HTTP_MSG:
        conn, message = c, data
        if data.method in ("PUT", "POST"):
            c.reply(201, "stored")
        elif data.uri == "/fine":
            c.reply(200, "fine")
        else:
            c.serve_dir(data, "/py")
    elif ev == MG_EV_ERROR:
        errors.append(data)

def reply():
    conn.reply(299, "early")

def send():
    conn.send("y" * 200000)

def upgrade():
    conn.ws_upgrade(message)

def close():
    conn.close()

def drain():
    conn.drain()

def connect():
    m.connect(url("http", port_of(listener)), lambda c, ev, data: None)

def garbage():
    gc.collect()
    keep = [bytearray(70000) for _ in range(20)]

def poll_and_end():
    for call in m.poll, m.close:
        raises(Error, call)

def fails():
    raise ValueError("odd")

def reply_fails():
    reply()
    fails()

def close_fails():
    close()
    fails()

def send_fails():
    send()
    fails()

def swallow(e):
    errors.append(str(e))

m = Manager(handler, error_handler=swallow, max_send=0)
listener = m.listen(url("http"))
announce("PORT", listener)
serve(m)
vfs.umount("/py")
"""

ACTS = "reply send close drain connect garbage poll_and_end fails reply_fails close_fails send_fails upgrade"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def transfer(running, request, body=b""):
    """What came back until the end, which may be a reset: close() leaves the rest unread."""
    got = b""
    with Raw(running.reach(running.port())) as raw:
        try:
            raw.send(request.encode() + body)
            raw.half_close()
            while piece := raw.recv():
                got += piece
        except OSError as e:
            if e.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
                raise
    return got


@pytest.mark.parametrize("act", ACTS.split())
def test_python_runs_in_a_download(shared, act):
    running = shared(SCRIPT)
    for at in ("stat", "open", "read", "close", "list"):
        running.exec(f"at, todo = {at!r}, {act}; done.clear(); errors.clear()")
        path = "/dir/" if at == "list" else "/file"
        got = transfer(running, f"GET {path} HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n")
        assert running.eval("done") == [at]
        head, _, body = got.partition(b"\r\n\r\n")
        if act in ("connect", "garbage") and at != "list":
            assert head.startswith(b"HTTP/1.1 200 ") and body == b"x" * 300000
        if act.startswith("send") and at == "read":
            assert body.count(b"x") + body.count(b"y") == len(body)
        running.exec("todo = None; [c.close() for c in m.connections if c.is_client]")
        assert raw_get(running, "/fine").body == b"fine"


@pytest.mark.parametrize("act", ACTS.split())
def test_python_runs_in_an_upload(shared, act):
    running = shared(SCRIPT)
    data = b"z" * 200000
    for at in ("open", "write", "close", "rename", "remove"):
        running.exec(f"at, todo = {at!r}, {act}; done.clear(); errors.clear()")
        head = f"PUT /file HTTP/1.1\r\nHost: d\r\n{UPGRADE}Content-Length: {len(data)}\r\n\r\n"
        got = transfer(running, head, data)
        assert running.eval("done") == ([at] if at != "remove" else [])
        if act.startswith("reply"):
            assert got.startswith(b"HTTP/1.1 299 ") or at == "remove", got[:80]
        if act in ("connect", "garbage"):
            assert got.startswith(b"HTTP/1.1 201 ")
        running.exec("todo = None; [c.close() for c in m.connections if c.is_client]")
        assert raw_get(running, "/fine").body == b"fine"


@pytest.mark.parametrize("act", ACTS.split())
def test_python_runs_between_ranges(shared, act):
    running = shared(SCRIPT)
    for at in ("seek", "read", "close"):
        running.exec(f"at, todo = {at!r}, {act}; done.clear(); errors.clear()")
        lines = "Range: bytes=0-9,100000-200009,5-6\r\n"
        got = transfer(running, f"GET /file HTTP/1.1\r\nHost: d\r\n{lines}\r\n")
        assert running.eval("done") == [at]
        if act in ("connect", "garbage"):
            head, _, body = got.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 206 ") and b"x" * 100010 in body
            assert body.rstrip().endswith(b"--")
        running.exec("todo = None; [c.close() for c in m.connections if c.is_client]")
        assert raw_get(running, "/fine").body == b"fine"


@pytest.mark.parametrize("act", ACTS.split())
def test_python_runs_in_a_form(shared, act):
    running = shared(SCRIPT)
    piece = (
        b'--X\r\nContent-Disposition: form-data; name="f"; filename="file"\r\n\r\n' + b"z" * 100000
    )
    data = piece + b"\r\n" + piece + b"\r\n--X--\r\n"
    kind = "Content-Type: multipart/form-data; boundary=X\r\n"
    for at in ("open", "write", "close", "rename"):
        running.exec(f"at, todo = {at!r}, {act}; done.clear(); errors.clear()")
        head = f"POST / HTTP/1.1\r\nHost: d\r\n{kind}Content-Length: {len(data)}\r\n\r\n"
        got = transfer(running, head, data)
        assert running.eval("done") == [at]
        if act.startswith("reply"):
            assert got.startswith(b"HTTP/1.1 299 "), got[:80]
        if act in ("connect", "garbage"):
            assert got.startswith(b"HTTP/1.1 201 ")
        running.exec("todo = None; [c.close() for c in m.connections if c.is_client]")
        assert raw_get(running, "/fine").body == b"fine"


def test_remove_of_an_unfinished_upload(shared):
    """A client that leaves: the file is closed and removed, and Python in there may do anything."""
    running = shared(SCRIPT)
    for at in ("close", "remove"):
        for act in ACTS.split():
            running.exec(f"at, todo = {at!r}, {act}; done.clear(); errors.clear()")
            with Raw(running.reach(running.port())) as raw:
                raw.send("PUT /file HTTP/1.1\r\nHost: d\r\nContent-Length: 9000\r\n\r\nabc")
                raw.half_close()
                raw.recv_all()
            running.until("done")
            running.exec("todo = None; [c.close() for c in m.connections if c.is_client]")
            assert raw_get(running, "/fine").body == b"fine"


def test_stream_that_lies_about_its_length(shared):
    running = shared(SCRIPT)
    got = transfer(running, "GET /liar HTTP/1.1\r\nHost: d\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 ") and got.endswith(b"\r\n\r\n"), "head alone, then cut"
    got = transfer(running, "PUT /liar HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\n", b"abc")
    assert got.startswith(b"HTTP/1.1 500 ")
    assert raw_get(running, "/fine").body == b"fine"


SCHEDULED = SCRIPT.replace(
    """    def readinto(self, buf):
        meanwhile("read")
""",
    """    def readinto(self, buf):
        import micropython
        if todo and at == "read":
            # Runs where the interpreter next looks: in here, between two reads of the loop.
            micropython.schedule(lambda _: meanwhile("read"), 0)
""",
    1,
)


@pytest.mark.parametrize("act", ["send", "close", "reply", "drain"])
def test_scheduled_function_in_a_download(shared, act):
    running = shared(SCHEDULED)
    running.exec(f"at, todo = 'read', {act}; done.clear(); errors.clear()")
    transfer(running, "GET /file HTTP/1.1\r\nHost: d\r\n\r\n")
    running.until("done == ['read']")
    assert raw_get(running, "/fine").body == b"fine"


def test_manager_that_closes_inside_of_a_download(device):
    """Its file is closed by Python, which may not poll then, nor close."""
    running = device(
        SCRIPT.replace(
            "serve(m)\n",
            "serve(m)\nat, todo = 'close', poll_and_end\nm.close()\nprint('DONE', done)\n",
        ),
        size=30_000_000,
    )
    with Raw(running.reach(running.port()), receive_buffer=4096) as raw:
        raw.send("GET /file HTTP/1.1\r\nHost: d\r\n\r\n")
        raw.recv(10)
        running._write("stop")
        assert running.expect("DONE") == "['close']"
