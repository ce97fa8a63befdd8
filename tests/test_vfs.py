# SPDX-License-Identifier: GPL-2.0-only
"""serve_dir() from MicroPython's own file systems: LittleFS, FAT, and one that fails."""

import pytest
from clients import Raw, raw_get

LITTLEFS = """
import vfs

class RAMBlocks:
    SIZE = 512

    def __init__(self, count):
        self.data = bytearray(count * self.SIZE)

    def readblocks(self, n, buf, off=0):
        start = n * self.SIZE + off
        buf[:] = self.data[start : start + len(buf)]

    def writeblocks(self, n, buf, off=None):
        start = n * self.SIZE + (off or 0)
        self.data[start : start + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // self.SIZE
        if op == 5:
            return self.SIZE
        if op == 6:
            return 0

blocks = RAMBlocks(1000)
kind = getattr(vfs, PARAMS["kind"])
kind.mkfs(blocks)
vfs.mount(kind(blocks), "/flash")
import os
os.mkdir("/flash/www")
os.mkdir("/flash/www/sub")
for name, data in (
    ("a.txt", b"flash"), ("big.bin", bytes(range(256)) * 800), ("sub/index.html", b"<p>index"),
    ("style.css.gz", b"packed"), ("style.css", b"plain"),
):
    with open("/flash/www/" + name, "wb") as f:
        f.write(data)
with open("/flash/secret.txt", "w") as f:
    f.write("secret")

def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        if m.uri == "/file":
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


@pytest.mark.needs("littlefs")
@pytest.mark.parametrize("kind", ["VfsLfs2", "VfsFat"])
def test_mounted_file_system(device, kind):
    running = device(LITTLEFS, kind=kind)
    assert raw_get(running, "/a.txt").body == b"flash"
    assert raw_get(running, "/file").body == b"flash"
    assert raw_get(running, "/relative").body == b"flash"
    big = bytes(range(256)) * 800
    assert raw_get(running, "/big.bin").body == big
    answer = raw_get(running, "/big.bin", "Range: bytes=100000-100009\r\n")
    assert (answer.status, answer.body) == (206, big[100000:100010])
    assert raw_get(running, "/sub/").body == b"<p>index"
    assert raw_get(running, "/sub").status == 301
    assert raw_get(running, "/style.css", "Accept-Encoding: gzip\r\n").body == b"packed"
    assert raw_get(running, "/none").status == 404
    assert raw_get(running, "/../secret.txt").status in (400, 403, 404)
    listing = raw_get(running, "/").body
    assert b'href="a.txt"' in listing and b'href="sub/"' in listing
    etag = raw_get(running, "/a.txt").headers["etag"]
    assert raw_get(running, "/a.txt", f"If-None-Match: {etag}\r\n").status == 304
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
