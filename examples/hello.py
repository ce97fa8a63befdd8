# SPDX-License-Identifier: GPL-2.0-only
"""A web server: hello.py [PORT]"""

import sys

from pymongoose import MG_EV_HTTP_MSG, Manager


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.reply(200, "Hello from %s on %s!\n" % (data.uri, sys.implementation.name))


manager = Manager(handler, events=(MG_EV_HTTP_MSG,))
listener = manager.listen("http://127.0.0.1:" + (sys.argv[1] if len(sys.argv) > 1 else "8000"))
print("Serving on http://127.0.0.1:%d (Ctrl-C stops)" % listener.local_addr[1])
manager.run()
