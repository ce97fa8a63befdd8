# SPDX-License-Identifier: GPL-2.0-only
"""http_stream_body(path): uploads and downloads that become files, whole or not at all."""

import hashlib
import subprocess

import pytest
from peers.clients import Raw, Server, seconds
from served_script import FOLDER

SERVER = (
    FOLDER
    + r"""
log = []
root = PARAMS["root"]
act = {}

def clear(path):
    for name in os.listdir(path):
        try:
            os.remove(path + "/" + name)
        except OSError:
            clear(path + "/" + name)
            os.rmdir(path + "/" + name)

def put(name, data):
    with open(root + "/" + name, "wb") as file:
        file.write(data)

def content(name):
    with open(root + "/" + name, "rb") as file:
        return file.read()

try:
    os.mkdir(root)
except OSError:
    clear(root)

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS:
        name = "/got" if c.is_client else "/tunnel" if data.method == "CONNECT" else data.uri
        c.http_stream_body(root + name, max_size=PARAMS.get("max_size", 0))
        if act.get("hdrs"):
            act["hdrs"](c)
    elif ev == MG_EV_HTTP_BODY:
        log.append("BODY")
    elif ev == MG_EV_HTTP_MSG:
        log.append(("MSG", names(), len(data.body_bytes)))
        if not c.is_client:
            c.reply(201, "stored")
    elif ev == MG_EV_ERROR:
        log.append(("ERROR", data, names()))
        if act.get("error"):
            act["error"](c)
    elif ev == MG_EV_CLOSE:
        log.append(("CLOSE", names()))

def rss():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1])

def get(port):
    c = m.connect(peer("http", port), handler)
    c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")

errors = []
m = Manager(handler, error_handler=errors.append)
announce("PORT", m.listen(url("http")))
serve(m)
m.close()
print("LEFT", names())
"""
)


def post(uri, body):
    return f"PUT {uri} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def connect(server):
    return Raw(server.reach(server.port()))


@pytest.fixture
def root(target, tmp_path):
    """A folder of the device's."""
    return str(tmp_path / "up") if "host-files" in target.capabilities else "/pymongoose-up"


@pytest.fixture
def start(device, root):
    def start(**params):
        server = device(SERVER, root=root, **params)
        server.expect("SERVING")
        return server

    return start


@pytest.fixture
def large(target):
    """Bytes of a file that comes in many pieces."""
    return target.size(256000, 48000)


@pytest.mark.parametrize("early", [True, False])
def test_a_tunnel_cuts_a_body_off(start, early):
    """A 2xx to CONNECT ends HTTP on the connection (RFC 9110, section 9.3.6): no file is left."""
    server = start()
    if early:
        server.exec("act['hdrs'] = lambda c: c.reply(200, '')")
    with connect(server) as raw:
        raw.send("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 50\r\n\r\nhello")
        if not early:
            server.until("len(names()) == 1")
            server.exec("[c.reply(200, '') for c in m.connections if not c.is_listening]")
        assert b" 200 " in raw.recv()
        server.until("names() == []")
    server.until("len(m.connections) == 1")


