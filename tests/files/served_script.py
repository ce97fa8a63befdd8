# SPDX-License-Identifier: GPL-2.0-only
"""Scripts that serve a folder of the host, or of a file system in the device's memory."""

import time

import pytest

HOST = pytest.param(None, id="host", marks=pytest.mark.needs("host-files"))
LITTLEFS = pytest.param("VfsLfs2", id="littlefs", marks=pytest.mark.needs("littlefs"))
FAT = pytest.param("VfsFat", id="fat", marks=pytest.mark.needs("littlefs"))


def start(device, target, script, kind, tmp_path_factory, **params):
    """Runs a script over FILE_SYSTEM; `.folder` is its base, if that is the host's."""
    folder = tmp_path_factory.mktemp("s") if kind is None else None
    root = target.folder(folder) if folder else None
    running = device(script, kind=kind, root=root, now=int(time.time()), **params)
    running.expect("SERVING")
    running.folder = folder
    return running


#: A block device in memory, of MicroPython's.
RAM_BLOCKS = """
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
"""

#: What lies in the folder `root`.
FOLDER = """
import os

def names():
    return sorted(os.listdir(root))

def digest(name):
    import hashlib
    found = hashlib.sha256()
    with open(root + "/" + name, "rb") as f:
        while True:
            data = f.read(512)
            if not data:
                return found.digest()
            found.update(data)
"""

#: PARAMS: kind is None and root a folder of the host, or kind a class of MicroPython's `vfs`, or one
#: of these. `base` is the folder then.
FILE_SYSTEM = (
    RAM_BLOCKS
    + """
import os

kind = PARAMS["kind"]

if kind:
    import vfs

    set_clock(PARAMS["now"])

    class FailingBlocks(RAMBlocks):
        def readblocks(self, n, buf, off=0):
            if fails:
                raise OSError(fails)
            super().readblocks(n, buf, off)

        def writeblocks(self, n, buf, off=None):
            global bad_writes
            if fails or bad_writes:
                bad_writes = max(0, bad_writes - 1)
                raise OSError(fails or 5)
            super().writeblocks(n, buf, off)

    class Timeless(vfs.VfsLfs2):
        when = 0

        def stat(self, path):
            return super().stat(path)[:7] + (self.when,) * 3

    class Clockless(Timeless):  # of a board whose clock nobody sets: five seconds after its start
        when = time.mktime((2021, 1, 1, 0, 0, 5, 0, 1))

    class Aged(vfs.VfsLfs2):  # each of its files was written `age` whole seconds ago
        age = 0

        def stat(self, path):
            return super().stat(path)[:7] + (int(time.time()) - self.age,) * 3

    fails = bad_writes = 0
    blocks = FailingBlocks(PARAMS.get("blocks", 120))
    made = {"Timeless": Timeless, "Clockless": Clockless, "Aged": Aged}
    getattr(vfs, "VfsLfs2" if kind in made else kind).mkfs(blocks)
    vfs.mount((made.get(kind) or getattr(vfs, kind))(blocks), "/ram")
    base = "/ram"
else:
    base = PARAMS["root"]

def end_of_file_system():
    global fails
    if kind:
        fails = 0
        vfs.umount("/ram")
"""
)

SERVED = (
    FILE_SYSTEM
    + """
root = base + "/www"
roots = root
options = {}
message = None

def write(name, data):
    with open(root + "/" + name, "wb") as f:
        f.write(data)

def tell(e):
    errors.append(e)

def handler(c, ev, m):
    if ev == MG_EV_ERROR:
        errors.append(m)
    elif ev == MG_EV_HTTP_MSG:
        try:
            if "file" in options:
                c.serve_file(m, options["file"])
            else:
                c.serve_dir(m, roots, **options)
        except ValueError as e:
            c.reply(500, str(e))

errors = []
os.mkdir(root)
m = Manager(handler, max_head=16384)
announce("PORT", m.listen(url("http")))
serve(m)
end_of_file_system()
"""
)
