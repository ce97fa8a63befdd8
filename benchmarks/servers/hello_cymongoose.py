# SPDX-License-Identifier: GPL-2.0-only
import sys

from cymongoose import MG_EV_HTTP_MSG, Manager


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.reply(200, b"Hello, world!\n")


manager = Manager(handler)
manager.listen("http://127.0.0.1:" + sys.argv[1])
manager.run()
