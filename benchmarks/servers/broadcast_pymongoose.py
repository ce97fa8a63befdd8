# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython: what one says, all hear.
import sys

from pymongoose import MG_EV_HTTP_MSG, MG_EV_WS_MSG, Manager


def handler(conn, ev, data):
    if ev == MG_EV_WS_MSG:
        manager.broadcast(data.text)
    else:
        conn.ws_upgrade(data)


manager = Manager(idle_timeout=3_600_000)
manager.listen("http://127.0.0.1:" + sys.argv[1], handler, events=(MG_EV_HTTP_MSG, MG_EV_WS_MSG))
manager.run()
