# SPDX-License-Identifier: GPL-2.0-only
# sys.argv[2] is the file that is sent.
import sys

from cymongoose import MG_EV_HTTP_MSG, Manager


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.serve_file(data, sys.argv[2])


manager = Manager(handler)
manager.listen("http://127.0.0.1:" + sys.argv[1])
manager.run()
