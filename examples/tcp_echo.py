# SPDX-License-Identifier: GPL-2.0-only
"""A TCP server that sends back what it gets: tcp_echo.py [PORT]. Try it: nc 127.0.0.1 7000"""

import sys

from pymongoose import MG_EV_ACCEPT, MG_EV_CLOSE, MG_EV_READ, MG_EV_WRITE, Manager

ENOUGH = 100000  # bytes that wait for a client who sends and does not read


def handler(conn, ev, data):
    if ev == MG_EV_ACCEPT:
        print("%s:%d came" % conn.remote_addr[:2])
    elif ev in (MG_EV_READ, MG_EV_WRITE):
        # What is not taken stays in the buffer; when that is full, the client has to wait.
        if conn.send_len < ENOUGH:
            conn.send(conn.recv(ENOUGH))
    elif ev == MG_EV_CLOSE and not conn.is_listening:
        print("%s:%d left" % conn.remote_addr[:2])


manager = Manager(handler, events=(MG_EV_ACCEPT, MG_EV_READ, MG_EV_WRITE, MG_EV_CLOSE))
listener = manager.listen("tcp://127.0.0.1:" + (sys.argv[1] if len(sys.argv) > 1 else "7000"))
print("Listening on 127.0.0.1:%d (Ctrl-C stops)" % listener.local_addr[1])
manager.run()
