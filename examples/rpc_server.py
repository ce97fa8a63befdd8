# SPDX-License-Identifier: GPL-2.0-only
"""A JSON-RPC server for WebSocket clients: rpc_server.py [PORT]. Send it

{"jsonrpc": "2.0", "id": 1, "method": "math.add", "params": [1, 2]}
{"jsonrpc": "2.0", "id": 2, "method": "rpc.list"}
"""

import sys

from pymongoose import (
    MG_EV_HTTP_MSG,
    MG_EV_WS_MSG,
    Manager,
    Rpc,
    json_get_num,
    millis,
)


def add(req):
    a = json_get_num(req.frame, "$.params[0]")
    b = json_get_num(req.frame, "$.params[1]")
    if a is None or b is None:
        req.err(-32602, "params must be two numbers")
    else:
        req.ok(a + b)


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.ws_upgrade(data)
    elif ev == MG_EV_WS_MSG:
        answer = rpc.process(data.data)
        if answer:
            conn.ws_send(answer)


rpc = Rpc()
rpc.add("math.add", add)
rpc.add("uptime", lambda req: req.ok(millis()))

manager = Manager(handler, events=(MG_EV_HTTP_MSG, MG_EV_WS_MSG))
listener = manager.listen("http://127.0.0.1:" + (sys.argv[1] if len(sys.argv) > 1 else "8000"))
print("Serving on ws://127.0.0.1:%d (Ctrl-C stops)" % listener.local_addr[1])
manager.run()
