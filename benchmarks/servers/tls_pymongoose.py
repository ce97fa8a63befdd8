# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython. argv: port, certificate, key.
import sys

from pymongoose import MG_EV_HTTP_MSG, Manager, TlsOpts

BULK = b"x" * (1 << 20)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def handler(conn, ev, data):
    conn.reply(200, BULK if data.uri == "/bulk" else b"Hello, world!\n")


manager = Manager(handler, events=(MG_EV_HTTP_MSG,))
listener = manager.listen("https://127.0.0.1:" + sys.argv[1])
listener.tls_init(TlsOpts(cert=read(sys.argv[2]), key=read(sys.argv[3])))
manager.run()
