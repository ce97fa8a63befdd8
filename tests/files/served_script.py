# SPDX-License-Identifier: GPL-2.0-only
"""A script that serves a folder of the host, or of a file system in the device's memory."""

#: PARAMS: kind is None and root a folder of the host, or kind a class of MicroPython's `vfs`.
SERVED = """
import os

kind = PARAMS["kind"]

if kind:
    import vfs

    class RAMBlocks:
        SIZE = 512

        def __init__(self, count):
            self.data = bytearray(count * self.SIZE)

        def readblocks(self, n, buf, off=0):
            if fails:
                raise OSError(fails)
            start = n * self.SIZE + off
            buf[:] = self.data[start : start + len(buf)]

        def writeblocks(self, n, buf, off=None):
            if fails:
                raise OSError(fails)
            start = n * self.SIZE + (off or 0)
            self.data[start : start + len(buf)] = buf

        def ioctl(self, op, arg):
            if op == 4:
                return len(self.data) // self.SIZE
            if op == 5:
                return self.SIZE
            if op == 6:
                return 0

    fails = 0
    blocks = RAMBlocks(PARAMS.get("blocks", 120))
    getattr(vfs, kind).mkfs(blocks)
    vfs.mount(getattr(vfs, kind)(blocks), "/ram")
    base = "/ram"
else:
    base = PARAMS["root"]

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
if kind:
    fails = 0
    vfs.umount("/ram")
"""
