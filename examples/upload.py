# SPDX-License-Identifier: GPL-2.0-only
# Files by HTTP: PUT stores one, GET fetches it, / lists all. In constant memory, whatever their size:
#   curl -T firmware.bin http://127.0.0.1:8000/
#   curl -O http://127.0.0.1:8000/firmware.bin
import os
import sys

from pymongoose import MG_EV_ERROR, MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG, Manager

ROOT = sys.argv[1] if len(sys.argv) > 1 else "uploads"
PORT = sys.argv[2] if len(sys.argv) > 2 else "8000"
MAX_SIZE = 1000 * 1000 * 1000
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."


def file_name(uri):
    """The name that a path asks for, or None: no folders, no dot in front, nothing odd."""
    name = uri[1:]
    if 0 < len(name) <= 64 and name[0] != "." and all(ch in PLAIN for ch in name):
        return name


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_HDRS and data.method == "PUT":
        name = file_name(data.uri)
        if name:
            conn.http_stream_body(ROOT + "/" + name, max_size=MAX_SIZE)
        else:
            conn.reply(400, "a plain file name, please\n")
    elif ev == MG_EV_HTTP_MSG:
        if data.method == "PUT":
            conn.reply(201, "stored " + data.uri + "\n")
        else:
            conn.serve_dir(data, ROOT)
    elif ev == MG_EV_ERROR:
        print("not stored:", data)


try:
    os.mkdir(ROOT)
except OSError:
    pass  # it is there

manager = Manager(handler, events=(MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG, MG_EV_ERROR))
listener = manager.listen("http://127.0.0.1:" + PORT)
print("files of %s at http://127.0.0.1:%d" % (ROOT, listener.local_addr[1]))
manager.run()
