# SPDX-License-Identifier: GPL-2.0-only
"""serve_dir() from MicroPython's own file systems: LittleFS, FAT, and one that fails."""

import os

import pytest
from peers.clients import Raw, raw_get
from served_script import RAM_BLOCKS

MOUNTED = (
    RAM_BLOCKS
    + """
import vfs

blocks = RAMBlocks(PARAMS["blocks"])
kind = getattr(vfs, PARAMS["kind"])
kind.mkfs(blocks)
vfs.mount(kind(blocks), "/flash")
import os
os.mkdir("/flash/www")
os.mkdir("/flash/www/sub")
for name, data, times in (
    ("a.txt", b"flash", 1), ("big.bin", bytes(range(256)), PARAMS["pages"]),
    ("sub/index.html", b"<p>index", 1), ("style.css.gz", b"packed", 1), ("style.css", b"plain", 1),
):
    with open("/flash/www/" + name, "wb") as f:
        for _ in range(times):
            f.write(data)
with open("/flash/secret.txt", "w") as f:
    f.write("secret")

def handler(c, ev, m):
    if ev == MG_EV_HTTP_HDRS and m.method == "PUT":
        c.http_stream_body("/flash/www" + m.uri, max_size=0)
    elif ev == MG_EV_HTTP_MSG:
        if m.method == "PUT":
            c.reply(201, "stored")
        elif m.uri == "/file":
            c.serve_file(m, "/flash/www/a.txt")
        elif m.uri == "/relative":
            os.chdir("/flash/www")
            c.serve_file(m, "a.txt")
            os.chdir("/")
        else:
            c.serve_dir(m, "/flash/www")

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
vfs.umount("/flash")
"""
)


def put(running, uri, data):
    with Raw(running.reach(running.port())) as raw:
        raw.send(f"PUT {uri} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(data)}\r\n\r\n")
        raw.send(data)
        return raw.response("PUT")


@pytest.mark.needs("littlefs")
@pytest.mark.cost(3)
@pytest.mark.parametrize("kind", ["VfsLfs2", "VfsFat"])
def test_mounted_file_system(device, target, kind):
    roomy = "memory" in target.capabilities
    blocks, pages = (1000, 800) if roomy else (140, 120)
    running = device(MOUNTED, kind=kind, blocks=blocks, pages=pages)
    assert raw_get(running, "/a.txt").body == b"flash"
    assert raw_get(running, "/file").body == b"flash"
    assert raw_get(running, "/relative").body == b"flash"
    big = bytes(range(256)) * pages
    assert raw_get(running, "/big.bin").body == big
    answer = raw_get(running, "/big.bin", "Range: bytes=20000-20009\r\n")
    assert (answer.status, answer.body) == (206, big[20000:20010])
    assert raw_get(running, "/sub/").body == b"<p>index"
    assert raw_get(running, "/sub").status == 301
    assert raw_get(running, "/style.css", "Accept-Encoding: gzip\r\n").body == b"packed"
    assert raw_get(running, "/none").status == 404
    assert raw_get(running, "/../secret.txt").status in (400, 403, 404)
    listing = raw_get(running, "/").body
    assert b'href="a.txt"' in listing and b'href="sub/"' in listing
    etag = raw_get(running, "/a.txt").headers["etag"]
    assert raw_get(running, "/a.txt", f"If-None-Match: {etag}\r\n").status == 304
    # An upload goes to the file system piece by piece, and takes the place of what was there.
    for data in (os.urandom(9000), os.urandom(5000)):
        assert put(running, "/up.bin", data).status == 201
        assert raw_get(running, "/up.bin").body == data
    # Files that were read are closed: a client that left may not keep one open either.
    with Raw(running.reach(running.port())) as raw:
        raw.send("GET /big.bin HTTP/1.1\r\nHost: d\r\n\r\n")
        raw.recv_exactly(100)
        raw.reset()
    running.until("len(m.connections) == 1")


BROKEN = """
import vfs, errno

class Broken:
    # A file system that raises, in Python, at every turn.
    def mount(self, readonly, mkfs):
        pass
    def umount(self):
        pass
    def open(self, path, mode):
        raise KINDS[PARAMS["raises"]]
    def stat(self, path):
        if PARAMS["at"] == "stat":
            raise KINDS[PARAMS["raises"]]
        return (0x8000, 0, 0, 0, 0, 0, 10, 0, 0, 0)
    def ilistdir(self, path):
        raise KINDS[PARAMS["raises"]]

KINDS = {"os": OSError(errno.EIO), "value": ValueError("odd"), "memory": MemoryError()}
vfs.mount(Broken(), "/broken")

def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        if m.uri == "/fine":
            c.reply(200, "fine")
        else:
            c.serve_dir(m, "/broken")

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
vfs.umount("/broken")
"""


@pytest.mark.needs("littlefs")
@pytest.mark.parametrize("at", ["stat", "open"])
@pytest.mark.parametrize("raises", ["os", "value", "memory"])
def test_file_system_that_raises(device, at, raises):
    running = device(BROKEN, at=at, raises=raises)
    assert raw_get(running, "/a.txt").status in (404, 500)
    assert raw_get(running, "/fine").body == b"fine"


ON_FLASH = """
import os

NAME = "/pmg_test.tmp"
with open(NAME, "wb") as f:
    for _ in range(PARAMS["pages"]):
        f.write(bytes(range(256)))

def measure():
    global low
    gc.collect()
    low = min(low, gc.mem_free())

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS and data.method == "PUT":
        c.http_stream_body(NAME, max_size=0)
    elif ev == MG_EV_HTTP_MSG:
        if data.method == "PUT":
            c.reply(201)
        else:
            c.serve_file(data, NAME)

m = Manager(handler)
announce("PORT", m.listen(url("http")))
m.timer_add(4, measure, repeat=True)
gc.collect()
start = low = gc.mem_free()
serve(m)
os.remove(NAME)
"""


@pytest.mark.needs("board")
@pytest.mark.cost(12)
def test_memory_does_not_grow_with_the_file(device):
    """On a board's flash: the least free heap in a transfer is that of a small file."""
    used = []
    for pages in (8, 400):
        running = device(ON_FLASH, pages=pages)
        data = bytes(range(256)) * pages
        assert raw_get(running, "/").body == data
        down = running.eval("start - low")
        data = os.urandom(len(data))
        assert put(running, "/", data).status == 201
        used.append((down, running.eval("start - low")))
        assert raw_get(running, "/").body == data
        assert running.eval("os.listdir('/')").count("pmg_test.tmp") == 1
        running.stop()
    print("heap used by a transfer, down and up:", used)
    assert max(used[0] + used[1]) < 4096, used
