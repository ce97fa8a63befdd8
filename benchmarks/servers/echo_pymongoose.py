# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython: the handler gets every event but MG_EV_POLL.
import sys

from pymongoose import MG_EV_HTTP_MSG, MG_EV_WS_MSG, Manager


def handler(conn, ev, data):
    if ev == MG_EV_WS_MSG:
        conn.ws_send(data.text)
    elif ev == MG_EV_HTTP_MSG:
        conn.ws_upgrade(data)


manager = Manager(handler)
manager.listen("http://127.0.0.1:" + sys.argv[1])
manager.run()
