# SPDX-License-Identifier: GPL-2.0-only
# As docs/deployment.md forks workers: each makes its Manager after the fork.
import os
import sys

from pymongoose import MG_EV_HTTP_MSG, Manager

child = os.fork()


def handler(conn, ev, data):
    conn.reply(200, str(os.getpid()))


manager = Manager(handler, events=(MG_EV_HTTP_MSG,))
manager.listen("http://127.0.0.1:" + sys.argv[1], reuse_port=True)
try:
    manager.run()
finally:
    if child:
        os.kill(child, 15)
        os.waitpid(child, 0)
