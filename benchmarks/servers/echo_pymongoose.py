# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython.
import sys

from pymongoose import MG_EV_HTTP_MSG, MG_EV_WS_MSG, Manager


def handler(conn, ev, data):
    if ev == MG_EV_WS_MSG:
        conn.ws_send(data.text)
    elif ev == MG_EV_HTTP_MSG:
        conn.ws_upgrade(data)


manager = Manager(handler, events=(MG_EV_HTTP_MSG, MG_EV_WS_MSG))
manager.listen("http://127.0.0.1:" + sys.argv[1])
manager.run()