def test_upload_appears_when_it_is_whole(start, large):
    server = start()
    body = bytes(range(256)) * (large // 256)
    server.exec("put('a.bin', b'before')")
    with connect(server) as raw:
        data = post("/a.bin", body)
        raw.send(data[:-1000])
        (part,) = server.until("[name for name in names() if name != 'a.bin']")
        assert part.startswith(".a.bin.") and part.endswith(".part")
        assert server.eval("content('a.bin')") == b"before"
        raw.send(data[-1000:] + post("/b.bin", b"") + post("/c.bin", b"c"))
        for _ in range(3):
            assert raw.response().body == b"stored"
        assert server.eval("digest('a.bin')", 30) == hashlib.sha256(body).digest()
        assert server.eval("content('b.bin'), content('c.bin')") == (b"", b"c")
    server.until("len(log) == 4")
    assert server.eval("log")[0] == ("MSG", ["a.bin"], 0)


@pytest.mark.needs("process")
def test_100_mb_in_constant_memory(start, root, tmp_path):
    server = start()
    big = tmp_path / "big.bin"
    digest = hashlib.sha256()
    with big.open("wb") as file:
        for n in range(1600):
            block = n.to_bytes(4, "big") + bytes(range(256)) * 256
            file.write(block)
            digest.update(block)
    url = "http://{}:{}/up.bin".format(*server.reach(server.port()))
    run = ["curl", "-sS", "-T", str(big), url]
    for _ in range(2):
        # Python's own garbage of so many reads takes pages in the first round, the same in the next.
        server.eval("__import__('gc').collect()")
        before = server.eval("rss()")
        assert (
            subprocess.run(run, capture_output=True, timeout=seconds(60), check=True).stdout
            == b"stored"
        )
    assert server.eval("rss()") - before < 1 << 10, "kilobytes that 100 MB left"
    with open(root + "/up.bin", "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest.hexdigest()


def test_two_uploads_of_one_file_do_not_mix(start, large):
    server = start()
    with connect(server) as one, connect(server) as two:
        one.send(post("/f", b"1" * large)[:-1])
        two.send(post("/f", b"2" * large)[:-1])
        server.until("len(names()) == 2")
        one.send("1")
        assert one.response().status == 201
        assert server.eval("digest('f')") == hashlib.sha256(b"1" * large).digest()
        two.send("2")
        assert two.response().status == 201
    assert server.eval("digest('f')") == hashlib.sha256(b"2" * large).digest()
    assert server.eval("names()") == ["f"]


@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
def test_a_cut_upload_leaves_nothing(start, large, how):
    server = start()
    server.exec("put('f', b'old')")
    raw = connect(server)
    raw.send(post("/f", b"x" * large)[:-1])
    server.until("len(names()) == 2")
    getattr(raw, how)()
    server.until("log and log[-1][0] == 'CLOSE'")
    raw.close()
    log = server.eval("log")
    assert [e[0] for e in log] == ["ERROR", "CLOSE"]
    assert log[1] == ("CLOSE", ["f"])
    assert server.eval("content('f')") == b"old"


def test_closing_the_manager_leaves_nothing(start, large):
    server = start()
    with connect(server) as raw:
        raw.send(post("/f", b"x" * large)[:-1])
        server.until("len(names()) == 1")
        server.stop()
        assert "LEFT []" in server.console


def test_too_large_leaves_nothing(start):
    server = start(max_size=1000)
    with connect(server) as raw:
        raw.send(post("/f", b"x" * 1001)[:100])
        assert raw.response().status == 413
    server.until("log and log[-1][0] == 'CLOSE'")
    text = "HTTP body is larger than max_size, 1000 bytes"
    assert server.eval("log") == [("ERROR", text, []), ("CLOSE", [])]
    with connect(server) as raw:
        raw.send(
            "PUT /f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + "x" * 1000
        )
        server.until("len(names()) == 1")
        raw.send("\r\n1\r\nx\r\n0\r\n\r\n")
        assert raw.response().status == 413
    assert server.eval("names()") == []


def test_no_such_folder(start):
    server = start()
    with connect(server) as raw:
        raw.send(post("/none/f", b"x" * 5000) + post("/g", b"next"))
        assert raw.response().status == 500
        assert raw.response().status == 201
    text, number = server.eval("(str(errors[0]), errors[0].errno)")
    assert text.startswith("cannot write ") and number == 2
    # An error shows 80 bytes of a path, and how long this one is, pytest decides.
    shown = text.removeprefix("cannot write ").split(": ")[0]
    assert shown.endswith("/none/f") or len(shown) == 80
    assert server.eval("names()") == ["g"]


def test_an_early_reply_removes_the_file(start):
    server = start()
    server.exec("act['hdrs'] = lambda c: c.reply(403, 'no')")
    with connect(server) as raw:
        raw.send(post("/f", b"x" * 5000))
        assert raw.response().status == 403
        server.exec("act.clear()")
        raw.send(post("/g", b"next"))
        assert raw.response().status == 201
    assert server.eval("names()") == ["g"]


def test_the_target_is_a_folder(start):
    server = start()
    server.exec("os.mkdir(root + '/d')\nput('d/kept', b'kept')")
    with connect(server) as raw:
        raw.send(post("/d", b"x"))
        assert raw.response().status == 500
        assert raw.closed()
    error = server.eval("log[0]")
    assert error[0] == "ERROR" and error[1].startswith("cannot write ") and error[2] == ["d"]
    assert server.eval("names(), content('d/kept')") == (["d"], b"kept")


def test_the_program_words_the_refusal_itself(start):
    server = start(max_size=10)
    server.exec("act['error'] = lambda c: c.reply(422, 'mine')")
    with connect(server) as raw:
        raw.send(post("/f", b"x" * 11))
        answer = raw.response()
        assert (answer.status, answer.body) == (422, b"mine")
        assert raw.closed()


def test_a_download_becomes_a_file(start, large):
    server = start()
    body = bytes(range(256)) * (large // 64)
    head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with Server(lambda raw: (raw.recv_exactly_head(), raw.send(data))) as peer:
        server.exec(f"get({peer.port})")
        server.until("log and log[-1][0] == 'CLOSE'", 20)
    assert server.eval("log[0]") == ("MSG", ["got"], 0)
    assert server.eval("digest('got')", 30) == hashlib.sha256(body).digest()


def test_a_cut_download_leaves_nothing(start):
    server = start()
    data = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello"
    with Server(lambda raw: (raw.recv_exactly_head(), raw.send(data))) as peer:
        server.exec(f"get({peer.port})")
        server.until("log and log[-1][0] == 'CLOSE'")
    assert server.eval("log") == [
        ("ERROR", "connection closed inside an HTTP response", []),
        ("CLOSE", []),
    ]


# ---- A disk that is full ------------------------------------------------------------------------------

FULL = (
    """
if MICROPYTHON:
    # A small file system in memory.
    class Disk:
        def __init__(self):
            self.data = bytearray(PARAMS["blocks"] * 512)
        def readblocks(self, n, buf, off=0):
            for i in range(len(buf)):
                buf[i] = self.data[n * 512 + off + i]
        def writeblocks(self, n, buf, off=None):
            start = n * 512 + (off or 0)
            self.data[start : start + len(buf)] = buf
        def ioctl(self, op, arg):
            return {4: PARAMS["blocks"], 5: 512, 6: 0}.get(op, 0)
    import vfs
    disk = Disk()
    kind = getattr(vfs, "VfsLfs2", None) or vfs.VfsFat
    kind.mkfs(disk)
    vfs.mount(disk, "/full")
    PARAMS["root"] = "/full"
else:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
"""
    + SERVER
)


def test_a_full_disk_is_507(device, target, root):
    server = device(FULL, root=root, blocks=target.size(200, 100))
    server.expect("SERVING")
    with connect(server) as raw:
        raw.send(post("/f", b"x" * 1000))
        assert raw.response().status == 201
        raw.send(post("/f", b"y" * 300000))
        assert raw.response().status == 507
    server.until("log[-1][0] == 'CLOSE'")
    log = server.eval("log")
    assert [e[0] for e in log] == ["MSG", "ERROR", "CLOSE"]
    assert log[1][1].startswith("cannot write ") and log[2][1] == ["f"]
    assert server.eval("open(root + '/f').read(10)") == "x" * 10
    server.exec("log[:] = []")
    with connect(server) as raw:
        raw.send(post("/g", b"z" * 1000))
        assert raw.response().status == 201
