# SPDX-License-Identifier: GPL-2.0-only
# MicroPython alone. The next port tells the bytes of the GC's heap that are taken: nothing is collected
# unless "/collect" asks for it.
import gc
import sys

from pymongoose import MG_EV_HTTP_MSG, MG_EV_WS_MSG, Manager


def hello(conn, ev, data):
    conn.reply(200, b"Hello, world!\n")


def control(conn, ev, data):
    if ev == MG_EV_WS_MSG:
        conn.ws_send(data.text)
    elif data.uri == "/ws":
        conn.ws_upgrade(data)
    else:
        if data.uri == "/collect":
            gc.collect()
        conn.reply(200, str(gc.mem_alloc()))


port = int(sys.argv[1])
manager = Manager()
manager.listen("http://127.0.0.1:" + str(port), hello, events=(MG_EV_HTTP_MSG,))
manager.listen("http://127.0.0.1:" + str(port + 1), control, events=(MG_EV_HTTP_MSG, MG_EV_WS_MSG))
gc.disable()
manager.run()
